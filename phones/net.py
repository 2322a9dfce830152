"""The wire port: the only sockets of the fleet, and the in-memory network that stands in for them.

Both hand datagrams to a callback `(data, source)`. The socket side drains at most 64 datagrams per turn of the loop,
so that a flood at one phone leaves time for the others.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
from collections.abc import Callable
from typing import Any, Protocol

from phones.sip.message import Address

Receive = Callable[[bytes, Address], None]
_BATCH = 64
_RECEIVE_BUFFER = 1 << 20
_LARGEST = 65_535


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
    """The one timer of a sans-IO machine: rings at its next deadline, wherever that moves."""

    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._pending: tuple[float, Timer] | None = None

    def set(self, deadline: float | None) -> None:
        """Ring at `deadline` (seconds of the clock) and at no other time; None is never."""
        if self._pending is not None:
            if self._pending[0] == deadline:
                return
            self._pending[1].cancel()
            self._pending = None
        if deadline is not None:
            self._pending = (deadline, self._clock.call_at(deadline, self._due))

    def _due(self) -> None:
        self._pending = None
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


class Wire(Protocol):
    """The wire port."""

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """Open an address; port 0 lets the system pick. Raises OSError when it is taken."""


class SocketWire:
    """UDP sockets on the running event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """Bind a non-blocking UDP socket."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
            sock.bind((host, port))
        except OSError:
            sock.close()
            raise
        return _SocketEndpoint(sock, receive, self._loop)


class _SocketEndpoint:
    def __init__(self, sock: socket.socket, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = sock
        self._receive = receive
        self._loop = loop
        host, port = sock.getsockname()[:2]
        self.local: Address = (host, port)
        loop.add_reader(sock, self._drain)

    def _drain(self) -> None:
        for _ in range(_BATCH):
            try:
                data, source = self._sock.recvfrom(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                # an ICMP error of an earlier send; the next datagram is still to come
                continue
            self._receive(data, source[:2])
            if self._sock.fileno() < 0:
                return

    def send(self, data: bytes, remote: Address) -> None:
        """Send, or lose the datagram as a network would: full buffers and dead peers are no error of a phone."""
        try:
            self._sock.sendto(data, remote)
        except (OSError, TypeError):
            # TypeError: what was named as host can be no host
            return

    def close(self) -> None:
        """Close the socket."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()


class MemoryWire:
    """A seeded network in memory. Each datagram takes `fastest` to `slowest` seconds; one flow keeps its order."""

    def __init__(self, clock: Clock, rng: random.Random, *, fastest: float = 0.0002, slowest: float = 0.002) -> None:
        self._clock = clock
        self._rng = rng
        self._fastest = fastest
        self._slowest = slowest
        self._open: dict[Address, _MemoryEndpoint] = {}
        self._next_port = 20_000
        self._latest: dict[tuple[Address, Address], float] = {}

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """Open an address of this network."""
        if port == 0:
            while (host, self._next_port) in self._open:
                self._next_port += 1
            port = self._next_port
            self._next_port += 1
        if (host, port) in self._open:
            raise OSError(f"{host}:{port} is already open in this network")
        endpoint = _MemoryEndpoint(self, (host, port), receive)
        self._open[host, port] = endpoint
        return endpoint

    def carry(self, data: bytes, source: Address, remote: Address) -> None:
        """Bring a datagram to whoever is open at `remote` when it arrives."""
        when = self._clock.time() + self._rng.uniform(self._fastest, self._slowest)
        flow = (source, remote)
        # strictly later: clocks run calls of one and the same moment in any order
        when = max(when, math.nextafter(self._latest.get(flow, 0.0), math.inf))
        self._latest[flow] = when
        self._clock.call_at(when, self._arrive, data, source, remote)

    def _arrive(self, data: bytes, source: Address, remote: Address) -> None:
        endpoint = self._open.get(remote)
        if endpoint is not None:
            endpoint.receive(data, source)

    def closed(self, endpoint: _MemoryEndpoint) -> None:
        """Forget an endpoint, unless its address already belongs to another."""
        if self._open.get(endpoint.local) is endpoint:
            del self._open[endpoint.local]


class _MemoryEndpoint:
    def __init__(self, network: MemoryWire, local: Address, receive: Receive) -> None:
        self._network = network
        self.local = local
        self.receive = receive

    def send(self, data: bytes, remote: Address) -> None:
        self._network.carry(data, self.local, remote)

    def close(self) -> None:
        self._network.closed(self)
