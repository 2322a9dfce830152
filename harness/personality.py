"""Personalities: files that say what kind of phone a phone is. `template.yaml` beside the shipped ones explains all."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

import phones
from harness.errors import UsageError
from harness.model import Duration, Strict
from harness.yaml_file import load, validated
from phones.personality import ORDINARY, Hint, Personality, Reboots, Reliable

SHIPPED = Path(phones.__file__).parent / "personalities"


class PersonalityFile(Strict):
    """What kind of phone this is, and how that is known."""

    title: str = Field(min_length=1)
    source: str | None = Field(None, description="where this was seen or read")
    assumed: bool = Field(False, description="nobody has seen it: it is what such phones are thought to do")
    check_sync: int | Literal["silence"] = Field(200, description="how it answers a check-sync")
    reboots: Reboots = Field(ORDINARY.reboots, description="when a check-sync that it takes makes it reboot")
    away: Duration = Field(ORDINARY.reboot_s, description="how long a reboot takes")
    agent: str = Field(ORDINARY.agent, min_length=1, pattern=r"^[^\r\n]+$", description="its User-Agent")
    expires: int = Field(ORDINARY.expires, ge=1, le=7 * 24 * 3600, description="seconds that it registers for")
    auto_answer: list[Hint] = Field(
        default_factory=lambda: list(Hint), description="which hints make it answer by itself, where `on_call: auto`"
    )
    reliable: Reliable = Field(
        ORDINARY.reliable, description="what it makes of reliable provisional answers (100rel, PRACK)"
    )
    codecs: list[int] = Field(
        default_factory=lambda: list(ORDINARY.codecs), min_length=1, description="RTP payload types that it offers"
    )
    outbound: bool = Field(ORDINARY.outbound, description="whether it registers its flow (RFC 5626)")

    @model_validator(mode="after")
    def _known(self) -> PersonalityFile:
        if (self.source is None) != self.assumed:
            raise ValueError("say its `source`, or `assumed: true`")
        if self.check_sync != "silence" and not 200 <= self.check_sync <= 699:
            raise ValueError(f"{self.check_sync} is no final SIP status")
        if "sipp" in self.agent.lower():
            raise ValueError("Kazoo treats an agent with SIPp in its name specially")
        if 0 not in self.codecs or any(not 0 <= each <= 127 for each in self.codecs):
            raise ValueError("codecs are RTP payload types, 0 (PCMU) among them: the phones speak that")
        return self

    def personality(self) -> Personality:
        """The same for the phone."""
        return Personality(
            check_sync=None if self.check_sync == "silence" else self.check_sync,
            reboots=self.reboots,
            reboot_s=self.away,
            agent=self.agent,
            expires=self.expires,
            hints=frozenset(self.auto_answer),
            codecs=tuple(self.codecs),
            outbound=self.outbound,
            reliable=self.reliable,
        )


def names() -> list[str]:
    """The personalities that are shipped."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml") if path.stem != "template")


def personality_of(named: str | None, scenario: Path) -> Personality:
    """The personality that a file `scenario` names: a shipped one, or a file beside it.

    Raises UsageError where there is none, ScenarioError with its position for a broken one.
    """
    if named is None:
        return ORDINARY
    path = scenario.parent / named if named.endswith((".yaml", ".yml")) else SHIPPED / f"{named}.yaml"
    if not path.is_file() or ("/" in named and path.parent == SHIPPED):
        raise UsageError(f"no personality {named!r}", f"a file NAME.yaml beside the scenario, or {', '.join(names())}")
    return validated(load(path), PersonalityFile).personality()
