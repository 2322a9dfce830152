"""Verdicts, and how many make one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What is said of a clause or a case, worst first."""

    ERROR = "error"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    KNOWN = "known"
    NON_STRICT = "non_strict"
    UNCLEAR = "unclear"
    UNSUPPORTED = "unsupported"
    PASS = "pass"
    SKIPPED = "skipped"


_ORDER = list(Verdict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that decides; `pass` counts for more than `skipped`, and nothing at all is inconclusive."""
    return min(verdicts, key=_ORDER.index, default=Verdict.INCONCLUSIVE)


@dataclass(frozen=True, slots=True)
class ClauseVerdict:
    """What was found about one clause in one case."""

    clause: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """What closed a count: the `n` of control and fence, and the seconds listened after both."""

    control: int
    fence: int
    lag_s: float


def _closing(closing: Closing) -> dict[str, Any]:
    return {"control": closing.control, "fence": closing.fence, "lag_s": closing.lag_s}


@dataclass(frozen=True, slots=True)
class CaseVerdict:
    """The judgement of one case: what decided, in words and by record ids."""

    address: str
    verdict: Verdict
    reason: str = ""
    rule: str = ""
    expected: str = ""
    actual: str = ""
    why: str = ""
    picture: str = ""
    """The lamp over time under the truth over time, where a lamp decided."""

    clauses: tuple[ClauseVerdict, ...] = ()
    decisive: tuple[int, ...] = ()
    closed_by: tuple[Closing, ...] = ()
    duration_s: float = 0.0
    file: str = ""
    matrix: dict[str, str] = field(default_factory=dict)
    encrypted: bool | None = None
    claims: dict[str, str] = field(default_factory=dict)
    """Claim to how it stands: met, broken, unproved or open."""

    trace: tuple[str, ...] = ()
    """Call-IDs, the one to look for first at the end."""

    label: str = ""
    step: str = ""
    """The number of the step that decided, '' where none did, and its line in the file."""

    line: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The case as the `run` and `report` documents show it."""
        return {
            "address": self.address,
            "file": self.file,
            "matrix": self.matrix,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "clauses": [each.clause for each in self.clauses],
            "clause_verdicts": {each.clause: each.verdict.value for each in self.clauses},
            "clause_reasons": {each.clause: each.reason for each in self.clauses if each.reason},
            "rule": self.rule,
            "expected": self.expected,
            "actual": self.actual,
            "why": self.why,
            "lamps": self.picture,
            "claims": self.claims,
            "label": self.label,
            "step": self.step,
            "line": self.line,
            "trace": list(self.trace),
            "duration_s": self.duration_s,
            "encrypted": self.encrypted,
            "decisive": list(self.decisive),
            "closed_by": _closing(self.closed_by[-1]) if self.closed_by else None,
            "closings": [_closing(each) for each in self.closed_by],
        }
