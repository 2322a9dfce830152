"""Who is registered where: the location table of the edge."""

from __future__ import annotations

from dataclasses import dataclass

from phones.sip.value import value
from reference_server.behaviour_registrar import Capacity, Flows, Freshness, Location, RegistrarRules
from reference_server.rules import Recipient
from reference_server.runtime import Route


@value
class Aor:
    """An address-of-record: user and realm as they were written."""

    user: str
    realm: str

    def __str__(self) -> str:
        return f"sip:{self.user}@{self.realm}"

    @property
    def key(self) -> tuple[str, str]:
        """How registrations are looked up: in any case."""
        return self.user.lower(), self.realm.lower()


@dataclass(frozen=True, slots=True)
class Flow:
    """Which phone it is, by its instance (a URN), and by which of its ways it registers (RFC 5626)."""

    instance: str
    reg_id: int

    @property
    def parameters(self) -> str:
        """As of a Contact."""
        return f';+sip.instance="<{self.instance}>";reg-id={self.reg_id}'


@dataclass(frozen=True, slots=True)
class Contact:
    """One registered contact. `uri` is the Request-URI for it, `expires` the second at which it ends.

    `route` is where the REGISTER came from, with its Path: behind a NAT the Contact itself leads nowhere. `agent` is
    the phone's User-Agent, `flow` what it says of its flow; `first` and `since` are when (seconds) it registered first
    and last, `previous` is the Contact of the address-of-record before.
    """

    uri: str
    route: Route
    expires: float
    call_id: str
    cseq: int
    agent: str = ""
    first: float = 0.0
    since: float = 0.0
    previous: str = ""
    flow: Flow | None = None


REMEMBERED = 8
"""Replaced contacts of one address-of-record that are still known."""


class Registrations:
    """The contacts of every address-of-record, the newest REGISTER last."""

    def __init__(self, rules: RegistrarRules) -> None:
        self._rules = rules
        self._contacts: dict[tuple[str, str], list[Contact]] = {}
        self._replaced: dict[tuple[str, str], list[Contact]] = {}
        self._sources: dict[Route, Aor] = {}

    def restart(self) -> None:
        """Forget everybody, unless the rules keep them."""
        if self._rules.restart is Location.FORGOTTEN:
            for known in (self._contacts, self._replaced, self._sources):
                known.clear()

    def _is_current(self, contact: Contact, now: float) -> bool:
        return self._rules.expiry is Freshness.IGNORED or contact.expires > now

    def current(self, aor: Aor, now: float) -> list[Contact]:
        """The contacts that have not expired, the newest last."""
        return [contact for contact in self._contacts.get(aor.key, ()) if self._is_current(contact, now)]

    def recipients(self, aor: Aor, which: Recipient, now: float) -> list[Contact]:
        """The contacts that `which` selects; none when nobody is registered."""
        contacts = self.current(aor, now)
        if not contacts or which is Recipient.NEWEST:
            return contacts[-1:]
        replaced = [old for old in self._replaced.get(aor.key, ()) if self._is_current(old, now)]
        known = [*replaced, *contacts]
        return known if which is Recipient.ALL else known[-2:][:1]

    def source_is_known(self, aor: Aor, source: Route, now: float) -> bool:
        """Whether a current contact of `aor` was registered from `source`, with its transport: UDP and TCP may use one
        port for two phones. A proxy's address says nothing.
        """
        return any(contact.route == source for contact in self.current(aor, now))

    def aor_at(self, source: Route, now: float) -> Aor | None:
        """The address-of-record that registered last from `source`, None when none is current."""
        aor = self._sources.get(source)
        return aor if aor is not None and self.source_is_known(aor, source, now) else None

    def add(self, aor: Aor, contact: Contact, now: float) -> bool:
        """Store or refresh `contact`; return whether it is new."""
        contacts = self.current(aor, now)
        refreshed = [old for old in contacts if old.uri == contact.uri]
        others = [old for old in contacts if old.uri != contact.uri]
        flow = contact.flow
        if flow is not None and self._rules.flows is Flows.KNOWN:
            # the same phone by the same of its ways: where it was before nobody is any more
            others = [old for old in others if old.flow != flow]
        piled = flow is not None and self._rules.flows is Flows.PILED
        if others and self._rules.contacts is Capacity.ONE and not piled:
            replaced = [old for old in self._replaced.get(aor.key, ()) if old.uri != contact.uri]
            self._replaced[aor.key] = [*replaced, *others][-REMEMBERED:]
            others = []
        self._contacts[aor.key] = [*others, contact]
        self._sources[contact.route] = aor
        return not refreshed

    def remove(self, aor: Aor, uri: str, now: float) -> None:
        """Take the contact with that URI out."""
        replaced = self._replaced.get(aor.key, [])
        replaced[:] = [contact for contact in replaced if contact.uri != uri]
        contacts = [contact for contact in self.current(aor, now) if contact.uri != uri]
        if contacts:
            self._contacts[aor.key] = contacts
        else:
            self.flush(aor)

    def disconnected(self, route: Route) -> None:
        """Take out what was registered by a connection that is gone: a phone behind it cannot be reached."""
        aor = self._sources.get(route)
        known = self._contacts.get(aor.key, []) if aor is not None else []
        if aor is None or all(contact.route != route for contact in known):
            return
        del self._sources[route]
        self._contacts[aor.key] = [contact for contact in known if contact.route != route]
        if not self._contacts[aor.key]:
            self.flush(aor)

    def flush(self, aor: Aor) -> None:
        """Take every contact of `aor` out."""
        self._contacts.pop(aor.key, None)
        self._replaced.pop(aor.key, None)
