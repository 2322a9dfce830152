"""The SIP edge: which requests from phones meet which answer (recorded on Kazoo's Kamailio)."""

from __future__ import annotations

import ipaddress

from phones.sip.index import Message, SipSyntaxError, scan
from phones.sip.message import Address as Socket
from phones.sip.message import response
from reference_server.addresses import address_of
from reference_server.behaviour_registrar import AddressRealm
from reference_server.call_wire import tag_of
from reference_server.calls import Calls
from reference_server.presence import Presence
from reference_server.registrar import Registrar
from reference_server.runtime import Runtime
from reference_server.wire import METHODS, assemble

KNOWN_METHODS = frozenset((*METHODS.split(", "), "REGISTER", "SUBSCRIBE", "PUBLISH", "PRACK"))
"""Methods that an RFC defines; any other is 501."""


class Edge:
    """Answers requests, or hands them to whoever does."""

    def __init__(self, runtime: Runtime, registrar: Registrar, calls: Calls, presence: Presence) -> None:
        self._runtime = runtime
        self._registrar = registrar
        self._calls = calls
        self._presence = presence

    def ignores(self, message: Message) -> bool:
        """Whether a request gets no answer at all: scanners, and REGISTER for a domain that is an address."""
        rules = self._runtime.behaviour.registrar
        agent = (message.get("user-agent") or "").lower()
        if any(name.lower() in agent for name in rules.dropped_agents):
            return True
        if message.method != "REGISTER" or rules.address_realm is AddressRealm.CHALLENGED:
            return False
        try:
            ipaddress.ip_address(address_of(message.get("to") or "").uri.host.strip("[]"))
        except ValueError:
            return False
        return True

    def receive(self, key: str, request: Message, source: Socket, transport: str, now: float) -> None:
        """Take a new request and answer it."""
        if (request.get("max-forwards") or "").strip() == "0":
            self._answer(key, request, transport, now, 483, "Too Many Hops")
        elif tag_of(request.get("to")) and self._calls.in_dialog(key, request, transport, now):
            pass
        elif request.method == "REGISTER":
            self._registrar.receive(key, request, source, transport, now)
        elif request.method == "OPTIONS":
            self._answer(key, request, transport, now, 200, "Rawr!!")
        elif request.method == "NOTIFY":
            keep_alive = (request.get("event") or "").partition(";")[0].strip().lower() == "keep-alive"
            status, reason = (405, "Stay Alive / Method Not Allowed") if keep_alive else (200, "Rawr!!")
            self._answer(key, request, transport, now, status, reason)
        elif request.method == "SUBSCRIBE":
            self._presence.subscribe(key, request, source, transport, now)
        elif request.method == "INVITE" and not tag_of(request.get("to")):
            self._calls.receive(key, request, source, transport, now)
        elif request.method == "CANCEL" and self._calls.cancel(key, request, transport, now):
            pass
        elif request.method in ("INVITE", "BYE", "CANCEL"):
            self._answer(key, request, transport, now, 481)
        elif request.method in KNOWN_METHODS:
            self._answer(key, request, transport, now, 405, headers=(("Allow", METHODS),))
        else:
            self._answer(key, request, transport, now, 501)

    def _answer(
        self,
        key: str,
        request: Message,
        transport: str,
        now: float,
        status: int,
        reason: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        tag = f"{self._runtime.hex(32)}.{self._runtime.hex(8)}"
        data = response(request, status, reason, headers=headers, to_tag=tag)
        self._runtime.wire.respond(key, data, transport, now)


def refusal(data: bytes, error: SipSyntaxError) -> bytes | None:
    """The stateless answer to bytes that are no valid request (RFC 3261 8.2.6), None where none is owed.

    Nothing is answered to responses, to ACK, and where the answer could not be matched to its request.
    """
    try:
        start, fields, _ = scan(data)
    except SipSyntaxError:
        return None
    if start[:4].upper() == b"SIP/" or start[:4].upper() == b"ACK ":
        return None
    copied: list[tuple[str, str]] = []
    for name, value in fields:
        key = name.strip().lower()
        if key in (b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq"):
            copied.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")))
    present = {name.strip().lower() for name, _ in copied}
    wanted = (("via", "v"), ("from", "f"), ("to", "t"), ("call-id", "i"), ("cseq",))
    if not all(present.intersection(names) for names in wanted):
        return None
    reason = {400: "Bad Request", 505: "Version Not Supported"}.get(error.status, "Bad Request")
    answer = assemble(f"SIP/2.0 {error.status} {reason}", [*copied, ("Content-Length", "0")])
    return answer if _is_readable(answer) else None


def _is_readable(data: bytes) -> bool:
    try:
        Message.parse(data)
    except SipSyntaxError:
        return False
    return True
