"""Many phones on one UDP socket: what arrives is handed to the phone that it names.

A request names its phone by the user of its Request-URI, for that is the Contact; a response by its Call-ID, which
begins with the prefix of the phone that made it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from phones.net import Datagrams, Endpoint, Receive
from phones.sip.message import Address

_USER = re.compile(rb"[A-Z]+ sips?:([^@\s;:]*)[^@\s]*@")
_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\s]+)", re.IGNORECASE)
_MARK = b"."


class SharedWire:
    """A wire whose phones are all at one address of `wire`. `join` says whose the next `open` is.

    An `open` that nobody has joined for gets an address of its own (RTP). What names no phone is counted as `astray`.
    """

    def __init__(self, wire: Datagrams, host: str, port: int = 0) -> None:
        self._wire = wire
        self._socket = wire.open(self._received, host, port)
        self._by_user: dict[bytes, Receive] = {}
        self._by_prefix: dict[bytes, Receive] = {}
        self._next: tuple[bytes, bytes] | None = None
        self.astray = 0

    @property
    def local(self) -> Address:
        """The one address."""
        return self._socket.local

    def join(self, user: str, number: int) -> str:
        """Say that the next `open` is for a phone with that user in its Contact; returns its Call-ID prefix."""
        prefix = b"%x" % number
        self._next = (user.encode("utf-8", "surrogateescape"), prefix)
        return (prefix + _MARK).decode()

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """The shared address, or one of its own for who has not joined."""
        if self._next is None:
            return self._wire.open(receive, host, port)
        (user, prefix), self._next = self._next, None
        self._by_user[user] = self._by_prefix[prefix] = receive

        def leave() -> None:
            del self._by_user[user], self._by_prefix[prefix]

        return _Place(self._socket, leave)

    def _received(self, data: bytes, source: Address) -> None:
        receive: Receive | None = None
        if data[:4] == b"SIP/":
            if found := _CALL_ID.search(data):
                receive = self._by_prefix.get(found[1].partition(_MARK)[0])
        elif found := _USER.match(data):
            receive = self._by_user.get(found[1])
        if receive is None:
            self.astray += 1
        else:
            receive(data, source)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class _Place:
    """The part of one phone in the shared socket."""

    __slots__ = ("_leave", "_socket", "local")

    def __init__(self, socket: Endpoint, leave: Callable[[], None]) -> None:
        self._socket = socket
        self._leave: Callable[[], None] | None = leave
        self.local: Address = socket.local

    def send(self, data: bytes, remote: Address) -> None:
        """Send from the shared address."""
        self._socket.send(data, remote)

    def close(self) -> None:
        """Take this phone off the socket, which stays open for the others."""
        if self._leave is not None:
            self._leave()
            self._leave = None
