"""One phone, sans-IO: bytes, wishes and `now` come in; effects and the next deadline come out.

It registers, refreshes in time, moves to another Contact, unregisters, watches lamps, takes and makes calls, answers
whatever reaches it, and reports every datagram. RFC 3261 8, 10, 22; the registrar's habits are those of Kazoo's SIP
edge. The parts of it that have a life of their own are in modules of their own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from phones.calls import CallPolicy, Calls, NoSuchCall
from phones.effects import Effect, Heard, Kind, MediaIn, Transmit
from phones.line import SPOKEN, Identity, Line, Refusals, format_address
from phones.objections import objection
from phones.personality import ORDINARY, Personality, Reliable
from phones.rebooting import Rebooting
from phones.recovery import Recovery
from phones.registering import Registering
from phones.sip.dialog import tag_of
from phones.sip.index import Message, SipSyntaxError
from phones.sip.lamp import CONTENT_TYPES
from phones.sip.message import Address, refusal, stamp_via
from phones.sip.reliable import RELIABLE
from phones.sip.transactions import (
    AckFor,
    Answer,
    Incoming,
    Output,
    Stray,
    TimedOut,
    TransactionLayer,
)
from phones.sip.transport import Transport
from phones.subscribing import Subscriptions, package_of

__all__ = ["CallPolicy", "Identity", "NoSuchCall", "Phone", "Refusals", "format_address"]

_KNOWN = (*SPOKEN, "REGISTER", "SUBSCRIBE", "MESSAGE", "INFO", "REFER", "PUBLISH")
_NEVER = float("inf")
_NEW = (Incoming, AckFor, Answer)
_TOLD = (Answer, TimedOut, AckFor)


def _kind(outputs: Sequence[Output]) -> Kind:
    """What a datagram was to the transactions: passed up, absorbed as a repetition, or part of none."""
    kind: Kind = "retransmission"
    for output in outputs:
        if isinstance(output, Stray):
            return "stray"
        if isinstance(output, _NEW) and not (isinstance(output, Answer) and output.repeated):
            kind = "new"
    return kind


def _no_media() -> Address:
    raise OSError("this phone has no RTP address")


class Phone:
    """One SIP endpoint at `local`, registering through `edge`, or through `other_edges` where that does not answer.

    `call_id_prefix` begins every Call-ID that the phone makes, so that logs can be searched for it. `media` tells
    the RTP address, and is asked when a call needs one; `tone` is what the phone says there, in Hz; 0: nothing.
    """

    __slots__ = (
        "_calls", "_left", "_line", "_media", "_misses", "_moving", "_rebooting", "_recovery", "_refusals",
        "_registering", "_subscriptions", "_tone", "identity", "personality",
    )  # fmt: skip

    def __init__(
        self,
        identity: Identity,
        *,
        local: Address,
        edge: Address,
        rng: random.Random,
        call_id_prefix: str = "",
        refusals: Refusals | None = None,
        media: Callable[[], Address] = _no_media,
        tone: int = 400,
        transport: Transport = Transport.UDP,
        personality: Personality = ORDINARY,
        other_edges: Sequence[Address] = (),
    ) -> None:
        self.identity = identity
        self.personality = personality
        # parts that most of many phones never need are made when they are
        self._refusals: dict[str, int | None] | None = dict(refusals) if refusals else None
        self._line = Line(
            identity,
            local=local,
            edge=edge,
            rng=rng,
            call_id_prefix=call_id_prefix,
            transport=transport,
            personality=personality,
            other_edges=other_edges,
        )
        self._left: dict[Address, TransactionLayer] | None = None
        self._misses: dict[tuple[str, str], int] | None = None
        self._moving = False
        self._registering = Registering(self._line)
        self._media = media
        self._tone = tone
        self._calls: Calls | None = None
        self._subscriptions: Subscriptions | None = None
        self._rebooting = Rebooting(self._registering, self.forget, personality.reboot_s)
        self._recovery = Recovery(self._line, self._registering)

    def __repr__(self) -> str:
        return f"<Phone {self.identity.aor} at {format_address(self.local)} {self.state}>"

    @property
    def calls(self) -> Calls:
        """Its calls."""
        if self._calls is None:
            self._calls = Calls(self._line, self._media, self._tone)
        return self._calls

    @property
    def subscriptions(self) -> Subscriptions:
        """What it watches."""
        if self._subscriptions is None:
            self._subscriptions = self._recovery.subscriptions = Subscriptions(self._line)
        return self._subscriptions

    @property
    def refusals(self) -> dict[str, int | None]:
        """Method to the status that the phone answers with, whatever it would say else; None for no answer."""
        if self._refusals is None:
            self._refusals = {}
        return self._refusals

    @property
    def local(self) -> Address:
        """Where the phone is."""
        return self._line.local

    @property
    def edge(self) -> Address:
        """Where its requests go."""
        return self._line.edge

    @property
    def transport(self) -> Transport:
        """What carries its SIP."""
        return self._line.transport

    @property
    def state(self) -> str:
        """Of the registration: idle, trying, registered, refreshing or leaving."""
        return self._registering.state

    @property
    def registered_until(self) -> float | None:
        """When the registration ends unless it is refreshed, in seconds of the caller's clock; None without one."""
        return self._registering.machine.deadlines.get("expiry")

    @property
    def contact(self) -> str:
        """The URI that the phone registers as its Contact."""
        return self._line.contact

    # wishes

    def register(self, now: float, *, expires: int | None = None, refresh: bool = True) -> None:
        """Register, or refresh an existing registration. `expires` in seconds stays for the refreshes."""
        self._registering.register(now, expires, refresh)

    def unregister(self, now: float) -> None:
        """Remove this Contact from the registrar (RFC 3261 10.2.2). Does nothing when not registered."""
        self._registering.fire("unregister", now)

    def move(self, local: Address, now: float) -> None:
        """Go to another Contact and register it in the same registration Call-ID (RFC 3261 10.2.4).

        The transactions of the old one end with it, a pending REGISTER too, and so do the calls. Subscriptions are
        refreshed from the new one as soon as it is registered, and end with a registration that fails.
        """
        if local != self.local:
            if self._calls is not None:
                self._calls.lose("moved", now)
            former = self.local
            self._left = self._left or {}
            self._left[former] = self._line.leave(local)
            self._moving = True
        self._registering.fire("move", now)

    def forget(self, now: float) -> None:
        """Lose all calls and subscriptions as if power had failed: nothing is sent, and nobody is told."""
        if self._calls is not None:
            self._calls.lose("forgotten", now)
        if self._subscriptions is not None:
            self._subscriptions.wish("lose", now, "forgotten")

    def miss(self, method: str, count: int = 1, event: str = "") -> None:
        """Answer the next `count` new requests of `method` as usual, and then forget them; with `event` only those."""
        self._misses = self._misses or {}
        self._misses[method, package_of(event)] = count

    def send(self, data: bytes, remote: Address | None = None) -> None:
        """Put arbitrary bytes on the wire, outside any transaction. A connection leads nowhere but to the edge."""
        there = self.edge if remote is None or self.transport.reliable else remote
        self._line.effects.append(Transmit(data, there, transport=self.transport))

    # what arrives

    def receive(self, data: bytes, source: Address, local: Address, now: float) -> None:
        """Take one datagram that arrived at `local`. Never raises for anything a peer can send."""
        former = local != self.local
        try:
            # what the phone would write into the top Via of a request, so that its answer finds the way back
            message = Message.parse(stamp_via(data, source))
        except SipSyntaxError as error:
            self._hear(data, source, local, "malformed", None)
            answer_bytes = None if former else refusal(data, error)
            if answer_bytes is not None:
                self._line.effects.append(Transmit(answer_bytes, source, transport=self.transport))
            return
        if former:
            # a phone that has left an address is not there to answer; what still arrives is only recorded
            self._left = self._left or {}
            left = self._left.setdefault(local, self._line.new_transactions())
            left.receive(message, source, now)
            self._hear(data, source, local, _kind(left.take()), message)
            return
        self._line.transactions.receive(message, source, now)
        outputs = self._line.transactions.take()
        forget = (
            self._misses is not None
            and any(isinstance(output, Incoming) for output in outputs)
            and self._takes_miss(message)
        )
        self._hear(data, source, local, "missed" if forget else _kind(outputs), message)
        self._process(outputs, now, forget=forget)
        self._settle(now)

    def disconnected(self, reason: str, now: float, local: Address | None = None) -> None:
        """The connection to the edge is lost, or could not be made; `reason` in words. The next one begins at `local`.

        What was asked on it fails at once. A registration that the phone refreshes is made again on a new one, after
        a while that grows with each failure, and the subscriptions follow. Calls go on.
        """
        self._line.local = local or self._line.local
        self._recovery.disconnected()
        for edge in {self.edge, self._line.former_edge or self.edge}:
            self._line.transactions.lost(edge, reason)
        self._process(self._line.transactions.take(), now)
        self._registering.reconnected(now)
        self._settle(now)

    def receive_media(self, data: bytes, source: Address, local: Address) -> None:
        """Take one datagram that arrived at the RTP address."""
        self._line.effects.append(MediaIn(data, source, local))

    def _takes_miss(self, message: Message) -> bool:
        if not self._misses:
            return False
        for key in ((message.method, package_of(message.get("event") or "")), (message.method, "")):
            if left := self._misses.get(key, 0):
                self._misses[key] = left - 1
                return True
        return False

    def _hear(self, data: bytes, source: Address, local: Address, kind: Kind, message: Message | None) -> None:
        contact = "current" if local == self.local else "former"
        heard = Heard(
            data, source, local, kind, "former" if contact == "former" else "current", message, self.transport
        )
        self._line.effects.append(heard)

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called next, in seconds of the caller's clock, or None."""
        at = self._line.transactions.next_deadline()
        earliest = _NEVER if at is None else at
        for deadline in (
            self._registering.machine.next_deadline(),
            self._recovery.deadline,
            self._rebooting.deadline,
            None if self._calls is None else self._calls.next_deadline(),
            None if self._subscriptions is None else self._subscriptions.next_deadline(),
        ):
            if deadline is not None and deadline < earliest:
                earliest = deadline
        return None if earliest == _NEVER else earliest

    def handle_timer(self, now: float) -> None:
        """Fire what is due at `now`."""
        self._line.transactions.handle_timer(now)
        self._process(self._line.transactions.take(), now)
        while (event := self._registering.machine.due(now)) is not None:
            self._registering.fire(event, now)
        self._arrive(now)
        if self._calls is not None:
            self._calls.handle_timer(now)
        if self._subscriptions is not None:
            self._subscriptions.handle_timer(now)
        self._recovery.handle_timer(now)
        self._rebooting.handle_timer(now)
        self._settle(now)

    def take(self) -> list[Effect]:
        """Drain the effects, in order."""
        effects, self._line.effects = self._line.effects, []
        return effects

    def _process(self, outputs: Sequence[Output], now: float, *, forget: bool = False) -> None:
        for output in self._line.carry(outputs):
            if isinstance(output, Incoming):
                self._answer(output, now, forget)
            elif isinstance(output, _TOLD):
                self._line.tell(output, now)

    def _settle(self, now: float) -> None:
        self._arrive(now)
        self._rebooting.note(now)
        self._recovery.note(now)

    def _arrive(self, now: float) -> None:
        """Once the new address is registered, or is known not to be, the subscriptions follow."""
        if self._moving and self.state not in ("trying", "refreshing", "leaving"):
            self._moving = False
            self.subscriptions.wish("move" if self.state == "registered" else "lose", now, "moved")

    def _answer(self, incoming: Incoming, now: float, forget: bool) -> None:
        message = incoming.message
        status: int | None
        if refused := objection(message, self._extensions(message)):
            self._line.respond(incoming, refused[0], now, headers=refused[1])
            return
        if self._refusals and message.method in self._refusals:
            status = self._refusals[message.method]
        elif message.method == "INVITE":
            self.calls.invite(incoming, now, forget=forget)
            return
        elif message.method in ("BYE", "PRACK", "UPDATE"):
            self.calls.within(incoming, now, forget=forget)
            return
        elif message.method == "CANCEL":
            self.calls.cancel_received(incoming, now, forget=forget)
            return
        elif message.method == "NOTIFY":
            if self._subscriptions is not None and self._subscriptions.notify(incoming, now, forget=forget):
                return
            if package_of(message.get("event") or "") == "check-sync" and not tag_of(message.get("to") or ""):
                self._check_sync(incoming, now, forget)
                return
            status = self._unmatched_notify(message)
        elif message.method == "OPTIONS":
            status = 200
        else:
            status = 405 if message.method in _KNOWN else 501
        if status is not None:
            self._line.respond(incoming, status, now)

    def _extensions(self, message: Message) -> frozenset[str]:
        """What `message` may require of us."""
        reliable = self.personality.reliable is not Reliable.UNSUPPORTED and message.method == "INVITE"
        return frozenset({RELIABLE} if reliable else ())

    def _check_sync(self, incoming: Incoming, now: float, forget: bool) -> None:
        """Answer as this kind of phone does, and reboot if that is what it makes of a check-sync that it takes."""
        status = self.personality.check_sync
        if status is not None:
            self._line.respond(incoming, status, now)
        taken = status is not None and status < 300 and not forget
        if taken and self.personality.reboots.follows(incoming.message.get("event") or ""):
            self._rebooting.begin(now)

    def _unmatched_notify(self, message: Message) -> int:
        """481 where a subscription is meant that we have not (RFC 6665 4.1.3); what comes uninvited is welcome.

        A NOTIFY within a call belongs to nothing that we follow (FreeSWITCH sends `talk` there).
        """
        if tag_of(message.get("to") or ""):
            return 200 if self._calls is not None and self._calls.has(message) else 481
        # a message-summary comes from Kazoo after each first registration without being asked for
        return 481 if package_of(message.get("event") or "") in CONTENT_TYPES.keys() - {"message-summary"} else 200
