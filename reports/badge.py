"""A badge: what a run has shown in three words, as JSON for shields.io and as a picture of our own."""

from __future__ import annotations

import json
from html import escape

from reports.tally import counts
from reports.view import RunView

LABEL = "ringproof"
_COLOURS = {"brightgreen": "#2f8f3a", "yellow": "#8a6d00", "orange": "#b35309", "red": "#c0272d"}
"""shields.io's names to what we paint: dark enough for white letters (contrast 4.5 and more)."""

_HEIGHT = 20
_PADDING = 6
_WIDE, _NARROW = frozenset("mwMW%"), frozenset("fijlrt I.,:;'|()[]1")


def as_json(view: RunView) -> str:
    """What the endpoint of a shields.io badge serves (schema version 1)."""
    message, colour = _said(view)
    document = {"schemaVersion": 1, "label": LABEL, "message": message, "color": colour}
    return json.dumps(document, indent=2) + "\n"


def as_svg(view: RunView) -> str:
    """The same as a picture: it needs no font of its own and loads nothing."""
    message, colour = _said(view)
    left, right = _width(LABEL), _width(message)
    whole = left + right
    name = escape(f"{LABEL}: {message}")
    letters = 'font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" text-anchor="middle" fill="#fff"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="{_HEIGHT}" role="img" aria-label="{name}">'
        f"<title>{name}</title>"
        f'<clipPath id="r"><rect width="{whole}" height="{_HEIGHT}" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="{_HEIGHT}" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{_COLOURS[colour]}"/></g>'
        f'<g {letters}><text x="{left / 2:g}" y="14" textLength="{left - 2 * _PADDING}">{escape(LABEL)}</text>'
        f'<text x="{left + right / 2:g}" y="14" textLength="{right - 2 * _PADDING}">{escape(message)}</text></g>'
        "</svg>\n"
    )


def _said(view: RunView) -> tuple[str, str]:
    """Message and colour: the worst that there is, and never green where something was not proved."""
    found = counts(view.cases)
    changed = sum(each["red"] for each in view.baseline["findings"]) if view.baseline else 0
    for verdict, colour in (("fail", "red"), ("error", "orange")):
        if count := found.get(verdict, 0):
            return f"{count} of {len(view.cases)} {verdict}", colour
    if changed:
        return f"{changed} changed", "red"
    if view.cut or view.not_begun:
        return "not all was run", "orange"
    if count := found.get("inconclusive", 0):
        return f"{count} of {len(view.cases)} inconclusive", "orange"
    passed = found.get("pass", 0)
    rest = {name: count for name, count in found.items() if name not in ("pass", "skipped", "unsupported")}
    if not passed and not rest:
        return "nothing was run", "orange"
    message = ", ".join([f"{passed} pass", *(f"{count} {name.replace('_', ' ')}" for name, count in rest.items())])
    return message, "yellow" if rest.keys() - {"unclear"} else "brightgreen"


def _width(text: str) -> int:
    """Pixels that `text` takes in an 11 px sans serif, roughly, and the space around it."""
    pixels = sum(9.5 if c in _WIDE else 4.5 if c in _NARROW else 7 for c in text)
    return round(pixels) + 2 * _PADDING
