"""Real sockets: UDP, TCP and TLS on the running event loop, without a thread. WebSockets are in `net_web`.

A turn of the loop takes at most 64 datagrams of one address, or one buffer of one connection: a flood at one phone
leaves time for the others.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from dataclasses import dataclass

from phones.net import Accept, Connection, Endpoint, Listener, Peer, Receive
from phones.sip.framing import PONG, framer_of
from phones.sip.index import SipSyntaxError
from phones.sip.message import Address
from phones.sip.transport import Transport

_BATCH = 64
_RECEIVE_BUFFER = 1 << 20
_LARGEST = 65_535
_READ = 32 * 1024
_MOST_UNSENT = 4 << 20
"""Octets that a peer may leave unread."""
CONNECT_S = 10.0
STALLED_S = 32.0
"""How long a message may stay without its rest: 64*T1."""
_LAST_WORDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Encryption:
    """How connections are made safe, and what a WebSocket is asked for.

    `trust` decides about servers (None: what the system trusts), `server_name` is whom we expect there (SNI; None:
    the address), `identity` is who we are where we listen, `path` that of WebSockets.
    """

    trust: ssl.SSLContext | None = None
    server_name: str | None = None
    identity: ssl.SSLContext | None = None
    path: str = "/"

    def context(self, transport: Transport) -> ssl.SSLContext | None:
        """For a connection of ours; None where nothing is encrypted."""
        if not transport.encrypted:
            return None
        return self.trust or ssl.create_default_context()

    def expected(self, remote: Address) -> str:
        """Whose certificate it has to be."""
        return self.server_name or remote[0]


def reason_of(error: BaseException | None, expected: str = "") -> str:
    """In words, why a connection could not be made or is gone."""
    match error:
        case None:
            return "closed by the other end"
        case ssl.SSLCertVerificationError():
            return f"TLS: the certificate of {expected} does not hold: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
        case TimeoutError() if error.errno is None:
            return f"no connection within {CONNECT_S:g} s"
        case OSError() if error.errno:
            return os.strerror(error.errno).lower()
        case _:
            return str(error) or type(error).__name__


class Leaving:
    """Connections that were closed, and still have something to say to their peers."""

    def __init__(self) -> None:
        self._those: set[object] = set()
        self._fewer = asyncio.Event()

    def begin(self, connection: object) -> None:
        """One was closed."""
        self._those.add(connection)

    def end(self, connection: object) -> None:
        """One is gone, whether it was closed or not."""
        self._those.discard(connection)
        self._fewer.set()

    async def over(self) -> None:
        """Wait until none is left."""
        while self._those:
            self._fewer.clear()
            await self._fewer.wait()


class SocketWire:
    """Sockets on the running event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, encryption: Encryption | None = None) -> None:
        self._loop = loop
        self._encryption = encryption or Encryption()
        self._leaving = Leaving()

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """Bind a non-blocking UDP socket."""
        sock = bound(host, port, socket.SOCK_DGRAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        except OSError:
            sock.close()
            raise
        return _SocketEndpoint(sock, receive, self._loop)

    def connection(self, transport: Transport, peer: Peer, host: str = "127.0.0.1") -> Connection:
        """A TCP socket that is bound and still to be connected."""
        sock = bound(host, 0, socket.SOCK_STREAM)
        if transport.web:
            # its library is slow to load, and most runs never need it
            from phones.net_web import WebConnection

            return WebConnection(self._loop, transport, peer, self._encryption, sock, self._leaving)
        return StreamConnection(self._loop, transport, peer, self._encryption, sock, self._leaving)

    async def listen(self, transport: Transport, accept: Accept, host: str = "127.0.0.1", port: int = 0) -> Listener:
        """Listen for TCP connections."""
        if transport.web:
            from phones.net_web import listen

            return await listen(transport, accept, host, port, self._encryption)
        context = self._encryption.identity if transport.encrypted else None
        listener = _SocketListener(self._loop, transport, accept)
        listener.server = await self._loop.create_server(listener.protocol, host, port, ssl=context)
        return listener

    async def gone(self) -> None:
        """Wait until every connection of ours that was closed is gone: a few seconds at most."""
        await self._leaving.over()


def local_towards(remote: Address) -> str:
    """The address of ours from which `remote` is reached; nothing is sent. Loopback when there is no way."""
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect(remote)
        except OSError:
            return "::1" if family == socket.AF_INET6 else "127.0.0.1"
        return str(sock.getsockname()[0])


def bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket at an address. Raises OSError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


class _SocketEndpoint:
    __slots__ = ("_loop", "_receive", "_sock", "local")

    def __init__(self, sock: socket.socket, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._sock = sock
        self._receive = receive
        self._loop = loop
        host, port = sock.getsockname()[:2]
        self.local: Address = (host, port)
        loop.add_reader(sock, self._drain)

    def _drain(self) -> None:
        for _ in range(_BATCH):
            try:
                data, source = self._sock.recvfrom(_LARGEST)
            except BlockingIOError:
                return
            except OSError:
                # an ICMP error of an earlier send; the next datagram is still to come
                continue
            self._receive(data, source[:2])
            if self._sock.fileno() < 0:
                return

    def send(self, data: bytes, remote: Address) -> None:
        """Send, or lose the datagram as a network would: full buffers and dead peers are no error of a phone."""
        try:
            self._sock.sendto(data, remote)
        except (OSError, TypeError):
            # TypeError: what was named as host can be no host
            return

    def close(self) -> None:
        """Close the socket."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()


class StreamConnection(asyncio.BufferedProtocol):
    """A connection over TCP, with TLS or without."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: Transport,
        peer: Peer | None,
        encryption: Encryption | None = None,
        sock: socket.socket | None = None,
        leaving: Leaving | None = None,
    ) -> None:
        self.octets = 0
        self.peer = peer
        self.local: Address = sock.getsockname()[:2] if sock is not None else ("", 0)
        self.remote: Address = ("", 0)
        self._loop = loop
        self._kind = transport
        self._encryption = encryption
        self._sock = sock
        self._leaving = leaving
        self._framer = framer_of(transport)
        self._buffer = memoryview(bytearray(_READ))
        self._waiting: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._dialling: asyncio.Task[None] | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._why = ""
        self._closed = False

    # our side

    def connect(self, remote: Address) -> None:
        """Connect, and shake hands where it is encrypted."""
        self.remote = remote
        self._dialling = self._loop.create_task(self._dial(remote))

    async def _dial(self, remote: Address) -> None:
        sock, encryption = self._sock, self._encryption
        assert sock is not None
        assert encryption is not None
        expected = encryption.expected(remote)
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._loop.sock_connect(sock, remote)
                context = encryption.context(self._kind)
                name = expected if context is not None else None
                await self._loop.create_connection(lambda: self, sock=sock, ssl=context, server_hostname=name)
        except (OSError, ValueError) as error:
            # ValueError: a server name that can be none
            sock.close()
            self._gone(reason_of(error, expected))
        except asyncio.CancelledError:
            sock.close()
            raise

    def send(self, data: bytes) -> None:
        """Write, or wait for the connection."""
        if self._closed:
            return
        if self._transport is None:
            self._waiting.append(data)
            return
        if self._transport.is_closing():
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > _MOST_UNSENT:
            self._abort("the other end does not read")

    def close(self) -> None:
        """Send what is still to be sent, but do not wait for ever."""
        if self._closed:
            return
        self._closed = True
        self._calm()
        if self._leaving is not None and (self._transport is not None or self._dialling is not None):
            self._leaving.begin(self)
        if self._transport is not None:
            self._transport.close()
            if self._transport.get_write_buffer_size() or self._kind.encrypted:
                self._loop.call_later(_LAST_WORDS_S, self._transport.abort)
        elif self._dialling is not None:
            self._dialling.add_done_callback(lambda _: self._left())
            self._dialling.cancel()
        elif self._sock is not None:
            self._sock.close()

    def _left(self) -> None:
        if self._leaving is not None:
            self._leaving.end(self)

    def _abort(self, reason: str) -> None:
        self._why = self._why or reason
        if self._transport is not None:
            self._transport.abort()

    def _calm(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _gone(self, reason: str) -> None:
        self._calm()
        if not self._closed:
            self._closed = True
            if self.peer is not None:
                self.peer.lost(reason)

    # what the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.local = transport.get_extra_info("sockname")[:2]
        self.remote = transport.get_extra_info("peername")[:2]
        if self._closed:
            transport.abort()
            return
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            transport.write(data)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what has arrived: so much is taken in one turn."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Octets have arrived."""
        self.octets += nbytes
        try:
            found = self._framer.feed(bytes(self._buffer[:nbytes]))
        except SipSyntaxError as error:
            self._abort(str(error))
            return
        for framed in found:
            if not framed.data:
                self.send(PONG)
            elif self.peer is not None and not self._closed:
                self.peer.received(framed.data)
        if found or not self._framer.waiting:
            self._calm()
        if self._framer.waiting and self._stalled is None and not self._closed:
            self._stalled = self._loop.call_later(STALLED_S, self._abort, "stalled in the middle of a message")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._left()
        self._gone(self._why or reason_of(exc))


class _SocketListener:
    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Transport, accept: Accept) -> None:
        self._loop = loop
        self._transport = transport
        self._accept = accept
        self._accepted: set[_Accepted] = set()
        self.server: asyncio.Server | None = None

    @property
    def local(self) -> Address:
        assert self.server is not None
        host, port = self.server.sockets[0].getsockname()[:2]
        return host, port

    def protocol(self) -> _Accepted:
        return _Accepted(self._loop, self._transport, self._accept, self._accepted)

    async def close(self) -> None:
        if self.server is not None:
            self.server.close()
        for each in list(self._accepted):
            each.close()


class _Accepted(StreamConnection):
    """A connection that somebody has opened to us."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: Transport, accept: Accept, others: set[_Accepted]
    ) -> None:
        super().__init__(loop, transport, None)
        self._accept = accept
        self._others = others

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._others.add(self)
        self.peer = self._accept(self, self.remote)

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.discard(self)
        super().connection_lost(exc)
