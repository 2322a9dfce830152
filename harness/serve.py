"""`ringproof serve`: the reference server on real sockets: HTTP, HTTPS, and SIP over all transports."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import signal
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_request import BaseRequest

from harness.errors import HarnessError
from harness.hosting import ReferenceHost
from harness.pulse import beat
from harness.world import reference_target
from phones import net_sockets
from phones.net_sockets import SocketWire
from phones.phone import format_address
from phones.sip.transport import Transport
from reference_server.behaviour import Behaviour
from reference_server.behaviour_api import Encryption
from reference_server.seed import Seed

_LARGEST_REQUEST = 64 << 20
_OWN_HEADERS = frozenset({"content-length", "date", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to listen and what to write. Port 0 lets the system pick."""

    behaviour: Behaviour
    profile: str
    mutant: str | None
    host: str = "127.0.0.1"
    http_port: int = 8000
    https_port: int = 8443
    sip_port: int = 5060
    """UDP and TCP."""
    tls_port: int = 5061
    ws_port: int = 5064
    wss_port: int = 5065
    seed: int | None = None
    ready_file: Path | None = None
    target_file: Path | None = None
    until_eof: bool = False
    """Stop when standard input ends: whoever holds its other end is gone, however that happened."""
    pulse: bool = False
    """Have the pulse felt on standard output."""


async def serve(options: ServeOptions, announce: Any) -> None:
    """Serve until SIGTERM or SIGINT. `announce` is called once with the ready document (a dict)."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.until_eof:
        loop.add_reader(0, _read_to_the_end, loop, stop)
    rng = random.Random(options.seed) if options.seed is not None else random.SystemRandom()
    with tempfile.TemporaryDirectory(prefix="ringproof-ca-") as folder:
        ca_file, context = _certificate(options, Path(folder))
        try:
            host = ReferenceHost(
                options.behaviour,
                wire=SocketWire(loop, net_sockets.Encryption(identity=context)),
                clock=loop,
                rng=random.Random(rng.getrandbits(64)),
                epoch=time.time(),
                host=options.host,
                sip_port=options.sip_port,
            )
        except OSError as error:
            raise _taken("SIP", options.host, options.sip_port, error) from error
        runner = web.ServerRunner(
            web.Server(_handler(host), request_factory=_request, access_log=None), handle_signals=False
        )
        await runner.setup()
        try:
            await _listen_for_connections(host, options)
            http = await _listen(runner, options.host, options.http_port, None, "HTTP")
            plain = options.behaviour.api.https is Encryption.PLAINTEXT
            https = await _listen(runner, options.host, options.https_port, None if plain else context, "HTTPS")
            document = _ready_document(options, host, http, https, ca_file)
            _write_files(options, host, document)
            announce(document)
            async with _pulse(options):
                await stop.wait()
        finally:
            await runner.cleanup()
            await host.close()
            for path in (options.ready_file,):
                if path is not None:
                    path.unlink(missing_ok=True)


@asynccontextmanager
async def _pulse(options: ServeOptions) -> AsyncIterator[None]:
    task = asyncio.create_task(beat(1)) if options.pulse else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _read_to_the_end(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(0, 1024):
        loop.remove_reader(0)
        stop.set()


def _certificate(options: ServeOptions, folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A CA made on the fly, and the context of a server that it vouches for."""
    import trustme

    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    if options.target_file is not None:
        ca_file = options.target_file.with_suffix(".ca.pem")
    try:
        authority.cert_pem.write_to_path(str(ca_file))
    except OSError as error:
        raise HarnessError(f"cannot write {ca_file}: {error.strerror}") from error
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(options.host, "localhost", "127.0.0.1", "::1").configure_cert(context)
    return ca_file, context


async def _listen_for_connections(host: ReferenceHost, options: ServeOptions) -> None:
    """SIP over everything but UDP. With a port that the system picked, TCP takes the same number where it is free."""
    ports = {Transport.TLS: options.tls_port, Transport.WS: options.ws_port, Transport.WSS: options.wss_port}
    for transport, port in {Transport.TCP: options.sip_port or host.sip[1], **ports}.items():
        try:
            await host.listen(transport, port)
        except OSError as error:
            if transport is not Transport.TCP or options.sip_port:
                raise _taken(f"SIP over {transport.upper()}", options.host, port, error) from error
            await host.listen(transport)


async def _listen(
    runner: web.ServerRunner, host: str, port: int, context: ssl.SSLContext | None, what: str
) -> tuple[str, int]:
    try:
        site = web.TCPSite(runner, host, port, ssl_context=context)
        await site.start()
    except OSError as error:
        raise _taken(what, host, port, error) from error
    address = runner.addresses[-1]
    return str(address[0]), int(address[1])


def _taken(what: str, host: str, port: int, error: OSError) -> HarnessError:
    option = f"--{what.split()[-1].lower().replace('tcp', 'sip')}-port"
    return HarnessError(
        f"{what} cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}",
        f"choose another port with {option}; 0 lets the system pick",
    )


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    loop = asyncio.get_running_loop()
    return BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_REQUEST)


def _handler(host: ReferenceHost) -> Any:
    async def handle(request: BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = tuple((name, value) for name, value in request.headers.items())
        reply = await host.request(
            request.method,
            request.raw_path if hasattr(request, "raw_path") else request.path_qs,
            headers,
            body,
            client=request.remote or "",
            encrypted=request.secure,
        )
        response = web.Response(status=reply.status, body=reply.body or None)
        if not any(name.lower() == "content-type" for name, _ in reply.headers):
            response.headers.pop("Content-Type", None)
        for name, value in reply.headers:
            if name.lower() not in _OWN_HEADERS:
                response.headers[name] = value
        return response

    return handle


def _ready_document(
    options: ServeOptions, host: ReferenceHost, http: tuple[str, int], https: tuple[str, int], ca_file: Path
) -> dict[str, Any]:
    seed: Seed = host.server.seed
    known = dataclasses.asdict(seed)
    return {
        "schema": 1,
        "tool": "ringproof",
        "command": "serve",
        "http": f"http://{format_address(http)}",
        "https": f"https://{format_address(https)}",
        "ca_file": str(ca_file),
        "sip": {transport.value: format_address(where) for transport, where in host.listening.items()},
        "realm": seed.realm,
        "account_id": seed.account_id,
        "auth_token": seed.auth_token,
        "api_key": seed.api_key,
        "other_account": known["other_account"],
        "child_account": known["child_account"],
        "user": known["user"],
        "devices": known["devices"],
        "profile": options.profile,
        "mutant": options.mutant,
        "target_file": str(options.target_file) if options.target_file else None,
    }


def _write_files(options: ServeOptions, host: ReferenceHost, document: dict[str, Any]) -> None:
    target = reference_target(
        host.server.seed,
        http=document["http"],
        https=document["https"],
        sip=document["sip"],
        ca_file=document["ca_file"],
    )
    if options.target_file is not None:
        _write_private(options.target_file, target.model_dump_json(indent=2, exclude_none=True))
    if options.ready_file is not None:
        # appears whole or not at all: whoever waits for it may read it at once
        partial = options.ready_file.with_name(options.ready_file.name + ".part")
        _write_private(partial, json.dumps(document) + "\n")
        partial.replace(options.ready_file)


def _write_private(path: Path, text: str) -> None:
    """Write credentials so that only we can read them."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror}") from error
