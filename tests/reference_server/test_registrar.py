"""Registration and the other requests of phones."""

from __future__ import annotations

from typing import Any

import pytest

from phones.sip.digest import Challenge, answer
from phones.sip.index import Message
from reference_server.effects import SendSip
from reference_server.profiles import DOCUMENTED
from tests.reference_server.playbook import Bench, Phone, changed, notifies


def answers(phone: Phone) -> list[Message]:
    return [message for message in phone.taken if not message.is_request]


def test_first_registration_as_recorded() -> None:
    bench = Bench()
    phone = bench.phone()
    assert phone.register() == 200
    unauthorized, checking, ok = answers(phone)
    challenge = unauthorized.get("www-authenticate") or ""
    assert challenge.startswith(f'Digest realm="{phone.realm}", nonce="')
    assert "qop" not in challenge
    assert (checking.status, checking.reason) == (100, "checking your credentials")
    assert "tag=" not in (checking.get("to") or "")
    assert ok.get("contact") == f"<{phone.contact}>;expires=600"
    assert ok.get("supported") == "outbound"
    names = ["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Supported", "Content-Length"]
    assert [name for name, _ in ok.headers] == names
    assert "received=127.0.0.1" in (ok.get("via") or "")
    assert "rport=6000" in (ok.get("via") or "")


def test_a_new_contact_is_told_its_message_waiting_state() -> None:
    bench = Bench()
    phone = bench.phone()
    phone.register()
    registered = bench.now
    (found,) = bench.run(0.5)
    assert found.message.get("event") == "message-summary"
    assert found.time - registered <= 0.060
    account = f"Message-Account: sip:{phone.username}@{phone.realm}"
    body = f"Messages-Waiting: no\r\n{account}\r\nVoice-Message: 0/0 (0/0)\r\n\r\n"
    assert found.message.body == body.encode()
    phone.register()
    assert bench.run(0.5) == []


@pytest.mark.parametrize("switch", ["rule", "document"])
def test_message_waiting_can_be_off(switch: str) -> None:
    bench = Bench(changed(registrar__message_waiting="never")) if switch == "rule" else Bench()
    if switch == "document":
        bench.api("PATCH", bench.url(), {"mwi_unsolicited_updates": False})
    bench.phone().register()
    assert bench.run(0.5) == []


def test_a_phone_that_leaves_at_once_is_not_told() -> None:
    bench = Bench(changed(registrar__message_waiting_delay={"low": 1, "high": 1}))
    phone = bench.phone()
    phone.register()
    phone.register(0)
    assert bench.run(3.0) == []


def test_wrong_password_gets_the_same_nonce_with_qop() -> None:
    bench = Bench()
    phone = bench.phone()
    assert phone.register(password="wrong") == 401
    first, _, second = answers(phone)
    before = Challenge.parse(first.get("www-authenticate") or "")
    after = Challenge.parse(second.get("www-authenticate") or "")
    assert before.nonce == after.nonce
    assert (before.qop, after.qop, after.stale) == ((), ("auth",), False)


def test_unknown_user_gets_the_same_nonce_without_qop() -> None:
    bench = Bench()
    phone = Phone(bench, "nobody", "secret", bench.server.seed.realm, 6000)
    bench.phones[phone.address] = phone
    assert phone.register() == 401
    first, _, second = answers(phone)
    assert first.get("www-authenticate") == second.get("www-authenticate")


def test_somebody_elses_address_of_record() -> None:
    bench = Bench()
    other = bench.server.seed.devices[1]
    phone = bench.phone()
    assert phone.register(username=other.username, password=other.password) == 403
    assert bench.api("GET", "/devices/status").data == []


def test_disabled_device() -> None:
    bench = Bench()
    bench.api("PATCH", bench.url(), {"enabled": False})
    assert bench.phone().register() == 401


def test_digest_with_qop() -> None:
    bench = Bench()
    phone = bench.phone()
    phone.register(password="wrong")
    challenge = Challenge.parse(answers(phone)[-1].get("www-authenticate") or "")
    credentials = answer(
        challenge,
        username=phone.username,
        password=phone.password,
        method="REGISTER",
        uri="sip:x",
        cnonce="c",
    )
    assert credentials.qop == "auth"
    final = phone.send("REGISTER", [("Contact", f"<{phone.contact}>"), ("Authorization", str(credentials))])
    assert final is not None
    assert final.status == 200


@pytest.mark.parametrize("late", [False, True])
def test_a_stale_nonce(late: bool) -> None:
    bench = Bench()
    phone = bench.phone()
    headers = [("Contact", f"<{phone.contact}>")]
    first = phone.send("REGISTER", headers)
    assert first is not None
    bench.run(301.0 if late else 299.0)
    credentials = answer(
        Challenge.parse(first.get("www-authenticate") or ""),
        username=phone.username,
        password=phone.password,
        method="REGISTER",
        uri="sip:x",
        cnonce="c",
    )
    final = phone.send("REGISTER", [*headers, ("Authorization", str(credentials))])
    assert final is not None
    assert final.status == (401 if late else 200)
    if late:
        fresh = Challenge.parse(final.get("www-authenticate") or "")
        assert fresh.stale
        assert fresh.nonce != credentials.nonce


@pytest.mark.parametrize(
    "value",
    [
        "Digest",
        "Basic eDp5",
        'Digest username="a", realm="b", nonce="c", uri="d", response="e"',
        'Digest username="a", realm="b", nonce="AAAA", uri="d", response="e"',
        'Digest username="a", realm="b", nonce="%", uri="d", response="\udce9"',
    ],
)
def test_odd_credentials_are_challenged_afresh(value: str) -> None:
    bench = Bench()
    phone = bench.phone()
    final = phone.send("REGISTER", [("Contact", f"<{phone.contact}>"), ("Authorization", value)])
    assert final is not None
    assert final.status == 401
    assert bench.server.errors == []


@pytest.mark.parametrize(("asked", "granted"), [(600, 600), (7200, 3600), (1, 1), (None, 300), (99999999999, 3600)])
def test_expiry(asked: int | None, granted: int) -> None:
    bench = Bench()
    phone = bench.phone()
    assert phone.register(asked) == 200
    assert answers(phone)[-1].get("contact") == f"<{phone.contact}>;expires={granted}"
    bench.run(granted - 1.5 if granted > 1 else 0.0)
    assert len(bench.api("GET", "/devices/status").data) == 1
    bench.run(2.0)
    assert bench.api("GET", "/devices/status").data == []


def test_contact_parameter_beats_the_header() -> None:
    bench = Bench()
    phone = bench.phone()
    phone.register(600, contact=f"<{phone.contact}>;expires=60")
    assert (answers(phone)[-1].get("contact") or "").endswith(";expires=60")


def test_stock_minimum_and_missing_expires() -> None:
    bench = Bench(changed(registrar__min_expires=300, registrar__default_expires=None))
    phone = bench.phone()
    assert phone.register(60) == 423
    assert answers(phone)[-1].reason == "Interval Too Brief"
    assert answers(phone)[-1].get("min-expires") == "300"
    assert phone.register(None) == 400
    assert answers(phone)[-1].reason == "Missing Expires"
    raising = Bench(changed(registrar__min_expires=300, registrar__short_expires="raised"))
    phone = raising.phone()
    assert phone.register(60) == 200
    assert (answers(phone)[-1].get("contact") or "").endswith(";expires=300")


def test_query_and_star() -> None:
    bench = Bench(changed(registrar__known_source="trusted"))
    phone = bench.phone()
    phone.register()
    bench.run(10.0)
    query = phone.send("REGISTER")
    assert query is not None
    assert query.get("contact") == f"<{phone.contact}>;expires=590"
    assert phone.register(600, contact="*") == 400
    assert phone.register(0, contact="*") == 200
    assert answers(phone)[-1].get("contact") is None
    assert bench.api("GET", "/devices/status").data == []


def test_trusted_source_needs_no_password() -> None:
    bench = Bench(changed(registrar__known_source="trusted"))
    phone = bench.phone()
    phone.register()
    before = len(answers(phone))
    assert phone.register(password="wrong") == 200
    assert len(answers(phone)) == before + 1
    assert bench.phone(port=7000).register(password="wrong") == 401
    phone.transport = "tcp"
    assert phone.register(password="wrong") == 401


def test_many_contacts() -> None:
    bench = Bench(changed(registrar__contacts="many"))
    bench.registered()
    second = bench.phone(port=7000)
    second.register()
    assert len(answers(second)[-1].all("contact")) == 2
    second.register(0)
    assert len(bench.api("GET", "/devices/status").data) == 1


def test_one_contact_replaces_the_other() -> None:
    bench = Bench()
    bench.registered()
    second = bench.phone(port=7000)
    second.register()
    assert answers(second)[-1].all("contact") == [f"<{second.contact}>;expires=600"]


def test_the_contact_is_used_as_it_was_written() -> None:
    bench = Bench()
    phone = bench.phone()
    phone.contact = f"sip:%64{phone.username}@127.0.0.1:6000;transport=UDP;ob"
    phone.register(contact=f'"A <desk>" <{phone.contact}>;q=0.5')
    bench.run(0.5)
    bench.api("POST", f"{bench.url()}/sync")
    assert bench.run(1.0)[0].message.uri == phone.contact


def test_an_old_register_does_not_undo_a_newer_one() -> None:
    bench = Bench()
    phone = bench.phone()
    phone.register()
    phone.cseq = 0
    assert phone.register(0) == 400
    assert len(bench.api("GET", "/devices/status").data) == 1


@pytest.mark.parametrize("contact", ["<tel:+1>", "<sip:>", "nonsense", "<sip:a@b>, <tel:+1>", "<sip:a b@c>"])
def test_bad_contacts(contact: str) -> None:
    bench = Bench()
    assert bench.phone().register(contact=contact) == 400


def test_silence_for_scanners_and_address_realms() -> None:
    bench = Bench()
    phone = bench.phone()
    assert phone.send("OPTIONS", [("User-Agent", "friendly-scanner")]) is None
    phone.realm = "127.0.0.1"
    assert phone.register() == 0
    challenging = Bench(changed(registrar__address_realm="challenged"))
    phone = challenging.phone()
    phone.realm = "127.0.0.1"
    assert phone.register() == 401


@pytest.mark.parametrize(
    ("method", "headers", "status", "reason"),
    [
        ("OPTIONS", [], 200, "Rawr!!"),
        ("NOTIFY", [("Event", "keep-alive")], 405, "Stay Alive / Method Not Allowed"),
        ("NOTIFY", [("Event", "foo")], 200, "Rawr!!"),
        ("SUBSCRIBE", [("Event", "foo")], 489, "Bad Event"),
        ("INVITE", [], 407, "Proxy Authentication Required"),
        ("BYE", [], 481, "Call/Transaction Does Not Exist"),
        ("CANCEL", [], 481, "Call/Transaction Does Not Exist"),
        ("MESSAGE", [], 405, "Method Not Allowed"),
        ("FROB", [], 501, "Not Implemented"),
    ],
)
def test_other_methods(method: str, headers: list[tuple[str, str]], status: int, reason: str) -> None:
    bench = Bench()
    final = bench.phone().send(method, headers)
    assert final is not None
    assert final.status == status
    assert final.reason == reason or not reason
    assert bench.server.errors == []


def test_loops_are_stopped() -> None:
    bench = Bench()
    phone = bench.phone()
    data = phone.request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    bench.receive(data, phone.address)
    assert phone.last.status == 483


def test_a_repeated_register_is_answered_again_not_done_again() -> None:
    bench = Bench()
    phone = bench.phone()
    data = phone.request("REGISTER", [("Contact", f"<{phone.contact}>")])
    bench.receive(data, phone.address)
    bench.receive(data, phone.address)
    first, second = answers(phone)
    assert first.raw == second.raw


OPTIONS = (
    b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\r\n"
)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE", 400),
        (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", 505),
        (b"CSeq: 1 OPTIONS", b"CSeq: x", None),
        (b"Call-ID: c\r\n", b"", None),
        (b"OPTIONS sip:x", b"ACK sip:x", None),
        (b"\r\n\r\n", b"\r\n", None),
        (b"OPTIONS sip:x SIP/2.0", b"SIP/2.0 9999 x", None),
    ],
)
def test_broken_requests(old: bytes, new: bytes, status: int | None) -> None:
    bench = Bench()
    bench.receive(OPTIONS.replace(old, new), ("127.0.0.1", 6000))
    assert [item.message.status for item in bench.sent] == ([] if status is None else [status])
    assert bench.server.errors == []


def test_keep_alive_octets_are_ignored() -> None:
    bench = Bench()
    for data in (b"", b"\r\n\r\n", b"\0\0\0\0"):
        bench.receive(data, ("127.0.0.1", 6000))
    assert bench.sent == []


def test_each_transport_has_its_own_transactions() -> None:
    bench = Bench()
    phone = bench.phone()
    bench.server.receive(phone.request("OPTIONS"), phone.address, bench.now, "tcp")
    (effect,) = bench.server.take()
    assert isinstance(effect, SendSip)
    assert effect.transport == "tcp"


def test_a_renamed_device_registers_under_its_new_name_only() -> None:
    bench = Bench()
    phone = bench.phone()
    old = phone.username
    bench.api("PATCH", bench.url(), {"sip": {"username": "Renamed"}})
    assert phone.register() == 401
    phone.username, phone.contact = "RENAMED", "sip:renamed@127.0.0.1:6000"
    assert phone.register() == 200
    bench.api("DELETE", bench.url())
    assert phone.register() == 401
    bench.api("PUT", "/devices", {"name": "again", "sip": {"username": old, "password": phone.password}})
    phone.username = old
    assert phone.register() == 200


def test_a_replaced_contact_that_unregisters_is_forgotten() -> None:
    bench = Bench(changed(sync__recipient="all"))
    first = bench.registered()
    bench.registered(0, port=7000)

    def asked() -> list[int]:
        bench.api("POST", f"{bench.url()}/sync")
        return sorted(item.remote[1] for item in notifies(bench.run(2.0)))

    assert asked() == [6000, 7000]
    first.register(0)
    assert asked() == [7000]


# --- flows (RFC 5626) ------------------------------------------------------------------------------------------------

INSTANCE = "urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF"


def flow_of(phone: Phone, reg_id: object = 1, instance: str = INSTANCE) -> str:
    return f'<{phone.contact}>;+sip.instance="<{instance}>";reg-id={reg_id}'


def register_flow(phone: Phone, contact: str, *more: tuple[str, str]) -> Message:
    """Register a Contact value over UDP, and say that we know of outbound."""
    phone.extra = [("Supported", "path, outbound"), *more]
    phone.register(contact=contact)
    return phone.last if not phone.last.is_request else answers(phone)[-1]


def test_a_flow_is_required_and_comes_back() -> None:
    phone = Bench().phone()
    ok = register_flow(phone, flow_of(phone))
    assert (ok.status, ok.get("require"), ok.get("flow-timer")) == (200, "outbound", None)
    assert list(ok.all("contact")) == [f'<{phone.contact}>;expires=600;+sip.instance="<{INSTANCE}>";reg-id=1']


def test_who_does_not_say_that_it_knows_outbound_is_not_required_to() -> None:
    phone = Bench().phone()
    assert phone.register(contact=flow_of(phone)) == 200
    assert answers(phone)[-1].get("require") is None


def test_the_flow_timer_is_told_where_there_is_one() -> None:
    phone = Bench(changed(registrar__flow_timer=25)).phone()
    assert register_flow(phone, flow_of(phone)).get("flow-timer") == "25"
    assert register_flow(phone, f"<{phone.contact}>").get("flow-timer") is None


@pytest.mark.parametrize(
    ("rules", "second", "bound"),
    [
        ({}, (1, INSTANCE), 1),
        ({"contacts": "many"}, (1, INSTANCE), 1),
        ({"contacts": "many"}, (2, INSTANCE), 2),
        ({"contacts": "many"}, (1, INSTANCE.replace("AA", "BB")), 2),
        ({"contacts": "many", "flows": "ignored"}, (1, INSTANCE), 2),
        ({"flows": "piled"}, (1, INSTANCE), 2),
    ],
)
def test_the_same_flow_from_elsewhere_replaces_it(rules: dict[str, str], second: tuple[int, str], bound: int) -> None:
    told: dict[str, Any] = {f"registrar__{name}": value for name, value in rules.items()}
    bench = Bench(changed(DOCUMENTED, **told))
    before, after = bench.phone(), bench.phone(port=6002)
    register_flow(before, flow_of(before))
    ok = register_flow(after, flow_of(after, *second))
    assert len(ok.all("contact")) == bound
    assert f"<{after.contact}>" in ok.all("contact")[-1]


@pytest.mark.parametrize(
    "contact",
    ["<{}>;reg-id=1", '<{}>;+sip.instance="<urn:x:1>"', '<{}>;+sip.instance="<urn:x:1>";reg-id=0',
     '<{}>;+sip.instance="<no urn>";reg-id=1', '<{}>;+sip.instance;reg-id=one'],
)  # fmt: skip
def test_half_a_flow_is_none(contact: str) -> None:
    phone = Bench().phone()
    ok = register_flow(phone, contact.format(phone.contact))
    assert (ok.status, ok.get("require")) == (200, None)
    assert "reg-id" not in (ok.get("contact") or "")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("<sip:192.0.2.1;lr;ob>", 200),
        ("<sip:192.0.2.1;lr>", 439),
        ("<sip:192.0.2.1;lr;observed>", 439),
        ("<sip:192.0.2.1;lr>, <sip:192.0.2.2;lr;ob>", 439),
    ],
)
def test_a_proxy_before_us_has_to_know_flows(path: str, status: int) -> None:
    phone = Bench().phone()
    answer = register_flow(phone, flow_of(phone), ("Path", path))
    assert answer.status == status
    assert answer.get("require") == ("outbound" if status == 200 else None)


def test_who_did_not_ask_for_outbound_is_bound_without_it_behind_such_a_proxy() -> None:
    phone = Bench().phone()
    phone.extra = [("Path", "<sip:192.0.2.1;lr>")]
    assert phone.register(contact=flow_of(phone)) == 200
    assert "reg-id" not in (answers(phone)[-1].get("contact") or "")
