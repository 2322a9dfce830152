"""Order, addressees and number of NOTIFYs."""

from harness.clauses import catalogue
from harness.inspecting.laws import LAWS, MOST_ALIKE
from harness.inspecting.subscriptions import SENT_AGAIN_S
from tests.harness.inspecting.making import EDGE, Ring, Story, Watcher, laws

BOARD, OTHER, DESK = ("192.0.2.30", 5063), ("192.0.2.40", 5064), ("192.0.2.20", 5062)


def watching() -> tuple[Story, Watcher]:
    """A watcher whose lamp is off."""
    story = Story()
    watcher = Watcher(story, "1001", "1002", BOARD)
    watcher.subscribe()
    watcher.notify()
    story.wait(1)
    return story, watcher


def test_every_law_is_a_clause() -> None:
    assert LAWS.keys() <= catalogue().keys()


def test_a_version_that_does_not_rise() -> None:
    story, watcher = watching()
    watcher.notify()
    frame = watcher.notify(version=2)
    other = watcher.notify(version=1)
    watcher.notify(version=3)
    found = story.found()
    assert laws(found) == [("LAW-03", frame), ("LAW-03", other)]
    assert found.findings[0].broken.words == "version 2 after 2"


def test_a_cseq_that_is_used_twice() -> None:
    story, watcher = watching()
    frame = watcher.notify(cseq=1)
    found = story.found()
    assert laws(found) == [("LAW-04", frame)]
    assert found.findings[0].broken.frames == (frame, 3)


def test_a_cseq_that_falls_after_a_restart() -> None:
    story, watcher = watching()
    watcher.notify(cseq=100)
    story.wait(SENT_AGAIN_S + 1)
    frame = watcher.notify(cseq=50)
    assert laws(story.found()) == [("LAW-04", frame)]


def test_a_cseq_that_falls_while_versions_rise() -> None:
    _, watcher = watching()
    frames = [watcher.notify(cseq=1000 - n) for n in range(3)]
    assert laws(watcher.story.found()) == [("LAW-04", frame) for frame in frames[1:]]


def test_what_the_network_turns_round_or_sends_again_is_no_law() -> None:
    story, watcher = watching()
    watcher.notify(cseq=3, version=3)
    watcher.notify(cseq=2, version=2)
    watcher.notify(cseq=4, version=4)
    story.packets += [(t + 0.5, data) for t, data in story.packets[-6:]]
    found = story.found()
    assert laws(found) == []
    [watch] = found.watches
    assert [(each.cseq, each.late, each.counts) for each in watch.notices] == [
        (1, False, True),
        (3, False, True),
        (2, True, False),
        (4, False, True),
    ]


def test_what_is_terminated_is_silent() -> None:
    story, watcher = watching()
    watcher.subscribe(expires=0, number=2)
    last = watcher.notify(substate="terminated;reason=timeout")
    frame = watcher.notify()
    found = story.found()
    assert laws(found) == [("LAW-05", frame)]
    assert found.findings[0].broken.frames == (frame, last)


def test_a_dialog_may_be_subscribed_anew() -> None:
    story, watcher = watching()
    watcher.notify(substate="terminated;reason=deactivated")
    watcher.subscribe(number=2)
    watcher.notify(version=1)
    found = story.found()
    assert laws(found) == []
    assert str(found.watches[0].notices[-1].lamp) == "off"


def test_a_watcher_that_answered_481_is_left_alone() -> None:
    story, watcher = watching()
    refused = watcher.notify(answer="481 Subscription does not exist")
    watcher.notify()  # it was on the way
    story.wait(5)
    frame = watcher.notify()
    found = story.found()
    assert laws(found) == [("LAW-05", frame)]
    assert found.findings[0].broken.frames == (frame, refused)
    story, watcher = watching()
    watcher.notify(answer="481 Subscription does not exist")
    watcher.subscribe(number=2)
    story.wait(5)
    watcher.notify()
    assert laws(story.found()) == []


def test_a_watcher_that_has_moved_is_told_where_it_is() -> None:
    story, watcher = watching()
    watcher.at = OTHER
    watcher.subscribe(number=2)
    watcher.notify(to=BOARD)  # it was on the way
    watcher.notify()
    story.wait(5)
    frame = watcher.notify(to=BOARD)
    found = story.found()
    assert laws(found) == [("LAW-06", frame)]
    assert found.findings[0].broken.words == "to a Contact that the watcher has left"


def test_a_notify_for_another_watcher() -> None:
    story, watcher = watching()
    other = Watcher(story, "1003", "1002", OTHER)
    other.subscribe()
    other.notify()
    frame = watcher.notify(to=OTHER)
    found = story.found()
    assert laws(found) == [("LAW-06", frame)]
    assert found.findings[0].broken.words == "to sip:1003@example.com, who did not subscribe to it"


def test_an_address_behind_nat_is_nobodys_business() -> None:
    story, watcher = watching()
    watcher.notify(to=("198.51.100.7", 1024))
    assert laws(story.found()) == []


def test_a_dialog_that_does_not_exist_if_the_watcher_says_so() -> None:
    for answer, broken in (("481 No", True), ("200 OK", False)):
        story, watcher = watching()
        headers = [
            ("From", "<sip:1002@example.com>;tag=n"),
            ("To", "<sip:1001@example.com>;tag=stranger"),
            ("Call-ID", watcher.call_id),
            ("CSeq", "7 NOTIFY"),
        ]
        more = [("Event", "dialog"), ("Subscription-State", "active")]
        frame = story.send(EDGE, BOARD, "NOTIFY sip:1001@192.0.2.30:5063", [*headers, *more])
        story.send(BOARD, EDGE, f"SIP/2.0 {answer}", headers)
        assert laws(story.found()) == ([("LAW-06", frame)] if broken else [])


def test_what_nobody_asked_for_is_counted_alone() -> None:
    story, _ = watching()
    headers = [
        ("From", "<sip:1002@example.com>;tag=x"),
        ("To", "<sip:1002@example.com>"),
        ("Call-ID", "sync"),
        ("CSeq", "7 NOTIFY"),
    ]
    story.send(EDGE, DESK, "NOTIFY sip:1002@192.0.2.20", [*headers, ("Event", "check-sync;reboot=true")])
    found = story.found()
    assert (laws(found), found.subscriptions.unasked) == ([], {"check-sync": 1})


def test_notifies_that_say_the_same_of_a_call_for_ever() -> None:
    for count in (MOST_ALIKE, MOST_ALIKE + 1):
        story, watcher = watching()
        call = Ring(story, "1002", DESK)
        call.ring()
        frames = [watcher.notify("early", "call-1") for _ in range(count)]
        assert laws(story.found()) == ([("LAW-07", frames[-1])] if count > MOST_ALIKE else [])


def test_a_refused_subscription_and_a_fetch() -> None:
    story = Story()
    Watcher(story, "1001", "1002", BOARD).subscribe(status="489 Bad Event")
    fetch = Watcher(story, "1001", "1003", BOARD)
    fetch.subscribe(expires=0)
    fetch.notify(substate="terminated;reason=timeout")
    found = story.found()
    assert laws(found) == []
    assert [(each.refused, len(each.notices)) for each in found.watches] == [(489, 0), (0, 1)]
