"""The server as a whole: the same in, the same out; and nothing that comes in brings it down."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.index import Message
from reference_server.api.core import Api
from reference_server.effects import ApiReply, ApiRequest, SendSip
from reference_server.server import ReferenceServer
from tests.reference_server.playbook import DOCUMENTED, Bench, notifies


def story(seed: int) -> list[bytes]:
    bench = Bench(seed=seed)
    bench.registered()
    bench.registered(1, port=7000)
    bench.api("PUT", "/devices", {"name": "x"})
    bench.api("POST", f"{bench.url()}/sync")
    bench.api("GET", f"{bench.url(1)}/quickcall/5")
    bench.run(40.0)
    return [item.message.raw for item in bench.sent] + [reply.body for _, reply in bench.replies.values()]


def test_repeatable() -> None:
    assert story(1) == story(1)
    assert story(1) != story(2)


def test_the_seed() -> None:
    seed = Bench().server.seed
    accounts = {seed.account_id, seed.other_account.account_id, seed.child_account.account_id}
    assert len(accounts) == 3
    assert len(seed.devices) == 2
    assert [device.presence_id for device in seed.devices] == ["1001", "1002"]
    assert len(seed.auth_token) == 32
    assert len(seed.api_key) == 64
    assert {len(account.devices) for account in (seed.other_account, seed.child_account)} == {1}


def test_idle_means_no_deadline() -> None:
    bench = Bench()
    assert bench.server.next_deadline() is None
    phone = bench.registered()
    bench.api("POST", f"{bench.url()}/sync")
    assert bench.server.next_deadline() is not None
    bench.run(100.0)
    assert bench.server.next_deadline() is None
    assert phone.taken


def test_a_late_timer_loses_nothing() -> None:
    bench = Bench()
    bench.registered()
    bench.api("POST", f"{bench.url()}/sync")
    bench.now += 5.0
    bench.server.handle_timer(bench.now)
    assert len(notifies(bench.run(0.0))) == 1


def test_where_the_server_says_it_is() -> None:
    server = ReferenceServer(DOCUMENTED, rng=random.Random(1), epoch=0.0, sip_host="192.0.2.1", sip_port=25060)
    bench = Bench()
    bench.server = server
    bench.registered()
    bench.api("POST", f"{bench.url()}/sync")
    (found,) = notifies(bench.run(1.0))
    assert [via.partition(";")[0] for via in found.message.all("via")] == [
        "SIP/2.0/UDP 192.0.2.1:25060",
        "SIP/2.0/UDP 192.0.2.1:11000",
    ]


def test_an_accident_is_answered_500_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(Api, "handle", explode)
    bench = Bench()
    reply = bench.raw("GET", "/v2/x")
    assert (reply.status, reply.json["message"]) == (500, "unspecified_fault")
    (error,) = bench.server.errors
    assert error.doing == "GET /v2/x"
    assert "boom" in error.traceback
    for _ in range(200):
        bench.raw("GET", "/v2/x")
    assert len(bench.server.errors) == 100


def test_an_accident_on_the_sip_side_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()

    def explode(*_: Any) -> bool:
        raise RuntimeError("boom")

    monkeypatch.setattr(bench.server._edge, "ignores", explode)
    bench.receive(bench.phone().request("OPTIONS"), ("127.0.0.1", 6000))
    assert [error.doing for error in bench.server.errors] == ["a SIP message"]


# Whatever comes in: no exception, one reply for each API request, nothing unreadable on the wire.

METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FROB", ""])
SEGMENTS = st.one_of(
    st.sampled_from(["v1", "v2", "v3", "accounts", "devices", "sync", "status", "quickcall", "A", "D", "1", ""]),
    st.text(max_size=8),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "sip",
                    "name",
                    "sync",
                    "username",
                    "password",
                    "realm",
                    "id",
                    "verb",
                    "method",
                    "enabled",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def answered(bench: Bench, request: ApiRequest) -> ApiReply:
    bench.server.api(request, bench.now)
    replies = [effect for effect in bench.server.take() if isinstance(effect, ApiReply)]
    assert [reply.handle for reply in replies] == [request.handle]
    for name, value in replies[0].headers:
        assert name == name.lower()
        assert "\r" not in value
        assert "\n" not in value
        assert value.isascii()
    assert bench.server.errors == []
    return replies[0]


@settings(deadline=None, max_examples=150)
@given(
    method=METHODS,
    segments=st.lists(SEGMENTS, max_size=8),
    query=st.text(max_size=20),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                ["X-Auth-Token", "Content-Type", "Accept", "X-Request-ID", "If-None-Match", "Authorization"]
            ),
            st.text(max_size=12),
        ),
        max_size=4,
    ),
    body=st.binary(max_size=40),
)
def test_any_request_is_answered_once(
    method: str, segments: list[str], query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    bench = Bench()
    seed = bench.server.seed
    known = {"A": seed.account_id, "D": seed.devices[0].id}
    target = "/" + "/".join(known.get(segment, segment) for segment in segments) + "?" + query
    answered(bench, ApiRequest(7, method, target, tuple(headers), body))


@settings(deadline=None, max_examples=200)
@given(method=st.sampled_from(["POST", "PUT", "PATCH"]), place=st.integers(0, 4), data=JSON)
def test_any_document_is_answered_once(method: str, place: int, data: Any) -> None:
    bench = Bench()
    bench.registered()
    seed = bench.server.seed
    device = f"/v2/accounts/{seed.account_id}/devices/{seed.devices[0].id}"
    targets = [
        device,
        f"{device}/sync",
        device.rpartition("/")[0],
        f"/v1/accounts/{seed.account_id}",
        "/v2/user_auth",
    ]
    try:
        body = json.dumps({"data": data}, allow_nan=True).encode()
    except ValueError:
        return
    headers = (("X-Auth-Token", seed.auth_token),)
    answered(bench, ApiRequest(7, method, targets[place], headers, body))
    answered(bench, ApiRequest(8, "GET", device, headers))
    answered(bench, ApiRequest(9, "GET", f"{device}/quickcall/1", headers))
    bench.run(2.0)
    assert bench.server.errors == []


@settings(deadline=None, max_examples=200)
@given(data=st.binary(max_size=200))
def test_any_octets(data: bytes) -> None:
    bench = Bench()
    bench.receive(data, ("127.0.0.1", 6000))
    bench.run(40.0)
    assert bench.server.errors == []


VALUES = st.one_of(
    st.sampled_from(
        [
            "*",
            "<sip:a@127.0.0.1:6000>",
            "<sip:a@b>;expires=0",
            "0",
            "600",
            "-1",
            "1 REGISTER",
            'Digest username="a", realm="b", nonce="c", uri="d", response="e"',
            "SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bKx;rport",
            "",
        ]
    ),
    st.text(st.characters(blacklist_characters="\r\n"), max_size=20),
)
NAMES = st.sampled_from(
    [
        "Via",
        "From",
        "To",
        "Call-ID",
        "Contact",
        "Expires",
        "Authorization",
        "Max-Forwards",
        "Event",
        "User-Agent",
    ]
)
REQUESTS = st.sampled_from(["REGISTER", "OPTIONS", "SUBSCRIBE", "NOTIFY", "INVITE", "ACK", "BYE", "CANCEL", "FROB"])


@settings(deadline=None, max_examples=300)
@given(method=REQUESTS, extra=st.lists(st.tuples(NAMES, VALUES), max_size=8), body=st.binary(max_size=20))
def test_any_headers(method: str, extra: list[tuple[str, str]], body: bytes) -> None:
    bench = Bench()
    phone = bench.phone()
    start, _, rest = phone.request(method).partition(b"\r\n")
    lines = "".join(f"{name}: {value}\r\n" for name, value in extra).encode("utf-8", "replace")
    for data in (
        start + b"\r\n" + lines + rest + body,
        start + b"\r\n" + rest.replace(b"\r\n\r\n", b"\r\n" + lines),
    ):
        bench.server.receive(data, phone.address, bench.now)
        bench.server.receive(data + b"\r\n", phone.address, bench.now)
    for effect in bench.server.take():
        assert isinstance(effect, SendSip)
        Message.parse(effect.data)
    bench.now += 40.0
    bench.server.handle_timer(bench.now)
    assert bench.server.errors == []
