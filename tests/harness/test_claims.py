"""What arrives, and what does not, against what was claimed."""

from typing import Any

import pytest

from harness.verdicts import Verdict
from tests.harness.playbook import OLD, Play, answer, invite, lamp_notify, notify

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


# --- expect: something arrives -------------------------------------------------------------------------------------


def test_what_was_expected_arrives() -> None:
    play = Play().stimulus().claim().wait(0.1)
    n = play.message(notify())
    verdict = play.wait(5).end().judged()
    assert verdict.verdict is PASS
    assert verdict.decisive == (n,)
    assert play.judged(without=n).verdict is not PASS


def test_what_came_with_the_reply_counts() -> None:
    play = Play().request()
    play.message(notify())
    assert play.reply().claim().end().verdict is PASS


def test_it_does_not_come() -> None:
    verdict = Play().stimulus().claim().wait(2.1).expired().end().judged()
    assert (verdict.verdict, verdict.why, verdict.actual) == (FAIL, "it did not come", "desk received none")
    assert verdict.rule == "the promise C-1"
    assert verdict.expected == "desk receives NOTIFY with Event starts 'check-sync' within 2 s of the reply"


def test_it_comes_too_late() -> None:
    play = Play().stimulus().claim().wait(2.1)
    play.message(notify())
    verdict = play.expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "it came too late; 2 s were allowed")
    assert "after 2100 ms" in verdict.actual


def test_our_own_lateness_is_not_theirs() -> None:
    play = Play().stimulus().claim().wait(2.05).lag(0.1)
    play.message(notify())
    assert play.end().verdict is PASS


def test_something_else_comes() -> None:
    play = Play().stimulus().claim().wait(0.1)
    play.message(notify("reboot"))
    play.message(notify("check-sync"), direction="out")
    play.message(answer(200))
    verdict = play.wait(2).expired().end().judged()
    assert verdict.verdict is FAIL
    assert "the nearest was a NOTIFY whose Event is 'reboot', which does not start with 'check-sync'" in verdict.why


def test_somebody_else_gets_it() -> None:
    play = Play().stimulus().claim().wait(0.1)
    play.message(notify(), phone="lobby")
    verdict = play.wait(2).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "lobby received it instead, after 100 ms")


def test_a_former_contact_is_not_the_phone() -> None:
    play = Play().stimulus().claim().wait(0.1)
    play.message(notify(), contact="former")
    verdict = play.wait(2).expired().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "it came to a Contact that the phone has left")


def test_a_former_contact_does_not_count_for_an_expectation() -> None:
    play = Play().stimulus().claim().wait(0.1)
    play.message(notify(), contact="former")
    play.message(notify(call_id="2"))
    assert play.end().verdict is PASS


@pytest.mark.parametrize("seen", ["retransmission", "malformed"])
def test_what_is_no_new_transaction_is_not_counted(seen: str) -> None:
    play = Play().stimulus().claim()
    play.message(notify(), seen=seen)
    assert play.wait(3).expired().end().verdict is FAIL


def test_what_comes_from_somebody_elses_server_is_nothing_to_the_case() -> None:
    play = silent()
    play.message(notify(call_id="elsewhere"), seen="foreign")
    play.message(b"NOTIFY garbage", seen="foreign")
    assert play.closed().end().verdict is PASS
    play = Play().stimulus().claim()
    play.message(notify(), seen="foreign")
    assert play.wait(3).expired().end().verdict is FAIL


def test_bytes_that_are_no_message_are_no_message() -> None:
    play = Play().stimulus().claim()
    play.message(b"\x00garbage")
    assert play.wait(3).expired().end().verdict is FAIL


def test_a_response_is_expected_by_its_status() -> None:
    play = Play().step().claim(what="401", where={"CSeq": {"ends": "REGISTER"}})
    play.message(answer(403))
    assert play.judged().verdict is INCONCLUSIVE
    play.message(answer(401))
    assert play.end().verdict is PASS


@pytest.mark.parametrize(
    ("where", "verdict"),
    [
        ({"body": "empty"}, PASS),
        ({"body": "present"}, PASS),
        ({"uri": "sip:desk@127.0.0.1:5001"}, PASS),
        ({"first": {"starts": "NOTIFY sip:desk"}}, PASS),
        ({"Subject": "absent"}, PASS),
        ({"event": "check-sync"}, PASS),
        ({"Subject": "present"}, FAIL),
        ({"uri": "sip:else"}, FAIL),
    ],
)
def test_parts_of_a_message(where: dict[str, Any], verdict: Verdict) -> None:
    play = Play().stimulus().claim(where=where)
    play.message(notify())
    assert play.wait(3).expired().end().verdict is verdict


def test_one_message_is_counted_by_one_claim() -> None:
    play = Play({"1": ["C-1"], "2": ["C-1"]}).stimulus().claim("1").claim("2")
    play.message(notify())
    play.message(notify(call_id="2"))
    assert play.end().verdict is PASS
    play = Play({"1": ["C-1"], "2": ["C-1"]}).stimulus().claim("1").claim("2")
    play.message(notify())
    assert play.wait(3).expired("1").expired("2").end().verdict is FAIL


def test_a_mark_opens_a_new_window() -> None:
    play = Play().stimulus()
    play.message(notify())
    assert play.claim().end().verdict is PASS
    play = Play().stimulus()
    play.message(notify())
    assert play.mark().claim().wait(3).expired().end().verdict is FAIL


def test_a_control_opens_a_new_window() -> None:
    play = Play().stimulus()
    play.message(notify())
    assert play.control().claim().wait(3).expired().end().verdict is FAIL


def test_values_that_must_differ() -> None:
    play = Play().control().stimulus().exactly(2, distinct="Call-ID")
    play.message(notify(call_id="a"))
    play.message(notify(call_id="a"))
    verdict = play.fence().wait(1).closed().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "two came with the same Call-ID 'a'")


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        (("a", "a", "a"), ""),
        (("a", "b"), "dialogs was 'a', then 'b'"),
        (("a", "a", "b"), "dialogs was 'a', then 'b'"),
        ((None, None), "dialogs was absent, then absent"),
        (("a", None), "dialogs was 'a', then absent"),
    ],
)
def test_values_that_must_be_the_same(ids: tuple[str | None, ...], why: str) -> None:
    play = Play().control().stimulus().exactly(len(ids), same="dialogs", where={})
    for number, each in enumerate(ids):
        play.message(lamp_notify("busy", number, dialog=each) if each else notify("dialog"))
    verdict = play.fence().wait(1).closed().end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL if why else PASS, why)


def test_the_same_wants_two_at_least() -> None:
    play = Play().stimulus().claim("1", least=2, same="Call-ID")
    play.message(notify(call_id="a"))
    assert play.wait(3).expired().end().judged().why == "only 1 came"


# --- never, exactly, at most: nothing more arrives -----------------------------------------------------------------


def silent() -> Play:
    """Everything that closes a claim of silence, up to its closing."""
    return Play().control().stimulus().never().fence().wait(0.1)


def test_a_silence_is_proved() -> None:
    play = silent().closed().end()
    verdict = play.judged()
    assert verdict.verdict is PASS
    [closing] = verdict.closed_by
    assert (closing.lag_s, verdict.decisive) == (0.1, (closing.control, closing.fence))
    for n in verdict.decisive:
        assert play.judged(without=n).verdict is not PASS


def test_a_silence_rests_on_the_messages_of_control_and_fence() -> None:
    play = silent().closed().end()
    messages = [event["n"] for event, _ in play.events if event["kind"] == "message"]
    assert len(messages) == 2
    for n in messages:
        assert play.judged(without=n).verdict is INCONCLUSIVE


@pytest.mark.parametrize(
    ("play", "said"),
    [
        (Play().stimulus().never().fence().wait(1), "there was no control"),
        (Play().control(arrives=False).stimulus().never().fence().wait(1), "its control did not arrive"),
        (Play().control(contact=OLD).stimulus().never().fence().wait(1), "could be reached at 127.0.0.1:5001"),
        (Play().control(phone="lobby").stimulus().never().fence().wait(1), "there was no control"),
        (Play().control().stimulus().never().wait(1), "the fence did not arrive"),
        (Play().control().stimulus().never().fence(arrives=False).wait(1), "the fence did not arrive"),
        (Play().control().stimulus().never().fence(phone="lobby").wait(1), "the fence did not arrive"),
        (Play().control().stimulus().fence().never().wait(1), "the fence did not arrive"),
        (Play().control().request().never().fence().reply().wait(1), "the fence did not arrive"),
        (Play().control().never().fence().step().wait(1), "the fence did not arrive"),
        (Play().control().stimulus().never().fence().wait(0.03), "listened 0.030 s after the fence, not 0.040 s"),
        (Play().control(latency=0.5).stimulus().never().fence().wait(1.9), "not 2.000 s"),
        (Play().control().stimulus().never(lag=1.5).fence().wait(1.4), "listened 1.400 s after the fence, not 1.500"),
        (Play().control(latency=0.5).stimulus().never(lag=1.5).fence().wait(1.9), "not 2.000 s"),
    ],
)
def test_a_silence_that_is_not_proved(play: Play, said: str) -> None:
    verdict = play.closed().end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert said in verdict.why


def test_a_claim_that_nobody_closes_proves_nothing() -> None:
    verdict = silent().end().judged()
    assert (verdict.verdict, verdict.closed_by) == (INCONCLUSIVE, ())


def test_a_forbidden_message_is_forbidden() -> None:
    play = Play().control().stimulus().never()
    n = play.message(notify())
    verdict = play.fence().wait(0.1).closed().end().judged()
    assert (verdict.verdict, verdict.why, verdict.decisive) == (FAIL, "forbidden", (n,))


def test_a_forbidden_message_that_comes_late_is_forbidden_too() -> None:
    play = silent()
    play.wait(30).message(notify())
    assert play.closed().end().verdict is FAIL


def test_a_closed_count_goes_on_until_the_next_stimulus() -> None:
    play = silent().closed()
    play.wait(1).message(notify())
    assert play.end().verdict is FAIL


@pytest.mark.parametrize("what", ["request", "control", "mark"])
def test_what_the_next_stimulus_brings_is_not_counted(what: str) -> None:
    play = silent().closed()
    getattr(play, what)()
    play.message(notify(call_id="later"))
    assert play.end().verdict is PASS


def test_a_step_that_acts_and_a_fence_of_ours_are_stimuli() -> None:
    for play in (silent().closed().step(phase="start"), silent().closed().fence(phone="lobby")):
        play.message(notify(call_id="later"))
        assert play.end().verdict is PASS
    play = silent().closed().step(phase="start", stimulus=False)
    play.message(notify(call_id="later"))
    assert play.end().verdict is FAIL


def test_an_api_call_of_our_own_is_no_stimulus() -> None:
    play = silent().closed().request("fence").reply(role="fence")
    play.message(notify())
    assert play.end().verdict is FAIL


def test_a_forbidden_message_behind_a_count_that_was_not_proved_is_a_violation() -> None:
    play = Play().control().stimulus().never().fence(arrives=False).wait(1).closed()
    assert play.verdict is INCONCLUSIVE
    play.message(notify())
    assert play.end().verdict is FAIL


def test_a_fence_is_not_mistaken_for_what_is_forbidden() -> None:
    play = Play().control().stimulus().never(what="INVITE", where={}).fence().wait(0.1).closed().end()
    assert play.verdict is PASS
    play = Play().control().stimulus().never(what="INVITE", where={}).fence().wait(0.1)
    play.message(invite("12345"))
    assert play.closed().end().verdict is FAIL


def test_a_message_at_a_former_contact_breaks_a_count() -> None:
    for play in (Play().control().stimulus().never(), Play().control().stimulus().exactly(1)):
        play.message(notify(call_id="good")) if play.events[-1][0]["spec"]["least"] else None
        play.message(notify(), contact="former")
        verdict = play.fence().wait(0.1).closed().end().judged()
        assert verdict.verdict is FAIL
        assert "a Contact that the phone has left" in verdict.why


def test_retransmissions_are_not_counted() -> None:
    play = Play().control().stimulus().exactly(1)
    play.message(notify())
    for _ in range(5):
        play.message(notify(), seen="retransmission")
    assert play.fence().wait(0.1).closed().end().verdict is PASS


@pytest.mark.parametrize(
    ("wanted", "come", "verdict", "why"),
    [
        (1, 0, FAIL, "it did not come"),
        (1, 1, PASS, ""),
        (1, 2, FAIL, "2 came"),
        (2, 1, FAIL, "only 1 came"),
        (2, 2, PASS, ""),
        (2, 3, FAIL, "3 came"),
    ],
)
def test_exactly(wanted: int, come: int, verdict: Verdict, why: str) -> None:
    play = Play().control().stimulus().exactly(wanted)
    for number in range(come):
        play.message(notify(call_id=str(number)))
    judged = play.fence().wait(0.1).closed().end().judged()
    assert (judged.verdict, judged.why) == (verdict, why)


@pytest.mark.parametrize(("come", "verdict"), [(0, PASS), (1, PASS), (2, PASS), (3, FAIL)])
def test_at_most(come: int, verdict: Verdict) -> None:
    play = Play().control().stimulus().claim(least=0, most=2)
    for number in range(come):
        play.message(notify(call_id=str(number)))
    assert play.fence().wait(0.1).closed().end().verdict is verdict


def test_one_more_after_the_time_to_arrive_in_is_one_too_many() -> None:
    play = Play().control().stimulus().exactly(1)
    play.message(notify())
    play.wait(2.5).message(notify(call_id="2"))
    assert play.fence().wait(0.1).closed().end().verdict is FAIL


def test_every_message_of_an_exact_count_is_decisive() -> None:
    play = Play().control().stimulus().exactly(2)
    play.message(notify())
    play.message(notify(call_id="2"))
    verdict = play.fence().wait(0.1).closed().end().judged()
    assert verdict.verdict is PASS
    assert len(verdict.decisive) == 4
    for n in verdict.decisive:
        assert play.judged(without=n).verdict is not PASS


def test_no_message_of_an_at_most_is_decisive() -> None:
    play = Play().control().stimulus().claim(least=0, most=1)
    play.message(notify())
    play.fence().wait(0.1).closed().end().rests()


def test_two_phones_do_not_close_each_others_counts() -> None:
    def play() -> Play:
        play = Play({"1": ["C-1"], "2": ["C-1"]}).control().control(phone="lobby").stimulus()
        play.never("1").never("2", phone="lobby").fence().fence(phone="lobby").wait(0.1)
        return play.closed("1").closed("2")

    assert play().end().verdict is PASS
    broken = play()
    broken.message(notify(), phone="lobby")
    verdict = broken.end().judged()
    assert (verdict.verdict, verdict.actual) == (FAIL, "lobby received 1, after 120 ms")


# --- replies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "verdict"),
    [
        ({}, PASS),
        ({"status": []}, PASS),
        ({"status": [200, 202]}, PASS),
        ({"status": [404]}, FAIL),
        ({"json": {"data.id": "x"}}, PASS),
        ({"json": {"data.id": "y"}}, FAIL),
        ({"json": {"data.sync": "absent"}}, PASS),
        ({"headers": {"x-request-id": "1"}}, PASS),
        ({"headers": {"Other": "present"}}, FAIL),
        ({"body": {"contains": "data"}}, PASS),
        ({"body": {"contains": "nothing"}}, FAIL),
    ],
)
def test_a_reply(spec: dict[str, Any], verdict: Verdict) -> None:
    play = Play().claim(kind="reply", **spec).request().reply(headers=(("X-Request-ID", "1"),)).end()
    judged = play.judged()
    assert judged.verdict is verdict
    assert len(judged.decisive) == 1
    assert play.judged(without=judged.decisive[0]).verdict is INCONCLUSIVE


def test_a_reply_that_is_no_json() -> None:
    verdict = Play().claim(kind="reply", json={"a": 1}).request().reply(body="<html>").end().judged()
    assert (verdict.verdict, verdict.why) == (FAIL, "the body is no JSON")
    nested = Play().claim(kind="reply", json={"a": 1}).request().reply(body="[" * 100_000).end().judged()
    assert nested.verdict is FAIL


def test_everything_that_is_wrong_with_a_reply_is_said() -> None:
    verdict = Play().claim(kind="reply", status=[201], json={"data.id": "y"}, body="empty").request().reply(400).end()
    why = verdict.judged().why
    assert "the status is 400" in why
    assert "data.id is 'x', not 'y'" in why
    assert "the body is not empty" in why


def test_another_requests_reply_is_another_reply() -> None:
    play = Play().claim(kind="reply").request(identifier="r-2").reply(500, identifier="r-2")
    assert play.judged().verdict is INCONCLUSIVE
    assert play.request().reply().end().verdict is PASS


def test_no_reply_proves_nothing() -> None:
    verdict = Play().claim(kind="reply").request().failure().end("target", "cannot connect").judged()
    assert verdict.verdict is INCONCLUSIVE
    assert "cannot connect" in verdict.actual + verdict.why


# --- registrations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "state", "status", "verdict"),
    [
        ({}, "registered", 200, PASS),
        ({}, "refused", 401, FAIL),
        ({}, "unanswered", 0, FAIL),
        ({"outcome": "refused"}, "refused", 403, PASS),
        ({"outcome": "refused", "status": 401}, "refused", 403, FAIL),
        ({"outcome": "refused", "status": 401}, "refused", 401, PASS),
        ({"outcome": "unregistered"}, "unregistered", 0, PASS),
    ],
)
def test_a_registration(spec: dict[str, Any], state: str, status: int, verdict: Verdict) -> None:
    play = Play().claim(kind="registration", **spec).registration(state, status).end()
    judged = play.judged()
    assert judged.verdict is verdict
    assert play.judged(without=judged.decisive[0]).verdict is not PASS


def test_all_phones_of_a_step_register() -> None:
    play = Play().claim(kind="registration", phones=["desk", "lobby"]).registration("registered")
    play.registration("registered", phone="else").registration("registered")
    assert play.judged().verdict is INCONCLUSIVE
    assert play.registration("registered", phone="lobby").end().verdict is PASS


def test_a_registration_without_an_outcome() -> None:
    verdict = Play().claim(kind="registration", phones=["desk", "lobby"]).registration("registered").expired().end()
    assert (verdict.verdict, verdict.judged().why) == (FAIL, "no outcome for lobby")


def test_a_later_change_is_not_this_claims() -> None:
    play = Play().claim(kind="registration").registration("registered").registration("expired", 0)
    assert play.end().verdict is PASS


def test_what_happens_after_its_step_is_not_this_claims() -> None:
    play = Play().claim(kind="registration").registration("registered").step(name="1").registration("registered").end()
    assert play.verdict is PASS
    first = next(event["n"] for event, _ in play.events if event["kind"] == "registration")
    assert play.judged(without=first).verdict is INCONCLUSIVE


@pytest.mark.parametrize("rest", [b"Event: check-sync", b"no colon\r\n\r\n"])
def test_a_message_that_cannot_be_read_leaves_a_count_undecided(rest: bytes) -> None:
    play = Play().control().stimulus().never()
    play.message(b"NOTIFY sip:a SIP/2.0\r\n" + rest, seen="malformed")
    verdict = play.fence().wait(2).closed().end().judged()
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert "cannot be read" in verdict.reason
