"""What a run writes for other tools: from the Record alone, the same twice, and never at the price of the verdict."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness.commands.exporting import EXPORTS
from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.test_command_line import valid

FILES = {"junit": "junit.xml", "markdown": "summary.md", "csv": "clauses.csv", "pcapng": "run.pcapng"}
RED = ("sync/flag-false", "--mutant", "sync-ignores-flag", "--time", "virtual", "--seed", "7")


def options(folder: str) -> list[str]:
    given = [part for name, file in FILES.items() for part in (f"--{name}", f"{folder}/{file}")]
    return [*given, "--badge", f"{folder}/badge.json", "--badge", f"{folder}/badge.svg"]


def octets(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_every_export_is_tested_here() -> None:
    assert EXPORTS.keys() >= FILES.keys() | {"badge"}


def test_run_and_report_write_the_same_octets(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("run", *RED, *options("new/first"))
    assert done.code == 1, done.err
    again = cli("report", "out/latest", *options("second"))
    assert (again.code, again.err) == (1, "")
    other = cli("run", *RED, *options("third"), "--out", "other")
    assert other.code == 1
    first = octets(tmp_path / "new" / "first")
    assert set(first) == {*FILES.values(), "badge.svg"}
    assert first == octets(tmp_path / "second") == octets(tmp_path / "third")
    assert "JUnit: new/first/junit.xml\n" in done.out
    root = ElementTree.fromstring(first["junit.xml"])
    assert (root.get("tests"), root.get("failures")) == ("4", "4")
    again_line = "ringproof run 'sync/flag-false[v1-http]' --seed 7 --mutant sync-ignores-flag --time virtual"
    assert again_line in first["junit.xml"].decode()
    assert str(tmp_path) not in str(first)
    rows = list(csv.DictReader(first["clauses.csv"].decode().splitlines()))
    assert {row["id"]: row["verdict"] for row in rows}["SYNC-03"] == "fail"


def test_a_badge_as_json(cli: CommandLine, tmp_path: Path) -> None:
    assert cli("run", *RED, "--badge", "badge.json").code == 1
    assert json.loads((tmp_path / "badge.json").read_text())["message"] == "4 of 4 fail"


@pytest.mark.parametrize("name", ["badge.png", "badge"])
def test_a_badge_of_no_known_kind_is_refused_before_the_run(cli: CommandLine, tmp_path: Path, name: str) -> None:
    done = cli("run", *RED, "--badge", name)
    assert (done.code, done.out) == (4, "")
    assert "a name that ends in .json or .svg is wanted" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_what_cannot_be_written_is_our_error_and_the_verdict_is_told(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bad = ["--csv", "/dev/full", "--junit", "file/j.xml", "--markdown", "s.md", "--write-baseline", "/dev/full"]
    for command in (["run", *RED], ["report", "out/latest"]):
        wanted = bad if command[0] == "run" else bad[:-2]
        done = cli(*command, *wanted)
        assert done.code == 3
        assert done.err.splitlines()[:2] == [
            "ringproof: cannot write JUnit into file/j.xml: Not a directory",
            "ringproof: cannot write clauses into /dev/full: No space left on device",
        ]
        assert len(done.err.splitlines()) == (3 if command[0] == "run" else 2)
        assert "4 fail" in done.out
        assert (tmp_path / "s.md").exists()
        as_json = valid(command[0], cli(*command, *wanted, "--format", "json"))
        assert as_json["error"]["message"].startswith("cannot write JUnit into file/j.xml: Not a directory; cannot")
        assert as_json["verdicts"]["fail"] == 4
        (tmp_path / "s.md").unlink()


def test_standard_output_holds_the_document_alone(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("run", *RED, "--junit", "j.xml", "--format", "json")
    assert valid("run", done)["exit_code"] == 1
    assert "JUnit: j.xml" in done.err


# --- known deviations -------------------------------------------------------------------------------------------------


@pytest.fixture
def known(cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline that a run has written."""
    monkeypatch.setattr("harness.baseline.today", lambda: date(2026, 11, 25))
    assert cli("run", *RED, "--write-baseline", "known.yaml").code == 1
    return tmp_path / "known.yaml"


def test_what_the_baseline_names_is_known_and_no_longer_red(cli: CommandLine, known: Path, tmp_path: Path) -> None:
    done = cli("run", *RED, "--baseline", "known.yaml", "--junit", "j.xml", "--format", "json")
    document = valid("run", done)
    assert (done.code, document["verdicts"]["known"]) == (0, 4)
    assert document["baseline"] == {"file": "known.yaml", "known": 4, "not_run": 0, "findings": []}
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("failures") == "0"
    # the Record holds what was judged
    events = [json.loads(line) for line in (tmp_path / "out" / "latest" / "events.jsonl").read_text().splitlines()]
    assert {event["verdict"] for event in events if event["kind"] == "verdict"} == {"fail"}
    assert events[-1]["verdicts"] == {"fail": 4}
    report = valid("report", cli("report", "out/latest", "--format", "json"))
    assert (report["exit_code"], report["changed"]) == (0, [])
    assert (report["verdicts"], report["baseline"]) == (document["verdicts"], document["baseline"])
    assert [each["reason"] for each in report["cases"]] == [each["reason"] for each in document["cases"]]


def test_nothing_is_left_to_run_again_when_all_is_known(cli: CommandLine, known: Path) -> None:
    assert cli("run", *RED, "--baseline", "known.yaml").code == 0
    done = cli("run", "--last-failed")
    assert (done.code, "everything was fine" in done.err) == (4, True)


def test_known_deviations_do_not_stop_a_run(cli: CommandLine, known: Path) -> None:
    done = cli("run", *RED, "-x", "--baseline", "known.yaml", "--format", "json")
    assert (done.code, len(done.document["cases"])) == (0, 4)


def test_what_is_kept_again_is_red(cli: CommandLine, known: Path, tmp_path: Path) -> None:
    fine = ("sync/flag-false", "--time", "virtual", "--baseline", "known.yaml")
    done = cli("run", *fine, "--junit", "j.xml", "--markdown", "s.md", "--badge", "b.json")
    assert done.code == 1
    said = "SYNC-03 is kept again: take it out of known.yaml (line 5)"
    assert f"CHANGED: {said}\n" in done.out
    assert f"CHANGED: {said}\n" in cli("report", "out/latest").out
    assert cli("report", "out/latest").code == 1
    [failure] = ElementTree.parse(tmp_path / "j.xml").iter("failure")
    assert failure.get("message") == said
    assert "is kept again" in (tmp_path / "s.md").read_text().replace("&#", "")
    assert json.loads((tmp_path / "b.json").read_text())["message"] == "1 changed"
    document = valid("run", cli("run", *fine, "--format", "json"))
    [found] = document["baseline"]["findings"]
    assert (found["kind"], found["red"], found["clause"], found["said"]) == ("kept_again", True, "SYNC-03", said)


def test_an_entry_that_has_expired(cli: CommandLine, known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day, code in ((date(2027, 2, 23), 0), (date(2027, 2, 24), 1)):
        monkeypatch.setattr("harness.baseline.today", lambda day=day: day)
        done = cli("run", *RED, "--baseline", "known.yaml")
        assert done.code == code
    assert "NOTE: SYNC-03: the entry in known.yaml (line 5) expired after 2027-02-23\n" in done.out
    # the Record knows that it had expired, whatever the date of the report
    monkeypatch.setattr("harness.baseline.today", lambda: date(2020, 1, 1))
    assert cli("report", "out/latest").code == 1


def test_the_date_is_not_in_the_record(cli: CommandLine, known: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = []
    for day in (date(2026, 11, 25), date(2026, 12, 25)):
        monkeypatch.setattr("harness.baseline.today", lambda day=day: day)
        cli("run", *RED, "--baseline", "known.yaml")
        records.append(Path("out/latest/events.jsonl").read_bytes())
    assert records[0] == records[1]


def test_a_baseline_is_brought_up_to_date_in_place(cli: CommandLine, known: Path) -> None:
    told: Any = yaml.safe_load(known.read_text())
    told["deviations"][0]["reason"] = "as 3.22 does"
    known.write_text(yaml.safe_dump(told))
    done = cli("run", *RED, "--baseline", "known.yaml", "--write-baseline", "known.yaml")
    assert done.code == 0
    assert yaml.safe_load(known.read_text())["deviations"][0]["reason"] == "as 3.22 does"


def test_a_baseline_that_is_wrong_stops_before_the_run(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "known.yaml").write_text("deviations:\n- clause: SYNK-03\n")
    done = cli("run", *RED, "--baseline", "known.yaml")
    assert (done.code, done.out) == (4, "")
    assert done.err.startswith("known.yaml:2:3: the key 'verdict' is missing")
    assert cli("run", *RED, "--baseline", "no.yaml").code == 4
    assert not (tmp_path / "out").exists()
