"""Every mutant is `documented` with one thing wrong, and that shows where the mutant says it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import md5
from typing import Any

import pytest

from phones.sip.index import Message
from reference_server.behaviour import Behaviour
from reference_server.behaviour_api import Encryption
from reference_server.mutants import MUTANTS
from reference_server.profiles import PROFILES
from tests.reference_server.call_checks import CALL_CHECKS
from tests.reference_server.playbook import DOCUMENTED, Bench, notifies
from tests.reference_server.presence_checks import PRESENCE_CHECKS
from tests.reference_server.watching import Scene


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    else:
        yield path, value


def differences(behaviour: Behaviour, profile: str = "documented") -> list[str]:
    """The rules in which it is not `profile`; each fault counts."""
    ours = dict(leaves(behaviour.model_dump(mode="json", exclude={"faults"})))
    theirs = dict(leaves(PROFILES[profile].model_dump(mode="json", exclude={"faults"})))
    return [path for path in theirs if ours[path] != theirs[path]] + ["fault"] * len(behaviour.faults)


def synced(bench: Bench, seconds: float = 2.0) -> int:
    return len(notifies(bench.run(seconds)))


def update(bench: Bench, **extra: Any) -> None:
    document = bench.api("GET", bench.url()).data
    assert bench.api("POST", bench.url(), {**document, **extra}).status in (200, 400)


# One small check per clause: True when the server keeps it.


def sync_01(bench: Bench) -> bool:
    phone = bench.registered()
    for version in ("v1", "v2"):
        if bench.api("POST", f"{bench.url()}/sync", version=version).status != 200:
            continue
        found = notifies(bench.run(0.9))
        if [item.remote for item in found] != [phone.address]:
            return False
    return True


def sync_02(bench: Bench) -> bool:
    phone = bench.registered()
    update(bench, sync=True)
    return [item.remote for item in notifies(bench.run(2.0))] == [phone.address]


def sync_14(bench: Bench) -> bool:
    created = bench.api("PUT", "/devices", {"name": "n", "sync": True}).data["id"]
    return "sync" not in bench.api("GET", f"/devices/{created}").data


def sync_18(bench: Bench) -> bool:
    phone = bench.registered()
    sip = bench.api("GET", bench.url()).data["sip"]
    update(bench, sync=True, sip={**sip, "username": "renamed", "password": "changed-too"})
    return [item.remote for item in notifies(bench.run(2.0))] == [phone.address]


def flag(**extra: Any) -> Callable[[Bench], bool]:
    def check(bench: Bench) -> bool:
        bench.registered()
        update(bench, **extra)
        return synced(bench) == 0

    return check


def sync_05(bench: Bench) -> bool:
    phone = bench.registered()
    phone.register(0)
    bench.api("POST", f"{bench.url()}/sync")
    if synced(bench) != 0:
        return False
    other = bench.phone(bench.server.seed.devices[1], port=7000)
    other.register(5)
    bench.run(6.0)
    bench.api("POST", f"{bench.url(1)}/sync")
    return synced(bench) == 0


def sync_07(bench: Bench) -> bool:
    bench.registered()
    other = bench.registered(1, port=7000)
    bench.api("POST", f"{bench.url()}/sync")
    return all(item.remote != other.address for item in notifies(bench.run(2.0)))


def sync_08(bench: Bench) -> bool:
    bench.registered()
    bench.api("POST", f"{bench.url()}/sync")
    return synced(bench) == 1


def sync_09(bench: Bench) -> bool:
    phone = bench.registered()
    bench.api("POST", f"{bench.url()}/sync")
    message = notifies(bench.run(2.0))[0].message
    return (
        message.uri == phone.contact
        and "tag=" not in (message.get("to") or "")
        and (message.get("subscription-state") or "").startswith("terminated")
        and message.body == b""
    )


def sync_10(bench: Bench) -> bool:
    bench.registered()
    new = bench.phone(bench.server.seed.devices[0], port=7000)
    new.register()
    bench.run(0.5)
    bench.api("POST", f"{bench.url()}/sync")
    return [item.remote for item in notifies(bench.run(2.0))] == [new.address]


def sync_11(bench: Bench) -> bool:
    update(bench, sync=False)
    return "sync" not in bench.api("GET", bench.url()).data


def sync_12(bench: Bench) -> bool:
    bench.registered()
    counts = []
    values: tuple[Any, ...] = (True, "true", 1, "yes", None, [], {}, [1])
    for value in values:
        update(bench, sync=value)
        counts.append(synced(bench))
    return counts == [1, 1, 0, 0, 0, 0, 0, 0]


def sync_13(bench: Bench) -> bool:
    bench.registered()
    assert bench.api("POST", bench.url(), {"name": "", "sync": True}).status == 400
    return synced(bench) == 0


def sync_15(bench: Bench) -> bool:
    bench.registered()
    bench.api("PATCH", bench.url(), {"sync": True})
    return synced(bench) == 1


def sync_17(bench: Bench) -> bool:
    bench.registered()
    reply = bench.api("POST", f"{bench.url()}/sync", version="v1")
    return (reply.status, synced(bench)) == (200, 1)


def api_02(bench: Bench) -> bool:
    return bench.behaviour.api.https is Encryption.TLS


def api_03(bench: Bench) -> bool:
    bench.api("POST", bench.url(), {"name": "bare"})
    return "presence_id" not in bench.api("GET", bench.url()).data


def api_04(bench: Bench) -> bool:
    bench.api("PATCH", bench.url(), {"name": "bare"})
    document = bench.api("GET", bench.url()).data
    return bool(document["name"] == "bare" and document.get("presence_id") == "1001")


def posted(body: bytes) -> Callable[[Bench], bool]:
    def check(bench: Bench) -> bool:
        seed = bench.server.seed
        token = [("X-Auth-Token", seed.auth_token)]
        target = f"/v2/accounts/{seed.account_id}{bench.url()}/sync"
        return bench.raw("POST", target, token, body).status == 400

    return check


def api_09(bench: Bench) -> bool:
    reply = bench.raw("GET", "/v2/accounts/x/devices", [("X-Request-ID", "mine")])
    return (reply.headers["x-request-id"], reply.json["request_id"]) == ("mine", "mine")


def api_10(bench: Bench) -> bool:
    taken = {"username": bench.server.seed.devices[0].username.upper(), "password": "password"}
    bad: tuple[dict[str, Any], ...] = ({"name": ""}, {"name": "n", "sip": taken})
    return all(bench.api("PUT", "/devices", document).status == 400 for document in bad)


def api_11(bench: Bench) -> bool:
    user = bench.server.seed.user
    credentials = md5(f"{user.username}:{user.password}".encode()).hexdigest()
    tokens = []
    for noun, data in (
        ("api_auth", {"api_key": bench.server.seed.api_key}),
        ("user_auth", {"credentials": credentials, "account_name": user.account_name}),
    ):
        reply = bench.raw("PUT", f"/v2/{noun}", (), json.dumps({"data": data}).encode())
        tokens.append(reply.json["auth_token"])
    unknown = json.dumps({"data": {"api_key": "0" * 64}}).encode()
    refusal = bench.raw("PUT", "/v2/api_auth", (), unknown)
    if (refusal.status, refusal.json["status"]) != (404, "error"):
        return False
    return all(bench.api("GET", "/devices", token=token).status == 200 for token in tokens)


def api_12(bench: Bench) -> bool:
    bench.registered()
    status = bench.api("GET", "/devices/status").data
    return bool(status == [{"device_id": bench.server.seed.devices[0].id, "registered": True}])


def with_token(choose: Callable[[Bench], str | None], status: int) -> Callable[[Bench], bool]:
    return lambda bench: bench.api("GET", "/devices", token=choose(bench)).status == status


def sec_04(bench: Bench) -> bool:
    seed = bench.server.seed
    target = f"/v2/accounts/{seed.child_account.account_id}/devices"
    return bench.raw("GET", target, [("X-Auth-Token", seed.auth_token)]).status == 200


def sec_05(bench: Bench) -> bool:
    return bench.api("GET", f"/devices/{bench.server.seed.other_account.devices[0].id}").status == 404


def sec_06(bench: Bench) -> bool:
    phone = bench.registered()
    reply = bench.api("GET", f"{bench.url()}/quickcall/1%0d%0aEvil:1%0d%0aMore:2")
    bench.run(2.0)
    assert reply.status == 200
    assert phone.last.method == "INVITE"
    return all(message.get("evil") is None for message in phone.taken)


def sip_01(bench: Bench) -> bool:
    phone = bench.phone()
    final = phone.send("REGISTER", [("Contact", f"<{phone.contact}>"), ("Expires", "60")])
    return final is not None and final.status == 401 and final.get("www-authenticate") is not None


def sip_02(bench: Bench) -> bool:
    return bench.phone().register(password="not it") == 401


def sip_03(bench: Bench) -> bool:
    phone = bench.phone()
    status = phone.register()
    answer: Message = [message for message in phone.taken if not message.is_request][-1]
    return status == 200 and answer.get("contact") == f"<{phone.contact}>;expires=600"


def sip_04(bench: Bench) -> bool:
    bench.phone().register(5)
    bench.run(6.0)
    return not bench.api("GET", "/devices/status").data


def sip_06(bench: Bench) -> bool:
    final = bench.phone().send("OPTIONS")
    return final is not None and final.status == 200


CHECKS: dict[str, Callable[[Scene], bool]] = {
    "SYNC-01": sync_01,
    "SYNC-02": sync_02,
    "SYNC-03": flag(sync=False),
    "SYNC-04": flag(name="another"),
    "SYNC-05": sync_05,
    "SYNC-06": sync_08,
    "SYNC-07": sync_07,
    "SYNC-08": sync_08,
    "SYNC-09": sync_09,
    "SYNC-10": sync_10,
    "SYNC-11": sync_11,
    "SYNC-12": sync_12,
    "SYNC-13": sync_13,
    "SYNC-14": sync_14,
    "SYNC-15": sync_15,
    "SYNC-17": sync_17,
    "SYNC-18": sync_18,
    "API-02": api_02,
    "API-03": api_03,
    "API-04": api_04,
    "API-05": posted(b"{"),
    "API-06": posted(b"{}"),
    "API-09": api_09,
    "API-10": api_10,
    "API-11": api_11,
    "API-12": api_12,
    "SEC-01": with_token(lambda _: None, 401),
    "SEC-02": with_token(lambda _: "f" * 32, 401),
    "SEC-03": with_token(lambda bench: bench.server.seed.other_account.auth_token, 403),
    "SEC-04": sec_04,
    "SEC-05": sec_05,
    "SEC-06": sec_06,
    "SIP-01": sip_01,
    "SIP-02": sip_02,
    "SIP-03": sip_03,
    "SIP-04": sip_04,
    "SIP-06": sip_06,
    **PRESENCE_CHECKS,
    **CALL_CHECKS,
}


@pytest.mark.parametrize("clause", CHECKS)
def test_documented_keeps(clause: str) -> None:
    bench = Scene()
    assert CHECKS[clause](bench)
    assert bench.server.errors == []


# Others are proved by the suite alone, which is what they are for.
CHECKED = [name for name, mutant in MUTANTS.items() if set(mutant.must_break) <= set(CHECKS)]


@pytest.mark.parametrize("name", CHECKED)
def test_the_mutant_breaks_what_it_says(name: str) -> None:
    mutant = MUTANTS[name]
    assert mutant.must_break
    for clause in mutant.must_break:
        bench = Scene(mutant.behaviour)
        assert not CHECKS[clause](bench), clause
        assert bench.server.errors == []


@pytest.mark.parametrize("name", MUTANTS)
def test_the_mutant_has_one_thing_wrong(name: str) -> None:
    mutant = MUTANTS[name]
    assert mutant.name == name
    assert mutant.source
    assert mutant.note
    # a time is two numbers
    assert (
        len({each.removesuffix(".high").removesuffix(".low") for each in differences(mutant.behaviour, mutant.profile)})
        == 1
    )


def test_no_two_mutants_are_the_same() -> None:
    texts = [mutant.behaviour.model_dump_json() for mutant in MUTANTS.values()]
    assert len(set(texts)) == len(texts)


def test_differences_are_counted() -> None:
    assert differences(DOCUMENTED) == []
    assert differences(DOCUMENTED.model_copy(update={"faults": (None, None)})) == ["fault", "fault"]
