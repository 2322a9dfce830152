"""The Record of a run: everything that happened, in order, on one monotonic clock.

A Record is a folder with two files, written as the run goes. `events.jsonl` holds one JSON object a line, first a
`header`, last a `footer`; a Record without its footer was cut off. `wire.bin` holds the raw messages, each behind its
length and stamp; `message` events point into it. Secrets are masked before they are written.

Every event has `n` (its number from 0), `t` (seconds since the run began, six decimals) and `kind`; those of a case
have `case`, its address. The kinds and their keys:

- `header`: schema, tool, run, target, profile, mutant, time (virtual or real), seed, started (UTC, null in virtual
  time), again (options of `ringproof run` that repeat it, the seed left out), baseline (file and entries of
  known deviations, null without), cases (addresses)
- `case`: label (begins every X-Request-ID and Call-ID), file, title, why, again (what selects it), matrix, clauses
  (id, statement, source, level, unclear, encrypted, standing and known of the profile), plan (the claims to come;
  null when only a test in Python knows them), encrypted (null where the case is not over https)
- `step`: step, line, text, phase (start or end), stimulus (whether what is claimed next counts from its end)
- `phone`: phone, aor, contact, device, presentity (the URI that its calls light, again when that changes), tone (Hz)
- `message`: phone, direction (in or out), seen (new, retransmission, stray, malformed, missed, or foreign: not from our
  server), contact (current or former), local, remote, at, size, crc (CRC-32 of the bytes), first; where the phone's
  network did something to it on purpose also fault (lost; held, late when that goes on; copy, of a doubled one) and
  after (seconds that a late one or a copy came behind). Where `seen` says the same as `fault`, only the network met it:
  on the way in it was lost or is held before the phone, on the way out it left late or a second time
- `media`: phone, direction, local, remote, at, size, crc: an RTP packet
- `registration`: phone, state, status, reason, expires, contact, message (number of the response that decided)
- `subscription`: phone, call_id, presentity, event, state, status, reason, expires, message (the phone's last message
  before it)
- `call`: phone, call_id, way (in or out), state, status, reason, peer, message (the phone's last message before it)
- `request`, `reply`: id, role, step, method, url, headers, body / id, role, step, status, headers, body, tls, local and
  remote (the ends of the TCP connection, '' where there was none), latency, error
- `claim`, `expired`, `closed`: claim, and for `claim` what it says
- `control`, `fence`: phone, contact, state (started, arrived or missed), token; `of`: the presentity of a control that
  is the first NOTIFY of a subscription (token is then its Call-ID), '' for a check-sync
- `load`: step, made, successful and failed (calls of SIPp), error (its first complaint)
- `mark`: name;  `lag`: seconds that our own event loop was late
- `end`: error (null, or kind and message);  `verdict`: the case's verdict
- `left`: what could not be taken away from the target;  `kept`: the URL of what stays there, as was asked for
- `footer`: interrupted, error, verdicts
"""

from __future__ import annotations

import itertools
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from reports.secrets import Secrets

SCHEMA = 2
EVENTS = "events.jsonl"
WIRE = "wire.bin"
WITH_BYTES = frozenset({"message", "media"})
"""Kinds of events that point into wire.bin."""
_FRAME = struct.Struct("<IQ")

_encode = json.JSONEncoder(separators=(",", ":")).encode
_quoted: Callable[[str], str] = json.encoder.encode_basestring_ascii

_OURS = frozenset({"n", "t", "kind", "case", "phone", "direction", "seen", "contact", "local", "remote", "state"})
_OURS |= {"fault", "phase", "type", "role", "claim", "step", "clauses", "plan", "call_id", "event", "way", "transport"}
"""Keys of events whose values are words of ours and names of phones. The judge goes by them, so they are not masked."""
_NAMES = frozenset({"phone", "phones", "what", "outcome"})
"""The same in what a claim says."""

Event = dict[str, Any]
Consumer = Callable[[Event, bytes], None]


def met_phone(event: Event) -> bool:
    """Whether a `message` event is of what the phone received or sent, whatever its network did to that."""
    return "fault" not in event or event["seen"] != event["fault"]


def met_wire(event: Event) -> bool:
    """Whether a `message` event is of what was on the wire when the event says."""
    return "fault" not in event or event["seen"] == event["fault"]


class RecordError(Exception):
    """A Record cannot be written or read; the message says where and why."""


class RecordWriter:
    """Writes a Record into `folder`, which it makes. Raises RecordError when the disk refuses.

    `consume` sees each event, masked as it was written, and the masked bytes of a message event. `held` octets of each
    file may wait in memory until `flush`: for who writes thousands of messages a second.
    """

    def __init__(self, folder: Path, secrets: Secrets, consume: Consumer | None = None, *, held: int = 0) -> None:
        self.folder = folder
        self._secrets = secrets
        self._consume = consume
        self._number = 0
        self._offset = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._events: BinaryIO = _open_private(folder / EVENTS, held)
            self._wire: BinaryIO = _open_private(folder / WIRE, held)
        except OSError as error:
            raise RecordError(f"cannot write the Record into {folder}: {error.strerror}") from error

    def write(self, kind: str, t: float, **fields: Any) -> Event:
        """Append one event and return it as it was written."""
        event = {"n": self._number, "t": round(t, 6), "kind": kind, **fields}
        return self._append(self._masked_event(event), b"")

    def message(self, t: float, data: bytes, *, kind: str = "message", **fields: Any) -> Event:
        """Append a `message` or `media` event and its bytes."""
        masked = self._secrets.mask(data)
        size = len(masked)
        self._put(self._wire, _FRAME.pack(size, round(t * 1e6)) + masked)
        at = self._offset + _FRAME.size
        self._offset = at + size
        event: Event = {"n": self._number, "t": round(t, 6), "kind": kind, **fields}
        if not fields.keys() <= _OURS:
            event = self._masked_event(event)
        event["at"], event["size"], event["crc"] = at, size, zlib.crc32(masked)
        if kind == "message":
            end = masked.find(b"\r\n", 0, 202)
            first = masked[: end if 0 <= end <= 200 else 200]
            # of what is masked already: cut off, a secret would not be known again
            event["first"] = first.decode("utf-8", "replace")
        return self._append(event, masked)

    def datagram(
        self,
        t: float,
        data: bytes,
        *,
        case: str,
        phone: str,
        direction: str,
        seen: str,
        contact: str,
        local: str,
        remote: str,
        transport: str,
        fault: str = "",
        after: float = 0.0,
    ) -> int:
        """Append a `message` as `message` does, in a fraction of its time, and return its number.

        Fleets say thousands of them a second. `direction`, `seen`, `contact`, `transport` and `fault` are words of
        ours.
        """
        masked = self._secrets.mask(data)
        size, crc, number = len(masked), zlib.crc32(masked), self._number
        self._put(self._wire, _FRAME.pack(size, round(t * 1e6)) + masked)
        at = self._offset + _FRAME.size
        self._offset = at + size
        end = masked.find(b"\r\n", 0, 202)
        first = masked[: end if 0 <= end <= 200 else 200].decode("utf-8", "replace")
        more = f',"fault":"{fault}","after":{round(after, 6)!r}' if fault else ""
        line = (
            f'{{"n":{number},"t":{round(t, 6)!r},"kind":"message","case":{_quoted(case)},"phone":{_quoted(phone)},'
            f'"direction":"{direction}","seen":"{seen}","contact":"{contact}","local":{_quoted(local)},'
            f'"remote":{_quoted(remote)},"transport":"{transport}"{more},"at":{at},"size":{size},"crc":{crc},'
            f'"first":{_quoted(first)}}}\n'
        )
        self._put(self._events, line.encode("ascii"))
        self._number = number + 1
        if self._consume is not None:
            self._consume(json.loads(line), masked)
        return number

    def _masked_event(self, event: Event) -> Event:
        return {key: value if key in _OURS else self._masked(value) for key, value in event.items()}

    def _append(self, event: Event, data: bytes) -> Event:
        self._put(self._events, _encode(event).encode("ascii") + b"\n")
        self._number += 1
        if self._consume is not None:
            self._consume(event, data)
        return event

    def _masked(self, value: Any) -> Any:
        """`value` with every text in it masked. Numbers and keys stay: a secret of digits must not break the file."""
        if isinstance(value, str):
            return self._secrets.mask_text(value)
        if isinstance(value, dict):
            return {key: value if key in _NAMES else self._masked(value) for key, value in value.items()}
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        return value

    def _put(self, file: BinaryIO, data: bytes) -> None:
        try:
            written = file.write(data)
            if written < len(data):
                rest = memoryview(data)[written:]
                while rest:
                    rest = rest[file.write(rest) :]
        except OSError as error:
            raise RecordError(f"cannot write the Record into {self.folder}: {error.strerror}") from error

    def flush(self) -> None:
        """Write what is held. The messages go first, for the events point into them."""
        try:
            self._wire.flush()
            self._events.flush()
        except OSError as error:
            raise RecordError(f"cannot write the Record into {self.folder}: {error.strerror}") from error

    def close(self) -> None:
        """Close both files. Twice is harmless."""
        self._wire.close()
        self._events.close()


def _open_private(path: Path, held: int) -> BinaryIO:
    """Open for writing; calls and numbers of a live system are nobody else's business."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=held)


@dataclass(slots=True)
class Record:
    """A Record read from disk. `cut` says what is missing, '' when it is whole."""

    folder: Path
    header: Event
    events: list[Event] = field(repr=False)
    footer: Event | None
    cut: str
    wire: bytes = field(repr=False)
    missing: tuple[tuple[int, int], ...] = ()
    """Ranges of event numbers, both ends included, that are not there."""
    altered: tuple[int, ...] = ()
    """Numbers of messages whose bytes are not there or not those that were written."""

    def data(self, event: Event) -> bytes:
        """The bytes of a `message` or `media` event; empty for others, and where wire.bin was cut."""
        if event["kind"] not in WITH_BYTES:
            return b""
        return self.wire[event["at"] : event["at"] + event["size"]]

    def __iter__(self) -> Iterator[tuple[Event, bytes]]:
        return ((event, self.data(event)) for event in self.events)


def read_record(folder: Path) -> Record:
    """Read a Record. What was cut off is left out and named. Raises RecordError when there is none."""
    path = folder / EVENTS
    try:
        raw = path.read_bytes()
        wire = (folder / WIRE).read_bytes() if (folder / WIRE).exists() else b""
    except OSError as error:
        raise RecordError(f"{path}: {error.strerror}; a Record is a folder that `ringproof run` has written") from error
    events: list[Event] = []
    cut = ""
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line:
            continue
        try:
            event = json.loads(line)
            if not _is_event(event):
                raise ValueError("no event")
        except (ValueError, RecursionError) as error:
            cut = f"line {number} is unreadable ({error}); it and everything after it is left out"
            break
        events.append(event)
    if not events or events[0]["kind"] != "header":
        raise RecordError(f"{path}: no Record (the first line is no header)")
    if events[0].get("schema") != SCHEMA:
        raise RecordError(f"{path}: Record schema {events[0].get('schema')!r}; this release reads {SCHEMA}")
    header = _header(events[0])
    if header is None:
        raise RecordError(f"{path}: the header is damaged")
    footer = events[-1] if events[-1]["kind"] == "footer" else None
    if raw[-1:] != b"\n" and not cut:
        cut = "the last line is not whole"
    if footer is None and not cut:
        cut = "the run was cut off: there is no footer"
    altered = tuple(event["n"] for event in events if event["kind"] in WITH_BYTES and not _is_intact(event, wire))
    missing = tuple(
        (before["n"] + 1, after["n"] - 1)
        for before, after in itertools.pairwise(events)
        if after["n"] != before["n"] + 1
    )
    if missing and not cut:
        cut = f"events are missing or out of order behind number {missing[0][0] - 1}"
    if altered and not cut:
        ends = len(wire) < max(event["at"] + event["size"] for event in events if event["kind"] in WITH_BYTES)
        what = "ends early: {} messages are not there" if ends else "was altered: {} messages are not what was written"
        cut = "wire.bin " + what.format(len(altered))
    return Record(folder, header, events, footer, cut, wire, missing, altered)


def _header(event: Event) -> Event | None:
    """The header with everything that it may say, None when something in it is of the wrong kind."""
    kinds = {"run": str, "target": str, "profile": str, "time": str, "seed": int, "cases": list}
    header = {key: kind() for key, kind in kinds.items()} | event
    good = event["n"] == 0 and all(isinstance(header[key], kind) for key, kind in kinds.items())
    return header if good else None


def _is_intact(event: Event, wire: bytes) -> bool:
    data = wire[event["at"] : event["at"] + event["size"]]
    return len(data) == int(event["size"]) and zlib.crc32(data) == int(event["crc"])


def _is_event(value: Any) -> bool:
    """Whether `value` has what every event has, and a message what it needs to find its bytes."""
    if not isinstance(value, dict):
        return False
    wanted = {"kind": str, "n": int, "t": int | float}
    if value.get("kind") in WITH_BYTES:
        wanted |= {"at": int, "size": int, "crc": int}
    good = all(isinstance(value.get(name), kind) for name, kind in wanted.items())
    return good and min(value.get("at", 0), value.get("size", 0)) >= 0


def link_latest(out: Path, folder: Path) -> None:
    """Let `out/latest` point to `folder`, where the file system can."""
    link = out / "latest"
    try:
        if link.is_symlink():
            link.unlink()
        if not link.exists():
            os.symlink(folder.name, link, target_is_directory=True)
    except OSError:
        return
