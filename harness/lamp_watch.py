"""Watching lamps live: one phone subscribes to presentities and says what their keys show. Needs SIP, no API."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from harness.lamps import PhoneLamps
from harness.together import together
from phones.effects import Called, Changed, Heard, Impaired, MediaIn, MediaOut, Subscribed, Transmit, Turned
from phones.fleet import Fleet, RunningPhone
from phones.net import Clock, Wire
from phones.phone import Identity, format_address
from phones.sip.index import Message
from phones.sip.message import Address
from phones.sip.transport import Transport

_GOODBYE_S = 2.0
"""How long taking leave may take."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was seen: at `t` seconds since the start, of `presentity`, the lamp or what became of the subscription.

    `kind` is lamp, subscription, registration (of the watcher itself) or law; `text` the new state in words.
    """

    t: float
    presentity: str
    kind: str
    text: str


@dataclass(slots=True)
class LampWatch:
    """The sink of the watching phone: folds its NOTIFYs and tells `report` of every change."""

    report: Callable[[Change], None]
    lamps: PhoneLamps = field(default_factory=PhoneLamps)
    active: set[str] = field(default_factory=set)
    """Presentities that were granted at least once."""

    started: float = 0.0
    _count: int = 0
    _shown: dict[str, int] = field(default_factory=dict)
    _laws: dict[str, int] = field(default_factory=dict)

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        """A message reached the phone."""
        if heard.kind == "new" and heard.message is not None and heard.message.is_request:
            self._count += 1
            self.lamps.received({"n": self._count, "t": now - self.started}, heard.message)

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """The phone sent a message."""
        if sent.kind == "new" and sent.data.startswith((b"SUBSCRIBE ", b"SIP/2.0 ")):
            self.lamps.sent({"n": self._count, "t": now - self.started}, Message.parse(sent.data))
            self._tell(now)

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        """Nobody impairs the network of a watcher."""

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        """The registration changed."""
        self.report(Change(now - self.started, "", "registration", _said(changed)))

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        """The phone went on to another edge."""
        why = f"{turned.status} {turned.reason}" if turned.status else turned.reason
        said = f"{format_address(turned.edge)}, for {format_address(turned.former)} does not answer ({why})"
        self.report(Change(now - self.started, "", "edge", said))

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        """A subscription changed."""
        said = {"call_id": subscribed.call_id, "state": subscribed.state, "reason": subscribed.reason}
        self.lamps.ended({"n": self._count, "t": now - self.started, **said})
        if subscribed.state == "active":
            self.active.add(subscribed.presentity)
        else:
            self.report(Change(now - self.started, subscribed.presentity, "subscription", _said(subscribed)))
        self._tell(now)

    def called(self, phone: str, called: Called, now: float) -> None:
        """Calls are no business of a watcher."""

    def media_heard(self, phone: str, media: MediaIn, now: float) -> None:
        """Neither is sound."""

    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None:
        """Nor its own."""

    def _tell(self, now: float) -> None:
        for subscription in self.lamps.subscriptions:
            told = self._laws.get(subscription.call_id, 0)
            for _, text in subscription.broken[told:]:
                self.report(Change(now - self.started, subscription.presentity, "law", text))
            self._laws[subscription.call_id] = len(subscription.broken)
            track = self.lamps.track(subscription.presentity, subscription.event)
            told = self._shown.get(subscription.presentity, 0)
            for point in track[told:]:
                self.report(Change(point.t, subscription.presentity, "lamp", point.state.value))
            self._shown[subscription.presentity] = len(track)


def _said(effect: Changed | Subscribed) -> str:
    """A state, and the response that decided it."""
    return effect.state + (f" ({effect.status} {effect.reason})" if effect.status >= 300 else "")


async def watch(
    wire: Wire,
    clock: Clock,
    *,
    edges: Sequence[Address],
    transport: Transport,
    bind: str,
    advertised: str | None,
    identity: Identity,
    registers: bool,
    presentities: Sequence[str],
    event: str,
    duration_s: float | None,
    report: Callable[[Change], None],
) -> set[str]:
    """Watch until `duration_s` is over or the task is cancelled, then unsubscribe; cancelled again, leave at once.

    `edges` are tried in their order. Returns the presentities that could be watched at all. Raises SipSyntaxError for
    what is no URI, and OSError.
    """
    sink = LampWatch(report, started=clock.time())
    fleet = Fleet(wire, clock, sink, host=bind, advertised=advertised)
    phone = fleet.add(
        "watch",
        identity,
        edge=edges[0],
        other_edges=edges[1:],
        transport=transport,
        rng=random.Random(random.SystemRandom().getrandbits(64)),
    )
    try:
        with suppress(asyncio.CancelledError):
            if registers:
                await phone.register()
            await together(phone.subscribe(each, event) for each in presentities)
            if sink.active:
                await (asyncio.Event().wait() if duration_s is None else asyncio.sleep(duration_s))
        with suppress(asyncio.CancelledError):
            await _leave(phone, sink, event, registers)
    finally:
        fleet.close()
    return sink.active


async def _leave(phone: RunningPhone, sink: LampWatch, event: str, registers: bool) -> None:
    """Unsubscribe, so that nobody is notified in vain; who does not answer is left alone."""
    # what the goodbye brings is no news
    sink.report = lambda _: None
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await together(phone.unsubscribe(each, event) for each in sink.active)
            if registers:
                await phone.unregister()
    except TimeoutError:
        return
