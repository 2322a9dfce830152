"""Calls of either kind: media, losses, chosen answers, and whatever a peer may send."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.calls import CallPolicy, NoSuchCall
from phones.effects import Called, Transmit
from phones.rtp import RtpPacket, share
from phones.sip.message import response
from tests.phones.calls_bench import (
    CONTACT,
    RING,
    SDP,
    SERVER,
    SITUATIONS,
    accept,
    called_by,
    calling,
    in_call,
    in_situation,
    invite,
    lines_of,
    tags_of,
    the_invite,
    theirs,
    within,
)
from tests.phones.playbook import MEDIA, THEIR_SDP, Desk, a_request, challenge
from tests.phones.sip.strategies import broken

# --- leaving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("situation", "said"),
    [
        ("calling", []),  # a CANCEL waits for a provisional answer
        ("proceeding", ["CANCEL"]),
        ("talking", ["BYE"]),
        ("ringing", ["486"]),
        ("ignored", ["486"]),
        ("accepted", []),  # a BYE waits for the ACK
        ("up", ["BYE"]),
        ("cancelling", []),
        ("leaving", []),
    ],
)
def test_a_phone_that_leaves_ends_its_call_as_it_has_to_be(situation: str, said: list[str]) -> None:
    desk = in_situation(situation)
    assert not desk.phone.calls.idle
    before = len(desk.all_sent())
    desk.do(desk.phone.calls.leave)
    assert [each.method if each.is_request else str(each.status) for each in desk.all_sent()[before:]] == said
    assert desk.phone.calls.idle is (said == ["486"])
    before = len(desk.all_sent())
    desk.do(desk.phone.calls.leave)
    assert desk.all_sent()[before:] == []


def test_a_phone_that_has_left_takes_no_call() -> None:
    desk = in_situation("up")
    desk.do(desk.phone.calls.leave)
    desk.receive(invite(branch="another", call_id="another"))
    assert desk.all_sent()[-1].status == 486


# --- media -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["out", "in"])
def test_a_phone_says_its_tone_in_true_time(way: str) -> None:
    if way == "out":
        desk = calling()
        desk.run(3.0)
        accept(desk)
    else:
        desk = called_by(CallPolicy("answer", after=3.0))
        desk.run(3.0)
        desk.receive(within(desk, "ACK", 7))
    began = desk.now
    desk.run(5.0)
    spoken = desk.spoken()
    assert [round(time - began, 6) for time, _ in spoken] == [round(0.02 * n, 6) for n in range(20)]
    packets = [RtpPacket.parse(media.data) for _, media in spoken]
    assert {media.remote for _, media in spoken} == {("192.0.2.1", 5000)}
    assert [packet.timestamp - packets[0].timestamp for packet in packets] == [160 * n for n in range(20)]
    assert min(share(packet.payload, 400) for packet in packets) > 0.9
    desk.do(lambda now: desk.phone.calls.talk(3, now))
    desk.run(1.0)
    assert len(desk.spoken()) == 23


@pytest.mark.parametrize(
    "body",
    [
        b"", b"v=9", THEIR_SDP + b"a=sendonly\r\n", THEIR_SDP + b"a=inactive\r\n", THEIR_SDP.replace(b"5000", b"0"),
        THEIR_SDP.replace(b"IN IP4 192.0.2.1\r\nt", b"IN IP4 host.example\r\nt"),
    ],
)  # fmt: skip
def test_nothing_is_said_to_who_does_not_listen(body: bytes) -> None:
    desk = calling()
    accept(desk, body=body)
    desk.run(1.0)
    assert (desk.spoken(), desk.called()[-1][0]) == ([], "talking")


def test_what_a_183_said_holds_for_an_answer_without_a_word() -> None:
    desk = calling()
    desk.answer(183, [CONTACT, SDP], body=THEIR_SDP)
    desk.run(1.0)
    assert desk.spoken() == []
    accept(desk, body=b"")
    desk.run(1.0)
    assert len(desk.spoken()) == 20


def test_it_stops_speaking_when_the_call_ends() -> None:
    desk = calling()
    accept(desk)
    desk.run(0.1)
    desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    spoken = len(desk.spoken())
    desk.run(1.0)
    assert len(desk.spoken()) == spoken < 20


def test_what_is_heard_is_passed_on_as_it_is() -> None:
    desk = Desk()
    desk.phone.receive_media(b"\0\xff", SERVER, MEDIA)
    [heard] = desk.phone.take()
    assert (getattr(heard, "data", b""), getattr(heard, "source", None)) == (b"\0\xff", SERVER)


# --- power and place -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("how", ["forgotten", "moved"])
def test_lost_calls_end_without_a_word(name: str, how: str) -> None:
    desk = in_situation(name)
    ended = desk.called()[-1][0] == "ended"
    desk.new()
    if how == "forgotten":
        desk.do(desk.phone.forget)
    else:
        desk.move(("192.0.2.11", 5064))
    desk.run(100.0)
    assert [one for one in desk.sent() if one.method != "REGISTER"] == []
    assert ended or desk.called()[-1] == ("ended", 0, how)
    assert [state for state, _, _ in desk.called()].count("ended") == 1


def test_a_forgotten_call_is_unknown() -> None:
    desk = in_call()
    desk.do(desk.phone.forget)
    desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    accept(desk)
    assert lines_of(desk.sent()) == ["481 BYE"]


# --- chosen answers, missed requests ---------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, 404])
def test_a_chosen_answer_comes_before_any_policy(status: int | None) -> None:
    desk = Desk(refusals={"INVITE": status})
    desk.phone.calls.policy = RING
    desk.receive(invite())
    assert ([one.status for one in desk.sent()], desk.called()) == ([] if status is None else [status], [])


def test_a_missed_bye_leaves_the_call() -> None:
    desk = in_call()
    desk.phone.miss("BYE")
    desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    assert (lines_of(desk.sent()), desk.kinds()[-1][0]) == (["200 BYE"], "missed")
    assert desk.called()[-1][0] == "talking"
    desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    assert desk.kinds()[-1][0] == "retransmission"
    desk.receive(theirs(desk, "BYE", 2), source=SERVER)
    assert (desk.called()[-1][0], desk.kinds()[-1][0]) == ("ended", "new")


@pytest.mark.parametrize("policy", [RING, CallPolicy(), CallPolicy("answer")])
def test_a_missed_call_is_answered_and_forgotten(policy: CallPolicy) -> None:
    desk = Desk()
    desk.phone.miss("INVITE", 2)
    desk.phone.calls.policy = policy
    desk.receive(invite())
    desk.receive(invite(branch="b2", call_id="c2"))
    desk.run(5.0)
    assert {one.status for one in desk.sent()} == {486 if policy.how == "reject" else 180}
    assert (desk.called(), [kind for kind, _ in desk.kinds()]) == ([], ["missed", "missed"])
    desk.receive(invite(branch="b3", call_id="c3"))
    assert len(desk.called()) == 1


def test_a_missed_cancel_leaves_the_phone_ringing() -> None:
    desk = called_by(RING)
    desk.phone.miss("CANCEL")
    desk.new()
    desk.receive(a_request("CANCEL", cseq=7))
    assert lines_of(desk.sent()) == ["200 CANCEL"]
    assert desk.called()[-1][0] == "ringing"


# --- anything at any moment ------------------------------------------------------------------------------------------


_INSIDE = ("INVITE", "UPDATE", "PRACK", "BYE")


@given(
    start=st.sampled_from(SITUATIONS),
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "bytes",
                    "theirs",
                    "status",
                    "answer",
                    "reject",
                    "cancel",
                    "hang up",
                    "ring",
                    "forget",
                    "move",
                    "wait",
                    "hold",
                    "resume",
                    "update",
                    "redirect",
                    "inside",
                ]
            ),
            st.integers(100, 699),
            st.data(),
        ),
        max_size=12,
    ),
)
@settings(deadline=None)
def test_nothing_that_arrives_breaks_a_call(start: str, steps: list[tuple[str, int, st.DataObject]]) -> None:
    desk = in_situation(start)
    incoming = start in ("ringing", "announced", "ignored", "accepted", "up")
    wishes = {
        "answer": desk.phone.calls.answer, "cancel": desk.phone.calls.cancel, "hang up": desk.phone.calls.hang_up,
        "ring": desk.phone.calls.ring, "reject": lambda now: desk.phone.calls.reject(486, now),
        "hold": desk.phone.calls.hold, "resume": lambda now: desk.phone.calls.hold(now, held=False),
        "update": lambda now: desk.phone.calls.hold(now, by="UPDATE"),
        "redirect": lambda now: desk.phone.calls.redirect(["sip:1003@a.example.com"], now),
    }  # fmt: skip
    for number, (what, status, data) in enumerate(steps):
        if what == "bytes":
            known = [invite(branch=f"x{number}"), a_request("CANCEL", cseq=7), a_request("ACK", cseq=7)]
            desk.receive(data.draw(broken(*known)))
        elif what == "theirs":
            method = data.draw(st.sampled_from(["BYE", "INVITE", "ACK", "NOTIFY", "UPDATE", "PRACK"]))
            make = within if incoming and desk.all_sent() and tags_of(desk) else theirs
            if make is theirs and not desk.all_sent("INVITE"):
                continue
            more = ["Contact: <sip:x@192.0.2.9>", f"RAck: {data.draw(st.integers(0, 9))} 7 INVITE"]
            body = data.draw(st.binary(max_size=9) | st.just(THEIR_SDP))
            whole = make(desk, method, number + 1, *more, body=body)
            desk.receive(data.draw(broken(whole) | st.just(whole)))
        elif what == "status" and desk.all_sent("INVITE"):
            tag = data.draw(st.sampled_from(["e1", "e2", ""]))
            reliably = data.draw(st.sampled_from([[], [("Require", "100rel"), ("RSeq", str(number))]]))
            headers = [CONTACT, challenge(f"n{number}"), *reliably]
            whole = response(the_invite(desk), status, headers=headers, to_tag=tag, body=THEIR_SDP)
            desk.receive(data.draw(broken(whole) | st.just(whole)))
        elif what == "inside" and (asked := [one for one in desk.all_sent() if one.method in _INSIDE]):
            headers = [CONTACT, challenge(f"n{number}"), ("Retry-After", str(number))]
            whole = response(asked[-1], status, headers=headers, to_tag="e1", body=THEIR_SDP)
            desk.receive(data.draw(broken(whole) | st.just(whole)))
        elif what == "forget":
            desk.do(desk.phone.forget)
        elif what == "move":
            desk.move(("192.0.2.12", 7000 + number))
        elif what == "wait":
            desk.run(status / 20)
        elif what in wishes:
            try:
                desk.do(wishes[what])
            except NoSuchCall:
                continue
    desk.do(desk.phone.forget)
    desk.run(200.0)
    ends = [one.call_id for _, one in desk.log if isinstance(one, Called) and one.state == "ended"]
    begun = {one.call_id for _, one in desk.log if isinstance(one, Called)}
    assert set(ends) == begun
    for _, effect in desk.log:
        if isinstance(effect, Transmit):
            assert 0 < effect.remote[1] < 65536
