"""What each release does otherwise than the page says, beside what the recordings show (`test_replay`)."""

from __future__ import annotations

from typing import Any

import pytest

from reference_server.effects import ApiRequest
from reference_server.profiles import PROFILES
from tests.reference_server.playbook import Bench, Phone, notifies
from tests.reference_server.profiling import RELEASES, V3, V4, bench_of, later, new_device, new_user

# methods and versions


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("GET", "", {"3.20": 200, "3.22": 200, "4.3": 200, "5.0": 200}),
        ("PATCH", "", {"3.20": 405, "3.22": 405, "4.3": 200, "5.0": 200}),
        ("PUT", "", {"3.20": 405, "3.22": 405, "4.3": 400, "5.0": 400}),
        ("POST", "/sync", {"3.20": 200, "3.22": 200, "4.3": 200, "5.0": 200}),
        ("GET", "/sync", {"3.20": 405, "3.22": 405, "4.3": 405, "5.0": 405}),
        ("POST", "/presence", {"3.20": 405, "3.22": 400, "4.3": 400, "5.0": 400}),
        ("GET", "/presence", {"3.20": 200, "3.22": 200, "4.3": 200, "5.0": 200}),
        ("POST", "/quickcall/1002", {"3.20": 405, "3.22": 405, "4.3": None, "5.0": None}),
        ("GET", "/quickcall/1002", {"3.20": 200, "3.22": 200, "4.3": 200, "5.0": 200}),
        ("GET", "/registrations", {"3.20": 404, "3.22": 404, "4.3": 200, "5.0": 200}),
    ],
)
def test_methods_of_a_device(method: str, path: str, statuses: dict[str, int | None]) -> None:
    for profile, status in statuses.items():
        bench = bench_of(profile)
        if status is None:
            assert later(bench, method, bench.url() + path)[1].status == 500
        else:
            data: dict[str, Any] | None = {} if method == "PATCH" else None
            assert bench.api(method, bench.url() + path, data).status == status, profile


@pytest.mark.parametrize(
    ("version", "path", "statuses"),
    [
        ("v1", "", {"3.20": 200, "3.22": 200, "4.3": 200, "5.0": 410}),
        ("v1", "/sync", {"3.20": 404, "3.22": 404, "4.3": 405, "5.0": 410}),
        ("v1", "/quickcall/1002", {"3.20": 200, "3.22": 200, "4.3": 404, "5.0": 410}),
        ("v3", "", {"3.20": 404, "3.22": 404, "4.3": 404, "5.0": 200}),
    ],
)
def test_versions(version: str, path: str, statuses: dict[str, int]) -> None:
    for profile, status in statuses.items():
        bench = bench_of(profile)
        assert bench.api("GET", bench.url() + path, version=version).status == status, profile


def test_v1_shows_the_message_of_a_validation_error_only_in_3_x() -> None:
    for profile, text in (("3.22", True), ("4.3", False)):
        detail = bench_of(profile).api("PUT", "/devices", {}, version="v1").data["name"]["required"]
        assert isinstance(detail, str) is text


# envelopes and errors


@pytest.mark.parametrize("profile", V3)
def test_envelope_of_3_x(profile: str) -> None:
    reply = bench_of(profile).api("PUT", "/devices", {})
    assert set(reply.json) == {"data", "error", "message", "status", "request_id", "auth_token"}
    assert reply.json["message"] == "invalid data"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b'{"sync": true}', b'{"data": null}'])
@pytest.mark.parametrize("profile", V3)
def test_a_malformed_body_gets_none_in_3_x(profile: str, body: bytes) -> None:
    bench = bench_of(profile)
    headers = [("X-Auth-Token", bench.server.seed.auth_token)]
    reply = bench.raw("POST", f"/v2/accounts/{bench.server.seed.account_id}{bench.url()}", headers, body)
    assert (reply.status, reply.body) == (400, b"")


def test_a_long_body() -> None:
    for profile, status in (("3.22", 413), ("4.3", 400)):
        bench = bench_of(profile, api__body_limit=100)
        assert bench.api("PUT", "/devices", {"name": "x" * 200}).status == status


def test_order_of_the_checks() -> None:
    """3.x looks for the path before it reads the body; a method that is tunnelled in the body counts all the same."""
    for profile, status in (("3.22", 404), ("4.3", 400)):
        bench = bench_of(profile)
        assert bench.raw("POST", f"/v2/accounts/{bench.server.seed.account_id}/frobs", body=b"{").status == status
        body = b'{"data": {"name": "tunnelled"}, "verb": "PUT"}'
        headers = [("X-Auth-Token", bench.server.seed.auth_token)]
        path = f"/v2/accounts/{bench.server.seed.account_id}/devices"
        assert bench.raw("POST", path, headers, body).status == 201
        assert bench.raw("POST", path, [], body).status == 401


def test_the_release_is_told_to_callers_only_in_5_0() -> None:
    bench = bench_of("5.0")
    assert "version" not in bench.api("GET", bench.url(), token=None).json
    assert "version" not in bench.api("GET", bench.url(), token="wrong").json
    assert bench.api("GET", bench.url()).json["version"] == "5.0.0"
    assert bench.api("GET", "/devices/none").json["version"] == "5.0.0"
    assert "auth_token" not in bench.api("GET", bench.url(), token=None).json


def test_tokens_end_after_an_hour() -> None:
    bench = bench_of("4.3")
    body = b'{"data": {"api_key": "%s"}}' % bench.server.seed.api_key.encode()
    token = bench.raw("PUT", "/v2/api_auth", body=body).json["auth_token"]
    bench.run(3599.0)
    assert bench.api("GET", bench.url(), token=token).status == 200
    bench.run(1.0)
    assert bench.api("GET", bench.url(), token=token).status == 401


@pytest.mark.parametrize("value", ["Bearer {}", "Basic {}", "{}"])
@pytest.mark.parametrize("profile", RELEASES)
def test_authorization_opens_nothing(profile: str, value: str) -> None:
    bench = bench_of(profile)
    headers = [("Authorization", value.format(bench.server.seed.auth_token))]
    reply = bench.raw("GET", f"/v2/accounts/{bench.server.seed.account_id}/devices", headers)
    assert reply.status == 401
    assert (reply.json.get("auth_token") == bench.server.seed.auth_token) == (profile in V4)


def test_the_alias_of_ones_own_account() -> None:
    bench = bench_of("4.3")
    headers = [("X-Auth-Token", bench.server.seed.auth_token)]
    assert len(bench.raw("GET", "/v2/account/devices", headers).data) == 2
    assert bench.raw("GET", "/v2/account/devices").status == 401
    assert bench_of("3.22").raw("GET", "/v2/account/devices", headers).status == 404


# throttling


@pytest.mark.parametrize("profile", [*V3, "4.3"])
def test_a_burst_is_throttled(profile: str) -> None:
    bench = bench_of(profile)
    statuses = [bench.api("GET", "/devices").status for _ in range(130)]
    assert statuses == [200] * 100 + [429] * 30
    refused = bench.api("GET", "/devices").json
    assert (refused["message"], refused["data"]) == ("too_many_requests", {"message": "too many requests"})
    child = bench.server.seed.child_account.account_id
    headers = [("X-Auth-Token", bench.server.seed.auth_token)]
    assert bench.raw("GET", f"/v2/accounts/{child}/devices", headers).status == 200
    bench.run(1.0)
    assert [bench.api("GET", "/devices").status for _ in range(11)] == [200] * 10 + [429]


def test_what_is_throttled_sends_nothing() -> None:
    bench = bench_of("4.3")
    bench.registered()
    for _ in range(100):
        bench.api("GET", "/devices")
    assert bench.api("POST", f"{bench.url()}/sync").status == 429
    assert not notifies(bench.run(2.0))


def test_5_0_counts_and_never_throttles() -> None:
    bench = bench_of("5.0")
    statuses = {bench.api("GET", "/devices").status for _ in range(300)}
    assert statuses == {200}
    left = [bench.api("GET", "/devices", token="wrong").json["tokens"]["remaining"] for _ in range(102)]
    assert left == [*range(99, -1, -1), 0, 0]


def test_whose_bucket_it_is() -> None:
    """3.x believes everybody who says whom he forwards for, 4.3 proxies only: here, 127.0.0.1."""
    for profile, client, evades in (("3.22", "9.9.9.9", True), ("4.3", "9.9.9.9", False), ("4.3", "127.0.0.1", True)):
        bench = bench_of(profile)
        statuses = []
        for number in range(101):
            headers = (
                ("X-Auth-Token", bench.server.seed.auth_token),
                ("X-Forwarded-For", f"10.0.0.{number}, 1.1.1.1"),
            )
            path = f"/v2/accounts/{bench.server.seed.account_id}/devices"
            bench.server.api(ApiRequest(number, "GET", path, headers, client=client), bench.now)
            bench.collect()
            statuses.append(bench.replies[number][1].status)
        assert (statuses[-1] == 200) is evades


# devices and users


def test_presence_ids_that_are_no_strings() -> None:
    for profile in RELEASES:
        expected = 201 if profile in V3 else 400
        assert bench_of(profile).api("PUT", "/devices", {"name": "x", "presence_id": 1001}).status == expected


def test_defaults() -> None:
    shown = {profile: bench_of(profile).api("PUT", "/devices", {"name": "x"}).data["sip"] for profile in RELEASES}
    assert shown["3.20"] == {"registration_expiration": 300, "invite_format": "username", "method": "password"}
    assert shown["3.22"] == {"expire_seconds": 300, "invite_format": "username", "method": "password"}
    assert shown["4.3"] == shown["5.0"] == {"expire_seconds": 300, "invite_format": "contact", "method": "password"}


def test_a_user_under_devices() -> None:
    for profile in RELEASES:
        bench = bench_of(profile)
        user = new_user(bench)
        reply = bench.api("POST", f"/devices/{user}/sync")
        assert reply.status == (200 if profile == "3.20" else 404)


def test_devices_of_a_user() -> None:
    for profile in RELEASES:
        bench = bench_of(profile)
        user = new_user(bench)
        new_device(bench, owner_id=user)
        listed = bench.api("GET", f"/users/{user}/devices").data
        assert [item["name"] for item in listed if item.get("owner_id") == user] == ["another"]
        assert len(listed) == (3 if profile == "3.20" else 1)
        assert listed[0]["hotdesked"] is False


def test_life_of_a_user() -> None:
    bench = bench_of("4.3")
    assert bench.api("PUT", "/users", {"first_name": "Ann"}).status == 400
    user = new_user(bench, username="ann", password="secret")
    path = f"/users/{user}"
    assert "password" not in bench.api("GET", path).data
    assert bench.api("PUT", "/users", {"first_name": "A", "last_name": "B", "username": "ANN"}).status == 400
    body = b'{"data": {"credentials": "%s", "account_name": "main"}}'
    digest = bench.server.directory.accounts[bench.server.seed.account_id].users[user].credentials()
    assert bench.raw("PUT", "/v2/user_auth", body=body % digest.encode()).status == 201
    assert bench.api("PATCH", path, {"presence_id": "1077"}).data["last_name"] == "Bee"
    assert "presence_id" not in bench.api("POST", path, {"first_name": "Ann", "last_name": "Cee"}).data
    assert {"id": user, "features": []}.items() <= bench.api("GET", "/users").data[-1].items()
    assert bench.api("DELETE", path).data["_read_only"] == {"deleted": True}
    assert bench.api("GET", path).status == 404
    assert bench_of("3.22").api("PATCH", path, {}).status == 405


# check-sync


def updated(bench: Bench, **changes: Any) -> int:
    """How many check-syncs follow a POST of the first device's document, changed; its phone is registered."""
    bench.registered()
    document = bench.api("GET", bench.url()).data
    sip = {**document["sip"], **changes.pop("sip", {})}
    assert bench.api("POST", bench.url(), {**document, "sip": sip, **changes}).status == 200
    return len(notifies(bench.run(2.0)))


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({}, {"3.20": 0, "3.22": 0, "4.3": 0, "5.0": 1}),
        ({"sync": True}, {"3.20": 0, "3.22": 0, "4.3": 0, "5.0": 1}),
        ({"sync": False, "name": "new"}, {"3.20": 0, "3.22": 0, "4.3": 0, "5.0": 1}),
        ({"sync": True, "sip": {"password": "changed"}}, {"3.20": 0, "3.22": 1, "4.3": 1, "5.0": 1}),
        ({"sip": {"password": "changed"}}, {"3.20": 0, "3.22": 0, "4.3": 1, "5.0": 1}),
        ({"sync": True, "sip": {"username": "changed"}}, {"3.20": 0, "3.22": 1, "4.3": 1, "5.0": 1}),
        ({"enabled": False}, {"3.20": 0, "3.22": 0, "4.3": 1, "5.0": 1}),
        ({"owner_id": "a" * 32}, {"3.20": 0, "3.22": 0, "4.3": 1, "5.0": 1}),
    ],
)
def test_an_update_whose_race_is_won(changes: dict[str, Any], sent: dict[str, int]) -> None:
    for profile, count in sent.items():
        assert updated(bench_of(profile, sync__race_won=1.0), **changes) == count, profile


@pytest.mark.parametrize("profile", ["3.22", "4.3", "5.0"])
def test_an_update_whose_race_is_lost(profile: str) -> None:
    assert updated(bench_of(profile, sync__race_won=0.0), sync=True, sip={"password": "changed"}) == 0


@pytest.mark.parametrize(("profile", "odds"), [("4.3", 2 / 12), ("5.0", 7 / 12)])
def test_the_odds_of_the_race(profile: str, odds: float) -> None:
    won = 0
    for seed in range(120):
        won += updated(Bench(PROFILES[profile], seed=seed), sip={"password": "changed"})
    assert abs(won / 120 - odds) < 0.12


def test_after_the_race_nobody_is_registered() -> None:
    for won in (0.0, 1.0):
        bench = bench_of("4.3", sync__race_won=won)
        updated(bench, sync=True, sip={"password": "changed"})
        assert bench.api("POST", f"{bench.url()}/sync").status == 200
        assert not notifies(bench.run(2.0))


def test_delete_is_a_race_too() -> None:
    for won in (0.0, 1.0):
        bench = bench_of("4.3", sync__race_won=won)
        phone = bench.registered()
        assert bench.api("DELETE", bench.url()).status == 200
        assert len(notifies(bench.run(2.0))) == won
        assert phone.register() == 401


def test_the_branches_of_5_0_are_swapped() -> None:
    bench = bench_of("5.0")
    bench.registered()
    assert bench.api("POST", f"{bench.url()}/sync").data == "sync request sent"
    assert not notifies(bench.run(2.0))
    bench.api("PATCH", bench.url(), {})
    assert len(notifies(bench.run(2.0))) == 1


def test_where_sync_is_stored() -> None:
    for profile, created, posted in (
        ("3.20", True, True),
        ("3.22", True, False),
        ("4.3", False, False),
        ("5.0", True, False),
    ):
        bench = bench_of(profile)
        path = new_device(bench, sync=True)
        assert ("sync" in bench.api("GET", path).data) is created
        bench.api("POST", path, {"name": "again", "sync": True})
        assert ("sync" in bench.api("GET", path).data) is posted


@pytest.mark.parametrize(
    ("provision", "query", "event"),
    [
        ({}, "?reboot=true", "check-sync"),
        ({"check_sync_reboot": "reboot=true"}, "", "check-sync"),
        ({"check_sync_reboot": "reboot=true"}, "?reboot=true", "check-sync;reboot=true"),
        ({"check_sync_reload": "reboot=false"}, "?reboot=false", "check-sync;reboot=false"),
        ({"check_sync_event": "resync"}, "", "resync"),
        ({"check_sync_event": "resync", "check_sync_reboot": "x"}, "?reboot=true", "resync;x"),
    ],
)
def test_the_event_of_4_3(provision: dict[str, str], query: str, event: str) -> None:
    bench = bench_of("4.3")
    bench.registered()
    bench.api("PATCH", bench.url(), {"provision": provision})
    bench.api("POST", f"{bench.url()}/sync{query}")
    assert len(notifies(bench.run(1.0), event)) == 1


def test_sync_looks_in_the_realm_of_the_account() -> None:
    for profile in RELEASES:
        bench = bench_of(profile)
        device = bench.server.seed.devices[0]
        bench.api(
            "POST",
            bench.url(),
            {"name": "x", "sip": {"username": device.username, "password": device.password, "realm": "own.example"}},
        )
        assert bench.phone(realm="own.example").register() == 200
        bench.run(1.0)
        bench.api("POST", f"{bench.url()}/sync")
        assert not notifies(bench.run(2.0))


def test_sync_of_a_user_looks_for_presence_ids() -> None:
    for profile, status in (("3.20", 404), ("3.22", 200), ("4.3", 404), ("5.0", 404)):
        bench = bench_of(profile)
        user = new_user(bench)
        for index in (0, 1):
            document = bench.api("GET", bench.url(index)).data
            if index:
                del document["presence_id"]
            bench.api("POST", bench.url(index), {**document, "owner_id": user})
        phones = [bench.registered(index, port=6000 + index) for index in (0, 1)]
        assert bench.api("POST", f"/users/{user}/sync").status == status
        told = notifies(bench.run(2.0))
        assert [sent.remote for sent in told] == ([phones[1].address] if status == 200 else [])
        assert bench.api("POST", f"/users/{'1' * 32}/sync").status == 404


# registration


@pytest.mark.parametrize(
    ("expires", "statuses"),
    [
        (None, {"3.20": 200, "3.22": 200, "4.3": 400, "5.0": 400}),
        (1, {"3.20": 200, "3.22": 200, "4.3": 423, "5.0": 423}),
        (7200, {"3.20": 200, "3.22": 200, "4.3": 200, "5.0": 200}),
    ],
)
def test_expires(expires: int | None, statuses: dict[str, int]) -> None:
    for profile, status in statuses.items():
        phone = bench_of(profile).phone()
        assert phone.register(expires) == status
        if status == 423:
            assert phone.last.get("min-expires") == "60"
        if status == 200:
            granted = {None: 300, 1: 300, 7200: 3600}[expires]
            assert (phone.last.get("contact") or "").endswith(f";expires={granted}")


@pytest.mark.parametrize("profile", RELEASES)
def test_a_known_source_is_believed(profile: str) -> None:
    bench = bench_of(profile)
    phone = bench.registered()
    assert phone.register(600, password="wrong") == 200
    last = phone.send("REGISTER", [("Contact", f"<{phone.contact}>")])
    assert last is not None
    assert last.status == 200
    assert (last.get("contact") or "").endswith(";expires=300" if profile in V3 else ";expires=600")
    least = phone.send("REGISTER", [("Contact", f"<{phone.contact}>"), ("Expires", "2")])
    assert least is not None
    assert (least.get("contact") or "").endswith(";expires=300" if profile in V3 else ";expires=2")


def test_contacts() -> None:
    """The edge of 3.x keeps several, that of 4.3 the newest; a check-sync goes to the newest anyway."""
    for profile in RELEASES:
        bench = bench_of(profile, sync__request="attempted")
        bench.registered()
        second = bench.registered(port=6100)
        contacts = second.send("REGISTER", [])
        assert contacts is not None
        assert len(contacts.all("contact")) == (2 if profile in V3 else 1)
        bench.api("POST", f"{bench.url()}/sync")
        assert [sent.remote for sent in notifies(bench.run(1.0))] == [second.address]


def test_registrations_are_listed_and_ended() -> None:
    bench = bench_of("4.3")
    for index in (0, 1):
        bench.registered(index, port=6000 + index)
    username = bench.server.seed.devices[0].username
    assert len(bench.api("GET", "/registrations").data) == 2
    listed = bench.api("GET", f"{bench.url()}/registrations").data
    assert {item["username"] for item in listed} > {username}
    assert bench.api("DELETE", f"/registrations/{username}").status == 200
    assert [item["username"] for item in bench.api("GET", "/registrations").data] != [username]
    bench.api("POST", f"{bench.url()}/sync")
    assert not notifies(bench.run(1.0))
    bench.api("DELETE", "/registrations")
    assert bench.api("GET", "/registrations").data == []
    assert bench.api("GET", "/devices/none/registrations").status == 404


def test_a_silent_phone_is_given_up() -> None:
    for profile, packets in (("4.3", 3), ("5.0", 3), ("3.22", 11)):
        bench = bench_of(profile, sync__request="attempted")
        phone: Phone = bench.registered()
        phone.answers = {}
        bench.api("POST", f"{bench.url()}/sync")
        assert len([sent for sent in bench.run(60.0) if sent.message.get("event") == "check-sync"]) == packets
