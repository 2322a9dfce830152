"""The reference server on a wire: its addresses, and RTP that passes through it."""

from __future__ import annotations

import asyncio
import random

import pytest

from harness.hosting import ReferenceHost
from harness.virtual import VirtualLoop
from phones.net import Endpoint, Receive
from phones.net_memory import MemoryWire
from phones.sip.transport import Transport
from reference_server.effects import SendMedia
from reference_server.profiles import PROFILES
from reference_server.server import ReferenceServer


def host_on(wire: MemoryWire, loop: asyncio.AbstractEventLoop) -> ReferenceHost:
    return ReferenceHost(PROFILES["documented"], wire=wire, clock=loop, rng=random.Random(1), epoch=0.0, sip_port=5060)


def in_memory(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bytes, object]]:
    """What somebody hears who says hello to the media address of a server that sends it back."""
    heard: list[tuple[bytes, object]] = []

    def echo(self: ReferenceServer, data: bytes, source: tuple[str, int], now: float) -> None:
        answers = [[SendMedia(data, source)]]
        monkeypatch.setattr(self, "take", lambda: answers.pop() if answers else [])

    monkeypatch.setattr(ReferenceServer, "receive_media", echo)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        wire = MemoryWire(loop, random.Random(2))
        host = host_on(wire, loop)
        phone = wire.open(lambda data, source: heard.append((data, source)))
        assert host.media != host.sip
        phone.send(b"hello", host.media)
        await asyncio.sleep(1.0)
        await host.close()
        phone.send(b"too late", host.media)
        await asyncio.sleep(1.0)
        assert [source for _, source in heard] == [host.media]
        await host_on(wire, loop).close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())
    return heard


def test_media_has_an_address_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [data for data, _ in in_memory(monkeypatch)] == [b"hello"]


class Phone:
    """The other end of a connection."""

    def __init__(self) -> None:
        self.ends: list[str] = []
        self.heard: list[bytes] = []

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, reason: str) -> None:
        self.ends.append(reason)


OPTIONS = (
    b"OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    b"From: <sip:a@x>;tag=1\r\nTo: <sip:x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize("transport", [Transport.TCP, Transport.WS])
def test_a_restart_cuts_connections_and_accepts_new_ones(transport: Transport) -> None:
    phones = [Phone(), Phone()]

    async def work() -> None:
        loop = asyncio.get_running_loop()
        wire = MemoryWire(loop, random.Random(2))
        host = host_on(wire, loop)
        await host.listen(transport)
        for phone in phones:
            connection = wire.connection(transport, phone)
            connection.connect(host.listening[transport])
            connection.send(OPTIONS)
            await asyncio.sleep(1.0)
            assert len(phone.heard) == 1
            if phone is phones[0]:
                host.restart()
                await asyncio.sleep(1.0)
        assert host.server.errors == []
        await host.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())
    assert [phone.ends for phone in phones] == [["closed by the other end"], []]


class ScarceWire(MemoryWire):
    """A network in which the second address is refused."""

    def __init__(self, clock: asyncio.AbstractEventLoop) -> None:
        super().__init__(clock, random.Random(2))
        self.wanted = 0

    def open(self, receive: Receive, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        self.wanted += 1
        if self.wanted == 2:
            raise OSError("no more addresses")
        return super().open(receive, host, port)


def test_without_a_media_address_the_sip_address_is_let_go() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        wire = ScarceWire(loop)
        with pytest.raises(OSError, match="no more addresses"):
            host_on(wire, loop)
        await host_on(wire, loop).close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(work())
