"""The ladder of a case: who sent what to whom, phones, SIP edge and API on one time axis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from rich.cells import cell_len, set_cell_size

from phones.sip.index import Message, SipSyntaxError
from reports.lamp_chart import Chart, charts_of
from reports.record import Event
from reports.view import CaseView
from reports.words import clean

EDGE, API = "edge", "API"

SIGNS = {
    "decides": ("◆", "decided the verdict"),
    "retransmission": ("↻", "retransmission"),
    "missed": ("✗", "missed: acknowledged and forgotten"),
    "lost": ("✗", "did not come"),
    "fault": ("≈", "held or doubled by the network, on purpose"),
    "stray": ("⚡", "belongs to nothing that the phone knows"),
    "malformed": ("!", "cannot be read"),
    "former": ("↪", "came to a Contact that the phone has left"),
    "control": ("c", "control: proves that the phone could be reached"),
    "fence": ("f", "fence: what was sent before it has arrived"),
}
"""What a row may be marked with: its sign in text, and what it means."""

_MEDIA_GAP_S = 1.0
_LONGEST = 200
_LONG_ID = re.compile(r"(?<=/)[0-9a-f]{32}(?=[/?]|$)")
_EVENT = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Note:
    """What a phone is from this row on: a state of its `lamp`, `call` or `registration`."""

    kind: str
    state: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `n` is the number of its event, `t` seconds since the case began.

    `kind`: message, media, request, reply, calls (several API calls, told as one), step, claim, or mark. `source` and
    `target` are columns, empty where there is none. `numbers` are all events that it stands for, the last at `until`.
    """

    n: int
    t: float
    kind: str
    text: str
    source: str = ""
    target: str = ""
    signs: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    phone: str = ""
    numbers: tuple[int, ...] = ()
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Ladder:
    """The columns from left to right, and the rows in order."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def ladder_of(case: CaseView, charts: Sequence[Chart] | None = None) -> Ladder:
    """The ladder of `case`, whose lamps are on `charts` (found when they are not given).

    Calls of the API that make and remove things are one row.
    """
    phones = [str(event["phone"]) for event in case.phones]
    others = [str(e["phone"]) for e, _ in case.of_kind("message", "media") if e["phone"] not in phones]
    columns = (*phones, *dict.fromkeys(others), EDGE, API)
    return Ladder(columns, tuple(_Builder(case, charts_of(case) if charts is None else charts).rows()))


class _Builder:
    """Goes through the events of a case once."""

    def __init__(self, case: CaseView, charts: Sequence[Chart]) -> None:
        self._case = case
        self._charts = charts
        self._signs: dict[int, list[str]] = {}
        self._notes: dict[int, list[Note]] = {}
        self._places: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._steps = {step.number for step in case.steps}
        self._claims = {e["claim"]: e for e, _ in case.of_kind("claim")}
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Collect what is said of a row by events that come after it."""
        for n in self._case.verdict.get("decisive", ()):
            self._sign(n, "decides")
        lamps = {
            (chart.watcher, round(t + self._case.begun, 6)): state
            for chart in self._charts
            for t, state in _changes(chart.lamp.points)
        }
        sent = {event["n"]: data for event, data in self._case.of_kind("message")}
        for event, data in self._case.events:
            kind = event["kind"]
            if kind in ("message", "media"):
                self._places[event["local"]] = event["phone"]
            if kind == "phone" and event.get("device"):
                self._names[event["device"]] = event["phone"]
            if kind == "message":
                state = lamps.get((event["phone"], event["t"]))
                fresh = (event["direction"], event["seen"]) == ("in", "new")
                if state and fresh and data[:7] == b"NOTIFY ":
                    self._note(event["n"], Note("lamp", state))
            elif kind in ("control", "fence") and event["state"] == "arrived":
                self._sign(event["message"], kind)
            elif kind == "registration" and event.get("message") is not None:
                self._note(event["message"], Note(kind, event["state"]))
            elif kind == "call" and event["call_id"].encode() in sent.get(event["message"], b""):
                # a call that the phone has just begun has no message yet
                self._note(event["message"], Note(kind, event["state"]))

    def _sign(self, n: int, sign: str) -> None:
        signs = self._signs.setdefault(n, [])
        if sign not in signs:
            signs.append(sign)

    def _note(self, n: int, note: Note) -> None:
        notes = self._notes.setdefault(n, [])
        notes[:] = [each for each in notes if each.kind != note.kind] + [note]

    def rows(self) -> list[Row]:
        """Every row in order; a run of equal things is one row, told where it began."""
        rows: list[Row] = []
        growing: dict[tuple[str, ...], int] = {}
        for row in self._each():
            key = (row.kind, row.source, row.target, row.text, row.phone)
            at = growing.get(key)
            if at is not None and (row.kind == "calls" or row.t - rows[at].until <= _MEDIA_GAP_S):
                rows[at] = _joined(rows[at], row)
                continue
            if row.kind in ("media", "calls"):
                growing[key] = len(rows)
            rows.append(row)
        return [_told(row) for row in rows]

    def _each(self) -> Iterator[Row]:
        for event, data in self._case.events:
            make = getattr(self, f"_on_{event['kind']}", None)
            row = make(event, data) if make is not None else None
            if row is not None:
                yield row

    def _row(self, event: Event, kind: str, text: str, **more: Any) -> Row:
        signs = (*more.pop("signs", ()), *self._signs.get(event["n"], ()))
        notes = tuple(self._notes.get(event["n"], ()))
        t = event["t"] - self._case.begun
        text = clean(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
        return Row(event["n"], t, kind, text, signs=signs, notes=notes, numbers=(event["n"],), until=t, **more)

    def _on_message(self, event: Event, data: bytes) -> Row:
        return self._arrow(event, "message", _title(event, data) + _fate(event), self._seen(event))

    def _on_media(self, event: Event, _: bytes) -> Row:
        return self._arrow(event, "media", "RTP", ())

    def _arrow(self, event: Event, kind: str, text: str, signs: tuple[str, ...]) -> Row:
        phone, other = event["phone"], self._places.get(event["remote"], EDGE)
        source, target = (other, phone) if event["direction"] == "in" else (phone, other)
        return self._row(event, kind, text, source=source, target=target, signs=signs, phone=phone)

    def _seen(self, event: Event) -> tuple[str, ...]:
        signs = () if event["seen"] in ("new", "lost") or event["seen"] not in SIGNS else (event["seen"],)
        if fault := event.get("fault"):
            signs = (*signs, "lost" if fault == "lost" else "fault")
        return (*signs, "former") if event["contact"] == "former" else signs

    def _on_request(self, event: Event, _: bytes) -> Row:
        if event["role"] in ("setup", "cleanup"):
            return self._row(event, "calls", event["role"], target=API)
        signs = (event["role"],) if event["role"] in ("control", "fence") else ()
        text = f"{event['method']} {self._path(event['url'])}"
        return self._row(event, "request", text, target=API, signs=signs)

    def _on_reply(self, event: Event, _: bytes) -> Row | None:
        if event["role"] in ("setup", "cleanup"):
            return None
        text = event["error"]["message"] if event.get("error") else f"HTTP {event['status']}"
        return self._row(event, "reply", text, source=API, signs=("lost",) if event.get("error") else ())

    def _path(self, url: str) -> str:
        """The path of a URL with phones for their devices and without other long ids."""
        parts = urlsplit(url)
        path = _LONG_ID.sub(lambda match: self._names.get(match[0], "…"), parts.path)
        return path + (f"?{parts.query}" if parts.query else "")

    def _on_step(self, event: Event, _: bytes) -> Row | None:
        if event["phase"] != "start":
            return None
        return self._row(event, "step", f"{event['step']}  {event['text']}")

    def _on_claim(self, event: Event, _: bytes) -> Row | None:
        if event["step"] in self._steps:
            return None
        return self._row(event, "claim", f"{event['step']}  {event['text']}")

    def _on_expired(self, event: Event, _: bytes) -> Row:
        claim = self._claims[event["claim"]]
        return self._row(event, "mark", f"time is up for {claim['step']}  {claim['text']}", signs=("lost",))

    def _on_fence(self, event: Event, _: bytes) -> Row | None:
        if event["state"] != "missed":
            return None
        return self._row(event, "mark", f"{event['phone']}: the {event['kind']} did not come", signs=("lost",))

    _on_control = _on_fence

    def _on_edge(self, event: Event, _: bytes) -> Row:
        why = f"{event['status']} {event['reason']}" if event["status"] else event["reason"] or "no answer"
        return self._row(event, "mark", f"{event['phone']}: on to {event['edge']}, for {event['former']}: {why}")

    def _on_end(self, event: Event, _: bytes) -> Row:
        error = event["error"]
        return self._row(event, "mark", f"ends: {error['message']}" if error else "ends")


def _changes(points: Any) -> Iterator[tuple[float, str]]:
    before = ""
    for t, state in points:
        if state != before:
            yield t, state
        before = state


def _title(event: Event, data: bytes) -> str:
    """What a message is: method and event package, or status and what it answers."""
    try:
        message = Message.parse(data)
    except SipSyntaxError:
        return str(event["first"])
    if not message.is_request:
        return f"{message.status} {message.reason} ({message.method})"
    package = _EVENT.match(message.get("event") or "")
    return f"{message.method} {package[0]}" if package and message.method in ("NOTIFY", "SUBSCRIBE") else message.method


def _fate(event: Event) -> str:
    """What the network of the phone did to a message on purpose, in words."""
    match event.get("fault"):
        case "lost":
            return ": lost"
        case "held":
            return ": held"
        case "late":
            return f": held {event['after']:.1f} s"
        case "copy":
            return ": doubled"
        case _:
            return ""


def _joined(row: Row, later: Row) -> Row:
    signs = (*row.signs, *(sign for sign in later.signs if sign not in row.signs))
    return replace(row, signs=signs, numbers=(*row.numbers, later.n), until=later.t)


def _told(row: Row) -> Row:
    count = len(row.numbers)
    if row.kind == "media":
        return replace(row, text=f"RTP × {count}" + (f", {row.until - row.t:.2f} s" if count > 1 else ""))
    if row.kind == "calls":
        return replace(row, text=f"{row.text}: {count} API call{'s' if count > 1 else ''}")
    return row


# --- as text ---------------------------------------------------------------------------------------------------------

NARROWEST = 40
_MARGIN = 13
"""Columns of text before the first lifeline: signs and time."""


def as_text(ladder: Ladder, width: int = 100) -> str:
    """The ladder in characters, at most `width` columns wide (40 at least, more where the columns need it).

    A sign before the time is explained below.
    """
    picture = _Picture(ladder.columns, max(width, NARROWEST, _MARGIN + 6 * len(ladder.columns)))
    lines = [picture.head()]
    for row in ladder.rows:
        lines += picture.row(row)
    used = dict.fromkeys(sign for row in ladder.rows for sign in row.signs)
    meanings: dict[str, list[str]] = {}
    for sign in SIGNS:
        if sign in used:
            meanings.setdefault(SIGNS[sign][0], []).append(SIGNS[sign][1])
    legend = [f"{sign}  {' / '.join(words)}" for sign, words in meanings.items()]
    return "\n".join([*lines, *([""] if legend else []), *legend])


class _Picture:
    """Lines of one width with a lifeline for each column."""

    def __init__(self, columns: tuple[str, ...], width: int) -> None:
        self._width = width
        self._step = (width - _MARGIN) // len(columns)
        self._at = {name: _MARGIN + self._step * number for number, name in enumerate(columns)}

    def head(self) -> str:
        """The names of the columns."""
        names = "".join(set_cell_size(_fitting(clean(name), self._step - 1), self._step) for name in self._at)
        return f"{'seconds':>{_MARGIN - 2}}  {names}".rstrip()

    def row(self, row: Row) -> list[str]:
        """The lines of one row: the arrow with its text, and what the phone is from then on."""
        signs = "".join(dict.fromkeys(SIGNS[sign][0] for sign in row.signs))
        before = f"{_fitting(signs, 2):<2}{row.t:{_MARGIN - 4}.3f}  "
        if row.kind in ("step", "claim", "mark"):
            rule = {"step": "── ", "claim": "·· ", "mark": "   "}[row.kind]
            text = _fitting(f"{rule}{row.text} ", self._width - _MARGIN)
            fill = rule[0] * (self._width - _MARGIN - cell_len(text))
            return [(before + text + fill).rstrip()]
        if not row.source or not row.target:
            return [before + self._at_api(row)]
        left, right = sorted((self._at[row.source], self._at[row.target]))
        room = right - left - 1
        fits = cell_len(row.text) + 3 <= room
        if left == right:
            return [before + self._lines(f"○ {row.text}", left), *self._noted(row)]
        label = row.text if fits else ""
        shaft = f"─{label}".ljust(room - 1 - (cell_len(label) - len(label)), "┄" if row.kind == "media" else "─")
        arrow = f"{shaft}▶" if row.target != row.source and self._at[row.target] == right else f"◀{shaft}"
        lines = [before + self._lines(arrow, left + 1)]
        if not fits:
            lines.insert(0, " " * _MARGIN + self._lines(row.text, left + 2))
        return [*lines, *self._noted(row)]

    def _at_api(self, row: Row) -> str:
        """A call of the API, which comes from outside the ladder: its text ends at the API's lifeline."""
        text = f"{row.text} ◀─" if row.source else f"{row.text} ─▶"
        text = _fitting(text, self._width - _MARGIN - self._step)
        return self._lines(text, max(_MARGIN, self._at[API] - cell_len(text)))

    def _noted(self, row: Row) -> list[str]:
        if not row.notes or row.phone not in self._at:
            return []
        text = ", ".join(f"lamp {note.state}" if note.kind == "lamp" else note.state for note in row.notes)
        return [" " * _MARGIN + self._lines(f"({text})", self._at[row.phone] + 1)]

    def _lines(self, text: str, at: int) -> str:
        """The lifelines with `text` over them from column `at` on, without the margin."""
        text = _fitting(text, self._width - at)
        places = dict.fromkeys(self._at.values(), "│")
        line = "".join(places.get(column, " ") for column in range(_MARGIN, at)) + text
        return (line + "".join(places.get(c, " ") for c in range(at + cell_len(text), self._width))).rstrip()


def _fitting(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else set_cell_size(text, max(cells - 1, 0)).rstrip() + "…"
