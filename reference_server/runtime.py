"""What all parts of the server share: the behaviour, the seeded generator, the agenda, and the way out."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from phones.sip.message import Address
from phones.sip.transport import Transport
from phones.sip.value import value
from reference_server.behaviour import Behaviour
from reference_server.rules import Span

Job = Callable[[float], None]
"""Something to do later; gets `now` in seconds."""


@value
class Route:
    """Where a SIP peer is: the next address on the way, the transport that leads there, the proxies on the way.

    `path` are Route values, the nearest first; without proxies `remote` is the peer itself.
    """

    remote: Address
    transport: str
    path: tuple[str, ...] = ()


NOWHERE = Route(("", 0), "udp")
"""What is sent here is lost."""


def bracketed(host: str) -> str:
    """A host as it stands in a Via or URI."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class Agenda:
    """Jobs in the order of their times; jobs of one time in the order in which they came."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Job, bool]] = []
        self._count = 0

    def at(self, when: float, job: Job, *, kept: bool = False) -> None:
        """Run `job` at `when` (seconds); one that is `kept` outlives a restart of the SIP side."""
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, job, kept))

    def restart(self) -> None:
        """Forget what the SIP side was about to do."""
        self._heap = [entry for entry in self._heap if entry[3]]
        heapq.heapify(self._heap)

    def next_deadline(self) -> float | None:
        """When the first job is due, or None."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float) -> Job | None:
        """The next job that is due at `now`, off the agenda."""
        if not self._heap or self._heap[0][0] > now:
            return None
        return heapq.heappop(self._heap)[2]


class Wire(Protocol):
    """How the parts of the server reach phones; the server implements it."""

    def send_request(self, data: bytes, route: Route, now: float) -> str:
        """Send a request in a transaction of its own (an ACK: without one) and return its key."""

    def respond(self, key: str, data: bytes, transport: str, now: float) -> None:
        """Answer the request `key`."""

    def repeat(self, key: str, transport: str, now: float) -> None:
        """Send the newest provisional answer to the request `key` again."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a part of the server needs from its surroundings. `epoch` is POSIX seconds at now == 0.

    `places` are where it listens besides UDP, by transport.
    """

    behaviour: Behaviour
    rng: random.Random
    agenda: Agenda
    wire: Wire
    epoch: float
    sip_host: str
    sip_port: int
    places: dict[str, Address] = field(default_factory=dict)

    def place(self, transport: str) -> str:
        """Where the edge listens for a transport, as host:port of a Via or URI."""
        host, port = self.places.get(transport, (self.sip_host, self.sip_port))
        return f"{bracketed(host)}:{port}"

    def edge(self, transport: str) -> str:
        """The URI of the edge for a transport; one for UDP names none."""
        return f"sip:{self.place(transport)}{Transport(transport).parameter}"

    def draw(self, span: Span) -> float:
        """A delay out of `span`, in seconds."""
        return self.rng.uniform(span.low, span.high)

    def hex(self, digits: int) -> str:
        """Random hex digits."""
        return f"{self.rng.getrandbits(4 * digits):0{digits}x}"
