"""Where a SIP edge is that a target names: NAPTR, SRV and addresses (RFC 3263). Asked once, on sockets only."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import TargetUnavailable
from phones.sip.message import Address
from phones.sip.transport import Transport

_SERVICES = {
    Transport.UDP: ("SIP+D2U", "_sip._udp", 5060),
    Transport.TCP: ("SIP+D2T", "_sip._tcp", 5060),
    Transport.TLS: ("SIPS+D2T", "_sips._tcp", 5061),
    Transport.WS: ("SIP+D2W", "_sip._ws", 80),
    Transport.WSS: ("SIPS+D2W", "_sips._wss", 443),
}
"""NAPTR service, SRV name (RFC 3263 4.1, RFC 7118 5) and default port."""


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record."""

    priority: int
    weight: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Naptr:
    """One NAPTR record that leads to another name."""

    order: int
    preference: int
    service: str
    replacement: str


class Resolver:
    """The name service: the system's, or the one at `server`. Unknown names have no records; one that does not answer
    is TargetUnavailable.
    """

    def __init__(self, server: Address | None = None) -> None:
        self._server = server

    async def naptr(self, name: str) -> Sequence[Naptr]:
        """The NAPTR records of `name` that lead on by SRV."""
        records = await self._records(name, "NAPTR")
        return [
            Naptr(each.order, each.preference, each.service.decode(), each.replacement.to_text(True))
            for each in records
            if each.flags.lower() == b"s"
        ]

    async def srv(self, name: str) -> Sequence[Service]:
        """The SRV records of `name`."""
        records = await self._records(name, "SRV")
        return [Service(each.priority, each.weight, each.target.to_text(True), each.port) for each in records]

    async def hosts(self, name: str) -> Sequence[str]:
        """The addresses of a host, by whatever the system asks, or by our own server. None: there is no such host."""
        if _is_address(name):
            return [name]
        if self._server is not None:
            return [each.address for kind in ("A", "AAAA") for each in await self._records(name, kind)]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except OSError:
            return []
        return list(dict.fromkeys(str(each[4][0]) for each in found))

    async def _records(self, name: str, kind: str) -> Sequence[Any]:
        # only where a target is named without a port
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        try:
            resolver = dns.asyncresolver.Resolver(configure=self._server is None)
            if self._server is not None:
                resolver.nameservers, resolver.port = [self._server[0]], self._server[1]
            answer = await resolver.resolve(name, kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise TargetUnavailable(f"the name service says nothing about {name} ({kind}): {error}") from error
        return list(answer)


async def locate(
    host: str, port: int | None, transport: Transport, resolver: Resolver, rng: random.Random
) -> tuple[Address, ...]:
    """Where to send what is for `host` over `transport`, in the order of trying (RFC 3263 4.2, 4.3); one at least.

    An address or a port leaves SRV out. Raises TargetUnavailable where there is none.
    """
    service, prefix, default = _SERVICES[transport]
    if _is_address(host):
        return ((host, port or default),)
    if port is not None:
        return await _addresses([Service(0, 0, host, port)], host, resolver)
    leads = sorted(await resolver.naptr(host), key=lambda each: (each.order, each.preference))
    name = next((each.replacement for each in leads if each.service.upper() == service), f"{prefix}.{host}")
    records = await resolver.srv(name)
    if [each.host for each in records] == [""]:
        raise TargetUnavailable(f"{host} offers no SIP over {transport.value}: its SRV record says so")
    return await _addresses(in_order(records, rng) or [Service(0, 0, host, default)], host, resolver)


async def _addresses(services: Sequence[Service], name: str, resolver: Resolver) -> tuple[Address, ...]:
    """All addresses of all hosts. A host without one is passed over as long as there are others."""
    found = [(address, each.port) for each in services for address in await resolver.hosts(each.host)]
    if not found:
        tried = ", ".join(dict.fromkeys(each.host for each in services))
        raise TargetUnavailable(f"the SIP edge {name} has no address" + ("" if tried == name else f": {tried}"))
    return tuple(dict.fromkeys(found))


def in_order(records: Sequence[Service], rng: random.Random) -> list[Service]:
    """By priority, the lowest first; within one drawn by weight (RFC 2782)."""
    ordered: list[Service] = []
    for priority in sorted({each.priority for each in records}):
        left = [each for each in records if each.priority == priority]
        while left:
            # one of weight 0 is to have a very small chance
            [chosen] = rng.choices(left, [each.weight + 0.01 for each in left])
            left.remove(chosen)
            ordered.append(chosen)
    return ordered


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
