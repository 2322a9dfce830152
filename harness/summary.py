"""What `ringproof run` says at its end: promises, explanations, counts, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.clauses import catalogue
from harness.loader import selector_of
from harness.terminal import (
    MARKS,
    baseline_lines,
    block,
    blocks,
    count_words,
    fitted,
    grouped,
    legend,
    promises,
    unclear_reasons,
    width_of,
)
from harness.verdicts import Verdict
from reports.evidence import evidence_of
from reports.words import again, plain

if TYPE_CHECKING:
    from rich.console import Console

    from harness.engine import RunResult
    from harness.loader import Case


LOG_COLUMNS = 80
"""The length of a promise's line where there is no terminal."""


def print_summary(console: Console, result: RunResult, cases: Iterable[Case], *, virtual: bool, code: int) -> None:
    """Print what a run of `cases` found; `code` is its exit code."""
    statements = {name: clause.statement for name, clause in catalogue().items()}

    def say(text: str, style: str | None = None) -> None:
        console.print(fitted(text, width_of(console)), style=style)

    console.print()
    width = min(width_of(console) or LOG_COLUMNS, 160)
    for clause_verdict, line in promises(result.verdicts, statements, width):
        console.print(line, style=MARKS[clause_verdict][1] if clause_verdict is not Verdict.PASS else None)
    for clause, reason in unclear_reasons(result.verdicts).items():
        say(f"\nUNCLEAR  {clause}  {reason}")
    _print_blocks(console, result, {case.address: case for case in cases})
    if result.left:
        console.print()
        say(f"LEFT BEHIND on the target, please remove: {len(result.left)}", style="bold red")
        for each in result.left:
            console.print(f"  {each}")
    if result.kept:
        console.print()
        say(f"kept on the target, as you asked: {len(result.kept)}")
        for each in result.kept:
            console.print(plain(f"  {each}"))
        say("  to remove one, in this order, with a token of the account that it is in or below:")
        console.print(plain(f"  curl -X DELETE -H \"X-Auth-Token: $TOKEN\" '{result.kept[0]}'"))
    console.print()
    seconds = f"{result.duration_s:.1f} {'virtual ' if virtual else ''}s"
    say(f"{count_words(result.verdicts)} in {seconds}", style="green" if code == 0 else "bold")
    for line in legend(result.verdicts):
        say(f"  {line}")
    for line in baseline_lines(result.baseline, result.judged):
        say(line, style="bold red" if line.startswith("CHANGED") else None)
    if virtual and any(each.encrypted is False for each in result.verdicts):
        hidden = sum(each.encrypted is False for each in result.verdicts)
        say(f"{hidden} cases over HTTPS, TLS or WSS were not encrypted: virtual time proves nothing about TLS")
    if len(result.verdicts) < result.planned:
        say(f"{result.planned - len(result.verdicts)} of {result.planned} cases were not begun")
    if result.interrupted:
        removed = "what was recorded is whole" if result.left or result.kept else "what was created has been removed"
        say(f"interrupted: {removed}")
    if result.witness:
        for line in result.witness.told():
            say(plain(line), style=None if result.witness.is_whole else "bold red")
    if result.error:
        say(f"ringproof: {result.error}", style="bold red")
    console.print(f"Record: {result.folder}   judge it again: ringproof report {result.folder} --verdicts-only")


def _print_blocks(console: Console, result: RunResult, by_address: dict[str, Case]) -> None:
    for verdict, alike in grouped(blocks(result.verdicts, interrupted=result.interrupted)):
        line = again(result.header, selector_of(by_address[verdict.address]))
        console.print()
        explanation = block(verdict, line, evidence_of(result.folder, verdict.address))
        console.print(fitted(explanation, width_of(console)))
        if alike:
            also = plain(f"  also      {', '.join(each.address for each in alike)}")
            console.print(fitted(also, width_of(console)))
