"""tshark reads our captures: all of it, nothing malformed but what was sent malformed, every comment."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.judge import judge_record
from harness.loader import load_cases, shipped
from reports.pcapng import case_capture, run_blocks
from reports.record import Event, met_wire, read_record
from reports.view import CaseView, RunView, run_view
from tests.end_to_end.support import RINGPROOF, ROOT, in_shell, run
from tests.harness.files import cases
from tests.reports.records import Script

pytestmark = pytest.mark.interop

FIELD = ROOT / "tests" / "harness" / "inspecting" / "data" / "kazoo-sbc.pcap"
VIA = "Via: SIP/2.0/{0} {1};branch=z9hG4bK-{2}\r\nMax-Forwards: 70\r\n"
DIALOG = (
    'From: "Desk" <sip:desk@example.org>;tag=a\r\nTo: <sip:desk@example.org>\r\nCall-ID: rp-{0}\r\nCSeq: {0} NOTIFY\r\n'
)


class Seen:
    """What tshark says of a capture, frame by frame."""

    def __init__(self, tshark: str, capture: Iterable[bytes], file: Path, *options: str) -> None:
        with file.open("wb") as target:
            target.writelines(capture)
        fields = ["frame.protocols", "frame.comment", "_ws.expert.severity", "sip.Call-ID", "tcp.analysis.flags"]
        fields += ["udp.checksum.status", "tcp.checksum.status", "ip.checksum.status", "frame.interface_name"]
        command = [tshark, "-n", "-r", str(file), "-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", *options]
        for protocol in ("ip", "udp", "tcp"):
            command += ["-o", f"{protocol}.check_checksum:TRUE"]
        for field in fields:
            command += ["-e", field]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
        self.frames = [dict(zip(fields, line.split("\t"), strict=True)) for line in done.stdout.splitlines()]

    def of(self, protocol: str) -> list[dict[str, str]]:
        """The frames that have a protocol."""
        return [each for each in self.frames if protocol in each["frame.protocols"].split(":")]

    def flagged(self) -> list[dict[str, str]]:
        """The frames that are malformed, or in which tshark found an error."""
        error = str(0x00800000)
        return [
            each
            for each in self.frames
            if "_ws.malformed" in each["frame.protocols"] or error in each["_ws.expert.severity"].split(",")
        ]

    def unsound(self) -> list[dict[str, str]]:
        """The frames with a wrong checksum, without a comment, or that do not fit into their stream."""
        checks = [f"{name}.checksum.status" for name in ("ip", "udp", "tcp")]
        return [
            each
            for each in self.frames
            if any(each[name] not in ("", "1") for name in checks)
            or not each["frame.comment"]
            or each["tcp.analysis.flags"]
        ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    """Every shipped case, in virtual time."""
    record = read_record(run(load_cases(shipped()), tmp_path_factory.mktemp("whole")).folder)
    return run_view(record, [each.as_json() for each in judge_record(record)])


def messages(cases_: Iterable[CaseView]) -> list[tuple[Event, bytes]]:
    """What was on the wire: a message that was lost on purpose before it got there is in no capture."""
    return [pair for case in cases_ for pair in case.of_kind("message") if met_wire(pair[0])]


def is_sip(data: bytes) -> bool:
    return b" SIP/" in data.split(b"\r\n")[0] or data.startswith(b"SIP/")


def test_the_capture_of_everything(whole: RunView, tshark: str, tmp_path: Path) -> None:
    seen = Seen(tshark, run_blocks(whole), tmp_path / "run.pcapng")
    recorded = messages(whole.cases)
    assert len(seen.of("sip")) == sum(is_sip(data) for _, data in recorded) > 6000
    calls = [each for case in whole.cases for each in case.exchanges]
    assert len(seen.of("http")) == 2 * len(calls)
    assert seen.unsound() == []
    # what was malformed on purpose is flagged, and nothing else
    assert {each["frame.comment"].partition(" | ")[0] for each in seen.flagged()} == {"registration/bad-requests[udp]"}
    assert all(" | scanner sends" in each["frame.comment"] for each in seen.flagged())
    named = Counter(each["frame.comment"].partition(" | ")[0] for each in seen.of("sip"))
    sent = Counter(str(event["case"]) for event, data in recorded if is_sip(data))
    assert named == sent


def test_exactly_the_malformed_are_flagged(whole: RunView, tshark: str, tmp_path: Path) -> None:
    case = whole.case("registration/bad-requests[udp]")
    assert case is not None
    seen = Seen(tshark, [case_capture(case)], tmp_path / "case.pcapng")
    flagged = {each["frame.comment"].split(" | ")[1].partition(":")[0] for each in seen.flagged()}
    # step 5 is octets without meaning, which happen to look like SigComp; step 7 the beginning of a request
    assert flagged == {"step 5", "step 7"}


@pytest.mark.parametrize("address", ["lamps/call", "quickcall/media-bypass"])
def test_the_capture_of_a_case_with_calls(whole: RunView, address: str, tshark: str, tmp_path: Path) -> None:
    case = whole.case(address)
    assert case is not None
    seen = Seen(tshark, [case_capture(case)], tmp_path / "case.pcapng")
    assert len(seen.of("sip")) == len(case.of_kind("message"))
    # beside its SDP tshark 4.0 no longer shows one direction of the media behind a re-INVITE: so the media alone
    alone = replace(case, events=case.of_kind("media"))
    media = Seen(tshark, [case_capture(alone)], tmp_path / "media.pcapng", "--enable-heuristic", "rtp_udp").of("rtp")
    assert len(media) == len(case.of_kind("media")) > 0
    assert seen.flagged() == seen.unsound() == []
    assert {each["frame.interface_name"] for each in seen.of("sip")} == {each["phone"] for each in case.phones}


def test_ports_that_nobody_knows(tshark: str, tmp_path: Path) -> None:
    steps = (
        "title: T\nclauses: [SYNC-02]\nphones: {desk: {}}\nsteps:\n- register: desk\n- request: GET {{ desk.url }}\n"
    )
    result = run(cases(tmp_path, steps), tmp_path / "out", virtual=False)
    record = read_record(result.folder)
    view = run_view(record, [each.as_json() for each in judge_record(record)])
    recorded = messages(view.cases)
    edge = str(recorded[0][0]["remote"]).rpartition(":")[2]
    seen = Seen(tshark, run_blocks(view), tmp_path / "run.pcapng", "-d", f"udp.port=={edge},sip")
    assert len(seen.of("sip")) == len(recorded) >= 4
    assert len(seen.of("http")) == 2 * len(view.cases[0].exchanges)
    assert seen.flagged() == seen.unsound() == []
    # every connection was a true one, used again and again
    streams = {tuple(each[name] for name in ("local", "remote")) for each, _ in view.cases[0].of_kind("reply")}
    assert "" not in {end for ends in streams for end in ends}


def notify(number: int, transport: str, at: str, body: bytes = b"") -> bytes:
    kind = "Event: dialog\r\nSubscription-State: active\r\n" + ("Content-Type: text/plain\r\n" if body else "")
    head = "NOTIFY sip:desk@example.org SIP/2.0\r\n" + VIA.format(transport, at, number) + DIALOG.format(number) + kind
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def test_ipv6_large_bodies_and_malformed_messages(tshark: str, tmp_path: Path) -> None:
    script = Script()
    phone, edge, far = "[2001:db8::1]:31002", "[2001:db8::2]:5060", "192.0.2.9:5060"
    big = b"x" * 1_048_576
    good = [
        (edge, notify(1, "UDP", edge)),
        (edge, notify(2, "UDP", edge, b"y" * 60_000)),
        (edge, notify(3, "UDP", edge, big)),
        (far, notify(4, "UDP", far)),
        (far, notify(5, "UDP", far, big)),
    ]
    for remote, data in good:
        local = phone if remote == edge else "192.0.2.1:31002"
        script.message(data, local=local, remote=remote, direction="in")
    bad = notify(6, "UDP", edge).replace(b"CSeq: 6 NOTIFY", b"CSeq: 36893488147419103232 NOTIFY")[:-40]
    script.message(bad, local=phone, remote=edge, case="b/bad")
    script.exchange("PUT", "http://[2001:db8::2]:8000/v2/x", json.dumps({"data": "z" * 1_048_576}), "{}")
    script.exchange("GET", "https://198.51.100.4/v2/x", "", json.dumps({"data": "z" * 1_048_576}), t=1)
    view = script.view()
    seen = Seen(tshark, run_blocks(view), tmp_path / "odd.pcapng")
    found = [each["sip.Call-ID"] for each in seen.of("sip")]
    assert sorted(found) == [f"rp-{n}" for n in range(1, 7)]
    assert len(seen.of("http")) == 4
    assert seen.unsound() == []
    assert {each["frame.comment"].partition(" | ")[0] for each in seen.flagged()} <= {"b/bad"}


def test_the_commands_of_the_description(tshark: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "captures.md").read_text(encoding="utf-8")
    shown = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    assert len(shown) == 11
    shutil.copy(FIELD, tmp_path / "office.pcap")
    ours = " ".join(map(shlex.quote, RINGPROOF))
    for line in shown:
        done = in_shell(re.sub("^ringproof", ours, line), tmp_path)
        assert done.code == 0, (line, done.err)
        assert done.out or line.startswith("cmp") or " > " in line, line
