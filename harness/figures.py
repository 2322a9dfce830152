"""What a live fleet counts and measures, in a form that can be sent between processes and added up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_STEPS = 64
"""Buckets per factor e: a latency is known to within one percent."""

LAMPS = ("off", "ringing", "busy", "unknown")


@dataclass(slots=True)
class Latencies:
    """How long things took, in logarithmic buckets: small whatever their number, and exact enough to compare."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[math.floor(math.log(max(seconds, 1e-6)) * _STEPS)] += 1

    def percentile(self, share: float) -> float | None:
        """The seconds that `share` (0 to 1) of them took at most; None when there are none."""
        total = self.counts.total()
        if not total:
            return None
        left = math.ceil(share * total)
        for bucket, count in sorted(self.counts.items()):
            left -= count
            if left <= 0:
                return math.exp((bucket + 0.5) / _STEPS)
        return None

    def shown(self) -> dict[str, float | None]:
        """p50, p95 and p99 in seconds."""
        found = {name: self.percentile(share) for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
        return {name: None if value is None else round(value, 6) for name, value in found.items()}


@dataclass(slots=True)
class Figures:
    """The state and the sums of some phones.

    `lost`: phones that were registered, or should have been, and are not; `unwatched` the same of lamps. `wrong` maps
    what was wrong, in words, to how often. Memory is resident, in bytes: of the empty process, when all were there,
    and now.
    """

    phones: int = 0
    registered: int = 0
    lost: int = 0
    watching: int = 0
    unwatched: int = 0
    refreshes: int = 0
    arrivals: int = 0
    sent: int = 0
    repeated: int = 0
    notifies: int = 0
    check_syncs: int = 0
    lamp_changes: int = 0
    calls: int = 0
    calls_up: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    lamps: Counter[str] = field(default_factory=Counter)
    registration: Latencies = field(default_factory=Latencies)
    notify: Latencies = field(default_factory=Latencies)
    call: Latencies = field(default_factory=Latencies)
    memory_empty: int = 0
    memory_full: int = 0
    memory: int = 0
    memory_rounds: list[int] = field(default_factory=list)
    """After each round of refreshes: as many as there are phones."""

    cpu_s: float = 0.0
    pending: int = 0
    """Wishes whose outcome is still awaited or not yet begun."""

    unsynced: int = 0
    unchanged: int = 0
    """Phones that an exercise has not reached yet: with a check-sync, with a lamp that went and came back."""


def total(parts: Iterable[Figures]) -> Figures:
    """All of them together."""
    summed = Figures()
    for number, part in enumerate(parts):
        for name in Figures.__slots__:
            mine, theirs = getattr(summed, name), getattr(part, name)
            if isinstance(mine, Latencies):
                mine.counts.update(theirs.counts)
            elif isinstance(mine, Counter):
                mine.update(theirs)
            elif isinstance(mine, list):
                # rounds that every part has been through
                mine[:] = [a + b for a, b in zip(mine, theirs, strict=False)] if number else theirs
            else:
                setattr(summed, name, mine + theirs)
    return summed


def latencies_of(figures: Figures) -> dict[str, Any]:
    """As documents show them: those of registrations, and the same for each kind."""
    return {
        **figures.registration.shown(),
        "registration": figures.registration.shown(),
        "notify": figures.notify.shown(),
        "call": figures.call.shown(),
    }
