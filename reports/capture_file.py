"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian, each as bytes.

By hand because nothing else fits: scapy's writer knows no comment on a section, no description of an interface and
no names of addresses, and writes to named files only; python-pcapng knows them all at 21 µs a packet (here: 1.5 µs).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from reports.packets import Ip

RAW_IP = 101
"""LINKTYPE_RAW: packets begin with their IP header. No Ethernet addresses are known, so none are invented."""
SNAPLEN = 262_144
"""The same for all interfaces: libpcap insists on it."""

INBOUND, OUTBOUND = 1, 2

_COMMENT = 1
_LONGEST_OPTION = 60_000


def section(application: str, comment: str) -> bytes:
    """A Section Header Block."""
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return _block(0x0A0D0D0A, body + _options([(_COMMENT, _text(comment)), (4, _text(application))]))


def interface(name: str, description: str) -> bytes:
    """An Interface Description Block; stamps on it are microseconds."""
    options = [(2, _text(name)), (3, _text(description)), (9, b"\x06")]
    return _block(1, struct.pack("<HHI", RAW_IP, 0, SNAPLEN) + _options(options))


def names(known: Iterable[tuple[Ip, str]]) -> bytes:
    """A Name Resolution Block."""
    body = b""
    for ip, name in known:
        record = ip.packed + _text(name).replace(b"\0", b"") + b"\0"
        body += struct.pack("<HH", 1 if ip.version == 4 else 2, len(record)) + _padded(record)
    return _block(4, body + bytes(4))


def packet(interface_number: int, microseconds: int, data: bytes, direction: int, comment: str) -> bytes:
    """An Enhanced Packet Block. `microseconds` count from 1970."""
    high, low = microseconds >> 32, microseconds & 0xFFFFFFFF
    head = struct.pack("<IIIII", interface_number, high, low, len(data), len(data))
    options = _options([(_COMMENT, _text(comment)), (2, struct.pack("<I", direction))])
    return _block(6, head + _padded(data) + options)


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    written = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    return written + bytes(4)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _text(text: str) -> bytes:
    """UTF-8 of at most what an option holds; what is no character is written as its code."""
    octets = text.encode("utf-8", "backslashreplace")
    return octets if len(octets) <= _LONGEST_OPTION else octets[:_LONGEST_OPTION].decode("utf-8", "ignore").encode()
