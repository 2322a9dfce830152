"""Claims about calls: what a phone does, whom it hears, which message passed before which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.claims import Claim, State, say
from harness.history import Arrival, PhoneHistory, part_of
from harness.matchers import mismatch
from phones.rtp import RtpError, RtpPacket, share
from reports.record import Event

ENOUGH_PACKETS = 5
"""RTP packets of a tone that prove that it is heard: 0.1 s."""
_CLEAR = 0.8
"""Share of a packet's energy that the tone must have."""


class StateClaim(Claim):
    """A phone gets to a state: calling, ringing, talking, or idle: the call that it had is over."""

    def __init__(self, event: Event, phone: PhoneHistory, stimulus_t: float) -> None:
        super().__init__(event)
        self._phone = phone
        self.deadline = stimulus_t + float(self.spec["within"])
        self.expected = f"{self.spec['phone']} is {self.spec['state']} within {self.spec['within']:g} s"
        self.look()

    def look(self) -> None:
        """See what the phone does now."""
        state, event = self._phone.call_state()
        if self.state is not State.OPEN or event is None:
            return
        if state == self.spec["state"] and event["t"] <= self.deadline + 1e-9:
            decisive = [event["message"], event["n"]] if self._phone.bears(event) else [event["n"]]
            self.settle(State.MET, actual=self.expected, decisive=decisive)

    def expired(self, event: Event) -> None:
        """It did not get there in time."""
        if self.state is not State.OPEN:
            return
        state, last = self._phone.call_state()
        actual = f"{self.spec['phone']} is {state}"
        if last is not None and last["status"]:
            actual += f" ({last['status']} {last['reason']})"
        decisive = [last["n"]] if last is not None else []
        if state != self.spec["state"]:
            self.settle(State.BROKEN, actual=actual, why=f"it is {state}, not {self.spec['state']}", decisive=decisive)
        elif last is not None:
            why = f"it came too late; {self.spec['within']:g} s were allowed"
            self.settle(State.BROKEN, actual=actual, why=why, decisive=decisive)
        else:
            why = "it never had a call: claim with `never` that none comes"
            self.settle(State.UNPROVED, actual=actual, why=why)


class HearClaim(Claim):
    """The tone of one phone reaches another as RTP, from the claim on: what was heard before may be of another call."""

    def __init__(self, event: Event, phones: Mapping[str, PhoneHistory], stimulus_t: float) -> None:
        super().__init__(event)
        self._phones = phones
        self._other = other = phones[self.spec["other"]]
        self.deadline = stimulus_t + float(self.spec["within"])
        self._found: list[int] = []
        self._others: list[str] = []
        self.expected = (
            f"{self.spec['phone']} hears {self.spec['other']} ({other.tone} Hz) within {self.spec['within']:g} s"
        )

    def heard(self, event: Event, data: bytes) -> None:
        """Judge an RTP packet that reached the phone."""
        if self.state is not State.OPEN or event["t"] > self.deadline + 1e-9:
            return
        try:
            packet = RtpPacket.parse(data)
        except RtpError:
            return
        if packet.payload_type != 0 or share(packet.payload, self._other.tone) < _CLEAR:
            self._others.append(self._whose(packet))
            return
        self._found.append(event["n"])
        if len(self._found) >= ENOUGH_PACKETS:
            self.settle(State.MET, actual=self._say(), decisive=list(self._found))

    def _whose(self, packet: RtpPacket) -> str:
        """Which phone's tone a packet is, as far as it can be told."""
        if packet.payload_type == 0:
            for name, phone in self._phones.items():
                if phone.tone and share(packet.payload, phone.tone) >= _CLEAR:
                    return "itself" if name == self.spec["phone"] else name
        return "something else"

    def _say(self) -> str:
        more = "".join(f", and {count} packets of {name}" for name, count in Counter(self._others).items())
        return f"{self.spec['phone']} received {len(self._found)} packets of {self.spec['other']}'s tone{more}"

    def expired(self, event: Event) -> None:
        """Nobody was heard in time."""
        if self.state is State.OPEN:
            why = f"it hears {' and '.join(dict.fromkeys(self._others))}" if self._others else "nothing is heard"
            self.settle(State.BROKEN, actual=self._say(), why=why, decisive=list(self._found))


class OrderClaim(Claim):
    """Messages pass in an order: the first of each kind since the last mark, by the Record's own order."""

    def __init__(self, event: Event, phones: Mapping[str, PhoneHistory], stimulus_t: float, floor: int) -> None:
        super().__init__(event)
        self._phones = phones
        self._floor = floor
        self._lines: list[dict[str, Any]] = self.spec["order"]
        self.deadline = stimulus_t + float(self.spec["within"])
        self.expected = ", then ".join(_line(each) for each in self._lines)
        self.look()

    def look(self) -> None:
        """See which of the messages have passed by now."""
        if self.state is not State.OPEN:
            return
        passed = [self._first(line) for line in self._lines]
        for index, (line, arrival) in enumerate(zip(self._lines, passed, strict=True)):
            missing = [other for other, before in zip(self._lines[:index], passed[:index], strict=True) if not before]
            later = [before for before in passed[:index] if before and arrival and before.n > arrival.n]
            if arrival is not None and (missing or later):
                decisive = [each.n for each in [arrival, *later]]
                self.settle(State.BROKEN, actual=self._say(passed), why=f"{_line(line)} came first", decisive=decisive)
                return
        if all(passed):
            self.settle(State.MET, actual=self._say(passed), decisive=[each.n for each in passed if each])

    def expired(self, event: Event) -> None:
        """Not everything passed in time."""
        if self.state is State.OPEN:
            passed = [self._first(line) for line in self._lines]
            lost = next(_line(line) for line, arrival in zip(self._lines, passed, strict=True) if arrival is None)
            self.settle(State.BROKEN, actual=self._say(passed), why=f"{lost}: it did not come to pass")

    def _first(self, line: Mapping[str, Any]) -> Arrival | None:
        history = self._phones.get(line["phone"])
        if history is None:
            return None
        messages = history.arrivals if line["way"] == "receives" else history.sent
        return next((each for each in messages if self._fits(each, line, history)), None)

    def _in_time(self, arrival: Arrival) -> bool:
        """Whether it passed in the window, and at a Contact that the phone has not left."""
        return arrival.n > self._floor and arrival.t <= self.deadline + 1e-9 and arrival.event["contact"] == "current"

    def _fits(self, arrival: Arrival, line: Mapping[str, Any], history: PhoneHistory) -> bool:
        message = arrival.message
        if message is None or not self._in_time(arrival) or not arrival.counts:
            return False
        what = line["what"]
        if what.isdigit():
            if message.is_request or message.status != int(what):
                return False
        elif not message.is_request or message.method != what:
            return False
        if history.is_fence(arrival):
            return False
        return not any(mismatch(matcher, part_of(message, name)) for name, matcher in line["where"].items())

    def _say(self, passed: list[Arrival | None]) -> str:
        found = sorted(
            ((arrival, line) for line, arrival in zip(self._lines, passed, strict=True) if arrival),
            key=lambda pair: pair[0].n,
        )
        if not found:
            return "none of it passed"
        first = found[0][0].t
        return ", ".join(f"{_line(line)} after {(arrival.t - first) * 1000:.0f} ms" for arrival, line in found)


def _line(line: Mapping[str, Any]) -> str:
    where = ", ".join(f"{name} {say(matcher)}" for name, matcher in line["where"].items())
    return f"{line['phone']} {line['way']} {line['what']}" + (f" with {where}" if where else "")
