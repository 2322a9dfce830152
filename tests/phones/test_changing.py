"""Sessions that change in a call: hold and back, by re-INVITE and by UPDATE, whoever asks (RFC 3261 14, RFC 3311)."""

from __future__ import annotations

import pytest

from phones.calls import NoSuchCall
from phones.changing import By
from phones.effects import Transmit
from phones.sip import sdp
from phones.sip.index import Message
from tests.phones.calls_bench import CONTACT, RING, SDP, SERVER, called_by, in_call, lines_of, theirs, within
from tests.phones.playbook import THEIR_SDP, Desk, challenge, credentials

WAYS: list[By] = ["INVITE", "UPDATE"]
HELD = THEIR_SDP + b"a=sendonly\r\n"
ANSWER = THEIR_SDP + b"a=recvonly\r\n"


def hold(desk: Desk, by: By, *, held: bool = True) -> Message:
    """The request by which the phone holds its call, or takes it back."""
    desk.do(lambda now: desk.phone.calls.hold(now, held=held, by=by))
    return desk.last_sent()


def taken(desk: Desk, asked: Message, body: bytes = ANSWER) -> None:
    desk.answer(200, [CONTACT, SDP], to=asked, body=body)


def called() -> Desk:
    """A phone in a call that came in."""
    desk = called_by(RING)
    desk.do(desk.phone.calls.answer)
    desk.receive(within(desk, "ACK", 7))
    desk.run(1.0)
    desk.new()
    return desk


def version_of(body: bytes) -> int:
    return int(body.partition(b"\no=")[2].split()[2])


@pytest.mark.parametrize("by", WAYS)
def test_hold_and_back(by: By) -> None:
    desk = in_call()
    asked = hold(desk, by)
    assert (asked.method, asked.uri, asked.cseq, asked.get("contact"), asked.get("content-type")) == (
        by, "sip:pbx@192.0.2.7:5090", 2, "<sip:desk@192.0.2.10:5062>", "application/sdp",
    )  # fmt: skip
    assert (sdp.parse(asked.body).direction, version_of(asked.body)) == ("sendonly", 2)
    taken(desk, asked)
    acks = [one for one in desk.all_sent("ACK") if one.cseq == 2]
    assert len(acks) == (by == "INVITE")
    again = hold(desk, by, held=False)
    assert (sdp.parse(again.body).direction, version_of(again.body)) == ("sendrecv", 3)
    taken(desk, again, THEIR_SDP)
    assert [state for state, _, _ in desk.called()] == ["calling", "talking"]
    desk.do(desk.phone.calls.hang_up)
    assert desk.last_sent().cseq == 4


@pytest.mark.parametrize("by", WAYS)
def test_where_they_listen_now(by: By) -> None:
    desk = in_call()
    taken(desk, hold(desk, by, held=False), THEIR_SDP.replace(b"5000", b"6000"))
    before = len(desk.spoken())
    desk.do(lambda now: desk.phone.calls.talk(2, now))
    desk.run(1.0)
    assert [media.remote for _, media in desk.spoken()[before:]] == [("192.0.2.1", 6000)] * 2


def test_both_hold() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "UPDATE", 1, body=HELD), source=SERVER)
    assert sdp.parse(desk.last_sent().body).direction == "recvonly"
    asked = hold(desk, "UPDATE")
    assert sdp.parse(asked.body).direction == "inactive"
    taken(desk, asked, THEIR_SDP + b"a=inactive\r\n")
    desk.receive(theirs(desk, "UPDATE", 2, body=THEIR_SDP), source=SERVER)
    assert sdp.parse(desk.last_sent().body).direction == "sendonly"


def test_a_repeated_200_is_acknowledged_again() -> None:
    desk = in_call()
    asked = hold(desk, "INVITE")
    taken(desk, asked)
    ack = desk.last_sent()
    desk.new()
    taken(desk, asked)
    assert [effect for effect in desk.new() if isinstance(effect, Transmit)] == [
        Transmit(ack.raw, SERVER, "retransmission")
    ]


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("status", [403, 405, 415, 488, 500, 501, 603])
def test_a_refusal_leaves_everything_as_it_was(by: By, status: int) -> None:
    desk = in_call()
    desk.answer(status, to=hold(desk, by))
    desk.run(10.0)
    assert (len(desk.all_sent(by)), desk.called()[-1][0]) == (1 + (by == "INVITE"), "talking")
    # nobody is held: the next offer, and the answer to theirs, say so
    desk.receive(theirs(desk, "UPDATE", 1, body=THEIR_SDP), source=SERVER)
    assert sdp.parse(desk.last_sent().body).direction == "sendrecv"


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("status", [408, 481, None])
def test_a_call_that_is_gone_is_hung_up(by: By, status: int | None) -> None:
    desk = in_call()
    asked = hold(desk, by)
    if status is None:
        desk.run(33.0)
    else:
        desk.answer(status, to=asked)
    assert desk.called()[-1] == ("ended", 0, "gone")
    assert len(desk.all_sent("BYE")) == 1


@pytest.mark.parametrize("by", WAYS)
def test_a_challenge(by: By) -> None:
    desk = in_call()
    asked = hold(desk, by)
    desk.answer(401, [("WWW-Authenticate", challenge(qop="auth-int")[1])], to=asked)
    again = desk.last_sent()
    assert (again.method, again.cseq, again.body) == (by, asked.cseq + 1, asked.body)
    assert "qop=auth-int" in credentials(again)
    taken(desk, again)
    if by == "INVITE":
        assert credentials(desk.last_sent()) == credentials(again)


# --- both at once ---


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize(("ours", "least", "most"), [(True, 2.1, 4.0), (False, 0.0, 2.0)])
def test_glare(by: By, ours: bool, least: float, most: float) -> None:
    """Who made the Call-ID waits longer (RFC 3261 14.1)."""
    desk = in_call() if ours else called()
    asked = hold(desk, by)
    desk.receive(theirs(desk, by, 1, body=THEIR_SDP) if ours else within(desk, by, 8, body=THEIR_SDP), source=SERVER)
    assert lines_of([desk.last_sent()]) == [f"491 {by}"]
    began, count = desk.now, len(desk.all_sent(by))
    desk.answer(491, to=asked)
    desk.run(least - 0.001)
    assert len(desk.all_sent(by)) == count
    desk.run(most - least)
    assert len(desk.all_sent(by)) == count + 1
    again = desk.all_sent(by)[-1]
    assert (sdp.parse(again.body).direction, again.cseq) == ("sendonly", asked.cseq + 1)
    sent_at = max(time for time, effect in desk.log if isinstance(effect, Transmit) and effect.data == again.raw)
    assert least <= sent_at - began <= most
    taken(desk, again)
    assert desk.called()[-1][0] == "talking"


def test_theirs_comes_through_while_ours_waits() -> None:
    desk = in_call()
    desk.answer(491, to=hold(desk, "INVITE"))
    desk.receive(theirs(desk, "INVITE", 1, body=THEIR_SDP), source=SERVER)
    assert lines_of([desk.last_sent()]) == ["200 INVITE"]
    assert sdp.parse(desk.last_sent().body).direction == "sendonly"


def test_later_when_they_say_so() -> None:
    desk = in_call()
    desk.answer(500, [("Retry-After", "5")], to=hold(desk, "UPDATE"))
    desk.run(4.9)
    assert len(desk.all_sent("UPDATE")) == 1
    desk.run(0.2)
    assert len(desk.all_sent("UPDATE")) == 2


def test_not_for_ever() -> None:
    desk = in_call()
    hold(desk, "UPDATE")
    for _ in range(20):
        desk.answer(491, to=desk.all_sent("UPDATE")[-1])
        desk.run(5.0)
    assert (len(desk.all_sent("UPDATE")), desk.called()[-1][0]) == (4, "talking")


def test_one_change_at_a_time() -> None:
    desk = in_call()
    asked = hold(desk, "INVITE")
    with pytest.raises(NoSuchCall):
        desk.phone.calls.hold(desk.now, held=False)
    desk.answer(491, to=asked)
    again = hold(desk, "UPDATE", held=False)
    assert (again.method, sdp.parse(again.body).direction) == ("UPDATE", "sendrecv")
    desk.run(10.0)
    assert len(desk.all_sent("INVITE")) == 2


def test_an_update_without_an_offer_only_moves_them() -> None:
    desk = in_call()
    asked = hold(desk, "INVITE")
    desk.receive(theirs(desk, "UPDATE", 1, "Contact: <sip:pbx@192.0.2.9>"), source=SERVER)
    answer = desk.last_sent()
    assert (answer.status, answer.body) == (200, b"")
    desk.answer(488, to=asked)
    desk.do(desk.phone.calls.hang_up)
    assert desk.last_sent().uri == "sip:pbx@192.0.2.9"


def test_our_offer_in_a_200_has_to_be_answered_first() -> None:
    desk = in_call()
    desk.receive(theirs(desk, "INVITE", 1), source=SERVER)
    desk.receive(theirs(desk, "UPDATE", 2, body=THEIR_SDP), source=SERVER)
    assert lines_of(desk.sent()) == ["200 INVITE", "491 UPDATE"]
    with pytest.raises(NoSuchCall):
        desk.phone.calls.hold(desk.now)
    desk.receive(theirs(desk, "ACK", 1, body=THEIR_SDP), source=SERVER)
    desk.receive(theirs(desk, "UPDATE", 3, body=THEIR_SDP), source=SERVER)
    assert lines_of(desk.sent()) == ["200 UPDATE"]


@pytest.mark.parametrize("body", [b"v=9", THEIR_SDP.replace(b"0 101", b"8"), THEIR_SDP.replace(b"5000", b"0")])
def test_an_update_that_does_not_fit_leaves_the_call(body: bytes) -> None:
    desk = in_call()
    desk.receive(theirs(desk, "UPDATE", 1, body=body), source=SERVER)
    assert lines_of(desk.sent()) == ["488 UPDATE"]
    before = len(desk.spoken())
    desk.do(lambda now: desk.phone.calls.talk(1, now))
    desk.run(1.0)
    assert [media.remote for _, media in desk.spoken()[before:]] == [("192.0.2.1", 5000)]


@pytest.mark.parametrize("end", ["ours", "theirs", "lost"])
def test_nothing_is_asked_behind_the_end(end: str) -> None:
    desk = in_call()
    desk.answer(491, to=hold(desk, "INVITE"))
    if end == "ours":
        desk.do(desk.phone.calls.hang_up)
        desk.answer(200)
    elif end == "theirs":
        desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    else:
        desk.do(desk.phone.forget)
    desk.run(100.0)
    assert (len(desk.all_sent("INVITE")), desk.phone.next_deadline()) == (2, None)


def test_what_is_in_no_call() -> None:
    desk = in_call()
    for method in ("UPDATE", "PRACK"):
        desk.receive(theirs(desk, method, 1, tag="e9"), source=SERVER)
    assert lines_of(desk.sent()) == ["481 UPDATE", "481 PRACK"]
    with pytest.raises(NoSuchCall):
        Desk().phone.calls.hold(0.0)


def test_a_missed_update_changes_nothing() -> None:
    desk = in_call()
    desk.phone.miss("UPDATE")
    desk.receive(theirs(desk, "UPDATE", 1, body=THEIR_SDP.replace(b"5000", b"7000")), source=SERVER)
    assert lines_of(desk.sent()) == ["200 UPDATE"]
    before = len(desk.spoken())
    desk.do(lambda now: desk.phone.calls.talk(1, now))
    desk.run(1.0)
    assert [media.remote for _, media in desk.spoken()[before:]] == [("192.0.2.1", 5000)]
