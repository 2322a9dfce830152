"""A flow of a phone's own (RFC 5626): how it says which it is, and what the registrar makes of that."""

from __future__ import annotations

import uuid

from phones.sip.dialog import elements
from phones.sip.index import Message

_FIRST_HOP_LACKS_OUTBOUND = 439
_LONGEST_S = 3600
"""A Flow-Timer above this says nothing: within an hour every NAT has forgotten."""


class Outbound:
    """What one phone asks for: its instance, which is the same for ever, and one flow, the first.

    `number` gives random bits. Nothing is promised until a registrar has said `Require: outbound`.
    """

    __slots__ = ("_flow_timer", "_refused", "granted", "instance")

    def __init__(self, number: int) -> None:
        self.instance = uuid.UUID(int=number, version=4).urn
        self.granted = False
        """Whether the registrar sends what is for this phone along the flow of its REGISTER."""
        self._refused = False
        self._flow_timer: int | None = None

    @property
    def offered(self) -> bool:
        """Whether the next REGISTER asks for it."""
        return not self._refused

    @property
    def parameters(self) -> str:
        """Of the Contact in a REGISTER (4.1, 4.2)."""
        return f';+sip.instance="<{self.instance}>";reg-id=1' if self.offered else ""

    def judge(self, answer: Message) -> bool:
        """Look at the final answer to a REGISTER. True: the way to the registrar has no such thing, ask without (6)."""
        if answer.status == _FIRST_HOP_LACKS_OUTBOUND and self.offered:
            self._refused, self.granted = True, False
            return True
        if answer.status < 300:
            self.granted = self.offered and "outbound" in {each.lower() for each in elements(answer.all("require"))}
            said = (answer.get("flow-timer") or "").strip()
            known = said.isascii() and said.isdigit() and len(said) < 6 and 0 < int(said) <= _LONGEST_S
            self._flow_timer = int(said) if known else None
        return False

    def keep_alive_s(self, fraction: float) -> float:
        """Seconds between keep-alives of a connection, `fraction` 0 to 1 being drawn (4.4.1): 80 to 100 % of the
        Flow-Timer, 95 to 120 s without one.
        """
        if self._flow_timer is None:
            return 95.0 + 25.0 * fraction
        return self._flow_timer * (0.8 + 0.2 * fraction)
