"""A Record on disk, read and judged, for the commands that look at one."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.judge import judge_record
from harness.verdicts import CaseVerdict
from reports.record import Record, RecordError, read_record

_HEADER = frozenset({"run", "target", "profile", "time", "seed", "cases"})


def judged(run: Path) -> tuple[Record, list[CaseVerdict]]:
    """The Record in the folder `run` and its verdicts. Raises UsageError where there is none that can be judged."""
    try:
        record = read_record(run)
    except RecordError as error:
        raise UsageError(str(error)) from error
    lacking = _HEADER - record.header.keys()
    if lacking:
        raise UsageError(f"{run}: the Record is damaged: its header has no {', '.join(sorted(lacking))}")
    try:
        return record, judge_record(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise damaged(run, error) from error


def damaged(run: Path, error: Exception) -> UsageError:
    """What to say when an event of the Record is not as it was written."""
    return UsageError(f"{run}: the Record is damaged: {type(error).__name__}: {error}")
