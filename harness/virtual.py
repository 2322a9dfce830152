"""Virtual time: an asyncio event loop whose clock jumps to the next timer as soon as nothing is left to do.

Everything that runs on it (engine, phones, reference server) is the same code as on sockets. No thread, socket,
name lookup or wall clock is behind it, so a seed decides everything and an hour costs what happens in it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from harness.errors import HarnessError


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for files, lets `advance` move the clock."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise HarnessError("the virtual world stands still: everybody waits and no timer runs")
        if timeout > 0:
            self._advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual clock that begins at `start` seconds."""

    def __init__(self, start: float = 0.0) -> None:
        self._virtual_now = start
        super().__init__(_JumpingSelector(self._advance))

    def _advance(self, seconds: float) -> None:
        self._virtual_now += seconds

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_now
