"""The wire port: sockets on loopback, and the network in memory that stands in for them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from phones.net import Alarm, Endpoint, Receive, Wire
from phones.net_memory import MemoryWire
from phones.net_sockets import SocketWire
from phones.sip.message import Address


class ShuffledClock:
    """A clock by hand. Calls of one and the same moment come in any order, as a heap may give them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls: list[tuple[float, float, Callable[..., Any], tuple[Any, ...]]] = []
        self._rng = random.Random(3)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> ShuffledClock:
        self.calls.append((when, self._rng.random(), callback, args))
        return self

    def cancel(self) -> None:
        self.calls.clear()

    def run(self) -> None:
        for when, _, callback, args in sorted(self.calls, key=lambda call: call[:2]):
            self.now = max(self.now, when)
            callback(*args)
        self.calls.clear()


class Box:
    """What arrived, and how to wait for it."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Address]] = []
        self._arrived = asyncio.Event()

    def __call__(self, data: bytes, source: Address) -> None:
        self.received.append((data, source))
        self._arrived.set()

    async def holds(self, count: int) -> None:
        while len(self.received) < count:
            self._arrived.clear()
            await self._arrived.wait()


class Loopback:
    """Sockets on loopback that are closed in the end."""

    def __init__(self) -> None:
        self._wire = SocketWire(asyncio.get_running_loop())
        self._open: list[Endpoint] = []

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        self._open.append(self._wire.open(receive, host, port))
        return self._open[-1]

    def close(self) -> None:
        for endpoint in self._open:
            endpoint.close()


def on_sockets(work: Callable[[Loopback], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        wire = Loopback()
        try:
            async with asyncio.timeout(5):
                await work(wire)
        finally:
            wire.close()

    asyncio.run(main())


# --- sockets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_travel_both_ways(host: str) -> None:
    async def work(wire: Loopback) -> None:
        left, right = Box(), Box()
        try:
            one, other = wire.open(left, host), wire.open(right, host)
        except OSError:
            pytest.skip(f"{host} is not there")
        assert one.local[0] == other.local[0] == host
        assert one.local[1] != other.local[1]
        one.send(b"there", other.local)
        one.send(b"", other.local)
        await right.holds(2)
        other.send(b"\0" * 60_000, one.local)
        await left.holds(1)
        assert right.received == [(b"there", one.local), (b"", one.local)]
        assert left.received == [(b"\0" * 60_000, other.local)]

    on_sockets(work)


def test_a_burst_is_received_whole_and_in_order() -> None:
    async def work(wire: Loopback) -> None:
        box = Box()
        sender, receiver = wire.open(Box()), wire.open(box)
        burst = [b"%d" % number + b"." * 400 for number in range(150)]
        for data in burst:
            sender.send(data, receiver.local)
        await box.holds(150)
        assert [data for data, _ in box.received] == burst

    on_sockets(work)


def test_a_flood_at_one_leaves_time_for_others() -> None:
    async def work(wire: Loopback) -> None:
        order: list[str] = []
        flood, calm = Box(), Box()

        def heard(name: str, box: Box) -> Receive:
            def hear(data: bytes, source: Address) -> None:
                order.append(name)
                box(data, source)

            return hear

        sender, flooded, other = wire.open(Box()), wire.open(heard("flood", flood)), wire.open(heard("calm", calm))
        for _ in range(200):
            sender.send(b"x", flooded.local)
        sender.send(b"x", other.local)
        await flood.holds(200)
        await calm.holds(1)
        assert order.index("calm") <= 64

    on_sockets(work)


def test_nobody_there_is_no_error() -> None:
    async def work(wire: Loopback) -> None:
        box = Box()
        endpoint, gone = wire.open(box), wire.open(Box())
        gone.close()
        for remote in (gone.local, ("a..b", 5060), ("é..b", 5060), ("host\0", 5060), ("::1", 5060)):
            endpoint.send(b"x", remote)
        endpoint.send(b"x" * 70_000, endpoint.local)
        endpoint.send(b"still here", endpoint.local)
        await box.holds(1)
        assert box.received == [(b"still here", endpoint.local)]
        endpoint.close()
        endpoint.send(b"x", endpoint.local)

    on_sockets(work)


def test_closing_in_the_midst_of_a_burst() -> None:
    async def work(wire: Loopback) -> None:
        first, last = Box(), Box()

        def once(data: bytes, source: Address) -> None:
            endpoint.close()
            endpoint.close()
            first(data, source)

        endpoint, after, sender = wire.open(once), wire.open(last), wire.open(Box())
        for _ in range(10):
            sender.send(b"x", endpoint.local)
        sender.send(b"x", after.local)
        await first.holds(1)
        await last.holds(1)
        assert len(first.received) == 1

    on_sockets(work)


def test_a_taken_port_is_an_error_and_leaks_no_socket() -> None:
    async def work(wire: Loopback) -> None:
        endpoint = wire.open(Box())
        with pytest.raises(OSError, match=r"."):
            wire.open(Box(), "127.0.0.1", endpoint.local[1])
        endpoint.close()
        assert wire.open(Box(), "127.0.0.1", endpoint.local[1]).local == endpoint.local

    on_sockets(work)


# --- in memory -------------------------------------------------------------------------------------------------------


def a_network(seed: int = 1) -> tuple[ShuffledClock, Wire]:
    clock = ShuffledClock()
    return clock, MemoryWire(clock, random.Random(seed))


def test_memory_delivers_with_its_delay() -> None:
    clock, wire = a_network()
    hear = Box()
    one, other = wire.open(Box()), wire.open(hear)
    assert (one.local, other.local) == (("127.0.0.1", 20000), ("127.0.0.1", 20001))
    one.send(b"x", other.local)
    [(when, *_)] = clock.calls
    assert 0.0002 <= when <= 0.002
    assert hear.received == []
    clock.run()
    assert hear.received == [(b"x", one.local)]


def test_a_flow_keeps_its_order_whatever_the_clock_does_with_equal_times() -> None:
    clock, wire = a_network()
    hear = Box()
    one, two, other = wire.open(Box()), wire.open(Box()), wire.open(hear)
    for number in range(500):
        (one, two)[number % 2].send(b"%d" % number, other.local)
    assert len({when for when, *_ in clock.calls}) >= 250
    clock.run()
    for sender, parity in ((one, 0), (two, 1)):
        assert [int(data) for data, source in hear.received if source == sender.local] == list(range(parity, 500, 2))
    assert [int(data) for data, _ in hear.received] != list(range(500))
    assert clock.now <= 0.0021


def test_memory_is_repeatable() -> None:
    times = []
    for seed in (1, 1, 2):
        clock, wire = a_network(seed)
        one, other = wire.open(Box()), wire.open(Box())
        for _ in range(20):
            one.send(b"x", other.local)
        times.append([when for when, *_ in clock.calls])
    assert times[0] == times[1] != times[2]


def test_memory_loses_what_reaches_nobody() -> None:
    clock, wire = a_network()
    hear = Box()
    one, other = wire.open(Box()), wire.open(hear)
    one.send(b"to nobody", ("192.0.2.1", 5060))
    one.send(b"too late", other.local)
    other.close()
    other.close()
    clock.run()
    assert hear.received == []


def test_memory_ports_are_taken_and_given_back() -> None:
    clock, wire = a_network()
    hear = Box()
    old = wire.open(Box(), "127.0.0.1", 20001)
    with pytest.raises(OSError, match="20001"):
        wire.open(hear, "127.0.0.1", 20001)
    assert [wire.open(hear).local[1] for _ in range(2)] == [20000, 20002]
    assert wire.open(hear, "127.0.0.2", 20001).local == ("127.0.0.2", 20001)
    old.close()
    new = wire.open(hear, "127.0.0.1", 20001)
    old.close()
    new.send(b"to myself", new.local)
    clock.run()
    assert hear.received == [(b"to myself", new.local)]


class Bell:
    """A clock that rings only what the test lets it ring."""

    def __init__(self) -> None:
        self.pending: list[Bell.Pending] = []

    class Pending:
        """One pending call."""

        def __init__(self, bell: Bell, when: float, callback: Callable[..., Any]) -> None:
            self.bell = bell
            self.when = when
            self.callback = callback

        def cancel(self) -> None:
            self.bell.pending.remove(self)

    def time(self) -> float:
        return 0.0

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Bell.Pending:
        self.pending.append(Bell.Pending(self, when, callback))
        return self.pending[-1]


def test_an_alarm_rings_at_its_last_deadline_only() -> None:
    bell, rung = Bell(), []
    alarm = Alarm(bell, lambda: rung.append(len(bell.pending)))
    alarm.set(3600.0)
    alarm.set(5.0)
    first = bell.pending[0]
    alarm.set(5.0)
    assert bell.pending == [first]
    assert first.when == 5.0
    bell.pending.clear()
    first.callback()
    assert rung == [0]
    alarm.set(5.0)
    assert len(bell.pending) == 1
    alarm.set(None)
    assert bell.pending == []
