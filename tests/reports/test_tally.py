"""Counting what was judged."""

from __future__ import annotations

from reports.tally import chapters, clause_rows, counted, counts
from tests.reports.made import judged, run_of

BOTH = {"SYNC-02": "pass", "PRES-03": "fail"}


def test_counts_are_worst_first_and_without_zeros() -> None:
    cases = [judged("a/1"), judged("a/2"), judged("a/3", "fail"), judged("a/4", "unclear")]
    assert list(counts(cases).items()) == [("fail", 1), ("unclear", 1), ("pass", 2)]
    assert counted(cases) == "1 fail, 1 unclear, 2 pass"
    assert counted([]) == "nothing ran"


def test_chapters_stand_in_the_order_of_their_cases() -> None:
    view = run_of(judged("sync/1"), judged("api/1"), judged("sync/2"))
    assert {name: [case.name for case in cases] for name, cases in chapters(view).items()} == {
        "sync": ["1", "2"],
        "api": ["1"],
    }
    assert list(chapters(view)) == ["sync", "api"]


def test_a_clause_has_the_worst_of_its_verdicts_and_the_reason_of_that() -> None:
    passed = judged("presence/a", clauses={"PRES-03": "pass"})
    failed = judged("presence/b", "fail", clauses=BOTH, clause_reasons={"PRES-03": "too late"})
    also = judged("presence/c", "fail", clauses={"PRES-03": "fail"}, clause_reasons={"PRES-03": "never"})
    reset, sync = clause_rows([passed, failed, also])
    assert (reset.id, reset.verdict, reset.cases, reset.reason) == ("PRES-03", "fail", 3, "too late")
    assert reset.deciding == ("presence/b", "presence/c")
    assert (reset.level, reset.source) == ("MUST", "RFC 4235 4.1")
    assert (sync.id, sync.verdict, sync.cases, sync.reason) == ("SYNC-02", "pass", 1, "")


def test_cases_that_did_not_begin() -> None:
    view = run_of(judged("a/1"), cases=["a/1", "a/2"])
    assert view.not_begun == ["a/2"]
