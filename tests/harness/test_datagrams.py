"""Datagrams out of captured packets: fragments in any order, and nothing that would stop the reading."""

from __future__ import annotations

import itertools
import random
import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from harness.datagrams import Datagram, datagrams

DATA = bytes(range(256)) * 12


def udp(data: bytes, source: int = 5062, target: int = 5060) -> bytes:
    return struct.pack("!HHHH", source, target, 8 + len(data), 0) + data


def v4(payload: bytes, *, number: int = 1, offset: int = 0, more: bool = False, options: bytes = b"") -> bytes:
    head = 20 + len(options)
    fragment = offset // 8 | (0x2000 if more else 0)
    ips = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.9")
    said = struct.pack("!BBHHHBBH", 0x40 | head // 4, 0, head + len(payload), number, fragment, 64, 17, 0)
    return said + ips + options + payload


def v6(payload: bytes, *, number: int = 0, offset: int = 0, more: bool = False, fragment: bool = False) -> bytes:
    if fragment:
        payload = struct.pack("!BBHI", 17, 0, offset | more, number) + payload
    ips = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    return struct.pack("!IHBB", 6 << 28, len(payload), 44 if fragment else 17, 64) + ips + payload


def read(*packets: bytes) -> list[Datagram]:
    return list(datagrams((float(number), packet) for number, packet in enumerate(packets)))


def shown(found: list[Datagram]) -> list[tuple[str, int, str, int, bytes]]:
    return [(str(d.source.ip), d.source.port, str(d.target.ip), d.target.port, d.data) for d in found]


def test_whole_datagrams() -> None:
    # padding behind a short packet, as Ethernet has it, is not part of it
    assert shown(read(v4(udp(b"one")) + bytes(18), v6(udp(b"two")), v4(udp(b""), options=bytes(8)))) == [
        ("192.0.2.1", 5062, "192.0.2.9", 5060, b"one"),
        ("2001:db8::1", 5062, "2001:db8::9", 5060, b"two"),
        ("192.0.2.1", 5062, "192.0.2.9", 5060, b""),
    ]


def test_fragments_in_any_order_and_twice() -> None:
    whole = udp(DATA)
    for make in (v4, lambda *a, **k: v6(*a, **k, fragment=True)):
        cuts = [(at, whole[at : at + 800]) for at in range(0, len(whole), 800)]
        pieces = [make(part, number=7, offset=at, more=at + 800 < len(whole)) for at, part in cuts]
        for order in itertools.permutations(pieces):
            assert [d.data for d in read(order[0], *order)] == [DATA]
        for missing in range(len(pieces)):
            assert read(*(piece for number, piece in enumerate(pieces) if number != missing)) == []


def test_fragments_of_different_datagrams_are_kept_apart() -> None:
    first, second = udp(b"a" * 16), udp(b"b" * 16)
    packets = [v4(first[:16], number=1, more=True), v4(second[:16], number=2, more=True)]
    packets += [v4(second[16:], number=2, offset=16), v4(first[16:], number=1, offset=16)]
    assert [d.data[:1] for d in read(*packets)] == [b"b", b"a"]


def test_a_flood_of_fragments_is_forgotten() -> None:
    flood = [v4(bytes(800), number=number, more=True) for number in range(1, 5000)]
    late = v4(bytes(8), number=1, offset=800)
    assert read(*flood, late) == []
    assert read(v4(udp(b"x" * 8)[:8], number=1, more=True), *flood[1:500], v4(b"x" * 8, number=1, offset=8)) != []


def test_what_is_no_udp_is_left_out() -> None:
    tcp = bytearray(v4(udp(b"x")))
    tcp[9] = 6
    assert read(b"", b"\x45", bytes(tcp), v4(b"\0" * 7), v6(b""), b"\x60" * 30) == []


@given(st.binary(max_size=80), st.integers(0, 255))
def test_octets_without_meaning_stop_nothing(octets: bytes, seed: int) -> None:
    packet = bytearray(v4(udp(DATA)) if seed % 2 else v6(udp(DATA), fragment=True))
    rng = random.Random(seed)
    for at, octet in enumerate(octets):
        packet[rng.randrange(60)] = octet
        packet = packet[: len(packet) - at % 3]
    assert read(octets, bytes(packet), v4(udp(b"end"), number=9))[-1].data == b"end"
