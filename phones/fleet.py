"""The fleet: phones on a wire and a clock, reporting to a sink. All of the phones' IO is here."""

from __future__ import annotations

import asyncio
import random

from phones.effects import Changed, Heard, Sink, Transmit
from phones.net import Alarm, Clock, Endpoint, Wire
from phones.phone import Identity, Phone, Refusals
from phones.sip.message import Address


class RunningPhone:
    """A phone that is on the wire from its start to `close`, whether registered or not."""

    def __init__(self, name: str, phone: Phone, endpoint: Endpoint, fleet: Fleet) -> None:
        self.name = name
        self.phone = phone
        self._fleet = fleet
        self._current = endpoint
        self._endpoints = [endpoint]
        self._alarm = Alarm(fleet.clock, self._tick)
        self._waiting: list[asyncio.Future[Changed]] = []

    def received(self, data: bytes, source: Address, local: Address) -> None:
        """Hand a datagram to the phone and carry out what follows."""
        now = self._fleet.clock.time()
        self.phone.receive(data, source, local, now)
        self._carry_out(now)

    def _carry_out(self, now: float) -> None:
        sink = self._fleet.sink
        for effect in self.phone.take():
            if isinstance(effect, Transmit):
                sink.sent(self.name, effect, self._current.local, now)
                self._current.send(effect.data, effect.remote)
            elif isinstance(effect, Heard):
                sink.heard(self.name, effect, now)
            else:
                sink.changed(self.name, effect, self._current.local, now)
                for waiting in self._waiting:
                    if not waiting.done():
                        waiting.set_result(effect)
                self._waiting.clear()
        self._alarm.set(self.phone.next_deadline())

    def _tick(self) -> None:
        now = self._fleet.clock.time()
        self.phone.handle_timer(now)
        self._carry_out(now)

    async def _outcome(self) -> Changed:
        """The next change of the registration."""
        waiting: asyncio.Future[Changed] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._carry_out(self._fleet.clock.time())
        return await waiting

    async def register(self, *, expires: int | None = None, refresh: bool = True) -> Changed:
        """Register and wait for the outcome; at the latest after 64*T1 it is `unanswered`."""
        self.phone.register(self._fleet.clock.time(), expires=expires, refresh=refresh)
        return await self._outcome()

    def seconds_registered(self) -> float:
        """How long the registration lasts without a refresh, 0 when there is none."""
        end = self.phone.registered_until
        return 0.0 if end is None else max(0.0, end - self._fleet.clock.time())

    async def expired(self) -> None:
        """Wait until the registration is over. A phone that refreshes never comes to that."""
        while self.phone.registered_until is not None:
            await self._outcome()

    async def unregister(self) -> Changed:
        """Unregister and wait for the outcome. An unregistered phone stays so without a message."""
        if self.phone.state == "idle":
            unchanged = Changed("unregistered")
            self._fleet.sink.changed(self.name, unchanged, self._current.local, self._fleet.clock.time())
            return unchanged
        self.phone.unregister(self._fleet.clock.time())
        return await self._outcome()

    async def move(self) -> Changed:
        """Go to a new address and register from there. The old one stays open, silent and recorded."""
        self._current = self._fleet.open(self)
        self._endpoints.append(self._current)
        self.phone.move(self._current.local, self._fleet.clock.time())
        return await self._outcome()

    def send(self, data: bytes, remote: Address | None = None) -> None:
        """Put arbitrary bytes on the wire; without `remote` to the phone's edge."""
        self.phone.send(data, remote)
        self._carry_out(self._fleet.clock.time())

    def close(self) -> None:
        """Leave the wire without a word."""
        self._alarm.set(None)
        for endpoint in self._endpoints:
            endpoint.close()


class Fleet:
    """Phones by name, all on one wire and clock, reporting to one sink."""

    def __init__(self, wire: Wire, clock: Clock, sink: Sink, *, host: str = "127.0.0.1") -> None:
        self.wire = wire
        self.clock = clock
        self.sink = sink
        self.phones: dict[str, RunningPhone] = {}
        self._host = host

    def open(self, phone: RunningPhone) -> Endpoint:
        """Another address for `phone`."""
        holder: list[Address] = []
        endpoint = self.wire.open(lambda data, source: phone.received(data, source, holder[0]), self._host)
        holder.append(endpoint.local)
        return endpoint

    def add(
        self,
        name: str,
        identity: Identity,
        *,
        edge: Address,
        rng: random.Random,
        call_id_prefix: str = "",
        refusals: Refusals | None = None,
    ) -> RunningPhone:
        """Put a phone on the wire, not yet registered. Raises OSError when no address can be opened."""
        holder: list[RunningPhone] = []
        endpoint = self.wire.open(lambda data, source: holder[0].received(data, source, endpoint.local), self._host)
        phone = Phone(
            identity,
            local=endpoint.local,
            edge=edge,
            rng=rng,
            call_id_prefix=call_id_prefix,
            refusals=refusals,
        )
        running = RunningPhone(name, phone, endpoint, self)
        holder.append(running)
        self.phones[name] = running
        return running

    def close(self) -> None:
        """Take every phone off the wire."""
        for phone in self.phones.values():
            phone.close()
        self.phones.clear()
