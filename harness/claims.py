"""Claims: what a case says will happen, each judged from the events of the Record alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from harness.history import Arrival, PhoneHistory, part_of
from harness.matchers import ABSENT, look_up, mismatch, show
from harness.verdicts import Closing
from phones.sip.index import Message
from reports.record import Event


class State(Enum):
    """How a claim stands."""

    OPEN = "open"
    MET = "met"
    BROKEN = "broken"
    UNPROVED = "unproved"


class Claim:
    """Base: the claim event, and what has been found."""

    def __init__(self, event: Event) -> None:
        self.id: str = event["claim"]
        self.step: str = event["step"]
        self.line: int = event["line"]
        self.text: str = event["text"]
        self.clauses: list[str] = event["clauses"]
        self.spec: dict[str, Any] = event["spec"]
        self.n: int = event["n"]
        self.state = State.OPEN
        self.expected = ""
        self.actual = ""
        self.why = ""
        self.decisive: list[int] = []
        self.closing: Closing | None = None
        self.deadline = 0.0
        self.picture = ""
        self.too_much = False
        """Whether it is broken by what came, not by what did not come in time."""

    @property
    def closes(self) -> bool:
        """Whether it claims that nothing more comes, so that control, fence and lag must close it."""
        return bool(self.spec.get("closes"))

    @property
    def listener(self) -> str:
        """The phone that control and fence are about."""
        return str(self.spec.get("phone", ""))

    @property
    def enough(self) -> bool:
        """Whether what must come has come."""
        return self.state is not State.OPEN

    def expired(self, event: Event) -> None:
        """The time to arrive in is over."""

    def closed(self, event: Event) -> None:
        """The engine says that control, fence and lag are done."""

    def settle(self, state: State, *, actual: str = "", why: str = "", decisive: list[int] | None = None) -> None:
        """Fix the outcome. A broken claim stays broken."""
        if self.state is State.BROKEN:
            return
        self.state = state
        self.actual = actual or self.actual
        self.why = why
        self.decisive = decisive if decisive is not None else self.decisive


def closing_of(
    claim: Claim,
    phone: PhoneHistory,
    event: Event,
    *,
    since: int,
    counts: Callable[[Message], bool],
    fits: Callable[[Event], bool] = lambda control: True,
) -> Closing | str:
    """Whether the Record bears out that a count is closed, or why it does not (design: counts are closed, not slept).

    Both control and fence have to have come to where the phone is. `fits` says which controls are of the right kind.
    Nothing that `counts` may have been kept from the phone on purpose behind record number `since`.
    """
    if kept := phone.unheard(since, counts, "lost", "held"):
        return f"{kept.event['first']!r} was {kept.event['fault']} on its way to {claim.listener}, on purpose"
    fence = phone.fence_behind(max(claim.n, phone.acted))
    controls = [each for each in phone.controls if each["n"] < claim.n and fits(each)]
    arrived = [each for each in controls if each["state"] == "arrived"]
    control = next((each for each in reversed(arrived) if each["contact"] == phone.contact), None)
    if control is None:
        said = "its control did not arrive" if controls else "there was no control"
        said = "its control came to another Contact" if arrived else said
        return f"nothing proves that {claim.listener} could be reached at {phone.contact}: {said}"
    if fence is None or fence["contact"] != phone.contact:
        return "the fence did not arrive, so what was sent before it may still be on its way"
    lag = claim.spec["lag"]
    wanted = max(lag if lag is not None else 4 * control["latency"], 4 * control["latency"])
    listened = event["t"] - max(control["t"], fence["t"])
    if listened + 1e-6 < wanted:
        return f"listened {listened:.3f} s after the fence, not {wanted:.3f} s"
    return Closing(control["n"], fence["n"], round(listened, 6))


class ReplyClaim(Claim):
    """The API's reply to one request."""

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        wanted = self.spec["status"]
        parts = [f"HTTP {' or '.join(str(code) for code in wanted)}"] if wanted else []
        parts += [f"{path} {say(matcher)}" for path, matcher in self.spec["json"].items()]
        parts += [f"{name} {say(matcher)}" for name, matcher in self.spec["headers"].items()]
        parts += [f"body {say(self.spec['body'])}"] if self.spec["body"] is not None else []
        self.expected = ", ".join(parts) or "a reply"

    def reply(self, event: Event) -> None:
        """Judge the `reply` event of the request."""
        if event["id"] != self.spec["id"]:
            return
        if event.get("error"):
            self.settle(State.UNPROVED, actual=f"no reply: {event['error']['message']}", decisive=[event["n"]])
            return
        problems = list(self._problems(event))
        summary = f"HTTP {event['status']} {show(event['body'], 300)}"
        if problems:
            self.settle(State.BROKEN, actual=summary, why="; ".join(problems), decisive=[event["n"]])
        else:
            self.settle(State.MET, actual=summary, decisive=[event["n"]])

    def _problems(self, event: Event) -> list[str]:
        found = []
        if self.spec["status"] and event["status"] not in self.spec["status"]:
            found.append(f"the status is {event['status']}")
        headers = {name.lower(): value for name, value in event["headers"]}
        for name, matcher in self.spec["headers"].items():
            if reason := mismatch(matcher, headers.get(name.lower(), ABSENT)):
                found.append(f"{name} {reason}")
        if self.spec["json"]:
            try:
                document = json.loads(event["body"])
            except (ValueError, RecursionError):
                return [*found, "the body is no JSON"]
            for path, matcher in self.spec["json"].items():
                if reason := mismatch(matcher, look_up(document, path)):
                    found.append(f"{path} {reason}")
        if self.spec["body"] is not None and (reason := mismatch(self.spec["body"], event["body"])):
            found.append(f"the body {reason}")
        return found


def outcome_of(phone: str, event: Event) -> str:
    """The state that a registration or subscription went to, and what decided that: a response, or the lack of one."""
    why = f"{event['status']} {event['reason']}" if event["status"] else event["reason"]
    return f"{phone} {event['state']}" + (f" ({why})" if why else "")


class RegistrationClaim(Claim):
    """Phones end in a state: registered, refused, unregistered or unanswered."""

    def __init__(self, event: Event) -> None:
        super().__init__(event)
        self._waiting = list(self.spec["phones"])
        self._over = False
        status = f" with {self.spec['status']}" if self.spec["status"] else ""
        self.expected = f"{', '.join(self._waiting)} {self.spec['outcome']}{status}"

    def registration(self, event: Event) -> None:
        """Judge a `registration` event."""
        phone = event["phone"]
        if phone not in self._waiting or self.state is not State.OPEN or self._over:
            return
        self._waiting.remove(phone)
        self.decisive.append(event["n"])
        said = outcome_of(phone, event)
        self.actual = f"{self.actual}; {said}" if self.actual else said
        wanted = self.spec["status"]
        if event["state"] != self.spec["outcome"] or (wanted and event["status"] != wanted):
            self.settle(State.BROKEN, why=f"{said}, where {self.expected} was claimed")
        elif not self._waiting:
            self.settle(State.MET)

    def step_ended(self) -> None:
        """What happens to registrations from now on is not this step's."""
        self._over = True

    def expired(self, _: Event) -> None:
        """Nothing came in time."""
        self.settle(State.BROKEN, why=f"no outcome for {', '.join(self._waiting)}")


class WindowClaim(Claim):
    """What comes to a phone in a window of time.

    A closed window still counts what comes until the next stimulus: `seal` ends it for good.
    """

    def __init__(self, event: Event, phone: PhoneHistory) -> None:
        super().__init__(event)
        self._phone = phone
        self._sealed = False

    @property
    def _decided(self) -> bool:
        """Whether nothing that comes changes it any more."""
        return self._sealed or self.state is State.BROKEN or (self.state is State.MET and not self.closes)

    def seal(self) -> None:
        """A new stimulus begins: what comes from now on is not this claim's."""
        self._sealed = self._sealed or self.state is not State.OPEN


class WireClaim(WindowClaim):
    """Messages of one kind that a phone receives, so many; where no more may come, the window must be closed."""

    def __init__(
        self, event: Event, phone: PhoneHistory, stimulus_t: float, phones: Mapping[str, PhoneHistory]
    ) -> None:
        super().__init__(event, phone)
        self._phones = phones
        self._stimulus = stimulus_t
        self._floor = phone.window
        self.found: list[Arrival] = []
        self._former: list[Arrival] = []
        self._late: list[Arrival] = []
        self.least: int = self.spec["least"]
        self.most: int | None = self.spec["most"]
        self.deadline = stimulus_t + float(self.spec["within"])
        self.expected = self._expectation()
        for arrival in phone.arrivals:
            self.arrival(arrival)

    def _expectation(self) -> str:
        where = ", ".join(f"{name} {say(matcher)}" for name, matcher in self.spec["where"].items())
        kind = f"{self.spec['what']}" + (f" with {where}" if where else "")
        name = self.spec["phone"]
        if self.most == 0:
            return f"{name} never receives {kind}"
        count = {
            (1, None): "",
            (self.least, self.least): f"exactly {self.least} ",
            (0, self.most): f"at most {self.most} ",
        }.get((self.least, self.most), "")
        return f"{name} receives {count}{kind} within {self.spec['within']:g} s of the reply"

    @property
    def enough(self) -> bool:
        """Whether as many have come as must come."""
        return len(self.found) >= self.least

    def arrival(self, arrival: Arrival) -> None:
        """Judge a message that reached the phone."""
        if self._decided:
            return
        if arrival.n <= self._floor or arrival.consumed:
            return
        if arrival.message is None:
            if self.closes and arrival.event["first"].startswith(f"{self.spec['what']} "):
                self._unproved(f"a {self.spec['what']} came that cannot be read, so nobody knows whether it counts")
            return
        if not arrival.counts:
            return
        if not self._fits(arrival) or self._phone.is_fence(arrival):
            return
        if self.closes and self._is_of_fence(arrival):
            self._unproved("a NOTIFY came of a lamp that our own fence has lit, so nobody knows whether it counts")
            return
        if arrival.event["contact"] == "former":
            self._former.append(arrival)
            if self.closes:
                self._break("it came to a Contact that the phone has left")
            return
        # what was held on purpose came to our side before
        if arrival.t - arrival.event.get("after", 0.0) > self.deadline + 1e-9:
            self._late.append(arrival)
            if self.most is not None:
                self._too_many_or_late()
            return
        arrival.consumed = True
        self.found.append(arrival)
        if self.most is not None and len(self.found) > self.most:
            self._too_many_or_late()
        elif alike := self._alike():
            self._break(alike)
        elif not self.closes and self.enough:
            self.settle(State.MET, actual=self._say_found(), decisive=[each.n for each in self.found])

    def _is_of_fence(self, arrival: Arrival) -> bool:
        """Whether a NOTIFY may tell of the fence call with which this claim is closed."""
        message = arrival.message
        watched = self._phone.lamps.subscription(message.call_id) if message is not None else None
        return watched is not None and any(
            other.lit_since(watched.presentity, self.n) for other in self._phones.values()
        )

    def _too_many_or_late(self) -> None:
        total = len(self.found) + len(self._late)
        if self.most is not None and total > self.most:
            self.too_much = True
            self._break("forbidden" if self.most == 0 else f"{total} came")

    def _fits(self, arrival: Arrival) -> bool:
        return arrival.message is not None and self._counts(arrival.message)

    def _counts(self, message: Message) -> bool:
        what = self.spec["what"]
        if what.isdigit():
            if message.is_request or message.status != int(what):
                return False
        elif not message.is_request or message.method != what:
            return False
        return not any(mismatch(matcher, part_of(message, name)) for name, matcher in self.spec["where"].items())

    def _elsewhere(self) -> str:
        """Who received what this phone did not."""
        for name, history in self._phones.items():
            for arrival in history.arrivals:
                fresh = arrival.n > self._floor and not arrival.consumed and arrival.event["seen"] == "new"
                if history is not self._phone and fresh and self._fits(arrival) and not history.is_fence(arrival):
                    return f"{name} received it instead, after {(arrival.t - self._stimulus) * 1000:.0f} ms"
        return ""

    def _alike(self) -> str:
        """A value that must differ from message to message and does not, or must not and does."""
        if header := self.spec["distinct"]:
            values = self._values(header)
            twice = next((value for value in values if values.count(value) > 1), None)
            return f"two came with the same {header} {show(twice)}" if twice is not None else ""
        if header := self.spec.get("same"):
            values = self._values(header)
            other = next((value for value in values if value != values[0] or value is ABSENT), None)
            return f"{header} was {show(values[0])}, then {show(other)}" if other is not None else ""
        return ""

    def _values(self, header: str) -> list[Any]:
        return [part_of(each.message, header) for each in self.found if each.message]

    def _near_miss(self) -> str:
        for arrival in reversed(self._phone.arrivals):
            message = arrival.message
            if arrival.n <= self._floor or message is None or message.method != self.spec["what"]:
                continue
            reasons = [
                f"{name} {reason}"
                for name, matcher in self.spec["where"].items()
                if (reason := mismatch(matcher, part_of(message, name)))
            ]
            if reasons and not arrival.consumed:
                return f"the nearest was a {message.method} whose {'; '.join(reasons)}"
        return ""

    def _say_found(self) -> str:
        everything = sorted([*self.found, *self._former, *self._late], key=lambda each: each.n)
        if not everything:
            return f"{self.spec['phone']} received none"
        times = ", ".join(
            f"{(each.t - self._stimulus) * 1000:.0f} ms{' at a former Contact' if each in self._former else ''}"
            for each in everything
        )
        return f"{self.spec['phone']} received {len(everything)}, after {times}"

    def _break(self, why: str) -> None:
        decisive = [each.n for each in [*self.found, *self._former, *self._late]]
        self.settle(State.BROKEN, actual=self._say_found(), why=why, decisive=decisive)

    def expired(self, _: Event) -> None:
        """The time to arrive in is over: whoever waits for a message has waited long enough."""
        if self.state is not State.OPEN or self.enough:
            return
        if held := self._phone.unheard(self._floor, self._counts, "held"):
            self._unproved(f"{held.event['first']!r} is still held on its way, on purpose")
        elif self._former:
            self._break("it came to a Contact that the phone has left")
        elif self._late:
            self._break(f"it came too late; {self.spec['within']:g} s were allowed")
        elif self.found:
            self._break(f"only {len(self.found)} came")
        else:
            self._break(self._elsewhere() or self._near_miss() or "it did not come")

    def closed(self, event: Event) -> None:
        """The engine says that control, fence and lag are done: see whether the Record bears it out."""
        if self.state is not State.OPEN:
            return
        if not self.enough:
            self.expired(event)
            return
        self._phone.window = max(self._phone.window, event["n"])
        closing = closing_of(self, self._phone, event, since=self._floor, counts=self._counts)
        if isinstance(closing, str):
            self._unproved(closing)
            return
        self.closing = closing
        # of "at most" so many none has to come
        needed = [each.n for each in self.found] if self.least else []
        decisive = [*needed, closing.control, closing.fence]
        self.settle(State.MET, actual=self._say_found(), decisive=decisive)

    def _unproved(self, why: str) -> None:
        self.settle(State.UNPROVED, actual=self._say_found(), why=why)


def say(matcher: Any) -> str:
    """A matcher in words."""
    if isinstance(matcher, dict):
        return " and ".join(f"{name} {show(argument)}" for name, argument in matcher.items())
    return matcher if matcher in ("absent", "present", "empty") else f"= {show(matcher)}"
