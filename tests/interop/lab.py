"""Our phones beside a stranger, outside any scenario: real sockets, and a Record that tests read afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.judge import Judge
from harness.recorder import CaseRecorder, RunRecorder
from phones.fleet import Fleet
from phones.net_sockets import Encryption, SocketWire
from phones.sip.index import Message
from phones.sip.lamp import Lamp
from phones.subscribing import package_of
from reports.record import SCHEMA, Event, Record, RecordWriter, read_record
from reports.secrets import Secrets

WITHIN_S = 10.0


class Lab:
    """A fleet that is being recorded."""

    def __init__(self, folder: Path, encryption: Encryption | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.folder = folder
        self._run = RunRecorder(Judge())
        self._run.watcher = self._watch
        self.requests: list[tuple[str, str]] = []
        """Phone and method of every request that came in, so far."""
        self.answers: list[tuple[str, str]] = []
        """Phone, status and method of every answer that came in, so far."""
        self.notified: list[tuple[str, str]] = []
        """Phone and event package of every NOTIFY that came in, so far."""
        self.media: list[tuple[str, str]] = []
        """Phone and direction of every RTP packet, so far."""
        self._states: list[tuple[str, str]] = []
        self._run.use_clock(loop)
        self._writer = RecordWriter(folder, Secrets(), self._run.consume)
        self._run.start(self._writer)
        self._run.write("header", schema=SCHEMA)
        self.recorder = CaseRecorder(self._run, "lab")
        self._wire = SocketWire(loop, encryption)
        self.fleet = Fleet(self._wire, loop, self.recorder)
        # a stranger that lives on takes a branch that it knows for a repetition
        self.rng = random.Random()

    def _watch(self, event: Event, data: bytes) -> None:
        kind, phone = event["kind"], str(event.get("phone"))
        if kind == "message" and event["direction"] == "in" and not data.startswith(b"SIP/"):
            method = data.partition(b" ")[0].decode("latin-1")
            self.requests.append((phone, method))
            if method == "NOTIFY":
                self.notified.append((phone, package_of(Message.parse(data).get("event") or "")))
        elif kind == "message" and event["direction"] == "in":
            answer = Message.parse(data)
            self.answers.append((phone, f"{answer.status} {answer.method}"))
        elif kind == "media":
            self.media.append((phone, event["direction"]))
        elif "state" in event:
            self._states.append((kind, event["state"]))

    def states(self, kind: str) -> list[str]:
        """The states of all calls, subscriptions or registrations so far."""
        return [state for each, state in self._states if each == kind]

    async def until(self, reached: Callable[[], bool], seconds: float = WITHIN_S) -> None:
        """Wait for something that the Record will have. Raises AssertionError when it does not come."""
        end = self.recorder.now + seconds
        assert await self.recorder.until(reached, lambda: end), "it did not come to pass"

    async def close(self) -> None:
        """Take the phones off the wire and finish the Record."""
        self.fleet.close()
        await self._wire.gone()
        self._run.write("footer")
        self._writer.close()


@asynccontextmanager
async def lab(folder: Path, encryption: Encryption | None = None) -> AsyncIterator[Lab]:
    """A lab until the end of the block."""
    made = Lab(folder, encryption)
    try:
        yield made
    finally:
        await made.close()


@dataclass(frozen=True)
class Told:
    """What the Record says: read from disk, after everything is over."""

    record: Record

    @classmethod
    def by(cls, folder: Path) -> Told:
        """The Record in `folder`, whole."""
        record = read_record(folder)
        assert record.cut == ""
        return cls(record)

    def events(self, kind: str, phone: str = "") -> list[Event]:
        """Events of a kind, of one phone or of all."""
        return [each for each in self.record.events if each["kind"] == kind and phone in ("", each.get("phone"))]

    def messages(self, phone: str, direction: str, method: str) -> Iterator[Message]:
        """Requests of a method and their answers that a phone sent (`out`) or received (`in`), repetitions left out."""
        for event, data in self.record:
            if event["kind"] == "message" and (event["phone"], event["direction"]) == (phone, direction):
                message = Message.parse(data)
                if message.method == method and event["seen"] in ("new", "missed"):
                    yield message

    def lamps(self, phone: str, call_id: str) -> list[str]:
        """What the lamp of a subscription showed, one state after the other."""
        lamp, seen = Lamp("dialog"), []
        for message in self.messages(phone, "in", "NOTIFY"):
            if message.call_id == call_id:
                shown = lamp.notify(message)
                assert shown.broken == "", shown
                seen.append(shown.state.value)
        return [state for number, state in enumerate(seen) if number == 0 or seen[number - 1] != state]
