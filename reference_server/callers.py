"""Who sends an INVITE: a registered source, a trunk, or whoever knows a device's password (RFC 3261 22.3)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from phones.sip.index import Message
from reference_server.call_wire import display_of, user_of
from reference_server.digests import Digests
from reference_server.directory import Account, Device, Directory
from reference_server.legs import Party, Shows
from reference_server.registrations import Registrations
from reference_server.routing import Router, accounts_behind
from reference_server.rules import KnownSource
from reference_server.runtime import Route, Runtime


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `device` is None for somebody from outside; `shows` is what the other side sees of them."""

    party: Party
    device: Device | None
    shows: Shows


class Callers:
    """Tells callers by their source or their credentials."""

    def __init__(
        self, runtime: Runtime, directory: Directory, registrations: Registrations, router: Router, digests: Digests
    ) -> None:
        self._rules = runtime.behaviour.calls
        self._directory = directory
        self._registrations = registrations
        self._router = router
        self._digests = digests

    def identify(self, request: Message, number: str, source: Route, now: float) -> Caller:
        """Who sent the INVITE that dials `number`. Raises Doubted for a stranger."""
        if self._rules.known_source is KnownSource.TRUSTED:
            aor = self._registrations.aor_at(source, now)
            owner = self._directory.device_of(aor.user, aor.realm) if aor is not None else None
            if owner is not None:
                return self._device(request, *owner)
        behind = accounts_behind(self._directory, source)
        if behind:
            mine = [account for account in behind if self._router.callflow(account, number) is not None]
            return self._from_trunk(request, number, (mine or behind)[0])
        return self._device(
            request, *self._digests.device(request, "proxy-authorization", self._rules.wrong_password, now)
        )

    def shows(self, account: Account, device: Device, name: str) -> Shows:
        """What others see of `device`: `caller_id.internal`, else its presence id or username, and `name`."""
        caller_id = device.document.get("caller_id")
        internal = caller_id.get("internal") if isinstance(caller_id, dict) else None
        given = internal if isinstance(internal, dict) else {}
        party = self._router.party(account, device)
        number = given.get("number") or (party.presentity.user if party.presentity else device.id)
        return Shows(str(number), str(given.get("name") or name))

    def _device(self, request: Message, account: Account, device: Device) -> Caller:
        name = display_of(request.get("from")) or unquote(user_of(request.get("from")))
        return Caller(self._router.party(account, device), device, self.shows(account, device, name))

    def _from_trunk(self, request: Message, number: str, account: Account) -> Caller:
        """A call from outside; from the number of a cellphone to one of the account's it is that device's own."""
        sender = unquote(user_of(request.get("from")))
        shows = Shows(sender, display_of(request.get("from")) or sender)
        if self._router.callflow(account, number) is not None:
            for device in account.devices.values():
                forward = device.forward
                if forward is not None and device.enabled and _same(str(forward["number"]), sender):
                    party = self._router.party(account, device, self._rules.cellphone_outbound)
                    return Caller(party, device, shows)
        return Caller(Party(account, None, None, None, (sender,)), None, shows)


def _same(number: str, other: str) -> bool:
    return number.removeprefix("+") == other.removeprefix("+")
