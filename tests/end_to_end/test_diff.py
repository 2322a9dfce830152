"""`ringproof diff`, on Records and on documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.test_command_line import valid

RUN = ("run", "sync/flag-false", "--time", "virtual", "--seed", "7")
BROKEN = (*RUN, "--mutant", "sync-ignores-flag")


@pytest.fixture
def sides(cli: CommandLine, tmp_path: Path) -> list[tuple[str, str]]:
    """A run that is fine and one that is not, as Records and as documents."""
    for name, command in (("good", RUN), ("bad", BROKEN)):
        (tmp_path / f"{name}.json").write_text(cli(*command, "--out", name, "--format", "json").out)
        report = cli("report", f"{name}/latest", "--format", "json")
        (tmp_path / f"{name}-report.json").write_text(report.out)
    suffixes = ("/latest", ".json", "-report.json")
    return [(f"good{one}", f"bad{other}") for one, other in zip(suffixes, (*suffixes[1:], suffixes[0]), strict=True)]


def test_worse_is_1_better_is_0(cli: CommandLine, sides: list[tuple[str, str]]) -> None:
    for good, bad in sides:
        worse = cli("diff", good, bad)
        assert (worse.code, worse.err) == (1, "")
        assert f"A {good}: run " in worse.out
        assert "\nworse    pass → fail  SYNC-03  An update with `sync` false" in worse.out
        assert "\n  worse    pass → fail  sync/flag-false[v1-http]  (forbidden)\n" in worse.out
        assert worse.out.endswith("\n4 cases in common; clauses: 1 worse\n")
        better = cli("diff", bad, good)
        assert (better.code, "better   fail → pass  SYNC-03" in better.out) == (0, True)
        assert cli("diff", bad, good, "--strict").code == 1
        for same in (good, bad):
            nothing = cli("diff", same, same, "--strict")
            assert (nothing.code, nothing.out.endswith("in common; nothing changed\n")) == (0, True)


def test_the_document(cli: CommandLine, sides: list[tuple[str, str]]) -> None:
    good, bad = sides[0]
    document = valid("diff", cli("diff", good, bad, "--format", "json"))
    assert document["counts"] == {"worse": 1, "better": 0, "other": 0, "added": 0, "removed": 0}
    [clause] = document["clauses"]
    assert (clause["id"], clause["before"], clause["after"], len(clause["cases"])) == ("SYNC-03", "pass", "fail", 4)
    assert document["before"]["name"] == good
    assert cli("diff", good, bad, "--format", "json").out == cli("diff", good, bad, "--format", "json").out


def test_a_baseline_counts(cli: CommandLine, sides: list[tuple[str, str]]) -> None:
    cli(*BROKEN, "--write-baseline", "known.yaml", "--out", "bad")
    cli(*BROKEN, "--baseline", "known.yaml", "--out", "known")
    done = cli("diff", "known/latest", "bad/latest")
    assert (done.code, "worse    known → fail  SYNC-03" in done.out) == (1, True)


def test_nothing_in_common_and_a_record_that_is_cut(cli: CommandLine, sides: list[tuple[str, str]]) -> None:
    cli("run", "api/request-id", "--time", "virtual", "--out", "other")
    done = cli("diff", "good/latest", "other/latest")
    assert (done.code, "0 cases in common" in done.out) == (5, True)
    events = Path("good/latest/events.jsonl")
    events.write_text("\n".join(events.read_text().splitlines()[:-1]) + "\n")
    cut = cli("diff", "good.json", "good/latest")
    assert cut.code == 7
    assert "NOTE: good/latest: the run was cut off: there is no footer\n" in cut.out


def test_what_cannot_be_compared(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: b")
    (tmp_path / "x.json").write_text('{"schema": 1, "command": "run"}')
    (tmp_path / "empty").mkdir()
    said = {
        "x.yaml": "x.yaml: no JSON",
        "x.json": "x.json: not what this release prints",
        "no": "no: No such file or directory",
        "empty": "empty/events.jsonl: No such file or directory",
    }
    for name, message in said.items():
        done = cli("diff", name, name)
        assert (done.code, done.out) == (4, "")
        assert done.err.startswith(f"ringproof: {message}")
        valid("diff", cli("diff", name, name, "--format", "json"))
