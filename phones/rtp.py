"""RTP with one codec: packets, tones in PCMU, and how to hear whose tone it is (RFC 3550, RFC 3551, ITU-T G.711)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, sin

RATE = 8000
"""Samples a second of PCMU."""

FRAME = 160
"""Samples in a packet."""

FRAME_S = FRAME / RATE
"""Seconds of sound in a packet."""

_HEADER = struct.Struct("!BBHII")
_RTCP = range(72, 77)  # RTCP types 200 to 204 seen through the marker bit (RFC 5761 4)
_LOUDNESS = 8000  # of 32635: loud, and far from clipping
_BIAS, _CLIP = 132, 32635


class RtpError(ValueError):
    """Bytes that are no RTP packet."""


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet. `timestamp` counts samples. Padding, contributing sources and extension are not kept."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """Read a datagram (RFC 3550 5.1). Raises RtpError, for RTCP too."""
        if len(data) < _HEADER.size:
            raise RtpError(f"{len(data)} octets are no RTP packet")
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        if first >> 6 != 2:
            raise RtpError(f"RTP version {first >> 6}")
        payload_type = second & 0x7F
        if payload_type in _RTCP:
            raise RtpError("RTCP")
        start, end = _HEADER.size + 4 * (first & 0x0F), len(data)
        if first & 0x10:
            if start + 4 > end:
                raise RtpError("the header extension is cut off")
            start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
        if first & 0x20:
            if data[-1] == 0:
                raise RtpError("padding of no octets")
            end -= data[-1]
        if start > end:
            raise RtpError("header and padding are longer than the packet")
        return cls(payload_type, sequence, timestamp, ssrc, bool(second & 0x80), data[start:end])

    def __bytes__(self) -> bytes:
        second = self.payload_type | (0x80 if self.marker else 0)
        return _HEADER.pack(0x80, second, self.sequence, self.timestamp, self.ssrc) + self.payload


def _compressed(sample: int) -> int:
    """One PCMU octet of a linear sample of 16 bits."""
    size = min(abs(sample), _CLIP) + _BIAS
    exponent = size.bit_length() - 8
    return ~(exponent << 4 | (size >> exponent + 3) & 0x0F | (0x80 if sample < 0 else 0)) & 0xFF


def _expanded(octet: int) -> int:
    """The linear sample of 16 bits that a PCMU octet stands for."""
    bits = ~octet & 0xFF
    size = ((bits & 0x0F) << 3) + _BIAS << (bits >> 4 & 7)
    return _BIAS - size if bits & 0x80 else size - _BIAS


_LINEAR = tuple(_expanded(octet) for octet in range(256))


def tone(hertz: int, first_sample: int, samples: int = FRAME) -> bytes:
    """PCMU of a sine of `hertz`, from its sample number `first_sample`; hertz above 0 and below 4000.

    A multiple of 50 Hz is a whole number of waves in a packet, so all its packets are equal.
    """
    if not 0 < hertz < RATE / 2:
        raise ValueError(f"a tone of {hertz} Hz; above 0 and below {RATE // 2}")
    return _wave(hertz, hertz * first_sample % RATE, samples)


@lru_cache(maxsize=256)
def _wave(hertz: int, turned: int, samples: int) -> bytes:
    """`samples` of a sine that begins `turned` parts of 8000 into its turn."""
    angles = ((turned + hertz * number) % RATE for number in range(samples))
    return bytes(_compressed(round(_LOUDNESS * sin(2 * pi * angle / RATE))) for angle in angles)


def share(payload: bytes, hertz: int) -> float:
    """How much of the energy of this PCMU is that tone, 0 to 1 (Goertzel's algorithm); 0 for silence and for nothing.

    Clean where the payload holds whole waves: with 160 samples, at multiples of 50 Hz.
    """
    turn = 2 * cos(2 * pi * hertz / RATE)
    last = before = energy = 0.0
    for octet in payload:
        sample = _LINEAR[octet]
        energy += sample * sample
        last, before = sample + turn * last - before, last
    if energy == 0:
        return 0.0
    power = last * last + before * before - turn * last * before
    return max(0.0, min(1.0, 2 * power / (len(payload) * energy)))


class Talker:
    """Sends one tone in packets of 20 ms, when it is told to. Times are seconds of the caller's clock.

    `sequence` and `timestamp` are where the stream begins; they wrap as the protocol wants.
    """

    def __init__(self, hertz: int, *, ssrc: int, sequence: int = 0, timestamp: int = 0) -> None:
        self._hertz = hertz
        self._ssrc = ssrc
        self._sequence = sequence
        self._timestamp = timestamp
        self._epoch: float | None = None  # when sample 0 was due
        self._sample = 0  # the first sample of the next packet
        self._spurt = (0.0, 0, 0)  # when it began, packets sent, packets wanted

    def start(self, packets: int, now: float) -> None:
        """Send `packets` from `now` on; while talking, so many more. Of 0 Hz nothing is sent."""
        if not self._hertz:
            return
        began, sent, wanted = self._spurt
        if sent < wanted:
            self._spurt = (began, sent, wanted + packets)
            return
        if self._epoch is None:
            self._epoch = now
        # silence passes in the timestamps as it did in time (RFC 3550 5.1)
        self._sample = max(self._sample, round((now - self._epoch) * RATE))
        self._spurt = (now, 0, packets)

    def stop(self) -> None:
        """Send no more."""
        self._spurt = (0.0, 0, 0)

    def next_deadline(self) -> float | None:
        """When the next packet is due, None while silent."""
        began, sent, wanted = self._spurt
        return began + sent * FRAME_S if sent < wanted else None

    def due(self, now: float) -> list[bytes]:
        """The packets whose time has come, the first of a spurt marked (RFC 3551 4.1)."""
        packets = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            began, sent, wanted = self._spurt
            packet = RtpPacket(
                payload_type=0,
                sequence=self._sequence % 2**16,
                timestamp=(self._timestamp + self._sample) % 2**32,
                ssrc=self._ssrc,
                marker=sent == 0,
                payload=tone(self._hertz, self._sample),
            )
            packets.append(bytes(packet))
            self._sequence += 1
            self._sample += FRAME
            self._spurt = (began, sent + 1, wanted)
        return packets
