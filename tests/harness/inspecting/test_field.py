"""Captures from real systems: a Kazoo edge with its back end played by hand, a plain Kamailio, a whole Kazoo 5.0."""

import gzip
import lzma
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from harness.inspecting.inspection import Inspection, inspect
from harness.inspecting.telling import lamp_changes, seen_changes, state_of
from tests.harness.inspecting.making import edited, inspected, laws

DATA = Path(__file__).parent / "data"


def raw(name: str) -> bytes:
    """The octets of a capture."""
    data = (DATA / name).read_bytes()
    return lzma.decompress(data) if name.endswith(".xz") else data


@cache
def kazoo() -> Inspection:
    """What is found in the capture of Kazoo 5.0."""
    return inspected(raw("kazoo-5.0.pcapng.xz"))


def lamps(found: Inspection, watcher: str, presentity: str, package: str = "dialog") -> list[tuple[str, int]]:
    """The states of a lamp in order, with their frames."""
    [watch] = [
        watch
        for watch in found.watches
        if (watch.watcher.split("@")[0], watch.presentity.split("@")[0], watch.package)
        == (f"sip:{watcher}", f"sip:{presentity}", package)
        and watch.notices
    ]
    return [(str(notice.lamp), notice.frame) for notice, _ in lamp_changes(watch)]


def test_the_edge_of_a_kazoo() -> None:
    found = inspected(raw("kazoo-sbc.pcap"))
    assert (found.reading.packets, found.reading.messages, found.reading.warnings) == (66, 66, [])
    assert lamps(found, "user_1001", "user_1002") == [
        ("off", 8), ("ringing", 18), ("busy", 25), ("off", 30), ("busy", 35), ("off", 44)
    ]  # fmt: skip
    assert lamps(found, "user_1005", "user_1002", "presence") == [
        ("off", 16), ("ringing", 20), ("busy", 27), ("off", 32), ("busy", 37), ("off", 42)
    ]  # fmt: skip
    assert lamps(found, "user_1002", "user_1002", "message-summary") == [("off", 12)]
    [registered] = found.registrations.events
    assert (registered.state, registered.aor, registered.expires) == (
        "registered",
        "sip:user_1002@4a6863.sip.lab.test",
        600,
    )
    assert list(found.calls) == []
    assert laws(found) == []
    # its calls were played by hand behind the edge: none of them is in the capture
    assert [each.frame for each in found.unseen] == [18, 20, 35]
    assert found.subscriptions.unasked == {"check-sync": 2}


def test_a_plain_kamailio() -> None:
    found = inspected(raw("plain-sipp.pcap"))
    assert (found.reading.packets, found.reading.messages) == (46, 46)
    assert lamps(found, "1001", "1002") == [("off", 7), ("ringing", 23), ("busy", 32), ("off", 41)]
    [leg] = found.calls
    assert (leg.caller, leg.callee) == ("sip:1003@lab.test", "sip:1002@lab.test")
    assert [(str(each.state), each.frame) for each in seen_changes(leg)] == [
        ("calling", 9), ("ended", 11), ("calling", 12), ("ringing", 20), ("talking", 29), ("ended", 42)
    ]  # fmt: skip
    assert (laws(found), found.unseen) == ([], [])


def test_a_whole_kazoo() -> None:
    found = kazoo()
    assert (found.reading.packets, found.reading.messages, found.reading.warnings) == (2390, 2390, [])
    first = [
        ("off", 136), ("ringing", 242), ("busy", 254), ("off", 274), ("ringing", 308), ("busy", 318), ("off", 340),
        ("ringing", 372), ("off", 396), ("ringing", 430), ("off", 438),
    ]  # fmt: skip
    assert lamps(found, "capw", "capb")[: len(first)] == first
    # the caller's lamp is busy from the INVITE on
    assert lamps(found, "capw", "1001")[:5] == [("off", 122), ("busy", 226), ("off", 280), ("busy", 292), ("off", 346)]
    assert lamps(found, "capw", "capa") == [("off", 148)]
    states = {watch.call_id.partition("-")[0]: state_of(watch, found.reading.end) for watch in found.watches}
    assert states["75cfa76f79bf4665"] == "refused"
    assert states["3ac8b5345dc64a36"] == "ended"
    assert states["e79cc9e66e8547d4"] == "replaced"
    assert [(each.aor, each.status) for each in found.registrations.events if each.state == "refused"][:2] == [
        ("sip:capnobody@cap.kazoo.test", 401), ("sip:capa@nosuch.kazoo.test", 401)
    ]  # fmt: skip


def test_of_a_whole_kazoo_only_what_is_known_to_be_broken_is_flagged() -> None:
    """A presence reset in an answered call leaves the lamp dark, and a watcher that answers 481 is not removed."""
    found = kazoo()
    assert [(each.broken.law, each.watch.package, each.broken.frames) for each in found.findings] == [
        ("LAW-01", "presence", (810, 818, 796)),
        ("LAW-01", "dialog", (812, 820, 796)),
        ("LAW-01", "dialog", (814, 822, 796)),
        ("LAW-01", "presence", (898, 878)),
        ("LAW-01", "dialog", (900, 878)),
        ("LAW-05", "dialog", (2253, 2241)),
        ("LAW-05", "dialog", (2267, 2241)),
    ]
    # a state that was set by API is no call
    assert {each.reason.rpartition(": ")[2] for each in found.unseen if each.watch.package == "dialog"} == {
        "dba669cddbc2c149d6ae5419d9b542d9"
    }


def lies(state: bytes) -> Callable[[bytes], bytes]:
    """A NOTIFY whose document says `state` instead of terminated."""
    padded = b"<state>" + state.ljust(len(b"terminated")) + b"</state>"
    return lambda packet: packet.replace(b"<state>terminated</state>", padded)


def gone(_: bytes) -> None:
    """The packet is left out."""


@pytest.mark.parametrize(
    ("edits", "broken"),
    [
        ({41: lies(b"confirmed")}, (41, 42)),
        ({41: lies(b"early")}, (41, 42)),
        # both frames are gone, so that others have lower numbers
        ({41: gone, 43: gone}, (32, 41)),
    ],
)
def test_a_desync_is_flagged_at_its_frame(
    edits: dict[int, Callable[[bytes], bytes | None]], broken: tuple[int, ...]
) -> None:
    found = inspected(edited(raw("plain-sipp.pcap"), edits))
    assert [(each.broken.law, each.broken.frames) for each in found.findings] == [("LAW-01", broken)]


@pytest.mark.parametrize(
    ("call_id", "cseq", "frame"),
    [("00c41ef851bd4001", 6, 280), ("00c41ef851bd4001", 13, 402), ("560e2bb738fa4c84", 4, 274)],
)
def test_a_desync_in_a_whole_kazoo_is_flagged_at_its_frame(call_id: str, cseq: int, frame: int) -> None:
    """The NOTIFY that says the end of a call says that it goes on, until the next call begins seconds later."""
    data = raw("kazoo-5.0.pcapng.xz")
    begins = data.index(b"CSeq: %d NOTIFY\r\nCall-ID: %s" % (cseq, call_id.encode()))
    at = data.index(b"<state>terminated", begins) + len(b"<state>")
    found = inspected(data[:at] + b"confirmed " + data[at + 10 :])
    assert ("LAW-01", frame) in laws(found)
    assert len(found.findings) == len(kazoo().findings) + 1


def test_a_version_a_cseq_and_a_dead_subscription_are_flagged_at_their_frames() -> None:
    plain = raw("plain-sipp.pcap")
    assert b'version="3"' in plain
    found = inspected(edited(plain, {32: lambda packet: packet.replace(b'version="3"', b'version="2"')}))
    assert ("LAW-03", 32) in laws(found)
    found = inspected(edited(plain, {32: lambda packet: packet.replace(b"CSeq: 4 NOTIFY", b"CSeq: 3 NOTIFY")}))
    assert ("LAW-04", 32) in laws(found)

    def ends(packet: bytes) -> bytes:
        start = packet.index(b"Subscription-State: active")
        end = packet.index(b"\r\n", start)
        return packet[:start] + b"Subscription-State: terminated".ljust(end - start) + packet[end:]

    found = inspected(edited(plain, {32: ends}))
    assert laws(found) == [("LAW-05", 41)]


def test_damage_costs_what_it_hits() -> None:
    whole = raw("plain-sipp.pcap")
    for end in (len(whole) // 2, len(whole) - 100):
        found = inspected(whole[:end])
        assert laws(found) == []
        assert 10 < found.reading.messages < 46
        assert len(found.reading.warnings) == 1


def test_a_packed_capture_and_a_damaged_one(tmp_path: Path) -> None:
    packed = gzip.compress(raw("plain-sipp.pcap"))
    path = tmp_path / "plain.pcap.gz"
    path.write_bytes(packed)
    found = inspect(path)
    assert (found.reading.messages, found.reading.warnings) == (46, [])
    for damaged in (packed[:-2000], packed[:3000] + b"damage" + packed[3006:]):
        path.write_bytes(damaged)
        found = inspect(path)
        assert 0 < found.reading.messages < 46
        assert found.reading.warnings[0].startswith("its compression is damaged: ")


def test_what_is_captured_twice_was_not_sent_twice() -> None:
    """Two interfaces of one machine see one packet."""
    data = edited(raw("plain-sipp.pcap"), {41: lies(b"confirmed")})
    parts, at = [data[:24]], 24
    while at < len(data):
        end = at + 16 + int.from_bytes(data[at + 8 : at + 12], "little")
        parts += [data[at:end]] * 2
        at = end
    found = inspected(b"".join(parts))
    assert (found.reading.messages, laws(found)) == (92, [("LAW-01", 81)])
    assert [len(watch.notices) for watch in found.watches] == [4]
