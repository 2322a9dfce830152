"""Coming back after an outage: a lost connection, a restarted server, a network that was away (RFC 5626 4.5)."""

from __future__ import annotations

from phones.line import Line
from phones.registering import Registering
from phones.subscribing import Subscriptions

_FIRST_S = 0.5
_LONGEST_S = 30.0


class Recovery:
    """Brings back what a phone had and lost without wanting to: its registration first, then what it watched."""

    __slots__ = ("_attempts", "_line", "_registering", "_returning", "deadline", "subscriptions")

    def __init__(self, line: Line, registering: Registering) -> None:
        self._line = line
        self._registering = registering
        self.subscriptions: Subscriptions | None = None
        """What the phone watches, once it has watched anything."""

        self._attempts = 0
        self._returning = False
        self.deadline: float | None = None
        """When the next attempt begins, in seconds; None as long as nothing is lost."""

    def disconnected(self) -> None:
        """The way to the edge is gone, and with it all that the edge knows by it."""
        self._registering.lapse()
        if self.subscriptions is not None:
            self.subscriptions.lapse()

    def note(self, now: float) -> None:
        """Look what is lost. To be called after everything that happens."""
        if self._registering.moved and self._registering.state == "registered":
            self._registering.moved = False
            if self.subscriptions is not None:
                self.subscriptions.lapse(anew=True)
        if self._registering.state in ("trying", "refreshing", "leaving") or self.deadline is not None:
            return
        if self._returning and not self._registering.lapsed:
            self._returning = False
            self._recover(now)
        elif self._registering.lapsed or (self.subscriptions is not None and self.subscriptions.lapsed):
            self._returning = False
            # between half of it and all: phones that fell together do not rise together
            wait = min(_LONGEST_S, _FIRST_S * 2.0 ** min(self._attempts, 10))
            self._attempts += 1
            self.deadline = max(now + wait * (0.5 + self._line.number(16) / 2**17), self._line.not_before)
        elif self._attempts and (self.subscriptions is None or self.subscriptions.settled):
            self._attempts = 0

    def handle_timer(self, now: float) -> None:
        """Try, if it is time."""
        if self.deadline is None or self.deadline > now:
            return
        self.deadline = None
        if self._registering.lapsed:
            self._returning = True
            self._registering.fire("register", now)
        else:
            self._recover(now)

    def _recover(self, now: float) -> None:
        if self.subscriptions is not None:
            self.subscriptions.recover(now)
