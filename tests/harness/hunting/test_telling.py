"""Findings as scenario files: whatever happened and whatever law it broke, the file loads, and says so in words."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.clauses import catalogue
from harness.hunting.events import SENTENCES, STAFF, WAYS, OfficeEvent
from harness.hunting.laws import Breach, Proof
from harness.hunting.telling import Lit, Tale, day_text, scenario_text
from harness.loader import SUFFIX, Case, load_cases

E = OfficeEvent
LAWS = [name for name in catalogue() if name.startswith("LAW-")]
BOB = "sip:bob@x.example"

events = st.builds(
    lambda do, who, whom, how, what: E(
        do, who, whom, {"network": how, "presence_id": "2001"}.get(do, ""), 4.0 if do == "wait" else 0.0, what
    ),
    do=st.sampled_from(sorted(SENTENCES)),
    who=st.sampled_from(STAFF),
    whom=st.sampled_from(STAFF),
    how=st.sampled_from(["lose", "delay", "double", "reorder"]),
    what=st.sampled_from(sorted(WAYS)),
)


def loaded(text: str, folder: Path) -> Case:
    file = folder / f"told{SUFFIX}"
    file.write_text(text, encoding="utf-8")
    [case] = load_cases([file])
    return case


def a_tale(proof: Proof, law: str, *history: OfficeEvent, notifies: int = 1, presentity: str = BOB) -> Tale:
    breach = Breach(law, "carol", presentity, "what was seen", 9.0, proof, "off" if proof == "lamp" else "")
    return Tale(breach, history, "ringproof hunt --seed 1", 40, notifies)


@pytest.mark.parametrize("proof", get_args(Proof))
@pytest.mark.parametrize("law", LAWS)
def test_every_law_and_proof(proof: Proof, law: str, tmp_path: Path) -> None:
    history = (E("subscribe", "carol", "bob"), E("call", "alice", "bob"), E("reject", "bob"))
    case = loaded(scenario_text(a_tale(proof, law, *history)), tmp_path)
    assert list(case.clauses()) == [law]
    assert sorted(case.scenario.phones) == ["alice", "bob", "carol"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(events, min_size=1, max_size=12), st.sampled_from(get_args(Proof)), st.booleans())
def test_whatever_happens(tmp_path: Path, history: list[OfficeEvent], proof: Proof, slowly: bool) -> None:
    history = [E("subscribe", "carol", "bob"), E("subscribe", "dave", "bob"), *history]
    tale = a_tale(proof, "LAW-01", *history)
    text = scenario_text(Tale(tale.breach, history, tale.found, 40, 0, slowly=slowly))
    loaded(text, tmp_path)
    loaded(day_text(history, [Lit("carol", BOB, "off"), Lit("dave", "sip:2001@x", "busy")], "ringproof hunt"), tmp_path)


def test_it_reads_as_if_a_person_had_written_it() -> None:
    history = (E("subscribe", "carol", "bob"), E("call", "alice", "bob"), E("reject", "bob"), E("wait", seconds=4.0))
    assert scenario_text(a_tale("lamp", "LAW-01", *history)) == (
        "# Found by `ringproof hunt --seed 1`: 40 events, of which these were left.\n"
        "title: The lamp of bob on the phone of carol is off after bob rejects\n"
        "why: >-\n"
        "  Once things have settled, every lamp shows the truth. "
        "The server on which this was found did not keep to that: what was seen.\n"
        "clauses: [LAW-01]\n"
        "phones:\n"
        "  alice: {device: {name: Alice}, on_call: ring}\n"
        "  bob: {device: {name: Bob}, on_call: ring}\n"
        "  carol: {device: {name: Carol}, on_call: ring}\n"
        "steps:\n"
        "  - register: [alice, bob, carol]\n"
        "  - subscribe: {phone: carol, to: bob}\n"
        "  - call: alice to bob\n"
        "  - reject: bob\n"
        "  - wait: 4s\n"
        "  # Once things have settled, every lamp shows the truth.\n"
        "  - lamp: carol\n"
        "    of: bob\n"
        "    becomes: off\n"
        "    within: 9s\n"
    )


@pytest.mark.parametrize(
    ("presentity", "history", "written"),
    [
        (BOB, [], "of: bob"),
        (BOB, [E("presence_id", "bob", how="2001")], 'of: "{{ bob.aor }}"'),
        ("sip:2001@x", [E("presence_id", "bob", how="2001")], "of: bob"),
        ("sip:2001@x", [], 'of: "sip:2001@{{ bob.realm }}"'),
        ("sip:bob-again@x", [E("username", "bob")], 'of: "sip:{{ bob.username }}again@{{ bob.realm }}"'),
        (BOB, [E("username", "bob")], 'of: "{{ bob.aor }}"'),
        (BOB, [E("presence_id", "bob", how="2001"), E("presence_id", "bob")], "of: bob"),
    ],
)
def test_whom_a_lamp_is_of(presentity: str, history: list[OfficeEvent], written: str, tmp_path: Path) -> None:
    told = [E("subscribe", "carol", "bob"), *history]
    text = scenario_text(a_tale("lamp", "LAW-01", *told, presentity=presentity))
    assert f"    {written}\n" in text
    loaded(text, tmp_path)


def test_nothing_where_a_sound_server_sends_nothing(tmp_path: Path) -> None:
    text = scenario_text(a_tale("count", "LAW-05", E("subscribe", "carol", "bob"), E("forget", "carol"), notifies=0))
    assert "never: carol receives NOTIFY" in text
    assert "mark: from here on it counts\n  - forget: carol" in text
    loaded(text, tmp_path)


def test_long_waits_are_said(tmp_path: Path) -> None:
    text = scenario_text(a_tale("lamp", "LAW-01", E("subscribe", "carol", "bob"), E("wait", seconds=700.0)))
    assert loaded(text, tmp_path).scenario.takes == 700.0
