"""What proves that nothing more comes for a lamp: control, fence and lag; and what our own fences do to lamps."""

from collections.abc import Callable
from typing import Any

import pytest

from harness.verdicts import Verdict
from tests.harness.lamps import call, closed, watching
from tests.harness.playbook import NEW, OLD, Play, lamp_notify, notify

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


# --- control, fence, lag ---------------------------------------------------------------------------------------------


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
    "fence where it was for a while": (
        lambda: (
            watching()
            .stays("off")
            .registration("registered", phone="watcher", contact=OLD)
            .fence(phone="watcher", contact=OLD)
            .registration("registered", phone="watcher", contact=NEW)
            .wait(1)
            .closed()
        ),
        "the fence did not arrive",
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


def test_a_control_rests_on_the_notify_of_its_subscription() -> None:
    for data in (lamp_notify("off", 1, call_id="another"), notify(call_id="sub-1").replace(b"NOTIFY", b"MESSAGE")):
        play = Play().subscribe()
        at = next(n for n, (event, _) in enumerate(play.events) if event.get("first", "").startswith("NOTIFY"))
        play.shows("off")
        play.events[at] = (play.events[at][0], data)
        assert closed(play.mark().stimulus().stays("off")).end().verdict is INCONCLUSIVE


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


# --- our own fences light lamps --------------------------------------------------------------------------------------


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
