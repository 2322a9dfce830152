"""One phone, sans-IO: bytes, wishes and `now` come in; effects and the next deadline come out.

It registers, refreshes in time, moves to another Contact, unregisters, answers whatever reaches it, and reports
every datagram. RFC 3261 8, 10, 22; the registrar's habits are those of Kazoo's SIP edge.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from phones.effects import Changed, Effect, Heard, Kind, Transmit
from phones.registration import REGISTRATION
from phones.sip.digest import Challenge, answer
from phones.sip.index import Message, SipSyntaxError
from phones.sip.layers import SIPRequest
from phones.sip.machine import Machine
from phones.sip.message import Address, refusal, response, stamp_via
from phones.sip.template import Template, hole
from phones.sip.transactions import (
    MAGIC,
    AckFor,
    Answer,
    Incoming,
    Output,
    Send,
    Stray,
    TimedOut,
    TransactionLayer,
)

USER_AGENT = "ringproof (simulated phone)"
"""Never contains `SIPp`: Kazoo 4.3 exempts that from NAT pings."""

_SPOKEN = ("INVITE", "ACK", "BYE", "CANCEL", "NOTIFY", "OPTIONS")
_KNOWN = (*_SPOKEN, "REGISTER", "SUBSCRIBE", "MESSAGE", "INFO", "UPDATE", "REFER", "PRACK", "PUBLISH")
ALLOW = ", ".join(_SPOKEN)
_MAX_ATTEMPTS = 4
_MAX_SECONDS = 2**32 - 1
_EXPIRES = re.compile(r";\s*expires\s*=\s*\"?([0-9]+)", re.IGNORECASE)

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
        return quote(self.username, safe="-_.!~*'()&=+$,;?/", errors="surrogateescape")


def format_address(address: Address) -> str:
    """host:port as it stands in a URI or Via."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _seconds(text: str | None) -> int | None:
    """A delta-seconds of RFC 3261 25.1, None when it is none or over 2**32-1."""
    if text is None or not re.fullmatch("[0-9]{1,10}", text):
        return None
    return int(text) if int(text) <= _MAX_SECONDS else None


def _kind(outputs: Sequence[Output]) -> Kind:
    """What a datagram was to the transactions: passed up, absorbed as a repetition, or part of none."""
    if any(isinstance(output, Stray) for output in outputs):
        return "stray"
    return "new" if any(isinstance(output, Incoming | Answer | AckFor) for output in outputs) else "retransmission"


def _register_packet(authorized: bool) -> SIPRequest:
    headers = [
        ("Via", f"SIP/2.0/UDP {hole('local')};rport;branch={hole('branch')}"),
        ("Max-Forwards", "70"),
        ("From", f"<{hole('aor')}>;tag={hole('tag')}"),
        ("To", f"<{hole('aor')}>"),
        ("Call-ID", hole("call_id")),
        ("CSeq", f"{hole('cseq')} REGISTER"),
        ("User-Agent", USER_AGENT),
        ("Allow", ALLOW),
        ("Contact", hole("contact")),
        ("Expires", hole("expires")),
    ]
    if authorized:
        headers.append((hole("authorization_header"), hole("authorization")))
    return SIPRequest(method="REGISTER", uri=hole("registrar"), headers=headers)


_REGISTER = Template(_register_packet(authorized=False))
_REGISTER_AUTHORIZED = Template(_register_packet(authorized=True))


def _readable_challenge(message: Message) -> Challenge | None:
    """The first challenge of a 401 or 407 that we can answer, None when there is none."""
    for value in message.all("www-authenticate" if message.status == 401 else "proxy-authenticate"):
        try:
            challenge = Challenge.parse(value)
        except SipSyntaxError:
            continue
        if challenge.answerable:
            return challenge
    return None


class Phone:
    """One SIP endpoint at `local`, registering through `edge`.

    `call_id_prefix` begins every Call-ID that the phone makes, so that logs can be searched for it.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        local: Address,
        edge: Address,
        rng: random.Random,
        call_id_prefix: str = "",
        refusals: Refusals | None = None,
    ) -> None:
        self.identity = identity
        self.local = local
        self.edge = edge
        self.refusals: dict[str, int | None] = {"INVITE": 486, **(refusals or {})}
        self._rng = rng
        self._prefix = call_id_prefix
        self._transactions = TransactionLayer()
        self._effects: list[Effect] = []
        self._left: dict[Address, TransactionLayer] = {}
        self._call_id = self._new_call_id()
        self._tag = self._token()
        self._cseq = 0
        self._expires = 600
        self._granted = 0
        self._refreshing = True
        self._registrar_key = ""
        self._challenge: Challenge | None = None
        self._authorization_header = "Authorization"
        self._nonce_count = 0
        self._attempts = 0
        self._last: Message | None = None
        durations = {"refresh": lambda _: self._refresh_after(), "expiry": lambda _: float(self._granted)}
        self._registration = Machine(REGISTRATION, durations, 0.0)

    def __repr__(self) -> str:
        return f"<Phone {self.identity.aor} at {format_address(self.local)} {self.state}>"

    @property
    def state(self) -> str:
        """idle, trying, registered, refreshing or leaving."""
        return self._registration.state

    @property
    def registered_until(self) -> float | None:
        """When the registration ends unless it is refreshed, in seconds of the caller's clock; None without one."""
        return self._registration.deadlines.get("expiry")

    @property
    def contact(self) -> str:
        """The URI that the phone registers as its Contact."""
        return f"sip:{self.identity.user}@{format_address(self.local)}"

    def _token(self, bits: int = 64) -> str:
        return f"{self._rng.getrandbits(bits):0{bits // 4}x}"

    def _new_call_id(self) -> str:
        return f"{self._prefix}{self._token()}"

    def _refresh_after(self) -> float:
        # a fifth of the interval is left for the attempt and its retransmissions; without refresh it never comes
        return self._granted * 0.8 if self._refreshing else float("inf")

    def register(self, now: float, *, expires: int | None = None, refresh: bool = True) -> None:
        """Register, or refresh an existing registration. `expires` in seconds stays for the refreshes."""
        self._expires = self._expires if expires is None else expires
        self._refreshing = refresh
        self._attempts = 0
        self._fire("register", now)

    def unregister(self, now: float) -> None:
        """Remove this Contact from the registrar (RFC 3261 10.2.2). Does nothing when not registered."""
        self._attempts = 0
        self._fire("unregister", now)

    def move(self, local: Address, now: float) -> None:
        """Go to another Contact and register it in the same registration Call-ID (RFC 3261 10.2.4).

        The transactions of the old one end with it, a pending REGISTER too.
        """
        if local != self.local:
            self._left[self.local], self._transactions = self._transactions, TransactionLayer()
            self.local = local
        self._attempts = 0
        self._fire("move", now)

    def send(self, data: bytes, remote: Address | None = None) -> None:
        """Put arbitrary bytes on the wire, outside any transaction."""
        self._effects.append(Transmit(data, remote or self.edge))

    def receive(self, data: bytes, source: Address, local: Address, now: float) -> None:
        """Take one datagram that arrived at `local`. Never raises for anything a peer can send."""
        former = local != self.local
        try:
            # what the phone would write into the top Via of a request, so that its answer finds the way back
            message = Message.parse(data if data[:4] == b"SIP/" else stamp_via(data, source))
        except SipSyntaxError as error:
            self._hear(data, source, local, "malformed", None)
            answer_bytes = None if former else refusal(data, error)
            if answer_bytes is not None:
                self._effects.append(Transmit(answer_bytes, source))
            return
        if former:
            # a phone that has left an address is not there to answer; what still arrives is only recorded
            left = self._left.setdefault(local, TransactionLayer())
            left.receive(message, source, now)
            self._hear(data, source, local, _kind(left.take()), message)
            return
        self._transactions.receive(message, source, now)
        outputs = self._transactions.take()
        self._hear(data, source, local, _kind(outputs), message)
        self._process(outputs, now)

    def _hear(self, data: bytes, source: Address, local: Address, kind: Kind, message: Message | None) -> None:
        contact = "current" if local == self.local else "former"
        self._effects.append(Heard(data, source, local, kind, "former" if contact == "former" else "current", message))

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called next, in seconds of the caller's clock, or None."""
        deadlines = [self._transactions.next_deadline(), self._registration.next_deadline()]
        known = [deadline for deadline in deadlines if deadline is not None and deadline != float("inf")]
        return min(known, default=None)

    def handle_timer(self, now: float) -> None:
        """Fire what is due at `now`."""
        self._transactions.handle_timer(now)
        self._process(self._transactions.take(), now)
        while (event := self._registration.due(now)) is not None:
            self._attempts = 0
            self._fire(event, now)

    def take(self) -> list[Effect]:
        """Drain the effects, in order."""
        effects, self._effects = self._effects, []
        return effects

    def _process(self, outputs: Sequence[Output], now: float) -> None:
        for output in outputs:
            if isinstance(output, Send):
                kind: Kind = "retransmission" if output.retransmission else "new"
                self._effects.append(Transmit(output.data, output.remote, kind))
            elif isinstance(output, Incoming):
                self._answer(output, now)
            elif isinstance(output, Answer) and output.key == self._registrar_key:
                self._on_response(output.message, now)
            elif isinstance(output, TimedOut) and output.key == self._registrar_key:
                self._last = None
                self._fire("timeout", now)

    def _flush(self, now: float) -> None:
        self._process(self._transactions.take(), now)

    def _answer(self, incoming: Incoming, now: float) -> None:
        message = incoming.message
        status: int | None
        if message.flaw:
            status = 400
        elif message.method in self.refusals:
            status = self.refusals[message.method]
        elif message.method in ("OPTIONS", "NOTIFY"):
            status = 200
        elif message.method in ("BYE", "CANCEL"):
            # every INVITE was answered finally at once, so there is nothing left to end (RFC 3261 9.2, 15.1.2)
            status = 481
        else:
            status = 405 if message.method in _KNOWN else 501
        if status is None:
            return
        headers = [("User-Agent", USER_AGENT)]
        if 200 <= status < 300:
            headers.append(("Contact", f"<{self.contact}>"))
        if status in (200, 405, 501):
            headers.append(("Allow", ALLOW))
        self._transactions.respond(
            incoming.key, response(message, status, headers=headers, to_tag=self._token(32)), now
        )
        self._flush(now)

    def _on_response(self, message: Message, now: float) -> None:
        if message.status < 200:
            return
        self._last = message
        if message.status < 300:
            self._granted = self._granted_by(message)
            event = "accepted" if self._granted else "removed"
        elif message.status in (401, 407):
            event = self._judge_challenge(message)
        elif message.status == 423:
            event = self._judge_interval(message)
        else:
            event = "rejected"
        self._fire(event, now)

    def _judge_challenge(self, message: Message) -> str:
        self._attempts += 1
        challenge = _readable_challenge(message)
        if challenge is None:
            return "rejected"
        previous, self._challenge = self._challenge, challenge
        same = previous is not None and previous.nonce == challenge.nonce and self._nonce_count > 0
        if (same and not challenge.stale) or self._attempts > _MAX_ATTEMPTS:
            self._challenge = None
            return "refused"
        if not same:
            self._nonce_count = 0
        self._authorization_header = "Authorization" if message.status == 401 else "Proxy-Authorization"
        return "challenge"

    def _judge_interval(self, message: Message) -> str:
        """Ask for longer only where that is what the registrar wants, and not for ever (RFC 3261 10.2.8)."""
        self._attempts += 1
        wanted = _seconds(message.get("min-expires"))
        if wanted is None or wanted <= self._expires or self._attempts > _MAX_ATTEMPTS:
            return "rejected"
        if self.state != "leaving":
            self._expires = wanted
        return "interval"

    def _granted_by(self, message: Message) -> int:
        """Seconds granted to our Contact: its expires parameter, else the Expires header (RFC 3261 10.3)."""
        ours = re.compile(re.escape(self.contact) + r"(?![0-9])")
        granted = None
        for line in message.all("contact"):
            for value in line.split(","):
                if ours.search(value) and (match := _EXPIRES.search(value)):
                    granted = _seconds(match[1])
        if granted is None:
            granted = _seconds(message.get("expires"))
        return self._expires if granted is None else granted

    def _fire(self, event: str, now: float) -> None:
        for action in self._registration.fire(event, now):
            if action == "send":
                self._send_register(now, self._expires)
            elif action == "send zero":
                self._send_register(now, 0)
            elif action == "answer":
                self._send_register(now, 0 if self.state == "leaving" else self._expires)
            else:
                self._report(action.removeprefix("report "))

    def _report(self, state: str) -> None:
        last = self._last
        expires = self._granted if state == "registered" else 0
        if last is None or state == "expired":
            self._effects.append(Changed(state, expires=expires))
        else:
            self._effects.append(Changed(state, last.status, last.reason, expires))

    def _send_register(self, now: float, expires: int) -> None:
        self._cseq += 1
        registrar = f"sip:{self.identity.realm}"
        values = {
            "local": format_address(self.local),
            "branch": f"{MAGIC}{self._token()}",
            "aor": self.identity.aor,
            "tag": self._tag,
            "call_id": self._call_id,
            "cseq": str(self._cseq),
            "contact": f"<{self.contact}>",
            "expires": str(expires),
            "registrar": registrar,
        }
        template = _REGISTER
        if self._challenge is not None:
            self._nonce_count += 1
            credentials = answer(
                self._challenge,
                username=self.identity.username,
                password=self.identity.password,
                method="REGISTER",
                uri=registrar,
                cnonce=self._token(),
                nc=self._nonce_count,
            )
            values |= {"authorization_header": self._authorization_header, "authorization": str(credentials)}
            template = _REGISTER_AUTHORIZED
        # a forgotten REGISTER that is repeated after this one could undo it
        self._transactions.abandon(self._registrar_key)
        self._registrar_key = self._transactions.request(template.render(**values), self.edge, now)
        self._flush(now)
