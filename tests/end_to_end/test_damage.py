"""A damaged Record: no case passes on evidence that is not there, and none fails because of the damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.judge import judge_record
from harness.verdicts import Verdict
from reports.record import EVENTS, WIRE, read_record
from tests.end_to_end.conftest import Run

FINE = {Verdict.PASS, Verdict.UNCLEAR}


@pytest.fixture
def copy(virtual: Run, tmp_path: Path) -> Path:
    """The Record of the whole suite, to be damaged."""
    folder = tmp_path / "record"
    shutil.copytree(virtual.result.folder, folder)
    return folder


def with_messages(virtual: Run) -> set[str]:
    return {event["case"] for event in virtual.record.events if event["kind"] == "message"}


@pytest.mark.parametrize("damage", ["zeroed", "deleted"])
def test_without_the_bytes_of_its_messages_no_case_is_decided(virtual: Run, copy: Path, damage: str) -> None:
    if damage == "zeroed":
        (copy / WIRE).write_bytes(bytes((copy / WIRE).stat().st_size))
    else:
        (copy / WIRE).unlink()
    record = read_record(copy)
    assert record.cut
    judged = {each.address: each.verdict for each in judge_record(record)}
    assert {judged[address] for address in with_messages(virtual)} == {Verdict.INCONCLUSIVE}


def test_one_altered_message_decides_nothing_in_its_case_alone(virtual: Run, copy: Path) -> None:
    event = next(each for each in virtual.record.events if each["kind"] == "message")
    wire = bytearray((copy / WIRE).read_bytes())
    wire[event["at"]] ^= 1
    (copy / WIRE).write_bytes(wire)
    judged = {each.address: each.verdict for each in judge_record(read_record(copy))}
    assert judged.pop(event["case"]) is Verdict.INCONCLUSIVE
    assert set(judged.values()) <= FINE


def test_a_hole_decides_nothing_in_the_cases_around_it(virtual: Run, copy: Path) -> None:
    lines = (copy / EVENTS).read_bytes().splitlines(keepends=True)
    events = [each for each in virtual.record.events if each["kind"] == "step"]
    lost = events[len(events) // 2]
    del lines[lost["n"]]
    (copy / EVENTS).write_bytes(b"".join(lines))
    record = read_record(copy)
    assert record.missing == ((lost["n"], lost["n"]),)
    judged = {each.address: each.verdict for each in judge_record(record)}
    assert judged.pop(lost["case"]) is Verdict.INCONCLUSIVE
    assert set(judged.values()) <= FINE
