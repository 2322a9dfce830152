"""A bench for calls: the other side of a phone that calls, and of one that is called."""

from __future__ import annotations

from phones.calls import CallPolicy
from phones.sip.dialog import tag_of
from phones.sip.index import Message
from phones.sip.message import request
from tests.phones.playbook import THEIR_SDP, Desk, Header, a_request

SERVER = ("192.0.2.7", 5090)
CONTACT: Header = ("Contact", "<sip:pbx@192.0.2.7:5090>")
SDP: Header = ("Content-Type", "application/sdp")


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
    return sorted(tags_of(desk))[0]


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


def tags_of(desk: Desk) -> set[str]:
    answers = [one for one in desk.all_sent() if not one.is_request and one.method == "INVITE" and one.call_id == "c1"]
    return {tag_of(one.get("to") or "") for one in answers} - {""}


SITUATIONS = [
    "calling", "proceeding", "cancelling", "talking", "leaving", "ringing", "announced", "ignored", "accepted", "up",
]  # fmt: skip


def in_situation(name: str) -> Desk:
    if name == "announced":
        return called_by(RING, "Require: 100rel", body=b"")
    if name in ("ringing", "ignored", "accepted", "up"):
        desk = called_by(CallPolicy("ignore") if name == "ignored" else RING)
        if name in ("accepted", "up"):
            desk.do(desk.phone.calls.answer)
        if name == "up":
            desk.receive(within(desk, "ACK", 7))
    else:
        desk = calling()
        if name in ("proceeding", "cancelling"):
            desk.answer(180)
        if name == "cancelling":
            desk.do(desk.phone.calls.cancel)
        if name in ("talking", "leaving"):
            accept(desk)
        if name == "leaving":
            desk.do(desk.phone.calls.hang_up)
    return desk
