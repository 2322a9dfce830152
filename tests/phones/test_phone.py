"""What a phone answers and reports to whatever reaches it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.effects import Changed, Heard, Transmit
from phones.phone import Identity, Phone, format_address
from phones.sip.index import Message
from phones.sip.message import Address, response
from tests.phones.playbook import EDGE, LOCAL, Desk, a_request, challenge, granted, message, without
from tests.phones.sip.strategies import HOSTILE, broken

ALLOW = "INVITE, ACK, BYE, CANCEL, NOTIFY, OPTIONS, PRACK, UPDATE"


# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_notify_is_answered_to_the_octet() -> None:
    desk = Desk()
    data = a_request("NOTIFY", "Event: check-sync", "Subscription-State: terminated;reason=noresource")
    desk.receive(data)
    heard, sent = desk.new()
    assert isinstance(heard, Heard)
    assert (heard.data, heard.source, heard.local, heard.kind, heard.contact) == (data, EDGE, LOCAL, "new", "current")
    assert heard.message is not None
    assert heard.data == data
    assert isinstance(sent, Transmit)
    tag = (Message.parse(sent.data).get("to") or "").rpartition("=")[2]
    assert len(tag) == 8
    assert sent == Transmit(
        message(
            "SIP/2.0 200 OK",
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb1",
            "From: <sip:desk@a.example.com>;tag=f1",
            f"To: <sip:desk@a.example.com>;tag={tag}",
            "Call-ID: c1",
            "CSeq: 1 NOTIFY",
            "User-Agent: ringproof (simulated phone)",
            "Contact: <sip:desk@192.0.2.10:5062>",
            f"Allow: {ALLOW}",
            "Content-Length: 0",
        ),
        EDGE,
    )


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("OPTIONS", 200), ("NOTIFY", 200), ("INVITE", 486), ("BYE", 481), ("CANCEL", 481), ("REGISTER", 405),
        ("SUBSCRIBE", 405), ("MESSAGE", 405), ("INFO", 405), ("UPDATE", 481), ("REFER", 405), ("PRACK", 481),
        ("PUBLISH", 405), ("FOO", 501), ("options", 501), ("RE%47IST%45R", 501),
    ],
)  # fmt: skip
def test_every_method_has_its_answer(method: str, status: int) -> None:
    desk = Desk()
    desk.receive(a_request(method))
    [answer] = desk.sent()
    assert (answer.status, answer.method, answer.get("allow")) == (
        status,
        method,
        ALLOW if status in (200, 405, 501) else None,
    )
    assert answer.get("contact") == ("<sip:desk@192.0.2.10:5062>" if status == 200 else None)
    assert desk.kinds() == [("new", "current")]


@pytest.mark.parametrize("method", ["OPTIONS", "NOTIFY", "INVITE", "BYE", "CANCEL", "MESSAGE", "FOO"])
@pytest.mark.parametrize("status", [None, 200, 481, 503])
def test_answers_can_be_chosen(method: str, status: int | None) -> None:
    desk = Desk(refusals={method: status})
    desk.receive(a_request(method))
    assert [answer.status for answer in desk.sent()] == ([] if status is None else [status])
    assert desk.kinds() == [("new", "current")]
    desk.receive(a_request("OPTIONS" if method == "NOTIFY" else "NOTIFY", branch="b2"))
    assert [answer.status for answer in desk.sent()] == [200]


def test_other_answers_leave_an_invite_busy() -> None:
    desk = Desk(refusals={"NOTIFY": 489})
    desk.receive(a_request("INVITE"))
    assert [answer.status for answer in desk.sent()] == [486]


@pytest.mark.parametrize("state", ["idle", "trying", "registered", "refreshing", "leaving"])
def test_it_answers_at_any_time(state: str) -> None:
    desk = Desk()
    if state != "idle":
        desk.register(expires=100)
    if state in ("registered", "refreshing"):
        desk.accept()
    if state == "refreshing":
        desk.run(80.0)
    if state == "leaving":
        desk.unregister()
    assert desk.phone.state == state
    desk.new()
    desk.receive(a_request("NOTIFY"))
    assert [answer.status for answer in desk.sent()] == [200]


def test_a_refused_invite_until_its_ack() -> None:
    desk = Desk()
    desk.receive(a_request("INVITE"))
    desk.run(2.0)
    desk.receive(a_request("INVITE"))
    desk.receive(a_request("ACK"))
    desk.receive(a_request("ACK"))
    desk.run(100.0)
    log = [(time - 100.0, effect) for time, effect in desk.log]
    assert [(time, effect.kind) for time, effect in log if isinstance(effect, Transmit)] == [
        (0.0, "new"),
        (0.5, "retransmission"),
        (1.5, "retransmission"),
        (2.0, "retransmission"),
    ]
    assert len({effect.data for _, effect in log if isinstance(effect, Transmit)}) == 1
    assert [kind for kind, _ in desk.kinds()] == ["new", "retransmission", "new", "retransmission"]


def test_an_ack_of_nothing_is_stray() -> None:
    desk = Desk()
    desk.receive(a_request("ACK"))
    assert (desk.kinds(), desk.sent()) == ([("stray", "current")], [])


def test_a_repetition_is_recorded_as_one_and_answered_as_before() -> None:
    desk = Desk()
    for _ in range(3):
        desk.receive(a_request("NOTIFY"))
    sent = [effect for _, effect in desk.log if isinstance(effect, Transmit)]
    assert [kind for kind, _ in desk.kinds()] == ["new", "retransmission", "retransmission"]
    assert [one.kind for one in sent] == ["new", "retransmission", "retransmission"]
    assert len({one.data for one in sent}) == 1
    silent = Desk(refusals={"NOTIFY": None})
    for _ in range(2):
        silent.receive(a_request("NOTIFY"))
    assert ([kind for kind, _ in silent.kinds()], silent.sent()) == (["new", "retransmission"], [])


def test_responses_are_new_repeated_or_stray() -> None:
    desk = Desk()
    desk.register()
    register = desk.last_sent()
    for data in (
        response(register, 100),
        response(register, 401, headers=[challenge()]),
        response(register, 401, headers=[challenge()]),
        response(Message.parse(a_request("OPTIONS", branch="never")), 200),
    ):
        desk.receive(data)
    assert [kind for kind, _ in desk.kinds()] == ["new", "new", "retransmission", "stray"]
    assert len(desk.all_sent("REGISTER")) == 2


# --- where answers go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "remote", "copied"),
    [
        ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx", ("192.0.2.1", 5060), "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx"),
        (
            "SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKx",
            ("192.0.2.1", 7777),
            "SIP/2.0/UDP 192.0.2.1;rport=7777;branch=z9hG4bKx;received=192.0.2.1",
        ),
        ("SIP/2.0/UDP edge.com:5080", ("192.0.2.1", 5080), "SIP/2.0/UDP edge.com:5080;received=192.0.2.1"),
        ("SIP/2.0/UDP 198.51.100.6:53", ("192.0.2.1", 53), "SIP/2.0/UDP 198.51.100.6:53;received=192.0.2.1"),
        (
            "SIP/2.0/UDP 192.0.2.1;received=198.51.100.6;rport=53",
            ("192.0.2.1", 7777),
            "SIP/2.0/UDP 192.0.2.1;rport=7777;received=192.0.2.1",
        ),
        ("SIP/2.0/UDP h;rport=²", ("192.0.2.1", 7777), "SIP/2.0/UDP h;rport=7777;received=192.0.2.1"),
        ("SIP/2.0/UDP h:99999", ("192.0.2.1", 7777), "SIP/2.0/UDP h:99999;received=192.0.2.1"),
        ("SIP/2.0/UDP [::1", ("192.0.2.1", 7777), "SIP/2.0/UDP [::1;received=192.0.2.1"),
    ],
)  # fmt: skip
def test_answers_go_to_the_sender_only(via: str, remote: Address, copied: str) -> None:
    desk = Desk()
    data = a_request("OPTIONS", via=via)
    desk.receive(data, source=("192.0.2.1", 7777))
    heard, sent = desk.new()
    assert isinstance(heard, Heard)
    assert isinstance(sent, Transmit)
    assert (sent.remote, Message.parse(sent.data).get("via")) == (remote, copied)
    assert heard.message is not None
    assert heard.data == data
    desk.receive(data, source=("192.0.2.1", 7777))
    assert [one.raw for one in desk.sent()] == [sent.data]


def test_over_ipv6() -> None:
    phone = Phone(
        Identity("u", "p", "r"), local=("2001:db8::9", 5062), edge=("2001:db8::1", 5060), rng=random.Random(1)
    )
    phone.register(0.0)
    [sent] = phone.take()
    assert isinstance(sent, Transmit)
    assert Message.parse(sent.data).get("contact") == "<sip:u@[2001:db8::9]:5062>"
    assert Message.parse(sent.data).top_via.startswith("SIP/2.0/UDP [2001:db8::9]:5062;")
    assert format_address(("2001:db8::9", 1)) == "[2001:db8::9]:1"
    phone.receive(a_request("OPTIONS", via="SIP/2.0/UDP [2001:db8::1]:5070"), ("2001:db8::1", 5060), phone.local, 0.0)
    assert [effect.remote for effect in phone.take() if isinstance(effect, Transmit)] == [("2001:db8::1", 5070)]


# --- malformed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (a_request("OPTIONS", uri="<sip:a>"), 400),
        (a_request("OPTIONS", uri="sip:a b"), 400),
        (a_request("OPTIONS").replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia"), 505),
        (a_request("OPTIONS").replace(b"1 OPTIONS", b"1 INFO"), 400),
        (a_request("OPTIONS").replace(b"1 OPTIONS", b"99999999999 OPTIONS"), 400),
        (a_request("OPTIONS").replace(b"Length: 0", b"Length: 9"), 400),
        (a_request("OPTIONS").replace(b"Length: 0", b"Length: -9"), 400),
        (a_request("OPTIONS", "l: 9"), 400),
    ],
)
def test_a_malformed_request_is_refused(data: bytes, status: int) -> None:
    desk = Desk()
    desk.receive(data)
    heard, sent = desk.new()
    assert heard == Heard(data, EDGE, LOCAL, "malformed", "current", None)
    assert isinstance(sent, Transmit)
    assert (sent.data[:12], sent.remote) == (f"SIP/2.0 {status} ".encode(), EDGE)


@pytest.mark.parametrize(
    "data",
    [
        without(a_request("OPTIONS"), "From"),
        without(a_request("OPTIONS"), "To"),
        without(a_request("NOTIFY"), "Via"),
        a_request("NOTIFY", "f: <sip:other@b>;tag=2"),
        a_request("MESSAGE", "CSeq: 2 MESSAGE"),
    ],
)
def test_a_request_with_a_flaw_is_readable_but_refused(data: bytes) -> None:
    desk = Desk()
    desk.receive(data)
    [answer] = desk.sent()
    assert (desk.kinds(), answer.status, answer.method) == ([("new", "current")], 400, Message.parse(data).method)
    assert answer.get("from") in (None, "<sip:desk@a.example.com>;tag=f1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\0",
        b"\r\n\r\n",
        b"\xff" * 1500,
        a_request("ACK", uri="<sip:a>"),
        a_request("OPTIONS", "no colon"),
        without(a_request("OPTIONS", uri="<sip:a>"), "Via"),
        without(a_request("OPTIONS"), "Call-ID"),
        message("SIP/2.0 999 x", "Via: SIP/2.0/UDP h", "Call-ID: c", "CSeq: 1 OPTIONS"),
    ],
)
def test_garbage_is_recorded_and_not_answered(data: bytes) -> None:
    desk = Desk()
    desk.receive(data)
    assert (desk.kinds(), desk.sent()) == ([("malformed", "current")], [])


# --- arbitrary bytes, any order --------------------------------------------------------------------------------------


def test_a_phone_sends_whatever_it_is_told() -> None:
    desk = Desk()
    desk.phone.send(b"\xff")
    desk.phone.send(b"x", ("198.51.100.1", 9))
    assert desk.phone.take() == [Transmit(b"\xff", EDGE), Transmit(b"x", ("198.51.100.1", 9))]
    assert desk.phone.take() == []
    assert desk.phone.next_deadline() is None


def test_a_password_is_not_shown() -> None:
    desk = Desk(password="sesame")
    assert "sesame" not in repr(desk.phone) + repr(desk.phone.identity)


def test_the_same_seed_makes_the_same_bytes() -> None:
    logs = []
    for _ in range(2):
        desk = Desk().registered()
        desk.receive(a_request("NOTIFY"))
        logs.append([effect.data for _, effect in desk.log if isinstance(effect, Transmit)])
    assert logs[0] == logs[1]


KNOWN = [
    a_request("NOTIFY", "Event: check-sync"),
    a_request("INVITE", body=b"v=0\r\n"),
    a_request("ACK"),
    a_request("OPTIONS", via="SIP/2.0/UDP h;rport;received=192.0.2.7"),
    message(
        "SIP/2.0 200 OK", "Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1", "Call-ID: rp-7-1", "CSeq: 1 REGISTER"
    ),
]
STEPS = st.one_of(
    st.tuples(st.just("bytes"), broken(*KNOWN) | st.binary(max_size=60)),
    st.tuples(st.just("former"), broken(*KNOWN)),
    st.tuples(st.just("answer"), broken(a_request("NOTIFY", "WWW-Authenticate: x", "Expires: 7", "Min-Expires: 9"))),
    st.tuples(st.sampled_from(["register", "unregister", "move", "wait", "accept"]), st.just(b"")),
)


@given(steps=st.lists(STEPS, max_size=20))
@settings(deadline=None)
def test_nothing_that_arrives_breaks_a_phone(steps: list[tuple[str, bytes]]) -> None:
    desk = Desk()
    for number, (what, data) in enumerate(steps):
        heard = len(desk.kinds())
        if what == "bytes":
            desk.receive(data)
            assert len(desk.kinds()) == heard + 1
        elif what == "former":
            desk.new()
            desk.receive(data, local=("192.0.2.99", 1))
            assert (desk.kinds()[-1][1], desk.sent()) == ("former", [])
        elif what == "answer" and desk.all_sent("REGISTER"):
            # a true response as far as the transaction goes, and anything after it
            register = desk.all_sent("REGISTER")[-1]
            _, _, rest = data.partition(b"\r\n")
            head = response(register, [200, 401, 407, 423, 503][number % 5]).partition(b"\r\n\r\n")[0]
            desk.receive(head + b"\r\n" + rest)
        elif what == "accept" and desk.all_sent("REGISTER"):
            register = desk.all_sent("REGISTER")[-1]
            desk.receive(response(register, 200, headers=granted(register)))
        elif what == "wait":
            desk.run(20.0)
        elif what == "register":
            desk.register(expires=30)
        elif what == "unregister":
            desk.unregister()
        elif what == "move":
            desk.move(("192.0.2.12", 7000 + number))
    for _, effect in desk.log:
        if isinstance(effect, Transmit):
            assert 0 < effect.remote[1] < 65536
            assert b"\r\n\r\n" in effect.data
        elif isinstance(effect, Changed):
            assert effect.state in ("registered", "refused", "unregistered", "expired", "unanswered")
    desk.run(500.0)
    following = desk.phone.next_deadline()
    assert following is None or following > desk.now


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_costs_no_square(piece: str) -> None:
    again = piece * (60_000 // len(piece))
    desk = Desk()
    desk.register()
    register = desk.last_sent()
    for name in ("Contact", "WWW-Authenticate", "Min-Expires", "Expires", "To", "Via"):
        desk.receive(a_request("NOTIFY", f"{name}: {again}", branch=name))
        for status in (200, 401, 423):
            desk.phone.register(desk.now)
            desk.collect()
            register = desk.last_sent()
            desk.receive(response(register, status, headers=[(name, again)]))
