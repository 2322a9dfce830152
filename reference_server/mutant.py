"""What a mutant is, and how one is made from a profile."""

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
    profile: str = "documented"
    """The Kazoo that it is, but for that."""


def rule_changed(
    name: str, rule: str, value: Any, must_break: Clauses, source: str, note: str, profile: str = "documented"
) -> Mutant:
    """`profile` with `rule`, named `chapter.rule`, set to `value`."""
    rules = PROFILES[profile].model_dump(mode="json")
    chapter, _, field = rule.partition(".")
    rules[chapter][field] = value
    return Mutant(name, Behaviour.model_validate(rules), must_break, source, note, profile)


def faulty(name: str, fault: Fault, must_break: Clauses, source: str, note: str, profile: str = "documented") -> Mutant:
    """`profile` with one fault added."""
    behaviour = PROFILES[profile].model_copy(update={"faults": (fault,)})
    return Mutant(name, behaviour, must_break, source, note, profile)
