"""The lamps of a case: which there are, each over time above the truth over time, as text and as SVG.

Widths in the SVG are percentages, so it takes whatever room it is given without its writing changing size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.lamps import Track, differences, pieces_of, strip, tracks_of
from reports.view import CaseView

_PACKAGES = ("dialog", "presence")
"""Event packages that light a lamp."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One lamp of one watcher: its states over the truth, in seconds since the case began, from `start` to `end`."""

    watcher: str
    presentity: str
    package: str
    truth: Track
    lamp: Track
    start: float
    end: float

    @property
    def desyncs(self) -> list[tuple[float, float]]:
        """The stretches in which lamp and truth both say something, and not the same."""
        truth, lamp = (pieces_of(track.points, self.start, self.end) for track in (self.truth, self.lamp))
        return differences(truth, lamp)


def charts_of(case: CaseView) -> list[Chart]:
    """The lamps that the case makes claims about, then the others that its phones watch, each once."""
    wanted: dict[tuple[str, str, str], Sequence[str] | None] = {}
    for event, _ in case.of_kind("claim"):
        if event["type"] == "lamp":
            spec = event["spec"]
            key = (spec["phone"], spec["presentity"].lower(), spec["event"])
            wanted[key] = wanted.get(key) or spec["truth"]
    for event, _ in case.of_kind("subscription"):
        if event["event"] in _PACKAGES and event["state"] == "active":
            wanted.setdefault((event["phone"], event["presentity"].lower(), event["event"]), None)
    events = case.of_kind("phone", "call", "subscription", "message")
    begins: dict[tuple[str, str, str], float] = {}
    for event, _ in case.of_kind("subscription"):
        begins.setdefault((event["phone"], event["presentity"].lower(), event["event"]), event["t"])
    end = max((event["t"] for event, _ in case.of_kind("message", "call", "end")), default=case.begun)
    names = {event["presentity"].lower(): event["phone"] for event, _ in case.of_kind("phone")}
    charts = []
    for key, truth_of in wanted.items():
        watcher, presentity, package = key
        truth, lamp = tracks_of(events, presentity, watcher, package=package, truth_of=truth_of)
        if presentity in names:
            truth = replace(truth, title=f"calls of {names[presentity]}")
        begin = min(begins.get(key, case.begun), end)
        charts.append(
            Chart(
                watcher,
                presentity,
                package,
                truth.since(case.begun),
                lamp.since(case.begun),
                begin - case.begun,
                max(end, begin + 0.001) - case.begun,
            )
        )
    return charts


def as_text(chart: Chart, width: int = 100) -> str:
    """The chart as rows of characters, at most `width` columns wide."""
    return strip([chart.truth, chart.lamp], chart.start, chart.end, width)
