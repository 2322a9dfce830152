"""Every rule of a behaviour set to every other value, one at a time: what the suite does not see, it misses."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from reference_server.behaviour import Behaviour
from reference_server.rules import Rules

SAMPLES: dict[str, tuple[Any, ...]] = {
    "api.success_status": (202, 204),
    "api.created_status": (200, 202),
    "api.body_limit": (20, 80_000_000),
    "tokens.lifetime_s": (1.0,),
    "sync.copies": (2,),
    "sync.delay": ({"low": 6.0, "high": 6.0},),
    "calls.delay": ({"low": 6.0, "high": 6.0},),
    "calls.ring_s": (1.0, 600.0),
    "quickcall.copies": (0, 2),
    "quickcall.delay": ({"low": 6.0, "high": 6.0},),
    "quickcall.leg_b_delay": ({"low": 6.0, "high": 6.0},),
    "quickcall.ring_s": (3.0, 60.0),
    "registrar.min_expires": (300,),
    "registrar.max_expires": (1,),
    "registrar.default_expires": (None,),
    "registrar.nonce_lifetime_s": (0.001,),
    "subscribe.status": (201, 202),
    "subscribe.unknown_event": (403,),
    "subscribe.min_expires": (300,),
    "subscribe.max_expires": (1,),
    "subscribe.default_expires": (1,),
    "subscribe.silences": (1,),
    "subscribe.slowest_answer_s": (0.4,),
    "presence.copies": (2,),
    "presence.early": ({"low": 6.0, "high": 6.0},),
    "presence.confirmed": ({"low": 6.0, "high": 6.0},),
    "presence.terminated": ({"low": 6.0, "high": 6.0},),
    "reset.copies": (2,),
    "reset.delay": ({"low": 6.0, "high": 6.0},),
}
"""Values to try for rules that are numbers or times."""


def flips(behaviour: Behaviour) -> Iterator[tuple[str, Behaviour]]:
    """`chapter.rule=value` and `behaviour` with that alone changed, for every value of every enum and boolean, and the
    samples of numbers. Values that no behaviour can have are left out."""
    whole = behaviour.model_dump(mode="json")
    for chapter, rules in behaviour:
        if not isinstance(rules, Rules):
            continue
        for name, field in type(rules).model_fields.items():
            rule = f"{chapter}.{name}"
            for value in (*_values(field.annotation), *SAMPLES.get(rule, ())):
                changed = {**whole, chapter: {**whole[chapter], name: value}}
                try:
                    flipped = Behaviour.model_validate(changed)
                except ValidationError:
                    continue
                if flipped != behaviour:
                    yield f"{rule}={_shown(value)}", flipped


def _values(annotation: Any) -> tuple[Any, ...]:
    """All values of an enum, a literal, a boolean, or of one of several of these."""
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return tuple(each.value for each in annotation)
    if annotation is bool:
        return (False, True)
    if annotation is type(None):
        return (None,)
    origin = get_origin(annotation)
    if origin is Literal:
        return get_args(annotation)
    if origin in (Union, UnionType):
        parts = [_values(each) for each in get_args(annotation)]
        return (
            tuple(value for part in parts for value in part) if any(part != (None,) and part for part in parts) else ()
        )
    return ()


def _shown(value: Any) -> str:
    return str(value["low"]) if isinstance(value, dict) else str(value).lower() if value is None else str(value)
