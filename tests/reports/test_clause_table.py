"""The table of clauses, as a spreadsheet and as a program reads it."""

from __future__ import annotations

import csv
import io

import pytest

from reports.clause_table import COLUMNS, render
from reports.view import RunView
from tests.reports.made import judged, run_of


def rows(view: RunView) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(render(view), newline="")))


def test_one_line_per_clause() -> None:
    failed = judged("presence/a", "fail", clauses={"SYNC-02": "pass", "PRES-03": "fail"})
    reset, sync = rows(run_of(judged("presence/b"), failed))
    assert tuple(reset) == COLUMNS
    assert reset == {
        "id": "PRES-03",
        "level": "MUST",
        "statement": "a reset brings every watcher's lamp to the true state",
        "source": "RFC 4235 4.1",
        "verdict": "fail",
        "cases": "2",
        "reason": "it showed busy",
    }
    assert (sync["id"], sync["verdict"], sync["cases"], sync["reason"]) == ("SYNC-02", "pass", "1", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "\t=1", " \r\n=1", "=cmd|' /C calc'!A0"])
def test_no_cell_is_a_formula(text: str) -> None:
    [row] = rows(run_of(judged("presence/a", "fail", clause_reasons={"PRES-03": text})))
    assert row["reason"] == "'" + text.strip()


def test_lines_quotes_and_commas_stay_in_their_cell() -> None:
    [row] = rows(run_of(judged("presence/a", "fail", clause_reasons={"PRES-03": 'a "b",\r\nc;\x1b[2J'})))
    assert row["reason"] == 'a "b", c;\\x1b[2J'


def test_lines_end_as_the_rfc_has_it() -> None:
    text = render(run_of(judged("presence/a")))
    assert text.count("\r\n") == text.count("\n") == 2
