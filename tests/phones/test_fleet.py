"""The fleet: phones on a wire and a clock, against a small registrar on loopback and one in memory."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from itertools import groupby, pairwise
from typing import Any

import pytest

from harness.virtual import VirtualLoop
from phones.calls import CallPolicy, NoSuchCall
from phones.effects import Called, Changed, Heard, Impaired, MediaIn, MediaOut, Subscribed, Transmit, Turned
from phones.fleet import Fleet, RunningPhone
from phones.net import Endpoint, Wire
from phones.net_memory import MemoryWire
from phones.net_sockets import SocketWire
from phones.phone import Identity
from phones.rtp import RtpPacket, share
from phones.sip.digest import Credentials, verify
from phones.sip.index import Message
from phones.sip.message import Address, request, response, response_target, stamp_via
from tests.phones.news import News
from tests.phones.playbook import REALM, a_request, challenge, granted

NOWHERE: Address = ("", 0)


class Notes:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.news = News()
        self.all: list[tuple[str, str, Any, Address]] = []
        self.times: list[float] = []

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        self._note(phone, "heard", heard, heard.local, now)

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        self._note(phone, "sent", sent, local, now)

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        self._note(phone, "impaired", impaired, impaired.local, now)

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        self._note(phone, "changed", changed, contact, now)

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        self._note(phone, "turned", turned, NOWHERE, now)

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        self._note(phone, "subscribed", subscribed, NOWHERE, now)

    def called(self, phone: str, called: Called, now: float) -> None:
        self._note(phone, "called", called, NOWHERE, now)

    def media_heard(self, phone: str, media: MediaIn, now: float) -> None:
        self._note(phone, "media heard", media, media.local, now)

    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None:
        self._note(phone, "media sent", media, local, now)

    def _note(self, phone: str, what: str, effect: Any, local: Address, now: float) -> None:
        self.all.append((phone, what, effect, local))
        self.times.append(now)
        self.news.tell()

    def of(self, phone: str, what: str) -> list[Any]:
        return [effect for name, kind, effect, _ in self.all if (name, kind) == (phone, what)]


class Registrar:
    """Challenges once, accepts the right password, and can be deaf."""

    def __init__(self, wire: Wire, news: News, *, in_memory: bool) -> None:
        self._news = news
        self._in_memory = in_memory
        self.endpoint: Endpoint = wire.open(self._receive)
        self.seen: list[Message] = []
        self.deaf = False

    def _receive(self, data: bytes, source: Address) -> None:
        message = Message.parse(stamp_via(data, source))
        self.seen.append(message)
        self._news.tell()
        if self.deaf or not message.is_request:
            return
        shown = message.get("authorization")
        if shown is None or not verify(Credentials.parse(shown), password="word", method="REGISTER"):
            answer = response(message, 401, headers=[challenge()], to_tag="e")
        else:
            answer = response(message, 200, headers=granted(message), to_tag="e")
        self.endpoint.send(answer, response_target(message))

    def answers(self) -> list[Message]:
        return [message for message in self.seen if not message.is_request]

    def requests(self) -> list[Message]:
        """On sockets each once: on a machine that stands still for T1 they are repeated."""
        requests = [message for message in self.seen if message.is_request]
        return requests if self._in_memory else list({message.branch: message for message in requests}.values())


class Bench:
    """A fleet, its registrar and its notes, on sockets or in memory."""

    def __init__(self, in_memory: bool) -> None:
        loop = asyncio.get_running_loop()
        self.wire: Wire = MemoryWire(loop, random.Random(1)) if in_memory else SocketWire(loop)
        self.notes = Notes()
        self.registrar = Registrar(self.wire, self.notes.news, in_memory=in_memory)
        self.fleet = Fleet(self.wire, loop, self.notes)

    def add(self, name: str, **more: Any) -> RunningPhone:
        identity = Identity(name, more.pop("password", "word"), REALM)
        rng = random.Random(len(self.fleet.phones))
        return self.fleet.add(name, identity, edge=self.registrar.endpoint.local, rng=rng, **more)

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait for something that phones note."""
        await self.notes.news.until(done)


IN_BOTH = pytest.mark.parametrize("in_memory", [True, False], ids=["memory", "sockets"])


def on_a_bench(in_memory: bool, work: Callable[[Bench], Coroutine[Any, Any, None]]) -> Bench:
    async def main() -> Bench:
        bench = Bench(in_memory)
        try:
            async with asyncio.timeout(30):
                await work(bench)
        finally:
            bench.fleet.close()
            bench.registrar.endpoint.close()
        return bench

    with asyncio.Runner(loop_factory=VirtualLoop if in_memory else None) as runner:
        return runner.run(main())


def notifies(bench: Bench) -> list[tuple[str, str]]:
    """Branch and Contact of every NOTIFY that reached the desk."""
    heard = bench.notes.of("desk", "heard")
    return [(one.message.branch, one.contact) for one in heard if one.message.method == "NOTIFY"]


@IN_BOTH
def test_a_life(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk", call_id_prefix="rp-")
        assert (await desk.register(expires=60)) == Changed("registered", 200, "OK", 60)
        assert (await desk.register(expires=90)).expires == 90
        old = desk.phone.local
        assert (await desk.move()).state == "registered"
        assert desk.phone.local != old
        for branch, local in (("old", old), ("new", desk.phone.local)):
            via = f"SIP/2.0/UDP 127.0.0.1;rport;branch={branch}"
            bench.registrar.endpoint.send(a_request("NOTIFY", via=via), local)
        await bench.until(lambda: len(notifies(bench)) == 2)
        assert (await desk.unregister()) == Changed("unregistered", 200, "OK", 0)
        assert (await desk.unregister()) == Changed("unregistered")

    bench = on_a_bench(in_memory, work)
    assert [answer.branch for answer in bench.registrar.answers()] == ["new"]
    registers = bench.registrar.requests()
    assert [message.get("expires") for message in registers] == ["60", "60", "90", "90", "0"]
    assert [message.cseq for message in registers] == [1, 2, 3, 4, 5]
    assert len({message.call_id for message in registers}) == 1
    assert sorted(notifies(bench)) == [("new", "current"), ("old", "former")]
    assert [change.state for change in bench.notes.of("desk", "changed")] == ["registered"] * 3 + ["unregistered"] * 2
    assert bench.notes.times == sorted(bench.notes.times)
    # each datagram is noted at the address that it left from or arrived at
    contacts = {local for _, what, effect, local in bench.notes.all if what == "sent"}
    assert len(contacts) == 2


@IN_BOTH
def test_many_phones_at_once(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        phones = [bench.add(f"p{number}") for number in range(20)]
        wrong = bench.add("wrong", password="guess")
        changes = await asyncio.gather(*(phone.register() for phone in phones), wrong.register())
        assert [change.state for change in changes] == ["registered"] * 20 + ["refused"]
        assert len({phone.phone.local for phone in [*phones, wrong]}) == 21

    bench = on_a_bench(in_memory, work)
    assert len(bench.registrar.requests()) == 42
    assert len({message.call_id for message in bench.registrar.seen}) == 21


@IN_BOTH
def test_everybody_who_waits_hears_of_it(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        assert [change.state for change in await asyncio.gather(desk.register(), desk.register())] == ["registered"] * 2
        assert [change.state for change in await asyncio.gather(desk.unregister(), desk.unregister())] == [
            "unregistered",
            "unregistered",
        ]
        assert desk.phone.state == "idle"

    bench = on_a_bench(in_memory, work)
    assert len(bench.registrar.requests()) == 3


@IN_BOTH
def test_who_stops_waiting_leaves_the_others(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        impatient = asyncio.create_task(desk.register())
        patient = asyncio.create_task(desk.register())
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient).state == "registered"
        assert impatient.cancelled()

    on_a_bench(in_memory, work)


@IN_BOTH
def test_a_lost_register_is_repeated_by_the_clock(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        bench.registrar.deaf = True
        waiting = asyncio.create_task(desk.register())
        await bench.until(lambda: bool(bench.notes.of("desk", "sent")))
        await asyncio.sleep(0.1)
        bench.registrar.deaf = False
        assert (await waiting).state == "registered"

    bench = on_a_bench(in_memory, work)
    assert [message.cseq for message in bench.registrar.seen][:2] == [1, 1]
    assert [message.cseq for message in bench.registrar.requests()] == ([1, 1, 2] if in_memory else [1, 2])
    kinds = [sent.kind for sent in bench.notes.of("desk", "sent")]
    if not in_memory:
        kinds = [kind for kind, _ in groupby(kinds)][:3]
    assert kinds == ["new", "retransmission", "new"]


@IN_BOTH
def test_arbitrary_bytes(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        other = bench.add("other", refusals={"NOTIFY": 489})
        desk.send(a_request("NOTIFY"), other.phone.local)
        desk.send(b"\0\0\0\0", other.phone.local)
        await bench.until(lambda: len(bench.notes.of("other", "heard")) == 2)

    bench = on_a_bench(in_memory, work)
    assert [heard.kind for heard in bench.notes.of("other", "heard")] == ["new", "malformed"]
    assert [Message.parse(sent.data).status for sent in bench.notes.of("other", "sent")] == [489]


@IN_BOTH
def test_who_is_told_with_whom_to_talk_hears_others_and_takes_nothing_from_them(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        bench.fleet = Fleet(bench.fleet.wire, bench.fleet.clock, bench.notes, only_from=bench.registrar.endpoint.local)
        desk = bench.add("desk")
        lobby = bench.add("lobby")
        stranger = bench.wire.open(lambda data, source: None, "127.0.0.1")
        stranger.send(a_request("NOTIFY"), desk.phone.local)
        stranger.send(b"garbage", desk.phone.local)
        await bench.until(lambda: len(bench.notes.of("desk", "heard")) == 2)
        await desk.register()
        old = lobby.phone.local
        await lobby.move()
        lobby.send(a_request("OPTIONS"), desk.phone.local)
        await bench.until(lambda: bench.notes.of("desk", "heard")[-1].message.method == "OPTIONS")
        stranger.send(a_request("NOTIFY"), old)
        await bench.until(lambda: bench.notes.of("lobby", "heard")[-1].kind == "foreign")
        stranger.close()

    bench = on_a_bench(in_memory, work)
    heard = bench.notes.of("desk", "heard")
    kinds = [each.kind for each in heard if in_memory or each.kind in ("foreign", "new")]
    assert kinds == ["foreign", "foreign", "new", "new", "new"]
    assert [each.message for each in heard[:2]] == [None, None]
    assert bench.notes.of("lobby", "heard")[-1].contact == "former"
    sent = [sent for sent in bench.notes.of("desk", "sent") if in_memory or sent.kind == "new"]
    assert [Message.parse(each.data).status for each in sent] == [0, 0, 200]


@IN_BOTH
def test_a_closed_fleet_is_silent(in_memory: bool) -> None:
    async def work(bench: Bench) -> None:
        desk = bench.add("desk")
        await desk.register()
        local, noted = desk.phone.local, len(bench.notes.all)
        bench.fleet.close()
        assert bench.fleet.phones == {}
        bench.registrar.endpoint.send(a_request("NOTIFY"), local)
        await asyncio.sleep(0.02)
        assert len(bench.notes.all) == noted
        again = bench.wire.open(lambda data, source: None, *local)
        again.close()

    on_a_bench(in_memory, work)


# --- calls and lamps -------------------------------------------------------------------------------------------------


class Pair:
    """Two phones that are each other's edge, in virtual time."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        wire = MemoryWire(loop, random.Random(1))
        self.notes = Notes()
        fleet = Fleet(wire, loop, self.notes)
        # addresses of this network are given one after the other, so ann can know bob's before there is a bob
        learnt = wire.open(lambda data, source: None)
        host, port = learnt.local
        self.ann = fleet.add("ann", Identity("ann", "word", REALM), edge=(host, port + 2), rng=random.Random(1))
        self.bob = fleet.add(
            "bob", Identity("bob", "word", REALM), edge=self.ann.phone.local, rng=random.Random(2), tone=700
        )
        assert self.bob.phone.local == self.ann.phone.edge

    def calls(self, phone: str) -> list[tuple[str, str, int, str]]:
        return [(one.direction, one.state, one.status, one.peer) for one in self.notes.of(phone, "called")]

    def heard(self, phone: str) -> list[RtpPacket]:
        return [RtpPacket.parse(media.data) for media in self.notes.of(phone, "media heard")]


def in_virtual_time(work: Callable[[Pair], Coroutine[Any, Any, None]]) -> Pair:
    async def main() -> Pair:
        pair = Pair()
        await work(pair)
        return pair

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


def test_a_phone_without_a_tone_says_nothing() -> None:
    async def work(pair: Pair) -> None:
        pair.bob.phone.calls.tone = 0
        pair.bob.calls_policy = CallPolicy("answer")
        pair.ann.call(f"sip:bob@{REALM}")
        await asyncio.sleep(1.0)
        pair.bob.talk(5)
        await asyncio.sleep(1.0)

    pair = in_virtual_time(work)
    assert pair.calls("ann")[-1][1] == "talking"
    assert (len(pair.heard("ann")), len(pair.heard("bob"))) == (0, 20)


def test_two_phones_hear_each_other() -> None:
    async def work(pair: Pair) -> None:
        pair.bob.calls_policy = CallPolicy("ring")
        call_id = pair.ann.call(f"sip:bob@{REALM}")
        await asyncio.sleep(1.0)
        assert pair.calls("bob") == [("in", "ringing", 180, "ann")]
        assert {one.call_id for one in pair.notes.of("bob", "called")} == {call_id}
        pair.bob.answer()
        await asyncio.sleep(1.0)
        pair.bob.talk(5)
        await asyncio.sleep(1.0)
        pair.bob.hang_up()
        await asyncio.sleep(60.0)

    pair = in_virtual_time(work)
    assert pair.calls("ann") == [
        ("out", "calling", 0, "bob"), ("out", "ringing", 180, "bob"), ("out", "talking", 200, "bob"),
        ("out", "ended", 0, "bob"),
    ]  # fmt: skip
    assert [state for _, state, _, _ in pair.calls("bob")] == ["ringing", "talking", "ended"]
    for phone, packets, tone in (("ann", 25, 700), ("bob", 20, 400)):
        assert len(pair.heard(phone)) == packets
        assert min(share(packet.payload, tone) for packet in pair.heard(phone)) > 0.9
    sent = [effect for phone, what, effect, _ in pair.notes.all if (phone, what) == ("ann", "media sent")]
    where = {local for phone, what, _, local in pair.notes.all if (phone, what) == ("bob", "media heard")}
    assert {media.remote for media in sent} == where
    assert len(where) == 1
    times = [t for t, (phone, what, _, _) in zip(pair.notes.times, pair.notes.all, strict=True)
             if (phone, what) == ("ann", "media sent")]  # fmt: skip
    assert [round(after - before, 3) for before, after in pairwise(times)] == [0.02] * 19


@pytest.mark.parametrize(
    ("policy", "step", "expected"),
    [
        (CallPolicy(), None, [("calling", 0), ("ended", 486)]),
        (CallPolicy("reject", 603), None, [("calling", 0), ("ended", 603)]),
        (CallPolicy("ring"), "reject", [("calling", 0), ("ringing", 180), ("ended", 404)]),
        (CallPolicy("ring"), "cancel", [("calling", 0), ("ringing", 180), ("ended", 487)]),
        (CallPolicy("ignore"), "cancel", [("calling", 0), ("ended", 487)]),
        (CallPolicy("ignore"), "ring", [("calling", 0), ("ringing", 180)]),
        (CallPolicy("auto"), None, [("calling", 0), ("ringing", 180)]),
        (
            CallPolicy("answer", after=0.5),
            "hang up",
            [("calling", 0), ("ringing", 180), ("talking", 200), ("ended", 0)],
        ),
    ],
)
def test_what_becomes_of_a_call(policy: CallPolicy, step: str | None, expected: list[tuple[str, int]]) -> None:
    async def work(pair: Pair) -> None:
        pair.bob.calls_policy = policy
        pair.ann.call(f"sip:bob@{REALM}")
        await asyncio.sleep(1.0)
        if step == "reject":
            pair.bob.reject(404)
        elif step == "ring":
            pair.bob.ring()
        elif step == "cancel":
            pair.ann.cancel()
        elif step == "hang up":
            pair.ann.hang_up()
        await asyncio.sleep(1.0)

    pair = in_virtual_time(work)
    assert [(state, status) for _, state, status, _ in pair.calls("ann")] == expected


def test_a_fence_and_a_power_failure() -> None:
    async def work(pair: Pair) -> None:
        pair.bob.calls_policy = CallPolicy("answer")
        pair.bob.fences.add("9123")
        pair.ann.call(f"sip:bob@{REALM}", caller="9123")
        await asyncio.sleep(1.0)
        pair.ann.call(f"sip:bob@{REALM}")
        await asyncio.sleep(1.0)
        pair.bob.forget()
        pair.bob.miss("INVITE")
        pair.bob.calls_policy = CallPolicy("ring")
        pair.ann.hang_up()
        pair.ann.call(f"sip:bob@{REALM}")
        await asyncio.sleep(1.0)
        with pytest.raises(NoSuchCall):
            pair.bob.answer()

    pair = in_virtual_time(work)
    assert [state for _, state, _, _ in pair.calls("bob")] == ["ringing", "talking", "ended"]
    assert pair.notes.of("bob", "called")[-1].reason == "forgotten"
    answers = [Message.parse(one.data).start_line for one in pair.notes.of("bob", "sent")]
    assert answers == [f"SIP/2.0 {line}" for line in (
        "486 Busy Here", "180 Ringing", "200 OK", "481 Call/Transaction Does Not Exist", "180 Ringing",
    )]  # fmt: skip
    assert "missed" in [heard.kind for heard in pair.notes.of("bob", "heard")]


class Notifier:
    """Accepts every subscription, and tells what it is told to."""

    def __init__(self, wire: Wire) -> None:
        self.endpoint = wire.open(self._receive)
        self.seen: list[Message] = []
        self.status = 200

    def _receive(self, data: bytes, source: Address) -> None:
        message = Message.parse(stamp_via(data, source))
        self.seen.append(message)
        if message.is_request:
            host, port = self.endpoint.local
            headers = [("Expires", message.get("expires") or ""), ("Contact", f"<sip:{host}:{port}>")]
            answer = response(message, self.status, headers=headers, to_tag="n")
            self.endpoint.send(answer, response_target(message))
            if self.status == 200:
                self.endpoint.send(self._notify(message), source)

    def _notify(self, subscribe: Message) -> bytes:
        over = subscribe.get("expires") == "0"
        lines = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.endpoint.local[1]};branch=z9hG4bK{len(self.seen)}"),
            ("From", f"{(subscribe.get('to') or '').partition(';tag')[0]};tag=n"),
            ("To", subscribe.get("from") or ""),
            ("Call-ID", subscribe.call_id),
            ("CSeq", f"{subscribe.cseq} NOTIFY"),
            ("Contact", f"<sip:127.0.0.1:{self.endpoint.local[1]}>"),
            ("Event", subscribe.get("event") or ""),
            ("Subscription-State", "terminated;reason=timeout" if over else "active"),
        ]
        return request("NOTIFY", "sip:watcher@127.0.0.1", lines)


@IN_BOTH
def test_watching(in_memory: bool) -> None:
    lamp = f"sip:1001@{REALM}"

    async def work(bench: Bench) -> None:
        notifier = Notifier(bench.wire)
        identity = Identity("watcher", "word", REALM)
        watcher = bench.fleet.add("watcher", identity, edge=notifier.endpoint.local, rng=random.Random(3))
        first = await watcher.subscribe(lamp, expires=300)
        assert (first.state, first.status, first.expires) == ("active", 200, 300)
        again, also = await asyncio.gather(watcher.subscribe(lamp), watcher.subscribe(lamp))
        assert again == also == first
        presence = await watcher.subscribe(lamp, "presence")
        assert presence.call_id != first.call_id
        assert (await watcher.unsubscribe(lamp)).state == "terminated"
        assert (await watcher.unsubscribe(lamp)).state == "terminated"
        assert (await watcher.unsubscribe("sip:nobody@x", "dialog")).call_id == ""
        notifier.status = 489
        assert (await watcher.subscribe(lamp, "nonsense")).state == "refused"
        # the notifier has lost it, and is back: the outcome is that of the new subscription
        notifier.status = 481
        refreshed = asyncio.create_task(watcher.subscribe(lamp, "presence"))
        await bench.until(lambda: bench.notes.of("watcher", "subscribed")[-1].status == 481)
        notifier.status = 200
        outcome = await refreshed
        assert (outcome.state, outcome.call_id != presence.call_id) == ("active", True)
        notifier.endpoint.close()

    bench = on_a_bench(in_memory, work)
    reports = bench.notes.of("watcher", "subscribed")
    assert [(one.event, one.state) for one in reports] == [
        ("dialog", "active"), ("dialog", "active"), ("presence", "active"), ("dialog", "terminated"),
        ("dialog", "terminated"), ("dialog", "terminated"), ("nonsense", "refused"), ("presence", "terminated"),
        ("presence", "active"),
    ]  # fmt: skip
    answers = [sent.data for sent in bench.notes.of("watcher", "sent") if sent.data[:3] == b"SIP"]
    assert {Message.parse(answer).status for answer in answers} == {200}
