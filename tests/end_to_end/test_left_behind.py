"""Whatever happens, what a run has created is gone afterwards: seen from outside, by somebody else's client."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import pytest

from reports.record import EVENTS, Record, read_record
from tests.end_to_end.conftest import Served
from tests.end_to_end.support import RINGPROOF, in_shell, line_of, ringproof, started, wait_until

ACCOUNTS = """\
title: An account of its own, with devices, and a promise that is broken
clauses: [SYNC-01]
isolation: account
phones:
  desk: {device: {name: Desk}}
  child: {account: child}
steps:
  - register: desk
  - request: PUT {{ account.url }}/devices
    data: {name: made by a step}
    reply: {status: 201}
  - request: GET {{ desk.url }}
    reply: {status: 500}
"""
WAITING = """\
title: Waits until somebody interrupts
clauses: [SYNC-01]
isolation: account
matrix: {api: [v1, v2]}
phones:
  desk: {device: {name: Desk}}
steps:
  - register: desk
  - request: PUT {{ account.url }}/devices
    data: {name: made by a step}
    reply: {status: 201}
  - wait: 1h
  - expect: desk receives NOTIFY
"""


def created(record: Record) -> set[str]:
    """Paths of what a run has created, from its requests and their replies."""
    requests = {event["id"]: event for event in record.events if event["kind"] == "request"}
    paths = set()
    for event in record.events:
        if event["kind"] != "reply" or event["error"] or event["status"] != 201:
            continue
        path = re.sub(r"^https?://[^/]+", "", requests[event["id"]]["url"])
        identifier = json.loads(event["body"])["data"].get("id")
        if path.endswith("/devices") and identifier:
            paths.add(f"{path}/{identifier}")
        elif re.fullmatch(r"/v\d/accounts/\w+", path) and identifier:
            paths.add(f"/v2/accounts/{identifier}")
    return paths


def gone(served: Served, record: Record, *, at_least: int) -> None:
    paths = created(record)
    assert len(paths) >= at_least
    for path in sorted(paths):
        assert served.outside.get(path).status == 404, path


@pytest.fixture
def before(served: Served) -> dict[str, list[str]]:
    return served.outside.devices()


def test_after_a_run(served: Served, before: dict[str, list[str]], tmp_path: Path) -> None:
    done = ringproof("run", "sync/flag-true", "sync/flag-in-create", "--target", served.target, cwd=tmp_path)
    assert done.code == 0, done.out
    gone(served, read_record(tmp_path / "out" / "latest"), at_least=8)
    assert served.outside.devices() == before


def test_after_a_failing_case(served: Served, before: dict[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "broken.scenario.yaml").write_text(ACCOUNTS)
    done = ringproof("run", "broken.scenario.yaml", "--target", served.target, cwd=tmp_path)
    assert done.code == 1, done.out
    assert "the status is 200" in done.out
    gone(served, read_record(tmp_path / "out" / "latest"), at_least=5)
    assert served.outside.devices() == before


def test_after_an_error_of_our_own(served: Served, before: dict[str, list[str]], tmp_path: Path) -> None:
    text = ACCOUNTS.partition("  - request: GET")[0] + "  - send: {phone: desk, hex: '{{ run }}zz'}\n"
    (tmp_path / "error.scenario.yaml").write_text(text)
    done = ringproof("run", "error.scenario.yaml", "--target", served.target, cwd=tmp_path)
    assert done.code == 3, done.out
    assert "send: hex" in done.out
    gone(served, read_record(tmp_path / "out" / "latest"), at_least=5)
    assert served.outside.devices() == before


def test_after_an_interrupt(served: Served, before: dict[str, list[str]], tmp_path: Path) -> None:
    (tmp_path / "waiting.scenario.yaml").write_text(WAITING)
    command = ("run", "waiting.scenario.yaml", "-v", "--target", str(served.target))
    with started(*command, cwd=tmp_path) as process:
        waiting = 0
        while waiting < 2:
            line = line_of(process.stdout)
            assert line, "the run has ended before it could be interrupted"
            waiting += "step 3: wait 1h" in line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2, err.decode()
    assert b"interrupted" in out
    assert b"Traceback" not in out + err
    record = read_record(tmp_path / "out" / "latest")
    assert record.cut == ""
    assert record.footer is not None
    assert record.footer["interrupted"] is True
    gone(served, record, at_least=6)
    assert served.outside.devices() == before
    report = ringproof("report", "out/latest", cwd=tmp_path)
    assert report.code == 2
    assert "inconclusive waiting[v1]" in re.sub(r" +\S*/", " ", report.out)


@pytest.mark.parametrize("role", ["setup", "cleanup", "stimulus", "control", "fence"])
def test_after_an_interrupt_at_any_time(
    served: Served, before: dict[str, list[str]], tmp_path: Path, role: str
) -> None:
    """The first request of a role is on its way, or just answered, when the interrupt comes."""
    with started("run", "sync/flag-true", "sync/path-moved", "--target", served.target, cwd=tmp_path) as process:
        line_of(process.stdout)
        [events] = wait_until(lambda: list((tmp_path / "out").glob(f"latest/{EVENTS}")))
        wait_until(lambda: f'"role":"{role}"' in events.read_text())
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert b"Traceback" not in out + err, err.decode()
    assert process.returncode == 2, out.decode()
    record = read_record(tmp_path / "out" / "latest")
    assert record.cut == ""
    gone(served, record, at_least=0)
    assert served.outside.devices() == before
    assert ringproof("report", "out/latest", "--verdicts-only", cwd=tmp_path).code == 2


def test_after_the_disk_is_full(served: Served, before: dict[str, list[str]], tmp_path: Path) -> None:
    """A limit on the size of files is what a test can have of a full disk."""
    for blocks in ("8", "32"):
        command = shlex.join([*RINGPROOF, "run", "sync/flag-true", "--target", str(served.target)])
        done = in_shell(f"trap '' XFSZ; ulimit -f {blocks}; exec {command}", tmp_path)
        assert done.code == 3, done.out + done.err
        assert "ringproof: cannot write the Record into" in done.out
        assert "File too large" in done.out
        assert "Traceback" not in done.out + done.err
        assert served.outside.devices() == before


@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGTERM,),
        (signal.SIGHUP,),
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT),
    ],
    ids=lambda signals: "-".join(each.name for each in signals),
)
def test_after_any_signal_and_after_many(
    served: Served, before: dict[str, list[str]], tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    """A CI kills by TERM, a terminal that is closed by HUP, and people press Ctrl-C more than once."""
    with started("run", "sync", "--target", served.target, cwd=tmp_path) as process:
        [events] = wait_until(lambda: list((tmp_path / "out").glob(f"latest/{EVENTS}")))
        wait_until(lambda: '"role":"stimulus"' in events.read_text())
        for number in signals:
            process.send_signal(number)
            wait_until(lambda: '"interrupted"' in events.read_text())
        out, err = process.communicate(timeout=60)
    assert b"Traceback" not in out + err, err.decode()
    assert process.returncode == 2, out.decode()
    gone(served, read_record(tmp_path / "out" / "latest"), at_least=10)
    assert served.outside.devices() == before
