"""SIP over TLS, decrypted by tshark with a key log. What tshark hands over are its exported PDUs (link type 252)."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryFile

from harness.errors import HarnessError, UsageError
from harness.inspecting.capture_file import Frame, NoCapture, frames
from harness.inspecting.messages import Reading, Sight, parsed
from phones.sip.framing import Framer
from phones.sip.index import SipSyntaxError

_EXPORTED = 252
_END, _NAME, _IPV4, _IPV6, _PORTS, _FRAME = 0, 12, (20, 21), (22, 23), (25, 26), 30


def decrypted(capture: Path, keylog: Path, reading: Reading) -> Iterator[Sight]:
    """The SIP messages on TCP and TLS that tshark sees in `capture`, with the numbers that their frames have there.

    Raises UsageError where tshark is not installed or the key log cannot be read.
    """
    tshark = shutil.which("tshark")
    if tshark is None:
        raise UsageError("--keylog needs tshark, which is not installed", "apt install tshark")
    if not keylog.is_file():
        raise UsageError(f"{keylog}: no such file", "a log of TLS secrets, as SSLKEYLOGFILE names it")
    # where tshark splits a preference, a path must not
    command = [tshark, "-n", "-r", str(capture), "-o", f"tls.keylog_file:{keylog.resolve()}"]
    command += ["-U", "OSI layer 7", "-Y", "tls", "-F", "pcapng", "-w", "-"]
    with TemporaryFile() as said, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said) as running:
        assert running.stdout is not None
        try:
            with open(running.stdout.fileno(), "rb", closefd=False) as output:
                for frame in frames(output, _unheard):
                    yield from _messages(frame, reading)
        except NoCapture as error:
            running.wait()
            said.seek(0)
            words = said.read().decode("utf-8", "replace").strip().splitlines()
            raise HarnessError(f"tshark: {words[-1] if words else error}") from error
        finally:
            running.kill()


def _unheard(_: str) -> None:
    """What is amiss with the capture is said when it is read itself."""


def _messages(frame: Frame, reading: Reading) -> Iterator[Sight]:
    """The messages in one exported PDU."""
    if frame.link != _EXPORTED:
        return
    try:
        tags, body = _tags(frame.data)
    except struct.error:
        return
    if tags.get(_NAME, b"").rstrip(b"\0") not in (b"sip.tcp", b"sip.tls") or _FRAME not in tags:
        return
    ends = []
    for v4, v6, port in zip(_IPV4, _IPV6, _PORTS, strict=True):
        octets = tags.get(v4) or tags.get(v6) or b""
        if len(octets) not in (4, 16):
            return
        ends.append((str(ip_address(octets)), int.from_bytes(tags.get(port, b""), "big") & 0xFFFF))
    place = (int.from_bytes(tags[_FRAME], "big"), frame.t)
    try:
        for each in Framer().feed(body):
            if each.data:
                yield from parsed(each.data, place, ends[0], ends[1], reading)
    except SipSyntaxError as error:
        reading.warn(f"{error}, in frame {place[0]}")


def _tags(data: bytes) -> tuple[dict[int, bytes], bytes]:
    """The tags of a PDU and what they are about. Raises struct.error."""
    found: dict[int, bytes] = {}
    at = 0
    while True:
        kind, length = struct.unpack_from("!HH", data, at)
        at += 4
        if kind == _END:
            return found, data[at:]
        found.setdefault(kind, data[at : at + length])
        at += length
