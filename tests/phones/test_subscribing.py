"""Subscriptions: how they begin, what a NOTIFY does, and how they are kept."""

from __future__ import annotations

import pytest

from phones.effects import Transmit
from phones.sip.dialog import tag_of
from phones.sip.index import SipSyntaxError
from phones.sip.lamp import LampState
from tests.phones.playbook import EDGE, LAMP, Desk, Header, a_request, challenge, credentials
from tests.phones.watch_bench import (
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

# --- subscribing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "accept"),
    [
        ("dialog", "application/dialog-info+xml"),
        ("presence", "application/pidf+xml"),
        ("message-summary", "application/simple-message-summary"),
        ("dialog;sla", "application/dialog-info+xml"),
        ("nonsense", None),
    ],
)
def test_a_subscribe_is_complete(event: str, accept: str | None) -> None:
    desk = Desk()
    desk.subscribe(event, expires=300)
    [sent] = desk.sent()
    tag = tag_of(sent.get("from") or "")
    assert [(name, value) for name, value in sent.headers if name != "Via"] == [
        ("Max-Forwards", "70"),
        ("From", f"<sip:desk@a.example.com>;tag={tag}"),
        ("To", f"<{LAMP}>"),
        ("Call-ID", sent.call_id),
        ("CSeq", "1 SUBSCRIBE"),
        ("User-Agent", "ringproof (simulated phone)"),
        ("Allow", "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS, PRACK, UPDATE"),
        ("Contact", "<sip:desk@192.0.2.10:5062>"),
        ("Event", event),
        *([("Accept", accept)] if accept else []),
        ("Expires", "300"),
        ("Content-Length", "0"),
    ]
    assert (sent.uri, sent.call_id[:5], len(tag)) == (LAMP, "rp-7-", 16)
    assert desk.log[-1][1] == Transmit(sent.raw, EDGE)


def test_a_life() -> None:
    desk = watching(300)
    first = the_subscribe(desk)
    assert lamp_of(desk) is LampState.OFF
    desk.receive(notify(desk, 2, body=document(2, "early")), source=NOTIFIER)
    assert lamp_of(desk) is LampState.RINGING
    desk.run(239.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 1
    desk.run(1.2)
    again = the_subscribe(desk)
    assert (again.call_id, again.cseq, again.uri, again.get("expires"), again.get("event")) == (
        first.call_id, 2, "sip:192.0.2.7:5090", "300", "dialog",
    )  # fmt: skip
    assert (again.get("from"), again.get("to")) == (first.get("from"), f"<{LAMP}>;tag=e1")
    assert desk.log[-1][1] == Transmit(again.raw, NOTIFIER)
    grant(desk, 300)
    assert desk.watched()[1:] == [("active", 200, "OK", 300)]
    unsubscribe(desk)
    assert the_subscribe(desk).get("expires") == "0"
    grant(desk, 0)
    assert desk.watched()[2:] == [("terminated", 200, "OK", 0)]
    assert tell(desk, 3, "terminated;reason=timeout") == [200]
    assert tell(desk, 4, "active") == [481]
    desk.run(2000.0)
    assert (len(desk.all_sent("SUBSCRIBE")), len(desk.watched())) == (3, 3)
    assert desk.phone.next_deadline() is None


def test_subscribing_again_refreshes() -> None:
    desk = watching()
    desk.subscribe(expires=900)
    desk.subscribe(expires=900)
    assert [(one.cseq, one.get("expires")) for one in desk.all_sent("SUBSCRIBE")] == [(1, "600"), (2, "900")]
    grant(desk, 900)
    assert states(desk) == ["active", "active"]
    desk.run(719.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 2
    desk.run(2.0)
    assert the_subscribe(desk).get("expires") == "900"


def test_each_package_has_its_own_dialog() -> None:
    desk = Desk()
    for event in ("dialog", "presence"):
        desk.subscribe(event)
        grant(desk, tag=event)
    dialog, presence = desk.all_sent("SUBSCRIBE")
    assert dialog.call_id != presence.call_id
    assert tell(desk, 1, tag="presence", event="presence") == [200]
    # the right dialog, but the other one's package
    desk.new()
    desk.receive(notify(desk, 1, event="presence", tag="dialog", of=dialog), source=NOTIFIER)
    assert [one.status for one in desk.sent()] == [481]


def test_what_is_no_uri_is_not_watched() -> None:
    desk = Desk()
    with pytest.raises(SipSyntaxError):
        desk.phone.subscriptions.subscribe("sip:a b", "dialog", desk.now, expires=1, refresh=True)
    assert (desk.phone.take(), desk.phone.next_deadline()) == ([], None)


@pytest.mark.parametrize("granted", [60, None])
def test_what_was_granted_counts(granted: int | None) -> None:
    desk = Desk()
    desk.subscribe(expires=300)
    grant(desk, granted)
    tell(desk, 1)
    desk.run((granted or 300) * 0.8 - 1)
    assert len(desk.all_sent("SUBSCRIBE")) == 1
    desk.run(2.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 2


# --- refusals and challenges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404, 480, 481, 489, 500, 503, 603])
def test_a_refused_subscription(status: int) -> None:
    desk = Desk()
    desk.subscribe()
    desk.answer(status, reason="No")
    assert desk.watched() == [("refused", status, "No", 0)]
    desk.run(2000.0)
    assert (len(desk.all_sent()), desk.phone.next_deadline()) == (1, None)
    desk.subscribe()
    assert the_subscribe(desk).call_id != desk.all_sent()[0].call_id


def test_nobody_answers() -> None:
    desk = Desk()
    desk.subscribe()
    desk.run(40.0)
    assert desk.watched() == [("unanswered", 0, "", 0)]
    assert (len(desk.sent()), desk.phone.next_deadline()) == (11, None)


def test_a_challenge_is_answered_in_the_same_dialog_to_be() -> None:
    desk = Desk()
    desk.subscribe()
    desk.answer(401, [challenge("n1")])
    first, second = desk.all_sent("SUBSCRIBE")
    assert (second.call_id, second.get("from"), second.cseq) == (first.call_id, first.get("from"), 2)
    assert f'uri="{LAMP}"' in credentials(second)
    grant(desk)
    assert states(desk) == ["active"]
    desk.subscribe()
    assert 'uri="sip:192.0.2.7:5090"' in credentials(the_subscribe(desk))
    assert "nc=00000002" in credentials(the_subscribe(desk))


@pytest.mark.parametrize("headers", [[challenge("n1")], []])
def test_a_wrong_password_is_a_refusal(headers: list[Header]) -> None:
    desk = Desk()
    desk.subscribe()
    desk.answer(401, [challenge("n1")])
    desk.answer(401, headers)
    assert (states(desk), len(desk.all_sent("SUBSCRIBE"))) == (["refused"], 2)


def test_too_brief() -> None:
    desk = Desk()
    desk.subscribe(expires=60)
    desk.answer(423, [("Min-Expires", "300")])
    assert the_subscribe(desk).get("expires") == "300"
    desk.answer(423, [("Min-Expires", "300")])
    assert desk.watched() == [("refused", 423, "Interval Too Brief", 0)]


def test_too_brief_for_ever() -> None:
    desk = Desk()
    desk.subscribe(expires=1)
    for number in range(1, 9):
        if states(desk):
            break
        desk.answer(423, [("Min-Expires", str(number * 10))])
    assert (states(desk), len(desk.all_sent("SUBSCRIBE"))) == (["refused"], 5)


# --- NOTIFY and its order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answered", [True, False])
def test_a_notify_may_come_before_the_answer(answered: bool) -> None:
    desk = Desk()
    desk.subscribe(expires=300)
    assert tell(desk, 1, "active;expires=250") == [200]
    assert (lamp_of(desk), desk.watched()) == (LampState.OFF, [])
    if answered:
        grant(desk, 300)
        assert desk.watched() == [("active", 200, "OK", 300)]
    else:
        desk.run(33.0)
        assert desk.watched() == [("active", 0, "", 250)]
    assert tell(desk, 2, body=document(2, "confirmed")) == [200]
    assert lamp_of(desk) is LampState.BUSY
    desk.run(241.0 if answered else 210.0)
    assert the_subscribe(desk).get("to") == f"<{LAMP}>;tag=e1"


@pytest.mark.parametrize("cseq", [5, 4, 1])
def test_a_notify_that_is_not_above_the_last_has_no_effect(cseq: int) -> None:
    desk = watching()
    desk.receive(notify(desk, 5, body=document(5, "early")), source=NOTIFIER)
    desk.new()
    data = notify(desk, cseq, "terminated;reason=noresource", body=document(9))
    desk.receive(data, source=NOTIFIER)
    assert [one.status for one in desk.sent()] == [500]
    assert (lamp_of(desk), states(desk)) == (LampState.RINGING, ["active"])
    assert tell(desk, 6) == [200]


def test_a_repeated_notify_is_answered_as_before() -> None:
    desk = watching()
    data = notify(desk, 2, body=document(2, "early"))
    for _ in range(3):
        desk.receive(data, source=NOTIFIER)
    assert [one.status for one in desk.sent()] == [200, 200, 200]
    assert [kind for kind, _ in desk.kinds()][-3:] == ["new", "retransmission", "retransmission"]


@pytest.mark.parametrize(
    ("event", "dialog", "status"),
    [
        ("dialog", False, 481), ("presence", False, 481), ("Dialog;sla", False, 481), ("message-summary", False, 200),
        ("check-sync", False, 200), ("check-sync;reboot=true", False, 200), ("", False, 200), ("talk", False, 200),
        ("dialog", True, 481), ("message-summary", True, 481), ("check-sync", True, 481), ("", True, 481),
    ],
)  # fmt: skip
@pytest.mark.parametrize("watches", [True, False])
def test_a_notify_without_subscription(event: str, dialog: bool, status: int, watches: bool) -> None:
    desk = watching() if watches else Desk()
    desk.new()
    data = a_request("NOTIFY", *([f"Event: {event}"] if event else []))
    to = b"To: <sip:desk@a.example.com>"
    desk.receive(data.replace(to, to + b";tag=unknown") if dialog else data)
    assert [one.status for one in desk.sent()] == [status]
    assert states(desk) == (["active"] if watches else [])


@pytest.mark.parametrize(("tag", "event"), [("e2", "dialog"), ("e1", "presence")])
def test_a_notify_of_another_dialog(tag: str, event: str) -> None:
    desk = watching()
    assert tell(desk, 2, "terminated", tag=tag, event=event) == [481]
    assert tell(desk, 3) == [200]


def test_a_notifier_that_moves() -> None:
    desk = watching()
    data = notify(desk, 2).replace(b"<sip:192.0.2.7:5090>", b"<sip:192.0.2.8>")
    desk.receive(data, source=NOTIFIER)
    desk.subscribe()
    assert (the_subscribe(desk).uri, desk.log[-1][1]) == (
        "sip:192.0.2.8", Transmit(the_subscribe(desk).raw, ("192.0.2.8", 5060)),
    )  # fmt: skip


def test_a_notifier_behind_a_proxy() -> None:
    desk = Desk()
    desk.subscribe()
    route = "Record-Route: <sip:192.0.2.31;lr=on;ftag=x>"
    desk.receive(notify(desk, 1, "active", route), source=NOTIFIER)
    grant(desk)
    desk.subscribe()
    assert the_subscribe(desk).all("route") == ["<sip:192.0.2.31;lr=on;ftag=x>"]
    assert desk.log[-1][1] == Transmit(the_subscribe(desk).raw, ("192.0.2.31", 5060))


def test_without_any_notify_it_is_no_subscription() -> None:
    desk = Desk()
    desk.subscribe()
    grant(desk)
    desk.run(31.0)
    assert states(desk) == ["active"]
    desk.run(2.0)
    assert desk.watched()[1:] == [("terminated", 0, "no NOTIFY", 0)]
    assert tell(desk, 1) == [481]
    desk.run(2000.0)
    assert desk.phone.next_deadline() is None


# --- refreshing ------------------------------------------------------------------------------------------------------


def test_a_notifier_that_lost_the_subscription_is_asked_anew() -> None:
    desk = watching()
    old = the_subscribe(desk)
    desk.run(481.0)
    desk.answer(481)
    new = the_subscribe(desk)
    assert (new.cseq, new.get("to"), new.uri) == (1, f"<{LAMP}>", LAMP)
    assert new.call_id != old.call_id
    assert tag_of(new.get("from") or "") != tag_of(old.get("from") or "")
    assert desk.watched()[1:] == [("terminated", 481, "Call/Transaction Does Not Exist", 0)]
    assert lamp_of(desk) is LampState.UNKNOWN
    grant(desk, tag="n1")
    assert tell(desk, 1, tag="n1") == [200]
    assert (states(desk), lamp_of(desk)) == (["active", "terminated", "active"], LampState.OFF)
    desk.new()
    desk.receive(notify(desk, 9, of=old), source=NOTIFIER)
    assert [one.status for one in desk.sent()] == [481]


@pytest.mark.parametrize("status", [404, 405, 408, 410, 416, 480, 482, 483, 484, 485, 489, 501, 604])
def test_a_refresh_that_ends_the_subscription(status: int) -> None:
    desk = watching()
    desk.run(481.0)
    desk.answer(status, reason="No")
    assert desk.watched()[1:] == [("refused", status, "No", 0)]
    assert tell(desk, 2) == [481]
    desk.run(2000.0)
    assert (len(desk.all_sent("SUBSCRIBE")), desk.phone.next_deadline()) == (2, None)


@pytest.mark.parametrize("status", [400, 403, 500, 503, 603])
def test_a_refresh_that_fails_leaves_the_subscription(status: int) -> None:
    desk = watching()
    desk.run(481.0)
    desk.answer(status, reason="Later")
    assert desk.watched()[1:] == [("active", status, "Later", 119)]
    assert tell(desk, 2) == [200]
    desk.run(96.0)  # once more in what is left
    assert len(desk.all_sent("SUBSCRIBE")) == 3
    grant(desk, 600)
    assert states(desk) == ["active", "active", "active"]


def test_refreshes_that_always_fail_come_to_an_end() -> None:
    desk = watching(60)
    for _ in range(50):
        desk.run(1.5)
        if desk.all_sent()[-1].method == "SUBSCRIBE":
            desk.answer(503, to=the_subscribe(desk))
    assert desk.watched()[-1][0] in ("refused", "expired")
    # then it tries anew, in pauses
    assert len(desk.all_sent("SUBSCRIBE")) < 12


def test_an_unanswered_refresh_and_the_end_of_time() -> None:
    desk = watching(60)
    desk.run(59.0)
    assert states(desk) == ["active"]
    desk.run(2.0)
    assert states(desk) == ["active", "expired"]
    desk.run(40.0)
    assert states(desk) == ["active", "expired", "unanswered"]


def test_it_expires_where_no_refresh_is_wanted() -> None:
    desk = watching(60, refresh=False)
    desk.run(59.5)
    assert states(desk) == ["active"]
    desk.run(1.0)
    assert desk.watched()[1:] == [("expired", 0, "", 0)]
    # what the notifier says of that may be a little late, and is still understood
    assert tell(desk, 2, "terminated;reason=timeout") == [200]
    assert tell(desk, 3, "terminated;reason=timeout") == [481]
    desk.run(100.0)
    assert (len(desk.all_sent("SUBSCRIBE")), len(desk.watched()), desk.phone.next_deadline()) == (1, 2, None)


def test_a_notifier_may_shorten_and_not_lengthen() -> None:
    desk = watching(600)
    tell(desk, 2, "active;expires=5000")
    tell(desk, 3, "active;expires=599")
    tell(desk, 4, "active")
    desk.run(10.0)
    tell(desk, 5, 'active;expires="100"')
    desk.run(79.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 1
    desk.run(2.0)
    assert len(desk.all_sent("SUBSCRIBE")) == 2
    assert tell(desk, 6, "active;expires=0") == [200]
    desk.run(1.0)
    assert states(desk) == ["active", "expired"]
