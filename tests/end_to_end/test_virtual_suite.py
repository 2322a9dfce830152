"""The whole suite in virtual time: green, repeatable to the octet, and resting on what is in its Record."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.judge import judge_record
from harness.loader import Case, select
from harness.verdicts import Verdict
from reports.record import EVENTS, WIRE, Event, read_record
from tests.end_to_end.conftest import Run
from tests.end_to_end.support import GOOD, of_the_page, ringproof, run

SUBSET = (
    "path-two-contacts",
    "sync/flag-odd-values[v2]",
    "sync/twice-quickly[v2]",
    "injection-by-username",
    "api/tokens[v2-https]",
    "registration/challenge",
    "sync/flag-true[v2-http]",
)
ADDRESSES = [case.address for case in of_the_page()]


def test_everything_is_green(virtual: Run, suite: list[Case]) -> None:
    result = virtual.result
    assert (result.error, result.interrupted, result.left) == ("", False, [])
    assert [each.address for each in result.verdicts] == [case.address for case in suite]
    assert {each.address: each.reason for each in result.verdicts if each.verdict not in GOOD} == {}
    unclear = {each.address.partition("[")[0] for each in result.verdicts if each.verdict is Verdict.UNCLEAR}
    assert unclear == {"sync/page-example", "sync/path-on-v1"}


def test_no_clause_is_left_undecided(virtual: Run) -> None:
    undecided = {
        (case.address, clause.clause): clause.reason
        for case in virtual.result.verdicts
        for clause in case.clauses
        if clause.verdict not in GOOD and clause.verdict is not Verdict.SKIPPED
    }
    assert undecided == {}
    skipped = {c.clause for case in virtual.result.verdicts for c in case.clauses if c.verdict is Verdict.SKIPPED}
    assert skipped == {"API-02", "CALL-06"}  # what only encryption proves


def test_nothing_is_said_about_tls_in_memory(virtual: Run) -> None:
    for case in virtual.result.verdicts:
        safe = case.matrix.get("over") == "https" or case.matrix.get("transport") in ("tls", "wss")
        assert case.encrypted is (False if safe else None)


def test_the_record_says_what_the_run_said(virtual: Run) -> None:
    assert virtual.record.cut == ""
    assert virtual.record.header["started"] is None
    assert judge_record(virtual.record) == virtual.result.verdicts


def test_the_record_counts_up(virtual: Run) -> None:
    events = virtual.record.events
    assert [event["n"] for event in events] == list(range(len(events)))
    assert all(before["t"] <= after["t"] for before, after in pairwise(events))


def test_every_count_was_closed(virtual: Run, suite: list[Case]) -> None:
    counts = {
        event["case"]: event["n"]
        for event in virtual.record.events
        if event["kind"] == "claim" and event["spec"].get("closes")
    }
    closed = {each.address for each in virtual.result.verdicts if each.closed_by}
    assert closed == counts.keys()
    for case in virtual.result.verdicts:
        for closing in case.closed_by:
            assert closing.control < closing.fence


@pytest.mark.parametrize("address", ADDRESSES)
def test_without_what_decided_it_no_case_passes(virtual: Run, address: str) -> None:
    record = virtual.record
    events = [event for event in record.events if event.get("case") == address]
    [verdict] = [each for each in virtual.result.verdicts if each.address == address]
    assert verdict.decisive
    numbers = set(verdict.decisive)
    # what control and fence rest on is a message, and decides as much as they do
    numbers |= {event["message"] for event in events if event["n"] in numbers and event.get("message") is not None}
    kinds = {event["n"]: event["kind"] for event in events}
    for number in sorted(numbers):
        removed = {number, *_alike(events, number)}
        while True:
            [judged] = judge_record(replace(record, events=[e for e in events if e["n"] not in removed]))
            if judged.verdict not in GOOD:
                break
            # "at least one" may have come several times: the next one stands in, until none is left
            stands_in = {each for each in judged.decisive if kinds[each] in ("message", "media")} - removed
            instead = stands_in - numbers or {min((each for each in stands_in if each > number), default=number)}
            assert not instead <= removed, (kinds[number], number)
            removed |= instead


def _alike(events: list[Event], number: int) -> set[int]:
    """For a control: all controls of that phone at that Contact with their messages, each of which is as good."""
    controls = [event for event in events if event["kind"] == "control" and event["state"] == "arrived"]
    mine = [event for event in controls if number in (event["n"], event["message"])]
    places = [(event["phone"], event["contact"]) for event in mine]
    alike = [event for event in controls if (event["phone"], event["contact"]) in places]
    return {number for event in alike for number in (event["n"], event["message"])}


@pytest.mark.parametrize("address", ADDRESSES[::7])
def test_no_case_passes_before_its_end(virtual: Run, address: str) -> None:
    record = virtual.record
    events = [event for event in record.events if event.get("case") == address]
    end = next(index for index, event in enumerate(events) if event["kind"] == "end")
    for length in range(1, end + 1):
        [judged] = judge_record(replace(record, events=events[:length]))
        assert judged.verdict not in GOOD, events[length - 1]


def some(cases: list[Case]) -> list[Case]:
    return select(cases, ["flag-true", "path-moved", "injection-by-username"])


def test_one_seed_gives_one_record(suite: list[Case], tmp_path: Path) -> None:
    folders = [run(some(suite), tmp_path / name, seed=seed).folder for name, seed in (("a", 5), ("b", 5), ("c", 6))]
    for name in (EVENTS, WIRE):
        first, again, other = [(folder / name).read_bytes() for folder in folders]
        assert first == again
        assert first != other
    assert folders[0].name == folders[1].name != folders[2].name


def test_the_seed_of_a_case_is_its_own(suite: list[Case], tmp_path: Path) -> None:
    """What ran before a case does not change what it does, apart from the time and the numbers."""
    alone = select(suite, ["path-moved"])
    first = run(alone, tmp_path / "a").verdicts
    later = run([*select(suite, ["flag-true"]), *alone], tmp_path / "b").verdicts[-len(alone) :]
    assert [(each.address, each.verdict, each.actual) for each in first] == [
        (each.address, each.verdict, each.actual) for each in later
    ]


def test_the_hash_seed_changes_nothing(tmp_path: Path) -> None:
    seen = []
    for seed in ("0", "1", "4242"):
        out = tmp_path / seed
        command = ["run", *SUBSET, "--time", "virtual", "--seed", "3", "--out", str(out)]
        done = ringproof(*command, cwd=tmp_path, env={"PYTHONHASHSEED": seed})
        assert done.code == 0, done.out
        [folder] = [path for path in out.iterdir() if not path.is_symlink()]
        seen.append([(folder / name).read_bytes() for name in (EVENTS, WIRE)])
    assert seen[0] == seen[1] == seen[2]


def test_a_record_cut_in_half_is_reported_as_cut(virtual: Run, tmp_path: Path) -> None:
    for name in (EVENTS, WIRE):
        for other in (EVENTS, WIRE):
            data = (virtual.result.folder / other).read_bytes()
            (tmp_path / other).write_bytes(data[: len(data) // 2] if other == name else data)
        assert read_record(tmp_path).cut
        done = ringproof("report", tmp_path, "--verdicts-only", cwd=tmp_path)
        assert (done.code, done.err) == (7, "")
        assert "CUT: " in done.out
        document = ringproof("report", tmp_path, "--format", "json", cwd=tmp_path).document
        assert document["cut"]
        assert document["exit_code"] == 7


def test_a_record_without_its_decisive_message_does_not_pass(virtual: Run, tmp_path: Path) -> None:
    verdict = next(each for each in virtual.result.verdicts if each.address == "sync/path-registered[v2-http]")
    messages = [event for event in virtual.record.events if event["kind"] == "message"]
    [number, *_] = [event["n"] for event in messages if event["n"] in verdict.decisive]
    lines = (virtual.result.folder / EVENTS).read_bytes().splitlines(keepends=True)
    assert f'"n":{number},'.encode() in lines[number]
    (tmp_path / EVENTS).write_bytes(b"".join(line for at, line in enumerate(lines) if at != number))
    os.link(virtual.result.folder / WIRE, tmp_path / WIRE)
    done = ringproof("report", tmp_path, "--verdicts-only", cwd=tmp_path)
    assert done.code == 7
    assert "inconclusive sync/path-registered[v2-http]" in done.out
    assert "CUT: events are missing" in done.out
    assert "CHANGED: sync/path-registered[v2-http] was judged otherwise when it ran" in done.out
