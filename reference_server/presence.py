"""Presence: what is known of every presentity's calls, and telling it to those who watch.

Calls report each change of a leg (`Presence.channel`). The report takes a moment to arrive, like an event on
Kazoo's message bus, and may be lost: then what is known differs from the truth until a reset computes it afresh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import md5

from phones.sip.index import Message
from phones.sip.message import Address as Socket
from reference_server.behaviour_presence import (
    Aftermath,
    DialogIds,
    Dialogs,
    Entity,
    Followed,
    Lit,
    Package,
    ResetShows,
    ResetTold,
    Shared,
    Sides,
    Told,
)
from reference_server.channels import Channel
from reference_server.digests import Digests
from reference_server.directory import Document
from reference_server.lamp_documents import document
from reference_server.registrations import Aor
from reference_server.runtime import Runtime
from reference_server.states import ChannelState, Direction
from reference_server.watchers import Subscription, Watchers
from reference_server.wire import Relay, encode

RANK = {ChannelState.EARLY: 0, ChannelState.CONFIRMED: 1, ChannelState.TERMINATED: 2}
"""A call only moves upwards."""

CALL_PACKAGES = (Package.DIALOG, Package.PRESENCE)
"""The packages that calls have something to say to, in the order in which they are told (recorded)."""

LINGER_S = 20.0
"""How long a lamp's documents still name the call that ended last (4.3: Expires 20)."""

MEMORY_S = 60.0
"""How long the Call-IDs of ended calls are known, so that a late event lights nothing (3.22)."""


_OTHER_SIDE = {
    Direction.INITIATOR: Direction.RECIPIENT,
    Direction.RECIPIENT: Direction.INITIATOR,
    Direction.NONE: Direction.NONE,
}


def _is_news(channel: Channel, known: Channel) -> bool:
    difference = RANK[channel.state] - RANK[known.state]
    return difference > 0 or (channel.again and difference == 0)


@dataclass(slots=True)
class _Lamp:
    """What is known of one presentity. `live` are its calls by Call-ID; `last` ended last, at `ended`.

    `due` is when the newest report arrives: the next one does not overtake it. `ignored` are calls that are no
    longer followed.
    """

    live: dict[str, Channel] = field(default_factory=dict)
    last: Channel | None = None
    ended: dict[str, float] = field(default_factory=dict)
    due: float = 0.0
    ignored: set[str] = field(default_factory=set)
    losing: list[ChannelState] = field(default_factory=list)


def _nobody(_: Aor) -> Sequence[Channel]:
    return ()


class Presence:
    """Owns what watchers are told. `truth` says which live legs a presentity really has; a reset believes it."""

    def __init__(self, runtime: Runtime, relay: Relay, digests: Digests) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.presence
        self._reset = runtime.behaviour.reset
        self._relay = relay
        self._watchers = Watchers(runtime, relay, self._body, digests)
        self._lamps: dict[tuple[str, str], _Lamp] = {}
        self.truth: Callable[[Aor], Sequence[Channel]] = _nobody

    # from phones

    def subscribe(self, key: str, request: Message, source: Socket, transport: str, now: float) -> None:
        """Take a SUBSCRIBE, and answer it."""
        self._watchers.subscribe(key, request, source, transport, now)

    def answer(self, key: str, message: Message, now: float) -> bool:
        """Take a response to one of our NOTIFYs; return whether it was one."""
        return self._watchers.answer(key, message, now)

    def timed_out(self, key: str, now: float) -> None:
        """Nobody answered the NOTIFY `key`, if it was one of ours."""
        self._watchers.timed_out(key)

    def restart(self) -> None:
        """Forget what only memory holds: every call, and the subscriptions unless the rules keep them."""
        self._lamps.clear()
        self._watchers.restart()

    # from calls

    def channel(self, channel: Channel, now: float) -> None:
        """Take the report that a leg has changed."""
        self._report(channel, now)
        if self._rules.lit is Lit.OWNER_TOO and channel.owner not in (None, channel.presentity):
            self._report(replace(channel, presentity=channel.owner), now)

    def lose(self, presentity: Aor, state: ChannelState) -> None:
        """Lose the next report of that state: what is known stays wrong until a reset."""
        self._lamp(presentity).losing.append(state)

    def _lamp(self, presentity: Aor) -> _Lamp:
        return self._lamps.setdefault(presentity.key, _Lamp())

    def _report(self, channel: Channel, now: float) -> None:
        lamp = self._lamp(channel.presentity)
        if channel.state in lamp.losing:
            lamp.losing.remove(channel.state)
            return
        lost = ((loss.state, loss.cause or channel.cause) for loss in self._rules.lost)
        if (channel.state, channel.cause) in lost:
            return
        span = {
            ChannelState.EARLY: self._rules.early,
            ChannelState.CONFIRMED: self._rules.confirmed,
            ChannelState.TERMINATED: self._rules.terminated,
        }[channel.state]
        lamp.due = max(lamp.due, now + self._runtime.draw(span))
        held = self._rules.held_s if channel.state is ChannelState.TERMINATED else 0.0
        self._runtime.agenda.at(lamp.due + held, partial(self._arrive, channel))

    def _arrive(self, channel: Channel, now: float) -> None:
        lamp = self._lamp(channel.presentity)
        if self._rules.dialogs is Dialogs.SHARED and lamp.live:
            channel = replace(channel, call_id=next(iter(lamp.live)))
        known = lamp.live.get(channel.call_id)
        if channel.call_id in lamp.ended:
            return
        if channel.state is ChannelState.TERMINATED:
            self._terminated(lamp, channel, now)
        elif channel.call_id not in lamp.ignored and (known is None or _is_news(channel, known)):
            lamp.live[channel.call_id] = channel
            self._tell(channel.presentity, now)

    def _terminated(self, lamp: _Lamp, channel: Channel, now: float) -> None:
        lamp.ended[channel.call_id] = now
        self._runtime.agenda.at(now + MEMORY_S, lambda then: self._tidy(channel, then))
        if channel.call_id not in lamp.live or channel.call_id in lamp.ignored:
            # whoever does not know the call has nothing to change
            return
        del lamp.live[channel.call_id]
        if self._rules.shared is Shared.FIRST_END:
            lamp.live.clear()
        lamp.last = channel
        self._tell(channel.presentity, now)
        if self._rules.aftermath is Aftermath.LATE_EARLY:
            self._runtime.agenda.at(now + self._rules.late_s, partial(self._relight, channel))

    def _relight(self, channel: Channel, now: float) -> None:
        self._lamp(channel.presentity).live[channel.call_id] = replace(channel, state=ChannelState.EARLY)
        self._tell(channel.presentity, now)

    def _tidy(self, channel: Channel, now: float) -> None:
        """Forget a call that ended long ago."""
        lamp = self._lamp(channel.presentity)
        lamp.ended.pop(channel.call_id, None)
        lamp.ignored.discard(channel.call_id)
        self._drop_if_empty(channel.presentity, now)

    def _drop_if_empty(self, presentity: Aor, now: float) -> None:
        """Forget a lamp that says nothing any more, and for which no report is on its way."""
        lamp = self._lamp(presentity)
        if not (lamp.live or lamp.ended or lamp.ignored or lamp.losing or lamp.due > now):
            del self._lamps[presentity.key]

    # to watchers

    def _tell(self, presentity: Aor, now: float) -> None:
        for package in CALL_PACKAGES:
            told = self._told(presentity, package)
            for _ in range(self._rules.copies):
                self._watchers.tell(told, now)

    def _told(self, presentity: Aor, package: Package) -> Sequence[Subscription]:
        if self._rules.told is Told.NAMESAKES:
            # whoever has that name in any account: all watchers are gone through
            return self._watchers.of_user(presentity.user, package)
        watching = self._watchers.of(presentity, package)
        return {Told.ALL: watching, Told.FIRST: watching[:1], Told.NEWEST: watching[-1:]}[self._rules.told]

    def _body(self, subscription: Subscription, version: int, idle: bool, now: float) -> bytes:
        presentity = subscription.presentity
        shown = None if idle else self._shown(presentity, now)
        if shown is not None and self._rules.sides is Sides.SWAPPED:
            shown = replace(shown, direction=_OTHER_SIDE[shown.direction])
        if shown is not None and self._rules.dialog_ids is not DialogIds.KEPT:
            fresh = self._rules.dialog_ids is DialogIds.FRESH
            shown = replace(shown, call_id=self._relay.call_id() if fresh else "call")
        uri = self._relay.address(presentity)
        if self._rules.entity is Entity.REALM:
            uri = f"sip:{presentity.realm}"
        return document(subscription.package, presentity, uri, shown, version)

    def _shown(self, presentity: Aor, now: float) -> Channel | None:
        """The call that counts: confirmed over early over one that has just ended; of equals the oldest."""
        lamp = self._lamps.get(presentity.key)
        if lamp is None:
            return None
        if lamp.live:
            return max(lamp.live.values(), key=lambda channel: RANK[channel.state])
        if lamp.last is None or now - lamp.ended.get(lamp.last.call_id, now - LINGER_S) >= LINGER_S:
            return None
        return lamp.last

    # for the API

    def subscriptions(self, realm: str) -> dict[str, dict[str, int]]:
        """How many watch whom in `realm`: by user, then by package."""
        counts: dict[str, dict[str, int]] = {}
        for package in Package:
            for subscription in self._watchers.of_realm(realm, package):
                packages = counts.setdefault(subscription.presentity.user, {})
                packages[package] = packages.get(package, 0) + 1
        return counts

    def watchers(self, presentity: Aor) -> Document:
        """Who watches `presentity`: by package, watcher, node and Call-ID."""
        node = f"kamailio@{self._runtime.sip_host}"
        found: Document = {}
        for package in Package:
            for one in self._watchers.of(presentity, package):
                watcher = found.setdefault(package, {}).setdefault(one.watcher.partition("@")[0], {})
                answer = one.received
                watcher.setdefault(node, {})[one.call_id] = {
                    "user_agent": one.agent,
                    "time": round(self._runtime.epoch + one.told),
                    "sent": one.sent.decode("utf-8", "replace"),
                    "result": answer.status if answer is not None else 0,
                    "received": answer.raw.decode("utf-8", "replace") if answer is not None else "",
                }
        return found

    def set(self, presentity: Aor, state: ChannelState, now: float) -> None:
        """Show `state` by hand, a moment later, until the next event or reset."""
        digest = md5(encode(f"{presentity.user}@{presentity.realm}"), usedforsecurity=False).hexdigest()
        channel = Channel(presentity, digest, Direction.NONE, state, presentity.user, presentity.user, "", "")
        when = now + self._runtime.draw(self._reset.set_delay)
        self._runtime.agenda.at(when, partial(self._set, channel))

    def _set(self, channel: Channel, now: float) -> None:
        lamp = self._lamp(channel.presentity)
        if channel.state is not ChannelState.TERMINATED:
            lamp.live[channel.call_id] = channel
        elif lamp.live.pop(channel.call_id, None) is None:
            # recorded: nothing was set, nothing is told
            self._drop_if_empty(channel.presentity, now)
            return
        else:
            lamp.last, lamp.ended[channel.call_id] = channel, now
            self._runtime.agenda.at(now + MEMORY_S, lambda then: self._tidy(channel, then))
        self._tell(channel.presentity, now)

    def reset(self, presentity: Aor, now: float) -> None:
        """Compute the state of `presentity` afresh, a moment later, and tell every watcher."""
        self._runtime.agenda.at(now + self._runtime.draw(self._reset.delay), partial(self._recompute, presentity))

    def _recompute(self, presentity: Aor, now: float) -> None:
        rules = self._reset
        lamp = self._lamp(presentity)
        live = self.truth(presentity)
        if rules.shows is not ResetShows.BEFORE:
            lamp.last = None
            known = {ResetShows.OFF: live[:0], ResetShows.OLDEST: live[:1]}.get(rules.shows, live)
            lamp.live = {channel.call_id: channel for channel in known}
        if rules.calls is Followed.FORGOTTEN:
            lamp.ignored.update(channel.call_id for channel in live)
        for package in rules.order:
            watching = self._watchers.of(presentity, package)
            told = {
                ResetTold.ALL: watching,
                ResetTold.FIRST: watching[:1],
                ResetTold.NOBODY: [],
                ResetTold.REALM: self._watchers.of_realm(presentity.realm, package),
            }[rules.told]
            for _ in range(rules.copies):
                self._watchers.tell(told, now, reset=True)
        self._drop_if_empty(presentity, now)
