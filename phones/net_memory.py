"""A network in memory: seeded delays, order kept, nothing lost unless it is told to."""

from __future__ import annotations

import math
import random

from phones.net import Accept, Clock, Connection, Endpoint, Listener, Peer, Receive
from phones.sip.framing import PONG, framer_of
from phones.sip.index import SipSyntaxError
from phones.sip.message import Address
from phones.sip.transport import Transport

_CUT_ONE_IN = 8
"""How many of a stream's messages arrive in two pieces."""


class MemoryWire:
    """A seeded network in memory. Everything takes `fastest` to `slowest` seconds; one flow keeps its order.

    TLS and WebSocket are only called so here: whole messages travel, and nobody encrypts them.
    """

    def __init__(self, clock: Clock, rng: random.Random, *, fastest: float = 0.0002, slowest: float = 0.002) -> None:
        self._clock = clock
        self._rng = rng
        self._fastest = fastest
        self._slowest = slowest
        self._away = False
        self._open: dict[Address, _MemoryEndpoint] = {}
        self._listeners: dict[tuple[Transport, Address], _MemoryListener] = {}
        self._connections: dict[_MemoryConnection, None] = {}
        self._next_port = 20_000
        self._latest: dict[tuple[Address, Address], float] = {}

    def _free(self, host: str) -> Address:
        while (host, self._next_port) in self._open:
            self._next_port += 1
        self._next_port += 1
        return host, self._next_port - 1

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """Open an address of this network."""
        local = (host, port) if port else self._free(host)
        if local in self._open:
            raise OSError(f"{host}:{port} is already open in this network")
        self._open[local] = endpoint = _MemoryEndpoint(self, local, receive)
        return endpoint

    def connection(self, transport: Transport, peer: Peer, host: str = "127.0.0.1") -> Connection:
        """A connection that is still to be opened."""
        return _MemoryConnection(self, transport, peer, self._free(host))

    async def listen(self, transport: Transport, accept: Accept, host: str = "127.0.0.1", port: int = 0) -> Listener:
        """Accept connections of one transport."""
        local = (host, port) if port else self._free(host)
        if (transport, local) in self._listeners:
            raise OSError(f"{host}:{port} is already open in this network")
        self._listeners[transport, local] = listener = _MemoryListener(self, transport, local, accept)
        return listener

    async def gone(self) -> None:
        """Nobody lingers here."""

    def go_away(self) -> None:
        """Lose every datagram and connection until `come_back`."""
        self._away = True
        for connection in list(self._connections):
            connection.drop("the network is away")

    def come_back(self) -> None:
        """Be there again."""
        self._away = False

    def _arrival(self, latest: float) -> float:
        when = self._clock.time() + self._rng.uniform(self._fastest, self._slowest)
        # strictly later: clocks run calls of one and the same moment in any order
        return max(when, math.nextafter(latest, math.inf))

    def carry(self, data: bytes, source: Address, remote: Address) -> None:
        """Bring a datagram to whoever is open at `remote` when it arrives."""
        if self._away:
            return
        flow = (source, remote)
        self._latest[flow] = when = self._arrival(self._latest.get(flow, 0.0))
        self._clock.call_at(when, self._arrive, data, source, remote)

    def _arrive(self, data: bytes, source: Address, remote: Address) -> None:
        endpoint = self._open.get(remote)
        if endpoint is not None:
            endpoint.receive(data, source)

    def stream(self, data: bytes, end: _MemoryConnection) -> None:
        """Bring octets to the other end of a connection, in order, some in two pieces. None is its end."""
        splits = len(data) > 1 and not end.transport.web and self._rng.randrange(_CUT_ONE_IN) == 0
        cut = self._rng.randrange(len(data)) if splits else 0
        for piece in (data[:cut], data[cut:]) if cut else (data,):
            end.latest = when = self._arrival(end.latest)
            self._clock.call_at(when, end.arrive, piece)

    def dial(self, caller: _MemoryConnection, remote: Address) -> None:
        """Bring a connection to whoever listens at `remote` when it arrives."""
        caller.latest = when = self._arrival(caller.latest)
        self._clock.call_at(when, self._knock, caller, remote)

    def _knock(self, caller: _MemoryConnection, remote: Address) -> None:
        listener = self._listeners.get((caller.transport, remote))
        if self._away or listener is None:
            caller.drop("the network is away" if self._away else "connection refused")
        elif not caller.closed:
            listener.accept(caller)
            self._connections[caller] = None

    def forget(self, gone: _MemoryEndpoint | _MemoryConnection | _MemoryListener) -> None:
        """Forget what was closed, unless its address already belongs to another."""
        if isinstance(gone, _MemoryConnection):
            self._connections.pop(gone, None)
        elif isinstance(gone, _MemoryListener):
            self._listeners.pop((gone.transport, gone.local), None)
        elif self._open.get(gone.local) is gone:
            del self._open[gone.local]


class _MemoryEndpoint:
    def __init__(self, network: MemoryWire, local: Address, receive: Receive) -> None:
        self._network = network
        self.local = local
        self.receive = receive

    def send(self, data: bytes, remote: Address) -> None:
        self._network.carry(data, self.local, remote)

    def close(self) -> None:
        self._network.forget(self)


class _MemoryConnection:
    """One end of a connection."""

    def __init__(self, network: MemoryWire, transport: Transport, peer: Peer | None, local: Address) -> None:
        self.transport = transport
        self.local = local
        self.octets = 0
        self.latest = 0.0
        self.closed = False
        self.peer = peer
        self.other: _MemoryConnection | None = None
        self._network = network
        self._framer = framer_of(transport)
        self._waiting: list[bytes] = []

    def connect(self, remote: Address) -> None:
        self._network.dial(self, remote)

    def meet(self, other: _MemoryConnection) -> None:
        """Be connected with another end, which now gets what has waited."""
        self.other = other
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.send(data)

    def send(self, data: bytes) -> None:
        if self.closed:
            return
        if self.other is None:
            self._waiting.append(data)
        else:
            self._network.stream(data, self.other)

    def arrive(self, data: bytes) -> None:
        """Take what the other end has sent; nothing is its end."""
        if self.closed:
            return
        if not data:
            self.drop("closed by the other end")
            return
        self.octets += len(data)
        try:
            found = self._framer.feed(data)
        except SipSyntaxError as error:
            self.drop(str(error))
            return
        for framed in found:
            if not framed.data:
                self.send(PONG)
            elif self.peer is not None and not self.closed:
                self.peer.received(framed.data)

    def drop(self, reason: str) -> None:
        """Be gone for a reason that is not our wish."""
        if not self.closed:
            self.close()
            if self.peer is not None:
                self.peer.lost(reason)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._network.forget(self)
            if self.other is not None:
                self._network.stream(b"", self.other)


class _MemoryListener:
    def __init__(self, network: MemoryWire, transport: Transport, local: Address, accept: Accept) -> None:
        self.transport = transport
        self.local = local
        self._network = network
        self._accept = accept
        self._accepted: list[_MemoryConnection] = []

    def accept(self, caller: _MemoryConnection) -> None:
        """Connect with a caller."""
        self._accepted = [each for each in self._accepted if not each.closed]
        ours = _MemoryConnection(self._network, self.transport, None, self.local)
        ours.peer = self._accept(ours, caller.local)
        self._accepted.append(ours)
        ours.meet(caller)
        caller.meet(ours)

    async def close(self) -> None:
        self._network.forget(self)
        for each in self._accepted:
            each.close()
