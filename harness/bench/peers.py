"""The others of a bench: Kamailio as the registrar, SIPp as the one that does the same work. Loopback only."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from phones.sip.message import Address

HERE = Path(__file__).parent
HOST = "127.0.0.1"
PROFILE = "RINGPROOF_PROFILE"
"""The variable that tells our own side where to leave a profile."""
REALM = "bench.example"
PASSWORD = "bench-password"
PACKAGES = {"sipp": "sip-tester", "kamailio": "kamailio"}
"""Program to the Debian package that has it."""

_STARTS_WITHIN_S = 15.0


def missing() -> list[str]:
    """The Debian packages without which there is nothing to compare with."""
    return sorted(package for program, package in PACKAGES.items() if program_of(program) is None)


def program_of(name: str) -> str | None:
    """The path of a program; Debian keeps some where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A UDP port that nobody has at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has used: CPU in seconds, its start included, and its largest resident memory in octets."""

    cpu_s: float
    memory: int


class Running:
    """A process of a bench. `wait` tells what it has spent; `end` stops it."""

    def __init__(self, command: Sequence[str | Path], folder: Path, **environment: str) -> None:
        self.name = Path(command[0]).name
        self._log = folder / f"{self.name}-{free_port()}.log"
        self._spent: Spent | None = None
        self._code = 0
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, within_s: float) -> Spent:
        """Wait for its end. Raises HarnessError when it fails or takes too long."""
        end = time.monotonic() + within_s
        while (spent := self.poll()) is None:
            if time.monotonic() >= end:
                self.end()
                raise HarnessError(f"{self.name} was not through after {within_s:g} s", self.said())
            self.pause()
        if self._code:
            raise HarnessError(f"{self.name} failed ({self._code})", self.said())
        return spent

    def said(self) -> str:
        """The end of what it has said."""
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return " ".join(text[-600:].split())

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.poll() is not None

    def poll(self) -> Spent | None:
        """What it has spent; None while it runs."""
        if self._spent is not None:
            return self._spent
        # wait4 and not Popen: only it tells what this one child has used
        pid, status, used = os.wait4(self.process.pid, os.WNOHANG)
        if pid:
            self._code = os.waitstatus_to_exitcode(status)
            self.process.returncode = self._code
            self._spent = Spent(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)
        return self._spent

    def end(self) -> None:
        """Stop it, and what it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.ended:
                return
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            end = time.monotonic() + 5
            while self.poll() is None and time.monotonic() < end:
                self.pause()

    def pause(self) -> None:
        """Give it a moment; a child that ends is no event that could be waited for together with a time."""
        select.select([], [], [], 0.01)


@contextmanager
def kamailio(folder: Path) -> Iterator[Address]:
    """The registrar, until the end of the block. Raises HarnessError when it does not answer."""
    program = program_of("kamailio")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="rp-kam-") as name:
        port = free_port()
        text = (HERE / "registrar.cfg").read_text(encoding="utf-8")
        for hole, value in (("HOST", HOST), ("PORT", str(port)), ("PASSWORD", PASSWORD)):
            text = text.replace(hole, value)
        configuration = Path(name) / "kamailio.cfg"
        configuration.write_text(text, encoding="utf-8")
        options = ["-DD", "-E", "-f", str(configuration), "-w", name, "-Y", name, "-m", "256", "-M", "16"]
        running = Running([program, *options], folder)
        try:
            if not answers((HOST, port), running.poll):
                raise HarnessError("kamailio does not start", running.said())
            yield HOST, port
        finally:
            running.end()


def answers(address: Address, poll: Callable[[], object]) -> bool:
    """Wait for an answer to OPTIONS over UDP; False when none comes in 15 s, or `poll` is no longer None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        sock.settimeout(0.1)
        here, there = (f"{HOST}:{port}" for port in (sock.getsockname()[1], address[1]))
        ping = (
            f"OPTIONS sip:{there} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK-ping\r\nMax-Forwards: 1\r\n"
            f"From: <sip:ping@{here}>;tag=1\r\nTo: <sip:{there}>\r\nCall-ID: ping\r\nCSeq: 1 OPTIONS\r\n"
            "Content-Length: 0\r\n\r\n"
        )
        end = time.monotonic() + _STARTS_WITHIN_S
        while time.monotonic() < end and poll() is None:
            sock.sendto(ping.encode(), address)
            try:
                return sock.recv(65_535).startswith(b"SIP/2.0 ")
            except OSError:
                # nobody there yet (which the kernel says at once), or nobody ready
                select.select([], [], [], 0.02)
        return False


def users_file(folder: Path, count: int) -> Path:
    """Users for SIPp: name, and the whole of what its authentication is told."""
    path = folder / f"users-{count}.csv"
    lines = [f"{user};[authentication username={user} password={PASSWORD}]" for user in users(count)]
    path.write_text("\n".join(["SEQUENTIAL", *lines, ""]), encoding="utf-8")
    return path


def users(count: int) -> list[str]:
    """Names of phones."""
    return [f"b{number:06}" for number in range(count)]


def sipp(
    scenario: str,
    folder: Path,
    count: int,
    *,
    remote: Address | None = None,
    port: int = 0,
    at_once: int,
    users: int = 0,
) -> Running:
    """SIPp with one of the scenarios here: `count` times, `at_once` at the same time. A server has no remote."""
    program = program_of("sipp")
    assert program is not None
    own = Path(tempfile.mkdtemp(prefix="sipp-", dir=folder))
    command: list[str | Path] = [program, *([f"{remote[0]}:{remote[1]}"] if remote else [])]
    command += ["-sf", HERE / f"{scenario}.xml", "-m", str(count), "-i", HOST, "-p", str(port or free_port())]
    command += ["-mp", str(free_port()), "-nostdin", "-buff_size", "4194304", "-deadcall_wait", "0"]
    if remote:
        command += ["-l", str(at_once), "-r", str(at_once * 10), "-rp", "100"]
    if users:
        command += ["-inf", users_file(folder, users)]
    return Running(command, own, TERM="dumb")


def worker(work: str, folder: Path, *arguments: object, profile: Path | None = None) -> Running:
    """Our own side, in an interpreter of its own; it leaves a profile of itself in the file `profile`."""
    more = {} if profile is None else {PROFILE: str(profile)}
    return Running([sys.executable, "-m", "harness.bench.worker", work, *map(str, arguments)], folder, **more)
