"""Calls that ring several phones: one wins, the others are told so, or the caller gets the best refusal."""

from __future__ import annotations

from typing import Any

import pytest

from reference_server.channels import Channel
from reference_server.registrations import Aor
from reference_server.seed import SeedDevice
from reference_server.states import ChannelState
from tests.reference_server.calling import Caller, callflow, desk, forgotten, log_of, states
from tests.reference_server.playbook import Bench, changed

EARLY, CONFIRMED, TERMINATED = ChannelState.EARLY, ChannelState.CONFIRMED, ChannelState.TERMINATED
ELSEWHERE = 'SIP;cause=502;text="LOSE_RACE"'
"""As recorded on 4.3 and 5.0."""


def ring_group(bench: Bench, *devices: str, **of_first: Any) -> None:
    """1009 rings the devices with these ids; `of_first` is said of the first alone."""
    endpoints = [{"id": each, "endpoint_type": "device"} for each in devices]
    endpoints[0] |= of_first
    data = {"endpoints": endpoints, "strategy": "simultaneous", "timeout": 20}
    flow = {"module": "ring_group", "data": data}
    assert bench.api("PUT", "/callflows", {"numbers": ["1009"], "flow": flow}).status == 201


def office(bench: Bench, **of_first: Any) -> tuple[Caller, Caller, Caller]:
    """A caller (1001), and two phones (1002, 1003) that 1009 rings, which take their time."""
    document = {"name": "Third", "presence_id": "1003", "sip": {"username": "third", "password": "secret-third"}}
    third = bench.api("PUT", "/devices", document).data["id"]
    registering = bench.phone(SeedDevice(third, "third", "secret-third", "1003"), port=8000)
    assert registering.register() == 200
    bench.run(0.2)
    caller, ann, bob = desk(bench), desk(bench, 1, port=7000), Caller(bench, 8000, "third", registering.realm)
    ring_group(bench, bench.server.seed.devices[1].id, third, **of_first)
    ann.picks_up = bob.picks_up = (180,)
    return caller, ann, bob


def lamp(bench: Bench, user: str) -> list[ChannelState]:
    """What the legs are that light the lamp of `user` now."""
    return [channel.state for channel in bench.server.calls.live(Aor(user, bench.server.seed.realm))]


def shown(told: list[Channel], user: str) -> list[ChannelState]:
    """What the lamp of `user` was told."""
    return [state for _, state in states(told, user)]


def test_the_first_that_answers_wins() -> None:
    bench = Bench()
    told = log_of(bench)
    caller, ann, bob = office(bench)
    call = caller.call("1009")
    bench.run(0.1)
    assert len({phone.invites[0].call_id for phone in (ann, bob)}) == 2
    assert lamp(bench, "1002") == lamp(bench, "1003") == [EARLY]
    bob.respond(bob.invites[0], 200)
    bench.run(0.1)
    assert caller.statuses(call) == [100, 183, 200]
    assert ann.requests("CANCEL")[0].get("reason") == ELSEWHERE
    assert (lamp(bench, "1002"), lamp(bench, "1003")) == ([], [CONFIRMED])
    caller.say(b"to bob")
    bob.say(b"to the caller")
    ann.say(b"to nobody")
    assert (bob.heard, caller.heard, ann.heard) == ([b"to bob"], [b"to the caller"], [])
    caller.hang_up(call)
    bench.run(0.1)
    assert shown(told, "1002") == [EARLY, TERMINATED]
    assert shown(told, "1003") == [EARLY, CONFIRMED, TERMINATED]
    assert forgotten(bench)


def test_who_answers_while_being_cancelled_is_hung_up() -> None:
    bench = Bench()
    caller, ann, bob = office(bench)
    ann.obeys_cancel = False
    caller.call("1009")
    bench.run(0.1)
    bob.respond(bob.invites[0], 200)
    ann.respond(ann.invites[0], 200)
    bench.run(0.1)
    assert ann.methods == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert ann.requests("BYE")[0].get("reason") == ELSEWHERE
    assert lamp(bench, "1003") == [CONFIRMED]


def test_the_caller_gives_up() -> None:
    bench = Bench()
    told = log_of(bench)
    caller, ann, bob = office(bench)
    call = caller.call("1009")
    bench.run(0.1)
    caller.cancel(call)
    bench.run(0.1)
    assert ann.methods == bob.methods == ["INVITE", "CANCEL", "ACK"]
    assert shown(told, "1002") == shown(told, "1003") == [EARLY, TERMINATED]
    assert forgotten(bench)


@pytest.mark.parametrize(
    ("first", "second", "status"), [(486, 603, 603), (603, 486, 603), (486, 404, 486), (503, 486, 486), (486, 0, 486)]
)
def test_nobody_takes_it(first: int, second: int, status: int) -> None:
    bench = Bench()
    caller, ann, bob = office(bench)
    call = caller.call("1009")
    bench.run(0.1)
    ann.respond(ann.invites[0], first)
    bench.run(0.1)
    assert caller.statuses(call) == [100, 183]
    assert (lamp(bench, "1002"), lamp(bench, "1003")) == ([], [EARLY])
    if second:
        bob.respond(bob.invites[0], second)
    bench.run(30.0)
    assert caller.statuses(call) == [100, 183, status]
    assert forgotten(bench)


def test_nobody_answers() -> None:
    bench = Bench()
    caller, ann, bob = office(bench, timeout=5)
    call = caller.call("1009")
    bench.run(6.0)
    assert (ann.methods, bob.methods) == (["INVITE", "CANCEL", "ACK"], ["INVITE"])
    bench.run(15.0)
    assert caller.statuses(call) == [100, 183, 603]
    assert forgotten(bench)


def test_one_rings_later() -> None:
    bench = Bench()
    caller, ann, bob = office(bench, delay=5)
    call = caller.call("1009")
    bench.run(4.0)
    assert (ann.methods, bob.methods) == ([], ["INVITE"])
    bob.respond(bob.invites[0], 486)
    bench.run(2.0)
    assert ann.methods == ["INVITE"]
    ann.respond(ann.invites[0], 200)
    assert caller.statuses(call) == [100, 183, 200]


@pytest.mark.parametrize("ends", ["answered", "cancelled"])
def test_who_would_ring_later_does_not(ends: str) -> None:
    bench = Bench()
    caller, ann, bob = office(bench, delay=5)
    call = caller.call("1009")
    bench.run(1.0)
    if ends == "answered":
        bob.respond(bob.invites[0], 200)
    else:
        caller.cancel(call)
    bench.run(10.0)
    assert ann.methods == []


def test_the_own_phone_and_who_is_not_there_are_left_out() -> None:
    bench = Bench()
    caller, ann = desk(bench), desk(bench, 1, port=7000)
    ring_group(bench, *(each.id for each in bench.server.seed.devices), "nobody")
    call = caller.call("1009")
    bench.run(0.1)
    assert (len(caller.invites), caller.statuses(call)[-1], ann.methods) == (0, 200, ["INVITE", "ACK"])


def test_a_group_without_anybody() -> None:
    bench = Bench()
    caller = desk(bench)
    ring_group(bench, bench.server.seed.devices[1].id, bench.server.seed.devices[0].id, delay=30)
    call = caller.call("1009")
    bench.run(1.0)
    assert caller.statuses(call) == [100, 486]


def test_all_contacts_of_a_device_ring_where_the_rules_say_so() -> None:
    bench = Bench(changed(calls__recipient="all", registrar__contacts="many"))
    callflow(bench, "1002", 1)
    caller, old, new = desk(bench), desk(bench, 1, port=7000), desk(bench, 1, port=8000)
    old.picks_up = new.picks_up = (180,)
    call = caller.call("1002")
    bench.run(0.1)
    old.respond(old.invites[0], 200)
    bench.run(0.1)
    assert (caller.statuses(call)[-1], new.methods, old.methods) == (
        200,
        ["INVITE", "CANCEL", "ACK"],
        ["INVITE", "ACK"],
    )
    assert lamp(bench, "1002") == [CONFIRMED]


@pytest.mark.parametrize(
    ("rule", "loser", "winner"),
    [
        ("end_alone", [EARLY, TERMINATED], [EARLY, CONFIRMED]),
        ("end_winner", [EARLY, TERMINATED], [EARLY, CONFIRMED, TERMINATED]),
        ("stuck", [EARLY], [EARLY, CONFIRMED]),
    ],
)
def test_what_lamps_show_of_the_loser(rule: str, loser: list[ChannelState], winner: list[ChannelState]) -> None:
    bench = Bench(changed(calls__losers=rule))
    told = log_of(bench)
    caller, _, bob = office(bench)
    caller.call("1009")
    bench.run(0.1)
    bob.respond(bob.invites[0], 200)
    bench.run(60.0)
    assert (shown(told, "1002"), shown(told, "1003")) == (loser, winner)
    assert lamp(bench, "1002") == []
