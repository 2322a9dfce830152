"""Whatever is in a capture: nothing escapes, and nothing that is sound is flagged."""

import io
import random
import re
import struct
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from harness.inspecting import page as pages
from harness.inspecting.document import PRINTED
from harness.inspecting.inspection import Inspection, inspect_messages
from harness.inspecting.messages import Reading, sights_in
from harness.inspecting.scenario_file import scenario_text
from harness.inspecting.telling import document_fields
from harness.inspecting.text import tell
from harness.loader import load_file
from harness.output import document
from tests.harness.inspecting.making import EDGE, Ring, Story, Watcher, inspected, pcap
from tests.harness.inspecting.test_field import raw

PLAIN, SBC = raw("plain-sipp.pcap"), raw("kazoo-sbc.pcap")
TOLD = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(data: bytes, folder: Path) -> Inspection:
    """The inspection of a capture, told in every form."""
    found = inspected(data)
    TypeAdapter(PRINTED).validate_python(document("inspect", 0, **document_fields(found)), strict=True)
    text = tell(found, "x.pcap", 80)
    assert text.replace("\n", "").isprintable()
    (folder / "x.pcap").write_bytes(data)
    assert pages.page(found, folder / "x.pcap").startswith("<!DOCTYPE html>")
    scenario = folder / "x.scenario.yaml"
    scenario.write_text(scenario_text(found, "x.pcap"), encoding="utf-8")
    load_file(scenario)
    return found


Patch = tuple[bytes, bytes, int]
"""What is looked for, what is written there instead, and at which of its places."""


def patched(data: bytes, patches: list[Patch]) -> bytes:
    """A real capture in which some texts or octets are others."""
    for old, new, which in patches:
        places = [found.start() for found in re.finditer(re.escape(old), data)] or [24]
        # no packet changes its length
        at = places[which % len(places)]
        data = data[:at] + new.ljust(len(old))[: len(old)] + data[at + len(old) :]
    return data


WORDS = [
    b"INVITE", b"NOTIFY", b"SUBSCRIBE", b"BYE", b"ACK", b"200 OK", b"180 Ringing", b"401", b"487", b"terminated",
    b"confirmed", b"early", b"recipient", b"initiator", b"active", b"dialog", b"presence", b"tag=", b"call-id=",
    b"version=", b"Call-ID", b"From: ", b"To: ", b"CSeq: 1 ", b"CSeq: 2 ", b"CSeq: 99", b"Contact", b"Expires: 600",
    b"sip:1002@", b"sip:1001@", b"1-5420@", b"1-5424@", b"\x00\x00", b"\xff\xff", b"<>", b'"', b"\x1b[31m", b"{{ x }}",
]  # fmt: skip


@TOLD
@given(
    st.booleans(),
    st.lists(
        st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS) | st.binary(max_size=8), st.integers(0, 99)),
        min_size=1,
        max_size=6,
    ),
)
@example(True, [(b"From: ", b"INVITE", 54)])
def test_any_change_of_a_real_capture_is_told(tmp_path: Path, plain: bool, patches: list[Patch]) -> None:
    told(patched(PLAIN if plain else SBC, patches), tmp_path)


@given(st.binary(max_size=2000))
@settings(max_examples=50)
def test_any_datagrams(body: bytes) -> None:
    head = b"NOTIFY sip:a@b SIP/2.0\r\n"
    story = Story()
    for start in (b"", head, head + b"Call-ID: x\r\nCSeq: 1 NOTIFY\r\nTo: <>;tag=1\r\nEvent: dialog\r\n\r\n"):
        story.tell(EDGE, ("192.0.2.9", 9), (start + body)[:60_000])
    inspected(story.capture())


# --- a sound server --------------------------------------------------------------------------------------------------


class Office:
    """Two phones, three watchers and a server that tells every watcher the truth, late as servers are."""

    def __init__(self, picked: random.Random, proxy: bool) -> None:
        self.picked = picked
        self.story = Story(proxy=("192.0.2.2", 5060) if proxy else None)
        self.watchers = [Watcher(self.story, f"w{n}", f"{200 + n % 2}", ("192.0.2.30", 5070 + n)) for n in range(3)]
        self.number = 0
        self.subscribed: dict[int, int] = {}

    def live(self, events: int) -> None:
        """That many things happen."""
        for _ in range(events):
            self.picked.choice([self.subscribe, self.call, self.call, self.pause])()
        self.pause()

    def pause(self) -> None:
        self.story.wait(self.picked.choice([0.1, 2.0, 40.0]))

    def subscribe(self) -> None:
        number = self.picked.randrange(3)
        self.subscribed[number] = self.subscribed.get(number, 0) + 1
        self.watchers[number].subscribe(number=self.subscribed[number])
        self.watchers[number].notify("terminated", "idle")

    def tell(self, user: str, state: str, call: str) -> None:
        self.story.wait(self.picked.choice([0.001, 0.3, 1.0]))
        for number, watcher in enumerate(self.watchers):
            if watcher.presentity == user and number in self.subscribed:
                watcher.notify(state, call)

    def call(self) -> None:
        self.number += 1
        user = self.picked.choice(["200", "201"])
        call = Ring(self.story, user, ("192.0.2.20", int(user) + 5000), call_id=f"call-{self.number}")
        name = f"kfp+00@{call.call_id}"
        call.ring()
        self.tell(user, "early", name)
        self.pause()
        if self.picked.random() < 0.4:
            call.refuse(self.picked.choice(["486 Busy Here", "603 Decline"]))
        else:
            call.talk()
            self.tell(user, "confirmed", name)
            self.pause()
            call.end()
        self.tell(user, "terminated", name)


def flaws(data: bytes) -> list[str]:
    """What is flagged."""
    return [f"{each.broken.law} {each.broken.frames} {each.broken.words}" for each in inspected(data).findings]


@settings(max_examples=80, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_nothing_of_a_sound_server_is_flagged(picked: random.Random, proxy: bool) -> None:
    office = Office(picked, proxy)
    office.live(8)
    assert flaws(office.story.capture()) == []


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_nor_where_the_capture_lacks_a_packet_or_begins_and_ends_anywhere(picked: random.Random, proxy: bool) -> None:
    office = Office(picked, proxy)
    office.live(8)
    packets = office.story.packets
    begin, end = sorted((picked.randrange(len(packets)), picked.randrange(len(packets))))
    part = packets[begin : end + 1]
    del part[picked.randrange(len(part))]
    assert flaws(pcap(part)) == []
    deciding = [n for n, (_, data) in enumerate(packets) if data[28:34] in (b"NOTIFY", b"BYE si", b"ACK si")]
    if deciding:
        at = picked.choice(deciding)
        assert flaws(pcap(packets[:at] + packets[at + 1 :])) == []


@settings(max_examples=80, deadline=None)
@given(st.randoms(use_true_random=False))
def test_nor_where_packets_are_sent_again_or_turn_round(picked: random.Random) -> None:
    office = Office(picked, proxy=False)
    office.live(8)
    packets = list(office.story.packets)
    for _ in range(4):
        t, data = picked.choice(office.story.packets)
        packets.append((t + picked.choice([0.0001, 0.5, 1.5]), data))
    at = picked.randrange(len(packets))
    packets[at] = (packets[at][0] + 0.0025, packets[at][1])
    assert flaws(pcap(sorted(packets, key=lambda packet: packet[0]))) == []


def test_a_capture_of_headers_alone() -> None:
    """What a short snap length leaves of a capture."""
    parts = [PLAIN[:24]]
    at = 24
    while at < len(PLAIN):
        seconds, fraction, length, size = struct.unpack_from("<IIII", PLAIN, at)
        parts += [struct.pack("<IIII", seconds, fraction, 96, size), PLAIN[at + 16 : at + 16 + 96]]
        at += 16 + length
    reading = Reading()
    found = inspect_messages(sights_in(io.BytesIO(b"".join(parts)), reading), reading)
    assert (found.findings, reading.unreadable) == ([], 40)
    assert reading.warnings == ["46 packets were captured only in part", "40 SIP messages cannot be read"]
