"""The ladder of a case as a drawing: lifelines, arrows, what phones are, what decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from reports.drawing import Across, Drawing, Node, node
from reports.ladder import API, EDGE, SIGNS, Ladder, Row

_HEAD, _FOOT = 8, 18
_GUTTER, _RIGHT, _LEAST = 104, 42, 76
_ROW, _RULE, _NOTE, _PAUSE = 32, 34, 20, 20
_TIME = 48
"""Pixels from the first lifeline to where times end."""
_PAUSE_S = 0.25
_CHARACTER = 6.4
"""Width of a character of a label, in pixels: enough to place what stands beside it."""

HEADS = ("step", "claim", "mark")
"""Kinds of rows that are a line across all columns."""


def as_drawing(ladder: Ladder) -> Drawing:
    """The ladder without the names of its columns, which have a drawing of their own: they stay while it scrolls."""
    pen = _Pen(ladder)
    rows = [each for row in ladder.rows for each in pen.row(row)]
    height = pen.y + _FOOT
    lines = tuple(node("line", class_="life", x1=at, x2=at, y1=0, y2=height) for at in pen.places.values())
    return Drawing((*lines, *rows), "Ladder", height, max(len(ladder.columns) - 1, 1), _LEAST, _GUTTER, _RIGHT)


def heads(ladder: Ladder, *, y: float = 26) -> Drawing:
    """The names of the columns, to stand above the ladder."""
    boxes: list[Node] = []
    for number, name in enumerate(ladder.columns):
        kind = "infra" if number >= len(ladder.columns) - 2 and name in (EDGE, API) else "phone"
        shown = name if len(name) <= 12 else f"{name[:11]}…"
        width = max(44.0, len(shown) * 7.4 + 20)
        boxes.append(
            node(
                "g",
                node("rect", x=(number, -width / 2), y=y - 18, width=width, height=26, rx=6),
                node("text", x=(number, 0), y=y, text_anchor="middle", text=shown),
                class_=f"head {kind}",
            )
        )
    units = max(len(ladder.columns) - 1, 1)
    return Drawing(tuple(boxes), "Columns", y + 12, units, _LEAST, _GUTTER, _RIGHT)


def as_svg(ladder: Ladder, width: float = 960) -> str:
    """The whole ladder as a file of its own, at least `width` pixels wide."""
    top, below = heads(ladder), as_drawing(ladder)
    moved = node("g", *below.nodes, transform=f"translate(0 {top.height:g})")
    styles = "".join(
        (Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("colours.css", "drawings.css")
    )
    drawn = replace(below, nodes=(*top.nodes, moved), height=top.height + below.height, styles=styles)
    return drawn.as_svg(width)


@dataclass(slots=True)
class _Pen:
    """Draws row below row."""

    ladder: Ladder
    y: float = _HEAD
    before: float | None = None

    @property
    def places(self) -> dict[str, Across]:
        """Column to where its lifeline is."""
        return {name: (number, 0) for number, name in enumerate(self.ladder.columns)}

    def row(self, row: Row) -> list[Node]:
        """One row, and before it the pause in which nothing happened."""
        pause = self._pause(row)
        top = self.y
        if row.kind in HEADS:
            at = top + _RULE / 2 + 4
            parts = self._rule(row, at)
            self.y += _RULE
        else:
            at = top + _ROW - 6
            parts = self._arrow(row, at) if row.source and row.target else self._outside(row, at)
            self.y += _ROW
            if row.notes and row.phone in self.places:
                parts.append(self._tag(row, self.y + 6))
                self.y += _NOTE
        whole = (self._units, _GUTTER + _RIGHT - 4.0)
        hit = node("rect", class_="hit", x=(0, 2.0 - _GUTTER), y=top, width=whole, height=self.y - top, rx=4)
        time = node("text", class_="time", x=(0, -_TIME), y=at + 4, text_anchor="end", text=f"{row.t:.3f}")
        classes = " ".join(("row", row.kind, *row.signs))
        return [*pause, node("g", hit, time, *parts, *self._signs(row, at + 4), class_=classes, data_n=row.n)]

    @property
    def _units(self) -> int:
        return max(len(self.ladder.columns) - 1, 1)

    def _pause(self, row: Row) -> list[Node]:
        gap = 0.0 if self.before is None else row.t - self.before
        self.before = max(row.t, row.until)
        if gap < _PAUSE_S:
            return []
        self.y += _PAUSE
        text = node("text", class_="pause", x=(0, -_TIME), y=self.y - 5, text_anchor="end", text=f"⋮ {gap:.2f} s")
        return [text]

    def _rule(self, row: Row, y: float) -> list[Node]:
        title = node("text", class_="title", x=(0, -34), y=y + 4, text=row.text)
        if row.kind == "mark":
            return [title]
        rule = node("line", class_="rule", x1=(0, -46), x2=(self._units, _RIGHT - 12), y1=y, y2=y)
        # the title stands in a gap of the line
        gap = node("rect", class_="gap", x=(0, -40), y=y - 8, width=len(row.text) * 6.6 + 12, height=16)
        return [rule, gap, title]

    def _signs(self, row: Row, y: float) -> list[Node]:
        signs = list(dict.fromkeys(SIGNS[sign][0] for sign in row.signs))
        return [node("text", class_="sign", x=(0, 6 - _GUTTER), y=y, text="".join(signs))] if signs else []

    def _arrow(self, row: Row, y: float) -> list[Node]:
        (source, _), (target, _) = self.places[row.source], self.places[row.target]
        if source == target:
            ring = node("circle", class_="self", cx=(source, 0), cy=y - 3, r=4)
            return [ring, self._label(row, (source, 10), y - 7, "start")]
        left, right = sorted((source, target))
        length = len(row.text) * _CHARACTER
        beyond = length > (self._units - left) * _LEAST + _RIGHT and length < right * _LEAST
        label = self._label(row, (right, -9), y - 6, "end") if beyond else self._label(row, (left, 9), y - 6, "start")
        return [*_shaft((source, 0), (target, -2 if target > source else 2), y), label]

    def _outside(self, row: Row, y: float) -> list[Node]:
        """A call of the API, which comes from the right, or its reply."""
        api = self.places[API][0]
        ends = ((api, 0.0), (api, 30.0)) if row.source else ((api, 30.0), (api, 2.0))
        return [*_shaft(*ends, y), self._label(row, (api, -9), y + 4, "end")]

    def _label(self, row: Row, x: Across, y: float, anchor: str) -> Node:
        return node("text", class_="label", x=x, y=y, text_anchor=anchor, text=row.text)

    def _tag(self, row: Row, y: float) -> Node:
        """What the phone is from now on, on its lifeline."""
        text = ", ".join(f"lamp {note.state}" if note.kind == "lamp" else note.state for note in row.notes)
        last = row.notes[-1]
        width = len(text) * 5.4 + 27
        at = self.places[row.phone][0]
        return node(
            "g",
            node("rect", x=(at, -width / 2), y=y - 9, width=width, height=18, rx=9),
            node("circle", cx=(at, 10 - width / 2), cy=y, r=3.5),
            node("text", x=(at, 18 - width / 2), y=y + 3.5, text=text),
            class_=f"tag {last.kind} is-{last.state}",
        )


def _shaft(source: Across, target: Across, y: float) -> list[Node]:
    """A line with an open tip at `target`."""
    back = -6 if (target > source) else 6
    tips = [
        node("line", class_="tip", x1=(target[0], target[1] + back), x2=target, y1=y + side, y2=y) for side in (-4, 4)
    ]
    return [node("line", class_="shaft", x1=source, x2=target, y1=y, y2=y), *tips]
