"""The live side of the Record: stamps events with the world's clock, feeds the judge, wakes who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from harness import phone_facts
from harness.judge import CaseJudge, Judge
from phones.effects import Called, Changed, Fault, Heard, Impaired, MediaIn, MediaOut, Subscribed, Transmit, Turned
from phones.net import Clock
from phones.phone import format_address
from phones.sip.message import Address
from reports.record import Event, RecordError, RecordWriter, met_phone

Watcher = Callable[[Event, bytes], None]


class RunRecorder:
    """Everything that a run writes goes through here. Its t is 0 until a clock is given."""

    def __init__(self, judge: Judge) -> None:
        self._clock: Clock | None = None
        self._origin = 0.0
        self.judge = judge
        self.watcher: Watcher | None = None
        self.waiting: Callable[[str, str, float | None], None] | None = None
        """Told what a case (its address) waits for, and for how many seconds at most."""
        self.before: Callable[[], None] | None = None
        """Called before anything is written."""

        self._writer: RecordWriter | None = None

    def start(self, writer: RecordWriter) -> None:
        """Write into `writer` from now on."""
        self._writer = writer

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock.time() - self._origin if self._clock else 0.0

    def consume(self, event: Event, data: bytes) -> None:
        """For the writer: what was written, as it was written, goes to the judge."""
        self.judge.feed(event, data)
        if self.watcher is not None:
            self.watcher(event, data)

    def write(self, kind: str, **fields: Any) -> Event:
        """Append an event."""
        assert self._writer is not None
        if self.before is not None:
            self.before()
        return self._writer.write(kind, self.now, **fields)

    def message(self, data: bytes, **fields: Any) -> Event:
        """Append a message."""
        assert self._writer is not None
        if self.before is not None:
            self.before()
        return self._writer.message(self.now, data, **fields)

    def use_clock(self, clock: Clock) -> None:
        """Go on with another clock, without a gap: each virtual case brings its own."""
        now = self.now
        self._clock = clock
        self._origin = clock.time() - now


class CaseRecorder:
    """The recorder of one case, and the sink of its phones."""

    def __init__(self, run: RunRecorder, address: str) -> None:
        self._run = run
        self._address = address
        self._changed: asyncio.Event = asyncio.Event()
        self._forgiving = False
        self._last_response: dict[str, int] = {}
        self._last_message: dict[str, int] = {}
        self._failed: RecordError | None = None

    def forgive(self) -> None:
        """From now on go on where the Record cannot be written: the case has to clean up behind itself."""
        self._forgiving = True

    def complain(self) -> None:
        """Raise the RecordError that was kept, if any."""
        if self._failed is not None:
            raise self._failed

    @property
    def judge(self) -> CaseJudge:
        """The judge of this case; there is one from the `case` event on."""
        return self._run.judge.cases[self._address]

    @property
    def now(self) -> float:
        """Seconds since the run began."""
        return self._run.now

    def write(self, kind: str, **fields: Any) -> Event:
        """Append an event of this case."""
        if self._failed is not None and not self._forgiving:
            raise self._failed
        try:
            return self._run.write(kind, case=self._address, **fields)
        except RecordError as error:
            self._failed = error
            if not self._forgiving:
                raise
            return {"kind": kind, **fields}
        finally:
            self._changed.set()

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        """A phone received a datagram."""
        places = (heard.contact, heard.local, heard.source, heard.transport)
        self._message(phone, heard.data, "in", heard.kind, *places, heard.fault, heard.after)

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """A phone sent a datagram."""
        self._message(phone, sent.data, "out", sent.kind, "current", local, sent.remote, sent.transport, sent.fault)

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        """The network of a phone did something on purpose; what rests on messages does not rest on this."""
        places = (impaired.contact, impaired.local, impaired.remote, impaired.transport)
        self._message(phone, impaired.data, impaired.way, impaired.does, *places, impaired.does, impaired.after)

    def _message(
        self,
        phone: str,
        data: bytes,
        direction: str,
        seen: str,
        contact: str,
        local: Address,
        remote: Address,
        transport: str,
        fault: Fault = "",
        after: float = 0.0,
    ) -> None:
        try:
            event = self._run.message(
                data,
                case=self._address,
                phone=phone,
                direction=direction,
                seen=seen,
                contact=contact,
                local=format_address(local),
                remote=format_address(remote),
                transport=str(transport),
                **({"fault": fault, "after": round(after, 6)} if fault else {}),
            )
            if met_phone(event):
                self._last_message[phone] = event["n"]
                if direction == "in" and data[:4] == b"SIP/":
                    self._last_response[phone] = event["n"]
        except RecordError as error:
            # nobody waits for a datagram: the next write of the case says it
            self._failed = error
        self._changed.set()

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        """A phone's registration changed."""
        with suppress(RecordError):  # kept, as in `_message`
            self.write(
                "registration",
                phone=phone,
                **phone_facts.of_registration(changed, contact),
                message=self._last_response.get(phone) if changed.status else None,
            )

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        """A phone went on to another edge."""
        with suppress(RecordError):  # kept, as in `_message`
            self.write("edge", phone=phone, **phone_facts.of_edge(turned))

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        """A phone's subscription went to another state."""
        with suppress(RecordError):  # kept, as in `_message`
            self.write(
                "subscription",
                phone=phone,
                **phone_facts.of_subscription(subscribed),
                message=self._last_message.get(phone),
            )

    def called(self, phone: str, called: Called, now: float) -> None:
        """A phone's call went to another state."""
        with suppress(RecordError):  # kept, as in `_message`
            self.write(
                "call",
                phone=phone,
                **phone_facts.of_call(called),
                message=self._last_message.get(phone),
            )

    def media_heard(self, phone: str, heard: MediaIn, now: float) -> None:
        """An RTP packet reached a phone."""
        self._media(phone, heard.data, "in", heard.local, heard.source)

    def media_sent(self, phone: str, sent: MediaOut, local: Address, now: float) -> None:
        """A phone sent an RTP packet."""
        self._media(phone, sent.data, "out", local, sent.remote)

    def _media(self, phone: str, data: bytes, direction: str, local: Address, remote: Address) -> None:
        try:
            self._run.message(
                data,
                kind="media",
                case=self._address,
                phone=phone,
                direction=direction,
                local=format_address(local),
                remote=format_address(remote),
            )
        except RecordError as error:
            # nobody waits for a packet: the next write of the case says it
            self._failed = error
        self._changed.set()

    def waits(self, what: str, until: float | None = None) -> None:
        """For whoever watches the run: what this case waits for, and until when (seconds of the run)."""
        if self._run.waiting is not None:
            self._run.waiting(self._address, what, None if until is None else until - self.now)

    async def until(self, reached: Callable[[], bool], deadline: Callable[[], float]) -> bool:
        """Wait until `reached`, at most until `deadline` (seconds of the run, asked again each time)."""
        while not reached():
            left = deadline() - self.now
            if left <= 0:
                return False
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return True
