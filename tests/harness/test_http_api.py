"""The api port over real sockets: whole replies, and every way to get none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from harness.errors import UsageError
from harness.http_api import HttpApi
from harness.ports import ApiAnswer, ApiCall, ApiFailure


@asynccontextmanager
async def serving(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], authority: trustme.CA | None = None
) -> AsyncIterator[str]:
    """A server on a port that the system picks; yields its base."""
    context = None
    if authority is not None:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"{'https' if authority else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def call(base: str, ca_file: Path | None = None, *, verify: bool = True, method: str = "GET") -> ApiAnswer:
    api = HttpApi(ca_file=ca_file, verify=verify)
    try:
        return await api.call(ApiCall(method, f"{base}/x/../a%2Fb%41?c=%0d", (("X-One", "1"), ("X-One", "2")), b"body"))
    finally:
        await api.close()


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    seen = f"{request.method} {request.raw_path} {request.headers.getall('X-One')} {await request.text()}"
    headers = {"X-Sent": ", ".join(name for name in request.headers)}
    if request.transport is not None:
        for name, end in (("X-Peer", "peername"), ("X-Here", "sockname")):
            headers[name] = "{}:{}".format(*request.transport.get_extra_info(end))
    return web.Response(status=404, text=seen, headers=headers)


def test_a_request_arrives_as_it_was_given() -> None:
    async def run() -> ApiAnswer:
        async with serving(echo) as base:
            return await call(base, method="PATCH")

    answer = asyncio.run(run())
    assert (answer.status, answer.tls) == (404, None)
    seen = dict(answer.headers)
    assert (answer.local, answer.remote) == (seen["X-Peer"], seen["X-Here"])
    assert answer.body.decode() == "PATCH /x/../a%2Fb%41?c=%0d ['1', '2'] body"
    sent = dict(answer.headers)["X-Sent"]
    assert "Content-Type" not in sent
    assert "Accept-Encoding" not in sent


@pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
def test_a_reply_is_read_to_its_end(size: int) -> None:
    async def large(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"x" * size)

    async def run() -> ApiAnswer:
        async with serving(large) as base:
            return await call(base)

    assert len(asyncio.run(run()).body) == size


def test_a_reply_in_pieces() -> None:
    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b"a", b"b", b"c"):
            await response.write(piece)
            await asyncio.sleep(0.01)
        return response

    async def run() -> ApiAnswer:
        async with serving(slow) as base:
            return await call(base)

    assert asyncio.run(run()).body == b"abc"


def test_tls_is_described(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def run(*, ca_file: Path | None, verify: bool) -> ApiAnswer:
        async with serving(echo, authority) as base:
            return await call(base, ca_file, verify=verify)

    tls = asyncio.run(run(ca_file=tmp_path / "ca.pem", verify=True)).tls
    assert tls is not None
    assert (tls["version"], tls["verified"]) == ("TLSv1.3", True)
    tls = asyncio.run(run(ca_file=None, verify=False)).tls
    assert tls is not None
    assert tls["verified"] is False
    with pytest.raises(ApiFailure, match="certificate verify failed") as caught:
        asyncio.run(run(ca_file=None, verify=True))
    assert caught.value.kind == "untrusted"


def test_plain_where_tls_was_promised() -> None:
    async def run() -> ApiAnswer:
        async with serving(echo) as base:
            return await call(base.replace("http:", "https:"))

    with pytest.raises(ApiFailure, match="does not speak TLS") as caught:
        asyncio.run(run())
    assert caught.value.kind == "tls"


def test_nobody_is_there() -> None:
    async def run() -> None:
        async with serving(echo) as base:
            pass
        await call(base)

    with pytest.raises(ApiFailure, match="cannot connect to http") as caught:
        asyncio.run(run())
    assert caught.value.kind == "unreachable"


@pytest.mark.parametrize("said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_no_whole_reply(said: bytes) -> None:
    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            await call(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", method="POST")

    with pytest.raises(ApiFailure, match="broke off") as caught:
        asyncio.run(run())
    assert caught.value.kind == "protocol"


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=r"CA file .*ca\.pem") as caught:
        asyncio.run(call("http://127.0.0.1:1", path))
    assert "PEM" in caught.value.hint
