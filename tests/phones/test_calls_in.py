"""Calls that come in: what the phone decides, and what callers do."""

from __future__ import annotations

import pytest

from phones.calls import CallPolicy, NoSuchCall, auto_answer
from phones.effects import Transmit
from phones.sip import sdp
from phones.sip.dialog import tag_of
from phones.sip.index import Message
from tests.phones.calls_bench import RING, called_by, calling, invite, lines_of, our_tag, within
from tests.phones.playbook import MEDIA, THEIR_SDP, Desk, a_request, without

# --- being called: decisions -----------------------------------------------------------------------------------------


def test_calls_are_rejected_as_long_as_nothing_else_is_wanted() -> None:
    desk = Desk()
    desk.receive(invite())
    assert lines_of(desk.sent()) == ["486 INVITE"]
    assert desk.called() == [("ended", 486, "Busy Here")]
    desk.phone.calls.policy = CallPolicy(status=603)
    desk.receive(invite(branch="b2", call_id="c2"))
    assert desk.called()[1:] == [("ended", 603, "Decline")]


def test_a_fence_is_rejected_and_not_reported() -> None:
    desk = Desk(refusals={})
    desk.phone.calls.policy = RING
    desk.phone.calls.fences.add("desk")
    desk.receive(invite())
    assert (lines_of(desk.sent()), desk.called(), desk.kinds()) == (["486 INVITE"], [], [("new", "current")])
    desk.phone.calls.fences.clear()
    desk.receive(invite(branch="b2", call_id="c2"))
    assert lines_of(desk.sent()) == ["180 INVITE"]


@pytest.mark.parametrize(
    ("policy", "headers", "uri", "delay"),
    [
        (CallPolicy("answer"), [], "", 0.0),
        (CallPolicy("answer", after=2.5), ["Call-Info: <sip:x>;answer-after=0"], "", 2.5),
        (CallPolicy("auto"), ["Call-Info: <sip:127.0.0.1>;answer-after=0"], "", 0.0),
        (CallPolicy("auto"), ["Call-Info: <sip:127.0.0.1>; Answer-After = 3"], "", 3.0),
        (CallPolicy("auto"), ["Alert-Info: intercom"], "", 0.0),
        (CallPolicy("auto"), ["Alert-Info: <http://x>;info=Intercom"], "", 0.0),
        (CallPolicy("auto"), [], ";intercom=true", 0.0),
        (CallPolicy("auto"), [], ";transport=udp;INTERCOM=true;x=1", 0.0),
        (CallPolicy("auto", after=1.0), [], "", None),
        (CallPolicy("auto"), ["Call-Info: <sip:127.0.0.1>;purpose=icon", "Alert-Info: <http://bell>"], "", None),
        (CallPolicy("auto"), [], ";intercom=truely", None),
        (CallPolicy("ring"), ["Call-Info: <sip:127.0.0.1>;answer-after=0"], ";intercom=true", None),
    ],
)  # fmt: skip
def test_calls_answered_without_a_person(policy: CallPolicy, headers: list[str], uri: str, delay: float | None) -> None:
    desk = Desk()
    desk.phone.calls.policy = policy
    desk.receive(invite(*headers, uri=f"sip:desk@192.0.2.10:5062{uri}"))
    desk.run(10.0)
    log = [(time - 100.0, effect) for time, effect in desk.log if isinstance(effect, Transmit) and effect.kind == "new"]
    answers = [(time, Message.parse(sent.data).status) for time, sent in log]
    assert answers == [(0.0, 180), *([] if delay is None else [(delay, 200)])]
    assert (auto_answer(Message.parse(invite(*headers, uri=f"sip:d@h{uri}"))) is not None) == (
        bool(headers or uri) and (delay is not None or policy.how == "ring")
    )


def test_an_ignored_call_gets_no_sound() -> None:
    desk = called_by(CallPolicy("ignore"))
    desk.run(60.0)
    assert lines_of(desk.sent()) == ["100 INVITE"]
    assert desk.called() == [("ringing", 100, "Trying")]
    desk.do(desk.phone.calls.ring)
    assert (lines_of(desk.sent()), len(desk.called())) == (["180 INVITE"], 1)
    desk.do(desk.phone.calls.answer)
    assert lines_of(desk.sent()) == ["200 INVITE"]


@pytest.mark.parametrize("policy", [RING, CallPolicy("ignore"), CallPolicy("answer", after=9.0)])
@pytest.mark.parametrize("status", [486, 603, 404])
def test_a_person_rejects(policy: CallPolicy, status: int) -> None:
    desk = called_by(policy)
    desk.new()
    desk.do(lambda now: desk.phone.calls.reject(status, now))
    assert lines_of(desk.sent()) == [f"{status} INVITE"]
    assert desk.called()[-1][:2] == ("ended", status)
    desk.receive(a_request("ACK", cseq=7))
    desk.run(60.0)
    assert (desk.sent(), desk.phone.next_deadline()) == ([], None)


def test_what_does_not_fit_is_said() -> None:
    desk = Desk()
    calls = desk.phone.calls
    for what in (calls.ring, calls.answer, calls.cancel, calls.hang_up):
        with pytest.raises(NoSuchCall):
            what(desk.now)
    with pytest.raises(NoSuchCall):
        calls.reject(486, desk.now)
    with pytest.raises(NoSuchCall):
        calls.talk(1, desk.now)
    desk = called_by(RING)
    for what in (desk.phone.calls.cancel, desk.phone.calls.hang_up):
        with pytest.raises(NoSuchCall):
            what(desk.now)
    with pytest.raises(ValueError):
        desk.phone.calls.reject(200, desk.now)
    with pytest.raises(ValueError):
        CallPolicy(status=180)
    assert desk.called() == [("ringing", 180, "Ringing")]


def test_the_newest_call_that_fits_is_meant() -> None:
    desk = called_by(RING)
    desk.receive(invite(branch="b2", call_id="c2"))
    desk.do(desk.phone.calls.answer)
    assert desk.last_sent().call_id == "c2"
    desk.do(desk.phone.calls.answer)
    assert desk.last_sent().call_id == "c1"
    calling(desk)
    desk.do(desk.phone.calls.hang_up)  # ours, which waits for its CANCEL
    desk.do(desk.phone.calls.hang_up)
    assert desk.all_sent("BYE") == []  # no BYE before the ACK


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (invite(body=b"v=9"), 488),
        (invite(body=THEIR_SDP.replace(b"0 101", b"8")), 488),
        (invite(body=THEIR_SDP.replace(b"5000", b"0")), 488),
        (invite(body=b"x").replace(b"application/sdp", b"text/plain"), 415),
        (without(invite(), "Contact"), 400),
        (invite().replace(b"<sip:pbx@192.0.2.7:5090>", b"<sip:a b>"), 400),
        (invite().replace(b"<sip:pbx@192.0.2.7:5090>", b"*"), 400),
    ],
)
def test_a_call_that_cannot_be_taken(data: bytes, status: int) -> None:
    desk = Desk()
    desk.phone.calls.policy = RING
    desk.receive(data)
    assert lines_of(desk.sent()) == [f"{status} INVITE"]
    assert [(state, code) for state, code, _ in desk.called()] == [("ended", status)]


def test_no_address_for_media() -> None:
    desk = Desk()

    def taken() -> tuple[str, int]:
        raise OSError("too many open files")

    desk.phone.calls._address = taken
    desk.phone.calls.policy = RING
    desk.receive(invite())
    assert lines_of(desk.sent()) == ["503 INVITE"]
    with pytest.raises(OSError):
        desk.phone.calls.place("sip:a@b", None, desk.now)


def test_the_same_call_another_way() -> None:
    desk = called_by(RING)
    desk.receive(invite(branch="b2"))
    assert lines_of(desk.sent()) == ["180 INVITE", "482 INVITE"]
    assert len(desk.called()) == 1


def test_there_is_an_end_to_calls() -> None:
    desk = Desk()
    desk.phone.calls.policy = RING
    for number in range(120):
        desk.receive(invite(branch=f"n{number}", call_id=f"n{number}"))
    answers = lines_of(desk.sent())
    assert (answers.count("180 INVITE"), answers.count("486 INVITE")) == (100, 20)


# --- being called: CANCEL, ACK, BYE ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [RING, CallPolicy("ignore"), CallPolicy("answer", after=9.0)])
def test_a_caller_gives_up(policy: CallPolicy) -> None:
    desk = called_by(policy)
    desk.new()
    desk.receive(a_request("CANCEL", cseq=7))
    ok, terminated = desk.sent()
    assert lines_of([ok, terminated]) == ["200 CANCEL", "487 INVITE"]
    assert tag_of(ok.get("to") or "") == tag_of(terminated.get("to") or "") != ""
    assert desk.called()[-1] == ("ended", 487, "Request Terminated")
    desk.receive(a_request("CANCEL", cseq=7))
    desk.receive(a_request("ACK", cseq=7))
    assert lines_of(desk.sent()) == ["200 CANCEL"]
    desk.run(60.0)
    assert (desk.sent(), len(desk.called()), desk.phone.next_deadline()) == ([], 2, None)


def test_a_cancel_that_crosses_our_answer_changes_nothing() -> None:
    desk = called_by(RING)
    desk.do(desk.phone.calls.answer)
    desk.new()
    desk.receive(a_request("CANCEL", cseq=7))
    assert lines_of(desk.sent()) == ["200 CANCEL"]
    desk.receive(within(desk, "ACK", 7))
    assert desk.called()[-1] == ("talking", 200, "OK")
    desk.receive(within(desk, "BYE", 8))
    assert desk.called()[-1][0] == "ended"


@pytest.mark.parametrize("known", [True, False])
def test_a_cancel_of_nothing(known: bool) -> None:
    desk = Desk()
    if known:
        desk.receive(invite())
    desk.receive(a_request("CANCEL", cseq=7, branch="b1" if known else "b9"))
    assert lines_of(desk.sent())[-1] == ("200 CANCEL" if known else "481 CANCEL")
    desk.run(60.0)
    desk.receive(a_request("CANCEL", cseq=7, branch="b1"))
    assert lines_of(desk.sent())[-1] == "481 CANCEL"


def test_an_answer_is_repeated_until_its_ack() -> None:
    desk = called_by(RING)
    desk.do(desk.phone.calls.answer)
    desk.run(4.0)
    sent = [(time - 100.0, one.data[:11]) for time, one in desk.log if isinstance(one, Transmit)]
    assert sent == [(0.0, b"SIP/2.0 180"), *((at, b"SIP/2.0 200") for at in (0.0, 0.5, 1.5, 3.5))]
    desk.receive(within(desk, "ACK", 7))
    desk.receive(within(desk, "ACK", 7, branch="again"))
    desk.new()
    desk.run(60.0)
    assert desk.sent() == []
    assert desk.called()[1:] == [("talking", 200, "OK")]


@pytest.mark.parametrize("hung_up", [False, True])
def test_without_an_ack_the_call_is_ended(hung_up: bool) -> None:
    desk = called_by(RING)
    desk.do(desk.phone.calls.answer)
    if hung_up:
        desk.do(desk.phone.calls.hang_up)
    desk.run(31.9)
    assert desk.all_sent("BYE") == []
    desk.run(0.2)
    [bye] = desk.all_sent("BYE")
    assert (bye.cseq, bye.uri, tag_of(bye.get("to") or ""), tag_of(bye.get("from") or "")) == (
        1, "sip:pbx@192.0.2.7:5090", "f1", our_tag(desk),
    )  # fmt: skip
    assert desk.called()[-1] == ("ended", 0, "no ACK")
    desk.run(60.0)
    assert desk.phone.next_deadline() is None


def test_who_hangs_up_before_the_ack_waits_for_it() -> None:
    desk = called_by(RING)
    desk.do(desk.phone.calls.answer)
    desk.do(desk.phone.calls.hang_up)
    desk.run(1.0)
    assert desk.all_sent("BYE") == []
    desk.receive(within(desk, "ACK", 7))
    assert len(desk.all_sent("BYE")) == 1
    assert desk.called() == [("ringing", 180, "Ringing"), ("ended", 0, "hung up")]
    desk.run(1.0)
    assert desk.spoken() == []


@pytest.mark.parametrize("answered", [False, True])
def test_a_caller_may_send_bye_at_any_time(answered: bool) -> None:
    desk = called_by(RING)
    if answered:
        desk.do(desk.phone.calls.answer)
    desk.new()
    desk.receive(within(desk, "BYE", 8))
    assert lines_of(desk.sent()) == ["200 BYE", *([] if answered else ["487 INVITE"])]
    assert desk.called()[-1][0] == "ended"


def test_a_second_invite_before_the_answer_has_to_wait() -> None:
    desk = called_by(RING)
    desk.new()
    desk.receive(within(desk, "INVITE", 8, body=THEIR_SDP))
    [answer] = desk.sent()
    assert (answer.status, answer.get("retry-after")) == (500, "3")
    assert desk.called()[-1][0] == "ringing"


def test_a_call_within_a_dialog_that_is_not() -> None:
    desk = Desk()
    desk.phone.calls.policy = RING
    desk.receive(invite().replace(b"To: <sip:desk@a.example.com>", b"To: <sip:desk@a.example.com>;tag=x"))
    assert (lines_of(desk.sent()), desk.called()) == (["481 INVITE"], [])


def test_a_call_without_offer_is_heard_by_its_ack() -> None:
    desk = called_by(CallPolicy("answer"), body=b"")
    desk.run(0.1)
    offered = sdp.parse(desk.last_sent().body)
    assert (offered.address, offered.formats) == (MEDIA, (0, 8, 101))
    desk.receive(within(desk, "ACK", 7, body=THEIR_SDP))
    desk.run(1.0)
    assert {media.remote for _, media in desk.spoken()} == {("192.0.2.1", 5000)}
