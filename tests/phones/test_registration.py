"""The life of a registration: every pair of its table, and the phone in it against registrars good and bad."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.effects import Changed, Transmit
from phones.registration import REGISTRATION
from phones.sip.digest import Credentials, verify
from phones.sip.index import Message
from phones.sip.machine import Machine
from phones.sip.message import response
from tests.phones.playbook import (
    LOCAL,
    Desk,
    Header,
    a_request,
    challenge,
    contact_of,
    credentials,
    cseqs,
    granted,
)
from tests.phones.walks import check_walk, fired

# --- the table, pair by pair -----------------------------------------------------------------------------------------

# state, event -> next state: actions [timers running]; what is not listed changes nothing
WALK = """
    idle, register -> trying: send []
    idle, move -> trying: send []
    trying, move -> trying: send []
    trying, unregister -> leaving: send zero []
    trying, again -> trying: answer []
    trying, interval -> trying: send []
    trying, elsewhere -> trying: send []
    trying, accepted -> registered: report registered [expiry refresh]
    trying, removed -> idle: report unregistered []
    trying, refused -> idle: report refused []
    trying, rejected -> idle: report refused []
    trying, timeout -> idle: report unanswered []
    registered, register -> refreshing: send [expiry]
    registered, move -> refreshing: send [expiry]
    registered, unregister -> leaving: send zero []
    registered, timer refresh -> refreshing: send [expiry]
    registered, timer expiry -> idle: report expired []
    refreshing, move -> refreshing: send [expiry]
    refreshing, unregister -> leaving: send zero []
    refreshing, again -> refreshing: answer [expiry]
    refreshing, interval -> refreshing: send [expiry]
    refreshing, elsewhere -> refreshing: send [expiry]
    refreshing, accepted -> registered: report registered [expiry refresh]
    refreshing, removed -> idle: report unregistered []
    refreshing, refused -> idle: report refused []
    refreshing, rejected -> idle: report refused []
    refreshing, timeout -> idle: report unanswered []
    refreshing, timer expiry -> trying: report expired []
    leaving, move -> trying: send []
    leaving, again -> leaving: answer []
    leaving, interval -> idle: report refused []
    leaving, accepted -> idle: report unregistered []
    leaving, removed -> idle: report unregistered []
    leaving, refused -> idle: report refused []
    leaving, rejected -> idle: report refused []
    leaving, timeout -> idle: report unanswered []
"""
WAY = {
    "idle": [],
    "trying": ["register"],
    "registered": ["register", "accepted"],
    "refreshing": ["register", "accepted", "timer refresh"],
    "leaving": ["register", "unregister"],
}


def machine_in(state: str) -> Machine:
    machine = Machine(REGISTRATION, {"refresh": lambda _: 8.0, "expiry": lambda _: 10.0}, 0.0)
    for event in WAY[state]:
        fired(machine, event, 0.0)
    assert machine.state == state
    return machine


def test_every_event_in_every_state() -> None:
    assert set(WAY) == set(REGISTRATION.states)
    check_walk(WALK, REGISTRATION, WAY, machine_in)


# --- registering -----------------------------------------------------------------------------------------------------


def test_it_registers_through_a_challenge() -> None:
    desk = Desk()
    desk.register(expires=300)
    [first] = desk.sent()
    assert [name for name, _ in first.headers] == [
        "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "User-Agent", "Allow", "Contact", "Expires",
        "Content-Length",
    ]  # fmt: skip
    assert (first.method, first.uri, first.cseq) == ("REGISTER", "sip:a.example.com", 1)
    assert (first.get("to"), first.get("contact")) == ("<sip:desk@a.example.com>", "<sip:desk@192.0.2.10:5062>")
    assert (
        first.get("expires"),
        first.get(
            "via",
        ),
    ) == ("300", f"SIP/2.0/UDP 192.0.2.10:5062;rport;branch={first.branch}")
    desk.answer(100)
    assert (desk.phone.state, desk.sent(), desk.changes()) == ("trying", [], [])
    desk.answer(401, [challenge("n1")])
    [second] = desk.sent()
    shown = Credentials.parse(credentials(second))
    assert verify(shown, password="word", method="REGISTER")
    assert (shown.username, shown.uri, shown.nonce, shown.nc) == ("desk", "sip:a.example.com", "n1", "00000001")
    assert (second.call_id, second.cseq, second.get("from")) == (first.call_id, 2, first.get("from"))
    assert second.branch != first.branch
    desk.answer(200, granted(second, 120))
    assert desk.sent() == []
    assert desk.last_change() == Changed("registered", 200, "OK", 120)
    assert desk.phone.state == "registered"


def test_it_registers_where_nobody_challenges() -> None:
    desk = Desk()
    desk.register()
    desk.accept()
    assert (desk.changes(), len(desk.all_sent()), desk.last_change().expires) == (["registered"], 1, 600)


@pytest.mark.parametrize("qop", [None, "auth", "auth-int,auth"])
def test_with_and_without_qop(qop: str | None) -> None:
    desk = Desk()
    desk.register()
    desk.answer(401, [challenge(qop=qop)])
    shown = Credentials.parse(credentials(desk.last_sent()))
    assert shown.qop == ("auth" if qop else "")
    assert verify(shown, password="word", method="REGISTER")


def test_a_proxy_is_answered_in_its_own_header() -> None:
    desk = Desk()
    desk.register()
    desk.answer(407, [("Proxy-Authenticate", challenge()[1])])
    assert verify(
        Credentials.parse(credentials(desk.last_sent(), "proxy-authorization")), password="word", method="REGISTER"
    )
    assert credentials(desk.last_sent()) == ""
    desk.accept()
    assert desk.changes() == ["registered"]


def test_of_several_challenges_it_takes_the_one_that_it_speaks() -> None:
    desk = Desk()
    desk.register()
    name, md5 = challenge("n5")
    desk.answer(401, [(name, 'Digest realm="r", nonce="n0", algorithm=SHA-3'), (name, "Basic x"), (name, md5)])
    assert Credentials.parse(credentials(desk.last_sent())).nonce == "n5"


# --- refusals --------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_two_registers_and_no_loop() -> None:
    desk = Desk(password="wrong")
    desk.register()
    for _ in range(3):
        desk.answer(401, [challenge("n1")])
    desk.run(1000.0)
    assert len(desk.all_sent("REGISTER")) == 2
    assert desk.last_change() == Changed("refused", 401, "Unauthorized", 0)
    assert (desk.changes(), desk.phone.state, desk.phone.next_deadline()) == (["refused"], "idle", None)
    desk.register()
    assert credentials(desk.last_sent()) == ""


def test_a_stale_nonce_is_answered_again() -> None:
    desk = Desk()
    desk.register()
    desk.answer(401, [challenge("n1")])
    desk.answer(401, [challenge("n2", stale=True)])
    desk.answer(401, [challenge("n2", stale=True)])
    desk.accept()
    shown = [Credentials.parse(credentials(one)) for one in desk.all_sent("REGISTER")[1:]]
    # the count goes on with one nonce and begins anew with the next (RFC 2617 3.2.2)
    assert [(one.nonce, one.nc) for one in shown] == [("n1", "00000001"), ("n2", "00000001"), ("n2", "00000002")]
    assert desk.changes() == ["registered"]


def test_a_fresh_nonce_on_refresh_is_answered() -> None:
    desk = Desk().registered(100)
    desk.run(80.0)
    [refresh] = desk.sent()
    assert (Credentials.parse(credentials(refresh)).nc, refresh.cseq) == ("00000002", 3)
    desk.answer(401, [challenge("n2")])
    [again] = desk.sent()
    assert (Credentials.parse(credentials(again)).nonce, Credentials.parse(credentials(again)).nc) == ("n2", "00000001")
    desk.accept()
    assert desk.changes() == ["registered", "registered"]


def test_the_old_nonce_on_refresh_is_a_refusal() -> None:
    desk = Desk().registered(100)
    desk.run(80.0)
    desk.answer(401, [challenge("n1")])
    assert (desk.changes(), desk.phone.state) == (["registered", "refused"], "idle")


@pytest.mark.parametrize("stale", [False, True])
def test_endless_new_nonces_are_given_up(stale: bool) -> None:
    desk = Desk()
    desk.register()
    for number in range(20):
        desk.answer(401, [challenge(f"n{number}", stale=stale)])
    # credentials that were refused are not shown again, unless the nonce alone was too old (RFC 3261 22.1)
    assert (len(desk.all_sent("REGISTER")), desk.changes()) == (5 if stale else 2, ["refused"])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, []),
        (404, []),
        (305, [("Contact", "<sip:elsewhere@b>")]),
        (500, []),
        (603, []),
        (401, []),
        (401, [("WWW-Authenticate", "Basic realm=x")]),
        (401, [("WWW-Authenticate", 'Digest realm="r"')]),
        (401, [("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-3')]),
        (401, [("WWW-Authenticate", 'Digest realm="r", nonce="n", qop="auth-conf"')]),
        (401, [("Proxy-Authenticate", challenge()[1])]),
        (407, [challenge()]),
        (423, []),
    ],
)
def test_any_other_answer_is_a_refusal(status: int, headers: list[Header]) -> None:
    desk = Desk()
    desk.register()
    desk.answer(status, headers)
    assert (desk.changes(), desk.last_change().status, desk.phone.state) == (["refused"], status, "idle")
    assert len(desk.all_sent()) == 1
    desk.run(1000.0)
    assert len(desk.all_sent()) == 1


# --- intervals -------------------------------------------------------------------------------------------------------


def test_too_brief_an_interval_is_lengthened() -> None:
    desk = Desk()
    desk.register(expires=10)
    desk.answer(423, [("Min-Expires", "60")])
    assert [one.get("expires") for one in desk.all_sent()] == ["10", "60"]
    desk.accept()
    assert desk.last_change().expires == 60
    desk.run(48.0)
    assert desk.last_sent().get("expires") == "60"


@pytest.mark.parametrize("least", ["0", "1", "10", "-1", "x", "", "²", "4294967296", "9" * 5000, "60, 70", "1e3"])
def test_a_hostile_interval_is_a_refusal(least: str) -> None:
    desk = Desk()
    desk.register(expires=10)
    desk.answer(423, [("Min-Expires", least)])
    assert (len(desk.all_sent()), desk.changes(), desk.phone.state) == (1, ["refused"], "idle")


def test_ever_longer_intervals_are_given_up() -> None:
    desk = Desk()
    desk.register(expires=10)
    for least in range(11, 60):
        desk.answer(423, [("Min-Expires", str(least))])
    assert (len(desk.all_sent()), desk.changes()) == (5, ["refused"])


def test_the_longest_interval_of_all() -> None:
    desk = Desk()
    desk.register(expires=10)
    desk.answer(423, [("Min-Expires", "4294967295")])
    desk.accept()
    assert desk.last_change() == Changed("registered", 200, "OK", 4294967295)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([("Contact", "<sip:desk@192.0.2.10:5062>;expires=50")], 50),
        ([("m", "<sip:desk@192.0.2.10:5062>; Expires = \"50\"")], 50),
        ([("Contact", "<sip:x@b>;expires=9, <sip:desk@192.0.2.10:5062>;q=1;expires=50"), ("Expires", "70")], 50),
        ([("m", "<sip:desk@192.0.2.10:5062>;expires=50"), ("m", "<sip:desk@192.0.2.10:50620>;expires=9")], 50),
        ([("m", "<sip:desk@192.0.2.10:50620>;expires=9"), ("m", "<sip:desk@192.0.2.10:5062>;expires=50")], 50),
        ([("Contact", "<sip:desk@192.0.2.10:5062>"), ("Expires", "70")], 70),
        ([("Contact", "<sip:desk@192.0.2.10:5062>;expires=²"), ("Expires", "70")], 70),
        ([("Expires", "70")], 70),
        ([], 600),
        ([("Expires", "²")], 600),
        ([("Expires", "9" * 5000)], 600),
        ([("Expires", "-1")], 600),
        ([("Contact", f"<sip:desk@192.0.2.10:5062>;expires={'9' * 5000}")], 600),
        ([("Contact", "<sip:desk@192.0.2.10:5062>;expires=4294967295")], 4294967295),
    ],
)  # fmt: skip
def test_what_was_granted(headers: list[Header], seconds: int) -> None:
    desk = Desk()
    desk.register()
    desk.answer(200, headers)
    assert desk.last_change() == Changed("registered", 200, "OK", seconds)


def test_a_grant_of_nothing_is_no_registration_and_no_loop() -> None:
    desk = Desk()
    desk.register(expires=0)
    desk.accept()
    desk.run(1000.0)
    assert (desk.changes(), desk.phone.state, len(desk.all_sent())) == (["unregistered"], "idle", 1)
    desk = Desk().registered(100)
    desk.run(80.0)
    desk.answer(200, granted(desk.last_sent(), 0))
    desk.run(1000.0)
    assert (desk.changes(), desk.phone.state) == (["registered", "unregistered"], "idle")


# --- time ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expires", [1, 60, 3600])
def test_it_refreshes_in_time_for_hours(expires: int) -> None:
    desk = Desk().registered(expires)
    end = desk.now + 24 * 3600 if expires > 1 else desk.now + 600
    until = desk.now + expires
    while desk.now < end:
        deadline = desk.phone.next_deadline()
        assert deadline is not None
        assert deadline < until
        desk.run(deadline - desk.now)
        if desk.sent():
            desk.accept()
            until = desk.now + expires
    registers = desk.all_sent("REGISTER")
    assert cseqs(registers) == list(range(1, len(registers) + 1))
    assert {one.call_id for one in registers} == {registers[0].call_id}
    assert len({one.branch for one in registers}) == len(registers)
    assert set(desk.changes()) == {"registered"}
    assert [Credentials.parse(credentials(one)).nc for one in registers[1:4]] == ["00000001", "00000002", "00000003"]
    assert len(registers) == pytest.approx((end - 100) / (expires * 0.8), abs=3)


def test_without_refresh_it_expires() -> None:
    desk = Desk().registered(60, refresh=False)
    start = desk.now
    desk.run(1000.0)
    [(time, effect)] = [(time, effect) for time, effect in desk.log if isinstance(effect, Changed)][1:]
    assert (time - start, effect) == (60.0, Changed("expired"))
    assert (desk.sent(), desk.phone.state) == ([], "idle")


def test_nobody_answers() -> None:
    desk = Desk()
    desk.register()
    desk.run(1000.0)
    [(time, effect)] = [(time, effect) for time, effect in desk.log if isinstance(effect, Changed)]
    assert (time, effect) == (132.0, Changed("unanswered"))
    sent = [effect for _, effect in desk.log if isinstance(effect, Transmit)]
    assert [one.kind for one in sent] == ["new"] + ["retransmission"] * 10
    assert len({one.data for one in sent}) == 1
    assert (desk.phone.state, desk.phone.next_deadline()) == ("idle", None)
    desk.register()
    desk.accept()
    assert desk.changes() == ["unanswered", "registered"]


# --- leaving ---------------------------------------------------------------------------------------------------------


def test_it_unregisters() -> None:
    desk = Desk().registered()
    desk.unregister()
    [leave] = desk.sent()
    assert (leave.get("expires"), contact_of(leave), leave.cseq) == ("0", desk.phone.contact, 3)
    desk.answer(401, [challenge("n2", stale=True)])
    assert desk.last_sent().get("expires") == "0"
    desk.answer(200)
    assert (desk.last_change(), desk.phone.state) == (Changed("unregistered", 200, "OK", 0), "idle")
    desk.unregister()
    desk.run(10000.0)
    assert (len(desk.all_sent()), desk.changes()) == (4, ["registered", "unregistered"])


@pytest.mark.parametrize(
    ("status", "headers"), [(403, []), (423, [("Min-Expires", "60")]), (423, [("Min-Expires", "3600")])]
)
def test_a_refused_leave_ends_too(status: int, headers: list[Header]) -> None:
    desk = Desk().registered()
    desk.unregister()
    desk.answer(status, headers)
    assert (desk.changes(), desk.phone.state, len(desk.all_sent())) == (["registered", "refused"], "idle", 3)


def test_a_lost_register_is_not_repeated_after_unregistering() -> None:
    desk = Desk()
    desk.register()
    desk.run(1.0)
    desk.unregister()
    desk.new()
    desk.run(0.9)
    assert {one.get("expires") for one in desk.sent()} == {"0"}
    desk.answer(200)
    assert desk.changes() == ["unregistered"]


# --- moving ----------------------------------------------------------------------------------------------------------

ELSEWHERE = ("192.0.2.11", 5064)


def test_a_move_keeps_the_call_id_and_raises_cseq() -> None:
    desk = Desk().registered()
    desk.move(ELSEWHERE)
    [moved] = desk.sent()
    first = desk.all_sent()[0]
    assert (moved.call_id, moved.cseq, moved.get("from")) == (first.call_id, 3, first.get("from"))
    assert (contact_of(moved), desk.phone.local) == ("sip:desk@192.0.2.11:5064", ELSEWHERE)
    assert (moved.get("via") or "").startswith("SIP/2.0/UDP 192.0.2.11:5064;")
    desk.accept()
    assert desk.changes() == ["registered", "registered"]


def test_the_old_contact_is_silent_and_recorded() -> None:
    desk = Desk().registered()
    before, unanswered = (a_request("NOTIFY", branch=branch) for branch in ("before", "unanswered"))
    desk.receive(before)
    desk.move(ELSEWHERE)
    desk.accept()
    desk.new()
    heard = len(desk.kinds())
    for data in (before, unanswered, unanswered, b"\0\0", a_request("OPTIONS", uri="<x>"), a_request("INVITE"),
                 response(desk.all_sent()[0], 200), unanswered):  # fmt: skip
        desk.receive(data, local=LOCAL)
    assert desk.sent() == []
    assert desk.kinds()[heard:] == [
        ("retransmission", "former"),  # answered before the move, and not to be counted again
        ("new", "former"),
        ("retransmission", "former"),
        ("malformed", "former"),
        ("malformed", "former"),
        ("new", "former"),
        ("retransmission", "former"),
        ("retransmission", "former"),
    ]
    desk.receive(unanswered)
    assert (desk.kinds()[-1], len(desk.sent())) == (("new", "current"), 1)
    desk.run(100.0)
    assert desk.sent() == []


@pytest.mark.parametrize("when", ["trying", "refreshing", "leaving", "idle"])
def test_a_move_at_any_time(when: str) -> None:
    desk = Desk()
    if when != "idle":
        desk.register(expires=100)
    if when == "refreshing":
        desk.accept()
        desk.run(80.5)
    if when == "leaving":
        desk.unregister()
    if when != "idle":
        assert desk.phone.state == when
    old = desk.all_sent()[-1:]
    desk.move(ELSEWHERE)
    desk.new()
    # the REGISTER of the old place is neither repeated nor heeded
    for register in old:
        desk.receive(response(register, 403), local=LOCAL)
    desk.run(1.0)
    assert {contact_of(one) for one in desk.sent()} == {"sip:desk@192.0.2.11:5064"}
    desk.accept()
    assert (desk.changes()[-1], desk.phone.state) == ("registered", "registered")
    assert "refused" not in desk.changes()


def test_a_move_to_where_it_is_registers_again() -> None:
    desk = Desk().registered()
    desk.receive(a_request("NOTIFY"))
    desk.move(LOCAL)
    desk.receive(a_request("NOTIFY"))
    assert [kind for kind, _ in desk.kinds()[-2:]] == ["new", "retransmission"]


# --- any registrar ---------------------------------------------------------------------------------------------------

HEADERS = st.sampled_from(
    [
        [],
        [challenge("n1")],
        [challenge("n1", stale=True)],
        [challenge("n2", qop=None)],
        [challenge("n3", stale=True), ("Min-Expires", "5")],
        [("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-256')],
        [("Proxy-Authenticate", challenge("n4")[1])],
        [("Min-Expires", "0")],
        [("Min-Expires", "4294967295")],
        [("Min-Expires", "²")],
        [("Expires", "0")],
        [("Expires", "1")],
        [("Expires", "9" * 4400)],
        [("Contact", "<sip:desk@192.0.2.10:5062>;expires=0")],
        [("Contact", "*"), ("Expires", "2")],
    ]
)
ANSWERS = st.tuples(st.sampled_from([100, 200, 200, 302, 401, 401, 407, 423, 423, 500]), HEADERS)
WISHES = st.sampled_from(["register", "brief", "zero", "unregister", "move", "wait"])


@given(steps=st.lists(ANSWERS | WISHES, max_size=40))
@settings(deadline=None)
def test_no_registrar_makes_it_loop_or_fall(steps: list[tuple[int, list[Header]] | str]) -> None:
    desk = Desk()
    wishes = 0
    for step in steps:
        if isinstance(step, tuple):
            if desk.all_sent():
                desk.answer(*step)
            continue
        wishes += 1
        match step:
            case "wait":
                desk.run(7.0)
            case "unregister":
                desk.unregister()
            case "move":
                desk.move(("192.0.2.11", 6000 + wishes))
            case _:
                desk.register(expires={"register": None, "brief": 5, "zero": 0}[step])
    registers = desk.all_sent("REGISTER")
    assert cseqs(registers) == list(range(1, len(registers) + 1))
    assert {one.call_id for one in registers} <= {registers[0].call_id if registers else ""}
    desk.run(200_000.0)
    assert desk.phone.state == "idle" or (desk.phone.next_deadline() or 0) > desk.now


@given(answer=ANSWERS)
@settings(deadline=None)
def test_the_same_answer_for_ever_is_given_up(answer: tuple[int, list[Header]]) -> None:
    desk = Desk()
    desk.register()
    for _ in range(50):
        desk.answer(*answer)
    assert len(desk.all_sent("REGISTER")) <= 5


def test_call_ids_begin_with_the_prefix_and_nothing_says_sipp() -> None:
    desk = Desk(prefix="rp-run-case-")
    desk.registered(100)
    desk.run(80.0)
    desk.accept()
    desk.move(ELSEWHERE)
    desk.accept()
    for number, method in enumerate(("OPTIONS", "NOTIFY", "INVITE", "BYE", "CANCEL", "MESSAGE", "FOO")):
        desk.receive(a_request(method, branch=f"b{number}"))
    desk.receive(a_request("OPTIONS", uri="<x>"))
    desk.unregister()
    desk.run(100.0)
    sent = [effect.data for _, effect in desk.log if isinstance(effect, Transmit)]
    assert len(sent) > 20
    assert not any(re.search(rb"sipp", data, re.IGNORECASE) for data in sent)
    requests = [one for one in map(Message.parse, sent) if one.is_request]
    assert {one.method for one in requests} == {"REGISTER"}
    assert all(one.call_id.startswith("rp-run-case-") for one in requests)


def test_a_username_is_escaped_where_it_is_a_uri() -> None:
    desk = Desk(username='a b@c:"d>é')
    desk.register()
    desk.answer(401, [challenge()])
    register = desk.last_sent()
    assert register.get("to") == "<sip:a%20b%40c%3A%22d%3E%C3%A9@a.example.com>"
    assert contact_of(register) == "sip:a%20b%40c%3A%22d%3E%C3%A9@192.0.2.10:5062"
    shown = Credentials.parse(credentials(register))
    assert shown.username == 'a b@c:"d>é'
    assert verify(shown, password="word", method="REGISTER")
