"""`ringproof report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.exporting import export_options, print_problems, write_exports
from harness.errors import HarnessError
from harness.output import document, error_fields, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.judged import JudgedRun


@click.command("report", short_help="Judge a Record on disk again.")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--verdicts-only", is_flag=True, help="one line per case")
@click.option("--strict", is_flag=True, help="non_strict and inconclusive count as failures")
@export_options
@format_option
@guarded("report")
def command(run: Path, verdicts_only: bool, strict: bool, format_: str) -> int:
    """Judge a Record on disk again, by nothing but what it holds. RUN is the folder that `ringproof
    run` has written, out/latest for the last one.

    The verdicts must be those of the run; where one is not, that is said. The options with a FILE or DIR
    write the run for other tools, as those of `run` do.
    """
    from harness.exit_codes import OUR_ERROR, exit_code, worst_code
    from harness.judged import damage_named, read_run
    from harness.terminal import make_console

    reported = read_run(run)
    record, verdicts, baseline = reported.record, reported.verdicts, reported.baseline
    live = {event["case"]: event["verdict"] for event in record.events if event["kind"] == "verdict"}
    changed = [each.address for each in reported.judged if live.get(each.address, each.verdict) != each.verdict]
    code = exit_code(
        [each.verdict for each in verdicts],
        planned=reported.planned,
        interrupted=reported.interrupted,
        strict=strict,
        changed=baseline is not None and baseline.red(reported.judged),
    )
    if format_ == "text":
        _print(reported, changed, verdicts_only, run)
    with damage_named(run):
        problems = write_exports(reported.view, make_console(stderr=format_ == "json"))
    code = worst_code([code, OUR_ERROR]) if problems else code
    if format_ == "json":
        print_document(_document(reported, changed, code, run, problems))
    else:
        print_problems(problems)
    return code


def _document(reported: JudgedRun, changed: list[str], code: int, run: Path, problems: list[str]) -> dict[str, Any]:
    from harness.verdicts import Verdict
    from reports.evidence import evidence_of

    header, verdicts = reported.record.header, reported.verdicts
    return document(
        "report",
        code,
        run=header["run"],
        target=header["target"],
        profile=header["profile"],
        time=header["time"],
        seed=header["seed"],
        cut=reported.record.cut,
        interrupted=reported.interrupted,
        verdicts={name.value: sum(each.verdict is name for each in verdicts) for name in Verdict},
        cases=[{**each.as_json(), "evidence": str(evidence_of(run, each.address))} for each in verdicts],
        baseline=reported.baseline.as_json(reported.judged) if reported.baseline else None,
        changed=changed,
        **({"error": error_fields(HarnessError("; ".join(problems)))} if problems else {}),
    )


def _print(reported: JudgedRun, changed: list[str], verdicts_only: bool, run: Path) -> None:
    from harness.terminal import baseline_lines, block, blocks, count_words, fitted, make_console, width_of
    from reports.evidence import evidence_of
    from reports.words import plain

    verdicts, record, width = reported.verdicts, reported.record, width_of(make_console())
    for verdict in verdicts:
        click.echo(plain(f"{verdict.verdict.value:<12} {verdict.address}"))
    if not verdicts_only:
        for verdict in blocks(verdicts, interrupted=reported.interrupted):
            click.echo("\n" + fitted(block(verdict, "", evidence_of(run, verdict.address)), width))
    click.echo(f"\n{count_words(verdicts)}")
    for line in baseline_lines(reported.baseline, reported.judged):
        click.echo(fitted(line, width))
    missing = len(set(record.header["cases"]) - {each.address for each in verdicts})
    if record.cut:
        click.echo(f"CUT: {record.cut}")
    if missing:
        click.echo(f"{missing} of {len(record.header['cases'])} cases are not in the Record")
    for address in changed:
        click.echo(plain(f"CHANGED: {address} was judged otherwise when it ran"))
