"""Claims about calls: what a phone does, whom it hears, which message passed before which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.claims import Claim, State, WindowClaim, closing_of, say
from harness.history import Arrival, PhoneHistory, part_of
from harness.matchers import mismatch
from harness.verdicts import Closing
from phones.rtp import RtpError, RtpPacket, share
from reports.record import Event

ENOUGH_PACKETS = 5
"""RTP packets of a tone that prove that it is heard: 0.1 s."""
_CLEAR = 0.8
"""Share of a packet's energy that the tone must have."""
_NOBODY = "something else"


class StateClaim(Claim):
    """A phone gets to a state: calling, ringing, talking, or idle: the call that it had is over.

    It need not be in it any more, if it was since record number `began`, where the last step that acts began: whoever
    claims may be slow.
    """

    def __init__(self, event: Event, phone: PhoneHistory, stimulus_t: float, began: int) -> None:
        super().__init__(event)
        self._phone = phone
        self._began = began
        self.deadline = stimulus_t + float(self.spec["within"])
        self.expected = f"{self.spec['phone']} is {self.spec['state']} within {self.spec['within']:g} s"
        self.look()

    def look(self) -> None:
        """See what the phone does now."""
        if self.state is not State.OPEN:
            return
        state, event = self._phone.call_state()
        if state != self.spec["state"]:
            event = self._phone.was(self.spec["state"], self._began)
        if event is not None and event["t"] <= self.deadline + 1e-9:
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


class HearClaim(WindowClaim):
    """The tone of one phone reaches another as RTP, from the claim on: what was heard before may be of another call.

    With `only` neither its own tone nor that of a third phone may come: a count that is closed like any other, while
    the phone itself speaks, too. `way` says from whose address the sound must come.
    """

    def __init__(self, event: Event, phones: Mapping[str, PhoneHistory], stimulus_t: float) -> None:
        super().__init__(event, phones[event["spec"]["phone"]])
        self._phones = phones
        self._other = phones[self.spec["other"]]
        self._way: str = self.spec.get("way", "")
        self.deadline = stimulus_t + float(self.spec["within"])
        self._found: list[int] = []
        self._others: list[str] = []
        self._spoken = 0
        only = "only " if self.closes else ""
        way = f" {self._way}" if self._way else ""
        self.expected = (
            f"{self.spec['phone']} hears {only}{self.spec['other']} ({self._other.tone} Hz){way} "
            f"within {self.spec['within']:g} s"
        )

    @property
    def enough(self) -> bool:
        """Whether the other has been heard, and where that counts the phone itself has spoken meanwhile."""
        heard = len(self._found) >= ENOUGH_PACKETS and self._spoken >= ENOUGH_PACKETS
        return self.state is not State.OPEN or (self.closes and heard)

    def media(self, event: Event, data: bytes) -> None:
        """Judge an RTP packet that the phone has received, or take note of one that it has sent."""
        if self._decided:
            return
        if event["direction"] == "out":
            self._spoken += 1
            return
        try:
            packet = RtpPacket.parse(data)
        except RtpError:
            return
        whose = self._whose(packet)
        if self.closes and whose not in (self.spec["other"], _NOBODY):
            self._others.append(whose)
            self.too_much = True
            self.settle(State.BROKEN, actual=self._say(), why=f"it hears {whose}, too", decisive=[event["n"]])
        elif event["t"] > self.deadline + 1e-9:
            return
        elif whose != self.spec["other"]:
            self._others.append(whose)
        elif self._way and self._other.may_speak_from(event["remote"]) is not (self._way == "directly"):
            self._others.append(f"{whose} from {event['remote']}")
        else:
            self._found.append(event["n"])
            if len(self._found) >= ENOUGH_PACKETS and not self.closes:
                self.settle(State.MET, actual=self._say(), decisive=list(self._found))

    def _whose(self, packet: RtpPacket) -> str:
        """Which phone's tone a packet is, as far as it can be told."""
        if packet.payload_type == 0:
            # whom it is to hear first: the tones of two phones may be one
            names = dict.fromkeys([self.spec["other"], *self._phones])
            for name in names:
                tone = self._phones[name].tone
                if tone and share(packet.payload, tone) >= _CLEAR:
                    return "itself" if name == self.spec["phone"] else name
        return _NOBODY

    def _say(self) -> str:
        more = "".join(f", and {count} packets of {name}" for name, count in Counter(self._others).items())
        return f"{self.spec['phone']} received {len(self._found)} packets of {self.spec['other']}'s tone{more}"

    def expired(self, event: Event) -> None:
        """Nobody was heard in time."""
        if self.enough:
            return
        if len(self._found) >= ENOUGH_PACKETS:
            why = "it has said nothing itself that could have come back"
            self.settle(State.UNPROVED, actual=self._say(), why=why, decisive=list(self._found))
            return
        why = f"it hears {' and '.join(dict.fromkeys(self._others))}" if self._others else "nothing is heard"
        self.settle(State.BROKEN, actual=self._say(), why=why, decisive=list(self._found))

    def closed(self, event: Event) -> None:
        """The engine says that control, fence and lag are done."""
        if self.state is not State.OPEN:
            return
        if not self.enough:
            self.expired(event)
            return
        # sound is no message: none of those counts here
        closing = closing_of(self, self._phone, event, since=self.n, counts=lambda message: False)
        if isinstance(closing, Closing):
            self.closing = closing
            decisive = [*self._found[:ENOUGH_PACKETS], closing.control, closing.fence]
            self.settle(State.MET, actual=self._say(), decisive=decisive)
        else:
            self.settle(State.UNPROVED, actual=self._say(), why=closing)


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
