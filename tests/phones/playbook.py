"""A bench for phones and transactions: bytes and times in, effects out. No socket, no clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from phones.effects import Called, Changed, Effect, Heard, MediaOut, Subscribed, Transmit
from phones.personality import ORDINARY, Personality
from phones.phone import Identity, Phone, Refusals
from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import Address, response
from phones.sip.transport import Transport

LOCAL: Address = ("192.0.2.10", 5062)
EDGE: Address = ("192.0.2.1", 5060)
MEDIA: Address = ("192.0.2.10", 4000)
REALM = "a.example.com"
LAMP = f"sip:1001@{REALM}"
THEIR_SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0 101\r\n"

Header = tuple[str, str]


def message(start: str, *headers: str, body: bytes = b"") -> bytes:
    """Raw lines as one SIP message; nothing is added."""
    return "\r\n".join([start, *headers, "", ""]).encode("utf-8", "surrogateescape") + body


def request_headers(method: str, branch: str, call_id: str, cseq: int, via: str | None) -> list[str]:
    if via is None:
        via = f"SIP/2.0/UDP {EDGE[0]}:{EDGE[1]};branch=z9hG4bK{branch}"
    return [
        f"Via: {via}",
        "Max-Forwards: 50",
        "From: <sip:desk@a.example.com>;tag=f1",
        "To: <sip:desk@a.example.com>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
    ]


def a_request(
    method: str,
    *headers: str,
    branch: str = "b1",
    call_id: str = "c1",
    cseq: int = 1,
    via: str | None = None,
    uri: str = "sip:desk@192.0.2.10:5062",
    body: bytes = b"",
) -> bytes:
    """A complete request from the edge to the phone."""
    common = request_headers(method, branch, call_id, cseq, via)
    return message(f"{method} {uri} SIP/2.0", *common, *headers, f"Content-Length: {len(body)}", body=body)


def without(data: bytes, name: str) -> bytes:
    """`data` without the header lines that begin with `name`."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(name.encode() + b":")]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def challenge(nonce: str = "n1", *, stale: bool = False, qop: str | None = "auth", realm: str = REALM) -> Header:
    """A WWW-Authenticate header."""
    parts = [f'realm="{realm}"', f'nonce="{nonce}"']
    parts += [f'qop="{qop}"'] if qop else []
    parts += ["stale=true"] if stale else []
    return "WWW-Authenticate", "Digest " + ", ".join(parts)


def contact_of(register: Message) -> str:
    return (register.get("contact") or "").strip("<>")


def granted(register: Message, seconds: int | None = None) -> list[Header]:
    """The Contact of a 200 to `register` that grants `seconds`, or what was asked for."""
    expires = register.get("expires") if seconds is None else seconds
    return [("Contact", f"<{contact_of(register)}>;expires={expires}")]


@dataclass
class Desk:
    """One phone, its time, and everything that it did: `log` holds (time, effect)."""

    refusals: Refusals | None = None
    prefix: str = "rp-7-"
    password: str = "word"
    username: str = "desk"
    now: float = 100.0
    transport: Transport = Transport.UDP
    personality: Personality = ORDINARY
    seed: int = 7
    other_edges: tuple[Address, ...] = ()
    phone: Phone = field(init=False)
    log: list[tuple[float, Effect]] = field(default_factory=list)
    _read: int = 0

    def __post_init__(self) -> None:
        self.phone = Phone(
            Identity(self.username, self.password, REALM),
            local=LOCAL,
            edge=EDGE,
            rng=random.Random(self.seed),
            call_id_prefix=self.prefix,
            refusals=self.refusals,
            media=lambda: MEDIA,
            transport=self.transport,
            personality=self.personality,
            other_edges=self.other_edges,
        )

    def collect(self) -> None:
        self.log += [(self.now, effect) for effect in self.phone.take()]

    def register(self, *, expires: int | None = None, refresh: bool = True) -> None:
        self.phone.register(self.now, expires=expires, refresh=refresh)
        self.collect()

    def unregister(self) -> None:
        self.phone.unregister(self.now)
        self.collect()

    def move(self, local: Address) -> None:
        self.phone.move(local, self.now)
        self.collect()

    def disconnected(self, reason: str = "reset") -> None:
        self.phone.disconnected(reason, self.now)
        self.collect()

    def do(self, what: Callable[[float], object]) -> None:
        """Tell the phone to do something now."""
        what(self.now)
        self.collect()

    def subscribe(self, event: str = "dialog", *, expires: int | None = None, refresh: bool = True) -> None:
        wish = self.phone.subscriptions.subscribe
        self.do(lambda now: wish(LAMP, event, now, expires=expires, refresh=refresh))

    def receive(self, data: bytes, *, source: Address = EDGE, local: Address | None = None) -> None:
        self.phone.receive(data, source, local or self.phone.local, self.now)
        self.collect()

    def run(self, seconds: float) -> None:
        """Let time pass, timer by timer. Every tick must bring the next deadline into the future."""
        end = self.now + seconds
        while (deadline := self.phone.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.phone.handle_timer(self.now)
            self.collect()
            following = self.phone.next_deadline()
            assert following is None or following > self.now
        self.now = end

    def new(self) -> list[Effect]:
        """What the phone did since the last call."""
        effects = [effect for _, effect in self.log[self._read :]]
        self._read = len(self.log)
        return effects

    def sent(self) -> list[Message]:
        """What the phone sent since the last look, retransmissions too."""
        return [Message.parse(effect.data) for effect in self.new() if isinstance(effect, Transmit)]

    def last_sent(self) -> Message:
        """The newest message that the phone sent."""
        newest = next(e for _, e in reversed(self.log) if isinstance(e, Transmit) and e.kind == "new")
        return Message.parse(newest.data)

    def all_sent(self, method: str | None = None) -> list[Message]:
        """Every request of `method`, or every message, that the phone sent; repetitions left out.

        A 400 that shows its request a broken CSeq is none that could be read.
        """
        sent = [effect.data for _, effect in self.log if isinstance(effect, Transmit) and effect.kind == "new"]
        wanted = [data for data in sent if method is None or data.startswith(method.encode() + b" ")]
        found: list[Message] = []
        for data in wanted:
            with suppress(SipSyntaxError):
                found.append(Message.parse(data))
        return found

    def changes(self) -> list[str]:
        """The states that the registration went through."""
        return [effect.state for _, effect in self.log if isinstance(effect, Changed)]

    def last_change(self) -> Changed:
        return [effect for _, effect in self.log if isinstance(effect, Changed)][-1]

    def watched(self) -> list[tuple[str, int, str, int]]:
        """State, status, reason and expires of every report of a subscription."""
        reports = [effect for _, effect in self.log if isinstance(effect, Subscribed)]
        return [(one.state, one.status, one.reason, one.expires) for one in reports]

    def called(self) -> list[tuple[str, int, str]]:
        """State, status and reason of every report of a call."""
        reports = [effect for _, effect in self.log if isinstance(effect, Called)]
        return [(one.state, one.status, one.reason) for one in reports]

    def spoken(self) -> list[tuple[float, MediaOut]]:
        """Every RTP packet that was sent, and when."""
        return [(time, effect) for time, effect in self.log if isinstance(effect, MediaOut)]

    def kinds(self) -> list[tuple[str, str]]:
        """(kind, contact) of all that was heard."""
        return [(effect.kind, effect.contact) for _, effect in self.log if isinstance(effect, Heard)]

    def answer(
        self,
        status: int,
        headers: Iterable[Header] = (),
        *,
        to: Message | None = None,
        tag: str = "e1",
        body: bytes = b"",
        reason: str | None = None,
    ) -> None:
        """Let the edge answer the newest request of the phone, or `to`."""
        self.receive(response(to or self.last_sent(), status, reason, headers=headers, to_tag=tag, body=body))

    def accept(self, seconds: int | None = None) -> None:
        """Let the registrar accept the newest REGISTER."""
        self.answer(200, granted(self.last_sent(), seconds))

    def registered(self, expires: int = 600, *, refresh: bool = True) -> Desk:
        """Register through 401 and 200."""
        self.register(expires=expires, refresh=refresh)
        self.answer(401, [challenge()])
        self.accept()
        assert self.changes() == ["registered"]
        self.new()
        return self


def credentials(register: Message, header: str = "authorization") -> str:
    return register.get(header) or ""


def cseqs(messages: Sequence[Message]) -> list[int]:
    return [one.cseq for one in messages]
