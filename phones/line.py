"""What all parts of a phone share: who it is and where, its transactions, its randomness, and its effects."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from phones.edges import Edges
from phones.effects import Effect, HangUp, Kind, Transmit, Turned
from phones.outbound import Outbound
from phones.personality import ORDINARY, Personality
from phones.sip.dialog import Dialog, address_of
from phones.sip.message import Address, response
from phones.sip.transactions import MAGIC, AckFor, Answer, Incoming, Output, Send, TimedOut, TransactionLayer
from phones.sip.transport import Transport

SPOKEN = ("INVITE", "ACK", "BYE", "CANCEL", "NOTIFY", "OPTIONS", "PRACK", "UPDATE")
ALLOW = ", ".join(SPOKEN)

SDP = "application/sdp"

Refusals = Mapping[str, int | None]
"""Method to the status that the phone answers with, or None for no answer at all."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a phone is: its SIP credentials and its AOR `sip:username@realm`."""

    username: str
    password: str = field(repr=False)
    realm: str

    @property
    def aor(self) -> str:
        """The address of record, as a URI."""
        return f"sip:{self.user}@{self.realm}"

    @property
    def user(self) -> str:
        """The username as it stands in a URI, escaped (RFC 3261 25.1)."""
        if self.username.isascii() and self.username.isalnum():
            return self.username
        return quote(self.username, safe="-_.!~*'()&=+$,;?/", errors="surrogateescape")


def format_address(address: Address) -> str:
    """host:port as it stands in a URI or Via."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


IN_TROUBLE = frozenset({500, 502, 503, 504})
"""Answers of a server that may be well later."""

Listener = Callable[[Answer | TimedOut | AckFor, float], None]
"""Who is told of what happens to a transaction, and when (seconds)."""


class Line:
    """The way of one phone to its edge. Its parts make requests and give answers here, and leave effects."""

    __slots__ = (
        "_listeners",
        "_prefix",
        "_rng",
        "attached",
        "edges",
        "effects",
        "former_edge",
        "identity",
        "local",
        "not_before",
        "outbound",
        "personality",
        "transactions",
        "transport",
    )

    def __init__(
        self,
        identity: Identity,
        *,
        local: Address,
        edge: Address,
        rng: random.Random,
        call_id_prefix: str = "",
        transport: Transport = Transport.UDP,
        personality: Personality = ORDINARY,
        other_edges: Sequence[Address] = (),
    ) -> None:
        self.identity = identity
        self.personality = personality
        self.local = local
        self.edges = Edges(edge, other_edges)
        self.former_edge: Address | None = None
        """Where requests went before, if anywhere."""
        self.attached = False
        """Whether the phone is registered, or about to be: then its registration decides where its requests go."""
        self.transport = transport
        self.not_before = 0.0
        """Until when the edge wants to be left alone (503 with Retry-After, RFC 3261 21.5.4), in seconds."""
        self.effects: list[Effect] = []
        self.transactions = self.new_transactions()
        self._rng = rng
        self.outbound = Outbound(rng.getrandbits(128)) if personality.outbound else None
        self._prefix = call_id_prefix
        self._listeners: dict[str, Listener] = {}

    @property
    def edge(self) -> Address:
        """Where requests go."""
        return self.edges.current

    def turn(self, status: int, reason: str) -> bool:
        """The edge does not answer: go on to the next. False when all have been tried."""
        former = self.edge
        more = self.edges.turn()
        if self.edge != former:
            self.former_edge = former
            self.effects.append(Turned(self.edge, former, status, reason))
            if status and self.transport.reliable:
                self.effects.append(HangUp(f"{status} {reason}"))
        return more

    @property
    def contact(self) -> str:
        """The URI under which the phone can be reached."""
        return f"sip:{self.identity.user}@{format_address(self.local)}{self.transport.parameter}"

    @property
    def contact_header(self) -> str:
        """Contact of what makes a dialog: on a flow of our own what comes in it is to take that, too (RFC 5626 4.3)."""
        return f"<{self.contact};ob>" if self.outbound is not None and self.outbound.granted else f"<{self.contact}>"

    def new_transactions(self) -> TransactionLayer:
        """Transactions of the kind that this line needs."""
        return TransactionLayer(reliable=self.transport.reliable)

    def hop(self, dialog: Dialog) -> Address:
        """Where requests of a dialog go. A line that is a connection has one other end (RFC 5626 4.3)."""
        return self.edge if self.transport.reliable else dialog.next_hop(self.edge)

    def towards(self, uri: str) -> Address:
        """Where a request for `uri` goes to which an answer has sent us: there, or to the edge for a mere name."""
        return self.edge if self.transport.reliable else address_of(uri) or self.edge

    def token(self, bits: int = 64) -> str:
        """Hex digits that nobody else has."""
        return f"{self._rng.getrandbits(bits):0{bits // 4}x}"

    def number(self, bits: int = 32) -> int:
        """A number that nobody can guess."""
        return self._rng.getrandbits(bits)

    def new_call_id(self) -> str:
        """A Call-ID, with the phone's prefix."""
        return f"{self._prefix}{self.token()}"

    def via(self) -> str:
        """The Via of a new request."""
        return f"SIP/2.0/{self.transport.upper()} {format_address(self.local)};rport;branch={MAGIC}{self.token()}"

    def request(self, data: bytes, now: float, listener: Listener, remote: Address | None = None) -> str:
        """Send a request, to the edge without `remote`, and return its key. `listener` is told what comes of it."""
        key = self.transactions.request(data, remote or self.edge, now)
        self._listeners[key] = listener
        self.flush()
        return key

    def acknowledge(self, data: bytes, remote: Address, now: float) -> None:
        """Send the ACK of a 2xx; nothing comes of it."""
        self.transactions.request(data, remote, now)
        self.flush()

    def respond(
        self,
        incoming: Incoming,
        status: int,
        now: float,
        *,
        headers: Iterable[tuple[str, str]] = (),
        to_tag: str | None = None,
        body: bytes = b"",
    ) -> None:
        """Answer a request; To gets `to_tag`, or one of its own. A body is SDP."""
        message = incoming.message
        more = [("User-Agent", self.personality.agent)]
        if 200 <= status < 300 or (message.method == "INVITE" and 100 < status < 200):
            more.append(("Contact", self.contact_header))
        if status in (200, 405, 501):
            more.append(("Allow", ALLOW))
        more += [("Content-Type", SDP)] if body else []
        if to_tag is None and status > 100:
            to_tag = self.token(32)
        data = response(message, status, headers=[*more, *headers], to_tag=to_tag, body=body)
        self.transactions.respond(incoming.key, data, now)
        self.flush()

    def flush(self) -> None:
        """Send what the transactions have to send."""
        self.carry(self.transactions.take())

    def carry(self, outputs: Iterable[Output]) -> list[Output]:
        """Send what is to be sent among `outputs`, and return the rest."""
        rest: list[Output] = []
        for output in outputs:
            if isinstance(output, Send):
                kind: Kind = "retransmission" if output.retransmission else "new"
                self.effects.append(Transmit(output.data, output.remote, kind, self.transport))
            else:
                rest.append(output)
        return rest

    def listen(self, key: str, listener: Listener) -> None:
        """Have `listener` told of the server transaction `key`: its ACK, or that none came."""
        self._listeners[key] = listener

    def tell(self, output: Answer | TimedOut | AckFor, now: float) -> None:
        """Hand on what happened to a transaction; what nobody listens to any more is nobody's."""
        listener = self._listeners.get(output.key)
        if isinstance(output, TimedOut) or (
            isinstance(output, Answer)
            and (output.message.status >= 300 or (output.message.status >= 200 and output.message.method != "INVITE"))
        ):
            self._listeners.pop(output.key, None)
            if not self._listeners:
                # an emptied dictionary keeps its room
                self._listeners = {}
        if listener is not None:
            listener(output, now)

    def release(self, *keys: str) -> None:
        """Listen to the transactions `keys` no more; unanswered requests among them are repeated no more."""
        for key in keys:
            self.transactions.abandon(key)
            self._listeners.pop(key, None)

    def leave(self, local: Address) -> TransactionLayer:
        """Go on from `local`. All transactions stay behind, and nobody listens to them any more."""
        left, self.transactions = self.transactions, self.new_transactions()
        self._listeners.clear()
        self.local = local
        return left
