"""What a person sees on a lamp key, folded from the NOTIFYs of one subscription, and the laws that they break.

Packages `dialog` (RFC 4235), `presence` (RFC 3863 as Kazoo writes it) and `message-summary` (RFC 3842), carried as
RFC 6665 has it. Several dialogs show the strongest: confirmed (busy) over early (ringing) over none (off). What breaks
an order (CSeq, version) is not shown. What cannot be read makes the lamp unknown until the next full document.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from phones.sip import dialog_info, message_summary, pidf
from phones.sip.dialog_info import DialogInfo, DialogState, parse_dialog_info
from phones.sip.index import Message
from phones.sip.machine import Machine, Rule, Table
from phones.sip.message_summary import parse_message_summary
from phones.sip.pidf import Presence, parse_pidf
from phones.sip.value import value
from phones.sip.xml import DocumentError, shown

MOST_DIALOGS = 1024
"""Dialogs that a lamp remembers; more of them are as good as unreadable."""

MOST_ENDED = 256
"""Dialogs whose end a lamp remembers, the newest."""

MOST_BROKEN = 1000
"""Broken laws that a lamp remembers, the newest."""

CONTENT_TYPES = {
    "dialog": dialog_info.CONTENT_TYPE,
    "presence": pidf.CONTENT_TYPE,
    "message-summary": message_summary.CONTENT_TYPE,
}
"""Package to the type of its documents."""

LIFE = Table(
    "lamp",
    initial="live",
    final="terminated",
    events=("notify", "last notify", "end"),
    rules={
        ("live", "notify"): Rule("live", do=("show",)),
        ("live", "last notify"): Rule("terminated", do=("show",)),
        ("live", "end"): Rule("over"),
        # the notifier may say once that a subscription has ended which the watcher gave up first
        ("over", "notify"): Rule("over", do=("late",)),
        ("over", "last notify"): Rule("terminated"),
    },
    ignored=[("over", "end")],
)


class LampState(StrEnum):
    """What the lamp shows."""

    OFF = "off"
    RINGING = "ringing"
    BUSY = "busy"
    UNKNOWN = "unknown"


@value
class Seen:
    """What one NOTIFY did: the lamp behind it, the version of its document (None where there is none).

    `broken` names the laws that it breaks, '' when it is sound. `refresh`: something was missed, and the watcher
    should subscribe again; said once for each gap, for a notifier that answers with another gap must not be asked
    for ever.
    """

    state: LampState
    version: int | None
    broken: str = ""
    refresh: bool = False


class Lamp:
    """The lamp of one subscription to `event`; without one the first NOTIFY says which. Never raises.

    `state` is what it shows, `waiting` whether messages wait (None until that is known), `broken` the laws that were
    broken, each with the CSeq of its NOTIFY. Retransmissions are not for it: they would break the order.
    """

    def __init__(self, event: str = "") -> None:
        self.state = LampState.UNKNOWN
        self.waiting: bool | None = None
        self.broken: deque[tuple[int, str]] = deque(maxlen=MOST_BROKEN)
        self._event = event
        self._life = Machine(LIFE, {}, 0.0)
        self._cseq = -1
        self._version: int | None = None
        self._whole = False  # whether `_dialogs` are all dialogs of the presentity
        self._dialogs: dict[str, str] = {}  # id to state, the terminated ones left out
        self._ended: dict[tuple[str, str], int] = {}  # id and call-id to the version that ended it

    @property
    def is_over(self) -> bool:
        """Whether the watcher knows that it watches no longer, and no NOTIFY has said so."""
        return self._life.state == "over"

    def notify(self, message: Message, *, excused: bool = False) -> Seen:
        """Fold one NOTIFY that the watcher took for new.

        `excused`: it is not the notifier's doing that it comes behind one with a higher CSeq, or behind the end.
        """
        laws: list[str] = []
        version, refresh = self._take(message, laws, excused)
        broken = "; ".join(laws)
        if broken:
            self.broken.append((message.cseq, broken))
        return Seen(self.state, version, broken, refresh)

    def ended(self) -> Seen:
        """The subscription is no more, and no NOTIFY said so: it was refused, expired, or got no answer."""
        self._life.fire("end", 0.0)
        self._forget()
        return Seen(self.state, self._version)

    def _take(self, message: Message, laws: list[str], excused: bool) -> tuple[int | None, bool]:
        """The version of the document that was shown and whether to refresh."""
        if message.cseq <= self._cseq:
            if not excused:
                laws.append(f"CSeq {message.cseq} after {self._cseq}")
            return None, False
        self._cseq = message.cseq
        state = _word(message.get("subscription-state"))
        if not state:
            laws.append("no Subscription-State")
        if self._life.ended:
            laws.append("a NOTIFY after the subscription had been terminated")
            return None, False
        last = state == "terminated"
        do = self._life.fire("last notify" if last else "notify", 0.0)
        if "late" in do and not excused:
            laws.append(f"a NOTIFY {shown(state)!r} after the subscription was over")
        if "show" not in do:
            return None, False
        try:
            version, refresh = self._show(message, state, laws)
        except DocumentError as error:
            laws.append(str(error))
            self._forget()
            version, refresh = None, False
        if last:
            self._forget()
        return version, refresh and not last

    def _show(self, message: Message, state: str, laws: list[str]) -> tuple[int | None, bool]:
        event = _word(message.get("event"))
        self._event = self._event or event
        if event != self._event:
            laws.append(f"Event {shown(event)!r} in a subscription to {shown(self._event)!r}")
            return None, False
        wanted = CONTENT_TYPES.get(event)
        if wanted is None:
            raise DocumentError(f"Event {shown(event)!r} lights no lamp")
        if not message.body:
            if event == "message-summary":
                self.state, self.waiting = LampState.OFF, False
            elif state in ("pending", "terminated"):
                self._forget()
            else:
                raise DocumentError("no document")
            return None, False
        content_type = _word(message.get("content-type"))
        if content_type != wanted:
            raise DocumentError(f"Content-Type {shown(content_type)!r}, not {wanted}")
        if event == "dialog":
            info = parse_dialog_info(message.body)
            return info.version, self._fold(info, laws)
        if event == "presence":
            self.state = _activity(parse_pidf(message.body))
        else:
            self.state, self.waiting = LampState.OFF, parse_message_summary(message.body).waiting
        return None, False

    def _fold(self, info: DialogInfo, laws: list[str]) -> bool:
        """Take a dialog-info document in (RFC 4235 4.1); returns whether one before it was missed."""
        last = self._version
        if last is not None and info.version <= last:
            laws.append(f"version {info.version} after {last}")
            return False
        self._version = info.version
        gap = not info.full and (last is None or info.version != last + 1)
        self._whole = info.full or (self._whole and not gap)
        before = self._dialogs
        self._dialogs = {} if info.full else before.copy()
        for dialog in info.dialogs:
            self._check_order(dialog, before.get(dialog.id), info.version, laws)
            if dialog.state == "terminated":
                self._dialogs.pop(dialog.id, None)
            else:
                self._dialogs[dialog.id] = dialog.state
        if len(self._dialogs) > MOST_DIALOGS:
            raise DocumentError(f"more than {MOST_DIALOGS} dialogs")
        if not self._whole:
            self.state = LampState.UNKNOWN
        elif "confirmed" in self._dialogs.values():
            self.state = LampState.BUSY
        else:
            self.state = LampState.RINGING if self._dialogs else LampState.OFF
        return gap

    def _check_order(self, dialog: DialogState, before: str | None, version: int, laws: list[str]) -> None:
        """Note where a dialog goes back (RFC 4235 3.7.1). The lamp shows it all the same, as lamps do.

        A state that was set by API has no direction; it is no dialog and may come and go.
        """
        if not dialog.direction:
            return
        key = (dialog.id, dialog.call_id)
        if dialog.state == "terminated":
            self._ended.pop(key, None)
            self._ended[key] = version
            if len(self._ended) > MOST_ENDED:
                del self._ended[next(iter(self._ended))]
        elif (ended := self._ended.pop(key, None)) is not None:
            what = f"{dialog.state} (version {version}) after terminated (version {ended})"
            laws.append(f"{what} of dialog {shown(dialog.id)}")
        elif before == "confirmed" and dialog.state != "confirmed":
            laws.append(f"{dialog.state} (version {version}) after confirmed of dialog {shown(dialog.id)}")

    def _forget(self) -> None:
        """Show that nothing is known; only a full document repairs it."""
        self.state, self.waiting = LampState.UNKNOWN, None
        self._whole = False
        self._dialogs = {}


def _word(value: str | None) -> str:
    """A header value without its parameters, in lower case."""
    return (value or "").partition(";")[0].strip().lower()


def _activity(presence: Presence) -> LampState:
    """Kazoo's words for the three states; whoever is not open, away or whatever else has no lamp lit."""
    words = {*presence.activities, *(note.lower().replace(" ", "-") for note in presence.notes)}
    if "on-the-phone" in words:
        return LampState.BUSY
    return LampState.RINGING if "busy" in words else LampState.OFF
