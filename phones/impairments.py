"""What the network does to the messages of one phone, on purpose: loses, holds, doubles, changes their order, is away.

All of it happens between the phone and its endpoint: neither the phone nor who talks to it has to help. Free of IO: who
carries the messages asks what becomes of each, and hands on in time what was held.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, get_args

from phones.effects import Direction

Does = Literal["lose", "delay", "double", "reorder"]
Fate = Literal["passes", "is lost", "is held", "is doubled"]

_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Impairment:
    """What becomes of the next `count` SIP messages of one way that fit.

    `what` is a method: requests of it, and responses to it; '' fits every message. With `event` only requests of that
    event package fit: `what` is NOTIFY, SUBSCRIBE, or ''. `seconds`: how much later a delayed
    message or the second copy of a doubled one comes. A message that changes places (reorder) waits until another of
    the same way has passed, so long at most. Raises ValueError for what makes no sense.
    """

    does: Does
    way: Direction = "in"
    what: str = ""
    count: int = 1
    seconds: float = 1.0
    event: str = ""

    def __post_init__(self) -> None:
        if self.does not in get_args(Does):
            raise ValueError(f"an impairment {self.does!r} is unknown: say {', '.join(get_args(Does))}")
        if self.way not in get_args(Direction):
            raise ValueError(f"a way {self.way!r} is unknown: say in or out")
        if self.what and not (self.what.isascii() and self.what.isalpha() and self.what.isupper()):
            raise ValueError(f"{self.what!r} is no SIP method such as NOTIFY")
        if self.event and self.what not in ("", "NOTIFY", "SUBSCRIBE"):
            raise ValueError(f"a {self.what} has no Event: only NOTIFY and SUBSCRIBE have")
        if self.count < 1:
            raise ValueError(f"{self.count} messages cannot be impaired: say 1 or more")
        if not 0 <= self.seconds <= _LONGEST_S:
            raise ValueError(f"{self.seconds:g} s is no time that a message is held: say 0 to {_LONGEST_S:g}")


T = TypeVar("T")


@dataclass(slots=True)
class Held(Generic[T]):
    """A message that goes on later: since when it is held, until when at most, and whether it is a second copy."""

    message: T
    way: Direction
    since: float
    until: float
    swaps: bool = False
    is_copy: bool = False


class Impairments(Generic[T]):
    """The faults of one phone's network. Times are seconds of the caller's clock.

    What is held outlives everything else: while the phone is offline it waits.
    """

    def __init__(self) -> None:
        self.offline = False
        self._wanted: list[tuple[Impairment, int]] = []
        self._held: list[Held[T]] = []

    @property
    def any(self) -> bool:
        """Whether anything is not as it should be."""
        return self.offline or bool(self._wanted) or bool(self._held)

    def add(self, impairment: Impairment) -> None:
        """Do this, too, once those before it are done with what fits both."""
        self._wanted.append((impairment, impairment.count))

    def fate(self, message: T, way: Direction, method: str, now: float, event: str = "") -> Fate:
        """What becomes of a message of that method, and of that event package ('' for none).

        Of a doubled one the second copy is held.
        """
        if self.offline:
            return "is lost"
        impairment = self._takes(way, method, event)
        if impairment is None:
            return "passes"
        if impairment.does == "lose":
            return "is lost"
        doubled = impairment.does == "double"
        swaps = impairment.does == "reorder"
        self._held.append(Held(message, way, now, now + impairment.seconds, swaps, doubled))
        return "is doubled" if doubled else "is held"

    def _takes(self, way: Direction, method: str, event: str) -> Impairment | None:
        for index, (impairment, left) in enumerate(self._wanted):
            if impairment.way == way and impairment.what in ("", method) and impairment.event in ("", event):
                self._wanted[index : index + 1] = [(impairment, left - 1)] if left > 1 else []
                return impairment
        return None

    def passed(self, way: Direction) -> list[Held[T]]:
        """A message has passed: what waited for that follows it, in its order."""
        return self._release(lambda held: held.swaps and held.way == way)

    def due(self, now: float) -> list[Held[T]]:
        """What has been held long enough, the first due first."""
        if self.offline:
            return []
        return sorted(self._release(lambda held: held.until <= now), key=lambda held: held.until)

    def next_deadline(self) -> float | None:
        """When `due` has something next, None for never."""
        earliest = min((held.until for held in self._held), default=math.inf)
        return None if self.offline or earliest == math.inf else earliest

    def mend(self) -> list[Held[T]]:
        """Everything is as it should be from now on; what was held is returned, in the order in which it came."""
        self.offline = False
        self._wanted.clear()
        return self._release(lambda _: True)

    def _release(self, goes: Callable[[Held[T]], bool]) -> list[Held[T]]:
        released = [held for held in self._held if goes(held)]
        self._held = [held for held in self._held if not goes(held)]
        return released
