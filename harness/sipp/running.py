"""Runs SIPp: scenarios rendered from our templates, a directory of its own for each run, and what came of it."""

from __future__ import annotations

import asyncio
import csv
import random
import re
import signal
import socket
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from harness.errors import HarnessError
from harness.sipp import adapter
from phones.sip.message import Address

TEMPLATES = Path(__file__).parent
_BUFFER = 4 << 20
"""Octets of socket buffer: SIPp's own are lost in bursts."""
_STOPS_WITHIN_S = 5.0
_PORTS = range(16_384, 32_000)
"""Below those that Linux, macOS and IANA have given to the system to choose from."""
_STAMP = r"20\d\d-\d\d-\d\d\s[\d:.]+\s[\d.]+: "
_COMPLAINT = re.compile(rf"{_STAMP}(.*?)(?='?{_STAMP}|$)", re.MULTILINE)
_COUNTS = ("TotalCallCreated", "SuccessfulCall(C)", "FailedCall(C)")


@dataclass(frozen=True, slots=True)
class Part:
    """One SIPp process: a template beside this file, without `.xml.j2`, and what is filled into it.

    `rows` are what its calls are about, one after the other, from the start again at the end. It begins `rate` calls a
    second, `at_once` of them at the same time at most, and ends after `calls`. One with `remote` begins calls; one
    without waits for them. `local` (port 0: any) is where it is.
    """

    scenario: str
    values: dict[str, Any] = field(default_factory=dict)
    rows: Sequence[Sequence[str]] = ()
    remote: Address | None = None
    local: Address = ("127.0.0.1", 0)
    calls: int = 1
    rate: float = 10.0
    at_once: int = 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process says of its calls at the end. `error` is what it complains about."""

    code: int
    made: int
    successful: int
    failed: int
    error: str

    @property
    def complaint(self) -> str:
        """The first thing that it complains about, in one line: of a call rather than what comes when it is over."""
        lines = [each.strip() for each in _COMPLAINT.findall(self.error)]
        lines.sort(key=lambda line: line.startswith("Dead call"))
        return lines[0] if lines else f"exit code {self.code}"


class Sipp:
    """Some SIPp processes that run together. `folder` has all that they read and write, and goes with `close`."""

    def __init__(self, *parts: Part) -> None:
        """Prepare the processes; `start` starts them. Raises SippMissing."""
        adapter.check()
        self._folder = tempfile.TemporaryDirectory(prefix="ringproof-sipp-")
        self.folder = Path(self._folder.name)
        self.addresses: list[Address] = []
        """Where each of them is."""
        self._commands = [self._prepare(number, part) for number, part in enumerate(parts)]
        self._runner: Any = None

    def _prepare(self, number: int, part: Part) -> str:
        host, port = part.local
        local = (host, port or _free_port(host))
        self.addresses.append(local)
        scenario = self.folder / f"{number}-{part.scenario}.xml"
        scenario.write_text(render(part.scenario, **part.values), encoding="utf-8")
        options: dict[str, Any] = {
            "scen_file": str(scenario),
            "local_host": host,
            "local_port": local[1],
            # RTP and RTCP of audio and of video
            "media_port": _free_port(host, ports=4),
            "buff_size": _BUFFER,
            "call_count": part.calls,
            "trace_stat": True,
            "stat_file": str(self.folder / f"{number}.csv"),
            "stat_period": 1,
            "trace_error": True,
            "error_file": str(self.folder / f"{number}.errors"),
            "nostdin": True,
        }
        if part.rows:
            rows = self.folder / f"{number}.rows"
            # no field can hold a semicolon or a line break: they are SIPp's own
            lines = [";".join(_field(each) for each in row) for row in part.rows]
            rows.write_text("\n".join(["SEQUENTIAL", *lines, ""]), encoding="utf-8")
            options["info_file"] = str(rows)
        if part.remote is not None:
            per, rate = call_rate(part.rate)
            options |= {"remote_host": part.remote[0], "remote_port": part.remote[1], "limit": part.at_once}
            options |= {"rate": rate, "rate_period": per, "ooc_scen_file": str(self._out_of_call())}
        return adapter.command(**options)

    def _out_of_call(self) -> Path:
        path = self.folder / "out-of-call.xml"
        path.write_text(render("out-of-call"), encoding="utf-8")
        return path

    def start(self) -> None:
        """Start them all."""
        self._runner = adapter.start(self._commands, self.folder)

    @property
    def running(self) -> bool:
        """Whether one of them still runs."""
        return self._runner is not None and bool(self._runner.is_alive())

    def stop(self) -> None:
        """Let no call begin any more, and end them."""
        if self.running:
            self._runner.stop()

    def wait(self, seconds: float) -> list[Outcome]:
        """Wait for their end, then say what came of each. What still runs after that time is stopped."""
        try:
            self._runner.get(timeout=seconds)
        except adapter.pysipp().launch.TimeoutError:
            pass
        except RuntimeError:
            # told to end it waits for its calls, and one of them may wait for ever
            self._kill()
        return self.outcomes()

    async def ended(self, seconds: float) -> list[Outcome]:
        """`wait` without holding up whoever else is on this loop."""
        return await asyncio.to_thread(self.wait, seconds)

    def outcomes(self) -> list[Outcome]:
        """What came of each, once they have ended."""
        processes = list(self._runner.get(timeout=_STOPS_WITHIN_S).values())
        return [
            self._outcome(number, each.returncode, each.streams.stderr.decode("utf-8", "replace"))
            for number, each in enumerate(processes)
        ]

    def _outcome(self, number: int, code: int, said: str) -> Outcome:
        made = good = bad = 0
        stats = self.folder / f"{number}.csv"
        if stats.exists():
            with stats.open(encoding="utf-8", errors="replace", newline="") as file:
                for row in csv.DictReader(file, delimiter=";"):
                    made, good, bad = (_count(row, name) for name in _COUNTS)
        errors = self.folder / f"{number}.errors"
        said += errors.read_text(encoding="utf-8", errors="replace") if errors.exists() else ""
        return Outcome(code, made, good, bad, said[:4000])

    def close(self) -> None:
        """End what still runs, at once, and take the folder away."""
        if self._runner is not None:
            self._kill()
            self._runner.get(timeout=_STOPS_WITHIN_S)
            self._runner.poller.close()
        self._folder.cleanup()

    def _kill(self) -> None:
        for _, process in self._runner.iterprocs():
            process.send_signal(signal.SIGKILL)

    def __enter__(self) -> Sipp:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def render(scenario: str, **values: Any) -> str:
    """A SIPp scenario of ours. Raises HarnessError where there is none, or something is left open in it."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    # a line of the template alone leaves no empty line in a message
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    try:
        return environment.get_template(f"{scenario}.xml.j2").render(**values)
    except jinja2.TemplateError as error:
        raise HarnessError(f"SIPp scenario {scenario}: {error}") from error


def credentials(username: str, password: str) -> str:
    """What stands in a row where SIPp shall answer a challenge: it must be the whole of its field."""
    return f"[authentication username={username} password={password}]"


def _field(text: str) -> str:
    if any(mark in text for mark in ";\r\n"):
        raise HarnessError(f"SIPp cannot take {text!r} from a file")
    return text


def call_rate(rate: float) -> tuple[int, int]:
    """`rate` calls a second as SIPp takes it: in how many milliseconds, and how many calls begin in them."""
    if rate < 1:
        return round(1000 / rate), 1
    return (1000, round(rate)) if rate == int(rate) else (10_000, round(rate * 10))


def _count(row: dict[str, str | None], name: str) -> int:
    text = row.get(name) or "0"
    return int(text) if text.isdigit() else 0


def _free_port(host: str, ports: int = 1) -> int:
    """A UDP port that nobody has at this moment, an even one with as many as `ports` free in a row.

    It is not of those that the system gives to whoever asks for any: until SIPp takes it somebody else would have it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for _ in range(200):
        first = random.SystemRandom().randrange(_PORTS.start, _PORTS.stop, 2)
        with ExitStack() as sockets, suppress(OSError):
            for port in range(first, first + ports):
                sockets.enter_context(socket.socket(family, socket.SOCK_DGRAM)).bind((host, port))
            return first
    raise HarnessError(f"no UDP port between {_PORTS.start} and {_PORTS.stop} is free on {host}")
