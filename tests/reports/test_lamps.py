"""The strip of a lamp under the truth: from events, as a picture, and at its edges."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from phones.sip.lamp import LampState
from reports.lamps import MOST_NOTES, SEVERAL, SIGNS, Track, strip, tracks_of
from reports.record import Event

DESK = "sip:1001@a.example.com"
TRUTH = Track("calls of 1001", [(0, "off"), (1, "ringing"), (2, "busy"), (4, "off")])
LAMP = Track("lamp on w", [(0, "unknown"), (0.5, "off"), (1.1, "ringing"), (2, "busy"), (5, "off")])


def bars(tracks: list[Track], start: float, end: float, width: int = 40) -> list[str]:
    """The rows of `tracks`, titles of one letter left out."""
    lines = strip(tracks, start, end, width).split("\n")
    return [line[8:] for line in lines if line[:1] in {track.title for track in tracks}]


# --- the picture -----------------------------------------------------------------------------------------------------


def test_a_picture() -> None:
    lamp = Track(LAMP.title, LAMP.points, [(4.5, "version 4 after 5")])
    assert strip([TRUTH, lamp], 0, 6, 74).split("\n") == [
        "calls of 1001 ──────────▒▒▒▒▒▒▒▒▒▒████████████████████────────────────────",
        "lamp on w     ?????──────▒▒▒▒▒▒▒▒▒██████████████████████████████──────────",
        "                        ^                             ^^^^^^^^^^",
        "seconds       |         |         |         |         |         |",
        "              0         1         2         3         4         5",
        "",
        "─ off  ▒ ringing  █ busy  ? unknown  ^ differs",
        "lamp on w: differs for 1.100 s in all, longest 1.000 s from 4.000 s",
        "4.500 s, lamp on w: version 4 after 5",
    ]


def test_a_lamp_that_is_right_is_not_marked() -> None:
    assert strip([TRUTH, Track("lamp on w", TRUTH.points)], 0, 6, 74).count("\n") == 5


def test_a_lamp_that_stays_wrong() -> None:
    text = strip([TRUTH, LAMP], 4.2, 4.8, 100)
    assert "lamp on w: differs for 0.600 s in all, longest 0.600 s from 4.200 s, and at the end" in text


@pytest.mark.parametrize(("late", "mark"), [(0.02, "'"), (0.048, "'"), (0.052, "^"), (0.1, "^"), (0.12, "^'")])
def test_less_than_half_a_column_is_marked_less(late: float, mark: str) -> None:
    lamp = Track("lamp on w", [(0, "off"), (1 + late, "ringing"), (2, "busy"), (4, "off")])
    lines = strip([TRUTH, lamp], 0, 6, 74)
    assert lines.split("\n")[2] == " " * 24 + mark
    assert ("' differs briefly" in lines, "^ differs" in lines) == ("'" in mark, "^" in mark)


def test_each_lamp_is_held_against_the_truth() -> None:
    lines = strip([TRUTH, LAMP, Track("lamp on v", [(0, "off")])], 0, 6, 74).split("\n")
    assert lines[4] == " " * 24 + "^" * 30


@pytest.mark.parametrize(
    ("start", "labels"), [(0, "0 20 40 60 80"), (3, "20 40 60 80"), (86_390, "86400 86420 86440 86460 86480")]
)
def test_the_axis_has_round_times(start: float, labels: str) -> None:
    ticks, labelled = strip([Track("t", [(0, "off")])], start, start + 100, 60).split("\n")[1:3]
    assert labelled.split() == labels.split()
    positions = [i for i, c in enumerate(ticks) if c == "|"]
    assert [labelled[i] for i in positions] == [label[0] for label in labels.split()]


# --- edges -----------------------------------------------------------------------------------------------------------


def test_nothing() -> None:
    assert strip([], 0, 1) == ""
    assert strip([Track("t", [])], float("nan"), 1) == ""
    assert bars([Track("t", [])], 0, 1) == [""]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (5, 4), (0, 5)])
def test_one_point(start: float, end: float) -> None:
    [bar] = bars([Track("t", [(5, "busy")])], start, end)
    assert bar.endswith("█")
    assert set(bar) <= {" ", "█"}


def test_what_held_before_the_start_still_holds_and_what_comes_after_the_end_does_not() -> None:
    assert bars([Track("t", [(1, "off"), (2, "busy"), (9, "ringing")])], 4, 8) == ["█" * 32]


@pytest.mark.parametrize("length", [0, 1e-6, 0.01])
@pytest.mark.parametrize(
    ("at", "sign"), [(0, SEVERAL), (1e-9, SEVERAL), (3.0, "▒"), (3.02, "▒"), (6.26, "▒"), (9.8, SEVERAL)]
)
def test_a_short_state_does_not_vanish(at: float, sign: str, length: float) -> None:
    # at the very ends there is no neighbour that could make room
    [bar] = bars([Track("t", [(0, "off"), (at, "ringing"), (at + length, "busy")])], 0, 10)
    assert (bar.count(sign), len(bar)) == (1, 32)


def test_a_state_that_begins_at_the_end_is_seen() -> None:
    assert bars([Track("t", [(0, "off"), (10, "ringing")])], 0, 10) == ["─" * 31 + "▒"]


def test_several_short_states_in_one_column_are_said_to_be_several() -> None:
    points = [(0, "off"), (5, "ringing"), (5.001, "busy"), (5.002, "off"), (5.003, "busy"), (5.004, "off")]
    [bar] = bars([Track("t", points)], 0, 10)
    assert (set(bar), bar.count(SEVERAL)) == ({"─", SEVERAL}, 1)
    assert "* several states" in strip([Track("t", points)], 0, 10)


def test_equal_neighbours_are_one_and_order_does_not_matter() -> None:
    points = [(5.0, "busy"), (0.0, "off"), (5.001, "busy"), (2.0, "off")]
    assert bars([Track("t", points)], 0, 10) == ["─" * 16 + "█" * 16]


def test_damaged_times_are_left_out() -> None:
    points: list[tuple[Any, str]] = [(0, "off"), (float("nan"), "busy"), (float("inf"), "busy"), (10**400, "busy")]
    assert bars([Track("t", points)], 0, 10) == ["─" * 32]


def test_words_of_others_cannot_reach_the_terminal() -> None:
    evil = "\x1b[2J\u202e\udcff\n"
    text = strip([Track(evil, [(0, evil)], [(0.5, evil * 50)])], 0, 1)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "\\x1b[2J\\x202e" in text


def test_only_so_many_notes() -> None:
    track = Track("t", [(0, "off")], [(n / 10, f"law {n}") for n in range(MOST_NOTES + 30)])
    lines = strip([track], 0, 1, 80).split("\n")
    assert lines[-2:] == [f"{(MOST_NOTES - 1) / 10:.3f} s, t: law {MOST_NOTES - 1}", "and 3 more"]


TIMES = st.floats(-5, 15) | st.sampled_from([0.0, 10.0, 5.0, 5.0 + 1e-12])


@given(
    tracks=st.lists(
        st.builds(
            Track,
            st.text(max_size=40),
            st.lists(st.tuples(TIMES, st.sampled_from([*LampState, "", "odd"])), max_size=40),
            st.lists(st.tuples(TIMES, st.text(max_size=200)), max_size=3),
        ),
        min_size=1,
        max_size=3,
    ),
    ends=st.tuples(TIMES, TIMES) | st.tuples(st.floats(), st.floats()),
    width=st.integers(-1, 130),
)
def test_any_picture_fits(tracks: list[Track], ends: tuple[float, float], width: int) -> None:
    text = strip(tracks, *ends, width)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert all(cell_len(line) <= max(width, 40) for line in text.split("\n"))


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from(LampState)), min_size=1, max_size=12))
def test_every_state_is_seen_or_said_to_be_among_several(points: list[tuple[float, LampState]]) -> None:
    [bar] = bars([Track("t", [(t, str(state)) for t, state in points])], 0, 10)
    held = [next(same) for _, same in itertools.groupby(sorted(points, key=lambda p: p[0]), key=lambda p: p[1])]
    assert SEVERAL in bar or {SIGNS[state] for _, state in held} <= set(bar)
    assert SEVERAL in bar or [sign for sign, _ in itertools.groupby(bar) if sign != " "] == [SIGNS[s] for _, s in held]


# --- from events -----------------------------------------------------------------------------------------------------


def dialogs(version: int, *states: str) -> bytes:
    inner = "".join(f'<dialog id="d{n}"><state>{state}</state></dialog>' for n, state in enumerate(states))
    start = '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" state="full" entity="e"'
    return f'{start} version="{version}">{inner}</dialog-info>'.encode()


class Events:
    """Events of one case as a Record iterates them."""

    def __init__(self) -> None:
        self.all: list[tuple[Event, bytes]] = []

    def add(self, kind: str, t: float, data: bytes = b"", case: str = "c", **fields: Any) -> None:
        self.all.append(({"n": len(self.all), "t": t, "kind": kind, "case": case, **fields}, data))

    def phone(self, t: float, phone: str, presentity: str | None = DESK) -> None:
        self.add("phone", t, phone=phone, presentity=presentity)

    def call(self, t: float, phone: str, state: str, call_id: str = "k1", **fields: Any) -> None:
        self.add("call", t, phone=phone, call_id=call_id, direction="in", state=state, **fields)

    def subscription(self, t: float, state: str, call_id: str = "s1", **fields: Any) -> None:
        said = {"phone": "w", "call_id": call_id, "presentity": DESK, "event": "dialog", "state": state}
        self.add("subscription", t, **{**said, **fields})

    def notify(
        self, t: float, cseq: int, body: bytes, call_id: str = "s1", state: str = "active", **fields: Any
    ) -> None:
        lines = ["NOTIFY sip:w@192.0.2.10 SIP/2.0", f"Call-ID: {call_id}", f"CSeq: {cseq} NOTIFY", "Event: dialog"]
        lines += [f"Subscription-State: {state}", "Content-Type: application/dialog-info+xml", "", ""]
        said = {"phone": "w", "direction": "in", "seen": "new"}
        self.add("message", t, "\r\n".join(lines).encode() + body, **{**said, **fields})

    def truth(self) -> list[tuple[float, str]]:
        return changes(tracks_of(self.all, DESK, "w")[0].points)

    def lamp(self, **options: Any) -> list[tuple[float, str]]:
        return changes(tracks_of(self.all, DESK, "w", **options)[1].points)


def changes(points: Any) -> list[tuple[float, str]]:
    return [next(same) for _, same in itertools.groupby(points, key=lambda point: point[1])]


def test_no_events() -> None:
    assert tracks_of([], DESK, "w") == (Track("calls of 1001", []), Track("lamp on w", [], []))


def test_a_call_and_its_lamp() -> None:
    events = Events()
    events.phone(0.0, "desk")
    events.phone(0.0, "w", None)
    events.notify(0.2, 1, dialogs(1, "terminated"))  # before the answer to SUBSCRIBE is recorded
    events.subscription(0.3, "active")
    for t, state, seen in [(1.0, "ringing", "early"), (2.0, "talking", "confirmed"), (3.0, "ended", "terminated")]:
        events.call(t, "desk", state)
        events.notify(t + 0.1, int(t) + 1, dialogs(int(t) + 1, seen))
    events.subscription(4.0, "terminated")
    assert events.truth() == [(0.0, "off"), (1.0, "ringing"), (2.0, "busy"), (3.0, "off")]
    assert events.lamp() == [
        (0.0, "unknown"),
        (0.2, "off"),
        (1.1, "ringing"),
        (2.1, "busy"),
        (3.1, "off"),
        (4.0, "unknown"),
    ]
    truth, lamp = tracks_of(events.all, DESK, "w")
    assert (truth.title, lamp.title, lamp.notes) == ("calls of 1001", "lamp on w", [])


def test_the_strongest_call_of_all_phones_of_the_presentity_counts() -> None:
    events = Events()
    events.phone(0.0, "a")
    events.phone(0.0, "b", "SIP:1001@A.example.com")
    events.phone(0.0, "c", "sip:1002@a.example.com")
    events.call(1.0, "a", "calling", "k1")
    events.call(2.0, "b", "talking", "k2")
    events.call(3.0, "a", "ended", "k1")
    events.call(4.0, "c", "talking", "k2")  # the same Call-ID at another phone
    events.call(5.0, "b", "ended", "k2")
    assert events.truth() == [(0.0, "off"), (1.0, "ringing"), (2.0, "busy"), (5.0, "off")]


def test_a_call_shows_where_it_began() -> None:
    events = Events()
    events.phone(0.0, "a")
    events.call(1.0, "a", "ringing", "k1")
    events.phone(2.0, "a", "sip:1002@a.example.com")
    events.call(3.0, "a", "talking", "k1")
    events.call(4.0, "a", "ended", "k1")
    events.call(5.0, "a", "talking", "k2")
    assert events.truth() == [(0.0, "off"), (1.0, "ringing"), (3.0, "busy"), (4.0, "off")]


@pytest.mark.parametrize(
    "fields",
    [
        {"seen": "missed"},
        {"seen": "retransmission"},
        {"seen": "malformed"},
        {"seen": "lost", "fault": "lost"},
        {"seen": "held", "fault": "held"},
        {"phone": "v"},
        {"direction": "out"},
        {"case": "d"},
        {"call_id": "s2"},
    ],
)
def test_what_is_not_folded(fields: dict[str, str]) -> None:
    events = Events()
    events.subscription(0.0, "active")
    events.notify(0.1, 1, dialogs(1))
    events.notify(1.0, 2, dialogs(2, "early"), **fields)
    assert events.lamp(case="c") == [(0.0, "unknown"), (0.1, "off")]


@pytest.mark.parametrize(
    "fields", [{"phone": "v"}, {"presentity": "sip:1002@a.example.com"}, {"event": "presence"}, {"case": "d"}]
)
def test_subscriptions_to_something_else_are_not_followed(fields: dict[str, str]) -> None:
    events = Events()
    events.phone(0.0, "w")
    events.subscription(0.0, "active", **fields)
    events.notify(0.1, 1, dialogs(1, "early"))
    assert events.lamp(case="c") == [(0.0, "unknown")]


@pytest.mark.parametrize("state", ["refused", "expired", "unanswered", "terminated"])
def test_a_subscription_ends_and_a_new_one_has_its_own_lamp(state: str) -> None:
    events = Events()
    events.subscription(0.0, "active")
    events.notify(0.1, 7, dialogs(9, "early"))
    events.subscription(1.0, state)
    events.subscription(2.0, "active", "s2")
    events.notify(2.1, 1, dialogs(1, "confirmed"), "s2")
    events.notify(3.0, 8, dialogs(10), "s1")  # of the old one
    track = tracks_of(events.all, DESK, "w")[1]
    assert changes(track.points) == [(0.0, "unknown"), (0.1, "ringing"), (1.0, "unknown"), (2.1, "busy")]
    assert track.notes == [(3.0, "a NOTIFY 'active' after the subscription was over")]


def test_broken_laws_are_noted() -> None:
    events = Events()
    events.subscription(0.0, "active")
    events.notify(0.1, 1, dialogs(2, "early"))
    events.notify(0.2, 2, dialogs(1))
    events.add("message", 0.3, b"no SIP", phone="w", direction="in", seen="new")
    track = tracks_of(events.all, DESK, "w")[1]
    assert track.notes == [(0.2, "version 1 after 2")]
    assert "0.200 s, lamp on w: version 1 after 2" in strip([track], 0, 1)


@pytest.mark.parametrize("kept", [True, False])
def test_what_our_own_network_brought_out_of_order_is_no_broken_law(kept: bool) -> None:
    events = Events()
    events.subscription(0.0, "active")
    events.notify(0.1, 1, dialogs(1))
    if kept:
        events.notify(0.2, 2, dialogs(2, "early"), seen="lost", fault="lost")
        events.notify(0.3, 3, dialogs(3, "confirmed"), seen="held", fault="held")
    events.notify(0.4, 4, dialogs(4))
    events.notify(0.5, 2, dialogs(2, "early"))
    events.notify(0.6, 3, dialogs(3, "confirmed"), **({"fault": "late"} if kept else {}))
    track = tracks_of(events.all, DESK, "w")[1]
    assert changes(track.points) == [(0.0, "unknown"), (0.1, "off")]
    assert track.notes == ([] if kept else [(0.5, "CSeq 2 after 4"), (0.6, "CSeq 3 after 4")])


def test_damaged_events_do_no_harm() -> None:
    events = Events()
    for kind in ("phone", "call", "subscription", "message"):
        events.add(kind, 0.0)
        events.add(kind, float("nan"), phone="w", direction="in", seen="new")
        events.add(kind, 1.0, phone=["w"], call_id={}, state=[], presentity=3, event=None)
    assert [track.title for track in tracks_of(events.all, DESK, "w")] == ["calls of 1001", "lamp on w"]
