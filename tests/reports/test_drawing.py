"""Drawings: laid out as a file of their own, and as data for the browser."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from reports import ladder_svg, lamp_chart
from reports.drawing import Drawing, node, texts
from reports.ladder import API, EDGE, Ladder, Row, ladder_of
from tests.reports.stories import lit_lamp

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '</text><script>alert(1)</script>\x1b[31m\u202e"\x00'


def test_units_are_as_wide_as_the_room_allows() -> None:
    drawing = Drawing((node("rect", x=(1, 5), width=(1, 2), y=3.5),), "t", 10, units=4, least=50, gutter=20, right=10)
    wide = ET.fromstring(drawing.as_svg(230))
    assert (wide.get("width"), wide.get("viewBox")) == ("230", "0 0 230 10")
    rect = wide.find(f"{SVG}rect")
    assert rect is not None
    assert (rect.get("x"), rect.get("width"), rect.get("y")) == ("75", "52", "3.5")


def test_units_have_a_least_width() -> None:
    drawing = Drawing((node("rect", x=(4, 0)),), "t", 10, units=4, least=50, gutter=20, right=10)
    narrow = ET.fromstring(drawing.as_svg(100))
    rect = narrow.find(f"{SVG}rect")
    assert rect is not None
    assert (narrow.get("width"), rect.get("x")) == ("230", "220")


def test_nothing_breaks_out_of_a_drawing() -> None:
    drawing = Drawing((node("text", text=HOSTILE, class_=HOSTILE),), HOSTILE, 10, 1, 1)
    root = ET.fromstring(drawing.as_svg(100))
    assert [each.tag for each in root.iter()] == [f"{SVG}{name}" for name in ("svg", "title", "style", "text")]
    assert "\\x1b[31m\\x202e" in (root[2].text or "")


def test_a_drawing_as_data_is_the_same_drawing() -> None:
    drawing = Drawing((node("g", node("text", text="a", text_anchor="end"), class_="x"),), "t", 10, 2, 3)
    assert drawing.as_json()["nodes"] == [["g", {"class": "x"}, [["text", {"text-anchor": "end"}, "a"]]]]
    assert texts(drawing.nodes) == ["a"]


# --- ladders ---------------------------------------------------------------------------------------------------------


def test_a_ladder_has_a_line_for_each_column_and_a_group_for_each_row() -> None:
    ladder = ladder_of(lit_lamp().case(decisive=[9]))
    root = ET.fromstring(ladder_svg.as_svg(ladder))
    rows = [each for each in root.iter(f"{SVG}g") if "row" in (each.get("class") or "").split()]
    assert len([each for each in root.iter(f"{SVG}line") if each.get("class") == "life"]) == len(ladder.columns)
    assert [int(each.get("data-n") or -1) for each in rows] == [row.n for row in ladder.rows]
    assert [each.get("data-n") for each in rows if "decides" in (each.get("class") or "")] == ["9"]


def test_a_ladder_says_what_its_rows_say() -> None:
    ladder = ladder_of(lit_lamp().case())
    said = texts(ladder_svg.as_drawing(ladder).nodes)
    assert [row.text for row in ladder.rows if row.text not in said] == []
    assert {"lamp off", "lamp ringing", "ringing", "ended", "↻", "✗"} <= set(said)
    assert texts(ladder_svg.heads(ladder).nodes) == ["desk", "watcher", EDGE, API]


def test_a_pause_is_said() -> None:
    rows = (Row(1, 0.0, "step", "a"), Row(2, 0.2, "step", "b"), Row(3, 1.5, "step", "c"))
    said = texts(ladder_svg.as_drawing(Ladder(("a", EDGE, API), rows)).nodes)
    assert [text for text in said if text.startswith("⋮")] == ["⋮ 1.30 s"]


def test_arrows_end_where_their_messages_went() -> None:
    there, back = (
        ladder_svg.as_drawing(Ladder(("a", "b", EDGE, API), (Row(1, 0, "message", "m", *ends),))).nodes[-1]
        for ends in (("a", "b"), ("b", "a"))
    )
    [shaft] = [each for each in there.children if each.attributes.get("class") == "shaft"]
    assert (shaft.attributes["x1"], shaft.attributes["x2"]) == ((0, 0), (1, -2))
    [shaft] = [each for each in back.children if each.attributes.get("class") == "shaft"]
    assert (shaft.attributes["x1"], shaft.attributes["x2"]) == ((1, 0), (0, 2))


def test_a_case_without_phones_has_a_ladder() -> None:
    ladder = Ladder((EDGE, API), (Row(1, 0, "request", "GET /", "", API),))
    ET.fromstring(ladder_svg.as_svg(ladder, 10))


# --- lamp charts -----------------------------------------------------------------------------------------------------


def test_a_lamp_chart_has_lamp_truth_and_the_desync_across_both() -> None:
    [chart] = lamp_chart.charts_of(lit_lamp().case())
    nodes = lamp_chart.as_drawing(chart).nodes
    rects = [each for each in nodes if each.name == "rect"]
    states = [str(each.attributes["class"]) for each in rects if "state" in str(each.attributes["class"])]
    assert states == [f"state is-{state}" for state in ("off", "ringing", "off", "off", "ringing", "off")]
    shades = [each for each in rects if each.attributes["class"] == "desync"]
    assert len(shades) == len(chart.desyncs)
    said = [text for text in texts(nodes) if " from " not in text]
    assert said == ["lamp on watcher", "calls of desk", "0.5", "1.0", "1.5", "seconds"]
    assert "ringing from 1.004 s to 1.504 s" in texts(nodes)
    ET.fromstring(lamp_chart.as_drawing(chart).as_svg(400))


def test_a_chart_says_how_much_differs() -> None:
    [chart] = lamp_chart.charts_of(lit_lamp().case())
    assert lamp_chart.summary(chart).startswith("differs for 1.000 s in all, longest 1.000 s from 0.504 s")
