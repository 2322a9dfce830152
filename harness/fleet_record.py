"""The Record of a live fleet: what its phones hear and say, without cases and verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import phone_facts
from phones.effects import Called, Changed, Heard, Impaired, MediaIn, MediaOut, Subscribed, Transmit, Turned
from phones.line import format_address
from phones.net import Clock
from phones.sip.message import Address
from reports.record import SCHEMA, RecordWriter
from reports.secrets import Secrets

_CASE = "fleet"
_HELD = 1 << 16
"""Octets that may wait in memory: a fleet says more than is worth a system call each."""


class FleetRecord:
    """A sink that writes everything into a folder. Raises RecordError where that cannot be done."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        self._origin = clock.time()
        self._writer = RecordWriter(folder, Secrets(), held=_HELD)
        self._write("header", 0.0, schema=SCHEMA, cases=[_CASE])

    def _write(self, kind: str, t: float, **fields: Any) -> None:
        self._writer.write(kind, t, **fields)

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        """A datagram arrived."""
        self._writer.datagram(
            now - self._origin,
            heard.data,
            case=_CASE,
            phone=phone,
            direction="in",
            seen=heard.kind,
            contact=heard.contact,
            local=format_address(heard.local),
            remote=format_address(heard.source),
            transport=heard.transport.value,
            fault=heard.fault,
            after=heard.after,
        )

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """A datagram was sent."""
        self._writer.datagram(
            now - self._origin,
            sent.data,
            case=_CASE,
            phone=phone,
            direction="out",
            seen=sent.kind,
            contact="current",
            local=format_address(local),
            remote=format_address(sent.remote),
            transport=sent.transport.value,
            fault=sent.fault,
        )

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        """The network of a phone did something on purpose."""
        self._writer.datagram(
            now - self._origin,
            impaired.data,
            case=_CASE,
            phone=phone,
            direction=impaired.way,
            seen=impaired.does,
            contact=impaired.contact,
            local=format_address(impaired.local),
            remote=format_address(impaired.remote),
            transport=impaired.transport.value,
            fault=impaired.does,
            after=impaired.after,
        )

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        """A registration changed."""
        facts = phone_facts.of_registration(changed, contact)
        self._write("registration", now - self._origin, case=_CASE, phone=phone, **facts)

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        """A phone went on to another edge."""
        self._write("edge", now - self._origin, case=_CASE, phone=phone, **phone_facts.of_edge(turned))

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        """A subscription changed."""
        facts = phone_facts.of_subscription(subscribed)
        self._write("subscription", now - self._origin, case=_CASE, phone=phone, **facts)

    def called(self, phone: str, called: Called, now: float) -> None:
        """A call changed."""
        facts = phone_facts.of_call(called)
        self._write("call", now - self._origin, case=_CASE, phone=phone, **facts)

    def media_heard(self, phone: str, media: MediaIn, now: float) -> None:
        """An RTP packet arrived."""
        self._media(phone, media.data, "in", media.local, media.source, now)

    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None:
        """An RTP packet was sent."""
        self._media(phone, media.data, "out", local, media.remote, now)

    def _media(self, phone: str, data: bytes, direction: str, local: Address, remote: Address, now: float) -> None:
        self._writer.message(
            now - self._origin,
            data,
            kind="media",
            case=_CASE,
            phone=phone,
            direction=direction,
            local=format_address(local),
            remote=format_address(remote),
        )

    def flush(self) -> None:
        """Write what is held, so that a fleet that is killed has its Record up to here."""
        self._writer.flush()

    def close(self) -> None:
        """Write the footer."""
        self._write("footer", self._clock.time() - self._origin, interrupted=False, error=None, verdicts={})
        self._writer.close()
