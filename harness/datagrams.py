"""UDP datagrams in captured IP packets, put together where they came in fragments."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from reports.packets import End, parse_packed

_MOST_PENDING = 1000
"""Datagrams of which a fragment is missing; the oldest is given up."""
_UDP, _FRAGMENT = 17, 44


@dataclass(frozen=True, slots=True)
class Datagram:
    """One datagram and when it was seen (seconds since 1970)."""

    stamp: float
    source: End
    target: End
    data: bytes


@dataclass(slots=True)
class _Pieces:
    """What has come of a datagram: offsets in octets to octets."""

    parts: dict[int, bytes] = field(default_factory=dict)
    size: int | None = None

    def whole(self) -> bytes | None:
        """The datagram, once nothing is missing."""
        joined = b""
        for offset in sorted(self.parts):
            if offset > len(joined):
                return None
            joined = joined[:offset] + self.parts[offset]
        return joined if self.size is not None and len(joined) == self.size else None


def datagrams(packets: Iterable[tuple[float, bytes]]) -> Iterator[Datagram]:
    """The datagrams of `packets`, each a stamp and what begins with an IP header. What is none is left out."""
    pending: dict[tuple[bytes, bytes, int], _Pieces] = {}
    for stamp, packet in packets:
        try:
            source, target, identification, offset, more, payload = _ip(packet)
        except (struct.error, ValueError, IndexError):
            continue
        if offset or more:
            key = (source, target, identification)
            pieces = pending.setdefault(key, _Pieces())
            pieces.parts[offset] = payload
            if not more:
                pieces.size = offset + len(payload)
            whole = pieces.whole()
            if whole is None:
                if len(pending) > _MOST_PENDING:
                    del pending[next(iter(pending))]
                continue
            del pending[key]
            payload = whole
        if len(payload) < 8 or len(source) != len(target):
            continue
        ports = struct.unpack_from("!HHH", payload)
        ends = [End(parse_packed(ip), port) for ip, port in zip((source, target), ports[:2], strict=True)]
        yield Datagram(stamp, ends[0], ends[1], payload[8 : ports[2]])


def _ip(packet: bytes) -> tuple[bytes, bytes, int, int, bool, bytes]:
    """Source, target, identification, fragment offset in octets, whether more follow, and what UDP is given.

    Raises ValueError, IndexError or struct.error where the packet carries no UDP, or is cut off.
    """
    if packet[:1] and packet[0] >> 4 == 4:
        length, identification, fragment = struct.unpack_from("!HHH", packet, 2)
        if packet[9] != _UDP:
            raise ValueError("no UDP")
        start = (packet[0] & 15) * 4
        offset, more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
        return packet[12:16], packet[16:20], identification, offset, more, packet[start:length]
    (length,) = struct.unpack_from("!H", packet, 4)
    following, payload = packet[6], packet[40 : 40 + length]
    identification = offset = 0
    more = False
    if following == _FRAGMENT:
        following, fragment, identification = struct.unpack_from("!BxHI", payload)
        offset, more, payload = fragment & 0xFFF8, bool(fragment & 1), payload[8:]
    if following != _UDP:
        raise ValueError("no UDP")
    return packet[8:24], packet[24:40], identification, offset, more, payload
