"""The lamps of a case: which there are, each over time above the truth over time, as text and as SVG.

The drawing has one unit of width, the whole time from start to end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reports.drawing import Across, Drawing, node
from reports.lamps import Track, differences, pieces_of, round_steps, strip, tracks_of
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


_GUTTER, _RIGHT, _LEAST = 118, 18, 160
_BAR, _UPPER, _LOWER, _AXIS, _HEIGHT = 24, 14, 50, 84, 112
_TICKS = 5


def as_drawing(chart: Chart) -> Drawing:
    """The lamp over time above the truth over time; where they differ is shaded across both."""
    span = chart.end - chart.start

    def across(t: float, more: float = 0) -> Across:
        return ((t - chart.start) / span, more)

    shades = [
        node(
            "rect",
            class_="desync",
            x=across(start),
            y=_UPPER - 8,
            width=((end - start) / span, 1.5),
            height=_LOWER + _BAR - _UPPER + 16,
        )
        for start, end in chart.desyncs
    ]
    bars = []
    for track, y in ((chart.lamp, _UPPER), (chart.truth, _LOWER)):
        bars.append(node("text", class_="track", x=(0, -12), y=y + 16, text_anchor="end", text=_short(track.title)))
        bars.append(node("rect", class_="rail", x=(0, 0), y=y, width=(1, 0), height=_BAR, rx=5))
        for piece in pieces_of(track.points, chart.start, chart.end):
            if piece.state and piece.end > piece.start:
                width = ((piece.end - piece.start) / span, 0)
                said = node("title", text=f"{piece.state} from {piece.start:.3f} s to {piece.end:.3f} s")
                kind = f"state is-{piece.state}"
                bars.append(node("rect", said, class_=kind, x=across(piece.start), y=y, width=width, height=_BAR))
    notes = [
        node(
            "g",
            node("title", text=f"{t:.3f} s: {words}"),
            node("text", text="!", text_anchor="middle", x=across(t), y=_UPPER + 17),
            class_="law",
        )
        for t, words in chart.lamp.notes
        if chart.start <= t <= chart.end
    ]
    axis = [node("line", class_="axis", x1=(0, 0), x2=(1, 0), y1=_AXIS, y2=_AXIS)]
    for t, label in _ticks(chart.start, chart.end):
        axis.append(node("line", class_="axis", x1=across(t), x2=across(t), y1=_AXIS, y2=_AXIS + 5))
        axis.append(node("text", class_="tick", x=across(t), y=_AXIS + 19, text_anchor="middle", text=label))
    axis.append(node("text", class_="track", x=(0, -12), y=_AXIS + 19, text_anchor="end", text="seconds"))
    title = f"{chart.lamp.title} above {chart.truth.title}"
    return Drawing((*shades, *bars, *notes, *axis), title, _HEIGHT, 1, _LEAST, _GUTTER, _RIGHT)


def summary(chart: Chart) -> str:
    """How much lamp and truth differed, in one sentence."""
    if not chart.desyncs:
        return "the lamp never said otherwise than the truth"
    total = sum(end - start for start, end in chart.desyncs)
    start, end = max(chart.desyncs, key=lambda stretch: stretch[1] - stretch[0])
    return f"differs for {total:.3f} s in all, longest {end - start:.3f} s from {start:.3f} s"


def _ticks(start: float, end: float) -> list[tuple[float, str]]:
    step, decimals = next(
        (step, decimals) for step, decimals in round_steps(end - start) if (end - start) / step <= _TICKS
    )
    first = math.ceil(start / step - 1e-9)
    last = math.floor(end / step + 1e-9)
    return [(number * step, f"{number * step:.{decimals}f}") for number in range(first, last + 1)]


def _short(title: str) -> str:
    return title if len(title) <= 17 else f"{title[:16]}…"
