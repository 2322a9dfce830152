"""The HTML report as a file: what is in it, that it is the same twice, and that nothing breaks out of it."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest

from phones.sip.message import request
from reports.case_page import page_of
from reports.html import headline, matrix, render
from reports.view import CaseView, RunView
from tests.reports.made import HOSTILE, judged, run_of
from tests.reports.stories import CLAUSES, Story, lit_lamp


def capture(case: CaseView) -> bytes:
    return b"capture of " + case.address.encode("utf-8", "replace")


class Elements(HTMLParser):
    """The elements of a page, in order, and what stands in its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.scripts: dict[str, str] = {}
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes.append(dict(attrs))
        self._script = str(dict(attrs).get("id")) if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[self._script] = self.scripts.get(self._script, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._script = None

    def unpacked(self, number: int) -> tuple[dict[str, Any], bytes]:
        """Page and capture of a case."""
        page, packed = self.scripts[f"case-{number}"].split(" ")
        return json.loads(zlib.decompress(base64.b64decode(page))), zlib.decompress(base64.b64decode(packed))


def view() -> RunView:
    cases = [
        lit_lamp("lamps/a", matrix={"api": "v1", "over": "https"}).case(),
        lit_lamp("lamps/b").case(verdict="fail"),
    ]
    return run_of(*cases)


def test_the_same_run_gives_the_same_bytes() -> None:
    assert render(view(), capture) == render(view(), capture)


def test_it_names_nothing_outside_itself() -> None:
    page = Elements(render(view(), capture))
    for attributes in page.attributes:
        for name in ("src", "href", "action", "data", "poster"):
            assert (attributes.get(name) or "#").startswith("#"), attributes
    assert "link" not in page.names
    assert "@import" not in render(view(), capture)


def test_its_policy_allows_its_own_script_and_style_only() -> None:
    import hashlib

    text = render(view(), capture)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    rules = dict(rule.strip().replace("&#39;", "'").split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        hashed = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{hashed}'"


def test_what_cases_show_is_packed_beside_the_matrix() -> None:
    page = Elements(render(view(), capture))
    data, pcapng = page.unpacked(1)
    assert pcapng == b"capture of lamps/b"
    assert data["again"] == "ringproof run lamps/b --seed 41"
    assert [row["text"] for row in data["rows"]][:2] == ["setup: 2 API calls", "1  subscribe watcher to desk"]
    assert data["lamps"][0]["title"] == "lamp on watcher"


def test_the_matrix_has_a_cell_for_each_clause_and_point() -> None:
    columns, rows = matrix(view())
    assert columns == [("v1", "https", "udp"), ("v2", "http", "udp")]
    [row] = rows
    assert {column: (cell.verdict, cell.cases) for column, cell in row.cells.items()} == {
        ("v1", "https", "udp"): ("pass", [0]),
        ("v2", "http", "udp"): ("fail", [1]),
    }


def test_the_worst_of_a_cell_is_shown() -> None:
    run = run_of(judged("a/a", "pass"), judged("a/b", "fail"), judged("a/c", "skipped"))
    [row] = matrix(run)[1]
    assert [(cell.verdict, cell.cases) for cell in row.cells.values()] == [("fail", [0, 1, 2])]


def test_clauses_stand_in_the_order_of_their_numbers() -> None:
    clauses = {"SIP-10": "pass", "SIP-9": "pass", "API-1": "pass", "X": "pass"}
    assert [row.clause["id"] for row in matrix(run_of(judged("a/a", clauses=clauses)))[1]] == [
        "X",
        "API-1",
        "SIP-9",
        "SIP-10",
    ]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([], "Nothing ran"),
        (["pass"], "Every promise was kept"),
        (["pass", "unclear", "skipped"], "No promise was broken"),
        (["pass", "fail", "inconclusive"], "1 of 3 cases broke a promise"),
        (["fail"], "1 of 1 case broke a promise"),
        (["error", "fail"], "ringproof itself failed in 1 of 2 cases"),
        (["inconclusive", "pass"], "1 of 2 cases proved nothing"),
    ],
)
def test_the_headline_is_the_worst_that_happened(verdicts: list[str], said: str) -> None:
    assert headline(verdicts) == said


def test_what_is_missing_of_a_run_is_said() -> None:
    text = render(run_of(judged("a/a"), cut="the run was cut off", cases=["a/a", "a/b"]), capture)
    assert "The Record is cut: the run was cut off" in text
    assert "1 case of the run did not begin" in text
    assert "Nothing ran" in render(run_of(), capture)


def test_nothing_breaks_out_of_the_page() -> None:
    clean_run = Elements(render(run_of(judged("a/a", "fail")), capture))
    clauses = [{**CLAUSES[0], "statement": HOSTILE, "source": HOSTILE}]
    story = Story(f"a/{HOSTILE}", title=HOSTILE, why=HOSTILE, clauses=clauses)
    text = render(run_of(story.case(verdict="fail", why=HOSTILE, reason=HOSTILE), target=HOSTILE), capture)
    page = Elements(text)
    assert page.names.count("script") == clean_run.names.count("script")
    assert page.names.count("img") == 0
    assert not any(name.startswith("on") for attributes in page.attributes for name in attributes)
    outside = re.sub(r"<script.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)
    assert all(character.isprintable() or character == "\n" for character in outside)


# --- the page of a case ----------------------------------------------------------------------------------------------


def claim(story: Story, kind: str, **spec: Any) -> None:
    fields: dict[str, Any] = {"claim": "7", "step": "7", "line": 1, "text": "expect it", "clauses": []}
    story.tell("claim", type=kind, spec=spec, **fields)


def parts(story: Story, **verdict: Any) -> list[dict[str, Any]]:
    return [part for row in page_of(story.case(**verdict), "")["rows"] for part in row["parts"]]


def lit(lines: list[list[Any]]) -> list[str]:
    return [line[0] for line in lines if len(line) > 1]


def test_the_headers_that_a_claim_looks_at_are_lit() -> None:
    story = Story()
    story.phone("desk")
    where = {"From": {"starts": '"Zoë"'}, "subject": "absent", "body": {"contains": "v=0"}}
    claim(story, "wire", phone="desk", what="INVITE", where=where, distinct="Call-ID")
    dialog = [("Via", "SIP/2.0/UDP 192.0.2.9"), ("f", '"Zoë" <sip:1@b>;tag=1\r\n ;x=y'), ("To", "<sip:b@b>")]
    invite = request("INVITE", "sip:b@b", [*dialog, ("Call-ID", "c1"), ("CSeq", "1 INVITE")], b"v=0\r\no=1")
    story.message("desk", "in", invite)
    story.message("desk", "out", invite)
    inside, outside = parts(story)
    assert lit(inside["head"]) == ['f: "Zoë" <sip:1@b>;tag=1', " ;x=y", "Call-ID: c1"]
    assert lit(inside["body"]) == ["v=0", "o=1"]
    assert inside["checks"] == ['7  expect it, where From starts "\\"Zoë\\"", subject absent, body contains "v=0"']
    assert (lit(outside["head"]), outside["checks"]) == ([], [])


def test_the_headers_of_a_lamp_are_lit_in_its_own_notifies() -> None:
    story = lit_lamp()
    claim(story, "lamp", phone="watcher", presentity="sip:desk@a.example.com", event="dialog", truth=None)
    story.notify("watcher", 5, "early", call_id="another")
    found = [part for part in parts(story) if part["head"][0][0].startswith("NOTIFY")]
    assert "Event: dialog" in lit(found[0]["head"])
    assert lit(found[0]["body"])
    assert lit(found[-1]["head"]) == []


def test_the_paths_that_a_claim_looks_at_are_lit_in_a_reply() -> None:
    story = Story()
    claim(story, "reply", id="1", status=[200], headers={"Content-Type": "x"}, json={"data.a.1": 2}, body=None)
    story.api("1", "GET", "/v2")
    body = '{"data": {"a": [1, 2], "b": {}}, "c": "x"}'
    story.events[-1][0]["body"] = body
    request_part, reply, same = parts(story)
    assert (request_part["title"], reply["title"]) == ("request", "reply after 2.0 ms")
    assert reply == same
    assert lit(reply["head"]) == ["HTTP 200", "content-type: application/json"]
    assert lit(reply["body"]) == ["      2"]
    assert json.loads("".join(line[0] for line in reply["body"])) == json.loads(body)
    assert reply["checks"] == ["7  expect it: status 200, Content-Type x, data.a.1 2"]


def test_what_is_no_json_is_shown_as_it_is() -> None:
    story = Story()
    story.api("1", "GET", "/v2")
    story.events[-1][0]["body"] = "<html>\n\x00"
    assert [line[0] for line in parts(story)[-1]["body"]] == ["<html>", "\\x00"]


def test_a_message_that_decided_without_a_header_is_lit_at_its_first_line() -> None:
    story = Story()
    story.phone("desk")
    n = story.message("desk", "in", story.request("BYE"))
    [part] = parts(story, decisive=[n])
    assert lit(part["head"]) == ["BYE sip:desk@192.0.2.1 SIP/2.0"]


def test_what_closed_a_count_is_named() -> None:
    story = Story()
    story.phone("desk")
    claim(story, "wire", phone="desk", what="NOTIFY", where={}, distinct=None)
    arrived: dict[str, Any] = {"phone": "desk", "contact": "", "state": "arrived", "token": "", "of": ""}
    message = story.message("desk", "in", story.request("NOTIFY"))
    control = story.tell("control", message=message, latency=0.05, **arrived)
    story.now += 0.1
    fence = story.tell("fence", message=story.message("desk", "in", story.request("INVITE")), latency=0.04, **arrived)
    story.now += 0.5
    story.tell("closed", claim="7")
    closing = {"control": control, "fence": fence, "lag_s": 0.5}
    page = page_of(story.case(closings=[closing, {**closing, "lag_s": 9.0}]), "")
    assert [(each["claim"], each["lag"]) for each in page["closings"]] == [
        ("7  expect it", 0.5),
        ("a count at desk", 9.0),
    ]
    assert page["closings"][0]["control"] == [0.0, 0.05, message]
