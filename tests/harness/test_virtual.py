"""Virtual time: the clock jumps, nothing waits, and a world that stands still says so."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from harness.errors import HarnessError
from harness.virtual import VirtualLoop


def run(work: Coroutine[Any, Any, Any], start: float = 0.0) -> Any:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(work)


def test_a_day_passes_at_once() -> None:
    async def day() -> float:
        await asyncio.sleep(24 * 3600)
        return asyncio.get_running_loop().time()

    assert run(day()) == pytest.approx(86_400)
    assert run(day(), start=100.0) == pytest.approx(86_500)


def test_timers_come_in_their_order() -> None:
    order: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        order.append((name, asyncio.get_running_loop().time()))

    async def both() -> None:
        await asyncio.gather(sleeper("late", 3600), sleeper("soon", 1), sleeper("between", 60))

    run(both())
    assert order == [("soon", 1.0), ("between", 60.0), ("late", 3600.0)]


def test_a_timeout_is_exact() -> None:
    async def wait() -> float:
        try:
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        except TimeoutError:
            return asyncio.get_running_loop().time()
        return -1.0

    assert run(wait()) == 5.0


def test_a_world_in_which_everybody_waits_says_so() -> None:
    loop = VirtualLoop()
    waiting = loop.create_future()
    with pytest.raises(HarnessError, match="stands still"):
        loop.run_until_complete(waiting)
    loop.close()


def test_timers_of_one_moment_come_as_they_were_set_and_cancelled_ones_never() -> None:
    loop = VirtualLoop()
    seen: list[int] = []
    timers = [loop.call_at(5.0, seen.append, number) for number in range(400)]
    for number, timer in enumerate(timers):
        if number % 4:
            timer.cancel()
            timer.cancel()
    loop.call_at(6.0, loop.stop)
    loop.run_forever()
    assert seen == list(range(0, 400, 4))
    for timer in timers:
        # what was called already may be cancelled, which changes nothing
        timer.cancel()
    loop.call_at(7.0, seen.append, -1)
    loop.call_at(8.0, loop.stop)
    loop.run_forever()
    assert (seen[-1], loop.time()) == (-1, 8.0)
    loop.close()


def test_a_timer_that_fails_is_told_and_the_others_go_on() -> None:
    loop = VirtualLoop()
    told: list[str] = []
    loop.set_exception_handler(lambda _, context: told.append(str(context["exception"])))
    loop.call_at(1.0, int, "no number")
    loop.call_at(2.0, loop.stop)
    loop.run_forever()
    assert loop.time() == 2.0
    [failure] = told
    assert "no number" in failure
    loop.close()


def test_a_timer_has_the_context_that_it_was_given_and_a_task_its_own() -> None:
    who = ContextVar("who", default="nobody")
    seen: list[str] = []

    async def task(name: str) -> None:
        who.set(name)
        await asyncio.sleep(1.0)
        seen.append(who.get())

    async def all_of_them() -> None:
        given = copy_context()
        given.run(who.set, "given")
        loop = asyncio.get_running_loop()
        loop.call_at(0.5, lambda: seen.append(who.get()), context=given)
        await asyncio.gather(task("ann"), task("bob"))

    run(all_of_them())
    assert seen == ["given", "ann", "bob"]


def test_who_is_called_at_once_comes_before_any_timer() -> None:
    loop = VirtualLoop()
    seen: list[str] = []
    loop.call_at(0.0, seen.append, "timer")

    def soon() -> None:
        seen.append("soon")
        loop.call_soon(seen.append, "sooner")

    loop.call_soon(soon)
    loop.call_at(1.0, loop.stop)
    loop.run_forever()
    assert seen == ["soon", "sooner", "timer"]
    loop.close()
