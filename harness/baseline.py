"""Known deviations: a file that names them with reason and expiry, so that only a change is red, in both directions.

The judge knows nothing of it. What it makes of the judge's verdicts is worked out from the header of the Record, where
the entries stand that count for a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from harness.clauses import PROFILES, catalogue
from harness.errors import ScenarioError, UsageError
from harness.model import Strict
from harness.verdicts import CaseVerdict, ClauseVerdict, Verdict, worst
from harness.yaml_file import did_you_mean, load, validated

DEVIATIONS = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NON_STRICT)
"""What a baseline may excuse. Not an error: that is ours."""

_KEPT = (Verdict.PASS, Verdict.UNCLEAR)
_UNDECIDED = (Verdict.INCONCLUSIVE, Verdict.ERROR)


def today() -> date:
    """The date by which entries expire: UTC's."""
    return datetime.now(UTC).date()


class Deviation(Strict):
    """One deviation that is known and accepted for a while."""

    clause: str | None = Field(None, description="the clause that is not kept")
    case: str | None = Field(None, description="the case that shows it: chapter/name[point], or chapter/name for all")
    verdict: Literal["fail", "inconclusive", "non_strict"] = Field(description="what the judge says of it")
    reason: str = Field(min_length=3, description="why it is accepted")
    until: date = Field(description="the last day on which it is (UTC)")
    target: str | None = Field(None, description="counts for the target of this name only")
    profile: str | None = Field(None, description="counts where this profile is expected only")

    @model_validator(mode="after")
    def _names_something(self) -> Deviation:
        if self.clause is None and self.case is None:
            raise ValueError("say which clause or which case deviates")
        return self


class BaselineFile(Strict):
    """A file of known deviations."""

    deviations: list[Deviation]


class Entry(Strict):
    """A deviation as the header of a Record has it: of this target and profile, expired or not."""

    clause: str | None
    case: str | None
    verdict: Verdict
    reason: str
    until: str
    line: int
    expired: bool

    def names(self, address: str, clause: str) -> bool:
        """Whether it speaks of this clause in this case."""
        case = self.case in (None, address, address.partition("[")[0])
        return case and self.clause in (None, clause)

    @property
    def what(self) -> str:
        """What it is about, in words."""
        return f"{self.clause} in {self.case}" if self.clause and self.case else self.clause or self.case or ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person must hear about one entry; `red` where the run must not pass with it."""

    kind: Literal["kept_again", "changed", "undecided", "expired"]
    red: bool
    entry: Entry
    said: str

    def as_json(self) -> dict[str, Any]:
        """As documents and reports have it."""
        entry = self.entry
        about = {"clause": entry.clause, "case": entry.case, "verdict": entry.verdict.value, "until": entry.until}
        return {"kind": self.kind, "red": self.red, **about, "said": self.said}


class Baseline(Strict):
    """The entries that count for one run."""

    file: str
    entries: tuple[Entry, ...]

    def restate(self, case: CaseVerdict) -> CaseVerdict:
        """`case` with the deviations that an entry names as known ones."""
        clauses = tuple(self._clause(case.address, each) for each in case.clauses)
        if clauses == case.clauses:
            return case
        if case.verdict not in DEVIATIONS:
            return replace(case, clauses=clauses)
        overall = worst(each.verdict for each in clauses)
        fallen = next(each for each in clauses if each.verdict is overall)
        restated = replace(case, clauses=clauses, verdict=overall)
        if overall is Verdict.KNOWN:
            return replace(restated, reason=fallen.reason, why=fallen.reason)
        if overall in DEVIATIONS and case.clauses[clauses.index(fallen)].reason != case.why:
            # what was told of the case was about the clause that is known
            rule = catalogue()[fallen.clause].statement
            told = replace(restated, reason=fallen.reason, why=fallen.reason, rule=rule)
            return replace(told, expected="", actual="", picture="")
        return restated

    def _clause(self, address: str, judged: ClauseVerdict) -> ClauseVerdict:
        for entry in self.entries:
            if not entry.expired and entry.verdict is judged.verdict and entry.names(address, judged.clause):
                told = f"{entry.reason} (known until {entry.until}; {judged.verdict.value}: {judged.reason})"
                return ClauseVerdict(judged.clause, Verdict.KNOWN, told)
        return judged

    def findings(self, judged: Sequence[CaseVerdict]) -> list[Finding]:
        """What has changed since the file was written, and what has expired; `judged` as the judge said it."""
        return [found for entry in self.entries if (found := self._finding(entry, judged)) is not None]

    def _finding(self, entry: Entry, judged: Sequence[CaseVerdict]) -> Finding | None:
        found = _spoken_of(entry, judged)
        if not found:
            return None
        out = f"take it out of {self.file} (line {entry.line})"
        kept = f"{entry.what} {'is kept' if entry.clause else 'passes'} again: {out}"
        if entry.expired:
            what = f"{entry.what}: the entry in {self.file} (line {entry.line}) expired after {entry.until}"
            still = any(each in DEVIATIONS for each in found)
            return Finding("expired", False, entry, what if still else f"{what}, and it is needed no longer")
        if entry.verdict in found:
            return None
        if undecided := next((each for each in found if each in _UNDECIDED), None):
            said = f"nobody can say whether it still is {entry.verdict.value}: it is {undecided.value}"
            return Finding("undecided", False, entry, f"{entry.what}: {said}")
        if other := next((each for each in found if each not in _KEPT), None):
            said = f"{entry.what} is {other.value} now, not {entry.verdict.value}: {out}"
            return Finding("changed", True, entry, said)
        return Finding("kept_again", True, entry, kept)

    def as_json(self, judged: Sequence[CaseVerdict]) -> dict[str, Any]:
        """The `baseline` of a document: how many cases are known by it, entries that were not tested, what changed."""
        known = [case for case in judged if self.restate(case).verdict is Verdict.KNOWN is not case.verdict]
        return {
            "file": self.file,
            "known": len(known),
            "not_run": sum(not _spoken_of(entry, judged) for entry in self.entries),
            "findings": [found.as_json() for found in self.findings(judged)],
        }

    def red(self, judged: Sequence[CaseVerdict]) -> bool:
        """Whether a deviation that it names has changed."""
        return any(found.red for found in self.findings(judged))


def _spoken_of(entry: Entry, judged: Sequence[CaseVerdict]) -> list[Verdict]:
    """The verdicts that an entry is about, worst first; not those of what could not be tested here."""
    return [
        verdict
        for verdict in Verdict
        if verdict not in (Verdict.SKIPPED, Verdict.UNSUPPORTED)
        and any(
            each.verdict is verdict and entry.names(case.address, each.clause)
            for case in judged
            for each in case.clauses
        )
    ]


def load_baseline(path: Path, *, target: str, profile: str, day: date) -> Baseline:
    """What a file has to say about a run. Raises ScenarioError with the position, UsageError when it is not there."""
    if not path.is_file():
        raise UsageError(f"--baseline {path}: no such file", "`ringproof run --write-baseline FILE` writes one")
    document = load(path)
    file = validated(document, BaselineFile)
    entries = []
    for number, each in enumerate(file.deviations):
        for name, known in (("clause", catalogue()), ("profile", PROFILES)):
            given = getattr(each, name)
            if given is not None and given not in known:
                where = document.at(("deviations", number, name))
                raise ScenarioError(f"unknown {name} {given!r}", where, did_you_mean(given, known))
        if each.target in (None, target) and each.profile in (None, profile):
            entries.append(
                Entry(
                    clause=each.clause,
                    case=each.case,
                    verdict=Verdict(each.verdict),
                    reason=each.reason,
                    until=each.until.isoformat(),
                    line=document.at(("deviations", number)).line,
                    expired=each.until < day,
                )
            )
    return Baseline(file=str(path), entries=tuple(entries))


def baseline_of(header: Mapping[str, Any]) -> Baseline | None:
    """The baseline that stands in the header of a Record. Raises ValueError where it is damaged."""
    told = header.get("baseline")
    try:
        return Baseline.model_validate(told) if told is not None else None
    except ValidationError as error:
        raise ValueError(f"the baseline in its header: {error.errors()[0]['msg']}") from error


def restated(baseline: Baseline | None, judged: Iterable[CaseVerdict]) -> list[CaseVerdict]:
    """The verdicts as a run with that baseline tells them."""
    return [baseline.restate(each) if baseline is not None else each for each in judged]
