"""A reference server that is not let run for a while breaks no promise, and one that is late by itself does."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path
from unittest import mock

import pytest

from harness import spawn
from harness.engine import Engine, Options
from harness.pulse import Pulse
from harness.verdicts import Verdict
from reference_server.profiles import PROFILES
from reports.record import Event
from tests.harness.files import cases
from tests.reference_server.playbook import changed

SCENARIO = """\
title: The check-sync comes soon
clauses: [SYNC-01]
{isolation}
phones:
  desk: {{device: {{name: Desk}}}}
steps:
  - register: desk
  - request: POST {{{{ desk.url }}}}/sync
    reply: {{status: [200, 202]}}
  - expect: desk receives NOTIFY
    where: {{Event: {{starts: check-sync}}}}
    within: 300ms
"""
STOPPED_S = 1.0


@pytest.mark.parametrize(
    ("felt", "isolation"),
    [(True, ""), (True, "isolation: server"), (False, "")],
    ids=["shared", "own", "pulse not felt"],
)
def test_who_is_stopped_for_a_while_is_not_to_blame(tmp_path: Path, felt: bool, isolation: str) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = spawn.start

    def start(command: list[str], stderr: Path) -> subprocess.Popen[bytes]:
        started.append(real(command, stderr))
        return started[-1]

    def stop(event: Event, _: bytes) -> None:
        if event["kind"] == "reply" and event["role"] == "stimulus":
            pid = started[-1].pid
            os.kill(pid, signal.SIGSTOP)
            threading.Timer(STOPPED_S, os.kill, (pid, signal.SIGCONT)).start()

    found = cases(tmp_path, SCENARIO.format(isolation=isolation))
    options = Options(out=tmp_path / "out", behaviour=PROFILES["documented"], watcher=stop)
    missed = Pulse.missed if felt else _no
    with mock.patch.object(spawn, "start", start), mock.patch.object(Pulse, "missed", missed):
        [case] = Engine(found, options).run().verdicts
    assert case.verdict is (Verdict.PASS if felt else Verdict.FAIL), case.why


def _no(pulse: Pulse, now: float) -> float:
    return 0.0


def test_who_is_late_while_it_runs_is(tmp_path: Path) -> None:
    late = changed(sync__request="late")
    found = cases(tmp_path, SCENARIO.format(isolation=""))
    [case] = Engine(found, Options(out=tmp_path / "out", behaviour=late)).run().verdicts
    assert case.verdict is Verdict.FAIL
