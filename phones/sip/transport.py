"""What carries SIP: UDP, TCP, TLS (RFC 3261 18), and WebSocket (RFC 7118)."""

from __future__ import annotations

from enum import StrEnum


class Transport(StrEnum):
    """A transport by its name in target files and records."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    WS = "ws"
    WSS = "wss"

    @property
    def reliable(self) -> bool:
        """Whether it is a connection: nothing is lost or repeated, and answers go back on it."""
        return self is not Transport.UDP

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read it."""
        return self in (Transport.TLS, Transport.WSS)

    @property
    def web(self) -> bool:
        """Whether it is a WebSocket."""
        return self in (Transport.WS, Transport.WSS)

    @property
    def parameter(self) -> str:
        """The URI parameter that names it; UDP is what a SIP URI means without one. WSS is `ws` too (RFC 7118 5.2)."""
        if self is Transport.UDP:
            return ""
        return f";transport={'ws' if self.web else self.value}"
