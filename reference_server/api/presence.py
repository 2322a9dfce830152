"""POST /devices/{device}/presence, and the way to lose an event that only the reference server has."""

from __future__ import annotations

from typing import Any

from sipmessage import URI

from reference_server.api.devices import Devices
from reference_server.api.errors import bad_identifier, invalid, invalid_credentials
from reference_server.api.exchange import Exchange, Result
from reference_server.api.schema import Errors
from reference_server.behaviour import Attempt, Behaviour
from reference_server.behaviour_presence import OwnPhone, ResetBody, ResetGet, ResetOf
from reference_server.directory import Account, Device, Directory, realm_of
from reference_server.notifier import Notifier
from reference_server.presence import Presence
from reference_server.presentity import has_presence_id, presentity_of
from reference_server.registrations import Aor
from reference_server.states import ChannelState

STATES = [state.value for state in ChannelState]
"""The states whose events can be lost."""


class PresenceHandler:
    """The handlers of presence."""

    def __init__(
        self, behaviour: Behaviour, directory: Directory, devices: Devices, presence: Presence, notifier: Notifier
    ) -> None:
        self._behaviour = behaviour
        self._rules = behaviour.reset
        self._directory = directory
        self._devices = devices
        self._presence = presence
        self._notifier = notifier

    def reset(self, exchange: Exchange, account: Account, device_id: str) -> Result:
        """POST /devices/{device}/presence: the reply says nothing about whether anybody watches."""
        account, device = self._devices.find(account, device_id)
        self._check(exchange)
        self._reset(account, device, exchange.now)
        return Result(self._rules.reply, etag=device.etag)

    def show(self, exchange: Exchange, account: Account, device_id: str) -> Result:
        """GET /devices/{device}/presence: how many watch whom in the whole account (recorded)."""
        account, device = self._devices.find(account, device_id)
        if self._rules.get is ResetGet.RESETS:
            self._reset(account, device, exchange.now)
        return Result({"Subscriptions": self._presence.subscriptions(account.realm)})

    def _check(self, exchange: Exchange) -> None:
        if self._rules.body is ResetBody.FLAG and exchange.value("reset") not in (True, "true"):
            raise invalid({"reset": {"required": {"message": "Field must be set to true"}}})
        if self._rules.body is ResetBody.ACTION and exchange.data.get("action") != "reset":
            raise invalid(
                {"action": {"invalid": {"message": "Field must be set to a valid action", "target": "invalid"}}}
            )

    def _reset(self, account: Account, device: Device, now: float) -> None:
        rules = self._rules
        owner = Aor(device.username or device.id, realm_of(account, device))
        if rules.of is ResetOf.USERNAME:
            self._presence.reset(owner, now)
        elif rules.of is ResetOf.PRESENTITY or has_presence_id(device, self._behaviour):
            self._presence.reset(presentity_of(account, device, self._behaviour), now)
        if rules.own_phone is OwnPhone.CHECK_SYNC:
            self._notifier.check_sync(owner, Attempt.ATTEMPTED, now)

    def lose(self, exchange: Exchange) -> Result:
        """POST /ringproof/lose, of which Kazoo has nothing: the next event of that state is lost inside.

        `data` is {presentity: "sip:user@realm", state: "early" | "confirmed" | "terminated"}. The presentity must
        belong to the account of the token or to one below it; any other is 404.
        """
        if exchange.caller is None:
            raise invalid_credentials()
        presentity, state = _presentity(exchange.data.get("presentity")), exchange.data.get("state")
        errors: Errors = {}
        if presentity is None:
            errors["presentity"] = {"invalid": {"message": "Field must be a SIP URI with a user"}}
        if state not in STATES:
            errors["state"] = {"enum": {"message": "Value not found in enumerated list of values", "target": STATES}}
        if presentity is None or not isinstance(state, str) or errors:
            raise invalid(errors)
        if not self._owns(exchange.caller, presentity):
            raise bad_identifier(str(presentity))
        self._presence.lose(presentity, ChannelState(state))
        return Result({"presentity": str(presentity), "state": state})

    def _owns(self, caller: Account, presentity: Aor) -> bool:
        for account in self._directory.accounts.values():
            if account is not caller and not self._directory.is_above(caller, account):
                continue
            mine = (presentity_of(account, device, self._behaviour).key for device in account.devices.values())
            if account.realm.lower() == presentity.realm.lower() or presentity.key in mine:
                return True
        return False


def _presentity(text: Any) -> Aor | None:
    """The presentity of a SIP URI; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        uri = URI.parse(text)
    except (ValueError, RecursionError):
        return None
    return Aor(uri.user, uri.host) if uri.scheme in ("sip", "sips") and uri.user and uri.host else None
