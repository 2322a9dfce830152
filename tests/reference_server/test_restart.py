"""A restart of the SIP side: what only memory held is gone, what a database holds is not."""

from __future__ import annotations

import json

import pytest

from reference_server.effects import ApiRequest
from reference_server.registrations import Aor
from tests.reference_server.calling import desk, office
from tests.reference_server.playbook import Bench, changed
from tests.reference_server.watching import CONFIRMED, EARLY, Scene, version


def test_calls_are_gone_without_a_word() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    bench.run(1.0)
    assert bench.server.calls.live(Aor("1001", a.realm))
    sent = len(bench.sent)
    bench.server.restart(bench.now)
    bench.run(100.0)
    assert len(bench.sent) == sent
    assert (bench.server.calls.legs, bench.server.calls.live(Aor("1001", a.realm))) == ([], [])
    a.hang_up(call)
    assert a.final_of("BYE").status == 481
    a.say(b"hello?")
    assert b.heard == []
    assert bench.server.errors == []


def test_what_was_about_to_happen_does_not() -> None:
    bench = Bench()
    a, b = office(bench)
    a.call("1002")
    bench.server.restart(bench.now)
    bench.run(100.0)
    assert b.invites == []


def test_devices_callflows_and_tokens_stay() -> None:
    bench = Bench()
    office(bench)
    bench.server.restart(bench.now)
    a, b = desk(bench), desk(bench, 1, port=7000)
    call = a.call("1002")
    bench.run(1.0)
    assert (a.statuses(call)[-1], b.methods) == (200, ["INVITE", "ACK"])
    assert bench.api("GET", bench.url()).status == 200


@pytest.mark.parametrize(("rule", "rings"), [("forgotten", 0), ("kept", 1)])
def test_registrations(rule: str, rings: int) -> None:
    bench = Bench(changed(registrar__restart=rule))
    a, b = office(bench)
    bench.server.restart(bench.now)
    if rule == "forgotten":
        a = desk(bench)
    a.call("1002")
    bench.run(1.0)
    assert len(b.invites) == rings


def test_a_subscription_is_gone_and_the_next_one_is_told_the_truth() -> None:
    scene = Scene()
    watcher = scene.watching()
    scene.leg().go(EARLY).go(CONFIRMED)
    assert watcher.news() == ["early", "confirmed"]
    scene.server.restart(scene.now)
    scene.run(10.0)
    assert watcher.subscribe().status == 481
    again = scene.watching()
    assert again.states == []
    assert again.subscribe().status == 200
    assert [version(message) for message in again.notifies] == [2]
    assert again.news() == ["terminated"]


def test_a_report_that_was_on_its_way_is_lost() -> None:
    scene = Scene()
    scene.watching()
    scene.leg().go(EARLY, run=0.0)
    scene.server.restart(scene.now)
    watcher = scene.watch()
    watcher.subscribe()
    scene.run(10.0)
    assert watcher.news() == ["terminated"]


@pytest.mark.parametrize(("rule", "first"), [("kept", 3), ("renumbered", 1)])
def test_subscriptions_that_outlive_it(rule: str, first: int) -> None:
    scene = Scene(changed(subscribe__restart=rule))
    watcher = scene.watching()
    scene.leg().go(EARLY)
    watcher.news()
    scene.server.restart(scene.now)
    scene.leg(call_id="call-2").go(EARLY).go(CONFIRMED)
    numbers = [(version(message), message.cseq) for message in watcher.notifies]
    assert numbers == [(first, first), (first + 1, first + 1)]
    watcher.news()
    scene.run(700.0)
    assert [message.get("subscription-state") for message in watcher.notifies] == ["terminated;reason=timeout"]
    assert scene.server.errors == []


@pytest.mark.parametrize("when", [0.0, 0.5])
def test_who_waits_for_a_quickcall_is_answered(when: float) -> None:
    bench = Bench(changed(quickcall__post="served"))
    a, _ = office(bench)
    a.picks_up = (180,)
    path = f"/v2/accounts/{bench.server.seed.account_id}{bench.url()}/quickcall/1002"
    headers = (("X-Auth-Token", bench.server.seed.auth_token), ("Content-Type", "application/json"))
    bench.server.api(ApiRequest(99, "POST", path, headers, json.dumps({"data": {}}).encode()), bench.now)
    bench.run(when)
    bench.server.restart(bench.now)
    bench.run(100.0)
    _, reply = bench.replies[99]
    assert reply.status == 500
    assert b"DESTINATION_OUT_OF_ORDER" in reply.body
    assert len(a.invites) == (1 if when else 0)


def test_what_has_left_already_arrives() -> None:
    slow = {"match": {"kind": "request", "method": "NOTIFY"}, "actions": [{"do": "delay", "seconds": 1.0}]}
    behaviour = Bench().behaviour.model_validate({"faults": [slow]})
    scene = Scene(behaviour)
    watcher = scene.watch()
    watcher.subscribe()
    scene.server.restart(scene.now)
    scene.run(2.0)
    assert watcher.news() == ["terminated"]


def test_over_the_api() -> None:
    scene = Scene()
    watcher = scene.watching()
    assert scene.own("/ringproof/restart", {}, token="").status == 401
    assert watcher.subscribe().status == 200
    assert scene.own("/ringproof/restart", {}).status == 200
    assert watcher.subscribe().status == 481


def test_connections_are_cut() -> None:
    bench = Bench()
    bench.server.restart(bench.now)
    bench.run(1.0)
    assert bench.cuts == 1


def test_without_a_token_nobody_restarts_it() -> None:
    scene = Scene(changed(tokens__absent="accepted"))
    assert scene.own("/ringproof/restart", {}, token="").status == 401
