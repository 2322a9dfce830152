"""What changed from one run to another: by clause, then by case. Pure functions of two documents' cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.verdicts import Verdict, worst

Change = Literal["worse", "better", "other", "added", "removed"]
CHANGES: tuple[Change, ...] = ("worse", "better", "other", "added", "removed")

_KEPT = frozenset({Verdict.PASS, Verdict.UNCLEAR})
_BROKEN = frozenset({Verdict.FAIL, Verdict.KNOWN, Verdict.NON_STRICT})
"""The rest says nothing: inconclusive, unsupported, skipped, and an error, which is ours."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs. `cases` are as the `run` document has them, by address."""

    name: str
    run: str
    target: str
    profile: str
    time: str
    seed: int
    cases: Mapping[str, Mapping[str, Any]] = field(repr=False)
    incomplete: str = ""
    """Why cases may be missing: it was interrupted, or the Record is cut. '' where none are."""


@dataclass(frozen=True, slots=True)
class CaseChange:
    """What changed in one case about one clause; a side that has no such case has no verdict."""

    address: str
    change: Change
    before: str | None
    after: str | None
    reason_before: str
    reason_after: str


@dataclass(frozen=True, slots=True)
class ClauseChange:
    """What changed about one clause: over all its cases, and in those that changed. `cases` is never empty."""

    id: str
    change: Change
    before: str | None
    after: str | None
    cases: tuple[CaseChange, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """Two runs compared. `notes` say what makes them hard to compare."""

    notes: tuple[str, ...]
    clauses: tuple[ClauseChange, ...]
    common: int
    """Cases that both have."""

    @property
    def is_worse(self) -> bool:
        """Whether anything got worse, be it in one case of many."""
        return any(case.change == "worse" for clause in self.clauses for case in clause.cases)

    @property
    def counts(self) -> dict[Change, int]:
        """Kind of change to how many clauses changed so."""
        found = [clause.change for clause in self.clauses]
        return {change: found.count(change) for change in CHANGES}


def change_of(before: Verdict, after: Verdict) -> Change | None:
    """Whether a verdict got worse or better, or is only another one; None where it is the same.

    What was kept and is not, or can no longer be said to be, is worse; the way back is better. What was broken and
    cannot be told any more is only other, for nobody knows.
    """
    if before is after:
        return None
    if before in _KEPT and after in _KEPT:
        return "other"
    if before in _KEPT or after is Verdict.ERROR:
        return "worse"
    if after in _KEPT:
        return "better"
    if after in _BROKEN and (before not in _BROKEN or after is Verdict.FAIL):
        return "worse"
    return "other"


def difference(a: Side, b: Side) -> Difference:
    """What changed from `a` to `b`."""
    return Difference(
        notes=tuple(_notes(a, b)),
        clauses=tuple(found for name in _clauses(a, b) if (found := _clause(name, a, b)) is not None),
        common=len(a.cases.keys() & b.cases.keys()),
    )


def _notes(a: Side, b: Side) -> list[str]:
    notes = []
    for what in ("target", "profile", "time"):
        before, after = getattr(a, what), getattr(b, what)
        if before != after:
            notes.append(f"another {what}: {before}, then {after}")
    notes += [f"{side.name}: {side.incomplete}" for side in (a, b) if side.incomplete]
    return notes


def _clauses(a: Side, b: Side) -> list[str]:
    return sorted({name for side in (a, b) for case in side.cases.values() for name in case["clause_verdicts"]})


def _clause(name: str, a: Side, b: Side) -> ClauseChange | None:
    before, after = _about(name, a), _about(name, b)
    cases = [
        change
        for address in [*before, *(address for address in after if address not in before)]
        if (change := _case(address, before.get(address), after.get(address))) is not None
    ]
    if not cases:
        return None
    overall = [worst(verdict for verdict, _ in side.values()) if side else None for side in (before, after)]
    first, last = overall
    return ClauseChange(name, _overall(first, last, cases), _value(first), _value(last), tuple(cases))


def _overall(before: Verdict | None, after: Verdict | None, cases: list[CaseChange]) -> Change:
    """Of a clause whose worst verdict is the same the cases decide."""
    if before is None or after is None:
        return "added" if before is None else "removed"
    if (change := change_of(before, after)) is not None:
        return change
    found = {case.change for case in cases}
    return next(change for change in CHANGES if change in found)


def _about(clause: str, side: Side) -> dict[str, tuple[Verdict, str]]:
    """Address to verdict and reason, of the cases that speak of a clause."""
    return {
        address: (Verdict(case["clause_verdicts"][clause]), case["clause_reasons"].get(clause, ""))
        for address, case in side.cases.items()
        if clause in case["clause_verdicts"]
    }


def _case(address: str, before: tuple[Verdict, str] | None, after: tuple[Verdict, str] | None) -> CaseChange | None:
    if before is None or after is None:
        change: Change | None = "added" if before is None else "removed"
    else:
        change = change_of(before[0], after[0])
    if change is None:
        return None
    return CaseChange(
        address,
        change,
        _value(before[0]) if before else None,
        _value(after[0]) if after else None,
        before[1] if before else "",
        after[1] if after else "",
    )


def _value(verdict: Verdict | None) -> str | None:
    return verdict.value if verdict is not None else None
