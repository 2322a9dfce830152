"""What stands before SIP in a packet."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.inspecting.capture_file import Frame
from harness.inspecting.headers import MOST_FRAGMENTED, Piece, Unpacker
from tests.harness.inspecting.making import ETHERNET, LOOP, NULL, RAW, SLL, SLL2, tcp, udp

A, B = ("192.0.2.7", 5070), ("192.0.2.8", 5060)
A6, B6 = ("2001:db8::7", 5070), ("2001:db8::8", 5060)
FOUR, SIX = udp(A, B, b"hello"), udp(A6, B6, b"hello")
MACS = bytes(12)


def unpacked(link: int, *packets: bytes, warned: list[str] | None = None) -> list[Piece | None]:
    """What comes out of packets, one after the other."""
    unpacker = Unpacker((warned if warned is not None else []).append)
    return [unpacker.unpack(Frame(n, float(n), link, data, len(data))) for n, data in enumerate(packets, 1)]


@pytest.mark.parametrize(
    ("link", "head4", "head6"),
    [
        (ETHERNET, MACS + b"\x08\x00", MACS + b"\x86\xdd"),
        (ETHERNET, MACS + b"\x81\x00\x00\x05\x08\x00", MACS + b"\x81\x00\x00\x05\x86\xdd"),
        (ETHERNET, MACS + b"\x88\xa8\x00\x09\x81\x00\x00\x05\x08\x00", MACS + b"\x88\xa8\0\x09\x81\0\0\x05\x86\xdd"),
        (SLL, bytes(14) + b"\x08\x00", bytes(14) + b"\x86\xdd"),
        (SLL, bytes(14) + b"\x81\x00\x00\x05\x08\x00", bytes(14) + b"\x81\x00\x00\x05\x86\xdd"),
        (SLL2, b"\x08\x00" + bytes(18), b"\x86\xdd" + bytes(18)),
        (SLL2, b"\x81\x00" + bytes(18) + b"\x00\x05\x08\x00", b"\x81\x00" + bytes(18) + b"\x00\x05\x86\xdd"),
        (RAW, b"", b""),
        (12, b"", b""),
        (228, b"", b""),
        (229, b"", b""),
        (NULL, b"\x02\0\0\0", b"\x1e\0\0\0"),
        (LOOP, b"\0\0\0\x02", b"\0\0\0\x18"),
    ],
)
def test_link_types(link: int, head4: bytes, head6: bytes) -> None:
    trailer = bytes(6) if link == ETHERNET else b""
    four, six = unpacked(link, head4 + FOUR + trailer, head6 + SIX + trailer)
    assert four == Piece(A, B, b"hello")
    assert six == Piece(A6, B6, b"hello")


def test_tcp() -> None:
    assert unpacked(RAW, tcp(A, B, 77, b"data", 0x18)) == [Piece(A, B, b"data", True, 77, 0x18)]
    [syn] = unpacked(RAW, tcp(A, B, 76, b"", 2))
    assert syn == Piece(A, B, b"", True, 76, 2)


def test_what_is_no_ip_is_nothing_and_a_strange_link_is_said_once() -> None:
    warned: list[str] = []
    arp = MACS + b"\x08\x06" + bytes(28)
    assert unpacked(ETHERNET, arp, b"", MACS, MACS + b"\x08\x00", MACS + b"\x08\x00E", warned=warned) == [None] * 5
    assert warned == []
    assert unpacked(147, FOUR, FOUR, warned=warned) == [None, None]
    assert warned == ["link type 147 is not read"]


def fragments4(packet: bytes, size: int) -> list[bytes]:
    """An IPv4 packet in fragments of `size` octets."""
    head, body = packet[:20], packet[20:]
    found = []
    for at in range(0, len(body), size):
        part = body[at : at + size]
        flags = at // 8 | (0x2000 if at + size < len(body) else 0)
        found.append(head[:2] + struct.pack("!HHH", 20 + len(part), 7, flags) + head[8:] + part)
    return found


def fragments6(packet: bytes, size: int) -> list[bytes]:
    """An IPv6 packet in fragments, behind an extension header that says nothing."""
    head, body = packet[:40], packet[40:]
    found = []
    for at in range(0, len(body), size):
        part = body[at : at + size]
        fragment = struct.pack("!BBHI", head[6], 0, at | (at + size < len(body)), 7)
        options = bytes([44, 0, 1, 4, 0, 0, 0, 0])
        found.append(head[:4] + struct.pack("!HB", 16 + len(part), 0) + head[7:] + options + fragment + part)
    return found


@given(st.permutations(range(4)))
def test_fragments_in_any_order(order: list[int]) -> None:
    body = bytes(range(100))
    for pieces, ends in ((fragments4(udp(A, B, body), 32), (A, B)), (fragments6(udp(A6, B6, body), 32), (A6, B6))):
        found = unpacked(RAW, *(pieces[n] for n in order))
        assert found[:-1] == [None] * 3
        assert found[-1] == Piece(*ends, body)


def test_fragments_that_never_become_whole_are_forgotten() -> None:
    warned: list[str] = []
    unpacker = Unpacker(warned.append)
    first = fragments4(udp(A, B, bytes(100)), 32)[0]
    for n in range(MOST_FRAGMENTED + 50):
        packet = first[:4] + struct.pack("!H", n) + first[6:]
        assert unpacker.unpack(Frame(n, 0.0, RAW, packet, len(packet))) is None
    assert warned == ["fragments whose datagram never became whole"]


def test_extension_headers_and_no_fragment_at_all() -> None:
    head, body = SIX[:40], SIX[40:]
    routing = bytes([60, 0]) + bytes(6)
    options = bytes([17, 0, 1, 4, 0, 0, 0, 0])
    packet = head[:4] + struct.pack("!HB", 16 + len(body), 43) + head[7:] + routing + options + body
    alone = fragments6(SIX, 1000)[0]
    assert unpacked(RAW, packet, alone) == [Piece(A6, B6, b"hello")] * 2


@given(st.sampled_from([0, 1, 12, 101, 108, 113, 276]), st.binary(max_size=120))
def test_any_packet_is_survived(link: int, data: bytes) -> None:
    unpacked(link, data)


@given(st.sampled_from([FOUR, SIX, tcp(A, B, 5, b"abc"), fragments6(SIX, 8)[0]]), st.data())
def test_any_damaged_packet_is_survived(packet: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(packet) - 1))
    octet = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(packet)))
    unpacked(RAW, (packet[:at] + bytes([octet]) + packet[at + 1 :])[:end])
