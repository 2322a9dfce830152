"""The API of callflows and resources: envelopes, validation, life and death."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference_server.playbook import Bench

FLOW = {"module": "device", "data": {"id": "x"}}
CALLFLOW = {"numbers": ["1001"], "flow": FLOW}
RESOURCE = {"name": "carrier", "gateways": [{"server": "127.0.0.1", "port": 9000}]}


@pytest.mark.parametrize(("noun", "document"), [("callflows", CALLFLOW), ("resources", RESOURCE)])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_life_of_a_document(noun: str, document: dict[str, Any], version: str) -> None:
    bench = Bench()
    account = bench.server.seed.account_id
    created = bench.api("PUT", f"/{noun}", {**document, "id": "own", "_rev": "1", "pvt_x": 1}, version=version)
    assert created.status == 201
    identifier = created.data["id"]
    assert len(identifier) == 32
    assert created.headers["location"] == f"/{version}/accounts/{account}/{noun}/{identifier}"
    assert created.json["revision"].startswith("1-")
    assert {key: created.data[key] for key in document} == document
    assert not {"_rev", "pvt_x"} & created.data.keys()
    shown = bench.api("GET", f"/{noun}/{identifier}", version=version)
    assert (shown.status, shown.data) == (200, created.data)
    listed = bench.api("GET", f"/{noun}", version=version)
    assert [item["id"] for item in listed.data] == [identifier]
    deleted = bench.api("DELETE", f"/{noun}/{identifier}", version=version)
    assert deleted.data["_read_only"] == {"deleted": True}
    gone = bench.api("GET", f"/{noun}/{identifier}", version=version)
    assert (gone.status, gone.json["message"]) == (404, "bad_identifier")
    assert bench.api("DELETE", f"/{noun}/{identifier}", version=version).status == 404
    assert bench.api("GET", f"/{noun}", version=version).data == []


def test_lists() -> None:
    bench = Bench()
    bench.api("PUT", "/callflows", {**CALLFLOW, "name": "desk"})
    bench.api("PUT", "/resources", RESOURCE)
    (callflow,) = bench.api("GET", "/callflows").data
    assert {key: callflow[key] for key in ("name", "numbers", "modules")} == {
        "name": "desk",
        "numbers": ["1001"],
        "modules": ["device"],
    }
    (resource,) = bench.api("GET", "/resources").data
    assert (resource["name"], resource["enabled"], resource["weight_cost"]) == ("carrier", True, 50)


@pytest.mark.parametrize(
    ("noun", "document", "field", "rule"),
    [
        ("callflows", {"flow": FLOW}, "numbers", "required"),
        ("callflows", {"numbers": ["1"]}, "flow", "required"),
        ("callflows", {"numbers": ["1"], "flow": {}}, "flow.module", "required"),
        ("callflows", {"numbers": ["1"], "flow": {"module": "device", "data": 1}}, "flow.data", "type"),
        ("callflows", {"numbers": "1", "flow": FLOW}, "numbers", "type"),
        ("callflows", {"numbers": ["1", 2], "flow": FLOW}, "numbers.1", "type"),
        ("callflows", {"numbers": ["5", "1001"], "flow": FLOW}, "numbers.1", "unique"),
        ("resources", {"gateways": []}, "name", "required"),
        ("resources", {"name": "x"}, "gateways", "required"),
        ("resources", {"name": "x", "gateways": [], "rules": "x"}, "rules", "type"),
    ],
)
def test_refused(noun: str, document: dict[str, Any], field: str, rule: str) -> None:
    bench = Bench()
    bench.api("PUT", "/callflows", CALLFLOW)
    reply = bench.api("PUT", f"/{noun}", document)
    assert (reply.status, reply.json["message"]) == (400, "validation error")
    assert rule in reply.data[field]


def test_a_number_is_free_again() -> None:
    bench = Bench()
    first = bench.api("PUT", "/callflows", CALLFLOW).data["id"]
    assert bench.api("PUT", "/callflows", CALLFLOW).status == 400
    bench.api("DELETE", f"/callflows/{first}")
    assert bench.api("PUT", "/callflows", CALLFLOW).status == 201


def test_others_cannot_see_them() -> None:
    bench = Bench()
    identifier = bench.api("PUT", "/callflows", CALLFLOW).data["id"]
    other = bench.server.seed.other_account
    assert bench.api("GET", "/callflows", token=other.auth_token).status == 403
    assert bench.api("GET", "/callflows", token=None).status == 401
    target = f"/v2/accounts/{other.account_id}/callflows/{identifier}"
    assert bench.raw("GET", target, [("X-Auth-Token", other.auth_token)]).status == 404


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_wrong_methods(method: str) -> None:
    bench = Bench()
    assert bench.api(method, "/callflows", CALLFLOW).status == 405


@pytest.mark.parametrize(
    ("forward", "status"),
    [
        ({"enabled": True, "number": "5550199", "keep_caller_id": True, "require_keypress": False}, 201),
        ({"enabled": "yes"}, 400),
        ({"number": 5550199}, 400),
        ({"number": "5" * 36}, 400),
        ("5550199", 400),
    ],
)
def test_call_forward(forward: Any, status: int) -> None:
    bench = Bench()
    assert bench.api("PUT", "/devices", {"name": "cell", "call_forward": forward}).status == status
