"""The true state of every presentity of an office, from what the phones themselves went through.

A conversation is one call with all its legs. Where the ends of one may disagree (a phone lost it without a word, its
device is another by now, the network is at fault) nobody can say what its lamps have to show: there the truth is None.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from phones.effects import Called
from phones.sip.lamp import LampState

_REMEMBERED = 8
"""Conversations that are over and may still reach a phone."""

_LOST = ("forgotten", "moved")
"""Reasons of an end that nobody was told."""


@dataclass(slots=True)
class Leg:
    """One phone's part in a conversation. `lights` are the presentities whose lamps it may light."""

    phone: str
    state: str
    lights: set[str]
    lost: bool = False
    talked: bool = False


@dataclass(slots=True)
class Conversation:
    """A call that `caller` has placed to the phones `callees`. `lights` are the presentities that it may be about."""

    caller: str
    callees: tuple[str, ...]
    lights: set[str]
    legs: dict[tuple[str, str], Leg] = field(default_factory=dict)
    doubtful: bool = False

    @property
    def over(self) -> bool:
        """Whether every leg has ended, and the server was told so by one that ends the others.

        That is the caller's, or the one that had answered; where none had, all those that were rung together.
        """
        legs = list(self.legs.values())
        if not legs or any(leg.state != "ended" for leg in legs):
            return False
        called = [leg for leg in legs if leg.phone != self.caller]
        if any(leg.phone == self.caller and not leg.lost for leg in legs):
            return True
        answered = [leg for leg in called if leg.talked]
        return (
            any(not leg.lost for leg in answered) if answered else bool(called) and all(not leg.lost for leg in called)
        )


class Truth:
    """Follows the calls of all phones. Times are seconds."""

    def __init__(self) -> None:
        self._open: list[Conversation] = []
        self._over: deque[Conversation] = deque(maxlen=_REMEMBERED)
        self._ids: dict[tuple[str, str], Conversation] = {}
        self._declared: set[str] = set()
        self.changed: dict[str, float] = {}
        """Presentity to when its truth last changed."""
        self.ended: dict[str, float] = {}
        """Presentity to when its last call was over."""
        self.reports: dict[str, int] = {}
        """Presentity to how many changes of its calls its phones know."""
        self.refused: dict[str, int] = {}
        """Presentity to how many its phones cannot know: a call that reached none of them begins and ends as well."""

    def placed(self, caller: str, callees: Iterable[str], lights: Iterable[str], now: float) -> Conversation:
        """A call is placed; `lights` are all presentities that it may be about."""
        conversation = Conversation(caller, tuple(callees), set(lights))
        self._open.append(conversation)
        self._touch(conversation.lights, now)
        return conversation

    def called(self, phone: str, called: Called, lights: set[str], now: float, *, unheard: bool = False) -> bool:
        """Take what a phone reports. False: it rings, or is in a call, that nobody has placed to it.

        `unheard`: nothing that the phone says gets out just now.
        """
        key = (phone, called.call_id)
        conversation = self._ids.get(key) or self._match(phone, called)
        if conversation is None:
            return called.state == "ended"
        self._ids[key] = conversation
        leg = conversation.legs.get(key)
        if leg is None:
            leg = conversation.legs[key] = Leg(phone, called.state, set(lights))
            conversation.lights |= lights
        elif (leg.state, called.state) in (("calling", "ringing"), (called.state, called.state)):
            for each in leg.lights:
                self.reports[each] = self.reports.get(each, 0) - 1
        leg.state = called.state
        leg.lost = called.state == "ended" and (unheard or called.reason in _LOST)
        conversation.doubtful = conversation.doubtful or leg.lost
        if called.state == "talking":
            leg.talked = True
        for each in leg.lights:
            self.reports[each] = self.reports.get(each, 0) + 1
        self._touch(conversation.lights, now)
        if conversation.over and conversation in self._open:
            self._open.remove(conversation)
            reached = {leg.phone for leg in conversation.legs.values()}
            if not reached >= {conversation.caller, *conversation.callees}:
                for each in conversation.lights:
                    self.refused[each] = self.refused.get(each, 0) + 2
            # an INVITE may still be on its way to a phone, and the CANCEL behind it
            self._over.append(conversation)
            for each in conversation.lights:
                self.ended[each] = now
        return True

    def _match(self, phone: str, called: Called) -> Conversation | None:
        """The oldest conversation that a new leg can belong to."""
        for each in (*self._open, *self._over):
            expected = each.caller == phone if called.direction == "out" else phone in each.callees
            if expected and all(leg.phone != phone for leg in each.legs.values()):
                return each
        return None

    def doubt(self, phone: str, lights: Iterable[str], now: float) -> None:
        """What the calls of `phone` light is not certain from now on, until they are over.

        Its device is another, or it was away for so long that it may have missed the end of a call.
        """
        for each in self._open:
            if phone in (each.caller, *each.callees):
                each.doubtful = True
                each.lights |= set(lights)
        self._touch(lights, now)

    def declared(self, presentity: str, now: float) -> None:
        """Somebody has said by API what its lamps show: nobody can say how long that is so, but for a reset."""
        self._declared.add(presentity)
        self._touch([presentity], now)

    def reset(self, presentity: str) -> None:
        """What was declared does not count any more."""
        self._declared.discard(presentity)

    def restarted(self, now: float) -> None:
        """The server has lost every call: no lamp has to show one."""
        for each in self._open:
            self._touch(each.lights, now)
            for presentity in each.lights:
                self.ended[presentity] = now
        self._declared.clear()
        self._open.clear()
        self._over.clear()
        self._ids.clear()

    def _touch(self, lights: Iterable[str], now: float) -> None:
        for each in lights:
            self.changed[each] = now

    def busy(self, presentity: str) -> bool:
        """Whether there is a call that may be about it, or what was declared of it."""
        return presentity in self._declared or any(presentity in each.lights for each in self._open)

    def of(self, presentity: str) -> LampState | None:
        """What its lamps have to show; None where nobody can say."""
        if presentity in self._declared:
            return None
        shown = LampState.OFF
        for each in self._open:
            if presentity not in each.lights:
                continue
            state = self._one(each, presentity)
            if state is None:
                return None
            if LampState.BUSY in (state, shown):
                shown = LampState.BUSY
            elif state is LampState.RINGING:
                shown = state
        return shown

    def _one(self, conversation: Conversation, presentity: str) -> LampState | None:
        legs = [leg for leg in conversation.legs.values() if presentity in leg.lights]
        if conversation.doubtful or not legs:
            return None
        states = {leg.state for leg in legs} - {"ended"}
        if not states:
            return LampState.OFF
        if "calling" in states:
            # nobody has rung yet, and perhaps nobody will
            return None
        return LampState.BUSY if "talking" in states else LampState.RINGING
