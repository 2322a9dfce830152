"""Calls of a capture: for each Call-ID and caller's tag one leg, and what it was when.

A leg is seen from the hop where its INVITE was seen first; what a proxy passes on is the same leg. A change counts from
when the other side has confirmed it (a final response its ACK, a BYE its response): until then the leg is `open`, for
the message may not have arrived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from harness.inspecting.headers import End
from harness.inspecting.messages import Sight
from phones.sip.dialog import tag_of, uri_of, user_of

MOST_LEGS = 50_000
"""Legs that are remembered; later ones are counted only."""
MOST_CHANGES = 1000
"""Changes of one leg."""
MOST_HOPS = 32
"""Addresses that an INVITE is sent to."""
NO_ANSWER_S = 32.0
"""After so long without any response the caller has given up (64*T1, RFC 3261 17.1.1.2)."""


class LegState(StrEnum):
    """What a leg is."""

    CALLING = "calling"
    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Change:
    """From `t` on, as `frame` shows, the leg is `state`."""

    t: float
    frame: int
    state: LegState


@dataclass(slots=True)
class Leg:
    """One leg. `before`: it began before the capture, so nothing is known of its beginning."""

    call_id: str
    tag: str
    caller: str
    callee: str
    origin: End
    target: End
    before: bool = False
    changes: list[Change] = field(default_factory=list)
    status: int = 0
    """Of the last final response to its INVITE."""
    ended_by: str = ""
    """Who ended it: caller, callee, cancel, or refused; '' while it goes on."""
    alive_t: float = 0.0
    """Until when both sides are known to have it: whose BYE is answered 481 was alone with it before."""
    users: set[str] = field(default_factory=set)
    """User parts of all that it was addressed to, besides the caller's."""
    targets: set[End] = field(default_factory=set)
    """Where its INVITE went, on each hop."""
    invites: set[int] = field(default_factory=set)
    branches: set[End] = field(default_factory=set)
    """Where its INVITE went from the first hop's end, and no final response came from yet: a proxy may fork it."""
    tried: set[End] = field(default_factory=set)
    """Where it went from there at all."""
    up: set[str] = field(default_factory=set)
    """Tags of those who answered and have not hung up."""
    pending: tuple[LegState, str] | None = None

    @property
    def state(self) -> LegState:
        """What it is at the end of what was seen."""
        return self.changes[-1].state if self.changes else LegState.OPEN

    @property
    def pending_state(self) -> LegState | None:
        """What it becomes once the other side has confirmed it."""
        return self.pending[0] if self.pending is not None else None

    def becomes(self, sight: Sight, state: LegState) -> None:
        """Note a change, if it is one."""
        if (self.state is not state or not self.changes) and len(self.changes) < MOST_CHANGES:
            self.changes.append(Change(sight.t, sight.frame, state))


class Calls:
    """All legs, fed message by message."""

    def __init__(self) -> None:
        self.legs: dict[str, dict[str, Leg]] = {}
        """By Call-ID, and by the tag of the caller."""
        self.left_out = 0
        self._count = 0

    def __iter__(self) -> Iterator[Leg]:
        for legs in self.legs.values():
            yield from legs.values()

    def take(self, sight: Sight) -> None:
        """One message, of whatever kind."""
        message = sight.message
        if message.method not in ("INVITE", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO"):
            return
        from_tag, to_tag = tag_of(message.get("from") or ""), tag_of(message.get("to") or "")
        legs = self.legs.get(message.call_id, {})
        leg = legs.get(from_tag) or legs.get(to_tag)
        if leg is None:
            leg = self._first(sight, from_tag, to_tag)
            if leg is None:
                return
        if message.method != "BYE" or 200 <= message.status < 300:
            leg.alive_t = sight.t
        if not leg.before:
            self._follow(leg, sight, from_tag, to_tag)
        elif message.method == "BYE":
            leg.becomes(sight, LegState.ENDED)

    def _first(self, sight: Sight, from_tag: str, to_tag: str) -> Leg | None:
        message = sight.message
        begins = message.is_request and message.method == "INVITE" and not to_tag
        if not begins and (not to_tag or message.method == "CANCEL"):
            return None
        if self._count >= MOST_LEGS:
            self.left_out += 1
            return None
        self._count += 1
        caller, callee = uri_of(message.get("from") or ""), uri_of(message.get("to") or "")
        leg = Leg(message.call_id, from_tag, caller, callee, sight.source, sight.target, before=not begins)
        if not begins and message.method == "INVITE" and message.status < 200:
            leg.becomes(sight, LegState.RINGING)
        self.legs.setdefault(message.call_id, {})[from_tag] = leg
        return leg

    def _follow(self, leg: Leg, sight: Sight, from_tag: str, to_tag: str) -> None:
        message = sight.message
        match message.method:
            case "INVITE" if message.is_request:
                if not to_tag:
                    self._invite(leg, sight)
            case "INVITE":
                if message.cseq in leg.invites and sight.target == leg.origin:
                    self._answer(leg, sight, to_tag)
            case "ACK":
                if message.cseq in leg.invites:
                    self._settle(leg, sight, to_tag)
            case "CANCEL":
                if message.is_request and sight.source == leg.origin and leg.branches <= {sight.target}:
                    self._cancel(leg, sight)
            case "BYE":
                other = to_tag if from_tag == leg.tag else from_tag
                self._bye(leg, sight, other)

    def _invite(self, leg: Leg, sight: Sight) -> None:
        message = sight.message
        leg.users |= {user_of(f"<{message.uri}>"), user_of(message.get("to") or "")}
        if len(leg.targets) < MOST_HOPS:
            leg.targets.add(sight.target)
        if sight.source != leg.origin or len(leg.invites) >= MOST_CHANGES or len(leg.tried) >= MOST_HOPS:
            return
        if message.cseq not in leg.invites:
            # the first time, again with credentials, or to where a 3xx points
            leg.invites.add(message.cseq)
            leg.target = sight.target
            leg.branches, leg.tried = set(), set()
        elif sight.target in leg.tried:
            return
        leg.branches.add(sight.target)
        leg.tried.add(sight.target)
        if leg.state not in (LegState.RINGING, LegState.TALKING) and leg.pending_state is not LegState.TALKING:
            # a fork that is tried after another one is the call going on
            leg.pending = None
            leg.ended_by = ""
            leg.becomes(sight, LegState.CALLING)

    def _answer(self, leg: Leg, sight: Sight, to_tag: str) -> None:
        status = sight.message.status
        if status < 200:
            if status > 100 and to_tag and leg.state is LegState.CALLING:
                leg.becomes(sight, LegState.RINGING)
        elif status < 300:
            if to_tag not in leg.up and leg.state is not LegState.TALKING and leg.pending is None:
                leg.status = status
                leg.pending = (LegState.TALKING, to_tag)
                leg.becomes(sight, LegState.OPEN)
        elif leg.state not in (LegState.TALKING, LegState.ENDED) and not leg.up:
            if len(leg.tried) > 1:
                leg.branches.discard(sight.source)
                if leg.branches:
                    return
            leg.status = status
            leg.pending = (LegState.ENDED, to_tag)
            leg.ended_by = leg.ended_by or "refused"
            leg.becomes(sight, LegState.OPEN)

    def _cancel(self, leg: Leg, sight: Sight) -> None:
        """The caller gives up, unless somebody has answered: then others are told to stop ringing."""
        talks = leg.up or leg.pending_state is LegState.TALKING
        if not talks and leg.state is not LegState.ENDED:
            leg.ended_by = "cancel"
            leg.becomes(sight, LegState.OPEN)

    def _settle(self, leg: Leg, sight: Sight, to_tag: str) -> None:
        """The ACK to a final response, which may be missing in the capture."""
        if leg.pending is None:
            if sight.message.cseq == max(leg.invites) and leg.state in (LegState.CALLING, LegState.RINGING):
                leg.becomes(sight, LegState.OPEN)
            return
        state, tag = leg.pending
        if to_tag != tag:
            return
        leg.pending = None
        if state is LegState.TALKING:
            leg.up.add(tag)
        leg.becomes(sight, state)

    def _bye(self, leg: Leg, sight: Sight, other: str) -> None:
        message = sight.message
        if message.is_request:
            if leg.up <= {other} and leg.state is not LegState.ENDED:
                leg.ended_by = "callee" if tag_of(message.get("to") or "") == leg.tag else "caller"
                leg.becomes(sight, LegState.OPEN)
        elif message.status >= 200 and message.status not in (401, 407):
            leg.up.discard(other)
            if not leg.up:
                leg.pending = None
                leg.becomes(sight, LegState.ENDED)
