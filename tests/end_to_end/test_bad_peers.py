"""A peer that floods, stalls in the middle of a message, or never acknowledges: the other phones of a fleet live on."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from phones.calls import CallPolicy
from phones.fleet import RunningPhone
from phones.phone import Identity
from phones.sip.message import Address
from phones.sip.transport import Transport
from tests.end_to_end.test_transports import Meeting, meeting

ENOUGH = 300
"""Messages of the flood that have arrived before the others begin, and again while they are at work."""


def message(method: str, number: int, transport: Transport) -> bytes:
    return (
        f"{method} sip:victim@127.0.0.1 SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport.upper()} 127.0.0.1;branch=z9hG4bKbad{number}\r\n"
        f"From: <sip:bad@127.0.0.1>;tag=b\r\nTo: <sip:victim@127.0.0.1>\r\nCall-ID: bad-{number}\r\n"
        f"CSeq: 1 {method}\r\nContact: <sip:bad@127.0.0.1>\r\nEvent: check-sync\r\n"
        "Subscription-State: terminated\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def flood(send: Callable[[bytes], object], ended: threading.Event, transport: Transport) -> None:
    number = 0
    while not ended.is_set():
        number += 1
        send(message("NOTIFY", number, transport))


def stall(send: Callable[[bytes], object], ended: threading.Event, transport: Transport) -> None:
    whole = message("NOTIFY", 1, transport)
    send(whole + whole[:150])
    ended.wait()


def never_acknowledge(send: Callable[[bytes], object], ended: threading.Event, transport: Transport) -> None:
    for number in range(ENOUGH):
        send(message("INVITE", number, transport))
    ended.wait()


Habit = Callable[[Callable[[bytes], object], threading.Event, Transport], None]


@contextmanager
def bad_peer(habit: Habit, transport: Transport) -> Iterator[Address]:
    """A peer in a thread of its own, which does what it does to whoever says something to it."""
    ended = threading.Event()
    kind = socket.SOCK_STREAM if transport.reliable else socket.SOCK_DGRAM

    def talk() -> None:
        if not transport.reliable:
            _, victim = sock.recvfrom(65_535)
            habit(lambda data: sock.sendto(data, victim), ended, transport)
            return
        accepted, _ = sock.accept()
        with accepted:
            accepted.settimeout(1.0)
            try:
                habit(accepted.sendall, ended, transport)
            except OSError:
                # the phone has left, or does not read any faster
                ended.wait()

    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        if transport.reliable:
            sock.listen()
        thread = threading.Thread(target=talk)
        thread.start()
        try:
            yield sock.getsockname()
        finally:
            ended.set()
            thread.join()


def victim_of(here: Meeting, where: Address, transport: Transport) -> RunningPhone:
    phone = here.fleet.add(
        "victim", Identity("victim", "x", "127.0.0.1"), edge=where, rng=random.Random(3), transport=transport
    )
    phone.calls_policy = CallPolicy("answer")
    phone.begin_registration()
    return phone


async def work(here: Meeting) -> None:
    """What a phone does on a usual day."""
    assert (await here.phone.register()).state == "registered"
    realm = here.phone.phone.identity.realm
    assert (await here.phone.subscribe(f"sip:1002@{realm}")).state == "active"
    here.phone.call(f"sip:nobody@{realm}")
    await here.counts.news.until(lambda: here.counts.of["desk", "ended"])
    assert (await here.phone.unregister()).state == "unregistered"
    assert here.host.server.errors == []


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP])
@pytest.mark.parametrize("habit", [flood, stall, never_acknowledge])
def test_a_bad_peer_harms_no_other_phone(transport: Transport, habit: Habit) -> None:
    async def story() -> None:
        with bad_peer(habit, transport) as where:
            async with meeting(transport) as here:
                victim = victim_of(here, where, transport)
                arrived = 1 if habit is stall else ENOUGH

                def heard() -> int:
                    return here.counts.of["victim", "heard new"]

                await here.counts.news.until(lambda: heard() >= arrived)
                before = heard()
                async with asyncio.timeout(30):
                    await work(here)
                if habit is flood:
                    # it went on all the time
                    assert heard() > before
                if habit is never_acknowledge:
                    assert here.counts.of["victim", "SIP/2.0"] >= ENOUGH
                    assert here.counts.of["victim", "ended"] < ENOUGH
                assert victim.phone.state == "trying"

    asyncio.run(story())
