"""Our phones on a SIP server that we did not write: they register, watch, call, and are told to sync."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from harness.target import Edges
from harness.world import encryption_of
from phones.calls import CallPolicy
from phones.fleet import RunningPhone
from phones.net_sockets import Encryption
from phones.personality import ORDINARY, Personality
from phones.phone import Identity, format_address
from phones.sip.digest import Credentials
from phones.sip.index import Message
from phones.sip.transport import Transport
from tests.interop.conftest import REALM, server
from tests.interop.kamailio.running import Kamailio, users
from tests.interop.lab import Lab, Told, lab

pytestmark = pytest.mark.interop

Script = Callable[[Lab, "Desk"], Awaitable[None]]
Play = Callable[..., Told]


class Desk:
    """Makes phones of the server's users."""

    def __init__(self, lab: Lab, server: Kamailio, transport: Transport) -> None:
        self.server = server
        self._lab = lab
        self._transport = transport

    def phone(self, user: str, password: str = "", personality: Personality = ORDINARY) -> RunningPhone:
        """The phone of `user`, with its own password when none is given."""
        identity = Identity(user, password or users(20)[user], REALM)
        where = self.server.place(self._transport)
        return self._lab.fleet.add(
            user, identity, edge=where, rng=self._lab.rng, transport=self._transport, personality=personality
        )


@pytest.fixture(params=[Transport.UDP, Transport.TCP, Transport.TLS])
def transport(request: pytest.FixtureRequest) -> Transport:
    """What carries the phones' SIP."""
    return Transport(request.param)


@pytest.fixture
def play(plain_kamailio: Kamailio, transport: Transport, tmp_path: Path) -> Play:
    """Carry a script out and return what the Record says of it: everything came by the transport that was meant."""

    def run(script: Script, encryption: Encryption | None = None, server: Kamailio = plain_kamailio) -> Told:
        async def whole() -> None:
            made_safe = encryption or Encryption(server.trust)
            async with lab(tmp_path / "record", made_safe) as made, asyncio.timeout(60):
                await script(made, Desk(made, server, transport))

        def attempt() -> Told:
            shutil.rmtree(tmp_path / "record", ignore_errors=True)
            asyncio.run(whole())
            told = Told.by(tmp_path / "record")
            assert {each["transport"] for each in told.events("message")} <= {transport.value}
            return told

        return server.sound(attempt)

    return run


def aor(user: str) -> str:
    return f"sip:{user}@{REALM}"


def statuses(told: Told, phone: str, method: str) -> list[int]:
    return [each.status for each in told.messages(phone, "in", method)]


def test_a_phone_registers_refreshes_and_leaves(play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        phone = desk.phone("1001")
        assert (await phone.register(expires=120)).state == "registered"
        assert len(contacts(desk.server, "1001")) == 1
        assert (await phone.register(expires=120)).state == "registered"
        assert (await phone.unregister()).state == "unregistered"
        assert contacts(desk.server, "1001") == []

    told = play(script)
    assert [(each["state"], each["status"]) for each in told.events("registration")] == [
        ("registered", 200), ("registered", 200), ("unregistered", 200),
    ]  # fmt: skip
    assert [each["expires"] for each in told.events("registration")] == [120, 120, 0]
    assert statuses(told, "1001", "REGISTER")[:2] == [401, 200]
    # the server speaks qop=auth, which Kazoo never does
    sent = [each.get("authorization") or "" for each in told.messages("1001", "out", "REGISTER")]
    assert "qop" in sent[1]


def contacts(server: Kamailio, user: str) -> list[str]:
    """Where the server thinks `user` is."""
    try:
        found = server.ask("ul.lookup", "location", aor(user).removeprefix("sip:").partition("@")[0])
    except RuntimeError:
        return []
    return [each["Contact"]["Address"] for each in found["Contacts"]]


def test_a_wrong_password_is_not_tried_for_ever(play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        assert (await desk.phone("1001", "wrong").register()).state == "refused"

    told = play(script)
    assert 2 <= len(list(told.messages("1001", "out", "REGISTER"))) <= 4
    assert told.events("registration")[-1]["status"] == 401


def test_lamps_follow_a_call(play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        watcher, caller, called = (desk.phone(user) for user in ("1001", "1002", "1003"))
        called.calls_policy = CallPolicy("ring")
        for phone in (watcher, caller, called):
            assert (await phone.register()).state == "registered"
        assert (await watcher.subscribe(aor("1003"))).state == "active"
        assert (await watcher.subscribe(aor("1002"))).state == "active"
        lamps = [watcher.phone.subscriptions.get(aor(user), "dialog") for user in ("1002", "1003")]

        def show(state: str) -> Callable[[], bool]:
            return lambda: all(lamp is not None and lamp.lamp.state == state for lamp in lamps)

        await made.until(show("off"))
        caller.call(aor("1003"))
        await made.until(show("ringing"))
        called.answer()
        await made.until(show("busy"))
        caller.hang_up()
        await made.until(show("off"))
        assert (await watcher.unsubscribe(aor("1003"))).state == "terminated"
        assert (await watcher.unsubscribe(aor("1002"))).state == "terminated"
        # the last NOTIFY may come after the 200
        await made.until(show("unknown"))

    told = play(script)
    watched = {each["presentity"]: each["call_id"] for each in told.events("subscription", "1001")}
    assert set(watched) == {aor("1002"), aor("1003")}
    for call_id in watched.values():
        # unknown once the subscription has ended
        assert told.lamps("1001", call_id) == ["off", "ringing", "busy", "off", "unknown"]
    assert [each["state"] for each in told.events("call", "1003")] == ["ringing", "talking", "ended"]
    notified = list(told.messages("1001", "in", "NOTIFY"))
    assert {(each.get("user-agent") or "") for each in notified} == {"interop-kamailio"}


def test_a_call_is_relayed_and_both_hear_each_other(play: Play, transport: Transport) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        caller, called = desk.phone("1004"), desk.phone("1005")
        called.calls_policy = CallPolicy("answer", after=0.1)
        for phone in (caller, called):
            assert (await phone.register()).state == "registered"
        caller.call(aor("1005"))
        await made.until(lambda: all(made.media.count((each, "in")) >= 10 for each in ("1004", "1005")))
        called.hang_up()
        await made.until(lambda: made.states("call").count("ended") == 2)

    told = play(script)
    [invite] = told.messages("1005", "in", "INVITE")
    assert len(invite.all("via")) == 2
    [route] = invite.all("record-route")
    # behind the first INVITE everything goes by the route that was recorded
    [bye] = [each for each in told.messages("1005", "out", "BYE") if not each.status]
    assert bye.all("route") == [route]
    assert bye.uri == caller_contact(told)
    [ack] = told.messages("1005", "in", "ACK")
    assert ack.all("via")[0].startswith(f"SIP/2.0/{transport.upper()}")
    for phone in ("1004", "1005"):
        assert [each["state"] for each in told.events("call", phone)][-2:] == ["talking", "ended"]
        incoming = [each for each in told.events("media", phone) if each["direction"] == "in"]
        assert len(incoming) >= 10


def caller_contact(told: Told) -> str:
    contact = next(told.messages("1005", "in", "INVITE")).get("contact") or ""
    return contact.partition("<")[2].partition(">")[0]


@pytest.mark.parametrize(("how", "who", "whom"), [("reject", "1006", "1007"), ("cancel", "1010", "1011")])
def test_a_call_that_does_not_come_about(how: str, who: str, whom: str, play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        caller, called = desk.phone(who), desk.phone(whom)
        called.calls_policy = CallPolicy("ring")
        for phone in (caller, called):
            assert (await phone.register()).state == "registered"
        caller.call(aor(whom))
        await made.until(lambda: made.states("call").count("ringing") == 2)
        if how == "reject":
            called.reject(486)
        else:
            caller.cancel()
        await made.until(lambda: made.states("call").count("ended") == 2)

    told = play(script)
    [end] = [each for each in told.events("call", who) if each["state"] == "ended"]
    assert end["status"] == (486 if how == "reject" else 487)
    assert all(each["state"] != "talking" for each in told.events("call"))
    assert told.events("media") == []


def test_nobody_there(play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        caller = desk.phone("1012")
        assert (await caller.register()).state == "registered"
        caller.call(aor("1013"))
        await made.until(lambda: "ended" in made.states("call"))

    [end] = [each for each in play(script).events("call", "1012") if each["state"] == "ended"]
    assert end["status"] == 480


def test_check_sync_from_the_server(play: Play, transport: Transport) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        phone, other = desk.phone("1008"), desk.phone("1013")
        for each in (phone, other):
            assert (await each.register()).state == "registered"
        desk.server.check_sync(aor("1008"), "check-sync;reboot=true")
        await made.until(lambda: ("1008", "NOTIFY") in made.requests)

    told = play(script)
    [notify] = told.messages("1008", "in", "NOTIFY")
    assert_check_sync(notify, told, transport)
    assert list(told.messages("1013", "in", "NOTIFY")) == []


def assert_check_sync(notify: Message, told: Told, transport: Transport) -> None:
    assert notify.get("event") == "check-sync;reboot=true"
    assert (notify.get("subscription-state") or "").startswith("terminated")
    assert "tag" not in (notify.get("to") or "")
    assert notify.body == b""
    [registered] = told.events("registration", "1008")
    # relayed to the registered Contact, not sent to the name
    assert notify.uri == f"sip:1008@{registered['contact']}{transport.parameter}"
    assert len(notify.all("via")) == 2
    [answer] = [each for each in told.messages("1008", "out", "NOTIFY") if each.status]
    assert answer.status == 200


def test_subscriptions_are_refreshed_and_run_out(play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        watcher = desk.phone("1001")
        assert (await watcher.register()).state == "registered"
        assert (await watcher.subscribe(aor("1004"), expires=60)).state == "active"
        assert (await watcher.subscribe(aor("1004"), expires=60)).state == "active"
        assert (await watcher.subscribe(aor("1005"), expires=1, refresh=False)).state == "active"
        await made.until(lambda: {"expired", "terminated"} & set(made.states("subscription")) != set())

    told = play(script)
    assert [each["state"] for each in told.events("subscription", "1001") if each["presentity"] == aor("1004")][:2] == [
        "active", "active",
    ]  # fmt: skip
    first, second = [
        each for each in told.messages("1001", "out", "SUBSCRIBE") if aor("1004") in (each.get("to") or "")
    ]
    assert "tag" in (second.get("to") or "")
    assert first.call_id == second.call_id


# --- connections -----------------------------------------------------------------------------------------------------

ONLY_STREAMS = pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS], indirect=True)
ONLY_TLS = pytest.mark.parametrize("transport", [Transport.TLS], indirect=True)


@ONLY_STREAMS
def test_who_has_lost_its_connection_with_a_server_that_restarts_is_reached_again(play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        phone = desk.phone("1001")
        assert (await phone.register()).state == "registered"
        assert (await phone.subscribe(aor("1002"))).state == "active"
        await asyncio.to_thread(desk.server.restart)
        await made.until(lambda: made.states("registration").count("registered") == 2, 40)
        await made.until(lambda: made.states("subscription").count("active") >= 2, 40)
        desk.server.check_sync(aor("1001"))
        # the first NOTIFY of the new subscription may come behind that
        await made.until(lambda: ("1001", "check-sync") in made.notified)

    told = play(script)
    assert "check-sync" in [each.get("event") for each in told.messages("1001", "in", "NOTIFY")]
    # the server knows nothing of the old subscription, so there is another
    assert len({each.call_id for each in told.messages("1001", "out", "SUBSCRIBE")}) == 2


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS], indirect=True)
def test_a_flow_is_one_binding_wherever_it_comes_from(play: Play) -> None:
    async def script(made: Lab, desk: Desk) -> None:
        phone = desk.phone("1001", personality=Personality(outbound=True))
        assert (await phone.register()).state == "registered"
        [before] = contacts(desk.server, "1001")
        assert (await phone.move()).state == "registered"
        [after] = contacts(desk.server, "1001")
        assert (before != after, after) == (True, phone.phone.contact)
        made.requests.clear()
        desk.server.check_sync(aor("1001"))
        await made.until(lambda: ("1001", "NOTIFY") in made.requests)
        other = desk.phone("1002")
        await other.register()
        await other.move()
        # without instance and reg-id the Contact is the binding, and what nobody uses any more stays
        assert len(contacts(desk.server, "1002")) == 2

    told = play(script)
    granted = [each for each in told.messages("1001", "in", "REGISTER") if each.status == 200]
    assert [(each.get("require"), each.get("flow-timer")) for each in granted] == [("outbound", "30")] * 2
    assert all("reg-id=1" in (each.get("contact") or "") for each in granted)
    assert {each.get("require") for each in told.messages("1002", "in", "REGISTER")} == {None}


def outcome(play: Play, encryption: Encryption | None, at: Kamailio) -> tuple[str, str]:
    """State and reason of one attempt to register."""

    async def script(made: Lab, desk: Desk) -> None:
        await desk.phone("1001").register()

    [tried] = play(script, encryption, at).events("registration")
    return tried["state"], tried["reason"]


@ONLY_TLS
def test_a_server_whose_certificate_does_not_hold_gets_no_word(play: Play, plain_kamailio: Kamailio) -> None:
    state, reason = outcome(play, Encryption(), plain_kamailio)
    assert state == "unanswered"
    assert reason.startswith("TLS: the certificate of 127.0.0.1 does not hold: ")


@ONLY_TLS
def test_a_server_that_asks_for_certificates_talks_to_who_shows_one(play: Play) -> None:
    with server(certificates=True) as strict:
        edges = Edges(tls=format_address(strict.place(Transport.TLS)), ca_file=str(strict.ca_file))
        state, reason = outcome(play, encryption_of(edges), strict)
        assert (state, reason[:4]) == ("unanswered", "TLS:")
    with server(certificates=True) as strict:
        shown, where = str(strict.client_certificate), format_address(strict.place(Transport.TLS))
        edges = Edges(tls=where, verify=False, certificate=shown)
        assert outcome(play, encryption_of(edges), strict) == ("registered", "OK")


@pytest.mark.parametrize("transport", [Transport.UDP], indirect=True)
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_its_digests_are_believed(play: Play, algorithm: str) -> None:
    """It counts the uses of a nonce, and takes each once. A call that it relays is held and taken up again."""

    async def script(made: Lab, desk: Desk) -> None:
        caller, called = desk.phone("1004"), desk.phone("1005")
        called.calls_policy = CallPolicy("answer")
        for phone in (caller, called):
            assert (await phone.register()).state == "registered"
        assert (await caller.register()).state == "registered"
        caller.call(aor("1005"))
        await made.until(lambda: made.states("call").count("talking") == 2)
        for held in (True, False):
            caller.hold(held=held, by="UPDATE" if held else "INVITE")
            await made.until(lambda: not caller.phone.calls.changing)
        caller.hang_up()
        await made.until(lambda: made.states("call").count("ended") == 2)

    with server(algorithm=algorithm) as strict:
        told = play(script, server=strict)
    registered = [each for each in told.messages("1004", "out", "REGISTER") if each.get("authorization")]
    invited = [each for each in told.messages("1004", "out", "INVITE") if each.get("proxy-authorization")]
    shown = [each.get("authorization") for each in registered]
    shown += [each.get("proxy-authorization") for each in invited]
    proofs = [Credentials.parse(each or "") for each in shown]
    assert {(each.algorithm, each.qop) for each in proofs} == {(algorithm, "auth")}
    assert [each.nc for each in proofs[:2]] == ["00000001", "00000002"]
    assert statuses(told, "1004", "REGISTER") == [401, 200, 200]
    assert [each for each in statuses(told, "1004", "INVITE") if each >= 200] == [407, 200, 200]
    assert statuses(told, "1004", "UPDATE") == [200]
    # what went to 1005 by Kamailio: its session was changed, and changed back
    assert [each.method for each in told.messages("1005", "in", "UPDATE") if each.is_request] == ["UPDATE"]
