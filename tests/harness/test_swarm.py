"""The phones of a live fleet, without the command around them: what they do with the calls that an exercise makes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Coroutine
from typing import Any

from harness.hosting import ReferenceHost
from harness.swarm import TALK_S, Member, Plan, Swarm
from harness.virtual import VirtualLoop
from phones.net_memory import MemoryWire
from phones.phone import Identity
from reference_server.profiles import PROFILES


async def called(seconds: float, *, third: bool = False) -> tuple[Swarm, ReferenceHost]:
    """Two phones, one of which calls the other, which answers: so long after the call was asked for.

    A `third` calls the one that calls.
    """
    loop = asyncio.get_running_loop()
    wire = MemoryWire(loop, random.Random(1))
    host = ReferenceHost(PROFILES["documented"], wire=wire, clock=loop, rng=random.Random(2), epoch=0.0, sip_port=5060)
    realm = host.server.seed.realm
    one, other = (Identity(each.username, each.password, realm) for each in host.server.seed.devices[:2])
    last = Identity("third", "secret-of-third", realm)
    await create(host, last)
    members = [Member("one", one, calls=other.aor), Member("other", other)]
    members += [Member("third", last, calls=one.aor)] if third else []
    plan = Plan(tuple(members), host.sip, "127.0.0.1", 100.0, 600, shared=False, prefix="x-", seed=1, answer=True)
    swarm = Swarm(plan, wire, loop, None)
    pacing = asyncio.create_task(swarm.start())
    await swarm.everybody()
    swarm.exercise()
    await asyncio.sleep(seconds)
    pacing.cancel()
    return swarm, host


async def create(host: ReferenceHost, identity: Identity) -> None:
    """A device for one more phone."""
    seed = host.server.seed
    sip = {"username": identity.user, "password": identity.password}
    body = json.dumps({"data": {"name": "Third", "sip": sip}}).encode()
    headers = (("X-Auth-Token", seed.auth_token), ("Content-Type", "application/json"))
    target = f"/v2/accounts/{seed.account_id}/devices"
    reply = await host.request("PUT", target, headers, body, client="127.0.0.1", encrypted=False)
    assert reply.status == 201


def run(main: Coroutine[Any, Any, None]) -> None:
    """In virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)


def live(host: ReferenceHost) -> int:
    """Legs of the server that are neither over nor about to be."""
    return sum(not leg.over for leg in host.server.calls.legs)


def test_a_call_is_up_for_a_while_and_no_longer() -> None:
    async def main() -> None:
        swarm, host = await called(TALK_S)
        assert (swarm.figures().calls_up, live(host)) == (2, 2)
        await asyncio.sleep(TALK_S + 1.0)
        assert live(host) == 0

    run(main())


def test_who_calls_and_is_called_ends_its_own_call() -> None:
    async def main() -> None:
        swarm, host = await called(0.1, third=True)
        await asyncio.sleep(TALK_S)
        assert (swarm.figures().calls_up, live(host)) == (4, 4)
        await asyncio.sleep(TALK_S + 1.0)
        assert live(host) == 0

    run(main())


def test_who_stops_hangs_up() -> None:
    async def main() -> None:
        swarm, host = await called(TALK_S)
        assert live(host) == 2
        assert await swarm.stop(10.0) == 0
        assert live(host) == 0

    run(main())
