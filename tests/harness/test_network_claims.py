"""What the judge makes of messages that the phone's own network lost, held, doubled or swapped on purpose."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.verdicts import Verdict
from tests.harness.lamps import closed, watching
from tests.harness.playbook import DESK, Play, answered, lamp_notify, notify, subscribe_request

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def controlled() -> Play:
    return Play().control().stimulus()


def settled(play: Play) -> Play:
    return play.fence().wait(0.1).closed().end()


# --- what is lost did not come ----------------------------------------------------------------------------------------


def test_a_lost_message_has_not_reached_the_phone() -> None:
    play = controlled().claim()
    play.message(notify(), seen="lost", fault="lost")
    verdict = play.wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "it did not come")


def test_a_lost_message_that_is_sent_again_has_come() -> None:
    play = controlled().exactly(1)
    play.message(notify(), seen="lost", fault="lost")
    play.wait(0.5).message(notify())
    assert settled(play).verdict is PASS
    play.rests()


@pytest.mark.parametrize("seen", ["lost", "held"])
def test_what_we_kept_from_a_phone_does_not_prove_that_it_was_never_sent(seen: str) -> None:
    play = controlled().never()
    play.message(notify(), seen=seen, fault=seen)
    verdict = settled(play).judged()
    assert verdict.verdict is INCONCLUSIVE
    assert verdict.why == f"'NOTIFY sip:desk@127.0.0.1:5001 SIP/2.0' was {seen} on its way to desk, on purpose"


def test_what_cannot_be_read_and_was_lost_may_have_been_it() -> None:
    play = controlled().never()
    play.message(b"NOTIFY sip:", seen="lost", fault="lost")
    assert settled(play).verdict is INCONCLUSIVE


def test_what_was_lost_and_is_something_else_or_from_before_does_not_count() -> None:
    play = Play()
    play.message(notify(), seen="lost", fault="lost")
    play.control().stimulus().never()
    play.message(notify("dialog"), seen="lost", fault="lost")
    assert settled(play).verdict is PASS


def test_a_control_that_was_lost_proves_nothing() -> None:
    play = Play()
    play.control(arrives=False)
    play.message(notify(call_id="control"), seen="lost", fault="lost")
    assert settled(play.stimulus().never()).verdict is INCONCLUSIVE


def test_a_fence_that_was_lost_proves_nothing() -> None:
    play = controlled().never().fence(arrives=False).wait(1).closed().end()
    assert play.verdict is INCONCLUSIVE


def test_a_control_may_not_rest_on_a_message_that_was_lost() -> None:
    play = Play().control(seen="lost").stimulus().never()
    assert settled(play).verdict is INCONCLUSIVE


# --- what is late came before -----------------------------------------------------------------------------------------


def test_a_message_that_we_held_is_not_late() -> None:
    play = controlled().claim()
    play.message(notify(), seen="held", fault="held")
    play.wait(5).message(notify(), fault="late", after=5.0)
    assert play.end().verdict is PASS
    assert FAIL is late_by_itself().verdict


def late_by_itself() -> Play:
    play = controlled().claim().wait(5)
    play.message(notify())
    return play.expired().end()


def test_a_message_that_is_still_held_when_time_is_over_is_not_missing() -> None:
    play = controlled().claim()
    play.message(notify(), seen="held", fault="held")
    verdict = play.wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (
        INCONCLUSIVE,
        "'NOTIFY sip:desk@127.0.0.1:5001 SIP/2.0' is still held on its way, on purpose",
    )


def test_a_copy_of_ours_is_not_a_second_message() -> None:
    play = controlled().exactly(1)
    play.message(notify())
    play.wait(1).message(notify(), fault="copy", after=1.0)
    assert settled(play).verdict is PASS
    twice = controlled().exactly(1)
    twice.message(notify())
    twice.wait(1).message(notify())
    assert twice.end().verdict is FAIL


# --- lamps ------------------------------------------------------------------------------------------------------------


def lost_and_again() -> Play:
    play = watching().goes("off", "ringing")
    play.shows("ringing", seen="lost")
    play.wait(0.5).shows("ringing", number=2)
    return play


def test_a_lamp_is_right_when_the_lost_notify_is_sent_again() -> None:
    play = closed(lost_and_again()).end()
    assert play.verdict is PASS
    play.rests()


def test_a_lamp_is_not_lit_by_what_was_lost() -> None:
    play = watching().becomes("ringing")
    play.shows("ringing", seen="lost")
    assert play.wait(3).expired().end().verdict is FAIL


def test_a_lamp_that_lacks_what_we_lost_or_hold_is_not_closed() -> None:
    for seen in ("lost", "held"):
        play = watching().stays("off")
        play.shows("ringing", seen=seen)
        assert closed(play).end().verdict is INCONCLUSIVE
    elsewhere = watching().stays("off")
    elsewhere.message(lamp_notify("ringing", 2, call_id="other"), phone="watcher", seen="lost", fault="lost")
    assert closed(elsewhere).end().verdict is PASS


def test_a_lamp_that_waits_for_what_we_hold_is_not_wrong() -> None:
    play = watching().becomes("ringing")
    play.shows("ringing", seen="held")
    verdict = play.wait(3).expired().end().judged()
    assert (verdict.verdict, "is still held" in verdict.why) == (INCONCLUSIVE, True)


# --- laws -------------------------------------------------------------------------------------------------------------


def swapped(*, ours: bool) -> Play:
    """NOTIFY 2 comes behind NOTIFY 3: because we held it, or by itself."""
    play = watching().claim("1", "laws")
    if ours:
        play.shows("ringing", number=2, seen="held")
    play.shows("busy", number=3)
    play.shows("ringing", number=2, answer=500, fault="late" if ours else "")
    return play


def repeated_behind(*, ours: bool) -> Play:
    """NOTIFY 2 is sent again behind NOTIFY 3: because we lost it, or by itself."""
    play = watching().claim("1", "laws")
    if ours:
        play.shows("ringing", number=2, seen="lost")
    play.shows("busy", number=3)
    play.shows("ringing", number=2, answer=500)
    return play


def doubled(*, ours: bool) -> Play:
    """NOTIFY 2 comes twice, so late that the phone takes it for another one."""
    play = watching().claim("1", "laws")
    play.shows("ringing", number=2)
    play.wait(40).shows("ringing", number=2, answer=500, fault="copy" if ours else "")
    return play


def unheard_refresh(*, ours: bool) -> Play:
    """The phone believes that its subscription is over, as we lost its refresh, or the answer; the server does not."""
    play = watching().claim("1", "laws")
    play.message(subscribe_request(), phone="watcher", direction="out")
    if ours:
        granted = answered(subscribe_request(), 200)
        play.message(granted, phone="watcher", seen="lost", fault="lost")
    play.subscription("expired")
    play.shows("ringing")
    return play


@pytest.mark.parametrize("story", [swapped, repeated_behind, doubled, unheard_refresh])
def test_a_disorder_of_our_own_making_is_no_broken_law(story: Callable[..., Play]) -> None:
    assert closed(story(ours=True)).end().verdict is PASS
    assert story(ours=False).end().verdict is FAIL


def test_what_we_held_is_judged_like_any_other_where_nothing_overtook_it() -> None:
    play = watching().claim("1", "laws")
    play.shows("ringing", number=2, seen="held")
    play.shows("ringing", number=2, version=1, fault="late")
    assert play.end().verdict is FAIL


def test_a_subscribe_of_ours_that_was_lost_hinders_too() -> None:
    play = watching().claim("1", "laws")
    play.message(subscribe_request(), phone="watcher", direction="out", fault="lost")
    play.subscription("expired")
    play.shows("ringing")
    assert closed(play).end().verdict is PASS


# --- calls and order --------------------------------------------------------------------------------------------------


def test_an_order_is_of_what_phones_received_and_sent_themselves() -> None:
    play = Play().stimulus().order("desk receives NOTIFY", "desk sends SUBSCRIBE")
    play.message(notify(), seen="lost", fault="lost")
    play.message(subscribe_request(of=DESK), direction="out", fault="lost")
    assert play.end().verdict is FAIL
    well = Play().stimulus().order("desk receives NOTIFY", "desk sends SUBSCRIBE")
    well.message(notify(), fault="late")
    well.message(subscribe_request(of=DESK), direction="out", fault="held")
    well.message(subscribe_request(of=DESK), direction="out", seen="late", fault="late")
    assert well.end().verdict is PASS
