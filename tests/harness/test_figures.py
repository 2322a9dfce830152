"""Figures of a fleet: percentiles to one percent, and sums over processes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.figures import Figures, Latencies, latencies_of, total


@given(st.lists(st.floats(1e-6, 1000), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_percentile_is_one_of_them_to_one_percent(seconds: list[float], share: float) -> None:
    latencies = Latencies()
    for each in seconds:
        latencies.add(each)
    found = latencies.percentile(share)
    assert found is not None
    exact = [each for each in seconds if found == pytest.approx(each, rel=0.01)]
    assert exact
    # so many took at most that long, and not by one more than needed
    assert sum(each <= found * 1.01 for each in seconds) >= share * len(seconds) - 1e-9
    assert sum(each < found / 1.01 for each in seconds) < share * len(seconds) + 1e-9


def test_without_any_there_is_none() -> None:
    assert Latencies().shown() == {"p50": None, "p95": None, "p99": None}
    assert latencies_of(Figures())["p50"] is None


def test_what_takes_no_time_is_no_error() -> None:
    latencies = Latencies()
    latencies.add(0.0)
    assert latencies.shown()["p99"] == pytest.approx(1e-6, rel=0.02)


def test_parts_add_up() -> None:
    one, other = Figures(phones=3, registered=2, lamps=Counter(off=2)), Figures(phones=4, lamps=Counter(off=1, busy=1))
    one.memory_rounds, other.memory_rounds = [10, 11, 12], [20, 20]
    assert total([one, other]).memory_rounds == [30, 31]
    assert total([one]).memory_rounds == [10, 11, 12]
    assert one.memory_rounds == [10, 11, 12]
    one.registration.add(0.1)
    other.registration.add(0.1)
    summed = total([one, other])
    assert (summed.phones, summed.registered) == (7, 2)
    assert summed.lamps == Counter(off=3, busy=1)
    assert summed.registration.counts.total() == 2
    assert one.registration.counts.total() == 1
