"""SIP over WebSocket (RFC 7118), by aiohttp on both sides."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.web_request import BaseRequest

from phones.net import Accept, Listener, Peer
from phones.net_sockets import CONNECT_S, Encryption, Leaving, reason_of
from phones.sip.framing import LARGEST_BODY, PONG, WebFramer
from phones.sip.message import Address
from phones.sip.transport import Transport

_SUBPROTOCOL = "sip"
_PING_S = 90.0
_LAST_WORDS_S = 1.0
_MOST_UNSENT = 10_000
"""Messages that a peer may leave unread."""

Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


class _Talk:
    """What both sides do with an open WebSocket."""

    def __init__(self, peer: Peer | None) -> None:
        self.octets = 0
        self.peer = peer
        self.closed = False
        self._framer = WebFramer()
        self._unsent: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_UNSENT)

    def send(self, data: bytes) -> None:
        """Send as soon as it is open; whoever never reads is left."""
        if not self.closed:
            try:
                self._unsent.put_nowait(data)
            except asyncio.QueueFull:
                # not at once: whoever sends does not expect to be told of it meanwhile
                asyncio.get_running_loop().call_soon(self.drop, "the other end does not read")

    def drop(self, reason: str) -> None:
        """Be gone for a reason that is not our wish."""
        if not self.closed:
            self.close()
            if self.peer is not None:
                self.peer.lost(reason)

    def close(self) -> None:
        """Send what is still to be sent, then leave."""
        self.closed = True
        with contextlib.suppress(asyncio.QueueFull):
            self._unsent.put_nowait(None)

    async def _write(self, ws: Socket) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while (data := await self._unsent.get()) is not None:
                try:
                    await ws.send_str(data.decode())
                except UnicodeDecodeError:
                    await ws.send_bytes(data)
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await ws.close()

    async def talk(self, ws: Socket) -> None:
        """Until either side leaves."""
        writing = asyncio.create_task(self._write(ws))
        try:
            async for message in ws:
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    continue
                data = message.data.encode() if isinstance(message.data, str) else bytes(message.data)
                self.octets += len(data)
                for framed in self._framer.feed(data):
                    if not framed.data:
                        self.send(PONG)
                    elif self.peer is not None and not self.closed:
                        self.peer.received(framed.data)
        finally:
            if self.closed:
                # our own leave-taking, which must not be cut short
                await asyncio.wait([writing], timeout=2 * _LAST_WORDS_S)
            writing.cancel()
            await asyncio.wait([writing])
            await ws.close()


class _There(AbstractResolver):
    """The name that is asked for is where we already know it to be."""

    def __init__(self, remote: Address) -> None:
        self._remote = remote

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        there, port = self._remote
        kind = socket.AF_INET6 if ":" in there else socket.AF_INET
        return [ResolveResult(hostname=host, host=there, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


class WebConnection(_Talk):
    """A WebSocket of ours, on a socket that is already bound."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: Transport,
        peer: Peer,
        encryption: Encryption,
        sock: socket.socket,
        leaving: Leaving,
    ) -> None:
        super().__init__(peer)
        self.local: Address = sock.getsockname()[:2]
        self._loop = loop
        self._transport = transport
        self._encryption = encryption
        self._sock = sock
        self._leaving = leaving
        self._handed_over = False
        self._running: asyncio.Task[None] | None = None

    def connect(self, remote: Address) -> None:
        """Connect and shake hands."""
        self._running = self._loop.create_task(self._run(remote))
        self._running.add_done_callback(lambda _: self._leaving.end(self))

    def close(self) -> None:
        """Leave."""
        super().close()
        if self._running is None:
            self._sock.close()
        elif not self._running.done():
            self._leaving.begin(self)

    def _hand_over(self, _: object) -> socket.socket:
        self._handed_over = True
        return self._sock

    async def _run(self, remote: Address) -> None:
        encryption = self._encryption
        expected = encryption.expected(remote)
        host = f"[{expected}]" if ":" in expected else expected
        url = f"{self._transport.value}://{host}:{remote[1]}{encryption.path}"
        reason = "closed by the other end"
        try:
            connector = aiohttp.TCPConnector(
                resolver=_There(remote), socket_factory=self._hand_over, limit=1, force_close=True
            )
            async with aiohttp.ClientSession(connector=connector) as session:
                async with asyncio.timeout(CONNECT_S):
                    ws = await session.ws_connect(
                        url,
                        protocols=(_SUBPROTOCOL,),
                        ssl=encryption.context(self._transport) or True,
                        heartbeat=_PING_S,
                        max_msg_size=LARGEST_BODY,
                        timeout=aiohttp.ClientWSTimeout(ws_close=_LAST_WORDS_S),
                    )
                if ws.protocol != _SUBPROTOCOL:
                    await ws.close()
                    reason = "the server speaks no SIP over this WebSocket"
                else:
                    await self.talk(ws)
        except aiohttp.ClientConnectorCertificateError as error:
            reason = reason_of(error.certificate_error, expected)
        except aiohttp.ClientConnectorError as error:
            reason = reason_of(error.os_error, expected)
        except aiohttp.WSServerHandshakeError as error:
            reason = f"the server opens no WebSocket: {error.status} {error.message}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = reason_of(error, expected)
        finally:
            if self._handed_over:
                # its transport closes it: closed here, its number were another's while TLS still says goodbye on it
                with contextlib.suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)
            else:
                self._sock.close()
        self.drop(reason)


class _Accepted(_Talk):
    def __init__(self, local: Address) -> None:
        super().__init__(None)
        self.local = local

    def connect(self, remote: Address) -> None:
        """It is open already."""


class _WebListener:
    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._accepted: set[_Accepted] = set()
        self.runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), handle_signals=False, shutdown_timeout=_LAST_WORDS_S
        )

    @property
    def local(self) -> Address:
        host, port = self.runner.addresses[0][:2]
        return str(host), int(port)

    async def _handle(self, request: BaseRequest) -> web.StreamResponse:
        ws = web.WebSocketResponse(protocols=(_SUBPROTOCOL,), max_msg_size=LARGEST_BODY, timeout=_LAST_WORDS_S)
        ready = ws.can_prepare(request)
        if not ready.ok or ready.protocol != _SUBPROTOCOL or request.transport is None:
            return web.Response(status=400, text="This is SIP over WebSocket (RFC 7118), subprotocol sip.\n")
        remote = request.transport.get_extra_info("peername")[:2]
        await ws.prepare(request)
        connection = _Accepted(self.local)
        self._accepted.add(connection)
        connection.peer = self._accept(connection, remote)
        try:
            await connection.talk(ws)
        finally:
            self._accepted.discard(connection)
            connection.drop("closed by the other end")
        return ws

    async def close(self) -> None:
        for each in list(self._accepted):
            each.close()
        await self.runner.cleanup()


async def listen(transport: Transport, accept: Accept, host: str, port: int, encryption: Encryption) -> Listener:
    """Accept WebSockets. Raises OSError when the address is taken."""
    listener = _WebListener(accept)
    await listener.runner.setup()
    context: Any = encryption.identity if transport.encrypted else None
    try:
        await web.TCPSite(listener.runner, host, port, ssl_context=context).start()
    except OSError:
        await listener.runner.cleanup()
        raise
    return listener
