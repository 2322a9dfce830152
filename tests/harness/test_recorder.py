"""What phones tell, as it is written into the Record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.fleet_record import FleetRecord
from harness.judge import Judge
from harness.recorder import CaseRecorder, RunRecorder
from harness.virtual import VirtualLoop
from phones.effects import Heard, Impaired, Sink, Subscribed, Transmit
from reports.record import RecordWriter, read_record
from reports.secrets import Secrets
from tests.harness.playbook import notify

HERE, THERE = ("192.0.2.1", 5062), ("192.0.2.9", 5060)


def through_faults(sink: Sink) -> None:
    """A phone hears two messages, one of them late, and sends two, one of them late."""
    for kind in ("lost", "held"):
        sink.impaired("desk", Impaired(kind, "in", notify(), HERE, THERE, "current", None), 1.0)
    sink.heard("desk", Heard(notify(), THERE, HERE, "new", "current", None), 1.0)
    sink.heard("desk", Heard(notify(), THERE, HERE, "new", "current", None, fault="late", after=0.5), 1.5)
    sink.sent("desk", Transmit(b"BYE ", THERE), HERE, 1.5)
    sink.sent("desk", Transmit(b"ACK ", THERE, fault="held"), HERE, 1.5)
    sink.impaired("desk", Impaired("late", "out", b"ACK ", HERE, THERE, "current", None, after=0.25), 1.75)


TOLD = [
    ("in", "lost", "lost", 0.0),
    ("in", "held", "held", 0.0),
    ("in", "new", None, None),
    ("in", "new", "late", 0.5),
    ("out", "new", None, None),
    ("out", "new", "held", 0.0),
    ("out", "late", "late", 0.25),
]
"""Direction, seen, fault and after of what comes of it."""


def told(folder: Path) -> list[tuple[str, str, str | None, float | None]]:
    messages = [event for event in read_record(folder).events if event["kind"] == "message"]
    return [(each["direction"], each["seen"], each.get("fault"), each.get("after")) for each in messages]


@contextmanager
def recording(folder: Path) -> Iterator[CaseRecorder]:
    run, writer = RunRecorder(Judge()), RecordWriter(folder, Secrets())
    run.start(writer)
    run.write("header", schema=2)
    yield CaseRecorder(run, "a/one")
    writer.close()


def test_faults_are_recorded_with_what_they_did(tmp_path: Path) -> None:
    with recording(tmp_path) as case:
        through_faults(case)
    assert told(tmp_path) == TOLD


def test_a_fleet_records_the_same(tmp_path: Path) -> None:
    loop = VirtualLoop()
    fleet = FleetRecord(tmp_path, loop)
    through_faults(fleet)
    fleet.close()
    loop.close()
    assert told(tmp_path) == TOLD


def test_what_a_phone_says_rests_on_what_it_heard_and_not_on_what_only_its_network_met(tmp_path: Path) -> None:
    with recording(tmp_path) as case:
        through_faults(case)
        case.subscribed("desk", Subscribed("c", "sip:a@b", "dialog", "terminated", reason="forgotten"), 2.0)
    events = read_record(tmp_path).events
    sent = [event["n"] for event in events if event.get("direction") == "out" and event["seen"] == "new"]
    assert events[-1]["message"] == sent[-1]
