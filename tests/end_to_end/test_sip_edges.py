"""What a target file says of its SIP edge: certificates, names, the next edge, where phones are. Each by a run."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import TypeAdapter

from harness.documents import PRINTED
from harness.target import Edges
from harness.world import encryption_of
from phones.net import Connection
from phones.net_sockets import Encryption, SocketWire
from phones.sip.index import Message
from phones.sip.message import Address
from phones.sip.transport import Transport
from reports.record import Event, read_record
from tests.end_to_end.conftest import Served
from tests.end_to_end.support import Done, ringproof
from tests.end_to_end.test_targets import changed, clean
from tests.harness.names import name_service
from tests.phones.news import News

CASE = "sync/path-on-v1"
ENCRYPTED = [Transport.TLS, Transport.WSS]


def sip_of(served: Served, *transports: Transport) -> dict[str, Any]:
    sip = json.loads(served.target.read_text())["sip"]
    return {each.value: sip[each.value] for each in transports}


def run(served: Served, folder: Path, sip: dict[str, Any], *more: str, **fields: Any) -> Done:
    target = changed(served, folder, sip=sip, **fields)
    done = ringproof("run", CASE, "--target", target, *more, cwd=folder)
    clean(done)
    return done


def messages(folder: Path, method: str) -> list[tuple[Event, Message]]:
    """What phones sent."""
    found = []
    for event, data in read_record(folder / "out" / "latest"):
        if event["kind"] == "message" and event["direction"] == "out":
            message = Message.parse(data)
            if message.is_request and message.method == method:
                found.append((event, message))
    return found


# --- certificates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ENCRYPTED)
@pytest.mark.parametrize(
    ("says", "code"),
    [
        ({}, 0),  # the CA of the target, as for HTTPS
        ({"ca_file": "else"}, 7),
        ({"ca_file": "else", "verify": False}, 0),
        ({"server_name": "pbx.example"}, 7),
        ({"server_name": "pbx.example", "verify": False}, 0),
    ],
)
def test_whose_certificate_it_has_to_be(
    transport: Transport, says: dict[str, Any], code: int, served: Served, tmp_path: Path
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "else"))
    if "ca_file" in says:
        says = {**says, "ca_file": str(tmp_path / "else")}
    done = run(served, tmp_path, {**sip_of(served, transport), **says})
    assert done.code == code, done.out
    if code:
        expected = says.get("server_name", "127.0.0.1")
        assert f"TLS: the certificate of {expected} does not hold: " in done.out
        # nobody said a word to that server
        assert messages(tmp_path, "NOTIFY") == []


def test_the_ca_of_the_api_is_not_that_of_sip(served: Served, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "else"))
    known = json.loads(served.target.read_text())["ca_file"]
    sip = {**sip_of(served, Transport.TLS), "ca_file": known}
    assert run(served, tmp_path, sip, ca_file=str(tmp_path / "else"), verify=True).code == 0


def test_a_certificate_of_ours_that_cannot_be_used(served: Served, tmp_path: Path) -> None:
    (tmp_path / "ours.pem").write_text("no certificate")
    done = run(served, tmp_path, {**sip_of(served, Transport.TLS), "certificate": str(tmp_path / "ours.pem")})
    assert done.code == 3, done.out
    assert f"the certificate {tmp_path / 'ours.pem'} cannot be used" in done.out + done.err


class Strict:
    """A server that wants to see a certificate, and knows for whom it was taken."""

    def __init__(self, authority: trustme.CA) -> None:
        self.names: list[str | None] = []
        self.heard: list[bytes] = []
        self.news = News()
        self.identity = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("pbx.example").configure_cert(self.identity)
        authority.configure_trust(self.identity)
        self.identity.verify_mode = ssl.CERT_REQUIRED
        self.identity.sni_callback = lambda _, name, __: self.names.append(name)

    def __call__(self, connection: Connection, remote: Address) -> Strict:
        return self

    def received(self, data: bytes) -> None:
        self.heard.append(data)
        self.news.tell()

    def lost(self, reason: str) -> None:
        self.news.tell()


@pytest.mark.parametrize("transport", ENCRYPTED)
@pytest.mark.parametrize("key_apart", [False, True])
def test_the_name_of_the_target_is_asked_for_and_our_certificate_is_shown(
    transport: Transport, key_apart: bool, tmp_path: Path
) -> None:
    """SNI is the name in the target file, wherever SRV leads (RFC 5922 4)."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours = authority.issue_cert("phone@pbx.example")
    if key_apart:
        ours.cert_chain_pems[0].write_to_path(str(tmp_path / "ours.pem"))
        ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    else:
        ours.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "ours.pem"))
    edges = Edges.model_validate(
        {
            transport.value: "pbx.example",
            "ca_file": str(tmp_path / "ca.pem"),
            "certificate": str(tmp_path / "ours.pem"),
            "private_key": str(tmp_path / "key.pem") if key_apart else None,
        }
    )

    async def story() -> Strict:
        server, loop = Strict(authority), asyncio.get_running_loop()
        listener = await SocketWire(loop, Encryption(identity=server.identity)).listen(transport, server)
        wire = SocketWire(loop, encryption_of(edges))
        connection = wire.connection(transport, server)
        connection.connect(listener.local)
        connection.send(b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n")
        await server.news.until(lambda: server.heard)
        connection.close()
        await wire.gone()
        await listener.close()
        return server

    assert asyncio.run(story()).names == ["pbx.example"]


# --- names, and the next edge ----------------------------------------------------------------------------------------


def through_names(served: Served, folder: Path, zone: str, sip: dict[str, Any], *more: str) -> Done:
    """A run with a name service of its own."""

    async def story() -> Done:
        async with name_service(zone) as (host, port):
            told = {**sip, "nameserver": f"{host}:{port}"}
            return await asyncio.to_thread(run, served, folder, told, *more)

    return asyncio.run(story())


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.TLS, Transport.WS])
def test_an_edge_that_refuses_is_followed_by_the_next(transport: Transport, served: Served, tmp_path: Path) -> None:
    alive = sip_of(served, transport)[transport.value].rpartition(":")[2]
    name = {Transport.TCP: "_sip._tcp", Transport.TLS: "_sips._tcp", Transport.WS: "_sip._ws"}[transport]
    with ExitStack() as stack:
        # nobody listens, and nobody else can
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        dead = taken.getsockname()[1]
        zone = f"""
            {name}.pbx.example. 60 IN SRV 10 0 {dead} one.example.
            {name}.pbx.example. 60 IN SRV 20 0 {alive} two.example.
            one.example.        60 IN A 127.0.0.1
            two.example.        60 IN A 127.0.0.1
        """
        sip = {transport.value: "pbx.example", "server_name": "127.0.0.1"}
        done = through_names(served, tmp_path, zone, sip)
    assert done.code == 0, done.out
    record = read_record(tmp_path / "out" / "latest")
    turned = [event for event in record.events if event["kind"] == "edge"]
    assert turned
    for each in turned:
        assert (each["former"], each["edge"]) == (f"127.0.0.1:{dead}", f"127.0.0.1:{alive}")
        assert (each["status"], each["reason"]) == (0, "connection refused")
    # the phone knocked at the first before, and what came of it all came from the second
    first = next(event["remote"] for event, _ in messages(tmp_path, "REGISTER"))
    assert first == f"127.0.0.1:{dead}"
    heard = {event["remote"] for event in record.events if event["kind"] == "message" and event["direction"] == "in"}
    assert heard == {f"127.0.0.1:{alive}"}


def test_a_watcher_goes_on_to_the_next_edge_and_says_so(served: Served, tmp_path: Path) -> None:
    alive = sip_of(served, Transport.TCP)["tcp"].rpartition(":")[2]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        dead = taken.getsockname()[1]
        zone = f"""
            _sip._tcp.pbx.example. 60 IN SRV 1 0 {dead} pbx.example.
            _sip._tcp.pbx.example. 60 IN SRV 2 0 {alive} pbx.example.
            pbx.example.           60 IN A 127.0.0.1
        """

        async def story() -> Done:
            async with name_service(zone) as (host, port):
                target = changed(served, tmp_path, sip={"tcp": "pbx.example", "nameserver": f"{host}:{port}"})
                arguments = ("watch", "1001", "--target", target, "--duration", "0.2", "--format", "json")
                return await asyncio.to_thread(ringproof, *arguments, cwd=tmp_path)

        done = asyncio.run(story())
    assert done.code == 0, done.err
    TypeAdapter(PRINTED["watch"]).validate_python(done.document, strict=True)
    told = [(each["kind"], each["text"]) for each in done.document["changes"]]
    assert told == [
        ("edge", f"127.0.0.1:{alive}, for 127.0.0.1:{dead} does not answer (connection refused)"),
        ("lamp", "off"),
    ]


def test_a_name_that_nobody_knows(served: Served, tmp_path: Path) -> None:
    done = through_names(served, tmp_path, "other.example. 60 IN A 127.0.0.1", {"udp": "pbx.example"})
    assert (done.code, done.err) == (7, "")
    assert "ringproof: the SIP edge pbx.example has no address\n" in done.out


# --- where phones are ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.WS])
def test_phones_are_where_the_target_says_and_say_they_are_elsewhere(
    transport: Transport, served: Served, tmp_path: Path
) -> None:
    sip = sip_of(served, transport)
    done = run(served, tmp_path, sip, bind="127.0.0.2", advertise="192.0.2.99")
    assert done.code == 0, done.out
    registers = messages(tmp_path, "REGISTER")
    assert registers
    for _, message in registers:
        assert message.top_via.split()[1].startswith("192.0.2.99:")
        assert "@192.0.2.99:" in (message.get("contact") or "")
    heard = [
        Message.parse(data)
        for event, data in read_record(tmp_path / "out" / "latest")
        if event["kind"] == "message" and event["direction"] == "in"
    ]
    # the edge saw the address that they really have, and reaches them there
    assert all("received=127.0.0.2" in each.top_via for each in heard if each.status and each.method == "REGISTER")
    assert any(each.method == "NOTIFY" and each.is_request for each in heard)
