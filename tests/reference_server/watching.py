"""Watchers and calls for the bench: subscriptions that remember what they were told, and call legs made by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from phones.sip.index import Message
from phones.sip.message import Address, request, response
from reference_server.channels import Channel
from reference_server.presentity import presentity_of
from reference_server.registrations import Aor
from reference_server.states import Cause, ChannelState, Direction
from tests.reference_server.playbook import Bench, Reply

EARLY, CONFIRMED, TERMINATED = ChannelState.EARLY, ChannelState.CONFIRMED, ChannelState.TERMINATED
SOON = 0.1
"""Seconds after which every report has arrived and every NOTIFY of it is out."""


def shown(message: Message) -> str:
    """The state that a NOTIFY shows, in dialog-info's words; of an empty one what its event is."""
    body = message.body.decode()
    found = re.search(r"<state>(\w+)</state>|<note [^>]*>([^<]+)</note>", body)
    notes = {"Available": "terminated", "Busy": "early", "On the Phone": "confirmed"}
    return (found[1] or notes[found[2]]) if found else f"{message.get('event')}"


def version(message: Message) -> int:
    """The version of a NOTIFY's dialog-info document."""
    found = re.search(r' version="(\d+)"', message.body.decode())
    assert found is not None
    return int(found[1])


@dataclass
class Scene(Bench):
    """A bench with watchers and call legs."""

    watchers: dict[str, Watcher] = field(default_factory=dict)
    legs: list[Leg] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.server.presence.truth = self._live

    def _live(self, presentity: Aor) -> list[Channel]:
        """What really is, however much of it was lost."""
        channels = [each.channel for each in self.legs if each.told]
        return [each for each in channels if each.presentity.key == presentity.key and each.state is not TERMINATED]

    def watch(self, user: str = "1001", event: str = "dialog", **details: Any) -> Watcher:
        """A watcher of `user` in the main account that has not subscribed yet."""
        return Watcher(self, f"sip:{user}@{self.server.seed.realm}", event, **details)

    def watching(self, user: str = "1001", event: str = "dialog", **details: Any) -> Watcher:
        """A watcher that has subscribed, its first NOTIFY behind it."""
        watcher = self.watch(user, event, **details)
        assert watcher.subscribe().status == 200
        watcher.news()
        return watcher

    def leg(
        self,
        user: str = "1001",
        call_id: str = "call-1",
        direction: Direction = Direction.RECIPIENT,
        *,
        owner: str = "desk",
        realm: str = "",
    ) -> Leg:
        """A leg of a device of the main account; nobody has been told of it yet."""
        realm = realm or self.server.seed.realm
        channel = Channel(
            presentity=Aor(user, realm),
            call_id=call_id,
            direction=direction,
            state=EARLY,
            peer="1002",
            peer_name="",
            local_tag="ours",
            remote_tag="",
            owner=Aor(owner, realm),
        )
        self.legs.append(Leg(self, channel))
        return self.legs[-1]

    def device_leg(self, index: int = 0, call_id: str = "call-1", direction: Direction = Direction.RECIPIENT) -> Leg:
        """A leg of a seeded device, of the presentity that is the device's now."""
        account = self.server.directory.accounts[self.server.seed.account_id]
        device = account.devices[self.server.seed.devices[index].id]
        presentity = presentity_of(account, device, self.behaviour)
        return self.leg(
            presentity.user, call_id, direction, owner=device.username or "", realm=presentity.realm or "nowhere"
        )

    def own(self, path: str, data: Any, *, token: str | None = None) -> Reply:
        """POST to a path that Kazoo does not have."""
        text = self.server.seed.auth_token if token is None else token
        headers = [("X-Auth-Token", text), ("Content-Type", "application/json")]
        return self.raw("POST", path, headers if text else headers[1:], json.dumps({"data": data}).encode())

    def reset(self, index: int = 0, **details: Any) -> int:
        """POST /presence of a device, and what it sets off; the HTTP status."""
        status = self.api("POST", f"{self.url(index)}/presence", **details).status
        self.run(SOON)
        return status


@dataclass
class Place:
    """An address with several watchers: each takes what has its Call-ID."""

    bench: Scene

    def take(self, message: Message) -> None:
        if message.call_id in self.bench.watchers:
            self.bench.watchers[message.call_id].take(message)


@dataclass
class Leg:
    """One call leg, reported to presence as calls do it."""

    bench: Bench
    channel: Channel
    told: bool = False

    def go(self, state: ChannelState, cause: Cause = Cause.NONE, *, run: float = SOON) -> Leg:
        tag = self.channel.remote_tag or ("" if state is EARLY else "theirs")
        self.channel = replace(self.channel, state=state, cause=cause, remote_tag=tag)
        self.told = True
        self.bench.server.presence.channel(self.channel, self.bench.now)
        self.bench.run(run)
        return self


@dataclass
class Watcher:
    """One subscription of one watcher."""

    bench: Scene
    presentity: str
    event: str = "dialog"
    port: int = 9000
    name: str = "watcher"
    answers: Sequence[int] = (200,)
    cseq: int = 0
    to: str = ""
    call_id: str = ""
    contact: str = ""
    notifies: list[Message] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    seen_at: list[Address] = field(default_factory=list)
    finals: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.to = self.to or f"<{self.presentity}>"
        self.call_id = self.call_id or f"watch-{len(self.bench.watchers)}"
        self.contact = self.contact or f"sip:{self.name}@127.0.0.1:{self.port}"
        self.bench.watchers[self.call_id] = self
        self.move(self.port)

    @property
    def address(self) -> Address:
        return ("127.0.0.1", self.port)

    def move(self, port: int) -> None:
        """Be at another address from now on; messages to the old one are lost."""
        self.bench.phones.pop(self.address, None)
        self.contact = self.contact.replace(f":{self.port}", f":{port}")
        self.port = port
        self.bench.phones.setdefault(self.address, Place(self.bench))

    def take(self, message: Message) -> None:
        if not message.is_request:
            self.finals.append(message)
            return
        if any(message.branch == known.branch for known in self.notifies):
            return
        self.notifies.append(message)
        self.times.append(self.bench.now)
        self.seen_at.append(self.address)
        for status in self.answers:
            self.bench.server.receive(response(message, status), self.address, self.bench.now)

    def subscribe(self, expires: int | None = 600, *extra: tuple[str, str], without: Sequence[str] = ()) -> Message:
        """SUBSCRIBE, in the dialog if there is one; the final answer."""
        self.cseq += 1
        headers = [
            (
                "Via",
                f"SIP/2.0/UDP 127.0.0.1:{self.port};rport;branch=z9hG4bK{self.call_id}{self.cseq}x{len(self.finals)}",
            ),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{self.name}@{self.bench.server.seed.realm}>;tag=w{self.call_id}"),
            ("To", self.to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} SUBSCRIBE"),
            ("Contact", f"<{self.contact}>"),
            ("Event", self.event),
        ]
        if expires is not None:
            headers.append(("Expires", str(expires)))
        replaced = {name for name, _ in extra} | set(without)
        headers = [header for header in headers if header[0] not in replaced]
        before = len(self.finals)
        self.bench.receive(request("SUBSCRIBE", self.presentity, [*headers, *extra]), self.address)
        assert len(self.finals) == before + 1
        final = self.finals[-1]
        if final.status < 300:
            self.to = final.get("to") or ""
        return final

    @property
    def states(self) -> list[str]:
        return [shown(message) for message in self.notifies]

    def news(self) -> list[str]:
        """What it was told since it was last asked."""
        states = self.states
        self.notifies.clear()
        self.times.clear()
        return states
