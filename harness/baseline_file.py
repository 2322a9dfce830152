"""Writing a file of known deviations from what a run has found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import yaml

from harness.baseline import DEVIATIONS, Baseline
from harness.verdicts import CaseVerdict, Verdict
from reports.words import one_line

ACCEPTED_FOR = timedelta(days=90)
"""How long a deviation is excused until somebody looks at it again."""

_HEAD = """\
# Deviations that are known; `ringproof run --baseline` with this file is red for everything else, and for an entry that
# deviates no longer. `reason` says why it is accepted, `until` is the last day on which it is.
# `ringproof schema baseline` describes every key.
"""


def baseline_text(
    judged: Sequence[CaseVerdict], *, run: str, target: str, profile: str, day: date, before: Baseline | None = None
) -> str:
    """The file that excuses everything that deviates in `judged`, as narrowly as it can be said in few words.

    What an entry of the baseline `before` excuses keeps that entry's reason and date.
    """
    limits = {} if target == "reference" else {"target": target}
    limits |= {} if profile == "documented" else {"profile": profile}
    entries: list[dict[str, Any]] = []
    for clause in sorted({each.clause for case in judged for each in case.clauses}):
        for verdict in DEVIATIONS:
            for case, reason in _places(judged, clause, verdict):
                named = {"clause": clause} | ({"case": case} if case else {})
                why = f"not explained yet; seen in run {run}: {one_line(reason, 200) or verdict.value}"
                told: dict[str, Any] = {"reason": why, "until": day + ACCEPTED_FOR}
                told |= _kept(before, clause, case, verdict)
                entries.append({**named, "verdict": verdict.value, **told, **limits})
    body = yaml.safe_dump({"deviations": entries}, sort_keys=False, allow_unicode=True, width=110)
    return _HEAD + body


def _places(judged: Sequence[CaseVerdict], clause: str, verdict: Verdict) -> Iterable[tuple[str, str]]:
    """Where a clause deviates so, and why: '' for wherever it is tested, a scenario for all its points, or a case."""
    tested = [
        (case.address, each)
        for case in judged
        for each in case.clauses
        if each.clause == clause and each.verdict is not Verdict.SKIPPED
    ]
    fallen = [(address, each.reason) for address, each in tested if each.verdict is verdict]
    if fallen and len(fallen) == len(tested):
        return [("", fallen[0][1])]
    scenarios: dict[str, list[tuple[str, str]]] = {}
    for address, reason in fallen:
        scenarios.setdefault(address.partition("[")[0], []).append((address, reason))
    found: list[tuple[str, str]] = []
    for scenario, points in scenarios.items():
        whole = len(points) == sum(address.partition("[")[0] == scenario for address, _ in tested)
        found += [(scenario, points[0][1])] if whole else points
    return found


def _kept(before: Baseline | None, clause: str, case: str, verdict: Verdict) -> dict[str, Any]:
    """Reason and date of the entry that excused the same before."""
    for entry in before.entries if before else ():
        same = entry.case in (None, case, case.partition("[")[0]) and entry.clause in (None, clause)
        if same and entry.verdict is verdict and not entry.expired:
            return {"reason": entry.reason, "until": date.fromisoformat(entry.until)}
    return {}
