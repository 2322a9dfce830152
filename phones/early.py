"""The early dialogs of a call that we make: one for each phone that rings, until the INVITE is over.

RFC 3261 13.2.2.1 and 13.2.2.4; reliable provisional answers by RFC 3262 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from phones.session import INVITED, Said
from phones.sip.dialog import Dialog, tag_of
from phones.sip.index import Message
from phones.sip.reliable import rseq_of

MOST = 64
"""How many dialogs of one INVITE are told apart."""


@dataclass(slots=True, eq=False)
class Early:
    """One early dialog. `reliable` is the RSeq that was acknowledged last, `said` what both sides say of the audio."""

    dialog: Dialog
    reliable: int | None = None
    said: Said = INVITED


class EarlyDialogs:
    """All of one INVITE, by the tag that each has in To."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: dict[str, Early] = {}

    def end(self) -> None:
        """The INVITE is over, and so are they."""
        self._all = {}

    def take(self, asked: Message, answer: Message) -> Early | None:
        """The dialog of a provisional answer, made if it is the first of it; None where it makes none."""
        tag = tag_of(answer.get("to") or "")
        if tag and tag not in self._all and len(self._all) < MOST:
            self._all[tag] = Early(Dialog.of_answer(asked, answer))
        return self._all.get(tag)

    def of(self, dialog: Dialog) -> Early | None:
        """The early dialog that `dialog` is."""
        return next((early for early in self._all.values() if early.dialog is dialog), None)

    def confirm(self, asked: Message, answer: Message) -> tuple[Dialog, Early | None]:
        """The dialog of a 2xx. Its way and target are those of the 2xx, its counts go on (13.2.2.4)."""
        dialog = Dialog.of_answer(asked, answer)
        early = self._all.pop(tag_of(answer.get("to") or ""), None)
        if early is None:
            return dialog, None
        early.dialog.target, early.dialog.routes = dialog.target, dialog.routes
        return early.dialog, early

    def find(self, message: Message) -> Early | None:
        """The early dialog that a request of the other side is in."""
        return next((early for early in self._all.values() if early.dialog.matches(message)), None)

    @property
    def newest(self) -> Early | None:
        """The one that began last."""
        return next(reversed(self._all.values()), None)


def acknowledges(early: Early, answer: Message) -> bool | None:
    """Whether a reliable provisional answer wants its PRACK now. None: it is none of the reliable ones.

    False for a repetition, and for one that came before its predecessor, which will be repeated (RFC 3262 4).
    """
    number = rseq_of(answer)
    if number is None:
        return None
    if early.reliable is not None and number != early.reliable + 1:
        return False
    early.reliable = number
    return True
