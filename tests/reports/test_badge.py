"""Badges: the words, the colour, and a picture that is well-formed and loads nothing."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

from reports.badge import as_json, as_svg
from reports.view import RunView
from tests.reports.made import judged, run_of

RED = {"kind": "kept_again", "red": True, "clause": "PRES-11", "case": None, "said": "take it out"}


def of(*verdicts: str, **more: Any) -> RunView:
    return run_of(*(judged(f"a/{number}", verdict) for number, verdict in enumerate(verdicts)), **more)


SAID = [
    (of("pass", "pass"), "2 pass", "brightgreen"),
    (of("pass", "unclear"), "1 pass, 1 unclear", "brightgreen"),
    (of("pass", "skipped"), "1 pass", "brightgreen"),
    (of("pass", "non_strict"), "1 pass, 1 non strict", "yellow"),
    (of("pass", "known"), "1 pass, 1 known", "yellow"),
    (of("pass", "inconclusive"), "1 of 2 inconclusive", "orange"),
    (of("pass", "error"), "1 of 2 error", "orange"),
    (of("pass", "error", "fail"), "1 of 3 fail", "red"),
    (of("skipped"), "nothing was run", "orange"),
    (of(), "nothing was run", "orange"),
    (of("pass", cut="no footer"), "not all was run", "orange"),
    (of("pass", cases=["a/0", "a/1"]), "not all was run", "orange"),
    (of("pass", baseline={"findings": [RED]}), "1 changed", "red"),
]


@pytest.mark.parametrize(("view", "message", "colour"), SAID, ids=[each[1] + each[2] for each in SAID])
def test_message_and_colour(view: RunView, message: str, colour: str) -> None:
    assert json.loads(as_json(view)) == {
        "schemaVersion": 1,
        "label": "ringproof",
        "message": message,
        "color": colour,
    }
    root = ElementTree.fromstring(as_svg(view))
    assert root.get("aria-label") == f"ringproof: {message}"
    assert [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")] == ["ringproof", message]
    tags = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert tags == {"svg", "title", "clipPath", "g", "rect", "text"}
    boxes = root.findall(".//{http://www.w3.org/2000/svg}g/{http://www.w3.org/2000/svg}rect")
    assert sum(int(box.get("width", "0")) for box in boxes) == int(root.get("width", "0"))
