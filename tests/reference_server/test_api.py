"""The API where nothing was recorded, or where a rule says otherwise than `documented`."""

from __future__ import annotations

import json
from hashlib import md5, sha1
from typing import Any

import pytest

from tests.reference_server.playbook import Bench, Reply, changed


def api(bench: Bench, method: str, path: str, body: Any = None, **headers: str) -> Reply:
    """A request with a path of its own."""
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return bench.raw(method, path, given, octets)


# logging in


def user_auth(bench: Bench, **data: Any) -> Reply:
    return api(bench, "PUT", "/v2/user_auth", {"data": data})


@pytest.mark.parametrize("method", ["md5", "sha", None])
@pytest.mark.parametrize("by", ["account_name", "account_realm"])
def test_user_auth(method: str | None, by: str) -> None:
    bench = Bench()
    user = bench.server.seed.user
    digest = sha1 if method == "sha" else md5
    credentials = digest(f"{user.username}:{user.password}".encode()).hexdigest()
    extra = {} if method is None else {"method": method}
    name = user.account_name.upper() if by == "account_name" else bench.server.seed.realm
    reply = user_auth(bench, credentials=credentials, **{by: name}, **extra)
    assert reply.status == 201
    assert reply.data["account_id"] == bench.server.seed.account_id
    assert len(reply.data["owner_id"]) == 32
    token = reply.json["auth_token"]
    assert len(token) == 32
    assert bench.api("GET", "/devices", token=token).status == 200


@pytest.mark.parametrize(
    "data",
    [
        {"credentials": "0" * 32, "account_name": "main"},
        {"credentials": "0" * 32, "account_name": "nobody"},
        {"credentials": "0" * 32, "account_realm": "nowhere.example"},
        {"credentials": "0" * 32},
        {"credentials": "0" * 32, "account_name": "-"},
        {"credentials": "0" * 32, "account_name": 5},
    ],
)
def test_user_auth_refused(data: dict[str, Any]) -> None:
    reply = user_auth(Bench(), **data)
    assert (reply.status, reply.json["message"]) == (401, "invalid_credentials")


def test_api_auth_on_both_versions() -> None:
    bench = Bench()
    for version in ("v1", "v2"):
        body = {"data": {"api_key": bench.server.seed.api_key}}
        reply = api(bench, "PUT", f"/{version}/api_auth", body)
        assert reply.status == 201
        assert reply.headers["location"] == f"/{version}/api_auth/{bench.server.seed.account_id}"
        assert bench.api("GET", "/devices", token=reply.json["auth_token"], version=version).status == 200


def test_tokens_may_expire() -> None:
    bench = Bench(changed(tokens__lifetime_s=60))
    body = {"data": {"api_key": bench.server.seed.api_key}}
    token = api(bench, "PUT", "/v2/api_auth", body).json["auth_token"]
    bench.run(59.0)
    assert bench.api("GET", "/devices", token=token).status == 200
    bench.run(1.0)
    assert bench.api("GET", "/devices", token=token).status == 401
    assert bench.api("GET", "/devices").status == 200


@pytest.mark.parametrize("where", ["header", "query", "data", "envelope"])
@pytest.mark.parametrize("carriers", [["header", "parameter"], ["header"], ["parameter"]])
def test_where_a_token_may_stand(where: str, carriers: list[str]) -> None:
    bench = Bench(changed(tokens__carriers=carriers))
    token, account = bench.server.seed.auth_token, bench.server.seed.account_id
    query = f"?auth_token={token}" if where == "query" else ""
    headers = {"X_Auth_Token": token} if where == "header" else {}
    body: dict[str, Any] = {"data": {"name": "n"}}
    if where == "data":
        body["data"]["auth_token"] = token
    if where == "envelope":
        body["auth_token"] = token
    reply = api(bench, "PUT", f"/v2/accounts/{account}/devices{query}", body, **headers)
    allowed = ("header" if where == "header" else "parameter") in carriers
    assert reply.status == (201 if allowed else 401)


@pytest.mark.parametrize("token", ["", "0" * 32, "x", "é", "a.b.c", "\x00"])
def test_bad_tokens(token: str) -> None:
    bench = Bench()
    path = f"/v2/accounts/{bench.server.seed.account_id}/devices"
    reply = api(bench, "GET", path, X_Auth_Token=token)
    assert (reply.status, reply.data) == (401, {"message": "invalid credentials"})
    assert reply.json["auth_token"] == token


# accounts


def test_an_account_of_ones_own() -> None:
    bench = Bench()
    seed = bench.server.seed
    created = bench.api("PUT", "", {"name": "case 1"})
    assert created.status == 201
    account = created.data
    assert set(account) == {"id", "name", "realm"}
    assert account["realm"].endswith(".sip.local")
    assert created.headers["location"] == f"/v2/accounts/{account['id']}"
    own = f"/v2/accounts/{account['id']}"
    shown = api(bench, "GET", own, X_Auth_Token=seed.auth_token)
    assert shown.data == account
    key = api(bench, "GET", f"{own}/api_key", X_Auth_Token=seed.auth_token).data["api_key"]
    assert len(key) == 64
    login = api(bench, "PUT", "/v2/api_auth", {"data": {"api_key": key}})
    token = login.json["auth_token"]
    assert login.data["account_id"] == account["id"]
    assert api(bench, "GET", f"{own}/devices", X_Auth_Token=token).data == []
    assert bench.api("GET", "/devices", token=token).status == 403
    document = {"name": "d", "sip": {"username": "user", "password": "secret"}}
    api(bench, "PUT", f"{own}/devices", {"data": document}, X_Auth_Token=token)
    phone = bench.phone(realm=account["realm"])
    phone.username, phone.password, phone.contact = "user", "secret", "sip:user@127.0.0.1:6000"
    assert phone.register() == 200
    assert api(bench, "DELETE", own, X_Auth_Token=seed.auth_token).status == 200
    assert api(bench, "GET", own, X_Auth_Token=seed.auth_token).status == 404
    assert api(bench, "GET", f"{own}/devices", X_Auth_Token=token).status == 404
    assert phone.register() == 401


def test_account_with_a_realm() -> None:
    bench = Bench()
    data = {"name": "x", "realm": "My.Realm.example", "timezone": "UTC", "pvt_secret": 1, "id": "own"}
    account = bench.api("PUT", "", data).data
    assert account["realm"] == "my.realm.example"
    assert account["timezone"] == "UTC"
    assert "pvt_secret" not in account
    assert account["id"] != "own"
    again = bench.api("PUT", "", {"name": "y", "realm": "MY.realm.example"})
    assert again.status == 400
    assert list(again.data) == ["realm"]


@pytest.mark.parametrize(
    "data", [{}, {"name": ""}, {"name": 5}, {"name": "x", "realm": "a b"}, {"name": "x", "realm": "a\r\nb.c"}]
)
def test_bad_accounts(data: dict[str, Any]) -> None:
    assert Bench().api("PUT", "", data).status == 400


def test_an_account_with_children_stays() -> None:
    bench = Bench()
    reply = bench.api("DELETE", "")
    assert (reply.status, reply.json["message"]) == (500, "account_has_descendants")
    assert bench.api("GET", "").status == 200


def test_grandparents_are_above() -> None:
    bench = Bench()
    seed = bench.server.seed
    path = f"/v2/accounts/{seed.child_account.account_id}"
    grandchild = api(bench, "PUT", path, {"data": {"name": "x"}}, X_Auth_Token=seed.auth_token).data["id"]
    path = f"/v2/accounts/{grandchild}"
    assert api(bench, "GET", path, X_Auth_Token=seed.auth_token).status == 200
    assert api(bench, "GET", path, X_Auth_Token=seed.other_account.auth_token).status == 403


@pytest.mark.parametrize(
    ("rule", "account", "devices"),
    [("everything", 200, 200), ("account_only", 200, 403), ("nothing", 403, 403)],
)
def test_what_a_parent_may_do(rule: str, account: int, devices: int) -> None:
    bench = Bench(changed(tokens__ancestor=rule))
    seed = bench.server.seed
    path = f"/v2/accounts/{seed.child_account.account_id}"
    assert api(bench, "GET", path, X_Auth_Token=seed.auth_token).status == account
    assert api(bench, "GET", f"{path}/devices", X_Auth_Token=seed.auth_token).status == devices
    assert bench.api("GET", "/devices").status == 200


# devices


def test_post_replaces_and_patch_merges() -> None:
    bench = Bench()
    before = bench.api("GET", bench.url()).data
    sip = {"password": "another-one", "route": None}
    patched = bench.api("PATCH", bench.url(), {"sip": sip, "extra": {"a": 1}, "presence_id": None}).data
    assert patched["sip"] == {**before["sip"], "password": "another-one"}
    assert patched["extra"] == {"a": 1}
    assert "presence_id" not in patched
    assert patched["name"] == before["name"]
    assert bench.api("PATCH", bench.url(), {}).data == patched
    posted = bench.api("POST", bench.url(), {"name": "bare"}).data
    assert "extra" not in posted
    assert posted["sip"] == {"expire_seconds": 300, "invite_format": "contact", "method": "password"}
    assert bench.api("GET", bench.url()).data == posted


def test_private_fields_are_not_ours_to_set() -> None:
    bench = Bench()
    data = {"name": "x", "pvt_type": "user", "_rev": "9-x", "_read_only": {}}
    assert not {key for key in bench.api("PUT", "/devices", data).data if key.startswith(("_", "pvt_"))}


def test_a_given_id_is_taken_once() -> None:
    bench = Bench()
    data = {"name": "x", "id": "ab" * 16}
    assert bench.api("PUT", "/devices", data).data["id"] == "ab" * 16
    assert bench.api("PUT", "/devices", data).status == 409
    for odd in ("../x", "AB" * 16, 5, "", "ab" * 16 + "\n"):
        assert bench.api("PUT", "/devices", {"name": "x", "id": odd}).data["id"] != odd


def test_the_same_username_may_stay() -> None:
    bench = Bench()
    document = bench.api("GET", bench.url()).data
    assert bench.api("POST", bench.url(), document).status == 200


@pytest.mark.parametrize(
    ("document", "field", "rule"),
    [
        ({"name": 5}, "name", "type"),
        ({"name": "x", "enabled": "yes"}, "enabled", "type"),
        ({"name": "x", "presence_id": 1001}, "presence_id", "type"),
        ({"name": "x", "sip": "x"}, "sip", "type"),
        ({"name": "x", "sip": {"expire_seconds": True}}, "sip.expire_seconds", "type"),
        ({"name": "x", "sip": {"username": "u" * 33}}, "sip.username", "maxLength"),
        ({"name": "x", "sip": {"realm": "a b c d"}}, "sip.realm", "pattern"),
        ({"name": "x", "sip": {"realm": "example.org\n"}}, "sip.realm", "pattern"),
    ],
)
def test_validation(document: dict[str, Any], field: str, rule: str) -> None:
    reply = Bench().api("PUT", "/devices", document)
    assert (reply.status, reply.json["message"]) == (400, "validation error")
    assert list(reply.data) == [field]
    assert list(reply.data[field]) == [rule]


def test_all_mistakes_are_named_at_once() -> None:
    document = {"mac_address": 1, "sip": {"username": "x", "password": "y"}}
    reply = Bench().api("PUT", "/devices", document)
    assert sorted(reply.data) == ["mac_address", "name", "sip.password", "sip.username"]


def test_status_lists_the_registered() -> None:
    bench = Bench()
    bench.registered(1, port=7000)
    wanted = [{"device_id": bench.server.seed.devices[1].id, "registered": True}]
    assert bench.api("GET", "/devices/status").data == wanted
    bench.run(601.0)
    assert bench.api("GET", "/devices/status").data == []


def test_etag() -> None:
    bench = Bench()
    seed = bench.server.seed
    path = f"/v2/accounts/{seed.account_id}{bench.url()}"
    first = api(bench, "GET", path, X_Auth_Token=seed.auth_token)
    etag = first.headers["etag"]
    again = api(bench, "GET", path, X_Auth_Token=seed.auth_token, If_None_Match=etag)
    assert (again.status, again.body) == (304, b"")
    bench.api("PATCH", bench.url(), {"name": "x"})
    assert api(bench, "GET", path, X_Auth_Token=seed.auth_token, If_None_Match=etag).status == 200


# rules other than documented


def test_versions_may_be_gone() -> None:
    bench = Bench(changed(api__v1="gone"))
    reply = bench.api("GET", "/devices", version="v1")
    assert (reply.status, reply.json["message"]) == (410, "gone")
    assert reply.data == "API version 1 is not supported. Please upgrade your code to use version 2."
    assert Bench(changed(api__v2="not_found")).api("GET", "/devices").status == 404


def test_v1_details() -> None:
    missing = "/devices/" + "0" * 32
    assert Bench().api("GET", missing, version="v1").data == "bad identifier"
    objects = Bench(changed(api__v1_error_detail="object", api__v1_validation_detail="text"))
    assert objects.api("GET", missing, version="v1").data["message"] == "bad identifier"
    reply = objects.api("PUT", "/devices", {}, version="v1")
    assert reply.data == {"name": {"required": "Field is required but missing"}}


def test_success_statuses() -> None:
    bench = Bench(changed(api__success_status=202, api__created_status=200))
    assert bench.api("GET", "/devices").status == 202
    assert bench.api("PUT", "/devices", {"name": "x"}).status == 200


def test_tunnels() -> None:
    bench = Bench()
    assert bench.api("GET", f"{bench.url()}?verb=delete").status == 200
    assert bench.api("GET", bench.url()).status == 404
    bench = Bench(changed(api__verb_tunnel="ignored"))
    assert bench.api("GET", f"{bench.url()}?verb=delete").status == 200
    assert bench.api("GET", bench.url()).status == 200


def test_a_smaller_limit() -> None:
    bench = Bench(changed(api__body_limit=10))
    reply = bench.api("PUT", "/devices", {"name": "x"})
    wanted = {"message": "Payload or Files must not be more than 10 bytes", "target": 10}
    assert (reply.status, reply.data) == (400, {"file": {"maxSize": wanted}})


def test_the_order_of_the_checks_is_data() -> None:
    def status(order: list[str]) -> list[int]:
        bench = Bench(changed(api__order=order))
        account = bench.server.seed.account_id
        return [
            api(bench, "PUT", "/v2/frobs", b"{").status,
            api(bench, "GET", f"/v2/accounts/{'0' * 32}/devices").status,
            api(bench, "GET", f"/v2/accounts/{account}/devices", Accept="text/html").status,
        ]

    assert status(["body", "route", "account", "token", "access", "media"]) == [400, 404, 401]
    assert status(["route", "body", "token", "account", "access", "media"]) == [404, 401, 401]
    assert status(["media", "route", "account", "token", "access", "body"]) == [404, 404, 401]


# bodies


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"data": NaN}',
        b'{"data": {"x": 1e999}}',
        b'{"data": {"x": ' + b"9" * 5000 + b"}}",
        b'{"data": ' + b"[" * 100_000,
        b'{"data": {"x": ' + b"[" * 500 + b"]" * 500 + b"}}",
    ],
)
def test_no_json(body: bytes) -> None:
    bench = Bench()
    path = f"/v2/accounts/{bench.server.seed.account_id}/devices"
    reply = api(bench, "PUT", path, body, X_Auth_Token=bench.server.seed.auth_token)
    detail = {"message": "decoder_exit around 0", "target": "body"}
    assert (reply.status, reply.data) == (400, {"json": {"invalid": detail}})
    assert bench.server.errors == []


def test_nesting_that_is_no_attack() -> None:
    bench = Bench()
    document = {"name": "x", "deep": [[[[{}] * 300]]]}
    assert bench.api("PUT", "/devices", document).data["deep"] == document["deep"]


def test_data_as_a_list_crashes_as_recorded() -> None:
    reply = Bench().api("PUT", "/devices", [1])
    assert (reply.status, reply.json["message"], "data" in reply.json) == (500, "init failed", False)


def test_request_ids() -> None:
    bench = Bench()
    given = api(bench, "GET", "/v2/x", X_Request_ID="rp-1\r\nSet-Cookie: x")
    assert given.headers["x-request-id"] == given.json["request_id"] == "rp-1Set-Cookie:x"
    own = [api(bench, "GET", "/v2/x").json["request_id"] for _ in range(2)]
    assert own[0] != own[1]
    assert len(own[0]) == 32


def test_without_a_version() -> None:
    for path in ("/", "/accounts/x", "", "/v/accounts"):
        reply = api(Bench(), "GET", path)
        assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; charset=UTF-8")


def test_options_needs_no_token() -> None:
    bench = Bench()
    account = bench.server.seed.account_id
    reply = api(bench, "OPTIONS", f"/v2/accounts/{account}{bench.url()}")
    assert (reply.status, reply.body) == (200, b"")
    assert reply.headers["access-control-allow-methods"] == "OPTIONS, PATCH, POST, GET, DELETE"
    assert api(bench, "OPTIONS", "/v2/frobs").status == 404


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, */*;q=0.1", "application/*", ""])
def test_accept(accept: str) -> None:
    bench = Bench()
    path = f"/v2/accounts/{bench.server.seed.account_id}/devices"
    token = bench.server.seed.auth_token
    assert api(bench, "GET", path, X_Auth_Token=token, Accept=accept).status == 200


def test_times() -> None:
    bench = Bench()
    bench.now = 86_400.0
    reply = api(bench, "GET", "/v2/x")
    assert reply.headers["date"] == "Fri, 02 Jan 2015 00:00:00 GMT"
    assert reply.json["timestamp"] == "2015-01-02T00:00:00Z"
