"""The bytes of a `send` step."""

from typing import Any

import pytest

from harness.crafted import Sending
from harness.crafting import craft
from harness.errors import HarnessError
from phones.sip.index import Message


def crafted(**fields: Any) -> bytes:
    return craft(Sending(phone="desk", **fields), {"word": "text", "number": 5})[0]


def test_a_request() -> None:
    data = crafted(
        sip={"method": "OPTIONS", "uri": "sip:{{ word }}", "headers": {"CSeq": "1 OPTIONS", "Max-Forwards": 70}}
    )
    assert data == b"OPTIONS sip:text SIP/2.0\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"


def test_a_response_with_a_body() -> None:
    headers = {
        "Via": "SIP/2.0/UDP h;branch=z9hG4bK1",
        "From": "<sip:a>",
        "To": "<sip:b>",
        "Call-ID": "1",
        "CSeq": "1 A",
    }
    data = crafted(sip={"status": 200, "reason": "Fine", "headers": headers, "body": "{{ word }}"})
    message = Message.parse(data)
    assert (message.status, message.reason, message.body) == (200, "Fine", b"text")


def test_without_a_length() -> None:
    data = crafted(sip={"method": "X", "uri": "sip:a", "headers": {"A": "b"}, "auto_length": False})
    assert data == b"X sip:a SIP/2.0\r\nA: b\r\n\r\n"


def test_raw_and_hex() -> None:
    assert crafted(raw="a\r\n{{ number }}ä\0") == b"a\r\n5\xc3\xa4\0"
    assert crafted(hex="00 ff{{ number }}5") == b"\x00\xff\x55"


def test_layers() -> None:
    assert crafted(layers=[{"Raw": {"load": "{{ word }}"}}]) == b"text"
    assert (
        crafted(layers=[{"scapy.layers.inet.UDP": {"sport": 1, "dport": 2}}, {"Raw": {"load": "x"}}])[:4] == b"\0\1\0\2"
    )
    sip = [{"SIPRequest": {"method": "A", "uri": "sip:b", "headers": {"C": "d"}}}, {"Raw": {"load": "body"}}]
    assert crafted(layers=sip).startswith(b"A sip:b SIP/2.0\r\nC: d\r\n")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"hex": "0"}, "send: hex: non-hexadecimal"),
        ({"hex": "zz"}, "send: hex: non-hexadecimal"),
        ({"layers": [{"Sip": {}}]}, "no layer 'Sip'"),
        ({"layers": [{"os.path": {}}]}, "no layer 'os.path'"),
        ({"layers": [{"scapy.layers.nothing.X": {}}]}, "no layer"),
        ({"layers": [{"scapy.layers.inet.Nothing": {}}]}, "no layer"),
        ({"layers": [{"scapy.layers.inet.socket": {}}]}, "is no scapy layer"),
        ({"layers": [{"Raw": {"lod": "x"}}]}, "scapy cannot build Raw"),
        ({"layers": [{"scapy.layers.inet.UDP": {"sport": "x"}}]}, "scapy cannot build"),
        ({"raw": "x", "to": "nowhere"}, "host:port is wanted"),
        ({"raw": "x", "to": "127.0.0.1:x"}, "host:port is wanted"),
        ({"raw": "x", "to": "127.0.0.1:99999"}, "host:port is wanted"),
    ],
)
def test_what_cannot_be_built(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        crafted(**fields)


@pytest.mark.parametrize(
    ("to", "address"), [("127.0.0.1:5070", ("127.0.0.1", 5070)), ("[::1]:5070", ("::1", 5070)), (None, None)]
)
def test_where_to(to: str | None, address: tuple[str, int] | None) -> None:
    assert craft(Sending(phone="desk", raw="x", to=to), {})[1] == address
