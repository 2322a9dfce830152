"""Phones and the reference server over each transport on real sockets: torture, losses, IPv6."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from harness.hosting import ReferenceHost
from phones.fleet import Fleet, RunningPhone
from phones.net import Connection, Peer
from phones.net_sockets import Encryption, SocketWire
from phones.phone import Identity
from phones.sip.index import Message
from phones.sip.message import Address, response
from phones.sip.transport import Transport
from reference_server.profiles import PROFILES
from reports.record import read_record
from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.test_long_life import Counts
from tests.phones.sip.test_torture import REQUESTS

POINTS = ("wsinv", "intmeth", "mismatch01", "badvers", "insuf")
AUTHORITY = trustme.CA()


class Meeting:
    """A phone and a server."""

    def __init__(self, host: ReferenceHost, phone: RunningPhone, counts: Counts, fleet: Fleet) -> None:
        self.host, self.phone, self.counts, self.fleet = host, phone, counts, fleet


@asynccontextmanager
async def meeting(transport: Transport, address: str = "127.0.0.1") -> AsyncIterator[Meeting]:
    loop = asyncio.get_running_loop()
    identity, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    AUTHORITY.issue_cert("127.0.0.1", "::1").configure_cert(identity)
    AUTHORITY.configure_trust(trust)
    wire, counts = SocketWire(loop, Encryption(trust, None, identity)), Counts()
    host = ReferenceHost(PROFILES["documented"], wire=wire, clock=loop, rng=random.Random(1), epoch=0.0, host=address)
    if transport.reliable:
        await host.listen(transport)
    fleet = Fleet(wire, loop, counts, host=address)
    device = host.server.seed.devices[0]
    phone = fleet.add(
        "desk",
        Identity(device.username, device.password, host.server.seed.realm),
        edge=host.listening[transport],
        rng=random.Random(2),
        transport=transport,
    )
    try:
        yield Meeting(host, phone, counts, fleet)
    finally:
        fleet.close()
        await host.close()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("point", POINTS)
def test_a_point_of_torture(transport: Transport, point: str) -> None:
    async def story() -> None:
        async with meeting(transport) as here:
            data, _ = REQUESTS[point]
            if transport.reliable:
                # a stream has to say how long it is
                data = data.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n", 1)
            here.phone.send(data)
            # whatever it is answered, both are well
            assert (await here.phone.register()).state == "registered"
            assert (await here.phone.unregister()).state == "unregistered"
            assert here.host.server.errors == []

    asyncio.run(story())


@pytest.mark.parametrize("transport", [each for each in Transport if each.reliable])
def test_a_phone_comes_back_when_its_connection_breaks(transport: Transport) -> None:
    async def story() -> None:
        async with meeting(transport) as here:
            assert (await here.phone.register()).state == "registered"
            await here.phone.subscribe(f"sip:1002@{here.phone.phone.identity.realm}")
            # the server hangs up
            for connection in list(here.host._connections.values()):
                connection.close()
            await here.counts.news.until(lambda: here.counts.of["desk", "registered"] == 2)
            await here.counts.news.until(lambda: here.counts.of["desk", "subscription active"] >= 2)

    asyncio.run(story())


@pytest.mark.parametrize("transport", list(Transport))
def test_ipv6(transport: Transport) -> None:
    async def story() -> None:
        async with meeting(transport, "::1") as here:
            assert (await here.phone.register()).state == "registered"
            assert "[::1]" in here.phone.phone.contact
            await here.phone.subscribe(f"sip:1002@{here.phone.phone.identity.realm}")
            await here.counts.news.until(lambda: here.counts.of["desk", "subscription active"])
            assert here.host.server.errors == []

    asyncio.run(story())


class Unwell:
    """An edge that answers 503 to everything."""

    def __init__(self) -> None:
        self.send: Callable[[bytes, Address], None] = lambda data, source: None
        self.asked = 0
        self.lost_why: list[str] = []

    def datagram(self, data: bytes, source: Address) -> None:
        self.asked += 1
        self.send(response(Message.parse(data), 503, to_tag="x"), source)

    def accept(self, connection: Connection, remote: Address) -> Peer:
        self.send = lambda data, source: connection.send(data)
        return self

    def received(self, data: bytes) -> None:
        self.datagram(data, ("", 0))

    def lost(self, reason: str) -> None:
        self.lost_why.append(reason)


@pytest.mark.parametrize("transport", list(Transport))
def test_an_edge_that_is_not_well_is_left_for_the_next(transport: Transport) -> None:
    async def story() -> None:
        async with meeting(transport) as here:
            unwell, wire = Unwell(), here.fleet.wire
            assert isinstance(wire, SocketWire)
            datagrams = wire.open(unwell.datagram)
            unwell.send = datagrams.send
            listener = await wire.listen(Transport.TCP if transport is Transport.UDP else transport, unwell.accept)
            alive = here.host.listening[transport]
            phone = here.fleet.add(
                "second",
                here.phone.phone.identity,
                edge=listener.local if transport.reliable else datagrams.local,
                other_edges=(alive,),
                rng=random.Random(4),
                transport=transport,
            )
            assert (await phone.register()).state == "registered"
            assert (unwell.asked, here.counts.of["second", "turned"], phone.phone.edge) == (1, 1, alive)
            # it registered the address that it has now, and is reached there
            assert here.host.server.errors == []
            assert (await phone.unregister()).state == "unregistered"
            datagrams.close()
            await listener.close()

    asyncio.run(story())


@pytest.mark.prove
@pytest.mark.timeout(600)
@pytest.mark.parametrize("transport", list(Transport))
def test_three_chapters_are_green_on_every_transport(transport: Transport, cli: CommandLine, tmp_path: Path) -> None:
    done = cli("run", "sync/*", "presence/*", "quickcall/*", "--transport", transport.value, "--format", "json")
    assert done.code == 0, [case["reason"] for case in done.document["cases"] if case["verdict"] != "pass"]
    cases = {case["address"] for case in done.document["cases"] if case["verdict"] == "pass"}
    # what names its transports itself runs on all of them, whatever is said
    chosen = {address for address in cases if not any(address.endswith(f"{each.value}]") for each in Transport)}
    events = read_record(tmp_path / "out" / "latest").events
    carried = {each["case"] for each in events if each["kind"] == "message" and each["transport"] == transport.value}
    assert len(chosen & carried) > 100
