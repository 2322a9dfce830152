"""A bench for the reference server: requests and datagrams in at given times, effects out."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from phones.sip.digest import Challenge, answer
from phones.sip.index import Message
from phones.sip.message import Address, request, response
from reference_server.behaviour import Behaviour
from reference_server.effects import ApiReply, ApiRequest, CutConnections, SendMedia, SendSip
from reference_server.faults import Fault
from reference_server.profiles import PROFILES
from reference_server.seed import SeedDevice
from reference_server.server import ReferenceServer

DOCUMENTED = PROFILES["documented"]
SERVER: Address = ("127.0.0.1", 5060)


def changed(behaviour: Behaviour = DOCUMENTED, **rules: Any) -> Behaviour:
    """`behaviour` with rules set, each named `chapter__rule`."""
    dumped = behaviour.model_dump(mode="json")
    for name, value in rules.items():
        chapter, _, rule = name.partition("__")
        dumped[chapter][rule] = value
    return Behaviour.model_validate(dumped)


@dataclass(frozen=True)
class Reply:
    """An API reply, read."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]


@dataclass(frozen=True)
class Sent:
    """A SIP message of the server: when, whereto, what."""

    time: float
    remote: Address
    message: Message


class Taker(Protocol):
    """Somebody at an address of the bench."""

    def take(self, message: Message) -> None:
        """Take a message of the server."""


@dataclass
class Bench:
    """One server, its clock, and all that it sent."""

    behaviour: Behaviour = DOCUMENTED
    seed: int = 1
    faults: Sequence[Fault] = ()
    now: float = 10.0
    server: ReferenceServer = field(init=False)
    sent: list[Sent] = field(default_factory=list)
    replies: dict[int, tuple[float, ApiReply]] = field(default_factory=dict)
    media: list[tuple[float, SendMedia]] = field(default_factory=list)
    phones: dict[Address, Taker] = field(default_factory=dict)
    cuts: int = 0
    _handle: int = 0

    def __post_init__(self) -> None:
        self.server = ReferenceServer(
            self.behaviour, rng=random.Random(self.seed), epoch=1_420_070_400.0, faults=self.faults
        )

    def collect(self) -> None:
        """Take the effects; phones answer requests at once, and what that sets off is taken as well."""
        while effects := self.server.take():
            for effect in effects:
                if isinstance(effect, ApiReply):
                    assert effect.handle not in self.replies
                    self.replies[effect.handle] = (self.now, effect)
                    continue
                if isinstance(effect, SendMedia):
                    self.media.append((self.now, effect))
                    continue
                if isinstance(effect, CutConnections):
                    self.cuts += 1
                    continue
                assert isinstance(effect, SendSip)
                message = Message.parse(effect.data)
                self.sent.append(Sent(self.now, effect.remote, message))
                phone = self.phones.get(effect.remote)
                if phone is not None:
                    phone.take(message)

    def run(self, seconds: float) -> list[Sent]:
        """Let time pass and return what was sent meanwhile."""
        start, end = len(self.sent), self.now + seconds
        # what a test does to a part of the server the whole of it learns by this
        self.server.handle_timer(self.now)
        self.collect()
        while (deadline := self.server.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.server.handle_timer(self.now)
            self.collect()
        self.now = end
        return self.sent[start:]

    def receive(self, data: bytes, source: Address, transport: str = "udp") -> None:
        self.server.receive(data, source, self.now, transport)
        self.collect()

    def raw(self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Reply:
        """Any API request; the reply must come at once."""
        self._handle += 1
        self.server.api(ApiRequest(self._handle, method, target, tuple(headers), body), self.now)
        self.collect()
        _, reply = self.replies[self._handle]
        return Reply(reply.status, dict(reply.headers), reply.body)

    def api(self, method: str, path: str, data: Any = None, *, token: str | None = "", version: str = "v2") -> Reply:
        """An API request under the main account's token; `path` is what follows /accounts/{account}."""
        headers = [("Content-Type", "application/json")]
        if token is not None:
            headers.append(("X-Auth-Token", token or self.server.seed.auth_token))
        body = b"" if data is None else json.dumps({"data": data}).encode()
        return self.raw(method, f"/{version}/accounts/{self.server.seed.account_id}{path}", headers, body)

    def phone(self, device: SeedDevice | None = None, *, port: int = 6000, realm: str = "") -> Phone:
        device = device or self.server.seed.devices[0]
        phone = Phone(self, device.username, device.password, realm or self.server.seed.realm, port)
        self.phones[phone.address] = phone
        return phone

    def registered(self, index: int = 0, *, port: int = 6000) -> Phone:
        """A phone of a seeded device, registered, its message-waiting NOTIFY behind it."""
        phone = self.phone(self.server.seed.devices[index], port=port)
        assert phone.register() == 200
        self.run(0.2)
        return phone

    def url(self, index: int = 0) -> str:
        return f"/devices/{self.server.seed.devices[index].id}"


@dataclass
class Phone:
    """Registers, and answers 200 to every NOTIFY; `answers` says what else it answers to what."""

    bench: Bench
    username: str
    password: str
    realm: str
    port: int
    call_id: str = ""
    cseq: int = 0
    contact: str = ""
    answers: dict[str, tuple[int, ...]] = field(default_factory=lambda: {"NOTIFY": (200,), "BYE": (200,)})
    taken: list[Message] = field(default_factory=list)
    extra: list[tuple[str, str]] = field(default_factory=list)
    """Headers of every REGISTER to come."""
    transport: str = "udp"
    """What the server takes its requests to come by."""
    _branches: int = 0

    def __post_init__(self) -> None:
        self.call_id = self.call_id or f"call-{self.port}"
        self.contact = self.contact or f"sip:{self.username}@127.0.0.1:{self.port}"

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self.port)

    def take(self, message: Message) -> None:
        self.taken.append(message)
        if not message.is_request:
            return
        for status in self.answers.get(message.method, ()):
            headers = [("Contact", f"<{self.contact}>")] if message.method == "INVITE" else []
            self.bench.server.receive(
                response(message, status, to_tag="phone", headers=headers), self.address, self.bench.now
            )

    def request(self, method: str, headers: Sequence[tuple[str, str]] = (), uri: str = "") -> bytes:
        self.cseq += 1
        self._branches += 1
        aor = f"<sip:{self.username}@{self.realm}>"
        return request(
            method,
            uri or f"sip:{self.realm}",
            [
                (
                    "Via",
                    f"SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{self.port}x{self._branches}",
                ),
                ("Max-Forwards", "70"),
                ("From", f"{aor};tag=phone"),
                ("To", aor),
                ("Call-ID", self.call_id),
                ("CSeq", f"{self.cseq} {method}"),
                *headers,
            ],
        )

    def send(self, method: str, headers: Sequence[tuple[str, str]] = ()) -> Message | None:
        """Send a request; the first final answer within a second, None when there was none."""
        before = len(self.taken)
        self.bench.receive(self.request(method, headers), self.address, self.transport)
        for _ in range(100):
            for message in self.taken[before:]:
                if not message.is_request and message.status >= 200:
                    return message
            self.bench.run(0.01)
        return None

    def register(
        self,
        expires: int | None = 600,
        *,
        contact: str | None = None,
        password: str | None = None,
        username: str | None = None,
    ) -> int:
        """Register and answer a challenge once; the final status, 0 for silence."""
        headers = [("Contact", contact or f"<{self.contact}>"), *self.extra]
        if expires is not None:
            headers.append(("Expires", str(expires)))
        final = self.send("REGISTER", headers)
        if final is not None and final.status == 401 and final.get("www-authenticate"):
            challenge = Challenge.parse(final.get("www-authenticate") or "")
            credentials = answer(
                challenge,
                username=username or self.username,
                password=password or self.password,
                method="REGISTER",
                uri=f"sip:{self.realm}",
                cnonce="c",
            )
            final = self.send("REGISTER", [*headers, ("Authorization", str(credentials))])
        return final.status if final is not None else 0

    @property
    def last(self) -> Message:
        return self.taken[-1]


def notifies(sent: Sequence[Sent], event: str = "check-sync") -> list[Sent]:
    """The NOTIFYs of `event`, retransmissions left out."""
    seen: dict[str, Sent] = {}
    for item in sent:
        if item.message.method == "NOTIFY" and item.message.is_request and item.message.get("event") == event:
            seen.setdefault(item.message.branch, item)
    return list(seen.values())
