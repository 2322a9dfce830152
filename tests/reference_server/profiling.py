"""Benches of each release, and what tests of them need."""

from __future__ import annotations

from typing import Any

from reference_server.effects import ApiRequest
from reference_server.profiles import PROFILES
from tests.reference_server.playbook import Bench, Reply, changed
from tests.reference_server.watching import Scene

V3 = ("3.20", "3.22")
V4 = ("4.3", "5.0")
RELEASES = (*V3, *V4)
RESET = {"3.22": {"reset": True}, "4.3": {"action": "reset"}, "5.0": {"action": "reset"}}
"""What a reset must say."""


def bench_of(profile: str, **rules: Any) -> Bench:
    return Bench(changed(PROFILES[profile], **rules))


def scene_of(profile: str, **rules: Any) -> Scene:
    return Scene(changed(PROFILES[profile], **rules))


def new_device(bench: Bench, **document: Any) -> str:
    created = bench.api("PUT", "/devices", {"name": "another", **document})
    assert created.status == 201
    return f"/devices/{created.data['id']}"


def new_user(bench: Bench, **document: Any) -> str:
    created = bench.api("PUT", "/users", {"first_name": "Ann", "last_name": "Bee", **document})
    assert created.status == 201
    return str(created.data["id"])


def later(bench: Bench, method: str, path: str, *, seconds: float = 60.0, version: str = "v2") -> tuple[float, Reply]:
    """How long a reply took, and the reply."""
    target = f"/{version}/accounts/{bench.server.seed.account_id}{path}"
    headers = (("X-Auth-Token", bench.server.seed.auth_token),)
    start = bench.now
    bench.server.api(ApiRequest(4711, method, target, headers), bench.now)
    bench.collect()
    bench.run(seconds)
    when, reply = bench.replies[4711]
    return when - start, Reply(reply.status, dict(reply.headers), reply.body)
