"""The parts of a live fleet: in this process, or in processes of their own that this one tells what to do."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from harness.errors import HarnessError, RingproofError
from harness.figures import Figures
from harness.fleet_record import FleetRecord
from harness.swarm import Plan, Swarm
from phones.net_sockets import SocketWire
from reports.record import RecordError

_REPORT_S = 0.5
_FAREWELL_S = 2.0
"""How much longer than its bound the leaving of a process may take."""


class Part(Protocol):
    """Some phones of a fleet."""

    async def start(self) -> None:
        """Begin. What goes wrong later is raised by `figures`."""

    def figures(self) -> Figures:
        """How things stand, as far as is known here. Raises RingproofError when the part has failed."""

    def settled(self) -> None:
        """Everybody is there."""

    def exercise(self) -> None:
        """Have the phones call that are to call."""

    async def stop(self, within_s: float) -> int:
        """Unregister; returns how many are still registered."""

    async def close(self) -> None:
        """End it at once."""


class LocalPart:
    """Phones in this process."""

    def __init__(self, plan: Plan, record: Path | None) -> None:
        self._plan = plan
        self._folder = record
        self._record: FleetRecord | None = None
        self._swarm: Swarm | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def swarm(self) -> Swarm:
        """The phones, once they have started."""
        assert self._swarm is not None
        return self._swarm

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._folder is not None:
            with _recording(self._folder):
                self._record = FleetRecord(self._folder, loop)
        try:
            self._swarm = Swarm(self._plan, SocketWire(loop), loop, self._record)
        except OSError as error:
            raise _no_address(self._plan, error) from error
        self._task = asyncio.ensure_future(self._swarm.start())

    def figures(self) -> Figures:
        if self._task is not None and self._task.done() and not self._task.cancelled():
            error = self._task.exception()
            if isinstance(error, OSError):
                raise _no_address(self._plan, error) from error
            if error is not None:
                raise error
        if self._record is not None and self._folder is not None:
            with _recording(self._folder):
                self._record.flush()
        return self.swarm.figures()

    def settled(self) -> None:
        self.swarm.settled()

    def exercise(self) -> None:
        self.swarm.exercise()

    async def stop(self, within_s: float) -> int:
        return await self.swarm.stop(within_s)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            # an error of it was raised by `figures`
            await asyncio.wait([self._task])
        if self._swarm is not None:
            self._swarm.close()
        if self._record is not None:
            with suppress(RecordError):
                # it was said when it happened
                self._record.close()


@contextmanager
def _recording(folder: Path) -> Iterator[None]:
    try:
        yield
    except RecordError as error:
        raise HarnessError(f"the Record cannot be kept: {error}", f"--record {folder}: is it writable?") from error


def _no_address(plan: Plan, error: OSError) -> HarnessError:
    return HarnessError(
        f"cannot open an address for a phone at {plan.bind}: {error.strerror}",
        "too many open sockets? --shared-socket needs only one" if error.errno in (24, 105) else "",
    )


class RemotePart:
    """Phones in a process of their own. It reports twice a second, and ends when this process does."""

    def __init__(self, plan: Plan, record: Path | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, plan, record), daemon=True)
        self._theirs: Connection | None = theirs
        self._figures = Figures(phones=len(plan.members), pending=len(plan.members))
        self._failed: RingproofError | None = None
        self._left: asyncio.Future[int] | None = None

    async def start(self) -> None:
        # a Ctrl-C at the terminal is for the one that tells it what to do, from its first moment on;
        # multiprocessing unblocks signals when it starts its tracker
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self._theirs is not None:
            self._theirs.close()
        asyncio.get_running_loop().add_reader(self._ours.fileno(), self._heard)

    def _heard(self) -> None:
        try:
            while self._ours.poll():
                kind, content = self._ours.recv()
                if kind == "figures":
                    self._figures = content
                elif kind == "left" and self._left is not None and not self._left.done():
                    self._left.set_result(content)
                elif kind == "failed":
                    self._failed = HarnessError(*content)
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._ours.fileno())
            if self._left is not None and not self._left.done():
                self._left.set_result(self._figures.registered)
            self._failed = self._failed or HarnessError("a process of the fleet has died")

    def _tell(self, *what: Any) -> None:
        with suppress(OSError):
            self._ours.send(what)

    def figures(self) -> Figures:
        if self._failed is not None:
            raise self._failed
        return self._figures

    def settled(self) -> None:
        self._tell("settled")

    def exercise(self) -> None:
        # until it reports anew nobody can have been reached
        self._figures.unsynced = self._figures.unchanged = self._figures.pending = self._figures.phones
        self._tell("exercise")

    async def stop(self, within_s: float) -> int:
        self._left = asyncio.get_running_loop().create_future()
        if self._failed is not None:
            return self._figures.registered
        self._tell("stop", within_s)
        try:
            async with asyncio.timeout(within_s + _FAREWELL_S):
                return await self._left
        except TimeoutError:
            return self._figures.registered

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._ours.fileno())
        self._ours.close()
        if self._process.pid is not None:
            await asyncio.to_thread(self._process.join, _FAREWELL_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()


def _serve(pipe: Connection, plan: Plan, record: Path | None) -> None:
    """The life of such a process: the signals that end a program are blocked, it ends with its pipe."""
    try:
        asyncio.run(_report(pipe, plan, record))
    except RingproofError as error:
        with suppress(OSError):
            pipe.send(("failed", (error.message, error.hint)))


async def _report(pipe: Connection, plan: Plan, record: Path | None) -> None:
    loop = asyncio.get_running_loop()
    part = LocalPart(plan, record)
    over = asyncio.Event()

    async def leave(within_s: float) -> None:
        left = await part.stop(within_s)
        pipe.send(("figures", part.figures()))
        pipe.send(("left", left))

    leaving: list[asyncio.Task[None]] = []

    def told() -> None:
        try:
            what, *details = pipe.recv()
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            over.set()
            return
        if what == "settled":
            part.settled()
        elif what == "exercise":
            part.exercise()
            pipe.send(("figures", part.figures()))
        else:
            leaving.append(asyncio.ensure_future(leave(*details)))

    await part.start()
    loop.add_reader(pipe.fileno(), told)
    try:
        while not over.is_set():
            with suppress(OSError):
                pipe.send(("figures", part.figures()))
            with suppress(TimeoutError):
                async with asyncio.timeout(_REPORT_S):
                    await over.wait()
    finally:
        await part.close()
