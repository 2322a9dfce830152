"""A phone that reboots: it unregisters, is away for a while, and registers as one that knows nothing of before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Registration(Protocol):
    """What a reboot needs of a registration (phones.registering)."""

    @property
    def state(self) -> str:
        """`idle` where there is none."""

    def fire(self, wish: str, now: float) -> None:
        """Unregister, or register."""

    def begin_anew(self) -> None:
        """Go on in another Call-ID."""


class Rebooting:
    """The reboots of one phone. `lose` makes it forget its calls and subscriptions; it is away for `away_s`."""

    def __init__(self, registering: Registration, lose: Callable[[float], None], away_s: float) -> None:
        self._registering = registering
        self._lose = lose
        self._away_s = away_s
        self._leaving = False
        self.deadline: float | None = None
        """When it is back, in seconds; None while it does not reboot."""

    def begin(self, now: float) -> None:
        """Reboot, unless it does already, or is not registered."""
        if self._leaving or self.deadline is not None or self._registering.state == "idle":
            return
        self._leaving = True
        self._registering.fire("unregister", now)

    def note(self, now: float) -> None:
        """Look whether it has left. To be called after everything that happens."""
        if self._leaving and self._registering.state == "idle":
            self._leaving = False
            self.deadline = now + self._away_s
            self._lose(now)

    def handle_timer(self, now: float) -> None:
        """Come back, if it is time."""
        if self.deadline is not None and self.deadline <= now:
            self.deadline = None
            self._registering.begin_anew()
            self._registering.fire("register", now)
