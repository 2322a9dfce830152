"""`ringproof hunt` and `replay`: what a person types, what is found, and that a finding is one."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from harness.hunting.document import PRINTED
from harness.hunting.hunt import Chase, Finding, Hunt
from harness.verdicts import Verdict
from reference_server.behaviour import Behaviour
from reference_server.mutants import MUTANTS
from reference_server.profiles import PROFILES
from tests.end_to_end.conftest import CommandLine

BLF = (
    "early-after-terminated",
    "stuck-after-cancel",
    "gone-watcher-kept",
    "version-stuck",
    "cseq-falls",
    "second-watcher-forgotten",
    "older-watchers-forgotten",
    "refresh-from-elsewhere-ignored",
    "reset-darkens",
    "reset-loses-the-call",
    "told-twice",
    "first-notify-off",
    "refresh-off",
    "stuck-after-reject",
    "stuck-after-no-answer",
    "first-end-darkens",
    "unsubscribed-still-told",
    "reset-does-nothing",
    "losing-fork-ends-winner",
    "fork-loser-stuck",
    "calls-share-a-call-id",
    "cseq-backwards-after-restart",
    "dropped-after-late-answer",
    "lamp-follows-the-document",
)
"""Mutants that the laws alone have to find."""
MOST_STEPS = 8
PROVED = (Verdict.FAIL, Verdict.PASS)
"""The scenario of a finding is red on the server that was hunted, and green on a sound one."""


def hunted(behaviour: Behaviour, profile: str = "documented", seconds: float = 60.0, seed: int = 1) -> Hunt:
    hunt = Hunt(behaviour, profile=profile, seed=seed, seconds=seconds, until=1)
    hunt.run()
    return hunt


@pytest.mark.parametrize("name", ["stuck-after-reject", "version-stuck", "told-twice"])
def test_it_finds_and_shrinks_and_proves(name: str) -> None:
    [finding] = hunted(MUTANTS[name].behaviour).chase.findings
    assert len(finding.events) <= MOST_STEPS
    assert (finding.hunted, finding.sound) == PROVED
    assert finding.cause
    assert finding.breach.law in finding.scenario


SEEDS = (1, 1001, 2001)


def found_by(name: str, seed: int) -> list[Finding]:
    return hunted(MUTANTS[name].behaviour, seed=seed).chase.findings


@pytest.fixture(scope="module")
def found() -> dict[str, list[Finding]]:
    """What the laws alone find of each mutant, with three seeds; in as many processes as there are cores."""
    names = [name for name in BLF for _ in SEEDS]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(found_by, names, SEEDS * len(BLF))
        by_name: dict[str, list[Finding]] = {name: [] for name in BLF}
        for name, findings in zip(names, results, strict=True):
            by_name[name] += findings
    return by_name


@pytest.mark.prove
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", BLF)
def test_the_laws_alone_find_it(name: str, found: dict[str, list[Finding]]) -> None:
    # two of three: the median is a find within the minute
    assert len(found[name]) >= 2
    proved = [finding for finding in found[name] if (finding.hunted, finding.sound) == PROVED]
    short = [finding for finding in proved if len(finding.events) <= MOST_STEPS]
    assert len(short) >= 2, [finding.scenario for finding in found[name]]


def chased(profile: str) -> Chase:
    return Hunt(PROFILES[profile], profile=profile, seed=1, seconds=120).run()


@pytest.fixture(scope="module")
def chases() -> dict[str, Chase]:
    """Two minutes of each release."""
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        return dict(zip(PROFILES, pool.map(chased, PROFILES), strict=True))


@pytest.mark.prove
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_release_has_no_faults_but_those_that_are_known(profile: str, chases: dict[str, Chase]) -> None:
    chase = chases[profile]
    assert [finding.scenario for finding in chase.findings if not finding.known] == []
    shares = {name: count / chase.histories for name, count in chase.coverage.items()}
    wanted = ("loss", "reorder", "restart", "move", "fork", "presence_id")
    assert {name for name in wanted if shares.get(name, 0.0) < 0.1} == set(), shares


def test_a_hunt_by_the_command_and_its_finding_again(cli: CommandLine, tmp_path: Path) -> None:
    done = cli(
        "hunt", "--mutant", "stuck-after-reject", "--seed", "1", "--until", "1", "--out", "found", "--format", "json"
    )
    assert done.code == 1
    document = json.loads(done.out)
    TypeAdapter(PRINTED["hunt"]).validate_python(document)
    assert (document["command"], document["exit_code"], document["seed"]) == ("hunt", 1, 1)
    assert document["histories"] > 0
    assert document["events"] > 0
    assert document["coverage"]["call"] > 0
    [finding] = document["findings"]
    assert finding["clause"].startswith("LAW-")
    assert finding["steps"] == len(finding["events"]) <= MOST_STEPS
    assert finding["shrunk_from"] >= finding["steps"]
    [events] = tmp_path.glob("found/*.events.json")
    [scenario] = tmp_path.glob("found/*.scenario.yaml")
    assert scenario.read_text(encoding="utf-8") == finding["scenario"]
    assert list(tmp_path.glob("found/records/*/*/found/*/*adder*"))
    for place in (events, scenario):
        again = cli("replay", place, "--mutant", "stuck-after-reject", "--time", "virtual", "--format", "json")
        assert again.code == 1
        replayed = json.loads(again.out)
        TypeAdapter(PRINTED["replay"]).validate_python(replayed)
        assert replayed["reproduced"] is True
        sound = cli("replay", place, "--time", "virtual")
        assert sound.code == 0
        assert "NOT REPRODUCED  here it is pass" in sound.out


def test_a_finding_on_sockets_and_from_a_record(cli: CommandLine) -> None:
    assert cli("hunt", "--mutant", "version-stuck", "--seed", "1", "--until", "1", "--out", "found").code == 1
    [name] = [path.name for path in Path("found").glob("*.scenario.yaml")]
    red = cli("run", f"found/{name}", "--mutant", "version-stuck")
    assert red.code == 1
    assert cli("run", f"found/{name}").code == 0
    address = f"found/{name.removesuffix('.scenario.yaml')}"
    assert cli("run", f"found/{name}", "--mutant", "version-stuck", "--time", "virtual").code == 1
    again = cli("replay", f"out/latest:{address}")
    assert again.code == 1
    assert "REPRODUCED  LAW-03 fail: version 1 after 1" in again.out


def test_a_sound_server_and_what_is_known(cli: CommandLine) -> None:
    sound = cli("hunt", "--seconds", "3", "--seed", "5", "--out", "found")
    assert sound.code == 0
    assert "0 found" in sound.out
    assert not Path("found").exists()
    first = ("hunt", "--mutant", "version-stuck", "--seed", "1", "--until", "1", "--format", "json")
    began = time.monotonic()
    [finding] = cli(*first, "--out", "found").document["findings"]
    assert finding["clause"] == "LAW-03"
    # the same histories, and time for more of them, however slow this machine is
    seconds = str(2.0 * (time.monotonic() - began) + 3.0)
    again = ("hunt", "--mutant", "version-stuck", "--seed", "1", "--format", "json", "--seconds", seconds)
    left = cli(*again, "--out", "new", "--known", "found").document
    assert left["histories"] > 0
    assert "LAW-03" not in {each["clause"] for each in left["findings"]}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hunt", "--mutant", "nothing-such"], "unknown mutant"),
        (["hunt", "--target", "nowhere.yaml"], "nowhere.yaml"),
        (["hunt", "--target", "live.yaml", "--mutant", "version-stuck"], "not for --target"),
        (["hunt", "--known", "nowhere"], "nowhere"),
        (["replay", "nowhere.events.json"], "no such file"),
        (["replay", "nowhere"], "no such file"),
        (["replay", "nowhere:a/b"], "nowhere"),
    ],
)
def test_what_cannot_be_hunted(cli: CommandLine, arguments: list[str], said: str) -> None:
    done = cli(*arguments)
    assert done.code == 4
    assert said in done.err


def test_a_damaged_finding(cli: CommandLine) -> None:
    Path("a.events.json").write_text('{"events": 7}', encoding="utf-8")
    done = cli("replay", "a.events.json")
    assert done.code == 4
    assert "no finding of a hunt" in done.err
    Path("a.events.json").write_text("{", encoding="utf-8")
    assert cli("replay", "a.events.json").code == 4
