"""A called phone whose caller demands reliable provisional answers (RFC 3262 3), and UPDATE while it rings."""

from __future__ import annotations

import pytest

from phones.calls import CallPolicy
from phones.effects import Transmit
from phones.personality import Personality, Reliable
from phones.sip import sdp
from phones.sip.index import Message
from tests.phones.calls_bench import RING, called_by, invite, lines_of, within
from tests.phones.playbook import MEDIA, THEIR_SDP, Desk, a_request

DEMAND = "Require: 100rel"
NO_SDP = b""


def rseq_of(answer: Message) -> int:
    return int(answer.get("rseq") or "")


def prack(desk: Desk, rack: str, cseq: int = 8, body: bytes = b"") -> None:
    desk.receive(within(desk, "PRACK", cseq, f"RAck: {rack}", body=body, branch=f"p{cseq}"))


def repeated(desk: Desk) -> list[float]:
    """When something was sent again, from the first thing that was sent."""
    sent = [(time, effect) for time, effect in desk.log if isinstance(effect, Transmit)]
    return [round(time - sent[0][0], 3) for time, effect in sent if effect.kind == "retransmission"]


def test_it_rings_reliably_and_again_until_the_prack() -> None:
    desk = called_by(RING, DEMAND)
    [ringing] = desk.sent()
    assert (ringing.status, ringing.get("require"), ringing.body) == (180, "100rel", b"")
    assert 1 <= rseq_of(ringing) < 2**31
    desk.run(10.0)
    assert repeated(desk) == [0.5, 1.5, 3.5, 7.5]
    assert {one.raw for one in desk.sent()} == {ringing.raw}
    prack(desk, f"{rseq_of(ringing)} 7 INVITE")
    assert lines_of(desk.sent()) == ["200 PRACK"]
    desk.run(60.0)
    assert desk.sent() == []
    desk.do(desk.phone.calls.answer)
    [ok] = desk.sent()
    assert (ok.status, sdp.parse(ok.body).address) == (200, MEDIA)
    desk.receive(within(desk, "ACK", 7))
    assert [state for state, _, _ in desk.called()] == ["ringing", "talking"]


@pytest.mark.parametrize(
    "rack", ["{other} 7 INVITE", "{rseq} 8 INVITE", "{rseq} 7 UPDATE", "{rseq} 7", "{rseq} 7 INVITE x", "x y z", ""]
)
def test_a_prack_for_nothing(rack: str) -> None:
    desk = called_by(RING, DEMAND)
    number = rseq_of(desk.sent()[0])
    prack(desk, rack.format(rseq=number, other=number + 1))
    assert lines_of(desk.sent()) == ["481 PRACK"]
    desk.run(0.6)
    assert lines_of(desk.sent()) == ["180 INVITE"]


def test_a_prack_is_taken_once() -> None:
    desk = called_by(RING, DEMAND)
    number = rseq_of(desk.sent()[0])
    prack(desk, f"{number} 7 INVITE")
    prack(desk, f"{number} 7 INVITE")
    prack(desk, f"{number} 7 INVITE", 9)
    assert lines_of(desk.sent()) == ["200 PRACK", "200 PRACK", "481 PRACK"]


def test_a_prack_where_nobody_demanded_one() -> None:
    desk = called_by(RING)
    [ringing] = desk.sent()
    assert (ringing.get("require"), ringing.get("rseq")) == (None, None)
    prack(desk, "1 7 INVITE")
    desk.run(10.0)
    assert lines_of(desk.sent()) == ["481 PRACK"]


def test_a_caller_that_never_acknowledges_is_refused() -> None:
    desk = called_by(RING, DEMAND)
    desk.run(33.0)
    assert desk.called() == [("ringing", 180, "Ringing"), ("ended", 504, "Server Time-out")]
    assert lines_of(desk.all_sent()) == ["180 INVITE", "504 INVITE"]


def test_an_answer_overtakes_the_prack() -> None:
    """The 180 said nothing of the session, so nothing has to wait, and nothing is repeated behind the 200."""
    desk = called_by(RING, DEMAND)
    number = rseq_of(desk.sent()[0])
    desk.do(desk.phone.calls.answer)
    [ok] = desk.sent()
    assert (ok.status, bool(ok.body)) == (200, True)
    desk.receive(within(desk, "ACK", 7))
    prack(desk, f"{number} 7 INVITE")
    assert lines_of(desk.sent()) == ["200 PRACK"]
    desk.run(50.0)
    assert (desk.sent(), desk.called()[-1][0]) == ([], "talking")


@pytest.mark.parametrize("after", [0.0, 3.0])
def test_our_offer_in_the_180_is_answered_first(after: float) -> None:
    """An INVITE without an offer: the first reliable answer has ours (RFC 3261 13.2.1)."""
    policy = CallPolicy("answer", after=after) if after else RING
    desk = called_by(policy, DEMAND, body=NO_SDP)
    [ringing] = desk.sent()
    assert sdp.parse(ringing.body).address == MEDIA
    if not after:
        desk.do(desk.phone.calls.answer)
    desk.run(4.0)
    assert "200 INVITE" not in lines_of(desk.all_sent())
    prack(desk, f"{rseq_of(ringing)} 7 INVITE", body=THEIR_SDP.replace(b"5000", b"7000"))
    accepted = [one for one in desk.all_sent() if one.status == 200 and one.method == "INVITE"]
    assert [one.body for one in accepted] == [b""]
    desk.receive(within(desk, "ACK", 7))
    desk.run(1.0)
    assert {media.remote for _, media in desk.spoken()} == {("192.0.2.1", 7000)}


def test_who_demands_too_much_of_it() -> None:
    desk = Desk(personality=Personality(reliable=Reliable.UNSUPPORTED))
    desk.receive(invite(DEMAND))
    [refused] = desk.sent()
    assert (refused.status, refused.get("unsupported")) == (420, "100rel")
    kind = called_by(RING, "Require: 100rel, timer")
    assert [(one.status, one.get("unsupported")) for one in kind.sent()] == [(420, "timer")]


@pytest.mark.parametrize("ending", ["CANCEL", "reject", "lose"])
def test_nothing_is_repeated_behind_the_end(ending: str) -> None:
    desk = called_by(RING, DEMAND)
    if ending == "CANCEL":
        desk.receive(a_request("CANCEL", cseq=7))
    elif ending == "reject":
        desk.do(lambda now: desk.phone.calls.reject(603, now))
    else:
        desk.do(desk.phone.forget)
    assert desk.called()[-1][0] == "ended"
    desk.new()
    desk.run(40.0)
    assert "180 INVITE" not in lines_of(desk.sent())


def test_an_ignored_call_announces_nothing() -> None:
    desk = called_by(CallPolicy("ignore"), DEMAND)
    desk.run(5.0)
    assert lines_of(desk.sent()) == ["100 INVITE"]
    desk.do(desk.phone.calls.ring)
    assert desk.sent()[0].get("require") == "100rel"


# --- UPDATE while it rings ---


def test_an_update_before_the_offer_of_the_invite_is_answered() -> None:
    desk = called_by(RING)
    desk.new()
    desk.receive(within(desk, "UPDATE", 8, body=THEIR_SDP))
    [wait] = desk.sent()
    assert (wait.status, 0 <= int(wait.get("retry-after") or "") <= 10) == (500, True)
    desk.receive(within(desk, "UPDATE", 9, "Contact: <sip:pbx@192.0.2.9>"))
    assert lines_of(desk.sent()) == ["200 UPDATE"]
    desk.do(desk.phone.calls.answer)
    desk.receive(within(desk, "ACK", 7))
    desk.do(desk.phone.calls.hang_up)
    assert desk.last_sent().uri == "sip:pbx@192.0.2.9"


def test_an_update_that_crosses_our_offer() -> None:
    desk = called_by(RING, DEMAND, body=NO_SDP)
    number = rseq_of(desk.sent()[0])
    desk.receive(within(desk, "UPDATE", 8, body=THEIR_SDP))
    assert lines_of(desk.sent()) == ["491 UPDATE"]
    prack(desk, f"{number} 7 INVITE", 9, THEIR_SDP)
    desk.new()
    desk.receive(within(desk, "UPDATE", 10, body=THEIR_SDP + b"a=sendonly\r\n"))
    [answer] = desk.sent()
    assert (answer.status, sdp.parse(answer.body).direction) == (200, "recvonly")
    desk.do(lambda now: desk.phone.calls.hold(now, by="UPDATE"))
    assert (desk.last_sent().method, desk.last_sent().uri) == ("UPDATE", "sip:pbx@192.0.2.7:5090")
