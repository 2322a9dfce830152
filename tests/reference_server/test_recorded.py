"""The API answers as a recorded Kazoo 4.3 did: status, message, data, and the names of the headers.

Exchanges whose id begins with m come from a 5.0, which has other headers; there only the rest is compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference_server.playbook import DOCUMENTED, Bench, changed

EXCHANGES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "recorded.json").read_text(encoding="utf-8")
)
DEVICES: dict[str, dict[str, Any]] = {
    "device": {"name": "our-a", "sip": {"username": "oura", "password": "word-a"}},
    "disabled": {"name": "our-dis", "enabled": False, "sip": {"username": "ourdis", "password": "word-dis"}},
    "full": {
        "name": "our-full",
        "mac_address": "00:11:22:AA:BB:CC",
        "device_type": "softphone",
        "sip": {"username": "ourfull", "password": "word-ourfull"},
    },
}
SHAPE_ONLY = {"4018", "4033", "4036", "4037", "4117", "4127"}
"""Lists of devices: theirs were others than ours."""


def shape(value: Any) -> Any:
    """What kind of value it is, all the way down; optional keys of list items are left out."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key not in ("owner_id", "username")}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def prepare(rules: str | None) -> tuple[Bench, dict[str, str]]:
    """A server with the devices that the recordings speak of, and what stands for the placeholders."""
    bench = Bench()
    if rules is not None:
        name, _, value = rules.partition("=")
        settings: dict[str, Any] = {name.replace(".", "__"): value}
        bench = Bench(changed(DOCUMENTED, **settings))
    seed = bench.server.seed
    values = {
        "account": seed.account_id,
        "child": seed.child_account.account_id,
        "token": seed.auth_token,
        "sibling_token": seed.other_account.auth_token,
        "child_token": seed.child_account.auth_token,
        "foreign": seed.other_account.devices[0].id,
        "user": "1" * 32,
        "api_key": seed.api_key,
        "realm": seed.realm,
    }
    for name, document in DEVICES.items():
        values[name] = bench.api("PUT", "/devices", document).data["id"]
    for device in seed.child_account.devices:
        token = [("X-Auth-Token", seed.auth_token)]
        bench.raw("DELETE", f"/v2/accounts/{seed.child_account.account_id}/devices/{device.id}", token)
    return bench, values


def fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: f"{exchange['id']}-{exchange['note']}")
def test_recorded_exchange(exchange: dict[str, Any]) -> None:
    bench, values = prepare(exchange.get("rules"))
    asked = exchange["request"]
    body = asked["raw"] if "raw" in asked else json.dumps(asked["body"]) if "body" in asked else ""
    headers = [(name, fill(value, values)) for name, value in asked["headers"].items()]

    reply = bench.raw(asked["method"], fill(asked["path"], values), headers, fill(body, values).encode())

    wanted = json.loads(fill(json.dumps(exchange["response"]), values))
    assert reply.status == wanted["status"]
    if not exchange["id"].startswith("m"):
        assert sorted(reply.headers) == wanted["headers"]
    assert int(reply.headers["content-length"]) == len(reply.body) or asked["method"] == "HEAD"
    if "data" not in wanted:
        assert reply.body == b""
        return
    envelope = reply.json
    assert envelope.get("message") == wanted["message"]
    assert envelope["status"] == ("success" if reply.status < 300 else "error")
    data = envelope["data"]
    if isinstance(data, dict) and reply.status < 300:
        assert len(data.pop("id")) == 32
        if exchange["id"] == "4077":
            del data["mac_address"]  # theirs had lost it to a POST before
    if exchange["id"] in SHAPE_ONLY:
        assert shape(data) == shape(wanted["data"])
    else:
        assert data == wanted["data"]


def test_a_wrong_recording_is_noticed() -> None:
    """The comparison is not empty: with one word changed, it fails."""
    exchange = json.loads(json.dumps(next(item for item in EXCHANGES if item["id"] == "4045")))
    exchange["response"]["data"]["sip.username"]["unique"]["message"] = "something else"
    with pytest.raises(AssertionError):
        test_recorded_exchange(exchange)
