"""A capture as one HTML page: what is broken, every lamp above the truth, calls, registrations, ladders.

It needs nothing else, has no script, and nothing from the wire is markup in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.inspecting.inspection import Finding, Inspection, all_sights
from harness.inspecting.ladders import Excerpt, excerpt_of, excerpt_of_all
from harness.inspecting.laws import LAWS
from harness.inspecting.messages import Reading
from harness.inspecting.telling import chart_of, lamp_changes, seen_changes, state_of, warnings_of
from harness.inspecting.text import summary
from reports import html, ladder_svg, lamp_chart
from reports.lamps import Track
from reports.words import clean

WIDTH = 1180
"""Pixels of a drawing."""
_TITLE = 15
MOST_CARDS, MOST_LAMPS, MOST_STATES, MOST_ROWS = 20, 200, 100, 500

HERE = Path(__file__).parent


def page(found: Inspection, capture: Path, keylog: Path | None = None) -> str:
    """The page of `found`; the capture is read once more, for the messages of the ladders."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    chosen = found.findings[:MOST_CARDS]
    excerpts = [excerpt_of(found, each) for each in chosen] or [excerpt_of_all(found)]
    for sight in all_sights(capture, Reading(), None, keylog):
        if found.interrupted and sight.t > found.reading.end:
            break
        for excerpt in excerpts:
            excerpt.take(sight)
    made = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style = "".join((html.HERE / name).read_text(encoding="utf-8") for name in html.STYLES)
    lamps = [_lamp(found, number) for number in range(min(len(found.watches), MOST_LAMPS))]
    reading = found.reading
    return made.get_template("page.html.j2").render(
        clean=clean,
        name=capture.name,
        style=style + (HERE / "page.css").read_text(encoding="utf-8"),
        headline=summary(found).capitalize(),
        facts=[
            ("packets", str(reading.packets)),
            ("SIP messages", str(reading.messages)),
            ("seconds", f"{reading.end - reading.begin:.1f}"),
        ],
        warnings=["Interrupted: this is what has been read."] * found.interrupted + list(warnings_of(found)),
        cards=[_card(found, each, excerpt) for each, excerpt in zip(chosen, excerpts, strict=False)],
        more_broken=len(found.findings) - len(chosen),
        lamps=lamps,
        more_lamps=len(found.watches) - len(lamps),
        tables=[_not_visible(found), _calls(found), _registrations(found)],
        ladder="" if chosen else _ladder(excerpts[0]),
        left_out=_left_out(excerpts[0]),
    )


def _card(found: Inspection, finding: Finding, excerpt: Excerpt) -> dict[str, Any]:
    broken, watch = finding.broken, finding.watch
    number = next(n for n, each in enumerate(found.watches) if each is watch)
    return {
        "law": broken.law,
        "rule": LAWS[broken.law],
        "words": broken.words,
        "whose": f"the lamp of {watch.presentity} on {watch.watcher} ({watch.package})",
        "t": f"{broken.t - found.reading.begin:.3f}",
        "frames": ", ".join(map(str, broken.frames)),
        "call_id": watch.call_id,
        **_chart(found, number),
        "ladder": _ladder(excerpt),
        "left_out": _left_out(excerpt),
    }


def _chart(found: Inspection, number: int) -> dict[str, str]:
    chart = chart_of(found, number)
    if chart is None:
        return {"chart": "", "says": ""}
    chart = replace(chart, truth=_titled(chart.truth), lamp=_titled(chart.lamp))
    says = lamp_chart.summary(chart) if any(state for _, state in chart.truth.points) else "no call of it is visible"
    return {"chart": lamp_chart.as_drawing(chart).as_svg(WIDTH), "says": says}


def _titled(track: Track) -> Track:
    """A track whose title has room beside the drawing."""
    return track if len(track.title) <= _TITLE else replace(track, title=f"{track.title[: _TITLE - 1]}…")


def _ladder(excerpt: Excerpt) -> str:
    ladder = excerpt.ladder()
    return ladder_svg.as_svg(ladder, WIDTH) if ladder.rows else ""


def _left_out(excerpt: Excerpt) -> str:
    return f" ({excerpt.left_out} more messages are left out)" if excerpt.left_out else ""


def _lamp(found: Inspection, number: int) -> dict[str, Any]:
    watch, begin = found.watches[number], found.reading.begin
    state = state_of(watch, found.reading.end)
    since = "since before the capture" if watch.before else f"from {watch.t - begin:.3f} s [{watch.frame}]"
    states = lamp_changes(watch)[:MOST_STATES]
    return {
        "watcher": watch.watcher,
        "presentity": watch.presentity,
        "event": watch.package,
        "fate": f"{since}, {state}" + (f" ({watch.refused})" if state == "refused" else ""),
        **_chart(found, number),
        "states": [{"state": str(each.lamp), "t": f"{each.t - begin:.3f}", "frame": each.frame} for each, _ in states],
    }


def _table(title: str, heads: Sequence[str], rows: list[list[str]]) -> dict[str, Any]:
    return {"title": title, "heads": heads, "rows": rows[:MOST_ROWS], "more": max(0, len(rows) - MOST_ROWS)}


def _not_visible(found: Inspection) -> dict[str, Any]:
    begin = found.reading.begin
    rows = [
        [f"{each.t - begin:.3f}", str(each.frame), each.watch.watcher, each.watch.presentity, each.reason]
        for each in found.unseen
    ]
    return _table("Not visible in this capture", ("seconds", "frame", "watcher", "presentity", "what"), rows)


def _calls(found: Inspection) -> dict[str, Any]:
    begin = found.reading.begin
    rows = []
    for leg in found.calls:
        states = ", ".join(f"{each.state} {each.t - begin:.3f} [{each.frame}]" for each in seen_changes(leg))
        refused = f" ({leg.status})" if leg.status >= 300 else ""
        before = "before the capture; " if leg.before else ""
        rows.append([leg.caller, leg.callee, f"{before}{states}{refused}", leg.call_id])
    return _table("Calls", ("caller", "callee", "states", "Call-ID"), rows)


def _registrations(found: Inspection) -> dict[str, Any]:
    begin = found.reading.begin
    rows = [
        [
            f"{each.t - begin:.3f}",
            str(each.frame),
            each.aor,
            f"{each.state} ({each.status})" if each.state == "refused" else each.state,
            each.contact,
            "" if each.expires is None else f"{each.expires} s",
            f"{each.by[0]} {each.by[1]}",
        ]
        for each in found.registrations.events
    ]
    return _table("Registrations", ("seconds", "frame", "AOR", "what", "Contact", "expires", "by"), rows)
