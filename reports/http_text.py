"""API calls as HTTP/1.1 messages, made again from what the Record says of them.

The Record holds headers and decoded bodies, not octets: what the HTTP client adds (Host, Content-Length) is added
here, transfer and content encodings are undone, and the reason phrase is the registered one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from reports.record import Event

_CARRIED = "!#$%&'()*+,-./:;=?@[\\]^_`{|}~"
_UNDONE = frozenset({"transfer-encoding", "content-encoding", "content-length"})
_WITHOUT_BODY = frozenset({204, 304})


def request_text(event: Event) -> bytes:
    """The message of a `request` event."""
    url = split(str(event.get("url", "")))
    body = octets(event.get("body") or "")
    method = str(event.get("method", "GET"))
    headers = list(_headers(event.get("headers")))
    host = [] if any(each.lower().startswith("host:") for each in headers) else [f"Host: {url[1]}:{url[2]}"]
    lines = [f"{_token(method)} {url[3]} HTTP/1.1", *host, *headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return _message(lines, body)


def reply_text(event: Event, method: str) -> bytes:
    """The message of a `reply` event without error, to a request with `method`."""
    status = int(event.get("status") or 0)
    body = octets(event.get("body") or "")
    lines = [f"HTTP/1.1 {status:03} {reason(status)}".rstrip(), *_headers(event.get("headers"))]
    if method != "HEAD" and status not in _WITHOUT_BODY:
        lines.append(f"Content-Length: {len(body)}")
        return _message(lines, body)
    return _message(lines, b"")


def split(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and request target of a URL; what cannot be read becomes nothing."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "http", "", 80, "/"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    shown = quote(target, safe=_CARRIED, errors="backslashreplace")
    return parts.scheme, f"[{host}]" if ":" in host else host, port or (443 if parts.scheme == "https" else 80), shown


def reason(status: int) -> str:
    """The phrase of a status (RFC 9110), '' for an unknown one."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def octets(text: str) -> bytes:
    """Text of the Record as the octets that it stands for, as far as that is known."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace")


def _headers(headers: Sequence[Sequence[Any]] | None) -> Iterable[str]:
    for name, value in headers or []:
        if str(name).lower() not in _UNDONE:
            yield f"{_token(str(name))}: {_line(str(value))}"


def _token(text: str) -> str:
    """What may stand where HTTP wants one word."""
    return "".join(c if c.isprintable() and c not in ": " else "_" for c in text) or "_"


def _line(text: str) -> str:
    """A field value on its one line."""
    return text.replace("\r", " ").replace("\n", " ").replace("\0", " ")


def _message(lines: Iterable[str], body: bytes) -> bytes:
    return b"\r\n".join(octets(line) for line in lines) + b"\r\n\r\n" + body
