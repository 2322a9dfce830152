"""Where the requests of a phone may go: one place after the other as long as none answers (RFC 3263 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from phones.sip.message import Address


class Edges:
    """The edges of one phone. `others` follow `first` in the order in which they are to be tried."""

    __slots__ = ("_all", "_untried", "current")

    def __init__(self, first: Address, others: Sequence[Address] = ()) -> None:
        self._all = (first, *others)
        self._untried = self._all[1:]
        self.current = first
        """Where requests go."""

    def settle(self) -> None:
        """The current one answers: when it fails later, all others are to be tried."""
        self._untried = tuple(each for each in self._all if each != self.current)

    def turn(self) -> bool:
        """Go on to the next. False when all have been tried: then the first one is next, but not at once."""
        more = bool(self._untried)
        self.current, *rest = self._untried or self._all
        self._untried = tuple(rest)
        return more
