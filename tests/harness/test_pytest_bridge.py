"""Scenario files under pytest: what is collected, what runs, what a verdict becomes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest in a project that holds scenario files and nothing else, in virtual time."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "--ringproof-time=virtual",
    ]
    command += ["-q", "-rA", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


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
