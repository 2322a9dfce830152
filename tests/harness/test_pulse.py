"""A process that is not let run is known by its pulse; one that hangs or is gone is not waited for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from harness.pulse import BEAT_S, MOST_S, Pulse, beat


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for each in (reading, writing):
        with suppress(OSError):
            os.close(each)


def says(writing: int, *stamps: float) -> None:
    os.write(writing, b"".join(b"%.4f\n" % stamp for stamp in stamps))


def test_who_beats_in_time_misses_nothing(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    pulse = Pulse(reading, 100.0)
    says(writing, 100.01, 100.05, 100.1)
    assert pulse.missed(100.12) == 0.0


def test_silence_is_told_while_it_lasts_and_once(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    pulse = Pulse(reading, 100.0)
    told = [pulse.missed(now) for now in (100.04, 100.1, 100.2, 100.2, 101.0)]
    assert told == pytest.approx([0.0, 0.05, 0.1, 0.0, 0.8])
    says(writing, 102.0, 102.05)
    assert pulse.missed(102.06) == pytest.approx(2.0 - BEAT_S - 0.95)
    assert pulse.missed(102.1) == 0.0


def test_what_was_said_while_nobody_read_is_no_silence(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    pulse = Pulse(reading, 100.0)
    says(writing, *(100 + number * BEAT_S for number in range(200)))
    assert pulse.missed(110.0) == pytest.approx(0.0, abs=1e-3)
    os.write(writing, b"110.0")
    assert pulse.missed(110.02) == pytest.approx(0.02, abs=1e-3)
    os.write(writing, b"000\n")
    assert pulse.missed(110.03) == 0.0


def test_two_silences_between_two_looks(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    pulse = Pulse(reading, 100.0)
    says(writing, 101.0, 101.05, 103.05)
    assert pulse.missed(103.06) == pytest.approx(0.95 + 1.95)


def test_who_hangs_is_not_waited_for(pipe: tuple[int, int]) -> None:
    pulse = Pulse(pipe[0], 100.0)
    assert pulse.missed(1000.0) == MOST_S
    assert pulse.missed(2000.0) == 0.0
    says(pipe[1], 2000.0)
    assert pulse.missed(2000.01) == 0.0


def test_who_is_gone_is_not_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    pulse = Pulse(reading, 100.0)
    says(writing, 100.05)
    os.close(writing)
    assert pulse.missed(110.0) == 0.0


def test_a_loop_beats_and_drops_what_nobody_takes(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    filled = 0
    with suppress(BlockingIOError):
        while True:
            filled += os.write(writing, bytes(1024))

    async def beaten() -> list[float]:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(beat(writing))
        await asyncio.sleep(0)
        assert not task.done()
        os.read(reading, filled)
        os.set_blocking(reading, False)
        stamps: list[float] = []
        news = asyncio.Event()
        loop.add_reader(reading, news.set)
        while len(stamps) < 2:
            await news.wait()
            news.clear()
            with suppress(BlockingIOError):
                stamps += map(float, os.read(reading, 1024).split())
        loop.remove_reader(reading)
        assert loop.time() - stamps[-1] < MOST_S
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return stamps

    first, second, *_ = asyncio.run(beaten())
    assert second > first
