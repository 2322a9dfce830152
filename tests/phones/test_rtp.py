"""RTP: packets, tones that are told apart, and who sends when."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phones.rtp import FRAME, FRAME_S, RtpError, RtpPacket, Talker, share, tone

PACKET = RtpPacket(0, 7, 1600, 0xCAFE, True, b"sound")


# --- packets ---------------------------------------------------------------------------------------------------------


def test_a_packet() -> None:
    data = b"\x80\x80\x00\x07\x00\x00\x06\x40\x00\x00\xca\xfesound"
    assert bytes(PACKET) == data
    assert RtpPacket.parse(data) == PACKET


def test_sources_extension_and_padding_are_left_out() -> None:
    data = b"\xb2\x80\x00\x07\x00\x00\x06\x40\x00\x00\xca\xfe" + b"SRC1SRC2" + b"\xbe\xde\x00\x01EXT1" + b"sound\0\0\3"
    assert RtpPacket.parse(data) == PACKET


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (0x40, b""),  # version 1
        (0x81, b"SRC"),
        (0x90, b"\0\0\0"),
        (0x90, b"\0\0\0\1EXT"),
        (0xA0, b"\0\0\0"),  # padding of nothing
        (0xA0, b"\0\0\5"),
    ],
)
def test_what_is_refused(first: int, rest: bytes) -> None:
    with pytest.raises(RtpError):
        RtpPacket.parse(bytes([first]) + bytes(PACKET)[1:12] + rest)


def test_a_short_packet_and_rtcp_are_refused() -> None:
    with pytest.raises(RtpError, match="11 octets"):
        RtpPacket.parse(bytes(PACKET)[:11])
    with pytest.raises(RtpError, match="RTCP"):
        RtpPacket.parse(b"\x80\xc8" + bytes(PACKET)[2:])


@given(data=st.binary(max_size=64) | st.binary(min_size=11, max_size=40).map(lambda rest: b"\xb1" + rest))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        packet = RtpPacket.parse(data)
    except RtpError:
        return
    assert packet.payload in data
    assert RtpPacket.parse(bytes(packet)) == packet


# --- tones -----------------------------------------------------------------------------------------------------------


def test_pcmu_is_that_of_the_recommendation() -> None:
    # a sine of 8000 at 0, 45, 90 ... degrees, as G.711 table 2 has it
    assert tone(1000, 0, 8) == b"\xff\xa9\xa0\xa9\xff\x29\x20\x29"
    assert tone(50, 0) == tone(50, FRAME) == tone(50, 3 * FRAME)
    assert tone(50, 0)[40:] == tone(50, 40, 120)


@pytest.mark.parametrize("hertz", [50, 400, 1050, 3950])
def test_a_tone_is_heard(hertz: int) -> None:
    assert share(tone(hertz, 0), hertz) > 0.99


@given(mine=st.integers(1, 79), other=st.integers(1, 79), first=st.integers(0, 2**32))
def test_tones_are_told_apart(mine: int, other: int, first: int) -> None:
    heard = share(tone(50 * mine, first), 50 * other)
    assert heard > 0.99 if mine == other else heard < 0.02


def test_silence_and_nothing_are_no_tone() -> None:
    assert share(b"", 400) == share(b"\xff" * 160, 400) == share(b"\x7f" * 160, 400) == 0.0


@given(payload=st.binary(max_size=400), hertz=st.integers(0, 4000))
def test_any_payload_has_a_share(payload: bytes, hertz: int) -> None:
    assert 0.0 <= share(payload, hertz) <= 1.0


@pytest.mark.parametrize("hertz", [0, -50, 4000])
def test_no_tone(hertz: int) -> None:
    with pytest.raises(ValueError, match="Hz"):
        tone(hertz, 0)


# --- a talker --------------------------------------------------------------------------------------------------------


def sent(talker: Talker, until: float) -> list[tuple[float, RtpPacket]]:
    """Everything that `talker` sends up to `until`, driven by its deadlines alone."""
    packets = []
    while (now := talker.next_deadline()) is not None and now <= until:
        due = talker.due(now)
        assert due, "a deadline that nothing comes of"
        packets += [(now, RtpPacket.parse(data)) for data in due]
    return packets


def test_a_talker_says_nothing_unasked() -> None:
    talker = Talker(400, ssrc=1)
    assert talker.next_deadline() is None
    assert talker.due(1e9) == []


def test_a_spurt() -> None:
    talker = Talker(400, ssrc=9, sequence=65535, timestamp=2**32 - FRAME)
    talker.start(3, 100.0)
    packets = sent(talker, 200.0)
    assert [at for at, _ in packets] == [100.0, 100.0 + FRAME_S, 100.0 + 2 * FRAME_S]
    assert [(p.sequence, p.timestamp, p.marker) for _, p in packets] == [
        (65535, 2**32 - FRAME, True),
        (0, 0, False),
        (1, FRAME, False),
    ]
    assert {(p.payload_type, p.ssrc, p.payload) for _, p in packets} == {(0, 9, tone(400, 0))}
    assert talker.next_deadline() is None


def test_time_passes_between_spurts() -> None:
    talker = Talker(400, ssrc=9)
    talker.start(2, 100.0)
    talker.due(101.0)
    talker.start(1, 110.0)
    [(_, packet)] = sent(talker, 111.0)
    assert (packet.sequence, packet.timestamp, packet.marker) == (2, 80_000, True)
    talker.start(1, 110.0)  # sooner than the last packet has been spoken
    [(_, packet)] = sent(talker, 111.0)
    assert (packet.sequence, packet.timestamp) == (3, 80_160)


def test_more_while_talking() -> None:
    talker = Talker(400, ssrc=9)
    talker.start(2, 0.0)
    assert len(talker.due(0.0)) == 1
    talker.start(2, 0.01)
    assert [RtpPacket.parse(data).timestamp for data in talker.due(9.0)] == [160, 320, 480]


def test_a_talker_is_stopped() -> None:
    talker = Talker(400, ssrc=9)
    talker.start(20, 0.0)
    talker.due(0.1)
    talker.stop()
    assert (talker.next_deadline(), talker.due(9.0)) == (None, [])


def test_the_header_is_twelve_octets() -> None:
    talker = Talker(400, ssrc=1)
    talker.start(1, 0.0)
    [data] = talker.due(0.0)
    assert (len(data), struct.unpack_from("!BB", data)) == (172, (0x80, 0x80))
