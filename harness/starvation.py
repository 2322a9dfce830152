"""How much time the machine has taken away from a case: our own process and the reference server have to be let run."""

from __future__ import annotations

_STALL_S = 1.0
"""To stand still for so long once is enough to miss a deadline of a phone, a server or an API."""
_SHARE = 0.25
"""The same goes for who is kept waiting for so much of his time, `_STALL_S` in all."""


class Starvation:
    """Adds up the lag that was measured while a case ran, in seconds, since `began`."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._lost = self._longest = 0.0

    def add(self, seconds: float) -> None:
        """Somebody was late by so much."""
        self._lost += seconds
        self._longest = max(self._longest, seconds)

    def complaint(self, now: float) -> str:
        """Why what did not happen in time proves nothing, '' where there was time enough."""
        share = self._lost / max(now - self._began, 1e-9)
        if self._longest >= _STALL_S:
            return f"this machine stood still for {self._longest:.1f} s meanwhile"
        if self._lost >= _STALL_S and share >= _SHARE:
            return f"this machine was too busy: {self._lost:.1f} s of {now - self._began:.1f} s were lost"
        return ""
