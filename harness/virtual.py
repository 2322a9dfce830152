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
from typing import TYPE_CHECKING, Any, TypeVarTuple

from harness.errors import HarnessError

_Arguments = TypeVarTuple("_Arguments")
_CANCELLED_KEPT = 100
"""So many cancelled timers may wait for their time; more are thrown away when they are the greater part."""


class _Timer(asyncio.TimerHandle):
    """A timer that has no context of its own unless it was given one: tasks have theirs, and nothing else asks."""

    __slots__ = ()

    if TYPE_CHECKING:
        _args: Any
        _callback: Any
        _cancelled: bool
        _context: Context | None
        _loop: Any
        _repr: str | None
        _scheduled: bool
        _source_traceback: None
        _when: float

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: Context | None,
    ) -> None:
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = context
        self._cancelled = False
        self._repr = None
        self._scheduled = True
        self._source_traceback = None

    def _run(self) -> None:
        try:
            if self._context is None:
                self._callback(*self._args)
            else:
                self._context.run(self._callback, *self._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            said = {"message": f"Exception in callback {self._callback}", "exception": error, "handle": self}
            self._loop.call_exception_handler(said)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual clock that begins at `start` seconds.

    It never waits for files, so a turn of it does only this: what is to be done at once, or else the next timer. Timers
    of one moment come in the order in which they were set.
    """

    if TYPE_CHECKING:
        # asyncio's own: what is to be called in the next turn, and whether `stop` was called
        _ready: deque[Any]
        _stopping: bool

    def __init__(self, start: float = 0.0) -> None:
        self._virtual_now = start
        self._order = itertools.count()
        self._cancelled = 0
        super().__init__()
        self._scheduled: list[tuple[float, int, Any]] = []

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
        timer = _Timer(when, callback, args, self, context)
        heappush(self._scheduled, (when, next(self._order), timer))
        return timer

    def _timer_handle_cancelled(self, handle: Any) -> None:
        # one that was called already may be cancelled, too
        self._cancelled += handle._scheduled
        if self._cancelled > _CANCELLED_KEPT and self._cancelled > len(self._scheduled) // 2:
            self._scheduled[:] = [each for each in self._scheduled if not each[2]._cancelled]
            heapify(self._scheduled)
            # this one is only marked behind us
            self._cancelled = 1

    def _run_once(self) -> None:
        ready = self._ready
        if ready or self._stopping:
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()
            return
        scheduled = self._scheduled
        while scheduled:
            when, _, timer = heappop(scheduled)
            if timer._cancelled:
                self._cancelled -= 1
                continue
            timer._scheduled = False
            if when > self._virtual_now:
                self._virtual_now = when
            timer._run()
            if ready or self._stopping:
                return
        raise HarnessError("the virtual world stands still: everybody waits and no timer runs")
