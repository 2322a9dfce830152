"""Scenario files under pytest: what is collected, what runs, what a verdict becomes."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reports.record import read_record

SCENARIO = """\
title: An update with sync true is heard
clauses: [SYNC-02]
matrix: {{api: [v1, v2]}}
phones:
  desk: {{device: {{name: Desk}}}}
steps:
  - register: desk
  - control: desk
  - request: POST {{{{ desk.url }}}}
    data: "{{{{ desk.document | merge(sync={sync}) }}}}"
    reply: {{status: 200}}
  - expect: desk receives NOTIFY
    where: {{Event: check-sync}}
    exactly: 1
"""


def command(folder: Path, *arguments: str, cache: bool = False) -> list[str]:
    """pytest in a project that holds scenario files and nothing else, in virtual time unless `arguments` differ."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    words = [sys.executable, "-m", "pytest", "-p", "no:randomly", *([] if cache else ["-p", "no:cacheprovider"])]
    return [*words, "--ringproof-time=virtual", "-q", "-rA", *arguments]


def run_pytest(folder: Path, *arguments: str, cache: bool = False) -> subprocess.CompletedProcess[str]:
    """Run that command to its end."""
    words = command(folder, *arguments, cache=cache)
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def children(pid: int) -> set[int]:
    """All processes below `pid`."""
    found: set[int] = set()
    for line in subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    ):
        pair = line.split()
        if len(pair) == 2 and int(pair[1]) in found | {pid}:
            found.add(int(pair[0]))
    return found


def is_waiting(record: Path) -> bool:
    """Whether a case of the Record has come to its `wait`."""
    try:
        return '"text":"wait 60s","stimulus":false,"phase":"start"' in (record / "events.jsonl").read_text("utf-8")
    except OSError:
        return False


def until(reached: Callable[[], bool]) -> None:
    """Look again and again, for 60 s at most."""
    for _ in range(600):
        if reached():
            return
        threading.Event().wait(0.1)
    pytest.fail("it never came to that")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one sound scenario of two cases."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "good.scenario.yaml").write_text(SCENARIO.format(sync="true"), encoding="utf-8")
    return tmp_path


def test_each_case_is_an_item_and_passes(project: Path) -> None:
    done = run_pytest(project, "mine")
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
    assert "good[v1]" in done.stdout


def test_collect_only_runs_nothing(project: Path) -> None:
    done = run_pytest(project, "mine", "--collect-only")
    assert "2 tests collected" in done.stdout
    assert not (project / "out").exists()


def test_only_what_is_left_after_deselection_runs(project: Path) -> None:
    done = run_pytest(project, "mine", "-k", "v2")
    assert "1 passed, 1 deselected" in done.stdout
    events = (project / "out" / "latest" / "events.jsonl").read_text(encoding="utf-8")
    assert "mine/good[v2]" in events
    assert "mine/good[v1]" not in events


def test_a_broken_promise_fails_with_the_explanation_and_no_traceback(project: Path) -> None:
    (project / "mine" / "bad.scenario.yaml").write_text(SCENARIO.format(sync="false"), encoding="utf-8")
    done = run_pytest(project, "mine/bad.scenario.yaml")
    assert done.returncode == 1
    assert "2 failed" in done.stdout
    assert "desk received none" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_cannot_be_decided_is_an_error_not_a_failure(project: Path) -> None:
    text = SCENARIO.format(sync="true").replace("desk: {device: {name: Desk}}", "desk: {password: wrong-password}")
    (project / "mine" / "unclear.scenario.yaml").write_text(text, encoding="utf-8")
    done = run_pytest(project, "mine/unclear.scenario.yaml")
    assert done.returncode == 1
    assert "2 errors" in done.stdout
    assert "did not succeed" in done.stdout


def test_a_broken_file_is_a_collection_error_with_its_position(project: Path) -> None:
    text = SCENARIO.format(sync="true").replace("exactly: 1", "exactely: 1")
    (project / "mine" / "typo.scenario.yaml").write_text(text, encoding="utf-8")
    done = run_pytest(project, "mine/typo.scenario.yaml")
    assert done.returncode == 2
    assert "typo.scenario.yaml:14:5: unknown key 'exactely'" in done.stdout
    assert "did you mean 'exactly'?" in done.stdout


def test_an_unknown_profile_is_a_usage_error(project: Path) -> None:
    done = run_pytest(project, "mine", "--ringproof-profile", "9.9")
    assert done.returncode != 0
    assert "--ringproof-profile 9.9" in done.stdout + done.stderr


def test_what_is_skipped_says_why_at_the_scenario(project: Path) -> None:
    text = SCENARIO.format(sync="true").replace("clauses:", "profiles: ['4.3']\nclauses:")
    (project / "mine" / "old.scenario.yaml").write_text(text, encoding="utf-8")
    done = run_pytest(project, "mine/old.scenario.yaml")
    assert done.returncode == 0, done.stdout
    assert "SKIPPED [2] mine/old.scenario.yaml:1: it is about 4.3, not about documented" in done.stdout


def test_what_takes_long_by_the_clock_is_asked_for_in_options_of_pytest(project: Path) -> None:
    text = SCENARIO.format(sync="true").replace("matrix:", "takes: 11s\nmatrix:")
    (project / "mine" / "long.scenario.yaml").write_text(text, encoding="utf-8")
    done = run_pytest(project, "mine/long.scenario.yaml", "--ringproof-time=real")
    assert "it waits for 11 s: --ringproof-slow runs it, --ringproof-time virtual too" in done.stdout
    done = run_pytest(project, "mine/long.scenario.yaml", "--ringproof-time=real", "--ringproof-slow")
    assert "2 passed" in done.stdout, done.stdout


def test_junit_has_verdict_and_clauses_as_properties(project: Path) -> None:
    (project / "mine" / "bad.scenario.yaml").write_text(SCENARIO.format(sync="false"), encoding="utf-8")
    done = run_pytest(project, "mine", "--junitxml=junit.xml")
    assert done.returncode == 1
    found = {
        case.get("name"): {each.get("name"): each.get("value") for each in case.iter("property")}
        for case in ElementTree.parse(project / "junit.xml").iter("testcase")
    }
    assert found["good[v1]"] == {"verdict": "pass", "clauses": "SYNC-02"}
    assert found["bad[v2]"] == {"verdict": "fail", "clauses": "SYNC-02"}


def test_the_line_to_run_it_again_does_that(project: Path) -> None:
    (project / "mine" / "bad.scenario.yaml").write_text(SCENARIO.format(sync="false"), encoding="utf-8")
    done = run_pytest(project, "mine/bad.scenario.yaml", "-k", "v2", "--ringproof-seed=7")
    [line] = {line.split("again", 1)[1] for line in done.stdout.splitlines() if line.startswith("  again ")}
    words = shlex.split(line)
    assert words[0] == "pytest"
    again = run_pytest(project, *words[1:])
    assert "1 failed" in again.stdout
    assert "bad[v2]" in again.stdout
    assert "--ringproof-seed=7" in line


def test_x_stops_and_nothing_stays_open(project: Path) -> None:
    (project / "mine" / "bad.scenario.yaml").write_text(SCENARIO.format(sync="false"), encoding="utf-8")
    done = run_pytest(project, "mine", "-x")
    assert "1 failed" in done.stdout
    assert "passed" not in done.stdout.splitlines()[-1]
    events = (project / "out" / "latest" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(events[-1])["kind"] == "footer"


def test_two_files_may_not_name_the_same_case(project: Path) -> None:
    (project / "other" / "mine").mkdir(parents=True)
    text = SCENARIO.format(sync="true")
    (project / "other" / "mine" / "good.scenario.yaml").write_text(text, encoding="utf-8")
    done = run_pytest(project, "mine", "other")
    assert done.returncode == 2
    assert "case mine/good[v1] is also in mine/good.scenario.yaml" in done.stdout


def test_last_failed_runs_what_failed(project: Path) -> None:
    (project / "mine" / "bad.scenario.yaml").write_text(SCENARIO.format(sync="false"), encoding="utf-8")
    run_pytest(project, "mine", cache=True)
    done = run_pytest(project, "mine", "--lf", cache=True)
    assert "2 failed" in done.stdout
    assert "passed" not in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("dist", ["load", "worksteal"])
def test_every_worker_of_xdist_begins_all_its_cases_at_once(project: Path, dist: str) -> None:
    for number in range(5):
        text = SCENARIO.format(sync="true")
        (project / "mine" / f"more{number}.scenario.yaml").write_text(text, encoding="utf-8")
    done = run_pytest(project, "mine", "-n2", f"--dist={dist}")
    assert done.returncode == 0, done.stdout
    assert "12 passed" in done.stdout
    records = [read_record(project / "out" / name / "latest") for name in ("gw0", "gw1")]
    began = [event["case"] for record in records for event in record.events if event["kind"] == "case"]
    assert len(set(began)) == 12
    assert dist == "worksteal" or len(began) == 12
    assert {record.header["seed"] for record in records} == {records[0].header["seed"]}
    if dist == "load":
        # what is in the header was known when the first item began
        assert sorted(case for record in records for case in record.header["cases"]) == sorted(began)


def started(words: list[str], folder: Path) -> subprocess.Popen[str]:
    """The command in a process group of its own, as a terminal has it."""
    return subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def test_the_server_does_not_outlive_a_pytest_that_was_killed(project: Path) -> None:
    slow = SCENARIO.format(sync="true").replace("  - control: desk\n", "  - control: desk\n  - wait: 60s\n")
    (project / "mine" / "good.scenario.yaml").write_text(slow, encoding="utf-8")
    process = started(command(project, "mine", "--ringproof-time=real"), project)
    try:
        until(lambda: is_waiting(project / "out" / "latest") or process.poll() is not None)
        below = children(process.pid)
    finally:
        process.kill()
        process.communicate()
    assert below
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_interrupt_leaves_nothing_behind(project: Path, workers: int) -> None:
    slow = SCENARIO.format(sync="true").replace("  - control: desk\n", "  - control: desk\n  - wait: 60s\n")
    (project / "mine" / "good.scenario.yaml").write_text(slow, encoding="utf-8")
    out = project / "out"
    records = [out / f"gw{number}" / "latest" for number in range(workers)] or [out / "latest"]
    words = command(project, "mine", f"-n{workers}", "--ringproof-time=real")
    process = started(words, project)
    try:
        until(lambda: all(is_waiting(record) for record in records) or process.poll() is not None)
        below = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, said
    assert len(below) >= 1 + workers  # each run has a server
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    for record in records:
        events = read_record(record).events
        assert events[-1]["kind"] == "footer"
        assert events[-1]["interrupted"]
        assert not [event for event in events if event["kind"] == "left"]
        assert [event for event in events if event["kind"] == "request" and event["role"] == "cleanup"]
