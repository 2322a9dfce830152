"""The rounds of a bench: ours and the peer's in turn, so that both meet the same neighbours on the machine."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.bench.peers import HOST, Running, Spent, free_port, kamailio, sipp, worker
from phones.sip.message import Address
from reports.record import EVENTS

_READY_S = 0.7
_PHONES = 100
"""Phones that NOTIFYs are for."""
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Size:
    """How much is done in each round."""

    registrations: int
    notifies: int
    calls: int
    phones: int
    rounds: int
    suite: tuple[str, ...]
    within_s: float
    days: int
    """Histories of an office."""


FULL = Size(20_000, 20_000, 10_000, 10_000, 5, (), 600.0, 200)
QUICK = Size(300, 300, 150, 100, 1, ("SYNC-02",), 60.0, 5)


@dataclass(frozen=True, slots=True)
class Row:
    """What one work costs: medians over the rounds. `us` is CPU microseconds for each; other units name themselves.

    `ratio` is the peer's over ours where less is better, so that more is better for us; None without a peer. `spread`
    is how far the rounds of ours are apart, as a share of the median; ranges are lowest and highest.
    """

    work: str
    unit: str
    ours: list[float]
    peer: list[float]
    target: str

    @property
    def ratio(self) -> float | None:
        """Of the medians."""
        return statistics.median(self.peer) / statistics.median(self.ours) if self.peer else None

    def document(self) -> dict[str, object]:
        """As the JSON document has it."""
        ours = statistics.median(self.ours)
        peer = statistics.median(self.peer) if self.peer else None
        timed = self.unit == "us"
        ratios = [one / other for one, other in zip(self.peer, self.ours, strict=False)]
        return {
            "work": self.work,
            "unit": self.unit,
            "ours": round(ours, 3),
            "peer": None if peer is None else round(peer, 3),
            "ours_us": round(ours, 3) if timed else None,
            "peer_us": round(peer, 3) if timed and peer is not None else None,
            "ratio": None if self.ratio is None else round(self.ratio, 3),
            "spread": round((max(self.ours) - min(self.ours)) / ours, 3) if ours else 0.0,
            "ours_range": [round(min(self.ours), 3), round(max(self.ours), 3)],
            "peer_range": [round(min(self.peer), 3), round(max(self.peer), 3)] if self.peer else None,
            "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)] if ratios else None,
            "target": self.target,
        }


class Bench:
    """All works. `peers` False: only our own sides are measured, where that can be done without a peer.

    `profile`: where our side leaves a profile of itself.
    """

    def __init__(
        self, folder: Path, size: Size, *, peers: bool, tell: Callable[[str], None], profile: Path | None = None
    ) -> None:
        self._folder = folder
        self._size = size
        self._peers = peers
        self._tell = tell
        self._profile = profile
        self._numbers = iter(range(1, 1_000_000))
        self._stack = ExitStack()
        self._registrar: Address | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def registrar(self) -> Address:
        """The Kamailio, started when it is first needed."""
        if self._registrar is None:
            self._registrar = self._stack.enter_context(kamailio(self._folder))
        return self._registrar

    def _worker(self, work: str, *arguments: object) -> Running:
        return worker(work, self._folder, *arguments, profile=self._profile)

    def works(self) -> dict[str, Callable[[], Row]]:
        """Name to what measures it."""
        alone = {
            "simulation": self.simulation,
            "office": self.office,
            "suite": self.suite,
            "help": self.help,
            "list": self.list,
        }
        if not self._peers:
            return dict(alone)
        compared = {"registration": self.registration, "notify": self.notify, "call": self.call, "memory": self.memory}
        return {**compared, **alone}

    def _fresh(self) -> Path:
        folder = self._folder / f"record-{next(self._numbers)}"
        folder.mkdir()
        return folder

    def _alternate(
        self, work: str, unit: str, target: str, ours: Callable[[], float], peer: Callable[[], float]
    ) -> Row:
        mine: list[float] = []
        theirs: list[float] = []
        for number in range(self._size.rounds):
            self._tell(f"{work}: round {number + 1} of {self._size.rounds}")
            # who comes first changes, too
            for side, found in ((ours, mine), (peer, theirs))[:: 1 if number % 2 == 0 else -1]:
                found.append(side())
        return Row(work, unit, mine, theirs, target)

    # beside SIPp

    def registration(self) -> Row:
        """REGISTER, 401, REGISTER, 200."""
        count = self._size.registrations

        def ours() -> float:
            running = self._worker("register", *self.registrar, count, _AT_ONCE, self._fresh())
            return self._each(running, count)

        def peer() -> float:
            return self._each(
                sipp("register", self._folder, count, remote=self.registrar, at_once=_AT_ONCE, users=count), count
            )

        return self._alternate("registration", "us", ">= 1.0", ours, peer)

    def notify(self) -> Row:
        """Answering a NOTIFY out of a dialog with 200."""
        count = self._size.notifies

        def one(make: Callable[[int], Running]) -> float:
            port = free_port()
            with _stopped(make(port)) as answerer:
                _settle(answerer)
                with _stopped(
                    sipp("notify", self._folder, count, remote=(HOST, port), at_once=_AT_ONCE, users=_PHONES)
                ) as sender:
                    sender.wait(self._size.within_s)
                return self._each(answerer, count)

        def ours() -> float:
            return one(lambda port: self._worker("answer", port, count, _PHONES, self._fresh()))

        def peer() -> float:
            return one(lambda port: sipp("answer", self._folder, count, port=port, at_once=_AT_ONCE))

        return self._alternate("notify", "us", ">= 0.9", ours, peer)

    def call(self) -> Row:
        """INVITE, 200, ACK, BYE, 200 as the caller; what answers is SIPp in both cases."""
        count = self._size.calls

        def one(make: Callable[[Address], Running]) -> float:
            port = free_port()
            with _stopped(sipp("accept", self._folder, count, port=port, at_once=_AT_ONCE)) as callee:
                _settle(callee)
                return self._each(make((HOST, port)), count)

        def ours() -> float:
            return one(lambda remote: self._worker("call", *remote, count, _AT_ONCE, self._fresh()))

        def peer() -> float:
            return one(lambda remote: sipp("call", self._folder, count, remote=remote, at_once=_AT_ONCE))

        return self._alternate("call", "us", ">= 0.7", ours, peer)

    def _each(self, running: Running, count: int) -> float:
        with _stopped(running):
            return running.wait(self._size.within_s).cpu_s / count * 1e6

    def memory(self) -> Row:
        """Octets of a registered phone with a socket of its own, beyond the process."""
        running = self._worker("memory", *self.registrar, self._size.phones, _AT_ONCE)
        with _stopped(running):
            running.wait(self._size.within_s)
            return Row("memory", "B", [json.loads(running.said())["per_phone"]], [], "<= 2048")

    # alone

    def _run(self) -> tuple[Spent, float, int]:
        folder = self._fresh()
        began = time.monotonic()
        command = [
            sys.executable,
            "-m",
            "harness.cli",
            "run",
            "--time",
            "virtual",
            "--out",
            "out",
            "--evidence",
            "none",
        ]
        running = Running([*command, "--seed", "1", *self._size.suite], folder)
        with _stopped(running):
            spent = running.wait(self._size.within_s)
        wall_s = time.monotonic() - began
        with (folder / "out" / "latest" / EVENTS).open("rb") as file:
            return spent, wall_s, sum(1 for _ in file)

    def simulation(self) -> Row:
        """Events of the Record per second of CPU, in virtual time."""
        self._tell("simulation")
        spent, _, events = self._run()
        return Row("simulation", "1/s", [events / spent.cpu_s], [], "")

    def office(self) -> Row:
        """Office events of the hunt per second of CPU: histories lived again, with all that the laws cost."""
        self._tell("office")
        from harness.hunting.pace import events_per_s

        rates = [events_per_s(self._size.days, seed) for seed in range(min(self._size.rounds, 3))]
        return Row("office", "1/s", rates, [], ">= 2000")

    def suite(self) -> Row:
        """The whole suite in virtual time, seconds by the clock."""
        self._tell("suite")
        return Row("suite", "s", [self._run()[1] for _ in range(min(self._size.rounds, 2))], [], "")

    def help(self) -> Row:
        """`ringproof --help` beside a bare Python."""
        return self._start("help", "--help")

    def list(self) -> Row:
        """`ringproof list` beside a bare Python."""
        return self._start("list", "list")

    def _start(self, work: str, argument: str) -> Row:
        def ours() -> float:
            return self._each(Running([sys.executable, "-m", "harness.cli", argument], self._folder), 1)

        def peer() -> float:
            return self._each(Running([sys.executable, "-c", "pass"], self._folder), 1)

        return self._alternate(work, "us", ">= 0.1", ours, peer)


def _settle(running: Running) -> None:
    """Give a server the time to open its socket: a datagram that comes too early is repeated, and costs more."""
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and not running.ended:
        running.pause()


@contextmanager
def _stopped(running: Running) -> Iterator[Running]:
    """`running`, ended at the end whatever happens."""
    try:
        yield running
    finally:
        running.end()
