"""Which step of a case was in force when something happened."""

from __future__ import annotations

from reports.record import Event

_LONGEST = 300


class Whereabouts:
    """Follows the events of one case in order."""

    def __init__(self) -> None:
        self._running: dict[str, str] = {}
        self._claimed: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._last = "preparation"
        self._over = False

    def feed(self, event: Event) -> None:
        """Take notice of an event."""
        if event["kind"] == "step":
            number, text = str(event.get("step")), str(event.get("text", ""))
            self._texts[number] = text
            self._claimed.clear()
            if event.get("phase") == "start":
                self._running[number] = text
            else:
                self._running.pop(number, None)
            self._last = _told({number: text})
        elif event["kind"] == "claim" and str(event.get("step")) not in self._running:
            # claims that are waited for together have no step of their own
            self._claimed[str(event.get("step"))] = str(event.get("text", ""))
        elif event["kind"] == "end":
            self._over = True

    def of(self, event: Event) -> str:
        """Where `event`, already fed, belongs: in words."""
        if event.get("role") in ("setup", "cleanup"):
            return "preparation" if event["role"] == "setup" else "cleaning up"
        if event["kind"] in ("request", "reply") and str(event.get("step")) in self._texts:
            number = str(event["step"])
            return _told({number: self._texts[number]})
        if self._over:
            return "cleaning up"
        if self._claimed or self._running:
            return _told({**self._running, **self._claimed})
        return self._last


def _told(steps: dict[str, str]) -> str:
    numbers = ", ".join(steps)
    text = f"step{'s' if len(steps) > 1 else ''} {numbers}: {'; '.join(steps.values())}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
