"""The fleet: phones on a wire and a clock, reporting to a sink. All of the phones' IO is here."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from phones.calls import CallPolicy
from phones.changing import By
from phones.effects import (
    Called,
    Changed,
    Effect,
    Fault,
    HangUp,
    Heard,
    Impaired,
    KeepAlive,
    MediaIn,
    MediaOut,
    Sink,
    Subscribed,
    Transmit,
    Turned,
)
from phones.impairments import Impairment
from phones.net import Alarm, Clock, Datagrams, Endpoint, Receive, Streams
from phones.net_boundary import Boundary
from phones.net_flow import Flow
from phones.personality import ORDINARY, Personality
from phones.phone import Identity, Phone, Refusals
from phones.sip.message import Address
from phones.sip.transport import Transport


class RunningPhone:
    """A phone that is on the wire from its start to `close`, whether registered or not.

    What it is told to do with calls is about the newest call that this fits; NoSuchCall is raised when there is none.
    """

    __slots__ = (
        "_alarm",
        "_boundary",
        "_current",
        "_fleet",
        "_former",
        "_rtp",
        "_waiting",
        "_watchers",
        "name",
        "phone",
    )

    def __init__(
        self, name: str, make: Callable[[Address, Callable[[], Address]], Phone], transport: Transport, fleet: Fleet
    ):
        self.name = name
        self._fleet = fleet
        self._rtp: Endpoint | None = None
        self._current = self._open(transport)
        # what most phones of a fleet never need is made when it is needed
        self._former: list[Endpoint] | None = None
        self._boundary: Boundary | None = None
        self.phone = make(fleet.named(self._current), self._rtp_address)
        self._alarm = Alarm(fleet.clock, self._tick)
        self._waiting: list[asyncio.Future[Changed]] | None = None
        self._watchers: dict[tuple[str, str], list[asyncio.Future[Subscribed]]] | None = None

    def _open(self, transport: Transport) -> Endpoint:
        """A place to be at: an address for datagrams, or a way to the edge. Raises OSError."""
        place = _Place(self)
        place.endpoint = self._fleet.open(place.received, transport, place.lost if transport.reliable else None)
        return place.endpoint

    def received(self, data: bytes, source: Address, endpoint: Endpoint) -> None:
        """Hand a datagram to the phone and carry out what follows, unless the network stands between them."""
        fleet = self._fleet
        now = fleet.clock.time()
        if not self.phone.transport.reliable and not fleet.talks_to(source):
            local, contact = self.place_of(endpoint)
            fleet.sink.heard(self.name, Heard(data, source, local, "foreign", contact, None), now)
        elif self._boundary is not None and self._boundary.impaired:
            self._boundary.received(data, source, endpoint, self.phone.transport)
        else:
            self.phone.receive(data, source, fleet.named(endpoint), now)
            self._carry_out(now)

    def take(self, data: bytes, source: Address, endpoint: Endpoint, fault: Fault = "", after: float = 0.0) -> None:
        """A datagram has come through the network, `after` seconds late."""
        now = self._fleet.clock.time()
        self.phone.receive(data, source, self._fleet.named(endpoint), now)
        self._carry_out(now, fault, after)

    def tell_sent(self, sent: Transmit, endpoint: Endpoint) -> None:
        """The phone has sent a datagram, whatever becomes of it."""
        self._fleet.sink.sent(self.name, sent, self._fleet.named(endpoint), self._fleet.clock.time())

    def tell_impaired(self, impaired: Impaired) -> None:
        """The network has done something to a datagram that the phone does not know of."""
        self._fleet.sink.impaired(self.name, impaired, self._fleet.clock.time())

    def place_of(self, endpoint: Endpoint) -> tuple[Address, Literal["current", "former"]]:
        """Where others are told that an endpoint is, and whether the phone is still there."""
        return self._fleet.named(endpoint), "current" if endpoint is self._current else "former"

    def lost(self, reason: str, endpoint: Endpoint) -> None:
        """A connection is gone; what happens to a place that the phone has left is no loss."""
        if endpoint is self._current:
            now = self._fleet.clock.time()
            self.phone.disconnected(reason, now, self._local)
            self._carry_out(now)

    @property
    def addresses(self) -> list[Address]:
        """Where it is, and has been."""
        return [endpoint.local for endpoint in (*(self._former or ()), self._current)]

    @property
    def _local(self) -> Address:
        return self._fleet.named(self._current)

    def _rtp_address(self) -> Address:
        """The one address where the phone hears RTP, opened when it is first asked for. Raises OSError."""
        if self._rtp is None:
            self._rtp = self._fleet.open(self._received_media)
        return self._fleet.named(self._rtp)

    @property
    def offline(self) -> bool:
        """Whether everything is lost, both ways."""
        return self._boundary is not None and self._boundary.offline

    def _received_media(self, data: bytes, source: Address) -> None:
        if self.offline:
            return
        self.phone.receive_media(data, source, self._rtp_address())
        self._carry_out(self._fleet.clock.time())

    def _carry_out(self, now: float, fault: Fault = "", after: float = 0.0) -> None:
        """Carry out what the phone wants; what it heard came with `fault`."""
        for effect in self.phone.take():
            if fault and isinstance(effect, Heard):
                self._carry_out_one(replace(effect, fault=fault, after=after), now)
            else:
                self._carry_out_one(effect, now)
        self._alarm.set(self.phone.next_deadline())

    def _carry_out_one(self, effect: Effect, now: float) -> None:
        sink = self._fleet.sink
        match effect:
            case Transmit() if self._boundary is not None and self._boundary.impaired:
                self._boundary.sent(effect, self._current)
            case Transmit():
                sink.sent(self.name, effect, self._local, now)
                self._current.send(effect.data, effect.remote)
            case Heard():
                sink.heard(self.name, effect, now)
            case Changed():
                sink.changed(self.name, effect, self._local, now)
                if waiting := self._waiting:
                    self._waiting = None
                    _resolve(waiting, effect)
            case Subscribed():
                sink.subscribed(self.name, effect, now)
                if self._watchers:
                    _resolve(self._watchers.pop((effect.presentity, effect.event), []), effect)
            case Called():
                sink.called(self.name, effect, now)
            case Turned():
                sink.turned(self.name, effect, now)
            case HangUp():
                if isinstance(self._current, Flow):
                    self._current.hang_up(effect.reason)
            case KeepAlive():
                if isinstance(self._current, Flow):
                    self._current.keep_alive(effect.seconds)
            case MediaIn():
                sink.media_heard(self.name, effect, now)
            case MediaOut():
                if self._rtp is not None and not self.offline:
                    sink.media_sent(self.name, effect, self._rtp_address(), now)
                    self._rtp.send(effect.data, effect.remote)

    def _tick(self) -> None:
        now = self._fleet.clock.time()
        self.phone.handle_timer(now)
        self._carry_out(now)

    async def _outcome(self) -> Changed:
        """The next change of the registration."""
        waiting: asyncio.Future[Changed] = asyncio.get_running_loop().create_future()
        self._waiting = [*(self._waiting or ()), waiting]
        self._carry_out(self._fleet.clock.time())
        return await waiting

    async def register(self, *, expires: int | None = None, refresh: bool = True) -> Changed:
        """Register and wait for the outcome; at the latest after 64*T1 it is `unanswered`."""
        self.phone.register(self._fleet.clock.time(), expires=expires, refresh=refresh)
        return await self._outcome()

    # the same without waiting, for fleets that have no task for each phone: the sink is told what comes of it

    def begin_registration(self, *, expires: int | None = None) -> None:
        """Register or refresh."""
        now = self._fleet.clock.time()
        self.phone.register(now, expires=expires)
        self._carry_out(now)

    def begin_move(self) -> None:
        """Go to a new address and register from there, as `move` does."""
        self._leave()
        self._carry_out(self._fleet.clock.time())

    def begin_goodbye(self) -> bool:
        """Unregister; False when there is nothing to unregister."""
        if self.phone.state == "idle":
            return False
        now = self._fleet.clock.time()
        self.phone.unregister(now)
        self._carry_out(now)
        return True

    def begin_subscription(
        self, presentity: str, event: str = "dialog", *, expires: int | None = None, refresh: bool = True
    ) -> None:
        """Watch `presentity`, a SIP URI, or refresh that. Raises SipSyntaxError for no URI."""
        now = self._fleet.clock.time()
        self.phone.subscriptions.subscribe(presentity, event, now, expires=expires, refresh=refresh)
        self._carry_out(now)

    def end_subscription(self, presentity: str, event: str = "dialog") -> None:
        """Watch no more."""
        now = self._fleet.clock.time()
        self.phone.subscriptions.unsubscribe(presentity, event, now)
        self._carry_out(now)

    def seconds_registered(self) -> float:
        """How long the registration lasts without a refresh, 0 when there is none."""
        end = self.phone.registered_until
        return 0.0 if end is None else max(0.0, end - self._fleet.clock.time())

    async def expired(self) -> None:
        """Wait until the registration is over. A phone that refreshes never comes to that."""
        while self.phone.registered_until is not None:
            await self._outcome()

    async def unregister(self) -> Changed:
        """Unregister and wait for the outcome. An unregistered phone stays so without a message."""
        if self.phone.state == "idle":
            unchanged = Changed("unregistered")
            self._fleet.sink.changed(self.name, unchanged, self._local, self._fleet.clock.time())
            return unchanged
        self.phone.unregister(self._fleet.clock.time())
        return await self._outcome()

    async def move(self) -> Changed:
        """Go to a new address and register from there. The old one stays open, silent and recorded."""
        self._leave()
        return await self._outcome()

    def _leave(self) -> None:
        left, self._current = self._current, self._open(self.phone.transport)
        self._former = [*(self._former or ()), left]
        if self._boundary is not None and self._boundary.offline:
            self._boundary.leave(self._current)
        self.phone.move(self._local, self._fleet.clock.time())

    async def subscribe(
        self, presentity: str, event: str = "dialog", *, expires: int | None = None, refresh: bool = True
    ) -> Subscribed:
        """Watch `presentity`, a SIP URI, or refresh that, and wait for the outcome, 64*T1 at most.

        `expires` in seconds stays for the refreshes (600 when never given). Raises SipSyntaxError for no URI.
        """
        now = self._fleet.clock.time()
        self.phone.subscriptions.subscribe(presentity, event, now, expires=expires, refresh=refresh)
        return await self._watching(presentity, event)

    async def unsubscribe(self, presentity: str, event: str = "dialog") -> Subscribed:
        """Watch no more, and wait for the outcome. What is not watched stays so without a message."""
        now = self._fleet.clock.time()
        subscription = self.phone.subscriptions.get(presentity, event)
        if subscription is None or not subscription.wanted:
            call_id = subscription.call_id if subscription else ""
            unchanged = Subscribed(call_id, presentity, event, "terminated")
            self._fleet.sink.subscribed(self.name, unchanged, now)
            return unchanged
        self.phone.subscriptions.unsubscribe(presentity, event, now)
        return await self._watching(presentity, event)

    async def _watching(self, presentity: str, event: str) -> Subscribed:
        """The next change of a subscription after which nothing more is on its way."""
        while True:
            waiting: asyncio.Future[Subscribed] = asyncio.get_running_loop().create_future()
            self._watchers = self._watchers or {}
            self._watchers.setdefault((presentity, event), []).append(waiting)
            self._carry_out(self._fleet.clock.time())
            changed = await waiting
            subscription = self.phone.subscriptions.get(presentity, event)
            if subscription is None or subscription.settled:
                return changed

    def forget(self) -> None:
        """Lose all calls and subscriptions as if power had failed: nothing is sent."""
        self.phone.forget(self._fleet.clock.time())
        self._carry_out(self._fleet.clock.time())

    def miss(self, method: str, count: int = 1, event: str = "") -> None:
        """Answer the next `count` new requests of `method` as usual, and then forget them; with `event` only those."""
        self.phone.miss(method, count, event)

    @property
    def refusals(self) -> dict[str, int | None]:
        """Method to the status that the phone answers with, whatever it would say else; None for no answer."""
        return self.phone.refusals

    @property
    def calls_policy(self) -> CallPolicy:
        """What the phone does with the next call that comes in."""
        return self.phone.calls.policy

    @calls_policy.setter
    def calls_policy(self, policy: CallPolicy) -> None:
        self.phone.calls.policy = policy

    @property
    def fences(self) -> set[str]:
        """From users whose calls are always rejected with 486 at once, and not reported as calls."""
        return self.phone.calls.fences

    @property
    def tone(self) -> int:
        """What the phone says in calls, in Hz."""
        return self.phone.calls.tone

    def call(self, target: str, *, caller: str | None = None) -> str:
        """Call a SIP URI and return the Call-ID. `caller`: another From than ours, as URI or user of our realm.

        Raises SipSyntaxError for no URI, OSError without an RTP address.
        """
        now = self._fleet.clock.time()
        call_id = self.phone.calls.place(target, caller, now)
        self._carry_out(now)
        return call_id

    def ring(self) -> None:
        """Ring for a call that was ignored so far."""
        self._about_calls(self.phone.calls.ring)

    def answer(self) -> None:
        """Answer the call that waits for it."""
        self._about_calls(self.phone.calls.answer)

    def reject(self, status: int = 486) -> None:
        """Reject the call that waits for an answer."""
        self._about_calls(lambda now: self.phone.calls.reject(status, now))

    def redirect(self, *to: str) -> None:
        """Send the caller of the call that waits for an answer to other SIP URIs."""
        self._about_calls(lambda now: self.phone.calls.redirect(to, now))

    def hold(self, *, held: bool = True, by: By = "INVITE") -> None:
        """Hear the other side of the call that is up no more, or again; by re-INVITE or UPDATE."""
        self._about_calls(lambda now: self.phone.calls.hold(now, held=held, by=by))

    def hang_up(self, call_id: str | None = None) -> None:
        """End a call that was answered, or give up one of ours that nobody has answered; the newest, or that one."""
        self._about_calls(lambda now: self.phone.calls.hang_up(now, call_id))

    def leave_calls(self) -> None:
        """End every call, in whatever way it is to be ended, and take no more."""
        self._about_calls(self.phone.calls.leave)

    def cancel(self) -> None:
        """Give up a call of ours that nobody has answered."""
        self._about_calls(self.phone.calls.cancel)

    def talk(self, packets: int = 20) -> None:
        """Send more RTP packets of 20 ms of our tone in a call that is up."""
        self._about_calls(lambda now: self.phone.calls.talk(packets, now))

    def _about_calls(self, do: Callable[[float], None]) -> None:
        now = self._fleet.clock.time()
        do(now)
        self._carry_out(now)

    def send(self, data: bytes, remote: Address | None = None) -> None:
        """Put arbitrary bytes on the wire; without `remote` to the phone's edge."""
        self.phone.send(data, remote)
        self._carry_out(self._fleet.clock.time())

    # what the network does to it on purpose, wherever it is tested; the phone itself does not know

    def _at_boundary(self) -> Boundary:
        if self._boundary is None:
            self._boundary = Boundary(self._fleet.clock, self)
        return self._boundary

    @property
    def impaired(self) -> bool:
        """Whether the network is not as it should be: faults to come, messages held, or offline."""
        return self._boundary is not None and self._boundary.impaired

    def impair(self, impairment: Impairment) -> None:
        """Do this to the next messages that fit, once the impairments before it are done."""
        self._at_boundary().add(impairment)

    def go_offline(self) -> None:
        """Lose everything both ways until `go_online`; connections are lost without a word to the other end.

        What is held meanwhile waits until the phone is online.
        """
        self._at_boundary().leave(self._current)

    def go_online(self) -> None:
        """Have a network again. Connections are made anew as after any loss."""
        if self._boundary is not None:
            self._boundary.come_back()

    def mend(self) -> None:
        """Have no faults of the network any more, and be online; what is held is delivered at once."""
        if self._boundary is not None:
            self._boundary.mend()

    def close(self) -> None:
        """Leave the wire without a word."""
        self._alarm.set(None)
        if self._boundary is not None:
            self._boundary.close()
        for endpoint in (*(self._former or ()), self._current):
            endpoint.close()
        if self._rtp is not None:
            self._rtp.close()


class _Place:
    """Where a phone is or was: tells it what happens there."""

    __slots__ = ("_phone", "endpoint")

    endpoint: Endpoint

    def __init__(self, phone: RunningPhone) -> None:
        self._phone = phone

    def received(self, data: bytes, source: Address) -> None:
        self._phone.received(data, source, self.endpoint)

    def lost(self, reason: str) -> None:
        self._phone.lost(reason, self.endpoint)


Outcome = TypeVar("Outcome", Changed, Subscribed)


def _resolve(waiting: list[asyncio.Future[Outcome]], outcome: Outcome) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(outcome)


class Fleet:
    """Phones by name, all on one wire and clock, reporting to one sink.

    They are at `host`, and tell others that they are at `advertised` where that is another (containers, NAT).
    `only_from`: who alone sends them datagrams, besides each other. On a machine where many servers run, what another
    still sends to an address that used to belong to one of its phones would look like something of ours.
    """

    def __init__(
        self,
        wire: Datagrams,
        clock: Clock,
        sink: Sink,
        *,
        host: str = "127.0.0.1",
        advertised: str | None = None,
        only_from: Address | None = None,
    ) -> None:
        self.wire = wire
        self.clock = clock
        self.sink = sink
        self.phones: dict[str, RunningPhone] = {}
        self._host = host
        self._advertised = advertised
        self._only_from = only_from

    def talks_to(self, source: Address) -> bool:
        """Whether a datagram that comes from there is taken."""
        ours = (address for phone in self.phones.values() for address in phone.addresses)
        return self._only_from is None or source == self._only_from or source in ours

    def open(
        self, receive: Receive, transport: Transport = Transport.UDP, lost: Callable[[str], None] | None = None
    ) -> Endpoint:
        """Another address; `receive(data, source)` is told what arrives. Raises OSError.

        Over a connection it leads to the first address that something is sent to; `lost(reason)` is told of its loss.
        """
        if not transport.reliable:
            return self.wire.open(receive, self._host)
        if not isinstance(self.wire, Streams):
            raise OSError(f"this wire carries no {transport.upper()}")
        return Flow(self.wire, self.clock, transport, receive, lost or (lambda _: None), self._host)

    def named(self, endpoint: Endpoint) -> Address:
        """Where others are told that an endpoint is."""
        host, port = endpoint.local
        return self._advertised or host, port

    def add(
        self,
        name: str,
        identity: Identity,
        *,
        edge: Address,
        rng: random.Random,
        call_id_prefix: str = "",
        refusals: Refusals | None = None,
        tone: int = 400,
        transport: Transport = Transport.UDP,
        personality: Personality = ORDINARY,
        other_edges: Sequence[Address] = (),
    ) -> RunningPhone:
        """Put a phone on the wire, not yet registered. Raises OSError when no address can be opened.

        `other_edges` are tried in their order where `edge` does not answer.
        `tone` in Hz tells its voice from others; multiples of 50 below 4000 are told apart best. With 0 it is silent.
        """

        def make(local: Address, media: Callable[[], Address]) -> Phone:
            return Phone(
                identity,
                local=local,
                edge=edge,
                rng=rng,
                call_id_prefix=call_id_prefix,
                refusals=refusals,
                media=media,
                tone=tone,
                transport=transport,
                personality=personality,
                other_edges=other_edges,
            )

        running = RunningPhone(name, make, transport, self)
        self.phones[name] = running
        return running

    def close(self) -> None:
        """Take every phone off the wire."""
        for phone in self.phones.values():
            phone.close()
        self.phones.clear()
