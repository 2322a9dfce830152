"""Every event in every state of a table: what changes is written down, all else has to stay as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from phones.sip.machine import Machine, Table


def fired(machine: Machine, event: str, now: float) -> Iterable[str]:
    """Fire an event, for a timer as when its time has come."""
    machine.deadlines.pop(event.removeprefix("timer "), None)
    return machine.fire(event, now)


def check_walk(walk: str, table: Table, states: Iterable[str], machine_in: Callable[[str], Machine]) -> None:
    """`walk` has lines of the form "state, event -> state: actions [timers]"; `machine_in` brings one to a state."""
    expected = dict(line.strip().split(" -> ") for line in walk.strip().splitlines())
    for state in states:
        for event in table.events:
            machine = machine_in(state)
            machine.deadlines.pop(event.removeprefix("timer "), None)
            unchanged = f"{state}: [{' '.join(sorted(machine.deadlines))}]"
            done = ", ".join(fired(machine, event, 1.0))
            after = f"{machine.state}: {done}".rstrip() + f" [{' '.join(sorted(machine.deadlines))}]"
            assert after == expected.pop(f"{state}, {event}", unchanged), (state, event)
    assert expected == {}
