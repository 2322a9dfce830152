"""A phone that registers its flow (RFC 5626): what it says and hears, and how the flow lives on."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from phones.effects import Changed, KeepAlive
from phones.net import Connection, Listener, Peer, Timer
from phones.net_flow import Flow
from phones.personality import Personality
from phones.sip.framing import PING
from phones.sip.index import Message
from phones.sip.message import Address
from phones.sip.transport import Transport
from tests.phones.playbook import EDGE, Desk, Header, a_request, challenge

OUTBOUND = Personality(outbound=True)
REQUIRED = ("Require", "outbound")
CONTACT = re.compile(
    r'<sip:desk@192\.0\.2\.\d+:\d+;transport=tcp>;\+sip\.instance="<(urn:uuid:[0-9a-f-]{36})>";reg-id=1'
)


def accepted(desk: Desk, *headers: Header) -> None:
    """Let the registrar accept the newest REGISTER, and repeat its Contact with all its parameters."""
    register = desk.last_sent()
    desk.answer(200, [("Contact", f"{register.get('contact')};expires=600"), *headers])


def registered(*headers: Header) -> Desk:
    desk = Desk(transport=Transport.TCP, personality=OUTBOUND)
    desk.register()
    desk.answer(401, [challenge()])
    accepted(desk, *headers)
    assert desk.last_change() == Changed("registered", 200, "OK", 600)
    return desk


def instance(register: Message) -> str:
    match = CONTACT.fullmatch(register.get("contact") or "")
    assert match is not None
    return match[1]


def pings(desk: Desk) -> list[float]:
    return [effect.seconds for _, effect in desk.log if isinstance(effect, KeepAlive)]


def test_a_phone_that_does_not_says_nothing_of_it() -> None:
    desk = Desk().registered()
    for register in desk.all_sent("REGISTER"):
        assert (register.get("supported"), register.get("contact")) == (None, "<sip:desk@192.0.2.10:5062>")
    assert pings(desk) == []


def test_every_register_names_instance_and_flow_and_no_gruu() -> None:
    desk = registered(REQUIRED)
    desk.register()
    accepted(desk, REQUIRED)
    desk.unregister()
    sent = desk.all_sent("REGISTER")
    assert len({instance(each) for each in sent}) == 1
    assert {each.get("supported") for each in sent} == {"outbound, path"}
    assert [each.get("expires") for each in sent] == ["600", "600", "600", "0"]
    assert not any("gruu" in str(each.headers) for each in sent)


def test_the_instance_outlives_a_lost_connection_a_move_and_a_reboot() -> None:
    desk = registered(REQUIRED)
    desk.disconnected()
    desk.run(1.0)
    accepted(desk, REQUIRED)
    desk.move(("192.0.2.11", 5070))
    accepted(desk, REQUIRED)
    desk.do(lambda now: desk.phone._registering.begin_anew())
    desk.register()
    sent = desk.all_sent("REGISTER")
    assert len({instance(each) for each in sent}) == 1
    assert len({each.call_id for each in sent}) == 2


def test_two_phones_are_two_instances() -> None:
    first, second = (Desk(transport=Transport.TCP, personality=OUTBOUND, seed=seed) for seed in (1, 2))
    for desk in (first, second):
        desk.register()
    assert instance(first.last_sent()) != instance(second.last_sent())


@pytest.mark.parametrize(
    ("headers", "granted"), [([REQUIRED], True), ([("Require", "path, Outbound")], True), ([], False)]
)
def test_dialogs_stay_on_the_flow_that_is_promised(headers: list[Header], granted: bool) -> None:
    desk = registered(*headers)
    ob = ";ob" if granted else ""
    desk.subscribe()
    assert desk.last_sent().get("contact") == f"<{desk.phone.contact}{ob}>"
    desk.receive(a_request("OPTIONS"))
    assert desk.last_sent().get("contact") == f"<{desk.phone.contact}{ob}>"
    desk.do(lambda now: desk.phone.calls.place("sip:1002@a.example.com", None, now))
    assert desk.last_sent().get("contact") == f"<{desk.phone.contact}{ob}>"


@pytest.mark.parametrize(
    ("timer", "between"),
    [
        ("30", (24.0, 30.0)),
        (None, (95.0, 120.0)),
        ("0", (95.0, 120.0)),
        ("soon", (95.0, 120.0)),
        ("99999", (95.0, 120.0)),
    ],
)
def test_a_flow_is_kept_alive_as_the_edge_wants(timer: str | None, between: tuple[float, float]) -> None:
    desk = registered(REQUIRED, *([("Flow-Timer", timer)] if timer else []))
    [seconds] = pings(desk)
    assert between[0] <= seconds <= between[1]


def test_who_promises_nothing_is_not_pinged_for_it() -> None:
    assert pings(registered(("Flow-Timer", "30"))) == []


def test_where_the_first_hop_lacks_it_the_phone_registers_without() -> None:
    desk = Desk(transport=Transport.TCP, personality=OUTBOUND)
    desk.register()
    desk.answer(439)
    again = desk.last_sent()
    assert (again.get("supported"), again.get("contact")) == (None, f"<{desk.phone.contact}>")
    desk.answer(439)
    assert desk.last_change() == Changed("refused", 439, "", 0)


# --- the connection --------------------------------------------------------------------------------------------------


class Hand:
    """A clock that is moved by hand, and a wire whose connections keep what they are given."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[..., Any], tuple[Any, ...]]] = []
        self.sent: list[tuple[float, bytes]] = []
        self.octets = 0
        self.closed = 0

    local: Address = ("192.0.2.10", 40_000)

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any) -> Timer:
        entry = (when, callback, args)
        self.due.append(entry)
        return Pending(self, entry)

    def run(self, until: float) -> None:
        while self.due and min(self.due, key=lambda each: each[0])[0] <= until:
            entry = min(self.due, key=lambda each: each[0])
            self.due.remove(entry)
            self.now = entry[0]
            entry[1](*entry[2])
        self.now = until

    def connection(self, transport: Transport, peer: Peer, host: str = "127.0.0.1") -> Connection:
        return self

    async def listen(self, *_: Any) -> Listener:
        raise OSError("no port of this wire can be listened on: a phone only calls")

    async def gone(self) -> None:
        """Nobody lingers."""

    def connect(self, remote: Address) -> None:
        """It is there at once."""

    def send(self, data: bytes) -> None:
        self.sent.append((self.now, data))

    def close(self) -> None:
        self.closed += 1


class Pending:
    def __init__(self, hand: Hand, entry: Any) -> None:
        self._hand, self._entry = hand, entry

    def cancel(self) -> None:
        self._hand.due.remove(self._entry)


def a_flow(transport: Transport = Transport.TCP) -> tuple[Hand, Flow, list[str]]:
    hand, lost = Hand(), list[str]()
    flow = Flow(hand, hand, transport, lambda data, source: None, lost.append, "192.0.2.10")
    flow.send(b"hello", EDGE)
    return hand, flow, lost


def test_a_ping_comes_as_often_as_was_agreed_and_wants_its_answer() -> None:
    hand, flow, lost = a_flow()
    flow.keep_alive(24.0)
    hand.run(24.0)
    assert hand.sent[1:] == [(24.0, PING)]
    hand.octets += 2
    hand.run(58.0)
    assert (hand.sent[2:], lost) == ([(58.0, PING)], [])
    hand.run(68.0)
    assert (lost, hand.closed) == (["no answer to a keep-alive"], 1)


def test_who_has_promised_nothing_is_pinged_now_and_then_and_need_not_answer() -> None:
    hand, _, lost = a_flow()
    hand.run(300.0)
    assert [when for when, data in hand.sent if data == PING] == [95.0, 200.0]
    assert lost == []


def test_a_websocket_pings_for_itself() -> None:
    hand, flow, _ = a_flow(Transport.WS)
    flow.keep_alive(10.0)
    hand.run(300.0)
    assert hand.sent == [(0.0, b"hello")]
