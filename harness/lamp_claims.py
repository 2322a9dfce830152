"""Claims about lamps: what they showed, whether their subscriptions stand, whether their NOTIFYs kept the laws."""

from __future__ import annotations

import itertools

from harness.claims import Claim, State, WindowClaim, closing_of, outcome_of
from harness.history import PhoneHistory
from harness.lamps import Point, Subscription, presentity_key
from harness.verdicts import Closing
from phones.sip.index import Message
from reports.record import Event


class LampClaim(WindowClaim):
    """What one lamp of one watcher shows from a point in the Record on.

    `goes` is everything that it shows, from what it showed at that point; `stays` is that with one state. Both are
    closed like counts: control is the NOTIFY that came when the watcher subscribed. `becomes` only waits, and takes
    what the lamp has shown since record number `began`, where the last step that acts began: claiming may be slow.
    """

    def __init__(self, event: Event, phone: PhoneHistory, stimulus_t: float, floor: int, began: int) -> None:
        super().__init__(event, phone)
        self._floor = floor
        self._began = began
        self._stimulus = stimulus_t
        self._wanted: list[str] = self.spec["goes"]
        self.deadline = stimulus_t + float(self.spec["within"])
        self.expected = self._expectation()
        self.look()

    @property
    def enough(self) -> bool:
        """Whether it shows what it is to show at last."""
        return self.state is not State.OPEN or (self.closes and self._states() == self._wanted)

    def _expectation(self) -> str:
        lamp = f"lamp of {self.spec['of']} on {self.spec['phone']}"
        within = f"within {self.spec['within']:g} s of the step before"
        if self.spec["how"] == "stays":
            return f"{lamp}: {self._wanted[0]}, and nothing else"
        if self.spec["how"] == "becomes":
            return f"{lamp}: {self._wanted[0]} {within}"
        return f"{lamp}: {', '.join(self._wanted)}, the last {within}"

    def _points(self) -> list[Point]:
        """What the lamp showed since the floor, what it showed then first."""
        track = self._phone.lamps.track(self.spec["presentity"], self.spec["event"])
        before = [point for point in track if point.n <= self._floor]
        return [*before[-1:], *(point for point in track if point.n > self._floor)]

    def _states(self) -> list[str]:
        states = [point.state.value for point in self._points()]
        return [state for state, _ in itertools.groupby(states)]

    @property
    def _subscription(self) -> Subscription | None:
        return self._phone.lamps.newest(self.spec["presentity"], self.spec["event"])

    def fenced(self, other: PhoneHistory, name: str) -> None:
        """A fence of a phone has been asked for: a call, which may show on this very lamp."""
        if self.state is State.OPEN and self.closes and other.lit_since(self.spec["presentity"], self.n):
            why = f"the fence of {name} lights this lamp itself: no count of it can be closed"
            self.settle(State.UNPROVED, actual=self._say(), why=why)
            self._sealed = True

    def look(self) -> None:
        """See what the lamp shows now."""
        if self._decided:
            return
        points = self._points()
        states = self._states()
        if not self.closes:
            shown = [*points[-1:], *(point for point in points if point.n > self._began)]
            for point in shown:
                if point.state.value == self._wanted[0] and point.t <= self.deadline + 1e-9:
                    self.settle(State.MET, actual=self._say(), decisive=[point.n])
                    return
            return
        if states != self._wanted[: len(states)]:
            self._break(points, f"it showed {states[-1]}{self._instead(len(states) - 1)}{self._law()}")
        elif states == self._wanted and points[-1].n > self._floor and points[-1].t > self.deadline + 1e-9:
            self._break(points, f"it came too late; {self.spec['within']:g} s were allowed")

    def _break(self, points: list[Point], why: str) -> None:
        self.settle(State.BROKEN, actual=self._say(), why=why, decisive=[point.n for point in points[-2:]])

    def _instead(self, index: int) -> str:
        """What it was to show in that place."""
        return f" where {self._wanted[index]} was expected" if index < len(self._wanted) else ""

    def _law(self) -> str:
        """A law that was broken meanwhile: mostly the reason."""
        for subscription in self._phone.lamps.subscriptions:
            for n, text in subscription.broken:
                if n > self._floor and subscription.presentity == self.spec["presentity"]:
                    return f": {text}"
        return ""

    def _say(self) -> str:
        points = self._points()
        lamp = f"lamp of {self.spec['of']} on {self.spec['phone']}"
        if not points:
            return f"{lamp}: no NOTIFY has ever come"
        shown = ", ".join(
            point.state.value
            if point.n <= self._floor
            else f"{point.state.value} at {(point.t - self._stimulus) * 1000:+.0f} ms"
            for point in points
        )
        return f"{lamp}: {shown}"

    def expired(self, event: Event) -> None:
        """The lamp does not show in time what it is to show."""
        if self.enough:
            return
        points = self._points()
        if held := self._phone.unheard(self._floor, self._lights, "held"):
            self.settle(State.UNPROVED, actual=self._say(), why=f"{held.event['first']!r} is still held, on purpose")
        elif self._subscription is None:
            why = f"{self.spec['phone']} does not watch {self.spec['presentity']}"
            self.settle(State.UNPROVED, actual=self._say(), why=why)
        elif not points:
            self._break(points, "no NOTIFY has ever come")
        elif not self.closes and points[-1].state.value == self._wanted[0]:
            self._break(points, f"it came too late; {self.spec['within']:g} s were allowed")
        else:
            length = f"for {event['t'] - points[-1].t:.1f} s"
            self._break(points, f"still {points[-1].state.value}, {length}{self._law()}")

    def _lights(self, message: Message) -> bool:
        """Whether a message is one that this lamp goes by."""
        subscription = self._subscription
        return _is_notify(message) and subscription is not None and message.call_id == subscription.call_id

    def closed(self, event: Event) -> None:
        """The engine says that control, fence and lag are done."""
        if self.state is not State.OPEN:
            return
        if not self.enough:
            self.expired(event)
            return
        subscription = self._subscription
        closing = closing_of(
            self,
            self._phone,
            event,
            since=self._floor,
            counts=self._lights,
            fits=lambda control: (
                subscription is not None
                and control["of"] == subscription.presentity
                and control["token"] in ("", subscription.call_id)
            ),
        )
        if isinstance(closing, Closing):
            self.closing = closing
            decisive = [*(point.n for point in self._points()), closing.control, closing.fence]
            self.settle(State.MET, actual=self._say(), decisive=decisive)
        else:
            self.settle(State.UNPROVED, actual=self._say(), why=closing)


class LawClaim(WindowClaim):
    """Every NOTIFY of every subscription of a phone keeps the laws (RFC 6665 4.1.3, RFC 4235 4.1).

    "Nothing follows the end" is a count like any other, and closed like them.
    """

    def __init__(self, event: Event, phone: PhoneHistory) -> None:
        super().__init__(event, phone)
        self.expected = f"CSeq and version of {self.spec['phone']}'s NOTIFYs only rise, and nothing follows the end"
        self.look()

    @property
    def enough(self) -> bool:
        """Nothing has to come."""
        return True

    def _say(self) -> str:
        subscriptions = self._phone.lamps.subscriptions
        return f"{sum(len(each.notifies) for each in subscriptions)} NOTIFYs in {len(subscriptions)} subscriptions"

    def look(self) -> None:
        """See whether a law has been broken by now."""
        broken = sorted(pair for each in self._phone.lamps.subscriptions for pair in each.broken)
        if broken and not self._sealed:
            self.settle(State.BROKEN, actual=self._say(), why=broken[0][1], decisive=[n for n, _ in broken])

    def closed(self, event: Event) -> None:
        """The engine says that control, fence and lag are done."""
        if self.state is not State.OPEN:
            return
        compared = next((each.notifies[:2] for each in self._phone.lamps.subscriptions if len(each.notifies) > 1), None)
        if compared is None:
            self.settle(State.UNPROVED, actual=self._say(), why="no subscription had two NOTIFYs to compare")
            return
        closing = closing_of(self, self._phone, event, since=self._phone.window, counts=_is_notify)
        if isinstance(closing, Closing):
            self.closing = closing
            decisive = [*compared, closing.control, closing.fence]
            self.settle(State.MET, actual=f"{self._say()}, all in order", decisive=decisive)
        else:
            self.settle(State.UNPROVED, actual=self._say(), why=closing)


def _is_notify(message: Message) -> bool:
    return message.is_request and message.method == "NOTIFY"


class SubscriptionClaim(Claim):
    """Subscriptions end in a state. An active one was granted, and a NOTIFY has come with it."""

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        self._waiting: dict[str, list[Event]] = {name: [] for name in self.spec["phones"]}
        self._over = False
        status = f" with {self.spec['status']}" if self.spec["status"] else ""
        notified = ", with a NOTIFY" if self.spec["outcome"] == "active" else ""
        self.expected = f"{', '.join(self._waiting)}: subscription {self.spec['outcome']}{status}{notified}"

    def subscription(self, event: Event, phone: PhoneHistory) -> None:
        """Judge a `subscription` event."""
        name, outcome = event["phone"], self.spec["outcome"]
        same = presentity_key(event["presentity"]) == self.spec["presentity"] and event["event"] == self.spec["event"]
        if name not in self._waiting or self.state is not State.OPEN or self._over or not same:
            return
        said = outcome_of(name, event)
        wanted = self.spec["status"]
        # a refresh that was answered 500 leaves the subscription active, but is no success
        granted = 200 <= event["status"] < 300 or outcome != "active"
        if event["state"] != outcome or not granted or (wanted and event["status"] != wanted):
            why = f"{said}, where {self.expected} was claimed"
            self.settle(State.BROKEN, actual=said, why=why, decisive=[event["n"]])
            return
        if outcome != "unanswered" and not phone.bears(event):
            self.settle(State.UNPROVED, actual=said, why=f"{name} had no subscription that could end")
            return
        self._waiting[name].append(event)
        self.notified(name, phone)

    def notified(self, name: str, phone: PhoneHistory) -> None:
        """See whether the first NOTIFYs have come, too."""
        if self.state is not State.OPEN or self._over:
            return
        if self.spec["outcome"] != "active":
            if all(self._waiting.values()):
                ends = [each for events in self._waiting.values() for each in events]
                self.decisive = [n for each in ends for n in (each["message"], each["n"]) if n is not None]
                self._met()
            return
        for each in self._waiting.get(name, []):
            subscription = phone.lamps.subscription(each["call_id"])
            fresh = [n for n in subscription.notifies if n > self.n] if subscription is not None else []
            if fresh and each["n"] not in self.decisive:
                self.decisive = [*self.decisive, fresh[0], each["n"]]
        if all(any(each["n"] in self.decisive for each in events) for events in self._waiting.values()):
            self._met()

    def step_ended(self) -> None:
        """What happens to subscriptions from now on is not this step's."""
        self._over = True

    def _met(self) -> None:
        self.settle(State.MET, actual=self.expected, decisive=self.decisive)

    def expired(self, event: Event) -> None:
        """No outcome, or no NOTIFY, in time."""
        if self.state is not State.OPEN:
            return
        silent = [name for name, events in self._waiting.items() if not events]
        why = f"no outcome for {', '.join(silent)}" if silent else "no NOTIFY came with the subscription"
        self.settle(State.BROKEN, actual=why, why=why)
