"""Who is who in a capture: phones by the names that a scenario gives them, and the calls that they made, told once.

A server in the middle (Kazoo has one) makes two legs of a call, with Call-IDs of their own. A leg to a phone that a
server begins while another phone calls belongs with that one; one that begins when a quickcall was answered with that.
What only a lamp shows was a call with somebody outside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.inspecting.calls import Leg, LegState
from harness.inspecting.headers import End
from harness.inspecting.inspection import Inspection
from harness.inspecting.subscriptions import Shown, Watch, place_of
from harness.scenario import RESERVED
from phones.sip.dialog import user_of

PAIRED_S = 5.0
"""How long a server may take from the caller's INVITE, or the answer to a quickcall, to the callee's INVITE."""

OUTSIDE = "outside"

Moment = tuple[float, int]
"""Seconds and the frame that shows it."""


@dataclass(slots=True)
class Person:
    """One phone of the scenario: what others dial for it, and whose lamp it lights where that is not its own user."""

    name: str
    user: str
    extension: str = ""
    presence_id: str = ""
    called: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """One leg and the phone on it, which was called by it or made it."""

    leg: Leg
    person: Person
    called: bool

    @property
    def hung_up(self) -> bool:
        """Whether it was this phone that ended it."""
        return self.leg.ended_by == ("callee" if self.called else "caller")


@dataclass(slots=True)
class OfficeCall:
    """One call. `callee` is None where no phone was reached; `dialled` says whom the caller wanted.

    `quick`: the server called `caller` first, and connected it. `guess`: nothing but a lamp shows it.
    """

    caller: Person
    callee: Person | None
    dialled: str
    begun: Moment
    sides: list[Side] = field(default_factory=list)
    quick: bool = False
    guess: bool = False
    answered: Moment | None = None
    ended: Moment | None = None

    def moment(self, state: LegState) -> Moment | None:
        """When, and in which frame, the leg nearest to the callee became that for good."""
        for side in reversed(self.sides):
            found = [change for change in side.leg.changes if change.state is state]
            if found and (state is not LegState.ENDED or side.leg.state is state):
                return found[-1].t, found[-1].frame
        return None


class Office:
    """The people and the calls of a capture."""

    def __init__(self, found: Inspection) -> None:
        self.people: dict[str, Person] = {}
        self.calls: list[OfficeCall] = []
        self._at: dict[End, str] = {}
        self._told: set[str] = set()
        for event in found.registrations.events:
            if event.state in ("registered", "refreshed"):
                user = user_of(f"<{event.aor}>")
                self._at[place_of(event.contact)] = self._at[event.by] = user
        for watch in found.watches:
            self._at.setdefault(watch.at, user_of(f"<{watch.watcher}>"))
        legs = sorted((leg for leg in found.calls if leg.changes and not leg.before), key=lambda leg: leg.changes[0].t)
        self._servers = {target for leg in legs for target in leg.targets if target not in self._at}
        for leg in legs:
            self._tell(leg)
        for call in self.calls:
            call.answered, call.ended = call.moment(LegState.TALKING), call.moment(LegState.ENDED)
        self._say_presence(found)
        for watch in found.watches:
            self.calls += self._guessed(watch, found)
        self.calls.sort(key=lambda call: call.begun)

    def person(self, user: str) -> Person:
        """The phone of a user."""
        user = user or "unknown"
        if user not in self.people:
            self.people[user] = Person(self._name(user), user)
        return self.people[user]

    def watched(self, presentity: str) -> Person:
        """The phone whose lamp a presentity is."""
        user = user_of(f"<{presentity}>")
        for person in self.people.values():
            if user == (person.presence_id or person.user):
                return person
        person = self.person(user)
        if person.presence_id:
            # its calls show elsewhere, and nobody's show here
            person = self.people[f"{user} "] = Person(self._name(f"{user}_itself"), user, presence_id=user)
        return person

    def _name(self, user: str) -> str:
        name = re.sub(r"[^a-z0-9_]", "_", user.lower()).strip("_")[:20] or "phone"
        name = name if name[0].isalpha() else f"phone_{name}"
        taken = {*RESERVED, *(person.name for person in self.people.values())}
        return (
            name if name not in taken else next(f"{name}_{n}" for n in range(2, 10_000) if f"{name}_{n}" not in taken)
        )

    def _tell(self, leg: Leg) -> None:
        begun = (leg.changes[0].t, leg.changes[0].frame)
        callee = self._phone_of(leg)
        dialled = user_of(f"<{leg.callee}>")
        if callee is None:
            caller = self._caller(leg)
            self.calls.append(OfficeCall(caller, None, dialled, begun, [Side(leg, caller, called=False)]))
            return
        side = Side(leg, callee, called=True)
        callee.called = True
        if leg.origin not in self._servers:
            caller = self._caller(leg)
            self.calls.append(OfficeCall(caller, callee, dialled, begun, [Side(leg, caller, called=False), side]))
        elif (call := self._waiting(begun[0])) is not None:
            call.callee = callee
            call.sides.append(side)
            self._dialled(callee, call.dialled)
        elif leg.call_id.endswith("-quickcall"):
            self.calls.append(OfficeCall(callee, None, user_of(f"<{leg.caller}>"), begun, [side], quick=True))
        else:
            self.calls.append(OfficeCall(self.person(OUTSIDE), callee, dialled, begun, [side]))

    def _waiting(self, t: float) -> OfficeCall | None:
        """The call that has reached nobody yet and may go on at `t`."""
        for call in self.calls:
            leg = call.sides[0].leg
            wanted = LegState.TALKING if call.quick else LegState.CALLING
            since = next((change.t for change in leg.changes if change.state is wanted), float("inf"))
            over = leg.changes[-1].t if leg.state is LegState.ENDED else float("inf")
            if call.callee is None and since <= t <= min(since + PAIRED_S, over):
                return call
        return None

    def _caller(self, leg: Leg) -> Person:
        if leg.origin in self._servers:
            return self.person(OUTSIDE)
        return self.person(self._at.get(leg.origin) or user_of(f"<{leg.caller}>"))

    def _phone_of(self, leg: Leg) -> Person | None:
        users = [self._at[target] for target in sorted(leg.targets) if target in self._at]
        return self.person(users[0]) if users else None

    def _dialled(self, callee: Person, dialled: str) -> None:
        if dialled != callee.user and dialled.isdigit() and not callee.extension:
            taken = {person.extension for person in self.people.values()}
            callee.extension = "" if dialled in taken else dialled

    def _say_presence(self, found: Inspection) -> None:
        """Whose calls light a lamp that has not the name of a phone: whose calls it shows most."""
        by_leg = {id(side.leg): side for call in self.calls for side in call.sides if side.person.user != OUTSIDE}
        users = {person.user for person in self.people.values()}
        counted: Counter[tuple[str, str]] = Counter()
        for presentity in {watch.presentity: watch for watch in found.watches}.values():
            user = user_of(f"<{presentity.presentity}>")
            for tie in found.ties(presentity):
                side = by_leg.get(id(tie.leg))
                if side is not None and user not in users:
                    counted[side.person.user, user] += 1
        for (name, user), _ in counted.most_common():
            person = self.people[name]
            if not person.presence_id and all(other.presence_id != user for other in self.people.values()):
                person.presence_id = user

    def _guessed(self, watch: Watch, found: Inspection) -> Iterator[OfficeCall]:
        """Calls that are not in the capture, by the documents of a lamp; of several watchers the first one tells."""
        if watch.package != "dialog" or found.truth is None:
            return
        going: dict[str, OfficeCall] = {}
        for notice in watch.notices:
            if not notice.counts:
                continue
            at = (notice.t, notice.frame)
            shown = {each.call_id: each for each in notice.shown if each.direction}
            for name, each in shown.items():
                if name in going or found.truth.legs(name) or name in self._told:
                    continue
                self._told.add(name)
                going[name] = self._guess(watch, each, at)
            for name, call in list(going.items()):
                if name not in shown:
                    call.ended = at
                    yield going.pop(name)
                elif shown[name].state == "confirmed" and call.answered is None:
                    call.answered = at
        yield from going.values()

    def _guess(self, watch: Watch, shown: Shown, at: Moment) -> OfficeCall:
        mine, other = self.watched(watch.presentity), self.person(OUTSIDE)
        caller, callee = (mine, other) if shown.direction == "initiator" else (other, mine)
        callee.called = True
        return OfficeCall(caller, callee, callee.user, at, guess=True)
