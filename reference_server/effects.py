"""What goes into the reference server from the HTTP side and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from phones.sip.message import Address
from phones.sip.value import value


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One HTTP request, complete with its body.

    `handle` names the exchange in the `ApiReply`; `target` is the path and query of the request line, still
    percent-encoded; `client` is the peer's IP address; `encrypted` says whether it came over TLS.
    """

    handle: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    client: str = "127.0.0.1"
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class ApiReply:
    """Effect: answer the HTTP request `handle`. Header names are lower case; Content-Length is among them."""

    handle: int
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@value
class SendSip:
    """Effect: put the SIP message `data` on the wire towards `remote` (host, port)."""

    data: bytes
    remote: Address
    transport: str = "udp"


@dataclass(frozen=True, slots=True)
class SendMedia:
    """Effect: put the RTP or RTCP packet `data` on the wire from the server's media address towards `remote`."""

    data: bytes
    remote: Address


@dataclass(frozen=True, slots=True)
class CutConnections:
    """Effect: close every SIP connection, as when the process behind them ends."""


Effect = ApiReply | SendSip | SendMedia | CutConnections
