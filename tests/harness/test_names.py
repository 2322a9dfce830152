"""Where a SIP edge is: NAPTR, SRV and addresses, against a name service by hand."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from harness.errors import TargetUnavailable
from harness.names import Naptr, Resolver, Service, locate
from phones.sip.message import Address
from phones.sip.transport import Transport


class Book(Resolver):
    """A name service whose answers are written down."""

    def __init__(
        self, hosts: dict[str, str], srv: dict[str, list[Service]] | None = None, naptr: list[Naptr] | None = None
    ) -> None:
        self.hosts, self.services, self.leads = hosts, srv or {}, naptr or []

    async def naptr(self, name: str) -> Sequence[Naptr]:
        return self.leads

    async def srv(self, name: str) -> Sequence[Service]:
        return self.services.get(name, [])

    async def host(self, name: str) -> str:
        return self.hosts[name]


def found(book: Book, host: str, port: int | None, transport: Transport, seed: int = 1) -> Address:
    return asyncio.run(locate(host, port, transport, book, random.Random(seed)))


def test_an_address_is_where_it_says() -> None:
    assert found(Book({}), "192.0.2.1", 5070, Transport.TCP) == ("192.0.2.1", 5070)
    assert found(Book({}), "2001:db8::1", None, Transport.TLS) == ("2001:db8::1", 5061)


def test_a_port_leaves_srv_out() -> None:
    book = Book({"pbx.example": "192.0.2.1"}, {"_sip._udp.pbx.example": [Service(1, 1, "other", 9)]})
    assert found(book, "pbx.example", 5080, Transport.UDP) == ("192.0.2.1", 5080)


@pytest.mark.parametrize(
    ("transport", "name", "default"),
    [
        (Transport.UDP, "_sip._udp.pbx.example", 5060),
        (Transport.TCP, "_sip._tcp.pbx.example", 5060),
        (Transport.TLS, "_sips._tcp.pbx.example", 5061),
        (Transport.WS, "_sip._ws.pbx.example", 80),
        (Transport.WSS, "_sips._wss.pbx.example", 443),
    ],
)
def test_srv_and_what_holds_without(transport: Transport, name: str, default: int) -> None:
    hosts = {"pbx.example": "192.0.2.1", "edge.example": "192.0.2.2"}
    assert found(Book(hosts), "pbx.example", None, transport) == ("192.0.2.1", default)
    book = Book(hosts, {name: [Service(10, 1, "edge.example", 5999)]})
    assert found(book, "pbx.example", None, transport) == ("192.0.2.2", 5999)


def test_naptr_leads_to_the_srv_record_of_the_transport() -> None:
    leads = [
        Naptr(20, 1, "SIP+D2T", "_sip._tcp.late.example"),
        Naptr(10, 2, "SIP+D2T", "_sip._tcp.second.example"),
        Naptr(10, 1, "SIP+D2U", "_sip._udp.first.example"),
    ]
    services = {f"_sip._tcp.{name}.example": [Service(1, 1, name, 5060)] for name in ("late", "second")}
    book = Book({"second": "192.0.2.2", "late": "192.0.2.3"}, services, leads)
    assert found(book, "pbx.example", None, Transport.TCP) == ("192.0.2.2", 5060)


def test_the_lowest_priority_by_weight() -> None:
    services = [Service(2, 100, "spare", 1), Service(1, 90, "big", 1), Service(1, 10, "small", 1)]
    book = Book({name: name for name in ("spare", "big", "small")}, {"_sip._udp.x": services})
    chosen = Counter(found(book, "x", None, Transport.UDP, seed)[0] for seed in range(200))
    assert set(chosen) == {"big", "small"}
    assert chosen["big"] > 3 * chosen["small"]


def test_a_service_that_is_not_offered() -> None:
    with pytest.raises(TargetUnavailable, match="offers no SIP over tls"):
        found(Book({}, {"_sips._tcp.x": [Service(0, 0, "", 0)]}), "x", None, Transport.TLS)
