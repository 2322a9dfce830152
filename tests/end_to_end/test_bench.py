"""`ringproof bench`: what it prints, and what it says where there is nothing to compare with. Costs are not judged."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from harness.bench import peers
from harness.bench.rounds import Row
from harness.documents import PRINTED
from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.support import Done


def shown(done: Done) -> Any:
    """The document, which is what the schema says."""
    TypeAdapter(PRINTED["bench"]).validate_python(done.document, strict=True)
    assert done.document["exit_code"] == done.code
    return done.document


def test_without_peers_the_packages_are_named(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "program_of", lambda name: None)
    done = cli("bench", "--quick", "--format", "json")
    error = shown(done)["error"]
    assert done.code == 3
    assert "kamailio, sip-tester (Debian packages)" in error["message"]
    assert "apt-get install kamailio sip-tester" in error["hint"]


def test_alone_what_needs_no_peer_is_measured(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "program_of", lambda name: None)
    document = shown(cli("bench", "--quick", "--alone", "--format", "json"))
    assert (document["peer"], document["rounds"], document["quick"]) == (None, 1, True)
    rows = {row["work"]: row for row in document["rows"]}
    assert rows.keys() == {"simulation", "office", "suite", "help", "list"}
    for work in ("help", "list"):
        assert rows[work]["ours_us"] > rows[work]["peer_us"] > 0
        assert rows[work]["ratio"] == pytest.approx(rows[work]["peer_us"] / rows[work]["ours_us"], abs=0.001)
    assert all(row["ours"] > 0 for row in rows.values())
    assert rows["suite"]["ours_us"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--alone", "--work", "call"], "--work call needs a peer"),
        (["--work", "sleep"], "'sleep' is not one of"),
        (["--alone", "--profile", "call"], "--profile prints a profile"),
    ],
)
def test_what_cannot_be(cli: CommandLine, arguments: list[str], said: str) -> None:
    done = cli("bench", "--quick", *arguments)
    assert done.code == 4
    assert said in done.err


def test_a_row_has_medians_ratio_and_spread() -> None:
    row = Row("call", "us", [20.0, 40.0, 30.0], [15.0, 60.0, 30.0], ">= 0.7").document()
    assert (row["ours_us"], row["peer_us"], row["ratio"]) == (30.0, 30.0, 1.0)
    assert row["spread"] == pytest.approx(20 / 30, abs=0.001)
    assert (row["ours_range"], row["peer_range"], row["ratio_range"]) == ([20.0, 40.0], [15.0, 60.0], [0.75, 1.5])
    alone = Row("memory", "B", [2000.0], [], "<= 2048").document()
    assert (alone["ours"], alone["ours_us"], alone["peer"], alone["ratio"]) == (2000.0, None, None, None)
