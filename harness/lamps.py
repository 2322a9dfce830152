"""What the lamps of one phone showed, folded from the messages of the Record: the judge's view of BLF keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from phones.sip.index import Message
from phones.sip.lamp import Lamp, LampState
from reports.record import Event

_URI = re.compile(r"<([^>]*)>|^\s*([^;\s]+)")


def presentity_key(uri: str) -> str:
    """How presentities are compared: the bare URI in lower case (Kazoo looks users and realms up in any case)."""
    match = _URI.search(uri)
    bare = (match[1] or match[2] or "") if match else ""
    return bare.partition(";")[0].lower()


@dataclass(frozen=True, slots=True)
class Point:
    """From `t` (seconds of the run) on the lamp showed `state`, since event `n` of the Record."""

    n: int
    t: float
    state: LampState


@dataclass(slots=True)
class Subscription:
    """One subscription of a phone: whom and what it watches, and what came of it."""

    call_id: str
    presentity: str
    event: str
    lamp: Lamp
    notifies: list[int] = field(default_factory=list)
    """Numbers of the NOTIFYs that were taken in."""
    broken: list[tuple[int, str]] = field(default_factory=list)
    """Laws that NOTIFYs broke: number of the event, and which."""
    cseq: int = -1
    """The highest CSeq of its NOTIFYs."""
    forgotten: bool = False
    """Whether the phone lost it without a word: what still comes for it is nobody's."""
    kept: set[int] = field(default_factory=set)
    """CSeqs of NOTIFYs that the phone's network lost or held on purpose: they may come behind later ones."""
    hindered: bool = False
    """Whether the phone's network kept something of its SUBSCRIBEs: the phone may take it for over, and be wrong."""


class PhoneLamps:
    """The lamps of one phone. The newest subscription to a presentity is what its key shows.

    A NOTIFY is taken in when the phone answers it: one that belongs to no dialog of its own it refuses, and shows
    nothing of it.
    """

    def __init__(self) -> None:
        self._unanswered: dict[tuple[str, int], tuple[Event, Message]] = {}
        self._by_call_id: dict[str, Subscription] = {}
        self._newest: dict[tuple[str, str], Subscription] = {}
        self._tracks: dict[tuple[str, str], list[Point]] = {}

    def sent(self, event: Event, message: Message) -> None:
        """A message of the phone: a SUBSCRIBE with a Call-ID of its own begins a subscription."""
        if not message.is_request:
            self._answer(message)
            return
        if message.method != "SUBSCRIBE" or message.call_id in self._by_call_id:
            if event.get("fault"):
                self.kept(message)
            return
        package = (message.get("event") or "").partition(";")[0].strip()
        subscription = Subscription(message.call_id, presentity_key(message.get("to") or ""), package, Lamp(package))
        self._by_call_id[message.call_id] = subscription
        self._newest[subscription.presentity, package] = subscription
        if self.track(subscription.presentity, package):
            # what another subscription has shown is not what this one knows
            self._show(event, subscription)

    def received(self, event: Event, message: Message) -> None:
        """A request that reached the phone and was not forgotten."""
        subscription = self._by_call_id.get(message.call_id)
        if subscription is not None and not subscription.forgotten and message.method == "NOTIFY":
            self._unanswered[message.call_id, message.cseq] = (event, message)

    def kept(self, message: Message) -> None:
        """The phone's network lost or held a message on purpose, on its way in or out."""
        subscription = self._by_call_id.get(message.call_id)
        if subscription is None:
            return
        if message.method == "SUBSCRIBE":
            subscription.hindered = True
        elif message.method == "NOTIFY" and message.is_request:
            subscription.kept.add(message.cseq)

    def _answer(self, answer: Message) -> None:
        """The phone answers a NOTIFY: 2xx when it takes it, 500 when one with a higher CSeq was there before."""
        event, message = self._unanswered.pop((answer.call_id, answer.cseq), (None, None))
        subscription = self._by_call_id.get(answer.call_id)
        if event is None or message is None or subscription is None or answer.method != "NOTIFY":
            return
        late = answer.status == 500 and message.cseq <= subscription.cseq
        if not 200 <= answer.status < 300 and not late:
            return
        subscription.cseq = max(subscription.cseq, message.cseq)
        displaced = "fault" in event or message.cseq in subscription.kept
        excused = displaced or (subscription.hindered and subscription.lamp.is_over)
        seen = subscription.lamp.notify(message, excused=excused)
        subscription.notifies.append(event["n"])
        if seen.broken:
            subscription.broken.append((event["n"], seen.broken))
        self._show(event, subscription)

    def ended(self, event: Event) -> None:
        """A `subscription` event: the phone knows that it watches no longer."""
        subscription = self._by_call_id.get(event["call_id"])
        if subscription is not None and event["state"] != "active":
            subscription.lamp.ended()
            subscription.forgotten = subscription.forgotten or event["reason"] == "forgotten"
            if subscription.notifies:
                self._show(event, subscription)

    def _show(self, event: Event, subscription: Subscription) -> None:
        key = (subscription.presentity, subscription.event)
        if self._newest.get(key) is not subscription:
            return
        track = self._tracks.setdefault(key, [])
        if not track or track[-1].state is not subscription.lamp.state:
            track.append(Point(event["n"], event["t"], subscription.lamp.state))

    def track(self, presentity: str, package: str) -> list[Point]:
        """What the lamp for that presentity showed, change by change."""
        return self._tracks.get((presentity_key(presentity), package), [])

    def newest(self, presentity: str, package: str) -> Subscription | None:
        """The subscription that the lamp for that presentity shows."""
        return self._newest.get((presentity_key(presentity), package))

    def subscription(self, call_id: str) -> Subscription | None:
        """The subscription with that Call-ID."""
        return self._by_call_id.get(call_id)

    @property
    def subscriptions(self) -> list[Subscription]:
        """All of them, oldest first."""
        return list(self._by_call_id.values())
