"""baresip, a phone that we did not write, lives on the reference server and is called by a quickcall."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

import pytest

from tests.end_to_end.conftest import Served
from tests.interop.conftest import peer

pytestmark = pytest.mark.interop

CONFIG = """
sip_listen 127.0.0.1:0
audio_player aufile,{folder}/heard.wav
audio_source aufile,{folder}/said.wav
audio_alert aufile,{folder}/alert.wav
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module stdio.so
module_app account.so
module_app menu.so
net_interface 127.0.0.1
"""


@contextmanager
def baresip(folder: Path, account: str) -> Iterator[Path]:
    """Run baresip with one account until the end of the block; what it says is in the file."""
    program = peer("baresip")
    (folder / "config").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    (folder / "accounts").write_text(account + "\n", encoding="utf-8")
    (folder / "contacts").write_text("", encoding="utf-8")
    silence = b"RIFF" + (36 + 16000).to_bytes(4, "little") + b"WAVEfmt " + bytes.fromhex(
        "10000000010001 00401f0000803e000002001000".replace(" ", "")
    ) + b"data" + (16000).to_bytes(4, "little") + bytes(16000)  # fmt: skip
    (folder / "said.wav").write_bytes(silence)
    said = folder / "log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [program, "-f", str(folder), "-v"], cwd=folder, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
        try:
            yield said
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def until(said: Path, words: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while words not in said.read_text(encoding="utf-8", errors="replace"):
        assert time.monotonic() < end, said.read_text(encoding="utf-8", errors="replace")[-3000:]
        select([], [], [], 0.05)


def test_it_registers_and_a_quickcall_reaches_it(served: Served, tmp_path: Path) -> None:
    ready: dict[str, Any] = served.outside.ready
    device = ready["devices"][0]
    account = (
        f"<sip:{device['username']}@{ready['realm']}>;auth_pass={device['password']};answermode=auto;regint=60;"
        f'outbound="sip:{ready["sip"]["udp"]};transport=udp";audio_codecs=PCMU'
    )
    with baresip(tmp_path, account) as said:
        until(said, "200 OK")
        other = ready["devices"][1]["username"]
        path = f"/v2/accounts/{ready['account_id']}/devices/{device['id']}/quickcall/{other}"
        assert served.outside.get(path).status in (200, 202)
        until(said, "Call established")
