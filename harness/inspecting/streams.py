"""SIP out of TCP: segments in order, whatever the network and the capture did to them, cut into messages.

A stream that is not SIP costs next to nothing: nothing of it is kept. Where octets are missing, or make no sense, the
next start line is looked for, and what could not be read is told.
"""

from __future__ import annotations

import itertools
import re
from collections import OrderedDict
from collections.abc import Iterator

from harness.inspecting.capture_file import Warn
from harness.inspecting.headers import End, Piece
from phones.sip.framing import Framer
from phones.sip.index import SipSyntaxError

MOST_STREAMS = 16_384
"""Directions of connections that are followed at a time; the one that was silent longest is forgotten."""
MOST_WAITING = 512
"""Segments kept behind a gap; then what is missing is given up."""
GAP_S = 5.0
"""How long what is missing is waited for."""

_REACH = 1 << 24
"""Octets that a segment may lie ahead or behind: what is farther belongs to another connection."""
_TAIL = 1024
"""Octets kept of what may be the beginning of a start line."""
_FIN, _SYN, _RST = 1, 2, 4

_METHODS = b"INVITE|ACK|BYE|CANCEL|OPTIONS|REGISTER|SUBSCRIBE|NOTIFY|PUBLISH|INFO|UPDATE|PRACK|MESSAGE|REFER"
START = re.compile(rb"(?:SIP/2\.0 [1-6]\d\d [^\r\n]*|(?:%b) [A-Za-z]{1,9}:[^\r\n ]+ SIP/2\.0)\r\n" % _METHODS)
"""A start line in a stream. Methods by name: where one begins cannot be told otherwise."""
_FRAMED = re.compile(rb"[\x81\x82](?:[\0-\x7d]|\x7e..|\x7f.{8})\Z", re.DOTALL)
"""What stands before a message in a WebSocket, on the side that does not mask it (RFC 6455 5.2)."""

Place = tuple[int, float]
"""Number of a frame and its time."""
Found = tuple[bytes, Place]
"""A message, and the frame by which it became whole."""


class Streams:
    """All TCP connections of a capture, each direction by itself."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._streams: OrderedDict[tuple[End, End], _Stream] = OrderedDict()

    def feed(self, piece: Piece, place: Place) -> Iterator[Found]:
        """The messages that became whole by this segment."""
        key = (piece.source, piece.target)
        if piece.flags & _SYN:
            self._streams[key] = _Stream(piece.sequence + 1, self._warn_of(key))
            return
        stream = self._streams.get(key)
        if stream is None:
            if not piece.data:
                return
            stream = self._streams[key] = _Stream(piece.sequence, self._warn_of(key))
            if len(self._streams) > MOST_STREAMS:
                self._streams.popitem(last=False)
        self._streams.move_to_end(key)
        if piece.data:
            yield from stream.take(piece.sequence, piece.data, place)
        if piece.flags & (_RST | _FIN):
            yield from stream.finish()
            self._streams.pop(key, None)

    def finish(self) -> Iterator[tuple[tuple[End, End], Found]]:
        """What can be had behind gaps that nothing will fill any more, with its two ends."""
        for key, stream in self._streams.items():
            yield from ((key, found) for found in stream.finish())

    def _warn_of(self, key: tuple[End, End]) -> Warn:
        (source, sport), (target, dport) = key
        return lambda words: self._warn(f"TCP from {source} {sport} to {target} {dport}: {words}")


class _Stream:
    """One direction of one connection."""

    __slots__ = ("_framer", "_gap_t", "_next", "_tail", "_waiting", "_warn", "_web")

    def __init__(self, sequence: int, warn: Warn) -> None:
        self._next = sequence & 0xFFFFFFFF
        self._warn = warn
        self._framer: Framer | None = None
        self._tail = b""
        self._waiting: dict[int, Found] = {}
        self._gap_t = 0.0
        self._web = False

    def take(self, sequence: int, data: bytes, place: Place) -> Iterator[Found]:
        """A segment, in whatever order."""
        ahead = _signed(sequence - self._next)
        if abs(ahead) > _REACH:
            # the ports are used again, and how that began is not in the capture
            yield from self.finish()
            self._restart(sequence)
            ahead = 0
        if ahead > 0:
            if not self._waiting:
                self._gap_t = place[1]
            if len(data) > len(self._waiting.get(sequence, (b"", place))[0]):
                self._waiting[sequence] = (data, place)
            if len(self._waiting) <= MOST_WAITING and place[1] - self._gap_t <= GAP_S:
                return
            self._skip()
        elif -ahead < len(data):
            yield from self._deliver(data[-ahead:], place)
        yield from self._follow()

    def finish(self) -> Iterator[Found]:
        """Give up everything that is missing."""
        while self._waiting:
            self._skip()
            yield from self._follow()

    def _skip(self) -> None:
        """Go on behind the gap."""
        nearest = min(self._waiting, key=lambda start: _signed(start - self._next))
        if self._framer is not None:
            number, _ = self._waiting[nearest][1]
            self._warn(f"{_signed(nearest - self._next)} octets are missing before frame {number}")
        self._restart(nearest)

    def _follow(self) -> Iterator[Found]:
        """What was kept and fits now."""
        while self._waiting:
            start = min(self._waiting, key=lambda each: _signed(each - self._next))
            behind = -_signed(start - self._next)
            if behind < 0:
                self._gap_t = self._waiting[start][1][1]
                return
            data, place = self._waiting.pop(start)
            if behind < len(data):
                yield from self._deliver(data[behind:], place)

    def _restart(self, sequence: int) -> None:
        self._next = sequence
        self._framer, self._tail = None, b""

    def _deliver(self, data: bytes, place: Place) -> Iterator[Found]:
        """Octets in order."""
        self._next = self._next + len(data) & 0xFFFFFFFF
        if self._web:
            return
        if self._framer is None:
            data = self._begin(data)
            if not data:
                return
        # cut at start lines, so that what is broken costs no message beside it
        cuts = [0, *(found.start() for found in START.finditer(data, 1)), len(data)]
        for start, end in itertools.pairwise(cuts):
            if self._framer is None:
                self._framer = Framer()
            try:
                yield from ((each.data, place) for each in self._framer.feed(data[start:end]) if each.data)
            except SipSyntaxError as error:
                self._warn(f"{error}, in frame {place[0]}")
                self._framer = None

    def _begin(self, data: bytes) -> bytes:
        """Look for a start line: what stands from it on; with it the stream is SIP."""
        looked = self._tail + data
        found = START.search(looked)
        if found is None:
            self._tail = looked[-_TAIL:]
            return b""
        if _FRAMED.search(looked, 0, found.start()):
            self._warn("a WebSocket, which is not read")
            self._web = True
            return b""
        self._tail, self._framer = b"", Framer()
        return looked[found.start() :]


def _signed(distance: int) -> int:
    return (distance + 0x80000000 & 0xFFFFFFFF) - 0x80000000
