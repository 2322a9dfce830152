"""The summary for a merge request: what it says, and that nothing from the wire becomes markup."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reports.markdown import SIGNS, render
from reports.tally import chapters, clause_rows
from reports.view import RunView
from reports.words import MEANINGS
from tests.reports.made import HOSTILE, judged, run_of

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {
    "h2", "h3", "p", "code", "pre", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "ul", "li",
    "blockquote", "strong",
}  # fmt: skip


class Shown(HTMLParser):
    """A document as a browser has it: elements, their attributes, the text, and the text outside code."""

    def __init__(self, view: RunView) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[str] = []
        self.text = self.prose = ""
        self._code = 0
        self.feed(PARSER.render(render(view)))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [f"{tag}.{name}={value}" for name, value in attrs if name != "style"]
        self._code += tag in ("code", "pre")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre")

    def handle_data(self, data: str) -> None:
        self.text += data
        self.prose += "" if self._code else data


def hostile(text: str) -> RunView:
    """A run in which everything that is not ours is `text`."""
    more: dict[str, Any] = dict.fromkeys(("why", "expected", "actual", "rule", "lamps", "label", "file"), text)
    case = judged(f"sync/{text}", "fail", clauses={text: "fail"}, **more)
    case.start["clauses"][0] |= {"statement": text, "source": text}
    case.start["again"] = [text]
    told = {"run": text, "target": text, "profile": text, "mutant": text, "started": text}
    finding = {"kind": "expired", "red": False, "clause": None, "case": None, "said": text}
    return run_of(case, judged(f"{text}/b", "unclear"), cut=text, baseline={"findings": [finding]}, **told)


def test_a_summary() -> None:
    failed = judged("presence/a[v2]", "fail", lamps="lamp ───\n     ^^^")
    like_it = judged("presence/a[v1]", "fail")
    text = render(run_of(judged("sync/b", clauses={"SYNC-02": "pass"}), failed, like_it, target="staging"))
    assert text.startswith("## ringproof: ❌ 2 fail, 1 pass\n\nrun <code>7f3a01</code> against <code>staging</code>")
    shown = Shown(run_of(judged("sync/b", clauses={"SYNC-02": "pass"}), failed, like_it))
    assert "❌ fail PRES-03 presence/a[v2] and 1 like it" in shown.text
    assert "  expected  lamp of desk on p1: off\n  actual    lamp of desk on p1: busy\n" in shown.text
    assert "  also      presence/a[v1]\n" in shown.text
    assert "            lamp ───\n                 ^^^\n" in shown.text
    assert "  ringproof run 'presence/a[v2]' --seed 41\n" in shown.text
    assert "1 kept" in shown.text
    assert shown.tags["table"] == 3
    assert set(shown.tags) <= OURS
    assert shown.attributes == []


@pytest.mark.parametrize("verdict", MEANINGS)
def test_every_verdict_is_counted_and_explained(verdict: str) -> None:
    shown = Shown(run_of(judged("presence/a", verdict)))
    assert f"{SIGNS[verdict]} 1 {verdict}" in shown.text
    assert (MEANINGS[verdict] in shown.text) == (verdict not in ("pass", "fail"))
    assert ("Run it again" in shown.text) == (verdict in ("fail", "error", "inconclusive", "non_strict"))


def test_a_run_that_is_not_whole_says_so_first() -> None:
    shown = Shown(run_of(judged("a/1"), cases=["a/1", "a/2"], cut="there is no footer"))
    assert "ringproof: ❓ 1 pass" in shown.text
    assert "The Record is not whole: there is no footer" in shown.text
    assert "1 of 2 cases were not begun" in shown.text


def test_what_a_baseline_found() -> None:
    found = {"kind": "kept_again", "red": True, "clause": "PRES-11", "case": None, "said": "PRES-11 is kept again"}
    shown = Shown(run_of(judged("a/1"), baseline={"findings": [found]}))
    assert "ringproof: ❌ 1 pass" in shown.text
    assert "❌ PRES-11 is kept again" in shown.text


def test_a_hundred_failures_fit_into_a_comment() -> None:
    cases = [judged(f"sync/{number}", "fail", why="x" * 5000, actual="y" * 5000) for number in range(100)]
    cases += [judged(f"api/{number}", clauses={f"API-{number}": "pass"}) for number in range(150)]
    text = render(run_of(*cases))
    explained = text.count("Run it again")
    assert explained >= 10
    assert f"{100 - explained} more are in the other reports" in text
    assert len(text) < 65_536


def assert_inert(text: str) -> None:
    view = hostile(text)
    shown = Shown(view)
    assert set(shown.tags) <= OURS
    assert shown.attributes == []
    # a row for each chapter and clause, and the heads
    assert shown.tags["tr"] == len(chapters(view)) + len(clause_rows(view.cases)) + 2
    # a mention, a reference or an address needs a letter or digit right behind its sign
    assert not re.search(r"[@#!$%~&](?=\w)|://(?=\w)|www\.(?=\w)", shown.prose)
    # quick actions of a merge request stand at the beginning of a line
    assert not [line for line in render(view).splitlines() if line.startswith("/")]
    assert "\x1b" not in render(view)
    assert "\u202e" not in render(view)


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "</pre></details><img src=x onerror=y>",
        "a\n\n/close\n/assign @me\n",
        "| a | b |",
        "``` ` ```",
        "[x](https://example.com) ![x](y) <https://example.com>",
        "https://example.com www.example.com me@example.com",
        "**a** _b_ ~~c~~ # d\n- e\n> f",
        "&lt;b&gt; &#60;b&#62; \\<b\\>",
        "<!-- ",
        "<![CDATA[",
        "\\",
        "",
    ],
)
def test_text_from_the_wire_is_inert(text: str) -> None:
    assert_inert(text)


SIGNS_OF_MARKUP = st.sampled_from(list("\\`*_[](){}<>#!|~@&$^:/=-+.\n \t\"'ax1"))


@given(st.text(SIGNS_OF_MARKUP, max_size=30))
def test_whatever_comes_is_inert(text: str) -> None:
    assert_inert(text)
