"""What a terminal gets, and what a log gets that pretends to be one."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from harness.terminal import NARROW, fitted, is_ci, make_console, promises, width_of
from harness.verdicts import CaseVerdict, ClauseVerdict, Verdict

EXPLANATION = """\
FAIL  PRES-03  presence/a   1.25 s
  rule      a presence reset brings the lamp of every single watcher to the true state, whatever was before
  expected  lamp of desk on p1: off
            lamp on p1  ────────────────────────────────────────
                               ^^^^^
  where     scenarios/presence/a-name-that-is-longer-than-forty-columns.scenario.yaml
  again     ringproof run 'presence/a' --seed 41 --mutant a-name-that-is-long"""


@pytest.mark.parametrize(
    ("value", "ci"), [("true", True), ("1", True), ("false", False), ("0", False), ("", False), (None, False)]
)
def test_a_ci_says_that_it_is_one(value: str | None, ci: bool) -> None:
    assert is_ci({} if value is None else {"CI": value}) is ci


@pytest.mark.parametrize(
    ("environment", "tty", "terminal"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"FORCE_COLOR": "1"}, False, False),
        ({"TTY_COMPATIBLE": "1"}, False, False),
        ({"CI": "true"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, True),
    ],
)
def test_colours_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], tty: bool, terminal: bool
) -> None:
    for name in ("CI", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    class Stream:
        """A standard output."""

        written = ""

        def isatty(self) -> bool:
            return tty

        def write(self, text: str) -> None:
            self.written += text

        def flush(self) -> None:
            pass

    stream: Any = Stream()
    monkeypatch.setattr(sys, "stdout", stream)
    console = make_console()
    assert (console.is_terminal, width_of(console) is not None) == (terminal, terminal)
    console.print("x", style="red")
    assert ("\x1b[31m" in stream.written) == (terminal and "NO_COLOR" not in environment)
    assert terminal or stream.written == "x\n"


def test_an_explanation_in_a_log_is_as_it_is() -> None:
    assert fitted(EXPLANATION, None) == fitted(EXPLANATION, 200) == EXPLANATION


def test_an_explanation_on_a_narrow_terminal() -> None:
    assert fitted(EXPLANATION, 40).split("\n") == [
        "FAIL  PRES-03  presence/a   1.25 s",
        "  rule      a presence reset brings the",
        "    lamp of every single watcher to the",
        "    true state, whatever was before",
        "  expected  lamp of desk on p1: off",
        "    (lamps: needs 64 columns)",
        "  where     scenarios/presence/a-name-that-is-longer-than-forty-columns.scenario.yaml",
        "  again     ringproof run 'presence/a' --seed 41 --mutant a-name-that-is-long",
    ]


def test_an_explanation_on_a_terminal() -> None:
    lines = fitted(EXPLANATION, 80).split("\n")
    assert lines[1:3] == [
        "  rule      a presence reset brings the lamp of every single watcher to the true",
        "            state, whatever was before",
    ]
    assert "                               ^^^^^" in lines


@pytest.mark.parametrize("width", [40, 60, NARROW, 80, 160])
def test_promises_fit(width: int) -> None:
    cases = [
        CaseVerdict(f"a/{verdict}", verdict, clauses=(ClauseVerdict(f"PRES-{number:02d}", verdict),))
        for number, verdict in enumerate(Verdict)
    ]
    statements = {f"PRES-{number:02d}": "a promise that is kept or is not " * 5 for number in range(len(Verdict))}
    found = promises(cases, statements, width)
    assert [verdict for verdict, _ in found] == list(Verdict)
    for verdict, text in found:
        assert all(len(line) <= width for line in text.split("\n")), text
        assert verdict is Verdict.PASS or verdict.value in text
        assert ("\n" in text) == (width < NARROW and verdict is not Verdict.PASS)
