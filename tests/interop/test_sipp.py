"""SIPp as caller, callee, registrar, watcher and notifier: against our phones, and against the reference server."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from harness.sipp import Outcome, Part, Sipp
from harness.sipp.running import credentials
from phones.calls import CallPolicy
from phones.fleet import RunningPhone
from phones.phone import Identity
from phones.sip.message import Address
from reports.record import read_record
from tests.end_to_end.conftest import CommandLine, Served
from tests.end_to_end.support import ROOT, environment
from tests.interop.lab import Lab, Told, lab

pytestmark = [pytest.mark.interop, pytest.mark.usefixtures("sipp")]

REALM = "lab.example"
Script = Callable[[Lab], Awaitable[None]]


def play(folder: Path, script: Script) -> Told:
    async def whole() -> None:
        async with lab(folder) as made, asyncio.timeout(60):
            await script(made)

    asyncio.run(whole())
    return Told.by(folder)


def phone(made: Lab, edge: Address, user: str = "1001", password: str = "secret") -> RunningPhone:
    return made.fleet.add(user, Identity(user, password, REALM), edge=edge, rng=made.rng)


def is_good(outcome: Outcome, calls: int) -> None:
    assert (outcome.code, outcome.successful, outcome.failed) == (0, calls, 0), outcome


# --- our phones ---


def test_a_phone_on_its_registrar(tmp_path: Path) -> None:
    part = Part("registrar", {"realm": REALM, "username": "1001", "password": "secret", "expires": 60, "more": 2})

    async def script(made: Lab) -> None:
        with Sipp(part) as run:
            desk = phone(made, run.addresses[0])
            assert (await desk.register(expires=60)).state == "registered"
            assert (await desk.register(expires=60)).state == "registered"
            assert (await desk.register(expires=60)).state == "registered"
            [outcome] = await run.ended(30)
            is_good(outcome, 1)

    told = play(tmp_path / "record", script)
    assert [each["status"] for each in told.events("registration")] == [200, 200, 200]
    assert [each.status for each in told.messages("1001", "in", "REGISTER")] == [401, 200, 200, 200]


def test_its_callers(tmp_path: Path) -> None:
    """Many at once: each is answered, talks and hangs up."""

    async def script(made: Lab) -> None:
        desk = phone(made, ("127.0.0.1", 9))
        desk.calls_policy = CallPolicy("answer")
        at = desk.phone.local
        row = ("caller", REALM, credentials("caller", "none"), "1001")
        part = Part("call", {"uri": f"sip:1001@{at[0]}:{at[1]}"}, [row], remote=at, calls=20, rate=50)
        with Sipp(part) as run:
            [outcome] = await run.ended(30)
            is_good(outcome, 20)

    told = play(tmp_path / "record", script)
    assert [each["state"] for each in told.events("call")].count("talking") == 20
    assert [each["reason"] for each in told.events("call") if each["state"] == "ended"] == ["hung up by the peer"] * 20


def test_whom_it_calls(tmp_path: Path) -> None:
    async def script(made: Lab) -> None:
        with Sipp(Part("answer")) as run:
            desk = phone(made, run.addresses[0])
            desk.call(f"sip:nobody@{REALM}")
            await made.until(lambda: "talking" in made.states("call"))
            desk.hang_up()
            [outcome] = await run.ended(30)
            is_good(outcome, 1)

    told = play(tmp_path / "record", script)
    assert [each["state"] for each in told.events("call")] == ["calling", "ringing", "talking", "ended"]


def test_it_goes_where_it_is_sent(tmp_path: Path) -> None:
    """Three Contacts, one of them no SIP URI: the best is tried first, and is enough."""

    async def script(made: Lab) -> None:
        with Sipp(Part("elsewhere", {"uri": "sip:next@example.com"})) as run:
            desk = phone(made, run.addresses[0])
            desk.call(f"sip:nobody@{REALM}")
            await made.until(lambda: "talking" in made.states("call"))
            desk.hang_up()
            [outcome] = await run.ended(30)
            is_good(outcome, 1)

    told = play(tmp_path / "record", script)
    assert [each.uri for each in told.messages("1001", "out", "INVITE")] == [
        f"sip:nobody@{REALM}", "sip:next@example.com",
    ]  # fmt: skip


def test_two_phones_take_its_call(tmp_path: Path) -> None:
    async def script(made: Lab) -> None:
        with Sipp(Part("forked")) as run:
            desk = phone(made, run.addresses[0])
            desk.call(f"sip:nobody@{REALM}")
            # the second 200, which is nobody's whom it talks to
            await made.until(lambda: made.answers.count(("1001", "200 BYE")) == 1)
            desk.hang_up()
            [outcome] = await run.ended(30)
            is_good(outcome, 1)

    told = play(tmp_path / "record", script)
    assert [each.uri.partition("@")[0] for each in told.messages("1001", "out", "BYE")] == ["sip:two", "sip:one"]


def test_it_acknowledges_reliable_answers(tmp_path: Path) -> None:
    """And follows the UPDATE and the second INVITE by which the other side holds the call."""

    async def script(made: Lab) -> None:
        with Sipp(Part("reliable")) as run:
            desk = phone(made, run.addresses[0])
            desk.call(f"sip:nobody@{REALM}")
            await made.until(lambda: ("1001", "ACK") in made.requests)
            desk.hang_up()
            [outcome] = await run.ended(30)
            is_good(outcome, 1)

    told = play(tmp_path / "record", script)
    assert [each.get("rack") for each in told.messages("1001", "out", "PRACK") if each.is_request] == ["41 1 INVITE"]


def test_its_callers_demand_reliable_answers(tmp_path: Path) -> None:
    async def script(made: Lab) -> None:
        desk = phone(made, ("127.0.0.1", 9))
        desk.calls_policy = CallPolicy("answer", after=2.0)
        at = desk.phone.local
        part = Part("demanding", {"uri": f"sip:1001@{at[0]}:{at[1]}"}, remote=at, calls=5, rate=50)
        with Sipp(part) as run:
            [outcome] = await run.ended(30)
            is_good(outcome, 5)

    told = play(tmp_path / "record", script)
    assert [each["reason"] for each in told.events("call") if each["state"] == "ended"] == ["hung up by the peer"] * 5


def test_its_lamp(tmp_path: Path) -> None:
    states = ["terminated", "early", "confirmed", "terminated"]

    async def script(made: Lab) -> None:
        with Sipp(Part("notifier", {"states": states})) as run:
            desk = phone(made, run.addresses[0])
            assert (await desk.subscribe(f"sip:1002@{REALM}")).state == "active"
            [outcome] = await run.ended(30)
            is_good(outcome, 1)

    told = play(tmp_path / "record", script)
    [subscription] = told.events("subscription")[:1]
    assert told.lamps("1001", subscription["call_id"]) == ["off", "ringing", "busy", "off"]


# --- the reference server ---


def test_registrations_at_the_reference(served: Served) -> None:
    device = served.outside.ready["devices"][0]
    realm = served.outside.ready["realm"]
    row = (device["username"], realm, credentials(device["username"], device["password"]))
    part = Part("register", {}, [row], remote=edge(served), calls=200, rate=200)
    with Sipp(part) as run:
        [outcome] = run.wait(30)
    is_good(outcome, 200)


def test_a_wrong_password_is_refused(served: Served) -> None:
    device = served.outside.ready["devices"][0]
    row = (device["username"], served.outside.ready["realm"], credentials(device["username"], "wrong"))
    with Sipp(Part("register", {}, [row], remote=edge(served))) as run:
        [outcome] = run.wait(30)
    assert (outcome.code, outcome.failed) == (1, 1)
    assert "401" in outcome.error


def test_one_that_waits_for_ever_is_ended() -> None:
    """Told to end, SIPp waits for the calls that it has begun."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        row = ("u", REALM, credentials("u", "p"))
        with Sipp(Part("register", {}, [row], remote=silent.getsockname())) as run:
            [outcome] = run.wait(1)
            assert not run.running
    assert outcome.successful == 0
    assert outcome.code != 0


def test_calls_and_watchers_at_the_reference(served: Served) -> None:
    """SIPp registers as callee, watches itself be called, and calls with a password."""
    ready = served.outside.ready
    callee = ready["devices"][1]
    rows = both(served)
    watched = (rows[0][0], rows[0][1], rows[0][2], (callee["presence_id"] or callee["username"]).partition("@")[0])
    with Sipp(Part("register", {"linger_ms": 500}, rows[1:], remote=edge(served))) as run:
        at = run.addresses[0]
        is_good(run.wait(30)[0], 1)
    # apart: pysipp ends the others of a run when one of them fails
    watch = Sipp(Part("watch", {"changes": 3}, [watched], remote=edge(served)))
    answer = Sipp(Part("answer", {"ring_ms": 500}, local=at))
    with watch, answer, Sipp(Part("call", {}, rows[:1], remote=edge(served))) as call:
        for run in (call, answer, watch):
            [outcome] = run.wait(30)
            is_good(outcome, 1)


def test_a_challenge_that_comes_again(served: Served) -> None:
    """It does so where the request is repeated before it has come: on a long way, or from a busy server."""
    caller, callee = both(served)
    with challenges_again(edge(served)) as (at, again), Sipp(Part("register", {}, [caller], remote=at)) as run:
        is_good(run.wait(30)[0], 1)
    assert again == [b"401"]
    with Sipp(Part("register", {"linger_ms": 500}, [callee], remote=edge(served))) as run:
        local = run.addresses[0]
        is_good(run.wait(30)[0], 1)
    # another address: where he is registered a caller is not challenged
    with challenges_again(edge(served)) as (at, again), Sipp(Part("answer", local=local)) as answer:
        with Sipp(Part("call", {}, [caller], remote=at)) as call:
            is_good(call.wait(30)[0], 1)
        is_good(answer.wait(30)[0], 1)
    assert again == [b"407"]


@contextmanager
def challenges_again(edge: Address) -> Iterator[tuple[Address, list[bytes]]]:
    """A relay before an edge: a challenge comes once more behind its answer. Where it is, and what came again."""
    over = threading.Event()
    again: list[bytes] = []

    def carry() -> None:
        client, challenge = edge, b""
        while not over.is_set():
            with suppress(TimeoutError):
                data, source = relay.recvfrom(65535)
                if source == edge:
                    challenge = data if data.startswith((b"SIP/2.0 401", b"SIP/2.0 407")) else challenge
                    relay.sendto(data, client)
                    continue
                client = source
                if challenge and b"Authorization: " in data:
                    relay.sendto(challenge, client)
                    again.append(challenge.split()[1])
                    challenge = b""
                relay.sendto(data, edge)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay:
        relay.bind(("127.0.0.1", 0))
        relay.settimeout(0.05)
        thread = threading.Thread(target=carry)
        thread.start()
        try:
            yield relay.getsockname(), again
        finally:
            over.set()
            thread.join()


def both(served: Served) -> list[tuple[str, ...]]:
    """The rows of two devices, the second of which they call."""
    ready = served.outside.ready
    return [
        (each["username"], ready["realm"], credentials(each["username"], each["password"]), callee["username"])
        for callee in ready["devices"][1:2]
        for each in ready["devices"][:2]
    ]


def edge(served: Served) -> Address:
    host, _, port = served.outside.ready["sip"]["udp"].rpartition(":")
    return host, int(port)


# --- and nothing else ---


def test_pytest_lives_on_in_the_same_process(tmp_path: Path) -> None:
    (tmp_path / "test_something.py").write_text("def test_true(tmp_path): assert tmp_path.exists()\n", encoding="utf-8")
    script = """
import sys
import pluggy, pytest
from harness.sipp import adapter
names = ("imp", "distutils", "distutils.spawn", "pluggy", "_pytest.config")
before = {name: sys.modules.get(name) for name in names}
manager = pluggy.PluginManager
module = adapter.pysipp()
assert module.__name__ == "pysipp" and module.client and module.plugin.mng.hook
assert pluggy.PluginManager is manager
assert {name: sys.modules.get(name) for name in names} == before
sys.exit(pytest.main(["-q", "-W", "error", "-p", "no:cacheprovider", "test_something.py"]))
"""
    path = os.pathsep.join(map(str, [ROOT, *sys.path]))
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", script],
        cwd=tmp_path, env=environment(PYTHONPATH=path), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_runs_know_nothing_of_each_other() -> None:
    with Sipp(Part("answer")) as one, Sipp(Part("answer")) as other:
        assert one.folder != other.folder
        assert one.addresses != other.addresses
        assert one.running
        assert other.running
    assert not one.folder.exists()
    assert not one.running


def test_a_lamp_under_load(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("run", "lamps/under-load", "--format", "json")
    assert [case["verdict"] for case in done.document["cases"]] == ["pass"], done.out
    loads = [event for event in read_record(tmp_path / "out" / "latest").events if event["kind"] == "load"]
    assert [(each["made"], each["successful"]) for each in loads] == [(20, 20), (100, 100)]
