"""Transactions of calls: which INVITE a CANCEL is for, which 2xx is a repetition, what is dropped."""

from __future__ import annotations

import pytest

from phones.sip.index import Message
from phones.sip.message import response
from phones.sip.transactions import Answer, Incoming, Stray, TransactionLayer
from tests.phones.playbook import EDGE, a_request


class Bench:
    """A layer and what came out of it."""

    def __init__(self) -> None:
        self.layer = TransactionLayer()
        self.keys: list[str] = []

    def receive(self, data: bytes) -> None:
        self.layer.receive(Message.parse(data), EDGE, 0.0)
        self.keys += [output.key for output in self.layer.take() if isinstance(output, Incoming)]


@pytest.mark.parametrize(
    "via", ["SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb1", "SIP/2.0/UDP 192.0.2.1", "SIP/2.0/UDP 192.0.2.1;branch=1"]
)
def test_a_cancel_names_the_invite_that_it_is_for(via: str) -> None:
    bench = Bench()
    bench.receive(a_request("INVITE", via=via))
    cancel = Message.parse(a_request("CANCEL", via=via))
    bench.receive(cancel.raw)
    invite, other = bench.keys
    assert bench.layer.invite_of(cancel) == invite != other
    for old, new in ((b"192.0.2.1", b"192.0.2.2"), (b"CSeq: 1", b"CSeq: 2"), (b"z9hG4bKb1", b"z9hG4bKb2")):
        stranger = Message.parse(cancel.raw.replace(old, new))
        # a branch of RFC 3261 says it all
        same = stranger.raw == cancel.raw or ("z9hG4bK" in via and new == b"CSeq: 2")
        assert (bench.layer.invite_of(stranger) == invite) == same, new
    bench.layer.drop(invite)
    assert bench.layer.invite_of(cancel) is None


def test_a_2xx_is_repeated_or_of_another_dialog() -> None:
    bench = Bench()
    bench.layer.request(a_request("INVITE"), EDGE, 0.0)
    asked = Message.parse(a_request("INVITE"))
    told_again = []
    for status, tag in ((180, "a"), (180, "a"), (200, "a"), (200, "a"), (200, "b"), (202, "b"), (200, "a"), (200, "")):
        bench.layer.receive(Message.parse(response(asked, status, to_tag=tag)), EDGE, 1.0)
        told_again += [output.repeated for output in bench.layer.take() if isinstance(output, Answer)]
    assert told_again == [False, False, False, True, False, True, True, False]


@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_dropped_answer_is_repeated_no_more(acknowledged: bool) -> None:
    bench = Bench()
    bench.receive(a_request("INVITE"))
    [key] = bench.keys
    bench.layer.respond(key, response(Message.parse(a_request("INVITE")), 200), 0.0)
    if acknowledged:
        bench.receive(a_request("ACK", branch="other"))
    bench.layer.drop(key)
    bench.layer.drop(key)
    bench.layer.take()
    bench.layer.handle_timer(100.0)
    assert (bench.layer.take(), bench.layer.next_deadline()) == ([], None)
    bench.layer.receive(Message.parse(a_request("ACK", branch="other")), EDGE, 101.0)
    assert [type(output) for output in bench.layer.take()] == [Stray]
