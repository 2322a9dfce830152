"""Faults: data that says which messages of the server go wrong on their way out, and how.

A fault is matched at the server's send boundary, after everything has been decided. It applies to a message
and to its retransmissions alike: a message that is dropped is dropped for good. Only `once` is about these alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

HeaderName = Annotated[str, Field(pattern=r"^[!%'*+\-.0-9A-Z_`a-z~]+$")]
Position = Annotated[int, Field(ge=1)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kind(StrEnum):
    """What is sent."""

    REQUEST = "request"
    """A SIP request of the server."""
    RESPONSE = "response"
    """A SIP response of the server."""
    API = "api"
    """A reply to an API request."""
    MEDIA = "media"
    """A packet of RTP that is passed from one leg of a call to the other."""


class Match(_Data):
    """Which messages. A field that is None matches all; all fields that are set must match."""

    kind: Kind = Kind.REQUEST
    method: str | None = None
    """Method of the request, of the response's CSeq, or of the HTTP request."""
    event: str | None = None
    """Event header, without its parameters."""
    status: int | None = None
    """Status of the response or of the API reply."""
    user: str | None = None
    """User part of the To header (From in a request of ours is the same): the SIP username of the device. For media:
    what the sender's leg goes by, its SIP username, presence id or number."""
    path: str | None = None
    """What the path of an API request ends with."""
    leg: Literal["a", "b"] | None = None
    """For media: whether it comes from the first leg of its call or from the second."""
    nth: tuple[Position, ...] = ()
    """Which of the messages that match so far, counted from 1; empty: all."""


class Drop(_Data):
    """The message is never sent."""

    do: Literal["drop"] = "drop"


class Once(_Data):
    """The message is sent, and never repeated."""

    do: Literal["once"] = "once"


class Double(_Data):
    """The message is sent again `after` seconds, as the same bytes."""

    do: Literal["double"] = "double"
    after: Annotated[float, Field(ge=0)] = 0.0


class Delay(_Data):
    """The message is sent `seconds` later."""

    do: Literal["delay"] = "delay"
    seconds: Annotated[float, Field(ge=0)]


class Misdirect(_Data):
    """The request goes to the newest contact of another device of the account, or to nobody."""

    do: Literal["misdirect"] = "misdirect"
    user: str | None = None
    """SIP username of that device; None: the first other one that is registered."""


class Reorder(_Data):
    """The message is held until the next one to the same address has gone, at most `at_most` seconds."""

    do: Literal["reorder"] = "reorder"
    at_most: Annotated[float, Field(gt=0)] = 2.0


class EditHeader(_Data):
    """The first header `name` gets `value`: added where there is none, removed where `value` is None."""

    do: Literal["edit-header"] = "edit-header"
    name: HeaderName
    value: Annotated[str, Field(pattern=r"^[^\r\n]*$")] | None = None


class EditBody(_Data):
    """The body becomes `body` (UTF-8) and Content-Length follows."""

    do: Literal["edit-body"] = "edit-body"
    body: str


Action = Annotated[
    Drop | Once | Double | Delay | Misdirect | Reorder | EditHeader | EditBody,
    Field(discriminator="do"),
]


class Fault(_Data):
    """What is wrong with the messages that `match`: the actions, in their order."""

    match: Match
    actions: tuple[Action, ...] = Field(min_length=1)
