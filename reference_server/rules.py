"""What every chapter of a behaviour is made of."""

from __future__ import annotations

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
