"""The catalogue of clauses: scenarios/clauses.yaml, typed."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, RootModel, model_validator

from harness.model import Duration, Strict
from harness.yaml_file import load, validated

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
"""Where the shipped scenarios and the catalogue are."""


Standing = Literal["kept", "broken", "absent"]
Profile = Literal["documented", "3.20", "3.22", "4.3", "5.0"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
"""Which Kazoo is expected: the page, or a release."""
Where = Annotated[str, Field(pattern=rf"^({'|'.join(map(re.escape, PROFILES))})( v[12])?$")]
"""A profile, or one of its API versions: 4.3, or 4.3 v1."""


class Clause(Strict):
    """One promise."""

    statement: str = Field(min_length=10)
    source: str = Field(min_length=3, description="where it is promised")
    level: Literal["MUST", "SHOULD"] = "MUST"
    lag: Duration | None = Field(None, description="how long a count of this clause listens after control and fence")
    unclear: str = Field("", description="why the documentation contradicts itself; such a clause is never a pass")
    encrypted: bool = Field(False, description="applies only to cases over HTTPS, and is proved only by real TLS")
    api: Literal["v1", "v2"] | None = Field(None, description="applies only to cases of this API version")
    broken: dict[Where, str] = Field(
        default_factory=dict, description="profiles that break it, or an API version of them, and how we know"
    )
    absent: list[Where] = Field(default_factory=list, description="profiles that have no such thing")

    @model_validator(mode="after")
    def _one_standing(self) -> Clause:
        if twice := set(self.broken) & set(self.absent):
            raise ValueError(f"both broken and absent in {', '.join(sorted(twice))}")
        return self

    def standing(self, profile: str, api: str = "v2") -> Standing:
        """What `profile` does with it at an API version. What is said of that version alone comes first."""
        for where in (f"{profile} {api}", profile):
            if where in self.broken:
                return "broken"
            if where in self.absent:
                return "absent"
        return "kept"

    def known(self, profile: str, api: str = "v2") -> str:
        """How we know that `profile` breaks it at an API version, '' where it does not."""
        if self.standing(profile, api) != "broken":
            return ""
        return self.broken.get(f"{profile} {api}") or self.broken[profile]

    @property
    def profiles(self) -> dict[str, Standing]:
        """Profile to standing, all of them; one API version that breaks it is enough."""
        found: dict[str, Standing] = {}
        for profile in PROFILES:
            standings = [self.standing(profile, api) for api in (("v1", "v2") if self.api is None else (self.api,))]
            order: tuple[Standing, ...] = ("broken", "kept", "absent")
            found[profile] = min(standings, key=order.index)
        return found


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
