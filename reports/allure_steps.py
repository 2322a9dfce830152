"""The steps of a case for Allure, with the times of the Record: what was done, claimed, and asked of the API."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from reports.record import Event
from reports.view import CaseView, Exchange
from reports.words import clean

_LONG_ID = re.compile(r"(?<=/)[0-9a-f]{32}(?=[/?]|$)")
SET_UP, CLEAN_UP = "set up", "clean up"
_OF_STATE = {"met": "passed", "broken": "failed", "unproved": "broken", "open": "broken"}
_WORST = ("broken", "failed", "passed")


@dataclass(slots=True)
class Entry:
    """One step. Times are seconds of the run; `exchange` is the API call that it is, if it is one."""

    name: str
    start: float
    stop: float
    status: str = "passed"
    exchange: Exchange | None = None
    parts: list[Entry] = field(default_factory=list)


def entries_of(case: CaseView) -> list[Entry]:
    """The steps of `case` in order; inner ones and API calls are parts of the one that they happened in."""
    times = [float(event["t"]) for event, _ in case.events]
    end = next((float(event["t"]) for event, _ in case.of_kind("end")), times[-1])
    numbered = _numbered(case, end)
    tops = [entry for number, entry in numbered.items() if "." not in number]
    first = min((entry.start for entry in tops), default=end)
    everything = [Entry(SET_UP, case.begun, first), *sorted(tops, key=lambda each: each.start)]
    if case.of_kind("end"):
        everything.append(Entry(CLEAN_UP, end, max(end, times[-1])))
    for number, entry in numbered.items():
        if "." in number:
            numbered[number.partition(".")[0]].parts.append(entry)
    for exchange in case.exchanges:
        at = float(exchange.request["t"])
        home = numbered.get(exchange.request["step"])
        # what we ask ourselves happens during a step of the case
        home = home or next(entry for entry in reversed(everything) if entry.start <= at or entry is everything[0])
        home.parts.append(_call(exchange, end))
    for entry in everything:
        entry.parts.sort(key=lambda each: each.start)
    left = [clean(str(event["what"])) for event, _ in case.of_kind("left")]
    if left:
        last = everything[-1]
        last.status = "broken"
        last.parts += [Entry(f"LEFT BEHIND: {what}", last.stop, last.stop, "broken") for what in left]
    return everything


def _numbered(case: CaseView, end: float) -> dict[str, Entry]:
    """Step number to its entry; a claim without a step of its own ends when the next step begins."""
    found: dict[str, Entry] = {}
    for step in case.steps:
        status = "passed" if step.end is not None else "broken"
        found[step.number] = Entry(_title(step.number, step.text), step.start, step.end or end, status)
    settled = {event["claim"]: float(event["t"]) for event, _ in case.of_kind("expired", "closed")}
    starts = sorted(entry.start for entry in found.values())
    states: dict[str, str] = dict(case.verdict.get("claims", {}))
    for event, _ in case.of_kind("claim"):
        number, at = str(event["step"]), float(event["t"])
        status = _OF_STATE.get(states.get(event["claim"], "open"), "broken")
        stop = settled.get(event["claim"]) or next((start for start in starts if start > at), end)
        known = found.get(number)
        if known is None:
            found[number] = Entry(_title(number, event["text"]), at, stop, status)
        else:
            known.status = min(known.status, status, key=_WORST.index)
            known.stop = max(known.stop, stop) if number in settled else known.stop
    return found


def _title(number: str, text: str) -> str:
    return clean(f"{number}. {text}")


def _call(exchange: Exchange, end: float) -> Entry:
    request, reply = exchange.request, exchange.reply
    said = "no reply" if reply is None or reply.get("error") else str(reply["status"])
    start, stop = float(request["t"]), float(reply["t"]) if reply else end
    name = f"{request['role']}: {request['method']} {_path(request)} → {said}"
    return Entry(clean(name), start, stop, "broken" if said == "no reply" else "passed", exchange)


def _path(request: Event) -> str:
    path = "/" + str(request["url"]).partition("://")[2].partition("/")[2]
    return _LONG_ID.sub(lambda found: f"{found[0][:4]}…", path)
