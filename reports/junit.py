"""JUnit XML, in the dialect that Jenkins, GitLab and the usual GitHub actions read.

One `testsuite` per chapter, one `testcase` per case. `fail` is a `failure`; `inconclusive` and `error` are an `error`,
`unsupported` and `skipped` are `skipped`; everything else passes and says its verdict in a property. What a baseline
found to have changed fails in a suite of its own, and so do cases that a run which was cut off did not come to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from reports.tally import chapters
from reports.view import CaseView, RunView
from reports.words import explanation, one_line

_ELEMENTS = {
    "fail": "failure",
    "inconclusive": "error",
    "error": "error",
    "unsupported": "skipped",
    "skipped": "skipped",
}
"""Verdict to the element that says so; the others pass."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, not even by reference (XML 1.0, 2.2)."""

_MOST_MESSAGE = 300
_TOOL = "ringproof"


def render(view: RunView) -> str:
    """The run as one XML document."""
    root = Element("testsuites", {"name": _TOOL})
    for chapter, cases in chapters(view).items():
        suite = _suite(root, view, chapter)
        for case in cases:
            _case(suite, view, case)
    if view.not_begun:
        _not_begun(root, view)
    if view.baseline is not None and any(found["red"] for found in view.baseline["findings"]):
        _baseline(root, view)
    for element in [*root, root]:
        _count(element)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, view: RunView, name: str) -> Element:
    header = view.header
    suite = SubElement(root, "testsuite", {"name": _clean(name)})
    if header.get("started"):
        # without a zone, as the schemas in use want it: UTC
        suite.set("timestamp", _clean(str(header["started"])[:19]))
    told = [(key, header.get(key)) for key in ("run", "target", "profile", "mutant", "time", "seed")]
    told += [("cut", view.cut or None)]
    _properties(suite, [(key, str(value)) for key, value in told if value is not None])
    return suite


def _properties(parent: Element, told: Sequence[tuple[str, str]]) -> None:
    holder = SubElement(parent, "properties")
    for name, value in told:
        SubElement(holder, "property", {"name": name, "value": _clean(one_line(value))})


def _case(suite: Element, view: RunView, case: CaseView) -> None:
    verdict = case.verdict
    decided = verdict["verdict"]
    seconds = f"{verdict['duration_s']:.3f}"
    element = _test(suite, case.chapter, case.address.partition("/")[2], seconds)
    if not str(verdict["file"]).startswith("/"):
        element.set("file", _clean(verdict["file"]))
    told = [("clauses", " ".join(verdict["clauses"])), ("verdict", decided)]
    told += [("matrix", " ".join(f"{name}={value}" for name, value in verdict["matrix"].items()))]
    told += [("seed", str(view.header["seed"])), ("label", verdict["label"])]
    _properties(element, told)
    if decided == "pass":
        return
    text = explanation(verdict, view.again(case))
    message = one_line(verdict["why"] or verdict["reason"] or decided, _MOST_MESSAGE)
    if decided in _ELEMENTS:
        _fell(element, _ELEMENTS[decided], decided, message, text)
    SubElement(element, "system-out").text = _clean(text)


def _test(suite: Element, chapter: str, name: str, seconds: str = "0.000") -> Element:
    attributes = {"classname": f"{_TOOL}.{_clean(chapter)}", "name": _clean(name), "time": seconds}
    return SubElement(suite, "testcase", attributes)


def _fell(test: Element, kind: str, verdict: str, message: str, text: str = "") -> None:
    fallen = SubElement(test, kind, {"type": verdict, "message": _clean(message)})
    if text:
        fallen.text = _clean(text)


def _not_begun(root: Element, view: RunView) -> None:
    """Of a run that was cut off these are errors: nobody knows what they would have shown."""
    suite = _suite(root, view, "not begun")
    kind, why = ("error", f"not begun: {view.cut}") if view.cut else ("skipped", "not begun: the run ended before")
    for address in view.not_begun:
        chapter, _, name = address.partition("/")
        _fell(_test(suite, chapter, name), kind, "inconclusive" if view.cut else "skipped", why)


def _baseline(root: Element, view: RunView) -> None:
    suite = _suite(root, view, "baseline")
    for found in (view.baseline or {})["findings"]:
        if found["red"]:
            name = " ".join(part for part in (found["clause"], found["case"]) if part)
            _fell(_test(suite, "baseline", name), "failure", found["kind"], one_line(found["said"], _MOST_MESSAGE))


def _count(element: Element) -> None:
    """Say how many tests an element holds, how they ended, and how long they took."""
    tests = list(element.iter("testcase"))
    element.set("tests", str(len(tests)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(test.find(kind) is not None for test in tests)))
    element.set("time", f"{sum(float(test.get('time', '0')) for test in tests):.3f}")


def _clean(text: str) -> str:
    """`text` without what XML cannot hold: such a character is shown by its number."""
    return _NO_XML.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
