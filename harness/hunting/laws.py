"""The laws of lamps, each a clause, judged on what reached the watchers of an office.

What a NOTIFY is judged by is the order in which it arrived at the watcher's address: what the network did to it behind
that is no fault of the server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from phones.sip.dialog import tag_of
from phones.sip.dialog_info import parse_dialog_info
from phones.sip.index import Message
from phones.sip.xml import DocumentError

SETTLING_S = 32.0
"""64*T1 (RFC 3261 17.1.1.2): by then every transaction is over, whatever the network did to it."""

SHOWS_TRUTH = "LAW-01"
RESET_HELPS = "LAW-02"
VERSION_RISES = "LAW-03"
CSEQ_RISES = "LAW-04"
SILENT_WHEN_OVER = "LAW-05"
NOT_YOURS = "LAW-06"
NO_MORE_THAN_CHANGES = "LAW-07"
NO_SUCH_CALL = "LAW-08"


Proof = Literal["lamp", "order", "count", "told", "call", "entity"]
"""What shows a breach to whoever does not know the truth: what the lamp shows, the order of NOTIFYs, how many come,
whether one comes at all, a call that comes, whom a document is about.
"""


@dataclass(frozen=True, slots=True)
class Breach:
    """A law that was broken by what `watcher` got about `presentity`, at `at` seconds; `why` in words.

    `truth` is what the lamp has to show, '' where the breach is not about that.
    """

    law: str
    watcher: str
    presentity: str
    why: str
    at: float
    proof: Proof
    truth: str = ""


@dataclass(slots=True)
class Watched:
    """One subscription dialog of a watcher, as the wire shows it. `tag` is the server's, once it is known."""

    presentity: str
    tag: str | None = None
    version: int | None = None
    cseq: int | None = None
    over: float | None = None
    """When a NOTIFY ended it, or the watcher refused one with 481 on a sound network."""
    granted: float | None = None
    """When the last SUBSCRIBE was answered 2xx."""
    place: tuple[str, int] | None = None
    """Where the watcher was then, and since when the server knows that."""
    placed: float = 0.0
    grants: int = 0
    notifies: int = 0
    seen: set[str] = field(default_factory=set)
    forks: dict[str, Watched] = field(default_factory=dict)


class Ears:
    """What one phone hears about others. Tells `breach` of every broken law that can be seen without knowing the calls.

    `sound` says whether the network is without fault, and has been for a while.
    """

    def __init__(self, phone: str, sound: Callable[[float], bool], breach: Callable[[Breach], None]) -> None:
        self._phone = phone
        self._sound = sound
        self._breach = breach
        self.dialogs: dict[str, Watched] = {}
        self._waiting: dict[tuple[str, int], tuple[str, int]] = {}

    def sent(self, message: Message, place: tuple[str, int], now: float) -> None:
        """The phone has sent a message."""
        if message.is_request and message.method == "SUBSCRIBE":
            if message.call_id not in self.dialogs:
                presentity = (message.get("to") or "").partition(">")[0].partition("<")[2]
                self.dialogs[message.call_id] = Watched(presentity)
            self._waiting[message.call_id, message.cseq] = place
        elif message.method == "NOTIFY" and message.status == 481:
            dialog = self.dialogs.get(message.call_id)
            if dialog is not None and dialog.over is None and self._sound(now):
                dialog.over = now

    def answered(self, message: Message, now: float) -> None:
        """A response has reached the phone."""
        place = self._waiting.pop((message.call_id, message.cseq), None) if message.status >= 200 else None
        dialog = self.dialogs.get(message.call_id)
        if place is not None and dialog is not None and message.method == "SUBSCRIBE" and message.status < 300:
            if place != dialog.place:
                dialog.place, dialog.placed = place, now
            dialog.granted = now
            dialog.grants += 1

    def notified(self, message: Message, place: tuple[str, int], now: float) -> Watched | None:
        """A NOTIFY of a subscription has arrived. Returns the dialog when it is a sound one that is news."""
        dialog = self.dialogs.get(message.call_id)
        if dialog is None:
            why = f"a NOTIFY about {_shown(message)}, which {self._phone} never watched"
            self._say(NOT_YOURS, "", why, "count", now)
            return None
        dialog = _of_its_tag(dialog, tag_of(message.get("from") or ""))
        branch = message.get("via") or ""
        if branch in dialog.seen:
            return None
        dialog.seen.add(branch)
        dialog.notifies += 1
        if dialog.over is not None:
            if now - dialog.over > 1.0:
                after = f"{now - dialog.over:.1f} s after its end"
                self._say(SILENT_WHEN_OVER, dialog.presentity, f"a NOTIFY came {after}", "count", now)
            return None
        if dialog.cseq is not None and message.cseq <= dialog.cseq:
            why = f"CSeq {message.cseq} after {dialog.cseq}"
            self._say(CSEQ_RISES, dialog.presentity, why, "order", now)
        dialog.cseq = message.cseq
        if dialog.place not in (None, place) and now - dialog.placed > 1.0:
            why = f"a NOTIFY went to where {self._phone} was before it moved"
            self._say(NOT_YOURS, dialog.presentity, why, "told", now)
        self._read(dialog, message, now)
        if (message.get("subscription-state") or "").strip().lower().startswith("terminated"):
            dialog.over = now
        return dialog

    def _read(self, dialog: Watched, message: Message, now: float) -> None:
        if not message.body or (message.get("event") or "").partition(";")[0].strip() != "dialog":
            return
        try:
            info = parse_dialog_info(message.body)
        except DocumentError as error:
            self._say(NOT_YOURS, dialog.presentity, f"a document that cannot be read: {error}", "entity", now)
            return
        if dialog.version is not None and info.version <= dialog.version:
            why = f"version {info.version} after {dialog.version}"
            self._say(VERSION_RISES, dialog.presentity, why, "order", now)
        dialog.version = info.version
        entity = info.entity.lower().partition(";")[0]
        if entity != dialog.presentity.lower().partition(";")[0]:
            self._say(NOT_YOURS, dialog.presentity, f"a document was about {info.entity}", "entity", now)

    def _say(self, law: str, presentity: str, why: str, proof: Proof, now: float) -> None:
        self._breach(Breach(law, self._phone, presentity, why, now, proof))


def _of_its_tag(dialog: Watched, tag: str) -> Watched:
    """A SUBSCRIBE may make several dialogs (RFC 6665 4.4.1), each with an order of its own."""
    if dialog.tag in (None, tag):
        dialog.tag = tag
        return dialog
    return dialog.forks.setdefault(tag, Watched(dialog.presentity, tag))


def _shown(message: Message) -> str:
    return (message.get("from") or "").partition(">")[0].partition("<")[2] + (
        "" if tag_of(message.get("to") or "") else " outside any dialog"
    )
