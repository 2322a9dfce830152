"""What phones do with calls, whom they hear, and what passes before what, against what was claimed."""

from typing import Any

import pytest

from harness.verdicts import Verdict
from phones.sip import sdp
from phones.sip.message import request
from tests.harness.playbook import NEW, SERVER, TONES, Play, answer, in_call, invite, notify, sound

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


# --- PHONE is calling, ringing, talking, idle ----------------------------------------------------------------------


def state(wanted: str, **spec: str) -> Play:
    return Play().stimulus().claim("1", "state", state=wanted, **spec)


@pytest.mark.parametrize("wanted", ["calling", "ringing", "talking"])
def test_a_phone_gets_there(wanted: str) -> None:
    state(wanted).wait(0.1).call(wanted).end().rests()
    Play().call(wanted).stimulus().claim("1", "state", state=wanted).end().rests()


def test_a_state_that_is_over_was_there_if_the_last_step_brought_it() -> None:
    passed = Play().stimulus().call("ringing").call("talking").call("ended", reason="hung up by the peer")
    passed.claim("1", "state", state="ringing").end().rests()
    for play in (
        Play().call("ringing").call("ended", reason="hung up by the peer").stimulus(),
        Play().stimulus().call("ringing").call("ended", reason="hung up by the peer").step(stimulus=False),
    ):
        assert play.claim("1", "state", state="ringing").wait(3).expired().end().verdict is FAIL


def test_a_phone_is_idle_when_the_call_that_it_had_is_over() -> None:
    state("idle").call("talking").wait(1).call("ended", reason="hung up by the peer").end().rests()
    play = Play().call("ringing").stimulus().claim("1", "state", state="idle")
    assert play.verdict is INCONCLUSIVE
    play.call("ended", status=487, reason="Request Terminated", data=in_call("CANCEL")).end().rests()


def test_a_phone_that_never_had_a_call_is_no_proof_that_one_ended() -> None:
    play = state("idle")
    assert play.verdict is INCONCLUSIVE
    verdict = play.wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (
        INCONCLUSIVE,
        "it never had a call: claim with `never` that none comes",
    )


def test_another_state() -> None:
    verdict = state("talking").call("ringing").wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.actual) == (FAIL, "desk is ringing")
    assert verdict.why == "it is ringing, not talking"
    verdict = state("ringing").call("calling").call("ended", status=403, reason="Forbidden").expired().end().judged()
    assert verdict.actual == "desk is idle (403 Forbidden)"
    assert verdict.expected == "desk is ringing within 2 s"


def test_it_gets_there_too_late() -> None:
    verdict = state("talking").wait(2.1).call("talking").expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "it came too late; 2 s were allowed")
    assert state("talking").wait(2.05).lag(0.1).call("talking").end().verdict is PASS


def test_another_phone() -> None:
    assert state("ringing").call("ringing", phone="lobby").wait(3).expired().end().verdict is not PASS


def test_of_several_calls_the_most_important_counts() -> None:
    def calls(*ended: str) -> Play:
        play = Play().call("talking").call("ringing", call_id="call-2").call("calling", call_id="call-3")
        for call_id in ended:
            play.call("ended", call_id=call_id)
        return play.stimulus()

    for ended, wanted in (
        ((), "talking"),
        (("call-1",), "ringing"),
        (("call-1", "call-2"), "calling"),
        (("call-1", "call-2", "call-3"), "idle"),
    ):
        for claimed in ("talking", "ringing", "calling", "idle"):
            play = calls(*ended).claim("1", "state", state=claimed).end()
            assert (play.verdict is PASS) is (claimed == wanted)


@pytest.mark.parametrize("wanted", ["calling", "ringing", "talking"])
def test_a_state_without_a_message_of_its_call_does_not_count(wanted: str) -> None:
    assert state(wanted).call(wanted, alone=True).end().verdict is INCONCLUSIVE
    play = state(wanted)
    play.message(in_call("INVITE", "another"))
    assert play.call(wanted, alone=True).end().verdict is INCONCLUSIVE
    play = state(wanted).call(wanted).end()
    n = max(event["n"] for event, _ in play.events if event["kind"] == "message")
    assert play.judged(without=n).verdict is INCONCLUSIVE


@pytest.mark.parametrize("reason", ["unanswered", "cancelled", "forgotten", "moved"])
def test_an_end_may_come_from_time_or_from_a_loss(reason: str) -> None:
    play = state("idle").call("talking")
    play.message(notify(call_id="another"))
    assert play.call("ended", reason=reason, alone=True).end().verdict is PASS


@pytest.mark.parametrize("reason", ["hung up", "hung up by the peer", "Busy Here", "no ACK", ""])
def test_any_other_end_needs_its_message(reason: str) -> None:
    play = state("idle").call("talking")
    play.message(notify(call_id="another"))
    assert play.call("ended", reason=reason, alone=True).end().verdict is INCONCLUSIVE


# --- PHONE hears PHONE ---------------------------------------------------------------------------------------------


def hearing() -> Play:
    return Play().stimulus().claim("1", "hear")


def test_a_phone_hears_another() -> None:
    hearing().hears(TONES["desk"], 5).end().rests()
    verdict = hearing().hears(TONES["desk"]).end().judged()
    assert verdict.verdict is PASS
    assert len(verdict.decisive) == 5


def test_the_tone_of_a_third_phone() -> None:
    verdict = hearing().hears(TONES["watcher"]).wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "it hears watcher")
    assert verdict.expected == "lobby hears desk (400 Hz) within 2 s"
    assert verdict.actual == "lobby received 0 packets of desk's tone, and 20 packets of watcher"


def test_both_tones_at_once_are_two_phones() -> None:
    play = hearing().hears(TONES["watcher"], 3).hears(TONES["desk"], 5).end()
    assert play.verdict is PASS


def test_too_few_packets() -> None:
    verdict = hearing().hears(TONES["desk"], 4).wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "nothing is heard")
    assert verdict.actual == "lobby received 4 packets of desk's tone"
    assert len(verdict.decisive) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b"garbage that is no packet",
        b"\x80\xc8" + bytes(26),  # RTCP: a sender report
        bytes(sound(TONES["desk"], payload_type=8)),
        bytes(sound(TONES["desk"]))[:12],
        bytes(sound(TONES["desk"]))[:12] + b"\xff" * 160,
    ],
)
def test_what_is_no_sound_of_a_phone_is_not_heard(data: bytes) -> None:
    play = hearing()
    for _ in range(20):
        play.media(data)
    assert play.wait(3).expired().end().verdict is FAIL


def test_what_is_heard_late_or_was_heard_before_does_not_count() -> None:
    play = hearing().wait(1.97).hears(TONES["desk"]).expired().end()
    assert (play.verdict, play.judged().actual) == (FAIL, "lobby received 1 packets of desk's tone")
    play = Play().stimulus().hears(TONES["desk"]).claim("1", "hear").wait(3).expired().end()
    assert play.verdict is FAIL


def test_what_is_sent_or_reaches_others_is_not_heard() -> None:
    play = hearing().hears(TONES["desk"], phone="watcher").hears(TONES["desk"], phone="desk")
    for number in range(20):
        play.media(sound(TONES["desk"], number), direction="out")
    assert play.wait(3).expired().end().verdict is FAIL


def test_a_packet_whose_bytes_are_lost_ends_what_can_be_said() -> None:
    play = hearing().hears(TONES["desk"], 20).end()
    first = next(index for index, (event, _) in enumerate(play.events) if event["kind"] == "media")
    play.events[first][0]["size"] = len(play.events[first][1])
    assert play.verdict is PASS
    play.events[first] = (play.events[first][0], b"")
    assert play.verdict is INCONCLUSIVE


# --- PHONE hears only PHONE ----------------------------------------------------------------------------------------


def alone(**spec: Any) -> Play:
    return Play().control(phone="lobby").stimulus().claim("1", "hear", closes=True, **spec)


def closed(play: Play) -> Play:
    return play.fence(phone="lobby").wait(1).closed().end()


def test_a_phone_hears_another_and_nobody_else() -> None:
    closed(alone().says(5).hears(TONES["desk"], 5)).rests()
    noise = alone().says().hears(TONES["desk"], 4)
    noise.media(b"\x80\x0d" + bytes(11))  # comfort noise (RFC 3389)
    closed(noise.hears(TONES["desk"], 1)).rests()
    assert alone().says().hears(TONES["desk"]).end().verdict is INCONCLUSIVE


@pytest.mark.parametrize(("whose", "why"), [("lobby", "it hears itself, too"), ("watcher", "it hears watcher, too")])
def test_one_packet_of_itself_or_of_a_third_is_too_many(whose: str, why: str) -> None:
    for play in (
        alone().says().hears(TONES[whose], 1).hears(TONES["desk"]),
        alone().says().hears(TONES["desk"]).hears(TONES[whose], 1),
        alone().says().hears(TONES["desk"]).wait(3).hears(TONES[whose], 1),
    ):
        verdict = closed(play).judged()
        assert (verdict.verdict, verdict.why) == (FAIL, why)
    late = alone().says().hears(TONES["desk"]).fence(phone="lobby").wait(1).closed().hears(TONES[whose], 1).end()
    assert late.verdict is FAIL
    after = alone().says().hears(TONES["desk"]).fence(phone="lobby").wait(1).closed().stimulus()
    assert after.hears(TONES[whose], 1).end().verdict is PASS


def test_who_says_nothing_cannot_hear_itself() -> None:
    verdict = alone().says(4).hears(TONES["desk"]).wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (INCONCLUSIVE, "it has said nothing itself that could have come back")
    assert verdict.expected == "lobby hears only desk (400 Hz) within 2 s"
    before = Play().control(phone="lobby").says().stimulus().claim("1", "hear", closes=True).hears(TONES["desk"])
    assert closed(before).verdict is INCONCLUSIVE


def test_silence_is_no_proof_that_there_is_no_echo() -> None:
    verdict = alone().says().hears(TONES["desk"], 4).wait(3).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "nothing is heard")


# --- directly, relayed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "remote", "verdict"),
    [("directly", NEW, PASS), ("directly", SERVER, FAIL), ("relayed", SERVER, PASS), ("relayed", NEW, FAIL)],
)
def test_from_whose_address_it_comes(way: str, remote: str, verdict: Verdict) -> None:
    play = Play().stimulus().says(phone="desk").claim("1", "hear", way=way)
    play.hears(TONES["desk"], 5, remote=remote)
    judged = play.wait(3).expired().end().judged()
    assert judged.verdict is verdict
    if verdict is FAIL:
        assert judged.expected == f"lobby hears desk (400 Hz) {way} within 2 s"
        assert judged.why == f"it hears desk from {remote}"
        assert judged.actual == f"lobby received 0 packets of desk's tone, and 5 packets of desk from {remote}"


@pytest.mark.parametrize(("host", "verdict"), [("203.0.113.7", PASS), ("203.0.113.8", FAIL)])
def test_behind_a_translation_it_comes_from_where_the_phone_says_that_it_is(host: str, verdict: Verdict) -> None:
    body = sdp.offer("203.0.113.7", 4000, session_id=1)
    headers = [("Call-ID", "c"), ("CSeq", "1 INVITE"), ("From", "<sip:desk@r>;tag=1"), ("To", "<sip:lobby@r>")]
    play = Play().stimulus()
    play.message(request("INVITE", "sip:lobby@r", headers, body), phone="desk", direction="out")
    play.says(phone="desk").claim("1", "hear", way="directly").hears(TONES["desk"], remote=f"{host}:9999")
    assert play.wait(3).expired().end().verdict is verdict


def test_who_is_on_the_machine_of_the_server_is_known_by_the_port() -> None:
    host, _, port = NEW.rpartition(":")
    body = sdp.offer(host, int(port), session_id=1)
    headers = [("Call-ID", "c"), ("CSeq", "1 INVITE"), ("From", "<sip:desk@r>;tag=1"), ("To", "<sip:lobby@r>")]
    play = Play().stimulus()
    play.message(request("INVITE", "sip:lobby@r", headers, body), phone="desk", direction="out")
    play.says(phone="desk").claim("1", "hear", way="directly").hears(TONES["desk"], remote=f"{host}:9999")
    assert play.wait(3).expired().end().verdict is FAIL


# --- order ---------------------------------------------------------------------------------------------------------

LINES = ("desk receives INVITE", "desk sends 200", "lobby receives INVITE")


def told(play: Play, *lines: str) -> Play:
    """Messages pass, 10 ms apart."""
    for line in lines:
        phone, way, what = line.split()
        data = answer(int(what)) if what.isdigit() else in_call(what)
        play.wait(0.01).message(data, phone=phone, direction="in" if way == "receives" else "out")
    return play


def test_what_passes_in_order() -> None:
    told(Play().stimulus().order(*LINES), *LINES).end().rests()
    play = told(Play().stimulus(), *LINES).order(*LINES).end()
    play.rests()
    assert told(Play().stimulus().order(*LINES), *LINES, *LINES).end().verdict is PASS


def test_the_order_that_is_claimed_is_shown() -> None:
    verdict = told(Play().stimulus().order(*LINES), LINES[0]).wait(3).expired().end().judged()
    assert verdict.expected == "desk receives INVITE, then desk sends 200, then lobby receives INVITE"
    assert (verdict.verdict, verdict.why) == (FAIL, "desk sends 200: it did not come to pass")
    assert verdict.actual == "desk receives INVITE after 0 ms"
    assert Play().stimulus().order(*LINES).wait(3).expired().end().judged().actual == "none of it passed"


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        ((LINES[0], LINES[2], LINES[1]), "lobby receives INVITE came first"),
        ((LINES[1],), "desk sends 200 came first"),
        ((LINES[2], LINES[0], LINES[1]), "lobby receives INVITE came first"),
        ((LINES[2], *LINES), "lobby receives INVITE came first"),
    ],
)
def test_another_order(passed: tuple[str, ...], said: str) -> None:
    for play in (
        told(Play().stimulus().order(*LINES), *passed),
        told(Play().stimulus(), *passed).order(*LINES),
    ):
        verdict = play.end().judged()
        assert (verdict.verdict, verdict.why) == (FAIL, said)


def test_a_line_may_say_which_message_it_means() -> None:
    where = {"From": {"contains": "lobby"}, "Call-ID": "second"}
    play = Play().stimulus().order(("desk receives INVITE", where), "desk sends 200")
    play.message(in_call("INVITE", "first"))
    play.wait(0.1).message(in_call("INVITE", "second"))
    told(play, "desk sends 200").end().rests()
    verdict = Play().stimulus().order(("desk sends BYE", where), "desk sends 200").wait(3).expired().end().judged()
    assert verdict.expected.startswith("desk sends BYE with From contains 'lobby', Call-ID = 'second', then")


@pytest.mark.parametrize(
    ("seen", "contact", "verdict"),
    [
        ("new", "current", PASS),
        ("stray", "current", PASS),
        ("retransmission", "current", FAIL),
        ("missed", "current", FAIL),
        ("malformed", "current", FAIL),
        ("new", "former", FAIL),
    ],
)
def test_what_counts_as_passing(seen: str, contact: str, verdict: Verdict) -> None:
    play = Play().stimulus().order("desk receives INVITE", "desk sends 200")
    play.message(in_call("INVITE"), seen=seen, contact=contact)
    assert told(play, "desk sends 200").wait(3).expired().end().verdict is verdict


def test_our_fences_are_none_of_it() -> None:
    play = Play().stimulus().order("desk receives INVITE", "desk sends 200").fence()
    told(play, "desk receives INVITE", "desk sends 200").end().rests()
    play = Play().stimulus().order("desk sends 200", "desk receives INVITE")
    play.fence()
    play.message(invite("5551234"), phone="lobby")
    assert told(play, "desk sends 200", "desk receives INVITE").end().verdict is PASS


def test_what_passed_before_the_mark_or_too_late_does_not_count() -> None:
    play = told(Play().stimulus(), LINES[2]).mark().stimulus().order(*LINES)
    assert told(play, *LINES).end().verdict is PASS
    play = told(Play().stimulus(), LINES[0]).mark().stimulus().order(*LINES)
    assert told(play, *LINES[1:]).end().verdict is FAIL
    play = told(told(Play().stimulus().order(*LINES), *LINES[:2]).wait(2), LINES[2]).expired().end()
    assert (play.verdict, play.judged().why) == (FAIL, "lobby receives INVITE: it did not come to pass")
    play = told(told(Play().stimulus().order(*LINES), *LINES[:2]).wait(2).lag(0.2), LINES[2]).end()
    assert play.verdict is PASS


def test_an_unknown_phone_and_bytes_that_are_no_message_pass_nothing() -> None:
    play = Play().stimulus().order("stranger receives INVITE", "desk sends 200")
    play.message(b"\x00")
    assert play.wait(3).expired().end().verdict is FAIL
