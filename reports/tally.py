"""Counting what was judged: by verdict, by chapter, by clause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from reports.view import CaseView, RunView
from reports.words import MEANINGS, worst


@dataclass(frozen=True, slots=True)
class ClauseRow:
    """One clause of a run: the worst of its verdicts, how many cases speak of it, and why it is what it is."""

    id: str
    level: str
    statement: str
    source: str
    verdict: str
    cases: int
    deciding: tuple[str, ...]
    """Addresses of the cases with that worst verdict."""

    reason: str
    """Of the first of them; '' where it has none."""


def counts(cases: Iterable[CaseView]) -> dict[str, int]:
    """Verdict to the number of cases, worst first, without zeros."""
    found = [case.verdict["verdict"] for case in cases]
    return {name: found.count(name) for name in MEANINGS if name in found}


def counted(cases: Iterable[CaseView]) -> str:
    """`2 fail, 118 pass`, worst first."""
    return ", ".join(f"{count} {name}" for name, count in counts(cases).items()) or "nothing ran"


def chapters(view: RunView) -> dict[str, list[CaseView]]:
    """Chapter to its cases, in the order in which they began."""
    found: dict[str, list[CaseView]] = {}
    for case in view.cases:
        found.setdefault(case.chapter, []).append(case)
    return found


def clause_rows(cases: Iterable[CaseView]) -> list[ClauseRow]:
    """One row for each clause that the cases speak of, by id."""
    about: dict[str, list[CaseView]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for case in cases:
        for clause in case.start["clauses"]:
            about.setdefault(clause["id"], []).append(case)
            facts.setdefault(clause["id"], clause)
    rows = []
    for name in sorted(about):
        said = [(case, case.verdict["clause_verdicts"][name]) for case in about[name]]
        verdict = worst([each for _, each in said])
        deciding = [case for case, each in said if each == verdict]
        reasons = (case.verdict["clause_reasons"].get(name, "") for case in deciding)
        rows.append(
            ClauseRow(
                name,
                facts[name]["level"],
                facts[name]["statement"],
                facts[name]["source"],
                verdict,
                len(said),
                tuple(case.address for case in deciding),
                next((reason for reason in reasons if reason), ""),
            )
        )
    return rows
