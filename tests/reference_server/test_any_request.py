"""Whatever is asked of the API of any release, it answers, and nothing inside fails."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.effects import ApiRequest
from reference_server.profiles import PROFILES
from tests.reference_server.calling import desk
from tests.reference_server.playbook import Bench

WORDS = ["1001", "reset", "set", "early", "notify", "true", "x@y"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.text(max_size=8)
    | st.sampled_from(["1001", "reset", "set", "x@y"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["data", "event", "username"]), inner),
    max_leaves=4,
)
FIELDS = [
    *("name", "first_name", "last_name", "username", "password", "presence_id", "owner_id", "sip", "enabled", "sync"),
    *("action", "state", "reset", "reboot", "provision", "do_not_disturb", "call_forward", "cid-name", "timeout"),
    *("allow_anonymous_quickcalls", "verb", "data", "caller_id", "device_type"),
]
DOCUMENTS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5)
PATHS = st.sampled_from(
    [
        "/devices",
        "/devices/status",
        "/devices/{device}",
        "/devices/{device}/sync",
        "/devices/{device}/presence",
        "/devices/{device}/registrations",
        "/devices/{device}/quickcall/1002",
        "/users",
        "/users/{user}",
        "/users/{user}/devices",
        "/users/{user}/sync",
        "/users/{user}/presence",
        "/users/{user}/quickcall/1002?cid-name=%0d%0a",
        "/presence",
        "/presence/1001",
        "/presence/1001@x/reset",
        "/registrations",
        "/registrations/desk",
    ]
)
REQUESTS = st.tuples(st.sampled_from(["GET", "PUT", "POST", "PATCH", "DELETE"]), PATHS, st.none() | DOCUMENTS)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(PROFILES)), st.lists(REQUESTS, min_size=1, max_size=12), st.booleans())
def test_there_is_one_answer_to_each(
    profile: str, requests: list[tuple[str, str, dict[str, Any] | None]], filled: bool
) -> None:
    bench = Bench(PROFILES[profile])
    desk(bench)
    seed = bench.server.seed
    user = next(iter(bench.server.directory.accounts[seed.account_id].users))
    if filled:
        # something to work with
        document = {"name": "x", "first_name": "A", "last_name": "B", "owner_id": user, "sip": {"username": "sip-x"}}
        requests = [(method, path, None if data is None else {**document, **data}) for method, path, data in requests]
    for number, (method, path, data) in enumerate(requests):
        target = f"/v2/accounts/{seed.account_id}{path.format(device=seed.devices[0].id, user=user)}"
        body = b"" if data is None else json.dumps({"data": data}).encode()
        request = ApiRequest(1000 + number, method, target, (("X-Auth-Token", seed.auth_token),), body)
        bench.server.api(request, bench.now)
        bench.run(0.1)
    bench.run(60.0)
    assert not bench.server.errors
    assert {1000 + number for number in range(len(requests))} <= set(bench.replies)
