"""The folders of evidence below a run: for whom there is one, what is in it, and what a full disk does."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from reports import evidence
from reports.evidence import evidence_of, folder_of
from tests.end_to_end.conftest import CommandLine
from tests.reports.capture_reader import read_capture

BROKEN = ("run", "presence/stuck-missed", "presence/accepted[v2-http]", "--time", "virtual", "--seed", "1")
MUTANT = ("--mutant", "reset-tells-one")
STUCK = "presence/stuck-missed[v2]"
FILES = ["case.pcapng", "failure.txt", "http.jsonl", "ladder.txt"]


def folders(root: Path) -> set[str]:
    return {str(path.parent.relative_to(root / "out/latest")) for path in root.glob("out/latest/**/case.pcapng")}


def test_what_is_not_fine_has_a_folder_that_its_explanation_names(cli: CommandLine, tmp_path: Path) -> None:
    done = cli(*BROKEN, *MUTANT)
    assert done.code == 1
    failed = folders(tmp_path)
    assert STUCK in failed
    assert "presence/accepted[v2-http]" not in failed
    run = Path(os.path.realpath(tmp_path / "out/latest")).name
    assert f"  evidence  out/{run}/{STUCK}\n" in done.out
    folder = tmp_path / "out" / run / STUCK
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert "PRES" in (folder / "ladder.txt").read_text() or "POST" in (folder / "ladder.txt").read_text()


def test_the_files_tell_the_case(cli: CommandLine, tmp_path: Path) -> None:
    cli(*BROKEN, *MUTANT)
    folder = tmp_path / "out/latest" / STUCK
    failure = (folder / "failure.txt").read_text()
    assert failure.startswith("FAIL  PRES-04")
    assert "lamp on stuck" in failure
    assert f"  again     ringproof run '{STUCK}' --seed 1 --mutant reset-tells-one --time virtual\n" in failure
    calls = [json.loads(line) for line in (folder / "http.jsonl").read_text().splitlines()]
    events = [json.loads(line) for line in (tmp_path / "out/latest/events.jsonl").read_text().splitlines()]
    asked = [event for event in events if event["kind"] == "request" and event["case"] == STUCK]
    assert [call["request"]["n"] for call in calls] == [event["n"] for event in asked]
    assert {call["reply"]["status"] for call in calls} <= {200, 201, 202}
    assert any(call["request"]["url"].endswith("/presence") for call in calls)
    read = read_capture((folder / "case.pcapng").read_bytes())
    said = [event for event in events if event["kind"] in ("message", "media") and event["case"] == STUCK]
    assert len(read.udp()) == len(said)
    assert any("decided: fail" in packet.comment for packet in read.packets)


def test_documents_name_the_folder_and_else_the_run(cli: CommandLine, tmp_path: Path) -> None:
    document = cli(*BROKEN, *MUTANT, "--format", "json").document
    report = cli("report", "out/latest", "--format", "json").document
    shown = cli("show", f"out/latest:{STUCK}", "--format", "json").document
    by_address = {case["address"]: case["evidence"] for case in document["cases"]}
    assert by_address[STUCK] == f"out/{document['run']}/{STUCK}"
    assert by_address["presence/accepted[v2-http]"] == f"out/{document['run']}"
    again = {case["address"]: case["evidence"] for case in report["cases"]}
    assert again[STUCK] == shown["case"]["evidence"] == f"out/latest/{STUCK}"
    assert again["presence/accepted[v2-http]"] == "out/latest"
    assert f"  evidence  out/latest/{STUCK}\n" in cli("report", "out/latest").out


def test_all_and_none(cli: CommandLine, tmp_path: Path) -> None:
    assert cli(*BROKEN, "--evidence", "all").code == 0
    assert folders(tmp_path) == {"presence/accepted[v2-http]", STUCK, "presence/stuck-missed[v1]"}
    assert not (tmp_path / "out/latest" / STUCK / "failure.txt").exists()
    assert cli(*BROKEN, *MUTANT, "--evidence", "none").code == 1
    assert list((tmp_path / "out/latest").glob("*/*")) == []
    assert cli(*BROKEN, *MUTANT).code == 1
    assert cli(*BROKEN).code == 0
    # the same folder, since the seed is the same
    assert folders(tmp_path) == set()


@pytest.mark.parametrize(("more", "code"), [(MUTANT, 1), (("--evidence", "all"), 3)])
def test_a_full_disk_is_one_clear_error_and_takes_no_verdict_away(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], code: int
) -> None:
    def full(path: Path, data: bytes) -> None:
        if path.name == "http.jsonl":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.write_bytes(data)

    monkeypatch.setattr(evidence, "_write", full)
    done = cli(*BROKEN, *more, "--format", "json")
    assert done.code == code
    assert done.document["exit_code"] == code
    assert done.document["error"]["message"].endswith("No space left on device")
    assert len(done.document["cases"]) == 3
    assert {case["evidence"] for case in done.document["cases"]} == {f"out/{done.document['run']}"}
    assert folders(tmp_path) == set()
    assert not list((tmp_path / "out/latest").glob("*/*"))


@pytest.mark.parametrize(
    ("address", "folder"),
    [
        ("sync/flag[v2-https]", "sync/flag[v2-https]"),
        ("../../etc", "_-/.._etc-"),
        ("a/b/c", "a/b_c-"),
        ("a/" + "x" * 300, "a/" + "x" * 200 + "-"),
    ],
)
def test_whatever_a_case_is_called_its_folder_is_below_the_run(tmp_path: Path, address: str, folder: str) -> None:
    found = folder_of(tmp_path, address)
    assert found.parent.parent == tmp_path
    parts: Any = found.relative_to(tmp_path).parts
    assert [part.partition("-")[0] for part in parts] == [part.partition("-")[0] for part in folder.split("/")]
    assert evidence_of(tmp_path, address) == tmp_path
