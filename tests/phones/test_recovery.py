"""A phone on a connection, and what it does when the connection, the registrar or the network goes away."""

from __future__ import annotations

from itertools import pairwise

import pytest

from phones.effects import Called, Changed, Subscribed, Transmit
from phones.sip.message import request, response
from phones.sip.transport import Transport
from tests.phones.playbook import EDGE, LAMP, LOCAL, REALM, Desk, a_request

STREAMS = [transport for transport in Transport if transport.reliable]
HERE = "192.0.2.10:5062"


def watching(transport: Transport = Transport.TCP) -> Desk:
    """Registered, and watching one lamp."""
    desk = Desk(transport=transport).registered(600)
    desk.subscribe()
    desk.answer(200, [("Expires", "600"), ("Contact", "<sip:edge@192.0.2.7:5090>")])
    notify(desk)
    desk.new()
    return desk


def notify(desk: Desk, state: str = "active;expires=600", cseq: int = 1) -> None:
    subscribe = desk.all_sent("SUBSCRIBE")[-1]
    headers = [
        ("Via", f"SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKn{cseq}{subscribe.call_id}"),
        ("From", f"<{LAMP}>;tag=e1"),
        ("To", subscribe.get("from") or ""),
        ("Call-ID", subscribe.call_id),
        ("CSeq", f"{cseq} NOTIFY"),
        ("Event", "dialog"),
        ("Subscription-State", state),
    ]
    desk.receive(request("NOTIFY", desk.phone.contact, headers))


# --- what it writes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transport", "via", "contact"),
    [
        (Transport.UDP, "SIP/2.0/UDP", ""),
        (Transport.TCP, "SIP/2.0/TCP", ";transport=tcp"),
        (Transport.TLS, "SIP/2.0/TLS", ";transport=tls"),
        (Transport.WS, "SIP/2.0/WS", ";transport=ws"),
        (Transport.WSS, "SIP/2.0/WSS", ";transport=ws"),
    ],
)
def test_via_and_contact_name_the_transport(transport: Transport, via: str, contact: str) -> None:
    desk = Desk(transport=transport)
    desk.register()
    register = desk.last_sent()
    assert register.top_via.startswith(f"{via} {HERE};rport;branch=z9hG4bK")
    assert register.get("contact") == f"<sip:desk@{HERE}{contact}>"
    desk.subscribe()
    assert desk.last_sent().top_via.startswith(f"{via} {HERE};")


def test_all_of_a_dialog_goes_by_the_connection() -> None:
    """The Contact of the other end, reachable by UDP, is no way for a phone that has a connection."""
    desk = watching()
    desk.run(600 * 0.8)
    assert {effect.remote for _, effect in desk.log if isinstance(effect, Transmit)} == {EDGE}
    udp = watching(Transport.UDP)
    udp.run(600 * 0.8)
    assert ("192.0.2.7", 5090) in {effect.remote for _, effect in udp.log if isinstance(effect, Transmit)}


def test_an_answer_goes_back_on_the_connection_whatever_the_via_says() -> None:
    desk = Desk(transport=Transport.TCP)
    desk.receive(a_request("OPTIONS", via="SIP/2.0/TCP 203.0.113.9:9;branch=z9hG4bKa"))
    assert [effect.remote for _, effect in desk.log if isinstance(effect, Transmit)] == [EDGE]


@pytest.mark.parametrize("transport", STREAMS)
def test_nothing_is_repeated_on_a_connection(transport: Transport) -> None:
    desk = Desk(transport=transport)
    desk.register()
    desk.run(40.0)
    assert [effect.kind for _, effect in desk.log if isinstance(effect, Transmit)] == ["new"]
    assert desk.changes() == ["unanswered"]


def pause(desk: Desk) -> float:
    """How long it takes until the phone registers again, in seconds."""
    began = desk.now
    desk.new()
    desk.run(31.0)
    times = [t for t, effect in desk.log if isinstance(effect, Transmit) and effect.data.startswith(b"REGISTER")]
    desk.new()
    return next(time - began for time in times if time > began)


# --- losses ----------------------------------------------------------------------------------------------------------


def test_what_was_asked_fails_at_once_and_says_why() -> None:
    desk = Desk(transport=Transport.TLS)
    desk.register()
    desk.disconnected("TLS: the certificate does not hold")
    assert desk.last_change() == Changed("unanswered", 0, "TLS: the certificate does not hold")
    desk.new()
    # never registered: nothing that it would have to bring back
    desk.run(1000.0)
    assert desk.new() == []


def test_a_lost_connection_is_made_again_with_all_that_was_on_it() -> None:
    desk = watching()
    desk.disconnected()
    assert desk.new() == []
    desk.run(1.0)
    (register,) = desk.sent()
    assert (register.method, register.get("contact")) == ("REGISTER", f"<sip:desk@{HERE};transport=tcp>")
    desk.accept()
    subscribe = desk.last_sent()
    assert (subscribe.method, subscribe.get("expires")) == ("SUBSCRIBE", "600")
    # in its dialog, as long as the other side knows it
    assert "tag=e1" in (subscribe.get("to") or "")
    desk.answer(200, [("Expires", "600")])
    assert desk.watched()[-1][0] == "active"
    assert desk.changes() == ["registered", "registered"]


def test_a_server_that_has_forgotten_is_subscribed_to_anew() -> None:
    desk = watching()
    first = desk.all_sent("SUBSCRIBE")[-1].call_id
    desk.disconnected()
    desk.run(1.0)
    desk.accept()
    desk.answer(481)
    assert desk.last_sent().call_id != first
    desk.answer(200, [("Expires", "600")])
    assert [state for state, *_ in desk.watched()][-2:] == ["terminated", "active"]


def test_a_lost_subscription_request_is_made_again_too() -> None:
    """It was on its way when the connection went."""
    desk = watching()
    desk.run(600 * 0.8)
    desk.disconnected()
    assert desk.watched()[-1] == ("unanswered", 0, "reset", 0)
    desk.run(1.0)
    desk.accept()
    assert desk.last_sent().method == "SUBSCRIBE"


def test_the_pauses_grow_and_begin_anew_after_a_success() -> None:
    desk = watching()
    times = []
    for _ in range(8):
        desk.disconnected()
        times.append(pause(desk))
    limits = [min(30.0, 0.5 * 2**n) for n in range(8)]
    assert all(limit / 2 <= time <= limit for time, limit in zip(times, limits, strict=True))
    desk.accept()
    desk.answer(200, [("Expires", "600")])
    desk.run(1.0)
    desk.disconnected()
    assert pause(desk) <= 0.5


def test_phones_that_fell_together_do_not_rise_together() -> None:
    desk, other = (Desk(transport=Transport.TCP) for _ in range(2))
    other.do(lambda now: other.phone.calls.place(f"sip:1001@{REALM}", None, now))
    times = set()
    for each in (desk, other):
        each.register()
        each.accept()
        each.disconnected()
        times.add(pause(each))
    assert len(times) == 2


def test_who_has_unregistered_does_not_come_back() -> None:
    desk = watching()
    desk.do(lambda now: desk.phone.subscriptions.unsubscribe(LAMP, "dialog", now))
    desk.answer(200, [("Expires", "0")])
    desk.unregister()
    desk.answer(200)
    desk.run(40.0)
    desk.new()
    desk.disconnected()
    desk.run(100.0)
    assert desk.new() == []


def test_who_does_not_refresh_does_not_come_back() -> None:
    desk = Desk(transport=Transport.TCP).registered(refresh=False)
    desk.disconnected()
    desk.run(100.0)
    assert desk.new() == []


def test_a_call_outlives_its_connection() -> None:
    desk = Desk(transport=Transport.TCP).registered()
    desk.do(lambda now: desk.phone.calls.place(f"sip:1001@{REALM}", None, now))
    sdp = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n"
    desk.answer(200, [("Contact", "<sip:x@192.0.2.9>"), ("Content-Type", "application/sdp")], body=sdp)
    desk.disconnected()
    desk.run(1.0)
    desk.accept()
    desk.do(desk.phone.calls.hang_up)
    assert desk.last_sent().method == "BYE"
    desk.answer(200)
    assert [effect.state for _, effect in desk.log if isinstance(effect, Called)] == ["calling", "talking", "ended"]


# --- silence ---------------------------------------------------------------------------------------------------------


def test_nobody_answers_the_refresh() -> None:
    desk = Desk().registered(60)
    desk.run(1000.0)
    times = [(time - 100.0, effect.state) for time, effect in desk.log[1:] if isinstance(effect, Changed)]
    assert times[:3] == [(0.0, "registered"), (60.0, "expired"), (80.0, "unanswered")]
    # it wants to be registered, and goes on trying: each try takes 32 s, and the pauses grow to 30 s at most
    tries = [after - before - 32.0 for (before, _), (after, _) in pairwise(times[2:])]
    assert 0.0 < tries[0] <= 0.5
    assert 15.0 <= tries[-1] <= 30.0


@pytest.mark.parametrize("status", [500, 503])
def test_a_registrar_in_trouble_is_asked_again(status: int) -> None:
    desk = Desk().registered(60)
    desk.run(48.0)
    desk.answer(status)
    assert desk.changes()[-1] == "refused"
    desk.run(1.0)
    desk.accept()
    assert desk.changes()[-1] == "registered"


@pytest.mark.parametrize(
    ("value", "waits"), [("60", 60), (" 60;duration=9", 60), ("60 (at lunch)", 60), ("6x", 0), ("-1", 0), ("9" * 11, 0)]
)
def test_a_registrar_that_wants_to_be_left_alone_is(value: str, waits: int) -> None:
    """RFC 3261 21.5.4."""
    desk = Desk().registered(600)
    desk.run(480.0)
    desk.answer(503, [("Retry-After", value)])
    refused = desk.now
    desk.run(100.0)
    again = [time for time, effect in desk.log if isinstance(effect, Transmit) and time > refused]
    assert waits <= again[0] - refused <= waits + 1.0


def test_a_notifier_that_wants_to_be_left_alone_is() -> None:
    desk = watching(Transport.UDP)
    desk.run(100.0)
    desk.subscribe(expires=600)
    desk.answer(503, [("Retry-After", "450")])
    assert desk.watched()[-1][:2] == ("active", 503)
    desk.new()
    desk.run(440.0)
    assert "SUBSCRIBE" not in [one.method for one in desk.sent()]
    desk.run(20.0)
    assert "SUBSCRIBE" in [one.method for one in desk.sent()]


def test_a_notifier_that_wants_to_be_left_alone_longer_than_it_has_granted() -> None:
    desk = watching(Transport.UDP)
    desk.run(100.0)
    desk.subscribe()
    desk.answer(503, [("Retry-After", "550")])
    assert desk.watched()[-1][:2] == ("refused", 503)
    count = len(desk.all_sent("SUBSCRIBE"))
    for _ in range(5):
        desk.run(100.0)
        if desk.last_sent().method == "REGISTER":
            desk.accept()
    assert len(desk.all_sent("SUBSCRIBE")) == count
    desk.run(60.0)
    assert len(desk.all_sent("SUBSCRIBE")) > count


def test_a_registrar_that_says_no_is_believed() -> None:
    desk = Desk().registered(60)
    desk.run(48.0)
    desk.answer(403)
    desk.new()
    desk.run(1000.0)
    assert desk.new() == []


def test_a_notifier_that_is_silent_for_a_while_is_asked_again() -> None:
    desk = watching(Transport.UDP)
    desk.run(480.0)
    # the REGISTER is answered, the SUBSCRIBE is not
    register = desk.all_sent("REGISTER")[-1]
    desk.receive(response(register, 200, headers=[("Contact", f"<{desk.phone.contact}>;expires=600")], to_tag="e1"))
    desk.run(33.0)
    assert desk.watched()[-1][0] == "unanswered"
    assert desk.last_sent().method == "SUBSCRIBE"
    desk.answer(200, [("Expires", "600")])
    assert isinstance(desk.log[-1][1], Subscribed)
    assert desk.watched()[-1][0] == "active"
    assert desk.phone.local == LOCAL
