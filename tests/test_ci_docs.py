"""The examples for CI: what the files say is what those systems read, and every command in them runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness.baseline import BaselineFile
from harness.commands.exporting import EXPORTS
from harness.yaml_file import load, validated
from tests.end_to_end.support import ringproof

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def example(name: str) -> Any:
    """The YAML file that begins with its name."""
    [block] = [block for kind, block in BLOCKS if kind == "yaml" and block.startswith(f"# {name}\n")]
    return yaml.safe_load(block)


def steps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = example(".github/workflows/ringproof.yml")["jobs"]["promises"]["steps"]
    return found


def commands() -> list[list[str]]:
    """Every `ringproof` command of the examples; first the one that writes what the others read."""
    lines = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
    lines += [step["run"] for step in steps() if "run" in step]
    lines += example(".gitlab-ci.yml")["ringproof"]["script"]
    return [shlex.split(line) for line in lines if line.startswith("ringproof ")]


def option(command: list[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_the_workflow_for_github() -> None:
    workflow = example(".github/workflows/ringproof.yml")
    # YAML 1.1 reads the key `on` as true
    assert workflow[True].keys() == {"push", "pull_request", "schedule"}
    [cron] = workflow[True]["schedule"]
    assert len(cron["cron"].split()) == 5
    [job] = workflow["jobs"].values()
    assert isinstance(job["timeout-minutes"], int)
    for step in job["steps"]:
        assert len({"run", "uses"} & step.keys()) == 1
        assert step.keys() <= {"name", "run", "uses", "with", "env", "if"}
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))
    numbers = {("run" in step and step["run"].split()[0]) or step["uses"]: n for n, step in enumerate(steps())}
    command = shlex.split(steps()[numbers["ringproof"]]["run"])
    # what comes behind a red run has to run all the same
    after = steps()[numbers["ringproof"] + 1 :]
    assert {step["if"] for step in after} == {"${{ !cancelled() }}"}
    show, keep = after
    assert show["run"] == f'cat {option(command, "--markdown")} >> "$GITHUB_STEP_SUMMARY"'
    assert all(option(command, name).startswith(f"{keep['with']['path']}/") for name in ("--junit", "--badge"))


def test_the_pipeline_for_gitlab() -> None:
    pipeline = example(".gitlab-ci.yml")
    [job] = pipeline.values()
    assert job.keys() == {"image", "timeout", "script", "artifacts"}
    assert all(isinstance(line, str) for line in job["script"])
    command = shlex.split(job["script"][-1])
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": option(command, "--junit")}
    assert all(
        option(command, name).startswith(job["artifacts"]["paths"][0]) for name in ("--junit", "--markdown", "--badge")
    )


def test_the_example_of_a_baseline(tmp_path: Path) -> None:
    [block] = [block for kind, block in BLOCKS if block.startswith("# known.yaml\n")]
    path = tmp_path / "known.yaml"
    path.write_text(block)
    [entry] = validated(load(path), BaselineFile).deviations
    assert (entry.clause, entry.case, entry.profile) == ("SYNC-03", "sync/flag-false", "3.22")


def test_every_option_is_described() -> None:
    assert {name for name in EXPORTS if f"| `--{name} " not in TEXT} == set()


@pytest.mark.timeout(240)
def test_every_command_runs(tmp_path: Path) -> None:
    found = commands()
    assert [command[1] for command in found] == ["run", "run", "run", "diff", "run", "run"]
    for _, name, *arguments in found:
        virtual = ["--time", "virtual", "--seed", "1"] if name == "run" else []
        done = ringproof(name, *arguments, *virtual, cwd=tmp_path, env={"CI": "true", "FORCE_COLOR": "1"})
        assert (done.code, done.err) == (0, ""), done.out
        assert not set(done.out) & set("\r\x1b")
    for name in ("junit.xml", "summary.md", "badge.json", "badge.svg"):
        assert (tmp_path / "out" / name).stat().st_size
    assert int(ElementTree.parse(tmp_path / "out" / "junit.xml").getroot().get("tests", 0)) > 200
    assert yaml.safe_load((tmp_path / "known.yaml").read_text()) == {"deviations": []}
