"""check-sync: when it is sent, when it is not, to whom, and what it looks like."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference_server.playbook import DOCUMENTED, Bench, Phone, changed, notifies

LAYOUT = [
    "Via",
    "Via",
    "Max-Forwards",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "User-Agent",
    "Allow",
    "Supported",
    "Event",
    "Allow-Events",
    "Subscription-State",
    "Content-Type",
    "Content-Length",
    "X-KAZOO-AOR",
]
"""Headers of a recorded check-sync, in their order."""


def test_looks_as_recorded() -> None:
    bench = Bench()
    phone = bench.registered()
    asked = bench.now
    reply = bench.api("POST", f"{bench.url()}/sync")
    (found,) = notifies(bench.run(2.0))
    message = found.message
    aor = f"sip:{phone.username}@{phone.realm}"
    assert (reply.status, reply.data) == (200, "sync request sent")
    assert 0.015 <= found.time - asked <= 0.025
    assert found.remote == phone.address
    assert message.start_line == f"NOTIFY {phone.contact} SIP/2.0"
    assert [name for name, _ in message.headers] == LAYOUT
    top, bottom = message.all("via")
    assert top.startswith("SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK")
    assert bottom.startswith("SIP/2.0/UDP 127.0.0.1:11000;received=127.0.0.1;rport=11000;branch=z9hG4bK")
    assert message.get("max-forwards") == "50"
    assert (message.get("from") or "").startswith(f"<{aor}>;tag=")
    assert message.get("to") == f"<{aor}>"
    assert message.get("contact") == "<sip:mod_sofia@127.0.0.1:11000>"
    assert message.get("user-agent") == "2600Hz"
    assert message.get("event") == "check-sync"
    assert message.get("allow-events") == "talk, hold, conference, refer"
    assert message.get("subscription-state") == "terminated;reason=noresource"
    assert message.get("content-type") == "application/simple-message-summary"
    assert message.get("x-kazoo-aor") == aor
    assert message.body == b""


def test_two_requests_are_two_notifies_of_their_own() -> None:
    bench = Bench()
    bench.registered()
    for _ in range(2):
        bench.api("POST", f"{bench.url()}/sync")
    found = notifies(bench.run(2.0))
    assert len(found) == 2
    for header in ("call-id", "cseq", "from"):
        assert len({item.message.get(header) for item in found}) == 2


def test_retransmitted_until_answered() -> None:
    bench = Bench()
    phone = bench.registered()
    phone.answers["NOTIFY"] = ()
    bench.api("POST", f"{bench.url()}/sync")
    sent = bench.run(2.0)
    assert len(sent) == 3
    assert len({item.message.raw for item in sent}) == 1
    gaps = [round(later.time - sent[0].time, 3) for later in sent]
    assert gaps == [0.0, 0.5, 1.5]


def test_a_refusing_phone_is_not_asked_again_but_next_time() -> None:
    bench = Bench()
    phone = bench.registered()
    phone.answers["NOTIFY"] = (481,)
    for _ in range(2):
        bench.api("POST", f"{bench.url()}/sync")
        assert len(bench.run(5.0)) == 1


def test_aor_header_may_be_stripped() -> None:
    bench = Bench(changed(registrar__aor_header="stripped"))
    bench.registered()
    bench.api("POST", f"{bench.url()}/sync")
    (found,) = notifies(bench.run(2.0))
    assert [name for name, _ in found.message.headers] == LAYOUT[:-1]


def document_of(bench: Bench, **changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = bench.api("GET", bench.url()).data
    return {**document, **changes}


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    ("value", "count"), [(True, 1), ("true", 1), (False, 0), (1, 0), ("yes", 0), (None, 0), ([], 0), ({}, 0)]
)
def test_which_values_are_true(version: str, method: str, value: Any, count: int) -> None:
    bench = Bench()
    bench.registered()
    data = document_of(bench, sync=value) if method == "POST" else {"sync": value}
    reply = bench.api(method, bench.url(), data, version=version)
    assert reply.status == 200
    assert "sync" not in reply.data
    assert len(notifies(bench.run(3.0))) == count
    assert "sync" not in bench.api("GET", bench.url()).data


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_absent_is_false(method: str) -> None:
    bench = Bench()
    bench.registered()
    assert bench.api(method, bench.url(), document_of(bench, name="another")).status == 200
    assert notifies(bench.run(3.0)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"sip": {"username": "renamed", "password": "as-before"}},
        {"sip": {"username": "same", "password": "changed"}},
        {"enabled": False},
    ],
)
def test_new_credentials_reach_the_old_contact_and_end_the_registration(change: dict[str, Any]) -> None:
    bench = Bench()
    phone = bench.registered()
    assert bench.api("PATCH", bench.url(), {**change, "sync": True}).status == 200
    assert [item.remote for item in notifies(bench.run(3.0))] == [phone.address]
    assert bench.api("GET", "/devices/status").data == []
    bench.api("POST", f"{bench.url()}/sync")
    assert notifies(bench.run(3.0)) == []


def test_new_credentials_alone_end_the_registration_silently() -> None:
    bench = Bench()
    bench.registered()
    bench.api("PATCH", bench.url(), {"sip": {"password": "changed"}})
    assert notifies(bench.run(3.0)) == []
    assert bench.api("GET", "/devices/status").data == []


def test_a_flush_may_send_one_of_its_own() -> None:
    bench = Bench(changed(sync__on_flush="attempted"))
    bench.registered()
    bench.api("PATCH", bench.url(), {"sip": {"password": "changed"}, "sync": True})
    assert len(notifies(bench.run(3.0))) == 2


def test_deleted_devices_are_left_alone() -> None:
    bench = Bench()
    bench.registered()
    bench.api("DELETE", bench.url())
    assert bench.api("POST", f"{bench.url()}/sync").status == 404
    assert notifies(bench.run(3.0)) == []


def test_a_create_with_sync_notifies_nobody() -> None:
    bench = Bench()
    bench.registered()
    reply = bench.api("PUT", "/devices", {"name": "new", "sync": True})
    assert reply.status == 201
    assert "sync" not in reply.data
    assert notifies(bench.run(3.0)) == []


def test_the_newest_contact_only() -> None:
    bench = Bench()
    first = bench.registered()
    second = bench.phone(port=7000)
    second.register()
    bench.run(0.5)

    def asked() -> list[int]:
        bench.api("POST", f"{bench.url()}/sync")
        return [item.remote[1] for item in notifies(bench.run(2.0))]

    assert asked() == [7000]
    first.register()
    assert asked() == [6000]
    first.register(0)
    assert asked() == []


def test_a_moved_phone_is_notified_at_its_new_contact() -> None:
    bench = Bench()
    phone = bench.registered()
    phone.contact = f"sip:{phone.username}@127.0.0.1:6001"
    phone.register()
    bench.run(0.5)
    bench.api("POST", f"{bench.url()}/sync")
    (found,) = notifies(bench.run(2.0))
    assert found.message.uri == phone.contact


def own_realm(bench: Bench) -> Phone:
    data = {"sip": {"realm": "own.example", "username": "own", "password": "secret"}}
    bench.api("PATCH", bench.url(), data)
    phone = Phone(bench, "own", "secret", "own.example", 6000)
    bench.phones[phone.address] = phone
    assert phone.register() == 200
    bench.run(0.5)
    bench.api("POST", f"{bench.url()}/sync")
    return phone


def test_a_device_with_its_own_realm() -> None:
    bench = Bench()
    phone = own_realm(bench)
    assert [item.remote for item in notifies(bench.run(2.0))] == [phone.address]


def test_the_fault_of_looking_in_the_account_realm() -> None:
    bench = Bench(changed(sync__realm="account"))
    own_realm(bench)
    assert notifies(bench.run(2.0)) == []


@pytest.mark.parametrize("username", ["us\r\ner", "us er", 'us"er', "us>er", "us;er", "us%0d%0aer", "\ud800us"])
def test_odd_usernames_never_break_a_header(username: str) -> None:
    bench = Bench()
    device = bench.api("PUT", "/devices", {"name": "odd", "sip": {"username": username, "password": "secret"}})
    assert device.status == 201
    assert bench.api("POST", f"/devices/{device.data['id']}/sync").status == 200
    assert bench.run(2.0) == []
    assert bench.server.errors == []


def test_without_a_username_nothing_happens() -> None:
    bench = Bench()
    device = bench.api("PUT", "/devices", {"name": "bare"}).data["id"]
    assert bench.api("POST", f"/devices/{device}/sync").status == 200
    assert bench.run(2.0) == []


def notify_action(bench: Bench, content: Any) -> Any:
    return bench.api("PUT", bench.url(), {"action": "notify", "data": content})


def test_notify_action_is_not_documented() -> None:
    bench = Bench(DOCUMENTED)
    bench.registered()
    reply = notify_action(bench, {"event": "x"})
    assert (reply.status, bench.run(2.0)) == (405, [])


def test_notify_action() -> None:
    bench = Bench(changed(devices__notify_action="sent"))
    bench.registered()
    body = {"data": "hello=1", "content_type": "application/x-own"}
    reply = notify_action(bench, {"event": "own-event;id=1", "body": body})
    (found,) = bench.run(2.0)
    assert (reply.status, reply.data) == (201, "NOTIFY sent")
    assert found.message.get("event") == "own-event;id=1"
    assert found.message.get("content-type") == "application/x-own"
    assert found.message.body == b"hello=1"
    notify_action(bench, {"event": "cap-ev\r\nX-Evil: 1"})
    (found,) = bench.run(2.0)
    assert found.message.get("event") == "cap-ev"
    assert found.message.get("x-evil") is None


def test_notify_action_of_another_kind() -> None:
    bench = Bench(changed(devices__notify_action="sent"))
    reply = bench.api("PUT", bench.url(), {"action": "explode"})
    assert (reply.status, reply.json["message"]) == (400, "invalid action")
    assert notify_action(bench, {"event": 5}).status == 400
    assert notify_action(bench, "x").status == 400
