"""The shortest history that still breaks a law: events are left out, and waits made shorter, as long as it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.hunting.events import OfficeEvent

_SHORTER_S = (4.0, 12.0, 35.0)

Breaks = Callable[[Sequence[OfficeEvent]], bool]


def shrink(events: Sequence[OfficeEvent], breaks: Breaks, over: Callable[[], bool]) -> list[OfficeEvent]:
    """A history as short as single steps make it that `breaks` still calls one. `over`: the time is up."""
    left = list(events)
    size = max(1, len(left) // 2)
    while size >= 1 and not over():
        shorter = _without_parts(left, size, breaks, over)
        # whatever went may have been what kept the rest
        size = size if size == 1 and len(shorter) < len(left) else size // 2
        left = shorter
    return _with_short_waits(_with_waits(left, breaks, over), breaks, over)


def _with_waits(events: list[OfficeEvent], breaks: Breaks, over: Callable[[], bool]) -> list[OfficeEvent]:
    """Some events matter only for the time that they take."""
    for at, event in enumerate(events):
        waiting = [*events[:at], OfficeEvent("wait", seconds=_SHORTER_S[0]), *events[at + 1 :]]
        if event.do != "wait" and not over() and breaks(waiting):
            events = waiting
    return events


def _without_parts(events: list[OfficeEvent], size: int, breaks: Breaks, over: Callable[[], bool]) -> list[OfficeEvent]:
    # from behind: what happened last is why it was noticed, what happened first mostly no matter
    at = max(0, len(events) - size)
    while not over():
        shorter = events[:at] + events[at + size :]
        if len(shorter) < len(events) and breaks(shorter):
            events = shorter
        if at == 0:
            return events
        at = max(0, at - size)
    return events


def _with_short_waits(events: list[OfficeEvent], breaks: Breaks, over: Callable[[], bool]) -> list[OfficeEvent]:
    for at, event in enumerate(events):
        for seconds in _SHORTER_S:
            if event.do != "wait" or seconds >= event.seconds or over():
                continue
            shorter = [*events[:at], replace(event, seconds=seconds), *events[at + 1 :]]
            if breaks(shorter):
                events = shorter
                break
    return events
