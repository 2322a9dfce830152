"""The clauses of a run as CSV (RFC 4180), for a spreadsheet: no cell is ever a formula."""

from __future__ import annotations

import csv
import io

from reports.tally import clause_rows
from reports.view import RunView
from reports.words import one_line

COLUMNS = ("id", "level", "statement", "source", "verdict", "cases", "reason")
_FORMULA = frozenset("=+-@＝＋－＠")
"""What makes spreadsheets calculate when a cell begins with it; the wide forms do so in some."""


def render(view: RunView) -> str:
    """A head line and one line per clause that the run has tested, by id. `cases` counts those that speak of it."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(COLUMNS)
    for row in clause_rows(view.cases):
        cells = (row.id, row.level, row.statement, row.source, row.verdict, str(row.cases), row.reason)
        table.writerow([_cell(each) for each in cells])
    return text.getvalue()


def _cell(text: str) -> str:
    line = one_line(text)
    return f"'{line}" if line[:1] in _FORMULA else line
