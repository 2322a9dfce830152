"""Capture files of every kind, cut and damaged ones among them."""

import io
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.inspecting.capture_file import Frame, NoCapture, frames
from tests.harness.inspecting.making import ETHERNET, pcap, pcapng

PACKETS = [(1_700_000_000.25, b"one"), (1_700_000_001.5, b"packet two"), (1_700_000_003.0, b"3" * 70)]


def of(raw: bytes) -> tuple[list[Frame], list[str]]:
    """The packets of a file and the warnings."""
    warned: list[str] = []
    return list(frames(io.BytesIO(raw), warned.append)), warned


@pytest.mark.parametrize(
    "raw",
    [
        *(pcap(PACKETS, ETHERNET, order, ns) for order in "<>" for ns in (False, True)),
        *(pcapng(PACKETS, ETHERNET, order, unit) for order in "<>" for unit in (None, -3, -9)),
    ],
)
def test_every_byte_order_and_unit(raw: bytes) -> None:
    found, warned = of(raw)
    assert [(each.t, each.data) for each in found] == PACKETS
    assert [(each.number, each.link, each.size) for each in found] == [
        (n, ETHERNET, len(data)) for n, (_, data) in enumerate(PACKETS, 1)
    ]
    assert warned == []


def test_stamps_in_powers_of_two_and_with_an_offset() -> None:
    raw = bytearray(pcapng([], ETHERNET))
    option = struct.pack("<HHB3x", 9, 1, 0x80 | 10) + struct.pack("<HHq", 14, 8, 1000) + struct.pack("<HH", 0, 0)
    body = struct.pack("<HHI", ETHERNET, 0, 0) + option
    raw[28:] = struct.pack("<II", 1, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
    raw += pcapng([(2048e-6, b"x")])[-36:]
    assert [each.t for each in of(bytes(raw))[0]] == [1002.0]


def test_a_second_section_may_have_another_byte_order() -> None:
    found, warned = of(pcapng(PACKETS[:1], ETHERNET, "<") + pcapng(PACKETS[1:], ETHERNET, ">"))
    assert [(each.number, each.data) for each in found] == [(n, data) for n, (_, data) in enumerate(PACKETS, 1)]
    assert warned == []


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04 no capture", b"\x0a\x0d", b"\xd4\xc3\xb2"])
def test_what_is_no_capture(raw: bytes) -> None:
    with pytest.raises(NoCapture):
        of(raw)


@pytest.mark.parametrize("make", [pcap, pcapng])
def test_a_cut_file_gives_what_is_before_the_cut(make: Callable[..., bytes]) -> None:
    whole = make(PACKETS)
    boundaries = {len(make(PACKETS[:n])) for n in range(4)}
    for end in range(len(make([])) + 1, len(whole)):
        found, warned = of(whole[:end])
        before = sum(len(make(PACKETS[:n])) <= end for n in range(1, 4))
        # of a pcapng block whose closing length alone is cut the packet is whole
        assert len(found) in (before, before + 1)
        assert [each.data for each in found] == [data for _, data in PACKETS[: len(found)]]
        assert len(warned) == (end not in boundaries)


def test_a_damaged_length_costs_one_packet() -> None:
    many = [(1_700_000_000.0 + n, b"%03d" % n * 20) for n in range(20)]
    raw = bytearray(pcap(many))
    at = 24 + 5 * (16 + 60)
    raw[at + 8 : at + 12] = b"\xff\xff\xff\x7f"
    found, warned = of(bytes(raw))
    assert [each.data for each in found] == [data for n, (_, data) in enumerate(many) if n != 5]
    assert [words.split(":")[0] for words in warned] == [f"damaged at octet {at}"]
    raw = bytearray(pcapng(many))
    at = 48 + 5 * (32 + 60)
    raw[at + 4 : at + 8] = b"\xff\xff\xff\x7f"
    found, warned = of(bytes(raw))
    assert [each.data for each in found] == [data for n, (_, data) in enumerate(many) if n != 5]
    assert len(warned) == 1


def test_a_block_that_claims_more_than_it_has_is_left_out() -> None:
    raw = bytearray(pcapng(PACKETS))
    at = raw.index(b"packet two") - 8
    raw[at : at + 4] = struct.pack("<I", 5000)
    found, warned = of(bytes(raw))
    assert [(each.number, each.data) for each in found] == [(1, b"one"), (3, b"3" * 70)]
    assert len(warned) == 1


@given(
    st.sampled_from([pcap(PACKETS), pcapng(PACKETS), pcapng(PACKETS, order=">")]),
    st.lists(st.tuples(st.integers(0, 250), st.binary(max_size=8)), max_size=6),
    st.integers(0, 300),
)
def test_any_damage_is_survived(raw: bytes, patches: list[tuple[int, bytes]], end: int) -> None:
    damaged = bytearray(raw)
    for at, patch in patches:
        damaged[4 + at : 4 + at + len(patch)] = patch
    found, _ = of(bytes(damaged[: max(end, 4)]))
    assert all(len(each.data) <= len(damaged) for each in found)


@given(st.sampled_from([b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a"]), st.binary(max_size=400))
def test_any_bytes_behind_a_magic_number(magic: bytes, rest: bytes) -> None:
    of(magic + rest)
