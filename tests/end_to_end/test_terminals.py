"""A run as somebody sees it: on a terminal of 40 columns and in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import pytest

from harness.loader import load_cases, select, shipped
from harness.terminal import NARROW
from tests.end_to_end.support import RINGPROOF, environment, ringproof, run

BROKEN = ("run", "sync/flag-false", "--mutant", "sync-ignores-flag", "--time", "virtual", "--seed", "7")
COPIED = ("  where ", "  logs ", "  evidence ", "  again ", "Record: ", "ringproof: ", "  known: ")


def on_a_terminal(columns: int, cwd: Path, **more: str) -> str:
    """What a command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    left_out = ("CI", "NO_COLOR", "COLUMNS", "FORCE_COLOR")
    env = {name: value for name, value in environment().items() if name not in left_out}
    env |= {"TERM": "xterm-256color", **more}
    process = subprocess.Popen([*RINGPROOF, *BROKEN], cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65536):
            written += data
    except OSError:
        # the other end is closed: everything has been written
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=60) == 1
    return written.decode()


def lines(written: str) -> list[str]:
    """What stays on the screen: the last state of each line, without colours."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    return [line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n")]


@pytest.mark.parametrize("columns", [40, NARROW, 100])
def test_a_terminal(tmp_path: Path, columns: int) -> None:
    written = on_a_terminal(columns, tmp_path)
    assert "\x1b[1;31m" in written
    assert "4 of 4 done" in re.sub(r"\s+", " ", written)
    shown = lines(written)
    assert [line for line in shown if line.startswith(" ✗ sync/flag-false")]
    assert [line for line in shown if len(line) > columns and not line.startswith(COPIED)] == []
    assert [line for line in shown if line.startswith("  again     ringproof run 'sync/flag-false[v1-http]'")]


def test_no_colour_on_a_terminal_that_wants_none(tmp_path: Path) -> None:
    written = on_a_terminal(80, tmp_path, NO_COLOR="1")
    assert not re.search(r"\x1b\[[\d;]*3\d", written)
    assert "4 of 4 done" in written


@pytest.mark.parametrize("more", [{"CI": "true", "FORCE_COLOR": "1"}, {"FORCE_COLOR": "3", "TTY_COMPATIBLE": "1"}])
def test_a_log_is_plain(tmp_path: Path, more: dict[str, str]) -> None:
    done = ringproof(*BROKEN, cwd=tmp_path, env=more)
    assert done.code == 1
    assert not set(done.out + done.err) & set("\r\x1b")
    assert " ✗ sync/flag-false" in done.out


def test_a_terminal_of_a_ci_is_a_log(tmp_path: Path) -> None:
    written = on_a_terminal(80, tmp_path, CI="true").replace("\r\n", "\n")
    assert not set(written) & set("\r\x1b")


def test_the_engine_says_what_it_waits_for(tmp_path: Path) -> None:
    told: list[tuple[str, str, float | None]] = []
    ticks: list[None] = []
    cases = select(load_cases(shipped()), ["lamps/call"])
    watching: Any = {"waiting": lambda *said: told.append(said), "tick": lambda: ticks.append(None)}
    result = run(cases, tmp_path / "real", virtual=False, **watching)
    assert result.error == ""
    assert len(ticks) > result.duration_s
    assert {address for address, _, _ in told} == {"lamps/call"}
    lamps = [seconds for _, what, seconds in told if what.startswith("lamp of ")]
    assert lamps
    assert all(seconds is not None and 0 < seconds < 60 for seconds in lamps)
    assert [what for _, what, seconds in told if what.startswith("the fence of ") and seconds]
    # seconds of virtual time are not those of whoever looks
    told.clear()
    run(cases, tmp_path / "virtual", **watching)
    assert told
    assert {seconds for _, _, seconds in told} == {None}
