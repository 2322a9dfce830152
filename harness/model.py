"""What the typed models of scenario and target files are made of: strictness, durations, one or several."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from harness.matchers import problem

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)?\Z")
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def _duration(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a duration such as 2s, 150ms or 1h is wanted")
    if isinstance(value, int | float):
        return float(value)
    match = _DURATION.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration such as 2s, 150ms or 1h is wanted")
    return float(match[1]) * _UNITS[match[2]]


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Duration = Annotated[
    float,
    BeforeValidator(_duration),
    Field(ge=0, le=7 * 24 * 3600),
    WithJsonSchema({"type": ["string", "number"], "description": "a duration: 2s, 150ms, 5min, 1h, or seconds"}),
]
OneOrMore = Annotated[
    list[str],
    BeforeValidator(_as_list),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


def check_matchers(values: dict[str, Any]) -> dict[str, Any]:
    """`values` as they are. Raises ValueError for a matcher that cannot be used."""
    for name, matcher in values.items():
        if reason := problem(matcher):
            raise ValueError(f"{name}: {reason}")
    return values


WANTED: dict[str, str] = {}
"""What a text has to be, in words, by the pattern that it did not fit."""


def plain_pattern(*patterns: re.Pattern[str], wanted: str) -> str:
    """Regular expressions of ours as one that pydantic and JSON Schema understand: no names, `$` for the end.

    `wanted` says to a person what fits.
    """
    plain = "|".join(re.sub(r"\?P<\w+>", "", pattern.pattern).replace(r"\Z", "$") for pattern in patterns)
    WANTED[plain] = wanted
    return plain


Feature = Literal[
    "patch",
    "sync path",
    "quickcall",
    "blocking quickcall",
    "reset",
    "presence of extensions",
    "set presence",
    "notify action",
    "check-sync event",
    "throttle",
    "minimum expiry",
    "tokens that expire",
    "outbound",
]
"""What a Kazoo may not have; `harness.habits` says which has what."""
Needs = Annotated[
    list[Feature],
    BeforeValidator(_as_list),
    WithJsonSchema(
        {"anyOf": [{"enum": list(get_args(Feature))}, {"type": "array", "items": {"enum": list(get_args(Feature))}}]}
    ),
]


class Step(Strict):
    """Base of all steps."""

    VERB: ClassVar[str] = ""
    name: str | None = Field(None, description="shown instead of the step's own text")
    needs: Needs = Field(default_factory=list, description="left out where the expected Kazoo has no such thing")
