"""What did not come in time proves nothing where the machine left no time; what came and must not is broken."""

from __future__ import annotations

import pytest

from harness.starvation import Starvation
from harness.verdicts import Verdict
from tests.harness.playbook import TONES, Play, notify

FAIL, INCONCLUSIVE = Verdict.FAIL, Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("lags", "now", "said"),
    [
        ([], 5.0, ""),
        ([0.9], 5.0, ""),
        ([1.2], 500.0, "this machine stood still for 1.2 s meanwhile"),
        ([0.1] * 12, 8.0, ""),
        ([0.1] * 12, 4.0, "this machine was too busy: 1.2 s of 3.0 s were lost"),
        ([0.1] * 9, 1.5, ""),
    ],
)
def test_when_there_was_no_time(lags: list[float], now: float, said: str) -> None:
    starvation = Starvation(1.0)
    for lag in lags:
        starvation.add(lag)
    assert starvation.complaint(now) == said


def missing(lag: float) -> Play:
    return Play().stimulus().claim().lag(lag).wait(9).expired().end()


def test_what_did_not_come_on_a_machine_that_stood_still() -> None:
    assert missing(0.5).verdict is FAIL
    verdict = missing(1.5).judged()
    assert verdict.verdict is INCONCLUSIVE
    assert verdict.why == "it did not come; but this machine stood still for 1.5 s meanwhile"
    assert verdict.expected.startswith("desk receives NOTIFY")
    assert verdict.actual == "desk received none"


def test_a_wrong_reply_on_a_machine_that_stood_still() -> None:
    play = Play().claim("1", "reply", status=[204]).request().lag(1.5).reply()
    assert play.end().verdict is INCONCLUSIVE
    assert Play().claim("1", "reply", status=[204]).stimulus().end().verdict is FAIL


def test_what_came_and_must_not_is_broken_all_the_same() -> None:
    play = Play().control().stimulus().never().lag(5)
    play.message(notify())
    assert play.fence().wait(1).closed().end().verdict is FAIL
    play = Play().control().stimulus().exactly(1).lag(5)
    for call_id in "ab":
        play.message(notify(call_id=call_id))
    assert play.fence().wait(1).closed().end().verdict is FAIL
    play = Play().control(phone="lobby").stimulus().claim("1", "hear", closes=True).lag(5).says()
    assert play.hears(TONES["lobby"], 1).fence(phone="lobby").wait(1).closed().end().verdict is FAIL


def test_lag_alone_is_no_reason_to_doubt() -> None:
    play = Play().stimulus().claim().lag(9)
    play.message(notify())
    assert play.end().verdict is Verdict.PASS


def test_a_case_that_stopped_says_whether_there_was_time() -> None:
    stopped = {lag: Play().claim().lag(lag).stimulus().wait(3).end("setup", "no load").judged() for lag in (0.5, 1.5)}
    assert {verdict.verdict for verdict in stopped.values()} == {INCONCLUSIVE}
    assert "machine" not in stopped[0.5].why
    assert stopped[1.5].why.startswith("the case stopped (no load; but this machine stood still for 1.5 s meanwhile)")


def test_a_precondition_says_whether_there_was_time() -> None:
    for lag, starved in ((0.5, ""), (1.5, "; but this machine stood still for 1.5 s meanwhile")):
        play = Play({"0": [], "1": ["C-1"]}).stimulus().claim("0").lag(lag).wait(9).expired("0").claim("1")
        play.message(notify())
        verdict = play.end().judged()
        assert verdict.verdict is INCONCLUSIVE
        [clause] = verdict.clauses
        assert clause.reason.endswith(f"(step 0) did not succeed: it did not come{starved}")
