"""`ringproof watch` on sockets: what its lamps show, how it takes leave, and what it says where there is nothing."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from pydantic import TypeAdapter

from harness.documents import PRINTED, WatchDocument
from phones.calls import CallPolicy
from phones.effects import Called, Changed, Heard, Impaired, MediaIn, MediaOut, Subscribed, Transmit, Turned
from phones.fleet import Fleet
from phones.net_sockets import SocketWire
from phones.phone import Identity
from phones.sip.index import Message
from phones.sip.message import Address, request, response
from tests.end_to_end.conftest import CommandLine, Served
from tests.end_to_end.support import line_of, started

STATES = {"off": "terminated", "ringing": "early", "busy": "confirmed"}


class Notifier:
    """A SIP server that is played by the test: it sees what the watcher sends, and tells it what the test wants."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(30)
        self.edge = "{}:{}".format(*self._socket.getsockname())
        self._watcher: Address = ("", 0)
        self._cseq = 0

    def receives(self, method: str) -> Message:
        """The next message that is a request of this method, or a response to one."""
        while True:
            data, self._watcher = self._socket.recvfrom(65536)
            message = Message.parse(data)
            if message.method == method or (not message.is_request and f" {method}" in (message.get("cseq") or "")):
                return message

    def answers(self, message: Message, status: int, *headers: tuple[str, str]) -> None:
        """Answer a request."""
        self._socket.sendto(response(message, status, to_tag="server", headers=headers), self._watcher)

    def notifies(self, subscribe: Message, state: str, version: int) -> None:
        """Tell a state, and wait until that was acknowledged."""
        self._cseq += 1
        said = f'version="{version}" state="full" entity="sip:1001@r"'
        dialog = f'<dialog id="d"><state>{STATES[state]}</state></dialog>'
        body = f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" {said}>{dialog}</dialog-info>'
        headers = [
            ("Via", f"SIP/2.0/UDP {self.edge};branch=z9hG4bK-{self._cseq}"),
            ("From", f"{subscribe.get('to')};tag=server"),
            ("To", subscribe.get("from") or ""),
            ("Call-ID", subscribe.call_id),
            ("CSeq", f"{self._cseq} NOTIFY"),
            ("Contact", f"<sip:{self.edge}>"),
            ("Event", "dialog"),
            ("Subscription-State", "active;expires=600"),
            ("Content-Type", "application/dialog-info+xml"),
        ]
        self._socket.sendto(request("NOTIFY", "sip:watch@127.0.0.1", headers, body.encode()), self._watcher)
        assert self.receives("NOTIFY").status == 200

    def close(self) -> None:
        """Go away."""
        self._socket.close()


@pytest.fixture
def notifier() -> Iterator[Notifier]:
    playing = Notifier()
    yield playing
    playing.close()


def grants(notifier: Notifier) -> Message:
    """Take the watcher's subscription; its lamp is off."""
    subscribe = notifier.receives("SUBSCRIBE")
    notifier.answers(subscribe, 200, ("Expires", "600"), ("Contact", f"<sip:{notifier.edge}>"))
    notifier.notifies(subscribe, "off", 1)
    return subscribe


def ends(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Exit code and what is left to read of a process that ends by itself."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


def test_every_change_is_shown_and_ctrl_c_takes_leave(tmp_path: Path, notifier: Notifier) -> None:
    with started("watch", "1001", "--edge", notifier.edge, "--realm", "r", cwd=tmp_path) as process:
        subscribe = grants(notifier)
        assert (subscribe.uri, subscribe.get("event"), subscribe.get("expires")) == ("sip:1001@r", "dialog", "600")
        assert line_of(process.stderr) == f"watching sip:1001@r at {notifier.edge}; Ctrl-C ends it\n"
        for version, state in enumerate(("ringing", "busy", "busy", "off"), 2):
            notifier.notifies(subscribe, state, version)
        # not shown, but said
        notifier.notifies(subscribe, "ringing", 3)
        shown = [line_of(process.stdout).split(maxsplit=2)[1:] for _ in range(5)]
        assert [words[0] for words in shown] == ["sip:1001@r"] * 5
        said = ["off", "ringing", "busy", "off", "law broken: version 3 after 5"]
        assert [words[1].strip() for words in shown] == said
        process.send_signal(signal.SIGINT)
        goodbye = notifier.receives("SUBSCRIBE")
        assert (goodbye.call_id, goodbye.get("expires")) == (subscribe.call_id, "0")
        notifier.answers(goodbye, 200, ("Expires", "0"), ("Contact", f"<sip:{notifier.edge}>"))
        assert ends(process) == (0, "", "")


def test_who_gets_no_answer_to_its_goodbye_leaves_all_the_same(tmp_path: Path, notifier: Notifier) -> None:
    with started("watch", "1001", "--edge", notifier.edge, "--realm", "r", cwd=tmp_path) as process:
        grants(notifier)
        assert line_of(process.stdout)
        process.send_signal(signal.SIGTERM)
        notifier.receives("SUBSCRIBE")
        process.send_signal(signal.SIGINT)
        assert ends(process)[0] == 0


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_can_be_watched(tmp_path: Path, notifier: Notifier, as_json: bool) -> None:
    form = ["--format", "json"] if as_json else []
    with started(
        "watch", "1001", "sip:1002@r", "--edge", notifier.edge, "--realm", "r", *form, cwd=tmp_path
    ) as process:
        for _ in range(2):
            notifier.answers(notifier.receives("SUBSCRIBE"), 403)
        code, out, err = ends(process)
    assert code == 7
    sentence = f"nothing could be watched at {notifier.edge}"
    if as_json:
        document = json.loads(out)
        TypeAdapter(PRINTED["watch"]).validate_python(document)
        assert (document["exit_code"], document["error"]["message"]) == (7, sentence)
        said = [(each["presentity"], each["kind"], each["text"]) for each in document["changes"]]
        assert sorted(said) == [
            ("sip:1001@r", "subscription", "refused (403 Forbidden)"),
            ("sip:1002@r", "subscription", "refused (403 Forbidden)"),
        ]
    else:
        assert out.count("subscription refused (403 Forbidden)\n") == 2
        assert err.endswith(f"ringproof: {sentence}\n")


def test_who_gives_up_before_anything_was_granted_has_watched_nothing(tmp_path: Path, notifier: Notifier) -> None:
    with started("watch", "1001", "--edge", notifier.edge, "--realm", "r", cwd=tmp_path) as process:
        notifier.receives("SUBSCRIBE")
        process.send_signal(signal.SIGINT)
        code, _, err = ends(process)
    assert (code, err.splitlines()[-1]) == (7, f"ringproof: nothing could be watched at {notifier.edge}")


def test_a_document_of_what_was_seen(tmp_path: Path, notifier: Notifier) -> None:
    arguments = [
        "1001",
        "sip:1002@r",
        "--edge",
        notifier.edge,
        "--realm",
        "r",
        "--as",
        "me:secret-word",
        "--duration",
        "1",
    ]
    with started("watch", *arguments, "--format", "json", cwd=tmp_path) as process:
        notifier.answers(notifier.receives("REGISTER"), 403)
        asked = [notifier.receives("SUBSCRIBE") for _ in range(2)]
        [refused] = [each for each in asked if "1002" in each.uri]
        [granted] = [each for each in asked if "1001" in each.uri]
        notifier.answers(refused, 404)
        notifier.answers(granted, 200, ("Expires", "600"), ("Contact", f"<sip:{notifier.edge}>"))
        notifier.notifies(granted, "busy", 1)
        notifier.answers(notifier.receives("SUBSCRIBE"), 200, ("Expires", "0"), ("Contact", f"<sip:{notifier.edge}>"))
        code, out, _ = ends(process)
    assert code == 0
    document = WatchDocument.model_validate(json.loads(out))
    assert document.presentities == ["sip:1001@r", "sip:1002@r"]
    assert sorted((each.presentity, each.kind, each.text) for each in document.changes) == [
        ("", "registration", "refused (403 Forbidden)"),
        ("sip:1001@r", "lamp", "busy"),
        ("sip:1002@r", "subscription", "refused (404 Not Found)"),
    ]
    assert "secret-word" not in out


def test_a_reader_that_goes_is_no_error_of_ours(tmp_path: Path, notifier: Notifier) -> None:
    with started("watch", "1001", "--edge", notifier.edge, "--realm", "r", cwd=tmp_path) as process:
        subscribe = grants(notifier)
        assert line_of(process.stdout)
        assert process.stdout is not None
        process.stdout.close()
        notifier.notifies(subscribe, "busy", 2)
        notifier.answers(notifier.receives("SUBSCRIBE"), 200, ("Expires", "0"), ("Contact", f"<sip:{notifier.edge}>"))
        assert process.wait(60) == 3
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


USAGE = [
    (["1001", "--edge", "nowhere", "--realm", "r"], "--edge nowhere: host:port is wanted"),
    (["1001", "--edge", "127.0.0.1:99999", "--realm", "r"], "--edge 127.0.0.1:99999: host:port is wanted"),
    (["1001", "--edge", "", "--realm", "r"], "--edge : host:port is wanted"),
    (["1001"], "say either --target FILE or --edge HOST:PORT"),
    (["1001", "--edge", "127.0.0.1:9", "--target", "x.yaml"], "say either --target FILE or --edge HOST:PORT"),
    (["1001", "--edge", "127.0.0.1:9"], "the realm of the account is not known"),
    (["1001", "sip:1002@r", "--edge", "127.0.0.1:9"], "the realm of the account is not known"),
    (["1001", "--target", "x.yaml"], "x.yaml"),
    (["1001", "--edge", "127.0.0.1:9", "--realm", "r", "--as", "me"], "--as me: USER:PASSWORD is wanted"),
    (["a b", "--edge", "127.0.0.1:9", "--realm", "r"], "an extension such as 1001, or sip:1001@realm"),
    (["1001", "--edge", "127.0.0.1:9", "--realm", "r", "--event", "reg"], "'--event'"),
    ([], "EXTENSION|URI"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE, ids=[" ".join(each[0]) for each in USAGE])
def test_bad_usage(cli: CommandLine, arguments: list[str], said: str) -> None:
    done = cli("watch", *arguments)
    assert (done.code, done.out) == (4, "")
    assert said in done.err
    assert "Traceback" not in done.err


def test_an_address_that_is_not_ours(cli: CommandLine) -> None:
    done = cli("watch", "1001", "--edge", "127.0.0.1:9", "--realm", "r", "--bind", "192.0.2.1")
    assert done.code == 3
    assert "cannot open an address at 192.0.2.1" in done.err


class Waiting:
    """A sink that tells when a phone's call has come to a state."""

    def __init__(self) -> None:
        self.reached: dict[tuple[str, str], asyncio.Event] = {}

    async def until(self, phone: str, state: str) -> None:
        """Wait until a call of `phone` has come there."""
        async with asyncio.timeout(30):
            await self.reached.setdefault((phone, state), asyncio.Event()).wait()

    def called(self, phone: str, called: Called, now: float) -> None:
        self.reached.setdefault((phone, called.state), asyncio.Event()).set()

    def heard(self, phone: str, heard: Heard, now: float) -> None: ...
    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None: ...
    def impaired(self, phone: str, impaired: Impaired, now: float) -> None: ...
    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None: ...
    def turned(self, phone: str, turned: Turned, now: float) -> None: ...
    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None: ...
    def media_heard(self, phone: str, media: MediaIn, now: float) -> None: ...
    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None: ...


def test_calls_through_the_reference_server_are_seen(served: Served, tmp_path: Path) -> None:
    ready = served.outside.ready
    desk, lobby = ready["devices"]
    host, _, port = ready["sip"]["udp"].rpartition(":")

    async def call() -> None:
        sink, loop = Waiting(), asyncio.get_running_loop()
        fleet = Fleet(SocketWire(loop), loop, sink)
        phones = [
            fleet.add(
                name,
                Identity(each["username"], each["password"], ready["realm"]),
                edge=(host, int(port)),
                rng=Random(1),
            )
            for name, each in (("desk", desk), ("lobby", lobby))
        ]
        try:
            for phone in phones:
                assert (await phone.register()).state == "registered"
            phones[0].calls_policy = CallPolicy("ring")
            phones[1].call(f"sip:{desk['username']}@{ready['realm']}")
            await sink.until("desk", "ringing")
            phones[0].answer()
            await sink.until("desk", "talking")
            phones[1].hang_up()
            await sink.until("desk", "ended")
            for phone in phones:
                await phone.unregister()
        finally:
            fleet.close()

    with started("watch", desk["presence_id"], "--target", served.target, cwd=tmp_path) as process:
        assert line_of(process.stdout).split()[1:] == [f"sip:{desk['presence_id']}@{ready['realm']}", "off"]
        asyncio.run(call())
        assert [line_of(process.stdout).split()[2] for _ in range(3)] == ["ringing", "busy", "off"]
        process.send_signal(signal.SIGINT)
        assert ends(process)[0] == 0
