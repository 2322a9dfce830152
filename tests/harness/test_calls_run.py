"""Steps of phones, run in virtual time: what goes wrong in them stops the case, and no more than that."""

from pathlib import Path

import pytest

from harness.engine import Engine, Options
from harness.judge import judge_record
from harness.verdicts import CaseVerdict, Verdict
from reference_server.profiles import PROFILES
from reports.record import Event, read_record
from tests.harness.files import cases

HEAD = """\
title: A title
clauses: [SIP-16]
phones:
  desk: {device: {name: Desk}, extension: "1001", on_call: ring}
  lobby: {device: {name: Lobby}, extension: "1002", on_call: ring}
  watcher: {device: {name: Watcher}}
steps:
  - register: [desk, lobby, watcher]
"""


def run(folder: Path, steps: str) -> tuple[CaseVerdict, list[Event]]:
    """The verdict on a case with these steps, which is the same from its Record, and its events."""
    found = cases(folder, HEAD + "".join(f"  - {step}\n" for step in steps.strip().split("\n")))
    options = Options(out=folder / "out", behaviour=PROFILES["documented"], virtual=True, seed=1)
    result = Engine(found, options).run()
    assert (result.error, result.left) == ("", [])
    record = read_record(result.folder)
    assert judge_record(record) == result.verdicts
    [verdict] = result.verdicts
    return verdict, record.events


STOPS = [
    ("answer: desk", "no call rings at desk"),
    ("reject: {phone: desk, status: 603}", "no call rings at desk"),
    ("hang_up: desk", "step 2: desk: no call to hang up"),
    ("cancel: desk", "step 2: desk: no call to cancel"),
    ("call: desk to +1 415 555 0100", "cannot be called"),
    ('call: desk to "sip:a b@c"', "cannot be called"),
    ('subscribe: {phone: watcher, to: "sip:a b@c"}', "cannot be watched"),
    ('unsubscribe: {phone: watcher, to: "sip:1001@example.com"}', "watcher had no subscription that could end"),
    ("subscribe: {phone: watcher, to: desk, event: reg}", "did not succeed: watcher refused (489"),
]


@pytest.mark.parametrize(("step", "said"), STOPS, ids=[each[0] for each in STOPS])
def test_what_cannot_be_done_stops_the_case(tmp_path: Path, step: str, said: str) -> None:
    verdict, events = run(tmp_path, f"{step}\nexpect: desk is idle")
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert said in verdict.reason
    [end] = [event for event in events if event["kind"] == "end"]
    assert end["error"]["kind"] == "target"


def test_what_stops_one_of_several_stops_all(tmp_path: Path) -> None:
    parallel = "parallel: [hang_up: desk, wait: 60s, expect: desk receives INVITE, parallel: [wait: 30s]]"
    verdict, events = run(tmp_path, f"{parallel}\nexpect: desk is idle")
    assert verdict.verdict is Verdict.INCONCLUSIVE
    end = next(event for event in events if event["kind"] == "end")
    behind = {event["kind"] for event in events if event.get("case") and event["n"] > end["n"]}
    assert not behind & {"step", "claim", "expired", "closed", "control", "fence"}
    assert end["t"] < 5


LEFT = {
    "in a call": ("call: desk to lobby\nanswer: lobby\nexpect: desk is talking", {"desk": "BYE", "lobby": "BYE"}),
    "ringing": ("call: desk to lobby\nexpect: lobby is ringing", {"desk": "CANCEL", "lobby": "SIP/2.0 486"}),
    "in a call, and away": (
        "call: desk to lobby\nanswer: lobby\nexpect: desk is talking\nnetwork: {phone: desk, does: away}\n"
        "network: {phone: lobby, does: lose, way: out, count: 99}",
        {"desk": "BYE", "lobby": "BYE"},
    ),
    "stopped": ("call: desk to lobby\nanswer: lobby\nreject: lobby", {"desk": "BYE", "lobby": "BYE"}),
}


@pytest.mark.parametrize(("steps", "goodbyes"), LEFT.values(), ids=LEFT)
def test_no_call_is_left_behind(tmp_path: Path, steps: str, goodbyes: dict[str, str]) -> None:
    _, events = run(tmp_path, steps)
    end = next(event for event in events if event["kind"] == "end")
    behind = [event for event in events if event.get("case") and event["n"] > end["n"]]
    removed = min(event["n"] for event in behind if event["kind"] == "request")
    for phone, goodbye in goodbyes.items():
        sent = [event for event in behind if event.get("direction") == "out" and event["phone"] == phone]
        [said] = [event for event in sent if event.get("first", "").startswith(goodbye)]
        assert said["n"] < removed
        assert said["t"] == end["t"]


def test_a_fence_of_who_is_watched_comes_behind_the_lamps(tmp_path: Path) -> None:
    steps = """
control: [desk, lobby]
subscribe: {phone: watcher, to: desk}
subscribe: {phone: lobby, to: watcher}
mark: all watch
never: desk receives INVITE
{lamp: watcher, of: desk, stays: off}
{lamp: lobby, of: watcher, stays: off}
laws: lobby
call: lobby to desk
{lamp: watcher, of: desk, becomes: ringing}
cancel: lobby
{lamp: watcher, of: desk, goes: [off, ringing, off]}
"""
    # nobody compares the one NOTIFY that lobby had
    verdict, events = run(tmp_path, steps.replace("laws: lobby\n", ""))
    assert verdict.verdict is Verdict.PASS, verdict.actual
    fences = [event["phone"] for event in events if event["kind"] == "fence" and event["state"] == "arrived"]
    assert fences == ["lobby", "watcher", "desk", "watcher"]
    verdict, _ = run(tmp_path, steps)
    assert (verdict.verdict, verdict.why) == (
        Verdict.INCONCLUSIVE,
        "no subscription had two NOTIFYs to compare",
    )


def test_watchers_of_each_other_cannot_be_closed_and_do_not_fail(tmp_path: Path) -> None:
    steps = """
subscribe: {phone: watcher, to: lobby}
subscribe: {phone: lobby, to: watcher}
mark: they watch each other
{lamp: watcher, of: lobby, stays: off}
{lamp: lobby, of: watcher, stays: off}
"""
    verdict, _ = run(tmp_path, steps)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "lights this lamp itself" in verdict.why


def test_who_watches_itself_may_count_what_it_is_told(tmp_path: Path) -> None:
    steps = """
subscribe: {phone: desk, to: desk}
mark: it watches itself
{never: desk receives NOTIFY, where: {Event: {starts: dialog}}}
"""
    verdict, _ = run(tmp_path, steps)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "our own fence has lit" in verdict.why


def test_a_closed_lamp_does_not_stand_for_the_next_call(tmp_path: Path) -> None:
    steps = """
subscribe: {phone: watcher, to: desk}
mark: it watches
call: lobby to desk
{lamp: watcher, of: desk, becomes: ringing}
{lamp: watcher, of: desk, stays: ringing}
answer: desk
{lamp: watcher, of: desk, goes: [ringing, busy]}
hang_up: lobby
{lamp: watcher, of: desk, goes: [busy, off]}
laws: watcher
"""
    verdict, _ = run(tmp_path, steps.replace("{lamp: watcher, of: desk, stays: ringing}\n", ""))
    assert verdict.verdict is Verdict.FAIL, "the mark is further back than the claim says"
    steps = steps.replace("mark: it watches\ncall: lobby to desk\n", "call: lobby to desk\n")
    steps = steps.replace("becomes: ringing}\n", "becomes: ringing}\nmark: it rings\n")
    verdict, _ = run(tmp_path, steps)
    assert verdict.verdict is Verdict.PASS, (verdict.why, verdict.actual)


def test_quiet_steps_do_not_put_off_what_is_claimed(tmp_path: Path) -> None:
    steps = """
call: desk to lobby
on_call: {phone: desk, how: ignore}
misses: {phone: desk, count: 1}
responds: {phone: desk, to: OPTIONS, with: 486}
expect: lobby is ringing
"""
    _, events = run(tmp_path, steps)
    stimuli = {event["text"]: event["stimulus"] for event in events if event["kind"] == "step"}
    assert stimuli == {
        "register desk, lobby, watcher": True,
        "call desk to lobby": True,
        "on_call desk": False,
        "misses desk": False,
        "responds desk": False,
    }


def test_a_phone_that_calls_is_calling_and_a_call_that_is_refused_ends(tmp_path: Path) -> None:
    verdict, events = run(tmp_path, "call: desk to 777\nexpect: desk is calling\nexpect: desk is idle")
    assert verdict.verdict is Verdict.PASS, (verdict.why, verdict.actual)
    calls = [event["state"] for event in events if event["kind"] == "call" and event["phone"] == "desk"]
    assert calls == ["calling", "ended"]
    verdict, _ = run(tmp_path, "wait: 1s\nexpect: desk is idle")
    assert verdict.verdict is Verdict.INCONCLUSIVE, "it never had a call"


def test_what_is_heard_is_heard_now(tmp_path: Path) -> None:
    steps = """
call: lobby to desk
answer: desk
expect: desk hears lobby
expect: lobby hears desk
hang_up: desk
expect: lobby is idle
expect: desk hears lobby
"""
    verdict, _ = run(tmp_path, steps)
    assert (verdict.verdict, verdict.why) == (Verdict.FAIL, "nothing is heard")
    verdict, _ = run(tmp_path, "\n".join(steps.strip().split("\n")[:-1]))
    assert verdict.verdict is Verdict.PASS


NETWORKS = {
    "a lost INVITE is sent again": (
        "network: {phone: desk, does: lose, what: INVITE}\ncall: lobby to desk\n{expect: desk is ringing, within: 5s}",
        ["lost"],
    ),
    "a lost answer is sent again": (
        "network: {phone: desk, does: lose, way: out, what: INVITE}\ncall: lobby to desk\n"
        "{expect: desk is ringing, within: 5s}",
        ["lost"],
    ),
    "a message that is late is late": (
        "network: {phone: desk, does: delay, what: INVITE, seconds: 100ms}\ncall: lobby to desk\n"
        "expect: desk is ringing",
        ["held", "late"],
    ),
    "a message that comes twice counts once": (
        "control: desk\nnetwork: {phone: desk, does: double, what: INVITE, seconds: 100ms}\ncall: lobby to desk\n"
        '{expect: desk receives INVITE, where: {From: {contains: "sip:"}}, exactly: 1}',
        ["copy"],
    ),
    "what is held is delivered when the network is mended": (
        "network: {phone: desk, does: delay, what: INVITE, seconds: 1h}\ncall: lobby to desk\nwait: 100ms\n"
        "network: {phone: desk, does: mend}\nexpect: desk is ringing",
        ["held", "late"],
    ),
}


@pytest.mark.parametrize(("steps", "faults"), NETWORKS.values(), ids=NETWORKS)
def test_what_the_network_does(tmp_path: Path, steps: str, faults: list[str]) -> None:
    verdict, events = run(tmp_path, steps)
    assert verdict.verdict is Verdict.PASS
    assert [event["fault"] for event in events if "fault" in event] == faults


def test_a_phone_that_is_away_hears_nothing_and_proves_nothing(tmp_path: Path) -> None:
    steps = "control: desk\nnetwork: {phone: desk, does: away}\ncall: lobby to desk\nnever: desk receives INVITE"
    verdict, events = run(tmp_path, steps)
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "on its way to desk, on purpose" in verdict.reason
    assert {event["fault"] for event in events if "fault" in event} == {"lost"}
