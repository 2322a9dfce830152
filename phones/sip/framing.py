"""Messages out of a byte stream (RFC 3261 18.3), and the keep-alives between them (RFC 5626 3.5.1), sans-IO."""

from __future__ import annotations

import re
from dataclasses import dataclass

from phones.sip.index import SipSyntaxError
from phones.sip.transport import Transport

LARGEST_HEADERS = 256 * 1024
"""Octets of start line and headers; a peer that sends more has lost its way."""

LARGEST_BODY = 16 * 1024 * 1024
"""Octets of a body."""

PING, PONG = b"\r\n\r\n", b"\r\n"

_LENGTH = re.compile(rb"\r\n(content-length|l)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Framed:
    """One message of the stream, whole, or (`data` empty) a keep-alive that asks for PONG."""

    data: bytes


class Framer:
    """Cuts one direction of a connection into messages.

    A stream that breaks the rules cannot be resynchronised: `feed` raises SipSyntaxError, and the connection has to be
    closed. Time is linear in what is fed, memory bounded by the two limits.
    """

    __slots__ = ("_buffer", "_looked", "_need")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._looked = 0
        self._need = 0

    @property
    def waiting(self) -> int:
        """Octets that are not a whole message yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Framed]:
        """Take what arrived and return what became whole by it. Raises SipSyntaxError."""
        self._buffer += data
        found: list[Framed] = []
        while (framed := self._next()) is not None:
            found.append(framed)
        return found

    def _next(self) -> Framed | None:
        buffer = self._buffer
        if not self._need:
            if self._looked == 0 and buffer[:1] == b"\r":
                return self._blank()
            start = max(0, self._looked - 3)
            end = buffer.find(b"\r\n\r\n", start)
            if end < 0:
                if len(buffer) > LARGEST_HEADERS:
                    raise SipSyntaxError(f"more than {LARGEST_HEADERS} octets without an end of the headers")
                self._looked = len(buffer)
                return None
            if end > LARGEST_HEADERS:
                raise SipSyntaxError(f"headers of more than {LARGEST_HEADERS} octets")
            self._need = end + 4 + _body_length(bytes(buffer[: end + 2]))
        if len(buffer) < self._need:
            return None
        message = bytes(buffer[: self._need])
        del buffer[: self._need]
        self._need = self._looked = 0
        return Framed(message)

    def _blank(self) -> Framed | None:
        """Empty lines between messages: two are a ping, one is a pong or nothing (RFC 3261 7.5)."""
        buffer = self._buffer
        if buffer[:4] == PING:
            del buffer[:4]
            return Framed(b"")
        if len(buffer) < 4 and PING.startswith(bytes(buffer)):
            # a lone CRLF may be the first half of a ping; what follows will tell
            return None
        if buffer[:2] == PONG:
            del buffer[:2]
            return self._next()
        raise SipSyntaxError(f"a message cannot begin with {bytes(buffer[:4])!r}")


class WebFramer:
    """The same for a WebSocket, where each of its messages is one of ours (RFC 7118 5)."""

    waiting = 0

    def feed(self, data: bytes) -> list[Framed]:
        """Take one message of the WebSocket."""
        if data == PING:
            return [Framed(b"")]
        return [Framed(data)] if data.strip(b"\r\n") else []


def framer_of(transport: Transport) -> Framer | WebFramer:
    """What cuts a connection of `transport` into messages."""
    return WebFramer() if transport.web else Framer()


def _body_length(headers: bytes) -> int:
    """The Content-Length that a stream needs (RFC 3261 18.3, 20.14). Raises SipSyntaxError."""
    given = {value.strip() for _, value in _LENGTH.findall(headers)}
    if not given:
        raise SipSyntaxError("no Content-Length in a stream")
    if len(given) > 1:
        raise SipSyntaxError("several Content-Lengths")
    text = given.pop()
    if not text.isdigit() or len(text) > 10:
        raise SipSyntaxError(f"Content-Length {text[:20]!r}")
    length = int(text)
    if length > LARGEST_BODY:
        raise SipSyntaxError(f"a body of {length} octets, more than {LARGEST_BODY}")
    return length
