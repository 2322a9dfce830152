"""Phones on one socket: everyone gets what names them, and what names nobody is counted."""

from __future__ import annotations

import pytest

from phones.net import Receive
from phones.net_shared import SharedWire
from phones.sip.message import Address

SOURCE = ("192.0.2.7", 5060)
FIRST = ("192.0.2.1", 1)


class OneByOne:
    """A wire whose addresses are counted; what is sent is kept."""

    def __init__(self) -> None:
        self.receivers: list[Receive] = []
        self.sent: list[tuple[bytes, Address]] = []
        self.closed = 0

    def open(self, receive: Receive, host: str = "192.0.2.1", port: int = 0) -> _Opened:
        self.receivers.append(receive)
        return _Opened(self, (host, len(self.receivers)))


class _Opened:
    def __init__(self, wire: OneByOne, local: Address) -> None:
        self._wire = wire
        self.local = local

    def send(self, data: bytes, remote: Address) -> None:
        self._wire.sent.append((data, remote))

    def close(self) -> None:
        self._wire.closed += 1


class Shared:
    """Two phones on one address."""

    def __init__(self) -> None:
        self.network = OneByOne()
        self.wire = SharedWire(self.network, FIRST[0])
        self.heard: list[str] = []
        self.prefixes: list[str] = []
        self.endpoints = []
        for number, user in enumerate(("anne", "b%2Fob"), 10):
            self.prefixes.append(self.wire.join(user, number))
            self.endpoints.append(self.wire.open(self.hears(user), FIRST[0]))

    def hears(self, name: str) -> Receive:
        return lambda data, source: self.heard.append(name)

    def arrives(self, data: bytes) -> list[str]:
        self.heard.clear()
        self.network.receivers[0](data, SOURCE)
        return self.heard


def response(call_id: str, name: str = "Call-ID") -> bytes:
    return f"SIP/2.0 200 OK\r\n{name}: {call_id}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("uri", "whose"),
    [
        ("sip:anne@192.0.2.1:1", ["anne"]),
        ("sip:b%2Fob@192.0.2.1:1;transport=udp", ["b%2Fob"]),
        ("sips:anne:secret@192.0.2.1", ["anne"]),
        ("sip:carl@192.0.2.1:1", []),
        ("sip:192.0.2.1:1", []),
        ("tel:1", []),
    ],
)
def test_a_request_goes_to_whom_it_names(uri: str, whose: list[str]) -> None:
    shared = Shared()
    assert shared.arrives(f"NOTIFY {uri} SIP/2.0\r\nCall-ID: 1\r\n\r\n".encode()) == whose
    assert shared.wire.astray == (not whose)


def test_a_response_goes_to_whose_call_id_it_has() -> None:
    shared = Shared()
    anne, bob = shared.prefixes
    assert anne != bob
    assert shared.arrives(response(f"{anne}77aa")) == ["anne"]
    assert shared.arrives(response(f"{bob}77aa", "i")) == ["b%2Fob"]
    for stranger in ("77aa", "c.77aa", ""):
        assert shared.arrives(response(stranger)) == []
    assert shared.arrives(b"\0" * 30) == []
    assert shared.wire.astray == 4


def test_all_send_from_one_address_and_who_leaves_is_gone_alone() -> None:
    shared = Shared()
    anne, bob = shared.endpoints
    assert anne.local == bob.local == shared.wire.local == FIRST
    bob.send(b"x", SOURCE)
    assert shared.network.sent == [(b"x", SOURCE)]
    anne.close()
    anne.close()
    assert shared.arrives(response(f"{shared.prefixes[0]}1")) == []
    assert shared.arrives(response(f"{shared.prefixes[1]}1")) == ["b%2Fob"]
    assert shared.network.closed == 0
    shared.wire.close()
    assert shared.network.closed == 1


def test_who_has_not_joined_gets_an_address_of_its_own() -> None:
    shared = Shared()
    assert shared.wire.open(shared.hears("rtp"), FIRST[0]).local != FIRST
    shared.network.receivers[1](b"\x80", SOURCE)
    assert shared.heard == ["rtp"]
