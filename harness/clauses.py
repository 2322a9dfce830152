"""The catalogue of clauses: scenarios/clauses.yaml, typed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, RootModel

from harness.model import Duration, Strict
from harness.yaml_file import load, validated

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
"""Where the shipped scenarios and the catalogue are."""


Standing = Literal["kept", "broken", "absent"]


def _kept() -> dict[str, Standing]:
    return {"documented": "kept"}


class Clause(Strict):
    """One promise."""

    statement: str = Field(min_length=10)
    source: str = Field(min_length=3, description="where it is promised")
    level: Literal["MUST", "SHOULD"] = "MUST"
    lag: Duration | None = Field(None, description="how long a count of this clause listens after control and fence")
    unclear: str = Field("", description="why the documentation contradicts itself; such a clause is never a pass")
    encrypted: bool = Field(False, description="applies only to cases over HTTPS, and is proved only by real TLS")
    api: Literal["v1", "v2"] | None = Field(None, description="applies only to cases of this API version")
    profiles: dict[str, Standing] = Field(default_factory=_kept)


class Catalogue(RootModel[dict[str, Clause]]):
    """Clauses by id."""


@lru_cache(maxsize=1)
def catalogue() -> dict[str, Clause]:
    """The shipped catalogue, in its own order."""
    path = SCENARIOS / "clauses.yaml"
    return validated(load(path), Catalogue).root


def chapter_of(clause: str) -> str:
    """The prefix of a clause id: SYNC of SYNC-02."""
    return clause.partition("-")[0]
