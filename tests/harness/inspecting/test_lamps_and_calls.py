"""Lamps held against calls: what is sound is never flagged, what is not is flagged at the right frame."""

import pytest

from harness.inspecting.subscriptions import SENT_AGAIN_S
from reference_server.lamp_documents import IDLE
from tests.harness.inspecting.making import EDGE, Ring, Story, Watcher, laws

DESK, BOARD, OTHER = ("192.0.2.20", 5062), ("192.0.2.30", 5063), ("192.0.2.40", 5064)
CALL = "kfp+ab12@call-1"


def watched(package: str = "dialog") -> tuple[Story, Watcher, Ring]:
    """An edge, a watcher of 1002 whose lamp is off, and the phone of 1002."""
    story = Story()
    watcher = Watcher(story, "1001", "1002", BOARD, package)
    watcher.subscribe()
    watcher.notify()
    story.wait(1)
    return story, watcher, Ring(story, "1002", DESK)


def rings(story: Story, watcher: Watcher, call: Ring) -> None:
    """The phone rings, and the lamp says so."""
    call.ring()
    story.wait(0.005)
    watcher.notify("early", CALL)
    story.wait(3)


def talks(story: Story, watcher: Watcher, call: Ring) -> None:
    """They talk, and the lamp says so."""
    rings(story, watcher, call)
    call.talk()
    story.wait(0.01)
    watcher.notify("confirmed", CALL)
    story.wait(5)


@pytest.mark.parametrize("package", ["dialog", "presence"])
@pytest.mark.parametrize("lag", [0.0, 0.3, 1.0])
def test_a_call_from_beginning_to_end_is_sound(package: str, lag: float) -> None:
    story, watcher, call = watched(package)
    talks(story, watcher, call)
    call.end()
    story.wait(lag)
    watcher.notify("terminated", CALL)
    story.wait(60)
    story.send(DESK, EDGE, "OPTIONS sip:example.com", call.headers("OPTIONS", answered=False))
    found = story.found()
    assert laws(found) == []
    assert found.unseen == []
    [watch] = found.watches
    assert [str(each.lamp) for each in watch.notices] == ["off", "ringing", "busy", "off"]


@pytest.mark.parametrize("package", ["dialog", "presence"])
def test_a_lamp_that_stays_on_is_flagged_at_the_notify_that_it_rests_on(package: str) -> None:
    story, watcher, call = watched(package)
    rings(story, watcher, call)
    call.talk()
    frame = watcher.notify("confirmed", CALL)
    story.wait(5)
    end = call.end()
    story.wait(3)
    story.send(EDGE, DESK, "OPTIONS sip:1002@192.0.2.20", call.headers("OPTIONS", answered=False))
    found = story.found()
    assert [each.broken.frames for each in found.findings] == [(frame, end)]
    assert found.findings[0].broken.law == "LAW-01"
    assert found.findings[0].broken.words == "busy where the calls say off, for 3.0 s"


def test_a_notify_that_lies_after_the_end_is_flagged_itself() -> None:
    story, watcher, call = watched()
    talks(story, watcher, call)
    call.end()
    story.wait(0.9)
    frame = watcher.notify("confirmed", CALL)
    story.wait(2)
    watcher.notify("terminated", CALL, substate="terminated;reason=timeout")
    assert ("LAW-01", frame) in laws(story.found())


def test_a_lamp_that_goes_dark_in_a_call_is_flagged_while_the_call_lives() -> None:
    story, watcher, call = watched()
    talks(story, watcher, call)
    frame = watcher.notify("terminated", "idle")
    story.wait(4)
    call.end()
    assert laws(story.found()) == [("LAW-01", frame)]


def test_a_call_whose_end_is_not_in_the_capture_is_not_held_against_the_lamp() -> None:
    story, watcher, call = watched()
    talks(story, watcher, call)
    watcher.notify("terminated", CALL)
    story.wait(20)
    ends = call.headers("OPTIONS", answered=False)[:2]
    story.send(EDGE, BOARD, "OPTIONS sip:1001@192.0.2.30", [*ends, ("Call-ID", "another"), ("CSeq", "1 OPTIONS")])
    assert laws(story.found()) == []


def test_a_call_that_one_side_has_forgotten_is_not_held_against_the_lamp() -> None:
    """A server that has restarted knows nothing of the call, which the phone keeps until its BYE is answered 481."""
    for status, broken in (("481 Call Does Not Exist", []), ("200 OK", ["LAW-01"])):
        story, watcher, call = watched()
        talks(story, watcher, call)
        watcher.notify("terminated", "idle")
        story.wait(60)
        call.cseq += 1
        call.ask("BYE", answered=True)
        call.answer(status, "BYE")
        assert [law for law, _ in laws(story.found())] == broken


def test_what_is_mended_in_time_is_the_way_of_the_message() -> None:
    story, watcher, call = watched()
    rings(story, watcher, call)
    call.refuse()
    story.wait(SENT_AGAIN_S - 2)
    watcher.notify("terminated", CALL)
    story.wait(60)
    watcher.subscribe(number=2)
    watcher.notify("", cseq=None)
    assert laws(story.found()) == []


def test_what_is_mended_too_late_is_not() -> None:
    story, watcher, call = watched()
    rings(story, watcher, call)
    call.refuse()
    story.wait(SENT_AGAIN_S + 2)
    watcher.notify("terminated", CALL)
    assert [law for law, _ in laws(story.found())] == ["LAW-01"]


def test_a_notify_that_the_capture_lacks_explains_a_lamp() -> None:
    story, watcher, call = watched()
    talks(story, watcher, call)
    call.end()
    story.wait(10)
    watcher.notify("early", "kfp+ab12@call-2", cseq=watcher.cseq + 2, version=watcher.version + 2)
    found = story.found()
    assert laws(found) == []
    assert any("NOTIFY CSeq 4 is not in the capture" in each.reason for each in found.unseen)


def test_what_was_lost_may_still_be_sent_again() -> None:
    story, watcher, call = watched()
    rings(story, watcher, call)
    data = story.packets[-2]  # the NOTIFY, once more: it was not answered in time
    story.packets.append((data[0] + 0.5, data[1]))
    call.refuse()
    story.wait(10)
    story.send(EDGE, DESK, "OPTIONS sip:1002@192.0.2.20", call.headers("OPTIONS", answered=False))
    found = story.found()
    assert (laws(found), found.watches[0].repeated, len(found.watches[0].notices)) == ([], 1, 2)


def test_a_call_that_is_not_in_the_capture_is_not_visible() -> None:
    story, watcher, _ = watched()
    watcher.notify("early", CALL)
    story.wait(100)
    watcher.notify("confirmed", "kfp+ab12@another")
    story.wait(100)
    watcher.notify()
    found = story.found()
    assert laws(found) == []
    assert [each.reason for each in found.unseen] == [
        f"shows ringing for a call that is not in the capture: {CALL}",
        "shows busy for a call that is not in the capture: kfp+ab12@another",
    ]


def test_a_call_that_began_before_the_capture_is_not_visible() -> None:
    story, watcher, call = watched()
    watcher.notify("confirmed", CALL)
    story.wait(1)
    call.end()
    story.wait(60)
    watcher.subscribe(number=2)
    found = story.found()
    assert laws(found) == []
    assert [leg.before for leg in found.calls] == [True]
    assert [each.frame for each in found.unseen] == [5]


def test_a_subscription_that_began_before_the_capture_is_told_of_as_such() -> None:
    story, watcher, call = watched()
    talks(story, watcher, call)
    story.packets = story.packets[4:]
    call.end()
    story.wait(10)
    watcher.notify("terminated", CALL)
    found = story.found()
    assert laws(found) == []
    assert found.watches[0].before
    assert [each.reason for each in found.unseen] == ["the subscription began before the capture"]


def test_a_caller_may_be_busy_before_it_rings_or_not_shown_until_it_does() -> None:
    for told in (True, False):
        story, watcher, call = watched()
        call.ask("INVITE")
        if told:
            watcher.notify("confirmed", CALL, direction="initiator")
        story.wait(10)
        call.answer("183 Session Progress")
        watcher.notify("confirmed" if told else "early", CALL, direction="initiator")
        story.wait(10)
        call.talk()
        watcher.notify("confirmed", CALL, direction="initiator")
        story.wait(3)
        call.end()
        watcher.notify("terminated", CALL, direction="initiator")
        assert laws(story.found()) == []


def test_an_invite_that_nobody_answers_proves_nothing() -> None:
    story, watcher, call = watched()
    call.ask("INVITE")
    watcher.notify("early", CALL)
    story.wait(1000)
    watcher.subscribe(number=2)
    assert laws(story.found()) == []


def test_two_hops_of_one_message_are_one() -> None:
    story = Story(proxy=("192.0.2.2", 5060))
    watcher, call = Watcher(story, "1001", "1002", BOARD), Ring(story, "1002", DESK)
    watcher.subscribe()
    watcher.notify()
    talks(story, watcher, call)
    call.end()
    watcher.notify("terminated", CALL)
    found = story.found()
    assert laws(found) == []
    assert [(len(watch.notices), watch.repeated, watch.refused) for watch in found.watches] == [(4, 0, 0)]
    [leg] = found.calls
    assert [str(each.state) for each in leg.changes] == ["calling", "ringing", "open", "talking", "open", "ended"]


@pytest.mark.parametrize("winner", [0, 1])
def test_the_forks_of_a_proxy_are_one_call(winner: int) -> None:
    """Seen between the proxy and two phones alone: one rejects, the other answers, and the first is no end of it."""
    story, watcher, _ = watched()
    phones = [Ring(story, "1002", at, call_id="call-1", tag=tag) for at, tag in ((DESK, "b1"), (OTHER, "b2"))]
    for phone in phones:
        phone.ring()
    watcher.notify("early", CALL)
    story.wait(2)
    phones[1 - winner].refuse()
    story.wait(10)
    phones[winner].talk()
    watcher.notify("confirmed", CALL)
    story.wait(10)
    phones[winner].end()
    watcher.notify("terminated", CALL)
    assert laws(story.found()) == []


@pytest.mark.parametrize("redirected", [True, False])
def test_a_call_goes_on_elsewhere(redirected: bool) -> None:
    """By a 3xx, which the caller follows with a CSeq of its own, or by a proxy that tries one phone after the other."""
    story, watcher, call = watched()
    call.ring()
    watcher.notify("early", CALL)
    story.wait(3)
    call.refuse("302 Moved Temporarily" if redirected else "480 Temporarily Unavailable")
    other = Ring(story, "1002", OTHER, call_id="call-1", tag="b2", cseq=call.cseq + redirected)
    other.ring()
    story.wait(5)
    other.talk()
    watcher.notify("confirmed", CALL)
    story.wait(5)
    other.end()
    watcher.notify("terminated", CALL)
    found = story.found()
    assert laws(found) == []
    assert [str(each.state) for leg in found.calls for each in leg.changes] == [
        "calling", "ringing", "open", "ended", "calling", "ringing", "open", "talking", "open", "ended"
    ]  # fmt: skip


def test_when_all_forks_have_rejected_the_call_is_over() -> None:
    story, watcher, _ = watched()
    phones = [Ring(story, "1002", at, call_id="call-1", tag=tag) for at, tag in ((DESK, "b1"), (OTHER, "b2"))]
    for phone in phones:
        phone.ring()
    frame = watcher.notify("early", CALL)
    for phone in phones:
        phone.refuse()
    story.wait(10)
    story.send(EDGE, DESK, "OPTIONS sip:1002@192.0.2.20", phones[0].headers("OPTIONS", answered=False))
    assert laws(story.found()) == [("LAW-01", frame)]


def test_an_answered_481_ends_what_can_be_said() -> None:
    story, watcher, call = watched()
    rings(story, watcher, call)
    watcher.notify("confirmed", CALL, answer="481 Subscription does not exist")
    call.talk()
    call.end()
    story.wait(60)
    watcher.subscribe(number=2)
    assert laws(story.found()) == []


def test_of_two_subscriptions_of_one_watcher_the_newer_counts() -> None:
    story, _, call = watched()
    newer = Watcher(story, "1001", "1002", BOARD, call_id="newer")
    newer.subscribe()
    newer.notify()
    rings(story, newer, call)
    call.talk()
    newer.notify("confirmed", CALL)
    story.wait(30)
    call.end()
    newer.notify("terminated", CALL)
    assert laws(story.found()) == []


def test_the_second_of_two_watchers_is_forgotten() -> None:
    story, watcher, call = watched()
    second = Watcher(story, "1003", "1002", OTHER)
    second.subscribe()
    first_notify = second.notify()
    talks(story, watcher, call)
    call.end()
    watcher.notify("terminated", CALL)
    assert laws(story.found()) == [("LAW-01", first_notify)]


def test_a_lamp_that_the_next_call_puts_right_was_wrong_before() -> None:
    story, watcher, call = watched()
    talks(story, watcher, call)
    call.end()
    frame = watcher.notify("confirmed", CALL)
    story.wait(4)
    following = Ring(story, "1002", DESK, call_id="call-2")
    following.ring()
    watcher.notify("early", "kfp+ab12@call-2")
    following.refuse()
    watcher.notify("terminated", "kfp+ab12@call-2")
    assert laws(story.found()) == [("LAW-01", frame)]


def test_a_server_that_names_no_call_ids() -> None:
    """Some write the extension as id of the dialog, whatever goes on: the call is the one of that user at that time."""
    for told in (True, False):
        story, watcher, call = watched()
        watcher.anonymous = True
        rings(story, watcher, call)
        call.talk()
        frame = watcher.notify("confirmed", "1002")
        story.wait(5)
        call.end()
        if told:
            watcher.notify("terminated", "1002")
        story.wait(10)
        story.send(EDGE, DESK, "OPTIONS sip:1002@192.0.2.20", call.headers("OPTIONS", answered=False))
        found = story.found()
        assert laws(found) == ([] if told else [("LAW-01", frame)])
        assert found.unseen == []


def test_the_idle_dialog_of_kazoo_is_no_call() -> None:
    story, watcher, _ = watched()
    frame = watcher.notify("early", IDLE)
    assert laws(story.found()) == [("LAW-08", frame)]


def test_a_subscription_that_has_run_out_shows_nothing() -> None:
    story = Story()
    watcher, call = Watcher(story, "1001", "1002", BOARD), Ring(story, "1002", DESK)
    watcher.subscribe(expires=60)
    watcher.notify()
    rings(story, watcher, call)
    story.wait(60)
    call.refuse()
    story.wait(60)
    call.call_id = "call-2"
    call.ring()
    assert laws(story.found()) == []


def test_a_call_that_was_over_and_one_that_nobody_answered() -> None:
    story, watcher, call = watched()
    rings(story, watcher, call)
    call.refuse()
    watcher.notify("terminated", CALL)
    frame = watcher.notify("early", CALL)
    watcher.notify("terminated", CALL)
    assert laws(story.found()) == [("LAW-08", frame)]
    story, watcher, call = watched()
    call.ring()
    frame = watcher.notify("confirmed", CALL)
    call.refuse()
    watcher.notify("terminated", CALL)
    assert laws(story.found()) == [("LAW-08", frame)]
    story, watcher, call = watched()
    call.ring()
    call.refuse()
    story.wait(5)
    frame = watcher.notify("early", CALL)
    watcher.notify("terminated", CALL)
    assert laws(story.found()) == [("LAW-08", frame)]


def test_a_domain_of_which_nothing_more_is_seen_is_not_judged_to_the_end() -> None:
    story, watcher, call = watched()
    rings(story, watcher, call)
    call.refuse()
    story.realm = "example.org"
    story.wait(100)
    Watcher(story, "1", "2", OTHER).subscribe()
    assert laws(story.found()) == []
