"""The wire port: what the fleet and the reference server reach the world through.

Datagrams are handed to a callback `(data, source)`, whole messages of a connection to a `Peer`. `net_sockets` has the
sockets, `net_memory` the network in memory that stands in for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from phones.sip.message import Address
from phones.sip.transport import Transport

Receive = Callable[[bytes, Address], None]


class Timer(Protocol):
    """A pending call of a clock."""

    def cancel(self) -> None:
        """Let it not happen."""


class Clock(Protocol):
    """The clock port: seconds that only rise, and calls at a time. An asyncio event loop is one."""

    def time(self) -> float:
        """Now, in seconds."""

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        """Call `callback(*args)` at `when`."""


class Alarm:
    """The one timer of a sans-IO machine: rings at its next deadline, wherever that moves.

    Deadlines mostly move away. A pending call that comes too early is then left alone and made anew when it comes: that
    costs less than to cancel and replace it each time.
    """

    __slots__ = ("_clock", "_deadline", "_pending", "_ring", "_when")

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._deadline: float | None = None
        self._pending: Timer | None = None
        self._when = 0.0

    def set(self, deadline: float | None) -> None:
        """Ring at `deadline` (seconds of the clock) and at no other time; None is never."""
        self._deadline = deadline
        pending = self._pending
        if pending is not None:
            if deadline is not None and self._when <= deadline:
                return
            pending.cancel()
            self._pending = None
        if deadline is not None:
            self._when = deadline
            self._pending = self._clock.call_at(deadline, self._due)

    def _due(self) -> None:
        self._pending = None
        deadline = self._deadline
        if deadline is not None and deadline > self._when:
            self.set(deadline)
        elif deadline is not None:
            self._deadline = None
            self._ring()


class Endpoint(Protocol):
    """One open address."""

    @property
    def local(self) -> Address:
        """Where it receives."""

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram. Nothing is raised for a remote that is not there."""

    def close(self) -> None:
        """Stop receiving. Twice is harmless."""


class Peer(Protocol):
    """Who is told what happens on a connection."""

    def received(self, data: bytes) -> None:
        """One whole message has arrived."""

    def lost(self, reason: str) -> None:
        """It could not be opened, or is gone; `reason` in words. Comes once at most, and not after our own `close`."""


class Connection(Protocol):
    """One connection, with a local address from its beginning, open or not."""

    @property
    def local(self) -> Address:
        """Our end."""

    @property
    def octets(self) -> int:
        """How much has arrived so far."""

    def connect(self, remote: Address) -> None:
        """Begin to open it. What is sent meanwhile waits."""

    def send(self, data: bytes) -> None:
        """Send one whole message, or a keep-alive. On a connection that is gone it is lost."""

    def close(self) -> None:
        """Close it, without a word to its peer. Twice is harmless."""


class Listener(Protocol):
    """An address where connections are accepted."""

    @property
    def local(self) -> Address:
        """Where it listens."""

    async def close(self) -> None:
        """Accept no more, and close what was accepted."""


Accept = Callable[[Connection, Address], Peer]
"""Called with a new connection and the address of its other end; returns who is told of it."""


class Datagrams(Protocol):
    """The half of the wire port that every wire has."""

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """Open an address for datagrams; port 0 lets the system pick. Raises OSError when it is taken."""


@runtime_checkable
class Streams(Protocol):
    """The other half."""

    def connection(self, transport: Transport, peer: Peer, host: str = "127.0.0.1") -> Connection:
        """A connection that is still to be opened, bound to a free port of `host`. Raises OSError without one."""

    async def listen(self, transport: Transport, accept: Accept, host: str = "127.0.0.1", port: int = 0) -> Listener:
        """Accept connections; port 0 lets the system pick. Raises OSError when it is taken."""

    async def gone(self) -> None:
        """Wait until those that were closed have said their last words."""


class Wire(Datagrams, Streams, Protocol):
    """The wire port."""
