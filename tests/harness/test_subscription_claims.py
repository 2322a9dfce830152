"""Laws that NOTIFYs keep, and subscriptions that stand or end, against what was claimed."""

from typing import Any

import pytest

from harness.verdicts import Verdict
from tests.harness.lamps import call, closed, restarted, watching
from tests.harness.playbook import Play, answered, subscribe_request

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


# --- laws ------------------------------------------------------------------------------------------------------------


def test_laws_are_kept() -> None:
    play = closed(call(watching(), "ringing").claim("1", "laws")).end()
    play.rests()
    assert play.judged().closed_by


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"number": 1}, "CSeq 1 after 1"),
        ({"version": 1}, "version 1 after 1"),
        ({"version": 0}, "version 0 after 1"),
    ],
)
def test_a_broken_law(more: dict[str, Any], said: str) -> None:
    play = watching()
    n = play.shows("ringing", **more)
    verdict = closed(play.claim("1", "laws")).end().judged()
    assert (verdict.verdict, verdict.why, verdict.decisive) == (FAIL, said, (n,))
    play = watching().claim("1", "laws")
    play.shows("ringing", **more)
    assert closed(play).end().verdict is FAIL, "what comes behind the claim's beginning counts, too"


def test_a_notify_that_the_phone_found_too_old_breaks_a_law() -> None:
    play = call(watching(), "ringing")
    play.shows("off", number=1, version=9, answer=500)
    verdict = closed(play.claim("1", "laws")).end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "CSeq 1 after 2")
    # whatever else it answers 500 for tells nothing
    play = call(watching(), "ringing")
    play.shows("off", number=9, answer=500)
    assert closed(play.claim("1", "laws")).end().verdict is PASS


def test_nothing_follows_the_end() -> None:
    play = watching()
    play.shows("off", over="timeout")
    closed(play.claim("1", "laws"))
    assert play.verdict is not FAIL
    play.shows("ringing")
    verdict = play.end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "a NOTIFY after the subscription had been terminated")


def test_laws_are_looked_at_until_the_next_stimulus() -> None:
    play = closed(call(watching(), "ringing").claim("1", "laws")).step(phase="start")
    play.shows("off", version=1)
    assert play.end().verdict is PASS


@pytest.mark.parametrize(
    ("play", "said"),
    [
        (closed(watching().claim("1", "laws")), "no subscription had two NOTIFYs to compare"),
        (closed(Play().stimulus().claim("1", "laws")), "no subscription had two NOTIFYs to compare"),
        (call(watching(), "ringing").claim("1", "laws").wait(1).closed(), "the fence did not arrive"),
        (closed(call(Play().subscribe(""), "off", "ringing").claim("1", "laws")), "its control did not arrive"),
        (call(watching(), "ringing").claim("1", "laws"), "while step 1 was open"),
    ],
)
def test_laws_that_are_not_proved(play: Play, said: str) -> None:
    verdict = play.end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert said in verdict.reason


def test_what_is_sent_to_a_forgotten_subscription_breaks_no_law() -> None:
    play = restarted().mark().stimulus()
    play.shows("off")
    play.shows("off", call_id="sub-2")
    assert closed(play.claim("1", "laws")).end().verdict is PASS


# --- subscriptions ---------------------------------------------------------------------------------------------------


def subscribing(**spec: Any) -> Play:
    return Play().claim("1", "subscription", **spec)


def test_a_subscription_is_granted_and_notified() -> None:
    subscribing().subscribe().step().end().rests()


def test_the_notify_may_be_faster_than_the_response() -> None:
    play = Play().claim("1", "subscription")
    play.subscribe("", latency=0)
    # what the phone heard before it had its answer
    *before, answer, active, missed = play.events
    play.events = before
    play.shows("off")
    play.events += [answer, active, missed]
    play.events = [({**event, "n": n}, data) for n, (event, data) in enumerate(play.events)]
    active_event = play.events[-2][0]
    active_event["message"] = active_event["n"] - 1
    assert play.step().end().verdict is PASS


def test_each_has_to_succeed() -> None:
    play = subscribing(phones=["watcher", "lobby"]).subscribe()
    assert play.verdict is INCONCLUSIVE
    play.subscribe(phone="lobby", call_id="sub-2").step().end().rests()
    verdict = subscribing(phones=["watcher", "lobby"]).subscribe().wait(40).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "no outcome for lobby")


def test_a_refresh_needs_a_notify_of_its_own() -> None:
    Play().subscribe().claim("1", "subscription").subscribe().step().end().rests()
    verdict = Play().subscribe().claim("1", "subscription").subscribe("").wait(5).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "no NOTIFY came with the subscription")


@pytest.mark.parametrize(("seen", "contact"), [("missed", "current"), ("retransmission", "current"), ("new", "former")])
def test_a_notify_that_the_phone_did_not_take_does_not_count(seen: str, contact: str) -> None:
    assert subscribing().subscribe(seen=seen, contact=contact).wait(5).expired().end().verdict is FAIL


def test_a_notify_that_the_phone_refused_does_not_count() -> None:
    play = subscribing().subscribe("")
    play.shows("off", answer=481)
    assert play.wait(5).expired().end().verdict is FAIL


def test_what_comes_behind_its_step_is_not_its_own() -> None:
    play = subscribing().subscribe("").step(name="1")
    play.shows("off")
    play.subscribe()
    assert play.end().verdict is INCONCLUSIVE


def test_a_refused_subscription() -> None:
    play = subscribing(outcome="refused", status=489, event="reg")
    play.subscription("refused", 489, event="reg").step().end().rests()
    play = subscribing(outcome="refused", status=489).subscribe("", status=403).end()
    assert play.verdict is FAIL
    verdict = subscribing().subscribe("", status=403).end().judged()
    assert verdict.verdict is FAIL
    assert verdict.why == f"{verdict.actual}, where watcher: subscription active, with a NOTIFY was claimed"


def test_the_response_that_decided_has_to_be_there() -> None:
    play = subscribing().subscribe()
    answer = next(event["n"] for event, data in play.events if data.startswith(b"SIP/2.0 200"))
    assert play.step().end().judged(without=answer).verdict is INCONCLUSIVE
    play.events[answer] = (play.events[answer][0], answered(subscribe_request(), 401))
    assert play.verdict is INCONCLUSIVE
    # the response to the first SUBSCRIBE is not the one to the refresh
    play = Play().subscribe().claim("1", "subscription").subscribe().step().end()
    answers = [event["n"] for event, data in play.events if data.startswith(b"SIP/2.0 200") and b"SUBSCRIBE" in data]
    assert play.judged(without=answers[1]).verdict is INCONCLUSIVE


def test_a_refresh_that_failed_and_left_the_subscription_is_no_success() -> None:
    play = Play().subscribe().claim("1", "subscription")
    play.subscription("active", 500)
    play.shows("ringing")
    assert play.step().end().verdict is FAIL
    play = subscribing().subscription("active")
    play.shows("off")
    assert play.end().verdict is FAIL, "nobody granted it"


def test_another_subscription_says_nothing_about_this_one() -> None:
    play = subscribing().subscribe(of="sip:lobby@r").subscribe(phone="lobby", call_id="sub-2")
    play.subscription("active", 200, event="presence", call_id="sub-3")
    assert play.end().verdict is INCONCLUSIVE


def test_a_uri_is_compared_without_what_stands_around_it() -> None:
    play = Play().claim("1", "subscription")
    play.subscribe(of="sip:Desk@r;user=phone")
    assert play.end().verdict is PASS


def test_an_ended_subscription() -> None:
    def ending() -> Play:
        return Play().subscribe().claim("1", "subscription", outcome="terminated")

    ending().subscription("terminated", 200).step().end().rests()
    play = ending()
    n = play.shows("off", over="deactivated")
    play.subscription("terminated", reason="deactivated", message=n).step().end().rests()
    verdict = ending().subscription("terminated").step().end().judged()
    assert (verdict.verdict, verdict.why) == (INCONCLUSIVE, "watcher had no subscription that could end")
    assert ending().subscription("unanswered").end().verdict is FAIL
    assert Play().claim("1", "subscription", outcome="unanswered").subscription("unanswered").end().verdict is PASS
