"""SIP requests as they leave the edge: made by FreeSWITCH, relayed by Kamailio, laid out as recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable

from reference_server.behaviour_registrar import AorHeader, LineBreaks
from reference_server.registrations import Aor, Contact
from reference_server.runtime import Runtime

Headers = Iterable[tuple[str, str]]

TAG_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnopqrstuvwxyz"
"""FreeSWITCH's tags and branches leave out what looks alike."""

FREESWITCH_PORT = 11000
"""Where the media server behind the edge listens."""

METHODS = "INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, INFO, UPDATE, REFER, NOTIFY"

_BREAK = re.compile(r"[\r\n\0]")
_BRACKETED = re.compile(r'(?:"(?:[^"\\]|\\.)*"\s*|[^<"]*)<([!-;=?-~]+)>')
_BARE = re.compile(r"[!-:=-~]+")
_UNSAFE_USER = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/]")


def encode(text: str) -> bytes:
    """UTF-8; surrogate escapes become the bytes that they stand for, other surrogates become `?`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def assemble(start_line: str, headers: Headers, body: bytes = b"") -> bytes:
    """A message with the headers exactly as given; Content-Length is among them."""
    lines = [f"{name}: {value}" for name, value in headers]
    return encode("\r\n".join([start_line, *lines, "", ""])) + body


def user_part(value: str) -> str:
    """`value` escaped as the user part of a URI (RFC 3261 25.1)."""
    return _UNSAFE_USER.sub(lambda m: "".join(f"%{octet:02X}" for octet in encode(m[0])), value)


def has_break(value: str) -> bool:
    """Whether a header value would end before its end."""
    return _BREAK.search(value) is not None


def seconds(value: str | None) -> int | None:
    """A delta-seconds value (RFC 3261 25.1), None where it is none."""
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def written_uri(value: str) -> str | None:
    """The URI of a single Contact value exactly as the phone wrote it: it becomes a Request-URI. None without one."""
    match = _BRACKETED.match(value.strip()) or _BARE.match(value.strip())
    return match[match.lastindex or 0] if match is not None else None


class Rejected(Exception):
    """A request is answered with an error."""

    def __init__(self, status: int, reason: str | None = None, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class Relay:
    """Writes the requests that the edge relays to phones."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._cseq = runtime.rng.randrange(100_000_000, 130_000_000)

    def clean(self, value: str) -> str:
        """A value from the API made fit for a header line, by the rule for line breaks."""
        if self._runtime.behaviour.registrar.line_breaks is LineBreaks.PASSED:
            return value
        return _BREAK.split(value, maxsplit=1)[0]

    @property
    def cuts(self) -> bool:
        """Whether values from the API end at their first line break."""
        return self._runtime.behaviour.registrar.line_breaks is LineBreaks.CUT

    def user(self, value: str) -> str:
        """A value from the API made fit for the user part of a URI (RFC 3261 25.1)."""
        value = self.clean(value)
        if self._runtime.behaviour.registrar.line_breaks is LineBreaks.PASSED:
            return value
        return user_part(value)

    def address(self, aor: Aor) -> str:
        """The URI of an address-of-record, fit for a header."""
        return f"sip:{self.user(aor.user)}@{self.clean(aor.realm)}"

    def next_cseq(self) -> int:
        """FreeSWITCH counts CSeq over all its dialogs."""
        self._cseq += 1
        return self._cseq

    def tag(self, length: int = 13) -> str:
        """A tag in FreeSWITCH's alphabet."""
        return "".join(self._runtime.rng.choices(TAG_ALPHABET, k=length))

    def call_id(self) -> str:
        """A Call-ID in FreeSWITCH's form, a UUID."""
        digits = self._runtime.hex(32)
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def edge_via(self, transport: str) -> str:
        """The top Via: the edge, with a fresh branch."""
        runtime = self._runtime
        branch = f"z9hG4bK{runtime.hex(4)}.{runtime.hex(32)}.0"
        return f"SIP/2.0/{transport.upper()} {runtime.place(transport)};branch={branch}"

    def vias(self, transport: str) -> list[tuple[str, str]]:
        """The edge's Via above FreeSWITCH's."""
        host = self._runtime.sip_host
        return [
            ("Via", self.edge_via(transport)),
            (
                "Via",
                f"SIP/2.0/UDP {host}:{FREESWITCH_PORT};received={host};rport={FREESWITCH_PORT};"
                f"branch=z9hG4bK{self.tag()}",
            ),
        ]

    @property
    def contact(self) -> str:
        """FreeSWITCH's Contact."""
        return f"<sip:mod_sofia@{self._runtime.sip_host}:{FREESWITCH_PORT}>"

    def notify(
        self, contact: Contact, aor: Aor, event: str, content_type: str | None = None, body: bytes = b""
    ) -> bytes:
        """A NOTIFY outside any dialog to `contact`, as mod_sofia makes it for a general event.

        Content-Type is application/simple-message-summary where none is given, even without a body.
        """
        address = f"<{self.address(aor)}>"
        headers = [
            *self.vias(contact.route.transport),
            ("Max-Forwards", "50"),
            ("From", f"{address};tag={self.tag()}"),
            ("To", address),
            ("Call-ID", self.call_id()),
            ("CSeq", f"{self.next_cseq()} NOTIFY"),
            ("Contact", self.contact),
            ("User-Agent", "2600Hz"),
            ("Allow", METHODS),
            ("Supported", "path, replaces"),
            ("Event", self.clean(event)),
            ("Allow-Events", "talk, hold, conference, refer"),
            ("Subscription-State", "terminated;reason=noresource"),
            ("Content-Type", self.clean(content_type or "application/simple-message-summary")),
            ("Content-Length", str(len(body))),
        ]
        if self._runtime.behaviour.registrar.aor_header is AorHeader.KEPT:
            headers.append(("X-KAZOO-AOR", address[1:-1]))
        return assemble(f"NOTIFY {contact.uri} SIP/2.0", headers, body)
