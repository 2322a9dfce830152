"""Who watches whom: SUBSCRIBE requests, the subscriptions that they make, the NOTIFYs that these are sent.

RFC 6665, with the words and the header order of the presence module behind Kazoo's edge (recorded on 4.3 and 5.0).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from phones.sip.index import Message
from phones.sip.message import Address as Socket
from phones.sip.message import response
from phones.sip.transport import Transport
from reference_server.addresses import address_of
from reference_server.behaviour_presence import Again, Counter, Ending, Notified, Package, Restarted, Target
from reference_server.digests import Digests, Doubted
from reference_server.lamp_documents import CONTENT_TYPES
from reference_server.registrations import Aor
from reference_server.rules import Demand, Gate
from reference_server.runtime import Route, Runtime
from reference_server.ways import way
from reference_server.wire import Rejected, Relay, assemble, seconds, written_uri

Body = Callable[["Subscription", int, bool, float], bytes]
"""The document for a subscription, with that version: the state, or (True) that of an idle lamp, at `now`."""

MOST = 50_000
"""Subscriptions that are kept at once; more are answered 503."""

HIGH = 1000
"""Where a counter that falls begins."""

_PACKAGES = {package.value: package for package in Package}


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription: a dialog with a watcher.

    `remote` and `local` are the From and To of its SUBSCRIBE as they were written, with their tags; `target` is the
    Request-URI of NOTIFYs and `route` where they go; `expires` is the second at which it ends. `count` is the number
    of its NOTIFYs, `restarted` what it was at the last reset; `alarm` is when we look next whether it has expired.
    `sent` is its last NOTIFY, `told` when that was (seconds) and `received` what came back; `agent` is its User-Agent.
    """

    presentity: Aor
    package: Package
    event: str
    call_id: str
    remote: str
    local: str
    watcher: str
    dialog: tuple[str, ...]
    local_tag: str
    target: str
    route: Route
    expires: float
    cseq: int
    count: int = 0
    restarted: int = 0
    alarm: float = math.inf
    silences: int = 0
    agent: str = ""
    sent: bytes = b""
    told: float = 0.0
    received: Message | None = None

    @property
    def place(self) -> tuple[str, ...]:
        """What makes a second subscription the same watcher's."""
        return (self.watcher, *self.presentity.key, self.event, self.target)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A SUBSCRIBE taken apart. `package` is None for one that is not served."""

    presentity: Aor
    watcher: str
    from_tag: str
    to_tag: str
    target: str | None
    expires: int | None
    event: str
    package: Package | None


class Watchers:
    """Answers SUBSCRIBE and keeps the subscriptions. `body` makes the documents."""

    def __init__(self, runtime: Runtime, relay: Relay, body: Body, digests: Digests) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.subscribe
        self._relay = relay
        self._body = body
        self._digests = digests
        self._tag_head = runtime.hex(32)
        self._dialogs: dict[tuple[str, ...], Subscription] = {}
        self._places: dict[tuple[str, ...], Subscription] = {}
        self._watching: dict[tuple[str, str], list[Subscription]] = {}
        self._pending: dict[str, tuple[Subscription, float]] = {}

    def restart(self) -> None:
        """Forget the subscriptions, or go on with them, as the rules say. What was on its way is lost."""
        self._pending.clear()
        if self._rules.restart is Restarted.FORGOTTEN:
            for known in (self._dialogs, self._places, self._watching):
                known.clear()
        for subscription in self._dialogs.values():
            subscription.alarm = math.inf
            self._arm(subscription)
            if self._rules.restart is Restarted.RENUMBERED:
                subscription.count = subscription.restarted = 0

    # SUBSCRIBE

    def subscribe(self, key: str, request: Message, source: Socket, transport: str, now: float) -> None:
        """Take a SUBSCRIBE: answer it, then send the NOTIFY that follows it."""
        tag = f"{self._tag_head}-{self._runtime.hex(8)}"
        try:
            if self._rules.proof is Demand.ALWAYS:
                self._digests.device(request, "authorization", Gate.REFUSED, now)
            asked = self._read(request)
            if asked.to_tag:
                self._refresh(key, request, asked, Route(source, transport), now)
            else:
                self._begin(key, request, asked, way(request, source, transport), tag, now)
        except Doubted as doubted:
            challenges = [("WWW-Authenticate", challenge) for challenge in doubted.challenges]
            self._runtime.wire.respond(key, response(request, 401, headers=challenges, to_tag=tag), transport, now)
        except Rejected as rejected:
            data = response(request, rejected.status, rejected.reason, headers=rejected.headers, to_tag=tag)
            self._runtime.wire.respond(key, data, transport, now)

    def _read(self, request: Message) -> _Asked:
        try:
            to, sender = address_of(request.get("to") or ""), address_of(request.get("from") or "")
        except (ValueError, RecursionError):
            raise Rejected(400, "Bad From or To") from None
        if not to.uri.user:
            raise Rejected(400, "Missing TO username")
        if not sender.uri.user:
            raise Rejected(400, "Missing FROM username")
        contact = request.get("contact")
        target = written_uri(contact) if contact is not None else None
        if contact is not None and (target is None or target == "*"):
            raise Rejected(400, "Bad Contact")
        event = (request.get("event") or "").strip()
        asked = _Asked(
            presentity=Aor(to.uri.user, to.uri.host),
            watcher=f"{sender.uri.user}@{sender.uri.host}".lower(),
            from_tag=sender.parameters.get("tag") or "",
            to_tag=to.parameters.get("tag") or "",
            target=target,
            expires=seconds(request.get("expires")),
            event=event,
            package=_PACKAGES.get(event),
        )
        if asked.package is None and self._rules.unknown_package is Gate.REFUSED:
            raise Rejected(self._rules.unknown_event)
        if asked.expires is not None and 0 < asked.expires < self._rules.min_expires:
            raise Rejected(423, "Interval Too Brief", (("Min-Expires", str(self._rules.min_expires)),))
        return asked

    def _begin(self, key: str, request: Message, asked: _Asked, route: Route, tag: str, now: float) -> None:
        if asked.target is None:
            raise Rejected(400, "Missing Contact")
        if len(self._dialogs) >= MOST:
            raise Rejected(503)
        subscription = Subscription(
            presentity=asked.presentity,
            # one that is accepted all the same has nothing to say, like message-summary
            package=asked.package or Package.MESSAGE_SUMMARY,
            event=asked.event,
            call_id=request.call_id,
            remote=request.get("from") or "",
            local=f"{request.get('to')};tag={tag}",
            watcher=asked.watcher,
            dialog=(request.call_id, asked.from_tag, tag, asked.event),
            local_tag=tag,
            target=asked.target,
            route=route,
            expires=now,
            cseq=request.cseq,
            agent=request.get("user-agent") or "",
        )
        self._grant(key, request, subscription, asked.expires, tag, now)
        if subscription.expires > now:
            if self._rules.again is Again.REPLACES and subscription.place in self._places:
                self._forget(self._places[subscription.place])
            self._dialogs[subscription.dialog] = self._places[subscription.place] = subscription
            self._watching.setdefault(subscription.presentity.key, []).append(subscription)
        self._follow_up(subscription, self._rules.on_subscribe, now)

    def _refresh(self, key: str, request: Message, asked: _Asked, route: Route, now: float) -> None:
        subscription = self._dialogs.get((request.call_id, asked.from_tag, asked.to_tag, asked.event))
        if subscription is None:
            raise Rejected(481, "Subscription does not exist")
        if request.cseq <= subscription.cseq:
            # RFC 3261 12.2.2
            raise Rejected(500, "Server Internal Error")
        subscription.cseq = request.cseq
        if self._rules.target is Target.REFRESHED:
            self._move(subscription, asked.target or subscription.target, route)
        self._grant(key, request, subscription, asked.expires, None, now)
        if subscription.expires <= now:
            self._end(subscription, self._rules.on_unsubscribe, now)
        else:
            self._follow_up(subscription, self._rules.on_refresh, now)

    def _grant(
        self, key: str, request: Message, subscription: Subscription, expires: int | None, tag: str | None, now: float
    ) -> None:
        """Answer 200 with the time that is granted, and see to its end."""
        rules = self._rules
        granted = min(rules.default_expires if expires is None else expires, rules.max_expires)
        subscription.expires = now + granted
        if granted:
            self._arm(subscription)
        transport = subscription.route.transport
        headers = [("Expires", str(granted)), ("Contact", self._contact(transport))]
        data = response(request, rules.status, headers=headers, to_tag=tag)
        self._runtime.wire.respond(key, data, transport, now)

    def _follow_up(self, subscription: Subscription, shown: Notified, now: float) -> None:
        if shown is not Notified.NOTHING:
            self._notify(subscription, now, idle=shown is Notified.OFF)

    # the end of subscriptions

    def _arm(self, subscription: Subscription) -> None:
        """See to the end of a subscription. However often it is refreshed, one alarm is set."""
        when = subscription.expires
        if when < subscription.alarm:
            subscription.alarm = when
            self._runtime.agenda.at(when, lambda now: self._expire(subscription, when, now))

    def _expire(self, subscription: Subscription, alarm: float, now: float) -> None:
        if alarm != subscription.alarm or self._dialogs.get(subscription.dialog) is not subscription:
            return
        subscription.alarm = math.inf
        if subscription.expires <= now:
            self._end(subscription, self._rules.on_expiry, now)
        else:
            self._arm(subscription)

    def _end(self, subscription: Subscription, how: Ending, now: float) -> None:
        subscription.expires = now
        if how is not Ending.SILENT:
            self._notify(subscription, now)
        if how is Ending.IGNORED:
            del self._dialogs[subscription.dialog]
        else:
            self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        self._dialogs.pop(subscription.dialog, None)
        if self._places.get(subscription.place) is subscription:
            del self._places[subscription.place]
        watching = self._watching.get(subscription.presentity.key, [])
        if subscription in watching:
            watching.remove(subscription)
        if not watching:
            self._watching.pop(subscription.presentity.key, None)

    def _move(self, subscription: Subscription, target: str, route: Route) -> None:
        if self._places.get(subscription.place) is subscription:
            del self._places[subscription.place]
        # the proxies of a dialog stay those that have recorded themselves when it began (RFC 3261 12.2)
        subscription.target = target
        subscription.route = subscription.route if subscription.route.path else route
        self._places[subscription.place] = subscription

    # NOTIFY

    def of(self, presentity: Aor, package: Package) -> list[Subscription]:
        """Who watches that package of `presentity`, the longest watcher first."""
        watching = self._watching.get(presentity.key, ())
        return [subscription for subscription in watching if subscription.package is package]

    def of_user(self, user: str, package: Package) -> list[Subscription]:
        """Who watches that package of `user` in any realm."""
        return [
            subscription
            for (watched, _), watching in self._watching.items()
            for subscription in watching
            if watched == user.lower() and subscription.package is package
        ]

    def of_realm(self, realm: str, package: Package) -> list[Subscription]:
        """Who watches that package of anybody in `realm`."""
        return [
            subscription
            for (_, watched), watching in self._watching.items()
            for subscription in watching
            if watched == realm.lower() and subscription.package is package
        ]

    def tell(self, subscriptions: Iterable[Subscription], now: float, *, reset: bool = False) -> None:
        """Send each a NOTIFY with the full state."""
        for subscription in subscriptions:
            if reset:
                subscription.restarted = subscription.count
            self._notify(subscription, now)

    def _contact(self, transport: str) -> str:
        """The edge's Contact, without a user part."""
        where = Transport(transport)
        return f"<sip:{self._runtime.place(transport)}{where.parameter or ';transport=udp'}>"

    def _notify(self, subscription: Subscription, now: float, *, idle: bool = False) -> None:
        rules, transport = self._rules, subscription.route.transport
        subscription.count += 1
        version = _number(rules.version, subscription)
        body = self._body(subscription, version, idle, now)
        left = subscription.expires - now
        # adding and taking away a clock's reading may leave a little more than what was granted
        state = f"active;expires={math.ceil(left - 0.001)}" if left > 0 else "terminated;reason=timeout"
        headers = [
            ("Record-Route", f"<{self._runtime.edge(transport)};lr=on;ftag={subscription.local_tag}>"),
            ("Via", self._relay.edge_via(transport)),
            ("To", subscription.remote),
            ("From", subscription.local),
            ("CSeq", f"{_number(rules.cseq, subscription)} NOTIFY"),
            ("Call-ID", subscription.call_id),
            ("Content-Length", str(len(body))),
            ("Max-Forwards", "70"),
            ("Event", subscription.event),
            ("Contact", self._contact(transport)),
            ("Subscription-State", state),
        ]
        if body:
            headers.append(("Content-Type", CONTENT_TYPES[subscription.package]))
        data = assemble(f"NOTIFY {subscription.target} SIP/2.0", headers, body)
        subscription.sent, subscription.told = data, now
        self._pending[self._runtime.wire.send_request(data, subscription.route, now)] = (subscription, now)

    # what watchers answer

    def answer(self, key: str, message: Message, now: float) -> bool:
        """Take a response to one of our NOTIFYs; return whether it was one."""
        subscription, told = self._pending.get(key, (None, now))
        if subscription is None or message.status < 200:
            return subscription is not None
        del self._pending[key]
        subscription.received = message
        if message.status == 408:
            self._unanswered(subscription)
            return True
        subscription.silences = 0
        slowest = self._rules.slowest_answer_s
        if message.status in self._rules.ends_on or (slowest is not None and now - told > slowest):
            self._forget(subscription)
        return True

    def timed_out(self, key: str) -> None:
        """Nobody answered the NOTIFY `key`, if it was one of ours."""
        subscription, _ = self._pending.pop(key, (None, 0.0))
        if subscription is not None:
            self._unanswered(subscription)

    def _unanswered(self, subscription: Subscription) -> None:
        subscription.silences += 1
        if subscription.silences >= self._rules.silences:
            self._forget(subscription)


def _number(counter: Counter, subscription: Subscription) -> int:
    return {
        Counter.RISING: subscription.count,
        Counter.STUCK: 1,
        Counter.FALLING: max(1, HIGH - subscription.count),
        Counter.RESTARTED: subscription.count - subscription.restarted,
    }[counter]
