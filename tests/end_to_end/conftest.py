"""What many tests look at and nobody changes: a run of everything in virtual time, and a server of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.cli import main
from harness.engine import RunResult
from harness.loader import Case
from reports.record import Record, read_record
from tests.end_to_end.support import Done, Outside, line_of, of_the_page, run, started


@pytest.fixture(scope="session")
def suite() -> list[Case]:
    """Every shipped case but those about what the page does not have."""
    return of_the_page()


@dataclass(frozen=True)
class Run:
    """A run and its Record."""

    result: RunResult
    record: Record


@pytest.fixture(scope="session")
def virtual(suite: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Everything in virtual time."""
    result = run(suite, tmp_path_factory.mktemp("virtual"))
    return Run(result, read_record(result.folder))


class CommandLine:
    """The command, run inside this process in a folder of the test: no interpreter to start."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str | Path) -> Done:
        """Run a command to its end."""
        self._monkeypatch.setattr(sys, "argv", ["ringproof", *map(str, arguments)])
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, out, err)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    """The command line, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return CommandLine(monkeypatch, capfd)


@dataclass(frozen=True)
class Served:
    """A reference server in a process of its own."""

    target: Path
    outside: Outside


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`ringproof serve`, and a target file for it."""
    folder = tmp_path_factory.mktemp("served")
    ports = ["--http-port", "0", "--https-port", "0", "--sip-port", "0"]
    with started("serve", *ports, "--write-target", "target.yaml", "--format", "json", cwd=folder) as process:
        ready = json.loads(line_of(process.stdout))
        yield Served(folder / "target.yaml", Outside(ready))
