"""The reference server on a wire and a clock: whatever world they belong to."""

from __future__ import annotations

import asyncio
import itertools
import random

from harness.ports import ApiAnswer, ApiCall, ApiFailure
from phones.net import Alarm, Clock, Connection, Listener, Peer, Wire
from phones.sip.message import Address
from phones.sip.transport import Transport
from reference_server.behaviour import Behaviour
from reference_server.effects import ApiReply, ApiRequest, CutConnections, SendMedia, SendSip
from reference_server.server import ReferenceServer

VIRTUAL_EPOCH = 1_420_070_400.0
"""POSIX seconds at which virtual time begins: 2015-01-01, the year of the page."""


PORTS = {Transport.TCP: 5060, Transport.TLS: 5061, Transport.WS: 5064, Transport.WSS: 5065}
"""Where Kazoo's edge listens besides UDP on 5060."""


class ReferenceHost:
    """Runs one ReferenceServer: its SIP and media addresses on `wire`, its timers on `clock`, its API by `request`."""

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        wire: Wire,
        clock: Clock,
        rng: random.Random,
        epoch: float,
        host: str = "127.0.0.1",
        sip_port: int = 0,
    ) -> None:
        self._clock = clock
        self._endpoint = wire.open(self._datagram, host, sip_port)
        self.sip: Address = self._endpoint.local
        try:
            self._media_endpoint = wire.open(self._packet, host)
        except OSError:
            self._endpoint.close()
            raise
        self.media: Address = self._media_endpoint.local
        self.server = ReferenceServer(
            behaviour,
            rng=rng,
            epoch=epoch - clock.time(),
            sip_host=self.sip[0],
            sip_port=self.sip[1],
            media_host=self.media[0],
            media_port=self.media[1],
        )
        self._wire = wire
        self._host = host
        self.listening: dict[Transport, Address] = {Transport.UDP: self.sip}
        self._listeners: list[Listener] = []
        self._connections: dict[tuple[Transport, Address], Connection] = {}
        self._handles = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[ApiReply]] = {}
        self._alarm = Alarm(clock, self._tick)

    async def listen(self, transport: Transport, port: int = 0) -> None:
        """Accept connections, too. Raises OSError when the port is taken."""

        def accept(connection: Connection, remote: Address) -> Peer:
            self._connections[transport, remote] = connection
            return _Caller(self, transport, remote)

        listener = await self._wire.listen(transport, accept, self._host, port)
        self._listeners.append(listener)
        self.listening[transport] = listener.local
        self.server.listens(transport, listener.local)

    def said(self, transport: Transport, remote: Address, data: bytes) -> None:
        """A message came by a connection."""
        self.server.receive(data, remote, self._clock.time(), transport)
        self._carry_out()

    def hung_up(self, transport: Transport, remote: Address, reason: str) -> None:
        """A connection is gone."""
        self._connections.pop((transport, remote), None)
        self.server.disconnected(remote, self._clock.time(), transport, reason)
        self._carry_out()

    def _send(self, effect: SendSip) -> None:
        transport = Transport(effect.transport)
        connection = self._connections.get((transport, effect.remote))
        if not transport.reliable:
            self._endpoint.send(effect.data, effect.remote)
        elif connection is not None:
            connection.send(effect.data)
        else:
            # nobody is called back: a phone opens its connection itself
            self.server.disconnected(effect.remote, self._clock.time(), transport)

    def _datagram(self, data: bytes, source: Address) -> None:
        self.server.receive(data, source, self._clock.time())
        self._carry_out()

    def _packet(self, data: bytes, source: Address) -> None:
        self.server.receive_media(data, source, self._clock.time())
        self._carry_out()

    async def request(
        self,
        method: str,
        target: str,
        headers: tuple[tuple[str, str], ...],
        body: bytes,
        *,
        client: str,
        encrypted: bool,
    ) -> ApiReply:
        """Hand one HTTP request to the server and wait for its reply, which may come much later."""
        handle = next(self._handles)
        waiting: asyncio.Future[ApiReply] = asyncio.get_running_loop().create_future()
        self._waiting[handle] = waiting
        try:
            self.server.api(ApiRequest(handle, method, target, headers, body, client, encrypted), self._clock.time())
            self._carry_out()
            return await waiting
        finally:
            del self._waiting[handle]

    def _carry_out(self) -> None:
        while effects := self.server.take():
            for effect in effects:
                if isinstance(effect, SendSip):
                    self._send(effect)
                elif isinstance(effect, ApiReply):
                    waiting = self._waiting.get(effect.handle)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(effect)
                elif isinstance(effect, SendMedia):
                    self._media_endpoint.send(effect.data, effect.remote)
                elif isinstance(effect, CutConnections):
                    self._cut()
        self._alarm.set(self.server.next_deadline())

    def restart(self) -> None:
        """Restart the SIP side of the server, as `ReferenceServer.restart` does."""
        self.server.restart(self._clock.time())
        self._carry_out()

    def _cut(self) -> None:
        connections, self._connections = self._connections, {}
        for (transport, remote), connection in connections.items():
            connection.close()
            self.server.disconnected(remote, self._clock.time(), transport)

    def _tick(self) -> None:
        self.server.handle_timer(self._clock.time())
        self._carry_out()

    async def close(self) -> None:
        """Leave the wire."""
        self._alarm.set(None)
        self._endpoint.close()
        self._media_endpoint.close()
        for listener in self._listeners:
            await listener.close()


class _Caller:
    """Somebody who has opened a connection to the server."""

    def __init__(self, host: ReferenceHost, transport: Transport, remote: Address) -> None:
        self._host = host
        self._transport = transport
        self._remote = remote

    def received(self, data: bytes) -> None:
        self._host.said(self._transport, self._remote, data)

    def lost(self, reason: str) -> None:
        self._host.hung_up(self._transport, self._remote, reason)


class MemoryApi:
    """The api port into a ReferenceHost of the same process. A reply over https is never called encrypted."""

    def __init__(
        self, host: ReferenceHost, rng: random.Random, *, fastest: float = 0.0003, slowest: float = 0.002
    ) -> None:
        self._host = host
        self._rng = rng
        self._fastest = fastest
        self._slowest = slowest

    async def call(self, call: ApiCall) -> ApiAnswer:
        """Carry the request to the server and its reply back, each after a seeded delay."""
        scheme, _, rest = call.url.partition("://")
        if not rest:
            raise ApiFailure("unreachable", f"{call.url} is no absolute URL")
        target = "/" + rest.partition("/")[2]
        await asyncio.sleep(self._rng.uniform(self._fastest, self._slowest))
        reply = await self._host.request(
            call.method, target, call.headers, call.body or b"", client="127.0.0.1", encrypted=scheme == "https"
        )
        await asyncio.sleep(self._rng.uniform(self._fastest, self._slowest))
        return ApiAnswer(reply.status, reply.headers, reply.body, None)

    async def close(self) -> None:
        """Nothing is held."""
