"""What a person sees while cases run: a line per scenario, and what is being waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from harness.terminal import MARKS, NARROW, cases_of, scenario_of, width_of
from harness.verdicts import CaseVerdict, Verdict, worst
from reports.words import one_line, plain

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.status import Status
    from rich.text import Text

HEARTBEAT_S = 10.0
"""A log in which nothing has been printed for so long gets a line, so that nobody takes the run for dead."""


_NAME = 52
_BESIDE_NAME = len(" ✓ " + " 99 cases" + "  9999.99 s" + "  inconclusive")
"""Columns of a scenario's line: its name, and what stands beside it."""


_LEAST_SAID = 20
"""A terminal so narrow that less of what is waited for would fit gets a second line."""


class LiveRun:
    """Prints one line per scenario when its last case is judged, and says what is being waited for.

    On a terminal that is a line which changes; elsewhere a line of its own, when nothing else was printed for a while.
    `quiet`: no lines of scenarios, for rounds that are many. `heartbeat` off: somebody else prints all the time.
    """

    def __init__(
        self,
        console: Console,
        cases: Iterable[str],
        *,
        quiet: bool = False,
        heartbeat: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._quiet = quiet
        self._heartbeat = heartbeat and not console.is_terminal
        self._clock = clock
        self._printed = clock()
        self._left: dict[str, set[str]] = {}
        self._done: dict[str, list[CaseVerdict]] = {}
        self._running: dict[str, tuple[str, float | None]] = {}
        self._finished = 0
        self._total = 0
        self._status: Status | None = None
        for address in cases:
            self._left.setdefault(scenario_of(address), set()).add(address)
            self._total += 1

    def __enter__(self) -> LiveRun:
        if self._console.is_terminal:
            self._status = self._console.status(_Now(self))
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def progress(self, verdict: CaseVerdict | None, address: str) -> None:
        """A case begins (`verdict` None) or has been judged."""
        if verdict is None:
            self._running[address] = ("", None)
        else:
            self._running.pop(address, None)
            self._finished += 1
            scenario = scenario_of(address)
            self._done.setdefault(scenario, []).append(verdict)
            self._left[scenario].discard(address)
            if not self._left[scenario] and not self._quiet:
                self._line(scenario)
        self.tick()

    def waiting(self, address: str, what: str, seconds: float | None) -> None:
        """A case waits for something, for so many seconds at most; None when nobody knows."""
        self._running[address] = (what, None if seconds is None else self._clock() + seconds)
        self.tick()

    def tick(self) -> None:
        """Time has passed."""
        if self._heartbeat and self._clock() - self._printed >= HEARTBEAT_S:
            self._print(self.now())

    def now(self, width: int | None = None) -> str:
        """How far the run is, and what the case that began first waits for, in `width` columns if it can be said so."""
        if not self._running and not self._finished:
            return "starting the reference server" if self._total else ""
        text = f"{self._finished} of {self._total} done"
        # whoever paints the terminal is another thread: one look, at one moment
        running = list(self._running.items())
        if not running:
            return text
        address, (what, until) = running[0]
        head = one_line(f"{text}; waiting for {address}")
        left = 0.0 if until is None else until - self._clock()
        tail = f", {left:.1f} s left" if left > 0 else ""
        if not what:
            return head + tail
        room = 0 if width is None else max(width - len(head) - len(": ") - len(tail), _LEAST_SAID)
        return f"{head}: {one_line(what, room)}{tail}"

    def _line(self, scenario: str) -> None:
        from rich.text import Text

        verdicts = self._done[scenario]
        decided = worst(each.verdict for each in verdicts)
        mark, style = MARKS[decided]
        seconds = f"{max(each.duration_s for each in verdicts):.2f} s"
        word = "" if decided is Verdict.PASS else f"  {decided.value}"
        width = width_of(self._console)
        if width is None or width >= NARROW:
            room = _NAME if width is None else min(_NAME, width - _BESIDE_NAME)
            said = f"{_cut(plain(scenario), room):<{room}} {cases_of(len(verdicts)):>8} {seconds:>10}"
        else:
            room = max(width - len(f" {mark}  {seconds}{word}"), 8)
            said = f"{_cut(plain(scenario), room):<{room}} {seconds}"
        self._print(Text.assemble((f" {mark} ", style), said, (word, style)))

    def _print(self, line: str | Text) -> None:
        self._console.print(line)
        self._printed = self._clock()


class _Now:
    """What `LiveRun.now` says, asked anew whenever the terminal is painted."""

    def __init__(self, live_run: LiveRun) -> None:
        self._live_run = live_run

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.text import Text

        yield Text(self._live_run.now(options.max_width))


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
