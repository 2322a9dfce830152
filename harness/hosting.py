"""The reference server on a wire and a clock: whatever world they belong to."""

from __future__ import annotations

import asyncio
import itertools
import random

from harness.ports import ApiAnswer, ApiCall, ApiFailure
from phones.net import Alarm, Clock, Wire
from phones.sip.message import Address
from reference_server.behaviour import Behaviour
from reference_server.effects import ApiReply, ApiRequest, SendMedia
from reference_server.server import ReferenceServer

VIRTUAL_EPOCH = 1_420_070_400.0
"""POSIX seconds at which virtual time begins: 2015-01-01, the year of the page."""


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
        self._handles = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[ApiReply]] = {}
        self._alarm = Alarm(clock, self._tick)

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
        for effect in self.server.take():
            if isinstance(effect, ApiReply):
                waiting = self._waiting.get(effect.handle)
                if waiting is not None and not waiting.done():
                    waiting.set_result(effect)
            elif isinstance(effect, SendMedia):
                self._media_endpoint.send(effect.data, effect.remote)
            else:
                self._endpoint.send(effect.data, effect.remote)
        self._alarm.set(self.server.next_deadline())

    def _tick(self) -> None:
        self.server.handle_timer(self._clock.time())
        self._carry_out()

    def close(self) -> None:
        """Leave the wire."""
        self._alarm.set(None)
        self._endpoint.close()
        self._media_endpoint.close()


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
