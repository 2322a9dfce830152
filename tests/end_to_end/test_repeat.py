"""Many rounds with one seed after the other, until one is not fine; and what takes long by the clock."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from harness.commands.run import _numbers
from harness.documents import PRINTED, RunDocument
from reports.record import read_record
from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.support import Done, line_of, started
from tests.harness.files import write

SCENARIO = """\
title: A device takes the name of the run
clauses: [API-01]
phones:
  desk:
steps:
  - register: desk
  - request: PATCH {{ desk.url }}
    data: {name: "{{ run }}"}
    reply: {status: 200, json: {data.name: NAME}}
"""
VIRTUAL = ("--time", "virtual", "--seed", "5")


def scenario(folder: Path, name: str = "present") -> Path:
    """A scenario file that fails in the run called `name` of `{not: name}`, or never."""
    return write(folder, SCENARIO.replace("NAME", name))


def document(done: Done) -> dict[str, Any]:
    """The document that was printed, as it must be."""
    TypeAdapter(PRINTED["run"]).validate_python(done.document)
    found: dict[str, Any] = done.document
    return found


@pytest.fixture
def runs(cli: CommandLine, tmp_path: Path) -> list[str]:
    """The ids of the runs with the seeds 5, 6, 7."""
    done = cli("run", scenario(tmp_path), *VIRTUAL, "--repeat", "3", "--format", "json")
    found = document(done)
    assert done.code == found["exit_code"] == 0
    assert [(each["seed"], each["exit_code"]) for each in found["rounds"]] == [(5, 0), (6, 0), (7, 0)]
    assert [each["verdicts"]["pass"] for each in found["rounds"]] == [1, 1, 1]
    assert (found["seed"], found["run"]) == (7, found["rounds"][-1]["run"])
    return [each["run"] for each in found["rounds"]]


def test_each_round_has_a_seed_and_a_record_of_its_own(runs: list[str], tmp_path: Path) -> None:
    assert len(set(runs)) == 3
    for seed, run in enumerate(runs, 5):
        record = read_record(tmp_path / "out" / run)
        assert (record.cut, record.header["seed"]) == ("", seed)


def test_one_round_is_no_rounds(cli: CommandLine, tmp_path: Path) -> None:
    for more in ((), ("--repeat", "1")):
        found = document(cli("run", scenario(tmp_path), *VIRTUAL, *more, "--format", "json"))
        assert found["rounds"] == []


def test_the_worst_round_is_shown(cli: CommandLine, tmp_path: Path, runs: list[str]) -> None:
    path = scenario(tmp_path, f"{{not: {runs[1]}}}")
    done = cli("run", path, *VIRTUAL, "--repeat", "3", "--format", "json")
    found = document(done)
    assert done.code == found["exit_code"] == 1
    assert [each["exit_code"] for each in found["rounds"]] == [0, 1, 0]
    assert (found["seed"], found["run"], found["cases"][0]["verdict"]) == (6, runs[1], "fail")
    done = cli("run", path, *VIRTUAL, "--repeat", "3")
    lines = done.out.splitlines()
    assert [line for line in lines if line.startswith("round ")] == [
        "round 1, seed 5: 1 pass",
        "round 2, seed 6: 1 fail",
        "round 3, seed 7: 1 pass",
    ]
    assert "2 of 3 rounds were fine; shown is seed 6" in lines
    assert "--seed 6 --time virtual" in next(line for line in lines if line.startswith("  again"))
    assert done.code == 1


@pytest.mark.parametrize("most", [(), ("--repeat", "50")])
def test_it_goes_on_until_a_round_is_not_fine(
    cli: CommandLine, tmp_path: Path, runs: list[str], most: tuple[str, ...]
) -> None:
    path = scenario(tmp_path, f"{{not: {runs[1]}}}")
    done = cli("run", path, *VIRTUAL, "--until-fail", *most, "--format", "json")
    found = document(done)
    assert done.code == 1
    assert [(each["seed"], each["exit_code"]) for each in found["rounds"]] == [(5, 0), (6, 1)]
    assert found["run"] == runs[1]


def test_until_fail_ends_with_the_rounds_that_were_asked_for(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("run", scenario(tmp_path), *VIRTUAL, "--until-fail", "--repeat", "2", "--format", "json")
    assert (done.code, len(document(done)["rounds"])) == (0, 2)


def test_alone_it_has_no_end() -> None:
    assert next(number for number in _numbers(None, until_fail=True) if number > 10**6)
    assert list(_numbers(None, until_fail=False)) == [0]
    assert list(_numbers(3, until_fail=True)) == list(_numbers(3, until_fail=False)) == [0, 1, 2]


def test_an_interrupt_ends_all_rounds(tmp_path: Path) -> None:
    with started("run", scenario(tmp_path), *VIRTUAL, "--until-fail", cwd=tmp_path) as process:
        while not line_of(process.stdout).startswith("round 2"):
            pass
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 2
    assert b"interrupted: what was created has been removed\n" in out
    assert b" rounds were fine; shown is seed " in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--repeat", "0"), "'--repeat'"),
        (("--repeat", "many"), "'--repeat'"),
    ],
)
def test_bad_usage(cli: CommandLine, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = cli("run", scenario(tmp_path), *arguments)
    assert done.code == 4
    assert said in done.err


# --- what takes long -------------------------------------------------------------------------------------------------

SLOW = SCENARIO.replace("phones:", "takes: 11s\nphones:").replace("NAME", "absent")


def test_what_waits_long_by_the_clock_runs_when_it_is_asked_for(cli: CommandLine, tmp_path: Path) -> None:
    path = write(tmp_path, SLOW)
    done = cli("run", path, "--seed", "5", "--format", "json")
    found = document(done)
    assert (done.code, found["cases"][0]["verdict"]) == (5, "skipped")
    assert found["cases"][0]["reason"] == "it waits for 11 s: --slow runs it, --time virtual too"
    done = cli("run", path, "--seed", "5", "--slow")
    assert done.code == 1
    assert done.out.count("--seed 5 --slow") == 1, "whoever runs it again has to say so, too"
    assert cli("run", path, *VIRTUAL).code == 1


def test_what_waits_ten_seconds_at_most_always_runs(cli: CommandLine, tmp_path: Path) -> None:
    path = write(tmp_path, SLOW.replace("11s", "10s").replace("absent", "present"))
    assert cli("run", path).code == 0


def test_the_documents_have_a_schema(cli: CommandLine) -> None:
    for name, model in (("run", RunDocument), ("watch", None)):
        done = cli("schema", name)
        assert done.code == 0
        assert done.document["title"] == f"ringproof {name}"
        assert model is None or model.__name__ in done.document["$defs"]
