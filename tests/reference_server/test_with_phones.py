"""Our phones on a reference that demands more than Kazoo does: proofs, reliable answers, changes within a call."""

from __future__ import annotations

import random
from typing import Any

import pytest

from phones.calls import CallPolicy
from phones.changing import By
from phones.effects import Called, Changed, MediaOut, Subscribed, Transmit
from phones.personality import Personality, Reliable
from phones.phone import Identity, Phone
from phones.sip import sdp
from phones.sip.digest import Credentials
from phones.sip.index import Message
from phones.sip.message import Address
from reference_server.behaviour import Behaviour
from reference_server.seed import SeedDevice
from tests.reference_server.playbook import DOCUMENTED, SERVER, Bench, changed

ALGORITHMS = ["SHA-512-256", "SHA-256", "MD5"]
ANSWERS = CallPolicy("answer")
WAYS: list[By] = ["INVITE", "UPDATE"]


class Handset:
    """One of our phones at an address of a bench."""

    def __init__(self, bench: Bench, device: SeedDevice, port: int, policy: CallPolicy) -> None:
        self.bench = bench
        self.address: Address = ("127.0.0.1", port)
        self.media: Address = ("127.0.0.1", port + 10_000)
        self.phone = Phone(
            Identity(device.username, device.password, bench.server.seed.realm),
            local=self.address,
            edge=SERVER,
            rng=random.Random(port),
            media=lambda: self.media,
            tone=400,
        )
        self.phone.calls.policy = policy
        self.sent: list[Message] = []
        self.heard: list[Message] = []
        self.states: list[str] = []
        bench.phones[self.address] = self

    def take(self, message: Message) -> None:
        self.heard.append(message)
        self.phone.receive(message.raw, SERVER, self.address, self.bench.now)
        self.settle()

    def settle(self) -> None:
        while effects := self.phone.take():
            for effect in effects:
                if isinstance(effect, Transmit):
                    self.sent.append(Message.parse(effect.data))
                    self.bench.server.receive(effect.data, self.address, self.bench.now)
                elif isinstance(effect, MediaOut):
                    self.bench.server.receive_media(
                        effect.data, ("127.0.0.1", self.address[1] + 10_000), self.bench.now
                    )
                elif isinstance(effect, Changed | Called | Subscribed):
                    self.states.append(effect.state)

    def requests(self, method: str) -> list[Message]:
        return [one for one in self.sent if one.is_request and one.method == method]

    def answers(self, method: str) -> list[int]:
        """The final answers to its requests of that method."""
        return [one.status for one in self.heard if not one.is_request and one.method == method and one.status >= 200]

    def proofs(self, method: str) -> list[Credentials]:
        values = [
            value
            for one in self.requests(method)
            for name in ("authorization", "proxy-authorization")
            for value in one.all(name)
        ]
        return [Credentials.parse(value) for value in values]


class Office:
    """A server and three of our phones, 1001 to 1003, which are registered."""

    def __init__(self, behaviour: Behaviour, policy: CallPolicy = ANSWERS) -> None:
        self.bench = Bench(behaviour)
        made = self.bench.api("PUT", "/devices", {"name": "Third", "sip": {"username": "third", "password": "third"}})
        third = SeedDevice(made.data["id"], "third", "third", "1003")
        devices = [*self.bench.server.seed.devices, third]
        for device, number in zip(devices, ("1001", "1002", "1003"), strict=True):
            flow = {"module": "device", "data": {"id": device.id}}
            assert self.bench.api("PUT", "/callflows", {"numbers": [number], "flow": flow}).status == 201
        ports = (6000, 7000, 8000)
        pairs = zip(devices, ports, strict=True)
        self.desk, self.other, self.third = (Handset(self.bench, device, port, policy) for device, port in pairs)
        self.all = (self.desk, self.other, self.third)
        for handset in self.all:
            handset.phone.register(self.bench.now)
            handset.settle()
        self.run(1.0)
        assert [handset.states for handset in self.all] == [["registered"]] * 3

    def run(self, seconds: float) -> None:
        end = self.bench.now + seconds
        while True:
            deadlines = [
                self.bench.server.next_deadline(),
                *(each.phone.next_deadline() for each in self.all),
            ]
            deadline = min((each for each in deadlines if each is not None), default=end)
            if deadline > end:
                break
            self.bench.now = max(self.bench.now, deadline)
            self.bench.run(0.0)
            for handset in self.all:
                handset.phone.handle_timer(self.bench.now)
                handset.settle()
            self.bench.collect()
            if deadline == end:
                break
        self.bench.now = end

    def call(self) -> None:
        """The desk calls the other one, and both talk."""
        self.desk.phone.calls.place(f"sip:1002@{self.bench.server.seed.realm}", None, self.bench.now)
        self.desk.settle()
        self.run(2.0)
        assert self.desk.states[-1] == self.other.states[-1] == "talking"

    def do(self, handset: Handset, what: Any) -> None:
        what(self.bench.now)
        handset.settle()
        self.run(2.0)

    def is_over(self) -> bool:
        self.run(200.0)
        return self.bench.server.calls.legs == [] and self.bench.server.errors == []


def behaviour(**rules: Any) -> Behaviour:
    return changed(DOCUMENTED, **rules)


# --- proofs ---


@pytest.mark.parametrize("quality", ["none", "auth", "auth-int", "auth,auth-int"])
@pytest.mark.parametrize("algorithms", [["MD5"], ["SHA-256"], ["SHA-512-256"], ALGORITHMS, ALGORITHMS[::-1]])
def test_everything_is_proved_that_has_to_be(algorithms: list[str], quality: str) -> None:
    rules = {
        "registrar__algorithms": algorithms, "registrar__quality": quality, "registrar__counting": "checked",
        "calls__known_source": "challenged", "calls__proof_inside": "always", "subscribe__proof": "always",
    }  # fmt: skip
    office = Office(behaviour(**rules))
    desk = office.desk
    watch = desk.phone.subscriptions.subscribe
    office.do(
        desk, lambda now: watch(f"sip:1002@{office.bench.server.seed.realm}", "dialog", now, expires=60, refresh=True)
    )
    assert desk.states[-1] == "active"
    office.call()
    office.do(desk, lambda now: desk.phone.calls.hold(now, by="INVITE"))
    office.do(desk, lambda now: desk.phone.calls.hold(now, by="UPDATE", held=False))
    office.do(desk, desk.phone.calls.hang_up)
    assert [desk.states[-1], office.other.states[-1]] == ["ended", "ended"]
    strongest = next(name for name in ALGORITHMS if name in algorithms)
    wanted = {"none": "", "auth": "auth", "auth-int": "auth-int", "auth,auth-int": "auth"}[quality]
    for method in ("REGISTER", "SUBSCRIBE", "INVITE", "UPDATE", "BYE"):
        proofs = desk.proofs(method)
        assert proofs, method
        assert {(one.algorithm, one.qop) for one in proofs} == {(strongest, wanted)}, method
        assert desk.answers(method)[-1] == 200, method
    assert office.is_over()


def test_a_count_that_does_not_rise_is_asked_again() -> None:
    office = Office(behaviour(registrar__counting="checked", registrar__quality="auth"))
    desk = office.desk
    [proof] = desk.proofs("REGISTER")
    office.do(desk, desk.phone.register)
    assert [(one.nonce == proof.nonce, one.nc) for one in desk.proofs("REGISTER")] == [
        (True, "00000001"),
        (True, "00000002"),
    ]
    replayed = next(one for one in reversed(desk.requests("REGISTER")) if one.get("authorization"))
    again = replayed.raw.replace(replayed.branch.encode(), b"z9hG4bKagain").replace(
        b"CSeq: %d" % replayed.cseq, b"CSeq: %d" % (replayed.cseq + 1)
    )
    office.bench.receive(again, desk.address)
    office.run(1.0)
    asked = desk.heard[-1]
    assert (asked.status, "stale=true" in (asked.get("www-authenticate") or "")) == (401, True)


@pytest.mark.parametrize("stale", ["said", "unsaid"])
def test_a_nonce_grows_old(stale: str) -> None:
    office = Office(behaviour(registrar__nonce_lifetime_s=5.0, registrar__stale=stale))
    office.run(10.0)
    desk = office.desk
    office.do(desk, desk.phone.register)
    challenges = [one.get("www-authenticate") or "" for one in desk.heard if one.status == 401]
    assert ["stale=true" in one for one in challenges] == [False, stale == "said"]
    assert desk.states == ["registered", "registered"]


def test_a_weaker_algorithm_than_was_asked_for_is_none() -> None:
    office = Office(behaviour(registrar__algorithms=["SHA-256"]))
    desk = office.desk
    shown = next(one for one in desk.requests("REGISTER") if one.get("authorization"))
    weaker = shown.raw.replace(b"algorithm=SHA-256", b"algorithm=MD5").replace(shown.branch.encode(), b"z9hG4bKweak")
    office.bench.receive(weaker, desk.address)
    office.run(1.0)
    assert desk.heard[-1].status == 401


@pytest.mark.parametrize("rule", ["subscribe__proof", "calls__proof_inside"])
def test_who_knows_no_password_comes_nowhere(rule: str) -> None:
    office = Office(behaviour(**{rule: "always"}))
    desk = office.desk
    office.call()
    identity = desk.phone.identity
    desk.phone._line.identity = Identity(identity.username, "wrong", identity.realm)
    if rule == "subscribe__proof":
        watch = desk.phone.subscriptions.subscribe
        office.do(desk, lambda now: watch(identity.aor, "dialog", now, expires=60, refresh=True))
        assert (desk.states[-1], desk.answers("SUBSCRIBE")) == ("refused", [401, 401])
        return
    desk.phone.calls._calls[0]._inside._line.identity = desk.phone._line.identity
    office.do(desk, desk.phone.calls.hang_up)
    assert desk.answers("BYE") == [407, 407]
    assert office.other.states[-1] == "talking"


# --- reliable answers ---


def test_who_requires_what_nobody_speaks() -> None:
    office = Office(DOCUMENTED)
    desk = office.desk
    invite = _required(office, "100rel, timer")
    office.bench.receive(invite, desk.address)
    office.run(1.0)
    refused = next(one for one in desk.heard if one.method == "INVITE")
    assert (refused.status, refused.get("unsupported")) == (420, "100rel, timer")
    assert office.other.states == ["registered"]


def _required(office: Office, tags: str) -> bytes:
    """An INVITE that the desk sends, by hand."""
    realm, (host, port) = office.bench.server.seed.realm, office.desk.address
    lines = [
        f"INVITE sip:1002@{realm} SIP/2.0", f"Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKhand",
        "Max-Forwards: 70", f"From: <sip:desk@{realm}>;tag=hand", f"To: <sip:1002@{realm}>", "Call-ID: hand",
        "CSeq: 1 INVITE", f"Contact: <sip:desk@{host}:{port}>", f"Require: {tags}", "Content-Length: 0", "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("waits", [0.0, 3.0])
def test_the_caller_requires_reliable_answers(waits: float) -> None:
    office = Office(behaviour(calls__reliable="spoken"), CallPolicy("answer", after=waits))
    office.desk.phone._line.personality = Personality(reliable=Reliable.REQUIRED)
    office.desk.phone.calls.place(f"sip:1002@{office.bench.server.seed.realm}", None, office.bench.now)
    office.desk.settle()
    office.run(1.0 + waits)
    desk = office.desk
    [progress] = [one for one in desk.heard if one.status == 183]
    assert (progress.get("require"), bool(progress.body)) == ("100rel", True)
    assert [one.get("rack") for one in desk.requests("PRACK")] == [f"{progress.get('rseq')} 1 INVITE"]
    assert desk.answers("PRACK") == [200]
    # the offer was answered in the 183, so the 200 says nothing
    [ok] = [one for one in desk.heard if one.status == 200 and one.method == "INVITE"]
    assert ok.body == b""
    assert desk.states[-1] == "talking"
    assert office.bench.media
    office.do(desk, desk.phone.calls.hang_up)
    assert office.is_over()


def test_a_prack_that_never_comes() -> None:
    office = Office(behaviour(calls__reliable="spoken", calls__ring_s=60.0), CallPolicy("ring"))
    office.bench.phones.pop(office.desk.address)
    office.bench.receive(_required(office, "100rel"), office.desk.address)
    before = len(office.bench.sent)
    office.run(40.0)
    answers = [item.message for item in office.bench.sent[before:] if item.remote == office.desk.address]
    statuses = [one.status for one in answers if one.method == "INVITE"]
    assert statuses[:3] == [183] * 3
    assert statuses[-1] == 504
    assert office.other.states[-1] == "ended"


def test_the_server_requires_reliable_answers() -> None:
    office = Office(behaviour(calls__asks_reliable="always"), CallPolicy("answer", after=2.0))
    office.desk.phone.calls.place(f"sip:1002@{office.bench.server.seed.realm}", None, office.bench.now)
    office.desk.settle()
    office.run(4.0)
    other = office.other
    [ringing] = [one for one in other.sent if one.status == 180]
    [prack] = [one for one in other.heard if one.method == "PRACK" and one.is_request]
    invite = next(one for one in other.heard if one.method == "INVITE" and one.is_request)
    assert prack.get("rack") == f"{ringing.get('rseq')} {invite.cseq} INVITE"
    assert other.states[-1] == "talking"
    office.do(office.desk, office.desk.phone.calls.hang_up)
    assert office.is_over()


# --- changes within a call ---


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("caller", [True, False])
def test_hold_and_back(by: By, caller: bool) -> None:
    office = Office(DOCUMENTED)
    office.call()
    holding, held = (office.desk, office.other) if caller else (office.other, office.desk)
    office.do(holding, lambda now: holding.phone.calls.hold(now, by=by))
    assert holding.answers(by)[-1] == 200
    said = next(one for one in reversed(holding.heard) if one.status == 200 and one.method == by)
    assert sdp.parse(said.body).direction == "recvonly"
    before = len(office.bench.media)
    office.do(held, lambda now: held.phone.calls.talk(3, now))
    assert len(office.bench.media) == before
    office.do(holding, lambda now: holding.phone.calls.hold(now, held=False, by=by))
    office.do(held, lambda now: held.phone.calls.talk(3, now))
    assert [media.remote[1] for _, media in office.bench.media[before:]] == [holding.media[1]] * 3
    office.do(held, held.phone.calls.hang_up)
    assert office.is_over()


@pytest.mark.parametrize("by", WAYS)
def test_a_change_that_is_refused(by: By) -> None:
    office = Office(behaviour(calls__changes="refused"))
    office.call()
    desk = office.desk
    office.do(desk, lambda now: desk.phone.calls.hold(now, by=by))
    assert desk.answers(by)[-1] == 488
    before = len(office.bench.media)
    office.do(office.other, lambda now: office.other.phone.calls.talk(2, now))
    assert len(office.bench.media) == before + 2
    assert desk.states[-1] == "talking"


def test_an_update_while_it_rings_has_to_wait() -> None:
    office = Office(DOCUMENTED, CallPolicy("ring"))
    desk = office.desk
    desk.phone.calls.place(f"sip:1002@{office.bench.server.seed.realm}", None, office.bench.now)
    desk.settle()
    office.run(1.0)
    call = desk.phone.calls._calls[0]
    early = call._early.newest
    assert early is not None
    data = early.dialog.request("UPDATE", desk.phone._line.via(), [("Content-Type", "application/sdp")], b"v=0\r\n")
    office.bench.receive(data, desk.address)
    office.run(1.0)
    last = desk.heard[-1]
    assert (last.status, last.method, 0 <= int(last.get("retry-after") or -1) <= 10) == (500, "UPDATE", True)


# --- calls that are sent on ---


def sent_on(behaviour: Behaviour, *to: str, third: CallPolicy = ANSWERS) -> Office:
    """The desk has called the other one, which has sent the call on to numbers."""
    office = Office(behaviour)
    realm = office.bench.server.seed.realm
    office.other.phone.calls.policy = CallPolicy("redirect", to=tuple(f"sip:{number}@{realm}" for number in to))
    office.third.phone.calls.policy = third
    office.desk.phone.calls.place(f"sip:1002@{realm}", None, office.bench.now)
    office.desk.settle()
    office.run(3.0)
    assert office.other.states[1:] == ["ended"]
    return office


@pytest.mark.parametrize("to", [["1003"], ["1999", "1003"], ["1002", "1003"]])
def test_a_call_that_is_sent_on_is_taken_there(to: list[str]) -> None:
    office = sent_on(behaviour(calls__redirect="followed"), *to)
    assert office.desk.states[-1] == office.third.states[-1] == "talking"
    before = len(office.bench.media)
    office.do(office.third, lambda now: office.third.phone.calls.talk(2, now))
    assert [media.remote for _, media in office.bench.media[before:]] == [office.desk.media] * 2
    office.do(office.desk, office.desk.phone.calls.hang_up)
    assert office.third.states[-1] == "ended"
    assert office.is_over()


def test_two_that_send_a_call_to_each_other() -> None:
    back = CallPolicy("redirect", to=("sip:1002@x",))
    office = sent_on(behaviour(calls__redirect="followed"), "1003", third=back)
    assert (office.desk.states[-1], office.third.states[-1]) == ("ended", "ended")
    assert office.is_over()


def test_kazoo_as_it_is_played_does_not_follow() -> None:
    office = sent_on(DOCUMENTED, "1003")
    assert (office.desk.states[-1], office.third.states) == ("ended", ["registered"])
    assert office.desk.answers("INVITE")[-1] == 480
