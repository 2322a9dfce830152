"""The steps that claim something: what reaches phones, what lamps show, in which order."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from harness.model import Duration, OneOrMore, Step, Strict, check_matchers, plain_pattern

_RECEIVES = re.compile(r"(?P<phone>\S+) receives (?P<what>[A-Z]{3,12}|[1-6]\d\d)\Z")
_PASSES = re.compile(r"(?P<phone>\S+) (?P<way>receives|sends) (?P<what>[A-Z]{3,12}|[1-6]\d\d)\Z")
_IS = re.compile(r"(?P<phone>\S+) is (?P<state>calling|ringing|talking|idle)\Z")
_HEARS = re.compile(r"(?P<phone>\S+) hears (?P<only>only )?(?P<other>\S+)(?: (?P<way>directly|relayed))?\Z")

_EXPECTED = (
    "PHONE receives METHOD or STATUS; PHONE is calling, ringing, talking or idle; "
    "PHONE hears PHONE, or only PHONE, perhaps directly or relayed"
)

Package = Literal["dialog", "presence", "message-summary"]


def _shown(value: Any) -> Any:
    # YAML 1.1 reads a bare `off` as false
    return "off" if value is False else value


Shown = Annotated[Literal["off", "ringing", "busy", "unknown"], BeforeValidator(_shown)]


class Passing(Strict):
    """One line of `order`."""

    that: str = Field(pattern=plain_pattern(_PASSES, wanted="PHONE receives or sends METHOD or STATUS"))
    where: dict[str, Any] = Field(default_factory=dict)

    @field_validator("where")
    @classmethod
    def _matchers(cls, value: dict[str, Any]) -> dict[str, Any]:
        return check_matchers(value)


class Claiming(Step):
    """Base of the claims that are settled together where they stand next to each other."""

    within: Duration = Field(2.0, description="how long after the stimulus' reply")
    lag: Duration | None = Field(None, description="how long to listen after control and fence")
    clauses: list[str] = Field(default_factory=list, description="clauses that this proves; default all of the case")


class Watching(Claiming):
    """Base of the claims about messages that phones receive."""

    where: dict[str, Any] = Field(default_factory=dict, description="header, `body` or `uri` to matcher")

    @field_validator("where")
    @classmethod
    def _matchers(cls, value: dict[str, Any]) -> dict[str, Any]:
        return check_matchers(value)


class Expect(Watching):
    """A message arrives: at least once, `exactly` or `at_most` so often. Or: a phone is in a state, hears another."""

    VERB = "expect"
    expect: str = Field(
        pattern=plain_pattern(_RECEIVES, _IS, _HEARS, wanted=_EXPECTED),
        description=_EXPECTED,
    )
    exactly: int | None = Field(None, ge=1)
    at_most: int | None = Field(None, ge=1)
    distinct: str | None = Field(None, description="a header whose value must differ from message to message")
    same: str | None = Field(None, description="a header whose value must be the same in all, two at least")

    @model_validator(mode="after")
    def _one_count(self) -> Expect:
        if self.exactly is not None and self.at_most is not None:
            raise ValueError("say `exactly` or `at_most`, not both")
        counted = any(each is not None for each in (self.exactly, self.at_most, self.distinct, self.same))
        if (counted or self.where) and _RECEIVES.match(self.expect) is None:
            said = "`where`, `exactly`, `at_most`, `distinct` and `same` are about messages"
            raise ValueError(f"{said}: PHONE receives METHOD")
        if self.same is not None and (self.exactly == 1 or self.at_most is not None):
            raise ValueError("`same` compares two at least: say `exactly: 2` or more, or no number")
        return self


class Never(Watching):
    """Nothing of the kind arrives. Closed by control, fence and lag, or inconclusive."""

    VERB = "never"
    never: str = Field(
        pattern=plain_pattern(_RECEIVES, wanted="PHONE receives METHOD"), description="PHONE receives METHOD"
    )


class Lit(Claiming):
    """What a lamp shows. `goes` and `stays` are closed like counts; `becomes` only waits."""

    VERB = "lamp"
    lamp: OneOrMore = Field(description="the watchers whose lamp it is, by name")
    of: str = Field(description="whom they watch: a phone, or a sip: URI")
    event: Package = "dialog"
    goes: list[Shown] | None = Field(None, min_length=1, description="what it shows since the last mark, all of it")
    stays: Shown | None = Field(None, description="it shows this and nothing else since the last mark")
    becomes: Shown | None = Field(None, description="it shows this at last; nothing is said about what follows")
    truth: list[str] | None = Field(
        None, description="phones whose calls are the truth; default those whose presentity it is"
    )

    @model_validator(mode="before")
    @classmethod
    def _beside(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("lamp"), dict):
            raise ValueError("`of` and the others stand beside `lamp`: {lamp: WATCHER, of: PHONE, becomes: busy}")
        return value

    @model_validator(mode="after")
    def _one(self) -> Lit:
        if sum(each is not None for each in (self.goes, self.stays, self.becomes)) != 1:
            raise ValueError("say exactly one of goes, stays, becomes")
        if self.goes and any(one == other for one, other in itertools.pairwise(self.goes)):
            raise ValueError("`goes` names changes: no state twice in a row")
        return self


class Laws(Claiming):
    """The NOTIFYs of all subscriptions of phones keep the laws: CSeq and version rise, nothing after the end."""

    VERB = "laws"
    laws: OneOrMore


class Order(Claiming):
    """Messages pass in this order, each a first time since the last mark."""

    VERB = "order"
    order: list[str | Passing] = Field(min_length=2)

    @field_validator("order")
    @classmethod
    def _lines(cls, value: list[str | Passing]) -> list[str | Passing]:
        return [Passing(that=each) if isinstance(each, str) else each for each in value]

    @property
    def lines(self) -> list[Passing]:
        """Every line in its long form."""
        return [Passing(that=each) if isinstance(each, str) else each for each in self.order]


def parse_receives(text: str) -> tuple[str, str]:
    """Phone and method or status of `desk receives NOTIFY`. Raises ValueError for anything else."""
    match = _RECEIVES.match(text)
    if match is None:
        raise ValueError(f"{text!r}: PHONE receives METHOD is wanted")
    return match["phone"], match["what"]


def parse_is(text: str) -> tuple[str, str] | None:
    """Phone and state of `desk is talking`, None for anything else."""
    match = _IS.match(text)
    return (match["phone"], match["state"]) if match else None


@dataclass(frozen=True, slots=True)
class Hearing:
    """A phone hears another; `only`: and neither itself nor a third.

    `way`: directly, from the other's own address; relayed, from another's; '': either.
    """

    phone: str
    other: str
    only: bool
    way: str


def parse_hears(text: str) -> Hearing | None:
    """Who hears whom in `desk hears only lobby directly`, None for anything else."""
    match = _HEARS.match(text)
    return Hearing(match["phone"], match["other"], bool(match["only"]), match["way"] or "") if match else None


def parse_passes(text: str) -> tuple[str, str, str]:
    """Phone, `receives` or `sends`, and method or status of a line of `order`."""
    match = _PASSES.match(text)
    if match is None:
        raise ValueError(f"{text!r}: PHONE receives or sends METHOD is wanted")
    return match["phone"], match["way"], match["what"]
