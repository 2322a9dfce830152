"""A scenario file that makes the phones of a capture do again what they did, in the same order.

Its claims are what is true, not what the capture shows: on a sound server it passes, and where the lamp lies it fails.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from harness.inspecting.calls import LegState
from harness.inspecting.inspection import Inspection
from harness.inspecting.office import Office, OfficeCall, Person
from harness.inspecting.subscriptions import Watch
from harness.inspecting.telling import short
from phones.sip.lamp import CONTENT_TYPES
from reports.words import one_line

MOST_CALLS = 40
"""Calls that are told; a longer file would not be read."""
_CLAUSE = "LAW-01"
"""What it is about."""
_LAMPS = ("dialog", "presence")


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happened at `t`, and the lines that make it happen again."""

    t: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Watching:
    """From when to when a phone watches another one."""

    watcher: str
    package: str
    since: float
    until: float


def scenario_text(found: Inspection, name: str) -> str:
    """The text of the file; `name` is that of the capture."""
    return _Script(found, name).text()


class _Script:
    """One file in the making."""

    def __init__(self, found: Inspection, name: str) -> None:
        self._found = found
        self._name = one_line(name, 80)
        self._office = Office(found)
        self._watching: dict[str, list[_Watching]] = {}
        """By the name of the phone that is watched."""

    def text(self) -> str:
        """Everything."""
        events = [*self._subscriptions(), *(event for call in self._told for event in self._call(call))]
        steps = [line for event in sorted(events, key=lambda event: event.t) for line in event.lines]
        people = [*self._office.people.values()] or [Person("desk", "desk")]
        head = [
            f"# The order of events in {self._name}, by `ringproof inspect --scenario`. Times are seconds in the",
            "# capture. What is claimed is what the calls make true; a lamp that lies fails here.",
            *(f"# {line}" for line in self._broken()),
            *self._left_out(),
            f"title: {json.dumps(f'What happened in {self._name}')}",
            f"clauses: [{_CLAUSE}]",
            "phones:",
            *(self._phone(person) for person in people),
            "steps:",
            f"  - register: [{', '.join(person.name for person in people)}]",
        ]
        return "\n".join([*head, *steps, ""])

    @property
    def _told(self) -> list[OfficeCall]:
        return self._office.calls[:MOST_CALLS]

    def _broken(self) -> Iterator[str]:
        for each in self._found.findings[:10]:
            broken, watch = each.broken, each.watch
            whose = f"lamp of {short(watch.presentity)} on {short(watch.watcher)}"
            yield one_line(f"{broken.law} in frame {broken.frames[0]}: {whose}: {broken.words}", 110)

    def _left_out(self) -> Iterator[str]:
        more = len(self._office.calls) - MOST_CALLS
        if more > 0:
            yield f"# {more} later calls are left out."

    def _phone(self, person: Person) -> str:
        device = [f"name: {json.dumps(one_line(person.user, 60))}"]
        device += [f"presence_id: {json.dumps(person.presence_id)}"] if person.presence_id else []
        parts = [f"device: {{{', '.join(device)}}}"]
        parts += [f"extension: {json.dumps(person.extension)}"] if person.extension else []
        parts += ["on_call: ring"] if person.called else []
        return f"  {person.name}: {{{', '.join(parts)}}}"

    # who watches whom

    def _subscriptions(self) -> Iterator[_Event]:
        told: dict[tuple[str, str, str], Watch] = {}
        for watch in self._found.watches:
            if not watch.grants or watch.package not in CONTENT_TYPES or not watch.grants[0].expires:
                continue
            watcher, watched = self._office.person(short(watch.watcher)), self._office.watched(watch.presentity)
            key = (watcher.name, watched.name, watch.package)
            if key in told and told[key].over_t is None and all(grant.expires for grant in told[key].grants):
                # a phone that asks again while it watches, with another Call-ID
                continue
            told[key] = watch
            event = "" if watch.package == "dialog" else f", event: {watch.package}"
            who = f"{{phone: {watcher.name}, to: {watched.name}{event}}}"
            yield _Event(watch.t, (f"  - subscribe: {who}{self._when(watch.t, watch.frame)}",))
            left = next((grant for grant in watch.grants if not grant.expires), None)
            if left is not None:
                yield _Event(left.t, (f"  - unsubscribe: {who}{self._when(left.t, left.frame)}",))
            until = left.t if left is not None else float("inf")
            self._watching.setdefault(watched.name, []).append(_Watching(watcher.name, watch.package, watch.t, until))

    # who calls whom

    def _call(self, call: OfficeCall) -> Iterator[_Event]:
        caller, callee = call.caller, call.callee
        begun, _ = call.begun
        guess = ", as the lamp shows it" if call.guess else ""
        if call.quick:
            yield from self._quickcall(call)
            return
        if callee is None:
            place = f"{{from: {caller.name}, to: {json.dumps(call.dialled)}}}"
            step = f"  - call: {place}{self._when(*call.begun)}, rings no phone"
            yield _Event(begun, (step, f"  - expect: {caller.name} is idle", "    clauses: []"))
            return
        lines = [f"  - call: {caller.name} to {callee.name}{self._when(*call.begun)}{guess}"]
        yield _Event(begun, (*lines, *self._rings(callee, begun)))
        yield from self._goes_on(call, callee)

    def _quickcall(self, call: OfficeCall) -> Iterator[_Event]:
        """The server calls the phone, and when it has answered, whom it was asked to call."""
        first, callee = call.caller, call.callee
        begun, _ = call.begun
        number = callee.extension or callee.user if callee is not None else call.dialled
        url = f"GET {{{{ {first.name}.url }}}}/quickcall/{number}"
        yield _Event(begun, (f"  - request: {url}{self._when(*call.begun)}", *self._rings(first, begun)))
        up = next((change for change in call.sides[0].leg.changes if change.state is LegState.TALKING), None)
        if up is None or callee is None:
            yield from self._goes_on(call, first)
            return
        lines = [f"  - answer: {first.name}{self._when(up.t, up.frame)}", *self._lamps(first, "busy", up.t)]
        yield _Event(up.t, (*lines, *self._rings(callee, up.t)))
        yield from self._goes_on(call, callee)

    def _rings(self, person: Person, t: float) -> list[str]:
        return list(self._lamps(person, "ringing", t)) or [f"  - expect: {person.name} is ringing", "    clauses: []"]

    def _goes_on(self, call: OfficeCall, callee: Person) -> Iterator[_Event]:
        """From the ringing of `callee` to the end."""
        both = dict.fromkeys((callee.name, call.caller.name))
        people = [person for person in (callee, call.caller) if both.pop(person.name, "") is None]
        if call.answered is not None:
            t, _ = call.answered
            busy = [line for person in people for line in self._lamps(person, "busy", t)]
            yield _Event(t, (f"  - answer: {callee.name}{self._when(*call.answered)}", *busy))
        if call.ended is not None:
            t, _ = call.ended
            off = [line for person in people for line in self._lamps(person, "off", t)]
            yield _Event(t, (self._end(call, callee) + self._when(*call.ended), *off))

    def _end(self, call: OfficeCall, callee: Person) -> str:
        ended = sorted(call.sides, key=lambda side: side.leg.changes[-1].t)
        if call.answered is not None:
            return f"  - hang_up: {next((side.person.name for side in ended if side.hung_up), call.caller.name)}"
        last = call.sides[-1].leg if call.sides else None
        cancelled = any(side.leg.ended_by == "cancel" for side in call.sides if not side.called)
        if call.quick and callee is not call.caller:
            return f"  - hang_up: {call.caller.name}"
        if call.quick or (last is not None and last.ended_by == "refused" and not cancelled):
            status = last.status if last is not None and 400 <= last.status < 700 and last.status != 487 else 486
            return f"  - reject: {{phone: {callee.name}, status: {status}}}"
        return f"  - cancel: {call.caller.name}"

    def _lamps(self, person: Person, state: str, t: float) -> Iterator[str]:
        """What the lamps of a phone show that are watched then."""
        watching = [each for each in self._watching.get(person.name, ()) if each.since <= t < each.until]
        for package in _LAMPS:
            names = list(dict.fromkeys(each.watcher for each in watching if each.package == package))
            if names:
                who = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
                event = "" if package == "dialog" else f", event: {package}"
                yield f"  - {{lamp: {who}, of: {person.name}{event}, becomes: {state}}}"

    def _when(self, t: float, frame: int) -> str:
        return f"    # {t - self._found.reading.begin:.3f}, frame {frame}"
