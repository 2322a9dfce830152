"""Allure results: what they say of a case, that the same Record gives the same files, and that bytes stay inert."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports.allure import STATUSES, Told, told_of, write
from reports.record import Event
from reports.view import CaseView
from reports.words import MEANINGS
from tests.reports.made import HOSTILE, judged, run_of


def results(folder: Path) -> dict[str, Any]:
    """Name to result of everything in an Allure folder."""
    found = [json.loads(path.read_text("utf-8")) for path in folder.glob("*-result.json")]
    return {each["name"]: each for each in found}


def told(case: CaseView, **header: Any) -> Told:
    """A case of a run with that header."""
    run_of(case, **header)
    return told_of(case)


def labels(result: Any, name: str) -> list[str]:
    return [each["value"] for each in result["labels"] if each["name"] == name]


def with_events(case: CaseView, *events: Event) -> CaseView:
    """`case` with these events behind its first."""
    case.events.extend((event, b"") for event in events)
    return case


def stepping(**verdict: Any) -> CaseView:
    """A case of three steps: a registration, a request whose reply is claimed, and a claim with no step of its own."""
    name = "sync/flag-true[v2]"
    step: Event = {"kind": "step", "case": name, "line": 7, "stimulus": True}
    one, two = {"step": "1", "text": "register desk"}, {"step": "2", "text": "request POST {{ desk.url }}"}
    claim: Event = {"kind": "claim", "case": name, "line": 9, "clauses": ["SYNC-02"], "spec": {}}
    call: Event = {"id": "x", "case": name, "role": "stimulus", "step": "2"}
    url = "http://a:8000/v2/accounts/" + "0f" * 16 + "/devices?a=1"
    return with_events(
        judged(name, clauses={"SYNC-02": verdict.get("verdict", "pass")}, **verdict),
        {"n": 2, "t": 1.0, **step, **one, "phase": "start"},
        {"n": 3, "t": 1.0, **claim, "claim": "1", "type": "registration", **one, "clauses": []},
        {"n": 4, "t": 1.25, **step, **one, "phase": "end"},
        {"n": 5, "t": 1.25, **step, **two, "phase": "start"},
        {"n": 6, "t": 1.25, **claim, "claim": "2", "type": "reply", **two},
        {"n": 7, "t": 1.3, "kind": "request", **call, "method": "POST", "url": url, "headers": [], "body": "{}"},
        {
            "n": 8,
            "t": 1.4,
            "kind": "reply",
            **call,
            "status": 200,
            "headers": [],
            "body": "{}",
            "tls": None,
            "error": None,
        },
        {"n": 9, "t": 1.5, **step, **two, "phase": "end"},
        {"n": 10, "t": 1.5, **claim, "claim": "3", "type": "wire", "step": "3", "text": "expect desk receives NOTIFY"},
        {"n": 11, "t": 3.5, "kind": "expired", "case": name, "claim": "3"},
        {"n": 12, "t": 3.6, "kind": "end", "case": name, "error": None},
    )


def test_every_verdict_has_a_status() -> None:
    assert STATUSES.keys() == MEANINGS.keys()


@pytest.mark.parametrize(("verdict", "status"), STATUSES.items())
def test_a_verdict_becomes_a_status_with_its_reason(tmp_path: Path, verdict: str, status: str) -> None:
    write(run_of(judged("presence/a[v2]", verdict)), tmp_path)
    result = results(tmp_path)["a[v2]"]
    assert result["status"] == status
    assert labels(result, "verdict") == [verdict]
    if verdict not in ("pass", "skipped"):
        assert result["statusDetails"]["message"] == "it showed busy"
        assert result["statusDetails"]["trace"].startswith(verdict.upper())


def test_chapter_clause_and_scenario_are_epic_feature_and_story(tmp_path: Path) -> None:
    write(run_of(judged("presence/a[v2-https]", matrix={"api": "v2", "over": "https"})), tmp_path)
    result = results(tmp_path)["a[v2-https]"]
    assert labels(result, "epic") == ["presence"]
    assert labels(result, "feature") == ["PRES-03 a reset brings every watcher's lamp to the true state"]
    assert labels(result, "story") == ["A title"]
    assert labels(result, "severity") == ["critical"]
    assert result["links"] == [
        {"type": "link", "url": "https://www.rfc-editor.org/rfc/rfc4235#section-4.1", "name": "RFC 4235 4.1"}
    ]


def test_severity_follows_the_level() -> None:
    result = told(judged("presence/a", "non_strict")).result
    assert [each.value for each in result.labels if each.name == "severity"] == ["minor"]


def test_identity_stays_over_runs_and_differs_between_points_of_a_matrix() -> None:
    def identity(address: str, **header: Any) -> tuple[str, str]:
        result = told(judged(address), **header).result
        counted = [each.name for each in result.parameters if not each.excluded]
        assert "seed" not in counted
        return result.historyId, result.testCaseId

    assert identity("presence/a[v1]", seed=1, run="aaaaaa") == identity("presence/a[v1]", seed=2, run="bbbbbb")
    assert identity("presence/a[v1]")[0] != identity("presence/a[v2]")[0]
    assert identity("presence/a[v1]")[1] == identity("presence/a[v2]")[1]


def test_steps_have_the_times_of_the_record() -> None:
    case = stepping(claims={"1": "met", "2": "met", "3": "met"})
    result = told(case).result
    base = result.start
    steps = [(step.name, step.status, step.start - base, step.stop - base) for step in result.steps]
    assert steps == [
        ("set up", "passed", 0, 1000),
        ("1. register desk", "passed", 1000, 1250),
        ("2. request POST {{ desk.url }}", "passed", 1250, 1500),
        ("3. expect desk receives NOTIFY", "passed", 1500, 3500),
        ("clean up", "passed", 3600, 3600),
    ]
    [call] = result.steps[2].steps
    assert call.name == "stimulus: POST /v2/accounts/0f0f…/devices?a=1 → 200"
    assert (call.start - base, call.stop - base) == (1300, 1400)


@pytest.mark.parametrize(("state", "status"), [("broken", "failed"), ("unproved", "broken"), ("open", "broken")])
def test_a_claim_that_did_not_come_true_marks_its_step(state: str, status: str) -> None:
    case = stepping(verdict="fail", claims={"1": "met", "2": state, "3": "met"})
    assert [step.status for step in told(case).result.steps[1:4]] == ["passed", status, "passed"]


def test_what_shows_the_case_is_attached(tmp_path: Path) -> None:
    case = stepping(verdict="fail", claims={"1": "met", "2": "met", "3": "broken"})
    write(run_of(case), tmp_path)
    result = results(tmp_path)["flag-true[v2]"]
    files = {each["name"]: tmp_path / each["source"] for each in result["attachments"]}
    assert files.keys() == {"failure", "ladder", "HTTP", "case.pcapng"}
    assert files["failure"].read_text("utf-8").startswith("FAIL  SYNC-02")
    assert "register desk" in files["ladder"].read_text("utf-8")
    assert json.loads(files["HTTP"].read_text("utf-8"))[0]["reply"]["status"] == 200
    assert files["case.pcapng"].read_bytes()[:4] == bytes.fromhex("0a0d0d0a")
    [attached] = result["steps"][2]["steps"][0]["attachments"]
    assert json.loads((tmp_path / attached["source"]).read_text("utf-8"))["request"]["method"] == "POST"


def test_what_is_left_behind_is_a_step_that_cannot_be_overlooked() -> None:
    case = with_events(
        stepping(), {"n": 13, "t": 3.7, "kind": "left", "case": "sync/flag-true[v2]", "what": "/v2/x: 500"}
    )
    last = told(case).result.steps[-1]
    assert (last.name, last.status, [each.name for each in last.steps]) == (
        "clean up",
        "broken",
        ["LEFT BEHIND: /v2/x: 500"],
    )


def test_cases_that_were_not_begun_are_there(tmp_path: Path) -> None:
    write(run_of(judged("sync/a"), cases=["sync/a", "sync/b"]), tmp_path / "ended")
    write(run_of(judged("sync/a"), cases=["sync/a", "sync/b"], cut="no footer"), tmp_path / "cut")
    assert {name: each["status"] for name, each in results(tmp_path / "ended").items()} == {
        "a": "passed",
        "b": "skipped",
    }
    assert results(tmp_path / "cut")["b"]["status"] == "broken"


def test_the_same_record_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(run_of(stepping(claims={"3": "met"}), judged("presence/a", "fail")), tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two
    assert len(one) > 5


def test_what_comes_from_the_wire_stays_text(tmp_path: Path) -> None:
    case = judged(f"sync/a{HOSTILE.replace('/', '')}", "fail", why=HOSTILE, actual=HOSTILE, file=HOSTILE)
    case.start["title"] = case.start["why"] = HOSTILE
    write(run_of(case), tmp_path)
    [result] = results(tmp_path).values()
    assert "<script>" not in result["description"]
    shown = json.dumps({key: result[key] for key in ("name", "description", "labels", "statusDetails")})
    assert "\\u001b" not in shown
    assert "\\u202e" not in shown
