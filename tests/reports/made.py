"""Runs made by hand, for the tests of what is made of a run."""

from __future__ import annotations

from typing import Any

from reports.record import Event
from reports.view import CaseView, RunView

STATEMENTS = {"PRES-03": "a reset brings every watcher's lamp to the true state", "SYNC-02": "true sends check-sync"}
HOSTILE = "\x1b[31m<script>alert(1)</script> | `x` ]]> @all #12 !3 \u202e \x00 \ud800 =1+1 [a](javascript:x) {{x}}"
"""What may come from the wire, and must stay text."""


def judged(address: str, verdict: str = "pass", *, clauses: dict[str, str] | None = None, **more: Any) -> CaseView:
    """A case with its judgement; `more` are fields of the judgement, `clauses` the verdict on each clause."""
    found = clauses if clauses is not None else {"PRES-03": verdict}
    start: Event = {
        "n": 1,
        "t": 0.0,
        "kind": "case",
        "case": address,
        "label": "rp-1",
        "file": "scenarios/presence/a.scenario.yaml",
        "title": "A title",
        "why": "",
        "again": [address],
        "matrix": {},
        "clauses": [
            {
                "id": name,
                "statement": STATEMENTS.get(name, "a promise"),
                "source": "RFC 4235 4.1",
                "level": "SHOULD" if each == "non_strict" else "MUST",
                "unclear": "",
                "encrypted": False,
            }
            for name, each in found.items()
        ],
        "plan": [],
        "encrypted": None,
    }
    fallen = verdict not in ("pass", "skipped")
    document = {
        "address": address,
        "file": start["file"],
        "matrix": start["matrix"],
        "verdict": verdict,
        "reason": "it showed busy" if fallen else "",
        "clauses": list(found),
        "clause_verdicts": found,
        "clause_reasons": {name: "it showed busy" for name, each in found.items() if each != "pass"},
        "rule": STATEMENTS.get(next(iter(found), ""), "") if fallen else "",
        "expected": "lamp of desk on p1: off" if fallen else "",
        "actual": "lamp of desk on p1: busy" if fallen else "",
        "why": "it showed busy" if fallen else "",
        "lamps": "",
        "label": "rp-1",
        "trace": [],
        "duration_s": 1.25,
        "encrypted": None,
        "decisive": [],
        "closed_by": None,
        "closings": [],
    }
    return CaseView(start, {**document, **more}, [(start, b"")])


def run_of(*cases: CaseView, cut: str = "", baseline: Any = None, **header: Any) -> RunView:
    """A run with these cases; `header` are fields of its header."""
    told: Event = {
        "n": 0,
        "t": 0.0,
        "kind": "header",
        "schema": 1,
        "tool": "ringproof",
        "run": "7f3a01",
        "target": "reference",
        "profile": "documented",
        "mutant": None,
        "time": "real",
        "seed": 41,
        "started": "2026-11-25T20:20:17+00:00",
        "again": [],
        "cases": [case.address for case in cases],
    }
    for case in cases:
        case.header.update({**told, **header})
    footer: Event = {"n": 99, "t": 9.5, "kind": "footer", "interrupted": False, "error": "", "verdicts": {}}
    return RunView({**told, **header}, None if cut else footer, cut, list(cases), baseline)
