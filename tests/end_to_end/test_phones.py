"""`ringproof phones` as a person runs it: small fleets against the embedded reference and a served one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from harness.documents import PRINTED
from reports.record import read_record
from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.support import Done, Outside, line_of, ringproof, started, wait_until


def phones(cwd: Path, *arguments: object) -> Done:
    """Run the command to its end."""
    return ringproof("phones", *map(str, arguments), cwd=cwd)


def shown(done: Done) -> Any:
    """The document, which is what the schema says."""
    document = done.document
    TypeAdapter(PRINTED["phones"]).validate_python(document, strict=True)
    assert document["exit_code"] == done.code
    return document


@pytest.mark.parametrize("more", [[], ["--processes", "2"]])
def test_a_fleet_is_exercised_and_nothing_is_lost(tmp_path: Path, more: list[str]) -> None:
    done = phones(tmp_path, 8, "--exercise", "--duration", 0.1, "--format", "json", *more)
    document = shown(done)
    assert done.code == 0, document
    assert (document["registered"], document["watching"], document["lost"], document["wrong"]) == (8, 8, 0, 0)
    assert (document["check_syncs"], document["calls"], document["lamp_changes"]) == (8, 4, 16)
    assert document["lamps"] == {"off": 8, "ringing": 0, "busy": 0, "unknown": 0}
    assert (document["still_registered"], document["left"]) == (0, [])
    for kind in ("registration", "notify", "call"):
        assert document["latencies"][kind]["p50"] <= document["latencies"][kind]["p99"]
    assert document["latencies"]["p50"] == document["latencies"]["registration"]["p50"]


def test_calls_that_are_answered_end_and_so_do_their_lamps(tmp_path: Path) -> None:
    done = phones(tmp_path, 4, "--exercise", "--answer", "--duration", 0.1, "--format", "json")
    document = shown(done)
    assert done.code == 0, document
    # dark, ringing, busy, dark: of who is called; who calls is busy from the beginning
    assert (document["calls"], document["lost"], document["wrong"]) == (2, 0, 0)
    assert document["lamps"] == {"off": 4, "ringing": 0, "busy": 0, "unknown": 0}


def test_registrations_are_kept_alive_on_one_socket_and_recorded(tmp_path: Path) -> None:
    record = tmp_path / "record"
    options = ("--watch", "--shared-socket", "--expires", 1, "--duration", 3, "--record", record)
    done = phones(tmp_path, 5, *options, "--format", "json")
    document = shown(done)
    assert done.code == 0, document
    assert document["refreshes"] >= 5
    assert len(document["memory"]["rounds"]) == document["refreshes"] // 5
    assert (document["registered"], document["lost"]) == (5, 0)
    whole = read_record(record)
    assert whole.cut == ""
    messages = [event for event in whole.events if event["kind"] == "message"]
    assert len({event["local"] for event in messages}) == 1
    assert sum(event["direction"] == "in" for event in messages) >= document["arrivals"]
    assert b"response=" in whole.wire
    assert b'response="**' in whole.wire


def until(process: subprocess.Popen[bytes], words: str) -> None:
    """Read what a command says until it says so."""
    said = line_of(process.stderr)
    while words not in said:
        assert said
        said = line_of(process.stderr)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Outside]:
    """A reference server that stays, and its target file."""
    arguments = ("serve", "--http-port", 0, "--https-port", 0, "--sip-port", 0, "--format", "json")
    with started(*map(str, arguments), "--write-target", "target.yaml", cwd=tmp_path) as process:
        yield Outside(json.loads(line_of(process.stdout)))


def test_ctrl_c_unregisters_and_removes_what_was_made(tmp_path: Path, served: Outside) -> None:
    before = served.devices()
    with started("phones", "6", "--target", "target.yaml", "--format", "json", cwd=tmp_path) as process:
        statuses = f"/v2/accounts/{served.ready['account_id']}/children"
        wait_until(lambda: len(served.get(statuses).document["data"]) > 1)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    document = shown(Done(process.returncode, out.decode(), ""))
    assert process.returncode == (2 if document["interrupted"] else 0)
    assert (document["still_registered"], document["left"]) == (0, [])
    assert served.devices() == before
    assert len(served.get(statuses).document["data"]) == 1


@pytest.mark.parametrize("more", [[], ["--processes", "2"]])
def test_ctrl_c_again_and_again_loses_nothing(tmp_path: Path, served: Outside, more: list[str]) -> None:
    before = served.devices()
    command = ("phones", "20", "--watch", "--target", "target.yaml", *more)
    with started(*command, cwd=tmp_path) as process:
        until(process, "all there")
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.03)
        out, err = process.communicate(timeout=60)
    assert b"Traceback" not in err
    # one that comes when everything is done and said ends a command as ever
    assert process.returncode in (0, 2, -signal.SIGINT)
    assert b"registered " in out or process.returncode < 0
    assert served.devices() == before or b"left on the target" in out


def test_who_ends_the_whole_group_ends_it_well(tmp_path: Path, served: Outside) -> None:
    before = served.devices()
    command = ("phones", "20", "--target", "target.yaml", "--processes", "2")
    with started(*command, cwd=tmp_path, own_group=True) as process:
        until(process, "all there")
        os.killpg(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in err) == (0, False)
    assert b"0 lost, 0 wrong" in out
    assert served.devices() == before


def test_a_record_that_cannot_be_kept(cli: CommandLine) -> None:
    done = cli("phones", "2", "--record", "/proc/nowhere", "--duration", "1", "--format", "json")
    assert shown(done)["error"]["message"].startswith("the Record cannot be kept: cannot write the Record into /proc")


def test_nobody_is_waited_for_who_was_never_heard(tmp_path: Path, served: Outside) -> None:
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 0))
    target = (tmp_path / "target.yaml").read_text(encoding="utf-8")
    there = served.ready["sip"]["udp"]
    (tmp_path / "deaf.yaml").write_text(target.replace(there, f"127.0.0.1:{deaf.getsockname()[1]}"), encoding="utf-8")
    command = ("phones", "3", "--target", "deaf.yaml", "--leave-within", "500")
    with deaf, started(*command, cwd=tmp_path) as process:
        until(process, "registering")
        deaf.recv(4096)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 2


def test_existing_devices_from_a_file(tmp_path: Path, served: Outside) -> None:
    devices = served.ready["devices"]
    lines = [f"{each['username']},{each['password']}" for each in devices]
    (tmp_path / "devices.csv").write_text("\n".join(["username,password", *lines]), encoding="utf-8")
    before = served.devices()
    options = ("--target", "target.yaml", "--credentials", "devices.csv", "--duration", 0.1, "--format", "json")
    document = shown(phones(tmp_path, len(devices), *options))
    assert (document["registered"], document["lost"]) == (len(devices), 0)
    assert served.devices() == before
    wrong = "\n".join(["username,password", f"{devices[0]['username']},not-the-password"])
    (tmp_path / "devices.csv").write_text(wrong, encoding="utf-8")
    done = phones(tmp_path, 1, *options)
    document = shown(done)
    assert (done.code, document["registered"], document["lost"]) == (1, 0, 1)
    assert document["wrong_parts"] == {"registration refused 401": 1}


def test_a_person_is_told(tmp_path: Path) -> None:
    done = phones(tmp_path, 3, "--watch", "--duration", 0.1)
    assert done.code == 0
    assert "registered   3 of 3" in done.out
    assert "lamps        3 off" in done.out
    assert "0 lost, 0 wrong" in done.out
    assert "registering\nall there\n" in done.err


USAGE: list[tuple[list[str], str]] = [
    (["0"], "0 is not in the range"),
    (["3", "--processes", "4"], "4 processes for 3 phones"),
    (["3", "--exercise", "--credentials", "x.csv"], "--exercise needs devices"),
    (["3", "--exercise", "--shared-socket"], "--exercise needs a socket for each phone"),
    (["1", "--exercise"], "--exercise needs two phones"),
    (["3", "--target", "nowhere.yaml"], "nowhere.yaml: no such file"),
    (["3", "--rate", "nan"], "nan is no number"),
    (["3", "--duration", "inf"], "inf is not in the range"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE)
def test_what_cannot_be(cli: CommandLine, arguments: list[str], said: str) -> None:
    done = cli("phones", *arguments, "--format", "json")
    document = shown(done)
    assert done.code == 4
    assert said in document["error"]["message"]
