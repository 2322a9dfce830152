"""The api port: what the engine asks of an HTTP side, over sockets or in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request. `url` is absolute; `body` None sends no body and no Content-Type."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """One reply. `tls` describes the encryption of the connection, None when there was none.

    `local` and `remote` are the ends of its TCP connection, host:port, '' where there was none.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    tls: dict[str, Any] | None
    local: str = ""
    remote: str = ""


class ApiFailure(Exception):
    """There was no reply. `kind`: unreachable, tls, untrusted (its certificate), timeout or protocol."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Api(Protocol):
    """The api port."""

    async def call(self, call: ApiCall) -> ApiAnswer:
        """Send `call` and wait for the reply. Raises ApiFailure."""

    async def close(self) -> None:
        """Let go of connections."""
