"""SIP out of TCP, in whatever order and however much of it arrives."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.inspecting.streams import MOST_WAITING
from tests.harness.inspecting.making import pcap, read, tcp

A, B = ("192.0.2.7", 40_000), ("192.0.2.8", 5060)


def message(n: int, body: bytes = b"") -> bytes:
    """A request whose CSeq is `n`."""
    head = (
        f"OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK{n}\r\n"
        f"From: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\n"
        f"CSeq: {n} OPTIONS\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


MESSAGES = [
    message(1),
    message(2, b"body of two"),
    message(3),
    message(4, b"SIP/2.0 200 OK\r\nno start line"),
    message(5),
]
STREAM = b"".join(MESSAGES)


def segments(cuts: list[int], start: int = 1000) -> list[bytes]:
    """The stream in segments."""
    edges = [0, *sorted({cut % len(STREAM) for cut in cuts} - {0}), len(STREAM)]
    return [tcp(A, B, start + a, STREAM[a:b]) for a, b in itertools.pairwise(edges)]


def cseqs(packets: list[bytes], *, gap_s: float = 0.01) -> tuple[list[int], list[str]]:
    """The CSeq numbers that come out, and the warnings."""
    found, reading = read(pcap([(n * gap_s, packet) for n, packet in enumerate(packets)]))
    assert [each.message.raw in MESSAGES for each in found] == [True] * len(found)
    return [each.message.cseq for each in found], reading.warnings


def syn(start: int = 1000) -> bytes:
    return tcp(A, B, start - 1, b"", 2)


@given(st.lists(st.integers(0, 2000), max_size=12), st.randoms(use_true_random=False), st.integers(0, 2**32 - 1))
def test_any_cuts_in_any_order_with_repetitions(cuts: list[int], order: random.Random, start: int) -> None:
    pieces = segments(cuts, start)
    pieces += order.sample(pieces, len(pieces) // 2)
    order.shuffle(pieces)
    assert cseqs([syn(start), *pieces]) == ([1, 2, 3, 4, 5], [])


def test_segments_that_overlap() -> None:
    packets = [tcp(A, B, 1000 + at, STREAM[at : at + 150]) for at in range(0, len(STREAM), 100)]
    assert cseqs([syn(), *packets]) == ([1, 2, 3, 4, 5], [])
    assert cseqs([syn(), *packets[::-1]]) == ([1, 2, 3, 4, 5], [])


def test_a_message_has_the_frame_that_made_it_whole() -> None:
    half = len(MESSAGES[0]) // 2
    packets = [syn(), tcp(A, B, 1000, STREAM[:half]), tcp(A, B, 1000 + half, STREAM[half:])]
    found, _ = read(pcap([(float(n), packet) for n, packet in enumerate(packets)]))
    assert [(each.frame, each.t) for each in found] == [(3, 2.0)] * 5


def test_a_capture_that_begins_in_the_middle() -> None:
    within = len(MESSAGES[0]) + 40
    packets = [tcp(A, B, 1000 + at, STREAM[at : at + 90]) for at in range(within, len(STREAM), 90)]
    assert cseqs(packets) == ([3, 4, 5], [])


@pytest.mark.parametrize("waits", [False, True])
def test_behind_a_gap_the_next_start_line_is_looked_for(waits: bool) -> None:
    first = len(MESSAGES[0])
    packets = [syn(), tcp(A, B, 1000, STREAM[: first + 20])]
    packets += [tcp(A, B, 1000 + at, STREAM[at : at + 50]) for at in range(first + 60, len(STREAM), 50)]
    # with time the gap is given up while the capture goes on, without at its end
    found, warned = cseqs(packets, gap_s=1.0 if waits else 0.0)
    assert found == [1, 3, 4, 5]
    assert len(warned) == 1
    assert "40 octets are missing" in warned[0]


def test_what_waits_behind_a_gap_is_bounded() -> None:
    piece = b"x" * 10
    packets = [syn(), tcp(A, B, 1000, STREAM)]
    packets += [tcp(A, B, 1000 + len(STREAM) + 7 + 20 * n, piece) for n in range(3 * MOST_WAITING)]
    found, warned = cseqs(packets, gap_s=0.0)
    assert found == [1, 2, 3, 4, 5]
    assert warned


def test_a_message_that_makes_no_sense_costs_no_other_one() -> None:
    broken = message(9).replace(b"Content-Length: 0", b"Content-Length: no")
    stream = MESSAGES[0] + broken + MESSAGES[2]
    found, warned = cseqs([syn(), tcp(A, B, 1000, stream)])
    assert (found, len(warned)) == ([1, 3], 1)


def test_a_websocket_is_said_to_be_left_out() -> None:
    frames = b"".join(b"\x81\x7e" + len(each).to_bytes(2, "big") + each for each in MESSAGES)
    found, warned = cseqs([syn(), tcp(A, B, 1000, frames[:300]), tcp(A, B, 1300, frames[300:])])
    assert found == []
    assert warned == ["TCP from 192.0.2.7 40000 to 192.0.2.8 5060: a WebSocket, which is not read"]


def test_other_streams_cost_nothing_and_ports_may_be_used_again() -> None:
    http = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50
    packets = [syn(), tcp(A, B, 1000, http), tcp(A, B, 1000 + len(http), b"", 0x11)]
    packets += [tcp(A, B, 900_000_000, STREAM)]
    assert cseqs(packets) == ([1, 2, 3, 4, 5], [])


@given(st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=60), st.integers(0, 31)), max_size=30))
def test_any_segments_are_survived(pieces: list[tuple[int, bytes, int]]) -> None:
    packets = [tcp(A, B, at, data, flags) for at, data, flags in pieces]
    read(pcap([(float(n), packet) for n, packet in enumerate(packets)]))
