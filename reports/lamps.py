"""Lamps over time in text: what one watcher saw, under what was true.

    calls of desk     ────────▒▒▒▒▒▒▒▒▒▒▒▒▒█████████████████████──────────────────
    lamp on reception ??───────▒▒▒▒▒▒▒▒▒▒▒▒████████████████████████████───────────
                              ^'           '                    ^^^^^^^'
    seconds           |         |         |         |         |         |
                      0         1         2         3         4         5

A column stands for a stretch of time. A state too short for a column of its own gets one all the same, taken from a
neighbour that has more; where no neighbour has, the column says that there are several.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from rich.cells import cell_len, set_cell_size

from phones.sip.index import Message, SipSyntaxError
from phones.sip.lamp import Lamp, LampState
from reports.record import Event
from reports.words import clean

SIGNS: dict[str, str] = {
    LampState.OFF: "─",
    LampState.RINGING: "▒",
    LampState.BUSY: "█",
    LampState.UNKNOWN: "?",
}
SEVERAL, DIFFERS, DIFFERS_BRIEFLY = "*", "^", "'"

NARROWEST = 40
MOST_NOTES = 8
_TIED = "\xa0"  # a space at which no line breaks
_MOST_SECONDS = 1e12  # times beyond are damage, and floats would no longer tell columns apart


@dataclass(frozen=True, slots=True)
class Track:
    """One row: its title, `(seconds, state)` from when on each state holds, and `(seconds, words)` to be said below."""

    title: str
    points: Sequence[tuple[float, str]]
    notes: Sequence[tuple[float, str]] = ()

    def since(self, start: float) -> Track:
        """The same track, its seconds counted from `start`."""
        points = [(t - start, state) for t, state in self.points]
        return Track(self.title, points, [(t - start, words) for t, words in self.notes])


@dataclass(frozen=True, slots=True)
class Piece:
    """One state from `start` to `end`, both in seconds; `state` is empty where nothing is known to hold."""

    state: str
    start: float
    end: float


# --- from a Record ---------------------------------------------------------------------------------------------------


def tracks_of(
    events: Iterable[tuple[Event, bytes]],
    presentity: str,
    watcher: str,
    *,
    package: str = "dialog",
    case: str | None = None,
    truth_of: Sequence[str] | None = None,
) -> tuple[Track, Track]:
    """The truth of `presentity` (a SIP URI) and its lamp on the phone `watcher`, from the events of a Record.

    The truth is the strongest state of all calls of phones whose calls show there: talking is busy, calling and ringing
    are ringing. A call shows where its phone's calls showed when it began; `truth_of` names the phones instead, for a
    presentity that none of them is. The lamp is that of the watcher's newest subscription to `package`; notes are the
    laws that its NOTIFYs break. Only `case` is looked at, without it all.
    """
    kept = [(event, data) for event, data in events if _counts(event, watcher, case)]
    truth, lamp = _Truth(presentity, truth_of), _Watch(presentity, watcher, package, [event for event, _ in kept])
    for event, data in kept:
        truth.take(event)
        lamp.take(event, data)
    begin = [(kept[0][0]["t"], "")] if kept else []
    points = [(t, state or str(LampState.OFF)) for t, state in (*begin, *truth.points)]
    seen = [(t, state or str(LampState.UNKNOWN)) for t, state in (*begin, *lamp.points)]
    return Track(f"calls of {_user(presentity)}", points), Track(f"lamp on {watcher}", seen, lamp.notes)


def _counts(event: Event, watcher: str, case: str | None) -> bool:
    if not _is_time(event.get("t")) or (case is not None and event.get("case") != case):
        return False
    if event["kind"] == "message":
        mine = (event.get("phone"), event.get("direction")) == (watcher, "in")
        return mine and event.get("seen") in ("new", "lost", "held")
    return event["kind"] in ("phone", "call", "subscription")


class _Truth:
    """The strongest state of all calls that show at one presentity."""

    def __init__(self, presentity: str, phones: Sequence[str] | None) -> None:
        self.points: list[tuple[float, str]] = []
        self._presentity = presentity.lower()
        self._phones = phones
        self._shows: dict[str, str] = {}  # phone to the presentity of its next call
        self._calls: dict[tuple[str, str], tuple[str, str]] = {}  # phone and Call-ID to presentity and state

    def take(self, event: Event) -> None:
        phone = str(event.get("phone"))
        if event["kind"] == "phone":
            self._shows[phone] = str(event.get("presentity", "")).lower()
        elif event["kind"] == "call":
            key = (phone, str(event.get("call_id")))
            shows = self._calls[key][0] if key in self._calls else self._shown_by(phone)
            self._calls[key] = (shows, str(event.get("state")))
            if event.get("state") == "ended":
                del self._calls[key]
            states = {state for shows, state in self._calls.values() if shows == self._presentity}
            self.points.append((event["t"], str(_strongest(states))))

    def _shown_by(self, phone: str) -> str:
        """Where the next call of `phone` shows."""
        if self._phones is not None:
            return self._presentity if phone in self._phones else ""
        return self._shows.get(phone, "")


def _strongest(states: set[str]) -> LampState:
    if "talking" in states:
        return LampState.BUSY
    return LampState.RINGING if states & {"calling", "ringing"} else LampState.OFF


class _Watch:
    """The lamp of one watcher: one `Lamp` for each Call-ID that it subscribed with, of which the newest is shown."""

    def __init__(self, presentity: str, watcher: str, package: str, events: Iterable[Event]) -> None:
        self.points: list[tuple[float, str]] = []
        self.notes: list[tuple[float, str]] = []
        # the first NOTIFY may come before the answer to SUBSCRIBE, so it is looked up who will have subscribed
        self._lamps = {
            str(event.get("call_id")): Lamp(package)
            for event in events
            if (event["kind"], event.get("phone"), event.get("event")) == ("subscription", watcher, package)
            and str(event.get("presentity", "")).lower() == presentity.lower()
        }
        self._begun: list[str] = []
        self._kept: set[tuple[str, int]] = set()

    def take(self, event: Event, data: bytes) -> None:
        if event["kind"] == "message":
            try:
                message = Message.parse(data)
            except SipSyntaxError:
                return
            if message.is_request and message.method == "NOTIFY" and message.call_id in self._lamps:
                if event["seen"] != "new":
                    # what our own network kept may come behind what is newer
                    self._kept.add((message.call_id, message.cseq))
                    return
                displaced = "fault" in event or (message.call_id, message.cseq) in self._kept
                seen = self._lamps[message.call_id].notify(message, excused=displaced)
                if seen.broken:
                    self.notes.append((event["t"], seen.broken))
                self._show(event["t"], message.call_id)
        elif event["kind"] == "subscription" and (call_id := str(event.get("call_id"))) in self._lamps:
            if event.get("state") != "active":
                self._lamps[call_id].ended()
            self._show(event["t"], call_id)

    def _show(self, t: float, call_id: str) -> None:
        if call_id not in self._begun:
            self._begun.append(call_id)
        self.points.append((t, str(self._lamps[self._begun[-1]].state)))


def _user(presentity: str) -> str:
    return presentity.removeprefix("sip:").partition("@")[0]


# --- the picture -----------------------------------------------------------------------------------------------------


def strip(tracks: Sequence[Track], start: float, end: float, width: int = 80) -> str:
    """Rows of equal length for `tracks` from `start` to `end` (seconds), at most `width` columns wide.

    The first track is the truth. Under each other one is marked where the two differ: for at least half of what the
    column stands for, or for less. A lamp that says `unknown` does not differ; it says so. Nothing unprintable from
    titles or notes gets out.
    """
    if not tracks or not (_is_time(start) and _is_time(end)):
        return ""
    width = max(width, NARROWEST)
    titles = [_cut(clean(track.title), width // 3) for track in tracks]
    margin = max(cell_len(title) for title in (*titles, "seconds")) + 1
    scale = _Scale(start, max(end, start + 0.001), width - margin)
    pieces = [pieces_of(track.points, start, scale.end) for track in tracks]
    rows: list[tuple[str, str]] = []
    words: list[str] = []
    for number, title in enumerate(titles):
        rows.append((title, _bar(pieces[number], scale)))
        if number:
            wrong = differences(pieces[0], pieces[number])
            rows += [("", _marks(wrong, scale))] if wrong else []
            words += [f"{title}: {_sum(wrong, scale)}"] if wrong else []
    ticks, labels = _axis(scale)
    signs = set("".join(bar for _, bar in rows))
    rows += [("seconds", ticks), ("", labels)]
    lines = [(set_cell_size(title, margin) + bar).rstrip() for title, bar in rows]
    words = [_legend(signs), *words, *_notes(tracks, scale)]
    below = [
        _cut(line, width).replace(_TIED, " ") for text in words for line in wrap(text, width, subsequent_indent="  ")
    ]
    return "\n".join([*lines, *([""] if below else []), *below])


@dataclass(frozen=True, slots=True)
class _Scale:
    """How times (seconds) fall on `columns`."""

    start: float
    end: float
    columns: int

    def place(self, t: float) -> float:
        return (t - self.start) / (self.end - self.start) * self.columns

    def reach(self, start: float, end: float) -> range:
        """The columns that a stretch of time touches, at least one."""
        first = min(self.columns - 1, int(self.place(start)))
        return range(first, max(first + 1, min(self.columns, math.ceil(self.place(end)))))


def pieces_of(points: Sequence[tuple[float, str]], start: float, end: float) -> list[Piece]:
    """The states between `start` and `end`, neighbours of one state joined; what holds there without end is cut."""
    ordered = sorted((point for point in points if _is_time(point[0])), key=lambda point: point[0])
    changes = [(-math.inf, ""), *(next(same) for _, same in itertools.groupby(ordered, key=lambda point: point[1]))]
    ends = [t for t, _ in changes[1:]] + [math.inf]
    return [
        Piece(state, max(since, start), min(until, end))
        for (since, state), until in zip(changes, ends, strict=True)
        if since <= end and (until > start or since == until == start)
    ]


def _bar(pieces: Sequence[Piece], scale: _Scale) -> str:
    """A sign for each column: the last state in it, unless another state would not be seen anywhere."""
    reaches = [scale.reach(piece.start, piece.end) for piece in pieces]
    owners = [0] * scale.columns
    for number, reach in enumerate(reaches):
        for column in reach:
            owners[column] = number
    shown = Counter(owners)
    crowded = set()
    for number, reach in enumerate(reaches):
        if shown[number]:
            continue
        spare = next((column for column in reach if shown[owners[column]] > 1), None)
        if spare is None:
            crowded.add(reach[0])
        else:
            shown[owners[spare]] -= 1
            owners[spare] = number
            shown[number] = 1
    signs = [SEVERAL if column in crowded else _sign(pieces[owner].state) for column, owner in enumerate(owners)]
    return "".join(signs)


def _sign(state: str) -> str:
    return SIGNS.get(state, SIGNS[LampState.UNKNOWN]) if state else " "


def differences(truth: Sequence[Piece], lamp: Sequence[Piece]) -> list[tuple[float, float]]:
    """The stretches in which both say something and not the same; neighbouring ones joined."""
    quiet = ("", LampState.UNKNOWN)
    edges = sorted({edge for piece in (*truth, *lamp) for edge in (piece.start, piece.end)})
    found: list[tuple[float, float]] = []
    for start, end in itertools.pairwise(edges):
        states = [track[bisect_right(track, start, key=lambda piece: piece.start) - 1].state for track in (truth, lamp)]
        if states[0] == states[1] or any(state in quiet for state in states):
            continue
        joins = bool(found) and found[-1][1] == start
        found[-1:] = [(found[-1][0], end)] if joins else [*found[-1:], (start, end)]
    return found


def _marks(stretches: Sequence[tuple[float, float]], scale: _Scale) -> str:
    covered = [0.0] * scale.columns
    for start, end in stretches:
        low, high = scale.place(start), scale.place(end)
        for column in scale.reach(start, end):
            covered[column] += max(0.0, min(high, column + 1) - max(low, column))
    return "".join(DIFFERS if part >= 0.5 else DIFFERS_BRIEFLY if part > 0 else " " for part in covered)


def _sum(stretches: Sequence[tuple[float, float]], scale: _Scale) -> str:
    start, end = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    total = sum(end - start for start, end in stretches)
    still = ", and at the end" if stretches[-1][1] >= scale.end else ""
    return f"differs for {_seconds(total)} in all, longest {_seconds(end - start)} from {_seconds(start)}{still}"


def _legend(signs: set[str]) -> str:
    meanings = [(sign, state) for state, sign in SIGNS.items()]
    meanings += [(SEVERAL, "several states"), (DIFFERS, "differs"), (DIFFERS_BRIEFLY, "differs briefly")]
    return "  ".join(f"{sign}{_TIED}{meaning.replace(' ', _TIED)}" for sign, meaning in meanings if sign in signs)


def _seconds(t: float) -> str:
    return f"{t:.3f}{_TIED}s"


def _axis(scale: _Scale) -> tuple[str, str]:
    """Ticks at round times, and their labels, so far apart that none touches the next."""
    step, decimals = next(
        (step, decimals)
        for step, decimals in round_steps(scale.end - scale.start)
        if step / (scale.end - scale.start) * scale.columns >= len(f"{scale.end:.{decimals}f}") + 3
    )
    ticks, labels = "", ""
    first = math.ceil(scale.start / step)
    for number in range(first, first + scale.columns):
        column = round(scale.place(number * step))
        label = f"{number * step:.{decimals}f}"
        if column + len(label) > scale.columns:
            break
        ticks = f"{ticks:{column}}|"
        labels = f"{labels:{column}}{label}"
    return ticks, labels


def round_steps(span: float) -> Iterator[tuple[float, int]]:
    """Round steps from about a hundredth of `span` on, each with the decimals that it needs."""
    for power in itertools.count(math.floor(math.log10(span)) - 2):
        for digit in (1, 2, 5):
            yield digit * 10.0**power, max(0, -power)


def _notes(tracks: Sequence[Track], scale: _Scale) -> Iterator[str]:
    notes = sorted((t, track.title, words) for track in tracks for t, words in track.notes if _is_time(t))
    notes = [note for note in notes if scale.start <= note[0] <= scale.end]
    for t, title, words in notes[:MOST_NOTES]:
        yield f"{_seconds(t)}, {clean(title)}: {clean(words)}"
    if len(notes) > MOST_NOTES:
        yield f"and {len(notes) - MOST_NOTES} more"


def _is_time(t: Any) -> bool:
    return isinstance(t, int | float) and abs(t) < _MOST_SECONDS


def _cut(text: str, cells: int) -> str:
    return text if cell_len(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"
