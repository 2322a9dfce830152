"""A live fleet in one process: phones that register at a rate, stay, watch each other, and leave."""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.figures import Figures
from phones.calls import CallPolicy, NoSuchCall
from phones.effects import Called, Changed, Heard, Impaired, MediaIn, MediaOut, Sink, Subscribed, Transmit, Turned
from phones.fleet import Fleet, RunningPhone
from phones.line import Identity
from phones.net import Clock, Wire
from phones.net_shared import SharedWire
from phones.sip.message import Address

_TICK_S = 0.01
TALK_S = 1.0
"""How long a call of ours is up before we hang up."""
_UNHEARD_S = 1.0
"""How long goodbyes may take where nothing has ever come."""
_LEAVING_AT_ONCE = 100
"""Phones whose goodbye is on its way at the same time."""

_STATUS = re.compile(rb"SIP/2\.0 (\d)(\d\d) ")
_METHOD = re.compile(rb"\r\n(?:cseq)[ \t]*:[ \t]*\d+[ \t]+([A-Z]+)", re.IGNORECASE)

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Memory of this process in octets; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


@dataclass(frozen=True, slots=True)
class Member:
    """One phone to be: `watches` and `calls` are SIP URIs, '' for none."""

    name: str
    identity: Identity
    watches: str = ""
    calls: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What some phones do. `rate` is of new registrations, and of new subscriptions, per second."""

    members: tuple[Member, ...]
    edge: Address
    bind: str
    rate: float
    expires: int
    shared: bool
    prefix: str
    seed: int
    answer: bool = False
    other_edges: tuple[Address, ...] = ()
    first: int = 0
    """The number of the first phone, among those of all processes."""

    at_once: int = 0
    """How many outcomes may be awaited at the same time; 0: a quarter of a second's worth, and 20."""


@dataclass(slots=True)
class _Seat:
    """What is known of one phone while it runs."""

    member: Member
    phone: RunningPhone
    began: float = 0.0
    registered: bool = False
    watched: bool = False
    gone: bool = False
    subscribed_at: float = 0.0
    lamp: str = "unknown"
    laws: int = 0
    synced: bool = False
    lit: bool = False
    changed: bool = False
    called_at: float = 0.0
    calls: frozenset[str] = frozenset()


class Swarm:
    """Phones on a wire. It is their sink, and passes what it is told on to `record` where there is one."""

    def __init__(self, plan: Plan, wire: Wire, clock: Clock, record: Sink | None = None) -> None:
        self._plan = plan
        self._clock = clock
        self._record = record
        self._shared = SharedWire(wire, plan.bind) if plan.shared else None
        self._fleet = Fleet(self._shared or wire, clock, self, host=plan.bind)
        self._seats: dict[str, _Seat] = {}
        self._sums = Figures(phones=len(plan.members), memory_empty=resident())
        self._to_register: deque[_Seat] = deque()
        self._to_watch: deque[_Seat] = deque()
        self._to_call: deque[_Seat] = deque()
        self._awaited = 0
        self._registered = 0
        self._leaving = False
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Put the phones on the wire and go on with what is wished, until cancelled. Raises OSError."""
        rng = random.Random(self._plan.seed)
        for number, member in enumerate(self._plan.members, self._plan.first):
            prefix = self._plan.prefix
            if self._shared is not None:
                prefix = self._shared.join(member.identity.user, number)
            phone = self._fleet.add(
                member.name,
                member.identity,
                edge=self._plan.edge,
                other_edges=self._plan.other_edges,
                rng=rng,
                call_id_prefix=prefix,
            )
            if self._plan.answer:
                phone.calls_policy = CallPolicy("answer", after=0.5)
            seat = _Seat(member, phone)
            self._seats[member.name] = seat
            self._to_register.append(seat)
            if number % 100 == 0:
                await asyncio.sleep(0)
        await self._pace()

    async def _pace(self) -> None:
        """Begin what is to be begun, at the rate, as long as not too much is on its way."""
        rate = self._plan.rate
        at_once = self._plan.at_once or max(int(rate / 4), 20)
        started, begun = self._clock.time(), 0
        while True:
            now = self._clock.time()
            due = int((now - started) * rate) + 1 - begun
            room = min(due, at_once - self._awaited)
            for _ in range(max(room, 0)):
                if not self._begin_one():
                    # what was not used up is not saved up
                    started, begun = now, 0
                    break
                begun += 1
            if due - room > rate:
                started, begun = now, 0
            await asyncio.sleep(_TICK_S)

    def _begin_one(self) -> bool:
        now = self._clock.time()
        if self._leaving:
            return False
        if self._to_watch:
            seat = self._to_watch.popleft()
            seat.subscribed_at = now
            self._awaited += 1
            seat.phone.begin_subscription(seat.member.watches, expires=self._plan.expires)
        elif self._to_register:
            seat = self._to_register.popleft()
            seat.began = now
            self._awaited += 1
            seat.phone.begin_registration(expires=self._plan.expires)
        elif self._to_call:
            self._call(self._to_call.popleft(), now)
        else:
            return False
        return True

    def _call(self, seat: _Seat, now: float) -> None:
        seat.called_at = now
        self._awaited += 1
        try:
            seat.phone.call(seat.member.calls)
        except OSError as error:
            seat.called_at = 0.0
            self._awaited -= 1
            self._sums.wrong[f"no address for RTP: {error.strerror}"] += 1

    @staticmethod
    def _hang_up(seat: _Seat, call_id: str) -> None:
        with suppress(NoSuchCall):
            # the other side may have been faster
            seat.phone.hang_up(call_id)

    def exercise(self) -> None:
        """Have those phones call that are to call somebody; count check-syncs and lamps from now on."""
        for seat in self._seats.values():
            seat.synced = seat.lit = seat.changed = False
            if seat.member.calls:
                self._to_call.append(seat)

    @property
    def pending(self) -> int:
        """Outcomes that are still to come."""
        to_come = len(self._plan.members) - len(self._seats)
        return to_come + self._awaited + len(self._to_register) + len(self._to_watch) + len(self._to_call)

    async def everybody(self) -> None:
        """Wait until everybody is registered."""
        while self._registered < len(self._plan.members):
            self._changed.clear()
            await self._changed.wait()

    def settled(self) -> None:
        """Everybody is there: from now on memory should not grow."""
        self._sums.memory_full = resident()

    def figures(self) -> Figures:
        """How things stand."""
        sums = self._sums
        seats = self._seats.values()
        sums.registered = self._registered
        sums.watching = sum(seat.watched for seat in seats)
        if not self._leaving:
            sums.lost = sum(not seat.registered and seat.began > 0 for seat in seats)
            sums.unwatched = sum(not seat.watched and seat.subscribed_at > 0 for seat in seats)
        sums.lamps.clear()
        sums.lamps.update(seat.lamp for seat in seats if seat.member.watches)
        sums.unsynced = sum(not seat.synced for seat in seats)
        sums.unchanged = sum(not seat.changed for seat in seats if seat.member.watches)
        sums.pending = self.pending
        sums.memory = resident()
        times = os.times()
        sums.cpu_s = times.user + times.system
        return replace(sums)

    async def stop(self, within_s: float) -> int:
        """End all calls and registrations, for so many seconds at most. Returns how many are still registered."""
        self.figures()
        self._leaving = True
        if not self._sums.arrivals:
            # nobody is there who could answer
            within_s = min(within_s, _UNHEARD_S)
        end = self._clock.time() + within_s
        waiting = deque(self._seats.values())
        flying: list[_Seat] = []
        while waiting or flying:
            flying = [seat for seat in flying if not seat.gone]
            while waiting and len(flying) < _LEAVING_AT_ONCE:
                seat = waiting.popleft()
                if seat.watched:
                    seat.phone.end_subscription(seat.member.watches)
                if seat.calls:
                    seat.phone.leave_calls()
                if seat.phone.begin_goodbye():
                    flying.append(seat)
            self._changed.clear()
            left = end - self._clock.time()
            if left <= 0:
                break
            if flying:
                try:
                    async with asyncio.timeout(min(left, 0.1)):
                        await self._changed.wait()
                except TimeoutError:
                    continue
        return self._registered

    def close(self) -> None:
        """Take everybody off the wire."""
        self._fleet.close()
        if self._shared is not None:
            self._shared.close()

    # what the phones say

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        """A datagram arrived."""
        sums = self._sums
        sums.arrivals += 1
        message = heard.message
        if heard.kind == "new":
            if message is not None and message.method == "NOTIFY" and message.is_request:
                sums.notifies += 1
                if (message.get("event") or "").startswith("check-sync"):
                    sums.check_syncs += 1
                    self._seats[phone].synced = True
                else:
                    self._look_at_lamp(self._seats[phone], now)
        elif heard.kind == "retransmission":
            sums.repeated += 1
        elif not self._leaving:
            sums.wrong[f"{heard.kind} {message.method if message else 'datagram'}"] += 1
        if self._record is not None:
            self._record.heard(phone, heard, now)

    def _look_at_lamp(self, seat: _Seat, now: float) -> None:
        """What a NOTIFY has done to a lamp; the phone has taken it in already."""
        subscription = seat.phone.phone.subscriptions.get(seat.member.watches, "dialog")
        if subscription is None:
            return
        if seat.subscribed_at and seat.lamp == "unknown":
            self._sums.notify.add(now - seat.subscribed_at)
        broken = len(subscription.lamp.broken)
        if broken > seat.laws:
            self._sums.wrong[f"NOTIFY: {subscription.lamp.broken[-1][1]}"] += 1
        seat.laws = broken
        state = subscription.lamp.state.value
        if state == seat.lamp:
            return
        if seat.lamp != "unknown" and state != "unknown":
            self._sums.lamp_changes += 1
            seat.lit = seat.lit or state != "off"
            seat.changed = seat.changed or (seat.lit and state == "off")
        seat.lamp = state

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """A datagram was sent; an answer to a NOTIFY that is no 200 is wrong."""
        sums = self._sums
        sums.sent += 1
        if sent.kind == "retransmission":
            sums.repeated += 1
        elif not self._leaving and (status := _STATUS.match(sent.data)) and status[1] >= b"4":
            method = _METHOD.search(sent.data)
            if method is not None and method[1] == b"NOTIFY":
                sums.wrong[f"NOTIFY answered {(status[1] + status[2]).decode()}"] += 1
        if self._record is not None:
            self._record.sent(phone, sent, local, now)

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        """A registration changed."""
        seat = self._seats[phone]
        first = not seat.registered
        seat.registered = changed.state == "registered"
        self._registered += seat.registered - (not first)
        self._changed.set()
        if self._leaving:
            seat.gone = not seat.registered
        elif seat.registered:
            if first:
                self._awaited -= 1
                self._sums.registration.add(now - seat.began)
                if seat.member.watches and not seat.watched:
                    self._to_watch.append(seat)
            else:
                self._sums.refreshes += 1
                if self._sums.refreshes % len(self._plan.members) == 0:
                    self._sums.memory_rounds.append(resident())
        else:
            if first:
                self._awaited -= 1
            self._sums.wrong[f"registration {changed.state} {changed.status or ''}".strip()] += 1
            if changed.state != "refused":
                seat.began = now
                self._to_register.append(seat)
        if self._record is not None:
            self._record.changed(phone, changed, contact, now)

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        """A phone went on to another edge."""
        if self._record is not None:
            self._record.turned(phone, turned, now)

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        """A subscription changed."""
        seat = self._seats[phone]
        active = subscribed.state == "active"
        if active and not seat.watched:
            self._awaited -= 1
        elif not active and not self._leaving:
            if not seat.watched:
                self._awaited -= 1
            self._sums.wrong[f"subscription {subscribed.state} {subscribed.status or ''}".strip()] += 1
        seat.watched = active
        if self._record is not None:
            self._record.subscribed(phone, subscribed, now)

    def called(self, phone: str, called: Called, now: float) -> None:
        """A call changed."""
        sums = self._sums
        seat = self._seats[phone]
        call = {called.call_id}
        seat.calls = seat.calls - call if called.state == "ended" else seat.calls | call
        if called.direction == "out" and called.state == "talking":
            self._clock.call_at(now + TALK_S, self._hang_up, seat, called.call_id)
        if called.direction == "out":
            if called.state != "calling" and seat.called_at:
                sums.call.add(now - seat.called_at)
                seat.called_at = 0.0
                self._awaited -= 1
        elif called.state in ("ringing", "ended"):
            sums.calls += called.state == "ringing" or called.status == 486
        if called.state == "talking":
            sums.calls_up += 1
        if self._record is not None:
            self._record.called(phone, called, now)

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        """The network of a phone did something on purpose."""
        if self._record is not None:
            self._record.impaired(phone, impaired, now)

    def media_heard(self, phone: str, media: MediaIn, now: float) -> None:
        """An RTP packet arrived."""
        if self._record is not None:
            self._record.media_heard(phone, media, now)

    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None:
        """An RTP packet was sent."""
        if self._record is not None:
            self._record.media_sent(phone, media, local, now)
