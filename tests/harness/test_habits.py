"""What is asked of which Kazoo, and what none is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.clauses import PROFILES, Clause
from harness.habits import HABITS, LACKS, asked, lacking
from harness.steps import Reset, Sync
from harness.verdicts import CaseVerdict, Verdict
from reference_server.profiles import PROFILES as PLAYED
from tests.end_to_end.support import run
from tests.harness.files import cases


def reset(profile: str) -> tuple[str, object] | None:
    request = asked(Reset(reset="desk"), profile, "v2")
    return None if request is None else (request.request, request.data)


def test_a_reset_is_asked_for_in_the_way_of_the_release() -> None:
    path = "POST {{ desk.url }}/presence"
    assert reset("documented") == (path, None)
    assert reset("3.20") is None
    assert reset("3.22") == (path, {"reset": True})
    assert reset("4.3") == reset("5.0") == (path, {"action": "reset"})


def test_without_data_there_is_no_body() -> None:
    request = asked(Reset(reset="desk"), "documented", "v2")
    assert request is not None
    assert "data" not in request.model_fields_set


def test_a_check_sync_is_asked_for_where_it_is_served() -> None:
    step = Sync(sync="desk", token="parent", token_in="query")
    found = {}
    for profile in PROFILES:
        request = asked(step, profile, "v1")
        assert request is not None
        assert (request.token, request.token_in) == ("parent", "query")
        found[profile] = (request.request.replace("{{ desk.url }}", ""), request.api)
    assert found == {
        "documented": ("POST /sync", None),
        "3.20": ("POST /sync", "v2"),
        "3.22": ("POST /sync", "v2"),
        "4.3": ("POST /sync", None),
        "5.0": ("PUT ", None),
    }


def test_what_is_lacking() -> None:
    assert set(HABITS) == set(PROFILES)
    assert {where.partition(" ")[0] for lacks in LACKS.values() for where in lacks} <= set(PROFILES)
    assert lacking(["patch", "quickcall"], "4.3", "v1") == ["patch", "quickcall"]
    assert lacking(["patch", "quickcall"], "4.3", "v2") == []
    assert lacking(["patch"], "3.22", "v2") == ["patch"]


def test_standings_of_an_api_version_come_first() -> None:
    clause = Clause(
        statement="something is promised",
        source="here",
        broken={"4.3": "everywhere", "3.22 v1": "there", "5.0 v2": "newly"},
        absent=["4.3 v1", "3.20"],
    )
    assert [clause.standing("4.3", api) for api in ("v1", "v2")] == ["absent", "broken"]
    assert [clause.standing("3.22", api) for api in ("v1", "v2")] == ["broken", "kept"]
    assert [clause.known("4.3", api) for api in ("v1", "v2")] == ["", "everywhere"]
    assert clause.known("3.22", "v1") == "there"
    expected = {"documented": "kept", "3.20": "absent", "3.22": "broken", "4.3": "broken", "5.0": "broken"}
    assert clause.profiles == expected


@pytest.mark.parametrize("where", ["4.4", "v1", "4.3 v3", "4.3v1", "", "3x20"])
def test_other_standings_are_refused(where: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        Clause(statement="something is promised", source="here", absent=[where])


SCENARIO = """\
title: Asks for what not everybody has
clauses: [SYNC-01, SYNC-15, API-04]
phones:
  desk:
steps:
  - register: desk
  - request: PATCH {{ desk.url }}
    needs: patch
    data: {sync: true}
    reply: {status: 200}
    clauses: [API-04]
  - sync: desk
  - expect: desk receives NOTIFY
    where: {Event: {starts: check-sync}}
    clauses: [SYNC-01]
"""


def judged(tmp_path: Path, text: str, profile: str, played: str = "") -> CaseVerdict:
    [case] = cases(tmp_path, text)
    [verdict] = run([case], tmp_path / "out", behaviour=PLAYED[played or profile], profile=profile).verdicts
    return verdict


def test_a_step_is_left_out_where_it_needs_too_much(tmp_path: Path) -> None:
    text = SCENARIO.replace("SYNC-15, API-04", "API-04")
    assert judged(tmp_path, text, "documented").verdict is Verdict.PASS
    found = {each.clause: each.verdict for each in judged(tmp_path, text, "3.22").clauses}
    assert found["SYNC-01"] is Verdict.PASS
    # the page has PATCH; a server that has none breaks it
    found = {each.clause: each.verdict for each in judged(tmp_path, text, "documented", "3.22").clauses}
    assert found["API-04"] is Verdict.FAIL


def test_a_case_is_unsupported_where_it_needs_too_much(tmp_path: Path) -> None:
    text = SCENARIO.replace("phones:", "needs: [patch]\nphones:").replace("SYNC-15, ", "")
    verdict = judged(tmp_path, text, "3.22")
    assert (verdict.verdict, verdict.reason) == (Verdict.UNSUPPORTED, "3.22 has no patch under v2")


def test_a_release_without_a_reset(tmp_path: Path) -> None:
    text = "title: a\nclauses: [PRES-02]\nphones: {desk: }\nsteps:\n  - reset: desk\n    clauses: [PRES-02]\n"
    assert judged(tmp_path, text, "documented").verdict is Verdict.PASS
    assert judged(tmp_path, text, "4.3").verdict is Verdict.PASS
    assert judged(tmp_path, text, "3.20").verdict is Verdict.UNSUPPORTED
    assert judged(tmp_path, text, "documented", "4.3").verdict is Verdict.FAIL


def test_a_version_that_is_gone_is_skipped(tmp_path: Path) -> None:
    text = SCENARIO.replace("phones:", "matrix: {api: [v1]}\nphones:").replace("SYNC-15, ", "")
    verdict = judged(tmp_path, text, "5.0")
    assert (verdict.verdict, verdict.reason) == (Verdict.SKIPPED, "5.0 has no API v1 any more")


def test_what_rests_on_a_known_breakage_is_unsupported(tmp_path: Path) -> None:
    """SYNC-01 cannot be looked at behind a request that 3.22 is known not to serve."""
    text = SCENARIO.replace("    needs: patch\n", "").replace("SYNC-15, ", "")
    found = {each.clause: each.verdict for each in judged(tmp_path, text, "3.22").clauses}
    assert found == {"SYNC-01": Verdict.UNSUPPORTED, "API-04": Verdict.UNSUPPORTED}
    found = {each.clause: each.verdict for each in judged(tmp_path, text, "documented", "3.22").clauses}
    assert found == {"SYNC-01": Verdict.INCONCLUSIVE, "API-04": Verdict.FAIL}


def test_a_subscription_is_waited_for_as_it_was_granted(tmp_path: Path) -> None:
    text = """\
title: a
clauses: [SIP-10]
phones: {desk: , watcher: }
steps:
  - register: [desk, watcher]
  - subscribe: {phone: watcher, to: desk, expires: 2, refresh: false}
  - expire: watcher
  - expect: watcher receives NOTIFY
    where: {Subscription-State: {starts: terminated}, Event: dialog}
"""
    short, long = judged(tmp_path, text, "documented"), judged(tmp_path, text, "4.3")
    assert (short.verdict, long.verdict) == (Verdict.PASS, Verdict.PASS)
    assert short.duration_s < 10
    assert long.duration_s > 300


def test_the_harness_itself_asks_again_when_it_is_throttled(tmp_path: Path) -> None:
    text = """\
title: a
clauses: [SYNC-03]
phones: {desk: , lobby: }
steps:
  - register: [desk, lobby]
  - control: [desk, lobby]
  - never: desk receives NOTIFY
    where: {Event: {starts: check-sync}}
"""
    rate = PLAYED["4.3"].rate.model_copy(update={"capacity": 1, "per_second": 1})
    result = run(
        cases(tmp_path, text),
        tmp_path / "out",
        behaviour=PLAYED["4.3"].model_copy(update={"rate": rate}),
        profile="4.3",
    )
    assert (result.left, [each.verdict for each in result.verdicts]) == ([], [Verdict.PASS])
    [verdict] = result.verdicts
    assert verdict.duration_s > 2
