"""The step `load`: what can be said in it, and where it is not carried out."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.steps import Load
from harness.verdicts import Verdict
from tests.end_to_end.support import run
from tests.harness.files import cases

STEPS = """
title: T
clauses: [SYNC-02]
phones: {desk: {}, crowd: {}}
steps:
- load: {calls: 5, from: crowd, to: desk, for: 1s}
"""


def test_rates() -> None:
    calls = Load.model_validate({"load": {"calls": 0.5, "from": "a", "to": "b", "for": "2min"}}).load
    assert (calls.rate, calls.for_, calls.talk) == (0.5, 120.0, 0.2)
    assert Load.model_validate({"load": {"registrations": 50, "from": "a", "for": "1s"}}).load.rate == 50


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"from": "a", "for": "1s"}, "say either `calls` or `registrations`"),
        ({"from": "a", "for": "1s", "calls": 1, "registrations": 1, "to": "b"}, "say either"),
        ({"from": "a", "for": "1s", "calls": 1}, "calls go `to` somebody"),
        ({"from": "a", "for": "1s", "registrations": 1, "to": "b"}, "registrations do not"),
        ({"from": "a", "for": "0s", "registrations": 1}, "greater than 0"),
    ],
)
def test_what_cannot_be_said(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Load.model_validate({"load": wrong})


def test_it_is_skipped_in_virtual_time(tmp_path: Path) -> None:
    result = run(cases(tmp_path, STEPS), tmp_path / "out")
    [verdict] = result.verdicts
    assert verdict.verdict is Verdict.SKIPPED
    assert "no virtual time reaches" in verdict.reason


def test_it_is_skipped_without_sipp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run(cases(tmp_path, STEPS), tmp_path / "out", virtual=False)
    [verdict] = result.verdicts
    assert verdict.verdict is Verdict.SKIPPED
    assert "sipp is not installed" in verdict.reason
