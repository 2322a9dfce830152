"""Running many cases: which world, how many at once, what is written, and what to do when somebody interrupts."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import json
import math
import queue
import random
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.agreement import Agreement
from harness.baseline import Baseline, baseline_of, restated
from harness.case_run import CaseRun
from harness.errors import HarnessError, RingproofError, TargetUnavailable
from harness.judge import Judge
from harness.loader import Case
from harness.recorder import RunRecorder
from harness.spawn import ReferenceProcess
from harness.target import Target
from harness.verdicts import CaseVerdict, Verdict
from harness.virtual import VirtualLoop
from harness.world import World, socket_world, virtual_world
from phones.sip.transport import Transport
from reference_server.behaviour import Behaviour
from reports import evidence
from reports.record import EVENTS, SCHEMA, Event, RecordError, RecordWriter, link_latest
from reports.secrets import Secrets

TOOL = "ringproof"
DEFAULT_PROFILE = "documented"
_LAG_TICK_S = 0.05
_LAG_NOTED_S = 0.02
_PATIENCE_S = 10.0
"""What a case may be known to wait for by the clock, unless slow ones are asked for."""

MakeRun = Callable[..., CaseRun]
"""What a case is run by: CaseRun, or what takes its arguments."""

Progress = Callable[["CaseVerdict | None", str], None]
"""Called with (None, address) when a case begins and with its verdict when it ends."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `target` None is the embedded reference with `behaviour`."""

    out: Path
    behaviour: Behaviour
    profile: str = DEFAULT_PROFILE
    mutant: str | None = None
    target: Target | None = None
    target_file: str | None = None
    behaviour_file: str | None = None
    """Where `target` and `behaviour` were read from, for the line that runs a case again."""
    virtual: bool = False
    transport: Transport | None = None
    """What carries SIP in cases that do not say it; None: what the target offers first."""
    jobs: int | None = None
    seed: int = 0
    stop_at_first: bool = False
    stop_at: tuple[Verdict, ...] = (Verdict.FAIL,)
    """What counts as a failure there."""
    baseline: Baseline | None = None
    """Known deviations: recorded in the header, told to `progress`, and no reason to stop at the first."""
    slow: bool = False
    """Run on sockets what is known to wait long, too."""
    keep: bool = False
    """Leave devices and accounts on the target."""
    progress: Progress | None = None
    watcher: Callable[[Event, bytes], None] | None = None
    waiting: Callable[[str, str, float | None], None] | None = None
    """Called with what a case waits for, and the seconds that it waits at most; None where they are not seconds of
    the wall."""

    tick: Callable[[], None] | None = None
    """Called now and then while nothing may happen."""

    notice: Callable[[str], None] | None = None


@dataclass(slots=True)
class RunResult:
    """What a run found. `error` is ours, if something stopped it.

    `judged` is what the judge said, `verdicts` that with `baseline`.
    """

    run_id: str
    folder: Path
    started: str | None
    target: str
    verdicts: list[CaseVerdict] = field(default_factory=list)
    judged: list[CaseVerdict] = field(default_factory=list)
    baseline: Baseline | None = None
    planned: int = 0
    interrupted: bool = False
    error: str = ""
    unavailable: bool = False
    """Whether the error is that the target has no address."""
    left: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    """URLs of what was left on the target because that was asked for."""
    duration_s: float = 0.0
    header: Event = field(default_factory=dict)
    """The Record's."""
    witness: Agreement | None = None
    """What an independent capture of the run made of its Record, where there was one."""


class Engine:
    """One run of many cases. `growing`: others may be added while it runs, until `close`."""

    def __init__(self, cases: list[Case], options: Options, *, growing: bool = False) -> None:
        self._cases = cases
        self._options = options
        self._inbox: queue.SimpleQueue[tuple[Case, MakeRun] | None] = queue.SimpleQueue()
        self._wake: Callable[[], object] = _nobody_waits
        for case in cases:
            self._inbox.put((case, CaseRun))
        if not growing:
            self._inbox.put(None)
        self._judge = Judge()
        self._recorder = RunRecorder(self._judge)
        self._secrets = Secrets()
        if options.target is not None:
            self._learn(options.target)
        self._active: dict[str, CaseRun] = {}
        self._due = self._noted = 0.0  # when our loop should have come back, and how much of its lag has been recorded
        self._shared: ReferenceProcess | None = None
        self._owned: dict[str, ReferenceProcess] = {}
        self._stopping = False
        self._main: asyncio.Task[None] | None = None
        run_id = self._new_run_id()
        self._started = None if options.virtual else datetime.now(UTC).isoformat(timespec="seconds")
        self.result = RunResult(
            run_id, options.out / run_id, self._started, options.target.name if options.target else "reference"
        )
        self.result.folder = _own_folder(self.result.folder, self._header())
        self.result.planned = len(cases)

    def _new_run_id(self) -> str:
        if self._options.virtual:
            return hashlib.sha256(f"virtual {self._options.seed}".encode()).hexdigest()[:6]
        return f"{random.SystemRandom().getrandbits(24):06x}"

    def run(self) -> RunResult:
        """Run every case. Interrupts and our own errors end in the result, never in a lost Record."""
        writer: RecordWriter | None = None
        try:
            writer = RecordWriter(self.result.folder, self._secrets, self._recorder.consume)
            evidence.clear(self.result.folder)
            self._recorder.start(writer)
            self._recorder.watcher = self._watch
            self._recorder.waiting = self._waits
            link_latest(self._options.out, self.result.folder)
            self._write_header()
            if self._options.virtual:
                self._run_virtual()
            else:
                asyncio.run(self._run_real())
        except (KeyboardInterrupt, asyncio.CancelledError):
            self.result.interrupted = True
        except RecordError as error:
            self.result.error = str(error)
        except RingproofError as error:
            self.result.unavailable = isinstance(error, TargetUnavailable)
            self.result.error = error.message + (f" ({error.hint})" if error.hint else "")
        finally:
            self._finish(writer)
        return self.result

    def mask(self, data: bytes) -> bytes:
        """`data` with everything masked that the Record must not hold."""
        return self._secrets.mask(data)

    def add(self, case: Case, make: MakeRun = CaseRun) -> None:
        """Run one more case, from another thread. `make` is CaseRun, or one that takes its steps from elsewhere."""
        self._inbox.put((case, make))
        self._wake_up()

    def close(self) -> None:
        """Nothing more will be added: the run ends with its last case. From another thread."""
        self._inbox.put(None)
        self._wake_up()

    def _wake_up(self) -> None:
        with suppress(RuntimeError):  # the run is over, its loop is closed
            self._wake()

    def interrupt(self) -> None:
        """End the run early, from another thread: running cases clean up, no further one begins."""
        self._stopping = True
        self._inbox.put(None)
        if self._main is not None and not self._main.done():
            self._main.get_loop().call_soon_threadsafe(self._main.cancel)

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Ctrl-C, a CI's SIGTERM and a closed terminal end the run the same way: what was made is taken away first."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        if self._stopping and self.result.interrupted:
            if self._options.notice:
                self._options.notice(f"still removing what {len(self._active)} cases have created on the target")
            return
        self.result.interrupted = True
        self.interrupt()

    def _header(self) -> dict[str, Any]:
        options = self._options
        return {
            "schema": SCHEMA,
            "tool": TOOL,
            "run": self.result.run_id,
            "target": self.result.target,
            "profile": options.profile,
            "mutant": options.mutant,
            "time": "virtual" if options.virtual else "real",
            "seed": options.seed,
            "started": self._started,
            "again": _again(options),
            "baseline": options.baseline.model_dump(mode="json") if options.baseline else None,
            "cases": [case.address for case in self._cases],
        }

    def _write_header(self) -> None:
        self.result.header = self._recorder.write("header", **self._header())
        self.result.baseline = baseline_of(self.result.header)

    def _waits(self, address: str, what: str, seconds: float | None) -> None:
        if self._options.waiting is not None:
            self._options.waiting(address, what, None if self._options.virtual else seconds)

    def _watch(self, event: Event, data: bytes) -> None:
        if event["kind"] == "left":
            self.result.left.append(event["what"])
        if event["kind"] == "kept":
            self.result.kept.append(event["what"])
        if self._options.watcher is not None:
            self._options.watcher(event, data)

    def _finish(self, writer: RecordWriter | None) -> None:
        self.result.judged = self._judge.verdicts()
        self.result.verdicts = restated(self.result.baseline, self.result.judged)
        self.result.duration_s = round(self._recorder.now, 6)
        if writer is None:
            return
        try:
            if not self.result.error:
                counts: dict[str, int] = {}
                for each in self.result.judged:
                    counts[each.verdict] = counts.get(each.verdict, 0) + 1
                self._recorder.write("footer", interrupted=self.result.interrupted, error="", verdicts=counts)
        except RecordError as error:
            self.result.error = str(error)
        finally:
            writer.close()

    # virtual

    def _run_virtual(self) -> None:
        start = 0.0
        for number in itertools.count(1):
            queued = self._inbox.get()
            if queued is None or self._stopping:
                break
            with asyncio.Runner(loop_factory=functools.partial(VirtualLoop, start)) as runner:
                runner.run(self._virtual_case(number, *queued))
                start = runner.get_loop().time()

    async def _virtual_case(self, number: int, case: Case, make: MakeRun) -> None:
        self._recorder.use_clock(asyncio.get_running_loop())
        rng = random.Random(f"{self._options.seed} {case.address} world")
        world, host = await virtual_world(self._options.behaviour, self._secrets, rng, self._options.transport)
        self._learn(world.target)
        try:
            await self._case(number, case, make, world)
        finally:
            await host.close()
        if host.server.errors:
            raise HarnessError(f"the reference server failed: {host.server.errors[0]}")

    # real

    async def _run_real(self) -> None:
        self._recorder.use_clock(asyncio.get_running_loop())
        self._main = asyncio.current_task()
        self._take_signals(asyncio.get_running_loop())
        options = self._options
        if options.target is not None:
            await self._real_cases(options.target)
            return
        async with ReferenceProcess(options.behaviour) as reference:
            self._learn(reference.target)
            self._shared = reference
            await self._real_cases(reference.target)

    async def _real_cases(self, target: Target) -> None:
        options = self._options
        world = await socket_world(target, self._secrets, options.transport, embedded=options.target is None)
        slots = asyncio.Semaphore(options.jobs or target.limits.jobs)
        lag = asyncio.create_task(self._watch_lag())
        tasks: list[asyncio.Task[None]] = []
        try:
            async for case, make in self._arriving(tasks):
                task = asyncio.create_task(self._queued(slots, len(tasks) + 1, case, make, world))
                task.add_done_callback(lambda _: self._wake_up())
                tasks.append(task)
            for task in tasks:
                await task
        except asyncio.CancelledError:
            # interrupted: every case cleans up after itself before the run ends
            self.result.interrupted = True
            raise
        finally:
            for task in (*tasks, lag):
                task.cancel()
            await asyncio.gather(*tasks, lag, return_exceptions=True)
            await world.close()

    async def _arriving(self, tasks: list[asyncio.Task[None]]) -> AsyncIterator[tuple[Case, MakeRun]]:
        """The cases, until no more can come. Raises what one of the `tasks` has raised."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        self._wake = functools.partial(loop.call_soon_threadsafe, woken.set)
        try:
            while True:
                woken.clear()
                while not self._inbox.empty():
                    queued = self._inbox.get()
                    if queued is None:
                        return
                    yield queued
                for task in tasks:
                    if task.done():
                        await task
                await woken.wait()
        finally:
            self._wake = _nobody_waits

    async def _queued(self, slots: asyncio.Semaphore, number: int, case: Case, make: MakeRun, world: World) -> None:
        async with slots:
            if self._stopping:
                return
            if case.scenario.isolation == "server" and self._options.target is None:
                async with ReferenceProcess(self._options.behaviour) as own:
                    self._learn(own.target)
                    alone = await socket_world(own.target, self._secrets, self._options.transport, embedded=True)
                    self._owned[case.address] = own
                    try:
                        await self._case(number, case, make, alone)
                    finally:
                        del self._owned[case.address]
                        await alone.close()
            else:
                await self._case(number, case, make, world)

    async def _watch_lag(self) -> None:
        """Record how late our own loop runs, and how long a reference server was not let run, so that deadlines stretch
        by it. It is recorded before what has come late."""
        clock = asyncio.get_running_loop()
        self._due, self._noted = clock.time(), 0.0
        self._recorder.before = functools.partial(self._note_own_lag, clock)
        try:
            while True:
                self._due, self._noted = clock.time() + _LAG_TICK_S, 0.0
                await asyncio.sleep(_LAG_TICK_S)
                if self._options.tick is not None:
                    self._options.tick()
                self._note_lag(clock.time())
        finally:
            self._recorder.before = None

    def _note_own_lag(self, clock: asyncio.AbstractEventLoop) -> None:
        if clock.time() - self._due - self._noted > _LAG_NOTED_S:
            self._note_lag(clock.time())

    def _note_lag(self, now: float) -> None:
        """Ours and the server's: when both stood still, it was mostly at the same time."""
        late = max(0.0, now - self._due) - self._noted
        self._noted += late
        missed = {server: server.missed() for server in (self._shared, *self._owned.values()) if server is not None}
        for case in list(self._active):
            server = self._owned.get(case, self._shared)
            seconds = max(late, missed[server] if server is not None else 0.0)
            if seconds > _LAG_NOTED_S:
                self._recorder.write("lag", case=case, seconds=round(seconds, 6))

    # both

    def _learn(self, target: Target) -> None:
        target.tell(self._secrets)

    async def _case(self, number: int, case: Case, make: MakeRun, world: World) -> None:
        progress = self._options.progress
        if progress:
            progress(None, case.address)
        patience = math.inf if self._options.slow or self._options.virtual else _PATIENCE_S
        run = make(
            case,
            number,
            self.result.run_id,
            world,
            self._recorder,
            self._options.seed,
            patience_s=patience,
            keep=self._options.keep,
            profile=self._options.profile,
        )
        self._active[case.address] = run
        try:
            await run.run()
        finally:
            del self._active[case.address]
        judged = self._judge.cases[case.address].verdict()
        self._recorder.write("verdict", case=case.address, verdict=judged.verdict.value, reason=judged.reason)
        [verdict] = restated(self.result.baseline, [judged])
        if self._options.stop_at_first and verdict.verdict in (*self._options.stop_at, Verdict.ERROR):
            self._stopping = True
        if progress:
            progress(verdict, case.address)


def _nobody_waits() -> None:
    """Nothing is asleep that would have to be woken."""


def _own_folder(folder: Path, header: dict[str, Any]) -> Path:
    """`folder`, or one beside it where that holds the Record of another run: a seed alone does not make a run."""
    beside = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([folder], beside) if _may_be_replaced(each, header))


def _may_be_replaced(folder: Path, header: dict[str, Any]) -> bool:
    path = folder / EVENTS
    if not path.is_file():
        # whatever else is in its place may have no end
        return True
    try:
        with path.open(encoding="utf-8") as events:
            first = json.loads(events.readline())
    except (OSError, ValueError):
        return True
    return not isinstance(first, dict) or all(first.get(name) == said for name, said in header.items())


def _again(options: Options) -> list[str]:
    """What a command line has to say so that a case runs as it did, the seed left out."""
    chosen = {
        "target": options.target_file,
        "profile": options.profile if options.profile != DEFAULT_PROFILE else None,
        "mutant": options.mutant,
        "behaviour": options.behaviour_file,
        "time": "virtual" if options.virtual else None,
        "transport": options.transport.value if options.transport else None,
    }
    told = [part for name, value in chosen.items() if value for part in (f"--{name}", value)]
    return told + (["--slow"] if options.slow and not options.virtual else [])
