"""The api port over real HTTP and HTTPS, by aiohttp."""

from __future__ import annotations

import asyncio
import re
import ssl
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from harness.errors import HarnessError, UsageError
from harness.ports import ApiAnswer, ApiCall, ApiFailure
from phones.phone import format_address

USER_AGENT = "ringproof"
TIMEOUT_S = 35.0
"""A blocking quickcall answers after its ring time (30 s by default on Kazoo)."""
_CARRIED = re.compile(r"[!-\"$-~]+")
_LARGEST_REPLY = 32 << 20


_TLS = "ringproof_tls"
"""The attribute of a response that says how its connection was encrypted."""
_ENDS = "ringproof_ends"
"""The attribute of a response that says between which addresses its connection was."""


class _Request(aiohttp.ClientRequest):
    """Notes the connection that carries it, and its encryption: nothing else tells them for short replies."""

    async def send(self, conn: Any) -> Any:
        transport = conn.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        names = ("sockname", "peername")
        ends = [_shown(transport.get_extra_info(name)) if transport is not None else "" for name in names]
        response = await super().send(conn)
        setattr(response, _ENDS, ends)
        setattr(response, _TLS, None)
        if tls is not None:
            cipher = tls.cipher()
            described = {"version": tls.version(), "cipher": cipher[0] if cipher else ""}
            described["verified"] = tls.context.verify_mode == ssl.CERT_REQUIRED
            setattr(response, _TLS, described)
        return response


def tls_context(ca_file: str | None, verify: bool) -> ssl.SSLContext:
    """What HTTPS is checked with. Raises UsageError when the CA file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"CA file {ca_file}: {error}", "give a PEM file with the CA's certificate") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class HttpApi:
    """One client session. `ca_file` is trusted beside the system's CAs; `verify` False trusts everybody."""

    def __init__(self, *, ca_file: Path | None = None, verify: bool = True) -> None:
        context = tls_context(str(ca_file) if ca_file else None, verify)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=20),
            request_class=_Request,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def call(self, call: ApiCall) -> ApiAnswer:
        """Send `call` and wait for the whole reply. Raises ApiFailure."""
        headers = [("User-Agent", USER_AGENT), ("Accept", "application/json"), *call.headers]
        try:
            async with self._session.request(
                call.method, _as_written(call.url), headers=headers, data=call.body, allow_redirects=False
            ) as response:
                body = await _read(response, call.url)
                tls = getattr(response, _TLS)
                found = tuple((name, value) for name, value in response.headers.items())
                return ApiAnswer(response.status, found, body, tls, *getattr(response, _ENDS))
        except aiohttp.ClientConnectorCertificateError as error:
            message = f"the certificate of {_host(call.url)} is not trusted: {_cause(error)}"
            raise ApiFailure("untrusted", message) from error
        except aiohttp.ClientSSLError as error:
            raise ApiFailure("tls", f"no TLS with {_host(call.url)}: {_cause(error)}") from error
        except aiohttp.ClientConnectorError as error:
            raise ApiFailure("unreachable", f"cannot connect to {_host(call.url)}: {_cause(error)}") from error
        except TimeoutError as error:
            raise ApiFailure("timeout", f"no reply from {_host(call.url)} within {TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise ApiFailure("protocol", f"{_host(call.url)} broke off: {_cause(error)}") from error
        except ValueError as error:
            raise HarnessError(f"{call.method} {call.url}: HTTP cannot carry this request: {error}") from error

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()


def _as_written(url: str) -> URL:
    """`url` to the octet where HTTP can carry it, else with what it cannot carry percent-encoded."""
    return URL(url, encoded=_CARRIED.fullmatch(url) is not None)


async def _read(response: aiohttp.ClientResponse, url: str) -> bytes:
    """The whole body; one read returns only what has arrived so far."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_REPLY:
            raise ApiFailure("protocol", f"{_host(url)} sent more than {_LARGEST_REPLY} bytes")
    return bytes(body)


def _shown(name: tuple[Any, ...] | None) -> str:
    """A socket's address as host:port."""
    return format_address((str(name[0]), int(name[1]))) if name else ""


def _host(url: str) -> str:
    parsed = URL(url)
    return f"{parsed.scheme}://{parsed.host}:{parsed.port}"


def _cause(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorSSLError) and "WRONG_VERSION_NUMBER" in str(error):
        return "what answers there does not speak TLS"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        said = " ".join(str(error.certificate_error).split())
        return f"{said}; the target file's `ca_file` names the CA to trust"
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    return " ".join(str(inner).split()) or type(error).__name__
