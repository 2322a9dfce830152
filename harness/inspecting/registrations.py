"""Registrations of a capture: who registered which AOR at which Contact, for how long, and who was refused."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass

from harness.inspecting.headers import End
from harness.inspecting.messages import Sight
from phones.sip.dialog import elements, uri_of
from phones.sip.index import Message

MOST_EVENTS = 20_000
"""What happened to registrations that is kept; more is counted."""
_MOST_OPEN = 4096

_EXPIRES = re.compile(r";\s*expires\s*=\s*\"?([0-9]{1,10})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Registered:
    """What one REGISTER came to: registered, refreshed, removed, or refused with `status`; `expires` in seconds."""

    t: float
    frame: int
    state: str
    aor: str
    contact: str
    expires: int | None
    by: End
    status: int


class Registrations:
    """All registrations, fed message by message."""

    def __init__(self) -> None:
        self.events: list[Registered] = []
        self.left_out = 0
        self._open: OrderedDict[tuple[str, int], Sight] = OrderedDict()
        self._held: dict[str, set[str]] = {}

    def take(self, sight: Sight) -> None:
        """One message, of whatever kind."""
        message = sight.message
        if message.method != "REGISTER":
            return
        key = (message.call_id, message.cseq)
        if message.is_request:
            # the first hop is the phone's own
            self._open.setdefault(key, sight)
            if len(self._open) > _MOST_OPEN:
                self._open.popitem(last=False)
        elif message.status >= 200 and key in self._open:
            asked = self._open[key]
            if sight.target == asked.source:
                del self._open[key]
                self._answered(asked, sight)

    def _answered(self, asked: Sight, sight: Sight) -> None:
        request, answer = asked.message, sight.message
        aor = uri_of(request.get("to") or "").partition(";")[0]
        if answer.status >= 300:
            challenged = answer.status in (401, 407) and not (
                request.get("authorization") or request.get("proxy-authorization")
            )
            if not challenged:
                wanted = next(elements(request.all("contact")), "")
                self._add(
                    Registered(sight.t, sight.frame, "refused", aor, uri_of(wanted), None, asked.source, answer.status)
                )
            return
        granted = list(elements(answer.all("contact")))
        if len(self._held) > MOST_EVENTS:
            self._held.clear()
        held = self._held.setdefault(aor, set())
        for wanted in elements(request.all("contact")):
            contact = uri_of(wanted)
            asked_for = _expires(wanted, request)
            if wanted.strip() == "*" or asked_for == 0:
                state = "removed"
                expires: int | None = 0
                held.clear() if wanted.strip() == "*" else held.discard(contact)
            else:
                state = "refreshed" if contact in held else "registered"
                held.add(contact)
                mine = next((each for each in granted if uri_of(each) == contact), None)
                found = _expires(mine, answer) if mine else _expires("", answer)
                expires = asked_for if found is None else found
            self._add(
                Registered(sight.t, sight.frame, state, aor, contact or "*", expires, asked.source, answer.status)
            )

    def _add(self, event: Registered) -> None:
        if len(self.events) < MOST_EVENTS:
            self.events.append(event)
        else:
            self.left_out += 1


def _expires(contact: str, message: Message) -> int | None:
    """Seconds, by the Contact's parameter or the header (RFC 3261 10.2.1.1)."""
    match = _EXPIRES.search(contact)
    text = match[1] if match else (message.get("expires") or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None
