"""SDP: what is read and written, how offers are answered, what is refused, at what cost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.sdp import MOST_MEDIA, MOST_OCTETS, SdpError, Session, answer, offer, parse
from tests.phones.sip.strategies import HOSTILE, some_bytes

PHONE = b"\r\n".join(
    [
        b"v=0",
        b"o=- 16010 1 IN IP4 192.0.2.8",
        b"s=-",
        b"c=IN IP4 192.0.2.8",
        b"t=0 0",
        b"m=audio 17010 RTP/AVP 0 8 101",
        b"a=rtpmap:0 PCMU/8000",
        b"a=rtpmap:8 PCMA/8000",
        b"a=rtpmap:101 telephone-event/8000",
        b"a=sendrecv",
        b"",
    ]
)
# a session that says in general what its media then say otherwise, and has a medium on each side of the audio
ODD = b"""v=0
o=x 1 1 IN IP4 192.0.2.1
s=\x20
c=IN IP4 192.0.2.1
t=0 0
a=recvonly
m=image 5000 udptl t38
m=audio 6000/2 RTP/SAVP 0
m=audio 7000 RTP/AVP 9 0 96
c=IN IP6 2001:db8::1
a=rtpmap:96 Telephone-Event/8000
a=sendonly
m=video 8000 RTP/AVP 97
a=inactive
c=IN IP4 192.0.2.9
"""


# --- what is read ----------------------------------------------------------------------------------------------------


def test_a_phone() -> None:
    session = parse(PHONE)
    assert session == Session("192.0.2.8", 17010, (0, 8, 101), "sendrecv", 101)
    assert session.address == ("192.0.2.8", 17010)


def test_what_a_medium_says_goes_before_what_the_session_says() -> None:
    session = parse(ODD)
    assert (session.address, session.formats, session.events) == (("2001:db8::1", 7000), (9, 0, 96), 96)
    assert session.direction == "sendonly"
    assert session.before == ("image 5000 udptl t38", "audio 6000/2 RTP/SAVP 0")
    assert session.after == ("video 8000 RTP/AVP 97",)
    assert parse(ODD.replace(b"a=sendonly\n", b"")).direction == "recvonly"


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::1", "2001:db8::1", "media.example.com", "224.2.1.1/127"])
def test_hosts(host: str) -> None:
    assert parse(PHONE.replace(b"c=IN IP4 192.0.2.8", f"c=IN IP6 {host}".encode())).host == host.partition("/")[0]


def test_audio_may_be_refused() -> None:
    assert parse(PHONE.replace(b"17010", b"0")).port == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PHONE, b""),
        (b"v=0", b"v=1"),
        (b"m=audio", b"m=video"),
        (b"RTP/AVP", b"RTP/SAVP"),
        (b"17010", b"65536"),
        (b"17010", b"-1"),
        (b"0 8 101", b"0 128"),
        (b"0 8 101", b"*"),
        (b" 0 8 101", b""),
        (b"0 8 101", b"0" + b" 0" * 128),
        (b"0 8 101", "٣".encode()),
        (b"c=IN IP4 192.0.2.8\r\n", b""),
        (b"c=IN IP4 192.0.2.8", b"c=IN IP4"),
        (b"c=IN IP4 192.0.2.8", b"c=IN IP5 192.0.2.8"),
        (b"c=IN IP4 192.0.2.8", b"c=IN IP4 a\0b"),
        (b"c=IN IP4 192.0.2.8", b"c=IN IP4 " + b"a" * 300),
        (b"t=0 0\r\n", b"m=video 1 RTP/AVP 97\r\n" * MOST_MEDIA),
        (b"s=-", b"s=" + b"x" * MOST_OCTETS),
    ],
)
def test_what_is_refused(old: bytes, new: bytes) -> None:
    assert old in PHONE
    with pytest.raises(SdpError):
        parse(PHONE.replace(old, new))


# --- offers and answers ----------------------------------------------------------------------------------------------


def test_an_offer() -> None:
    assert offer("192.0.2.1", 4000, session_id=7) == (
        b"v=0\r\no=ringproof 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_an_offer_over_version_6() -> None:
    assert b"c=IN IP6 ::1\r\n" in offer("::1", 4000, session_id=7)


def test_an_answer_has_what_is_common() -> None:
    made = answer(parse(PHONE), "192.0.2.1", 4000, session_id=7, version=3)
    assert made is not None
    assert made.startswith(b"v=0\r\no=ringproof 7 3 IN IP4 192.0.2.1\r\n")
    assert parse(made) == Session("192.0.2.1", 4000, (0, 101), "sendrecv", 101)


def test_an_answer_refuses_the_other_media_in_their_places() -> None:
    made = answer(parse(ODD), "192.0.2.1", 4000, session_id=7)
    assert made is not None
    media = [line for line in made.split(b"\r\n") if line[:2] == b"m="]
    assert media == [
        b"m=image 0 udptl t38",
        b"m=audio 0 RTP/SAVP 0",
        b"m=audio 4000 RTP/AVP 0 96",
        b"m=video 0 RTP/AVP 97",
    ]
    assert parse(made).direction == "recvonly"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_an_answer_turns_the_direction_round(theirs: str, ours: str) -> None:
    made = answer(Session("192.0.2.8", 5, (0,), theirs), "192.0.2.1", 4000, session_id=7)
    assert made is not None
    assert parse(made) == Session("192.0.2.1", 4000, (0,), ours)


@pytest.mark.parametrize("theirs", [Session("192.0.2.8", 5, (8, 101)), Session("192.0.2.8", 0, (0, 101))])
def test_nothing_in_common(theirs: Session) -> None:
    assert answer(theirs, "192.0.2.1", 4000, session_id=7) is None


# --- bad bytes -------------------------------------------------------------------------------------------------------

MUTATED = some_bytes(PHONE, ODD, offer("192.0.2.1", 4000, session_id=7))


@given(body=MUTATED)
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        session = parse(body)
    except SdpError:
        return
    assert 0 <= session.port <= 65535
    assert not any(c.isspace() or not c.isprintable() for c in session.host)
    made = answer(session, session.host, 4000, session_id=1)
    if made is not None:
        again = parse(made)
        assert (again.host, again.port) == (session.host, 4000)
        assert (len(again.before), len(again.after)) == (len(session.before), len(session.after))


@given(piece=st.sampled_from([*HOSTILE, "m=", "m=audio 1 RTP/AVP 0\n", "c=IN IP4 ", "a=rtpmap:", "0 ", "a-", "::"]))
@settings(deadline=None)
def test_repetition_is_read_in_linear_time(piece: str) -> None:
    # every pattern looks at a bounded number of characters of a line, or at each once; this would hang otherwise
    many = (piece * MOST_OCTETS)[: MOST_OCTETS - len(PHONE)].encode()
    for start in (
        b"v=0\n",
        b"v=0\nc=IN IP4 ",
        b"v=0\nm=",
        b"v=0\nc=IN IP4 h\nm=audio 1 RTP/AVP 0 ",
        PHONE + b"a=rtpmap:",
    ):
        try:
            parse((start + many)[:MOST_OCTETS])
        except SdpError:
            continue
