"""Files of one's own: run, run again, and told from the shipped ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.loader import SUFFIX, shipped
from tests.end_to_end.conftest import CommandLine

BROKEN = ("--mutant", "stuck-after-cancel", "--time", "virtual", "--format", "json")


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A scenario file that is not shipped, one that this mutant breaks."""
    [original] = [file for file in shipped() if file.name == f"caller-gives-up{SUFFIX}"]
    file = tmp_path / "mine" / f"gives-up{SUFFIX}"
    file.parent.mkdir()
    file.write_text(original.read_text(encoding="utf-8"), encoding="utf-8")
    return f"mine/gives-up{SUFFIX}"


def test_what_failed_last_is_run_again_wherever_its_file_is(cli: CommandLine, mine: str) -> None:
    first = cli("run", mine, "sync/flag-true[v2-http]", *BROKEN)
    assert first.code == 4  # an address of ours is none of that file
    first = cli("run", mine, *BROKEN)
    assert [case["verdict"] for case in first.document["cases"]] == ["fail"]
    again = cli("run", "--last-failed", *BROKEN)
    assert (again.code, [case["address"] for case in again.document["cases"]]) == (1, ["mine/gives-up"])
    other = cli("run", "sync/flag-true", "--last-failed", *BROKEN)
    assert other.code == 4
    assert "none of the 1 cases that were not fine in the last run is selected" in other.document["error"]["message"]


def test_an_address_of_ones_own_is_told_how_to_be_said(cli: CommandLine, mine: str) -> None:
    done = cli("run", "mine/gives-up", *BROKEN)
    assert done.code == 4
    assert done.document["error"]["hint"] == f"a file of your own is named by its path: {mine}"


def test_a_seed_alone_is_no_run(cli: CommandLine, mine: str, tmp_path: Path) -> None:
    """The Record of another run with the same seed stays; the same run again replaces its own."""
    runs = [(mine,), ("lamps/caller-gives-up",), (mine,), ("lamps/caller-gives-up", "--profile", "4.3")]
    for each in runs:
        cli("run", *each, "--seed", "5", "--time", "virtual")
    folders = sorted(path for path in (tmp_path / "out").iterdir() if path.name != "latest")
    first = folders[0].name
    assert [path.name for path in folders] == [first, f"{first}-2", f"{first}-3"]
    headers = [json.loads((path / "events.jsonl").read_text(encoding="utf-8").partition("\n")[0]) for path in folders]
    assert [header["cases"][0].partition("/")[0] for header in headers] == ["mine", "lamps", "lamps"]


def test_a_failure_says_which_step_and_which_call(cli: CommandLine, mine: str) -> None:
    [case] = cli("run", mine, *BROKEN).document["cases"]
    line = Path(mine).read_text(encoding="utf-8").splitlines()[case["line"] - 1]
    assert (case["step"], "goes: [off, ringing, off]" in line) == ("8", True)
    assert case["trace"][-1].startswith(f"{case['label']}-caller-")
    assert f"{mine}:{case['line']}, step 8" in cli("report", "out/latest").out


def test_mutants_are_selected_elsewhere(cli: CommandLine) -> None:
    done = cli("list", "--mutants", "SIP-15")
    assert done.code == 4
    assert "ringproof mutants --list SIP-15" in done.err
