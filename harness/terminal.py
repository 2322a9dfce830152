"""What a person reads while cases run and after: lines by scenario, one block per case that is not fine, a summary."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.verdicts import CaseVerdict, Verdict, worst
from reports.words import MEANINGS, explanation, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

MARKS = {
    Verdict.PASS: ("✓", "green"),
    Verdict.FAIL: ("✗", "bold red"),
    Verdict.ERROR: ("!", "bold magenta"),
    Verdict.INCONCLUSIVE: ("?", "yellow"),
    Verdict.UNCLEAR: ("≈", "cyan"),
    Verdict.KNOWN: ("k", "cyan"),
    Verdict.NON_STRICT: ("~", "yellow"),
    Verdict.UNSUPPORTED: ("u", "cyan"),
    Verdict.SKIPPED: ("-", "dim"),
}
"""Verdict to sign and style; every sign is explained by its word beside it."""

_BLOCKS = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.NON_STRICT)


def make_console(*, stderr: bool = False) -> Console:
    """A console that has colours only on a terminal and respects NO_COLOR."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


class LiveRun:
    """Prints one line per scenario when its last case is judged, and on a terminal what is running now.

    `quiet`: no lines, for rounds that are many.
    """

    def __init__(self, console: Console, cases: Iterable[str], *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._left: dict[str, set[str]] = {}
        self._done: dict[str, list[CaseVerdict]] = {}
        self._running: dict[str, None] = {}
        self._finished = 0
        self._total = 0
        self._chapter = ""
        self._status: Status | None = None
        for address in cases:
            self._left.setdefault(scenario_of(address), set()).add(address)
            self._total += 1

    def __enter__(self) -> LiveRun:
        if self._console.is_terminal:
            self._status = self._console.status("starting the reference server")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def progress(self, verdict: CaseVerdict | None, address: str) -> None:
        """A case begins (`verdict` None) or has been judged."""
        if verdict is None:
            self._running[address] = None
        else:
            self._running.pop(address, None)
            self._finished += 1
            scenario = scenario_of(address)
            self._done.setdefault(scenario, []).append(verdict)
            self._left[scenario].discard(address)
            if not self._left[scenario] and not self._quiet:
                self._line(scenario)
        if self._status is not None:
            waiting = next(iter(self._running), "")
            self._status.update(plain(f"{self._finished} of {self._total} done, waiting for {waiting}"))

    def _line(self, scenario: str) -> None:
        verdicts = self._done[scenario]
        decided = worst(each.verdict for each in verdicts)
        mark, style = MARKS[decided]
        seconds = max(each.duration_s for each in verdicts)
        count = cases_of(len(verdicts))
        word = "" if decided is Verdict.PASS else f"  {decided.value}"
        from rich.text import Text

        self._console.print(
            Text.assemble((f" {mark} ", style), f"{plain(scenario):<52} {count:>8} {seconds:8.2f} s", (word, style))
        )


def scenario_of(address: str) -> str:
    """chapter/name of a case address."""
    return address.partition("[")[0]


def block(verdict: CaseVerdict, again: str, evidence: Path | None) -> str:
    """The explanation of a case that is not fine, for a person who has not read the source."""
    return explanation(verdict.as_json(), again, str(evidence) if evidence else "")


def blocks(verdicts: Iterable[CaseVerdict], *, interrupted: bool = False) -> list[CaseVerdict]:
    """The cases that need an explanation; that an interrupted run leaves cases undecided needs none."""
    wanted = (Verdict.FAIL, Verdict.ERROR) if interrupted else _BLOCKS
    return [each for each in verdicts if each.verdict in wanted]


def grouped(verdicts: Iterable[CaseVerdict]) -> list[tuple[CaseVerdict, list[CaseVerdict]]]:
    """Cases that fell for the same reason, told once: the first, and those like it."""
    found: dict[tuple[object, ...], tuple[CaseVerdict, list[CaseVerdict]]] = {}
    for each in verdicts:
        fallen = tuple(clause.clause for clause in each.clauses if clause.verdict is each.verdict)
        key = (each.verdict, fallen, scenario_of(each.address), each.why, each.expected)
        if key in found:
            found[key][1].append(each)
        else:
            found[key] = (each, [])
    return list(found.values())


def cases_of(count: int) -> str:
    """`1 case`, `2 cases`."""
    return f"{count} case{'s' if count != 1 else ''}"


def count_words(verdicts: Iterable[CaseVerdict]) -> str:
    """`118 pass, 2 unclear`, worst first."""
    counts: dict[Verdict, int] = {}
    for each in verdicts:
        counts[each.verdict] = counts.get(each.verdict, 0) + 1
    return ", ".join(f"{counts[name]} {name.value}" for name in Verdict if name in counts) or "nothing ran"


def promises(verdicts: Iterable[CaseVerdict], statements: dict[str, str], width: int) -> list[tuple[Verdict, str]]:
    """One line per clause that was tested: the worst verdict of its cases, the statement, how many cases."""
    found: dict[str, list[Verdict]] = {}
    for case in verdicts:
        for about in case.clauses:
            found.setdefault(about.clause, []).append(about.verdict)
    lines = []
    for clause in sorted(found, key=list(statements).index):
        verdict = worst(found[clause])
        count = cases_of(len(found[clause]))
        head = f" {MARKS[verdict][0]} {clause:<8} "
        room = max(width - len(head) - len(count) - 16, 40)
        statement = statements[clause]
        text = statement if len(statement) <= room else statement[: room - 1] + "…"
        word = "" if verdict is Verdict.PASS else f"  {verdict.value}"
        lines.append((verdict, plain(f"{head}{text}  ({count}){word}")))
    return lines


def unclear_reasons(verdicts: Iterable[CaseVerdict]) -> dict[str, str]:
    """Clause to the reason why no verdict of pass or fail can be given on it."""
    return {
        clause.clause: clause.reason
        for each in verdicts
        for clause in each.clauses
        if clause.verdict is Verdict.UNCLEAR
    }


def legend(verdicts: Iterable[CaseVerdict]) -> list[str]:
    """What the verdicts mean that are neither pass nor fail."""
    present = {each.verdict for each in verdicts} - {Verdict.PASS, Verdict.FAIL}
    return [f"{name.value}: {MEANINGS[name]}" for name in Verdict if name in present]
