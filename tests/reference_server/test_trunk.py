"""The world outside: trunks, callers from there, cellphone devices."""

from __future__ import annotations

from functools import partial
from typing import Any
from unittest import mock

import pytest

from reference_server.channels import Channel
from reference_server.states import ChannelState, Direction
from tests.reference_server.calling import (
    MEDIA,
    Caller,
    callflow,
    cellphone,
    desk,
    forgotten,
    log_of,
    media_of,
    office,
    states,
    trunk,
)
from tests.reference_server.playbook import Bench, changed

EARLY, CONFIRMED, TERMINATED = ChannelState.EARLY, ChannelState.CONFIRMED, ChannelState.TERMINATED


def sender(phone: Caller) -> str:
    return (phone.invites[0].get("from") or "").partition(";tag=")[0]


def test_a_call_to_the_outside() -> None:
    bench = Bench()
    a, _ = office(bench)
    carrier = trunk(bench)
    call = a.call("5551234567")
    bench.run(0.5)
    invite = carrier.invites[0]
    assert invite.uri == "sip:5551234567@127.0.0.1:9000"
    assert invite.get("to") == "<sip:5551234567@127.0.0.1:9000>"
    assert sender(carrier) == f'"{a.user}" <sip:1001@{a.realm}>'
    assert media_of(invite) == MEDIA
    a.say(b"a")
    carrier.say(b"c")
    assert (a.heard, carrier.heard) == ([b"c"], [b"a"])
    carrier.hang_up(invite)
    bench.run(0.1)
    assert a.statuses(call) == [100, 183, 200]
    assert a.methods == ["BYE"]
    assert forgotten(bench)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"enabled": False}, "5551234567"),
        ({"rules": ["^999"]}, "5551234567"),
        ({"rules": ["("]}, "5551234567"),
        ({"rules": [7, "(a+)+$"]}, "5551234567"),
        ({"gateways": []}, "5551234567"),
        ({"gateways": [{"server": "carrier.example", "port": 5060}]}, "5551234567"),
        ({"gateways": [{"server": "127.0.0.1", "port": 0}, {"server": "127.0.0.1", "port": "9000"}, 5]}, "5551234567"),
        ({"gateways": [{"server": "127.0.0.1", "port": 9000, "enabled": False}]}, "5551234567"),
        ({}, "55"),
        ({}, "5" * 65),
    ],
)
def test_no_way_outside(change: dict[str, Any], number: str) -> None:
    bench = Bench()
    a, _ = office(bench)
    resource = {"name": "x", "rules": [r"^(\d{7,})$"], "gateways": [{"server": "127.0.0.1", "port": 9000}], **change}
    assert bench.api("PUT", "/resources", resource).status == 201
    flow = {"module": "resources", "data": {}}
    bench.api("PUT", "/callflows", {"numbers": ["no_match"], "flow": flow})
    call = a.call(number)
    bench.run(1.0)
    assert a.final(call).status == 604
    assert bench.server.errors == []


def test_a_call_from_the_outside() -> None:
    bench = Bench()
    a, _ = office(bench)
    carrier = trunk(bench)
    told = log_of(bench)
    call = carrier.call("1001", sender='"Mum" <sip:5550100@carrier.example>;tag=caller')
    bench.run(0.5)
    assert carrier.statuses(call) == [100, 183, 200]
    assert sender(a) == f'"Mum" <sip:5550100@{a.realm}>'
    assert {channel.presentity.user for channel in told} == {"1001"}
    assert [channel.peer for channel in told] == ["5550100"] * 2
    carrier.cancel(call)
    carrier.hang_up(call)
    assert forgotten(bench)


@pytest.mark.parametrize("number", ["7777", "5551234567"])
def test_the_outside_gets_no_transit(number: str) -> None:
    bench = Bench()
    office(bench)
    carrier = trunk(bench)
    call = carrier.call(number)
    bench.run(1.0)
    assert carrier.statuses(call) == [100, 604]
    assert carrier.invites == []


def test_two_accounts_behind_one_gateway() -> None:
    bench = Bench()
    seed = bench.server.seed
    trunk(bench)
    path = f"/v2/accounts/{seed.child_account.account_id}"
    headers = [("X-Auth-Token", seed.auth_token), ("Content-Type", "application/json")]
    gateway = '{"server": "127.0.0.1", "port": 9000}'
    resource = f'{{"data": {{"name": "x", "gateways": [{gateway}]}}}}'
    device = seed.child_account.devices[0]
    flow = f'{{"data": {{"numbers": ["3001"], "flow": {{"module": "device", "data": {{"id": "{device.id}"}}}}}}}}'
    for noun, body in (("resources", resource), ("callflows", flow)):
        assert bench.raw("PUT", f"{path}/{noun}", headers, body.encode()).status == 201
    registering = bench.phone(device, port=7500, realm=seed.child_account.realm)
    assert registering.register() == 200
    phone = Caller(bench, 7500, device.username, seed.child_account.realm)
    carrier = Caller(bench, 9000, "carrier", "carrier.example")
    carrier.call("3001")
    bench.run(0.5)
    assert len(phone.invites) == 1


def test_a_port_of_tcp_is_not_the_same_port_of_udp() -> None:
    bench = Bench()
    a, b = office(bench)
    carrier = trunk(bench)
    child = bench.server.seed.child_account
    stranger = bench.phone(child.devices[0], port=a.port, realm=child.realm)
    stranger.transport = "tcp"
    assert stranger.register() == 200
    bench.phones[a.address] = a
    a.call("1002")
    bench.run(0.5)
    assert len(b.invites) == 1
    with mock.patch.object(carrier, "receive", partial(bench.receive, source=carrier.address, transport="tcp")):
        call = carrier.call("1002")
        bench.run(0.5)
    assert carrier.statuses(call) == [407]
    assert len(b.invites) == 1


def course(told: list[Channel], user: str, direction: Direction) -> bool:
    return states(told, user) == [(direction, state) for state in (EARLY, CONFIRMED, TERMINATED)]


def test_a_cellphone_is_called() -> None:
    bench = Bench()
    a, _ = office(bench)
    carrier = trunk(bench)
    cellphone(bench)
    told = log_of(bench)
    call = a.call("1044")
    bench.run(0.5)
    assert carrier.invites[0].uri == "sip:5550199@127.0.0.1:9000"
    assert sender(carrier) == f'"{a.user}" <sip:1001@{a.realm}>'
    a.hang_up(call)
    assert course(told, "1044", Direction.RECIPIENT)
    assert course(told, "1001", Direction.INITIATOR)
    assert forgotten(bench)


def test_a_cellphone_calls() -> None:
    bench = Bench()
    a, _ = office(bench)
    carrier = trunk(bench)
    cellphone(bench)
    told = log_of(bench)
    call = carrier.call("1001", sender="<sip:+5550199@carrier.example>;tag=caller")
    bench.run(0.5)
    assert sender(a) == f'"+5550199" <sip:+5550199@{a.realm}>'
    carrier.hang_up(call)
    assert course(told, "1044", Direction.INITIATOR)
    assert course(told, "1001", Direction.RECIPIENT)
    assert forgotten(bench)


def test_a_cellphone_does_not_reach_itself() -> None:
    bench = Bench()
    carrier = trunk(bench)
    cellphone(bench)
    call = carrier.call("1044", sender="<sip:5550199@carrier.example>;tag=caller")
    bench.run(1.0)
    assert carrier.statuses(call) == [100, 486]


@pytest.mark.parametrize(
    ("change", "cells"),
    [
        ({"call_forward": {"enabled": False, "number": "5550199"}}, False),
        ({"call_forward": {"enabled": True}}, False),
        ({"enabled": False}, False),
        ({}, True),
    ],
)
def test_when_a_cellphone_counts(change: dict[str, Any], cells: bool) -> None:
    bench = Bench()
    office(bench)
    carrier = trunk(bench)
    cell = cellphone(bench)
    if change:
        document = {**bench.api("GET", f"/devices/{cell}").data, **change}
        assert bench.api("POST", f"/devices/{cell}", document).status == 200
    told = log_of(bench)
    carrier.call("1001", sender="<sip:5550199@carrier.example>;tag=caller")
    bench.run(0.5)
    assert ("1044" in {channel.presentity.user for channel in told}) is cells
    carrier.call("1044", sender="<sip:5550111@carrier.example>;tag=caller")
    bench.run(0.5)
    assert bool(carrier.invites) is cells


@pytest.mark.parametrize("rule", ["calls__cellphone_inbound", "calls__cellphone_outbound"])
def test_cellphones_without_a_lamp(rule: str) -> None:
    hidden: dict[str, Any] = {rule: "hidden"}
    bench = Bench(changed(**hidden))
    a, _ = office(bench)
    carrier = trunk(bench)
    cellphone(bench)
    told = log_of(bench)
    if rule.endswith("inbound"):
        a.call("1044")
    else:
        carrier.call("1001", sender="<sip:5550199@carrier.example>;tag=caller")
    bench.run(0.5)
    assert {channel.presentity.user for channel in told} == {"1001"}


def test_a_cellphone_that_does_not_keep_the_caller() -> None:
    bench = Bench()
    a, _ = office(bench)
    carrier = trunk(bench)
    cell = cellphone(bench)
    forward = {"enabled": True, "number": "5550199", "keep_caller_id": False}
    bench.api("PATCH", f"/devices/{cell}", {"call_forward": forward})
    a.call("1044")
    bench.run(0.5)
    assert sender(carrier) == f'"Cell" <sip:1044@{a.realm}>'


def test_a_deleted_account_has_no_trunk() -> None:
    bench = Bench()
    seed = bench.server.seed
    headers = [("X-Auth-Token", seed.auth_token), ("Content-Type", "application/json")]
    parent = f"/v2/accounts/{seed.account_id}"
    created = bench.raw("PUT", parent, headers, b'{"data": {"name": "brief"}}').data["id"]
    body = b'{"data": {"name": "x", "gateways": [{"server": "127.0.0.1", "port": 9000}]}}'
    assert bench.raw("PUT", f"/v2/accounts/{created}/resources", headers, body).status == 201
    carrier = Caller(bench, 9000, "carrier", "carrier.example")
    call = carrier.call("1001")
    bench.run(1.0)
    assert carrier.statuses(call) == [100, 604]
    assert bench.raw("DELETE", f"/v2/accounts/{created}", headers).status == 200
    again = carrier.call("1001")
    assert carrier.statuses(again) == [407]


def test_a_trunk_that_is_a_phone_is_a_phone() -> None:
    bench = Bench()
    callflow(bench, "1002", 1)
    b = desk(bench, 1, port=7000)
    trunk(bench, port=6000)
    a = desk(bench)
    a.call("1002")
    bench.run(0.5)
    assert sender(b) == f'"{a.user}" <sip:1001@{a.realm}>'
