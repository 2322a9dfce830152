"""Quickcall: what the device gets, what the number gets, and what becomes of their answers."""

from __future__ import annotations

import re
from typing import Any

import pytest

from phones.sip.index import Message
from reference_server.effects import SendSip
from reference_server.states import ChannelState, Direction
from tests.reference_server.calling import (
    MEDIA,
    Caller,
    cellphone,
    desk,
    forgotten,
    log_of,
    media_of,
    office,
    states,
    trunk,
)
from tests.reference_server.playbook import Bench, changed

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


def called(number: str = "1002", query: str = "", **rules: Any) -> tuple[Bench, Caller, Caller]:
    """A quickcall of the first desk to `number`; the second desk has 1002."""
    bench = Bench(changed(**rules))
    a, b = office(bench)
    assert bench.api("GET", f"{bench.url()}/quickcall/{number}{query}").status == 200
    return bench, a, b


def shown(message: Message) -> str:
    return (message.get("from") or "").partition(";tag=")[0]


def test_looks_as_recorded() -> None:
    bench, phone, _ = called()
    bench.run(0.2)
    invite = phone.invites[0]
    caller = f'"Device QuickCall" <sip:1002@{phone.realm}>'
    assert invite.start_line == f"INVITE {phone.contact} SIP/2.0"
    assert [name for name, _ in invite.headers] == LAYOUT
    assert (invite.get("from") or "").startswith(f"{caller};tag=")
    assert invite.get("to") == f"<sip:{phone.user}@{phone.realm}>"
    assert re.fullmatch(r"[0-9a-f]{36}-quickcall", invite.call_id)
    assert invite.get("call-info") == "<sip:127.0.0.1>;answer-after=0"
    assert invite.get("remote-party-id") == f"{caller};party=calling;screen=yes;privacy=off"
    assert invite.get("contact") == "<sip:mod_sofia@127.0.0.1:11000>"
    assert invite.body.startswith(b"v=0\r\no=FreeSWITCH ")


def test_the_reply_is_the_originate_request() -> None:
    bench = Bench()
    a, _ = office(bench)
    device = bench.server.seed.devices[0]
    data = bench.api("GET", f"{bench.url()}/quickcall/10-02?timeout=5&cid-name=Ann%20B&auth_token=x").data
    owner = {
        "account_id": bench.server.seed.account_id,
        "authorizing_type": "device",
        "authorizing_id": device.id,
    }
    (endpoint,) = data.pop("endpoints")
    call_id = endpoint.pop("outbound_call_id")
    assert endpoint == {
        "invite_format": "contact",
        "to_user": a.user,
        "to_username": a.user,
        "to_realm": a.realm,
        "to_did": "1002",
        "privacy_method": "kazoo",
        "endpoint_id": device.id,
        "presence_id": f"1001@{a.realm}",
        "custom_sip_headers": {"x_kazoo_invite_format": "contact", "x_kazoo_aor": f"sip:{a.user}@{a.realm}"},
        "custom_channel_vars": {
            **owner,
            "sip_invite_domain": a.realm,
            "media_encryption_enforce_security": True,
            "auto_answer": True,
        },
        "flags": {"dynamic": [], "static": []},
        "ignore_completed_elsewhere": True,
    }
    assert data == {
        "application_name": "transfer",
        "application_data": {"route": "10-02"},
        "continue_on_fail": False,
        "custom_application_vars": {"timeout": "5", "cid_name": "Ann B"},
        "custom_channel_vars": {**owner, "inherit_codec": "false", "retain_cid": "true"},
        "dial_endpoint_method": "simultaneous",
        "export_custom_channel_vars": [
            "Account-ID",
            "Authorizing-ID",
            "Authorizing-Type",
            "Outbound-Callee-ID-Name",
            "Outbound-Callee-ID-Number",
            "Retain-CID",
        ],
        "ignore_early_media": True,
        "media": "process",
        "outbound_callee_id_name": "Ann B",
        "outbound_callee_id_number": "1001",
        "outbound_caller_id_name": "Device QuickCall",
        "outbound_caller_id_number": "1002",
        "timeout": 5,
    }
    bench.run(0.2)
    assert a.invites[0].call_id == call_id


@pytest.mark.parametrize(("rule", "rings"), [("forgotten", 0), ("waited_for", 1)])
def test_a_device_that_registers_later(rule: str, rings: int) -> None:
    bench = Bench(changed(quickcall__unregistered=rule))
    bench.api("GET", f"{bench.url()}/quickcall/1002")
    bench.run(2.0)
    phone = desk(bench)
    bench.run(50.0)
    assert len(phone.invites) == rings


@pytest.mark.parametrize(
    ("query", "rules", "hint"),
    [
        ("", {}, True),
        ("?auto_answer=false", {}, False),
        ("", {"quickcall__auto_answer": "none"}, False),
        ("?auto_answer=false", {"quickcall__auto_answer": "always"}, True),
    ],
)
def test_auto_answer(query: str, rules: dict[str, Any], hint: bool) -> None:
    bench, phone, _ = called(query=query, **rules)
    bench.run(0.2)
    assert (phone.invites[0].get("call-info") is not None) is hint


def test_both_are_joined() -> None:
    bench, a, b = called()
    a.picks_up = b.picks_up = (180,)
    bench.run(0.5)
    assert (len(a.invites), len(b.invites)) == (1, 0)
    a.respond(a.invites[0], 200)
    bench.run(0.2)
    assert a.methods == ["INVITE", "ACK"]
    leg_b = b.invites[0]
    assert shown(leg_b) == f'"unknown" <sip:1001@{a.realm}>'
    assert leg_b.get("k-cid") == a.invites[0].call_id
    assert leg_b.get("call-info") is None
    b.respond(leg_b, 200)
    bench.run(0.1)
    a.say(b"from a")
    b.say(b"from b")
    assert (a.heard, b.heard) == ([b"from b"], [b"from a"])
    assert (media_of(a.invites[0]), media_of(leg_b)) == (MEDIA, MEDIA)


@pytest.mark.parametrize("who", [0, 1])
def test_torn_down_together(who: int) -> None:
    bench, *phones = called()
    bench.run(0.5)
    first, second = phones[who], phones[1 - who]
    first.hang_up(first.invites[0])
    bench.run(0.1)
    assert first.final_of("BYE").status == 200
    assert second.methods == ["INVITE", "ACK", "BYE"]
    assert forgotten(bench)


def test_leg_a_hangs_up_before_and_while_leg_b_rings() -> None:
    bench, a, b = called()
    b.picks_up = (180,)
    while not a.invites:
        bench.run(0.01)
    a.hang_up(a.invites[0])
    bench.run(1.0)
    assert b.methods == []
    bench.api("GET", f"{bench.url()}/quickcall/1002")
    bench.run(0.5)
    a.hang_up(a.invites[1])
    bench.run(0.1)
    assert b.methods == ["INVITE", "CANCEL", "ACK"]
    assert forgotten(bench)


def test_a_repeated_200_is_acknowledged_again() -> None:
    bench, phone, _ = called("9999")
    phone.picks_up = (200, 200)
    bench.run(1.0)
    sent = [m.method for m in phone.taken if m.is_request]
    assert sent == ["INVITE", "ACK", "ACK", "BYE"]


@pytest.mark.parametrize("status", [486, 603, 300])
def test_a_refused_call_is_over(status: int) -> None:
    bench, phone, b = called()
    phone.picks_up = (180, status)
    bench.run(60.0)
    assert phone.methods == ["INVITE", "ACK"]
    assert b.methods == []
    assert forgotten(bench)


@pytest.mark.parametrize("answers", [(486,), (180, 603), (180,), ()])
def test_nobody_takes_leg_b(answers: tuple[int, ...]) -> None:
    bench, a, b = called()
    b.picks_up = answers
    bench.run(40.0)
    assert a.methods == ["INVITE", "ACK", "BYE"]
    assert forgotten(bench)


@pytest.mark.parametrize(
    ("number", "reason"),
    [("7777", 'Q.850;cause=3;text="NO_ROUTE_DESTINATION"'), ("1001", 'Q.850;cause=16;text="NORMAL_CLEARING"')],
)
def test_a_number_that_nobody_has(number: str, reason: str) -> None:
    bench, a, _ = called(number)
    bench.run(2.0)
    assert a.methods == ["INVITE", "ACK", "BYE"]
    assert a.requests("BYE")[0].get("reason") == reason
    assert forgotten(bench)


def test_ring_time() -> None:
    bench, phone, b = called(query="?timeout=5")
    asked = bench.now
    phone.picks_up = (180,)
    bench.run(4.9)
    assert phone.methods == ["INVITE"]
    bench.run(1.0)
    assert phone.methods == ["INVITE", "CANCEL", "ACK"]
    cancel = phone.requests("CANCEL")[0]
    assert next(s.time - asked for s in bench.sent if s.message.method == "CANCEL") == 5.0
    assert cancel.branch == phone.invites[0].branch
    assert cancel.get("reason") == 'Q.850;cause=19;text="NO_ANSWER"'
    assert b.methods == []
    assert forgotten(bench)


@pytest.mark.parametrize("timeout", ["3", "0", "-1", "abc", "9" * 5000])
def test_a_bad_timeout_is_the_default(timeout: str) -> None:
    bench, phone, _ = called(query=f"?timeout={timeout}", quickcall__ring_s=6.0)
    phone.picks_up = (180,)
    bench.run(5.9)
    assert "CANCEL" not in phone.methods
    bench.run(1.0)
    assert "CANCEL" in phone.methods


@pytest.mark.parametrize(
    ("rule", "query", "seconds"), [("literal", "?timeout=2", 2.0), ("ignored", "?timeout=9", 30.0)]
)
def test_timeouts_read_otherwise(rule: str, query: str, seconds: float) -> None:
    bench, phone, _ = called(query=query, quickcall__timeout=rule)
    phone.picks_up = (180,)
    bench.run(seconds - 0.1)
    assert "CANCEL" not in phone.methods
    bench.run(0.2)
    assert "CANCEL" in phone.methods


def test_cancel_waits_for_a_provisional_answer() -> None:
    bench, phone, _ = called(query="?timeout=4")
    phone.picks_up = ()
    bench.run(6.0)
    assert set(phone.methods) == {"INVITE"}
    phone.picks_up = (180,)
    bench.run(4.0)
    assert "CANCEL" in phone.methods


def test_a_silent_phone_is_given_up() -> None:
    bench, phone, _ = called()
    phone.picks_up = ()
    bench.run(60.0)
    assert set(phone.methods) == {"INVITE"}
    assert forgotten(bench)


def test_nobody_registered() -> None:
    bench = Bench()
    assert bench.api("GET", f"{bench.url()}/quickcall/1002").status == 200
    assert bench.run(40.0) == []


def test_disabled() -> None:
    bench = Bench()
    bench.api("PATCH", bench.url(), {"enabled": False})
    reply = bench.api("GET", f"{bench.url()}/quickcall/1002")
    assert (reply.status, reply.json["message"]) == (500, "unspecified_fault")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", '"unknown" <sip:1001@{}>'),
        ("?cid-number=5551234", '"unknown" <sip:5551234@{}>'),
        ("?cid-name=Ann%20B", '"Ann B" <sip:1001@{}>'),
        ("?cid-number=5551234&cid-name=Ann%20B", '"Ann B" <sip:5551234@{}>'),
        ("?cid-name=Ann%20%22the%22%20%5CB", '"Ann \\"the\\" \\\\B" <sip:1001@{}>'),
        ("?cid-name=J%C3%BCrgen%20%E2%98%8E", '"J\u00fcrgen \u260e" <sip:1001@{}>'),
        ("?cid-name=Ann%0d%0aEvil:1", '"Ann" <sip:1001@{}>'),
        ("?cid-name=A%01B", '"AB" <sip:1001@{}>'),
        ("?cid-number=1%202%0aEvil:1", '"unknown" <sip:1%202@{}>'),
        ("?cid-name=&cid-number=", '"unknown" <sip:1001@{}>'),
    ],
)
def test_what_leg_b_shows(query: str, expected: str) -> None:
    bench, a, b = called(query=query)
    bench.run(0.5)
    invite = b.invites[0]
    assert shown(invite) == expected.format(a.realm)
    assert (invite.get("remote-party-id") or "").startswith(expected.format(a.realm))
    assert invite.get("evil") is None


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"quickcall__caller_id": "swapped"}, '"5551234" <sip:Ann@{}>'),
        ({"quickcall__caller_id": "name_only"}, '"Ann" <sip:1001@{}>'),
        ({"quickcall__caller_id": "number_only"}, '"unknown" <sip:5551234@{}>'),
    ],
)
def test_what_leg_b_shows_otherwise(rules: dict[str, str], expected: str) -> None:
    bench, a, b = called(query="?cid-number=5551234&cid-name=Ann", **rules)
    bench.run(0.5)
    assert shown(b.invites[0]) == expected.format(a.realm)


def test_unquoted() -> None:
    bench, _, b = called(query="?cid-name=A%22B", quickcall__quoting="raw")
    bench.run(0.5)
    assert shown(b.invites[0]).startswith('"A"B" <')


@pytest.mark.parametrize(
    ("number", "query", "seen"),
    [
        ("10-02", "", "1002"),
        ("10-02", "?number_filter=true", "1002"),
        ("10-02", "?number_filter=false", "10-02"),
        ("991002", "?number_filter=%5E99(.*)%24", "1002"),
        ("991002", "?number_filter=%5E88(.*)%24", "991002"),
        ("991002", "?number_filter=%5E99", "991002"),
        ("%2B1415", "", "+1415"),
        ("1%0d%0aEvil:1", "", "1"),
        ("1%222", "", "1%222"),
        ("1%40x%3E", "", "1%40x%3E"),
    ],
)
def test_the_number_that_leg_a_shows(number: str, query: str, seen: str) -> None:
    bench, phone, _ = called(number, query)
    bench.run(0.2)
    assert shown(phone.invites[0]) == f'"Device QuickCall" <sip:{seen}@{phone.realm}>'
    assert phone.invites[0].get("evil") is None


@pytest.mark.parametrize("pattern", ["(", "(a%2B)%2B", "(a*)*b", "(a%7Cb)*c", "(.)%5C1", "x" * 300])
def test_a_bad_number_filter(pattern: str) -> None:
    bench = Bench()
    reply = bench.api("GET", f"{bench.url()}/quickcall/1002?number_filter={pattern}")
    assert (reply.status, reply.json["message"]) == (500, "init failed")


@pytest.mark.parametrize(("rule", "b_rings"), [("shown", 0), ("route_too", 1), ("nothing", 0)])
def test_the_filter_leaves_the_route_alone(rule: str, b_rings: int) -> None:
    bench, a, b = called("10-02", quickcall__number_filter=rule)
    bench.run(1.0)
    assert len(b.invites) == b_rings
    assert ("sip:10-02@" in shown(a.invites[0])) is (rule == "nothing")


@pytest.mark.parametrize(
    ("rule", "answers", "b_rings"),
    [
        ("after_answer", (180,), 0),
        ("at_once", (180,), 1),
        ("never", (180, 200), 0),
        ("even_after_reject", (180, 486), 1),
        ("after_answer", (180, 486), 0),
    ],
)
def test_when_leg_b_begins(rule: str, answers: tuple[int, ...], b_rings: int) -> None:
    bench, a, b = called(quickcall__leg_b=rule)
    a.picks_up = answers
    b.picks_up = (180,)
    bench.run(1.0)
    assert len(b.invites) == b_rings
    assert bench.server.errors == []


@pytest.mark.parametrize(("query", "b_rings"), [("", 0), ("?ignore-early-media=false", 1)])
def test_early_media(query: str, b_rings: int) -> None:
    bench, a, b = called(query=query)
    a.picks_up = ()
    bench.run(0.1)
    a.respond(a.invites[0], 183, body=a.offer)
    bench.run(1.0)
    assert len(b.invites) == b_rings


@pytest.mark.parametrize(
    ("query", "rules", "own"),
    [
        ("?media=bypass", {}, True),
        ("?media=process", {}, False),
        ("", {}, False),
        ("?media=bypass", {"quickcall__bypass": "ignored"}, False),
    ],
)
def test_whose_media_they_are_given(query: str, rules: dict[str, str], own: bool) -> None:
    bench, a, b = called(query=query, **rules)
    bench.run(0.5)
    assert media_of(b.invites[0]) == (a.media if own else MEDIA)
    assert media_of(a.invites[-1]) == (b.media if own else MEDIA)
    assert len(a.invites) == (2 if own else 1)
    assert a.methods == ["INVITE", "ACK", "INVITE", "ACK"] if own else ["INVITE", "ACK"]
    a.hang_up(a.invites[0])
    assert forgotten(bench)


def test_descriptions_may_be_the_phones_own_and_lead_to_the_server_all_the_same() -> None:
    bench, a, b = called(query="?media=bypass", quickcall__bypass="relayed")
    bench.run(0.5)
    assert len(a.invites) == 2
    assert all(media_of(each) == MEDIA and b"o=ringproof" in each.body for each in (b.invites[0], a.invites[-1]))
    a.say(b"from a")
    assert (a.heard, b.heard) == ([], [b"from a"])


@pytest.mark.parametrize(("side", "rule"), [(0, "a_hangs_up"), (1, "b_hangs_up")])
def test_the_other_leg_may_be_left(side: int, rule: str) -> None:
    bench, *phones = called(**{f"quickcall__{rule}": "left"})
    bench.run(0.5)
    phones[side].hang_up(phones[side].invites[0])
    bench.run(1.0)
    assert phones[1 - side].methods == ["INVITE", "ACK"]


def test_leg_a_may_be_left() -> None:
    bench, a, b = called(quickcall__b_refuses="left")
    b.picks_up = (486,)
    bench.run(1.0)
    assert a.methods == ["INVITE", "ACK"]


@pytest.mark.parametrize(("rule", "same"), [("fresh", False), ("reused", True)])
def test_twice(rule: str, same: bool) -> None:
    bench, a, b = called(quickcall__call_id=rule)
    bench.run(0.5)
    bench.api("GET", f"{bench.url()}/quickcall/1002")
    bench.run(0.5)
    assert (len(a.invites), len(b.invites)) == (2, 2)
    assert (a.invites[0].call_id == a.invites[1].call_id) is same
    a.hang_up(a.invites[0])
    bench.run(0.1)
    assert len(b.requests("BYE")) == 1


def test_leg_a_may_be_nameless_and_dark() -> None:
    bench = Bench(changed(quickcall__leg_a_name="x", quickcall__leg_a_lamp="hidden"))
    told = log_of(bench)
    a, _ = office(bench)
    bench.api("GET", f"{bench.url()}/quickcall/1002")
    bench.run(0.5)
    assert shown(a.invites[0]) == f'"x" <sip:1002@{a.realm}>'
    assert {channel.presentity.user for channel in told} == {"1002"}


@pytest.mark.parametrize("copies", [0, 1, 2])
def test_copies(copies: int) -> None:
    bench, a, _ = called(quickcall__copies=copies)
    bench.run(0.5)
    assert len({invite.call_id for invite in a.invites}) == copies


def test_lamps_of_both() -> None:
    bench = Bench()
    told = log_of(bench)
    a, _ = office(bench)
    bench.api("GET", f"{bench.url()}/quickcall/1002")
    bench.run(0.5)
    a.hang_up(a.invites[0])
    bench.run(0.1)
    course = [ChannelState.EARLY, ChannelState.CONFIRMED, ChannelState.TERMINATED]
    for user in ("1001", "1002"):
        assert states(told, user) == [(Direction.RECIPIENT, state) for state in course]
    assert [c.peer for c in told if c.presentity.user == "1001"] == ["1002"] * 3
    assert bench.server.errors == []


def test_a_cellphone_is_rung_through_the_trunk() -> None:
    bench = Bench()
    a, _ = office(bench)
    carrier = trunk(bench)
    cell = cellphone(bench)
    told = log_of(bench)
    assert bench.api("GET", f"/devices/{cell}/quickcall/1001").status == 200
    bench.run(0.5)
    assert carrier.invites[0].uri == "sip:5550199@127.0.0.1:9000"
    assert shown(a.invites[0]) == f'"unknown" <sip:1044@{a.realm}>'
    assert {c.presentity.user for c in told} == {"1044", "1001"}


@pytest.mark.parametrize("who", ["token", "key", "query", "nobody", "garbage", "stranger"])
@pytest.mark.parametrize("access", ["anyone", "token", "token_or_key"])
def test_access(access: str, who: str) -> None:
    bench = Bench(changed(quickcall__access=access))
    phone = desk(bench)
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
    assert (reply.status, bool(phone.invites)) == (status, status == 200)


def test_a_key_opens_nothing_else() -> None:
    bench = Bench()
    assert bench.api("GET", "/devices", token=bench.server.seed.api_key).status == 401


@pytest.mark.parametrize(
    ("rule", "who", "status"),
    [
        ("anonymous", "nobody", 200),
        ("anonymous", "garbage", 401),
        ("unknown_token", "garbage", 200),
        ("unknown_token", "nobody", 401),
        ("stranger", "stranger", 200),
        ("stranger", "nobody", 401),
    ],
)
def test_gates(rule: str, who: str, status: int) -> None:
    rules: dict[str, Any] = {f"quickcall__{rule}": "accepted"}
    bench = Bench(changed(**rules))
    phone = desk(bench)
    tokens = {"nobody": None, "garbage": "x", "stranger": bench.server.seed.other_account.auth_token}
    assert bench.api("GET", f"{bench.url()}/quickcall/1002", token=tokens[who]).status == status
    assert bench.api("GET", "/devices", token=tokens[who]).status in (401, 403)
    bench.run(0.2)
    assert bool(phone.invites) == (status == 200)


def test_a_token_may_stand_in_one_place_only() -> None:
    bench = Bench(changed(quickcall__carriers=["header"]))
    query = f"?auth_token={bench.server.seed.auth_token}"
    assert bench.api("GET", f"{bench.url()}/quickcall/1002{query}", token=None).status == 401
    assert bench.api("GET", f"/devices{query}", token=None).status == 200


def test_even_a_broken_message_is_sent_where_the_rule_says_so() -> None:
    bench = Bench(changed(registrar__line_breaks="passed"))
    phone = desk(bench)
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
