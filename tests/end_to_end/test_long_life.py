"""A day of phones' lives in virtual time: refreshes, nonces, restarts of the server, the network gone for a while."""

from __future__ import annotations

import asyncio
import gc
import random
from collections import Counter
from itertools import pairwise

import pytest

from harness.hosting import PORTS, ReferenceHost
from harness.virtual import VirtualLoop
from phones.effects import Called, Changed, Heard, Impaired, MediaIn, MediaOut, Subscribed, Transmit, Turned
from phones.fleet import Fleet, RunningPhone
from phones.net_memory import MemoryWire
from phones.phone import Identity
from phones.sip.message import Address
from phones.sip.transport import Transport
from reference_server.profiles import PROFILES
from tests.phones.news import News

DAY = 24 * 3600.0
HOUR = 3600.0


class Counts:
    """A sink that counts, for a day is too long to keep."""

    def __init__(self) -> None:
        self.of: Counter[tuple[str, str]] = Counter()
        self.refreshed: dict[str, list[float]] = {}
        self.news = News()

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        self.of[phone, f"heard {heard.kind}"] += 1
        self.news.tell()

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        self.of[phone, sent.data[:8].decode().split()[0]] += 1

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        self.of[phone, impaired.does] += 1

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        self.of[phone, changed.state] += 1
        if changed.state == "registered":
            self.refreshed.setdefault(phone, []).append(now)
        self.news.tell()

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        self.of[phone, "turned"] += 1
        self.news.tell()

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        self.of[phone, f"subscription {subscribed.state}"] += 1
        self.news.tell()

    def called(self, phone: str, called: Called, now: float) -> None:
        self.of[phone, called.state] += 1
        self.news.tell()

    def media_heard(self, phone: str, media: MediaIn, now: float) -> None:
        self.of[phone, "media"] += 1

    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None:
        self.of[phone, "media"] += 1


class Day:
    """One phone and its server, on one transport."""

    def __init__(self, transport: Transport) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport = transport
        self.wire = MemoryWire(self.loop, random.Random(3))
        self.counts = Counts()
        self.fleet = Fleet(self.wire, self.loop, self.counts)

    async def serve(self) -> ReferenceHost:
        """A server that knows the same devices whenever it starts, and nothing else of before."""
        host = ReferenceHost(
            PROFILES["documented"],
            wire=self.wire,
            clock=self.loop,
            rng=random.Random(1),
            epoch=0.0,
            sip_port=5060,
        )
        for transport, port in PORTS.items():
            await host.listen(transport, port)
        return host

    def add(self, host: ReferenceHost) -> RunningPhone:
        device = host.server.seed.devices[0]
        return self.fleet.add(
            "desk",
            Identity(device.username, device.password, host.server.seed.realm),
            edge=host.listening[self.transport],
            rng=random.Random(5),
            transport=self.transport,
        )

    def watches(self, phone: RunningPhone) -> bool:
        subscription = phone.phone.subscriptions.get(f"sip:1@{phone.phone.identity.realm}", "dialog")
        return subscription is not None and subscription.machine.state == "active"


def live(transport: Transport, *, troubled: bool) -> Day:
    async def story() -> Day:
        day = Day(transport)
        host = await day.serve()
        phone = day.add(host)
        assert (await phone.register(expires=600)).state == "registered"
        await phone.subscribe(f"sip:1@{phone.phone.identity.realm}", expires=900)
        began = day.loop.time()
        sizes: list[int] = []
        for hour in range(24):
            if troubled and hour % 6 == 2:
                await host.close()
                await asyncio.sleep(200.0)
                host = await day.serve()
            if troubled and hour % 6 == 4:
                day.wire.go_away()
                await asyncio.sleep(1500.0)
                day.wire.come_back()
            if troubled and hour % 6 == 5:
                phone.go_offline()
                await asyncio.sleep(1500.0)
                phone.go_online()
            # what comes back takes a refresh on UDP, and a pause of half a minute with a connection
            await asyncio.sleep(began + (hour + 1) * HOUR - day.loop.time())
            assert phone.phone.state in ("registered", "refreshing"), hour
            assert phone.seconds_registered() > 0
            assert day.watches(phone), hour
            assert host.server.errors == []
            gc.collect()
            sizes.append(len(gc.get_objects()))
        # nothing grows: neither phone nor server keeps what is over
        assert sizes[-1] - sizes[5] < 500, sizes
        phone.close()
        await host.close()
        await asyncio.sleep(40.0)
        return day

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(story())


@pytest.mark.parametrize("transport", list(Transport))
def test_a_quiet_day_has_no_drift(transport: Transport) -> None:
    day = live(transport, troubled=False)
    times = day.counts.refreshed["desk"]
    pauses = [after - before for before, after in pairwise(times)]
    assert all(480.0 <= pause < 481.0 for pause in pauses)
    assert len(times) == 180
    assert not any(day.counts.of["desk", bad] for bad in ("unanswered", "refused", "expired", "heard stray"))
    # the server's nonces do not live as long as a registration: each refresh is asked for another, and no more
    assert day.counts.of["desk", "REGISTER"] == 2 * len(times)


@pytest.mark.parametrize("transport", list(Transport))
def test_a_day_with_restarts_and_outages(transport: Transport) -> None:
    day = live(transport, troubled=True)
    assert day.counts.of["desk", "registered"] > 100
    assert day.counts.of["desk", "refused"] == 0
    assert day.counts.of["desk", "subscription active"] > 60


@pytest.mark.parametrize("transport", list(Transport))
def test_who_moves_without_a_network_is_heard_when_it_is_back(transport: Transport) -> None:
    async def story() -> None:
        day = Day(transport)
        host = await day.serve()
        phone = day.add(host)
        assert (await phone.register(expires=600)).state == "registered"
        await asyncio.sleep(10.0)
        phone.go_offline()
        moving = asyncio.create_task(phone.move())
        await asyncio.sleep(20.0)
        # nobody has heard of it: there is no answer that could be lost
        assert day.counts.of["desk", "lost"] == 0
        phone.go_online()
        await moving
        await asyncio.sleep(60.0)
        assert phone.phone.state == "registered"
        assert day.counts.of["desk", "registered"] == 2
        phone.close()
        await host.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())
