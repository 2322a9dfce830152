"""Subscriptions of a capture: who watched whom in which dialog, what was granted, and every NOTIFY in it.

A NOTIFY that is sent again, and one that is seen again behind a proxy, is one NOTIFY. The lamp is folded from those
that a phone takes, by the same rules as on our phones.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from sys import intern

from harness.inspecting.headers import End
from harness.inspecting.messages import Sight
from phones.sip.dialog import elements, tag_of, uri_of
from phones.sip.dialog_info import parse_dialog_info
from phones.sip.index import Message
from phones.sip.lamp import CONTENT_TYPES, Lamp, LampState
from phones.sip.xml import DocumentError
from phones.subscribing import package_of

MOST_WATCHES = 20_000
"""Subscriptions that are remembered; later ones are counted only."""
MOST_NOTICES = 200_000
"""NOTIFYs and granted SUBSCRIBEs that are remembered, of all subscriptions; later ones are counted only."""
SENT_AGAIN_S = 32.0
"""How long a request may still be sent again (64*T1, RFC 3261 17.1.2.2)."""
TWICE_S = 0.1
"""What comes again sooner was captured twice, and not sent again: that takes T1, 0.5 s."""

_MOST_OPEN = 4096
_MOST_SEEN = 128
_MOST_PACKAGES = 100
_MOST_LACKING = 1000
_EXPIRES = re.compile(r";\s*expires\s*=\s*\"?([0-9]{1,10})", re.IGNORECASE)
_ID = re.compile(r";\s*id\s*=\s*([^\s;,]+)", re.IGNORECASE)
_HOST_PORT = re.compile(r"(?:sips?:)?(?:[^@]*@)?(\[[^\]]*\]|[^:;>?\s]+)(?::(\d+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shown:
    """One dialog that a document names as not over. Without a Call-ID (`named` is False) `call_id` is its id."""

    call_id: str
    state: str
    direction: str
    named: bool = True


@dataclass(slots=True)
class Notice:
    """One NOTIFY. `lamp` is what the watcher shows behind it; `version` None where its document has none.

    `again`: another NOTIFY has used this CSeq before. `backwards`: its CSeq is lower than that of one long before it,
    or of one with an older document. `late`: the network has turned two round. None of the three is shown by a phone.
    """

    t: float
    frame: int
    cseq: int
    version: int | None
    state: str
    lamp: LampState
    shown: tuple[Shown, ...]
    over: tuple[str, ...]
    """Call-IDs of the dialogs that its document names as over."""
    places: tuple[End, ...]
    """Where it went: the Request-URI of each hop, and the address."""
    again: bool = False
    backwards: bool = False
    late: bool = False
    answered: int = 0
    """The status of its final response, 0 where none was seen."""

    @property
    def counts(self) -> bool:
        """Whether a phone takes it."""
        return not (self.again or self.backwards or self.late)


@dataclass(frozen=True, slots=True)
class Grant:
    """A SUBSCRIBE that was granted at `t`, for `expires` seconds (0: it ends), to be notified at `places`."""

    t: float
    frame: int
    expires: float
    places: frozenset[End]


@dataclass(slots=True)
class Watch:
    """One subscription. `before`: it began before the capture. `presentity` and `watcher` are URIs."""

    call_id: str
    tag: str
    package: str
    watcher: str
    presentity: str
    at: End
    t: float
    frame: int
    before: bool = False
    notifier_tag: str = ""
    grants: list[Grant] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    refused: int = 0
    repeated: int = 0
    """Requests of this dialog that were sent more than once: something was lost."""
    lacking: dict[int, float] = field(default_factory=dict)
    """CSeq numbers of NOTIFYs that were answered and are not in the capture, and when that was."""
    over_t: float | None = None
    """When a response said that there is no such subscription."""
    replaced_t: float | None = None
    """When the same watcher at the same address was granted a newer subscription of the same kind."""
    stranger: bool = False
    """NOTIFYs of another notifier than the one that answered, or with tags that nobody subscribed with."""
    lamp: Lamp = field(default_factory=Lamp)
    seen: dict[int, tuple[str, End, End, Notice | None, float]] = field(default_factory=dict)
    highest: int = -1
    highest_t: float = 0.0
    version: int | None = None
    """Of the last document."""


class Subscriptions:
    """All subscriptions, fed message by message."""

    def __init__(self) -> None:
        self.left_out = 0
        self.unasked: dict[str, int] = {}
        """NOTIFYs outside of any subscription, by event package."""
        self._watches: dict[tuple[str, str, str], list[Watch]] = {}
        self._dialogs: dict[str, list[Watch]] = {}
        self._newest: dict[tuple[str, str, str, End], Watch] = {}
        self._asked: OrderedDict[tuple[str, str, int], Sight] = OrderedDict()
        self._count = self._kept = 0

    def __iter__(self) -> Iterator[Watch]:
        for watches in self._watches.values():
            yield from watches

    def take(self, sight: Sight) -> None:
        """One message, of whatever kind."""
        message = sight.message
        if message.method == "SUBSCRIBE":
            self._subscribe(sight) if message.is_request else self._subscribed(sight)
        elif message.method == "NOTIFY":
            self._notify(sight) if message.is_request else self._notified(sight)

    # --- SUBSCRIBE ---------------------------------------------------------------------------------------------------

    def _subscribe(self, sight: Sight) -> None:
        message = sight.message
        tag = tag_of(message.get("from") or "")
        asked = self._asked.setdefault((message.call_id, tag, message.cseq), sight)
        if len(self._asked) > _MOST_OPEN:
            self._asked.popitem(last=False)
        watches = self._of(message, tag)
        if asked is not sight:
            again = (asked.source, asked.target, asked.message.branch) == (sight.source, sight.target, message.branch)
            for watch in watches:
                watch.repeated += again and sight.t - asked.t >= TWICE_S
        elif not watches:
            self._new(sight, tag, before=bool(tag_of(message.get("to") or "")))

    def _new(self, sight: Sight, tag: str, *, before: bool) -> Watch | None:
        if self._count >= MOST_WATCHES:
            self.left_out += 1
            return None
        self._count += 1
        message = sight.message
        asks = message.method == "SUBSCRIBE"
        watcher, presentity = (uri_of(message.get(name) or "") for name in (("from", "to") if asks else ("to", "from")))
        package = package_of(message.get("event") or "")
        watch = Watch(
            message.call_id,
            tag,
            package,
            watcher.partition(";")[0],
            presentity.partition(";")[0],
            sight.source if asks else sight.target,
            sight.t,
            sight.frame,
            before=before,
            lamp=Lamp(package),
        )
        self._watches.setdefault((message.call_id, tag, _event_key(message)), []).append(watch)
        self._dialogs.setdefault(message.call_id, []).append(watch)
        return watch

    def _subscribed(self, sight: Sight) -> None:
        message = sight.message
        tag = tag_of(message.get("from") or "")
        key = (message.call_id, tag, message.cseq)
        asked = self._asked.get(key)
        if asked is None or message.status < 200 or sight.target != asked.source:
            return
        del self._asked[key]
        for watch in self._of(asked.message, tag):
            if message.status < 300:
                watch.notifier_tag = watch.notifier_tag or tag_of(message.get("to") or "")
                self._granted(watch, asked, sight)
            elif message.status in (481, 404, 410) and watch.grants:
                watch.over_t = sight.t
            elif not watch.grants:
                watch.refused = message.status

    def _granted(self, watch: Watch, asked: Sight, sight: Sight) -> None:
        if self._kept >= MOST_NOTICES:
            self.left_out += 1
            return
        self._kept += 1
        contact = uri_of(next(elements(asked.message.all("contact")), ""))
        via = asked.message.top_via.partition(" ")[2]
        places = {asked.source, place_of(contact), place_of(via)}
        if not contact and watch.grants:
            places |= watch.grants[-1].places
        text = sight.message.get("expires") or asked.message.get("expires") or ""
        expires = float(text) if text.isascii() and text.isdigit() and len(text) < 11 else 3600.0
        if expires and watch.notices and watch.notices[-1].state == "terminated":
            # subscribed anew in the same dialog
            watch.lamp = Lamp(watch.package)
        if not watch.grants and expires:
            self._replace(watch, sight.t)
        watch.refused = 0
        watch.grants.append(Grant(sight.t, sight.frame, expires, frozenset(places)))

    def _replace(self, watch: Watch, t: float) -> None:
        """Of several subscriptions of one watcher the newest counts, as on a phone that has restarted."""
        key = (watch.watcher.lower(), watch.presentity.lower(), watch.package, watch.at)
        older = self._newest.get(key)
        if older is not None and older is not watch:
            older.replaced_t = t
        self._newest[key] = watch

    def _of(self, message: Message, tag: str) -> list[Watch]:
        """The watches of the dialog and event of a message."""
        return self._watches.get((message.call_id, tag, _event_key(message)), [])

    # --- NOTIFY ------------------------------------------------------------------------------------------------------

    def _notify(self, sight: Sight) -> None:
        message = sight.message
        tag, notifier = tag_of(message.get("to") or ""), tag_of(message.get("from") or "")
        if not tag:
            self._unasked(message)
            return
        watches = self._of(message, tag)
        watch = next((each for each in watches if each.notifier_tag in ("", notifier)), None)
        if watch is None:
            if package_of(message.get("event") or "") not in CONTENT_TYPES:
                self._unasked(message)
                return
            # of a fork of SUBSCRIBE, of a dialog that began before the capture, or of none
            known = message.call_id in self._dialogs
            watch = self._new(sight, tag, before=True)
            if watch is None:
                return
            watch.stranger = known
        watch.notifier_tag = notifier
        earlier = watch.seen.get(message.cseq)
        if earlier is None:
            self._noticed(watch, sight)
            return
        branch, source, target, notice, t = earlier
        if (source, target) != (sight.source, sight.target):
            if notice is not None:
                notice.places = (*notice.places, *_places(sight))
        elif branch == message.branch:
            watch.repeated += sight.t - t >= TWICE_S
        else:
            self._noticed(watch, sight, again=True)

    def _unasked(self, message: Message) -> None:
        package = package_of(message.get("event") or "")
        if package in self.unasked or len(self.unasked) < _MOST_PACKAGES:
            self.unasked[package] = self.unasked.get(package, 0) + 1

    def _noticed(self, watch: Watch, sight: Sight, *, again: bool = False) -> None:
        message = sight.message
        lower = message.cseq < watch.highest and not again
        version, shown, over = _document(message)
        newer = version is not None and watch.version is not None and version > watch.version
        # what was sent before can be no newer than what came after it
        backwards = lower and (newer or sight.t - watch.highest_t > SENT_AGAIN_S)
        if not (again or lower):
            seen = watch.lamp.notify(message)
            watch.highest, watch.highest_t = message.cseq, sight.t
            version = seen.version if seen.version is not None else version
            watch.version = version if version is not None else watch.version
        state = intern((message.get("subscription-state") or "").partition(";")[0].strip().lower())
        notice = Notice(
            sight.t,
            sight.frame,
            message.cseq,
            version,
            state,
            watch.lamp.state,
            shown,
            over,
            _places(sight),
            again=again,
            backwards=backwards,
            late=lower and not backwards,
        )
        kept = self._kept < MOST_NOTICES
        if kept:
            self._kept += 1
            watch.notices.append(notice)
        else:
            self.left_out += 1
        watch.seen[message.cseq] = (message.branch, sight.source, sight.target, notice if kept else None, sight.t)
        if len(watch.seen) > _MOST_SEEN:
            del watch.seen[next(iter(watch.seen))]

    def _notified(self, sight: Sight) -> None:
        message = sight.message
        if message.status < 200:
            return
        tag = tag_of(message.get("to") or "")
        # a response has no Event: the dialog and CSeq have to do
        for watch in self._dialogs.get(message.call_id, ()):
            if watch.tag != tag:
                continue
            if message.cseq in watch.seen:
                notice = watch.seen[message.cseq][3]
                if notice is not None and not notice.answered:
                    notice.answered = message.status
            elif message.cseq > watch.highest and len(watch.lacking) < _MOST_LACKING:
                watch.lacking[message.cseq] = sight.t


def _event_key(message: Message) -> str:
    event = message.get("event") or ""
    number = _ID.search(event)
    return package_of(event) + (f";id={number[1]}" if number else "")


def _places(sight: Sight) -> tuple[End, ...]:
    return (place_of(sight.message.uri), sight.target)


def place_of(uri: str) -> End:
    """Host and port of a URI or of a Via's sent-by."""
    match = _HOST_PORT.match(uri.strip())
    if match is None:
        return ("", 0)
    return intern(match[1].strip("[]").lower()), int(match[2] or 5060) % 65_536


def _document(message: Message) -> tuple[int | None, tuple[Shown, ...], tuple[str, ...]]:
    """Version of a dialog-info document, the dialogs that it shows, and the Call-IDs of those that are over."""
    if package_of(message.get("event") or "") != "dialog" or not message.body:
        return None, (), ()
    try:
        info = parse_dialog_info(message.body)
    except DocumentError:
        return None, (), ()
    lit = (each for each in info.dialogs if each.state != "terminated")
    # the same few texts come in every document
    shown = tuple(
        Shown(intern(each.call_id or each.id), intern(each.state), intern(each.direction), bool(each.call_id))
        for each in lit
    )
    over = tuple(intern(each.call_id or each.id) for each in info.dialogs if each.state == "terminated")
    return info.version, shown, over
