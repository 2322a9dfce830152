"""From claims to verdicts: clauses, preconditions, what ends a case early, encryption, dead bases."""

import pytest

from harness.judge import Judge
from harness.verdicts import Verdict
from tests.harness.playbook import Play, notify

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE
TLS = {"version": "TLSv1.3", "cipher": "x", "verified": True}


def met(play: Play, name: str = "1") -> Play:
    """The claim `name` is met."""
    play.claim(name)
    play.message(notify(call_id=f"call-{name}"))
    return play


def broken(play: Play, name: str = "1") -> Play:
    """The claim `name` is broken."""
    return play.claim(name).wait(3).expired(name)


def test_a_case_is_as_good_as_its_worst_clause() -> None:
    play = Play({"1": ["C-1"], "2": ["C-2"]}, clauses=("C-1", "C-2")).stimulus()
    verdict = broken(met(play), "2").end().judged()
    assert verdict.verdict is FAIL
    assert {each.clause: each.verdict for each in verdict.clauses} == {"C-1": PASS, "C-2": FAIL}
    assert verdict.rule == "the promise C-2"


def test_a_clause_that_no_claim_speaks_for_is_undecided() -> None:
    verdict = met(Play(clauses=("C-1", "C-2")).stimulus()).end().judged()
    assert verdict.verdict is INCONCLUSIVE
    assert verdict.reason == "no step of this case claims anything about it"


def test_every_claim_of_the_plan_has_to_be_there() -> None:
    def play() -> Play:
        return met(Play({"1": ["C-1"], "2": ["C-1"]}).stimulus())

    verdict = play().end().judged()
    assert (verdict.verdict, verdict.reason) == (INCONCLUSIVE, "the case ended before step 2: step 2")
    assert met(play(), "2").end().verdict is PASS


def test_a_claim_that_is_not_in_the_plan_counts_for_nothing() -> None:
    assert broken(met(Play().stimulus()), "2").end().verdict is PASS


def test_a_record_that_ends_proves_nothing() -> None:
    verdict = met(Play().stimulus()).judged()
    assert (verdict.verdict, verdict.reason) == (INCONCLUSIVE, "the Record ends")
    assert broken(Play().stimulus()).verdict is FAIL


def test_a_broken_precondition_decides_nothing() -> None:
    play = Play({"0": [], "1": ["C-1"]}).claim("0", "registration").registration("refused", 403)
    verdict = play.end().judged()
    assert verdict.verdict is INCONCLUSIVE
    play = Play({"0": [], "1": ["C-1"]}).claim("0", "registration").registration("refused", 403).stimulus()
    assert met(play).end().verdict is INCONCLUSIVE


def test_a_kept_precondition_is_no_proof() -> None:
    play = Play({"0": []}).claim("0", "registration").registration("registered").end()
    assert play.verdict is INCONCLUSIVE


def test_our_error_is_not_their_failure() -> None:
    verdict = met(Play().stimulus()).end("harness", "we failed").judged()
    assert (verdict.verdict, verdict.reason) == (Verdict.ERROR, "we failed")


def test_a_violation_stays_one_when_the_target_dies_later() -> None:
    assert broken(Play().stimulus()).end("target", "gone").verdict is FAIL
    assert met(Play().stimulus()).end("target", "gone").verdict is INCONCLUSIVE


@pytest.mark.parametrize("kind", ["skipped", "unsupported"])
def test_what_the_target_does_not_offer(kind: str) -> None:
    verdict = Play().end(kind, "has no https").judged()
    assert (verdict.verdict.value, verdict.reason) == (kind, "has no https")
    assert [each.verdict.value for each in verdict.clauses] == [kind]
    assert broken(Play().stimulus()).end(kind, "x").verdict is FAIL


def test_an_interrupted_case_is_undecided() -> None:
    assert met(Play().stimulus()).end("interrupted", "interrupted").verdict is INCONCLUSIVE


def test_a_missed_recommendation_is_not_strict() -> None:
    assert broken(Play(level="SHOULD").stimulus()).end().verdict is Verdict.NON_STRICT
    assert met(Play(level="SHOULD").stimulus()).end().verdict is PASS
    assert Play(level="SHOULD").stimulus().claim().end().verdict is INCONCLUSIVE


def test_what_contradicts_itself_is_unclear_at_best() -> None:
    verdict = met(Play(unclear="the page says both").stimulus()).end().judged()
    assert (verdict.verdict, verdict.reason) == (Verdict.UNCLEAR, "the page says both")
    assert verdict.decisive
    assert broken(Play(unclear="both").stimulus()).end().verdict is FAIL
    assert Play(unclear="both").stimulus().claim().end().verdict is INCONCLUSIVE


def test_a_promise_that_the_release_is_known_to_break_is_known() -> None:
    verdict = broken(Play(standing="broken").stimulus()).end().judged()
    assert (verdict.verdict, verdict.clauses[0].reason) == (Verdict.KNOWN, "so it is (it did not come)")
    assert met(Play(standing="broken").stimulus()).end().verdict is PASS
    assert Play(standing="broken").stimulus().claim().end().verdict is INCONCLUSIVE
    assert broken(Play(standing="broken").stimulus()).end("harness", "we failed").verdict is Verdict.ERROR


def test_what_the_release_does_not_have_is_unsupported() -> None:
    assert broken(Play(standing="absent").stimulus()).end().verdict is Verdict.UNSUPPORTED
    assert Play(standing="absent").stimulus().claim().end().verdict is Verdict.UNSUPPORTED
    assert met(Play(standing="absent").stimulus()).end().verdict is PASS


def test_nothing_is_proved_behind_a_request_that_was_refused() -> None:
    play = Play({"0": ["C-2"], "1": ["C-1"]}, clauses=("C-1", "C-2"))
    verdict = met(play.claim("0", "reply").request().reply(403)).end().judged()
    assert {each.clause: each.verdict for each in verdict.clauses} == {"C-1": INCONCLUSIVE, "C-2": FAIL}
    play = Play({"0": ["C-1"], "1": ["C-1"]})
    assert met(play.claim("0", "reply").request().reply(403)).end().verdict is FAIL
    play = met(Play({"0": ["C-2"], "1": ["C-1"]}, clauses=("C-1", "C-2")).stimulus())
    verdict = play.claim("0", "reply", id="r-2").request(identifier="r-2").reply(403, identifier="r-2").end().judged()
    assert {each.clause: each.verdict for each in verdict.clauses} == {"C-1": PASS, "C-2": FAIL}


# --- encryption ----------------------------------------------------------------------------------------------------


def https(*, encrypted: bool = True) -> Play:
    return Play(encrypted=encrypted, over="https", tls_clause=True)


def test_tls_is_proved_by_every_reply() -> None:
    play = met(https().request().reply(tls=TLS))
    assert play.end().verdict is PASS
    play = met(https().request().reply(tls=TLS)).request().reply(tls=None).end()
    verdict = play.judged()
    assert (verdict.verdict, verdict.reason) == (FAIL, "a reply came over HTTPS without TLS")
    assert verdict.rule == "tls"


def test_in_memory_nothing_is_said_about_tls() -> None:
    verdict = met(https(encrypted=False).request().reply()).end().judged()
    assert verdict.verdict is PASS
    assert [each.verdict for each in verdict.clauses] == [PASS, Verdict.SKIPPED]


def test_tls_that_nobody_spoke_is_not_proved() -> None:
    assert met(https()).end().verdict is INCONCLUSIVE


@pytest.mark.parametrize(("standing", "tls"), [("kept", INCONCLUSIVE), ("broken", PASS), ("absent", PASS)])
def test_a_wrong_reply_casts_no_doubt_on_tls_where_it_is_known(standing: str, tls: Verdict) -> None:
    play = Play(encrypted=True, over="https", tls_clause=True, standing=standing).claim("1", "reply", status=[204])
    [_, verdict] = play.request().reply(tls=TLS).end().judged().clauses
    assert verdict.verdict is tls


@pytest.mark.parametrize("role", ["stimulus", "setup", "control", "fence", "cleanup"])
def test_https_dead_and_http_alive_is_the_tls_clauses_failure(role: str) -> None:
    verdict = https().request(role).failure("tls", alive=("http",), role=role).end("target", "no TLS").judged()
    assert verdict.verdict is FAIL
    assert {each.clause: each.verdict for each in verdict.clauses} == {"C-1": INCONCLUSIVE, "TLS-1": FAIL}
    assert verdict.reason == "HTTPS is dead (cannot connect) while http answers"


def test_http_dead_and_https_alive_is_a_failure() -> None:
    verdict = Play().request().failure(alive=("https",)).end("target", "gone").judged()
    assert (verdict.verdict, verdict.reason) == (FAIL, "HTTP is dead (cannot connect) while https answers")


@pytest.mark.parametrize("play", [Play(), Play(encrypted=True, over="https", tls_clause=True)])
def test_everything_dead_says_nothing(play: Play) -> None:
    verdict = play.request().failure().end("target", "cannot connect").judged()
    assert {each.verdict for each in verdict.clauses} == {INCONCLUSIVE}
    assert verdict.verdict is INCONCLUSIVE


# --- many cases ----------------------------------------------------------------------------------------------------


def test_cases_do_not_disturb_each_other() -> None:
    judge = Judge()
    good, bad = met(Play().stimulus()).end(), broken(Play().stimulus()).end()
    for (first, data), (second, other) in zip(good.events, bad.events, strict=False):
        judge.feed({**first, "case": "a/good"}, data)
        judge.feed({**second, "case": "a/bad"}, other)
    for event, data in bad.events[len(good.events) :]:
        judge.feed({**event, "case": "a/bad"}, data)
    judge.feed({"kind": "message", "case": "a/unknown", "n": 1, "t": 0}, b"")
    judge.feed({"kind": "footer", "n": 2, "t": 0}, b"")
    judge.feed({"kind": "verdict", "case": "a/good", "n": 3, "t": 0, "verdict": "fail"}, b"")
    assert [(each.address, each.verdict) for each in judge.verdicts()] == [("a/good", PASS), ("a/bad", FAIL)]


def test_a_verdict_as_json() -> None:
    document = met(Play().stimulus()).end().judged().as_json()
    assert document["clause_verdicts"] == {"C-1": "pass"}
    assert document["clauses"] == ["C-1"]


def test_a_message_whose_bytes_are_lost_ends_what_can_be_said() -> None:
    play = Play().stimulus().claim()
    n = play.message(notify())
    play.wait(3).expired().end()
    play.events[n][0]["size"] = len(notify())
    assert play.verdict is PASS
    play.events[n] = (play.events[n][0], b"")
    verdict = play.judged()
    assert (verdict.verdict, verdict.reason) == (INCONCLUSIVE, "the Record ends while step 1 was open: step 1")


def test_a_registration_without_its_response_is_none() -> None:
    play = Play({"1": []}).claim("1", kind="registration").registration("registered").step(name="1").end()
    assert play.judged().verdict is not Verdict.FAIL
    response = next(event["n"] for event, data in play.events if data.startswith(b"SIP/2.0 200"))
    assert play.judged(without=response).verdict is Verdict.INCONCLUSIVE


def test_what_comes_behind_the_end_is_clearing_up() -> None:
    play = Play().stimulus().claim().wait(3).end("target", "gone")
    assert play.expired().verdict is INCONCLUSIVE
    play.message(notify())
    assert play.verdict is INCONCLUSIVE
    play = met(Play().control().stimulus()).end()
    play.never("1").message(notify(call_id="late"))
    assert play.verdict is PASS
