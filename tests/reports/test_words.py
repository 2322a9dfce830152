"""What every report says in the same words."""

from __future__ import annotations

import pytest

from harness.verdicts import Verdict
from reports.words import MEANINGS, again, clean, explanation, harmless, one_line, plain, worst
from tests.reports.made import HOSTILE, judged, run_of


def test_every_verdict_has_its_meaning_in_the_judges_order() -> None:
    assert list(MEANINGS) == [verdict.value for verdict in Verdict]


def test_the_worst_decides() -> None:
    assert worst(["skipped", "pass"]) == "pass"
    assert worst(["pass", "known", "fail", "unclear"]) == "fail"
    assert worst([]) == "inconclusive"


def test_an_explanation() -> None:
    case = judged("presence/a[v2]", "fail", trace=["x-1"], lamps="lamp ───\n     ^^^")
    assert explanation(case.verdict, "ringproof run presence/a", "out/1").split("\n") == [
        "FAIL  PRES-03  presence/a[v2]   1.25 s",
        "  rule      a reset brings every watcher's lamp to the true state",
        "  expected  lamp of desk on p1: off",
        "  actual    lamp of desk on p1: busy",
        "  why       it showed busy",
        "            lamp ───",
        "                 ^^^",
        "  where     scenarios/presence/a.scenario.yaml",
        "  logs      grep rp-1 in kazoo.log; Call-ID x-1",
        "  evidence  out/1",
        "  again     ringproof run presence/a",
    ]


def test_an_explanation_names_the_clauses_that_decided() -> None:
    case = judged("presence/a", "fail", clauses={"SYNC-02": "pass", "PRES-03": "fail"})
    assert explanation(case.verdict).startswith("FAIL  PRES-03  presence/a ")


def test_what_comes_from_the_wire_is_inert() -> None:
    text = explanation(judged("presence/a", "fail", why=HOSTILE).verdict)
    assert "\\x1b[31m<script>" in text
    assert "\\x202e" in text
    assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    ("text", "most", "line"),
    [("a\r\nb\n\n c", 0, "a b c"), ("\x1b[2J", 0, "\\x1b[2J"), ("abcdef", 4, "abc…"), ("abcd", 4, "abcd"), ("", 3, "")],
)
def test_one_line(text: str, most: int, line: str) -> None:
    assert one_line(text, most) == line


def test_plain_keeps_lines_and_letters() -> None:
    assert plain("Zoë\n─ █\t") == "Zoë\n─ █\\x09"


def test_the_line_to_run_a_case_again() -> None:
    case = judged("presence/a[v2]")
    options = ["--target", "my target.yaml", "--profile", "5.0"]
    view = run_of(case, again=options)
    assert view.again(case) == "ringproof run 'presence/a[v2]' --seed 41 --target 'my target.yaml' --profile 5.0"
    assert again({"seed": 3}, ["mine", "mine/a"]) == "ringproof run mine mine/a --seed 3"


@pytest.mark.parametrize(("text", "line"), [("Zoë 李", "Zoë 李"), ("a\n\u202eb", "a\\x0a\\x202eb"), ("", "")])
def test_clean_text_is_one_line(text: str, line: str) -> None:
    assert clean(text) == line


def test_a_harmless_document_has_clean_texts() -> None:
    assert harmless({"a\x00": ["\x1b", 1, None, {"b": ("\u202e",)}]}) == {
        "a\\x00": ["\\x1b", 1, None, {"b": ["\\x202e"]}]
    }
