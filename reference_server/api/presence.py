"""Presence resets and lists, and the way to lose an event that only the reference server has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sipmessage import URI

from reference_server.api.devices import Devices
from reference_server.api.errors import Refused, bad_identifier, init_failed, invalid, invalid_credentials
from reference_server.api.exchange import Exchange, Result
from reference_server.api.schema import Errors
from reference_server.api.users import Users
from reference_server.behaviour import Behaviour
from reference_server.behaviour_devices import Attempt
from reference_server.behaviour_presence import FlagMeans, OwnPhone, ResetBody, ResetGet, ResetOf, Setting
from reference_server.directory import Account, Device, Directory, realm_of
from reference_server.notifier import Notifier
from reference_server.presence import Presence
from reference_server.presentity import has_presence_id, presentity_of
from reference_server.registrations import Aor
from reference_server.states import ChannelState

STATES = [state.value for state in ChannelState]
"""The states whose events can be lost, and that a lamp can be set to."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for: to set a state, or (None) to reset."""

    state: ChannelState | None


class PresenceHandler:
    """The handlers of presence."""

    def __init__(
        self,
        behaviour: Behaviour,
        directory: Directory,
        devices: Devices,
        users: Users,
        presence: Presence,
        notifier: Notifier,
    ) -> None:
        self._behaviour = behaviour
        self._rules = behaviour.reset
        self._directory = directory
        self._devices = devices
        self._users = users
        self._presence = presence
        self._notifier = notifier

    # resets

    def reset(self, exchange: Exchange, account: Account) -> Result:
        """POST /devices/{device}/presence: the reply says nothing about whether anybody watches."""
        account, device = self._devices.find(account, exchange.arguments["device"])
        asked = self._asked(exchange)
        if asked is None:
            return Result(device.public, etag=device.etag)
        self._change(account, device, asked, exchange.now)
        return Result(self._rules.reply, etag=device.etag)

    def reset_user(self, exchange: Exchange, account: Account) -> Result:
        """POST /users/{user}/presence: the user's own `presence_id`, else those of the user's devices."""
        user = self._users.find(account, exchange.arguments["user"])
        asked = self._asked(exchange)
        if asked is None:
            return Result(user.public, etag=user.etag)
        owned = account.devices_of(user.id)
        own = user.document.get("presence_id")
        if isinstance(own, str) and own:
            self._tell(Aor(own, account.realm), asked, exchange.now)
        elif not owned:
            return Result(self._rules.nothing, etag=user.etag)
        else:
            for device in owned:
                self._change(account, device, asked, exchange.now)
        return Result(self._rules.reply, etag=user.etag)

    def reset_extension(self, exchange: Exchange, account: Account) -> Result:
        """POST /presence/{extension}: a reset, whatever the body says (recorded)."""
        extension = exchange.arguments["extension"]
        self._presence.reset(Aor(extension, account.realm), exchange.now)
        return Result(f"reset command sent for extension {extension}")

    def reset_address(self, _: Exchange, __: Account) -> Result:
        """POST /presence/{user@realm}/reset: 3.20 has nobody who takes it."""
        return Result({})

    # lists

    def show(self, exchange: Exchange, account: Account) -> Result:
        """GET /presence, or the same for a device or user: how many watch whom in the whole account (recorded)."""
        if "device" in exchange.arguments:
            account, device = self._devices.find(account, exchange.arguments["device"])
            if self._rules.get is ResetGet.RESETS:
                self._change(account, device, _Asked(None), exchange.now)
        elif "user" in exchange.arguments:
            self._users.find(account, exchange.arguments["user"])
        return Result({self._rules.list_name: self._presence.subscriptions(account.realm)})

    def show_one(self, exchange: Exchange, account: Account) -> Result:
        """GET /presence/{extension}: who watches it, and the last NOTIFY that each was sent."""
        extension = exchange.arguments["extension"]
        watchers = self._presence.watchers(Aor(extension, account.realm))
        return Result({self._rules.list_name: {extension: watchers}} if watchers else {})

    # inside

    def _asked(self, exchange: Exchange) -> _Asked | None:
        """What the request asks for, None for nothing although it is accepted. Raises Refused for neither."""
        rules, data = self._rules, exchange.data
        if rules.body is ResetBody.NOTHING:
            return _Asked(None)
        if rules.body is ResetBody.FLAG:
            if exchange.value("reset") not in (True, "true"):
                raise invalid({"reset": {"required": {"message": "Field must be set to true"}}})
            return _Asked(None)
        action = data.get("action")
        if action == "reset":
            return _Asked(None)
        if action == "set" and rules.set is Setting.SHOWN:
            if data.get("state") not in STATES:
                raise _invalid("state")
            return _Asked(ChannelState(data["state"]))
        if action is None and data.get("reset", False) is not False and rules.flag is FlagMeans.SHOWS:
            if data["reset"] is True:
                return None
            raise init_failed()
        raise _invalid("action")

    def _change(self, account: Account, device: Device, asked: _Asked, now: float) -> None:
        rules = self._rules
        owner = Aor(device.username or device.id, realm_of(account, device))
        if rules.of is ResetOf.USERNAME:
            self._tell(owner, asked, now)
        elif rules.of is ResetOf.PRESENTITY or has_presence_id(account, device, self._behaviour):
            self._tell(presentity_of(account, device, self._behaviour, rules.completion), asked, now)
        if rules.own_phone is OwnPhone.CHECK_SYNC:
            self._notifier.check_sync(owner, Attempt.ATTEMPTED, now, self._behaviour.sync.event)

    def _tell(self, presentity: Aor, asked: _Asked, now: float) -> None:
        if asked.state is None:
            self._presence.reset(presentity, now)
        else:
            self._presence.set(presentity, asked.state, now)

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


def _invalid(field: str) -> Refused:
    message = f"Field must be set to a valid {field}"
    return invalid({field: {"invalid": {"message": message, "target": "invalid"}}})


def _presentity(text: Any) -> Aor | None:
    """The presentity of a SIP URI; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        uri = URI.parse(text)
    except (ValueError, RecursionError):
        return None
    return Aor(uri.user, uri.host) if uri.scheme in ("sip", "sips") and uri.user and uri.host else None
