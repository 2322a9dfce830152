"""IP packets by hand: UDP datagrams and TCP streams, with true lengths, sequence numbers and checksums.

scapy builds the same at 250 µs a packet, sixty times as much, and a run has tens of thousands of packets.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

LARGEST_UDP = {4: 65_535 - 20 - 8, 6: 65_535 - 8}
"""The most octets that one datagram carries, by IP version (RFC 791, RFC 8200 without jumbograms)."""
SEGMENT = 16_384
"""Octets in a TCP segment: as large as on a loopback interface, so that long bodies stay readable."""

_UDP, _TCP = 17, 6
_TTL = 64
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16
_SYN_OPTIONS = struct.pack("!BBHBBBB", 2, 4, SEGMENT, 1, 3, 3, 14)
"""Maximum segment size, and the largest window scale (RFC 7323): whole bodies may be in flight."""

Ip = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class End:
    """One end of a conversation."""

    ip: Ip
    port: int


def parse_ip(host: str) -> Ip | None:
    """An address as it is written, brackets and scope allowed; None for a name."""
    try:
        return ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def parse_packed(octets: bytes) -> Ip:
    """An address of 4 or 16 octets. Raises ValueError."""
    return ip_address(octets)


def split_address(text: str) -> tuple[str, int]:
    """host:port or [host]:port as a host and a port; what is no port is 0."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port) if port.isascii() and port.isdecimal() and int(port) < 65_536 else 0


class IpWriter:
    """Packs payloads into IP packets, which it numbers."""

    def __init__(self) -> None:
        self._identifications = itertools.count(1)

    def udp(self, source: End, target: End, data: bytes) -> bytes:
        """One datagram."""
        length = 8 + len(data)
        header = struct.pack("!HHHH", source.port, target.port, length, 0)
        ips = _octets(source.ip, target.ip)
        # an IPv6 datagram must have a checksum, and 0 says that there is none (RFC 8200, 8.1)
        check = _checksum(_pseudo(ips, _UDP, length) + header + data) or 0xFFFF
        return self._ip(ips, _UDP, header[:6] + struct.pack("!H", check) + data)

    def tcp(self, source: End, target: End, sequence: int, acknowledged: int, flags: int, data: bytes = b"") -> bytes:
        """One segment."""
        options = _SYN_OPTIONS if flags & _SYN else b""
        offset = (20 + len(options)) << 2  # in words, in the upper half of the octet
        segment = struct.pack(
            "!HHIIBBHHH", source.port, target.port, sequence, acknowledged, offset, flags, 0xFFFF, 0, 0
        )
        ips = _octets(source.ip, target.ip)
        check = _checksum(_pseudo(ips, _TCP, len(segment) + len(options) + len(data)) + segment + options + data)
        return self._ip(ips, _TCP, segment[:16] + struct.pack("!HH", check, 0) + options + data)

    def _ip(self, ips: tuple[bytes, bytes], protocol: int, payload: bytes) -> bytes:
        source, target = ips
        if len(source) == 16:
            header = struct.pack("!IHBB16s16s", 6 << 28, len(payload), protocol, _TTL, source, target)
            return header + payload
        number = next(self._identifications) & 0xFFFF
        length = 20 + len(payload)
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, number, 0, _TTL, protocol, 0, source, target)
        return header[:10] + struct.pack("!H", _checksum(header)) + header[12:] + payload


class Stream:
    """A TCP connection that never was, made of what its two ends say. `client` opens it."""

    def __init__(self, writer: IpWriter, client: End, server: End) -> None:
        self._writer = writer
        self._client = client
        self._server = server
        # not 0, so that nobody takes a relative number for a true one; the same for the same ends
        start = zlib.crc32(repr((client, server)).encode())
        self._next = {client: start, server: start ^ 0x5A5A5A5A}

    def open(self) -> Iterator[tuple[End, bytes]]:
        """The handshake. Like all of these: who sends, and the packet."""
        yield self._packet(self._client, _SYN)
        yield self._packet(self._server, _SYN | _ACK)
        yield self._packet(self._client, _ACK)

    def say(self, source: End, data: bytes) -> Iterator[tuple[End, bytes]]:
        """`data` from one of the ends, in segments."""
        for at in range(0, len(data), SEGMENT):
            last = at + SEGMENT >= len(data)
            yield self._packet(source, _ACK | (_PSH if last else 0), data[at : at + SEGMENT])

    def close(self) -> Iterator[tuple[End, bytes]]:
        """Both ends close, the client first."""
        yield self._packet(self._client, _FIN | _ACK)
        yield self._packet(self._server, _FIN | _ACK)
        yield self._packet(self._client, _ACK)

    def refuse(self) -> Iterator[tuple[End, bytes]]:
        """The client knocks, and nobody is there."""
        yield self._packet(self._client, _SYN)
        yield self._packet(self._server, _RST | _ACK)

    def reset(self, source: End) -> Iterator[tuple[End, bytes]]:
        """One end breaks off."""
        yield self._packet(source, _RST | _ACK)

    def _packet(self, source: End, flags: int, data: bytes = b"") -> tuple[End, bytes]:
        target = self._server if source == self._client else self._client
        acknowledged = self._next[target] if flags & _ACK else 0
        packet = self._writer.tcp(source, target, self._next[source], acknowledged, flags, data)
        taken = len(data) + bool(flags & (_SYN | _FIN))
        self._next[source] = (self._next[source] + taken) & 0xFFFFFFFF
        return source, packet


def _octets(source: Ip, target: Ip) -> tuple[bytes, bytes]:
    """Both addresses, of one family: beside an IPv6 address an IPv4 one is mapped (RFC 4291, 2.5.5.2)."""
    if source.version == target.version:
        return source.packed, target.packed
    return _mapped(source), _mapped(target)


def _mapped(ip: Ip) -> bytes:
    return ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed


def _pseudo(ips: tuple[bytes, bytes], protocol: int, length: int) -> bytes:
    """What the checksums of UDP and TCP cover besides themselves (RFC 768, RFC 8200 8.1)."""
    return ips[0] + ips[1] + struct.pack("!IBBBB", length, 0, 0, 0, protocol)


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071): a ones' complement sum is a remainder by 65535."""
    if len(data) % 2:
        data += b"\0"
    return -int.from_bytes(data, "big") % 0xFFFF
