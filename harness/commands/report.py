"""`ringproof report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.verdicts import CaseVerdict
    from reports.record import Record


@click.command("report", short_help="Judge a Record on disk again.")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--verdicts-only", is_flag=True, help="one line per case")
@click.option("--strict", is_flag=True, help="non_strict and inconclusive count as failures")
@format_option
@guarded("report")
def command(run: Path, verdicts_only: bool, strict: bool, format_: str) -> int:
    """Judge a Record on disk again, by nothing but what it holds. RUN is the folder that `ringproof
    run` has written, out/latest for the last one.

    The verdicts must be those of the run; where one is not, that is said.
    """
    from harness.exit_codes import exit_code
    from harness.judged import judged

    record, verdicts = judged(run)
    live = {event["case"]: event["verdict"] for event in record.events if event["kind"] == "verdict"}
    changed = [each.address for each in verdicts if live.get(each.address, each.verdict) != each.verdict]
    interrupted = record.footer is not None and bool(record.footer.get("interrupted"))
    planned = len(record.header["cases"])
    code = exit_code(
        [each.verdict for each in verdicts],
        planned=planned if not record.cut else planned + 1,
        interrupted=interrupted,
        strict=strict,
    )
    if format_ == "json":
        print_document(_document(record, verdicts, changed, interrupted, code, run))
    else:
        _print(record, verdicts, changed, verdicts_only, interrupted, run)
    return code


def _document(
    record: Record, verdicts: list[CaseVerdict], changed: list[str], interrupted: bool, code: int, run: Path
) -> dict[str, Any]:
    from harness.verdicts import Verdict
    from reports.evidence import evidence_of

    header = record.header
    return document(
        "report",
        code,
        run=header["run"],
        target=header["target"],
        profile=header["profile"],
        time=header["time"],
        seed=header["seed"],
        cut=record.cut,
        interrupted=interrupted,
        verdicts={name.value: sum(each.verdict is name for each in verdicts) for name in Verdict},
        cases=[{**each.as_json(), "evidence": str(evidence_of(run, each.address))} for each in verdicts],
        changed=changed,
    )


def _print(
    record: Record, verdicts: list[CaseVerdict], changed: list[str], verdicts_only: bool, interrupted: bool, run: Path
) -> None:
    from harness.terminal import block, blocks, count_words
    from reports.evidence import evidence_of
    from reports.words import plain

    for verdict in verdicts:
        click.echo(plain(f"{verdict.verdict.value:<12} {verdict.address}"))
    if not verdicts_only:
        for verdict in blocks(verdicts, interrupted=interrupted):
            click.echo("\n" + block(verdict, "", evidence_of(run, verdict.address)))
    click.echo(f"\n{count_words(verdicts)}")
    missing = len(record.header["cases"]) - len(verdicts)
    if record.cut:
        click.echo(f"CUT: {record.cut}")
    if missing:
        click.echo(f"{missing} of {len(record.header['cases'])} cases are not in the Record")
    for address in changed:
        click.echo(plain(f"CHANGED: {address} was judged otherwise when it ran"))
