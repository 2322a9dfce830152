"""The ladder: its rows from the events of a case, and the picture of it in characters."""

from __future__ import annotations

from typing import Any

import pytest
from rich.cells import cell_len

from reports.ladder import API, EDGE, Ladder, Note, Row, as_text, ladder_of
from tests.reports.stories import Story, lit_lamp


def rows(story: Story, **verdict: object) -> list[Row]:
    return list(ladder_of(story.case(**verdict)).rows)


def test_columns_are_the_phones_the_edge_and_the_api() -> None:
    assert ladder_of(lit_lamp().case()).columns == ("desk", "watcher", EDGE, API)


def test_rows_tell_what_happened_in_order() -> None:
    told = [(round(row.t, 3), row.kind, row.text, row.source, row.target) for row in rows(lit_lamp())]
    assert told == [
        (0.0, "calls", "setup: 2 API calls", "", API),
        (0.004, "step", "1  subscribe watcher to desk", "", ""),
        (0.004, "message", "NOTIFY dialog", EDGE, "watcher"),
        (0.504, "message", "INVITE", EDGE, "desk"),
        (0.504, "message", "180 Ringing (INVITE)", "desk", EDGE),
        (0.754, "message", "NOTIFY dialog", EDGE, "watcher"),
        (1.004, "message", "NOTIFY dialog", EDGE, "watcher"),
        (1.004, "message", "NOTIFY dialog", EDGE, "watcher"),
        (1.004, "message", "CANCEL", EDGE, "desk"),
        (1.504, "message", "NOTIFY dialog", EDGE, "watcher"),
        (1.504, "request", "POST /v2/accounts/…/devices/desk/presence", "", API),
        (1.506, "reply", "HTTP 200", API, ""),
        (1.506, "mark", "ends", "", ""),
    ]


def test_signs_say_what_a_message_was() -> None:
    notifies = [row for row in rows(lit_lamp()) if row.text == "NOTIFY dialog"]
    assert [row.signs for row in notifies] == [(), ("missed",), (), ("retransmission",), ()]


def test_what_decided_is_marked() -> None:
    story = lit_lamp()
    n = next(e["n"] for e, _ in story.events if e["kind"] == "message")
    assert [row.n for row in rows(story, decisive=[n]) if "decides" in row.signs] == [n]
    assert not [row for row in rows(story) if "decides" in row.signs]


def test_a_call_of_the_api_that_decided_is_marked_at_its_reply() -> None:
    story = Story()
    story.api("1", "GET", "/v2")
    assert [(row.kind, row.signs) for row in rows(story, decisive=[2])] == [("request", ()), ("reply", ("decides",))]


def test_notes_say_what_a_phone_is_from_then_on() -> None:
    notes = {row.n: row.notes for row in rows(lit_lamp()) if row.notes}
    assert list(notes.values()) == [
        (Note("lamp", "off"),),
        (Note("call", "ringing"),),
        (Note("lamp", "ringing"),),
        (Note("call", "ended"),),
        (Note("lamp", "off"),),
    ]


def test_a_call_that_has_no_message_yet_is_no_note_at_another_message() -> None:
    story = Story()
    story.phone("desk")
    other = story.message("desk", "in", story.request("OPTIONS", "another"))
    story.call("desk", "calling", other)
    assert [row.notes for row in rows(story)] == [()]


def test_control_and_fence_are_marked_where_they_arrived_and_where_they_did_not() -> None:
    story = Story()
    story.phone("desk")
    arrived: dict[str, Any] = {
        "phone": "desk",
        "contact": "",
        "state": "arrived",
        "token": "",
        "of": "",
        "latency": 0.1,
    }
    control = story.message("desk", "in", story.request("NOTIFY"))
    story.tell("control", message=control, **arrived)
    fence = story.message("desk", "in", story.request("INVITE"))
    story.tell("fence", message=fence, **arrived)
    story.tell("fence", **{**arrived, "state": "missed", "message": None})
    assert [(row.text, row.signs) for row in rows(story)] == [
        ("NOTIFY", ("control",)),
        ("INVITE", ("fence",)),
        ("desk: the fence did not come", ("lost",)),
    ]


def test_what_did_not_come_in_time_is_a_row() -> None:
    story = Story()
    claim: dict[str, Any] = {
        "claim": "3",
        "step": "3",
        "line": 1,
        "text": "expect desk receives NOTIFY",
        "clauses": [],
        "spec": {},
    }
    story.tell("claim", type="wire", **claim)
    story.now += 2
    story.tell("expired", claim="3")
    assert [(row.kind, row.text, row.signs) for row in rows(story)] == [
        ("claim", "3  expect desk receives NOTIFY", ()),
        ("mark", "time is up for 3  expect desk receives NOTIFY", ("lost",)),
    ]


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [(0, "connection refused", "connection refused"), (503, "Busy", "503 Busy"), (0, "", "no answer")],
)
def test_a_phone_that_went_on_to_another_edge_is_a_row(status: int, reason: str, said: str) -> None:
    story = Story()
    told: dict[str, Any] = {"edge": "192.0.2.2:5060", "former": "192.0.2.1:5060", "status": status, "reason": reason}
    story.tell("edge", phone="desk", **told)
    assert [(row.kind, row.text) for row in rows(story)] == [
        ("mark", f"desk: on to 192.0.2.2:5060, for 192.0.2.1:5060: {said}")
    ]


def test_media_is_one_row_for_each_stream_until_it_pauses() -> None:
    story = Story()
    for name in ("desk", "lobby"):
        story.phone(name)
    for number in range(6):
        story.now += 2 if number == 4 else 0.02
        for name, way in (("desk", "out"), ("lobby", "in")):
            story.tell("media", b"rtp", phone=name, direction=way, local=f"192.0.2.1:{name}", remote="192.0.2.9:4000")
    told = [(row.text, row.source, row.target) for row in rows(story)]
    assert told == [
        ("RTP × 4, 0.06 s", "desk", EDGE),
        ("RTP × 4, 0.06 s", EDGE, "lobby"),
        ("RTP × 2, 0.02 s", "desk", EDGE),
        ("RTP × 2, 0.02 s", EDGE, "lobby"),
    ]


def test_media_between_phones_goes_past_the_edge() -> None:
    story = Story()
    story.tell("media", b"rtp", phone="desk", direction="out", local="192.0.2.1:1", remote="192.0.2.1:2")
    story.tell("media", b"rtp", phone="lobby", direction="in", local="192.0.2.1:2", remote="192.0.2.1:1")
    assert [(row.source, row.target) for row in rows(story)] == [("desk", "lobby"), ("desk", "lobby")]


def test_a_call_of_the_api_without_reply() -> None:
    story = Story()
    story.tell("request", id="1", role="stimulus", step="1", method="GET", url="http://x/y?z=1", headers=[], body="")
    story.tell("reply", id="1", role="stimulus", step="1", status=0, error={"kind": "refused", "message": "no reply"})
    assert [(row.text, row.signs) for row in rows(story)] == [("GET /y?z=1", ()), ("no reply", ("lost",))]


def test_what_cannot_be_read_is_shown_harmless_and_short() -> None:
    story = Story()
    story.phone("desk")
    story.message("desk", "in", "\x1b[31mJUNK\u202e ".encode() + b"x" * 999, seen="malformed")
    [row] = rows(story)
    assert row.text.startswith(r"\x1b[31mJUNK\x202e xxx")
    assert (row.signs, len(row.text) < 250) == (("malformed",), True)


# --- in characters ---------------------------------------------------------------------------------------------------


def test_a_picture() -> None:
    assert as_text(ladder_of(lit_lamp().case(decisive=[9, 15])), 76).split("\n") == [
        "    seconds  desk           watcher        edge           API",
        "      0.000  │              │        setup: 2 API calls ─▶│",
        "      0.004  ── 1  subscribe watcher to desk ───────────────────────────────",
        "             │              │ NOTIFY dialog│              │",
        "◆     0.004  │              │◀─────────────│              │",
        "             │              │(lamp off)    │              │",
        "      0.504  │◀─INVITE─────────────────────│              │",
        "      0.504  │─180 Ringing (INVITE)───────▶│              │",
        "             │(ringing)     │              │              │",
        "             │              │ NOTIFY dialog│              │",
        "✗     0.754  │              │◀─────────────│              │",
        "             │              │ NOTIFY dialog│              │",
        "◆     1.004  │              │◀─────────────│              │",
        "             │              │(lamp ringing)│              │",
        "             │              │ NOTIFY dialog│              │",
        "↻     1.004  │              │◀─────────────│              │",
        "      1.004  │◀─CANCEL─────────────────────│              │",
        "             │(ended)       │              │              │",
        "             │              │ NOTIFY dialog│              │",
        "      1.504  │              │◀─────────────│              │",
        "             │              │(lamp off)    │              │",
        "      1.504  │POST /v2/accounts/…/devices/desk/presence ─▶│",
        "      1.506  │              │              │   HTTP 200 ◀─│",
        "      1.506     ends",
        "",
        "◆  decided the verdict",
        "↻  retransmission",
        "✗  missed: acknowledged and forgotten",
    ]


@pytest.mark.parametrize("width", [1, 40, 57, 80, 200])
def test_a_picture_is_no_wider_than_it_may_be(width: int) -> None:
    ladder = ladder_of(lit_lamp().case())
    widest = max(cell_len(line) for line in as_text(ladder, width).split("\n"))
    assert widest <= max(width, 40, 13 + 6 * 4)


def test_arrows_point_where_messages_went() -> None:
    columns = ("left", "right", EDGE, API)
    there = as_text(Ladder(columns, (Row(1, 0, "message", "A", "left", "right"),)), 80).split("\n")[1]
    back = as_text(Ladder(columns, (Row(1, 0, "message", "A", "right", "left"),)), 80).split("\n")[1]
    assert "│─A────────────▶│" in there
    assert "│◀─A────────────│" in back


def test_a_message_of_a_phone_to_itself() -> None:
    text = as_text(Ladder(("a", EDGE, API), (Row(1, 0, "message", "INVITE", "a", "a"),)), 80)
    assert "○ INVITE" in text


def test_the_same_case_gives_the_same_text() -> None:
    assert as_text(ladder_of(lit_lamp().case())) == as_text(ladder_of(lit_lamp().case()))


FATES = {
    ("in", "lost", "lost"): ("OPTIONS: lost", ("lost",)),
    ("in", "held", "held"): ("OPTIONS: held", ("fault",)),
    ("in", "new", "late"): ("OPTIONS: held 1.2 s", ("fault",)),
    ("in", "retransmission", "copy"): ("OPTIONS: doubled", ("retransmission", "fault")),
    ("out", "new", "lost"): ("OPTIONS: lost", ("lost",)),
    ("out", "late", "late"): ("OPTIONS: held 1.2 s", ("fault",)),
}


@pytest.mark.parametrize(("what", "shown"), FATES.items(), ids=["-".join(each) for each in FATES])
def test_what_the_network_did_on_purpose_is_said(
    what: tuple[str, str, str], shown: tuple[str, tuple[str, ...]]
) -> None:
    direction, seen, fault = what
    story = Story()
    story.message("desk", direction, story.request("OPTIONS", "c"), seen=seen, fault=fault, after=1.234)
    (row,) = (row for row in rows(story) if row.kind == "message")
    assert (row.text, row.signs) == shown
    assert shown[0] in as_text(ladder_of(story.case()))
