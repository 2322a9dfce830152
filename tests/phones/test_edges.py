"""A phone whose edge does not answer goes on to the next, and says so (RFC 3263 4.3)."""

from __future__ import annotations

import pytest

from phones.edges import Edges
from phones.effects import Changed, HangUp, Transmit, Turned
from phones.sip.message import Address
from phones.sip.transport import Transport
from tests.phones.playbook import EDGE, Desk, granted
from tests.phones.test_recovery import notify

SECOND: Address = ("192.0.2.2", 5062)
THIRD: Address = ("192.0.2.3", 5063)


def desk(transport: Transport = Transport.UDP) -> Desk:
    return Desk(transport=transport, other_edges=(SECOND, THIRD))


def turns(desk: Desk) -> list[tuple[Address, Address, int, str]]:
    found = [effect for _, effect in desk.log if isinstance(effect, Turned)]
    return [(each.former, each.edge, each.status, each.reason) for each in found]


def asked(desk: Desk, method: str = "REGISTER") -> list[Address]:
    """Whom requests of a method went to, in order, repetitions left out."""
    sent = [effect for _, effect in desk.log if isinstance(effect, Transmit) and effect.kind == "new"]
    return [effect.remote for effect in sent if effect.data.startswith(method.encode())]


def test_one_after_the_other_and_then_from_the_first() -> None:
    edges = Edges(EDGE, (SECOND, THIRD))
    assert [(edges.turn(), edges.current) for _ in range(4)] == [
        (True, SECOND), (True, THIRD), (False, EDGE), (True, SECOND),
    ]  # fmt: skip
    edges.settle()
    assert [(edges.turn(), edges.current) for _ in range(3)] == [(True, EDGE), (True, THIRD), (False, EDGE)]
    assert [(alone.turn(), alone.current) for alone in [Edges(EDGE)]] == [(False, EDGE)]


def test_silence_leads_to_the_next_edge() -> None:
    phone = desk()
    phone.register()
    phone.run(33.0)
    assert asked(phone) == [EDGE, SECOND]
    assert turns(phone) == [(EDGE, SECOND, 0, "")]
    phone.accept()
    assert (phone.changes(), phone.phone.edge) == (["registered"], SECOND)
    # and there it stays
    phone.run(480.0)
    assert asked(phone)[2:] == [SECOND]


def test_503_leads_to_the_next_edge_at_once() -> None:
    phone = desk()
    phone.register()
    phone.answer(503)
    phone.answer(503)
    assert asked(phone) == [EDGE, SECOND, THIRD]
    assert [(each[2], each[3]) for each in turns(phone)] == [(503, "Service Unavailable")] * 2
    phone.accept()
    assert phone.changes() == ["registered"]


@pytest.mark.parametrize("status", [403, 404, 500, 502, 504, 603])
def test_another_refusal_is_an_answer(status: int) -> None:
    phone = desk()
    phone.register()
    phone.answer(status)
    assert (asked(phone), turns(phone), phone.changes()) == ([EDGE], [], ["refused"])


def test_when_all_have_failed_the_phone_says_so_once_and_begins_with_the_first() -> None:
    phone = desk()
    phone.register()
    for _ in range(3):
        phone.answer(503)
    assert asked(phone) == [EDGE, SECOND, THIRD]
    assert phone.last_change() == Changed("refused", 503, "Service Unavailable", 0)
    phone.register()
    assert asked(phone)[3:] == [EDGE]


@pytest.mark.parametrize("transport", [each for each in Transport if each.reliable])
def test_a_connection_that_cannot_be_made_leads_to_the_next_edge(transport: Transport) -> None:
    phone = desk(transport)
    phone.register()
    phone.disconnected("connection refused")
    assert asked(phone) == [EDGE, SECOND]
    assert turns(phone) == [(EDGE, SECOND, 0, "connection refused")]
    phone.disconnected("connection refused")
    phone.accept()
    assert (phone.changes(), phone.phone.edge) == (["registered"], THIRD)


@pytest.mark.parametrize("transport", [each for each in Transport if each.reliable])
def test_503_on_a_connection_is_left_before_the_next_is_asked(transport: Transport) -> None:
    phone = desk(transport)
    phone.register()
    phone.answer(503, reason="Busy")
    assert [effect for _, effect in phone.log if isinstance(effect, HangUp)] == [HangUp("503 Busy")]
    assert asked(phone) == [EDGE]
    phone.phone.disconnected("503 Busy", phone.now, ("192.0.2.10", 7000))
    phone.collect()
    register = phone.last_sent()
    assert asked(phone) == [EDGE, SECOND]
    # the new connection begins elsewhere
    assert "192.0.2.10:7000" in register.top_via
    assert "192.0.2.10:7000" in (register.get("contact") or "")
    phone.answer(200, granted(register))
    assert phone.changes() == ["registered"]


def test_who_is_unregistered_meanwhile_asks_nobody_else() -> None:
    phone = desk(Transport.TCP)
    phone.register()
    phone.answer(503)
    phone.unregister()
    assert [each.get("expires") for each in phone.all_sent("REGISTER")] == ["600", "0"]
    phone.disconnected("503 Service Unavailable")
    phone.run(100.0)
    assert len(phone.all_sent("REGISTER")) == 2


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
def test_lamps_follow_to_the_next_edge_in_new_dialogs(transport: Transport) -> None:
    phone = desk(transport).registered(600)
    phone.subscribe()
    phone.answer(200, [("Expires", "600"), ("Contact", "<sip:edge@192.0.2.7:5090>")])
    notify(phone)
    phone.register()
    if transport.reliable:
        phone.disconnected("reset")
    else:
        phone.run(33.0)
    phone.accept()
    phone.run(1.0)
    first, second = phone.all_sent("SUBSCRIBE")
    assert asked(phone, "SUBSCRIBE") == [EDGE, SECOND]
    # the old dialog leads by an edge that is gone
    assert first.call_id != second.call_id
    assert "tag=" not in (second.get("to") or "")
    phone.answer(200, [("Expires", "600"), ("Contact", "<sip:edge@192.0.2.7:5090>")])
    assert [state for state, *_ in phone.watched()] == ["active", "terminated", "active"]
    assert phone.watched()[1][2] == "another edge"


def test_who_only_watches_goes_on_as_well() -> None:
    phone = desk(Transport.TCP)
    phone.subscribe()
    phone.disconnected("connection refused")
    assert asked(phone, "SUBSCRIBE") == [EDGE, SECOND]
    phone.answer(200, [("Expires", "600"), ("Contact", "<sip:edge@192.0.2.7:5090>")])
    assert [state for state, *_ in phone.watched()] == ["active"]


def test_who_is_registered_leaves_it_to_the_registration() -> None:
    phone = desk().registered(600)
    phone.subscribe()
    phone.run(33.0)
    assert asked(phone, "SUBSCRIBE") == [EDGE]
    assert turns(phone) == []
