"""`ringproof diff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.diffing import CaseChange, ClauseChange, Difference, Side


@click.command("diff", short_help="What changed from one run to another.")
@click.argument("before", metavar="A", type=click.Path(path_type=Path))
@click.argument("after", metavar="B", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="any change is exit code 1, for the better too")
@format_option
@guarded("diff")
def command(before: Path, after: Path, strict: bool, format_: str) -> int:
    """What changed from run A to run B: by clause, then by case. Each is a folder that `ringproof run`
    has written, or a document of its `--format json`.

    \b
    Exit codes: 0 nothing got worse (some may be better), 1 something got worse, 5 the two have no
    case in common, 7 nothing got worse but B is not whole.
    """
    from harness.diffing import difference
    from harness.exit_codes import FAILED, NOTHING_RAN, PASSED, PROVES_TOO_LITTLE

    a, b = _side(before), _side(after)
    found = difference(a, b)
    if found.is_worse or (strict and found.clauses):
        code = FAILED
    elif b.incomplete:
        code = PROVES_TOO_LITTLE
    else:
        code = PASSED if found.common else NOTHING_RAN
    if format_ == "json":
        print_document(_document(a, b, found, code))
    else:
        _print(a, b, found)
    return code


def _side(path: Path) -> Side:
    """One of the two. Raises UsageError for what is neither a Record nor a document of ours."""
    from harness.diffing import Side

    if path.is_dir():
        from harness.judged import read_run

        judged = read_run(path)
        header = judged.record.header
        told = {each: header[each] for each in ("run", "target", "profile", "time", "seed")}
        cases = {each.address: each.as_json() for each in judged.verdicts}
        missing = len(header["cases"]) - len(cases)
        incomplete = judged.record.cut or ("it was interrupted" if judged.interrupted else "")
        incomplete = incomplete or (f"{missing} of its cases were not begun" if missing > 0 else "")
        return Side(str(path), **told, cases=cases, incomplete=incomplete)
    content = _run_document(path)
    told = {each: content[each] for each in ("run", "target", "profile", "time", "seed")}
    cases = {each["address"]: each for each in content["cases"]}
    incomplete = content.get("cut") or ("it was interrupted" if content["interrupted"] else "")
    return Side(str(path), **told, cases=cases, incomplete=incomplete)


def _run_document(path: Path) -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    from harness.documents import ReportDocument, RunDocument

    hint = "a Record's folder or a document of `ringproof run --format json` is wanted"
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        TypeAdapter(RunDocument | ReportDocument).validate_python(content)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint) from error
    except (ValueError, RecursionError) as error:
        what = "not what this release prints" if isinstance(error, ValidationError) else "no JSON"
        raise UsageError(f"{path}: {what}", hint) from error
    return content


def _document(a: Side, b: Side, found: Difference, code: int) -> dict[str, Any]:
    from dataclasses import asdict

    def told(side: Side) -> dict[str, Any]:
        names = ("name", "run", "target", "profile", "time", "seed", "incomplete")
        return {name: getattr(side, name) for name in names} | {"cases": len(side.cases)}

    clauses = [{"statement": _statement(each.id), **asdict(each)} for each in found.clauses]
    return document(
        "diff",
        code,
        before=told(a),
        after=told(b),
        notes=list(found.notes),
        common=found.common,
        counts=found.counts,
        clauses=[{**each, "cases": list(each["cases"])} for each in clauses],
    )


def _statement(clause: str) -> str:
    from harness.clauses import catalogue

    return catalogue()[clause].statement if clause in catalogue() else ""


def _print(a: Side, b: Side, found: Difference) -> None:
    from harness.terminal import cases_of
    from reports.words import one_line

    for letter, side in (("A", a), ("B", b)):
        told = f"{side.name}: run {side.run} against {side.target}, profile {side.profile}, {side.time} time"
        click.echo(one_line(f"{letter} {told}, seed {side.seed}, {cases_of(len(side.cases))}"))
    for note in found.notes:
        click.echo(one_line(f"NOTE: {note}"))
    for clause in found.clauses:
        click.echo(f"\n{_told(clause)}  {clause.id}  {one_line(_statement(clause.id))}")
        for case in clause.cases:
            reason = one_line(case.reason_after or case.reason_before)
            click.echo(f"  {_told(case)}  {one_line(case.address)}" + (f"  ({reason})" if reason else ""))
    click.echo()
    counts = ", ".join(f"{count} {change}" for change, count in found.counts.items() if count)
    click.echo(f"{cases_of(found.common)} in common; " + (f"clauses: {counts}" if counts else "nothing changed"))


def _told(change: ClauseChange | CaseChange) -> str:
    """`worse    pass → fail`; one verdict alone where the case is on one side only."""
    verdicts = [each for each in (change.before, change.after) if each is not None]
    return f"{change.change:<8} {' → '.join(verdicts)}"
