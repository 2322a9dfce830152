"""Waiting for what callbacks tell, without looking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class News:
    """Whoever notes something tells it here; whoever waits for something looks when there is news."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def tell(self) -> None:
        """There is something new."""
        for each in self._waiting:
            each.set()

    async def until(self, done: Callable[[], object], seconds: float = 5.0) -> None:
        """Wait until `done`, of which every change is told. Raises TimeoutError after `seconds`."""
        told = asyncio.Event()
        self._waiting.add(told)
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    await told.wait()
                    told.clear()
        finally:
            self._waiting.discard(told)
