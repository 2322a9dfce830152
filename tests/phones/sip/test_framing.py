"""Messages out of a stream: whole at any split, bounded, and never out of step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phones.sip.framing import LARGEST_BODY, LARGEST_HEADERS, PING, PONG, Framed, Framer
from phones.sip.index import SipSyntaxError

MESSAGE = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 4\r\n\r\nabcd"
COMPACT = b"SIP/2.0 200 OK\r\nl : 0\r\n\r\n"
WITH_BLANKS_INSIDE = b"MESSAGE sip:a SIP/2.0\r\nContent-Length: 12\r\n\r\n\r\n\r\nabcd\r\n\r\n"


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


@given(
    st.lists(st.sampled_from([MESSAGE, COMPACT, WITH_BLANKS_INSIDE, PING]), max_size=6),
    st.lists(st.integers(min_value=0, max_value=30), max_size=40),
)
def test_any_split_gives_the_same_messages(parts: list[bytes], sizes: list[int]) -> None:
    framer = Framer()
    found = [framed for piece in cut(b"".join(parts), sizes) for framed in framer.feed(piece)]
    assert found == [Framed(b"" if part == PING else part) for part in parts]
    assert framer.waiting == 0


def test_a_pong_between_messages_is_nothing() -> None:
    assert Framer().feed(MESSAGE + PONG + COMPACT) == [Framed(MESSAGE), Framed(COMPACT)]


def test_the_first_half_of_a_ping_waits_for_the_second() -> None:
    framer = Framer()
    assert framer.feed(b"\r\n") == []
    assert framer.feed(b"\r\n") == [Framed(b"")]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"OPTIONS sip:a SIP/2.0\r\n\r\n", "no Content-Length"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\n", "several"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
        (b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 9999999999\r\n\r\n", str(LARGEST_BODY)),
        (b"\rX", "cannot begin"),
    ],
)
def test_what_cannot_be_framed_ends_the_stream(data: bytes, says: str) -> None:
    with pytest.raises(SipSyntaxError, match=says):
        Framer().feed(data)


def test_headers_without_an_end_are_given_up() -> None:
    framer = Framer()
    for _ in range(LARGEST_HEADERS // 1024):
        assert framer.feed(b"A" * 1024) == []
    with pytest.raises(SipSyntaxError, match="without an end"):
        framer.feed(b"A")


@given(st.binary(max_size=300))
def test_any_bytes_are_framed_or_refused(data: bytes) -> None:
    framer = Framer()
    try:
        found = framer.feed(data)
    except SipSyntaxError:
        return
    assert sum(len(framed.data) for framed in found) + framer.waiting <= len(data)
