"""Where a dialled number leads: to a device, through a trunk, or nowhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reference_server import patterns
from reference_server.behaviour_calls import OwnNumber, Shown
from reference_server.directory import Account, Device, Directory, Document, realm_of
from reference_server.legs import Party
from reference_server.presentity import presentity_of
from reference_server.registrations import Aor, Registrations
from reference_server.rules import Gate
from reference_server.runtime import Route, Runtime
from reference_server.wire import Relay

NO_MATCH = "no_match"
"""The number of the callflow that takes what no other one does."""

LONGEST_NUMBER = 64


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ring, and how: Request-URI, To, where to send it, for how long (seconds), how much later than others.

    `keeps_caller` says whether the caller's number is shown, rather than the device's that is called.
    """

    party: Party
    uri: str
    to: str
    route: Route
    ring_s: float
    outside: bool = False
    keeps_caller: bool = True
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody to ring: what the caller is told. `known` says whether the number is one of the account's.

    `at_once` that the server does not even look for a contact.
    """

    status: int
    reason: str
    known: bool
    at_once: bool = False


UNKNOWN = Refusal(604, "no available handlers", known=False, at_once=True)
UNREACHABLE = Refusal(486, "Unable to Comply", known=True)
OWN = Refusal(486, "Unable to Comply", known=True, at_once=True)


class Router:
    """Finds whom a number rings, as Kazoo's callflows do: one target, or several that ring at the same time."""

    def __init__(self, runtime: Runtime, directory: Directory, registrations: Registrations, relay: Relay) -> None:
        self._runtime = runtime
        self._directory = directory
        self._registrations = registrations
        self._relay = relay

    def party(self, account: Account, device: Device, shown: Shown = Shown.SHOWN) -> Party:
        """A device as the end of a leg; its lamp is the one of this moment."""
        lamp = presentity_of(account, device, self._runtime.behaviour) if shown is Shown.SHOWN else None
        aor = Aor(device.username, realm_of(account, device)) if device.username is not None else None
        numbers = {device.username, lamp and lamp.user, *self.numbers_of(account, device)}
        return Party(account, device, lamp, aor, tuple(sorted(number for number in numbers if number)))

    def numbers_of(self, account: Account, device: Device) -> list[str]:
        """The numbers whose callflow rings `device`."""
        flows = [stored.document for stored in account.callflows.values()]
        return [
            number
            for document in flows
            if _module(document) == "device" and _data(document).get("id") == device.id
            for number in _numbers(document)
        ]

    def callflow(self, account: Account, number: str) -> Document | None:
        """The callflow that has the number, a leading plus not minded."""
        wanted = number.removeprefix("+")
        for stored in account.callflows.values():
            if any(known.removeprefix("+") == wanted for known in _numbers(stored.document)):
                return stored.document
        return None

    def route(self, account: Account, caller: Device | None, number: str, now: float) -> Sequence[Target] | Refusal:
        """Whom `number` rings when `caller` (None: somebody from outside) dials it."""
        if not number or len(number) > LONGEST_NUMBER or number == NO_MATCH:
            return UNKNOWN
        flow = self.callflow(account, number)
        if flow is not None and _module(flow) == "device":
            device = account.devices.get(str(_data(flow).get("id")))
            if device is None:
                return UNREACHABLE
            return self._unless_own(account, caller, device, _seconds(_data(flow).get("timeout")), now)
        if flow is not None and _module(flow) == "ring_group":
            return self._group(account, caller, _data(flow), now)
        if flow is not None and _module(flow) == "resources":
            return self._outside(account, number)
        owner = self._directory.device_of(number, account.realm)
        if owner is not None and owner[0] is account:
            return self._unless_own(account, caller, owner[1], None, now)
        rest = self.callflow(account, NO_MATCH)
        if caller is not None and rest is not None and _module(rest) == "resources":
            return self._outside(account, number)
        return UNKNOWN

    def reach(self, account: Account, device: Device, ring_s: float, now: float) -> Sequence[Target] | Refusal:
        """How `device` is rung: at its Contacts, the newest last, or where its calls are forwarded to."""
        if device.undisturbed or (not device.enabled and self._runtime.behaviour.quickcall.disabled is Gate.REFUSED):
            return UNREACHABLE
        rules = self._runtime.behaviour.calls
        forward = device.forward
        if forward is not None:
            party = self.party(account, device, rules.cellphone_inbound)
            keeps = forward.get("keep_caller_id") is not False
            trunk = self._trunk(account, str(forward["number"]), party, ring_s, keeps_caller=keeps)
            return [trunk] if trunk is not None else UNREACHABLE
        party = self.party(account, device)
        if party.owner is None:
            return UNREACHABLE
        contacts = self._registrations.recipients(party.owner, rules.recipient, now)
        to = f"<{self._relay.address(party.owner)}>"
        return [Target(party, contact.uri, to, contact.route, ring_s) for contact in contacts] or UNREACHABLE

    def _group(self, account: Account, caller: Device | None, data: Document, now: float) -> Sequence[Target] | Refusal:
        """Whom a ring group rings: its devices that can be reached, but the caller's own.

        The times of an endpoint are within that of the group (the ring_group module of callflows).
        """
        most = _seconds(data.get("timeout")) or self._runtime.behaviour.calls.ring_s
        found: list[Target] = []
        for endpoint in _list(data.get("endpoints")):
            device = account.devices.get(str(endpoint.get("id"))) if isinstance(endpoint, dict) else None
            if device is None or not isinstance(endpoint, dict):
                continue
            delay = _seconds(endpoint.get("delay")) or 0.0
            ring_s = min(_seconds(endpoint.get("timeout")) or most, most - delay)
            reached = self._unless_own(account, caller, device, ring_s, now) if ring_s > 0 else UNREACHABLE
            if not isinstance(reached, Refusal):
                found += [replace(target, delay_s=delay) for target in reached]
        return found or UNREACHABLE

    def _unless_own(
        self, account: Account, caller: Device | None, device: Device, timeout: float | None, now: float
    ) -> Sequence[Target] | Refusal:
        rules = self._runtime.behaviour.calls
        if device is caller and rules.own_number is OwnNumber.REFUSED:
            return OWN
        return self.reach(account, device, timeout or rules.ring_s, now)

    def _outside(self, account: Account, number: str) -> Sequence[Target] | Refusal:
        party = Party(account, None, None, None, (number,))
        trunk = self._trunk(account, number, party, self._runtime.behaviour.calls.ring_s)
        return [trunk] if trunk is not None else UNKNOWN

    def _trunk(
        self, account: Account, number: str, party: Party, ring_s: float, *, keeps_caller: bool = True
    ) -> Target | None:
        for stored in account.resources.values():
            if _is_enabled(stored.document) and _takes(stored.document, number):
                for server, port in gateways(stored.document):
                    host = f"[{server}]" if ":" in server else server
                    uri = f"sip:{self._relay.user(number)}@{host}:{port}"
                    route = Route((server, port), "udp")
                    return Target(party, uri, f"<{uri}>", route, ring_s, outside=True, keeps_caller=keeps_caller)
        return None


def gateways(resource: Document) -> list[tuple[str, int]]:
    """The enabled gateways of a resource. Only literal addresses count: nothing here asks a name server."""
    found: list[tuple[str, int]] = []
    for gateway in _list(resource.get("gateways")):
        if not isinstance(gateway, dict) or not _is_enabled(gateway):
            continue
        server, port = gateway.get("server"), gateway.get("port", 5060)
        if isinstance(server, str) and type(port) is int and 0 < port < 65536 and _is_address(server):
            found.append((server, port))
    return found


def accounts_behind(directory: Directory, source: Route) -> list[Account]:
    """The accounts with a trunk to that address. Trunks speak UDP."""
    if source.transport != "udp":
        return []
    return [
        account
        for account in directory.accounts.values()
        if any(
            _is_enabled(stored.document) and source.remote in gateways(stored.document)
            for stored in account.resources.values()
        )
    ]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_enabled(document: Document) -> bool:
    return document.get("enabled") is not False


def _takes(resource: Document, number: str) -> bool:
    for rule in _list(resource.get("rules")):
        try:
            if isinstance(rule, str) and patterns.find(patterns.compile_pattern(rule), number):
                return True
        except patterns.BadPattern:
            continue
    return False


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _numbers(callflow: Document) -> list[str]:
    return [number for number in _list(callflow.get("numbers")) if isinstance(number, str)]


def _module(callflow: Document) -> str:
    flow = callflow.get("flow")
    return str(flow.get("module")) if isinstance(flow, dict) else ""


def _data(callflow: Document) -> Document:
    flow = callflow.get("flow")
    data = flow.get("data") if isinstance(flow, dict) else None
    return data if isinstance(data, dict) else {}


def _seconds(value: object) -> float | None:
    """A ring time, None where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 6:
        value = int(value)
    return float(value) if type(value) is int and 0 < value < 10**6 else None
