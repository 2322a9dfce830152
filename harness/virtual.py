"""Virtual time: an asyncio event loop whose clock jumps to the next timer as soon as nothing is left to do.

Everything that runs on it (engine, phones, reference server) is the same code as on sockets. No thread, socket,
name lookup or wall clock is behind it, so a seed decides everything and an hour costs what happens in it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVarTuple, cast

from harness.errors import HarnessError

_Arguments = TypeVarTuple("_Arguments")
_CANCELLED_KEPT = 100
"""So many cancelled timers may wait for their time; more are thrown away when they are the greater part."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual clock that begins at `start` seconds.

    It never waits for files, so a turn of it does only this: take what is due, or jump to what will be. Timers of one
    moment come in the order in which they were set.
    """

    if TYPE_CHECKING:
        # asyncio's own: what is to be called in the next turn, and whether `stop` was called
        _ready: deque[asyncio.Handle]
        _stopping: bool

    def __init__(self, start: float = 0.0) -> None:
        self._virtual_now = start
        self._order = itertools.count()
        self._cancelled = 0
        super().__init__()
        self._scheduled: list[tuple[float, int, asyncio.TimerHandle]] = []

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_now

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Arguments], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call `callback(*args)` at `when`."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._scheduled, (when, next(self._order), handle))
        cast("Any", handle)._scheduled = True
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # one that was called already may be cancelled, too
        self._cancelled += cast("Any", handle)._scheduled
        if self._cancelled > _CANCELLED_KEPT and self._cancelled > len(self._scheduled) // 2:
            self._scheduled[:] = [each for each in self._scheduled if not each[2].cancelled()]
            heapify(self._scheduled)
            self._cancelled = 0

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        if not ready and not self._stopping:
            while scheduled and scheduled[0][2].cancelled():
                heappop(scheduled)
                self._cancelled -= 1
            if not scheduled:
                raise HarnessError("the virtual world stands still: everybody waits and no timer runs")
            self._virtual_now = max(self._virtual_now, scheduled[0][0])
        while scheduled and scheduled[0][0] <= self._virtual_now:
            timer = heappop(scheduled)[2]
            if timer.cancelled():
                self._cancelled -= 1
            else:
                cast("Any", timer)._scheduled = False
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()
