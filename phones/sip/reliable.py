"""Reliable provisional answers (RFC 3262): who wants them, their order, and the one in flight until its PRACK comes."""

from __future__ import annotations

import re

from phones.sip.dialog import elements
from phones.sip.index import Message
from phones.sip.machine import Machine, Rule, Table

RELIABLE = "100rel"
MOST_NUMBER = 2**31
"""What an RSeq begins below (7.1)."""

_T1_S = 0.5
_NUMBER = re.compile("[0-9]{1,10}")

ANNOUNCEMENT = Table(
    "reliable provisional answer",
    initial="announced",
    final="done",
    begin=("repeat", "patience"),
    events=("PRACK", "final", "timer repeat", "timer patience"),
    rules={
        ("announced", "PRACK"): Rule("done", ("go on",)),
        ("announced", "final"): Rule("overtaken", stop=("repeat", "patience")),
        ("announced", "timer repeat"): Rule("announced", ("repeat",), start=("repeat",)),
        ("announced", "timer patience"): Rule("done", ("give up",)),
        # nothing is repeated behind a final answer, but a PRACK may still be on its way
        ("overtaken", "PRACK"): Rule("done"),
    },
    ignored=[("overtaken", event) for event in ("final", "timer repeat", "timer patience")],
)
"""`final` is our final answer to the INVITE. `go on`: acknowledged; `give up`: 64*T1 have passed without a PRACK."""


def requires_reliable(message: Message) -> bool:
    """Whether a message requires 100rel."""
    return any(tag.lower() == RELIABLE for tag in elements(message.all("require")))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.fullmatch(text) else None


def rseq_of(answer: Message) -> int | None:
    """The number of a reliable provisional answer; None for one that is not reliable."""
    return _number(answer.get("rseq")) if requires_reliable(answer) else None


class Announcement:
    """One reliable provisional answer of ours to `invite`, with the RSeq `number`.

    `described` is whether it says anything about our audio: then a 2xx has to wait for its PRACK (3).
    """

    __slots__ = ("_invite", "_number", "described", "machine")

    def __init__(self, invite: Message, number: int, now: float, *, described: bool) -> None:
        self._invite = invite
        self._number = number
        self.described = described
        durations = {"repeat": lambda count: _T1_S * 2.0 ** min(count, 10), "patience": lambda _: 64 * _T1_S}
        self.machine = Machine(ANNOUNCEMENT, durations, now)

    @property
    def holds_back(self) -> bool:
        """Whether a 2xx has to wait."""
        return self.described and self.machine.state == "announced"

    def is_meant(self, prack: Message) -> bool:
        """Whether a PRACK is the one for it (7.2: RSeq, CSeq and method), and the first."""
        words = (prack.get("rack") or "").split()
        meant = len(words) == 3 and [_number(word) for word in words[:2]] == [self._number, self._invite.cseq]
        return meant and words[2] == "INVITE" and not self.machine.ended
