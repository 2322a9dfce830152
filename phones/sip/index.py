"""The header index: the one scanner of SIP messages.

Every view of a message (the transactions, the phone, the scapy layers, the judge) reads through `scan`.
It looks at each byte a fixed number of times, so its cost is linear whatever a peer sends.
Grammar: RFC 3261 sections 7 and 25.
"""

from __future__ import annotations

import re

_FOLD = re.compile(rb"\r\n[ \t]+")
_TOKEN = re.compile(rb"[!%'*+\-.0-9A-Z_`a-z~]+\Z")
_CSEQ = re.compile(rb"(\d{1,10})[ \t]+([!%'*+\-.0-9A-Z_`a-z~]+)\Z")
_UP_TO_COMMA = re.compile(rb'(?:[^",]+|"(?:[^"\\]|\\.)*")*', re.DOTALL)
_BRANCH = re.compile(r";\s*branch\s*=\s*([^;,\s]+)", re.IGNORECASE | re.ASCII)

COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""Compact header forms and the names they stand for, lower case (RFC 3261 7.3.3 and the IANA table)."""

_COMMON = (
    "Via From To Call-ID CSeq Contact Max-Forwards Content-Length Content-Type Event Expires User-Agent "
    "Allow Supported Subscription-State Authorization WWW-Authenticate Record-Route Route Allow-Events "
    "Server Min-Expires Require X-KAZOO-AOR Accept Content-Disposition Remote-Party-ID Reason Proxy-Authorization "
    "Proxy-Authenticate Authentication-Info Session-Expires Path"
)
_USUAL = "REGISTER SUBSCRIBE NOTIFY INVITE ACK BYE CANCEL OPTIONS PRACK UPDATE INFO MESSAGE REFER PUBLISH"
_KEYS: dict[bytes, str] = {
    **{name.encode(): name.lower() for name in _COMMON.split()},
    **{short.encode(): name for short, name in COMPACT.items()},
}
_METHODS = {name.encode(): name for name in _USUAL.split()}
_NAMES = {key: key for key in _KEYS.values()}

_NEEDED = ("via", "from", "to")
_SINGLE = ("from", "to", "call-id", "cseq", "max-forwards")


class SipSyntaxError(ValueError):
    """Bytes that are no SIP message. `status` is the answer that a server owes the sender (RFC 3261 21.4)."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def header_key(name: str) -> str:
    """The name under which a header is indexed: lower case, compact form spelled out."""
    key = name.strip(" \t")
    # beyond ASCII no name is a token, and lower case could make one of it
    key = key.lower() if key.isascii() else key
    return COMPACT.get(key, key)


def first_element(value: bytes) -> bytes:
    """What stands before the first comma of a header value that is outside quotes: the top Via of a line of Vias."""
    if b'"' not in value:
        return value.partition(b",")[0]
    match = _UP_TO_COMMA.match(value)
    return match[0] if match else b""


def scan(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """Split a message into start line, `(name, value)` pairs in wire order, and everything after the empty line.

    Folded values are joined by one space; values are stripped, names are as written. Raises SipSyntaxError
    when there is no empty line or a header line has no colon.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise SipSyntaxError("no empty line ends the headers")
    head = data[:end]
    if b"\r\n " in head or b"\r\n\t" in head:
        head = _FOLD.sub(b" ", head)
    start, *lines = head.split(b"\r\n")
    fields: list[tuple[bytes, bytes]] = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise SipSyntaxError(f"header line without a colon: {line[:60]!r}")
        fields.append((name, value.strip()))
    return start, fields, data[end + 4 :]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


class Message:
    """One SIP message and the index of its headers. Made by `parse`; never changed afterwards.

    `method` of a response is the method of its CSeq; `uri` is empty in a response, `status` 0 in a request.
    `body` is cut to Content-Length where one is given (RFC 3261 18.3).
    """

    __slots__ = (
        "_first",
        "_more",
        "_top",
        "body",
        "call_id",
        "cseq",
        "is_request",
        "method",
        "raw",
        "reason",
        "status",
        "uri",
    )

    raw: bytes
    is_request: bool
    method: str
    uri: str
    status: int
    reason: str
    body: bytes
    call_id: str
    cseq: int
    _first: dict[str, bytes]
    _more: dict[str, list[bytes]]
    _top: str | None

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Index `data`. Raises SipSyntaxError when it is no SIP message that a transaction could match."""
        self = cls.__new__(cls)
        self.raw = data
        self._top = None
        rest = self._index_plain(data)
        if rest is None:
            start, fields, rest = scan(data)
            self._index(fields)
            self._read_start(start)
        first = self._first
        call_id = first.get("call-id")
        if not call_id:
            raise SipSyntaxError("no Call-ID")
        self.call_id = call_id.decode("utf-8", "surrogateescape")
        match = _CSEQ.match(first.get("cseq", b""))
        self.cseq = 2**32 if match is None else int(match[1])
        if match is None or self.cseq >= 2**32:
            raise SipSyntaxError("no valid CSeq")
        method = _METHODS.get(match[2]) or match[2].decode()
        if not self.is_request:
            self.method = method
        elif method != self.method:
            raise SipSyntaxError(f"CSeq method {method} in a {self.method} request")
        self.body = self._cut(rest)
        return self

    def _index_plain(self, data: bytes) -> bytes | None:
        """Index what is written as usual, which nearly everything is, in one go; returns what is not head.

        None where a line has no colon with a space behind it, or goes on with the one before: `scan` decides.
        """
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return None
        first: dict[str, bytes] = {}
        more: dict[str, list[bytes]] = {}
        known = _KEYS.get
        lines = data[:end].split(b"\r\n")
        start = lines[0]
        del lines[0]
        for line in lines:
            name, colon, value = line.partition(b": ")
            key = known(name)
            if key is None or not colon:
                if not colon or b":" in name or line[:1] in (b" ", b"\t"):
                    return None
                key = header_key(_text(name))
            if key in first:
                more.setdefault(key, [first[key]]).append(value.strip())
            else:
                first[key] = value.strip()
        self._first = first
        self._more = more
        self._read_start(start)
        return data[end + 4 :]

    def _index(self, fields: list[tuple[bytes, bytes]]) -> None:
        first: dict[str, bytes] = {}
        more: dict[str, list[bytes]] = {}
        for name, value in fields:
            key = header_key(_text(name))
            if key in first:
                more.setdefault(key, [first[key]]).append(value)
            else:
                first[key] = value
        self._first = first
        self._more = more

    def _read_start(self, start: bytes) -> None:
        if start[:8].upper() == b"SIP/2.0 ":
            code, _, reason = start[8:].partition(b" ")
            if len(code) != 3 or not code.isdigit() or not 100 <= int(code) <= 699:
                raise SipSyntaxError(f"no valid status code: {start[:60]!r}")
            self.is_request, self.status, self.reason = False, int(code), _text(reason)
            self.method = self.uri = ""
            return
        parts = start.split(b" ")
        method = _METHODS.get(parts[0])
        if len(parts) != 3 or (method is None and not _TOKEN.match(parts[0])):
            raise SipSyntaxError(f"no valid request line: {start[:60]!r}")
        if parts[2].upper() != b"SIP/2.0":
            raise SipSyntaxError(f"SIP version {parts[2][:20]!r}", 505 if parts[2][:4].upper() == b"SIP/" else 400)
        if not parts[1] or parts[1][:1] == b"<":
            raise SipSyntaxError(f"no valid Request-URI: {parts[1][:60]!r}")
        self.is_request, self.status, self.reason = True, 0, ""
        self.method, self.uri = method or parts[0].decode(), parts[1].decode("utf-8", "surrogateescape")

    def _cut(self, rest: bytes) -> bytes:
        lengths = self._more.get("content-length")
        if lengths and len(set(lengths)) > 1:
            raise SipSyntaxError("several Content-Lengths")
        given = self._first.get("content-length")
        if given is None:
            return rest
        if not given.isdigit() or len(given) > 10:
            raise SipSyntaxError(f"Content-Length {given[:20]!r}")
        length = int(given)
        if length > len(rest):
            raise SipSyntaxError(f"Content-Length {length} but {len(rest)} octets of body")
        return rest[:length]

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All headers in wire order, names as written, values unfolded and stripped."""
        return [(_text(name), _text(value)) for name, value in scan(self.raw)[1]]

    @property
    def start_line(self) -> str:
        """The request line or status line as it was on the wire."""
        return _text(self.raw[: self.raw.find(b"\r\n")])

    def get(self, name: str) -> str | None:
        """The first value of header `name` in any case, full or compact; None when it is absent."""
        value = self._first.get(name)
        if value is None:
            value = None if name in _NAMES else self._first.get(header_key(name))
        return None if value is None else value.decode("utf-8", "surrogateescape")

    def all(self, name: str) -> list[str]:
        """Every value line of header `name` in wire order, not split at commas."""
        key = _NAMES.get(name) or header_key(name)
        if key in self._more:
            return [_text(value) for value in self._more[key]]
        return [_text(self._first[key])] if key in self._first else []

    @property
    def flaw(self) -> str:
        """Which header a request needs and lacks, or has more than once (RFC 3261 8.1.1); '' when it is complete."""
        for name in _NEEDED:
            if not self._first.get(name):
                return f"no {name}"
        for name in _SINGLE:
            if name in self._more:
                return f"several {name}"
        return ""

    @property
    def top_via(self) -> str:
        """The top Via alone, '' when there is none."""
        top = self._top
        if top is None:
            top = self._top = _text(first_element(self._first.get("via", b"")))
        return top

    @property
    def branch(self) -> str:
        """The branch parameter of the top Via, '' when there is none (RFC 3261 8.1.1.7)."""
        match = _BRANCH.search(self.top_via)
        return match[1] if match else ""

    def __repr__(self) -> str:
        return f"<Message {self.start_line!r} {self.call_id} {self.cseq} {self.method}>"
