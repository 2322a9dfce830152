"""Captures: addresses, checksums, sequence numbers, comments and stamps, read back by a reader of our own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.pcapng import case_capture, run_blocks, run_capture
from tests.reports.capture_reader import ACK, FIN, RST, SYN, Read, conversations, read_capture
from tests.reports.records import Script

NOTIFY = b"NOTIFY sip:desk@192.0.2.1 SIP/2.0\r\nCall-ID: 1\r\n\r\n"
PHONE, EDGE = "192.0.2.1:5062", "192.0.2.9:5060"
STARTED_US = 1_772_366_400_000_000
"""2026-03-01 12:00 UTC, as in the header."""


def captured(script: Script, **verdict: Any) -> Read:
    return read_capture(case_capture(script.case(**verdict)))


def test_a_message_is_a_datagram_between_its_addresses() -> None:
    script = Script()
    script.message(NOTIFY, 1.25, local=PHONE, remote=EDGE, direction="in")
    script.message(b"SIP/2.0 200 OK\r\n\r\n", 1.5, local=PHONE, remote=EDGE)
    heard, sent = captured(script).packets
    assert (heard.source, heard.target) == (("192.0.2.9", 5060), ("192.0.2.1", 5062))
    assert (sent.source, sent.target) == (heard.target, heard.source)
    assert (heard.data, sent.data) == (NOTIFY, b"SIP/2.0 200 OK\r\n\r\n")
    assert (heard.protocol, heard.direction, sent.direction) == (17, 1, 2)
    assert (heard.stamp_us, sent.stamp_us) == (STARTED_US + 1_250_000, STARTED_US + 1_500_000)


def test_ipv6_and_media() -> None:
    script = Script()
    script.message(b"\x80" * 173, local="[2001:db8::1]:4000", remote="[2001:db8::2]:4002", kind="media")
    [packet] = captured(script).packets
    assert (packet.source, packet.target) == (("2001:db8::1", 4000), ("2001:db8::2", 4002))
    assert packet.data == b"\x80" * 173
    assert packet.comment == "a/one | preparation | desk sends"


def test_virtual_time_begins_at_a_fixed_date() -> None:
    script = Script(time="virtual", started=None)
    script.message(NOTIFY, 2.0, local=PHONE, remote=EDGE)
    assert captured(script).packets[0].stamp_us == 1_420_070_402_000_000


def test_the_file_says_what_it_is_of_and_interfaces_are_phones() -> None:
    script = Script(mutant="double-notify")
    script.message(NOTIFY, local=PHONE, remote=EDGE, phone="desk")
    script.message(NOTIFY, local="192.0.2.2:5062", remote=EDGE, phone="lobby", case="b/two[v2]")
    script.exchange("GET", "http://192.0.2.9:8000/v2/", case="b/two[v2]")
    whole = read_capture(run_capture(script.view()))
    assert whole.section.text(4) == "ringproof"
    said = "ringproof run 12ab34 against reference, profile documented, mutant double-notify, real time, seed 7"
    assert whole.section.text(1) == said
    assert [each.text(2) for each in whole.interfaces] == ["desk", "lobby", "api"]
    assert whole.interfaces[1].text(3) == "ringproof run 12ab34 against reference, b/two[v2]: phone lobby"
    assert [each.interface.text(2) for each in whole.udp()] == ["desk", "lobby"]
    one = captured(script, verdict="fail")
    assert one.section.text(1) == f"{said}, a/one: fail"
    assert len(one.packets) == 1


def test_comments_name_case_and_step_and_what_decided() -> None:
    script = Script()
    where: dict[str, Any] = {"local": PHONE, "remote": EDGE}
    script.message(NOTIFY, **where)
    script.event("step", step="1", text="register desk", phase="start")
    script.message(NOTIFY, **where)
    script.event("claim", step="1", text="register desk")
    script.event("step", step="1", text="register desk", phase="end")
    script.message(NOTIFY, **where, seen="retransmission", direction="in")
    script.event("claim", step="2", text="expect desk receives NOTIFY")
    script.event("claim", step="3", text="never: other receives NOTIFY")
    decisive = script.message(NOTIFY, **where, direction="in")
    script.event("step", step="4", text="mark\nthe end", phase="start")
    pointed = script.message(NOTIFY, **where, direction="in")
    script.event("step", step="4", text="mark\nthe end", phase="end")
    state = script.event("registration", message=pointed)
    script.event("end", error=None)
    script.message(NOTIFY, **where)
    comments = [each.comment for each in captured(script, verdict="fail", decisive=[decisive, state]).packets]
    assert comments == [
        "a/one | preparation | desk sends",
        "a/one | step 1: register desk | desk sends",
        "a/one | step 1: register desk | desk receives, retransmission",
        "a/one | steps 2, 3: expect desk receives NOTIFY; never: other receives NOTIFY | desk receives | decided: fail",
        "a/one | step 4: mark the end | desk receives | decided: fail",
        "a/one | cleaning up | desk sends",
    ]


def test_an_api_call_is_http_in_a_stream_between_its_true_ends() -> None:
    script = Script()
    script.event("step", step="1", text="request POST", phase="start")
    url = "http://api.example.org:8000/v2/a b?c=ü"
    script.exchange("POST", url, '{"data": 1}', '{"x": 2}', local="192.0.2.1:41000", remote="192.0.2.8:8000")
    read = captured(script)
    [said] = conversations(read.tcp())
    assert said == {
        ("192.0.2.1", 41000): b"POST /v2/a%20b?c=%C3%BC HTTP/1.1\r\nHost: api.example.org:8000\r\nX-A: b\r\n"
        b'Content-Length: 11\r\n\r\n{"data": 1}',
        ("192.0.2.8", 8000): b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nContent-Length: 8\r\n\r\n{"x": 2}',
    }
    assert {each.comment for each in read.packets} == {"a/one | step 1: request POST"}
    assert [each.direction for each in read.packets] == [2, 1, 2, 2, 1, 2, 1, 2]
    assert read.packets[3].stamp_us == STARTED_US
    assert read.packets[-1].stamp_us == STARTED_US + 500_000


def test_calls_on_one_connection_share_a_stream_and_a_body_goes_in_segments() -> None:
    script = Script()
    ends: dict[str, Any] = {"local": "192.0.2.1:41000", "remote": "[::ffff:192.0.2.8]:8000"}
    big = "x" * 1_000_000
    script.exchange("PUT", "http://a:8000/1", big, **ends)
    script.exchange("GET", "http://a:8000/2", "", big, **ends, case="b/two")
    read = read_capture(run_capture(script.view()))
    [said] = conversations(read.tcp())
    client, server = said.values()
    assert client.count(b"HTTP/1.1\r\n") == server.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert b"x" * 1_000_000 in client
    assert server.endswith(b"\r\n\r\n" + b"x" * 1_000_000)
    assert [each.flags for each in read.packets].count(SYN) == 1
    assert [each.flags for each in read.packets[-3:]] == [FIN | ACK, FIN | ACK, ACK]
    assert max(len(each.data) for each in read.packets) <= 65_535 - 40


def test_without_addresses_an_api_call_gets_some_that_nobody_has_and_names_say_whose() -> None:
    script = Script()
    script.exchange("GET", "http://reference:8000/")
    script.exchange("GET", "http://reference:8000/")
    script.exchange("GET", "http://[2001:db8::8]:8000/")
    read = captured(script)
    assert len(conversations(read.tcp())) == 3
    assert read.names == {"198.18.0.1": "reference", "198.19.0.1": "ringproof"}
    syns = [each for each in read.tcp() if each.flags == SYN]
    assert [each.target for each in syns] == [("198.18.0.1", 8000), ("198.18.0.1", 8000), ("2001:db8::8", 8000)]
    assert len({each.source for each in syns}) == 3


def test_https_is_shown_decrypted_and_says_so() -> None:
    script = Script()
    tls = {"version": "TLSv1.3", "cipher": "", "verified": True}
    script.exchange("GET", "https://192.0.2.8/", tls=tls, local="192.0.2.1:41000", remote="192.0.2.8:443")
    script.exchange("GET", "https://192.0.2.8:8443/", tls=tls, local="192.0.2.1:41001", remote="192.0.2.8:8443")
    first, second = ([each for each in captured(script).packets if each.source[1] == port] for port in (80, 8443))
    assert {each.comment.rpartition(" | ")[2] for each in first} == {
        "https TLSv1.3, shown decrypted, moved from port 443 to 80"
    }
    assert {each.comment.rpartition(" | ")[2] for each in second} == {"https TLSv1.3, shown decrypted"}
    assert any(each.data.startswith(b"HTTP/1.1 200 OK") for each in first)


@pytest.mark.parametrize(
    ("kind", "flags", "sent"),
    [
        ("unreachable", [SYN, RST | ACK], False),
        ("untrusted", [SYN, SYN | ACK, ACK, FIN | ACK, FIN | ACK, ACK], False),
        ("timeout", [SYN, SYN | ACK, ACK, ACK | 8, RST | ACK], True),
        ("protocol", [SYN, SYN | ACK, ACK, ACK | 8, RST | ACK], True),
    ],
)
def test_a_call_without_a_reply(kind: str, flags: list[int], sent: bool) -> None:
    script = Script()
    script.exchange("DELETE", "http://192.0.2.8:8000/x", error={"kind": kind, "message": "no\nluck", "alive": []})
    packets = captured(script).packets
    assert [each.flags for each in packets] == flags
    assert any(b"DELETE" in each.data for each in packets) is sent
    assert all("no reply: no luck" in each.comment for each in packets)
    assert all("not sent: DELETE" in each.comment for each in packets) is not sent
    by_server = packets[-1].source[1] == 8000
    assert by_server is (kind in ("unreachable", "protocol"))


def test_where_the_record_ends_before_the_reply_the_stream_stays_open() -> None:
    script = Script()
    script.event(
        "request", id="1", role="setup", step="setup", method="GET", url="http://192.0.2.8/", headers=[], body=""
    )
    assert [each.flags for each in captured(script).packets] == [SYN, SYN | ACK, ACK, ACK | 8]


def test_a_message_larger_than_a_datagram_is_a_stream() -> None:
    script = Script()
    largest = b"x" * 65_507
    script.message(largest, local=PHONE, remote=EDGE)
    script.message(largest + b"y", local=PHONE, remote=EDGE)
    script.message(b"z" * 1_048_576, local=PHONE, remote=EDGE, direction="in")
    script.message(largest + b"y" * 20, local="[::1]:1", remote="[::1]:2")
    read = captured(script)
    assert [each.data for each in read.udp()] == [largest, largest + b"y" * 20]
    [said] = conversations(read.tcp())
    assert said == {("192.0.2.1", 5062): largest + b"y", ("192.0.2.9", 5060): b"z" * 1_048_576}
    assert "65508 bytes, more than one datagram can carry: shown as TCP" in read.tcp()[0].comment
    assert read.tcp()[0].source == ("192.0.2.1", 5062)


def test_stream_transports_are_streams() -> None:
    script = Script()
    script.message(NOTIFY, local=PHONE, remote=EDGE, direction="in", transport="tcp")
    assert conversations(captured(script).tcp()) == [{("192.0.2.9", 5060): NOTIFY, ("192.0.2.1", 5062): b""}]


def test_an_edge_that_is_named_has_the_address_that_answers() -> None:
    script = Script()
    script.message(NOTIFY, local=PHONE, remote="sip.example.org:5060")
    script.message(NOTIFY, local=PHONE, remote="203.0.113.4:5060", direction="in")
    script.message(NOTIFY, local=PHONE, remote="silent.example.org:5060")
    read = captured(script)
    targets = [each.target for each in read.packets]
    assert targets == [("203.0.113.4", 5060), ("192.0.2.1", 5062), ("198.18.0.2", 5060)]
    assert read.names == {"203.0.113.4": "sip.example.org", "198.18.0.2": "silent.example.org"}


def test_what_is_damaged_in_the_record_is_said() -> None:
    script = Script()
    script.message(NOTIFY[:7], local=PHONE, remote=EDGE, size=len(NOTIFY))
    script.message(NOTIFY, local=PHONE, remote=EDGE, crc=1)
    cut, altered = captured(script).packets
    assert cut.data == NOTIFY[:7]
    assert cut.comment.endswith(f"only 7 of {len(NOTIFY)} bytes are in the Record")
    assert altered.comment.endswith("altered since it was recorded")


def test_the_same_record_gives_the_same_bytes_and_blocks_are_the_whole() -> None:
    script = Script()
    script.message(NOTIFY, local=PHONE, remote=EDGE)
    script.exchange("GET", "http://reference:8000/", case="b/two")
    assert run_capture(script.view()) == run_capture(script.view()) == b"".join(run_blocks(script.view()))


words = st.text(st.characters(exclude_categories=[]), max_size=30)
"""Lone surrogates too: JSON carries them."""


@given(
    st.lists(st.tuples(st.binary(max_size=2000), words, words, st.booleans(), st.floats(0, 1e6)), max_size=5),
    st.lists(st.tuples(words, words, words, words), max_size=3),
)
def test_whatever_the_record_holds_it_is_a_sound_capture(
    messages: list[tuple[bytes, str, str, bool, float]], calls: list[tuple[str, str, str, str]]
) -> None:
    script = Script()
    script.event("step", step="1", text="", phase="start")
    for data, local, remote, out, t in messages:
        script.event("step", step=local, text=remote, phase="start")
        script.message(data, t, local=local, remote=remote, direction="out" if out else "in")
    for method, url, body, answer in calls:
        script.exchange(method, f"http://{url}", body, answer)
    read = captured(script)
    assert [each.data for each in read.udp()] == [each[0] for each in messages]
    assert len(conversations(read.tcp())) == len(calls)


def test_what_the_network_of_a_phone_did_on_purpose_is_shown_as_it_was_on_the_wire() -> None:
    script = Script()
    where: dict[str, Any] = {"local": PHONE, "remote": EDGE}
    script.message(NOTIFY, 1.0, **where, direction="in", seen="held", fault="held", after=0.0)
    late = script.message(NOTIFY, 2.0, **where, direction="in", fault="late", after=1.0)
    script.message(b"BYE", 3.0, **where, fault="lost", after=0.0)
    script.message(b"ACK", 4.0, **where, fault="held", after=0.0)
    script.message(b"ACK", 5.0, **where, seen="late", fault="late", after=1.0)
    found = captured(script, verdict="fail", decisive=[late])
    assert [(each.data, each.stamp_us - STARTED_US) for each in found.packets] == [
        (NOTIFY, 1_000_000),
        (b"ACK", 5_000_000),
    ]
    assert [each.comment for each in found.packets] == [
        "a/one | preparation | desk receives, held on purpose by its own network | decided: fail",
        "a/one | preparation | desk sends, late on purpose by its own network",
    ]


def test_what_never_was_on_a_wire_opens_no_stream() -> None:
    script = Script()
    where: dict[str, Any] = {"local": PHONE, "remote": EDGE, "transport": "tcp"}
    script.message(NOTIFY, 1.0, **where, fault="lost", after=0.0)
    assert captured(script).packets == []
