"""Between a phone and its endpoints: carries out what its network does to its messages on purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from phones.effects import Direction, Fault, Impaired, Transmit
from phones.impairments import Held, Impairment, Impairments
from phones.net import Alarm, Clock, Endpoint
from phones.net_flow import Flow
from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import Address
from phones.sip.transport import Transport
from phones.subscribing import package_of

_AWAY = "the network is away"


@dataclass(frozen=True, slots=True)
class Passing:
    """A message at an endpoint of a phone; `remote` is the other end."""

    data: bytes
    remote: Address
    endpoint: Endpoint
    message: Message | None
    transport: Transport

    @property
    def method(self) -> str:
        """Of the request, or of what is answered; '' for what cannot be read."""
        return self.message.method if self.message is not None else ""

    @property
    def event(self) -> str:
        """The event package that a request is about; '' for none."""
        told = self.message.get("event") if self.message is not None and self.message.is_request else None
        return package_of(told or "")


class Inside(Protocol):
    """The phone's side of the boundary."""

    def take(self, data: bytes, source: Address, endpoint: Endpoint, fault: Fault = "", after: float = 0.0) -> None:
        """A message reaches the phone, `after` seconds late."""

    def tell_sent(self, sent: Transmit, endpoint: Endpoint) -> None:
        """The phone has sent a message, whatever becomes of it."""

    def tell_impaired(self, impaired: Impaired) -> None:
        """Something happened to a message that the phone does not know of."""

    def place_of(self, endpoint: Endpoint) -> tuple[Address, Literal["current", "former"]]:
        """Where others are told that an endpoint is, and whether the phone is still there."""


class Boundary:
    """Where the network of one phone begins. Messages of both ways pass here while anything is impaired."""

    def __init__(self, clock: Clock, inside: Inside) -> None:
        self._clock = clock
        self._inside = inside
        self._faults: Impairments[Passing] = Impairments()
        self._alarm = Alarm(clock, self._due)
        self._cut: list[Flow] = []

    @property
    def impaired(self) -> bool:
        """Whether anything is not as it should be."""
        return self._faults.any

    @property
    def offline(self) -> bool:
        """Whether everything is lost."""
        return self._faults.offline

    def add(self, impairment: Impairment) -> None:
        """Do this to the next messages."""
        self._faults.add(impairment)

    def received(self, data: bytes, source: Address, endpoint: Endpoint, transport: Transport) -> None:
        """A message came to an endpoint."""
        passing = Passing(data, source, endpoint, _read(data), transport)
        fate = self._faults.fate(passing, "in", passing.method, self._clock.time(), passing.event)
        if fate in ("is lost", "is held"):
            self._tell(passing, "in", "lost" if fate == "is lost" else "held")
        else:
            self._inside.take(data, source, endpoint)
            self._go_on(self._faults.passed("in"))
        self._wind()

    def sent(self, effect: Transmit, endpoint: Endpoint) -> None:
        """The phone sends a message from an endpoint."""
        passing = Passing(effect.data, effect.remote, endpoint, _read(effect.data), effect.transport)
        fate = self._faults.fate(passing, "out", passing.method, self._clock.time(), passing.event)
        if fate in ("is lost", "is held"):
            self._inside.tell_sent(replace(effect, fault="lost" if fate == "is lost" else "held"), endpoint)
            if self._faults.offline and isinstance(endpoint, Flow):
                # who wants a connection without a network is told that there is none
                endpoint.send(effect.data, effect.remote)
        else:
            self._inside.tell_sent(effect, endpoint)
            endpoint.send(effect.data, effect.remote)
            self._go_on(self._faults.passed("out"))
        self._wind()

    def leave(self, endpoint: Endpoint) -> None:
        """Be offline: from now on everything is lost. The connections are gone, and nobody at their other end knows."""
        self._faults.offline = True
        if isinstance(endpoint, Flow) and endpoint not in self._cut:
            self._cut.append(endpoint)
            endpoint.cut(_AWAY)
        self._wind()

    def come_back(self) -> None:
        """Be online again; what is overdue goes on."""
        self._faults.offline = False
        self._restore()
        self._due()

    def mend(self) -> None:
        """No faults any more; what is held goes on at once."""
        self._restore()
        self._go_on(self._faults.mend())
        self._wind()

    def _restore(self) -> None:
        for flow in self._cut:
            flow.restore()
        self._cut.clear()

    def close(self) -> None:
        """What is held never goes on."""
        self._alarm.set(None)

    def _due(self) -> None:
        self._go_on(self._faults.due(self._clock.time()))
        self._wind()

    def _wind(self) -> None:
        self._alarm.set(self._faults.next_deadline())

    def _go_on(self, released: list[Held[Passing]]) -> None:
        for held in released:
            passing = held.message
            fault: Fault = "copy" if held.is_copy else "late"
            after = self._clock.time() - held.since
            if held.way == "in":
                self._inside.take(passing.data, passing.remote, passing.endpoint, fault, after)
            else:
                self._tell(passing, "out", fault, after)
                passing.endpoint.send(passing.data, passing.remote)

    def _tell(self, passing: Passing, way: Direction, does: Fault, after: float = 0.0) -> None:
        local, contact = self._inside.place_of(passing.endpoint)
        self._inside.tell_impaired(
            Impaired(does, way, passing.data, local, passing.remote, contact, passing.message, passing.transport, after)
        )


def _read(data: bytes) -> Message | None:
    try:
        return Message.parse(data)
    except SipSyntaxError:
        return None
