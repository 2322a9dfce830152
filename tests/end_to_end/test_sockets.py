"""On loopback sockets: the verdicts of virtual time, side by side or one by one, and the options of a run."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.loader import load_cases, shipped
from tests.end_to_end.conftest import CommandLine, Run, Served
from tests.end_to_end.support import Done, ringproof

SUBSET = ("SYNC-02", "SYNC-06", "SEC-05", "SIP-01", "API-11", "API-01", "SYNC-13")
SIDE_BY_SIDE = ("api/envelope", "api/tokens", "api/request-id", "sync/path-on-v1", "sync/flag-new-credentials[v2]")

SERVERS = 8
STARVED = "; but this machine "
"""In the reason of a case that was not let run. That is no verdict about the server, and not to be compared."""


def verdicts(done: Done) -> dict[str, dict[str, str]]:
    return {case["address"]: case["clause_verdicts"] for case in done.document["cases"]}


def test_sockets_say_what_virtual_time_says(virtual: Run, served: Served, tmp_path: Path) -> None:
    done = ringproof("run", *SUBSET, "--target", served.target, "--format", "json", cwd=tmp_path)
    assert done.code == 0, done.err
    memory = {
        case.address: {each.clause: each.verdict.value for each in case.clauses} for case in virtual.result.verdicts
    }
    real = verdicts(done)
    assert len(real) > 20
    for address, clauses in real.items():
        tls = {"API-02": "pass"} if "API-02" in clauses else {}
        assert clauses == {**memory[address], **tls}
    for case in done.document["cases"]:
        assert case["encrypted"] is (True if case["matrix"].get("over") == "https" else None)


def test_side_by_side_says_what_one_by_one_says(served: Served, tmp_path: Path) -> None:
    found = [
        ringproof(
            "run",
            *SIDE_BY_SIDE,
            "--target",
            served.target,
            "--jobs",
            jobs,
            "--format",
            "json",
            "--out",
            jobs,
            cwd=tmp_path,
        )
        for jobs in ("1", "64")
    ]
    assert [done.code for done in found] == [0, 0]
    assert len(verdicts(found[0])) == 12
    assert verdicts(found[0]) == verdicts(found[1])


@pytest.mark.prove
@pytest.mark.timeout(1200)
def test_all_of_it_one_by_one_and_ten_times_side_by_side(tmp_path: Path) -> None:
    expected: dict[str, dict[str, str]] = {}
    left_out: set[str] = set()
    for alone in one_by_one(tmp_path):
        found, starved = decided(alone)
        expected |= found
        left_out |= starved
        assert alone.document["verdicts"]["fail"] == 0
    for number in range(10):
        out = f"together-{number}"
        done = ringproof("run", "--jobs", "64", "--format", "json", "--out", out, cwd=tmp_path, timeout_s=300)
        found, starved = decided(done)
        reasons = {case["address"]: case["reason"] for case in done.document["cases"]}
        differing = {
            case: (found[case], reasons[case], clauses)
            for case, clauses in expected.items()
            if found.get(case, clauses) != clauses
        }
        assert differing == {}, out
        assert found.keys() | starved == expected.keys() | left_out
        assert len(starved | left_out) < len(expected) / 20


def one_by_one(cwd: Path) -> list[Done]:
    """All cases, divided among some servers: on each of them one after the other."""
    addresses = [case.address for case in load_cases(shipped())]

    def run(number: int) -> Done:
        some = addresses[number::SERVERS]
        return ringproof(
            "run", *some, "--jobs", "1", "--format", "json", "--out", f"alone-{number}", cwd=cwd, timeout_s=900
        )

    with ThreadPoolExecutor(SERVERS) as servers:
        return list(servers.map(run, range(SERVERS)))


def decided(done: Done) -> tuple[dict[str, dict[str, str]], set[str]]:
    """The verdicts of all cases that were let run, and which were not."""
    starved = {case["address"] for case in done.document["cases"] if STARVED in str(case["reason"])}
    return {case: clauses for case, clauses in verdicts(done).items() if case not in starved}, starved


def test_the_embedded_reference_serves_both_versions_and_schemes(tmp_path: Path) -> None:
    done = ringproof("run", "api/envelope", "sync/path-needs-no-body", cwd=tmp_path)
    assert done.code == 0, done.out
    assert "sync/path-needs-no-body" in done.out
    assert re.search(r"^6 pass in \d", done.out, re.MULTILINE)
    assert done.err == ""


# --- options, in virtual time: they are the same code ----------------------------------------------------------------


class Quick:
    """`run` in virtual time and as JSON."""

    def __init__(self, cli: CommandLine) -> None:
        self._cli = cli

    def __call__(self, *arguments: str) -> Done:
        return self._cli("run", *arguments, "--time", "virtual", "--format", "json")


@pytest.fixture
def quick(cli: CommandLine) -> Quick:
    return Quick(cli)


def test_stop_at_the_first_failure(cli: CommandLine, quick: Quick, tmp_path: Path) -> None:
    mutant = ("sync/path-registered", "sync/flag-true", "--mutant", "sync-twice", "--seed", "1")
    done = quick(*mutant, "-x")
    assert done.code == 1
    assert len(done.document["cases"]) == 1
    assert done.document["verdicts"]["fail"] == 1
    report = cli("report", "out/latest")
    assert report.code == 1
    assert re.search(r"\d+ of \d+ cases are not in the Record", report.out)
    rest = quick(*mutant, "--last-failed").document["cases"]
    assert len(rest) == 8  # what did not run was not fine either


def test_last_failed(cli: CommandLine, quick: Quick, tmp_path: Path) -> None:
    first = quick("SYNC-03", "SYNC-04", "--mutant", "sync-ignores-flag")
    failed = {case["address"] for case in first.document["cases"] if case["verdict"] != "pass"}
    assert first.code == 1
    assert 0 < len(failed) < len(first.document["cases"])
    again = quick("--last-failed")
    assert again.code == 0
    assert {case["address"] for case in again.document["cases"]} == failed
    fine = quick("--last-failed")
    assert fine.code == 4
    assert "everything was fine in the last run" in fine.document["error"]["message"]


def test_last_failed_without_a_last_run(cli: CommandLine, quick: Quick, tmp_path: Path) -> None:
    done = quick("--last-failed")
    assert done.code == 4
    assert done.document["error"]["hint"] == "run once without it"
    assert not (tmp_path / "out").exists()


SILENT = """\
title: Nobody is told anything
clauses: [SYNC-03]
phones: {desk: }
steps:
  - register: desk
  - control: desk
  - unregister: desk
  - request: POST {{ desk.url }}/sync
  - never: desk receives NOTIFY
    where: {Event: check-sync}
"""


def test_strict(cli: CommandLine, quick: Quick, tmp_path: Path) -> None:
    (tmp_path / "silent.scenario.yaml").write_text(SILENT)
    done = quick("silent.scenario.yaml")
    assert done.document["verdicts"]["inconclusive"] == 1
    assert done.code == 7
    assert quick("silent.scenario.yaml", "--strict").code == 1
    for strict, code in (((), 7), (("--strict",), 1)):
        assert cli("report", "out/latest", *strict).code == code


def test_a_seed_repeats(cli: CommandLine, quick: Quick, tmp_path: Path) -> None:
    documents = [quick("sync/flag-true", "--seed", seed).document for seed in ("7", "7", "8")]
    for document in documents:
        assert document.pop("seed") in (7, 8)
    assert documents[0] == documents[1]
    assert documents[0]["run"] != documents[2]["run"]
    chosen = quick("sync/path-on-v1").document["seed"]
    assert isinstance(chosen, int)


def test_verbose_shows_the_wire(cli: CommandLine, quick: Quick, tmp_path: Path) -> None:
    done = cli("run", "sync/path-on-v1", "--time", "virtual", "-v")
    assert done.code == 0
    assert "desk -> 127.0.0.1:5060  REGISTER sip:" in done.out
    assert re.search(r"API -> POST http://reference:8000/v1/accounts/\w+/devices/\w+/sync", done.out)
    assert re.search(r"desk <- 127.0.0.1:5060  NOTIFY sip:", done.out)
