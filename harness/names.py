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
    """The name service. Unknown names have no records; one that does not answer is TargetUnavailable."""

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

    async def host(self, name: str) -> str:
        """An address of a host, by whatever the system asks. Raises TargetUnavailable without one."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise TargetUnavailable(f"the SIP edge {name} has no address: {error.strerror}") from error
        return str(found[0][4][0])

    async def _records(self, name: str, kind: str) -> Sequence[Any]:
        # only where a target is named without a port
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        try:
            answer = await dns.asyncresolver.resolve(name, kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise TargetUnavailable(f"the name service says nothing about {name} ({kind}): {error}") from error
        return list(answer)


async def locate(host: str, port: int | None, transport: Transport, resolver: Resolver, rng: random.Random) -> Address:
    """Where to send what is for `host` over `transport`. An address or a port leaves SRV out (RFC 3263 4.2)."""
    service, prefix, default = _SERVICES[transport]
    if _is_address(host):
        return host, port or default
    if port is not None:
        return await resolver.host(host), port
    leads = sorted(await resolver.naptr(host), key=lambda each: (each.order, each.preference))
    name = next((each.replacement for each in leads if each.service.upper() == service), f"{prefix}.{host}")
    records = await resolver.srv(name)
    if [each.host for each in records] == [""]:
        raise TargetUnavailable(f"{host} offers no SIP over {transport.value}: its SRV record says so")
    if not records:
        return await resolver.host(host), default
    chosen = _chosen(records, rng)
    return await resolver.host(chosen.host), chosen.port


def _chosen(records: Sequence[Service], rng: random.Random) -> Service:
    """One of the lowest priority, by weight (RFC 2782)."""
    first = min(each.priority for each in records)
    candidates = [each for each in records if each.priority == first]
    return rng.choices(candidates, [each.weight + 0.01 for each in candidates])[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
