"""The HTML report: one file that needs nothing else, made from a run alone.

The matrix is in the page from the start. What a case shows is packed (zlib, base64) beside it and unpacked by the
browser when the case is opened, so that thousands of cases open at once. Nothing from the wire is ever parsed as
markup: texts become text nodes, drawings are built element by element, and the page's policy allows neither other
scripts than its own nor any request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.case_page import page_of
from reports.record import Event
from reports.view import CaseView, RunView
from reports.words import MEANINGS, clean, decided, harmless, whereabouts, worst

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

HERE = Path(__file__).parent
STYLES = ("colours.css", "drawings.css", "report.css")
SCRIPTS = ("drawing.js", "pages.js", "report.js")

SIGNS = {
    "pass": "✓",
    "fail": "✗",
    "error": "!",
    "inconclusive": "?",
    "unclear": "≈",
    "known": "k",
    "non_strict": "~",
    "unsupported": "u",
    "skipped": "–",
}
"""Verdict to its sign, as on the terminal."""

POINT = {"api": "v2", "over": "http", "transport": "udp"}
"""Where a case runs whose matrix does not say it."""

Column = tuple[str, ...]


@dataclass(slots=True)
class Cell:
    """One clause at one point of the matrix: what its cases say of the clause."""

    verdicts: list[str] = field(default_factory=list)
    cases: list[int] = field(default_factory=list)

    @property
    def verdict(self) -> str:
        """The one that decides."""
        return worst(self.verdicts)


@dataclass(frozen=True, slots=True)
class ClauseRow:
    """One clause and its cells, by column."""

    clause: Event
    cells: dict[Column, Cell]

    @property
    def verdict(self) -> str:
        """The worst of its cells."""
        return worst([cell.verdict for cell in self.cells.values()])


def render(view: RunView, capture: Callable[[CaseView], bytes]) -> str:
    """The report of `view`; `capture` makes the pcapng of a case, to be taken out of the report."""
    columns, rows = matrix(view)
    style = "".join((HERE / name).read_text(encoding="utf-8") for name in STYLES)
    script = "".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    verdicts = [case.verdict.get("verdict", "inconclusive") for case in view.cases]
    template = _environment().get_template("report.html.j2")
    return template.render(
        header=view.header,
        facts=_facts(view),
        cut=view.cut,
        interrupted=bool(view.footer and view.footer.get("interrupted")),
        not_begun=len(view.not_begun),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        headline=headline(verdicts),
        tally=", ".join(f"{verdicts.count(name)} {name.replace('_', ' ')}" for name in MEANINGS if name in verdicts),
        total=len(view.cases),
        counts=[(name, verdicts.count(name), MEANINGS[name]) for name in MEANINGS],
        signs=SIGNS,
        columns=columns,
        groups=[_groups(columns, depth) for depth in (1, 2, 3)],
        rows=rows,
        chapters=list(dict.fromkeys(case.chapter for case in view.cases)),
        attention=[
            case
            for case in view.cases
            if case.verdict.get("verdict") in ("fail", "error", "inconclusive", "non_strict")
        ],
        index=_embedded(_index(view, columns, rows)),
        packed=[f"{_packed(_json(page_of(case, view.again(case))))} {_packed(capture(case))}" for case in view.cases],
        clean=clean,
        decided=decided,
    )


def headline(verdicts: list[str]) -> str:
    """The whole run in one sentence: the worst that happened, and how often."""
    if not verdicts:
        return "Nothing ran"
    if set(verdicts) == {"pass"}:
        return "Every promise was kept"
    said = {
        "error": "ringproof itself failed in {}",
        "fail": "{} broke a promise",
        "inconclusive": "{} proved nothing",
        "non_strict": "{} missed a recommendation",
    }
    worst_of_all = next((name for name in said if name in verdicts), "")
    total = len(verdicts)
    count = f"{verdicts.count(worst_of_all)} of {total} case{'s' if total > 1 else ''}"
    return said.get(worst_of_all, "No promise was broken").format(count)


def matrix(view: RunView) -> tuple[list[Column], list[ClauseRow]]:
    """The columns that occur, and a row for each clause in the order in which they occur."""
    cells: dict[str, dict[Column, Cell]] = {}
    clauses: dict[str, Event] = {}
    for number, case in enumerate(view.cases):
        column = tuple(str(case.start["matrix"].get(name, default)) for name, default in POINT.items())
        for clause in case.start["clauses"]:
            clauses.setdefault(clause["id"], clause)
            cell = cells.setdefault(clause["id"], {}).setdefault(column, Cell())
            cell.verdicts.append(case.verdict.get("clause_verdicts", {}).get(clause["id"], "inconclusive"))
            cell.cases.append(number)
    columns = sorted({column for row in cells.values() for column in row})
    return columns, [ClauseRow(clauses[name], cells[name]) for name in sorted(clauses, key=_by_number)]


def _by_number(clause: str) -> tuple[str, int, str]:
    prefix, _, number = clause.rpartition("-")
    return prefix, int(number) if number.isdigit() else 0, clause


def _groups(columns: list[Column], depth: int) -> list[tuple[str, int]]:
    """The headings of the matrix at one depth: each with how many columns it is over."""
    found: list[tuple[Column, int]] = []
    for column in columns:
        if found and found[-1][0] == column[:depth]:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((column[:depth], 1))
    return [(column[-1], count) for column, count in found]


def _index(view: RunView, columns: list[Column], rows: list[ClauseRow]) -> dict[str, Any]:
    """What the page knows of all cases before one is opened."""
    places = {column: number for number, column in enumerate(columns)}
    return {
        "run": view.header["run"],
        "columns": [" ".join(column) for column in columns],
        "cases": [
            [
                case.address,
                case.start["title"],
                case.verdict.get("verdict", "inconclusive"),
                case.chapter,
                round(case.verdict.get("duration_s", 0.0), 3),
                whereabouts(case.verdict) if case.verdict else "",
            ]
            for case in view.cases
        ],
        "cells": [
            [
                row.clause["id"],
                row.clause["statement"],
                row.clause["level"],
                {places[column]: [cell.cases, cell.verdicts] for column, cell in row.cells.items()},
            ]
            for row in rows
        ],
        "signs": SIGNS,
        "meanings": MEANINGS,
    }


def _facts(view: RunView) -> list[tuple[str, str]]:
    header = view.header
    facts = [("run", header["run"]), ("target", header["target"]), ("profile", header["profile"])]
    facts += [("mutant", header["mutant"])] if header.get("mutant") else []
    facts += [("time", header["time"]), ("seed", str(header["seed"]))]
    facts += [("started", header["started"])] if header.get("started") else []
    return [(name, clean(str(value))) for name, value in facts]


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(HERE)
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["code"] = _with_code
    return made


def _with_code(text: str) -> Markup:
    """Escaped text in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(parts))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _embedded(value: Any) -> str:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(harmless(value), separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode("ascii")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
