"""`ringproof show`: the ladder and the lamps of a case on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from harness.documents import PRINTED
from reports.record import EVENTS, WIRE
from tests.end_to_end.conftest import CommandLine, Run


def test_a_case_is_shown_as_ladder_and_lamps(cli: CommandLine, virtual: Run) -> None:
    done = cli("show", f"{virtual.result.folder}:lamps/call", "--width", "90")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("PASS  SIP-13")
    assert "    seconds  desk           caller         watcher        edge           API" in done.out
    assert "  again     ringproof run lamps/call --seed 1 --time virtual\n" in done.out
    assert "─INVITE─" in done.out
    assert "(lamp ringing)" in done.out
    assert "◆  decided the verdict" in done.out
    assert "\ncalls of desk   " in done.out
    assert "\nlamp on watcher " in done.out
    assert max(map(len, done.out.partition("    seconds")[2].splitlines())) <= 90


def test_the_last_run_is_out_latest(cli: CommandLine) -> None:
    assert cli("run", "sync/path-on-v1", "--time", "virtual").code == 0
    assert "ends" in cli("show", "out/latest:sync/path-on-v1[v1]").out


def test_every_case_of_the_suite_can_be_shown_as_a_document(cli: CommandLine, virtual: Run) -> None:
    for address in virtual.record.header["cases"][::9]:
        done = cli("show", f"{virtual.result.folder}:{address}", "--format", "json")
        TypeAdapter(PRINTED["show"]).validate_python(done.document, strict=True)
        assert done.code == 0, done.out
        assert done.document["case"]["address"] == address
        assert done.document["ladder"]["rows"]


@pytest.mark.parametrize(
    ("place", "said", "hint"),
    [
        ("lamps/call", "'lamps/call' is not RUN:CASE", "for example out/latest:sync/flag-true"),
        (":lamps/call", "':lamps/call' is not RUN:CASE", "for example"),
        ("{}:", "is not RUN:CASE", "for example"),
        ("nowhere:lamps/call", "nowhere/events.jsonl: No such file", ""),
        ("{}:lamps/cal", "no case 'lamps/cal' in this Record", "there is lamps/call"),
        ("{}:api/tokens", "no case 'api/tokens' in this Record", "there is api/tokens[v1-http], api/tokens[v1-https]"),
        ("{}:zzz", "no case 'zzz' in this Record", "`ringproof report RUN` lists the cases"),
    ],
)
def test_what_cannot_be_shown_is_said(cli: CommandLine, virtual: Run, place: str, said: str, hint: str) -> None:
    done = cli("show", place.format(virtual.result.folder))
    assert (done.code, done.out) == (4, "")
    assert said in done.err
    assert hint in done.err


def test_a_damaged_record_is_said_to_be_damaged(cli: CommandLine, virtual: Run, tmp_path: Path) -> None:
    text = (virtual.result.folder / EVENTS).read_text()
    (tmp_path / EVENTS).write_text(text.replace('"role":', '"part":'))
    (tmp_path / WIRE).write_bytes((virtual.result.folder / WIRE).read_bytes())
    done = cli("show", f"{tmp_path}:lamps/call")
    assert (done.code, "Record is damaged" in done.err) == (4, True)
