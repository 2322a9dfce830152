"""The header index: what is read, what is refused, at what cost, and a second opinion on it."""

from __future__ import annotations

import pytest
import sipmessage
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.index import COMPACT, Message, SipSyntaxError, first_element, header_key, scan
from phones.sip.message import request
from tests.phones.playbook import a_request, message, without
from tests.phones.sip.cost import lines_run
from tests.phones.sip.strategies import HOSTILE, some_bytes

NOTIFY = a_request("NOTIFY", "Event: check-sync", "Subscription-State: terminated;reason=noresource")


# --- what is read ----------------------------------------------------------------------------------------------------


def test_a_request() -> None:
    read = Message.parse(NOTIFY)
    assert (read.is_request, read.method, read.uri) == (True, "NOTIFY", "sip:desk@192.0.2.10:5062")
    assert (read.status, read.reason, read.body, read.raw) == (0, "", b"", NOTIFY)
    assert (read.call_id, read.cseq, read.branch) == ("c1", 1, "z9hG4bKb1")
    assert read.start_line == "NOTIFY sip:desk@192.0.2.10:5062 SIP/2.0"
    assert read.get("EVENT") == "check-sync"
    assert read.get("Expires") is None
    assert read.headers[0] == ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb1")
    assert read.flaw == ""


def test_a_response() -> None:
    read = Message.parse(message("SIP/2.0 489 Bad Event", "Call-ID: c", "CSeq: 7 NOTIFY"))
    assert (read.is_request, read.status, read.reason, read.method, read.uri) == (False, 489, "Bad Event", "NOTIFY", "")
    assert (read.cseq, read.branch, read.top_via) == (7, "", "")


@pytest.mark.parametrize("start", ["SIP/2.0 200 ", "SIP/2.0 200", "sip/2.0 200 "])
def test_a_response_without_a_reason(start: str) -> None:
    read = Message.parse(message(start, "Call-ID: c", "CSeq: 7 NOTIFY"))
    assert (read.status, read.reason) == (200, "")


def test_folding_short_names_and_odd_case() -> None:
    read = Message.parse(
        message(
            "INVITE sip:a@b;x=%20 SIP/2.0",
            "TO :",
            " sip:y@b ;   tag    = 19",
            'f: "A\\"B, C"',
            "\t<sip:x@b>",
            "  ;tag = 98",
            "I: 0ha0@b",
            "cSEQ: 0009",
            "  INVITE",
            "V: SIP / 2.0 /TCP h.example.com ;",
            "  branch  = z9hG4bK9 , SIP / 2.0 / UDP 192.0.2.5 ;branch= z9hG4bK3",
            "s:",
            "Subject: second",
            "l: 2",
            body=b"hi there",
        )
    )
    assert read.get("To") == "sip:y@b ;   tag    = 19"
    assert read.get("From") == '"A\\"B, C" <sip:x@b> ;tag = 98'
    assert (read.call_id, read.cseq, read.branch, read.body) == ("0ha0@b", 9, "z9hG4bK9", b"hi")
    assert read.top_via == "SIP / 2.0 /TCP h.example.com ; branch  = z9hG4bK9 "
    assert read.all("subject") == ["", "second"]
    assert [name for name, _ in read.headers][:2] == ["TO ", "f"]


@pytest.mark.parametrize(("short", "name"), sorted(COMPACT.items()))
def test_every_compact_form(short: str, name: str) -> None:
    data = without(NOTIFY, name.title() if name != "call-id" else "Call-ID")
    value = "0" if name == "content-length" else "c9"
    read = Message.parse(data.replace(b"\r\n\r\n", f"\r\n{short.upper()}: {value}\r\n\r\n".encode()))
    assert read.all(name)[-1] == read.all(short)[-1] == value
    assert header_key(short) == header_key(name.upper()) == name


def test_bytes_that_are_no_utf_8_survive() -> None:
    read = Message.parse(a_request("NOTIFY", "Subject: \udcff\udcfe", uri="sip:\udcff@b"))
    assert (read.get("s"), read.uri) == ("\udcff\udcfe", "sip:\udcff@b")


def test_a_body_is_cut_to_its_length() -> None:
    two = a_request("OPTIONS", body=b"") + NOTIFY
    assert Message.parse(two).body == b""
    assert Message.parse(a_request("MESSAGE", body=b"\r\n\r\n\x00\xff")).body == b"\r\n\r\n\x00\xff"
    assert Message.parse(without(NOTIFY, "Content-Length") + b"the rest").body == b"the rest"


@pytest.mark.parametrize(
    ("via", "branch"),
    [
        ("SIP/2.0/UDP h;branch=z9hG4bKx", "z9hG4bKx"),
        ("SIP/2.0/UDP h;BRANCH = z9hG4bKx;rport", "z9hG4bKx"),
        ('SIP/2.0/UDP h;note="a,b";branch=z9hG4bKx', "z9hG4bKx"),
        ('SIP/2.0/UDP h;note="a\\",b";branch=z9hG4bKx, SIP/2.0/UDP i;branch=y', "z9hG4bKx"),
        ("SIP/2.0/UDP h, SIP/2.0/UDP i;branch=y", ""),
        ("SIP/2.0/UDP h;xbranch=y", ""),
        ("SIP/2.0/UDP h;branch=", ""),
    ],
)
def test_the_branch_is_of_the_top_via(via: str, branch: str) -> None:
    assert Message.parse(a_request("OPTIONS", via=via)).branch == branch


@pytest.mark.parametrize(
    ("value", "first"),
    [(b"", b""), (b"a", b"a"), (b"a,b", b"a"), (b'"a,b",c', b'"a,b"'), (b'"\\",",c', b'"\\","'), (b'a"b,c', b"a")],
)
def test_the_first_element(value: bytes, first: bytes) -> None:
    assert first_element(value) == first


def test_names_that_are_no_tokens_are_found_as_they_are() -> None:
    read = Message.parse(a_request("NOTIFY", "\udc80Max-Forwards: 1", "\u212a: kelvin", "É: 1", "é: 2"))
    assert [read.get(name) for name, _ in read.headers] == [value for _, value in read.headers]
    assert (read.get("k"), read.all("É")) == (None, ["1"])


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", 505),
        (b"SIP/2.0\r\nVia", b"HTTP/1.1\r\nVia", 400),
        (b"SIP/2.0\r\nVia", b"SIP/2.0 \r\nVia", 400),
        (b"NOTIFY sip", b"NOTIFY  sip", 400),
        (b"NOTIFY sip", b" NOTIFY sip", 400),
        (b"NOTIFY sip", b"NO(TIFY sip", 400),
        (b"sip:desk@", b"sip:de sk@", 400),
        (b"sip:desk@192.0.2.10:5062", b"<sip:desk@192.0.2.10:5062>", 400),
        (b"sip:desk@192.0.2.10:5062 ", b" ", 400),
        (b"1 NOTIFY", b"1 OPTIONS", 400),
        (b"1 NOTIFY", b"NOTIFY", 400),
        (b"1 NOTIFY", b"-1 NOTIFY", 400),
        (b"1 NOTIFY", b"1NOTIFY", 400),
        (b"1 NOTIFY", b"4294967296 NOTIFY", 400),
        (b"1 NOTIFY", b"36893488147419103232 NOTIFY", 400),
        (b"1 NOTIFY", "1٣ NOTIFY".encode(), 400),
        (b"CSeq", b"X-CSeq", 400),
        (b"Call-ID: c1", b"Call-ID:", 400),
        (b"Call-ID", b"X-Call-ID", 400),
        (b"Event: check-sync", b"Event check-sync", 400),
        (b"Content-Length: 0", b"Content-Length: 1", 400),
        (b"Content-Length: 0", b"Content-Length: -1", 400),
        (b"Content-Length: 0", b"Content-Length: +0", 400),
        (b"Content-Length: 0", b"Content-Length: 0x0", 400),
        (b"Content-Length: 0", b"Content-Length:", 400),
        (b"Content-Length: 0", "Content-Length: ²".encode(), 400),
        (b"Content-Length: 0", b"Content-Length: 0\r\nl: 5", 400),
        (b"Content-Length: 0", b"Content-Length: " + b"9" * 5000, 400),
        (b"\r\n\r\n", b"\r\n", 400),
        (b"\r\n\r\n", b"\n\n", 400),
    ],
)
def test_a_broken_request(old: bytes, new: bytes, status: int) -> None:
    Message.parse(NOTIFY)
    broken = NOTIFY.replace(old, new)
    assert broken != NOTIFY
    with pytest.raises(SipSyntaxError) as refused:
        Message.parse(broken)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "start",
    ["SIP/2.0 700 x", "SIP/2.0 099 x", "SIP/2.0 4294967301 x", "SIP/2.0 2OO OK", "SIP/2.0  200 OK", "SIP/3.0 200 OK"],
)
def test_a_broken_response(start: str) -> None:
    with pytest.raises(SipSyntaxError):
        Message.parse(message(start, "Call-ID: c", "CSeq: 1 OPTIONS"))


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", b"\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"jaK", b":\r\n\r\n"])
def test_keepalives_are_no_messages(data: bytes) -> None:
    with pytest.raises(SipSyntaxError):
        Message.parse(data)


@pytest.mark.parametrize(
    ("data", "flaw"),
    [
        (without(NOTIFY, "From"), "no from"),
        (without(NOTIFY, "To"), "no to"),
        (without(NOTIFY, "Via"), "no via"),
        (NOTIFY.replace(b"To: <sip:desk@a.example.com>", b"To:"), "no to"),
        (a_request("NOTIFY", "f: <sip:b@b>;tag=2"), "several from"),
        (a_request("NOTIFY", "CSeq: 2 NOTIFY"), "several cseq"),
        (a_request("NOTIFY", "i: c2"), "several call-id"),
        (a_request("NOTIFY", "Max-Forwards: 5"), "several max-forwards"),
        (a_request("NOTIFY", "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKy"), ""),
    ],
)
def test_a_flaw_is_named_but_the_request_is_readable(data: bytes, flaw: str) -> None:
    assert Message.parse(data).flaw == flaw


_SPELLINGS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["Subject", "subject", "s", "X-A", "x-a", "X A", "a\tb", "Route", "", "Via", "v"]),
        st.sampled_from(["", " ", "\t"]),
        st.just(":"),
        st.sampled_from(["", " ", "  ", "\t", "\x0b", " :", ": "]),
        st.sampled_from(["", "x", "a:b: c", "a  b", "a\tb", "a\rb", "\n", "ü", '"a: b"']),
        st.sampled_from(["", " ", "\t ", "\r", "\r\n more", "\r\n\t: more"]),
    ),
)


@given(lines=st.lists(_SPELLINGS, max_size=6))
def test_however_a_line_is_spelled_it_is_read_as_by_the_scan(lines: list[str]) -> None:
    head, _, body = a_request("OPTIONS").partition(b"\r\n\r\n")
    lines = ["X-First: what may go on", *lines]
    data = head + b"".join(b"\r\n" + line.encode() for line in lines) + b"\r\n\r\n" + body
    expected: dict[str, list[str]] = {}
    for name, value in scan(data)[1]:
        expected.setdefault(header_key(name.decode()), []).append(value.decode())
    read = Message.parse(data)
    assert {name: read.all(name) for name in expected} == expected
    assert {name: read.get(name) for name in expected} == {name: values[0] for name, values in expected.items()}
    assert [header_key(name) for name, _ in read.headers] == [header_key(n.decode()) for n, _ in scan(data)[1]]


# --- any bytes -------------------------------------------------------------------------------------------------------


@given(data=some_bytes(NOTIFY, a_request("INVITE", "Route: <sip:a;lr>", body=b"v=0\r\n")))
@settings(deadline=None)
def test_any_bytes_are_a_message_or_a_syntax_error(data: bytes) -> None:
    try:
        read = Message.parse(data)
    except SipSyntaxError:
        return
    assert read.raw == data
    assert read.is_request == (read.status == 0)
    assert read.method
    assert read.call_id
    assert 0 <= read.cseq < 2**32
    assert data.endswith(read.body) or read.get("content-length") is not None
    for name, _ in read.headers:
        values = read.all(name)
        assert values
        assert read.get(name) == values[0]
    assert isinstance(read.branch + read.top_via + read.flaw + read.start_line + repr(read), str)


def _lines_run(data: bytes) -> int:
    return lines_run("phones/sip/index.py", lambda: Message.parse(data))


@pytest.mark.parametrize("header", ["X: y", "Via: SIP/2.0/UDP h;branch=z9hG4bKx", "Y:", "Z: a", " folded"])
def test_the_work_grows_with_the_message(header: str) -> None:
    some, twice, many = (_lines_run(a_request("NOTIFY", "S: b", *[header] * n)) for n in (200, 400, 1600))
    assert twice - some <= 201 * 12
    assert many - twice <= 6 * (twice - some) + 60


def test_the_index_copies_no_more_than_the_message() -> None:
    data = a_request("NOTIFY", *(f"X-{n}: {'v' * n}" for n in range(300)), body=b"b" * 5000)
    start, fields, body = scan(data)
    assert len(start) + sum(len(name) + len(value) for name, value in fields) + len(body) <= len(data)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_costs_no_square(piece: str) -> None:
    # 60 000 octets: what costs the square of that runs into the time limit
    again = piece * (60_000 // len(piece))
    for data in (
        message("OPTIONS sip:a SIP/2.0", f"Via: {again}", "Call-ID: c", "CSeq: 1 OPTIONS"),
        message("OPTIONS sip:a SIP/2.0", "Call-ID: c", f"CSeq: 1 {again}"),
        message(f"OPTIONS {again}", "Call-ID: c", "CSeq: 1 OPTIONS"),
        again.encode(),
    ):
        try:
            read = Message.parse(data)
        except SipSyntaxError:
            continue
        assert len(read.branch) <= len(again)
        assert len(read.top_via) <= len(again)


# --- a second opinion ------------------------------------------------------------------------------------------------

TOKEN = st.text("!%'*+-.0123456789ABCXYZ_`abcxyz~", min_size=1, max_size=12)
VALUE = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"), include_characters=" "), max_size=40
).map(str.strip)
SHORT = [short for short in COMPACT if short != "n"]  # theirs does not spell Identity-Info out
STATED = {"call-id", "cseq", "content-length"}


@given(
    method=TOKEN,
    user=st.text("abc019-_.!~*", min_size=1, max_size=8),
    call_id=VALUE.filter(bool),
    cseq=st.integers(0, 2**32 - 1),
    headers=st.lists(
        st.tuples(st.sampled_from([*SHORT, "Via", "VIA", "Contact", "Event", "Subject", "X-Y"]) | TOKEN, VALUE).filter(
            lambda pair: header_key(pair[0]) not in STATED
        ),
        max_size=8,
    ),
    body=st.binary(max_size=40),
)
@settings(deadline=None)
def test_sipmessage_reads_the_same(
    method: str, user: str, call_id: str, cseq: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    common = [("Call-ID", call_id), ("CSeq", f"{cseq} {method}")]
    data = request(method, f"sip:{user}@example.com", [*headers, *common], body)
    ours, theirs = Message.parse(data), sipmessage.Message.parse(data)
    assert isinstance(theirs, sipmessage.Request)
    assert (ours.method, ours.uri, ours.body) == (theirs.method, str(theirs.uri), theirs.body)
    assert (ours.call_id, ours.cseq) == (theirs.call_id, theirs.cseq.sequence)
    assert ours.headers == [*headers, *common, ("Content-Length", str(len(body)))]
    names = theirs.headers.keys()
    assert [ours.all(name) for name in names] == [theirs.headers.getlist(name) for name in names]
    again = Message.parse(bytes(theirs))
    assert [again.all(name) for name in names] == [ours.all(name) for name in names]


@given(
    host=st.sampled_from(["192.0.2.1", "edge.example.com", "[2001:db8::1]"]),
    port=st.none() | st.integers(1, 65535),
    branch=TOKEN.filter(lambda token: "%" not in token),  # theirs takes percent signs for escapes
    rport=st.none() | st.integers(1, 65535),
)
@settings(deadline=None)
def test_sipmessage_reads_the_same_via(host: str, port: int | None, branch: str, rport: int | None) -> None:
    via = f"SIP/2.0/UDP {host}{f':{port}' if port else ''};branch={branch}{f';rport={rport}' if rport else ''}"
    ours = Message.parse(a_request("NOTIFY", via=via))
    theirs = sipmessage.Via.parse(ours.top_via)
    assert (theirs.host, theirs.port, theirs.parameters["branch"]) == (host, port, ours.branch)


@given(status=st.integers(100, 699), reason=VALUE, call_id=VALUE.filter(bool), method=TOKEN)
@settings(deadline=None)
def test_sipmessage_reads_the_same_response(status: int, reason: str, call_id: str, method: str) -> None:
    data = message(f"SIP/2.0 {status} {reason}", f"Call-ID: {call_id}", f"CSeq: 3 {method}")
    ours, theirs = Message.parse(data), sipmessage.Message.parse(data)
    assert isinstance(theirs, sipmessage.Response)
    assert (ours.status, ours.reason, ours.method) == (theirs.code, theirs.phrase, theirs.cseq.method)
