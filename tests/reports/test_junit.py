"""JUnit XML: what CI systems look for in it, and that nothing from the wire breaks it."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.junit import render
from reports.view import RunView
from reports.words import MEANINGS, explanation
from tests.reports.made import HOSTILE, judged, run_of


def read(view: RunView) -> Element:
    return ElementTree.fromstring(render(view).encode("utf-8"))


def the(element: Element | None) -> Element:
    assert element is not None
    return element


def properties(element: Element) -> dict[str, str]:
    return {each.get("name", ""): each.get("value", "") for each in the(element.find("properties"))}


def test_chapters_are_suites_and_cases_are_tests() -> None:
    view = run_of(judged("presence/a[v2-udp]"), judged("sync/b", matrix={"api": "v1", "over": "https"}))
    root = read(view)
    assert (root.tag, [suite.get("name") for suite in root]) == ("testsuites", ["presence", "sync"])
    tests = list(root.iter("testcase"))
    assert [test.get("classname") for test in tests] == ["ringproof.presence", "ringproof.sync"]
    assert [test.get("name") for test in tests] == ["a[v2-udp]", "b"]
    assert {test.get("time") for test in tests} == {"1.250"}
    assert tests[0].get("file") == "scenarios/presence/a.scenario.yaml"
    assert [child.tag for child in tests[0]] == ["properties"]
    assert properties(tests[1]) == {
        "clauses": "PRES-03",
        "verdict": "pass",
        "matrix": "api=v1 over=https",
        "seed": "41",
        "label": "rp-1",
    }


def test_suites_say_what_was_run() -> None:
    suite = read(run_of(judged("sync/b"), mutant="sync-twice"))[0]
    assert suite.get("timestamp") == "2026-11-25T20:20:17"
    assert properties(suite) == {
        "run": "7f3a01",
        "target": "reference",
        "profile": "documented",
        "mutant": "sync-twice",
        "time": "real",
        "seed": "41",
    }
    assert "timestamp" not in read(run_of(judged("sync/b"), started=None))[0].attrib


KINDS = {
    "fail": "failure",
    "error": "error",
    "inconclusive": "error",
    "unsupported": "skipped",
    "skipped": "skipped",
    "pass": None,
    "known": None,
    "non_strict": None,
    "unclear": None,
}


@pytest.mark.parametrize("verdict", MEANINGS)
def test_every_verdict_has_its_element(verdict: str) -> None:
    case = judged("presence/a", verdict, reason="it showed busy", why="it showed busy")
    view = run_of(case)
    root = read(view)
    test = root[0].findall("testcase")[0]
    kind = KINDS[verdict]
    assert {child.tag for child in test} & {"failure", "error", "skipped"} == ({kind} if kind else set())
    totals = dict.fromkeys(("failures", "errors", "skipped"), "0")
    if kind:
        totals[kind if kind == "skipped" else f"{kind}s"] = "1"
    for element in (root, root[0]):
        assert {name: element.get(name) for name in totals} == totals
        assert (element.get("tests"), element.get("time")) == ("1", "1.250")
    if kind:
        fallen = the(test.find(kind))
        assert (fallen.get("type"), fallen.get("message")) == (verdict, "it showed busy")
        assert fallen.text == explanation(case.verdict, view.again(case))
    # parsers that follow the schemas want this order
    assert [child.tag for child in test] == ["properties", *([kind] if kind else []), *_output(verdict)]


def _output(verdict: str) -> list[str]:
    return [] if verdict == "pass" else ["system-out"]


def test_what_did_not_begin_is_skipped_and_an_error_where_the_record_ends_early() -> None:
    both = ["sync/a", "sync/b"]
    suite = read(run_of(judged("sync/a"), cases=both))[1]
    [test] = suite.findall("testcase")
    assert (suite.get("name"), test.get("name"), test.get("classname")) == ("not begun", "b", "ringproof.sync")
    assert the(test.find("skipped")).get("type") == "skipped"
    root = read(run_of(judged("sync/a"), cases=both, cut="there is no footer"))
    fallen = the(root[1].find("testcase/error"))
    assert (root.get("errors"), fallen.get("message")) == ("1", "not begun: there is no footer")
    assert properties(root[0])["cut"] == "there is no footer"


def test_what_a_baseline_found_changed_fails() -> None:
    kept = {"kind": "kept_again", "red": True, "clause": "PRES-11", "case": "presence/a", "said": "take it out"}
    over = {"kind": "expired", "red": False, "clause": "PRES-12", "case": None, "said": "expired"}
    root = read(run_of(judged("sync/a"), baseline={"file": "b.yaml", "findings": [kept, over]}))
    [test] = root[1].findall("testcase")
    assert (test.get("classname"), test.get("name")) == ("ringproof.baseline", "PRES-11 presence/a")
    assert the(test.find("failure")).get("message") == "take it out"
    assert root.get("failures") == "1"
    assert len(read(run_of(judged("sync/a"), baseline={"file": "b.yaml", "findings": [over]}))) == 1


def test_absolute_paths_stay_on_the_machine() -> None:
    [test] = read(run_of(judged("sync/a", file="/srv/a.scenario.yaml"))).iter("testcase")
    assert "file" not in test.attrib


def test_hostile_text_is_text() -> None:
    case = judged(f"sync/{HOSTILE}", "fail", why=HOSTILE, expected=HOSTILE, lamps=HOSTILE, label=HOSTILE)
    view = run_of(case, target=HOSTILE)
    [test] = read(view).iter("testcase")
    text = the(test.find("failure")).text or ""
    assert "\\x1b[31m<script>" in text
    assert "]]> @all" in text
    assert "\\x00 \\xd800" in text


@given(st.text(st.characters(), max_size=40))
def test_any_text_gives_xml_that_can_be_read(text: str) -> None:
    case = judged(f"sync/{text}", "fail", why=text, expected=text, matrix={"over": text}, label=text, file=text)
    read(run_of(case, target=text, run=text, cut=text))


def test_the_same_run_gives_the_same_octets() -> None:
    cases = [judged("presence/a"), judged("sync/b", "fail")]
    assert render(run_of(*cases)) == render(run_of(*cases))
