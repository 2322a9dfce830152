"""The scapy layers: to the octet both ways, summaries, pairs, captures, and what is no SIP at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from scapy.utils import rdpcap, wrpcap

from phones.sip.index import Message, SipSyntaxError, scan
from phones.sip.layers import SIP, SIPRequest, SIPResponse, bind
from tests.phones.playbook import a_request, message
from tests.phones.sip.strategies import some_bytes

HEADERS = [
    ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx"),
    ("Call-ID", "c1"),
    ("CSeq", "7 NOTIFY"),
    ("o", "check-sync"),
]
NOTIFY = SIPRequest(method="NOTIFY", uri="sip:desk@192.0.2.10", headers=HEADERS)
ON_THE_WIRE = message(
    "NOTIFY sip:desk@192.0.2.10 SIP/2.0",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx",
    "Call-ID: c1",
    "CSeq: 7 NOTIFY",
    "o: check-sync",
    "Content-Length: 0",
)
FOLDED = message("OPTIONS  sip:a\tb  SIP/2.0", "V :\t x", "  y", "Call-ID:c", "x:", body=b"\r\n\r\n\xff")


# --- crafting --------------------------------------------------------------------------------------------------------


def test_a_crafted_request_to_the_octet() -> None:
    assert bytes(NOTIFY) == ON_THE_WIRE
    assert bytes(NOTIFY) == ON_THE_WIRE
    assert bytes(NOTIFY / "hello") == ON_THE_WIRE.replace(b": 0", b": 5") + b"hello"
    assert NOTIFY.message().get("Event") == "check-sync"


def test_a_crafted_response_to_the_octet() -> None:
    packet = SIPResponse(status=489, reason="Bad Event", headers={"Call-ID": b"c\xff", "CSeq": "7 NOTIFY", "X": 1})
    assert (
        bytes(packet)
        == b"SIP/2.0 489 Bad Event\r\nCall-ID: c\xff\r\nCSeq: 7 NOTIFY\r\nX: 1\r\nContent-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize("name", ["Content-Length", "l", "CONTENT-LENGTH "])
def test_a_given_length_stays(name: str) -> None:
    packet = SIPRequest(method="MESSAGE", uri="sip:a", headers=[(name, "99")]) / "hello"
    assert bytes(packet) == f"MESSAGE sip:a SIP/2.0\r\n{name}: 99\r\n\r\nhello".encode()


def test_a_message_without_a_length() -> None:
    packet = SIPRequest(method="MESSAGE", uri="sip:a", headers=[("X", "y")], auto_length=0) / "hello"
    assert bytes(packet) == b"MESSAGE sip:a SIP/2.0\r\nX: y\r\n\r\nhello"


def test_a_malformed_message_is_crafted_as_told() -> None:
    packet = SIPRequest(
        method="NO TIFY", uri="", version="SIP/9", headers=[("X", "y\r\nEvil: z"), ("", "")], auto_length=0
    )
    assert bytes(packet) == b"NO TIFY  SIP/9\r\nX: y\r\nEvil: z\r\n: \r\n\r\n"
    with pytest.raises(SipSyntaxError):
        packet.message()


def test_packets_share_no_headers() -> None:
    first = SIPRequest()
    first.headers.append(("X", "y"))
    assert SIPRequest().headers == []


def test_the_layer_without_a_kind_is_not_built() -> None:
    with pytest.raises(SipSyntaxError):
        bytes(SIP())
    with pytest.raises(SipSyntaxError):
        SIP().read_start("OPTIONS sip:a SIP/2.0")


# --- dissecting ------------------------------------------------------------------------------------------------------


def test_fields_are_read() -> None:
    request = SIP(ON_THE_WIRE + b"body")
    assert isinstance(request, SIPRequest)
    assert (request.method, request.uri, request.version) == ("NOTIFY", "sip:desk@192.0.2.10", "SIP/2.0")
    assert request.headers == [*HEADERS, ("Content-Length", "0")]
    assert (request.header("call-id"), request.header("EVENT"), request.header("To")) == ("c1", "check-sync", None)
    assert request[Raw].load == b"body"
    answer = SIP(b"sip/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n")
    assert isinstance(answer, SIPResponse)
    assert (answer.version, answer.status, answer.reason) == ("sip/2.0", "486", "Busy Here")


@pytest.mark.parametrize(
    "data", [b"\0\0\0\0", b"\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"NOTIFY sip:a SIP/2.0\r\n"]
)
def test_what_is_no_sip_is_raw(data: bytes) -> None:
    packet = SIP(data)
    assert type(packet) is Raw
    assert bytes(packet) == data


def change_a_field(packet: Any) -> None:
    packet.method = "INFO"


def replace_the_headers(packet: Any) -> None:
    packet.headers = [("X", "new")]


def append_a_header(packet: Any) -> None:
    packet.headers.append(("X", "new"))


def remove_a_header(packet: Any) -> None:
    del packet.headers[0]


@pytest.mark.parametrize(
    ("change", "then"),
    [
        (change_a_field, b"INFO sip:a SIP/2.0\r\nA: 1 2\r\nB: 3\r\n\r\nbody"),
        (replace_the_headers, b"NOTIFY sip:a SIP/2.0\r\nX: new\r\n\r\nbody"),
        (append_a_header, b"NOTIFY sip:a SIP/2.0\r\nA: 1 2\r\nB: 3\r\nX: new\r\n\r\nbody"),
        (remove_a_header, b"NOTIFY sip:a SIP/2.0\r\nB: 3\r\n\r\nbody"),
    ],
)
def test_a_change_after_dissection_is_on_the_wire(change: Any, then: bytes) -> None:
    data = b"NOTIFY sip:a SIP/2.0\r\nA:1\r\n 2\r\nB:3\r\n\r\nbody"
    packet = SIP(data)
    packet.show(dump=True)
    other = packet.copy()
    change(packet)
    assert bytes(packet) == then
    assert bytes(other) == data


SOME = some_bytes(ON_THE_WIRE, FOLDED, a_request("INVITE", body=b"v=0"), b"SIP/2.0 200 OK\r\nCSeq: 1 A\r\n\r\n")


@given(data=SOME.filter(bool))
@settings(deadline=None)
def test_any_bytes_come_back(data: bytes) -> None:
    packet = SIP(data)
    assert bytes(packet) == data
    assert bytes(packet.copy()) == data
    assert bytes(pickle.loads(pickle.dumps(packet))) == data
    assert isinstance(packet.summary() + repr(packet) + packet.show(dump=True) + packet.command(), str)
    assert isinstance(packet.hashret(), bytes)
    if isinstance(packet, SIP):
        try:
            read = Message.parse(data)
        except SipSyntaxError:
            return
        assert packet.headers == read.headers
        assert packet.message().raw == data
        assert packet.answers(packet) == 0


WORD = st.text("abcXYZ019-.", min_size=1, max_size=8)
VALUE = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs"]), max_size=12).map(
    lambda text: text.strip("\x85")
)


@given(
    method=WORD,
    uri=WORD,
    headers=st.lists(st.tuples(WORD, VALUE), max_size=6),
    body=st.binary(max_size=20),
    auto_length=st.integers(0, 1),
)
@settings(deadline=None)
def test_craft_dissect_rebuild(
    method: str, uri: str, headers: list[tuple[str, str]], body: bytes, auto_length: int
) -> None:
    crafted = SIPRequest(method=method, uri=uri, headers=headers, auto_length=auto_length)
    data = bytes(crafted / body if body else crafted)
    read = SIP(data)
    assert bytes(read) == data
    if isinstance(read, SIPRequest):
        assert (read.method, read.uri) == (method, uri)
        assert read.headers[: len(headers)] == headers
        rebuilt = SIPRequest(method=read.method, uri=read.uri, headers=read.headers, auto_length=0)
        assert bytes(rebuilt / read.payload) == data
    start, fields, rest = scan(data)
    assert (start, rest) == (f"{method} {uri} SIP/2.0".encode(), body)
    given_length = any(name.lower() == "l" for name, _ in headers)
    assert len(fields) == len(headers) + (auto_length and not given_length)


# --- summaries and pairs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "summary"),
    [
        (ON_THE_WIRE, "SIP NOTIFY sip:desk@192.0.2.10 [check-sync]"),
        (b"OPTIONS sip:a SIP/2.0\r\nCall-ID: c\r\n\r\n", "SIP OPTIONS sip:a"),
        (b"SIP/2.0 486 Busy Here\r\nCSeq: 1 INVITE\r\n\r\n", "SIP 486 Busy Here (INVITE)"),
    ],
)
def test_the_summary_of_a_line(data: bytes, summary: str) -> None:
    assert SIP(data).summary() == summary
    assert (IP() / UDP() / SIP(data)).summary().endswith(summary)


def answer_to(request: Packet, **changes: str) -> SIPResponse:
    headers = {name: request.header(name) for name in ("Via", "Call-ID", "CSeq")} | changes
    return SIPResponse(status=200, reason="OK", headers=headers)


def test_a_response_answers_its_request_and_nothing_else() -> None:
    other = SIPRequest(method="INFO", uri="sip:a", headers=[*HEADERS[:2], ("CSeq", "7 INFO")])
    answer = answer_to(NOTIFY)
    assert answer.answers(NOTIFY) == 1
    assert answer.answers(SIP(ON_THE_WIRE)) == 1
    assert answer.answers(other) == 0
    assert answer.answers(answer) == 0
    assert answer.answers(Raw(ON_THE_WIRE)) == 0
    assert NOTIFY.answers(answer) == 0
    assert NOTIFY.answers(NOTIFY) == 0
    assert answer_to(NOTIFY, CSeq="8 NOTIFY").answers(NOTIFY) == 0
    assert answer_to(NOTIFY, **{"Call-ID": "c2"}).answers(NOTIFY) == 0
    assert answer_to(NOTIFY, Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKy").answers(NOTIFY) == 0
    assert answer_to(NOTIFY, CSeq="NOTIFY").answers(NOTIFY) == 0
    assert answer.answers(SIPRequest()) == 0


def test_through_udp_and_ip() -> None:
    request = IP(src="192.0.2.1", dst="192.0.2.10") / UDP(sport=5060, dport=5062) / NOTIFY
    answer = IP(src="192.0.2.10", dst="192.0.2.1") / UDP(sport=5062, dport=5060) / answer_to(NOTIFY)
    stranger = answer.copy()
    stranger[SIPResponse].headers[1] = ("Call-ID", "c2")
    assert (answer.answers(request), stranger.answers(request)) == (1, 0)
    assert request.hashret() == answer.hashret() != stranger.hashret()


@pytest.mark.parametrize("cseq", ["7 NOTIFY", "7\tNOTIFY", "7   NOTIFY", "7"])
def test_request_and_response_share_a_hash(cseq: str) -> None:
    assert answer_to(NOTIFY, CSeq=cseq).hashret() == NOTIFY.hashret() == b"c1 7"


def test_a_hash_of_any_bytes() -> None:
    assert SIP(ON_THE_WIRE.replace(b"c1", b"\xff")).hashret() == b"\xff 7"


# --- captures --------------------------------------------------------------------------------------------------------


ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def test_a_capture_reads_back(tmp_path: Path) -> None:
    bind(5060, 5062)
    sent = [
        ETHER / IP(src="192.0.2.1", dst="192.0.2.10") / UDP(sport=5060, dport=5062) / NOTIFY,
        ETHER / IP(src="192.0.2.10", dst="192.0.2.1") / UDP(sport=5062, dport=5060) / answer_to(NOTIFY),
        ETHER / IP(src="192.0.2.1", dst="192.0.2.10") / TCP(sport=40000, dport=5060, flags="PA") / FOLDED,
        ETHER / IP(src="192.0.2.1", dst="192.0.2.10") / UDP(sport=5060, dport=5062) / b"\0\0\0\0",
        ETHER / IP(src="192.0.2.1", dst="192.0.2.10") / UDP(sport=9, dport=9) / ON_THE_WIRE,
    ]
    path = tmp_path / "some.pcap"
    wrpcap(str(path), sent)
    read = list(rdpcap(str(path)))
    assert [type(packet.lastlayer()) for packet in read] == [SIPRequest, SIPResponse, Raw, Raw, Raw]
    assert [packet.haslayer(SIP) for packet in read] == [True, True, True, False, False]
    assert [bytes(packet[TCP if TCP in packet else UDP].payload) for packet in read[:3]] == [
        ON_THE_WIRE,
        bytes(answer_to(NOTIFY)),
        FOLDED,
    ]
    assert read[2][SIP].header("Via") == "x y"
    assert read[1].answers(read[0]) == 1
