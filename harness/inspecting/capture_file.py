"""Packets out of pcap and pcapng files, one by one: any byte order, stamps in any unit, damage stepped over.

scapy's readers stop at damage and read whatever length a damaged header claims. This one looks at lengths before it
reads, steps over what makes no sense, and holds no more than one packet. Formats: draft-ietf-opsawg-pcap and -pcapng.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase

LARGEST_PACKET = 262_144
"""Octets of a packet; every writer keeps below (MAXIMUM_SNAPLEN of libpcap)."""
LARGEST_BLOCK = 4 * 1024 * 1024
"""Octets of a pcapng block: a packet and its options, or names and secrets."""
SEARCHED = 16 * 1024 * 1024
"""Octets behind damage in which the next packet is looked for."""

_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, _PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_KNOWN_BLOCKS = {_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE, 4, 5, _PACKET, 0x0A, 0xBAD, 0x40000BAD}
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
}
_A_DAY_S = 86_400

Warn = Callable[[str], None]


class NoCapture(ValueError):
    """Bytes that are neither pcap nor pcapng."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet: its number as Wireshark counts, seconds since 1970, link type, octets, and how many there were."""

    number: int
    t: float
    link: int
    data: bytes
    size: int


def frames(file: BufferedIOBase, warn: Warn) -> Iterator[Frame]:
    """The packets of `file`, which is read once from front to back. Raises NoCapture when it is none.

    What is cut or damaged is told to `warn`, and what stands behind it is looked for.
    """
    reader = _Reader(file, warn)
    magic = reader.peek(4)
    if magic in _MAGIC:
        yield from _pcap(reader, *_MAGIC[magic])
    elif magic == b"\x0a\x0d\x0d\x0a":
        yield from _pcapng(reader)
    else:
        raise NoCapture("neither pcap nor pcapng" if magic else "an empty file")


class _Reader:
    """A file that can be looked into before it is taken."""

    def __init__(self, file: BufferedIOBase, warn: Warn) -> None:
        self._file = file
        self.warn = warn
        self._ahead = b""
        self._ended = False
        self.at = 0

    def peek(self, size: int) -> bytes:
        """The next `size` octets, fewer at the end, left where they are."""
        while len(self._ahead) < size and not self._ended:
            try:
                # what is there by now: behind a pipe more may take its time
                more = self._file.read1(max(size - len(self._ahead), 65_536))
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                self.warn(f"its compression is damaged: {error}")
                more = b""
            self._ended = not more
            self._ahead += more
        return self._ahead[:size]

    def take(self, size: int) -> bytes:
        """The next `size` octets, fewer at the end."""
        taken = self.peek(size)
        self._ahead = self._ahead[size:]
        self.at += len(taken)
        return taken

    def resume(self, step: int, fits: Callable[[], bool]) -> bool:
        """Go on, by `step` octets each, until what comes `fits`; whether it does anywhere."""
        begun, limit = self.at, self.at + SEARCHED
        while self.at < limit and self.take(step):
            if fits():
                self.warn(f"damaged at octet {begun}: {self.at - begun} octets left out")
                return True
        self.warn(f"damaged at octet {begun}: nothing more can be read")
        return False


def _pcap(reader: _Reader, order: str, unit: int) -> Iterator[Frame]:
    head = reader.take(24)
    if len(head) < 24:
        reader.warn("cut in its header")
        return
    link = struct.unpack(order + "I", head[20:])[0] & 0xFFFF
    record = struct.Struct(order + "IIII")
    number, last = 0, 0

    def plausible() -> bool:
        """Whether a packet begins here that is not far from the last one in time, and another one behind it."""
        head = reader.peek(16)
        if len(head) < 16:
            return False
        seconds, fraction, captured, size = record.unpack(head)
        if not (fraction < unit and 0 < captured <= min(size, LARGEST_PACKET) and abs(seconds - last) < _A_DAY_S):
            return False
        behind = reader.peek(16 + captured + 16)[16 + captured :]
        if len(behind) < 16:
            return len(behind) == 0
        then, fraction, captured, size = record.unpack(behind)
        return bool(fraction < unit and captured <= min(size, LARGEST_PACKET) and abs(then - seconds) < _A_DAY_S)

    while head := reader.peek(16):
        if len(head) < 16:
            reader.warn(f"cut in the header of packet {number + 1}")
            return
        seconds, fraction, captured, size = record.unpack(head)
        if captured > LARGEST_PACKET or fraction >= unit:
            if not reader.resume(1, plausible):
                return
            continue
        reader.take(16)
        number += 1
        data = reader.take(captured)
        if len(data) < captured:
            reader.warn(f"cut in packet {number}")
            return
        last = seconds
        yield Frame(number, seconds + fraction / unit, link, data, size)


@dataclass(slots=True)
class _Section:
    """A section of a pcapng file: its byte order, and of each interface link type, largest packet, unit and offset."""

    order: str
    interfaces: list[tuple[int, int, float, int]] = field(default_factory=list)


def _pcapng(reader: _Reader) -> Iterator[Frame]:
    section = _Section("<")
    number = 0

    def whole() -> bool:
        """Whether a block of a known kind begins here whose length stands at its end, too."""
        head = reader.peek(8)
        if len(head) < 8:
            return False
        kind, length = struct.unpack(section.order + "II", head)
        if kind not in _KNOWN_BLOCKS or kind == _SECTION or not _fits(length):
            return False
        return reader.peek(length)[length - 4 :] == head[4:]

    while head := reader.peek(12):
        if len(head) < 12:
            reader.warn("cut in the header of a block")
            return
        if head[:4] == b"\x0a\x0d\x0d\x0a":
            section = _Section(">" if head[8:] == b"\x1a\x2b\x3c\x4d" else "<")
        kind, length = struct.unpack(section.order + "II", head[:8])
        if not _fits(length):
            if not reader.resume(1, whole):
                return
            continue
        begins = reader.at
        block = reader.peek(length)
        if len(block) == length and block[-4:] != block[4:8]:
            if not reader.resume(1, whole):
                return
            continue
        reader.take(length)
        cut = len(block) < length
        body = block[8 : length if cut else -4]
        if kind in (_PACKET, _OLD_PACKET, _SIMPLE):
            number += 1
        try:
            if kind == _INTERFACE and not cut:
                section.interfaces.append(_interface(body, section.order))
            elif kind in (_PACKET, _OLD_PACKET, _SIMPLE):
                yield _packet(number, kind, body, section)
        except (struct.error, IndexError, OverflowError, ZeroDivisionError):
            if not cut:
                reader.warn(f"a block that makes no sense at octet {begins}")
        if cut:
            reader.warn(f"cut in a block, behind packet {number}")
            return


def _fits(length: int) -> bool:
    return 12 <= length <= LARGEST_BLOCK and length % 4 == 0


def _interface(body: bytes, order: str) -> tuple[int, int, float, int]:
    """Link type, largest packet, seconds in a unit of the stamps, and seconds to be added to them."""
    link, _, largest = struct.unpack_from(order + "HHI", body)
    unit, offset, at = 1e-6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == 0:
            break
        if code == 9 and length:
            unit = 2.0 ** -(value[0] & 0x7F) if value[0] & 0x80 else 10.0 ** -value[0]
        elif code == 14 and length == 8:
            [offset] = struct.unpack(order + "q", value)
        at += 4 + -(-length // 4) * 4
    return link, largest, unit, offset


def _packet(number: int, kind: int, body: bytes, section: _Section) -> Frame:
    """A packet block. Raises struct.error or IndexError when it makes no sense."""
    order = section.order
    if kind == _SIMPLE:
        [size] = struct.unpack_from(order + "I", body)
        link, largest, _, _ = section.interfaces[0]
        captured = min(size, largest or size, len(body) - 4)
        return Frame(number, 0.0, link, body[4 : 4 + captured], size)
    head = order + ("IIIII" if kind == _PACKET else "HHIIII")
    interface, *rest = struct.unpack_from(head, body)
    high, low, captured, size = rest[-4:]
    link, _, unit, offset = section.interfaces[interface]
    data = body[20 : 20 + captured]
    if len(data) < captured:
        raise IndexError("more octets than the block has")
    return Frame(number, (high << 32 | low) * unit + offset, link, data, size)
