"""A capture in a process of its own: every UDP packet of one interface, as the kernel shows it to whoever asks.

Given INTERFACE and FILE it says `{"ready": true}` on standard output once it listens, or what forbids it. When its
standard input ends it takes what is still queued, says how much it took and how much the kernel dropped, and ends.
A packet socket because scapy's sniffer loses bursts, and because nothing else has to be installed. Linux only.

FILE gets one record a packet: seconds since 1970 as a double, a length, and the packet from its IP header on.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
from typing import BinaryIO

FRAME = struct.Struct("<dI")
LARGEST_FILE = 2 << 30
"""A capture that grows beyond takes no more, and counts what it leaves out as dropped."""

_ETH_P_ALL = 3
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_OUTGOING, _LOOPBACK = 4, 772
_BUFFER = 64 << 20
_UDP_V4, _UDP_V6 = {17}, {17, 44}
"""IP protocols to keep; 44 is the header of an IPv6 fragment."""
_TIMESPEC = struct.Struct("@ll")


def main(interface: str, path: str) -> int:
    """Capture until standard input ends."""
    try:
        sock = _listening(interface)
    except OSError as error:
        _say(error=_reason(interface, error))
        return 1
    with open(path, "wb") as file:
        _say(ready=True)
        taken, left_out = _capture(sock, file)
    # two unsigned ints: packets seen, packets dropped for want of room (packet(7))
    _, dropped = struct.unpack("@II", sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
    _say(taken=taken, dropped=dropped + left_out)
    return 0


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _listening(interface: str) -> socket.socket:
    if not hasattr(socket, "AF_PACKET"):
        raise OSError("capturing needs Linux")
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
    try:
        for option in (_SO_RCVBUFFORCE, socket.SO_RCVBUF):
            try:
                sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
                break
            except PermissionError:
                continue
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        sock.setblocking(False)
        sock.bind((interface, _ETH_P_ALL))
    except OSError:
        sock.close()
        raise
    return sock


def _reason(interface: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"capturing on {interface} is not permitted (it needs root or CAP_NET_RAW)"
    known = ", ".join(name for _, name in socket.if_nameindex())
    return f"cannot capture on {interface}: {error.strerror or error}; there is {known}"


def _capture(sock: socket.socket, file: BinaryIO) -> tuple[int, int]:
    """Take packets until nobody wants more, then what is queued. Returns how many were taken and left out."""
    taken = left_out = size = 0
    wanted = True
    while wanted:
        ready, _, _ = select.select([sock, sys.stdin], [], [])
        wanted = sys.stdin not in ready
        while True:
            try:
                packet, notes, _, address = sock.recvmsg(1 << 16, 64)
            except BlockingIOError:
                break
            except OSError:
                # the interface went down; it may come back
                break
            if address[2] == _OUTGOING and address[3] == _LOOPBACK:
                # a loopback interface shows every packet on its way out and on its way in
                continue
            if len(packet) < 28 or not (packet[9] in _UDP_V4 if packet[0] >> 4 == 4 else packet[6] in _UDP_V6):
                continue
            size += FRAME.size + len(packet)
            if size > LARGEST_FILE:
                left_out += 1
                continue
            seconds, nanoseconds = _TIMESPEC.unpack(notes[0][2][: _TIMESPEC.size])
            file.write(FRAME.pack(seconds + nanoseconds / 1e9, len(packet)) + packet)
            taken += 1
    return taken, left_out


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
