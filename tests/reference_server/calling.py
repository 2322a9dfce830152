"""Phones of the bench that call and are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from phones.sip import sdp
from phones.sip.digest import Challenge, answer
from phones.sip.index import Message
from phones.sip.message import Address, request, response
from reference_server.call_wire import tag_of, target_of
from reference_server.channels import Channel
from reference_server.registrations import Aor
from reference_server.states import ChannelState, Direction
from tests.reference_server.playbook import Bench

MEDIA: Address = ("127.0.0.1", 16_384)


@dataclass
class Caller:
    """A phone with a SIP address and an RTP address; it may be registered, or be a carrier's gateway.

    It answers an INVITE with `picks_up` one after the other; everything else with 200. `calls` are the dialogs of the
    INVITEs that it got.
    """

    bench: Bench
    port: int
    user: str
    realm: str
    password: str = ""
    picks_up: Sequence[int] = (100, 180, 200)
    acknowledges: bool = True
    obeys_cancel: bool = True
    tag: str = "callee"
    taken: list[Message] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self.bench.phones[self.address] = self

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self.port)

    @property
    def media(self) -> Address:
        return ("127.0.0.1", self.port + 10_000)

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@127.0.0.1:{self.port}"

    @property
    def offer(self) -> bytes:
        return sdp.offer(*self.media, session_id=self.port)

    # what it got

    def requests(self, method: str) -> list[Message]:
        """Its requests of that method, retransmissions left out."""
        return list({m.raw: m for m in self.taken if m.is_request and m.method == method}.values())

    @property
    def methods(self) -> list[str]:
        seen = {m.raw: m.method for m in self.taken if m.is_request}
        return [method for method in seen.values() if method != "NOTIFY"]

    @property
    def invites(self) -> list[Message]:
        return self.requests("INVITE")

    def statuses(self, call: Message) -> list[int]:
        """What it got for its INVITE."""
        answers = [m for m in self.taken if not m.is_request and m.branch == call.branch and m.method == "INVITE"]
        return list(dict.fromkeys(m.status for m in answers))

    def final(self, call: Message) -> Message:
        answers = [m for m in self.taken if not m.is_request and m.branch == call.branch and m.method == call.method]
        return next(m for m in answers if m.status >= 200)

    def final_of(self, method: str, index: int = 0) -> Message:
        """The answer to its nth request of that method."""
        return [m for m in self.taken if not m.is_request and m.method == method and m.status >= 200][index]

    # what it does

    def take(self, message: Message) -> None:
        self.taken.append(message)
        if not message.is_request:
            if message.method == "INVITE" and message.status >= 200 and self.acknowledges:
                self.acknowledge(message)
            return
        if message.method == "INVITE" and not tag_of(message.get("to")):
            for status in self.picks_up:
                self.respond(message, status)
        elif message.method == "INVITE":
            self.respond(message, 200)
        elif message.method == "CANCEL":
            self.respond(message, 200)
            if self.obeys_cancel:
                self.respond(self.invites[-1], 487)
        elif message.method != "ACK":
            self.respond(message, 200)

    def respond(self, message: Message, status: int, *, tag: str | None = None, body: bytes | None = None) -> None:
        invite = message.method == "INVITE"
        if body is None:
            body = self.offer if invite and 200 <= status < 300 else b""
        headers = [("Contact", f"<{self.contact}>")] if invite else []
        headers += [("Content-Type", "application/sdp")] if body else []
        to_tag = None if status == 100 else tag or self.tag
        self.receive(response(message, status, headers=headers, to_tag=to_tag, body=body))

    def receive(self, data: bytes) -> None:
        """The server receives `data` from here."""
        self.bench.receive(data, self.address)

    def acknowledge(self, final: Message) -> None:
        """ACK a final answer to an INVITE of this phone."""
        target = target_of(final) or f"sip:x@{self.realm}"
        branch = final.branch if final.status >= 300 else ""
        self.receive(self.message("ACK", target, final.call_id, final.cseq, final.get("to") or "", branch=branch))

    def message(
        self,
        method: str,
        uri: str,
        call_id: str,
        cseq: int,
        to: str,
        *,
        sender: str = "",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        branch: str = "",
    ) -> bytes:
        self._count += 1
        branch = branch or f"z9hG4bK{self.port}y{self._count}"
        return request(
            method,
            uri,
            [
                ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch={branch}"),
                ("Max-Forwards", "70"),
                ("From", sender or f"<sip:{self.user}@{self.realm}>;tag=caller"),
                ("To", to),
                ("Call-ID", call_id),
                ("CSeq", f"{cseq} {method}"),
                ("Contact", f"<{self.contact}>"),
                *headers,
            ],
            body,
        )

    def call(
        self,
        number: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        sender: str = "",
        call_id: str = "",
    ) -> Message:
        """Dial; the INVITE that was sent."""
        body = self.offer if body is None else body
        headers = [*headers, *([("Content-Type", "application/sdp")] if body else [])]
        uri = f"sip:{number}@{self.realm}"
        call_id = call_id or f"{self.port}-{self._count}"
        data = self.message("INVITE", uri, call_id, 1, f"<{uri}>", headers=headers, body=body, sender=sender)
        self.receive(data)
        return Message.parse(data)

    def authenticated(self, number: str, password: str) -> list[Message]:
        """Dial, and answer a challenge with `password`: both INVITEs."""
        first = self.call(number)
        self.bench.run(0.01)
        challenge = Challenge.parse(self.final(first).get("proxy-authenticate") or "")
        uri = f"sip:{number}@{self.realm}"
        credentials = answer(challenge, username=self.user, password=password, method="INVITE", uri=uri, cnonce="c")
        return [first, self.call(number, headers=[("Proxy-Authorization", str(credentials))])]

    def cancel(self, call: Message) -> None:
        self.receive(
            self.message("CANCEL", call.uri, call.call_id, call.cseq, call.get("to") or "", branch=call.branch)
        )

    def hang_up(self, call: Message) -> None:
        """BYE in the dialog of an INVITE, sent or received."""
        if self.address in self._origins(call):
            final = self.final(call)
            self.receive(self.message("BYE", target_of(final) or "", call.call_id, 2, final.get("to") or ""))
            return
        ours = f"{call.get('to')};tag={self.tag}"
        sender = call.get("from") or ""
        self.receive(self.message("BYE", target_of(call) or "", call.call_id, 7, sender, sender=ours))

    def _origins(self, call: Message) -> list[Address]:
        return [self.address] if f"127.0.0.1:{self.port};" in call.top_via else []

    @property
    def heard(self) -> list[bytes]:
        """The RTP that the server sent here."""
        return [packet.data for _, packet in self.bench.media if packet.remote == self.media]

    def say(self, payload: bytes) -> None:
        """Send RTP to the server."""
        self.bench.server.receive_media(payload, self.media, self.bench.now)
        self.bench.collect()


def desk(bench: Bench, index: int = 0, *, port: int = 6000) -> Caller:
    """A registered phone of a seeded device."""
    device = bench.server.seed.devices[index]
    registering = bench.registered(index, port=port)
    phone = Caller(bench, port, device.username, registering.realm, device.password)
    phone.taken.clear()
    return phone


def callflow(bench: Bench, number: str, index: int = 0, **data: Any) -> None:
    """`number` rings a seeded device."""
    device = bench.server.seed.devices[index].id
    flow = {"module": "device", "data": {"id": device, **data}}
    assert bench.api("PUT", "/callflows", {"numbers": [number], "flow": flow}).status == 201


def office(bench: Bench) -> tuple[Caller, Caller]:
    """Two registered phones with the numbers 1001 and 1002."""
    for index, number in enumerate(("1001", "1002")):
        callflow(bench, number, index)
    return desk(bench), desk(bench, 1, port=7000)


def trunk(bench: Bench, *, port: int = 9000, rules: Sequence[str] = (r"^\+?(\d{7,})$",)) -> Caller:
    """A carrier's gateway, and the callflow that sends there what nobody in the account has."""
    gateway = {"server": "127.0.0.1", "port": port, "enabled": True}
    resource = {"name": "carrier", "enabled": True, "rules": list(rules), "gateways": [gateway]}
    assert bench.api("PUT", "/resources", resource).status == 201
    flow = {"module": "resources", "data": {"use_local_resources": True}}
    assert bench.api("PUT", "/callflows", {"numbers": ["no_match"], "flow": flow}).status == 201
    return Caller(bench, port, "carrier", "carrier.example")


def cellphone(bench: Bench, number: str = "5550199", presence_id: str = "1044", **extra: Any) -> str:
    """A cellphone device that never registers; its id."""
    forward = {"enabled": True, "number": number, "keep_caller_id": True, "require_keypress": False}
    document = {"name": "Cell", "device_type": "cellphone", "call_forward": forward, "presence_id": presence_id}
    created = bench.api("PUT", "/devices", {**document, **extra})
    assert created.status == 201
    flow = {"module": "device", "data": {"id": created.data["id"]}}
    assert bench.api("PUT", "/callflows", {"numbers": ["1044"], "flow": flow}).status == 201
    return str(created.data["id"])


def media_of(message: Message) -> Address:
    """The address in the SDP of a message."""
    return sdp.parse(message.body).address


def log_of(bench: Bench) -> list[Channel]:
    """Every channel that presence is told of from now on."""
    told: list[Channel] = []
    original = bench.server.presence.channel

    def channel(changed: Channel, now: float) -> None:
        told.append(changed)
        original(changed, now)

    mock.patch.object(bench.server.presence, "channel", channel).start()
    return told


def states(told: list[Channel], user: str) -> list[tuple[Direction, ChannelState]]:
    return [(channel.direction, channel.state) for channel in told if channel.presentity.user == user]


def forgotten(bench: Bench) -> bool:
    """Nothing is left of any call."""
    bench.run(200.0)
    live = [bench.server.calls.live(Aor(str(n), bench.server.seed.realm)) for n in (1001, 1002)]
    return bench.server.calls.legs == [] and not any(live) and bench.server.errors == []
