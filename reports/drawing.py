"""Drawings that fit the room they get: SVG whose widths follow, and whose writing keeps its size.

A place or width along the drawing is a pair: so many units, and so many pixels more. How wide a unit is comes out when
the drawing is laid out, here for a file of its own, in the HTML report by the browser.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from reports.words import clean

Across = tuple[float, float]
"""Units and pixels, from the first unit's beginning; as a width, without it."""

Value = str | int | float | Across

_WIDTHS = frozenset({"width", "rx", "textLength"})


@dataclass(frozen=True, slots=True)
class Node:
    """One SVG element: its name, attributes, and children or text."""

    name: str
    attributes: dict[str, Value]
    children: tuple[Node, ...] = ()
    text: str = ""

    def as_json(self) -> list[Any]:
        """Name, attributes, and children or the text."""
        return [self.name, self.attributes, self.text or [child.as_json() for child in self.children]]


def node(name: str, /, *children: Node, text: str = "", **attributes: Value) -> Node:
    """An element. Attributes are spelled with `_` for `-`, `class_` for `class`."""
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
    return Node(name, named, children, clean(text))


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn, `height` pixels high: `gutter`, then `units` of at least `least` pixels, then `right`."""

    nodes: tuple[Node, ...]
    title: str
    height: float
    units: float
    least: float
    gutter: float = 0
    right: float = 0
    styles: str = field(default="", repr=False)
    """CSS for a file of its own; the HTML report has its own."""

    def as_json(self) -> dict[str, Any]:
        """For the browser to lay out."""
        return {
            "title": self.title,
            "height": self.height,
            "units": self.units,
            "least": self.least,
            "gutter": self.gutter,
            "right": self.right,
            "nodes": [each.as_json() for each in self.nodes],
        }

    def as_svg(self, width: float) -> str:
        """A file of its own, `width` pixels wide, or wider where the drawing needs it."""
        unit = max(self.least, (width - self.gutter - self.right) / self.units)
        total = self.gutter + unit * self.units + self.right
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_number(total)}" height="{_number(self.height)}"'
            f' viewBox="0 0 {_number(total)} {_number(self.height)}" role="img" class="drawing">'
        )
        body = "".join(self._written(each, unit) for each in self.nodes)
        return f"{head}<title>{escape(clean(self.title))}</title><style>{escape(self.styles)}</style>{body}</svg>\n"

    def _written(self, each: Node, unit: float) -> str:
        attributes = "".join(self._attribute(key, value, unit) for key, value in each.attributes.items())
        inner = escape(each.text) or "".join(self._written(child, unit) for child in each.children)
        return f"<{each.name}{attributes}>{inner}</{each.name}>" if inner else f"<{each.name}{attributes}/>"

    def _attribute(self, key: str, value: Value, unit: float) -> str:
        if isinstance(value, tuple):
            value = value[0] * unit + value[1] + (0 if key in _WIDTHS else self.gutter)
        text = value if isinstance(value, str) else _number(value)
        return f" {key}={quoteattr(clean(text))}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def texts(nodes: Iterable[Node]) -> list[str]:
    """All writing in a drawing, in order."""
    return [text for each in nodes for text in ([each.text] if each.text else texts(each.children))]
