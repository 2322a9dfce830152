"""What a lamp shows, against what was claimed of it; laws and subscriptions."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.verdicts import Verdict
from tests.harness.playbook import NEW, OLD, Play, lamp_notify, notify

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def watching() -> Play:
    """The watcher watches desk, whose lamp is off, and something happens."""
    return Play().subscribe().mark().stimulus()


def closed(play: Play, *names: str, phone: str = "watcher") -> Play:
    """Fence, lag and the engine's word that it is over."""
    play.fence(phone=phone).wait(0.1)
    for name in names or ("1",):
        play.closed(name)
    return play


def call(play: Play, *states: str) -> Play:
    """The lamp shows this, 0.1 s apart."""
    for state in states:
        play.wait(0.1).shows(state)
    return play


def a_call() -> Play:
    """A claim of a whole call, with everything that it rests on."""
    return closed(call(watching().goes("off", "ringing", "busy", "off"), "ringing", "busy", "off")).end()


# --- goes, stays, becomes ------------------------------------------------------------------------------------------


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
    # but what it shows no longer is not what it has become
    assert call(watching(), "ringing", "off").becomes("ringing").wait(3).expired().end().verdict is FAIL


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("busy", "off"), "it showed busy"),
        (("ringing", "off"), "it showed off"),
        (("ringing", "busy", "ringing", "off"), "it showed ringing"),
        (("ringing", "busy", "off", "ringing"), "it showed ringing"),
        (("ringing", "busy"), "still busy, since 2.8 s"),
        ((), "still off, since"),
    ],
)
def test_another_course(states: tuple[str, ...], said: str) -> None:
    play = call(watching().goes("off", "ringing", "busy", "off"), *states)
    verdict = play.wait(3 - 0.1 * len(states)).expired().end().judged()
    assert verdict.verdict is FAIL
    assert verdict.why.startswith(said)
    assert verdict.expected == "lamp of desk on watcher: off, ringing, busy, off, the last within 2 s of the reply"


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


# --- until the next stimulus ---------------------------------------------------------------------------------------


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


# --- control, fence, lag -------------------------------------------------------------------------------------------


def refreshed_at(contact: str) -> Play:
    play = Play().phone("watcher", contact=contact).subscribe()
    play.events[-1][0]["contact"] = contact
    return play.mark().stimulus().stays("off")


UNPROVED: dict[str, tuple[Callable[[], Play], str]] = {
    "the control of another watcher": (
        lambda: closed(Play().subscribe(phone="lobby").stimulus().stays("off")),
        "watcher does not watch sip:desk@r",
    ),
    "control at another Contact": (
        lambda: closed(refreshed_at(OLD).registration("registered", phone="watcher", contact=NEW)),
        "could be reached at 127.0.0.1:5001: its control came to another Contact",
    ),
    "moved between fence and closing": (
        lambda: (
            watching()
            .stays("off")
            .fence(phone="watcher")
            .registration("registered", phone="watcher", contact=OLD)
            .wait(1)
            .closed()
        ),
        "could be reached at 127.0.0.1:5000: its control came to another Contact",
    ),
    "no fence": (lambda: watching().stays("off").wait(1).closed(), "the fence did not arrive"),
    "fence missed": (
        lambda: watching().stays("off").fence(phone="watcher", arrives=False).wait(1).closed(),
        "the fence did not arrive",
    ),
    "fence of another": (
        lambda: watching().stays("off").fence(phone="lobby").wait(1).closed(),
        "the fence did not arrive",
    ),
    "fence before the claim": (
        lambda: watching().fence(phone="watcher").stays("off").wait(1).closed(),
        "the fence did not arrive",
    ),
    "fence before the stimulus was over": (
        lambda: watching().stays("off").fence(phone="watcher").step().wait(1).closed(),
        "the fence did not arrive",
    ),
    "fence at an address that the phone has left": (
        lambda: watching().stays("off").fence(phone="watcher", at="former", contact=OLD).wait(1).closed(),
        "the fence did not arrive",
    ),
    "fence that was heard twice": (
        lambda: watching().stays("off").fence(phone="watcher", seen="retransmission").wait(1).closed(),
        "the fence did not arrive",
    ),
    "too short": (
        lambda: watching().stays("off").fence(phone="watcher").wait(0.03).closed(),
        "listened 0.030 s after the fence, not 0.040 s",
    ),
    "shorter than the clause wants": (
        lambda: watching().stays("off", lag=1.5).fence(phone="watcher").wait(1.4).closed(),
        "listened 1.400 s after the fence, not 1.500 s",
    ),
    "a slow control": (
        lambda: closed(Play().subscribe(latency=0.5).stimulus().stays("off")),
        "listened 0.100 s after the fence, not 2.000 s",
    ),
    "nobody closes": (lambda: watching().stays("off").fence(phone="watcher").wait(1), "while step 1 was open"),
}


@pytest.mark.parametrize("why", UNPROVED)
def test_a_lamp_that_is_not_proved(why: str) -> None:
    play, said = UNPROVED[why]
    verdict = play().end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert said in verdict.reason
    assert verdict.closed_by == ()


def test_a_control_after_the_claim_proves_nothing_about_before() -> None:
    play = Play().subscribe("").stimulus().stays("off")
    play.shows("off")
    verdict = closed(play.subscribe()).end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert "its control did not arrive" in verdict.why


@pytest.mark.parametrize(("seen", "contact"), [("missed", "current"), ("retransmission", "current"), ("new", "former")])
def test_a_control_that_the_phone_did_not_take_is_none(seen: str, contact: str) -> None:
    play = Play().subscribe(seen=seen, contact=contact)
    assert play.events[-1][0]["state"] == "missed"
    play.shows("off")
    play.events[-2][0]["state"] = "arrived"  # whoever wrote this Record was wrong
    verdict = closed(play.mark().stimulus().stays("off")).end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert "could be reached" in verdict.why


@pytest.mark.parametrize(("seen", "at"), [("missed", "current"), ("new", "former")])
def test_a_check_sync_that_the_phone_did_not_take_is_no_control(seen: str, at: str) -> None:
    play = Play().control(seen=seen, at=at).mark().stimulus().never().fence().wait(0.1).closed().end()
    verdict = play.judged()
    assert verdict.verdict is INCONCLUSIVE
    assert verdict.why.startswith("nothing proves that desk could be reached")


def test_a_check_sync_is_no_control_of_a_lamp() -> None:
    play = Play().control(phone="watcher").subscribe("").mark()
    play.shows("off")
    assert closed(play.stimulus().stays("off")).end().verdict is INCONCLUSIVE


def test_after_a_refresh_from_there_a_new_contact_is_as_good() -> None:
    play = Play().phone("watcher", contact=OLD).subscribe()
    play.events[-1][0]["contact"] = OLD
    play.registration("registered", phone="watcher", contact=NEW).subscribe()
    assert closed(play.mark().stimulus().stays("off")).end().verdict is PASS


def test_the_control_of_another_package_is_none() -> None:
    play = Play().subscribe("")
    play.shows("off")
    play.subscribe("", call_id="sub-2", event="presence")
    n = play.shows("off", call_id="sub-2")
    play.events[-2][0].update(state="arrived", message=n)
    play.events[-1], play.events[-2] = play.events[-2], play.events[-1]
    assert closed(play.mark().stimulus().stays("off")).end().verdict is INCONCLUSIVE


# --- what is folded ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen", ["retransmission", "missed", "malformed", "stray"])
def test_what_the_phone_did_not_take_is_not_shown(seen: str) -> None:
    play = watching().stays("off")
    play.shows("ringing", seen=seen)
    assert closed(play).end().verdict is PASS
    play = watching().becomes("ringing")
    play.shows("ringing", seen=seen)
    assert play.wait(3).expired().end().verdict is FAIL


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


# --- two subscriptions to one presentity ---------------------------------------------------------------------------


def restarted(shows: str = "busy") -> Play:
    """The watcher has lost its first subscription and has made a second one."""
    play = Play().subscribe("busy").mark()
    return play.subscription("terminated", reason="forgotten").subscribe(shows, call_id="sub-2")


def test_the_newest_subscription_counts() -> None:
    play = restarted().mark().stimulus().goes("busy", "off")
    play.shows("ringing")
    play.shows("off", call_id="sub-2")
    closed(play).end().rests()


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
    assert closed(play).end().judged().why == "it showed unknown"


# --- where a window begins -----------------------------------------------------------------------------------------


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


# --- our own fences light lamps ------------------------------------------------------------------------------------


def test_the_fence_of_the_watched_phone_decides_nothing_about_its_lamp() -> None:
    play = watching().stays("off").fence(phone="desk")
    play.shows("ringing")
    verdict = closed(play).end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert verdict.why == "the fence of desk lights this lamp itself: no count of it can be closed"


def test_what_was_broken_before_our_fence_stays_broken() -> None:
    play = call(watching().stays("off"), "ringing").fence(phone="desk")
    assert closed(play).end().verdict is FAIL


def test_a_fence_follows_a_changed_presentity() -> None:
    play = watching().stays("off").phone("desk", presentity="sip:2001@r").fence(phone="desk")
    assert closed(play).end().verdict is PASS
    play = watching().stays("off").phone("lobby", presentity="sip:DESK@r").fence(phone="lobby")
    assert closed(play).end().verdict is INCONCLUSIVE


def test_a_count_of_notifies_that_our_fence_may_have_caused_is_undecided() -> None:
    def counted(where: dict[str, Any]) -> Play:
        return watching().exactly(1, phone="watcher", where=where)

    play = counted({"Event": "dialog"})
    play.shows("ringing")
    assert closed(play).end().verdict is PASS
    play = counted({"Event": "dialog"})
    play.shows("ringing")
    play.fence(phone="desk")
    play.shows("off")
    verdict = closed(play).end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert "our own fence has lit" in verdict.why


def test_a_lamp_is_looked_at_from_behind_the_fence_of_whom_it_shows() -> None:
    play = Play({"1": ["C-1"], "2": ["C-1"]}).subscribe().control().mark().stimulus().never()
    play.fence(phone="desk")
    call(play, "ringing", "off").wait(0.1).closed()
    closed(call(play.stimulus().goes("off", "busy", name="2"), "busy"), "2").end()
    assert play.verdict is PASS


# --- the picture ---------------------------------------------------------------------------------------------------


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


# --- laws ----------------------------------------------------------------------------------------------------------


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
def test_a_broken_law(more: dict[str, int], said: str) -> None:
    play = watching()
    n = play.shows("ringing", **more)
    verdict = closed(play.claim("1", "laws")).end().judged()
    assert (verdict.verdict, verdict.why, verdict.decisive) == (FAIL, said, (n,))
    play = watching().claim("1", "laws")
    play.shows("ringing", **more)
    assert closed(play).end().verdict is FAIL, "what comes behind the claim's beginning counts, too"


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


# --- subscriptions -------------------------------------------------------------------------------------------------


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
    # the response to the first SUBSCRIBE is not the one to the refresh
    play = Play().subscribe().claim("1", "subscription").subscribe().step().end()
    answers = [event["n"] for event, data in play.events if data.startswith(b"SIP/2.0 200")]
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


def test_without_the_subscribe_no_lamp_is_known() -> None:
    play = a_call()
    asked = next(event["n"] for event, data in play.events if data.startswith(b"SUBSCRIBE "))
    assert play.judged(without=asked).verdict is not PASS
