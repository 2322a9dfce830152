"""What stands before the payload of a packet: link layer, VLAN, IP with its fragments, UDP and TCP.

scapy dissects the same at 200 µs a packet and more; here it is a few, and a capture from the field has millions.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address

from harness.inspecting.capture_file import Frame, Warn

MOST_FRAGMENTED = 256
"""Datagrams whose fragments are waited for at a time."""
FRAGMENTS_WAIT_S = 60.0
"""How long (RFC 8200 4.5)."""

_MOST_ENDS = 65_536
_UDP, _TCP = 17, 6
_IPV4, _IPV6 = 0x0800, 0x86DD
_VLAN = {0x8100, 0x88A8, 0x9100}
_EXTENSIONS = {0, 43, 60, 51, 135, 139, 140}
_FRAGMENT = 44

End = tuple[str, int]
"""Address and port."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The payload of one UDP datagram, or (`tcp`) of one segment with its sequence number and flags."""

    source: End
    target: End
    data: bytes
    tcp: bool = False
    sequence: int = 0
    flags: int = 0


class Unpacker:
    """Unpacks frames; remembers fragments until their datagram is whole. Never raises for what is in a frame."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._fragments: OrderedDict[tuple[bytes, bytes, int, int], _Fragments] = OrderedDict()
        self._ends: dict[tuple[bytes, int], End] = {}
        self._said: set[str] = set()
        self.cut = 0
        """Packets of which the capture holds only the beginning."""

    def unpack(self, frame: Frame) -> Piece | None:
        """The payload of `frame`; None where there is none that could be SIP (yet)."""
        data = frame.data
        start = self._link(frame.link, data)
        if start < 0:
            return None
        try:
            return self._ip(data, start, frame)
        except (struct.error, IndexError):
            return None

    def _link(self, link: int, data: bytes) -> int:
        """Where IP begins, -1 where it does not."""
        if link == 1:
            at = 12
        elif link == 113:
            at = 14
        elif link == 276:
            return 20 if data[:2] in (b"\x08\x00", b"\x86\xdd") else self._tagged(data, 0, 20)
        elif link in (0, 108):
            return 4
        elif link in (12, 14, 101, 228, 229):
            return 0
        else:
            self._once(f"link type {link} is not read")
            return -1
        return self._tagged(data, at, at + 2)

    def _tagged(self, data: bytes, at: int, behind: int) -> int:
        """Where IP begins behind VLAN tags (IEEE 802.1Q, 802.1ad); the first type stands at `at`."""
        kind = int.from_bytes(data[at : at + 2], "big")
        for _ in range(8):
            if kind in (_IPV4, _IPV6):
                return behind
            if kind not in _VLAN:
                return -1
            kind = int.from_bytes(data[behind + 2 : behind + 4], "big")
            behind += 4
        return -1

    def _ip(self, data: bytes, at: int, frame: Frame) -> Piece | None:
        first = data[at]
        if first >> 4 == 4:
            head = (first & 15) * 4
            length, identification, offset, protocol = struct.unpack_from("!HHH1xB", data, at + 2)
            source, target = data[at + 12 : at + 16], data[at + 16 : at + 20]
            # a length of 0 is left to the network card
            end = at + length if length >= head else len(data)
            self._look(end, len(data), frame)
            body = data[at + head : end]
            if head < 20 or len(target) < 4:
                return None
            if offset & 0x3FFF:
                key = (source, target, identification, protocol)
                whole = self._collect(key, (offset & 0x1FFF) * 8, bool(offset & 0x2000), body, frame)
                if whole is None:
                    return None
                body = whole
            return self._above(protocol, source, target, body)
        if first >> 4 == 6:
            length, protocol = struct.unpack_from("!HB", data, at + 4)
            source, target = data[at + 8 : at + 24], data[at + 24 : at + 40]
            end = at + 40 + length if length else len(data)
            self._look(end, len(data), frame)
            return self._six(protocol, source, target, data[at + 40 : end], frame)
        return None

    def _six(self, protocol: int, source: bytes, target: bytes, body: bytes, frame: Frame) -> Piece | None:
        for _ in range(16):
            if protocol in _EXTENSIONS:
                length = (body[1] + 2) * 4 if protocol == 51 else (body[1] + 1) * 8
                protocol, body = body[0], body[length:]
            elif protocol == _FRAGMENT:
                following, offset, identification = struct.unpack_from("!B1xHI", body)
                body = body[8:]
                if offset & 0xFFF9:
                    whole = self._collect(
                        (source, target, identification, -1), offset & 0xFFF8, bool(offset & 1), body, frame, following
                    )
                    if whole is None:
                        return None
                    following, body = whole[0], whole[1:]
                protocol = following
            else:
                return self._above(protocol, source, target, body)
        return None

    def _above(self, protocol: int, source: bytes, target: bytes, body: bytes) -> Piece | None:
        if protocol == _UDP:
            sport, dport, length = struct.unpack_from("!HHH", body)
            data = body[8:length] if length >= 8 else body[8:]
            return Piece(self._end(source, sport), self._end(target, dport), data)
        if protocol == _TCP:
            sport, dport, sequence, offset, flags = struct.unpack_from("!HHI4xBB", body)
            data = body[(offset >> 4) * 4 :]
            return Piece(self._end(source, sport), self._end(target, dport), data, True, sequence, flags)
        return None

    def _collect(
        self,
        key: tuple[bytes, bytes, int, int],
        offset: int,
        more: bool,
        body: bytes,
        frame: Frame,
        following: int | None = None,
    ) -> bytes | None:
        """Keep a fragment; the datagram when it is whole, in IPv6 behind an octet that says what follows."""
        found = self._fragments.get(key)
        if found is None or frame.t - found.t > FRAGMENTS_WAIT_S:
            found = self._fragments[key] = _Fragments(frame.t)
        found.add(offset, body, more)
        if following is not None and offset == 0:
            found.following = following
        if (whole := found.whole()) is not None:
            del self._fragments[key]
            return whole if following is None else bytes([found.following]) + whole
        if len(self._fragments) > MOST_FRAGMENTED:
            self._fragments.popitem(last=False)
            self._once("fragments whose datagram never became whole")
        return None

    def _look(self, end: int, have: int, frame: Frame) -> None:
        if end > have and frame.size > have:
            self.cut += 1

    def _end(self, octets: bytes, port: int) -> End:
        """One end: always the same object for the same place, for many things remember it."""
        end = self._ends.get((octets, port))
        if end is None:
            if len(self._ends) >= _MOST_ENDS:
                self._ends.clear()
            end = self._ends[octets, port] = (str(ip_address(octets)), port)
        return end

    def _once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            self._warn(words)


class _Fragments:
    """The fragments of one datagram, none of which may reach beyond what a datagram can hold."""

    def __init__(self, t: float) -> None:
        self.t = t
        self.following = 0
        self._pieces: dict[int, bytes] = {}
        self._end = -1

    def add(self, offset: int, body: bytes, more: bool) -> None:
        """Keep one; of two at one place the first."""
        if offset + len(body) <= 65_535:
            self._pieces.setdefault(offset, body)
            if not more:
                self._end = offset + len(body)

    def whole(self) -> bytes | None:
        """Everything, once nothing is missing."""
        if self._end < 0:
            return None
        built = bytearray()
        for offset in sorted(self._pieces):
            if offset > len(built):
                return None
            built += self._pieces[offset][len(built) - offset :]
        return bytes(built[: self._end]) if len(built) >= self._end else None
