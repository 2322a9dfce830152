"""Which lamps a case has, and where they differ from the truth."""

from __future__ import annotations

from typing import Any

import pytest

from reports.lamp_chart import as_text, charts_of
from tests.reports.stories import REALM, Story, lit_lamp


def test_every_lamp_that_is_watched_has_a_chart() -> None:
    story = lit_lamp()
    story.subscribed("desk", "watcher", call_id="sub-2")
    story.subscribed("desk", "watcher", call_id="sub-3")
    story.subscribed("desk", "desk", call_id="sub-4", state="refused")
    charts = charts_of(story.case())
    assert [(c.watcher, c.truth.title, c.lamp.title) for c in charts] == [
        ("watcher", "calls of desk", "lamp on watcher"),
        ("desk", "calls of watcher", "lamp on desk"),
    ]


def test_lamps_that_a_claim_is_about_come_first_and_their_truth_is_the_claims() -> None:
    story = lit_lamp()
    spec: dict[str, Any] = {"phone": "desk", "presentity": f"sip:1002@{REALM}", "event": "presence", "truth": ["desk"]}
    claim: dict[str, Any] = {"claim": "1", "step": "1", "line": 1, "text": "lamp of 1002 on desk", "clauses": []}
    story.tell("claim", type="lamp", spec=spec, **claim)
    charts = charts_of(story.case())
    assert [(c.watcher, c.package) for c in charts] == [("desk", "presence"), ("watcher", "dialog")]
    assert "ringing" in [state for _, state in charts[0].truth.points]
    assert charts[0].truth.title == "calls of 1002"


def test_a_desync_is_where_lamp_and_truth_differ() -> None:
    [chart] = charts_of(lit_lamp().case())
    assert chart.desyncs[0][0] == pytest.approx(0.504)
    assert chart.desyncs[-1][1] == pytest.approx(1.504)
    assert sum(end - start for start, end in chart.desyncs) == pytest.approx(1)


def test_a_chart_goes_from_the_subscription_to_the_end_of_the_case() -> None:
    [chart] = charts_of(lit_lamp().case())
    assert [chart.start, chart.end] == pytest.approx([0.004, 1.506])
    assert "lamp on watcher: differs for 1.000 s in all" in as_text(chart, 80)


def test_a_case_without_lamps_has_no_chart() -> None:
    assert charts_of(Story().case()) == []
