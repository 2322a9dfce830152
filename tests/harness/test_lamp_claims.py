"""What a lamp shows, against what was claimed of it."""

from collections.abc import Callable

import pytest

from harness.verdicts import Verdict
from tests.harness.lamps import call, closed, restarted, watching
from tests.harness.playbook import Play, lamp_notify, notify

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def a_call() -> Play:
    """A claim of a whole call, with everything that it rests on."""
    return closed(call(watching().goes("off", "ringing", "busy", "off"), "ringing", "busy", "off")).end()


# --- goes, stays, becomes --------------------------------------------------------------------------------------------


def test_a_lamp_goes_as_it_must() -> None:
    verdict = a_call().judged()
    assert verdict.verdict is PASS
    assert verdict.expected == verdict.actual == ""
    [closing] = verdict.closed_by
    assert {closing.control, closing.fence} < set(verdict.decisive)
    assert len(verdict.decisive) == 6
    a_call().rests()


def test_what_came_before_the_claim_was_opened_counts() -> None:
    play = call(Play().subscribe().mark().stimulus(), "ringing", "busy", "off")
    closed(play.goes("off", "ringing", "busy", "off")).end().rests()


def test_without_a_mark_it_is_looked_at_from_the_first_notify() -> None:
    closed(call(Play().subscribe().stimulus(), "ringing").goes("off", "ringing")).end().rests()
    assert closed(call(Play().subscribe("ringing").stimulus(), "off").goes("off")).end().verdict is FAIL


def test_the_same_state_again_is_no_change() -> None:
    play = call(watching().goes("off", "ringing", "off"), "off", "ringing", "ringing", "off", "off")
    assert closed(play).end().verdict is PASS


def test_a_lamp_stays() -> None:
    closed(watching().stays("off")).end().rests()
    play = closed(call(watching().stays("off"), "off")).end()
    assert play.verdict is PASS
    verdict = closed(call(watching().stays("off"), "ringing", "off")).end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "it showed ringing")
    assert verdict.expected == "lamp of desk on watcher: off, and nothing else"
    assert verdict.actual == "lamp of desk on watcher: off, ringing at +100 ms"


def test_a_lamp_becomes() -> None:
    call(watching().becomes("ringing"), "ringing").end().rests()
    play = call(watching().becomes("busy"), "ringing", "busy").end()
    play.rests()
    assert play.judged().closed_by == ()


def test_what_follows_is_nothing_to_becomes() -> None:
    assert call(watching().becomes("ringing"), "ringing", "busy", "off").end().verdict is PASS


def test_a_lamp_that_is_so_already_has_become_so() -> None:
    assert watching().becomes("off").end().verdict is PASS
    # it may be over before anybody claims it, if it came of the last step
    assert call(watching(), "ringing", "off").becomes("ringing").end().verdict is PASS
    # but what it showed before, or before a wait was over, is not what it has become
    for play in (
        call(watching(), "ringing", "off").stimulus(),
        call(watching(), "ringing", "off").step(phase="start"),
        call(watching(), "ringing", "off").step(stimulus=False),
    ):
        assert play.becomes("ringing").wait(3).expired().end().verdict is FAIL
    for play in (
        call(watching(), "ringing", "off").step(phase="start", name="5.1"),
        call(watching(), "ringing", "off").step(phase="start", stimulus=False),
    ):
        assert play.becomes("ringing").end().verdict is PASS


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("busy", "off"), "it showed busy where ringing was expected"),
        (("ringing", "off"), "it showed off where busy was expected"),
        (("ringing", "busy", "ringing", "off"), "it showed ringing where off was expected"),
        (("ringing", "busy", "off", "ringing"), "it showed ringing"),
        (("ringing", "busy"), "still busy, for 2.8 s"),
        ((), "still off, for 3.0 s"),
    ],
)
def test_another_course(states: tuple[str, ...], said: str) -> None:
    play = call(watching().goes("off", "ringing", "busy", "off"), *states)
    verdict = play.wait(3 - 0.1 * len(states)).expired().end().judged()
    assert verdict.verdict is FAIL
    assert verdict.why.startswith(said)
    assert (
        verdict.expected == "lamp of desk on watcher: off, ringing, busy, off, the last within 2 s of the step before"
    )


def test_the_engine_need_not_say_that_time_is_over_to_see_another_course() -> None:
    assert call(watching().goes("off", "ringing", "off"), "busy").end().verdict is FAIL


def test_a_course_that_is_not_over_when_the_window_is_closed() -> None:
    verdict = closed(call(watching().goes("off", "ringing", "off"), "ringing")).end().judged()
    assert (verdict.verdict, verdict.why.partition(",")[0]) == (FAIL, "still ringing")


@pytest.mark.parametrize("how", ["goes", "stays", "becomes"])
def test_too_late(how: str) -> None:
    def claimed(play: Play) -> Play:
        return play.goes("off", "ringing") if how == "goes" else play.claim("1", "lamp", how=how, goes=["ringing"])

    play = call(claimed(Play().subscribe("off" if how == "goes" else "").mark().stimulus()).wait(2), "ringing")
    verdict = play.expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "it came too late; 2 s were allowed")
    play = call(claimed(Play().subscribe("off" if how == "goes" else "").mark().stimulus()).wait(2).lag(0.2), "ringing")
    assert play.verdict is not FAIL, "our own lateness is not theirs"


def test_the_change_that_came_too_late_before_the_claim_was_opened() -> None:
    play = call(Play().subscribe().mark().stimulus().wait(5), "ringing")
    assert play.becomes("ringing").expired().end().verdict is FAIL


def test_what_it_shows_from_the_beginning_cannot_be_late() -> None:
    play = call(watching().wait(9), "ringing").mark().stays("ringing")
    assert closed(play).end().verdict is PASS


def test_no_notify_at_all() -> None:
    for play in (
        Play().subscribe("").stimulus().stays("off"),
        Play().subscribe("").stimulus().becomes("off"),
        Play().subscribe("", latency=0).stimulus().goes("off", "ringing"),
    ):
        verdict = play.wait(3).expired().end().judged()
        assert (verdict.verdict, verdict.why) == (FAIL, "no NOTIFY has ever come")
        assert verdict.actual == "lamp of desk on watcher: no NOTIFY has ever come"


def test_who_watches_nobody_says_nothing_about_the_target() -> None:
    elsewhere = Play().subscribe(of="sip:lobby@r").stimulus().stays("off").wait(3).expired().end()
    verdict = elsewhere.judged()
    assert (verdict.verdict, verdict.why) == (INCONCLUSIVE, "watcher does not watch sip:desk@r")
    package = Play().subscribe(event="presence").stimulus().becomes("off").wait(3).expired().end()
    assert package.verdict is INCONCLUSIVE


def test_an_end_makes_it_unknown() -> None:
    play = watching().goes("off", "unknown")
    play.subscription("terminated", 200)
    closed(play).end().rests()
    play = watching().stays("off")
    play.subscription("expired")
    assert closed(play).end().judged().why == "it showed unknown"
    play = watching().stays("off")
    play.shows("off", over="timeout")
    assert closed(play).end().judged().why == "it showed unknown"


def test_what_breaks_a_law_is_not_shown_and_said() -> None:
    play = call(watching().goes("off", "ringing", "off"), "ringing")
    play.shows("off", version=1)
    verdict = play.wait(3).expired().end().judged()
    assert verdict.verdict is FAIL
    assert verdict.why.endswith(": version 1 after 2")


def test_presentities_are_compared_as_kazoo_looks_them_up() -> None:
    play = Play().subscribe(of="sip:DESK@R").mark().stimulus().stays("off")
    assert closed(play).end().verdict is PASS


# --- until the next stimulus -----------------------------------------------------------------------------------------


def test_a_closed_lamp_is_looked_at_until_the_next_stimulus() -> None:
    play = closed(watching().stays("off"))
    assert play.wait(9).verdict is not FAIL
    play.shows("ringing")
    assert play.end().judged().why == "it showed ringing"


AFTER: dict[str, Callable[[Play], object]] = {
    "request": lambda play: play.request(),
    "control": lambda play: play.control(),
    "subscribe": lambda play: play.subscribe(phone="lobby", call_id="sub-9"),
    "mark": lambda play: play.mark(),
    "step": lambda play: play.step(phase="start"),
    "fence of desk": lambda play: play.fence(phone="desk"),
}


@pytest.mark.parametrize("what", AFTER)
def test_what_the_next_stimulus_brings_is_not_looked_at(what: str) -> None:
    play = closed(watching().stays("off"))
    AFTER[what](play)
    play.shows("ringing")
    assert play.end().verdict is PASS


@pytest.mark.parametrize("quiet", ["a quiet step", "an API call of our own"])
def test_what_is_no_stimulus_does_not_end_it(quiet: str) -> None:
    play = closed(watching().stays("off"))
    if quiet == "a quiet step":
        play.step(phase="start", stimulus=False).step(stimulus=False)
    else:
        play.request("fence").reply(role="fence")
    play.shows("ringing")
    assert play.end().verdict is FAIL


def test_an_open_claim_is_not_ended_by_a_stimulus() -> None:
    play = watching().stays("off").request().reply()
    play.shows("ringing")
    assert play.end().verdict is FAIL


def test_an_unproved_lamp_that_changes_is_a_violation() -> None:
    play = watching().stays("off").closed()
    assert play.verdict is INCONCLUSIVE
    play.shows("ringing")
    assert play.end().verdict is FAIL


# --- what is folded --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", ["retransmission", "missed", "malformed", "stray"])
def test_what_the_phone_did_not_take_is_not_shown(seen: str) -> None:
    play = watching().stays("off")
    play.shows("ringing", seen=seen)
    assert closed(play).end().verdict is PASS
    play = watching().becomes("ringing")
    play.shows("ringing", seen=seen)
    assert play.wait(3).expired().end().verdict is FAIL


@pytest.mark.parametrize("answer", [481, 500, 400, 0])
def test_what_the_phone_refused_is_not_shown(answer: int) -> None:
    play = watching().becomes("ringing")
    play.shows("ringing", answer=answer)
    assert play.wait(3).expired().end().verdict is FAIL
    play = watching().stays("off")
    play.shows("ringing", answer=answer)
    assert closed(play).end().verdict is PASS


def test_a_notify_is_shown_when_the_phone_has_taken_it() -> None:
    play = watching().becomes("ringing").wait(0.1)
    n = play.shows("ringing")
    assert play.end().judged().decisive == (n,)
    answer = next(event["n"] for event, data in play.events if event["n"] > n and data)
    assert play.judged(without=answer).verdict is not PASS


def test_what_came_to_an_address_that_the_phone_has_left_is_not_shown() -> None:
    play = watching().becomes("ringing")
    play.shows("ringing", contact="former")
    assert play.wait(3).expired().end().verdict is FAIL


def test_a_missed_end_leaves_the_lamp_stuck() -> None:
    play = call(watching().goes("off", "ringing"), "ringing")
    play.shows("off", seen="missed")
    closed(play).end().rests()


def test_a_notify_of_no_subscription_of_ours_is_not_shown() -> None:
    play = watching().stays("off")
    play.shows("ringing", call_id="unknown")
    play.shows("ringing", phone="lobby")
    play.message(lamp_notify("ringing", 9), phone="watcher", direction="out")
    play.message(notify(call_id="sub-1"), phone="lobby")
    assert closed(play).end().verdict is PASS


# --- two subscriptions to one presentity -----------------------------------------------------------------------------


def test_the_newest_subscription_counts() -> None:
    play = restarted().mark().stimulus().goes("busy", "off")
    play.shows("ringing")
    play.shows("off", call_id="sub-2")
    closed(play).end().rests()


def test_what_still_comes_for_a_former_subscription_is_not_shown() -> None:
    play = Play().subscribe("busy").subscription("expired").subscribe("busy", call_id="sub-2").mark().stimulus()
    play.stays("busy").shows("off")
    assert closed(play).end().verdict is PASS


def test_in_between_the_lamp_knew_nothing() -> None:
    assert closed(restarted().stimulus().goes("busy", "unknown", "busy")).end().verdict is PASS
    # even where nobody said that the first one had ended
    play = Play().subscribe("busy").mark().subscribe("busy", call_id="sub-2").stimulus()
    assert closed(play.goes("busy", "unknown", "busy")).end().verdict is PASS


def test_the_control_of_a_former_subscription_is_none() -> None:
    play = restarted("")
    play.shows("busy", call_id="sub-2")
    verdict = closed(play.mark().stimulus().stays("busy")).end().judged()
    assert (verdict.verdict, verdict.why.rpartition(": ")[2]) == (INCONCLUSIVE, "its control did not arrive")


def test_a_new_subscription_without_notify_shows_nothing() -> None:
    play = Play().subscribe("busy").subscribe("", call_id="sub-2").mark().stimulus().stays("busy")
    play.shows("busy", call_id="sub-1")
    assert closed(play).end().judged().why == "it showed unknown where busy was expected"


# --- where a window begins -------------------------------------------------------------------------------------------


def test_a_closed_lamp_is_looked_at_from_there_on() -> None:
    play = Play({"1": ["C-1"], "2": ["C-1"]}).subscribe().mark().stimulus()
    closed(call(play.goes("off", "ringing"), "ringing"))
    closed(call(play.stimulus().goes("ringing", "off", name="2"), "off"), "2").end()
    assert play.verdict is PASS
    play = Play({"1": ["C-1"], "2": ["C-1"]}).subscribe().mark().stimulus()
    closed(call(play.goes("off", "ringing"), "ringing"))
    closed(call(play.stimulus().goes("off", "ringing", "off", name="2"), "off"), "2").end()
    assert play.verdict is FAIL


def test_becomes_and_other_lamps_do_not_begin_a_window() -> None:
    play = Play({"1": ["C-1"], "2": ["C-1"], "3": ["C-1"]}).subscribe().mark()
    play.subscribe(of="sip:lobby@r", call_id="sub-2").stimulus()
    call(play.becomes("ringing"), "ringing")
    closed(play.stays("off", "2", presentity="sip:lobby@r", of="lobby"), "2")
    closed(call(play.stimulus().goes("off", "ringing", "off", name="3"), "off"), "3").end()
    assert play.verdict is PASS


def test_a_mark_begins_a_window() -> None:
    play = call(watching(), "ringing").mark().stimulus()
    assert closed(call(play.goes("ringing", "off"), "off")).end().verdict is PASS
    play = call(watching(), "ringing").mark().stimulus()
    assert closed(call(play.goes("off", "ringing", "off"), "off")).end().verdict is FAIL


# --- the picture -----------------------------------------------------------------------------------------------------


def test_a_failing_lamp_is_drawn_under_the_truth() -> None:
    play = watching().goes("off", "ringing", "off")
    play.call("ringing").wait(0.5).shows("ringing")
    play.wait(0.5).call("ended", reason="hung up by the peer")
    verdict = play.wait(3).expired().end().judged()
    assert verdict.verdict is FAIL
    truth, lamp, marks = verdict.picture.splitlines()[:3]
    assert truth.startswith("calls of desk ")
    assert lamp.startswith("lamp on watcher ")
    assert "▒" in truth
    assert "▒" in lamp
    assert "^" in marks
    assert verdict.as_json()["lamps"] == verdict.picture


def test_the_truth_may_be_of_other_phones() -> None:
    play = watching().goes("off", "ringing", truth=["lobby"])
    play.call("ringing", phone="lobby")
    verdict = play.wait(3).expired().end().judged()
    assert "▒" in verdict.picture.splitlines()[0]
    play = watching().goes("off", "ringing")
    play.call("ringing", phone="lobby")
    assert "▒" not in play.wait(3).expired().end().judged().picture.splitlines()[0]


def test_nothing_else_is_drawn() -> None:
    assert a_call().judged().picture == ""
    assert watching().claim(phone="watcher").wait(3).expired().end().judged().picture == ""


def test_without_the_subscribe_no_lamp_is_known() -> None:
    play = a_call()
    asked = next(event["n"] for event, data in play.events if data.startswith(b"SUBSCRIBE "))
    assert play.judged(without=asked).verdict is not PASS
