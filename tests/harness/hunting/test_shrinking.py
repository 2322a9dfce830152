"""Histories become short, and stay what they were about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.hunting.events import SENTENCES, STAFF, WAYS, OfficeEvent, contains, read_events
from harness.hunting.shrinking import shrink

WAIT = OfficeEvent("wait", seconds=700.0)
CALL, REJECT, MOVE = OfficeEvent("call", "alice", "bob"), OfficeEvent("reject", "bob"), OfficeEvent("move", "dave")

events = st.builds(
    OfficeEvent,
    do=st.sampled_from(sorted(SENTENCES)),
    who=st.sampled_from(STAFF),
    whom=st.sampled_from(STAFF),
    how=st.sampled_from(["", "lose", "2001"]),
    seconds=st.sampled_from([0.0, 4.0]),
    what=st.sampled_from(sorted(WAYS)),
)


def never() -> bool:
    return False


def test_what_matters_is_left() -> None:
    def breaks(history: Sequence[OfficeEvent]) -> bool:
        return contains(history, ["call", "reject"])

    assert shrink([MOVE, WAIT, CALL, WAIT, MOVE, REJECT, WAIT, MOVE], breaks, never) == [CALL, REJECT]


def test_waits_become_short_and_what_only_takes_time_becomes_a_wait() -> None:
    def breaks(history: Sequence[OfficeEvent]) -> bool:
        took = sum(event.seconds if event.do == "wait" else 2.0 for event in history)
        return CALL in history and took >= 14.0

    assert shrink([CALL, WAIT], breaks, never) == [CALL, OfficeEvent("wait", seconds=12.0)]
    short = shrink([CALL, *[MOVE] * 6], breaks, never)
    assert MOVE not in short


@given(st.lists(events, min_size=1, max_size=30), st.data())
def test_it_still_breaks_and_is_no_longer(history: list[OfficeEvent], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(history), max_size=3))

    def breaks(shorter: Sequence[OfficeEvent]) -> bool:
        return all(event.do in [each.do for each in shorter] for event in wanted)

    short = shrink(history, breaks, never)
    assert breaks(short)
    assert len(short) <= len({event.do for event in wanted})


def test_a_time_that_is_up_ends_it() -> None:
    assert shrink([CALL, WAIT], lambda _: True, lambda: True) == [CALL, WAIT]


@given(st.lists(events, max_size=10))
def test_events_are_read_back(history: list[OfficeEvent]) -> None:
    assert read_events([event.as_json() for event in history]) == tuple(history)


@pytest.mark.parametrize(
    "content",
    [
        "no list",
        [{"do": "fly"}],
        [{"who": "bob"}],
        [{"do": "wait", "seconds": "long"}],
        [{"do": "call", "who": "mallory", "whom": "bob"}],
        [{"do": "network", "who": "bob", "how": "lose", "what": "PINT"}],
        [{"do": "wait", "for": 1}],
        [7],
    ],
)
def test_what_is_no_history(content: object) -> None:
    with pytest.raises(UsageError, match="history"):
        read_events(content)
