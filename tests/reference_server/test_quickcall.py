"""Quickcall, leg A: what the device gets, and what becomes of its answers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from phones.sip.machine import Machine
from reference_server.effects import SendSip
from reference_server.quickcall import LEG
from tests.reference_server.playbook import Bench, Phone, changed

LAYOUT = [
    "Record-Route",
    "Via",
    "Via",
    "Max-Forwards",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Call-Info",
    "User-Agent",
    "Allow",
    "Supported",
    "Allow-Events",
    "Content-Type",
    "Content-Disposition",
    "Content-Length",
    "Remote-Party-ID",
]
"""Headers of a recorded INVITE of leg A, in their order."""


def called(number: str = "1002", query: str = "", **rules: Any) -> tuple[Bench, Phone]:
    bench = Bench(changed(**rules))
    phone = bench.registered()
    assert bench.api("GET", f"{bench.url()}/quickcall/{number}{query}").status == 200
    return bench, phone


def methods(phone: Phone) -> list[str]:
    """Requests that the phone got since it was registered, retransmissions left out."""
    seen = {message.raw: message.method for message in phone.taken if message.is_request}
    return [method for method in seen.values() if method != "NOTIFY"]


def test_looks_as_recorded() -> None:
    bench, phone = called()
    bench.run(0.2)
    invite = phone.last
    caller = f'"Device QuickCall" <sip:1002@{phone.realm}>'
    assert invite.start_line == f"INVITE {phone.contact} SIP/2.0"
    assert [name for name, _ in invite.headers] == LAYOUT
    assert (invite.get("from") or "").startswith(f"{caller};tag=")
    assert invite.get("to") == f"<sip:{phone.username}@{phone.realm}>"
    assert re.fullmatch(r"[0-9a-f]{36}-quickcall", invite.call_id)
    assert invite.get("call-info") == "<sip:127.0.0.1>;answer-after=0"
    assert invite.get("remote-party-id") == f"{caller};party=calling;screen=yes;privacy=off"
    assert invite.get("contact") == "<sip:mod_sofia@127.0.0.1:11000>"
    assert invite.body.startswith(b"v=0\r\no=FreeSWITCH ")


def test_the_reply_is_the_originate_request() -> None:
    bench = Bench()
    bench.registered()
    data = bench.api("GET", f"{bench.url()}/quickcall/10-02?timeout=5").data
    assert data["application_data"] == {"route": "10-02"}
    assert data["outbound_caller_id_name"] == "Device QuickCall"
    assert data["outbound_caller_id_number"] == "1002"
    assert data["timeout"] == 5
    bench.run(0.2)
    assert bench.sent[-1].message.call_id == data["endpoints"][0]["outbound_call_id"]


@pytest.mark.parametrize(
    ("query", "rules", "hint"),
    [
        ("", {}, True),
        ("?auto_answer=false", {}, False),
        ("", {"quickcall__auto_answer": "none"}, False),
    ],
)
def test_auto_answer(query: str, rules: dict[str, Any], hint: bool) -> None:
    bench, phone = called(query=query, **rules)
    bench.run(0.2)
    assert (phone.last.get("call-info") is not None) is hint


def test_an_answered_call_is_hung_up() -> None:
    bench, phone = called()
    phone.answers["INVITE"] = (180, 200)
    bench.run(1.0)
    assert methods(phone) == ["INVITE", "ACK", "BYE"]
    invite, ack, bye = (message for message in phone.taken if message.method in ("INVITE", "ACK", "BYE"))
    assert ack.cseq == invite.cseq
    assert bye.cseq == invite.cseq + 1
    assert "tag=phone" in (bye.get("to") or "")
    assert bye.get("reason") == 'Q.850;cause=16;text="NORMAL_CLEARING"'
    assert bench.run(60.0) == []


def test_a_repeated_200_is_acknowledged_again() -> None:
    bench, phone = called()
    phone.answers["INVITE"] = (200, 200)
    bench.run(1.0)
    sent = [item.message.method for item in bench.sent if item.message.method in ("ACK", "BYE")]
    assert sent == ["ACK", "BYE", "ACK"]


@pytest.mark.parametrize("status", [486, 603, 300])
def test_a_refused_call_is_over(status: int) -> None:
    bench, phone = called()
    phone.answers["INVITE"] = (180, status)
    bench.run(60.0)
    assert methods(phone) == ["INVITE", "ACK"]


def test_ring_time() -> None:
    bench, phone = called(query="?timeout=5")
    asked = bench.now
    phone.answers |= {"INVITE": (180,), "CANCEL": (200,)}
    bench.run(4.9)
    assert methods(phone) == ["INVITE"]
    bench.run(1.0)
    assert methods(phone) == ["INVITE", "CANCEL"]
    cancel = phone.last
    assert bench.sent[-1].time - asked == 5.0
    assert cancel.branch == next(m.branch for m in phone.taken if m.method == "INVITE")
    assert cancel.get("reason") == 'Q.850;cause=19;text="NO_ANSWER"'


@pytest.mark.parametrize("timeout", ["3", "0", "-1", "abc", "9" * 5000])
def test_a_bad_timeout_is_the_default(timeout: str) -> None:
    bench, phone = called(query=f"?timeout={timeout}", quickcall__ring_s=6.0)
    phone.answers["INVITE"] = (180,)
    bench.run(5.9)
    assert "CANCEL" not in methods(phone)
    bench.run(1.0)
    assert "CANCEL" in methods(phone)


def test_cancel_waits_for_a_provisional_answer() -> None:
    bench, phone = called(query="?timeout=4")
    bench.run(6.0)
    assert set(methods(phone)) == {"INVITE"}
    phone.answers["INVITE"] = (180,)
    bench.run(4.0)
    assert "CANCEL" in methods(phone)


def test_a_silent_phone_is_given_up() -> None:
    bench, phone = called()
    bench.run(60.0)
    assert set(methods(phone)) == {"INVITE"}
    assert bench.run(600.0) == []


def test_the_phone_hangs_up_first() -> None:
    bench, phone = called()
    phone.answers |= {"INVITE": (200,), "BYE": ()}
    bench.run(0.2)
    phone.call_id = next(m.call_id for m in phone.taken if m.method == "INVITE")
    final = phone.send("BYE")
    assert final is not None
    assert final.status == 200
    again = phone.send("BYE")
    assert again is not None
    assert again.status in (200, 481)


def test_nobody_registered() -> None:
    bench = Bench()
    assert bench.api("GET", f"{bench.url()}/quickcall/1002").status == 200
    assert bench.run(40.0) == []


def test_disabled() -> None:
    bench = Bench()
    bench.api("PATCH", bench.url(), {"enabled": False})
    reply = bench.api("GET", f"{bench.url()}/quickcall/1002")
    assert (reply.status, reply.json["message"]) == (500, "unspecified_fault")


@pytest.mark.parametrize("who", ["token", "key", "query", "nobody", "garbage", "stranger"])
@pytest.mark.parametrize("access", ["anyone", "token", "token_or_key"])
def test_access(access: str, who: str) -> None:
    bench = Bench(changed(quickcall__access=access))
    phone = bench.registered()
    seed = bench.server.seed
    tokens = {
        "token": seed.auth_token,
        "key": seed.api_key,
        "query": None,
        "nobody": None,
        "garbage": "x",
        "stranger": seed.other_account.auth_token,
    }
    query = f"?auth_token={seed.api_key}" if who == "query" else ""
    reply = bench.api("GET", f"{bench.url()}/quickcall/1002{query}", token=tokens[who])
    expected = {"token": 200, "nobody": 401, "garbage": 401, "stranger": 403}
    expected |= dict.fromkeys(("key", "query"), 200 if access == "token_or_key" else 401)
    status = 200 if access == "anyone" else expected[who]
    bench.run(0.2)
    assert (reply.status, methods(phone)) == (status, ["INVITE"] if status == 200 else [])


def test_a_key_opens_nothing_else() -> None:
    bench = Bench()
    assert bench.api("GET", "/devices", token=bench.server.seed.api_key).status == 401


@pytest.mark.parametrize(
    ("number", "query", "shown"),
    [
        ("10-02", "", "1002"),
        ("10-02", "?number_filter=false", "10-02"),
        ("%2B1415", "", "+1415"),
        ("1%0d%0aEvil:1", "", "1"),
        ("1%222", "", "1%222"),
        ("1%40x%3E", "", "1%40x%3E"),
    ],
)
def test_the_number_that_is_shown(number: str, query: str, shown: str) -> None:
    bench, phone = called(number, query)
    bench.run(0.2)
    assert (phone.last.get("from") or "").startswith(f'"Device QuickCall" <sip:{shown}@{phone.realm}>;tag=')
    assert phone.last.get("evil") is None


def test_even_a_broken_message_is_sent_where_the_rule_says_so() -> None:
    bench = Bench(changed(registrar__line_breaks="passed"))
    phone = bench.registered()
    bench.phones.clear()
    bench.api("GET", f"{bench.url()}/quickcall/1%0d%0a%0d%0arest")
    bench.now += 1.0
    bench.server.handle_timer(bench.now)
    (effect,) = bench.server.take()
    assert isinstance(effect, SendSip)
    assert effect.remote == phone.address
    assert b"<sip:1\r\n\r\nrest@" in effect.data
    bench.now += 60.0
    bench.server.handle_timer(bench.now)
    assert bench.server.errors == []


@pytest.mark.parametrize("state", [state for state in LEG.states if state != LEG.final])
@pytest.mark.parametrize("event", LEG.events)
def test_every_event_in_every_state(state: str, event: str) -> None:
    machine = Machine(LEG, {"ring": lambda _: 30.0, "linger": lambda _: 32.0}, 0.0)
    machine.state = state
    actions = machine.fire(event, 1.0)
    assert set(actions) <= {"acknowledge", "hang up", "cancel"}
    assert machine.state in LEG.states
    # nothing stays for ever: a leg has ended, or a timer runs, or the INVITE transaction still does
    assert machine.ended or machine.deadlines or machine.state in ("calling", "ringing", "overdue")
    assert ("cancel" in actions) == (machine.state == "cancelled" and state in ("ringing", "overdue"))
