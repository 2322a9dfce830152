"""Our own side of a bench: `python -m harness.bench.worker WORK ...`, a process whose CPU the other one reads.

It is what `ringproof phones` runs, without the API and the goodbyes. With RINGPROOF_PROFILE set to a file the
profile of the work is written there.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import itertools
import json
import os
import random
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from harness.bench.peers import HOST, PASSWORD, PROFILE, REALM, users
from harness.fleet_record import FleetRecord
from harness.swarm import Member, Plan, Swarm, resident
from phones.effects import Called, Transmit
from phones.fleet import Fleet, RunningPhone
from phones.line import Identity
from phones.net_shared import SharedWire
from phones.net_sockets import SocketWire
from phones.sip.message import Address
from phones.sip.transactions import LINGERS_S

_SETTLES_S = 6.0 + LINGERS_S
"""Longer than the transactions of a registration last (timer K) and linger."""


def _plan(edge: Address, count: int, at_once: int, *, shared: bool) -> Plan:
    members = tuple(Member(user, Identity(user, PASSWORD, REALM)) for user in users(count))
    return Plan(
        members=members, edge=edge, bind=HOST, rate=1e6, expires=3600, shared=shared, prefix="", seed=1, at_once=at_once
    )


async def register(host: str, port: str, count: str, at_once: str, folder: str) -> None:
    """Register `count` phones on one socket, with the Record on."""
    loop = asyncio.get_running_loop()
    record = FleetRecord(Path(folder), loop)
    swarm = Swarm(_plan((host, int(port)), int(count), int(at_once), shared=True), SocketWire(loop), loop, record)
    running = asyncio.ensure_future(swarm.start())
    await swarm.everybody()
    running.cancel()
    swarm.close()
    record.close()


async def memory(host: str, port: str, count: str, at_once: str) -> None:
    """Register `count` phones with a socket each, without a Record; print octets per phone beyond the process."""
    loop = asyncio.get_running_loop()
    plan = _plan((host, int(port)), int(count), int(at_once), shared=False)
    gc.collect()
    empty = resident()
    swarm = Swarm(plan, SocketWire(loop), loop)
    running = asyncio.ensure_future(swarm.start())
    await swarm.everybody()
    await asyncio.sleep(_SETTLES_S)
    gc.collect()
    sys.stdout.write(json.dumps({"per_phone": (resident() - empty) / int(count)}) + "\n")
    running.cancel()
    swarm.close()


class _Counting(FleetRecord):
    """A Record that says when so many answers were sent, and whenever a call changes."""

    def __init__(self, folder: Path, clock: asyncio.AbstractEventLoop, count: int) -> None:
        super().__init__(folder, clock)
        self.left = count
        self.over = asyncio.Event()
        self.on_call: Callable[[str, Called], None] = lambda phone, called: None

    def count(self) -> None:
        """One more is done."""
        self.left -= 1
        if self.left <= 0:
            self.over.set()

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """A datagram was sent."""
        super().sent(phone, sent, local, now)
        if sent.kind == "new" and sent.data.startswith(b"SIP/2.0 200 "):
            self.count()

    def called(self, phone: str, called: Called, now: float) -> None:
        """A call changed."""
        super().called(phone, called, now)
        self.on_call(phone, called)


async def answer(port: str, count: str, phones: str, folder: str) -> None:
    """Answer `count` NOTIFYs to `phones` phones at one port, with the Record on."""
    loop = asyncio.get_running_loop()
    record = _Counting(Path(folder), loop, int(count))
    shared = SharedWire(SocketWire(loop), HOST, int(port))
    fleet = Fleet(shared, loop, record, host=HOST)
    rng = random.Random(1)
    for number, user in enumerate(users(int(phones))):
        prefix = shared.join(user, number)
        identity = Identity(user, PASSWORD, REALM)
        fleet.add(user, identity, edge=(HOST, 9), rng=rng, call_id_prefix=prefix)
    await record.over.wait()
    fleet.close()
    shared.close()
    record.close()


async def call(host: str, port: str, count: str, at_once: str, folder: str) -> None:
    """Make `count` calls that are hung up as soon as they are answered, with the Record on."""
    loop = asyncio.get_running_loop()
    record = _Counting(Path(folder), loop, int(count))
    fleet = Fleet(SocketWire(loop), loop, record, host=HOST)
    rng = random.Random(1)
    numbers = itertools.count(1)
    phones: dict[str, RunningPhone] = {}

    def begin(phone: RunningPhone) -> None:
        if next(numbers) <= int(count):
            phone.call(f"sip:callee@{host}:{port}")

    def on_call(name: str, called: Called) -> None:
        if called.state == "talking":
            loop.call_soon(phones[name].hang_up)
        elif called.state == "ended":
            record.count()
            loop.call_soon(begin, phones[name])

    record.on_call = on_call
    for user in users(int(at_once)):
        identity = Identity(user, PASSWORD, REALM)
        phones[user] = fleet.add(user, identity, edge=(host, int(port)), rng=rng)
    for phone in phones.values():
        begin(phone)
    await record.over.wait()
    # the last BYE wants its answer
    await asyncio.sleep(0.1)
    fleet.close()
    record.close()


WORKS: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "register": register,
    "memory": memory,
    "answer": answer,
    "call": call,
}


def main(arguments: list[str]) -> None:
    """Do one work."""
    work = WORKS[arguments[0]]
    where = os.environ.get(PROFILE)
    if not where:
        asyncio.run(work(*arguments[1:]))
        return
    profiler = cProfile.Profile()
    profiler.runcall(asyncio.run, work(*arguments[1:]))
    profiler.dump_stats(where)


if __name__ == "__main__":
    main(sys.argv[1:])
