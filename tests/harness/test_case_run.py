"""One case that is ended at every possible moment: whatever it had created is gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from harness.case_run import CaseRun
from harness.hosting import ReferenceHost
from harness.judge import Judge
from harness.loader import Case
from harness.ports import Api, ApiAnswer, ApiCall
from harness.recorder import RunRecorder
from harness.virtual import VirtualLoop
from harness.world import World, virtual_world
from reference_server.profiles import PROFILES
from reports.record import Event, RecordError, RecordWriter
from reports.secrets import Secrets
from tests.harness.files import cases

SCENARIO = """\
title: Creates things in every way
clauses: [API-01]
isolation: {isolation}
phones:
  desk:
  stranger: {{account: other}}
steps:
  - register: desk
  - request: PUT {{{{ account.url }}}}/devices
    data: {{name: made by a step}}
    reply: {{status: 201}}
  - control: desk
"""


class Slow:
    """An api port on which replies take a while; the call number `at` tells when it is on its way back."""

    def __init__(self, inner: Api, at: int) -> None:
        self._inner = inner
        self._at = at
        self.calls = 0
        self.reached = asyncio.Event()

    async def call(self, call: ApiCall) -> ApiAnswer:
        number = self.calls
        self.calls += 1
        answer = await self._inner.call(call)
        if number == self._at:
            self.reached.set()
        await asyncio.sleep(0.2)
        return answer

    async def close(self) -> None:
        await self._inner.close()


class Full(RecordWriter):
    """A Record on a disk that is full after so many events."""

    room = 10**9

    def _append(self, event: Event, data: bytes) -> Event:
        if self.room <= 0:
            raise RecordError("cannot write the Record into here: No space left on device")
        self.room -= 1
        return super()._append(event, data)


def in_memory(work: Callable[[World, ReferenceHost], Awaitable[int]]) -> int:
    """Do `work` beside a fresh server in virtual time, and see that the server holds what it held before."""

    async def whole() -> int:
        world, host = await virtual_world(PROFILES["documented"], Secrets(), Random(1))
        before = await listed(host)
        done = await work(world, host)
        assert await listed(host) == before
        await host.close()
        return done

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())


async def listed(host: ReferenceHost) -> list[str]:
    """Ids of everything below the accounts that are there from the beginning."""
    seed, found = host.server.seed, []
    for account in (seed, seed.other_account, seed.child_account):
        for what in ("devices", "children"):
            path = f"/v2/accounts/{account.account_id}/{what}"
            headers = (("X-Auth-Token", account.auth_token),)
            reply = await host.request("GET", path, headers, b"", client="127.0.0.1", encrypted=False)
            assert reply.status == 200
            found += [each["id"] for each in json.loads(reply.body)["data"]]
    return found


@contextmanager
def prepared(case: Case, world: World, folder: Path, room: int = 10**9) -> Iterator[tuple[CaseRun, Full]]:
    """The run of a case, and the writer of its Record."""
    recorder = RunRecorder(Judge())
    writer = Full(folder, world.secrets, recorder.consume)
    writer.room = room
    recorder.start(writer)
    recorder.use_clock(asyncio.get_running_loop())
    try:
        yield CaseRun(case, 1, "run", world, recorder, 0), writer
    finally:
        writer.close()


@pytest.mark.parametrize("isolation", ["case", "account"])
def test_interrupted_at_every_request(tmp_path: Path, isolation: str) -> None:
    [case] = cases(tmp_path, SCENARIO.format(isolation=isolation))

    def interrupted(at: int) -> int:
        async def work(world: World, _: ReferenceHost) -> int:
            slow = Slow(world.api, at)
            world.api = slow
            with prepared(case, world, tmp_path / "record") as (run, _writer):
                task = asyncio.create_task(run.run())
                reached = asyncio.create_task(slow.reached.wait())
                await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
                for _press in range(2):  # impatient people press twice
                    task.cancel()
                    await asyncio.sleep(0.01)
                with suppress(asyncio.CancelledError):
                    await task
                reached.cancel()
            return slow.calls

        return in_memory(work)

    total = interrupted(10**9)
    assert total > 6
    for at in range(total):
        interrupted(at)


@pytest.mark.parametrize("isolation", ["case", "account"])
def test_the_disk_is_full_at_every_event(tmp_path: Path, isolation: str) -> None:
    [case] = cases(tmp_path, SCENARIO.format(isolation=isolation))

    def full_after(room: int) -> int:
        async def work(world: World, _: ReferenceHost) -> int:
            with prepared(case, world, tmp_path / "record", room) as (run, writer):
                if room < 10**9:
                    with pytest.raises(RecordError):
                        await run.run()
                else:
                    await run.run()
                return 10**9 - writer.room

        return in_memory(work)

    total = full_after(10**9)
    assert total > 30
    for room in range(total):
        full_after(room)
