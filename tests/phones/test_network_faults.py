"""Faults of the network at the boundary of a phone: in memory and on sockets, both ways, sound too."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.virtual import VirtualLoop
from phones.calls import CallPolicy
from phones.effects import Direction
from phones.impairments import Does, Impairment
from phones.sip.index import Message
from tests.phones.playbook import REALM, a_request
from tests.phones.test_fleet import IN_BOTH, Bench, Pair, in_virtual_time, on_a_bench

LONG_S = 60.0
"""Longer than any test: what is held so long comes for another reason than its time."""

Told = list[tuple[str, str, str]]
FAULTS: dict[tuple[Does, Direction], Told] = {
    ("lose", "in"): [("impaired", "a", "lost"), ("heard", "b", "")],
    ("delay", "in"): [("impaired", "a", "held"), ("heard", "b", ""), ("heard", "a", "late")],
    ("double", "in"): [("heard", "a", ""), ("heard", "b", ""), ("heard", "a", "copy")],
    ("reorder", "in"): [("impaired", "a", "held"), ("heard", "b", ""), ("heard", "a", "late")],
    ("lose", "out"): [("sent", "a", "lost"), ("sent", "b", "")],
    ("delay", "out"): [("sent", "a", "held"), ("sent", "b", ""), ("impaired", "a", "late")],
    ("double", "out"): [("sent", "a", ""), ("sent", "b", ""), ("impaired", "a", "copy")],
    ("reorder", "out"): [("sent", "a", "held"), ("sent", "b", ""), ("impaired", "a", "late")],
}
"""What the sink is told of two requests, a and b, or of the answers to them, where the first is impaired."""

ON_THE_WIRE = {"lose": ["b"], "delay": ["b", "a"], "double": ["a", "b", "a"], "reorder": ["b", "a"]}
"""Which answers reach the other end, in their order."""


def options(call_id: str) -> bytes:
    """A request of the edge."""
    return a_request("OPTIONS", via=f"SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK{call_id}", call_id=call_id)


def told(bench: Bench, way: Direction) -> Told:
    """What the sink was told of messages of one way: what, Call-ID, and the fault."""
    ways = {"heard": "in", "sent": "out"}
    return [
        (what, Message.parse(effect.data).call_id, effect.does if what == "impaired" else effect.fault)
        for _, what, effect, _ in bench.notes.all
        if (effect.way if what == "impaired" else ways.get(what)) == way
    ]


@IN_BOTH
@pytest.mark.parametrize(("fault", "expected"), FAULTS.items(), ids=["-".join(each) for each in FAULTS])
def test_one_fault(in_memory: bool, fault: tuple[Does, Direction], expected: Told) -> None:
    does, way = fault

    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        impaired = [desk.impaired]
        desk.impair(Impairment(does, way, "OPTIONS", seconds=LONG_S if does == "reorder" else 0.02))
        impaired.append(desk.impaired)
        for call_id in "ab":
            bench.registrar.endpoint.send(options(call_id), desk.phone.local)
        await bench.until(lambda: len(told(bench, way)) == len(expected))
        if way == "out":
            await bench.until(lambda: len(bench.registrar.seen) == len(ON_THE_WIRE[does]))
        assert [*impaired, desk.impaired] == [False, True, False]

    bench = on_a_bench(in_memory, work)
    assert told(bench, way) == expected
    if way == "out":
        assert [answer.call_id for answer in bench.registrar.answers()] == ON_THE_WIRE[does]


def test_what_was_late_says_how_late() -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        desk.impair(Impairment("delay", "in", seconds=0.05))
        desk.impair(Impairment("delay", "out", seconds=0.05))
        bench.registrar.endpoint.send(options("a"), desk.phone.local)
        await bench.until(lambda: len(told(bench, "out")) == 2)

    notes = on_a_bench(True, work).notes
    (heard,) = notes.of("desk", "heard")
    held, late = notes.of("desk", "impaired")
    assert (held.does, held.message.method, held.contact, held.after) == ("held", "OPTIONS", "current", 0.0)
    assert (late.does, late.message.status, late.remote) == ("late", 200, held.remote)
    assert min(heard.after, late.after) >= 0.049


@IN_BOTH
def test_mended_what_is_held_comes_at_once(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        desk.impair(Impairment("delay", "in", seconds=LONG_S))
        desk.impair(Impairment("lose", "out", "INVITE", count=100))
        bench.registrar.endpoint.send(options("a"), desk.phone.local)
        await bench.until(lambda: bool(told(bench, "in")))
        desk.mend()
        assert not desk.impaired
        await bench.until(lambda: bool(bench.registrar.answers()))

    bench = on_a_bench(in_memory, work)
    assert told(bench, "in") == [("impaired", "a", "held"), ("heard", "a", "late")]
    assert told(bench, "out") == [("sent", "a", "")]


@IN_BOTH
def test_offline_everything_is_lost_both_ways(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        desk.go_offline()
        impaired = [desk.impaired]
        registering = asyncio.create_task(desk.register())
        await bench.until(lambda: bool(told(bench, "out")))
        bench.registrar.endpoint.send(options("a"), desk.phone.local)
        await bench.until(lambda: bool(told(bench, "in")))
        assert bench.registrar.seen == []
        desk.go_online()
        assert [*impaired, desk.impaired] == [True, False]
        # timer E brings it
        assert (await registering).state == "registered"

    bench = on_a_bench(in_memory, work)
    assert told(bench, "in")[0] == ("impaired", "a", "lost")
    assert [fault for _, _, fault in told(bench, "out")] == ["lost", "", ""]


def test_a_phone_without_faults_mends_and_comes_back_for_nothing() -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        desk.go_online()
        desk.mend()
        assert (await desk.register()).state == "registered"

    assert {fault for _, _, fault in told(on_a_bench(True, work), "out")} == {""}


def test_a_closed_phone_is_told_nothing_that_was_held() -> None:
    async def work(pair: Pair) -> None:
        pair.bob.impair(Impairment("delay", seconds=1.0))
        pair.ann.call(f"sip:bob@{REALM}")
        await asyncio.sleep(0.5)
        pair.bob.close()
        await asyncio.sleep(2.0)

    notes = in_virtual_time(work).notes
    assert [each.does for each in notes.of("bob", "impaired")] == ["held"]
    assert notes.of("bob", "heard") == []


def test_a_cable_that_is_pulled_takes_the_sound_with_it() -> None:
    counts: list[tuple[Any, Any]] = []

    async def work(pair: Pair) -> None:
        pair.bob.calls_policy = CallPolicy("answer")
        pair.ann.call(f"sip:bob@{REALM}")
        await asyncio.sleep(3.0)

        def count() -> None:
            counts.append((len(pair.notes.of("bob", "media sent")), len(pair.notes.of("bob", "media heard"))))

        count()
        pair.bob.go_offline()
        pair.bob.talk()
        pair.ann.talk()
        await asyncio.sleep(3.0)
        count()
        pair.bob.go_online()
        pair.bob.talk()
        pair.ann.talk()
        await asyncio.sleep(3.0)
        count()

    in_virtual_time(work)
    assert counts == [(20, 20), (20, 20), (40, 40)]


HAPPENINGS = st.lists(
    st.builds(
        Impairment,
        does=st.sampled_from(["lose", "delay", "double", "reorder"]),
        way=st.sampled_from(["in", "out"]),
        count=st.integers(1, 3),
        seconds=st.floats(0, 3),
    )
    | st.sampled_from(["request", "request", "offline", "online"])
    | st.floats(0, 3),
    max_size=25,
)


@given(HAPPENINGS)
@settings(max_examples=40, deadline=None)
def test_whatever_happens_to_a_phone_each_message_comes_as_often_as_it_must(happenings: list[Any]) -> None:
    asked: list[str] = []

    async def work() -> Bench:
        bench = Bench(True)
        desk = bench.add("desk")
        for number, happening in enumerate(happenings):
            match happening:
                case Impairment():
                    desk.impair(happening)
                case "request":
                    asked.append(f"c{number}")
                    bench.registrar.endpoint.send(options(asked[-1]), desk.phone.local)
                case "offline":
                    desk.go_offline()
                case "online":
                    desk.go_online()
                case _:
                    await asyncio.sleep(happening)
        await asyncio.sleep(1.0)
        desk.mend()
        await asyncio.sleep(1.0)
        assert not desk.impaired
        bench.fleet.close()
        return bench

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        bench = runner.run(work())
    come, said = Counter(told(bench, "in")), Counter(told(bench, "out"))
    arrived = Counter(answer.call_id for answer in bench.registrar.answers())
    for call_id in asked:
        lost, held = come["impaired", call_id, "lost"], come["impaired", call_id, "held"]
        assert come["heard", call_id, ""] + lost + held == 1
        assert come["heard", call_id, "late"] == held
        assert come["heard", call_id, "copy"] <= come["heard", call_id, ""]
        held = said["sent", call_id, "held"]
        assert said["impaired", call_id, "late"] == held
        assert said["impaired", call_id, "copy"] <= said["sent", call_id, ""]
        assert arrived[call_id] == said["sent", call_id, ""] + held + said["impaired", call_id, "copy"]
