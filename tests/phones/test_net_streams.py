"""Connections: the same behaviour over TCP, TLS and WebSocket, on sockets and in memory."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from phones import net_sockets, net_web
from phones.net import Connection, Wire
from phones.net_flow import Flow
from phones.net_memory import MemoryWire
from phones.net_sockets import Encryption, SocketWire
from phones.sip.framing import PING, PONG
from phones.sip.message import Address
from phones.sip.transport import Transport
from tests.phones.news import News

STREAMS = [transport for transport in Transport if transport.reliable]
AUTHORITY = trustme.CA()
NEWS = News()
"""Of every End, Server and flow here."""
HELLO = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 2\r\n\r\nhi"
LONG = b"MESSAGE sip:a SIP/2.0\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000


def identity(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*names).configure_cert(context)
    return context


def trust(*, ours: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ours:
        AUTHORITY.configure_trust(context)
    return context


@dataclass
class End:
    """One end of a connection, and what it was told."""

    messages: list[bytes] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    connection: Connection | None = None
    remote: Address = ("", 0)
    echo: bool = False

    def received(self, data: bytes) -> None:
        self.messages.append(data)
        NEWS.tell()
        if self.echo and self.connection is not None:
            self.connection.send(data)

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)
        NEWS.tell()


class Server:
    """Accepts, and keeps what it has accepted."""

    def __init__(self, *, echo: bool = False) -> None:
        self.ends: list[End] = []
        self._echo = echo

    def __call__(self, connection: Connection, remote: Address) -> End:
        self.ends.append(End(connection=connection, remote=remote, echo=self._echo))
        NEWS.tell()
        return self.ends[-1]


@asynccontextmanager
async def listening(
    transport: Transport, world: str = "sockets", encryption: Encryption | None = None, *, echo: bool = False
) -> AsyncIterator[tuple[Wire, Server, Address]]:
    loop = asyncio.get_running_loop()
    host = "::1" if world == "IPv6" else "127.0.0.1"
    encryption = encryption or Encryption(trust(), None, identity("127.0.0.1", "::1", "localhost"))
    wire: Wire = MemoryWire(loop, random.Random(1)) if world == "memory" else SocketWire(loop, encryption)
    server = Server(echo=echo)
    listener = await wire.listen(transport, server, host)
    try:
        yield wire, server, listener.local
    finally:
        await listener.close()
        await asyncio.sleep(0.01)


WORLDS = ["sockets", "IPv6", "memory"]


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("transport", STREAMS)
def test_messages_go_both_ways_in_order(transport: Transport, world: str) -> None:
    async def story() -> None:
        async with listening(transport, world, echo=True) as (wire, server, where):
            end = End()
            connection = wire.connection(transport, end, where[0])
            local = connection.local
            connection.connect(where)
            wanted = [HELLO, LONG, *[HELLO.replace(b"hi", b"%02d" % n) for n in range(40)]]
            for data in wanted:
                connection.send(data)
            await NEWS.until(lambda: len(end.messages) == len(wanted))
            assert end.messages == server.ends[0].messages == wanted
            # both know the address that was there before the connection was
            assert server.ends[0].remote == local == connection.local
            connection.close()
            await NEWS.until(lambda: server.ends[0].reasons)
            assert end.reasons == []

    asyncio.run(story())


@pytest.mark.parametrize("world", ["sockets", "memory"])
@pytest.mark.parametrize("transport", STREAMS)
def test_either_side_learns_that_the_other_has_gone(transport: Transport, world: str) -> None:
    async def story() -> None:
        async with listening(transport, world) as (wire, server, where):
            end = End()
            connection = wire.connection(transport, end)
            connection.connect(where)
            connection.send(HELLO)
            await NEWS.until(lambda: server.ends and server.ends[0].messages)
            accepted = server.ends[0].connection
            assert accepted is not None
            accepted.close()
            await NEWS.until(lambda: end.reasons)
            assert end.reasons == ["closed by the other end"]
            # what is sent now is lost, and nobody is told twice
            connection.send(HELLO)
            connection.close()
            await asyncio.sleep(0.01)
            assert len(end.reasons) == 1

    asyncio.run(story())


@pytest.mark.parametrize("world", ["sockets", "memory"])
@pytest.mark.parametrize("transport", STREAMS)
def test_nobody_listens(transport: Transport, world: str) -> None:
    async def story() -> None:
        async with listening(Transport.TCP, world) as (wire, _, where):
            end = End()
            connection = wire.connection(transport, end)
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                connection.connect(taken.getsockname() if world == "sockets" else (where[0], 9))
                await NEWS.until(lambda: end.reasons)
            assert end.reasons == ["connection refused"]

    asyncio.run(story())


@pytest.mark.parametrize("transport", [Transport.TLS, Transport.WSS])
@pytest.mark.parametrize(
    ("client", "names", "says"),
    [
        (Encryption(trust(ours=False)), ("127.0.0.1",), "the certificate of 127.0.0.1 does not hold"),
        (Encryption(trust()), ("sip.example.com",), "the certificate of 127.0.0.1 does not hold: IP address mismatch"),
        (Encryption(trust(), "sip.example.com"), ("sip.example.com",), ""),
        (Encryption(trust(), "b.example.com"), ("a.example.com",), "certificate of b.example.com does not hold"),
    ],
)
def test_a_certificate_has_to_hold(transport: Transport, client: Encryption, names: tuple[str, ...], says: str) -> None:
    async def story() -> None:
        async with listening(transport, encryption=Encryption(None, None, identity(*names)), echo=True) as (
            _,
            _,
            where,
        ):
            wire = SocketWire(asyncio.get_running_loop(), client)
            end = End()
            connection = wire.connection(transport, end)
            connection.connect(where)
            connection.send(HELLO)
            await NEWS.until(lambda: end.reasons or end.messages)
            assert bool(end.messages) == (not says)
            assert says in "".join(end.reasons)
            connection.close()

    asyncio.run(story())


def test_the_server_is_told_whom_we_want() -> None:
    """SNI."""
    told: list[str | None] = []
    end = End()

    def note(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        told.append(name)

    async def story() -> None:
        ours = identity("pbx.example.com")
        ours.sni_callback = note
        encryption = Encryption(trust(), "pbx.example.com", ours)
        for transport in (Transport.TLS, Transport.WSS):
            async with listening(transport, encryption=encryption, echo=True) as (wire, _, where):
                connection = wire.connection(transport, end)
                connection.connect(where)
                connection.send(HELLO)
                await NEWS.until(lambda: end.messages)
                end.messages.clear()
                connection.close()

    asyncio.run(story())
    assert told == ["pbx.example.com"] * 2


@pytest.mark.parametrize("transport", [Transport.TLS, Transport.WSS])
def test_a_client_certificate(transport: Transport) -> None:
    async def story(shown: bool) -> End:
        ours = identity("127.0.0.1")
        AUTHORITY.configure_trust(ours)
        ours.verify_mode = ssl.CERT_REQUIRED
        context = trust()
        if shown:
            AUTHORITY.issue_cert("phone@example.com").configure_cert(context)
        async with listening(transport, encryption=Encryption(context, None, ours), echo=True) as (wire, _, where):
            end = End()
            connection = wire.connection(transport, end)
            connection.connect(where)
            connection.send(HELLO)
            await NEWS.until(lambda: end.messages or end.reasons)
            connection.close()
        return end

    assert asyncio.run(story(shown=True)).messages == [HELLO]
    assert asyncio.run(story(shown=False)).messages == []


def test_a_web_server_that_speaks_no_sip() -> None:
    async def handle(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404)

    async def story() -> list[str]:
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        end = End()
        connection = SocketWire(asyncio.get_running_loop()).connection(Transport.WS, end)
        connection.connect(runner.addresses[0][:2])
        await NEWS.until(lambda: end.reasons)
        await runner.cleanup()
        return end.reasons

    (reason,) = asyncio.run(story())
    assert reason.startswith("the server opens no WebSocket: 404")


@contextmanager
def lingering(transport: Transport) -> Iterator[Address]:
    """A server in a thread of its own that is too busy for our leaving, and for the goodbye of TLS."""
    left = threading.Event()
    where: Future[Address] = Future()

    async def linger(request: web.BaseRequest) -> web.StreamResponse:
        accepted = web.WebSocketResponse(protocols=("sip",), autoclose=False)
        await accepted.prepare(request)
        async for message in accepted:
            await accepted.send_str(message.data)
        left.wait(5)
        return accepted

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(linger))
        await runner.setup()
        ours = identity("127.0.0.1") if transport.encrypted else None
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ours).start()
        where.set_result(runner.addresses[0][:2])
        await asyncio.to_thread(left.wait)
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        yield where.result(5)
    finally:
        left.set()
        thread.join()


@pytest.mark.parametrize("transport", [Transport.WS, Transport.WSS])
def test_the_socket_of_a_connection_is_nobody_elses_while_it_says_goodbye(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net_web, "_LAST_WORDS_S", 0.05)

    async def story(where: Address) -> None:
        wire = SocketWire(asyncio.get_running_loop(), Encryption(trust()))
        end = End()
        connection = wire.connection(transport, end)
        connection.connect(where)
        connection.send(HELLO)
        await NEWS.until(lambda: end.messages)
        connection.close()
        opened = []
        for _ in range(40):
            # gets the number of the socket when that has been closed under TLS, and raises
            opened.append(wire.open(lambda data, source: None))
            await asyncio.sleep(0.005)
        for each in opened:
            each.close()

    with lingering(transport) as where:
        asyncio.run(story(where))


@pytest.mark.parametrize("protocols", [(), ("mqtt",)])
def test_a_browser_that_speaks_no_sip_is_refused(protocols: tuple[str, ...]) -> None:
    async def story() -> int:
        async with listening(Transport.WS) as (_, server, where), aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(f"ws://{where[0]}:{where[1]}/", protocols=protocols)
            assert server.ends == []
            return caught.value.status

    assert asyncio.run(story()) == 400


@pytest.mark.parametrize("world", ["sockets", "memory"])
@pytest.mark.parametrize("transport", STREAMS)
def test_a_ping_is_answered(transport: Transport, world: str) -> None:
    async def story() -> None:
        async with listening(transport, world, echo=True) as (wire, server, where):
            end = End()
            connection = wire.connection(transport, end)
            connection.connect(where)
            connection.send(PING)
            connection.send(HELLO)
            await NEWS.until(lambda: end.messages)
            # the answer came before what was sent behind the ping, and neither is a message
            assert connection.octets == len(PONG) + len(HELLO)
            assert (end.messages, server.ends[0].messages) == ([HELLO], [HELLO])
            connection.close()

    asyncio.run(story())


# --- peers that behave badly -----------------------------------------------------------------------------------------


async def good_phone(wire: Wire, where: Address) -> None:
    """Another phone, which must not notice anything."""
    end = End()
    connection = wire.connection(Transport.TCP, end)
    connection.connect(where)
    connection.send(HELLO)
    await NEWS.until(lambda: end.messages)
    connection.close()


def test_a_stream_without_sense_is_closed_and_harms_nobody() -> None:
    async def story() -> None:
        async with listening(Transport.TCP, echo=True) as (wire, server, where):
            reader, writer = await asyncio.open_connection(*where)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            assert server.ends[0].reasons == ["no Content-Length in a stream"]
            writer.close()
            await good_phone(wire, where)

    asyncio.run(story())


def test_who_stalls_in_the_middle_of_a_message_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_sockets, "STALLED_S", 0.05)

    async def story() -> None:
        async with listening(Transport.TCP, echo=True) as (wire, server, where):
            reader, writer = await asyncio.open_connection(*where)
            writer.write(HELLO + LONG[:500])
            await NEWS.until(lambda: server.ends)
            await good_phone(wire, where)
            await reader.read()
            assert server.ends[0].reasons == ["stalled in the middle of a message"]
            assert server.ends[0].messages == [HELLO]
            writer.close()

    asyncio.run(story())


def test_who_reads_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net_sockets, "_MOST_UNSENT", 100_000)

    async def story() -> None:
        async with listening(Transport.TCP, echo=True) as (wire, server, where):
            with socket.socket() as deaf:
                deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                deaf.connect(where)
                deaf.setblocking(False)
                await NEWS.until(lambda: server.ends)
                accepted = server.ends[0].connection
                assert accepted is not None
                for _ in range(200):
                    accepted.send(LONG)
                await NEWS.until(lambda: server.ends[0].reasons)
                assert server.ends[0].reasons == ["the other end does not read"]
            await good_phone(wire, where)

    asyncio.run(story())


def test_a_flood_leaves_time_for_others() -> None:
    async def story() -> None:
        async with listening(Transport.TCP) as (wire, server, where):
            loud, quiet = End(), End()
            flood, other = (wire.connection(Transport.TCP, end) for end in (loud, quiet))
            flood.connect(where)
            flood.send(HELLO * 20_000)
            await NEWS.until(lambda: server.ends and server.ends[0].messages)
            other.connect(where)
            other.send(HELLO)
            await NEWS.until(lambda: len(server.ends) == 2 and server.ends[1].messages)
            # the flood was not through before the other had its turn
            assert len(server.ends[0].messages) < 20_000
            await NEWS.until(lambda: len(server.ends[0].messages) == 20_000)
            flood.close()
            other.close()

    asyncio.run(story())


# --- the way of a phone ----------------------------------------------------------------------------------------------


@asynccontextmanager
async def flowing() -> AsyncIterator[tuple[Flow, Server, Address, list[tuple[Any, ...]], list[str]]]:
    """A flow, its server that echoes, and where; what came over the flow, and why it was lost."""
    async with listening(Transport.TCP, echo=True) as (wire, server, where):
        got: list[tuple[Any, ...]] = []
        lost: list[str] = []

        def received(*seen: Any) -> None:
            got.append(seen)
            NEWS.tell()

        def broken(reason: str) -> None:
            lost.append(reason)
            NEWS.tell()

        flow = Flow(wire, asyncio.get_running_loop(), Transport.TCP, received, broken, "127.0.0.1")
        yield flow, server, where, got, lost
        flow.close()


def test_a_flow_opens_when_it_is_needed_and_again_after_a_loss() -> None:
    async def story() -> None:
        async with flowing() as (flow, server, where, got, lost):
            await asyncio.sleep(0.01)
            assert server.ends == []
            flow.send(HELLO, where)
            await NEWS.until(lambda: got)
            first = server.ends[0]
            assert (got, first.remote) == ([(HELLO, where)], flow.local)
            assert first.connection is not None
            first.connection.close()
            await NEWS.until(lambda: lost)
            flow.send(HELLO, where)
            await NEWS.until(lambda: len(got) == 2)
            assert lost == ["closed by the other end"]
            # it is known where the new one begins: nobody could be reached at the old address
            assert [end.remote for end in server.ends] == [first.remote, flow.local]
            assert first.remote != flow.local
            flow.close()
            flow.send(HELLO, where)

    asyncio.run(story())


def test_a_flow_without_a_network_fails_and_its_other_end_is_not_told() -> None:
    async def story() -> None:
        async with flowing() as (flow, server, where, got, lost):
            flow.cut("the cable is pulled")
            flow.restore()
            flow.send(HELLO, where)
            await NEWS.until(lambda: got)
            flow.cut("the cable is pulled")
            await NEWS.until(lambda: lost)
            flow.send(HELLO, where)
            await NEWS.until(lambda: len(lost) == 2)
            assert lost == ["the cable is pulled"] * 2
            # who does not know of it goes on talking
            first = server.ends[0]
            assert first.connection is not None
            first.connection.send(HELLO)
            await NEWS.until(lambda: len(got) == 2)
            assert first.reasons == []
            flow.restore()
            flow.send(HELLO, where)
            await NEWS.until(lambda: len(got) == 3)
            assert [end.remote for end in server.ends] == [first.remote, flow.local]
            assert len(lost) == 2
            # and learns of it when the network is back
            await NEWS.until(lambda: first.reasons)

    asyncio.run(story())


def test_an_end_that_goes_while_the_network_is_away_is_no_second_loss() -> None:
    async def story() -> None:
        async with flowing() as (flow, server, where, got, lost):
            flow.send(HELLO, where)
            await NEWS.until(lambda: got)
            flow.cut("the cable is pulled")
            await NEWS.until(lambda: lost)
            first = server.ends[0]
            assert first.connection is not None
            first.connection.close()
            await asyncio.sleep(0.02)
            flow.restore()
            flow.send(HELLO, where)
            await NEWS.until(lambda: len(got) == 2)
            assert lost == ["the cable is pulled"]

    asyncio.run(story())
