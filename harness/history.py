"""What the judge knows of each phone of a case: messages, calls, lamps, and the controls and fences that came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.evidence import is_call_from
from harness.lamps import PhoneLamps
from harness.matchers import ABSENT
from phones.sip import sdp
from phones.sip.dialog_info import parse_dialog_info
from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import Address
from phones.sip.xml import DocumentError
from reports.record import Event


@dataclass(slots=True)
class Arrival:
    """A message that reached a phone, with its event."""

    event: Event
    message: Message | None
    consumed: bool = False

    @property
    def n(self) -> int:
        """Its number in the Record."""
        return int(self.event["n"])

    @property
    def counts(self) -> bool:
        """Whether it is a message of its own: no repetition, and no copy that our own network made."""
        return self.event["seen"] in ("new", "stray") and self.event.get("fault") != "copy"

    @property
    def t(self) -> float:
        """Seconds since the run began."""
        return float(self.event["t"])


@dataclass(slots=True)
class PhoneHistory:
    """What the judge knows of one phone in one case."""

    arrivals: list[Arrival] = field(default_factory=list)
    sent: list[Arrival] = field(default_factory=list)
    """What it sent itself."""

    kept: list[Arrival] = field(default_factory=list)
    """What came for it, and its network lost or held on purpose."""

    lamps: PhoneLamps = field(default_factory=PhoneLamps)
    messages: dict[int, Message] = field(default_factory=dict)
    """Every readable message, in and out, by its number."""

    calls: dict[str, list[Event]] = field(default_factory=dict)
    """Call-ID to the states that the call went through."""

    tone: int = 0
    """What it sends itself, in Hz."""

    speaks_from: set[str] = field(default_factory=set)
    """Where it has sent sound from, host:port."""

    controls: list[Event] = field(default_factory=list)
    fences: list[Event] = field(default_factory=list)
    contact: str = ""
    presentity: str = ""
    """Whose lamp its calls light, as lamps compare it."""

    window: int = -1
    """Events up to this number belong to earlier claims."""

    acted: int = -1
    """The last event of a step that acts: a fence counts only when it was asked for behind it."""

    def fence_behind(self, n: int) -> Event | None:
        """The first fence that was asked for behind record number `n` and arrived."""
        asked = {each["token"] for each in self.fences if each["state"] == "started" and each["n"] > n}
        return next((each for each in self.fences if each["state"] == "arrived" and each["token"] in asked), None)

    def lit_since(self, presentity: str, n: int) -> bool:
        """Whether a fence of this phone was asked for behind record number `n`, and so lit the lamp of `presentity`."""
        lit = self.presentity == presentity
        return lit and any(each["state"] == "started" and each["n"] > n for each in self.fences)

    def unheard(self, since: int, counts: Callable[[Message], bool], *faults: str) -> Arrival | None:
        """The first message behind record number `since` that its network kept from it, by one of `faults`, for good.

        Only what `counts` is looked at, and what cannot be read. What came later, or was repeated, was heard.
        """
        return next(
            (
                kept
                for kept in self.kept
                if kept.n > since
                and kept.event["fault"] in faults
                and (kept.message is None or counts(kept.message))
                and not any(each.n > kept.n and _same(each.message, kept.message) for each in self.arrivals)
            ),
            None,
        )

    def bears(self, event: Event) -> bool:
        """Whether the message that an event of a call or subscription rests on is in the Record, and is of it."""
        message = self.messages.get(event["message"])
        return message is not None and message.call_id == event["call_id"]

    def call_state(self) -> tuple[str, Event | None]:
        """What the phone does, the most important of its calls first, and the event since which it does."""
        latest = [states[-1] for states in self.calls.values()]
        for state in ("talking", "ringing", "calling"):
            for event in latest:
                if event["state"] == state:
                    return state, event
        return "idle", max(latest, key=lambda event: int(event["n"]), default=None)

    def was(self, state: str, after: int) -> Event | None:
        """The first event behind record number `after` by which a call of it got to that state (but for idle)."""
        events = [event for states in self.calls.values() for event in states]
        fitting = [event for event in events if event["n"] > after and event["state"] == state]
        return min(fitting, key=lambda event: int(event["n"]), default=None)

    def may_speak_from(self, address: str) -> bool:
        """Whether sound from `address` (host:port) comes from this phone itself: from where it sent it, or from where
        it has said that it is, behind a translation of addresses."""
        said = (arrival.message.body for arrival in self.sent if arrival.message is not None and arrival.message.body)
        hosts = {where[0] for body in said if (where := _sound_of(body)) is not None}
        here = {each.rpartition(":")[0].strip("[]") for each in self.speaks_from}
        return address in self.speaks_from or address.rpartition(":")[0].strip("[]") in hosts - here

    def is_fence(self, arrival: Arrival) -> bool:
        """Whether a message was asked for as a fence: it carries the token of one."""
        message = arrival.message
        return message is not None and any(is_call_from(message, fence["token"]) for fence in self.fences)


def _same(message: Message | None, other: Message | None) -> bool:
    """Whether both are one and the same, or one repeats the other."""
    if message is None or other is None:
        return False
    return (message.call_id, message.cseq, message.method, message.status) == (
        other.call_id,
        other.cseq,
        other.method,
        other.status,
    )


def _sound_of(body: bytes) -> Address | None:
    """Where a body says that sound is received, None where it says nothing of the kind."""
    try:
        return sdp.parse(body).address
    except sdp.SdpError:
        return None


def read_message(data: bytes) -> Message | None:
    """The indexed message, None for bytes that are none."""
    try:
        return Message.parse(data)
    except SipSyntaxError:
        return None


def part_of(message: Message, name: str) -> Any:
    """What a `where` calls `name`: a header's first value, `uri`, `first`, `body`, or `dialogs`, the ids in a
    dialog-info document; ABSENT when it is not there."""
    if name == "body":
        return message.body.decode("utf-8", "replace")
    if name == "uri":
        return message.uri
    if name == "dialogs":
        try:
            return " ".join(each.id for each in parse_dialog_info(message.body).dialogs)
        except DocumentError:
            return ABSENT
    if name == "first":
        return message.start_line
    value = message.get(name)
    return ABSENT if value is None else value


def traced(
    seen: Sequence[str], phones: Mapping[str, PhoneHistory], decisive: Iterable[int], called: str
) -> tuple[str, ...]:
    """The Call-IDs `seen`, behind all others the one to look for in a server's log: `called`, else of what decided."""
    messages = [phone.messages[n] for n in decisive for phone in phones.values() if n in phone.messages]
    last = [called] if called else [message.call_id for message in messages[-1:]]
    return (*(each for each in seen if each not in last), *last)
