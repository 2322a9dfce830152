"""The kernel as witness: a capture by a process of its own has what the Record has."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from harness.recorder import CaseRecorder
from harness.witness import Witness
from phones.effects import Heard
from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.support import RINGPROOF, environment

pytestmark = pytest.mark.interop
CASES = (
    "sync/flag-true[v2-http]",
    "lamps/call",
    "registration/bad-requests[udp]",
    "lamps/notify-lost[udp]",
    "lamps/watcher-away[udp]",
)
CHOSEN = ("run", *CASES, "--witness", "lo")


@pytest.fixture(autouse=True)
def permitted() -> None:
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0):
            pass
    except (AttributeError, PermissionError):
        # a right, not a package: make test-deps cannot give it
        pytest.skip("capturing is not permitted here (it needs root or CAP_NET_RAW)")


def test_record_and_wire_agree(cli: CommandLine) -> None:
    done = cli(*CHOSEN, "--format", "json")
    witness = done.document["witness"]
    assert done.code == 0, done.err
    assert witness["agrees"]
    assert witness["agreed"] > 50
    assert (witness["only_on_wire"], witness["only_in_record"], witness["dropped"]) == ([], [], 0)
    text = cli(*CHOSEN)
    assert "SIP messages, the same in the Record and on lo, octet for octet" in text.out


def test_a_message_that_the_record_lost_is_our_own_error(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    true_heard = CaseRecorder.heard
    lost: list[bytes] = []

    def forgetful(self: CaseRecorder, phone: str, heard: Heard, now: float) -> None:
        if not lost and heard.data.startswith(b"SIP/2.0 401"):
            lost.append(heard.data)
            return
        true_heard(self, phone, heard, now)

    monkeypatch.setattr(CaseRecorder, "heard", forgetful)
    done = cli(*CHOSEN, "--format", "json")
    [line] = done.document["witness"]["only_on_wire"]
    assert line.endswith(f"{len(lost[0])} bytes, SIP/2.0 401 Unauthorized")
    assert done.document["witness"]["agrees"] is False
    assert done.code == 3


def test_another_interface_proves_too_little(cli: CommandLine) -> None:
    others = [name for _, name in socket.if_nameindex() if name != "lo"]
    if not others:
        pytest.skip("there is no interface but lo")
    done = cli("run", "registration/options", "--witness", others[0], "--format", "json")
    assert done.code == 7
    assert not done.document["witness"]["agrees"]


def test_an_interface_that_is_not_there(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("run", "sync/path-on-v1", "--witness", "nowhere0", "--format", "json")
    assert done.code == 4
    assert "cannot capture on nowhere0: No such device; there is lo" in done.document["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_without_permission_nothing_is_run(tmp_path: Path) -> None:
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root can give its rights away, by setpriv")
    without = ["setpriv", "--bounding-set=-net_raw,-net_admin", *RINGPROOF, "run", "sync/path-on-v1"]
    done = subprocess.run(
        [*without, "--witness", "lo", "--format", "json"],
        cwd=tmp_path, env=environment(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "capturing on lo is not permitted" in json.loads(done.stdout)["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_there_is_no_wire_in_virtual_time(cli: CommandLine) -> None:
    assert cli("run", "sync/path-on-v1", "--witness", "lo", "--time", "virtual").code == 4


def test_a_burst_is_taken_whole() -> None:
    with Witness("lo") as witness, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(20_000):
            # nobody listens there: port 9 discards
            sender.sendto(b"%d" % number + bytes(700), ("127.0.0.1", 9))
        port = sender.getsockname()[1]
        witness.stop()
        seen = [each for each in witness.datagrams() if each.source.port == port]
    assert [int(each.data[:-700]) for each in seen] == list(range(20_000))
    assert witness.dropped == 0
