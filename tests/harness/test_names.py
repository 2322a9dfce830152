"""Where a SIP edge is: NAPTR, SRV and addresses, against a name service by hand."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from harness.errors import TargetUnavailable
from harness.names import Naptr, Resolver, Service, in_order, locate
from phones.sip.message import Address
from phones.sip.transport import Transport
from tests.harness.names import name_service


class Book(Resolver):
    """A name service whose answers are written down."""

    def __init__(
        self, hosts: dict[str, str], srv: dict[str, list[Service]] | None = None, naptr: list[Naptr] | None = None
    ) -> None:
        super().__init__()
        self.known, self.services, self.leads = hosts, srv or {}, naptr or []

    async def naptr(self, name: str) -> Sequence[Naptr]:
        return self.leads

    async def srv(self, name: str) -> Sequence[Service]:
        return self.services.get(name, [])

    async def hosts(self, name: str) -> Sequence[str]:
        return self.known.get(name, "").split()


def found(book: Book, host: str, port: int | None, transport: Transport, seed: int = 1) -> Address:
    return all_found(book, host, port, transport, seed)[0]


def all_found(book: Resolver, host: str, port: int | None, transport: Transport, seed: int = 1) -> tuple[Address, ...]:
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


def test_who_follows_when_one_does_not_answer() -> None:
    services = [Service(2, 1, "spare", 5062), Service(1, 1, "two", 5061), Service(3, 1, "nowhere", 5063)]
    book = Book({"spare": "192.0.2.3", "two": "192.0.2.1 2001:db8::2"}, {"_sip._tcp.x": services})
    assert all_found(book, "x", None, Transport.TCP) == (
        ("192.0.2.1", 5061), ("2001:db8::2", 5061), ("192.0.2.3", 5062),
    )  # fmt: skip
    assert all_found(book, "two", 5080, Transport.TCP) == (("192.0.2.1", 5080), ("2001:db8::2", 5080))


def test_a_name_without_any_address() -> None:
    with pytest.raises(TargetUnavailable, match="the SIP edge x has no address: gone, away"):
        found(Book({}, {"_sip._udp.x": [Service(1, 1, "gone", 1), Service(2, 1, "away", 1)]}), "x", None, Transport.UDP)
    with pytest.raises(TargetUnavailable, match=r"the SIP edge y has no address$"):
        found(Book({}), "y", 5060, Transport.UDP)


def test_every_service_has_its_turn_and_the_heavy_ones_come_first() -> None:
    services = [Service(1, weight, name, 1) for name, weight in (("big", 90), ("small", 10), ("none", 0))]
    orders = Counter(tuple(each.host for each in in_order(services, random.Random(seed))) for seed in range(300))
    assert all(sorted(order) == ["big", "none", "small"] for order in orders)
    assert orders.most_common(1)[0][0] == ("big", "small", "none")
    assert sum(count for order, count in orders.items() if order[0] == "small") > 10


# --- a name service on the wire --------------------------------------------------------------------------------------


def test_a_name_service_of_our_own_is_asked() -> None:
    zone = """
        pbx.example.         60 IN NAPTR 20 1 "s" "SIP+D2T" "" _sip._tcp.late.example.
        pbx.example.         60 IN NAPTR 10 1 "s" "SIP+D2T" "" _sip._tcp.pbx.example.
        pbx.example.         60 IN NAPTR 5  1 "a" "SIP+D2T" "" elsewhere.example.
        _sip._tcp.pbx.example. 60 IN SRV 20 1 5062 b.example.
        _sip._tcp.pbx.example. 60 IN SRV 10 1 5061 a.example.
        a.example.           60 IN A 127.0.0.7
        a.example.           60 IN AAAA ::1
        b.example.           60 IN A 127.0.0.8
    """

    async def story() -> tuple[Address, ...]:
        async with name_service(zone) as server:
            return await locate("pbx.example", None, Transport.TCP, Resolver(server), random.Random(1))

    assert asyncio.run(story()) == (("127.0.0.7", 5061), ("::1", 5061), ("127.0.0.8", 5062))


def test_a_name_service_that_refuses() -> None:
    async def story() -> None:
        async with name_service(None) as server:
            await locate("pbx.example", None, Transport.UDP, Resolver(server), random.Random(1))

    with pytest.raises(TargetUnavailable, match=r"the name service says nothing about pbx\.example"):
        asyncio.run(story())
