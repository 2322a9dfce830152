"""Faults of a phone's network, decided without a network: what passes, what is held, what comes out and when."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phones.effects import Direction
from phones.impairments import Held, Impairment, Impairments

NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown fault": ({"does": "eat"}, "say lose, delay, double, reorder"),
    "unknown way": ({"does": "lose", "way": "up"}, "say in or out"),
    "no method": ({"does": "lose", "what": "notify"}, "no SIP method such as NOTIFY"),
    "a method without Event": ({"does": "lose", "what": "INVITE", "event": "dialog"}, "a INVITE has no Event"),
    "no message": ({"does": "lose", "count": 0}, "say 1 or more"),
    "back in time": ({"does": "delay", "seconds": -1.0}, "-1 s is no time that a message is held"),
    "not a number": ({"does": "delay", "seconds": float("nan")}, "nan s is no time"),
    "too long": ({"does": "reorder", "seconds": 1e9}, "say 0 to 3600"),
}


@pytest.mark.parametrize(("said", "why"), NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_refused_with_its_reason(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Impairment(**said)


def messages(held: list[Held[str]]) -> list[str]:
    return [each.message for each in held]


def test_only_what_fits_is_impaired_and_only_so_often() -> None:
    faults: Impairments[str] = Impairments()
    faults.add(Impairment("lose", what="NOTIFY", count=2, event="dialog"))
    assert faults.any
    assert faults.fate("a", "out", "NOTIFY", 0.0, "dialog") == "passes"
    assert faults.fate("b", "in", "INVITE", 0.0) == "passes"
    assert faults.fate("c", "in", "NOTIFY", 0.0, "presence") == "passes"
    assert faults.fate("d", "in", "NOTIFY", 0.0, "dialog") == "is lost"
    assert faults.fate("e", "in", "NOTIFY", 0.0, "dialog") == "is lost"
    assert faults.fate("f", "in", "NOTIFY", 0.0, "dialog") == "passes"
    assert not faults.any


def test_faults_that_fit_the_same_come_one_after_the_other() -> None:
    faults: Impairments[str] = Impairments()
    faults.add(Impairment("delay", seconds=5.0))
    faults.add(Impairment("lose"))
    assert [faults.fate(each, "in", "", 0.0) for each in "abc"] == ["is held", "is lost", "passes"]


def test_what_is_held_comes_in_its_time() -> None:
    faults: Impairments[str] = Impairments()
    faults.add(Impairment("delay", seconds=3.0))
    faults.add(Impairment("double", way="out", seconds=1.0))
    assert faults.fate("late", "in", "NOTIFY", 10.0) == "is held"
    assert faults.fate("twice", "out", "NOTIFY", 10.0) == "is doubled"
    assert (faults.next_deadline(), faults.due(10.9)) == (11.0, [])
    assert faults.due(13.5) == [Held("twice", "out", 10.0, 11.0, is_copy=True), Held("late", "in", 10.0, 13.0)]
    assert (faults.next_deadline(), faults.due(99.0), faults.any) == (None, [], False)


def test_a_message_changes_places_with_the_next_of_its_way() -> None:
    faults: Impairments[str] = Impairments()
    faults.add(Impairment("reorder", seconds=2.0))
    assert faults.fate("first", "in", "NOTIFY", 0.0) == "is held"
    assert faults.fate("answer", "out", "NOTIFY", 0.1) == "passes"
    assert faults.passed("out") == []
    assert faults.fate("second", "in", "NOTIFY", 0.2) == "passes"
    assert messages(faults.passed("in")) == ["first"]


def test_a_last_message_changes_places_with_nobody_and_comes_all_the_same() -> None:
    faults: Impairments[str] = Impairments()
    faults.add(Impairment("reorder", seconds=2.0))
    faults.fate("last", "in", "NOTIFY", 0.0)
    assert messages(faults.due(2.0)) == ["last"]


def test_offline_everything_is_lost_and_what_is_held_waits() -> None:
    faults: Impairments[str] = Impairments()
    faults.add(Impairment("delay", seconds=1.0))
    faults.fate("held", "in", "NOTIFY", 0.0)
    faults.offline = True
    assert faults.any
    assert [faults.fate("x", way, "NOTIFY", 0.5) for way in ("in", "out")] == ["is lost", "is lost"]
    assert (faults.next_deadline(), faults.due(5.0)) == (None, [])
    faults.offline = False
    assert messages(faults.due(5.0)) == ["held"]


IMPAIRMENTS = st.builds(
    Impairment,
    does=st.sampled_from(["lose", "delay", "double", "reorder"]),
    way=st.sampled_from(["in", "out"]),
    what=st.sampled_from(["", "NOTIFY", "INVITE"]),
    count=st.integers(1, 3),
    seconds=st.floats(0, 5),
)
HAPPENINGS = st.lists(
    IMPAIRMENTS
    | st.tuples(st.sampled_from(["in", "out"]), st.sampled_from(["NOTIFY", "INVITE", ""]))
    | st.floats(0, 6)
    | st.booleans(),
    max_size=40,
)


@given(HAPPENINGS)
def test_whatever_happens_nothing_held_is_lost_and_nothing_comes_twice_that_was_not_doubled(happenings: Any) -> None:
    faults: Impairments[tuple[int, Direction]] = Impairments()
    now, fates, came = 0.0, {}, Counter[tuple[int, Direction]]()

    def go_on(held: list[Held[tuple[int, Direction]]]) -> None:
        for each in held:
            assert each.way == each.message[1]
            assert each.since <= now
            came[each.message] += 1

    for number, happening in enumerate(happenings):
        match happening:
            case Impairment():
                faults.add(happening)
            case bool():
                faults.offline = happening
            case float():
                now += happening
                go_on(faults.due(now))
            case way, method:
                fates[number, way] = fate = faults.fate((number, way), way, method, now)
                if fate in ("passes", "is doubled"):
                    came[number, way] += 1
                    go_on(faults.passed(way))
    go_on(faults.mend())
    wanted = {"is lost": 0, "passes": 1, "is held": 1, "is doubled": 2}
    assert {message: came[message] for message in fates} == {message: wanted[fate] for message, fate in fates.items()}
    assert (faults.any, faults.next_deadline(), faults.due(now + 1e6)) == (False, None, [])
