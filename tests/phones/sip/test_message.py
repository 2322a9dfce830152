"""Built messages to the octet, the stamps of the top Via, and where responses go."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import REASONS, Address, refusal, request, response, response_target, stamp_via
from tests.phones.playbook import EDGE, a_request, message, without
from tests.phones.sip.strategies import HOSTILE, PIECES, some_bytes

OPTIONS = a_request("OPTIONS")


def via_of(data: bytes) -> str:
    return Message.parse(data).get("via") or ""


def stamped(via: str, source: Address) -> str:
    return via_of(stamp_via(a_request("OPTIONS", via=via), source))


def target(via: str) -> Address:
    return response_target(Message.parse(a_request("OPTIONS", via=via)))


# --- building --------------------------------------------------------------------------------------------------------


def test_a_request_to_the_octet() -> None:
    built = request("MESSAGE", "sip:a@b", [("Call-ID", "c\udcff"), ("CSeq", "1 MESSAGE")], b"\xc3\xa9")
    assert built == b"MESSAGE sip:a@b SIP/2.0\r\nCall-ID: c\xff\r\nCSeq: 1 MESSAGE\r\nContent-Length: 2\r\n\r\n\xc3\xa9"


def test_a_response_to_the_octet() -> None:
    asked = Message.parse(
        a_request("NOTIFY", "v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKsecond", "Record-Route: <sip:192.0.2.1;lr>")
    )
    assert response(asked, 489, headers=[("Allow-Events", "dialog")], to_tag="t1", body=b"no") == message(
        "SIP/2.0 489 Bad Event",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb1",
        "Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKsecond",
        "Record-Route: <sip:192.0.2.1;lr>",
        "From: <sip:desk@a.example.com>;tag=f1",
        "To: <sip:desk@a.example.com>;tag=t1",
        "Call-ID: c1",
        "CSeq: 1 NOTIFY",
        "Allow-Events: dialog",
        "Content-Length: 2",
        body=b"no",
    )


@pytest.mark.parametrize(
    ("to", "answered"),
    [
        ("<sip:a@b>", "<sip:a@b>;tag=t1"),
        ("sip:a@b", "sip:a@b;tag=t1"),
        ("<sip:a@b;tag=uri>", "<sip:a@b;tag=uri>;tag=t1"),
        ('"x;tag=name" <sip:a@b>', '"x;tag=name" <sip:a@b>;tag=t1'),
        ("<sip:a@b>;isup-tag=1", "<sip:a@b>;isup-tag=1;tag=t1"),
        ("<sip:a@b>;tag=there", "<sip:a@b>;tag=there"),
        ("<sip:a@b> ;   TAG    = there", "<sip:a@b> ;   TAG    = there"),
        ("sip:a@b;tag=there", "sip:a@b;tag=there"),
    ],
)
def test_a_tag_is_added_where_there_is_none(to: str, answered: str) -> None:
    asked = Message.parse(without(OPTIONS, "To").replace(b"CSeq", f"To: {to}\r\nCSeq".encode(), 1))
    assert Message.parse(response(asked, 200, to_tag="t1")).get("to") == answered
    assert Message.parse(response(asked, 200)).get("to") == to


def test_a_response_invents_no_address() -> None:
    asked = Message.parse(without(without(OPTIONS, "From"), "To"))
    answer = Message.parse(response(asked, 400, to_tag="t1"))
    assert (answer.get("from"), answer.get("to")) == (None, None)


def test_a_reason_is_free() -> None:
    asked = Message.parse(OPTIONS)
    assert Message.parse(response(asked, 200, "Fine")).reason == "Fine"
    assert Message.parse(response(asked, 299)).reason == ""
    assert all(Message.parse(response(asked, status)).reason == reason for status, reason in REASONS.items())


@given(data=some_bytes(OPTIONS, a_request("NOTIFY", "Record-Route: <sip:a;lr>", via="SIP/2.0/UDP h")))
@settings(deadline=None)
def test_the_response_to_whatever_can_be_read_can_be_read(data: bytes) -> None:
    try:
        asked = Message.parse(data)
    except SipSyntaxError:
        return
    answer = Message.parse(response(asked, 200, to_tag="t1"))
    assert (answer.status, answer.call_id, answer.cseq, answer.method) == (200, asked.call_id, asked.cseq, asked.method)
    assert (answer.all("via"), answer.branch, answer.body) == (asked.all("via"), asked.branch, b"")


# --- the top Via -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("via", "source", "then"),
    [
        ("SIP/2.0/UDP 192.0.2.1", EDGE, "SIP/2.0/UDP 192.0.2.1"),
        ("SIP/2.0/UDP 192.0.2.1:9", EDGE, "SIP/2.0/UDP 192.0.2.1:9"),
        ("SIP/2.0/UDP h", EDGE, "SIP/2.0/UDP h;received=192.0.2.1"),
        ("SIP/2.0/UDP h;rport;branch=z", EDGE, "SIP/2.0/UDP h;rport=5060;branch=z;received=192.0.2.1"),
        ("SIP/2.0/UDP 192.0.2.1;RPORT", EDGE, "SIP/2.0/UDP 192.0.2.1;rport=5060;received=192.0.2.1"),
        ("SIP/2.0/UDP h ; rport , S;rport", EDGE, "SIP/2.0/UDP h ;rport=5060 ;received=192.0.2.1, S;rport"),
        ('SIP/2.0/UDP h;x="a,b";rport', EDGE, 'SIP/2.0/UDP h;x="a,b";rport=5060;received=192.0.2.1'),
        ("SIP/2.0/UDP h;rportal;xrport", EDGE, "SIP/2.0/UDP h;rportal;xrport;received=192.0.2.1"),
        # what the sender says about itself is not believed
        ("SIP/2.0/UDP 192.0.2.1;received=198.51.100.6", EDGE, "SIP/2.0/UDP 192.0.2.1"),
        ("SIP/2.0/UDP h;rport=99;received=198.51.100.6", EDGE, "SIP/2.0/UDP h;rport=5060;received=192.0.2.1"),
        # quoted strings are left alone
        ('SIP/2.0/UDP h:7"x;rport=""', EDGE, 'SIP/2.0/UDP h:7"x;rport=";received=192.0.2.1"'),
        ('SIP/2.0/UDP h;x="\\;received=";rport', EDGE, 'SIP/2.0/UDP h;x="\\;received=";rport=5060;received=192.0.2.1'),
        ("SIP/2.0/UDP h;rport = 99;rport", EDGE, "SIP/2.0/UDP h;rport=5060;rport=5060;received=192.0.2.1"),
        # IPv6: brackets in sent-by, none in received
        ("SIP/2.0/UDP [2001:db8::1]:9", ("2001:db8::1", 7), "SIP/2.0/UDP [2001:db8::1]:9"),
        ("SIP/2.0/UDP [::2];rport", ("2001:db8::2", 7), "SIP/2.0/UDP [::2];rport=7;received=2001:db8::2"),
        ("nonsense", EDGE, "nonsense;received=192.0.2.1"),
    ],
)  # fmt: skip
def test_the_stamp(via: str, source: Address, then: str) -> None:
    assert stamped(via, source) == then


def test_a_stamp_touches_nothing_else() -> None:
    data = a_request(
        "NOTIFY", "Via: SIP/2.0/UDP i;rport", via="SIP/2.0/UDP h;rport", body=b"\r\nVia: SIP/2.0/UDP k;rport"
    )
    assert stamp_via(data, EDGE) == data.replace(b"h;rport\r\n", b"h;rport=5060;received=192.0.2.1\r\n")


def test_a_folded_via_is_stamped_whole() -> None:
    data = a_request("OPTIONS", via="SIP/2.0/UDP\r\n h\r\n\t;rport;branch=z9hG4bKx")
    assert via_of(stamp_via(data, EDGE)) == "SIP/2.0/UDP h ;rport=5060;branch=z9hG4bKx;received=192.0.2.1"


@pytest.mark.parametrize(
    "data",
    [
        OPTIONS,
        without(OPTIONS, "Via"),
        without(a_request("MESSAGE", body=b"\r\nVia: SIP/2.0/UDP h;rport\r\n\r\n"), "Via"),
        b"",
        b"\r\nVia: h;rport",
        b"\r\nVia: h;rport\r\n",
        b"\0\0\0\0",
    ],
)
def test_what_needs_no_stamp_is_the_same_object(data: bytes) -> None:
    assert stamp_via(data, EDGE) is data


@pytest.mark.parametrize(
    ("via", "to"),
    [
        ("SIP/2.0/UDP 192.0.2.1", ("192.0.2.1", 5060)),
        ("SIP/2.0/UDP 192.0.2.1:5080", ("192.0.2.1", 5080)),
        ("SIP / 2.0 / udp  192.0.2.1 : 5080 ;branch=x", ("192.0.2.1", 5080)),
        ("SIP/2.0/UDP 192.0.2.1:5080;rport=9", ("192.0.2.1", 9)),
        ("SIP/2.0/UDP h:5080;received=192.0.2.7", ("192.0.2.7", 5080)),
        ("SIP/2.0/UDP h:5080;RPORT=9;Received=192.0.2.7", ("192.0.2.7", 9)),
        ("SIP/2.0/UDP h:5080;rport", ("h", 5080)),
        ('SIP/2.0/UDP h:5080;x=";received=192.0.2.7;rport=9"', ("h", 5080)),
        ("SIP/2.0/UDP [2001:db8::1]", ("2001:db8::1", 5060)),
        ("SIP/2.0/UDP [2001:db8::1]:7;received=2001:db8::2", ("2001:db8::2", 7)),
        ("SIP/2.0/WS-X h:05080", ("h", 5080)),
        ("SIP/2.0/UDP h, SIP/2.0/UDP i:7;received=192.0.2.7", ("h", 5060)),
    ],
)
def test_where_a_response_goes(via: str, to: Address) -> None:
    assert target(via) == to


@pytest.mark.parametrize(
    "via",
    [
        "", "h", "SIP/2.0/UDP", "SIP/2.0/UDP ;branch=x", "SIP/3.0/UDP h", "x SIP/2.0/UDP h", "SIP/2.0/UDP [::1",
        "SIP/2.0/UDP []", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h:506000", "SIP/2.0/UDP h;rport=0",
        "SIP/2.0/UDP h;rport=²", "SIP/2.0/UDP h;rport=٣", "SIP/2.0/UDP h;rport=-1", "SIP/2.0/UDP h;rport=x",
        "SIP/2.0/UDP h;rport=" + "9" * 5000,
    ],
)  # fmt: skip
def test_a_via_that_names_nobody(via: str) -> None:
    with pytest.raises(SipSyntaxError):
        target(via)


VIAS = st.lists(st.sampled_from([*HOSTILE, *(piece.decode("latin-1") for piece in PIECES)]), max_size=12).map("".join)


@given(via=st.just("SIP/2.0/UDP 198.51.100.6:7").flatmap(lambda start: VIAS.map(lambda rest: start + rest)) | VIAS)
@settings(deadline=None)
def test_a_stamped_via_sends_nothing_to_third_parties(via: str) -> None:
    data = a_request("OPTIONS", via=via)
    after = stamp_via(data, EDGE)
    try:
        before, read = Message.parse(data), Message.parse(after)
    except SipSyntaxError:
        return
    assert (read.cseq, read.call_id, read.body) == (before.cseq, before.call_id, before.body)
    assert len(read.headers) == len(before.headers)
    try:
        host, port = response_target(read)
    except SipSyntaxError:
        return
    assert host == EDGE[0]
    assert 0 < port < 65536


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_costs_no_square(piece: str) -> None:
    again = piece * (60_000 // len(piece))
    for via in (again, f"SIP/2.0/UDP h;rport={again}", f"SIP/2.0/UDP h;received{again}x y", f"SIP/2.0/{again}"):
        data = a_request("OPTIONS", via=via)
        stamp_via(data, EDGE)
        try:
            read = Message.parse(data)
        except SipSyntaxError:
            continue
        response(read, 200, to_tag="t1")
        try:
            response_target(read)
        except SipSyntaxError:
            continue


# --- refusing --------------------------------------------------------------------------------------------------------


def refused(data: bytes) -> bytes | None:
    with pytest.raises(SipSyntaxError) as error:
        Message.parse(data)
    return refusal(data, error.value)


def test_a_refusal_to_the_octet() -> None:
    assert refused(a_request("OPTIONS", uri="<sip:a>")) == message(
        "SIP/2.0 400 Bad Request (no valid Request-URI: b'<sip:a>')",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb1",
        "From: <sip:desk@a.example.com>;tag=f1",
        "To: <sip:desk@a.example.com>",
        "Call-ID: c1",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    )
    later = refused(OPTIONS.replace(b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia")) or b""
    assert Message.parse(later).status == 505


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        a_request("ACK", uri="<sip:a>"),
        message("SIP/2.0 999 x", "Via: SIP/2.0/UDP h", "Call-ID: c", "CSeq: 1 OPTIONS"),
        without(a_request("OPTIONS", uri="<sip:a>"), "Via"),
        without(a_request("OPTIONS", uri="<sip:a>"), "CSeq"),
        without(a_request("OPTIONS", uri="<sip:a>"), "Call-ID"),
        a_request("OPTIONS", "no colon"),
    ],
)
def test_nobody_is_refused_who_could_not_know_it(data: bytes) -> None:
    assert refused(data) is None


@given(data=some_bytes(OPTIONS, a_request("INVITE", body=b"x")))
@settings(deadline=None)
def test_a_refusal_is_never_refused_itself(data: bytes) -> None:
    error = SipSyntaxError("any \r\n reason \udcff")
    answer = refusal(data, error)
    if answer is not None:
        assert answer.startswith(b"SIP/2.0 400 Bad Request (any  reason )\r\n")
        assert refusal(answer, error) is None
