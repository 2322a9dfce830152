"""The pulse of a reference server in another process: who is not let run cannot answer in time, and is not to blame.

The process says all the time what time it is. Its clock is ours, the monotonic one of the machine, so what it says can
be read later: between two beats that are far apart it did nothing, and so since the last one that is overdue.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

BEAT_S = 0.05
"""How often it says something."""

MOST_S = 20.0
"""Who is silent for longer than that hangs."""


async def beat(descriptor: int) -> None:
    """Say what time it is, forever. A beat that nobody takes is dropped."""
    clock = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    while True:
        with suppress(BlockingIOError):
            os.write(descriptor, b"%.4f\n" % clock.time())
        await asyncio.sleep(BEAT_S)


class Pulse:
    """Reads the beats of a process. `descriptor` is the end of the pipe that we hold, `now` when that was opened."""

    def __init__(self, descriptor: int, now: float) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._last = now
        self._rest = b""
        self._gone = False
        self._told = 0.0  # how much of the silence since the last beat has been told already

    def missed(self, now: float) -> float:
        """Seconds that the process has not been let run, and that have not been told before."""
        missed = 0.0
        for stamp in self._beats():
            missed += max(0.0, min(MOST_S, stamp - self._last - BEAT_S) - self._told)
            self._last, self._told = stamp, 0.0
        if self._gone:
            return 0.0
        overdue = min(MOST_S, max(0.0, now - self._last - BEAT_S))
        missed += max(0.0, overdue - self._told)
        self._told = max(self._told, overdue)
        return missed

    def _beats(self) -> list[float]:
        """What it has said since we last looked."""
        with suppress(BlockingIOError):
            while part := os.read(self._descriptor, 1 << 16):
                self._rest += part
            self._gone = True
        *whole, self._rest = self._rest.split(b"\n")
        return [float(line) for line in whole]
