"""Captures made by hand: packets of every kind, files of every kind, and stories of phones told in SIP."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from harness.inspecting.inspection import Inspection, inspect_messages
from harness.inspecting.messages import Reading, Sight, sights_in
from phones.sip.message import request
from reports.packets import End, IpWriter

ETHERNET, RAW, SLL, SLL2, NULL, LOOP = 1, 101, 113, 276, 0, 108
Packet = tuple[float, bytes]
EDGE = ("192.0.2.1", 5060)
BEGUN = 1_700_000_000.0


def udp(source: tuple[str, int], target: tuple[str, int], data: bytes) -> bytes:
    """An IP packet with one datagram."""
    return IpWriter().udp(_end(source), _end(target), data)


def tcp(source: tuple[str, int], target: tuple[str, int], sequence: int, data: bytes, flags: int = 0x10) -> bytes:
    """An IP packet with one segment."""
    return IpWriter().tcp(_end(source), _end(target), sequence & 0xFFFFFFFF, 0, flags, data)


def _end(place: tuple[str, int]) -> End:
    return End(ip_address(place[0]), place[1])


# --- files -----------------------------------------------------------------------------------------------------------


def pcap(packets: Iterable[Packet], link: int = RAW, order: str = "<", nanoseconds: bool = False) -> bytes:
    """A pcap file."""
    unit = 10**9 if nanoseconds else 10**6
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262_144, link)]
    for t, data in packets:
        fraction = round(t % 1 * unit)
        parts += [struct.pack(order + "IIII", int(t), fraction, len(data), len(data)), data]
    return b"".join(parts)


def pcapng(packets: Iterable[Packet], link: int = RAW, order: str = "<", unit: int | None = None) -> bytes:
    """A pcapng file; `unit` is the exponent of ten of its stamps, -6 where none is given."""
    option = b"" if unit is None else struct.pack(order + "HHB3xHH", 9, 1, -unit, 0, 0)
    parts = [
        _block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1)),
        _block(order, 1, struct.pack(order + "HHI", link, 0, 0) + option),
    ]
    for t, data in packets:
        in_a_second = 10 ** -(-6 if unit is None else unit)
        ticks = int(t) * in_a_second + round(t % 1 * in_a_second)
        head = struct.pack(order + "IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        parts.append(_block(order, 6, head + data))
    return b"".join(parts)


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def read(raw: bytes) -> tuple[list[Sight], Reading]:
    """The messages of a capture file."""
    reading = Reading()
    return list(sights_in(io.BytesIO(raw), reading)), reading


def inspected(raw: bytes) -> Inspection:
    """The whole inspection of a capture file."""
    reading = Reading()
    return inspect_messages(sights_in(io.BytesIO(raw), reading), reading)


def laws(found: Inspection) -> list[tuple[str, int]]:
    """The broken laws, each with its decisive frame."""
    return [(each.broken.law, each.broken.frames[0]) for each in found.findings]


def edited(raw: bytes, frames: dict[int, Callable[[bytes], bytes | None]]) -> bytes:
    """A pcap file (of this machine's usual order) in which some packets are other ones of equal length, or left out."""
    parts, at, number = [raw[:24]], 24, 0
    while at < len(raw):
        length = struct.unpack_from("<I", raw, at + 8)[0]
        head, data = raw[at : at + 16], raw[at + 16 : at + 16 + length]
        number += 1
        changed = frames.get(number, bytes)(data)
        if changed is not None:
            assert len(changed) == len(data)
            parts += [head, changed]
        at += 16 + length
    return b"".join(parts)


# --- stories ---------------------------------------------------------------------------------------------------------

TYPES = {"dialog": "application/dialog-info+xml", "presence": "application/pidf+xml"}


@dataclass
class Story:
    """What happens around one SIP edge, as packets. Everything is told at `t`, seconds from the beginning."""

    t: float = 0.0
    packets: list[Packet] = field(default_factory=list)
    realm: str = "example.com"
    branch: int = 0
    proxy: tuple[str, int] | None = None
    """Between the edge and everybody else, seen on both sides."""

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.t += seconds

    def tell(self, source: tuple[str, int], target: tuple[str, int], data: bytes) -> int:
        """One datagram; its frame, that of the first hop."""
        hops = [(source, target)] if self.proxy is None else [(source, self.proxy), (self.proxy, target)]
        for hop in hops:
            self.packets.append((BEGUN + self.t, udp(*hop, data)))
            self.t += 0.001
        return len(self.packets) - len(hops) + 1

    def send(
        self,
        source: tuple[str, int],
        target: tuple[str, int],
        start: str,
        headers: Sequence[tuple[str, str]],
        body: bytes = b"",
    ) -> int:
        """One message; its frame. A Via with a branch of its own is added."""
        self.branch += 1
        via = ("Via", f"SIP/2.0/UDP {source[0]}:{source[1]};branch=z9hG4bK{self.branch}")
        method, _, uri = start.partition(" ")
        if method == "SIP/2.0":
            data = request("X", "y", [via, *headers], body)
            data = start.encode() + data[data.index(b"\r\n") :]
        else:
            data = request(method, uri, [via, *headers], body)
        return self.tell(source, target, data)

    def capture(self) -> bytes:
        """The file."""
        return pcap(self.packets)

    def found(self) -> Inspection:
        """What is found in it."""
        return inspected(self.capture())


@dataclass
class Watcher:
    """One subscription in a story."""

    story: Story
    user: str
    presentity: str
    at: tuple[str, int]
    package: str = "dialog"
    call_id: str = ""
    cseq: int = 0
    version: int = 0
    anonymous: bool = False
    """Whether its documents name no Call-IDs."""

    def __post_init__(self) -> None:
        self.call_id = self.call_id or f"sub-{self.user}-{self.presentity}-{self.package}"

    def _headers(self, cseq: str, *, asks: bool, answered: bool = True) -> list[tuple[str, str]]:
        realm = self.story.realm
        mine, theirs = f"<sip:{self.user}@{realm}>;tag=w", f"<sip:{self.presentity}@{realm}>"
        theirs += ";tag=n" if answered else ""
        ends = (mine, theirs) if asks else (theirs, mine)
        return [
            *zip(("From", "To"), ends, strict=True),
            ("Call-ID", self.call_id),
            ("CSeq", cseq),
            ("Event", self.package),
        ]

    @property
    def contact(self) -> str:
        """Its Contact."""
        return f"sip:{self.user}@{self.at[0]}:{self.at[1]}"

    def subscribe(self, expires: int = 600, number: int = 1, *, status: str = "200 OK") -> int:
        """SUBSCRIBE and its answer; the frame of the latter."""
        headers = self._headers(f"{number} SUBSCRIBE", asks=True, answered=number > 1)
        more = [("Contact", f"<{self.contact}>"), ("Expires", str(expires))]
        self.story.send(self.at, EDGE, f"SUBSCRIBE sip:{self.presentity}@{self.story.realm}", [*headers, *more])
        answer = [*self._headers(f"{number} SUBSCRIBE", asks=True), ("Expires", str(expires))]
        return self.story.send(EDGE, self.at, f"SIP/2.0 {status}", answer)

    def notify(
        self,
        state: str = "",
        call: str = "",
        *,
        direction: str = "recipient",
        cseq: int | None = None,
        version: int | None = None,
        substate: str = "active;expires=600",
        to: tuple[str, int] | None = None,
        answer: str = "200 OK",
    ) -> int:
        """NOTIFY with a dialog in that state ('' for none), and its answer; the frame of the NOTIFY."""
        self.cseq = self.cseq + 1 if cseq is None else cseq
        self.version = self.version + 1 if version is None else version
        body = self._document(state, call, direction)
        place = to or self.at
        headers = [
            *self._headers(f"{self.cseq} NOTIFY", asks=False),
            ("Subscription-State", substate),
            ("Content-Type", TYPES[self.package]),
        ]
        frame = self.story.send(EDGE, place, f"NOTIFY sip:{self.user}@{place[0]}:{place[1]}", headers, body)
        if answer:
            self.story.send(place, EDGE, f"SIP/2.0 {answer}", self._headers(f"{self.cseq} NOTIFY", asks=False))
        return frame

    def _document(self, state: str, call: str, direction: str) -> bytes:
        entity = f"sip:{self.presentity}@{self.story.realm}"
        if self.package == "presence":
            note = {"early": "Busy", "confirmed": "On the Phone"}.get(state, "Available")
            return (
                f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{entity}"><tuple id="t"><status>'
                f"<basic>open</basic></status></tuple><note>{note}</note></presence>"
            ).encode()
        name = "" if self.anonymous else f' call-id="{call}"'
        dialog = f'<dialog id="{call}"{name} direction="{direction}"><state>{state}</state></dialog>'
        return (
            f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{self.version}" state="full"'
            f' entity="{entity}">{dialog if state else ""}</dialog-info>'
        ).encode()


@dataclass
class Ring:
    """One leg of a call in a story, from the edge to the phone of `callee`."""

    story: Story
    callee: str
    at: tuple[str, int]
    caller: str = "2000"
    call_id: str = "call-1"
    cseq: int = 10
    tag: str = "b"

    def headers(self, method: str, *, answered: bool) -> list[tuple[str, str]]:
        """From, To, Call-ID and CSeq."""
        realm = self.story.realm
        theirs = f"<sip:{self.callee}@{realm}>" + (f";tag={self.tag}" if answered else "")
        return [
            ("From", f"<sip:{self.caller}@{realm}>;tag=a"),
            ("To", theirs),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
        ]

    def ask(self, method: str, *, answered: bool = False) -> int:
        """A request of the edge."""
        uri = f"sip:{self.callee}@{self.at[0]}:{self.at[1]}"
        return self.story.send(EDGE, self.at, f"{method} {uri}", self.headers(method, answered=answered))

    def answer(self, status: str, method: str = "INVITE") -> int:
        """A response of the phone."""
        return self.story.send(self.at, EDGE, f"SIP/2.0 {status}", self.headers(method, answered=True))

    def ring(self) -> int:
        """INVITE and 180."""
        frame = self.ask("INVITE")
        self.answer("180 Ringing")
        return frame

    def talk(self) -> int:
        """200 and its ACK."""
        self.answer("200 OK")
        return self.ask("ACK", answered=True)

    def end(self) -> int:
        """BYE by the edge and its answer."""
        self.cseq += 1
        self.ask("BYE", answered=True)
        return self.answer("200 OK", "BYE")

    def refuse(self, status: str = "486 Busy Here") -> int:
        """A final response and its ACK."""
        self.answer(status)
        return self.ask("ACK", answered=True)
