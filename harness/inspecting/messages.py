"""The SIP messages of a capture, in order, each with its frame."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase, BufferedReader, FileIO
from pathlib import Path
from select import select
from typing import TYPE_CHECKING

from harness.inspecting.capture_file import Frame, frames
from harness.inspecting.headers import End, Piece, Unpacker
from harness.inspecting.streams import Place, Streams
from phones.sip.index import Message, SipSyntaxError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_WARNINGS = 50
"""Warnings that are kept; of more only the number."""

_PROGRESS_EVERY = 4096
_CHUNK = 128 * 1024
_WAITS_S = 0.5
_REQUEST = re.compile(rb"[!%'*+\-.0-9A-Z_`a-z~]{1,40} [A-Za-z][A-Za-z0-9+.-]{0,20}:[^\r\n ]+ SIP/2\.0\r\n")


@dataclass(frozen=True, slots=True)
class Sight:
    """One SIP message where it was seen: number of the frame, seconds since 1970, and between whom."""

    frame: int
    t: float
    source: End
    target: End
    message: Message


@dataclass(slots=True)
class Reading:
    """What is known of a capture beside its messages."""

    packets: int = 0
    messages: int = 0
    begin: float = 0.0
    end: float = 0.0
    unreadable: int = 0
    """Messages that are cut or malformed."""
    warnings: list[str] = field(default_factory=list)
    dropped_warnings: int = 0

    def warn(self, words: str) -> None:
        """Keep a warning, while there are not too many."""
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append(words)
        else:
            self.dropped_warnings += 1

    def saw(self, frame: Frame) -> None:
        """Note a packet."""
        if not self.packets or frame.t < self.begin:
            self.begin = frame.t
        self.packets += 1
        self.end = max(self.end, frame.t)


class _Patient(FileIO):
    """A file that is only read when there is something, as a pipe may have nothing for long.

    A Ctrl-C that comes between two steps of the interpreter and the call that reads would wait for what is read.
    """

    def readinto(self, buffer: WriteableBuffer, /) -> int | None:
        while not select([self], [], [], _WAITS_S)[0]:
            continue
        return super().readinto(buffer)


def sights(path: Path, reading: Reading, progress: Callable[[int], None] | None = None) -> Iterator[Sight]:
    """The messages of the capture at `path`; `reading` fills while they are taken, `progress` hears of octets read.

    A file that gzip has packed is unpacked on the way. Raises NoCapture and OSError.
    """

    def at() -> None:
        if progress is not None:
            progress(file.tell())

    with BufferedReader(_Patient(path), _CHUNK) as file:
        if file.peek(2)[:2] != b"\x1f\x8b":
            yield from sights_in(file, reading, at)
            return
        with gzip.GzipFile(fileobj=file) as unpacked:
            yield from sights_in(unpacked, reading, at)


def sights_in(file: BufferedIOBase, reading: Reading, progress: Callable[[], None] | None = None) -> Iterator[Sight]:
    """The same for an open file; `progress` is called now and then."""
    unpacker = Unpacker(reading.warn)
    streams = Streams(reading.warn)
    for frame in frames(file, reading.warn):
        reading.saw(frame)
        if progress is not None and reading.packets % _PROGRESS_EVERY == 0:
            progress()
        piece = unpacker.unpack(frame)
        if piece is not None:
            yield from _seen(piece, (frame.number, frame.t), streams, reading)
    for (source, target), (data, place) in streams.finish():
        yield from parsed(data, place, source, target, reading)
    if unpacker.cut:
        reading.warn(f"{unpacker.cut} packets were captured only in part")
    if reading.unreadable:
        reading.warn(f"{reading.unreadable} SIP messages cannot be read")


def _seen(piece: Piece, place: Place, streams: Streams, reading: Reading) -> Iterator[Sight]:
    if piece.tcp:
        for data, where in streams.feed(piece, place):
            yield from parsed(data, where, piece.source, piece.target, reading)
        return
    data = piece.data
    if data[:2] == b"\r\n":
        data = data.lstrip(b"\r\n")
    # most datagrams are media, and begin with an octet beyond ASCII
    if data and data[0] < 128 and is_sip(data):
        yield from parsed(data, place, piece.source, piece.target, reading)


def is_sip(data: bytes) -> bool:
    """Whether it begins as a SIP message does; whether it is one is another question."""
    return data.startswith(b"SIP/2.0 ") or _REQUEST.match(data) is not None


def parsed(data: bytes, place: Place, source: End, target: End, reading: Reading) -> Iterator[Sight]:
    """The message in `data`, where it is one."""
    reading.messages += 1
    try:
        message = Message.parse(data)
    except SipSyntaxError:
        reading.unreadable += 1
        return
    yield Sight(place[0], place[1], source, target, message)
