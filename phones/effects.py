"""What a phone asks of the world and what it reports: the outputs of the sans-IO phone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from phones.sip.index import Message
from phones.sip.message import Address
from phones.sip.transport import Transport
from phones.sip.value import value

Kind = Literal["new", "retransmission", "stray", "malformed", "missed", "foreign"]
"""What a datagram was to the phone. `missed`: acknowledged, and then forgotten, because it was told to. `foreign`: from
somebody whom the fleet does not talk to, and never looked at.
"""

Fault = Literal["", "lost", "held", "late", "copy"]
"""What the network of a phone did to a message on purpose, '' for nothing. On its way it was `lost`, or is `held`;
`late` is what was held, and `copy` the second of a doubled one, when they go on.
"""

Watching = Literal["active", "refused", "terminated", "expired", "unanswered"]
Calling = Literal["calling", "ringing", "talking", "ended"]
Direction = Literal["in", "out"]


@value
class Transmit:
    """Put `data` on the wire from the phone's current Contact to `remote`. `fault`: it was lost or held before."""

    data: bytes
    remote: Address
    kind: Kind = "new"
    transport: Transport = Transport.UDP
    fault: Fault = ""


@value
class Heard:
    """A datagram reached the phone. `contact` says whether at its current Contact or at one that it has left.

    `message` is as the phone took it, the top Via of a request stamped with its source; None when it is no SIP message.
    `fault`: late or copy, `after` seconds behind its coming to the endpoint.
    """

    data: bytes
    source: Address
    local: Address
    kind: Kind
    contact: Literal["current", "former"]
    message: Message | None
    transport: Transport = Transport.UDP
    fault: Fault = ""
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Impaired:
    """What only the network sees of a message that it treats badly on purpose.

    On the way in: it came, and the phone has not got it (`does` is lost or held); if it gets it, `Heard` follows. On
    the way out: it goes, `after` seconds behind the `Transmit` that the phone has long thought gone (late or copy).
    `remote` is the other end; `message` None when it is no SIP message.
    """

    does: Fault
    way: Direction
    data: bytes
    local: Address
    remote: Address
    contact: Literal["current", "former"]
    message: Message | None
    transport: Transport = Transport.UDP
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Changed:
    """The registration went to `state`: registered, refused, unregistered, expired or unanswered.

    `status` and `reason` are of the deciding response (0 and '' without one), `expires` in seconds.
    """

    state: str
    status: int = 0
    reason: str = ""
    expires: int = 0


@dataclass(frozen=True, slots=True)
class Turned:
    """Requests go to `edge` from now on: `former` does not answer. `status` and `reason` as of a registration."""

    edge: Address
    former: Address
    status: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the connection to the edge, and begin the next one elsewhere; it is `lost` for that `reason`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscription to `presentity` (a SIP URI) for `event` went to `state`; `expires` is what is left, in seconds.

    active: granted, or a refresh failed that does not end it; refused: never granted, or a refresh found no notifier;
    terminated: ended by a NOTIFY, by our wish, or by a loss of power or address; expired: by its time; unanswered.
    `status` and `reason` are of the deciding response; without one `status` is 0 and `reason` says what ended it:
    the reason of a Subscription-State, "no NOTIFY", "forgotten", "moved", "another edge", or nothing.
    """

    call_id: str
    presentity: str
    event: str
    state: Watching
    status: int = 0
    reason: str = ""
    expires: int = 0


@value
class Called:
    """A call went to `state`. `peer` is the user part of the other side's URI.

    ringing: an incoming call is there, whether with a sound or ignored; an outgoing one got a 180 or 183.
    `status` and `reason` are of the deciding response, whoever sent it. A call that ends without one has `status` 0
    and as `reason` what ended it: "hung up", "hung up by the peer", "cancelled", "unanswered", "no ACK", "forgotten",
    "moved".
    """

    call_id: str
    direction: Direction
    state: Calling
    status: int = 0
    reason: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class MediaOut:
    """Put `data` on the wire from the phone's RTP address to `remote`."""

    data: bytes
    remote: Address


@dataclass(frozen=True, slots=True)
class MediaIn:
    """A datagram reached the phone's RTP address `local`."""

    data: bytes
    source: Address
    local: Address


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Ping the connection to the edge every `seconds` from now on: it knows the answer (RFC 5626 4.4.1)."""

    seconds: float


Effect = Transmit | Heard | Changed | Subscribed | Called | MediaOut | MediaIn | KeepAlive | Turned | HangUp


class Sink(Protocol):
    """Who records what phones do. Times are seconds of the world's clock, taken in the endpoint."""

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        """`phone` received a datagram."""

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """`phone` sent a datagram from `local`."""

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        """The network of `phone` did something to a message that the phone does not know of, or does not yet know."""

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        """The registration of `phone` changed."""

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        """`phone` went on to another edge."""

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        """A subscription of `phone` changed."""

    def called(self, phone: str, called: Called, now: float) -> None:
        """A call of `phone` changed."""

    def media_heard(self, phone: str, media: MediaIn, now: float) -> None:
        """`phone` received something at its RTP address."""

    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None:
        """`phone` sent something from its RTP address."""
