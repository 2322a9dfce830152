"""Changing the session of a call that is up, by re-INVITE or UPDATE (RFC 3261 14.1, RFC 3311 5.1)."""

from __future__ import annotations

from typing import Literal, Protocol

from phones.inside import Inside
from phones.line import ALLOW, SDP, Line
from phones.negotiation import retry_after
from phones.session import Session
from phones.sip.dialog import Dialog
from phones.sip.index import Message
from phones.sip.machine import Machine, Rule, Table

By = Literal["INVITE", "UPDATE"]
_MOST_TRIES = 4

CHANGE = Table(
    "change of a session",
    counts=False,
    initial="settled",
    final="over",
    events=("change", "accepted", "glare", "refused", "gone", "end", "timer again"),
    rules={
        ("settled", "change"): Rule("asking", ("send",)),
        ("settled", "end"): Rule("over"),
        ("asking", "accepted"): Rule("settled", ("take",)),
        ("asking", "glare"): Rule("waiting", ("leave",), start=("again",)),
        ("asking", "refused"): Rule("settled", ("leave",)),
        ("asking", "gone"): Rule("over", ("hang up",)),
        ("asking", "end"): Rule("over"),
        ("waiting", "change"): Rule("asking", ("send",), stop=("again",)),
        ("waiting", "timer again"): Rule("asking", ("send",)),
        ("waiting", "end"): Rule("over"),
    },
    ignored=[
        *(("settled", event) for event in ("accepted", "glare", "refused", "gone", "timer again")),
        *(("asking", event) for event in ("change", "timer again")),
        *(("waiting", event) for event in ("accepted", "glare", "refused", "gone")),
    ],
)
"""`glare`: both sides asked at once (491), or theirs comes first (500 with Retry-After); `refused` leaves the session
as it was; `gone`: there is no such call any more (481, 408, silence); `end` is the end of the call."""


class Owner(Protocol):
    """The call that a change is of."""

    def turn_to(self, dialog: Dialog) -> None:
        """What comes now is about the session of `dialog`."""

    def gone(self, now: float) -> None:
        """The other side does not know this call any more."""


class Changing:
    """The changes that our side of a call wants, one after the other."""

    def __init__(self, line: Line, inside: Inside, session: Session, *, ours: bool, owner: Owner) -> None:
        """`ours` is whether the Call-ID is."""
        self._line = line
        self._inside = inside
        self._session = session
        self._ours = ours
        self._owner = owner
        self._by: By = "INVITE"
        self._dialog: Dialog | None = None
        self._tries = 0
        self._wait = 0.0
        self._answer: Message | None = None
        self._before = False
        self.machine = Machine(CHANGE, {"again": lambda _: self._wait}, 0.0)

    @property
    def asking(self) -> bool:
        """Whether a change is on its way."""
        return self.machine.state == "asking"

    def change(self, by: By, dialog: Dialog, now: float, *, held: bool) -> None:
        """Offer the session anew; `held`: hear the other side no more. Nothing while another change is on its way."""
        if self.asking:
            return
        self._by, self._dialog, self._tries = by, dialog, 0
        self._before = self._session.hold(held)
        self.fire("change", now)

    def fire(self, event: str, now: float) -> None:
        """Take an event."""
        if self._dialog is not None:
            self._owner.turn_to(self._dialog)
        for action in self.machine.fire(event, now):
            if action == "send":
                self._send(now)
            elif action == "take":
                self._session.learn(self._answer.body if self._answer is not None else b"")
                self._session.refused()
            elif action == "leave":
                self._session.refused()
                if self.machine.state == "settled":
                    self._session.hold(self._before)
            else:
                self._owner.gone(now)

    def _send(self, now: float) -> None:
        assert self._dialog is not None
        self._tries += 1
        headers = [("Contact", self._line.contact_header), ("Allow", ALLOW), ("Content-Type", SDP)]
        self._inside.ask(self._by, self._dialog, now, self._heard, headers, self._session.offer())

    def _heard(self, answer: Message | None, now: float) -> None:
        self._answer = answer
        self.fire(self._read(answer), now)

    def _read(self, answer: Message | None) -> str:
        status = answer.status if answer is not None else 408
        if status < 300 and answer is not None and self._dialog is not None:
            self._dialog.retarget(answer)
            return "accepted"
        if status in (408, 481):
            return "gone"
        later = retry_after(answer) if answer is not None else None
        if self._tries >= _MOST_TRIES or not (status == 491 or (status == 500 and later is not None)):
            return "refused"
        # RFC 3261 14.1: the owner of the Call-ID waits longer, so that both do not ask at once again
        drawn = self._line.number(16) / 2**16
        self._wait = 2.1 + 1.9 * drawn if self._ours else 2.0 * drawn
        self._wait = float(later) if status == 500 and later is not None else self._wait
        return "glare"
