"""Whether the Record and an independent capture of the same run agree: message by message, octet by octet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from ipaddress import ip_address
from statistics import median
from typing import Any

from harness.datagrams import Datagram
from reports.capture_ends import Ends
from reports.packets import End
from reports.record import met_wire
from reports.view import RunView
from reports.words import one_line

_LEAVING_S = 0.25
"""When its case ends a phone leaves: what comes so shortly before may find nobody who reads it any more."""
_EARLY_S = 0.05
_SHOWN = 100
_LISTED = 10

Mask = Callable[[bytes], bytes]
_Key = tuple[bool, End, End, bytes]
"""Whether a phone sent it, the phone's end, the other end, and a digest of the masked octets."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found. The lists hold one line for each message that only one of the two has."""

    interface: str
    agreed: int
    only_on_wire: list[str]
    only_in_record: list[str]
    late: int
    """Datagrams for a phone that had left."""
    dropped: int
    """Packets that the capture itself has lost."""

    @property
    def is_whole(self) -> bool:
        """Whether the Record has everything that was on the wire, and nothing else that the capture should have."""
        return not self.only_on_wire and (not self.only_in_record or bool(self.dropped))

    @property
    def saw_nothing(self) -> bool:
        """Whether nothing of the run passed the interface: then it proves nothing."""
        return not self.agreed and not self.only_on_wire and bool(self.only_in_record)

    def told(self) -> list[str]:
        """The same for a person; the first line is the whole in short."""
        if self.saw_nothing:
            return [f"witness: nothing of the run passed {self.interface}: another interface has to be named"]
        same = f"{self.agreed} SIP messages, the same in the Record and on {self.interface}, octet for octet"
        lines = [f"witness: {same}" if self.is_whole else f"witness: THE RECORD IS NOT WHAT PASSED {self.interface}"]
        if not self.is_whole:
            lines.append(same)
        if self.dropped:
            lines.append(f"the capture itself lost {self.dropped} packets: what it lacks says nothing")
        for where, found in (("wire", self.only_on_wire), ("Record", self.only_in_record)):
            if found:
                lines.append(f"only {'on' if where == 'wire' else 'in'} the {where}: {len(found)}")
                lines += [f"  {each}" for each in found[:_LISTED]]
                lines += [f"  and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
        if self.late:
            lines.append(f"{self.late} more came for phones that had left: their cases were over")
        return lines

    def as_json(self) -> dict[str, Any]:
        """As the `run` document shows it."""
        return {
            "interface": self.interface,
            "agrees": self.is_whole and not self.saw_nothing,
            "agreed": self.agreed,
            "only_on_wire": self.only_on_wire,
            "only_in_record": self.only_in_record,
            "late": self.late,
            "dropped": self.dropped,
        }


@dataclass(slots=True)
class _Presence:
    """When a phone was at an address, in seconds of the run."""

    since: float
    until: float | None = None
    heard: float = 0.0
    """When it last heard something: everything that came before has been read, too."""

    def covers(self, t: float, sent: bool) -> bool:
        """Whether what was sent from there at `t`, or came there, must be in the Record."""
        if self.until is None:
            return t > self.since - _EARLY_S
        end = self.until if sent else max(self.heard, self.until - _LEAVING_S)
        return self.since - _EARLY_S < t <= end


@dataclass(slots=True)
class _Wire:
    """The datagrams of one kind that nobody has matched yet: their stamps, and how one of them reads."""

    text: str
    stamps: deque[float] = field(default_factory=deque)


def agreement(interface: str, view: RunView, seen: Iterable[Datagram], mask: Mask, dropped: int = 0) -> Agreement:
    """Hold the Record against what was `seen` on an interface. `mask` makes octets as secretive as the Record's are."""
    ends = Ends(view.cases)
    places = _places(view, ends)
    wire: dict[_Key, _Wire] = {}
    for each in seen:
        for phone_sent, phone, other in ((True, each.source, each.target), (False, each.target, each.source)):
            place = _known(phone, places)
            if place is not None:
                masked = mask(each.data)
                kind = wire.setdefault((phone_sent, place, other, _digest(masked)), _Wire(_shown(masked)))
                kind.stamps.append(each.stamp)
    agreed, gaps, only_in_record = 0, [], []
    for case in view.cases:
        for event, data in case.of_kind("message"):
            if not met_wire(event):
                continue
            local, remote = ends.of_message(event)
            masked = mask(data)
            sent = event["direction"] == "out"
            found = wire.get((sent, local, remote, _digest(masked)))
            if found is not None and found.stamps:
                gaps.append(found.stamps.popleft() - float(event["t"]))
                agreed += 1
            else:
                way = "sent to" if sent else "received from"
                line = (
                    f"{case.address} {event['phone']} {way} {event['remote']} at {event['t']:.3f} s: {_shown(masked)}"
                )
                only_in_record.append(one_line(line))
    # the capture has another clock; what both have seen says how far it is ahead
    ahead = median(gaps) if gaps else 0.0
    only_on_wire, late = [], 0
    for (sent, place, other, _), kind in wire.items():
        for stamp in kind.stamps:
            t = stamp - ahead
            if any(each.covers(t, sent) for each in places[place]):
                way = "->" if sent else "<-"
                only_on_wire.append(one_line(f"{_address(place)} {way} {_address(other)} at {t:.3f} s: {kind.text}"))
            else:
                late += 1
    return Agreement(interface, agreed, only_on_wire, only_in_record, late, dropped)


def _places(view: RunView, ends: Ends) -> dict[End, list[_Presence]]:
    """Where phones were and when: from the first sign of them to the end of their case."""
    places: dict[End, list[_Presence]] = {}
    for case in view.cases:
        here: dict[End, _Presence] = {}
        for event, _ in case.of_kind("phone", "message"):
            place = ends.of_message({"local": event["contact" if event["kind"] == "phone" else "local"]})[0]
            presence = here.setdefault(place, _Presence(float(event["t"])))
            if event.get("direction") == "in":
                presence.heard = float(event["t"])
        over = [float(event["t"]) for event, _ in case.of_kind("end")]
        for place, presence in here.items():
            presence.until = over[0] if over else None
            places.setdefault(place, []).append(presence)
    return places


def _known(end: End, places: dict[End, list[_Presence]]) -> End | None:
    """The phone's end as the Record has it: a phone that listens everywhere is recorded at no address."""
    if end in places:
        return end
    everywhere = End(ip_address("0.0.0.0" if end.ip.version == 4 else "::"), end.port)
    return everywhere if everywhere in places else None


def _digest(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + blake2b(data, digest_size=16).digest()


def _shown(data: bytes) -> str:
    first = data.partition(b"\r\n")[0][:_SHOWN].decode("utf-8", "replace")
    return f"{len(data)} bytes, {first}"


def _address(end: End) -> str:
    return f"[{end.ip}]:{end.port}" if end.ip.version == 6 else f"{end.ip}:{end.port}"
