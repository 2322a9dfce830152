"""Allure 3 makes a report of our results, from both ways of writing them, and loses nothing on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.clauses import SCENARIOS
from tests.harness.test_pytest_bridge import SCENARIO

pytestmark = [pytest.mark.interop, pytest.mark.timeout(280)]

UNDECIDED = SCENARIO.replace("desk: {{device: {{name: Desk}}}}", "desk: {{password: wrong}}")
SKIPPED = "profiles: ['4.3']\n" + SCENARIO


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with cases of every status, and two chapters of the shipped suite."""
    mine = tmp_path / "mine"
    mine.mkdir()
    texts = {"good": SCENARIO, "bad": SCENARIO, "unclear": UNDECIDED, "elsewhere": SKIPPED}
    for name, text in texts.items():
        sync = "false" if name == "bad" else "true"
        (mine / f"{name}.scenario.yaml").write_text(text.format(sync=sync), encoding="utf-8")
    for chapter in ("presence", "sync"):
        (tmp_path / chapter).symlink_to(SCENARIOS / chapter)
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return tmp_path


def by_run(project: Path) -> None:
    words = ["-m", "harness.cli", "run", "mine", "presence", "sync", "--time", "virtual"]
    subprocess.run([sys.executable, *words, "--alluredir", "results"], cwd=project, capture_output=True, check=False)


def by_pytest(project: Path) -> None:
    words = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "mine", "presence", "sync", "--ringproof-time=virtual"]
    subprocess.run([sys.executable, *words, "--alluredir", "results"], cwd=project, capture_output=True, check=False)


def count(steps: Iterable[dict[str, Any]]) -> int:
    """The steps among `steps`, however deep."""
    return sum(step.get("type", "step") == "step" and 1 + count(step.get("steps", [])) for step in steps)


def told(result: dict[str, Any]) -> tuple[str, str, int]:
    return result["fullName"] + result["name"], result["status"], count(result["steps"])


@pytest.mark.parametrize("way", [by_run, by_pytest])
def test_allure_generates_a_report_of_everything(allure: str, project: Path, way: Any) -> None:
    way(project)
    written = [json.loads(path.read_text("utf-8")) for path in (project / "results").glob("*-result.json")]
    done = subprocess.run(
        [allure, "generate", "results", "-o", "report"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "HOME": str(project)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = [json.loads(path.read_text("utf-8")) for path in (project / "report/data/test-results").glob("*.json")]
    assert sorted(map(told, shown)) == sorted(map(told, written))
    mine = [each["status"] for each in shown if each["fullName"].startswith("mine/")]
    assert sorted(mine) == ["broken"] * 2 + ["failed"] * 2 + ["passed"] * 2 + ["skipped"] * 2
    assert len(shown) > 50
    summary = json.loads((project / "report/summary.json").read_text("utf-8"))
    assert summary["stats"]["total"] == len(written)
    links = [each["link"] for result in shown for each in result["attachments"]]
    assert links
    assert not [link for link in links if link["missed"]]
