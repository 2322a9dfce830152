"""Building SIP messages, and the two rules of the top Via (RFC 3261 8.2.6 and 18.2, RFC 3581)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from phones.sip.index import Message, SipSyntaxError, first_element, header_key, scan

Address = tuple[str, int]
"""Host and port."""

REASONS = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    423: "Interval Too Brief",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}
"""Default reason phrases (RFC 3261 21)."""

_VIA = re.compile(rb"\r\n(via|v)[ \t]*:", re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STAMP = re.compile(
    rb""""(?:[^"\\]|\\.)*"|;\s*(received|rport)(?![!%'*+\-.\w`~])(?:\s*=\s*[^;,\s"]*)?""", re.IGNORECASE | re.DOTALL
)
_SENT_BY = re.compile(
    r"\s*SIP\s*/\s*2\.0\s*/\s*([\w-]+)\s+(\[[^\]\s]+\]|[^\s;:,\[\]]+)(?:\s*:\s*(\d+))?",
    re.IGNORECASE | re.ASCII,
)
_PARAMETER = re.compile(r";\s*(received|rport)\s*=\s*([^;,\s]+)", re.IGNORECASE)
_PORT = re.compile(r"0*([1-9][0-9]{0,4})")
_TAG = re.compile(r";\s*tag\s*=", re.IGNORECASE)


def request(method: str, uri: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> bytes:
    """The bytes of a request with `headers` in the given order; Content-Length is appended."""
    return _assemble([f"{method} {uri} SIP/2.0"], headers, body)


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
    to = req.get("to")
    if to and to_tag and not _TAG.search(to.rpartition(">")[2]):
        to = f"{to};tag={to_tag}"
    lines = [f"SIP/2.0 {status} {REASONS.get(status, '') if reason is None else reason}"]
    lines += [f"Via: {via}" for via in req.all("via")]
    lines += [f"Record-Route: {route}" for route in req.all("record-route")]
    if sender := req.get("from"):
        lines.append(f"From: {sender}")
    if to:
        lines.append(f"To: {to}")
    lines += (f"Call-ID: {req.call_id}", f"CSeq: {req.cseq} {req.method}")
    return _assemble(lines, headers, body)


def _assemble(lines: list[str], headers: Iterable[tuple[str, str]], body: bytes) -> bytes:
    lines += [f"{name}: {value}" for name, value in headers]
    lines += (f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def stamp_via(data: bytes, source: Address) -> bytes:
    """Write into the top Via where the request came from: received, and rport where it was asked for (RFC 3581 4).

    What the sender claimed there is overwritten, or answers could be aimed at third parties. Bytes without a Via,
    or whose Via needs no stamp, come back as the same object, and so do responses: their top Via is our own.
    """
    if data[:4] == b"SIP/":
        return data
    start = data.find(b"\r\n") + 6
    # mostly it is the first header, but there may also be no end of the headers
    if start < 6 or data[start - 4 : start] != b"Via:" or data.find(b"\r\n\r\n", start) < 0:
        found = _VIA.search(data, 0, max(data.find(b"\r\n\r\n"), 0))
        if found is None:
            return data
        start = found.end()
    end = data.find(b"\r\n", start)
    while data[end + 2 : end + 3] in (b" ", b"\t"):
        end = data.find(b"\r\n", end + 2)
    top = first_element(data[start:end])
    rport = b";rport=%d" % source[1]
    stamped, lowered = top, top.lower()
    if b"rport" in lowered or b"received" in lowered:
        replaced = {b"rport": rport, b"received": b""}
        stamped = _STAMP.sub(lambda found: replaced[found[1].lower()] if found[1] else found[0], top)
    if rport in stamped or _host_of(top.partition(b";")[0]) != source[0]:
        stamped += b";received=" + source[0].encode()
    if stamped == top:
        return data
    return data[:start] + stamped + data[start + len(top) :]


@lru_cache(1024)
def _host_of(sent: bytes) -> str | None:
    """The host before the parameters of a Via. They are few, and come with every request."""
    sent_by = _SENT_BY.match(sent.decode("latin-1"))
    return None if sent_by is None else sent_by[2].strip("[]")


def response_target(message: Message) -> Address:
    """Where the response to `message` goes by its top Via: received and rport first, then sent-by (RFC 3261 18.2.2).

    Raises SipSyntaxError when the Via names no host.
    """
    top = message.top_via
    if '"' in top:
        top = _QUOTED.sub('""', top)
    sent_by = _SENT_BY.match(top)
    if sent_by is None:
        raise SipSyntaxError("no valid Via")
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(top)}
    text = parameters.get("rport") or sent_by[3] or "5060"
    port = _PORT.fullmatch(text)
    if port is None or int(port[1]) > 65535:
        raise SipSyntaxError(f"Via port {text[:20]!r}")
    host: str = parameters.get("received") or sent_by[2]
    return host.strip("[]"), int(port[1])


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
    return _assemble([f"SIP/2.0 {error.status} {REASONS.get(error.status, '')} ({_ascii(error)})"], copied, b"")


def _ascii(error: SipSyntaxError) -> str:
    return "".join(c for c in str(error) if " " <= c <= "~")[:80]
