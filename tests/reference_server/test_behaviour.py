"""Behaviours are data: they read and write JSON, and nothing that is misspelt passes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reference_server import behaviour
from reference_server.behaviour import Behaviour
from reference_server.behaviour_api import ApiRules, Check
from reference_server.faults import (
    Delay,
    Double,
    Drop,
    EditBody,
    EditHeader,
    Fault,
    Kind,
    Match,
    Misdirect,
    Reorder,
)
from reference_server.mutants import MUTANTS
from reference_server.profiles import PROFILES
from reference_server.rules import Span
from tests.reference_server.playbook import DOCUMENTED, changed

EVERY_ACTION = Fault(
    match=Match(kind=Kind.REQUEST, method="NOTIFY", event="check-sync", user="desk", nth=(1, 3)),
    actions=(
        Drop(),
        Double(after=0.1),
        Delay(seconds=1),
        Misdirect(user="other"),
        Reorder(),
        EditHeader(name="Event", value="x"),
        EditBody(body="x"),
    ),
)


@pytest.mark.parametrize(
    "value",
    [
        *PROFILES.values(),
        *(mutant.behaviour for mutant in MUTANTS.values()),
        DOCUMENTED.model_copy(update={"faults": (EVERY_ACTION,)}),
    ],
)
def test_json_round_trip(value: Behaviour) -> None:
    assert Behaviour.model_validate_json(value.model_dump_json()) == value


def test_json_is_plain() -> None:
    dumped = json.loads(DOCUMENTED.model_dump_json())
    assert dumped["sync"]["on_true"] == "attempted"
    assert dumped["sync"]["delay"] == {"low": 0.015, "high": 0.025}


def test_an_empty_file_is_documented() -> None:
    assert Behaviour.model_validate_json("{}") == DOCUMENTED


@pytest.mark.parametrize(
    "document",
    [
        {"snyc": {}},
        {"sync": {"on_flase": "attempted"}},
        {"sync": {"on_false": "maybe"}},
        {"sync": {"delay": {"low": 2, "high": 1}}},
        {"sync": {"copies": 0}},
        {"faults": [{"match": {}, "actions": []}]},
        {"faults": [{"match": {"methode": "NOTIFY"}, "actions": [{"do": "drop"}]}]},
        {"faults": [{"match": {}, "actions": [{"do": "explode"}]}]},
        {"faults": [{"match": {}, "actions": [{"do": "edit-header", "name": "A b"}]}]},
        {"faults": [{"match": {}, "actions": [{"do": "edit-header", "name": "A", "value": "x\r\nB: y"}]}]},
        {"api": {"order": ["body", "route"]}},
        {"api": {"order": ["body", "account", "route", "token", "access", "media"]}},
    ],
)
def test_a_mistake_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Behaviour.model_validate(document)


def test_frozen() -> None:
    name = "copies"
    with pytest.raises(ValidationError):
        setattr(DOCUMENTED.sync, name, 2)


def test_order_may_change() -> None:
    order = (Check.ROUTE, Check.BODY, Check.ACCOUNT, Check.TOKEN, Check.ACCESS, Check.MEDIA)
    assert ApiRules(order=order).order == order
    assert changed(api__order=list(order)).api.order == order


def test_span() -> None:
    assert Span(low=1, high=1).low == 1.0


SOURCES = "".join(
    path.read_text(encoding="utf-8")
    for path in sorted(Path(behaviour.__file__).parent.rglob("*.py"))
    if path.name not in ("behaviour.py", "mutants.py")
)
RULES = [
    (chapter, rule)
    for chapter in Behaviour.model_fields
    if chapter != "faults"
    for rule in type(getattr(DOCUMENTED, chapter)).model_fields
]


CHAPTERS = "|".join(Behaviour.model_fields)


def is_read(rule: str) -> bool:
    return re.search(rf"\b(rules|_rules|_sync|_tokens|_quick|_reset|{CHAPTERS})\.{rule}\b", SOURCES) is not None


@pytest.mark.parametrize(("chapter", "rule"), RULES)
def test_every_rule_is_read(chapter: str, rule: str) -> None:
    # whoever owns the sockets reads api.https
    assert is_read(rule) or (chapter, rule) == ("api", "https")


def test_an_unread_rule_is_noticed() -> None:
    assert not is_read("on_create")
