"""A Kamailio of our own on loopback: started in the foreground, with ports that the system picks, and ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import jinja2
import trustme

from harness.bench.peers import answers
from phones.sip.message import Address
from phones.sip.transport import Transport

Outcome = TypeVar("Outcome")
HERE = Path(__file__).parent
HOST = "127.0.0.1"
TABLES = Path("/usr/share/kamailio/dbtext/kamailio")
"""Debian's empty tables; presence wants some to be there although nothing is kept in them."""

_ATTEMPTS = 3

_FAULT = "qm_free(): BUG: "
"""What Kamailio 5.6 says when its processes were in the one error state of OpenSSL 3 at once (its issues 3695, 3791).

What it does with connections from then on, or whether it lives at all, says nothing about whoever speaks to it.
"""


@dataclass(frozen=True)
class Kamailio:
    """One that answers. `folder` has its configuration, its log, its socket and its certificate."""

    program: str
    folder: Path
    port: int
    tls_port: int
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def sip(self) -> Address:
        """Where it speaks UDP and TCP."""
        return HOST, self.port

    def place(self, transport: Transport) -> Address:
        """Where it speaks UDP, TCP or TLS."""
        return HOST, self.tls_port if transport.encrypted else self.port

    @property
    def ca_file(self) -> Path:
        """Who signed its certificate, and whom it lets in where it asks for certificates."""
        return self.folder / "ca.pem"

    @property
    def client_certificate(self) -> Path:
        """A certificate, with its key, that it lets in."""
        return self.folder / "client.pem"

    @property
    def trust(self) -> ssl.SSLContext:
        """For phones that believe nobody else."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    @property
    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def broken(self) -> bool:
        """Whether it has run into a known fault of its own over TLS."""
        return _FAULT in self.log

    def sound(self, attempt: Callable[[], Outcome]) -> Outcome:
        """What `attempt` returns or raises, unless that fault came between: then it is made again on a fresh server."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return attempt()
            except Exception:
                if not self.broken:
                    raise
            self.restart()
        return attempt()

    def ask(self, method: str, *params: str) -> Any:
        """Call a method of its management interface. Raises RuntimeError with what it says, OSError for silence."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            ours = self.folder / "answer.sock"
            ours.unlink(missing_ok=True)
            sock.bind(str(ours))
            sock.settimeout(5.0)
            request = {"jsonrpc": "2.0", "method": method, "params": list(params), "id": 1}
            sock.sendto(json.dumps(request).encode(), str(self.folder / "rpc.sock"))
            reply = json.loads(sock.recv(65_535))
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']}")
        return reply["result"]

    def check_sync(self, aor: str, event: str = "check-sync") -> None:
        """Have it send a NOTIFY of its own, outside any dialog, to whoever is registered as `aor` (a SIP URI)."""
        state = "Subscription-State: terminated;reason=noresource"
        headers = f"From: <{aor}>\r\nTo: <{aor}>\r\nEvent: {event}\r\n{state}\r\n"
        # by way of its own front door, where it looks up the contact
        self.ask("tm.t_uac_start", "NOTIFY", aor, f"sip:{HOST}:{self.port}", ".", headers)

    def start(self) -> bool:
        """Start it; whether it answers then."""
        process = _start(self.program, self.folder)
        self._processes.append(process)
        return answers(self.sip, process.poll)

    def end(self) -> None:
        """End it."""
        while self._processes:
            _end(self._processes.pop())

    def restart(self) -> None:
        """End it, and have another at its place that knows nobody. Raises RuntimeError when that does not answer."""
        self.end()
        if not self.start():
            raise RuntimeError(f"kamailio does not start again:\n{self.log[-4000:]}")


def template(name: str) -> jinja2.Template:
    """A template beside this file; an undefined name is an error."""
    loader = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False).get_template(name)


@contextmanager
def kamailio(program: str, configuration: str, *, certificates: bool = False, **values: Any) -> Iterator[Kamailio]:
    """Run Kamailio with a template of this folder until the end of the block. Raises RuntimeError with its log.

    `certificates`: over TLS it talks only to who shows one of its CA.
    """
    # a socket's path may have 107 octets: pytest's folders are too deep
    with tempfile.TemporaryDirectory(prefix="kam-") as name:
        folder = Path(name)
        _prepare(folder)
        for attempt in range(_ATTEMPTS):
            running = Kamailio(program, folder, _free_port(), _free_port())
            known = {
                "host": HOST, "port": running.port, "tls_port": running.tls_port, "folder": name, "debug": 1,
                "certificates": int(certificates),
            }  # fmt: skip
            (folder / "kamailio.cfg").write_text(template(configuration).render(**known, **values), encoding="utf-8")
            try:
                if running.start():
                    yield running
                    return
            finally:
                running.end()
            if "bind" not in running.log or attempt + 1 == _ATTEMPTS:
                break
        raise RuntimeError(f"kamailio does not start:\n{running.log[-4000:]}")


def _prepare(folder: Path) -> None:
    (folder / "db").mkdir()
    for table in ("version", "active_watchers", "presentity", "watchers", "pua"):
        shutil.copy(TABLES / table, folder / "db")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert(HOST, "localhost", "lab.example")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(folder / "cert.pem"), append=True)
    authority.issue_cert("phone@lab.example").private_key_and_cert_chain_pem.write_to_path(str(folder / "client.pem"))


def _free_port() -> int:
    """A port that nobody has at this moment, neither UDP nor TCP."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
            stream.bind((HOST, 0))
            port: int = stream.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
                try:
                    datagrams.bind((HOST, port))
                except OSError:
                    continue
                return port
    raise RuntimeError("no port is free")


def _start(program: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [program, "-DD", "-E", "-f", f"{folder}/kamailio.cfg", "-w", str(folder), "-Y", str(folder)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*command, "-m", "64", "-M", "8"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it and the processes that it has started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
    # a child that holds a lock at the end would turn for ever; they are a group of their own
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def users(count: int) -> Mapping[str, str]:
    """Names and passwords: 1001 and so on."""
    return {str(1000 + number): f"secret-{number}" for number in range(1, count + 1)}
