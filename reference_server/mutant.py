"""What a mutant is, and how one is made from `documented`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reference_server.behaviour import Behaviour
from reference_server.faults import Fault
from reference_server.profiles import PROFILES

Clauses = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A behaviour with one thing wrong, and the clauses that it must break."""

    name: str
    behaviour: Behaviour
    must_break: Clauses
    source: str
    note: str


def rule_changed(name: str, rule: str, value: Any, must_break: Clauses, source: str, note: str) -> Mutant:
    """`documented` with `rule`, named `chapter.rule`, set to `value`."""
    documented = PROFILES["documented"].model_dump(mode="json")
    chapter, _, field = rule.partition(".")
    documented[chapter][field] = value
    return Mutant(name, Behaviour.model_validate(documented), must_break, source, note)


def faulty(name: str, fault: Fault, must_break: Clauses, source: str, note: str) -> Mutant:
    """`documented` with one fault added."""
    behaviour = PROFILES["documented"].model_copy(update={"faults": (fault,)})
    return Mutant(name, behaviour, must_break, source, note)
