"""After a run: a folder with evidence for every case that somebody will want to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.engine import RunResult
from harness.terminal import blocks
from harness.verdicts import CaseVerdict, Verdict
from reports.evidence import folder_of, write
from reports.record import RecordError, read_record
from reports.view import run_view

MOST = 500
"""Folders of one run. Where everything fails the first ones say why."""


def write_evidence(result: RunResult, notice: Callable[[str], None], *, everything: bool = False) -> str:
    """Write the evidence of the cases that are not fine, or of all. Returns what went wrong, '' when nothing did.

    It never raises: what has been judged must be told.
    """
    wanted = list(result.verdicts) if everything else blocks(result.verdicts, interrupted=result.interrupted)
    if not wanted:
        return ""
    if not everything and len(wanted) > MOST:
        notice(f"evidence is written for {MOST} of {len(wanted)} cases; --evidence all writes everything")
        wanted = _worst_first(wanted)[:MOST]
    addresses = {each.address for each in wanted}
    try:
        view = run_view(read_record(result.folder), [each.as_json() for each in result.verdicts])
        for case in view.cases:
            if case.address in addresses:
                write(case, folder_of(result.folder, case.address))
    except RecordError as error:
        return f"no evidence was written: {error}"
    except OSError as error:
        return f"cannot write evidence into {result.folder}: {error.strerror}"
    except Exception as error:
        # a bug of ours must not take the verdicts away
        return f"cannot write evidence into {result.folder}: {type(error).__name__}: {error}"
    return ""


def _worst_first(verdicts: Iterable[CaseVerdict]) -> list[CaseVerdict]:
    order = list(Verdict)
    return sorted(verdicts, key=lambda each: order.index(each.verdict))
