"""A Record on disk, read and judged, for the commands that look at one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.baseline import Baseline, baseline_of, restated
from harness.errors import UsageError
from harness.judge import judge_record
from harness.verdicts import CaseVerdict
from reports.record import Record, RecordError, read_record
from reports.view import RunView, run_view


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """A Record and its verdicts: `judged` as the judge gives them, `verdicts` with the baseline of the run."""

    record: Record
    judged: list[CaseVerdict]
    verdicts: list[CaseVerdict]
    baseline: Baseline | None

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended the run early."""
        return self.record.footer is not None and bool(self.record.footer.get("interrupted"))

    @property
    def planned(self) -> int:
        """The cases that were to run; one more where the Record is not whole, so that it never proves enough."""
        return len(self.record.header["cases"]) + bool(self.record.cut)

    def view(self) -> RunView:
        """The run as reports look at it."""
        told = self.baseline.as_json(self.judged) if self.baseline is not None else None
        return run_view(self.record, [each.as_json() for each in self.verdicts], told)


def read_run(folder: Path) -> JudgedRun:
    """Read and judge the Record in `folder`. Raises UsageError where there is none or it is damaged."""
    try:
        record = read_record(folder)
    except RecordError as error:
        raise UsageError(str(error)) from error
    with damage_named(folder):
        judged = judge_record(record)
        baseline = baseline_of(record.header)
        return JudgedRun(record, judged, restated(baseline, judged), baseline)


@contextmanager
def damage_named(folder: Path) -> Iterator[None]:
    """What does not fit in a Record that somebody has altered is a UsageError that says so."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{folder}: the Record is damaged: {type(error).__name__}: {error}") from error
