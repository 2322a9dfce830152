"""Phones that stay: what they and the reference server hold does not grow with the refreshes."""

from __future__ import annotations

import asyncio
import gc
import random
import tracemalloc
from pathlib import Path

import pytest

from harness.virtual import VirtualLoop
from phones.phone import Identity
from phones.sip.transport import Transport
from reference_server.directory import Device
from tests.end_to_end.support import ringproof
from tests.end_to_end.test_long_life import Day

PHONES = 25
REFRESH_S = 480.0
"""Four fifths of what is registered for."""


async def held(transport: Transport, rounds: int) -> list[int]:
    """Octets that phones and server hold after each round of refreshes."""
    day = Day(transport)
    host = await day.serve()
    server = host.server
    account = server.directory.accounts[server.seed.account_id]
    names = [f"desk-{number}" for number in range(PHONES)]
    for number, name in enumerate(names):
        document = {"sip": {"username": name, "password": "word"}, "mwi_unsolicited_updates": True}
        server.directory.store(account, Device(f"{number:032x}", document))
    gc.collect()
    tracemalloc.start()
    try:
        sizes = []
        for name in names:
            phone = day.fleet.add(
                name,
                Identity(name, "word", account.realm),
                edge=host.listening[transport],
                rng=random.Random(name),
                transport=transport,
            )
            assert (await phone.register(expires=600)).state == "registered"
        for number, name in enumerate(names):
            watched = f"sip:{names[number - 1]}@{account.realm}"
            assert (await day.fleet.phones[name].subscribe(watched, expires=600)).state == "active"
        # what is over is remembered for half a minute: memory is looked at when nothing has been said for longer
        await asyncio.sleep(60.0)
        for _ in range(rounds):
            day.counts.refreshed.clear()
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
            await asyncio.sleep(REFRESH_S)
            assert len(day.counts.refreshed) == PHONES
        assert server.errors == []
    finally:
        tracemalloc.stop()
    day.fleet.close()
    await host.close()
    await asyncio.sleep(40.0)
    return sizes


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_nothing_is_kept_of_a_refresh(transport: Transport) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        sizes = runner.run(held(transport, 13))
    # two refreshes replace what was there before memory was looked at; ten more would add a fifth with every message
    assert sizes[12] < sizes[2] * 1.1, str(sizes)


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_memory_is_flat_over_ten_refreshes_of_a_live_fleet(tmp_path: Path) -> None:
    options = ("200", "--watch", "--expires", "5", "--duration", "110", "--format", "json")
    # a process of its own: what this one has freed before would be used again, and nothing seen to grow
    document = ringproof("phones", *options, cwd=tmp_path, timeout_s=250).document
    assert (document["lost"], document["wrong"]) == (0, 0)
    memory = document["memory"]
    # for half a minute there is more and more to be remembered (64*T1); then what comes replaces what goes
    assert len(memory["rounds"]) >= 20
    before, after = memory["rounds"][-11], memory["rounds"][-1]
    assert before > memory["empty"] > 0
    # a single message of a refresh that were kept by each phone would add a fifth; the heap itself moves by a twentieth
    assert after - before < 0.1 * (before - memory["empty"]), memory
