"""Every rule of a behaviour set to every other value, one at a time: what the suite does not see, it misses."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import ValidationError

from reference_server.behaviour import Behaviour
from reference_server.rules import Rules
from reference_server.states import ChannelState

_LATE = ({"low": 6.0, "high": 6.0},)
"""Seconds that nobody waits for."""

SAMPLES: dict[str, tuple[Any, ...]] = {
    "api.success_status": (202, 204),
    "api.created_status": (200, 202),
    "api.body_limit": (20, 80_000_000),
    "api.release": ("9.9.9",),
    "api.invalid": ("no",),
    "rate.capacity": (1,),
    "rate.per_second": (0,),
    "rate.request": (50,),
    "rate.refused": (50,),
    "rate.login": (50,),
    "rate.quickcall": (50,),
    "tokens.lifetime_s": (1.0,),
    "devices.expiry_field": ("registration_expiration",),
    "devices.mac_in_use": ("no",),
    "devices.notify_delay": _LATE,
    "sync.copies": (2,),
    "sync.delay": _LATE,
    "sync.late_s": (6.0,),
    "sync.event": ("reboot",),
    "sync.race_won": (0.0, 1.0),
    "calls.byes": (2,),
    "calls.delay": _LATE,
    "calls.refusal_delay": _LATE,
    "calls.unknown_delay": _LATE,
    "calls.again": _LATE,
    "calls.caller_ahead_s": (0.03,),
    "calls.ring_s": (1.0, 600.0),
    "quickcall.copies": (0, 2),
    "quickcall.delay": _LATE,
    "quickcall.leg_b_delay": _LATE,
    "quickcall.outcome_delay": _LATE,
    "quickcall.ring_early": _LATE,
    "quickcall.ring_s": (3.0, 60.0),
    "quickcall.again_s": (6.0,),
    "quickcall.unnamed": ("somebody",),
    "quickcall.unnumbered": ("anonymous",),
    "quickcall.leg_a_name": ("somebody",),
    "quickcall.absent": ("no",),
    "registrar.dropped_agents": ((),),
    "registrar.min_expires": (300,),
    "registrar.max_expires": (1,),
    "registrar.default_expires": (None,),
    "registrar.known_expires": (1,),
    "registrar.nonce_lifetime_s": (0.001,),
    "registrar.flow_timer": (30,),
    "registrar.trying": ("no",),
    "registrar.delay": _LATE,
    "registrar.message_waiting_delay": _LATE,
    "registrar.patience_s": (0.001,),
    "subscribe.status": (201, 202),
    "subscribe.unknown_event": (403,),
    "subscribe.min_expires": (300,),
    "subscribe.max_expires": (1,),
    "subscribe.default_expires": (1,),
    "subscribe.silences": (1,),
    "subscribe.slowest_answer_s": (0.4,),
    "subscribe.ends_on": ((), (404, 481), (404, 481, 500)),
    "presence.copies": (2,),
    "presence.early": _LATE,
    "presence.confirmed": _LATE,
    "presence.terminated": _LATE,
    "presence.held_s": (6.0,),
    "presence.late_s": (6.0,),
    "presence.lost": tuple(({"state": state},) for state in ChannelState),
    "reset.copies": (2,),
    "reset.delay": _LATE,
    "reset.set_delay": _LATE,
    "reset.nothing": ("no",),
    "reset.list_name": ("no",),
    "reset.reply": ("no",),
}
"""Values to try for rules that are numbers, times or texts."""


def flips(behaviour: Behaviour) -> Iterator[tuple[str, Behaviour]]:
    """`chapter.rule=value` and `behaviour` with that alone changed, for every value of every enum and boolean, every
    member of a set put in or left out, every neighbours of an order changed, and the samples of everything else.
    Values that no behaviour can have are left out."""
    whole = behaviour.model_dump(mode="json")
    for chapter, rules in behaviour:
        if not isinstance(rules, Rules):
            continue
        for name, field in type(rules).model_fields.items():
            rule = f"{chapter}.{name}"
            listed = whole[chapter][name]
            members = _several(field.annotation, listed) if isinstance(listed, list) else ()
            for value in (*_values(field.annotation), *members, *SAMPLES.get(rule, ())):
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


def _several(annotation: Any, listed: list[Any]) -> Iterator[list[Any]]:
    """A list of members of an enum with one more or one fewer; where it has all of them: with two neighbours changed,
    too."""
    [member, *_] = get_args(annotation)
    if not (isinstance(member, type) and issubclass(member, StrEnum)):
        return
    everything = [each.value for each in member]
    for value in everything:
        yield [each for each in listed if each != value] if value in listed else [*listed, value]
    if len(listed) > 2 and sorted(listed) == sorted(everything):
        for place in range(len(listed) - 1):
            yield [*listed[:place], listed[place + 1], listed[place], *listed[place + 2 :]]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "+".join(_shown(each) for each in value) or "nothing"
    if isinstance(value, dict):
        return str(value["low"] if "low" in value else value["state"])
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
