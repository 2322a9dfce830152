"""The typed model of a scenario file. What can be said is said here; where it stands in the file is `loader`'s."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from harness.matchers import problem

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h)?\Z")
_UNITS = {"ms": 0.001, "s": 1.0, None: 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_METHOD = re.compile(r"[A-Z]{3,12}\Z")
_RECEIVES = re.compile(r"(?P<phone>\S+) receives (?P<what>[A-Z]{3,12}|[1-6]\d\d)\Z")


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


def _check_matchers(values: dict[str, Any] | None) -> dict[str, Any] | None:
    for name, matcher in (values or {}).items():
        if reason := problem(matcher):
            raise ValueError(f"{name}: {reason}")
    return values


class PhoneSpec(Strict):
    """A phone of the scenario. Without `device` or `device_of` it gets a device of its own."""

    device: dict[str, Any] = Field(default_factory=dict, description="fields of the device document to create")
    device_of: str | None = Field(None, description="use the device of this other phone (a second Contact)")
    account: Literal["own", "other", "child"] = Field("own", description="whose device it is")
    password: str | None = Field(None, description="register with this password instead of the device's")
    answers: dict[str, int | Literal["silence"]] = Field(
        default_factory=dict, description="method to the status that the phone answers with, or silence"
    )

    @field_validator("answers")
    @classmethod
    def _methods(cls, value: dict[str, Any]) -> dict[str, Any]:
        for method, status in value.items():
            if not _METHOD.match(method):
                raise ValueError(f"{method!r} is no SIP method")
            if isinstance(status, int) and not 200 <= status <= 699:
                raise ValueError(f"{status} is no final SIP status")
        return value


class Matrix(Strict):
    """The dimensions in which each point is a case of its own."""

    api: list[Literal["v1", "v2"]] = Field(default_factory=list)
    over: list[Literal["http", "https"]] = Field(default_factory=list)

    @field_validator("api", "over")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("each value once")
        return value


class Registering(Strict):
    """`register` with conditions."""

    phone: OneOrMore = Field(description="phones, by name")
    expires: int | None = Field(None, ge=0, le=7 * 24 * 3600, description="seconds to ask for")
    refresh: bool = Field(True, description="refresh before it expires")
    outcome: Literal["registered", "refused", "unanswered"] = "registered"
    status: int | None = Field(None, description="the status of the deciding response")
    clauses: list[str] = Field(
        default_factory=list, description="clauses that this proves; without any it is a precondition of all"
    )


class Reply(Strict):
    """What the API's reply must be."""

    status: int | list[int] | None = None
    content: dict[str, Any] = Field(default_factory=dict, alias="json", description="dotted path to matcher")
    headers: dict[str, Any] = Field(default_factory=dict, description="header to matcher")
    body: Any = Field(None, description="matcher on the body as text")

    @field_validator("content", "headers")
    @classmethod
    def _matchers(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _check_matchers(value) or {}


class SipMessage(Strict):
    """A SIP request or response to craft from the scapy layers."""

    method: str | None = None
    uri: str | None = None
    status: str | int | None = None
    reason: str = "OK"
    headers: dict[str, str | int] = Field(default_factory=dict)
    body: str = ""
    auto_length: bool = Field(True, description="append a Content-Length where the headers have none")

    @model_validator(mode="after")
    def _kind(self) -> SipMessage:
        if (self.method is None) == (self.status is None):
            raise ValueError("say either `method` (a request) or `status` (a response)")
        return self


class Sending(Strict):
    """`send`: put bytes on the wire, well-formed or not."""

    phone: str = Field(description="the phone that sends")
    to: str | None = Field(None, description="host:port; default the phone's edge")
    sip: SipMessage | None = None
    layers: list[dict[str, dict[str, Any]]] | None = Field(
        None, min_length=1, description="scapy layers from the outside in, each `{Name: {field: value}}`"
    )
    raw: str | None = Field(None, description="text as it is; line ends are sent as written")
    hex: str | None = Field(None, description="octets in hexadecimal")

    @model_validator(mode="after")
    def _one(self) -> Sending:
        if sum(what is not None for what in (self.sip, self.layers, self.raw, self.hex)) != 1:
            raise ValueError("say exactly one of sip, layers, raw, hex")
        return self


class Step(Strict):
    """Base of all steps."""

    name: str | None = Field(None, description="shown instead of the step's own text")


class Register(Step):
    """Register phones, or refresh their registration."""

    register_: OneOrMore | Registering = Field(alias="register")


class Unregister(Step):
    """Unregister phones."""

    unregister: OneOrMore


class Move(Step):
    """Take phones to another Contact and register it in the same registration."""

    move: OneOrMore


class Control(Step):
    """Prove that phones can be reached: a check-sync by the sync path must arrive. Later counts rest on it."""

    control: OneOrMore


class Request(Step):
    """An API call. `data` is put into Kazoo's envelope; `body` is sent as it is."""

    request: str = Field(description="METHOD PATH, a path such as {{ desk.url }}/sync")
    data: Any = Field(None, description="becomes {data: …}")
    envelope: Any = Field(None, description="the whole JSON body")
    body: str | None = Field(None, description="the body as text")
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)
    token: str | None = Field("own", description="own, other, parent, child, none, or a text to be sent as the token")
    token_in: Literal["header", "query"] = "header"
    api: Literal["v1", "v2"] | None = Field(None, description="instead of the matrix' version")
    reply: Reply | None = None
    save: dict[str, str] = Field(default_factory=dict, description="name to dotted path of the reply")
    clauses: list[str] = Field(default_factory=list, description="clauses that the reply proves; default all")

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        given = [name for name in ("data", "envelope", "body") if name in self.model_fields_set]
        if len(given) > 1:
            raise ValueError(f"say only one of {', '.join(given)}")
        return self


class Watching(Step):
    """Base of the claims about what phones receive."""

    where: dict[str, Any] = Field(default_factory=dict, description="header, `body` or `uri` to matcher")
    within: Duration = Field(2.0, description="how long after the stimulus' reply")
    lag: Duration | None = Field(None, description="how long to listen after control and fence")
    clauses: list[str] = Field(default_factory=list, description="clauses that this proves; default all of the case")

    @field_validator("where")
    @classmethod
    def _matchers(cls, value: dict[str, Any]) -> dict[str, Any]:
        return _check_matchers(value) or {}


class Expect(Watching):
    """Something arrives: at least once, or `exactly`, or `at_most` so often."""

    expect: str = Field(pattern=_RECEIVES.pattern.replace(r"\Z", "$"), description="PHONE receives METHOD or STATUS")
    exactly: int | None = Field(None, ge=1)
    at_most: int | None = Field(None, ge=1)
    distinct: str | None = Field(None, description="a header whose value must differ from message to message")

    @model_validator(mode="after")
    def _one_count(self) -> Expect:
        if self.exactly is not None and self.at_most is not None:
            raise ValueError("say `exactly` or `at_most`, not both")
        return self


class Never(Watching):
    """Nothing of the kind arrives. Closed by control, fence and lag, or inconclusive."""

    never: str = Field(pattern=_RECEIVES.pattern.replace(r"\Z", "$"), description="PHONE receives METHOD")


class Wait(Step):
    """Let time pass."""

    wait: Duration


class Expire(Step):
    """Wait until the registrations of phones are over, after the time that was granted and a second more."""

    expire: OneOrMore


class Mark(Step):
    """Open a new window: what arrived before does not count for what is claimed after."""

    mark: str


class Send(Step):
    """Put bytes on the wire from a phone."""

    send: Sending


class Create(Step):
    """Create the device of a phone again, after it was deleted, with the same credentials."""

    create: OneOrMore


class Parallel(Step):
    """Steps that run at the same time."""

    parallel: list[AnyStep] = Field(min_length=1)


VERBS = (
    "register",
    "unregister",
    "move",
    "control",
    "request",
    "expect",
    "never",
    "wait",
    "expire",
    "mark",
    "send",
    "create",
    "parallel",
)
"""What a step can begin with."""


def _verb(value: Any) -> str | None:
    if isinstance(value, Step):
        return type(value).__name__.lower()
    found = [verb for verb in VERBS if isinstance(value, dict) and verb in value]
    return found[0] if len(found) == 1 else None


AnyStep = Annotated[
    Annotated[Register, Tag("register")]
    | Annotated[Unregister, Tag("unregister")]
    | Annotated[Move, Tag("move")]
    | Annotated[Control, Tag("control")]
    | Annotated[Request, Tag("request")]
    | Annotated[Expect, Tag("expect")]
    | Annotated[Never, Tag("never")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[Expire, Tag("expire")]
    | Annotated[Mark, Tag("mark")]
    | Annotated[Send, Tag("send")]
    | Annotated[Create, Tag("create")]
    | Annotated[Parallel, Tag("parallel")],
    Discriminator(
        _verb,
        custom_error_type="step_verb",
        custom_error_message=f"a step has exactly one of {', '.join(VERBS)}",
    ),
]

Parallel.model_rebuild()


class Scenario(Strict):
    """One scenario file."""

    title: str = Field(min_length=1)
    why: str = Field("", description="background for a reader of the report")
    clauses: list[str] = Field(min_length=1)
    matrix: Matrix = Field(default_factory=Matrix)
    isolation: Literal["account", "case", "server"] = Field(
        "account",
        description="account: an account of its own where the target lets one be made; case: own devices in the "
        "target's account; server: a reference server of its own",
    )
    phones: dict[str, PhoneSpec] = Field(default_factory=dict)
    steps: list[AnyStep] = Field(min_length=1)

    @field_validator("phones", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return (
            {name: {} if spec is None else spec for name, spec in value.items()} if isinstance(value, dict) else value
        )

    @field_validator("phones")
    @classmethod
    def _names(cls, value: dict[str, PhoneSpec]) -> dict[str, PhoneSpec]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
                raise ValueError(f"phone name {name!r}: small letters, digits and _ only, a letter first")
            if name in RESERVED:
                raise ValueError(f"phone name {name!r} has a meaning of its own in templates")
        return value


RESERVED = (
    "account",
    "other_account",
    "parent_account",
    "child_account",
    "user",
    "api",
    "over",
    "run",
    "request_id",
    "saved",
)
"""Names that templates use for other things than phones."""


def parse_receives(text: str) -> tuple[str, str]:
    """Phone and method or status of `desk receives NOTIFY`."""
    match = _RECEIVES.match(text)
    if match is None:
        raise ValueError(f"{text!r}: PHONE receives METHOD is wanted")
    return match["phone"], match["what"]
