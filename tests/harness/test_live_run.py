"""What is seen while cases run: on a terminal, in a log, on a narrow one, and when nothing happens for long."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import pytest
from rich.console import Console

from harness.live_run import HEARTBEAT_S, LiveRun
from harness.verdicts import CaseVerdict, Verdict

CASES = ["presence/in-a-call", "sync/flag[v1]", "sync/flag[v2]"]
V = Verdict


@dataclass
class Clock:
    """A clock that a test turns."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Screen:
    """A run that somebody looks at."""

    def __init__(self, *, terminal: bool = False, width: int = 100, **more: bool) -> None:
        self.clock = Clock()
        self.file = io.StringIO()
        self.console = Console(
            file=self.file, force_terminal=terminal, width=width, highlight=False, markup=False, soft_wrap=True
        )
        self.live_run = LiveRun(self.console, CASES, clock=self.clock, **more)

    @property
    def text(self) -> str:
        return self.file.getvalue()


def judged(address: str, verdict: Verdict = V.PASS) -> CaseVerdict:
    return CaseVerdict(address, verdict, duration_s=1.234)


def test_what_is_being_waited_for() -> None:
    screen = Screen()
    run = screen.live_run
    assert run.now() == "starting the reference server"
    run.progress(None, "presence/in-a-call")
    run.progress(None, "sync/flag[v1]")
    assert run.now() == "0 of 3 done; waiting for presence/in-a-call"
    run.waiting("presence/in-a-call", "lamp of desk on watcher: busy", 2.0)
    run.waiting("sync/flag[v1]", "the control of desk", 9.0)
    screen.clock.now += 0.8
    assert run.now() == "0 of 3 done; waiting for presence/in-a-call: lamp of desk on watcher: busy, 1.2 s left"
    screen.clock.now += 5
    assert run.now() == "0 of 3 done; waiting for presence/in-a-call: lamp of desk on watcher: busy"
    run.progress(judged("presence/in-a-call"), "presence/in-a-call")
    assert run.now() == "1 of 3 done; waiting for sync/flag[v1]: the control of desk, 3.2 s left"
    run.waiting("sync/flag[v1]", "\x1b[2J\nregister", None)
    assert run.now() == "1 of 3 done; waiting for sync/flag[v1]: \\x1b[2J register"


def test_what_is_waited_for_gives_way_to_the_time_that_is_left() -> None:
    screen = Screen()
    screen.live_run.waiting("presence/in-a-call", "lamp of desk on watcher: ringing, then busy", 2.0)
    said = screen.live_run.now(80)
    assert said == "0 of 3 done; waiting for presence/in-a-call: lamp of desk on watche…, 2.0 s left"
    assert len(screen.live_run.now(79)) == 79
    assert screen.live_run.now(40).endswith(": lamp of desk on wat…, 2.0 s left")


def test_a_line_when_a_scenario_is_done() -> None:
    screen = Screen()
    for address, verdict in zip(CASES, [V.PASS, V.PASS, V.FAIL], strict=True):
        screen.live_run.progress(None, address)
        screen.live_run.progress(judged(address, verdict), address)
    assert screen.text.splitlines() == [
        " ✓ presence/in-a-call                                     1 case     1.23 s",
        " ✗ sync/flag                                             2 cases     1.23 s  fail",
    ]


def test_many_rounds_are_quiet() -> None:
    screen = Screen(quiet=True)
    screen.live_run.progress(judged(CASES[0]), CASES[0])
    assert screen.text == ""


@pytest.mark.parametrize("width", [40, 60, 69, 70, 80, 200])
@pytest.mark.parametrize("verdict", list(V))
def test_lines_fit(width: int, verdict: Verdict) -> None:
    address = "presence/" + "very-" * 12 + "long"
    screen = Screen(terminal=True, width=width)
    run = LiveRun(screen.console, [address])
    run.progress(judged(address, verdict), address)
    line = re.sub(r"\x1b\[[0-9;]*m", "", screen.text).removesuffix("\n")
    assert "\n" not in line
    assert "…" in line
    assert len(line) <= width
    assert verdict is V.PASS or line.endswith(f"  {verdict.value}")
    assert "1.23 s" in line


def test_a_log_gets_a_line_when_nothing_was_printed_for_long() -> None:
    screen = Screen()
    run = screen.live_run
    with run:
        run.progress(None, CASES[0])
        run.waiting(CASES[0], "wait 60s", 60.0)
        for _ in range(25):
            screen.clock.now += 1.0
            run.tick()
    assert screen.text.splitlines() == [
        f"0 of 3 done; waiting for presence/in-a-call: wait 60s, {60 - HEARTBEAT_S:.1f} s left",
        f"0 of 3 done; waiting for presence/in-a-call: wait 60s, {60 - 2 * HEARTBEAT_S:.1f} s left",
    ]
    assert not set(screen.text) & set("\r\x1b")


def test_what_is_printed_puts_the_line_off() -> None:
    screen = Screen()
    run = screen.live_run
    screen.clock.now += 9
    run.progress(judged(CASES[0]), CASES[0])
    screen.clock.now += 9
    run.tick()
    assert len(screen.text.splitlines()) == 1


def test_no_heartbeat_where_somebody_else_prints() -> None:
    screen = Screen(heartbeat=False)
    screen.clock.now += 99
    screen.live_run.tick()
    assert screen.text == ""


def test_a_terminal_shows_it_on_a_line_that_changes() -> None:
    screen = Screen(terminal=True, width=60)
    with screen.live_run:
        screen.live_run.waiting(CASES[0], "a thing that has a very long name and does not fit", 3.0)
        screen.clock.now += 99
        screen.live_run.tick()
    assert "0 of 3 done; waiting for presence/in-a-call: a thing that has a …" in re.sub(r"\s+", " ", screen.text)
    assert not [line for line in screen.text.split("\n") if "99" in line]
