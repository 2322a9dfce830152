"""scapy layers over the header index: craft, dissect, summarise and pair SIP messages.

Importing this module costs a scapy start-up; the hot path never does. `bind` makes scapy dissect SIP on UDP and
TCP ports, so that captures read back as SIP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from scapy.fields import ByteField, Field, StrField
from scapy.packet import Packet, Raw, bind_bottom_up

from phones.sip.index import Message, SipSyntaxError, header_key, scan

SIP_PORT = 5060

Pairs = list[tuple[str, str]]


class HeadersField(Field):
    """The headers of a message as a list of `(name, value)` text pairs, in wire order."""

    islist = 1

    def __init__(self, name: str) -> None:
        super().__init__(name, [])

    def any2i(self, pkt: Packet | None, x: Any) -> Pairs:
        """Accept a mapping or pairs of text, bytes or numbers."""
        pairs: Iterable[tuple[Any, Any]] = x.items() if isinstance(x, dict) else x or []
        return [(_text(name), _text(value)) for name, value in pairs]

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return "; ".join(f"{name}: {value}" for name, value in x)


class _TextField(StrField):
    def any2i(self, pkt: Packet | None, x: Any) -> str:
        return _text(x)

    def i2repr(self, pkt: Packet | None, x: Any) -> str:
        return repr(x)


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


class SIP(Packet):
    """A SIP message; dissects to SIPRequest or SIPResponse (RFC 3261 7).

    Content-Length is appended when the headers have none and `auto_length` is 1, which it is for crafted
    messages; 0 sends a message without one. `auto_length` is never on the wire. A payload (`/ "text"`) is the body.
    """

    name = "SIP"
    match_subclass = True
    fields_desc: ClassVar[list[Any]] = []
    raw_packet_cache: bytes | None
    raw_packet_cache_fields: dict[str, Any] | None

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *args: Any, **kargs: Any) -> type[Packet]:
        """Choose the layer by the start line; what is no SIP message at all is Raw."""
        if not _pkt:
            return cls
        try:
            start, _, _ = scan(_pkt)
        except SipSyntaxError:
            return Raw
        if not start:
            return Raw  # a keepalive of empty lines (RFC 5626 3.5.1)
        return SIPResponse if _pkt[:4].upper() == b"SIP/" else SIPRequest

    def start_line(self) -> str:
        """The first line, without its CRLF."""
        raise SipSyntaxError("craft a SIPRequest or a SIPResponse")

    def read_start(self, line: str) -> None:
        """Fill the fields of the start line."""
        raise SipSyntaxError("dissect through SIPRequest or SIPResponse")

    def header(self, name: str) -> str | None:
        """The first value of header `name`, any case, full or compact; None when absent."""
        wanted = header_key(name)
        return next((value for key, value in self.headers if header_key(key) == wanted), None)

    def self_build(self) -> bytes:
        """The start line and the headers. The body is the payload; see `post_build` for Content-Length."""
        if self.raw_packet_cache is not None:
            if (self.raw_packet_cache_fields or {}).get("headers") == self.headers:
                return bytes(self.raw_packet_cache)
            self.raw_packet_cache = None
        lines = [self.start_line(), *(f"{name}: {value}" for name, value in self.headers)]
        return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape")

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Close the headers, with Content-Length where it is ours to give."""
        if self.raw_packet_cache is not None:
            return pkt + pay
        if self.auto_length and self.header("Content-Length") is None:
            pkt += b"Content-Length: %d\r\n" % len(pay)
        return pkt + b"\r\n" + pay

    def do_dissect(self, s: bytes) -> bytes:
        """Read `s` through the header index."""
        start, fields, body = scan(s)
        self.read_start(_text(start))
        self.fields["headers"] = [(_text(name), _text(value)) for name, value in fields]
        self.raw_packet_cache = s[: len(s) - len(body)]
        # the list can be changed in place, and is compared before the cache is believed
        self.raw_packet_cache_fields = {"headers": list(self.fields["headers"])}
        self.fields["auto_length"] = 0
        return body

    def hashret(self) -> bytes:
        """What request and response share: Call-ID and the CSeq number."""
        cseq = (self.header("CSeq") or "").split()[:1]
        return f"{self.header('Call-ID')} {''.join(cseq)}".encode("utf-8", "surrogateescape")

    def answers(self, other: Packet) -> int:
        """0: only a response answers."""
        return 0

    def message(self) -> Message:
        """This packet as an indexed message. Raises SipSyntaxError when it is malformed."""
        return Message.parse(bytes(self))


class SIPRequest(SIP):
    """A request: `method`, `uri`, `version`, `headers`, and the payload as body."""

    name = "SIP request"
    fields_desc: ClassVar[list[Any]] = [
        _TextField("method", "OPTIONS"),
        _TextField("uri", "sip:127.0.0.1"),
        _TextField("version", "SIP/2.0"),
        HeadersField("headers"),
        ByteField("auto_length", 1),
    ]

    def start_line(self) -> str:
        return f"{self.method} {self.uri} {self.version}"

    def read_start(self, line: str) -> None:
        method, _, rest = line.partition(" ")
        uri, _, version = rest.rpartition(" ")
        self.fields |= {"method": method, "uri": uri, "version": version}

    def mysummary(self) -> str:
        event = self.header("Event")
        return f"SIP {self.method} {self.uri}" + (f" [{event}]" if event else "")


class SIPResponse(SIP):
    """A response: `version`, `status`, `reason`, `headers`, and the payload as body."""

    name = "SIP response"
    fields_desc: ClassVar[list[Any]] = [
        _TextField("version", "SIP/2.0"),
        _TextField("status", "200"),
        _TextField("reason", "OK"),
        HeadersField("headers"),
        ByteField("auto_length", 1),
    ]

    def start_line(self) -> str:
        return f"{self.version} {self.status} {self.reason}"

    def read_start(self, line: str) -> None:
        version, _, rest = line.partition(" ")
        status, _, reason = rest.partition(" ")
        self.fields |= {"version": version, "status": status, "reason": reason}

    def mysummary(self) -> str:
        method = (self.header("CSeq") or "").rpartition(" ")[2]
        return f"SIP {self.status} {self.reason} ({method})"

    def answers(self, other: Packet) -> int:
        """1 when this response belongs to the request `other`: same top branch, Call-ID and CSeq (RFC 3261 17.1.3)."""
        if not isinstance(other, SIPRequest):
            return 0
        try:
            ours, theirs = self.message(), other.message()
        except SipSyntaxError:
            return 0
        same = (ours.branch, ours.call_id, ours.cseq, ours.method) == (
            theirs.branch,
            theirs.call_id,
            theirs.cseq,
            theirs.method,
        )
        return int(same)


def bind(*ports: int) -> None:
    """Let scapy dissect UDP and TCP payloads on `ports` (5060 when none is given) as SIP."""
    from scapy.layers.inet import TCP, UDP

    for port in ports or (SIP_PORT,):
        for below in (UDP, TCP):
            bind_bottom_up(below, SIP, sport=port)
            bind_bottom_up(below, SIP, dport=port)
