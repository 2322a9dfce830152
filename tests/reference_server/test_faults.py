"""Faults at the send boundary: each does what it says, to the messages that it names and to no others."""

from __future__ import annotations

from typing import Any

import pytest

from reference_server.effects import ApiRequest
from reference_server.faults import (
    Delay,
    Double,
    Drop,
    EditBody,
    EditHeader,
    Fault,
    Kind,
    Match,
    Misdirect,
    Once,
    Reorder,
)
from tests.reference_server.calling import office
from tests.reference_server.playbook import Bench, Sent, notifies

CHECK_SYNC = Match(method="NOTIFY", event="check-sync")


def bench_with(*faults: Fault) -> Bench:
    return Bench(faults=faults)


def sync(bench: Bench, index: int = 0, seconds: float = 3.0) -> list[Sent]:
    bench.api("POST", f"{bench.url(index)}/sync")
    return bench.run(seconds)


def test_drop_is_for_good() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Drop(),)))
    bench.registered()
    assert sync(bench, seconds=40.0) == []


def test_only_the_nth() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC.model_copy(update={"nth": (2,)}), actions=(Drop(),)))
    bench.registered()
    assert [len(notifies(sync(bench))) for _ in range(3)] == [1, 0, 1]


def test_only_that_event_and_user() -> None:
    bench = bench_with(Fault(match=Match(event="message-summary"), actions=(Drop(),)))
    bench.registered()
    assert [item.message.get("event") for item in bench.sent if item.message.is_request] == []
    assert len(notifies(sync(bench))) == 1
    username = Bench().server.seed.devices[1].username
    bench = bench_with(Fault(match=Match(event="check-sync", user=username), actions=(Drop(),)))
    bench.registered()
    bench.registered(1, port=7000)
    assert [len(notifies(sync(bench, index))) for index in (0, 1)] == [1, 0]


def test_double_is_the_same_bytes() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Double(after=0.2),)))
    bench.registered()
    first, second = sync(bench)
    assert first.message.raw == second.message.raw
    assert round(second.time - first.time, 6) == 0.2


def test_delay_moves_retransmissions_too() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Delay(seconds=1.0),)))
    phone = bench.registered()
    phone.answers["NOTIFY"] = ()
    asked = bench.now
    times = [item.time - asked for item in sync(bench)]
    assert times[0] >= 1.015
    assert [round(time - times[0], 6) for time in times] == [0.0, 0.5, 1.5]


def test_misdirect() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Delay(seconds=1.0), Misdirect())))
    phone = bench.registered()
    other = bench.registered(1, port=7000)
    (found,) = notifies(sync(bench))
    assert found.remote == other.address
    assert found.message.uri == other.contact
    assert (found.message.get("to") or "") == f"<sip:{phone.username}@{phone.realm}>"


def test_misdirect_without_another_device_reaches_nobody() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Misdirect(),)))
    bench.registered()
    assert sync(bench) == []


def test_misdirect_to_a_named_device() -> None:
    username = Bench().server.seed.devices[1].username
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Misdirect(user="nobody"),)))
    bench.registered()
    bench.registered(1, port=7000)
    assert sync(bench) == []
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Misdirect(user=username),)))
    bench.registered()
    bench.registered(1, port=7000)
    assert [item.remote[1] for item in sync(bench)] == [7000]


def test_reorder_lets_the_next_one_pass() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC.model_copy(update={"nth": (1,)}), actions=(Reorder(),)))
    bench.registered()
    for _ in range(2):
        bench.api("POST", f"{bench.url()}/sync")
        bench.run(0.1)
    order = [item.message.cseq for item in notifies(bench.sent)]
    assert order == sorted(order, reverse=True)
    assert len(order) == 2


def test_reorder_holds_a_last_one_only_so_long() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(Reorder(at_most=0.4),)))
    bench.registered()
    asked = bench.now
    (found,) = notifies(sync(bench))
    assert 0.4 <= found.time - asked < 0.5


def test_once_is_sent_and_never_repeated() -> None:
    usual, once = bench_with(), bench_with(Fault(match=CHECK_SYNC, actions=(Once(),)))
    for bench in (usual, once):
        bench.registered().answers["NOTIFY"] = ()
    assert [item.message.method for item in sync(once)] == ["NOTIFY"]
    repeated = [item.message.branch for item in sync(usual)]
    assert len(repeated) > len(set(repeated)) == 1


def test_edit_header() -> None:
    edits = (
        EditHeader(name="event", value="resync"),
        EditHeader(name="X-Kazoo-AOR"),
        EditHeader(name="X-New", value="1"),
        EditHeader(name="X-Absent"),
    )
    bench = bench_with(Fault(match=CHECK_SYNC, actions=edits))
    bench.registered()
    (found,) = sync(bench)
    assert found.message.get("event") == "resync"
    assert found.message.get("x-kazoo-aor") is None
    assert found.message.get("x-new") == "1"
    assert [name for name, _ in found.message.headers].count("Event") == 1


def test_edit_body() -> None:
    bench = bench_with(Fault(match=CHECK_SYNC, actions=(EditBody(body="ä"),)))
    bench.registered()
    (found,) = sync(bench)
    assert found.message.body == "ä".encode()
    assert found.message.all("content-length") == ["2"]


def test_responses() -> None:
    match = Match(kind=Kind.RESPONSE, method="OPTIONS", status=200)
    bench = bench_with(Fault(match=match, actions=(Delay(seconds=0.5),)))
    phone = bench.phone()
    asked = bench.now
    assert phone.send("OPTIONS") is not None
    assert bench.sent[-1].time - asked == 0.5


def test_api_replies() -> None:
    match = Match(kind=Kind.API, method="GET", path="/devices/status", status=200)
    actions = (EditBody(body="{}"), EditHeader(name="X-Request-ID"))
    bench = bench_with(Fault(match=match, actions=actions))
    reply = bench.api("GET", "/devices/status")
    assert (reply.body, reply.headers["content-length"], "x-request-id" in reply.headers) == (
        b"{}",
        "2",
        False,
    )
    assert bench.api("GET", "/devices").data
    assert bench.api("GET", "/devices/status", token=None).status == 401


def test_api_replies_may_be_late_or_lost() -> None:
    late = Fault(match=Match(kind=Kind.API, path="/sync"), actions=(Delay(seconds=0.5),))
    lost = Fault(match=Match(kind=Kind.API, path="/status"), actions=(Drop(),))
    bench = bench_with(late, lost)
    bench.registered()
    asked = bench.now
    for handle, path in ((901, "sync"), (902, "status")):
        method = "POST" if path == "sync" else "GET"
        target = f"/v2/accounts/{bench.server.seed.account_id}/devices/status"
        if path == "sync":
            target = f"/v2/accounts/{bench.server.seed.account_id}{bench.url()}/sync"
        send(bench, handle, method, target)
    sent = bench.run(2.0)
    assert len(notifies(sent)) == 1
    assert bench.replies[901][0] - asked == 0.5
    assert 902 not in bench.replies


def send(bench: Bench, handle: int, method: str, target: str) -> None:
    token = (("X-Auth-Token", bench.server.seed.auth_token),)
    bench.server.api(ApiRequest(handle, method, target, token), bench.now)


@pytest.mark.parametrize(
    ("match", "heard"),
    [
        ({"leg": "a"}, (1, 0)),
        ({"leg": "b"}, (0, 1)),
        ({"user": "1001"}, (1, 0)),
        ({"user": "1002"}, (0, 1)),
        ({"user": "nobody"}, (1, 1)),
        ({"nth": (2,)}, (0, 1)),
        ({}, (0, 0)),
    ],
)
def test_media(match: dict[str, Any], heard: tuple[int, int]) -> None:
    bench = Bench(faults=[Fault(match=Match(kind=Kind.MEDIA, **match), actions=(Drop(),))])
    a, b = office(bench)
    a.call("1002")
    bench.run(0.5)
    a.say(b"from a")
    b.say(b"from b")
    assert (len(a.heard), len(b.heard)) == heard


def test_media_late_and_twice() -> None:
    actions = (Delay(seconds=0.5), Double(after=0.25))
    bench = Bench(faults=[Fault(match=Match(kind=Kind.MEDIA), actions=actions)])
    a, b = office(bench)
    a.call("1002")
    bench.run(0.5)
    said = bench.now
    a.say(b"x")
    bench.run(1.0)
    assert b.heard == [b"x", b"x"]
    assert [when - said for when, _ in bench.media] == [0.5, 0.75]
