"""The typed model of a scenario file. What can be said is said here; where it stands in the file is `loader`'s."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from harness.clauses import Profile
from harness.model import Duration, Needs, OneOrMore, Strict
from harness.steps import METHOD, AnyStep, CallPolicy, Restart, inner_steps


class PhoneSpec(Strict):
    """A phone of the scenario. Without `device`, `device_of` or `trunk` it gets a device of its own."""

    device: dict[str, Any] = Field(default_factory=dict, description="fields of the device document to create")
    device_of: str | None = Field(None, description="use the device of this other phone (a second Contact)")
    account: Literal["own", "other", "child"] = Field("own", description="whose device it is")
    password: str | None = Field(None, description="register with this password instead of the device's")
    extension: OneOrMore | None = Field(None, description="numbers of the account that ring its device")
    group: str | None = Field(None, description="a number that rings all phones at the same time that name it")
    rings: Duration | None = Field(
        None, ge=1, description="how long it rings when its extension or group is called; default as Kazoo does"
    )
    trunk: str | None = Field(
        None, description="it is a carrier: takes the numbers outside the account that fit this regular expression"
    )
    personality: str | None = Field(
        None, description="what kind of phone it is: one that is shipped, or a YAML file beside the scenario"
    )
    outbound: bool | None = Field(
        None, description="whether it registers its flow: instance and reg-id (RFC 5626); default as its personality"
    )
    on_call: CallPolicy | None = Field(None, description="what it does with calls; default: reject with 486")
    answers: dict[str, int | Literal["silence"]] = Field(
        default_factory=dict, description="method to the status that the phone answers with, or silence"
    )

    @field_validator("on_call", mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"how": value} if isinstance(value, str) else value

    @field_validator("trunk")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"the regular expression {value!r} is broken: {error}") from error
        return value

    @field_validator("answers")
    @classmethod
    def _methods(cls, value: dict[str, Any]) -> dict[str, Any]:
        for method, status in value.items():
            if not METHOD.match(method):
                raise ValueError(f"{method!r} is no SIP method")
            if isinstance(status, int) and not 200 <= status <= 699:
                raise ValueError(f"{status} is no final SIP status")
        return value

    @model_validator(mode="after")
    def _one_kind(self) -> PhoneSpec:
        if self.trunk is not None and (self.device or self.device_of or self.password or self._numbered):
            raise ValueError("a trunk is no device: device, device_of, password, extension, group do not go with it")
        if self.rings is not None and not self._numbered:
            raise ValueError("`rings` says how long the extension or group rings: there is none")
        if self.device_of is not None and self._numbered:
            raise ValueError("extension and group belong to the phone whose device it is")
        return self

    @property
    def _numbered(self) -> bool:
        return self.extension is not None or self.group is not None


def set_up_order(phones: dict[str, PhoneSpec]) -> list[tuple[str, PhoneSpec]]:
    """Phones as they are made: whoever builds on another's device or address comes after it."""
    return sorted(phones.items(), key=lambda item: bool(item[1].device_of) + 2 * bool(item[1].trunk))


def groups_of(phones: dict[str, PhoneSpec]) -> dict[str, list[tuple[str, PhoneSpec]]]:
    """The phones that each number of a group rings."""
    groups: dict[str, list[tuple[str, PhoneSpec]]] = {}
    for name, spec in phones.items():
        if spec.group is not None:
            groups.setdefault(spec.group, []).append((name, spec))
    return groups


class Matrix(Strict):
    """The dimensions in which each point is a case of its own."""

    api: list[Literal["v1", "v2"]] = Field(default_factory=list)
    over: list[Literal["http", "https"]] = Field(default_factory=list)
    transport: list[Literal["udp", "tcp", "tls", "ws", "wss"]] = Field(default_factory=list)

    @field_validator("api", "over", "transport")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("each value once")
        return value


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
    profiles: list[Profile] = Field(default_factory=list, description="what it is about; without any: every Kazoo")
    needs: Needs = Field(default_factory=list, description="unsupported where the expected Kazoo has no such thing")
    takes: Duration = Field(
        0.0,
        description="how long it waits by the clock; a run on sockets leaves out what takes over 10 s unless --slow",
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

    @model_validator(mode="after")
    def _belongs_together(self) -> Scenario:
        restarts = any(isinstance(each, Restart) for step in self.steps for each in (step, *inner_steps(step)))
        for number, members in groups_of(self.phones).items():
            if len({spec.account for _, spec in members}) > 1:
                raise ValueError(f"the phones of group {number} are in several accounts: a number is in one")
        if restarts and self.isolation != "server":
            raise ValueError("a restart is felt by all who use the server: say `isolation: server`")
        return self


RESERVED = (
    "account",
    "other_account",
    "parent_account",
    "child_account",
    "user",
    "api",
    "over",
    "transport",
    "run",
    "request_id",
    "saved",
    "none",
    "true",
    "false",
)
"""Names that templates use for other things than phones."""
