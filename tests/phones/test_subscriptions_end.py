"""Subscriptions: how they end, what is lost on the way, and whatever a notifier may send."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.effects import Subscribed, Transmit
from phones.sip.dialog import tag_of
from phones.sip.lamp import LampState
from phones.sip.message import response
from tests.phones.playbook import LAMP, LOCAL, Desk, a_request, challenge, credentials
from tests.phones.sip.strategies import HOSTILE, broken
from tests.phones.watch_bench import (
    CONTACT,
    ELSEWHERE,
    NOTIFIER,
    document,
    grant,
    lamp_of,
    notify,
    states,
    tell,
    the_subscribe,
    unsubscribe,
    watching,
)

# --- over, and again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["deactivated", "timeout", "Deactivated;retry-after=99"])
def test_at_once_again(reason: str) -> None:
    desk = watching()
    old = the_subscribe(desk)
    desk.run(20.0)
    assert tell(desk, 2, f"terminated;reason={reason}") == [200]
    new = the_subscribe(desk)
    assert (new.call_id != old.call_id, new.cseq, new.get("to")) == (True, 1, f"<{LAMP}>")
    assert desk.watched()[1:] == [("terminated", 0, reason.lower().partition(";")[0], 0)]
    grant(desk, tag="e2")
    assert states(desk) == ["active", "terminated", "active"]


def test_a_notifier_that_ends_everything_is_not_asked_for_ever() -> None:
    desk = watching()
    for number in range(20):
        tell(desk, 1 + number * 2 + 1, "terminated;reason=deactivated")
        if desk.all_sent()[-1].method != "SUBSCRIBE" and the_subscribe(desk).cseq != 1:
            break
        grant(desk)
    assert 1 < len(desk.all_sent("SUBSCRIBE")) < 6
    assert desk.watched()[-1][:3] == ("terminated", 0, "deactivated")


@pytest.mark.parametrize("reason", ["probation", "giveup", "unheard-of"])
def test_again_when_it_is_wanted(reason: str) -> None:
    desk = watching()
    assert tell(desk, 2, f"terminated;reason={reason};retry-after=30") == [200]
    assert states(desk) == ["active", "terminated"]
    assert tell(desk, 3) == [481]
    desk.run(29.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 1
    desk.run(2.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 2
    grant(desk, tag="e2")
    assert states(desk)[-1] == "active"


def test_later_when_nobody_says_when() -> None:
    """RFC 6665 4.1.3: after `probation` at some later time."""
    desk = watching()
    tell(desk, 2, "terminated;reason=probation")
    assert states(desk) == ["active", "terminated"]
    desk.run(59.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 1
    desk.run(2.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 2


@pytest.mark.parametrize("how", ["unsubscribe", "forget", "subscribe"])
def test_second_thoughts_while_waiting(how: str) -> None:
    desk = watching()
    tell(desk, 2, "terminated;reason=probation;retry-after=30")
    if how == "unsubscribe":
        unsubscribe(desk)
    elif how == "forget":
        desk.do(desk.phone.forget)
    else:
        desk.subscribe()
    sent = len(desk.all_sent("SUBSCRIBE"))
    assert sent == (2 if how == "subscribe" else 1)
    desk.run(31.0)
    assert len(desk.all_sent("SUBSCRIBE")) == sent


@pytest.mark.parametrize(
    ("state", "refresh"),
    [
        ("terminated;reason=rejected", True), ("terminated;reason=noresource", True),
        ("terminated;reason=invariant;retry-after=5", True), ("terminated", True), ("terminated;reason=giveup", True),
        ("terminated;reason=deactivated", False), ("terminated;reason=probation;retry-after=5", False),
        ("TERMINATED ; reason=timeout", False),
    ],
)  # fmt: skip
def test_over_for_good(state: str, refresh: bool) -> None:
    desk = watching(refresh=refresh)
    assert tell(desk, 2, state) == [200]
    assert states(desk) == ["active", "terminated"]
    assert lamp_of(desk) is LampState.UNKNOWN
    desk.run(2000.0)
    assert (len(desk.all_sent("SUBSCRIBE")), desk.phone.next_deadline()) == (1, None)
    assert tell(desk, 3) == [481]


def test_a_subscription_that_ends_before_it_is_answered() -> None:
    desk = Desk()
    desk.subscribe(expires=0)
    assert tell(desk, 1, "terminated;reason=noresource") == [200]
    grant(desk, 0)
    assert desk.watched() == [("terminated", 0, "noresource", 0)]
    assert desk.kinds()[-1][0] == "new"
    desk.run(100.0)
    assert desk.phone.next_deadline() is None


def test_a_fetch() -> None:
    desk = Desk()
    desk.subscribe(expires=0)
    grant(desk, 0)
    assert desk.watched() == [("terminated", 200, "OK", 0)]
    assert tell(desk, 1, "terminated;reason=timeout") == [200]
    assert tell(desk, 2, "terminated;reason=timeout") == [481]


# --- unsubscribing ---------------------------------------------------------------------------------------------------


def test_the_last_notify_may_come_first() -> None:
    desk = watching()
    unsubscribe(desk)
    assert tell(desk, 2) == [200]
    assert tell(desk, 3, "terminated;reason=timeout") == [200]
    assert desk.watched()[1:] == [("terminated", 0, "timeout", 0)]
    grant(desk, 0)
    assert (len(desk.watched()), desk.kinds()[-1][0]) == (2, "new")
    assert len(desk.all_sent("SUBSCRIBE")) == 2


@pytest.mark.parametrize("status", [481, 403, 500, 489, None])
def test_whatever_comes_of_it_the_phone_watches_no_more(status: int | None) -> None:
    desk = watching()
    unsubscribe(desk)
    if status is not None:
        desk.answer(status, reason="No")
    desk.run(40.0)
    expected = ("unanswered", 0, "", 0) if status is None else ("terminated", status, "No", 0)
    assert desk.watched()[1:] == [expected]
    assert tell(desk, 2) == [481]
    desk.run(2000.0)
    assert (len(desk.all_sent("SUBSCRIBE")), desk.phone.next_deadline()) == (2, None)


def test_unsubscribing_through_a_challenge() -> None:
    desk = watching()
    unsubscribe(desk)
    desk.answer(401, [challenge()])
    assert (the_subscribe(desk).get("expires"), bool(credentials(the_subscribe(desk)))) == ("0", True)


@pytest.mark.parametrize("how", ["answer", "notify"])
def test_not_wanted_any_more_before_it_was_granted(how: str) -> None:
    desk = Desk()
    desk.subscribe()
    unsubscribe(desk)
    assert len(desk.all_sent()) == 1
    if how == "answer":
        grant(desk)
    else:
        tell(desk, 1)
    leave = the_subscribe(desk)
    assert (leave.get("expires"), tag_of(leave.get("to") or "")) == ("0", "e1")
    grant(desk, 0)
    assert states(desk) == ["terminated"]


def test_unsubscribing_from_nothing() -> None:
    desk = Desk()
    unsubscribe(desk)
    assert (desk.all_sent(), desk.watched()) == ([], [])


def test_watching_again_after_the_end() -> None:
    desk = watching()
    unsubscribe(desk)
    grant(desk, 0)
    desk.subscribe()
    new = the_subscribe(desk)
    assert (new.cseq, new.get("to")) == (1, f"<{LAMP}>")
    grant(desk, tag="e2")
    assert tell(desk, 1, tag="e2") == [200]
    assert states(desk) == ["active", "terminated", "active"]


# --- chosen answers, missed NOTIFYs, gaps ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, 481, 489, 503])
def test_a_chosen_answer_to_a_notify_of_a_subscription(status: int | None) -> None:
    desk = watching()
    desk.phone.refusals["NOTIFY"] = status
    assert tell(desk, 2, body=document(2, "early")) == ([] if status is None else [status])
    assert (lamp_of(desk), states(desk)) == (LampState.OFF, ["active"])
    assert tell(desk, 3, "terminated;reason=noresource") == ([] if status is None else [status])
    assert states(desk) == ["active"]
    del desk.phone.refusals["NOTIFY"]
    assert tell(desk, 4) == [200]


def test_a_missed_notify_is_acknowledged_and_forgotten() -> None:
    desk = watching()
    desk.phone.miss("NOTIFY", 2)
    assert tell(desk, 2, body=document(2, "early")) == [200]
    assert desk.kinds()[-1] == ("missed", "current")
    assert tell(desk, 2, body=document(2, "early")) == [200]
    assert desk.kinds()[-1] == ("retransmission", "current")
    assert tell(desk, 3, "terminated;reason=noresource") == [200]
    assert (lamp_of(desk), states(desk), desk.kinds()[-1][0]) == (LampState.OFF, ["active"], "missed")
    assert tell(desk, 4, body=document(4, "confirmed")) == [200]
    assert (lamp_of(desk), desk.kinds()[-1][0]) == (LampState.BUSY, "new")


def test_a_missed_notify_without_subscription_is_answered_as_ever() -> None:
    desk = Desk()
    desk.phone.miss("NOTIFY")
    desk.receive(a_request("NOTIFY", "Event: dialog"))
    assert ([one.status for one in desk.sent()], desk.kinds()) == ([481], [("missed", "current")])


def test_only_the_events_that_were_named_are_missed() -> None:
    desk = watching()
    desk.phone.miss("NOTIFY", 1, "Dialog")
    desk.receive(a_request("NOTIFY", "Event: check-sync;reboot=true"))
    assert desk.kinds()[-1][0] == "new"
    assert tell(desk, 2, body=document(2, "early")) == [200]
    assert (desk.kinds()[-1][0], lamp_of(desk)) == ("missed", LampState.OFF)
    assert tell(desk, 3, body=document(3, "early")) == [200]
    assert (desk.kinds()[-1][0], lamp_of(desk)) == ("new", LampState.RINGING)


def test_a_first_notify_that_is_missed_makes_no_dialog() -> None:
    desk = Desk()
    desk.subscribe()
    desk.phone.miss("NOTIFY")
    assert tell(desk, 1, tag="e7") == [200]
    grant(desk, tag="e1")
    assert tell(desk, 2, tag="e7") == [481]
    assert tell(desk, 2, tag="e1") == [200]


def test_a_gap_is_repaired_by_one_refresh() -> None:
    desk = watching()
    desk.receive(notify(desk, 3, body=document(3, "early", full=False)), source=NOTIFIER)
    assert (lamp_of(desk), len(desk.all_sent("SUBSCRIBE"))) == (LampState.UNKNOWN, 2)
    grant(desk)
    for version in (5, 7, 9):  # gap after gap
        desk.receive(notify(desk, version, body=document(version, full=False)), source=NOTIFIER)
    assert len(desk.all_sent("SUBSCRIBE")) == 2
    desk.receive(notify(desk, 10, body=document(10, "early")), source=NOTIFIER)
    assert lamp_of(desk) is LampState.RINGING
    desk.receive(notify(desk, 12, body=document(12, full=False)), source=NOTIFIER)
    assert len(desk.all_sent("SUBSCRIBE")) == 3


# --- power and place -------------------------------------------------------------------------------------------------


def test_after_a_power_failure_nobody_is_told() -> None:
    desk = watching()
    desk.do(desk.phone.forget)
    assert desk.watched()[1:] == [("terminated", 0, "forgotten", 0)]
    desk.run(2000.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 1
    assert tell(desk, 2) == [481]
    desk.subscribe()
    assert the_subscribe(desk).cseq == 1


def test_a_subscribe_on_its_way_is_not_repeated_after_a_power_failure() -> None:
    desk = Desk()
    desk.subscribe()
    desk.do(desk.phone.forget)
    desk.new()
    desk.run(100.0)
    grant(desk)
    assert (desk.sent(), states(desk)) == ([], ["terminated"])


def test_a_moved_phone_takes_its_subscriptions_along() -> None:
    desk = watching()
    desk.registered()
    subscribed = the_subscribe(desk)
    desk.move(ELSEWHERE)
    assert the_subscribe(desk).raw == subscribed.raw
    desk.receive(notify(desk, 2), local=LOCAL)
    assert desk.kinds()[-1] == ("new", "former")
    desk.accept()
    again = the_subscribe(desk)
    assert (again.call_id, again.cseq, again.get("contact")) == (
        subscribed.call_id, 2, "<sip:desk@192.0.2.11:5064>",
    )  # fmt: skip
    assert again.top_via.startswith("SIP/2.0/UDP 192.0.2.11:5064;")
    grant(desk)
    assert tell(desk, 3) == [200]
    assert states(desk) == ["active", "active"]


def test_a_moved_phone_that_cannot_register_watches_no_more() -> None:
    desk = watching()
    desk.registered()
    desk.move(ELSEWHERE)
    desk.answer(403)
    assert desk.watched()[1:] == [("terminated", 0, "moved", 0)]
    assert len(desk.all_sent("SUBSCRIBE")) == 1


@pytest.mark.parametrize("state", ["subscribing", "refreshing", "leaving"])
def test_moving_while_a_subscribe_is_on_its_way(state: str) -> None:
    desk = Desk().registered()
    desk.subscribe()
    first = the_subscribe(desk)
    if state != "subscribing":
        grant(desk)
        tell(desk, 1)
        desk.subscribe() if state == "refreshing" else unsubscribe(desk)
    desk.move(ELSEWHERE)
    desk.accept()
    again = the_subscribe(desk)
    assert (again.call_id == first.call_id, again.cseq, again.get("expires")) == {
        "subscribing": (False, 1, "600"),
        "refreshing": (True, 3, "600"),
        "leaving": (True, 3, "0"),
    }[state]
    grant(desk)
    assert states(desk)[-1] == ("terminated" if state == "leaving" else "active")


# --- anything at any moment ------------------------------------------------------------------------------------------

STEPS = st.sampled_from(
    ["notify", "terminated", "answer", "grant", "bytes", "subscribe", "unsubscribe", "forget", "move", "accept", "wait"]
)


@given(steps=st.lists(st.tuples(STEPS, st.integers(0, 700), st.data()), max_size=15))
@settings(deadline=None)
def test_nothing_that_arrives_breaks_a_subscription(steps: list[tuple[str, int, st.DataObject]]) -> None:
    desk = Desk()
    desk.subscribe(expires=60)
    for what, number, data in steps:
        if what in ("notify", "terminated"):
            words = ["", ";expires=0", ";expires=5", ";reason=deactivated", ";reason=probation;retry-after=0", ";x"]
            state = ("active" if what == "notify" else "terminated") + data.draw(st.sampled_from(words))
            body = data.draw(st.sampled_from([b"", document(number, "early"), document(number, full=False)]))
            whole = notify(desk, number, state, body=body)
            desk.receive(data.draw(broken(whole) | st.just(whole)), source=NOTIFIER)
        elif what == "answer":
            headers = [challenge(f"n{number % 3}"), ("Min-Expires", str(number)), ("Expires", str(number % 9)), CONTACT]
            whole = response(the_subscribe(desk), max(100, number), headers=headers, to_tag="e1")
            desk.receive(data.draw(broken(whole) | st.just(whole)))
        elif what == "grant":
            grant(desk, number)
        elif what == "bytes":
            desk.receive(data.draw(broken(a_request("NOTIFY", "Event: dialog"))))
        elif what == "subscribe":
            desk.subscribe(expires=number, refresh=number % 2 == 0)
        elif what == "unsubscribe":
            unsubscribe(desk)
        elif what == "forget":
            desk.do(desk.phone.forget)
        elif what == "move":
            desk.move(("192.0.2.12", 7000 + number))
        elif what == "accept" and desk.all_sent("REGISTER"):
            desk.receive(response(desk.all_sent("REGISTER")[-1], 200, headers=[("Expires", "60")]))
        elif what == "wait":
            desk.run(number / 10)
    unsubscribe(desk)
    desk.do(desk.phone.forget)
    sent = len(desk.all_sent("SUBSCRIBE"))
    desk.run(200.0)
    assert len(desk.all_sent("SUBSCRIBE")) == sent
    for _, effect in desk.log:
        if isinstance(effect, Transmit):
            assert 0 < effect.remote[1] < 65536
        elif isinstance(effect, Subscribed):
            assert effect.expires >= 0


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_costs_no_square(piece: str) -> None:
    again = piece * (60_000 // len(piece))
    desk = watching()
    for number, name in enumerate(("Contact", "Record-Route", "Subscription-State", "Event", "From", "Call-Info")):
        data = notify(desk, 10 + number, "active;expires=9", f"X: {again}")
        desk.receive(data.replace(f"\r\n{name}:".encode(), f"\r\n{name}: {again}\r\nY:".encode()), source=NOTIFIER)
        desk.receive(a_request("INVITE", f"{name}: {again}", branch=name))
        grant(desk)
