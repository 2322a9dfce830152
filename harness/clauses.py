"""The catalogue of clauses: scenarios/clauses.yaml, typed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, RootModel, model_validator

from harness.model import Duration, Strict
from harness.yaml_file import load, validated

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
"""Where the shipped scenarios and the catalogue are."""


Standing = Literal["kept", "broken", "absent"]
Profile = Literal["documented", "3.20", "3.22", "4.3", "5.0"]
PROFILES: tuple[Profile, ...] = get_args(Profile)
"""Which Kazoo is expected: the page, or a release."""


class Clause(Strict):
    """One promise."""

    statement: str = Field(min_length=10)
    source: str = Field(min_length=3, description="where it is promised")
    level: Literal["MUST", "SHOULD"] = "MUST"
    lag: Duration | None = Field(None, description="how long a count of this clause listens after control and fence")
    unclear: str = Field("", description="why the documentation contradicts itself; such a clause is never a pass")
    encrypted: bool = Field(False, description="applies only to cases over HTTPS, and is proved only by real TLS")
    api: Literal["v1", "v2"] | None = Field(None, description="applies only to cases of this API version")
    broken: dict[Profile, str] = Field(default_factory=dict, description="profiles that break it, and how we know")
    absent: list[Profile] = Field(default_factory=list, description="profiles that have no such thing")

    @model_validator(mode="after")
    def _one_standing(self) -> Clause:
        if twice := set(self.broken) & set(self.absent):
            raise ValueError(f"both broken and absent in {', '.join(sorted(twice))}")
        return self

    def standing(self, profile: str) -> Standing:
        """What `profile` does with it."""
        if profile in self.broken:
            return "broken"
        return "absent" if profile in self.absent else "kept"

    def known(self, profile: str) -> str:
        """How we know that `profile` breaks it, '' where it does not."""
        return next((why for name, why in self.broken.items() if name == profile), "")

    @property
    def profiles(self) -> dict[str, Standing]:
        """Profile to standing, all of them."""
        return {profile: self.standing(profile) for profile in PROFILES}


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
