"""Calls that a phone makes: what is on the wire, and what is reported."""

from __future__ import annotations

import gc

import pytest

from phones.call import Call
from phones.calls import NoSuchCall
from phones.effects import Called, Heard, Transmit
from phones.sip import sdp
from phones.sip.dialog import tag_of
from phones.sip.index import Message, SipSyntaxError
from tests.phones.calls_bench import (
    CONTACT,
    RING,
    SDP,
    SERVER,
    accept,
    called_by,
    calling,
    in_call,
    lines_of,
    the_invite,
    theirs,
    within,
)
from tests.phones.playbook import EDGE, MEDIA, THEIR_SDP, Desk, Header, challenge, credentials

# --- calling ---------------------------------------------------------------------------------------------------------


def test_a_call_from_invite_to_bye() -> None:
    desk = calling()
    asked = the_invite(desk)
    assert (asked.uri, asked.get("from"), asked.get("to")) == (
        "sip:1002@a.example.com",
        f"<sip:desk@a.example.com>;tag={tag_of(asked.get('from') or '')}",
        "<sip:1002@a.example.com>",
    )
    assert asked.get("contact") == "<sip:desk@192.0.2.10:5062>"
    assert asked.call_id.startswith("rp-7-")
    offered = sdp.parse(asked.body)
    assert (offered.address, asked.get("content-type")) == (MEDIA, "application/sdp")
    desk.answer(100, to=asked)
    desk.answer(180, to=asked)
    desk.answer(183, to=asked)
    accept(desk)
    ack = desk.last_sent()
    assert (ack.method, ack.cseq, ack.uri, ack.get("to")) == (
        "ACK",
        asked.cseq,
        "sip:pbx@192.0.2.7:5090",
        "<sip:1002@a.example.com>;tag=e1",
    )
    assert ack.branch != asked.branch
    desk.run(1.0)
    desk.do(desk.phone.calls.hang_up)
    bye = desk.last_sent()
    assert (bye.method, bye.cseq, bye.uri, bye.call_id) == ("BYE", asked.cseq + 1, ack.uri, asked.call_id)
    assert [effect.remote for _, effect in desk.log if isinstance(effect, Transmit)] == [EDGE, SERVER, SERVER]
    desk.answer(200, to=bye)
    assert desk.called() == [
        ("calling", 0, ""),
        ("ringing", 180, "Ringing"),
        ("talking", 200, "OK"),
        ("ended", 0, "hung up"),
    ]
    desk.run(100.0)
    assert desk.phone.next_deadline() is None
    reports = [effect for _, effect in desk.log if isinstance(effect, Called)]
    assert {(one.call_id, one.direction, one.peer) for one in reports} == {(asked.call_id, "out", "1002")}


def test_a_call_that_comes_in() -> None:
    desk = called_by(RING)
    [ringing] = desk.sent()
    assert (ringing.status, ringing.get("contact")) == (180, "<sip:desk@192.0.2.10:5062>")
    desk.do(desk.phone.calls.answer)
    [ok] = desk.sent()
    assert (ok.status, tag_of(ok.get("to") or "")) == (200, tag_of(ringing.get("to") or ""))
    assert sdp.parse(ok.body).address == MEDIA
    assert desk.called() == [("ringing", 180, "Ringing")]
    desk.receive(within(desk, "ACK", 7))
    assert desk.called()[1:] == [("talking", 200, "OK")]
    desk.run(1.0)
    assert len(desk.spoken()) == 20
    desk.new()
    desk.receive(within(desk, "BYE", 8))
    assert lines_of(desk.sent()) == ["200 BYE"]
    assert desk.called()[2:] == [("ended", 0, "hung up by the peer")]
    assert desk.phone.next_deadline() is not None  # of the transactions
    desk.run(100.0)
    assert desk.phone.next_deadline() is None


def notified(desk: Desk, cseq: int) -> list[str]:
    """What the phone says to a NOTIFY within the call that it made."""
    desk.new()
    desk.receive(theirs(desk, "NOTIFY", cseq, "Event: talk"))
    return lines_of(desk.sent())


def test_a_call_that_is_left_is_known_for_half_a_minute() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "BYE", 2))
    assert desk.phone.calls.idle
    assert notified(desk, 3) == ["200 NOTIFY"]
    desk.run(31.0)
    assert notified(desk, 4) == ["200 NOTIFY"]
    desk.run(2.0)
    assert notified(desk, 5) == ["481 NOTIFY"]


def test_a_call_that_is_left_ends_with_its_own_timer_alone() -> None:
    """No deadline of a transaction falls on it, and none of another call."""
    desk = in_call()
    desk.receive(theirs(desk, "BYE", 2))
    due = desk.now + 32.0
    desk.phone.calls.handle_timer(due - 0.001)
    assert desk.phone.calls.next_deadline() == pytest.approx(due)
    desk.phone.calls.handle_timer(due)
    assert desk.phone.calls.next_deadline() is None


def test_nothing_is_kept_of_a_call_that_is_over() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "BYE", 2))
    call_id = the_invite(desk).call_id
    assert [one.machine.state for one in every_call(call_id)] == ["left"]
    desk.run(40.0)
    assert every_call(call_id) == []


def every_call(call_id: str) -> list[Call]:
    """All that is in memory of the calls with that Call-ID."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Call) and each.call_id == call_id]


def test_a_phone_that_loses_everything_loses_the_calls_that_are_left() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "BYE", 2))
    desk.do(desk.phone.forget)
    assert desk.phone.calls.next_deadline() is None
    assert notified(desk, 3) == ["481 NOTIFY"]


# --- calling: refusals, challenges -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 404, 480, 486, 503, 603])
@pytest.mark.parametrize("ringing", [False, True])
def test_a_refused_call(status: int, ringing: bool) -> None:
    desk = calling()
    if ringing:
        desk.answer(180, to=the_invite(desk))
    desk.new()
    desk.answer(status, to=the_invite(desk), reason="No")
    [ack] = desk.sent()
    assert (ack.method, ack.branch, ack.cseq) == ("ACK", the_invite(desk).branch, 1)
    assert desk.called()[-1] == ("ended", status, "No")
    desk.answer(status, to=the_invite(desk), reason="No")
    assert lines_of(desk.sent()) == ["ACK"]
    desk.run(100.0)
    assert (desk.phone.next_deadline(), len(desk.called())) == (None, 2 + ringing)


def test_nobody_answers() -> None:
    desk = calling()
    desk.run(31.0)
    assert desk.called() == [("calling", 0, "")]
    desk.run(2.0)
    assert desk.called()[1:] == [("ended", 0, "unanswered")]
    assert len(desk.sent()) == 7
    accept(desk)
    assert (desk.sent(), desk.kinds()[-1][0]) == ([], "stray")


@pytest.mark.parametrize(("status", "header"), [(401, "authorization"), (407, "proxy-authorization")])
def test_a_challenged_call(status: int, header: str) -> None:
    desk = calling()
    first = the_invite(desk)
    asks = challenge("n1") if status == 401 else ("Proxy-Authenticate", challenge("n1")[1])
    desk.answer(status, [asks])
    again = the_invite(desk)
    assert (again.call_id, again.get("from"), again.cseq) == (first.call_id, first.get("from"), 2)
    assert again.branch != first.branch
    assert again.get("to") == "<sip:1002@a.example.com>"
    assert 'uri="sip:1002@a.example.com"' in credentials(again, header)
    accept(desk)
    ack = desk.all_sent("ACK")[-1]
    assert (ack.cseq, ack.get(header)) == (2, again.get(header))
    desk.do(desk.phone.calls.hang_up)
    bye = desk.last_sent()
    assert (bye.cseq, "nc=00000002" in credentials(bye, header)) == (3, True)
    assert [state for state, _, _ in desk.called()] == ["calling", "talking", "ended"]


def test_the_same_nonce_again_is_a_refusal() -> None:
    desk = calling()
    desk.answer(401, [challenge("n1")])
    desk.answer(401, [challenge("n1")], to=the_invite(desk))
    assert (len(desk.all_sent("INVITE")), desk.called()[-1]) == (2, ("ended", 401, "Unauthorized"))
    stale = calling()
    stale.answer(401, [challenge("n1")])
    stale.answer(401, [challenge("n1", stale=True)], to=the_invite(stale))
    assert len(stale.all_sent("INVITE")) == 3


@pytest.mark.parametrize("headers", [[], [("WWW-Authenticate", "Basic realm=x")]])
def test_a_challenge_that_cannot_be_answered(headers: list[Header]) -> None:
    desk = calling()
    desk.answer(401, headers)
    assert desk.called()[-1] == ("ended", 401, "Unauthorized")


def test_a_carrier_calls_as_somebody_else() -> None:
    desk = Desk()
    desk.do(lambda now: desk.phone.calls.place("sip:1001@192.0.2.1", "5551234", now))
    assert (desk.last_sent().get("from") or "").startswith("<sip:5551234@a.example.com>;tag=")
    desk.do(lambda now: desk.phone.calls.place("sip:1001@192.0.2.1", "sip:+49@carrier.example", now))
    assert (desk.last_sent().get("from") or "").startswith("<sip:+49@carrier.example>;tag=")


def test_what_is_no_uri_is_not_called() -> None:
    desk = Desk()
    for target in ("sip:a b@c", "", "<sip:a@b>"):
        with pytest.raises(SipSyntaxError):
            desk.phone.calls.place(target, None, desk.now)
    assert (desk.phone.take(), desk.phone.next_deadline()) == ([], None)


# --- calling: second thoughts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [100, 180, 183])
def test_a_cancel_waits_for_a_provisional_answer(status: int) -> None:
    desk = calling()
    desk.do(desk.phone.calls.cancel)
    assert desk.all_sent("CANCEL") == []
    invite_sent = the_invite(desk)
    desk.answer(status, to=invite_sent)
    [cancel] = desk.all_sent("CANCEL")
    assert (cancel.uri, cancel.branch, cancel.cseq, cancel.call_id) == (
        invite_sent.uri, invite_sent.branch, 1, invite_sent.call_id,
    )  # fmt: skip
    assert [cancel.get(name) for name in ("from", "to", "via")] == [
        invite_sent.get(name) for name in ("from", "to", "via")
    ]
    desk.answer(200, to=cancel)
    desk.answer(487, to=invite_sent)
    assert lines_of([desk.last_sent()]) == ["ACK"]
    assert desk.called() == [("calling", 0, ""), ("ended", 487, "Request Terminated")]
    desk.run(100.0)
    assert desk.phone.next_deadline() is None


@pytest.mark.parametrize("early", [True, False])
def test_a_cancel_that_crosses_the_answer(early: bool) -> None:
    desk = calling()
    if early:
        desk.answer(180, to=the_invite(desk))
    desk.do(desk.phone.calls.cancel)
    accept(desk)
    assert lines_of(desk.all_sent()) == ["INVITE", *(["CANCEL"] if early else []), "ACK", "BYE"]
    assert desk.called()[-1] == ("ended", 0, "cancelled")
    assert "talking" not in [state for state, _, _ in desk.called()]
    desk.answer(200, to=desk.all_sent("BYE")[0])
    desk.run(100.0)
    assert (desk.spoken(), desk.phone.next_deadline()) == ([], None)


def test_a_cancelled_call_that_never_ends() -> None:
    desk = calling()
    desk.answer(180)
    desk.do(desk.phone.calls.hang_up)
    desk.answer(200, to=desk.all_sent("CANCEL")[0])
    desk.run(31.0)
    assert desk.called()[-1][0] == "ringing"
    desk.run(2.0)
    assert desk.called()[-1] == ("ended", 0, "cancelled")
    desk.answer(487, to=the_invite(desk))
    assert desk.kinds()[-1][0] == "stray"


def test_it_calls_once_more_only_when_it_still_wants_to() -> None:
    desk = calling()
    desk.do(desk.phone.calls.cancel)
    desk.answer(401, [challenge()])
    assert (len(desk.all_sent("INVITE")), desk.called()[-1]) == (1, ("ended", 401, "Unauthorized"))


@pytest.mark.parametrize("status", [200, 481, 401, None])
def test_whatever_comes_of_a_bye_the_call_is_over(status: int | None) -> None:
    desk = in_call()
    desk.do(desk.phone.calls.hang_up)
    if status is not None:
        desk.answer(status)
    desk.run(100.0)
    assert (len(desk.all_sent("BYE")), desk.phone.next_deadline()) == (1, None)
    with pytest.raises(NoSuchCall):
        desk.phone.calls.hang_up(desk.now)


# --- calling: 2xx again and again ------------------------------------------------------------------------------------


@pytest.mark.parametrize("hung_up", ["", "by us", "by them"])
def test_a_repeated_200_is_acknowledged_again(hung_up: str) -> None:
    desk = calling()
    accept(desk)
    [ack] = desk.all_sent("ACK")
    if hung_up == "by us":
        desk.do(desk.phone.calls.hang_up)
    elif hung_up:
        desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    before = desk.called()
    desk.new()
    accept(desk)
    heard, sent = desk.new()
    assert isinstance(heard, Heard)
    assert heard.kind == "retransmission"
    assert sent == Transmit(ack.raw, SERVER, "retransmission")
    assert desk.called() == before


def test_the_second_phone_that_accepts_is_hung_up() -> None:
    desk = calling()
    accept(desk)
    desk.new()
    elsewhere: Header = ("Contact", "<sip:other@192.0.2.8>")
    accept(desk, tag="e2", contact=elsewhere)
    ack, bye = desk.sent()
    assert [(one.method, one.uri, one.get("to")) for one in (ack, bye)] == [
        ("ACK", "sip:other@192.0.2.8", "<sip:1002@a.example.com>;tag=e2"),
        ("BYE", "sip:other@192.0.2.8", "<sip:1002@a.example.com>;tag=e2"),
    ]
    assert desk.kinds()[-1] == ("new", "current")
    accept(desk, tag="e2", contact=elsewhere)
    assert (lines_of(desk.sent()), desk.kinds()[-1][0]) == (["ACK"], "retransmission")
    # whatever the other one says to the BYE, the first call goes on
    desk.answer(481, to=bye)
    desk.run(40.0)
    assert desk.called()[-1][0] == "talking"
    desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    assert desk.called()[-1] == ("ended", 0, "hung up by the peer")


def test_countless_forks_are_not_remembered() -> None:
    desk = calling()
    for number in range(300):
        accept(desk, tag=f"t{number}")
    assert len(desk.all_sent("BYE")) <= 64


# --- in a call that we made ------------------------------------------------------------------------------------------


def test_both_hang_up_at_once() -> None:
    desk = in_call()
    desk.do(desk.phone.calls.hang_up)
    desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    assert lines_of(desk.sent()) == ["BYE", "200 BYE"]
    desk.answer(481, to=desk.all_sent("BYE")[0])
    assert [state for state, _, _ in desk.called()] == ["calling", "talking", "ended"]


def test_a_bye_is_taken_once() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "BYE", 5), source=SERVER)
    desk.receive(theirs(desk, "BYE", 5), source=SERVER)
    desk.receive(theirs(desk, "BYE", 6), source=SERVER)
    desk.run(40.0)
    desk.receive(theirs(desk, "BYE", 7), source=SERVER)
    assert lines_of(desk.sent()) == ["200 BYE", "200 BYE", "481 BYE", "481 BYE"]
    assert len(desk.called()) == 3


@pytest.mark.parametrize("tag", ["e2", ""])
def test_a_bye_of_somebody_else(tag: str) -> None:
    desk = in_call()
    desk.receive(theirs(desk, "BYE", 1, tag=tag), source=SERVER)
    assert lines_of(desk.sent()) == ["481 BYE"]
    assert desk.called()[-1][0] == "talking"


def test_order_within_a_call() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "INVITE", 5, body=THEIR_SDP), source=SERVER)
    desk.receive(theirs(desk, "BYE", 5), source=SERVER)
    desk.receive(theirs(desk, "BYE", 4), source=SERVER)
    assert lines_of(desk.sent()) == ["200 INVITE", "500 BYE", "500 BYE"]
    assert desk.called()[-1][0] == "talking"
    desk.receive(theirs(desk, "BYE", 6), source=SERVER)
    assert desk.called()[-1][0] == "ended"


def test_a_second_invite_is_answered_with_our_side() -> None:
    desk = in_call()
    moved = "Contact: <sip:pbx@192.0.2.9:5070>"
    held = THEIR_SDP.replace(b"5000", b"6000") + b"a=sendonly\r\n"
    desk.receive(theirs(desk, "INVITE", 1, moved, body=held), source=SERVER)
    [ok] = desk.sent()
    first = sdp.parse(the_invite(desk).body)
    again = sdp.parse(ok.body)
    assert (again.address, again.direction) == (first.address, "recvonly")
    assert [line.split()[1:3] for line in (b"\n" + ok.body).split(b"\no=")[1:]] == [
        [the_invite(desk).body.split(b"\no=")[1].split()[1], b"2"]
    ]
    desk.run(1.0)
    desk.receive(theirs(desk, "ACK", 1), source=SERVER)
    desk.run(60.0)
    assert [effect.kind for effect in desk.new() if isinstance(effect, Transmit)] == ["retransmission"]
    desk.do(desk.phone.calls.hang_up)
    assert desk.last_sent().uri == "sip:pbx@192.0.2.9:5070"
    assert desk.log[-2][1] == Transmit(desk.last_sent().raw, ("192.0.2.9", 5070))


@pytest.mark.parametrize("body", [b"v=9", THEIR_SDP.replace(b"0 101", b"8"), THEIR_SDP.replace(b"5000", b"0")])
def test_an_offer_that_does_not_fit_leaves_the_call(body: bytes) -> None:
    desk = in_call()
    desk.receive(theirs(desk, "INVITE", 1, body=body), source=SERVER)
    assert lines_of(desk.sent()) == ["488 INVITE"]
    assert desk.called()[-1][0] == "talking"


def test_an_invite_without_offer_gets_ours_and_the_ack_has_theirs() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "INVITE", 1), source=SERVER)
    assert sdp.parse(desk.sent()[0].body).address == MEDIA
    desk.receive(theirs(desk, "ACK", 1, body=THEIR_SDP.replace(b"5000", b"7000")), source=SERVER)
    spoken = len(desk.spoken())
    desk.do(lambda now: desk.phone.calls.talk(1, now))
    desk.run(1.0)
    assert [media.remote for _, media in desk.spoken()[spoken:]] == [("192.0.2.1", 7000)]


def test_an_answer_that_is_never_acknowledged_ends_the_call() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "INVITE", 1, body=THEIR_SDP), source=SERVER)
    desk.run(33.0)
    assert desk.called()[-1] == ("ended", 0, "no ACK")
    assert len(desk.all_sent("BYE")) == 1


def test_a_notify_in_a_call_is_nothing_to_follow() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "NOTIFY", 1, "Event: talk"), source=SERVER)
    desk.receive(theirs(desk, "NOTIFY", 2, "Event: talk", tag="e9"), source=SERVER)
    assert lines_of(desk.sent()) == ["200 NOTIFY", "481 NOTIFY"]


# --- routes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "uri", "sent_routes", "remote"),
    [
        (["<sip:192.0.2.31;lr>", "<sip:192.0.2.32:5070;lr=on>"], "sip:pbx@192.0.2.7:5090",
         ["<sip:192.0.2.32:5070;lr=on>", "<sip:192.0.2.31;lr>"], ("192.0.2.32", 5070)),
        (["<sip:192.0.2.31;lr>, <sip:a.example.com;lr>"], "sip:pbx@192.0.2.7:5090",
         ["<sip:a.example.com;lr>", "<sip:192.0.2.31;lr>"], EDGE),
        (["<sip:192.0.2.31>"], "sip:192.0.2.31", ["<sip:pbx@192.0.2.7:5090>"], ("192.0.2.31", 5060)),
        (["<sip:192.0.2.31;transport=tcp;lr>"], "sip:pbx@192.0.2.7:5090", ["<sip:192.0.2.31;transport=tcp;lr>"], EDGE),
        (["", "<sip:a b;lr>", "nonsense"], "sip:pbx@192.0.2.7:5090", [], SERVER),
    ],
)  # fmt: skip
def test_the_way_back_is_the_recorded_one(
    routes: list[str], uri: str, sent_routes: list[str], remote: tuple[str, int]
) -> None:
    desk = calling()
    recorded = [("Record-Route", route) for route in routes]
    desk.answer(200, [*recorded, CONTACT, SDP], body=THEIR_SDP)
    desk.do(desk.phone.calls.hang_up)
    for sent in [effect for _, effect in desk.log if isinstance(effect, Transmit)][1:]:
        message = Message.parse(sent.data)
        assert (message.uri, message.all("route"), sent.remote) == (uri, sent_routes, remote), message.method
