"""What is told of a capture, in whatever form: times from its beginning, lamps as charts, and the JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.inspecting.calls import Change, Leg, LegState
from harness.inspecting.inspection import Finding, Inspection, Unseen
from harness.inspecting.laws import LAWS
from harness.inspecting.subscriptions import Notice, Watch
from phones.sip.dialog import user_of
from reports.lamp_chart import Chart
from reports.lamps import Track


def state_of(watch: Watch, end: float) -> str:
    """What has become of a subscription: active, ended, expired, refused, unanswered, replaced."""
    if watch.refused and not watch.grants:
        return "refused"
    taken = [notice for notice in watch.notices if notice.counts]
    if watch.over_t is not None or (taken and taken[-1].state == "terminated"):
        return "ended"
    if watch.replaced_t is not None:
        return "replaced"
    if not watch.grants and not watch.before:
        return "unanswered"
    if watch.grants and watch.grants[-1].t + watch.grants[-1].expires < end:
        return "expired"
    return "active"


def seen_changes(leg: Leg) -> list[Change]:
    """The changes of a leg that are certain."""
    sure = [change for change in leg.changes if change.state is not LegState.OPEN]
    return [change for number, change in enumerate(sure) if not number or sure[number - 1].state is not change.state]


def lamp_changes(watch: Watch) -> list[tuple[Notice, int]]:
    """The NOTIFYs by which a lamp changed, each with how many more said the same."""
    found: list[tuple[Notice, int]] = []
    for notice in watch.notices:
        if notice.counts:
            if found and found[-1][0].lamp is notice.lamp:
                found[-1] = (found[-1][0], found[-1][1] + 1)
            else:
                found.append((notice, 0))
    return found


def chart_of(found: Inspection, number: int) -> Chart | None:
    """The lamp of the watch at that place above the truth; None where there is nothing to look at."""
    watch = found.watches[number]
    broken = [each.broken for each in found.findings if each.watch is watch]
    if len(lamp_changes(watch)) < 2 and not broken:
        return None
    life = found.life(watch)
    if not life:
        return None
    begin = found.reading.begin
    notes = [(each.t - begin, f"{each.law} {each.words} (frame {each.frames[0]})") for each in broken]
    lamp = [(notice.t - begin, str(notice.lamp)) for notice in watch.notices if notice.counts]
    truth = [(span.start - begin, span.truth) for span in life]
    start, end = life[0].start - begin, life[-1].end - begin
    return Chart(
        short(watch.watcher),
        watch.presentity,
        watch.package,
        Track(f"calls of {short(watch.presentity)}", [*truth, (end, "")]),
        Track(f"lamp on {short(watch.watcher)}", lamp, notes),
        start,
        max(end, start + 0.001),
    )


def short(uri: str) -> str:
    """The user of a URI, or all of it where it has none."""
    return user_of(f"<{uri}>") or uri


def document_fields(found: Inspection) -> dict[str, Any]:
    """The body of the JSON document; times in seconds since the first packet."""
    reading = found.reading
    return {
        "packets": reading.packets,
        "messages": reading.messages,
        "begun": round(reading.begin, 6),
        "duration_s": _rounded(reading.end, found),
        "interrupted": found.interrupted,
        "settle_s": round(found.settle_s, 3),
        "subscriptions": [_subscription(watch, found) for watch in found.watches],
        "calls": [_call(leg, found) for leg in found.calls],
        "registrations": [
            {
                "t": _rounded(each.t, found),
                "frame": each.frame,
                "state": each.state,
                "aor": each.aor,
                "contact": each.contact,
                "expires": each.expires,
                "by": f"{each.by[0]} {each.by[1]}",
                "status": each.status,
            }
            for each in found.registrations.events
        ],
        "broken": [_finding(each, found) for each in found.findings],
        "not_visible": [_unseen(each, found) for each in found.unseen],
        "unasked": dict(found.subscriptions.unasked),
        "warnings": list(warnings_of(found)),
    }


def warnings_of(found: Inspection) -> Iterator[str]:
    """Everything that is amiss with the capture itself."""
    reading = found.reading
    yield from reading.warnings
    if reading.dropped_warnings:
        yield f"and {reading.dropped_warnings} more warnings"


def _rounded(t: float, found: Inspection) -> float:
    return round(t - found.reading.begin, 6)


def _subscription(watch: Watch, found: Inspection) -> dict[str, Any]:
    return {
        "watcher": watch.watcher,
        "at": f"{watch.at[0]} {watch.at[1]}",
        "presentity": watch.presentity,
        "event": watch.package,
        "call_id": watch.call_id,
        "t": _rounded(watch.t, found),
        "frame": watch.frame,
        "before_capture": watch.before,
        "state": state_of(watch, found.reading.end),
        "status": watch.refused or None,
        "expires": watch.grants[-1].expires if watch.grants else None,
        "lamps": [
            {
                "t": _rounded(notice.t, found),
                "frame": notice.frame,
                "state": str(notice.lamp),
                "version": notice.version,
            }
            for notice in watch.notices
            if notice.counts
        ],
    }


def _call(leg: Leg, found: Inspection) -> dict[str, Any]:
    return {
        "call_id": leg.call_id,
        "caller": leg.caller,
        "callee": leg.callee,
        "before_capture": leg.before,
        "status": leg.status or None,
        "states": [
            {"t": _rounded(change.t, found), "frame": change.frame, "state": str(change.state)}
            for change in seen_changes(leg)
        ],
    }


def _whose(watch: Watch) -> dict[str, str]:
    return {
        "watcher": watch.watcher,
        "presentity": watch.presentity,
        "event": watch.package,
        "call_id": watch.call_id,
    }


def _finding(each: Finding, found: Inspection) -> dict[str, Any]:
    broken = each.broken
    return {
        "law": broken.law,
        "rule": LAWS[broken.law],
        "t": _rounded(broken.t, found),
        "frames": list(broken.frames),
        "text": broken.words,
        **_whose(each.watch),
    }


def _unseen(each: Unseen, found: Inspection) -> dict[str, Any]:
    return {"t": _rounded(each.t, found), "frame": each.frame, "text": each.reason, **_whose(each.watch)}
