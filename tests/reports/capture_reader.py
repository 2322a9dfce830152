"""Reads pcapng, IP, UDP and TCP by the letter of their specifications, and checks whatever can be checked.

It shares nothing with the writer under test.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field


@dataclass
class Block:
    """One block with its fixed part and its options."""

    kind: int
    body: bytes
    options: dict[int, list[bytes]] = field(default_factory=dict)

    def text(self, code: int) -> str:
        """An option as text."""
        return self.options[code][0].decode()


@dataclass
class Packet:
    """One packet of a capture."""

    interface: Block
    stamp_us: int
    direction: int
    comment: str
    source: tuple[str, int]
    target: tuple[str, int]
    protocol: int
    data: bytes
    flags: int = 0
    sequence: int = 0
    acknowledged: int = 0


@dataclass
class Read:
    """A capture file."""

    section: Block
    interfaces: list[Block]
    names: dict[str, str]
    packets: list[Packet]

    def udp(self) -> list[Packet]:
        """Its datagrams."""
        return [each for each in self.packets if each.protocol == 17]

    def tcp(self) -> list[Packet]:
        """Its segments."""
        return [each for each in self.packets if each.protocol == 6]


def read_capture(raw: bytes) -> Read:
    """Read a whole file. Raises AssertionError for anything that is not as it should be."""
    blocks = _blocks(raw)
    assert blocks[0].kind == 0x0A0D0D0A
    assert struct.unpack("<IHHq", blocks[0].body) == (0x1A2B3C4D, 1, 0, -1)
    interfaces: list[Block] = []
    names: dict[str, str] = {}
    packets = []
    for block in blocks[1:]:
        if block.kind == 1:
            link, _, snaplen = struct.unpack("<HHI", block.body)
            assert (link, snaplen) == (101, 262_144)
            assert block.options[9] == [b"\x06"]
            interfaces.append(block)
        elif block.kind == 4:
            names |= _names(block.body)
        elif block.kind == 6:
            packets.append(_packet(block, interfaces))
        else:
            raise AssertionError(f"block {block.kind:#x}")
    return Read(blocks[0], interfaces, names, packets)


def _blocks(raw: bytes) -> list[Block]:
    found, at = [], 0
    while at < len(raw):
        kind, length = struct.unpack_from("<II", raw, at)
        assert length % 4 == 0
        assert struct.unpack_from("<I", raw, at + length - 4) == (length,)
        body = raw[at + 8 : at + length - 4]
        if kind == 4:
            found.append(Block(kind, body))
        else:
            fixed = {0x0A0D0D0A: 16, 1: 8}.get(kind, 20)
            if kind == 6:
                fixed += -(-struct.unpack_from("<I", body, 12)[0] // 4) * 4
            found.append(Block(kind, body[:fixed], _options(body[fixed:])))
        at += length
    assert at == len(raw)
    return found


def _options(raw: bytes) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    at = 0
    while True:
        code, length = struct.unpack_from("<HH", raw, at)
        if code == 0:
            assert (length, at + 4) == (0, len(raw))
            return found
        found.setdefault(code, []).append(raw[at + 4 : at + 4 + length])
        at += 4 + -(-length // 4) * 4


def _names(body: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    at = 0
    while True:
        kind, length = struct.unpack_from("<HH", body, at)
        if kind == 0:
            return found
        value = body[at + 4 : at + 4 + length]
        family, size = {1: (socket.AF_INET, 4), 2: (socket.AF_INET6, 16)}[kind]
        assert value[-1:] == b"\0"
        found[socket.inet_ntop(family, value[:size])] = value[size:-1].decode()
        at += 4 + -(-length // 4) * 4


def _packet(block: Block, interfaces: list[Block]) -> Packet:
    number, high, low, captured, original = struct.unpack_from("<IIIII", block.body)
    assert captured == original <= 262_144
    raw = block.body[20 : 20 + captured]
    (direction,) = struct.unpack("<I", block.options[2][0])
    [comment] = block.options[1]
    head = (interfaces[number], high << 32 | low, direction, comment.decode())
    if raw[0] >> 4 == 4:
        assert raw[0] == 0x45
        (length,) = struct.unpack_from("!H", raw, 2)
        assert length == len(raw)
        assert _sum(raw[:20]) == 0xFFFF
        source, target, protocol, payload = raw[12:16], raw[16:20], raw[9], raw[20:]
    else:
        (length,) = struct.unpack_from("!H", raw, 4)
        assert length == len(raw) - 40
        source, target, protocol, payload = raw[8:24], raw[24:40], raw[6], raw[40:]
    assert _sum(source + target + struct.pack("!HI", protocol, len(payload)) + payload) == 0xFFFF
    ports = struct.unpack_from("!HH", payload)
    family = socket.AF_INET if len(source) == 4 else socket.AF_INET6
    ends = [(socket.inet_ntop(family, ip), port) for ip, port in zip((source, target), ports, strict=True)]
    if protocol == 17:
        length, check = struct.unpack_from("!HH", payload, 4)
        assert length == len(payload)
        assert check
        return Packet(*head, ends[0], ends[1], protocol, payload[8:])
    sequence, acknowledged, offset, flags = struct.unpack_from("!IIBB", payload, 4)
    return Packet(*head, ends[0], ends[1], protocol, payload[offset // 16 * 4 :], flags, sequence, acknowledged)


def _sum(data: bytes) -> int:
    """The ones' complement sum of 16-bit words, as RFC 1071 describes it."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def conversations(packets: list[Packet]) -> list[dict[tuple[str, int], bytes]]:
    """What each end of each TCP connection said, put together by sequence numbers alone, all of them checked."""
    found: dict[frozenset[tuple[str, int]], list[Packet]] = {}
    for each in packets:
        found.setdefault(frozenset((each.source, each.target)), []).append(each)
    return [_conversation(each) for each in found.values()]


def _conversation(packets: list[Packet]) -> dict[tuple[str, int], bytes]:
    syn, answer, opened = packets[:3]
    assert [each.flags for each in (syn, answer, opened)] == [SYN, SYN | ACK, ACK]
    assert syn.source == answer.target == opened.source
    due = {syn.source: syn.sequence + 1 & 0xFFFFFFFF, answer.source: answer.sequence + 1 & 0xFFFFFFFF}
    assert answer.acknowledged == due[syn.source]
    said = dict.fromkeys(due, b"")
    finished = set()
    for each in packets[2:]:
        assert each.sequence == due[each.source]
        assert each.acknowledged == due[each.target]
        assert each.source not in finished or not each.data
        said[each.source] += each.data
        due[each.source] = each.sequence + len(each.data) + (each.flags & FIN) & 0xFFFFFFFF
        if each.flags & FIN:
            finished.add(each.source)
    assert finished in (set(), set(due))
    return said
