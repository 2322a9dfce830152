"""What a person reads while cases run and after: lines by scenario, one block per case that is not fine, a summary."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.verdicts import CaseVerdict, Verdict, worst
from reports.words import MEANINGS, explanation, plain

if TYPE_CHECKING:
    from rich.console import Console

    from harness.baseline import Baseline

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

NARROW = 70
"""Columns below which lines are laid out anew."""

_BESIDE_PROMISE = len("  ()" + "  inconclusive")
_PICTURE = " " * 12
_COPIED = ("  where ", "  logs ", "  evidence ", "  again ")
_BLOCKS = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.NON_STRICT)


def make_console(*, stderr: bool = False) -> Console:
    """A console that has colours and moves only on a terminal, and respects NO_COLOR.

    A CI's log is none, whatever it pretends, and FORCE_COLOR does not make one of a file.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    terminal = stream.isatty() and not is_ci(os.environ) and os.environ.get("TERM") not in ("dumb", "unknown")
    return Console(stderr=stderr, force_terminal=terminal, highlight=False, markup=False, emoji=False, soft_wrap=True)


def is_ci(environment: Mapping[str, str]) -> bool:
    """Whether a CI system says that it is one."""
    return environment.get("CI", "").lower() not in ("", "0", "false")


@contextmanager
def working(console: Console, text: str) -> Iterator[None]:
    """Show on a terminal what is being done; a log hears of it when it is done."""
    if not console.is_terminal:
        yield
        return
    with console.status(plain(text)):
        yield


def width_of(console: Console) -> int | None:
    """The columns of a terminal; None for what is no terminal: a log is wrapped by whoever reads it."""
    return console.width if console.is_terminal else None


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
    """One line per clause that was tested: the worst verdict of its cases, the statement, how many cases.

    Below `NARROW` columns what is not kept says so on a second line.
    """
    found: dict[str, list[Verdict]] = {}
    for case in verdicts:
        for about in case.clauses:
            found.setdefault(about.clause, []).append(about.verdict)
    lines = []
    for clause in sorted(found, key=list(statements).index):
        verdict = worst(found[clause])
        count = cases_of(len(found[clause]))
        head = f" {MARKS[verdict][0]} {clause:<8} "
        room = width - len(head) - (len(count) + _BESIDE_PROMISE if width >= NARROW else 0)
        statement = statements[clause]
        text = head + (statement if len(statement) <= room else statement[: room - 1] + "…")
        if width >= NARROW:
            text += f"  ({count})" + ("" if verdict is Verdict.PASS else f"  {verdict.value}")
        elif verdict is not Verdict.PASS:
            text += f"\n{' ' * len(head)}{verdict.value} ({count})"
        lines.append((verdict, plain(text)))
    return lines


def fitted(text: str, width: int | None) -> str:
    """An explanation on a terminal of `width` columns: sentences are broken between words, what is to be copied is not.

    A picture that is too wide would only be noise; it is in the Record.
    """
    if width is None:
        return text
    indent = " " * (12 if width >= NARROW else 4)
    given = text.split("\n")
    picture = [number for number, line in enumerate(given) if line.startswith(_PICTURE)]
    widest = max((len(given[number]) for number in picture), default=0)
    lines: list[str] = []
    for number, line in enumerate(given):
        if number in picture and widest > width:
            lines += [f"{indent}(lamps: needs {widest} columns)"] if number == picture[0] else []
        elif len(line) <= width or line.startswith(_COPIED):
            lines.append(line)
        else:
            lines += textwrap.wrap(line, width, subsequent_indent=indent, break_on_hyphens=False)
    return "\n".join(lines)


def baseline_lines(baseline: Baseline | None, judged: Sequence[CaseVerdict]) -> list[str]:
    """What a person must hear about known deviations: what changed, and how many there are."""
    if baseline is None:
        return []
    told = baseline.as_json(judged)
    lines = [f"{'CHANGED' if found['red'] else 'NOTE'}: {found['said']}" for found in told["findings"]]
    unseen = f", {told['not_run']} of its entries are about what was not tested" if told["not_run"] else ""
    return [plain(line) for line in (*lines, f"{baseline.file}: {cases_of(told['known'])} known by it{unseen}")]


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
