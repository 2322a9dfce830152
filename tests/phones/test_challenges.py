"""Digest wherever a phone is challenged: which challenge it answers, how it counts, and when it gives up."""

from __future__ import annotations

import pytest

from phones.sip.digest import Credentials, verify
from phones.sip.index import Message
from tests.phones.calls_bench import accept, calling, the_invite
from tests.phones.playbook import THEIR_SDP, Desk, Header, challenge, granted

MD5, SHA_256, SHA_512 = "MD5", "SHA-256", "SHA-512-256"


def asks(algorithm: str, nonce: str, *, realm: str = "r", proxy: bool = False, more: str = "") -> Header:
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    return name, f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}'


def shown(message: Message) -> list[Credentials]:
    """What a request proves, to everybody."""
    values = [*message.all("authorization"), *message.all("proxy-authorization")]
    return [Credentials.parse(value) for value in values]


def is_proved(message: Message) -> bool:
    proofs = [verify(one, password="word", method=message.method, body=message.body) for one in shown(message)]
    return bool(proofs) and all(proofs) and all(one.uri == message.uri for one in shown(message))


# --- which challenge ---


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ([SHA_512, SHA_256, MD5], SHA_512),
        ([MD5, SHA_256], SHA_256),
        (["SHA-3", MD5], MD5),
        ([MD5, MD5], MD5),
        (["MD5-sess", SHA_256, "x"], SHA_256),
    ],
)
def test_the_strongest_of_one_realm(offered: list[str], taken: str) -> None:
    desk = Desk()
    desk.register()
    desk.answer(401, [asks(algorithm, f"n{number}") for number, algorithm in enumerate(offered)])
    [proof] = shown(desk.last_sent())
    assert (proof.algorithm, proof.nonce) == (taken, f"n{offered.index(taken)}")
    assert is_proved(desk.last_sent())
    desk.accept()
    assert desk.changes() == ["registered"]


def test_each_realm_gets_its_answer() -> None:
    """As where one request met several proxies (RFC 3261 22.3)."""
    desk = calling()
    desk.answer(407, [asks(MD5, "n1", realm=f"r{number}", proxy=True) for number in range(9)])
    proofs = shown(the_invite(desk))
    assert [one.realm for one in proofs] == ["r0", "r1", "r2", "r3"]
    assert is_proved(the_invite(desk))


def test_an_edge_and_a_phone_that_both_ask() -> None:
    desk = calling()
    desk.answer(407, [asks(MD5, "p1", realm="edge", proxy=True)])
    desk.answer(401, [asks(SHA_256, "w1", realm="phone")], to=the_invite(desk))
    both = the_invite(desk)
    assert {one.realm: (one.nonce, one.nc) for one in shown(both)} == {
        "edge": ("p1", "00000002"),
        "phone": ("w1", "00000001"),
    }
    assert (len(both.all("authorization")), len(both.all("proxy-authorization")), both.cseq) == (1, 1, 3)
    accept(desk)
    assert desk.called()[-1][0] == "talking"
    # the ACK shows what the INVITE showed (RFC 3261 22.1)
    assert shown(desk.all_sent("ACK")[-1]) == shown(both)


# --- how it counts ---


def test_one_nonce_is_counted_over_all_requests_of_a_call() -> None:
    desk = calling()
    desk.answer(401, [asks(SHA_256, "n1")])
    accept(desk)
    desk.do(desk.phone.calls.hang_up)
    proofs = [shown(desk.all_sent(method)[-1])[0] for method in ("INVITE", "BYE")]
    assert [(one.nonce, one.nc) for one in proofs] == [("n1", "00000001"), ("n1", "00000002")]
    assert proofs[0].cnonce != proofs[1].cnonce
    assert all(is_proved(desk.all_sent(method)[-1]) for method in ("INVITE", "BYE"))


def test_the_next_nonce_is_told_in_advance() -> None:
    desk = Desk()
    desk.register(expires=100)
    desk.answer(401, [challenge("n1")])
    register = desk.last_sent()
    desk.answer(200, [*granted(register), ("Authentication-Info", 'qop=auth, nextnonce="n2", nc=00000001')])
    desk.run(90.0)
    [proof] = shown(desk.last_sent())
    assert (proof.nonce, proof.nc) == ("n2", "00000001")


def test_whose_next_nonce_it_is_must_be_clear() -> None:
    desk = Desk()
    desk.register(expires=100)
    desk.answer(401, [asks(MD5, "n1", realm="r1"), asks(MD5, "n2", realm="r2")])
    desk.answer(200, [*granted(desk.last_sent()), ("Authentication-Info", 'nextnonce="n3"')])
    desk.run(90.0)
    assert [one.nonce for one in shown(desk.last_sent())] == ["n1", "n2"]


# --- the body ---


def test_the_body_of_a_call_is_proved() -> None:
    desk = calling()
    desk.answer(401, [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth-int", algorithm=SHA-512-256')])
    again = the_invite(desk)
    [proof] = shown(again)
    assert (proof.qop, is_proved(again), bool(again.body)) == ("auth-int", True, True)
    assert not verify(proof, password="word", method="INVITE", body=again.body + b"a=x\r\n")


def test_a_request_without_a_body_is_proved_too() -> None:
    desk = Desk()
    desk.subscribe()
    desk.answer(407, [("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth-int"')])
    assert is_proved(desk.last_sent())
    assert shown(desk.last_sent())[0].qop == "auth-int"


# --- when it gives up ---


@pytest.mark.parametrize("status", [401, 407])
@pytest.mark.parametrize("stale", [True, False])
def test_no_circle_is_gone_round_for_ever(status: int, stale: bool) -> None:
    """What was refused is not tried again; nonces that are too old, all of them, are not believed for ever."""
    desk = calling()
    more = ", stale=true" if stale else ""
    for number in range(20):
        desk.answer(status, [asks(MD5, f"n{number}", proxy=status == 407, more=more)], to=the_invite(desk))
    assert len(desk.all_sent("INVITE")) == (5 if stale else 2)
    assert desk.called()[-1][:2] == ("ended", status)


def test_a_nonce_from_before_that_has_grown_old_is_no_refusal() -> None:
    """Though nobody says that it is stale."""
    desk = calling()
    desk.answer(401, [asks(MD5, "n1")])
    accept(desk)
    desk.do(desk.phone.calls.hang_up)
    desk.answer(401, [asks(MD5, "n2")])
    assert [shown(one)[0].nonce for one in desk.all_sent("BYE")] == ["n1", "n2"]


def test_both_in_turn_are_no_way_out_of_it() -> None:
    desk = calling()
    for number in range(20):
        proxy = bool(number % 2)
        desk.answer(407 if proxy else 401, [asks(MD5, f"n{number}", proxy=proxy)], to=the_invite(desk))
    assert len(desk.all_sent("INVITE")) == 3


def test_a_refusal_in_one_of_two_realms_is_one() -> None:
    desk = calling()
    desk.answer(407, [asks(MD5, "p1", realm="edge", proxy=True)])
    desk.answer(401, [asks(MD5, "w1", realm="phone")], to=the_invite(desk))
    desk.answer(407, [asks(MD5, "p1", realm="edge", proxy=True)], to=the_invite(desk))
    assert (len(desk.all_sent("INVITE")), desk.called()[-1][:2]) == (3, ("ended", 407))


# --- requests in a call ---


@pytest.mark.parametrize("status", [401, 407])
def test_a_bye_that_is_challenged(status: int) -> None:
    desk = calling()
    accept(desk, body=THEIR_SDP)
    desk.do(desk.phone.calls.hang_up)
    first = desk.last_sent()
    desk.answer(status, [asks(SHA_256, "n1", proxy=status == 407)], to=first)
    again = desk.last_sent()
    assert (again.method, again.cseq, again.branch != first.branch) == ("BYE", first.cseq + 1, True)
    assert is_proved(again)
    desk.answer(status, [asks(SHA_256, "n1", proxy=status == 407)], to=again)
    desk.run(100.0)
    assert (len(desk.all_sent("BYE")), desk.phone.next_deadline()) == (2, None)
    assert desk.called()[-1] == ("ended", 0, "hung up")
