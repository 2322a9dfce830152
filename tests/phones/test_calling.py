"""Calls of one phone, both ways: every pair of the two tables, and what is on the wire."""

from __future__ import annotations

from phones.calls import CallPolicy
from phones.effects import Called, Transmit
from phones.sip import sdp
from phones.sip.dialog import tag_of
from phones.sip.index import Message
from phones.sip.message import request
from tests.phones.playbook import EDGE, MEDIA, THEIR_SDP, Desk, Header, a_request

SERVER = ("192.0.2.7", 5090)
CONTACT: Header = ("Contact", "<sip:pbx@192.0.2.7:5090>")
SDP: Header = ("Content-Type", "application/sdp")


# --- a bench ---------------------------------------------------------------------------------------------------------


def calling(desk: Desk | None = None, target: str = "sip:1002@a.example.com") -> Desk:
    """A phone that has just sent its INVITE."""
    desk = desk or Desk()
    desk.do(lambda now: desk.phone.calls.place(target, None, now))
    return desk


def _pair(line: str) -> Header:
    name, _, value = line.partition(": ")
    return name, value


def the_invite(desk: Desk) -> Message:
    return desk.all_sent("INVITE")[-1]


def accept(desk: Desk, *, tag: str = "e1", body: bytes = THEIR_SDP, contact: Header = CONTACT) -> None:
    """The other side answers the newest INVITE."""
    desk.answer(200, [contact, SDP], to=the_invite(desk), tag=tag, body=body)


def in_call(desk: Desk | None = None) -> Desk:
    """A phone whose call was answered, nothing read yet."""
    desk = calling(desk)
    accept(desk)
    desk.run(1.0)
    desk.new()
    return desk


def theirs(
    desk: Desk, method: str, cseq: int, *headers: str, branch: str = "", tag: str = "e1", body: bytes = b""
) -> bytes:
    """A request of the other side within the call that we made."""
    invite = the_invite(desk)
    lines = [
        ("Via", f"SIP/2.0/UDP 192.0.2.7:5090;branch=z9hG4bK{branch or f'{method}{cseq}'}"),
        ("From", f"{invite.get('to')};tag={tag}"),
        ("To", invite.get("from") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{cseq} {method}"),
        *(_pair(header) for header in headers),
    ]
    return request(method, "sip:desk@192.0.2.10:5062", lines, body)


def invite(
    *headers: str, body: bytes = THEIR_SDP, branch: str = "b1", call_id: str = "c1", cseq: int = 7,
    uri: str = "sip:desk@192.0.2.10:5062",
) -> bytes:  # fmt: skip
    """An INVITE from the edge."""
    kind = ["Content-Type: application/sdp"] if body else []
    more = [*headers, "Contact: <sip:pbx@192.0.2.7:5090>", *kind]
    return a_request("INVITE", *more, branch=branch, call_id=call_id, cseq=cseq, uri=uri, body=body)


def called_by(policy: CallPolicy, *headers: str, body: bytes = THEIR_SDP) -> Desk:
    desk = Desk()
    desk.phone.calls.policy = policy
    desk.receive(invite(*headers, body=body))
    return desk


def our_tag(desk: Desk) -> str:
    """The tag that we gave to the incoming call."""
    tags = {tag_of(one.get("to") or "") for one in desk.all_sent() if not one.is_request and one.method == "INVITE"}
    [tag] = tags - {""}
    return tag


def within(desk: Desk, method: str, cseq: int, *headers: str, body: bytes = b"", branch: str = "") -> bytes:
    """A request of the caller within the call that came in."""
    lines = [
        ("Via", f"SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch or f'{method}{cseq}'}"),
        ("From", "<sip:desk@a.example.com>;tag=f1"),
        ("To", f"<sip:desk@a.example.com>;tag={our_tag(desk)}"),
        ("Call-ID", "c1"),
        ("CSeq", f"{cseq} {method}"),
        *(_pair(header) for header in headers),
    ]
    return request(method, "sip:desk@192.0.2.10:5062", lines, body)


def lines_of(messages: list[Message]) -> list[str]:
    """Each message in a word: the method of a request, status and method of an answer."""
    return [one.method if one.is_request else f"{one.status} {one.method}" for one in messages]


RING = CallPolicy("ring")


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
