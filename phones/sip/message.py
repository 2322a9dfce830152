"""Building SIP messages, and the two rules of the top Via (RFC 3261 8.2.6 and 18.2, RFC 3581)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from phones.sip.index import Message, SipSyntaxError, header_key, scan

Address = tuple[str, int]
"""Host and port."""

REASONS = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "Version Not Supported",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
}
"""Default reason phrases (RFC 3261 21)."""

_VIA = re.compile(rb"\r\n(via|v)[ \t]*:", re.IGNORECASE)
_RPORT = re.compile(rb";[ \t]*rport(?=[;,\s]|$)", re.IGNORECASE)
_SENT_BY = re.compile(r"SIP\s*/\s*2\.0\s*/\s*(\w+)\s+(\[[^\]]+\]|[^\s;:,]+)(?:\s*:\s*(\d{1,5}))?", re.IGNORECASE)
_PARAMETER = re.compile(r";\s*(received|rport)\s*=\s*([^;,\s]+)", re.IGNORECASE)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def request(method: str, uri: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """The bytes of a request with `headers` in the given order; Content-Length is appended."""
    return _assemble(f"{method} {uri} SIP/2.0", headers, body)


def response(
    req: Message,
    status: int,
    reason: str | None = None,
    *,
    headers: Iterable[tuple[str, str]] = (),
    to_tag: str | None = None,
    body: bytes = b"",
) -> bytes:
    """The response to `req` (RFC 3261 8.2.6): its Vias, From, To, Call-ID and CSeq, then `headers`.

    `to_tag` is added to To where the request had none.
    """
    to = req.get("to") or ""
    if to_tag and "tag=" not in to.rpartition(">")[2].lower():
        to = f"{to};tag={to_tag}"
    copied = [("Via", via) for via in req.all("via")]
    copied += [("Record-Route", route) for route in req.all("record-route")]
    copied += [
        ("From", req.get("from") or ""),
        ("To", to),
        ("Call-ID", req.call_id),
        ("CSeq", f"{req.cseq} {req.method}"),
    ]
    if reason is None:
        reason = REASONS.get(status, "")
    return _assemble(f"SIP/2.0 {status} {reason}", [*copied, *headers], body)


def _assemble(start: str, headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}", "", ""]
    return _encode("\r\n".join(lines)) + body


def stamp_via(data: bytes, source: Address) -> bytes:
    """Write into the top Via where the request came from: received, and rport where it was asked for (RFC 3581 4).

    Bytes without a Via come back unchanged.
    """
    start = _VIA.search(data)
    if start is None:
        return data
    end = data.find(b"\r\n", start.end())
    if end < 0:
        return data
    top, comma, others = data[start.end() : end].partition(b",")
    host, port = source[0].encode(), str(source[1]).encode()
    stamped, asked = _RPORT.subn(b";rport=" + port, top, count=1)
    sent_by = _SENT_BY.search(top.decode("latin-1"))
    if asked or sent_by is None or sent_by[2] != source[0]:
        stamped += b";received=" + host
    return data[: start.end()] + stamped + comma + others + data[end:]


def response_target(message: Message) -> Address:
    """Where the response to `message` goes by its top Via: received and rport first, then sent-by (RFC 3261 18.2.2).

    Raises SipSyntaxError when the Via names no host.
    """
    top = (message.get("via") or "").partition(",")[0]
    sent_by = _SENT_BY.search(top)
    if sent_by is None:
        raise SipSyntaxError("no valid Via")
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(top)}
    port = parameters.get("rport") or sent_by[3] or "5060"
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise SipSyntaxError(f"Via port {port[:20]!r}")
    host: str = parameters.get("received") or sent_by[2]
    return host.strip("[]"), int(port)


def refusal(data: bytes, error: SipSyntaxError) -> bytes | None:
    """The answer to a malformed request; None when it is none, or names nobody to answer (RFC 3261 21.4.1)."""
    try:
        start, fields, _ = scan(data)
    except SipSyntaxError:
        return None
    wanted = {"via", "from", "to", "call-id", "cseq"}
    text = [(n.decode("latin-1"), v.decode("utf-8", "surrogateescape")) for n, v in fields]
    copied = [(name, value) for name, value in text if header_key(name) in wanted]
    present = {header_key(name) for name, _ in copied}
    if start[:4].upper() == b"SIP/" or start[:4].upper() == b"ACK " or not {"via", "call-id", "cseq"} <= present:
        return None
    return _assemble(f"SIP/2.0 {error.status} {REASONS.get(error.status, '')} ({_ascii(error)})", copied, b"")


def _ascii(error: SipSyntaxError) -> str:
    return "".join(c for c in str(error) if " " <= c <= "~")[:80]
