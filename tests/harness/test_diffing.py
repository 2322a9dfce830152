"""What changed from one run to another."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from harness.diffing import Change, Side, change_of, difference
from harness.verdicts import Verdict

V = Verdict


def side(name: str, cases: dict[str, dict[str, str]], **more: Any) -> Side:
    """A run whose cases have these verdicts by clause."""
    documents = {
        address: {
            "address": address,
            "clause_verdicts": clauses,
            "clause_reasons": {clause: f"why {verdict}" for clause, verdict in clauses.items() if verdict != "pass"},
        }
        for address, clauses in cases.items()
    }
    told: dict[str, Any] = {"run": "7f3a", "target": "reference", "profile": "documented", "time": "real", "seed": 1}
    return Side(name, **{**told, **more}, cases=documents)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (V.PASS, V.FAIL, "worse"),
        (V.PASS, V.INCONCLUSIVE, "worse"),
        (V.PASS, V.SKIPPED, "worse"),
        (V.PASS, V.NON_STRICT, "worse"),
        (V.PASS, V.KNOWN, "worse"),
        (V.PASS, V.UNCLEAR, "other"),
        (V.UNCLEAR, V.FAIL, "worse"),
        (V.FAIL, V.PASS, "better"),
        (V.SKIPPED, V.PASS, "better"),
        (V.ERROR, V.UNCLEAR, "better"),
        (V.FAIL, V.INCONCLUSIVE, "other"),
        (V.FAIL, V.KNOWN, "other"),
        (V.KNOWN, V.FAIL, "worse"),
        (V.INCONCLUSIVE, V.FAIL, "worse"),
        (V.FAIL, V.ERROR, "worse"),
        (V.ERROR, V.INCONCLUSIVE, "other"),
        (V.FAIL, V.FAIL, None),
    ],
)
def test_worse_better_other(before: Verdict, after: Verdict, change: Change | None) -> None:
    assert change_of(before, after) == change


def test_the_way_back_from_worse_is_never_worse() -> None:
    for before, after in product(Verdict, Verdict):
        assert (change_of(before, after) is None) == (before is after)
        if change_of(before, after) == "better":
            assert change_of(after, before) == "worse"


def test_the_same_run_does_not_differ() -> None:
    one = side("A", {"presence/a": {"PRES-03": "fail"}})
    found = difference(one, one)
    assert (found.clauses, found.common, found.is_worse, found.notes) == ((), 1, False, ())


def test_clauses_then_cases() -> None:
    a = side("A", {"presence/a": {"PRES-03": "pass", "API-01": "pass"}, "presence/b": {"PRES-03": "pass"}})
    b = side("B", {"presence/a": {"PRES-03": "fail", "API-01": "pass"}, "presence/b": {"PRES-03": "pass"}})
    [clause] = difference(a, b).clauses
    assert (clause.id, clause.change, clause.before, clause.after) == ("PRES-03", "worse", "pass", "fail")
    [case] = clause.cases
    assert (case.address, case.change, case.before, case.after) == ("presence/a", "worse", "pass", "fail")
    assert (case.reason_before, case.reason_after) == ("", "why fail")
    assert difference(a, b).counts == {"worse": 1, "better": 0, "other": 0, "added": 0, "removed": 0}
    assert difference(b, a).counts["better"] == 1
    assert not difference(b, a).is_worse


def test_one_case_that_got_worse_is_not_hidden_by_others() -> None:
    a = side("A", {"presence/a": {"PRES-03": "fail"}, "presence/b": {"PRES-03": "pass"}})
    b = side("B", {"presence/a": {"PRES-03": "pass"}, "presence/b": {"PRES-03": "fail"}})
    [clause] = difference(a, b).clauses
    assert (clause.change, clause.before, clause.after) == ("worse", "fail", "fail")
    assert [case.change for case in clause.cases] == ["better", "worse"]


def test_what_is_on_one_side_only() -> None:
    a = side("A", {"presence/a": {"PRES-03": "pass"}, "presence/b": {"PRES-11": "pass"}})
    b = side("B", {"presence/a": {"PRES-03": "pass", "API-01": "fail"}, "presence/c": {"PRES-03": "pass"}})
    found = {clause.id: clause for clause in difference(a, b).clauses}
    assert {name: (each.change, each.before, each.after) for name, each in found.items()} == {
        "API-01": ("added", None, "fail"),
        "PRES-03": ("added", "pass", "pass"),
        "PRES-11": ("removed", "pass", None),
    }
    assert [case.address for case in found["PRES-03"].cases] == ["presence/c"]
    assert difference(a, b).common == 1


def test_what_makes_them_hard_to_compare_is_said() -> None:
    a = side("A", {}, target="staging", incomplete="it was interrupted")
    b = side("B", {}, profile="5.0", time="virtual")
    assert difference(a, b).notes == (
        "another target: staging, then reference",
        "another profile: documented, then 5.0",
        "another time: real, then virtual",
        "A: it was interrupted",
    )
