"""Personalities: those that are shipped, what a file may say, and what a scenario makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.errors import ScenarioError
from harness.personality import SHIPPED, PersonalityFile, names, personality_of
from harness.verdicts import Verdict
from harness.yaml_file import load, validated
from phones.personality import ORDINARY, Hint, Reboots
from tests.end_to_end.support import run
from tests.harness.files import cases

HERE = Path("any/one.scenario.yaml")


def test_those_that_are_shipped() -> None:
    assert names() == ["bad-event", "baresip", "desk-phone", "pjsua", "pjsua2"]
    measured = {name: personality_of(name, HERE).check_sync for name in ("pjsua2", "pjsua", "baresip")}
    assert measured == {"pjsua2": 481, "pjsua": 400, "baresip": None}
    assert personality_of("desk-phone", HERE).reboots is Reboots.UNLESS
    assert personality_of(None, HERE) is ORDINARY


def test_the_template_says_everything_as_it_is_unless_said() -> None:
    template = validated(load(SHIPPED / "template.yaml"), PersonalityFile)
    assert template.model_fields_set | {"assumed"} == set(PersonalityFile.model_fields)
    assert template.personality() == ORDINARY


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "say its `source`, or `assumed: true`"),
        ({"source": "x", "assumed": True}, "say its `source`"),
        ({"assumed": True, "check_sync": 100}, "100 is no final SIP status"),
        ({"assumed": True, "agent": "SIPp 3"}, "specially"),
        ({"assumed": True, "codecs": [8]}, r"0 \(PCMU\) among them"),
        ({"assumed": True, "reboots": "sometimes"}, "never"),
    ],
)
def test_what_cannot_be_said(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        PersonalityFile.model_validate({"title": "T", **said})


STEPS = """
title: T
clauses: [SYNC-01]
phones: {{desk: {{personality: {0}}}}}
steps:
- register: desk
- sync: desk
- expect: desk receives NOTIFY
  where: {{Event: {{starts: check-sync}}}}
- wait: 5s
- sync: desk
- expect: desk receives NOTIFY
  where: {{Event: {{starts: check-sync}}}}
"""


def test_one_that_is_nowhere(tmp_path: Path) -> None:
    for name in ("nobody", "nobody.yaml", "../personality"):
        with pytest.raises(ScenarioError, match=f"no personality '{name}'") as wrong:
            cases(tmp_path, STEPS.format(name))
        assert "desk-phone" in wrong.value.hint
        assert wrong.value.position.line == 4


def test_one_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    text = "title: Mine\nassumed: true\nreboots: always\naway: 3s\nagent: Mine 1.0\nexpires: 77\n"
    (tmp_path / "mine" / "own.yaml").write_text(text, encoding="utf-8")
    result = run(cases(tmp_path, STEPS.format("own.yaml")), tmp_path / "out")
    assert [each.verdict for each in result.verdicts] == [Verdict.PASS]
    wire = (result.folder / "wire.bin").read_bytes()
    registers = [part.partition(b"\r\n\r\n")[0] for part in wire.split(b"REGISTER sip:")[1:]]
    assert all(b"User-Agent: Mine 1.0" in each for each in registers)
    expires = [each.partition(b"Expires: ")[2].partition(b"\r\n")[0] for each in registers]
    # it registers, reboots after each check-sync, and asks for its own time
    assert expires.count(b"0") == 2
    assert b"77" in expires
    assert len({each.partition(b"Call-ID: ")[2].partition(b"\r\n")[0] for each in registers}) == 2


@pytest.mark.parametrize(
    ("reboots", "events"),
    [
        (Reboots.NEVER, ""),
        (Reboots.ALWAYS, "abc"),
        (Reboots.ASKED, "b"),
        (Reboots.UNLESS, "ab"),
    ],
)
def test_when_it_reboots(reboots: Reboots, events: str) -> None:
    known = {"a": "check-sync", "b": "check-sync ; Reboot=true", "c": "check-sync;reboot=false"}
    assert {name for name, event in known.items() if reboots.follows(event)} == set(events)


def test_hints_are_all_known() -> None:
    assert ORDINARY.hints == frozenset(Hint)
