"""The generic machine: tables that are whole, timers, and any run of events."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.registration import REGISTRATION
from phones.sip.machine import Machine, Rule, Table
from phones.sip.transactions import CLIENT, INVITE_CLIENT, INVITE_SERVER, SERVER, Timers

RULES = {
    ("off", "push"): Rule("on", ("light",), start=("dim",)),
    ("on", "push"): Rule("off", ("dark",), stop=("dim",)),
    ("on", "timer dim"): Rule("on", ("dim it",), start=("dim",)),
    ("on", "break"): Rule("broken"),
    ("off", "break"): Rule("broken"),
}
IGNORED = [("off", "timer dim")]
EVENTS = ("push", "break", "timer dim")
LAMP = Table("lamp", initial="off", final="broken", events=EVENTS, rules=RULES, ignored=IGNORED)
DURATIONS = {"dim": lambda count: 1.0 + count}


def test_states_timers_and_actions() -> None:
    lamp = Machine(LAMP, DURATIONS, 0.0)
    assert (lamp.state, lamp.next_deadline(), lamp.ended) == ("off", None, False)
    assert lamp.fire("timer dim", 1.0) == ()
    assert lamp.fire("push", 2.0) == ("light",)
    assert (lamp.state, lamp.next_deadline()) == ("on", 3.0)
    assert lamp.due(2.999) is None
    assert lamp.due(3.0) == "timer dim"
    assert (lamp.due(3.0), lamp.next_deadline()) == (None, None)
    assert lamp.fire("timer dim", 3.0) == ("dim it",)
    assert lamp.next_deadline() == 5.0
    assert lamp.fire("push", 4.0) == ("dark",)
    assert lamp.next_deadline() is None
    lamp.fire("push", 4.0)
    assert lamp.fire("break", 4.0) == ()
    assert (lamp.ended, lamp.next_deadline(), lamp.fire("push", 5.0)) == (True, None, ())
    assert "broken" in repr(lamp)


def test_timers_from_the_first_moment_and_in_the_order_of_their_times() -> None:
    rules = {("a", "timer X"): Rule("a", ("x",)), ("a", "timer Y"): Rule("b", ("y",))}
    table = Table("t", initial="a", final="b", begin=("X", "Y"), events=("timer X", "timer Y"), rules=rules)
    machine = Machine(table, {"X": lambda _: 9.0, "Y": lambda _: 2.0}, 10.0)
    assert [machine.due(100.0), machine.due(100.0), machine.due(100.0)] == ["timer Y", "timer X", None]


@pytest.mark.parametrize(
    ("rules", "ignored"),
    [
        ({pair: rule for pair, rule in RULES.items() if pair != ("on", "break")}, IGNORED),
        (RULES, []),
        (RULES, [*IGNORED, ("on", "push")]),
        (RULES | {("on", "kick"): Rule("off")}, IGNORED),
        (RULES | {("broken", "push"): Rule("off")}, IGNORED),
        (RULES | {("on", "push"): Rule("elsewhere")}, IGNORED),
        (RULES, [*IGNORED, ("nowhere", "push")]),
    ],
)
def test_a_table_that_is_not_whole_is_refused(
    rules: dict[tuple[str, str], Rule], ignored: list[tuple[str, str]]
) -> None:
    with pytest.raises(ValueError, match="lamp"):
        Table("lamp", initial="off", final="broken", events=EVENTS, rules=rules, ignored=ignored)


TABLES = [CLIENT, INVITE_CLIENT, SERVER, INVITE_SERVER, REGISTRATION]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_timer_that_is_started_has_an_event_and_every_event_a_use(table: Table) -> None:
    started = {*table.begin, *(timer for rule in table.rules.values() for timer in rule.start)}
    heard = {event.removeprefix("timer ") for event in table.events if event.startswith("timer ")}
    assert started == heard
    stopped = {timer for rule in table.rules.values() for timer in rule.stop}
    assert stopped <= started
    for event in table.events:
        assert any(rule != Rule(state) for (state, named), rule in table.rules.items() if named == event)


@given(
    table=st.sampled_from(TABLES),
    steps=st.lists(st.tuples(st.integers(0, 20), st.floats(0, 40, allow_nan=False)), max_size=40),
)
@settings(deadline=None)
def test_any_run_of_events(table: Table, steps: list[tuple[int, float]]) -> None:
    durations = Timers().durations() | {"refresh": lambda _: 8.0, "expiry": lambda _: 10.0}
    now = 0.0
    machine = Machine(table, durations, now)
    for choice, pause in steps:
        now += pause
        before, event = machine.state, machine.due(now) or table.events[choice % len(table.events)]
        done = machine.fire(event, now)
        assert machine.state in (*table.states, table.final)
        if before == table.final:
            assert (machine.state, done) == (before, ())
        else:
            assert done == table.rules[before, event].do
        if machine.ended:
            assert machine.next_deadline() is None
