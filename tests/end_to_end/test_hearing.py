"""Phones that talk before anybody listens are heard all the same, and a way that is cut stays cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.verdicts import Verdict
from reference_server.mutants import MUTANTS
from tests.end_to_end.support import run
from tests.harness.files import cases

LATE = """\
title: The number answers long after the device has spoken
clauses: [CALL-02]
phones:
  desk: {device: {name: Desk}, on_call: answer}
  lobby: {device: {name: Lobby}, extension: "1002", on_call: ring}
steps:
  - register: [desk, lobby]
  - request: GET {{ desk.url }}/quickcall/{{ lobby.extension }}
    reply: {status: [200, 202]}
  - expect: lobby is ringing
  - wait: 3s
  - answer: lobby
  - expect: lobby hears desk
  - expect: desk hears lobby
"""


@pytest.mark.parametrize(
    ("mutant", "verdict"), [(None, Verdict.PASS), ("one-way-media", Verdict.FAIL), ("leg-b-never", Verdict.FAIL)]
)
def test_who_speaks_first_speaks_again(tmp_path: Path, mutant: str | None, verdict: Verdict) -> None:
    behaviour = MUTANTS[mutant].behaviour if mutant else None
    result = run(cases(tmp_path, LATE), tmp_path / "out", behaviour=behaviour)
    assert [outcome.verdict for outcome in result.verdicts] == [verdict]
