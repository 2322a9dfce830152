"""The command as a person runs it, and runs inside this process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from select import select as wait_for
from typing import IO, Any, TypeVar
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from harness.engine import Engine, Options, RunResult
from harness.habits import lacking
from harness.loader import Case, load_cases, shipped
from harness.steps import Load
from harness.verdicts import Verdict
from reference_server.behaviour import Behaviour
from reference_server.profiles import PROFILES

ROOT = Path(__file__).resolve().parents[2]
RINGPROOF = [sys.executable, "-m", "harness.cli"]
TIMEOUT_S = 100
Awaited = TypeVar("Awaited")
GOOD = (Verdict.PASS, Verdict.UNCLEAR)


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: no terminal, this checkout."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", **more}


def of_our_own() -> list[Case]:
    """The shipped cases, but for those that need another program."""
    return [case for case in load_cases(shipped()) if not any(isinstance(at.step, Load) for at in case.steps)]


def of_the_page() -> list[Case]:
    """The same, but for those about what only some release has."""
    return [case for case in of_our_own() if not lacking(case.scenario.needs, "documented", case.api)]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


def ringproof(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S
) -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        [*RINGPROOF, *map(str, arguments)],
        cwd=cwd,
        env={**environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def in_shell(script: str, cwd: Path) -> Done:
    """What sh makes of a script."""
    done = subprocess.run(
        ["sh", "-c", script], cwd=cwd, env=environment(), capture_output=True, timeout=TIMEOUT_S, check=False
    )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def wait_until(reached: Callable[[], Awaited], seconds: float = 60.0) -> Awaited:
    """What `reached` returns once it is something, asked again and again."""
    end = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < end, "it did not come to pass"
        wait_for([], [], [], 0.005)
    return found


@contextmanager
def started(*arguments: str | Path, cwd: Path, own_group: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A command that goes on; killed at the end when it has not ended. `own_group`: of processes, as of a shell."""
    process = subprocess.Popen(
        [*RINGPROOF, *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # what has been read ahead is not seen by `line_of`
        start_new_session=own_group,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=TIMEOUT_S)


def line_of(stream: IO[bytes] | None, seconds: float = 60.0) -> str:
    """The next line of a process' output, '' when none comes."""
    assert stream is not None
    ready, _, _ = wait_for([stream], [], [], seconds)
    return stream.readline().decode() if ready else ""


def run(
    cases: list[Case],
    out: Path,
    *,
    behaviour: Behaviour | None = None,
    virtual: bool = True,
    seed: int = 1,
    **more: Any,
) -> RunResult:
    """Run cases in this process."""
    chosen = behaviour if behaviour is not None else PROFILES["documented"]
    return Engine(cases, Options(out=out, behaviour=chosen, virtual=virtual, seed=seed, **more)).run()


@dataclass(frozen=True)
class Reply:
    """A reply of the API, seen from outside."""

    status: int
    document: Any


class Outside:
    """Somebody else's client of a served reference: urllib, none of our code."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready
        self._opener = build_opener(ProxyHandler({}))

    def get(self, path: str) -> Reply:
        """GET with the token of the main account."""
        request = Request(self.ready["http"] + path, headers={"X-Auth-Token": self.ready["auth_token"]})
        try:
            with self._opener.open(request, timeout=30) as response:
                return Reply(response.status, json.loads(response.read()))
        except HTTPError as error:
            with error:
                return Reply(error.code, json.loads(error.read()))

    def devices(self) -> dict[str, list[str]]:
        """The ids of the devices of the three accounts that are there from the beginning."""
        found = {}
        for which in (self.ready, self.ready["child_account"]):
            listed = self.get(f"/v2/accounts/{which['account_id']}/devices").document["data"]
            found[which["account_id"]] = sorted(each["id"] for each in listed)
        return found
