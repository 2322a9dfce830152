"""Record and wire: what counts as the same, and what is only on one of the two."""

from __future__ import annotations

from typing import Any

from harness.agreement import Agreement, agreement
from harness.datagrams import Datagram
from reports.packets import End, parse_ip, split_address
from tests.reports.records import Script

PHONE, EDGE = "192.0.2.1:5062", "192.0.2.9:5060"
AHEAD = 1_700_000_000.0
"""The clock of the capture."""


def end(address: str) -> End:
    host, port = split_address(address)
    ip = parse_ip(host)
    assert ip is not None
    return End(ip, port)


def seen(t: float, source: str, target: str, data: bytes) -> Datagram:
    return Datagram(AHEAD + t, end(source), end(target), data)


def masked(data: bytes) -> bytes:
    return data.replace(b"secret", b"******")


class Story:
    """A phone that registers, and what a capture saw of it."""

    def __init__(self, local: str = PHONE, edge: str = EDGE) -> None:
        self.script = Script()
        self.script.event("phone", 0.0, phone="desk", contact=local)
        self.wire = []
        for t, data, direction in ((1.0, b"REGISTER secret", "out"), (1.1, b"SIP/2.0 200 OK", "in")):
            self.script.message(masked(data), t, local=local, remote=edge, direction=direction)
            ends = (PHONE, EDGE) if direction == "out" else (EDGE, PHONE)
            self.wire.append(seen(t, *ends, data))
        self.end = 10.0

    def judged(self, **more: Any) -> Agreement:
        self.script.event("end", self.end, error=None)
        return agreement("lo", self.script.view(), self.wire, masked, **more)


def test_the_same_messages_agree_with_their_secrets_masked() -> None:
    found = Story().judged()
    assert (found.agreed, found.only_on_wire, found.only_in_record, found.late) == (2, [], [], 0)
    assert found.is_whole
    assert not found.saw_nothing
    assert found.told() == ["witness: 2 SIP messages, the same in the Record and on lo, octet for octet"]


def test_datagrams_of_others_are_nobodys_business() -> None:
    story = Story()
    story.wire.append(seen(2, "192.0.2.77:53", "192.0.2.9:5060", b"who?"))
    assert story.judged().is_whole


def test_what_the_record_lacks_is_listed_with_secrets_masked() -> None:
    story = Story()
    story.wire.append(seen(2.5, EDGE, PHONE, b"NOTIFY \x1b[31m secret\r\nrest"))
    story.wire.append(seen(3.5, PHONE, EDGE, b"BYE"))
    found = story.judged(dropped=5)
    assert not found.is_whole
    assert found.only_on_wire == [
        "192.0.2.1:5062 <- 192.0.2.9:5060 at 2.500 s: 25 bytes, NOTIFY \\x1b[31m ******",
        "192.0.2.1:5062 -> 192.0.2.9:5060 at 3.500 s: 3 bytes, BYE",
    ]
    assert found.told()[0] == "witness: THE RECORD IS NOT WHAT PASSED lo"
    assert "only on the wire: 2" in found.told()


def test_one_octet_is_a_difference_on_both_sides() -> None:
    story = Story()
    story.wire[1] = seen(1.1, EDGE, PHONE, b"SIP/2.0 200 Ok")
    found = story.judged()
    assert (found.agreed, len(found.only_on_wire), len(found.only_in_record)) == (1, 1, 1)
    assert "a/one desk received from 192.0.2.9:5060 at 1.100 s: 14 bytes, SIP/2.0 200 OK" in found.only_in_record


def test_so_is_another_address_and_a_second_copy() -> None:
    story = Story()
    story.wire[0] = seen(1.0, PHONE, "192.0.2.8:5060", b"REGISTER secret")
    story.wire.append(story.wire[1])
    found = story.judged()
    assert (found.agreed, len(found.only_on_wire), len(found.only_in_record)) == (1, 2, 1)


def test_what_the_wire_lacks_is_excused_by_what_the_capture_lost_only() -> None:
    for dropped, whole in ((0, False), (3, True)):
        story = Story()
        del story.wire[1]
        found = story.judged(dropped=dropped)
        assert len(found.only_in_record) == 1
        assert found.is_whole is whole
        assert ("the capture itself lost 3 packets: what it lacks says nothing" in found.told()) is whole


def test_what_comes_for_a_phone_that_left_is_no_gap() -> None:
    story = Story()
    story.wire += [seen(10.5, EDGE, PHONE, b"BYE"), seen(9.9, EDGE, PHONE, b"BYE"), seen(-3, EDGE, PHONE, b"BYE")]
    found = story.judged()
    assert (found.is_whole, found.late) == (True, 3)


def test_what_comes_before_something_that_was_read_is_one() -> None:
    story = Story()
    story.script.message(b"NOTIFY", 9.95, local=PHONE, remote=EDGE, direction="in")
    story.wire += [seen(9.9, EDGE, PHONE, b"OPTIONS"), seen(9.95, EDGE, PHONE, b"NOTIFY")]
    story.wire.append(seen(9.97, PHONE, EDGE, b"SIP/2.0 481"))
    found = story.judged()
    assert [line.rpartition(", ")[2] for line in found.only_on_wire] == ["OPTIONS", "SIP/2.0 481"]


def test_an_address_that_another_phone_has_later_is_watched_again() -> None:
    story = Story()
    story.script.event("phone", 20.0, case="b/two", phone="other", contact=PHONE)
    story.wire.append(seen(21.0, EDGE, PHONE, b"NOTIFY"))
    assert len(story.judged().only_on_wire) == 1


def test_two_phones_that_talk_to_each_other_both_record_it() -> None:
    script = Script()
    for direction, local, remote in (("out", PHONE, EDGE), ("in", EDGE, PHONE)):
        script.message(b"INVITE", 1.0, local=local, remote=remote, direction=direction)
    found = agreement("lo", script.view(), [seen(1.0, PHONE, EDGE, b"INVITE")], masked)
    assert (found.agreed, found.is_whole) == (2, True)


def test_a_phone_that_listens_everywhere_and_an_edge_with_a_name() -> None:
    story = Story(local="0.0.0.0:5062", edge="sip.example.org:5060")
    story.script.message(b"SIP/2.0 200 OK", 2.0, local="0.0.0.0:5062", remote=EDGE, direction="in")
    story.wire.append(seen(2.0, EDGE, PHONE, b"SIP/2.0 200 OK"))
    found = story.judged()
    assert (found.agreed, found.is_whole) == (3, True)


def test_the_wrong_interface_proves_nothing() -> None:
    story = Story()
    story.wire.clear()
    found = story.judged()
    assert found.saw_nothing
    assert found.as_json()["agrees"] is False
    assert found.told() == ["witness: nothing of the run passed lo: another interface has to be named"]


def test_long_lists_are_cut_for_people() -> None:
    story = Story()
    story.wire += [seen(2.0, PHONE, EDGE, b"%d" % number) for number in range(30)]
    found = story.judged()
    assert len(found.only_on_wire) == 30
    assert found.told()[-1] == "  and 20 more"


def test_what_the_network_of_a_phone_did_on_purpose_is_compared_where_the_wire_was() -> None:
    story = Story()
    told = (
        # what the Record has, and whether a capture sees it there
        ("in", b"NOTIFY lost", "lost", "lost", True),
        ("in", b"NOTIFY held", "held", "held", True),
        ("in", b"NOTIFY held", "new", "late", False),
        ("in", b"NOTIFY twice", "new", "", True),
        ("in", b"NOTIFY twice", "retransmission", "copy", False),
        ("out", b"BYE lost", "new", "lost", False),
        ("out", b"BYE held", "new", "held", False),
        ("out", b"BYE held", "late", "late", True),
        ("out", b"BYE twice", "new", "", True),
        ("out", b"BYE twice", "copy", "copy", True),
    )
    for number, (direction, data, seen_as, fault, on_wire) in enumerate(told):
        t = 2 + number / 10
        more: dict[str, Any] = {"fault": fault, "after": 0.0} if fault else {}
        story.script.message(data, t, direction=direction, seen=seen_as, local=PHONE, remote=EDGE, **more)
        if on_wire:
            story.wire.append(seen(t, *((PHONE, EDGE) if direction == "out" else (EDGE, PHONE)), data))
    found = story.judged()
    assert (found.agreed, found.only_on_wire, found.only_in_record) == (8, [], [])
