"""State machines as tables, run by one generic machine, timers included.

A table says for every (state, event) what to do, which timers to start and stop, and the next state. A pair that
is missing from a table is a mistake of the table, found when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

Duration = Callable[[int], float]
"""Seconds of a timer, given how often this machine has started it before."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens on one event in one state: `do` for the owner, timers started and stopped, the next state."""

    to: str
    do: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


class Table:
    """A total transition table.

    `begin` names the timers that run from the first moment, `ignored` the pairs that change nothing.
    A pair may stand in one place only. `counts`: whether the durations depend on how often a timer was started.
    """

    def __init__(
        self,
        name: str,
        *,
        initial: str,
        final: str,
        begin: Iterable[str] = (),
        events: Iterable[str],
        rules: Mapping[tuple[str, str], Rule],
        ignored: Iterable[tuple[str, str]] = (),
        counts: bool = True,
    ) -> None:
        self.name = name
        self.counts = counts
        self.initial = initial
        self.final = final
        self.begin = tuple(begin)
        self.events = tuple(events)
        self.states = tuple(
            dict.fromkeys([initial, *(state for state, _ in rules), *(rule.to for rule in rules.values())])
        )
        self.rules = dict(rules)
        for pair in ignored:
            if pair in self.rules:
                raise ValueError(f"{name}: {pair} is both ruled and ignored")
            self.rules[pair] = Rule(pair[0])
        self.lingering = frozenset(state for state in self.states if self._only_ends(state))
        """States out of which every timer leads straight to the end."""
        wanted = {(state, event) for state in self.states if state != final for event in self.events}
        missing, strange = sorted(wanted - self.rules.keys()), sorted(self.rules.keys() - wanted)
        if missing or strange:
            raise ValueError(f"{name}: missing {missing}, strange {strange}")

    def _only_ends(self, state: str) -> bool:
        timed = {event: self.rules.get((state, event), Rule(state)) for event in self.events if event[:6] == "timer "}
        acting = [rule for rule in timed.values() if rule != Rule(state)]
        return bool(acting) and all(rule == Rule(self.final) for rule in acting)


class Durations(Protocol):
    """The duration of each timer of a machine; a mapping, or the owner itself."""

    def __getitem__(self, timer: str, /) -> Duration:
        """The duration of a timer."""


class Machine:
    """One running instance of a table. Events that name a timer are called `timer X`."""

    __slots__ = ("_durations", "_starts", "_table", "deadlines", "state")

    def __init__(self, table: Table, durations: Durations, now: float) -> None:
        self._table = table
        self._durations = durations
        self._starts: dict[str, int] | None = {} if table.counts else None
        self.state = table.initial
        self.deadlines: dict[str, float] = {}
        if table.begin:
            self._start(table.begin, now)

    def _start(self, timers: Iterable[str], now: float) -> None:
        starts, deadlines, durations = self._starts, self.deadlines, self._durations
        for timer in timers:
            if starts is None:
                deadlines[timer] = now + durations[timer](0)
                continue
            starts[timer] = count = starts.get(timer, -1) + 1
            deadlines[timer] = now + durations[timer](count)

    def __repr__(self) -> str:
        return f"<{self._table.name} {self.state} {self.deadlines}>"

    @property
    def ended(self) -> bool:
        """Whether the final state is reached; nothing happens any more."""
        return self.state == self._table.final

    @property
    def lingers(self) -> bool:
        """Whether nothing is left for its timers to do but to end it."""
        return self.state in self._table.lingering

    def fire(self, event: str, now: float) -> tuple[str, ...]:
        """Take `event` at `now` (seconds): set timers and state, and return what the owner has to do."""
        table = self._table
        if self.state == table.final:
            return ()
        rule = table.rules[self.state, event]
        for timer in rule.stop:
            self.deadlines.pop(timer, None)
        if rule.start:
            self._start(rule.start, now)
        self.state = rule.to
        if rule.to == table.final:
            self.deadlines.clear()
        return rule.do

    def next_deadline(self) -> float | None:
        """When the earliest timer fires, in seconds, or None."""
        return min(self.deadlines.values()) if self.deadlines else None

    def due(self, now: float) -> str | None:
        """Take one timer that is due at `now` off the clock and return its event name."""
        first: str | None = None
        earliest = now
        for timer, deadline in self.deadlines.items():
            if deadline < earliest or (first is None and deadline == earliest):
                first, earliest = timer, deadline
        if first is None:
            return None
        del self.deadlines[first]
        return f"timer {first}"
