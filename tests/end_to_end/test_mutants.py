"""A suite is worth what it finds: each mutant turns what it must break red, and says so in words."""

from __future__ import annotations

import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.clauses import catalogue
from harness.loader import Case, load_cases, shipped
from harness.verdicts import Verdict
from reference_server.mutants import MUTANTS
from tests.end_to_end.conftest import CommandLine, Served
from tests.end_to_end.support import Done, line_of, ringproof, run, started

IN_MEMORY = [name for name in MUTANTS if name != "https-on-paper"]


@pytest.mark.parametrize("name", IN_MEMORY)
def test_a_mutant_is_red_in_virtual_time(name: str, tmp_path: Path) -> None:
    mutant = MUTANTS[name]
    cases = [case for case in load_cases(shipped()) if set(case.clauses()) & set(mutant.must_break)]
    result = run(cases, tmp_path, behaviour=mutant.behaviour, profile=mutant.profile)
    assert result.error == ""
    broken = (Verdict.FAIL, Verdict.NON_STRICT)
    failed = {each.clause for case in result.verdicts for each in case.clauses if each.verdict in broken}
    # what is encrypted shows on sockets only
    assert failed >= {name for name in mutant.must_break if not catalogue()[name].encrypted}
    for case in result.verdicts:
        if case.verdict is Verdict.FAIL:
            assert case.rule
            assert case.expected
            assert case.actual
            assert case.why


# The five of the first issue: what a support engineer sees, on sockets. (case, clause, words in its explanation)
NAMED = {
    "sync-ignores-flag": ("sync/flag-false[v2-http]", "SYNC-03", "desk never receives NOTIFY", "desk received 1"),
    "sync-forgotten": (
        "sync/path-registered[v2-http]",
        "SYNC-01",
        "NOTIFY with Event starts 'check-sync'",
        "desk received none",
    ),
    "sync-late-and-misdirected": ("sync/path-reaches-nobody-else[v2]", "SYNC-0[17]", "NOTIFY", "received"),
    "sync-wrong-event": ("sync/path-registered[v2-http]", "SYNC-01", "Event starts 'check-sync'", "Event is 'reboot'"),
    "https-on-paper": ("sync/path-registered[v2-https]", "API-02", "inside TLS", "does not speak TLS"),
}


def explained(text: str, address: str, clause: str, *words: str) -> None:
    """The block of a case names rule, expected, actual and why, and how to go on."""
    [block] = [each for each in text.split("\n\n") if each.strip().startswith("FAIL ") and address in each]
    names = re.findall(r"^  (\w+) ", block, re.MULTILINE)
    assert re.search(rf"^\s*FAIL +.*{clause}", block), block
    assert {"rule", "why", "logs", "evidence", "again"} <= set(names), block
    for word in words:
        assert word in block, block
    rule = re.search(r"^  rule +(.*)$", block, re.MULTILINE)
    assert rule is not None
    assert rule[1] in {each.statement for each in catalogue().values()}
    assert "Traceback" not in text


def test_mutants_are_red_on_sockets(tmp_path: Path) -> None:
    def against(name: str) -> Done:
        return ringproof("run", NAMED[name][0], "--mutant", name, "--out", name, cwd=tmp_path)

    # mostly they wait for what does not come: side by side that costs no more than the slowest
    with ThreadPoolExecutor(len(NAMED)) as pool:
        results = dict(zip(NAMED, pool.map(against, NAMED), strict=True))
    for name, done in results.items():
        address, clause, *words = NAMED[name]
        assert done.code == 1, done.out + done.err
        explained(done.out, address, clause, *words)
        if name != "https-on-paper":
            assert "\n  expected  " in done.out
            assert "\n  actual    " in done.out


def test_a_served_mutant_is_red(tmp_path: Path) -> None:
    name = "sync-ignores-flag"
    ports = ["--http-port", "0", "--https-port", "0", "--sip-port", "0", "--format", "json"]
    with started("serve", "--mutant", name, *ports, "--write-target", "t.yaml", cwd=tmp_path) as process:
        assert f'"mutant": "{name}"' in line_of(process.stdout)
        address, clause, *words = NAMED[name]
        done = ringproof("run", address, "--target", "t.yaml", cwd=tmp_path)
        assert done.code == 1, done.out + done.err
        explained(done.out, address, clause, *words)


def test_again_repeats_the_failure(cli: CommandLine) -> None:
    done = cli("run", "sync/flag-false[v1-http]", "--mutant", "sync-ignores-flag", "--time", "virtual")
    again = re.search(r"^  again +ringproof (.*)$", done.out, re.MULTILINE)
    assert again is not None
    repeated = cli(*shlex.split(again[1]))
    assert (done.code, repeated.code) == (1, 1)
    assert re.findall(r"^  (?:rule|expected|actual|why) .*$", done.out, re.MULTILINE) == re.findall(
        r"^  (?:rule|expected|actual|why) .*$", repeated.out, re.MULTILINE
    )


def test_a_late_violation_is_caught_although_the_reply_was_good(suite: list[Case], tmp_path: Path) -> None:
    cases = [case for case in suite if case.address == "sync/flag-false[v2-http]"]
    [verdict] = run(cases, tmp_path, behaviour=MUTANTS["sync-late-although-false"].behaviour).verdicts
    assert (verdict.verdict, verdict.why) == (Verdict.FAIL, "forbidden")
    after = re.search(r"after (\d+) ms", verdict.actual)
    assert after is not None
    assert int(after[1]) >= 1000


def test_documented_is_green_where_mutants_are_red(served: Served, tmp_path: Path) -> None:
    addresses = sorted({address for address, *_ in NAMED.values()})
    done = ringproof("run", *addresses, "--target", served.target, cwd=tmp_path)
    assert done.code == 0, done.out


def test_a_flip_is_killed_or_known_to_be_the_same(cli: CommandLine) -> None:
    done = cli("mutants", "--flips", "sync.truth=*", "reset.flag=*", "api.v2=gone", "--jobs", "1")
    assert done.code == 0, done.out
    assert re.search(r"sync\.truth=truthy .* broke SYNC-12", done.out)
    assert re.search(r"reset\.flag=shows .* equivalent: the page wants no body", done.out)
    assert re.search(r"api\.v2=gone .* broke nothing could be tried", done.out)
    assert "4 of 4 killed" not in done.out
    assert cli("mutants", "--flips", "no.such=rule").code == 4
