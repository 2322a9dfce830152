"""`pytest --alluredir` and `ringproof run --alluredir` write the same of the same cases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.harness.test_pytest_bridge import SCENARIO, run_pytest

PYTHON = """
def test_save(phone, target):
    "A phone is told."
    phone.register()
    phone.control()
    target.api.post(f"{phone.url}/sync")
    phone.expect("NOTIFY", event="check-sync", exactly=1)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two files of two cases each, one sound and one broken."""
    (tmp_path / "mine").mkdir()
    for name, sync in (("good", "true"), ("bad", "false")):
        (tmp_path / "mine" / f"{name}.scenario.yaml").write_text(SCENARIO.format(sync=sync), encoding="utf-8")
    return tmp_path


def results(folder: Path) -> dict[str, Any]:
    """Name to result."""
    found = [json.loads(path.read_text("utf-8")) for path in folder.glob("*-result.json")]
    assert len({each["name"] for each in found}) == len(found)
    return {each["name"]: each for each in found}


def shape(result: Any) -> Any:
    """What does not depend on when and under which seed a case ran."""
    steps = [
        (step["name"], step["status"], [part["status"] for part in step.get("steps", [])]) for step in result["steps"]
    ]
    same = {
        key: result.get(key) for key in ("name", "status", "fullName", "historyId", "testCaseId", "labels", "links")
    }
    attachments = [(each["name"], each["type"]) for each in result["attachments"]]
    matrix = [each for each in result["parameters"] if not each.get("excluded")]
    return same, steps, attachments, matrix, result.get("statusDetails", {}).get("message")


@pytest.mark.parametrize("workers", [0, 2])
def test_both_ways_say_the_same(project: Path, workers: int) -> None:
    command = [sys.executable, "-m", "harness.cli", "run", "mine", "--time", "virtual", "--alluredir", "run"]
    subprocess.run(command, cwd=project, capture_output=True, timeout=100, check=False)
    done = run_pytest(project, "mine", "--alluredir=pytest", f"-n{workers}")
    assert "2 failed, 2 passed" in done.stdout
    ours, theirs = results(project / "run"), results(project / "pytest")
    assert ours.keys() == theirs.keys() == {"good[v1]", "good[v2]", "bad[v1]", "bad[v2]"}
    for name in ours:
        assert shape(ours[name]) == shape(theirs[name])
    assert {name: each["status"] for name, each in theirs.items()} == {
        "good[v1]": "passed",
        "good[v2]": "passed",
        "bad[v1]": "failed",
        "bad[v2]": "failed",
    }


def test_times_are_the_records_and_files_are_there(project: Path) -> None:
    run_pytest(project, "mine", "--alluredir=pytest")
    for result in results(project / "pytest").values():
        # virtual time begins in 2015
        assert 1_420_070_400_000 <= result["start"] < result["stop"] < 1_420_080_000_000
        assert all(result["start"] <= step["start"] <= step["stop"] <= result["stop"] for step in result["steps"])
        for attachment in result["attachments"]:
            assert (project / "pytest" / attachment["source"]).stat().st_size


def test_a_python_test_keeps_its_name_and_shows_its_steps(project: Path) -> None:
    (project / "test_mine.py").write_text(PYTHON, encoding="utf-8")
    run_pytest(project, "test_mine.py", "--alluredir=pytest")
    result = results(project / "pytest")["test_save"]
    assert result["status"] == "passed"
    assert result["description"] == "A phone is told."
    assert [step["name"].split(" ")[1] for step in result["steps"]] == [
        "up",
        "register",
        "control",
        "request",
        "expect",
        "up",
    ]
    assert {"ladder", "HTTP", "case.pcapng"} <= {each["name"] for each in result["attachments"]}


def test_without_the_option_nothing_of_allure_is_imported(project: Path) -> None:
    (project / "conftest.py").write_text(
        "import sys\n\n\ndef pytest_sessionfinish():\n    print(sorted(sys.modules.keys() & {'reports.allure'}))\n"
    )
    done = run_pytest(project, "mine/good.scenario.yaml", "-s")
    assert "[]" in done.stdout


def test_the_missing_extra_is_named(project: Path) -> None:
    script = "import sys; sys.modules['allure_commons'] = None; from harness.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "run", "mine", "--time", "virtual", "--alluredir", "run"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 4
    assert "pip install 'ringproof[allure]'" in done.stdout + done.stderr
    assert not (project / "out").exists()
