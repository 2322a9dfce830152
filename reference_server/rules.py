"""What every chapter of a behaviour is made of."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = Annotated[float, Field(ge=0)]


class Rules(BaseModel):
    """Base of all chapters: frozen, and a misspelt rule is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(Rules):
    """A delay in seconds, drawn evenly between `low` and `high` from the server's seeded generator."""

    low: Seconds
    high: Seconds

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Version(StrEnum):
    """A version of the API, as it stands in the URL."""

    V1 = "v1"
    V2 = "v2"


class Gate(StrEnum):
    """Whether something that ought to be refused is refused."""

    REFUSED = "refused"
    ACCEPTED = "accepted"


class Demand(StrEnum):
    """Whether something is demanded of phones."""

    NEVER = "never"
    ALWAYS = "always"


class Carrier(StrEnum):
    """Where a token may stand."""

    HEADER = "header"
    """X-Auth-Token."""
    PARAMETER = "parameter"
    """`auth_token` in data, query or envelope."""
    AUTHORIZATION = "authorization"
    """The Authorization header, whatever its scheme; what stands there is shown in the reply, but opens nothing
    (recorded on 4.3 and 5.0)."""


class Recipient(StrEnum):
    """Which contacts of the address-of-record get a check-sync."""

    NEWEST = "newest"
    ALL = "all"
    """Those too that a newer one has replaced."""
    PREVIOUS = "previous"
    """The one that the newest replaced, where there was one."""


class KnownSource(StrEnum):
    """Whether the source address of a current registration must prove itself again."""

    CHALLENGED = "challenged"
    TRUSTED = "trusted"
    """Recorded on 4.3 and 5.0: answered 200 at once, even with a wrong password."""
