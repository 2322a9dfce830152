"""REGISTER at the edge: digest challenge, contacts, expiry (RFC 3261 10.3; words and headers as recorded)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sipmessage import Address

from phones.sip.dialog import elements, uri_of
from phones.sip.digest import Credentials
from phones.sip.index import Message
from phones.sip.message import Address as Socket
from phones.sip.message import response
from reference_server.addresses import address_of
from reference_server.behaviour_registrar import Flows, Removal, ShortExpires, Unsolicited
from reference_server.digests import Digests, Doubted
from reference_server.directory import Account, Device, Directory
from reference_server.notifier import Notifier
from reference_server.registrations import Aor, Contact, Flow, Registrations
from reference_server.rules import KnownSource
from reference_server.runtime import Route, Runtime
from reference_server.ways import recorded, way
from reference_server.wire import Rejected, seconds, written_uri

STAR = "*"

_URN = re.compile(r"urn:[!#-;=?-~]{1,200}", re.IGNORECASE)
_OB = re.compile(r";ob(?=[;=>?]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Binding:
    """One Contact value of a REGISTER: its URI, the seconds asked for, and the flow that it names."""

    uri: str
    expires: int
    flow: Flow | None = None


class Registrar:
    """Answers REGISTER requests."""

    def __init__(
        self, runtime: Runtime, directory: Directory, registrations: Registrations, notifier: Notifier
    ) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.registrar
        self._directory = directory
        self._registrations = registrations
        self._notifier = notifier
        self._digests = Digests(runtime, directory)

    def receive(self, key: str, request: Message, source: Socket, transport: str, now: float) -> None:
        """Take a REGISTER; the answers go out through the wire, the final one a little later."""
        try:
            aor = self._aor(request)
            trusted = self._is_trusted(aor, Route(source, transport), now)
            bindings = self._bindings(request, trusted=trusted)
            credentials = None
            if not trusted:
                self._check_expiry(bindings)
                credentials = self._digests.claimed(request, "authorization", aor.realm, now)
                checking = response(request, 100, self._rules.trying)
                self._runtime.wire.respond(key, checking, transport, now)
        except (Rejected, Doubted) as rejected:
            self._reject(key, request, transport, rejected, now)
            return

        def conclude(then: float) -> None:
            try:
                device = self._authenticate(request, credentials, aor)
                route, proved = way(request, source, transport, "path"), credentials is not None
                self._save(key, request, aor, device, bindings, route, then, proved=proved)
            except (Rejected, Doubted) as rejected:
                self._reject(key, request, transport, rejected, then)

        wait = self._runtime.draw(self._rules.delay) if credentials is not None else 0.0
        self._runtime.agenda.at(now + wait, conclude)

    def _reject(self, key: str, request: Message, transport: str, rejected: Rejected | Doubted, now: float) -> None:
        if isinstance(rejected, Doubted):
            rejected = Rejected(401, None, tuple(("WWW-Authenticate", each) for each in rejected.challenges))
        data = response(
            request,
            rejected.status,
            rejected.reason,
            headers=rejected.headers,
            to_tag=f"{self._runtime.hex(32)}.{self._runtime.hex(8)}",
        )
        self._runtime.wire.respond(key, data, transport, now)

    def _aor(self, request: Message) -> Aor:
        try:
            to, sender = address_of(request.get("to") or ""), address_of(request.get("from") or "")
        except ValueError:
            raise Rejected(400, "Bad From or To") from None
        if not to.uri.user or not to.uri.host:
            raise Rejected(400, "Missing TO username")
        if not sender.uri.host:
            raise Rejected(400, "Bad From or To")
        return Aor(to.uri.user, to.uri.host)

    def _bindings(self, request: Message, *, trusted: bool) -> list[Binding]:
        """What the REGISTER asks for. A query asks for nothing; `*` stands alone and with Expires 0."""
        default = self._rules.default_expires
        if default is None and trusted:
            default = self._rules.known_expires
        header = seconds(request.get("expires"))
        values = request.all("contact")
        if any(value.strip() == STAR for value in values):
            if len(values) > 1 or header != 0:
                raise Rejected(400, "Bad Contact")
            return [Binding(STAR, 0)]
        bindings: list[Binding] = []
        for value in values:
            try:
                addresses = Address.parse_many(value)
            except (ValueError, RecursionError):
                raise Rejected(400, "Bad Contact") from None
            for address in addresses:
                if address.uri.scheme not in ("sip", "sips"):
                    raise Rejected(400, "Bad Contact")
                expires = seconds(address.parameters.get("expires"))
                expires = header if expires is None else expires
                if expires is None:
                    expires = default
                if expires is None:
                    raise Rejected(400, "Missing Expires")
                written = written_uri(value) if len(addresses) == 1 else str(address.uri)
                if written is None:
                    raise Rejected(400, "Bad Contact")
                bindings.append(Binding(written, expires, self._flow(address, request)))
        return bindings

    def _flow(self, address: Address, request: Message) -> Flow | None:
        """The flow that a Contact names, where flows mean something (RFC 5626 6)."""
        if self._rules.flows is Flows.IGNORED:
            return None
        parameters = {name.lower(): value or "" for name, value in address.parameters.items()}
        instance = parameters.get("+sip.instance", "").strip('"').removeprefix("<").removesuffix(">")
        reg_id = seconds(parameters.get("reg-id"))
        if not reg_id or not _URN.fullmatch(instance):
            return None
        path = recorded(request, "path")
        if path and not _OB.search(uri_of(path[0])):
            if _names(request, "supported", "outbound"):
                raise Rejected(439, "First Hop Lacks Outbound Support")
            return None
        return Flow(instance, reg_id)

    def _check_expiry(self, bindings: list[Binding]) -> None:
        if self._rules.short_expires is ShortExpires.RAISED:
            return
        if any(0 < binding.expires < self._rules.min_expires for binding in bindings):
            raise Rejected(423, "Interval Too Brief", (("Min-Expires", str(self._rules.min_expires)),))

    def _is_trusted(self, aor: Aor, source: Route, now: float) -> bool:
        trusted = self._rules.known_source is KnownSource.TRUSTED
        return trusted and self._registrations.source_is_known(aor, source, now)

    def _authenticate(self, request: Message, credentials: Credentials | None, aor: Aor) -> Device:
        """The device that `aor` belongs to. Refused: the same nonce again, with qop for a wrong password."""
        owner = self._owner(aor)
        if credentials is None:
            if owner is None:
                raise Rejected(403)
            return owner[1]
        if owner is None:
            raise self._digests.refused(credentials, aor.realm)
        device = owner[1]
        if credentials.username.lower() != aor.user.lower():
            raise Rejected(403)
        if not self._digests.is_proved(credentials, device.password, request):
            raise self._digests.refused(credentials, aor.realm, wrong=True)
        return device

    def _owner(self, aor: Aor) -> tuple[Account, Device] | None:
        owner = self._directory.device_of(aor.user, aor.realm)
        return owner if owner is not None and owner[1].enabled else None

    def _save(
        self,
        key: str,
        request: Message,
        aor: Aor,
        device: Device,
        bindings: list[Binding],
        route: Route,
        now: float,
        *,
        proved: bool,
    ) -> None:
        known = self._registrations.current(aor, now)
        for contact in known:
            # RFC 3261 10.3 step 7: an older REGISTER of the same Call-ID must not undo a newer one
            if bindings and contact.call_id == request.call_id and request.cseq <= contact.cseq:
                raise Rejected(400, "Invalid CSeq number")
        fresh: list[Contact] = []
        for binding in bindings:
            if binding.expires == 0:
                self._unregister(aor, binding.uri, now)
                continue
            least = self._rules.min_expires if self._rules.short_expires is ShortExpires.RAISED else 1
            granted = min(max(binding.expires, least), self._rules.max_expires)
            contact = Contact(
                binding.uri,
                route,
                now + granted,
                request.call_id,
                request.cseq,
                request.get("user-agent") or "",
                known[-1].first if known else now,
                now,
                known[-1].uri if known else "",
                binding.flow,
            )
            device.registered_presence_id = device.document.get("presence_id")
            if self._registrations.add(aor, contact, now):
                fresh.append(contact)
        listed = [
            (
                "Contact",
                f"<{contact.uri}>;expires={max(0, round(contact.expires - now))}"
                f"{contact.flow.parameters if contact.flow is not None else ''}",
            )
            for contact in self._registrations.current(aor, now)
        ]
        supported: list[tuple[str, str]] = []
        if self._rules.flows is not Flows.IGNORED:
            supported.append(("Supported", "outbound"))
            if any(binding.flow is not None for binding in bindings) and _names(request, "supported", "outbound"):
                supported.append(("Require", "outbound"))
                if self._rules.flow_timer is not None:
                    supported.append(("Flow-Timer", str(self._rules.flow_timer)))
        data = response(
            request,
            200,
            headers=[*listed, *(("Path", proxy) for proxy in route.path), *supported],
            to_tag=f"{self._runtime.hex(32)}-{self._runtime.hex(8)}",
        )
        self._runtime.wire.respond(key, data, route.transport, now)
        told = fresh
        if self._rules.message_waiting is Unsolicited.EACH and proved and not fresh:
            told = self._registrations.current(aor, now)[-1:]
        if self._rules.message_waiting is not Unsolicited.NEVER and device.document.get("mwi_unsolicited_updates"):
            for contact in told:
                self._notifier.message_waiting(aor, contact, now)

    def _unregister(self, aor: Aor, uri: str, now: float) -> None:
        if self._rules.unregister is Removal.IGNORED:
            return
        if uri == STAR:
            self._registrations.flush(aor)
        else:
            self._registrations.remove(aor, uri, now)


def _names(request: Message, header: str, option: str) -> bool:
    return option in {each.lower() for each in elements(request.all(header))}
