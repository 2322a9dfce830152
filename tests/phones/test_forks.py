"""One INVITE that several phones answer: early dialogs, reliable provisional answers, PRACK (RFC 3261 13.2.2, 3262)."""

from __future__ import annotations

import pytest

from phones.calls import NoSuchCall
from phones.changing import By
from phones.early import MOST
from phones.effects import Transmit
from phones.personality import Personality, Reliable
from phones.sip.dialog import tag_of
from tests.phones.calls_bench import CONTACT, SDP, SERVER, accept, calling, lines_of, the_invite, theirs
from tests.phones.playbook import THEIR_SDP, Desk, Header, challenge, credentials

OTHER: Header = ("Contact", "<sip:other@192.0.2.8>")


def ring(
    desk: Desk, tag: str = "e1", *, rseq: int | None = None, status: int = 180, body: bytes = b"",
    contact: Header = CONTACT, more: list[Header] | None = None,
) -> None:  # fmt: skip
    """A phone rings, reliably with `rseq`."""
    reliably = [("Require", "100rel"), ("RSeq", str(rseq))] if rseq is not None else []
    described = [SDP] if body else []
    desk.answer(status, [contact, *reliably, *described, *(more or [])], to=the_invite(desk), tag=tag, body=body)


def pracks(desk: Desk) -> list[tuple[str, str, str | None]]:
    """To tag, Request-URI and RAck of each PRACK."""
    return [(tag_of(one.get("to") or ""), one.uri, one.get("rack")) for one in desk.all_sent("PRACK")]


# --- PRACK ---


def test_a_reliable_180_is_acknowledged() -> None:
    desk = calling()
    assert the_invite(desk).get("supported") == "100rel"
    ring(desk, rseq=776)
    [prack] = desk.all_sent("PRACK")
    invite = the_invite(desk)
    assert (prack.uri, prack.get("rack"), prack.cseq, prack.call_id, prack.get("from")) == (
        "sip:pbx@192.0.2.7:5090", "776 1 INVITE", 2, invite.call_id, invite.get("from"),
    )  # fmt: skip
    assert prack.get("to") == "<sip:1002@a.example.com>;tag=e1"
    assert desk.log[-2][1] == Transmit(prack.raw, SERVER)
    desk.run(4.0)
    assert [effect.kind for effect in desk.new() if isinstance(effect, Transmit)][2:] == ["retransmission"] * 3
    desk.answer(200, to=prack)
    accept(desk)
    assert desk.called() == [("calling", 0, ""), ("ringing", 180, "Ringing"), ("talking", 200, "OK")]
    desk.do(desk.phone.calls.hang_up)
    # the ACK counts as its INVITE does, everything else goes on
    assert [(one.method, one.cseq) for one in desk.all_sent()] == [("INVITE", 1), ("PRACK", 2), ("ACK", 1), ("BYE", 3)]
    desk.answer(200, to=desk.all_sent("BYE")[0])
    desk.run(100.0)
    assert desk.phone.next_deadline() is None


def test_in_order_each_once() -> None:
    desk = calling()
    for number in (10, 10, 12, 11, 11, 12, 10, 13):
        ring(desk, rseq=number, status=183)
    assert [rack for _, _, rack in pracks(desk)] == [f"{number} 1 INVITE" for number in (10, 11, 12, 13)]
    assert len(desk.called()) == 2


@pytest.mark.parametrize("rseq", ["", "x", "-1", "1" * 11, "1 2"])
def test_what_is_no_number_is_not_acknowledged(rseq: str) -> None:
    desk = calling()
    desk.answer(180, [CONTACT, ("Require", "100rel"), ("RSeq", rseq)])
    assert (pracks(desk), desk.called()[-1][0]) == ([], "ringing")


def test_what_is_not_reliable_is_not_acknowledged() -> None:
    desk = calling()
    ring(desk)
    ring(desk, more=[("RSeq", "1")])
    ring(desk, more=[("Supported", "100rel"), ("RSeq", "2")])
    assert pracks(desk) == []


def test_a_prack_goes_the_recorded_way_and_answers_its_challenge() -> None:
    desk = calling()
    ring(desk, rseq=1, more=[("Record-Route", "<sip:192.0.2.31;lr>")])
    [prack] = desk.all_sent("PRACK")
    assert (prack.all("route"), desk.log[-2][1]) == (
        ["<sip:192.0.2.31;lr>"], Transmit(prack.raw, ("192.0.2.31", 5060)),
    )  # fmt: skip
    desk.answer(407, [("Proxy-Authenticate", challenge()[1])], to=prack)
    again = desk.last_sent()
    assert (again.method, again.cseq, again.get("rack")) == ("PRACK", 3, "1 1 INVITE")
    assert 'uri="sip:pbx@192.0.2.7:5090"' in credentials(again, "proxy-authorization")


@pytest.mark.parametrize("status", [404, 481, 500, None])
def test_whatever_comes_of_a_prack_the_call_goes_on(status: int | None) -> None:
    desk = calling()
    ring(desk, rseq=1)
    if status is not None:
        desk.answer(status, to=desk.all_sent("PRACK")[0])
    desk.run(40.0)
    accept(desk)
    assert desk.called()[-1][0] == "talking"


def test_a_phone_that_must_or_can_not() -> None:
    wanted = {
        Reliable.REQUIRED: ("100rel", None),
        Reliable.UNSUPPORTED: (None, None),
        Reliable.SUPPORTED: (None, "100rel"),
    }
    for reliable, shown in wanted.items():
        desk = calling(Desk(personality=Personality(reliable=reliable)))
        assert (the_invite(desk).get("require"), the_invite(desk).get("supported")) == shown
        ring(desk, rseq=1)
        assert len(pracks(desk)) == (reliable is not Reliable.UNSUPPORTED)


def test_who_gives_up_still_acknowledges() -> None:
    desk = calling()
    desk.do(desk.phone.calls.cancel)
    ring(desk, rseq=1)
    assert lines_of(desk.all_sent()) == ["INVITE", "PRACK", "CANCEL"]


# --- several phones ---


def test_each_phone_has_its_own_early_dialog() -> None:
    desk = calling()
    ring(desk, "e1", rseq=5)
    ring(desk, "e2", rseq=5, contact=OTHER)
    ring(desk, "e1", rseq=6)
    ring(desk, "e2", rseq=7, contact=OTHER)
    assert pracks(desk) == [
        ("e1", "sip:pbx@192.0.2.7:5090", "5 1 INVITE"),
        ("e2", "sip:other@192.0.2.8", "5 1 INVITE"),
        ("e1", "sip:pbx@192.0.2.7:5090", "6 1 INVITE"),
    ]
    assert [one.cseq for one in desk.all_sent("PRACK")] == [2, 2, 3]


def test_the_one_that_answers_is_spoken_with() -> None:
    """Its session, its target and its counts, not those of the phone that rang beside it."""
    desk = calling()
    ring(desk, "e1", rseq=5, status=183, body=THEIR_SDP)
    ring(desk, "e2", rseq=9, status=183, body=THEIR_SDP.replace(b"5000", b"6000"), contact=OTHER)
    desk.answer(200, [CONTACT], to=the_invite(desk), tag="e1")
    desk.run(1.0)
    assert {media.remote for _, media in desk.spoken()} == {("192.0.2.1", 5000)}
    desk.do(desk.phone.calls.hang_up)
    bye = desk.last_sent()
    assert (tag_of(bye.get("to") or ""), bye.cseq, bye.uri) == ("e1", 3, "sip:pbx@192.0.2.7:5090")


def test_the_second_that_answers_is_hung_up_with_its_own_count() -> None:
    desk = calling()
    ring(desk, "e1")
    ring(desk, "e2", rseq=9, contact=OTHER)
    accept(desk, tag="e1")
    desk.new()
    accept(desk, tag="e2", contact=OTHER)
    ack, bye = desk.sent()
    assert [(one.method, tag_of(one.get("to") or ""), one.cseq, one.uri) for one in (ack, bye)] == [
        ("ACK", "e2", 1, "sip:other@192.0.2.8"),
        ("BYE", "e2", 3, "sip:other@192.0.2.8"),
    ]
    desk.answer(401, [challenge()], to=bye)
    assert [(one.method, one.cseq) for one in desk.sent()] == [("BYE", 4)]
    assert desk.called()[-1][0] == "talking"


def test_the_target_is_that_of_the_answer() -> None:
    desk = calling()
    ring(desk, "e1", rseq=1)
    accept(desk, tag="e1", contact=OTHER)
    assert desk.last_sent().uri == "sip:other@192.0.2.8"


@pytest.mark.parametrize("ending", ["486", "200 elsewhere", "302"])
def test_early_dialogs_end_with_their_invite(ending: str) -> None:
    desk = calling()
    ring(desk, "e1", rseq=1, status=183, body=THEIR_SDP)
    desk.receive(theirs(desk, "UPDATE", 1, tag="e1"), source=SERVER)
    assert lines_of(desk.sent())[-1] == "200 UPDATE"
    late = theirs(desk, "UPDATE", 2, tag="e1")
    if ending == "200 elsewhere":
        accept(desk, tag="e2", contact=OTHER)
    elif ending == "302":
        desk.answer(302, [("Contact", "<sip:1003@a.example.com>")], to=the_invite(desk), tag="e1")
    else:
        desk.answer(486, to=the_invite(desk), tag="e1")
    desk.new()
    desk.receive(late, source=SERVER)
    assert lines_of(desk.sent()) == ["481 UPDATE"]


def test_countless_early_dialogs_are_not_kept() -> None:
    desk = calling()
    for number in range(300):
        ring(desk, f"t{number}", rseq=1)
    assert len(pracks(desk)) == MOST
    accept(desk, tag="t299")
    assert desk.called()[-1][0] == "talking"


def test_a_18x_without_a_tag_makes_no_dialog() -> None:
    desk = calling()
    desk.answer(180, [("Require", "100rel"), ("RSeq", "1")], tag="")
    assert (pracks(desk), desk.called()[-1][0]) == ([], "ringing")


def test_a_bye_ends_no_early_dialog() -> None:
    """The called phone has 4xx for that (RFC 3261 15)."""
    desk = calling()
    ring(desk, "e1")
    desk.new()
    desk.receive(theirs(desk, "BYE", 1), source=SERVER)
    assert (lines_of(desk.sent()), desk.called()[-1][0]) == (["481 BYE"], "ringing")


# --- UPDATE while it rings ---


def test_an_update_while_our_offer_is_open_has_to_wait() -> None:
    desk = calling()
    ring(desk, "e1", body=THEIR_SDP)
    desk.new()
    desk.receive(theirs(desk, "UPDATE", 1, "Content-Type: application/sdp", body=THEIR_SDP), source=SERVER)
    assert lines_of(desk.sent()) == ["491 UPDATE"]


def test_an_update_behind_a_reliable_answer_is_followed() -> None:
    desk = calling()
    ring(desk, "e1", rseq=1, status=183, body=THEIR_SDP)
    desk.new()
    offered = THEIR_SDP.replace(b"5000", b"7000") + b"a=sendonly\r\n"
    desk.receive(theirs(desk, "UPDATE", 1, "Contact: <sip:pbx@192.0.2.9>", body=offered), source=SERVER)
    [answer] = desk.sent()
    assert (answer.status, b"a=recvonly" in answer.body) == (200, True)
    # its target is the new one, and so is its session
    desk.do(lambda now: desk.phone.calls.hold(now, held=False, by="UPDATE"))
    update = desk.last_sent()
    assert (update.method, update.uri, update.get("contact")) == (
        "UPDATE", "sip:pbx@192.0.2.9", "<sip:desk@192.0.2.10:5062>",
    )  # fmt: skip
    desk.receive(theirs(desk, "UPDATE", 2, body=offered), source=SERVER)
    assert lines_of([desk.last_sent()]) == ["491 UPDATE"]
    desk.answer(200, [SDP], to=update, body=THEIR_SDP.replace(b"5000", b"8000"))
    desk.answer(200, [CONTACT], to=the_invite(desk), tag="e1")
    desk.run(1.0)
    assert {media.remote for _, media in desk.spoken()} == {("192.0.2.1", 8000)}


def test_no_update_before_that() -> None:
    desk = calling()
    ring(desk, "e1", body=THEIR_SDP)
    ways: list[By] = ["UPDATE", "INVITE"]
    for by in ways:
        with pytest.raises(NoSuchCall):
            desk.phone.calls.hold(desk.now, by=by)
    assert lines_of(desk.all_sent()) == ["INVITE"]
