"""Known deviations: what they excuse, what is red in both directions, when they expire, and the file itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.baseline import Baseline, BaselineFile, baseline_of, load_baseline, restated
from harness.baseline_file import baseline_text
from harness.errors import ScenarioError, UsageError
from harness.verdicts import CaseVerdict, ClauseVerdict, Verdict, worst
from harness.yaml_file import load, validated

DAY = date(2026, 11, 25)
V = Verdict


def case(address: str, **verdicts: Verdict) -> CaseVerdict:
    """A judged case; `verdicts` by clause, PRES_03 for PRES-03."""
    clauses = tuple(
        ClauseVerdict(name.replace("_", "-"), each, "" if each is V.PASS else f"{each.value} of {name}")
        for name, each in verdicts.items()
    )
    overall = worst(each.verdict for each in clauses)
    decided = next(each for each in clauses if each.verdict is overall)
    why = decided.reason
    return CaseVerdict(
        address, overall, reason=why, why=why, rule="a rule", expected="this", actual="that", clauses=clauses
    )


def baseline(tmp_path: Path, *entries: Mapping[str, Any], target: str = "reference", profile: str = "3.22") -> Baseline:
    """A baseline read from a file; entries have a reason and a date unless they say so themselves."""
    path = tmp_path / "known.yaml"
    more = {"verdict": "fail", "reason": "ticket 7", "until": date(2026, 12, 31)}
    path.write_text(yaml.safe_dump({"deviations": [{**more, **each} for each in entries]}))
    return load_baseline(path, target=target, profile=profile, day=DAY)


def findings(known: Baseline, *judged: CaseVerdict) -> list[tuple[str, bool, str]]:
    return [(each.kind, each.red, each.said.replace(known.file, "FILE")) for each in known.findings(judged)]


# --- what it excuses --------------------------------------------------------------------------------------------------


def test_a_deviation_that_it_names_is_known(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-03"})
    judged = case("presence/a", PRES_03=V.FAIL, API_01=V.PASS)
    told = known.restate(judged)
    assert told.verdict is V.KNOWN
    assert told.reason == told.why == "ticket 7 (known until 2026-12-31; fail: fail of PRES_03)"
    assert [(each.clause, each.verdict) for each in told.clauses] == [("PRES-03", V.KNOWN), ("API-01", V.PASS)]
    assert (told.expected, told.actual) == ("this", "that")
    assert findings(known, judged) == []
    assert known.as_json([judged]) == {"file": known.file, "known": 1, "not_run": 0, "findings": []}


@pytest.mark.parametrize(
    "entry",
    [
        {"clause": "PRES-04"},
        {"clause": "PRES-03", "case": "presence/b"},
        {"clause": "PRES-03", "verdict": "non_strict"},
        {"clause": "PRES-03", "target": "staging"},
        {"clause": "PRES-03", "profile": "5.0"},
        {"clause": "PRES-03", "until": date(2026, 11, 24)},
    ],
)
def test_what_it_does_not_name_stays_red(tmp_path: Path, entry: dict[str, Any]) -> None:
    judged = case("presence/a[v2]", PRES_03=V.FAIL)
    assert baseline(tmp_path, entry).restate(judged) is judged


@pytest.mark.parametrize(
    "entry",
    [
        {"clause": "PRES-03", "target": "reference", "profile": "3.22"},
        {"case": "presence/a"},
        {"case": "presence/a[v2]"},
        {"case": "presence/a", "clause": "PRES-03"},
        {"clause": "PRES-03", "until": DAY},
    ],
)
def test_ways_to_name_it(tmp_path: Path, entry: dict[str, Any]) -> None:
    assert baseline(tmp_path, entry).restate(case("presence/a[v2]", PRES_03=V.FAIL)).verdict is V.KNOWN


def test_what_fails_beside_it_decides(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-03"})
    told = known.restate(case("presence/a", PRES_03=V.FAIL, PRES_11=V.FAIL))
    assert (told.verdict, told.reason) == (V.FAIL, "fail of PRES_11")
    # what was told is of the clause that is known now
    assert (told.expected, told.actual) == ("", "")
    assert told.rule.startswith("A ") or told.rule != "a rule"


def test_our_error_is_nobodys_deviation(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"case": "presence/a"})
    judged = CaseVerdict("presence/a", V.ERROR, clauses=(ClauseVerdict("PRES-03", V.FAIL),))
    assert known.restate(judged).verdict is V.ERROR


def test_without_a_baseline_nothing_changes() -> None:
    judged = [case("presence/a", PRES_03=V.FAIL)]
    assert restated(None, judged) == judged
    assert baseline_of({}) is baseline_of({"baseline": None}) is None


def test_it_is_in_the_header_as_it_counts(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-03"}, {"clause": "PRES-04", "until": "2020-01-01"})
    assert baseline_of({"baseline": known.model_dump(mode="json")}) == known
    assert [entry.expired for entry in known.entries] == [False, True]
    with pytest.raises(ValueError, match="the baseline in its header"):
        baseline_of({"baseline": {"file": "x", "entries": [{"clause": 3}]}})


# --- what is red ------------------------------------------------------------------------------------------------------


def test_what_is_kept_again_is_red(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-11"}, {"case": "presence/b"}, {"clause": "API-01", "case": "api/a"})
    judged = [case("presence/a", PRES_11=V.PASS), case("presence/b", PRES_03=V.UNCLEAR), case("api/a", API_01=V.PASS)]
    assert findings(known, *judged) == [
        ("kept_again", True, "PRES-11 is kept again: take it out of FILE (line 2)"),
        ("kept_again", True, "presence/b passes again: take it out of FILE (line 6)"),
        ("kept_again", True, "API-01 in api/a is kept again: take it out of FILE (line 10)"),
    ]
    assert known.red(judged)


def test_one_case_that_still_deviates_is_enough(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-11"})
    judged = [case("presence/a", PRES_11=V.PASS), case("presence/b", PRES_11=V.FAIL)]
    assert findings(known, *judged) == []
    assert not known.red(judged)


def test_another_deviation_than_the_one_that_it_names(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-11", "verdict": "inconclusive"})
    judged = case("presence/a", PRES_11=V.FAIL)
    assert known.restate(judged) is judged
    said = "PRES-11 is fail now, not inconclusive: take it out of FILE (line 2)"
    assert findings(known, judged) == [("changed", True, said)]


@pytest.mark.parametrize("verdict", [V.INCONCLUSIVE, V.ERROR])
def test_what_cannot_be_said_is_not_kept(tmp_path: Path, verdict: Verdict) -> None:
    known = baseline(tmp_path, {"clause": "PRES-11"})
    said = f"PRES-11: nobody can say whether it still is fail: it is {verdict.value}"
    judged = [case("presence/a", PRES_11=verdict), case("presence/b", PRES_11=V.PASS)]
    assert findings(known, *judged) == [("undecided", False, said)]


@pytest.mark.parametrize("verdict", [V.SKIPPED, V.UNSUPPORTED])
def test_what_was_not_tested_is_counted_only(tmp_path: Path, verdict: Verdict) -> None:
    known = baseline(tmp_path, {"clause": "PRES-11"}, {"case": "presence/z"})
    told = known.as_json([case("presence/a", PRES_11=verdict)])
    assert (told["not_run"], told["findings"]) == (2, [])


def test_an_expired_entry_is_said_and_excuses_nothing(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-11", "until": "2026-11-24"})
    over = "PRES-11: the entry in FILE (line 2) expired after 2026-11-24"
    assert findings(known, case("presence/a", PRES_11=V.FAIL)) == [("expired", False, over)]
    needless = f"{over}, and it is needed no longer"
    assert findings(known, case("presence/a", PRES_11=V.PASS)) == [("expired", False, needless)]


# --- the file ---------------------------------------------------------------------------------------------------------

GOOD = "clause: PRES-03, verdict: fail, reason: ticket 7, until: 2026-12-31"
BAD = [
    (f"deviations: [{{{GOOD}, cluase: x}}]", ":1:", "unknown key 'cluase'", "did you mean 'clause'?"),
    ("deviations:\n- {clause: PRES-03, verdict: fail, reason: ticket}", "2:3", "the key 'until' is missing", ""),
    ("deviations:\n- {verdict: fail, reason: ticket, until: 2026-12-31}", "2:3", "say which clause or which case", ""),
    (f"deviations:\n- {{{GOOD.replace('PRES', 'PRESS')}}}", "2:12", "unknown clause 'PRESS-03'", "'PRES-03'?"),
    (f"deviations:\n- {{{GOOD}, profile: '3.21'}}", "2:", "unknown profile '3.21'", "did you mean '3.22'?"),
    (f"deviations:\n- {{{GOOD.replace('fail', 'pass')}}}", "2:30", "deviations.0.verdict", ""),
    (f"deviations:\n- {{{GOOD.replace('2026-12-31', 'soon')}}}", "2:", "deviations.0.until", ""),
    ("", "1:1", "", ""),
]


@pytest.mark.parametrize(("text", "place", "said", "hint"), BAD)
def test_a_mistake_in_the_file_has_its_position(tmp_path: Path, text: str, place: str, said: str, hint: str) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_baseline(path, target="reference", profile="documented", day=DAY)
    assert str(caught.value.position).removeprefix(str(path)).lstrip(":").startswith(place.lstrip(":"))
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        load_baseline(tmp_path / "no.yaml", target="reference", profile="documented", day=DAY)


def written(tmp_path: Path, judged: list[CaseVerdict], before: Baseline | None = None, **more: str) -> Any:
    told = {"run": "7f3a01", "target": "reference", "profile": "documented"} | more
    path = tmp_path / "written.yaml"
    path.write_text(baseline_text(judged, **told, day=DAY, before=before))
    validated(load(path), BaselineFile)
    return yaml.safe_load(path.read_text())["deviations"]


def test_a_file_is_written_as_narrowly_as_the_run_is(tmp_path: Path) -> None:
    judged = [
        case("presence/a[v1]", PRES_03=V.FAIL, PRES_11=V.PASS, API_01=V.NON_STRICT),
        case("presence/a[v2]", PRES_03=V.FAIL, PRES_11=V.FAIL, API_01=V.PASS),
        case("presence/b[v1]", PRES_11=V.PASS, API_01=V.INCONCLUSIVE),
        case("presence/b[v2]", PRES_11=V.SKIPPED, API_01=V.INCONCLUSIVE),
    ]
    until = date(2027, 2, 23)
    assert [(e["clause"], e.get("case"), e["verdict"], e["until"]) for e in written(tmp_path, judged)] == [
        ("API-01", "presence/b", "inconclusive", until),
        ("API-01", "presence/a[v1]", "non_strict", until),
        ("PRES-03", None, "fail", until),
        ("PRES-11", "presence/a[v2]", "fail", until),
    ]
    path = tmp_path / "written.yaml"
    known = load_baseline(path, target="reference", profile="documented", day=DAY)
    assert [known.restate(each).verdict for each in judged] == [V.KNOWN] * 4
    assert known.findings(judged) == []


def test_what_is_written_says_where_it_is_from(tmp_path: Path) -> None:
    judged = [case("presence/a", PRES_03=V.FAIL)]
    [entry] = written(tmp_path, judged, target="staging", profile="5.0")
    assert entry["reason"] == "not explained yet; seen in run 7f3a01: fail of PRES_03"
    assert (entry["target"], entry["profile"]) == ("staging", "5.0")
    assert written(tmp_path, [case("presence/a", PRES_03=V.PASS)]) == []


def test_reasons_that_somebody_has_given_are_kept(tmp_path: Path) -> None:
    known = baseline(tmp_path, {"clause": "PRES-03", "reason": "as 3.22 does"}, profile="documented")
    judged = [case("presence/a", PRES_03=V.FAIL), case("presence/b", PRES_11=V.FAIL)]
    kept, new = written(tmp_path, judged, known)
    assert (kept["reason"], kept["until"]) == ("as 3.22 does", date(2026, 12, 31))
    assert new["reason"].startswith("not explained yet")
