"""The points of RFC 4475 with messages of our own, on a phone: what it answers, and that it is well afterwards."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from phones.effects import Transmit
from phones.sip.digest import Challenge, Credentials
from phones.sip.framing import LARGEST_HEADERS, Framer
from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import stamp_via
from tests.phones.playbook import Desk, a_request

VIA = "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKt1"
FROM, TO, CALL = "From: <sip:a@example.com>;tag=f", "To: <sip:b@example.com>", "Call-ID: c1"
HOPS = "Max-Forwards: 70"
HERE = "sip:desk@192.0.2.10"
CONTACT = "Contact: <sip:a@192.0.2.1>"


def sip(
    start: str = f"OPTIONS {HERE} SIP/2.0",
    *more: str,
    via: str = VIA,
    hops: str = HOPS,
    sender: str = FROM,
    to: str = TO,
    call: str = CALL,
    cseq: str = "CSeq: 1 OPTIONS",
    body: bytes = b"",
) -> bytes:
    lines = [start, *(line for line in (via, hops, sender, to, call, cseq) if line), *more, "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


INVITE = f"INVITE {HERE} SIP/2.0"

# point of the RFC -> message, status of the answer (None: none is owed)
REQUESTS: dict[str, tuple[bytes, int | None]] = {
    "wsinv": (
        sip(
            f"OPTIONS {HERE};unknownparam SIP/2.0",
            "NewFangled:   newfangled value\r\n continued",
            via="v:  SIP  / 2.0 /\r\n UDP 192.0.2.1 ; branch = z9hG4bKt1",
            sender='f: "J Rosenberg \\\\\\""  <sip:a@example.com>\r\n  ;  tag = f',
            to="TO :\r\n sip:b@example.com ;   tag = 1",
            hops="MaX-fOrWaRdS: 0068",
            call="i: c1",
            cseq="CSeq: 0009\r\n  OPTIONS",
        ),
        200,
    ),
    "intmeth": (sip("!i-m%*_+`'~ sip:1_unusual.URI~(to-be!sure)@[::1] SIP/2.0", cseq="CSeq: 1 !i-m%*_+`'~"), 501),
    "esc01": (sip("OPTIONS sip:sips%3Auser%40example.com@192.0.2.10 SIP/2.0"), 200),
    "escnull": (sip(to="To: <sip:null-%00-null@example.com>", sender="From: sip:null-%00-null@example.com;tag=f"), 200),
    "esc02": (sip(f"RE%47IST%45R {HERE} SIP/2.0", cseq="CSeq: 1 RE%47IST%45R"), 501),
    "lwsdisp": (sip(sender="From: caller<sip:a@example.com>;tag=f"), 200),
    "longreq": (sip(via=VIA + "x" * 5000, to=f'To: "{"long " * 2000}" <sip:b@example.com>'), 200),
    "dblreq": (sip(f"OPTIONS {HERE} SIP/2.0", "Content-Length: 0", body=b"BYE sip:x SIP/2.0\r\n\r\n"), 200),
    "semiuri": (sip("OPTIONS sip:user;par=u%40example.net@192.0.2.10 SIP/2.0"), 200),
    "transports": (
        sip(f"OPTIONS {HERE} SIP/2.0", "Via: SIP/2.0/SCTP 192.0.2.2;branch=z9hG4bKa", "Via: SIP/2.0/UNKNOWN x"),
        200,
    ),
    "mpart01": (
        sip(
            f"MESSAGE {HERE} SIP/2.0",
            "Content-Type: multipart/mixed;boundary=7a",
            cseq="CSeq: 1 MESSAGE",
            body=b"--7a\r\n\r\n\x00\xff\r\n--7a--",
        ),
        405,
    ),
    "badinv01": (sip(to="To: ;;,;,,"), 400),
    "clerr": (sip(f"OPTIONS {HERE} SIP/2.0", "Content-Length: 9999", body=b"short"), 400),
    "ncl": (sip(f"OPTIONS {HERE} SIP/2.0", "Content-Length: -999"), 400),
    "scalar02": (sip(cseq="CSeq: 36893488147419103232 OPTIONS"), 400),
    "quotbal": (sip(to='To: "Mr. J. User <sip:b@example.com>'), 400),
    "ltgtruri": (sip(f"OPTIONS <{HERE}> SIP/2.0"), 400),
    "lwsruri": (sip(f"OPTIONS {HERE}; lr SIP/2.0"), 400),
    "lwsstart": (sip(f"OPTIONS  {HERE}  SIP/2.0"), 400),
    "trws": (sip(f"OPTIONS {HERE} SIP/2.0  "), 400),
    "escruri": (sip(f"OPTIONS {HERE}?Route=%3Csip:example.com%3E SIP/2.0"), 200),
    "bae": (sip(f"OPTIONS {HERE} SIP/2.0", "Date: Fri, 01 Jan 2010 16:00:00 EST"), 200),
    "regbadct": (sip(f"REGISTER {HERE} SIP/2.0", "Contact: sip:a@b?Route=%3Csip:c%3E", cseq="CSeq: 1 REGISTER"), 405),
    "badaspec": (sip(to='To: "Watson" < sip:t.watson@example.org >'), 200),
    "baddn": (sip(sender="From: Bell, Alexander <sip:a@example.com>;tag=f"), 200),
    "badvers": (sip(f"OPTIONS {HERE} SIP/7.0"), 505),
    "mismatch01": (sip(cseq="CSeq: 8 INVITE"), 400),
    "mismatch02": (sip(f"NEWMETHOD {HERE} SIP/2.0", cseq="CSeq: 8 INVITE"), 400),
    "badbranch": (sip(via="Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"), 200),
    "insuf": (sip(INVITE, sender="", to="", call="", cseq="CSeq: 1 INVITE"), None),
    "unkscm": (sip("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"), 416),
    "novelsc": (sip("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"), 416),
    "unksm2": (sip(to="To: isbn:2983792873"), 200),
    "bext01": (sip(f"OPTIONS {HERE} SIP/2.0", "Require: nothingSupportsThis, norThis"), 420),
    "invut": (
        sip(
            INVITE,
            CONTACT,
            "Content-Type: application/unknown",
            "Content-Length: 3",
            cseq="CSeq: 1 INVITE",
            body=b"abc",
        ),
        486,
    ),
    "regaut01": (
        sip(f"REGISTER {HERE} SIP/2.0", "Authorization: NoOneKnowsThisScheme opaque", cseq="CSeq: 1 REGISTER"),
        405,
    ),
    "multi01": (sip(f"OPTIONS {HERE} SIP/2.0", "Call-ID: c2", "CSeq: 2 OPTIONS", "Max-Forwards: 5"), 400),
    "mcl01": (sip(f"OPTIONS {HERE} SIP/2.0", "Content-Length: 13", "Content-Length: 5", body=b"hello"), 400),
    "zeromf": (sip(hops="Max-Forwards: 0"), 200),
    "cparam01": (sip(f"OPTIONS {HERE} SIP/2.0", "Contact: sip:a@192.0.2.1;unknownparam"), 200),
    "cparam02": (sip(f"OPTIONS {HERE} SIP/2.0", "Contact: <sip:a@192.0.2.1;unknownparam>"), 200),
    "regescrt": (sip(f"OPTIONS {HERE} SIP/2.0", "Contact: <sip:a@192.0.2.1?Route=%3Csip:x%3E>"), 200),
    "sdp01": (sip(INVITE, CONTACT, "Accept: text/nobodyKnowsThis", cseq="CSeq: 1 INVITE"), 486),
    "inv2543": (sip(INVITE, CONTACT, via="Via: SIP/2.0/UDP 192.0.2.1", cseq="CSeq: 1 INVITE"), 486),
}

RESPONSES: dict[str, bytes] = {
    "unreason": sip("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое"),
    "noreason": sip("SIP/2.0 100 "),
    "scalarlg": sip("SIP/2.0 503 Service Unavailable", cseq="CSeq: 9292394834772304023312 OPTIONS"),
    "bigcode": sip("SIP/2.0 4294967301 better not break the receiver"),
    "bcast": sip("SIP/2.0 200 OK", via="Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bKbcast"),
}


def statuses(desk: Desk) -> list[int]:
    return [int(effect.data[8:11]) for effect in desk.new() if isinstance(effect, Transmit)]


def is_well(desk: Desk) -> None:
    desk.new()
    desk.receive(a_request("OPTIONS", branch="well", call_id="well"))
    assert statuses(desk) == [200]


@pytest.mark.parametrize("point", REQUESTS)
def test_a_request(point: str) -> None:
    data, status = REQUESTS[point]
    desk = Desk().registered()
    desk.receive(data)
    assert statuses(desk) == ([] if status is None else [status])
    is_well(desk)


@pytest.mark.parametrize("point", RESPONSES)
def test_a_response_to_nothing_is_dropped(point: str) -> None:
    desk = Desk().registered()
    desk.receive(RESPONSES[point])
    assert statuses(desk) == []
    is_well(desk)


def test_all_points_are_here() -> None:
    assert len(REQUESTS) + len(RESPONSES) == 49


# --- size ------------------------------------------------------------------------------------------------------------

HUGE = {
    "one header of 1 MiB": sip(f"OPTIONS {HERE} SIP/2.0", "X: " + "x" * (1 << 20)),
    "100 000 headers": sip(f"OPTIONS {HERE} SIP/2.0", *["X: 1"] * 100_000),
    "100 000 Vias": sip(f"OPTIONS {HERE} SIP/2.0", *["Via: SIP/2.0/UDP h"] * 100_000),
    "a Via of 1 MiB": sip(via=VIA + ";a" * (1 << 19)),
    "a To of 1 MiB of quotes": sip(to="To: " + '"\\' * (1 << 19)),
    "a line folded 100 000 times": sip(f"OPTIONS {HERE} SIP/2.0", "X: 1" + "\r\n 1" * 100_000),
    "1 MiB of one line": b"OPTIONS " + b"x" * (1 << 20),
    "1 MiB of commas": sip(f"OPTIONS {HERE} SIP/2.0", "Require: " + "," * (1 << 20)),
}


@pytest.mark.parametrize("what", HUGE)
def test_what_is_huge_takes_neither_long_nor_much(what: str) -> None:
    data = HUGE[what]
    desk = Desk().registered()
    tracemalloc.start()
    try:
        desk.receive(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # the worst is what `re` needs to step back over half a million quotes
    assert peak < 120 * len(data)
    began = time.process_time()
    desk.receive(data.replace(b"z9hG4bKt1", b"z9hG4bKt2"))
    assert time.process_time() - began < 5.0
    desk.log.clear()
    desk._read = 0
    is_well(desk)


@pytest.mark.parametrize("what", HUGE)
def test_a_stream_of_it_is_bounded(what: str) -> None:
    framer, data, most = Framer(), HUGE[what], 0

    def feed() -> None:
        nonlocal most
        for start in range(0, len(data), 1000):
            framer.feed(data[start : start + 1000])
            most = max(most, framer.waiting)

    with pytest.raises(SipSyntaxError):
        feed()
    assert most <= LARGEST_HEADERS + 1000


@pytest.mark.parametrize(
    "text", ["Digest " + "a=1," * 100_000, "Digest realm=" + '"\\' * (1 << 18), "Digest " + " " * (1 << 19)]
)
def test_huge_digest_headers(text: str) -> None:
    began = time.process_time()
    for parse in (Challenge.parse, Credentials.parse):
        with pytest.raises(SipSyntaxError):
            parse(text)
    assert time.process_time() - began < 5.0


def test_stamping_is_linear() -> None:
    began = time.process_time()
    stamp_via(sip(via=VIA + ";rport" * 100_000), ("192.0.2.1", 5060))
    stamp_via(sip(via=VIA + ';a="' * 100_000), ("192.0.2.1", 5060))
    assert time.process_time() - began < 5.0
    assert Message.parse(sip()).branch == "z9hG4bKt1"
