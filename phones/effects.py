"""What a phone asks of the world and what it reports: the outputs of the sans-IO phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from phones.sip.index import Message
from phones.sip.message import Address

Kind = Literal["new", "retransmission", "stray", "malformed"]


@dataclass(frozen=True, slots=True)
class Transmit:
    """Put `data` on the wire from the phone's current Contact to `remote`."""

    data: bytes
    remote: Address
    kind: Kind = "new"


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram reached the phone. `contact` says whether at its current Contact or at one that it has left.

    `message` is as the phone took it, the top Via of a request stamped with its source; None when it is no SIP message.
    """

    data: bytes
    source: Address
    local: Address
    kind: Kind
    contact: Literal["current", "former"]
    message: Message | None


@dataclass(frozen=True, slots=True)
class Changed:
    """The registration went to `state`: registered, refused, unregistered, expired or unanswered.

    `status` and `reason` are of the deciding response (0 and '' without one), `expires` in seconds.
    """

    state: str
    status: int = 0
    reason: str = ""
    expires: int = 0


Effect = Transmit | Heard | Changed


class Sink(Protocol):
    """Who records what phones do. Times are seconds of the world's clock, taken in the endpoint."""

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        """`phone` received a datagram."""

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """`phone` sent a datagram from `local`."""

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        """The registration of `phone` changed."""
