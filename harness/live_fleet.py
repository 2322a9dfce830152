"""A live fleet from its first device to its last goodbye: what `ringproof phones` does."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from harness.accounts import Device, Tenancy
from harness.errors import RingproofError, TargetUnavailable
from harness.figures import Figures, total
from harness.swarm import Member, Plan
from harness.swarm_devices import SetupApi, create_devices, read_credentials, sync_devices
from harness.swarm_parts import LocalPart, Part, RemotePart
from harness.target import Target
from harness.world import World, socket_world
from phones.line import Identity
from phones.sip.transport import Transport
from reports.secrets import Secrets

_POLL_S = 0.2
_GIVEN_UP_S = 40.0
"""How long after the last progress the unanswered is given up: longer than 64*T1."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """What is wanted. `duration_s` None: until told to stop. Rates are of all processes together."""

    count: int
    rate: float
    expires: int
    duration_s: float | None
    processes: int
    shared: bool
    watch: bool
    exercise: bool
    answer: bool
    credentials: Path | None
    record: Path | None
    leave_s: float
    seed: int


@dataclass(slots=True)
class FleetOutcome:
    """What became of it. `arrived` counts phones that an exercise has reached; None where there was none."""

    figures: Figures = field(default_factory=Figures)
    duration_s: float = 0.0
    interrupted: bool = False
    still_registered: int = 0
    left: list[str] = field(default_factory=list)
    exercised: bool = False
    refused: dict[str, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Everything that should be there and is not."""
        figures = self.figures
        exercised = figures.unsynced + figures.unchanged if self.exercised else 0
        return figures.lost + figures.unwatched + exercised

    @property
    def wrong(self) -> int:
        """Everything that was there and should not be."""
        return self.figures.wrong.total() + sum(self.refused.values())


Show = Callable[[str, Figures | None], None]
"""Told what goes on in words, and how things stand."""


class LiveFleet:
    """One fleet. The first `stop` ends it properly, the second at once."""

    def __init__(self, target: Target, options: FleetOptions, show: Show) -> None:
        self._target = target
        self._options = options
        self._show = show
        self._rng = random.Random(options.seed)
        self._label = f"rp-{self._rng.getrandbits(24):06x}"
        self._stop = asyncio.Event()
        self._parts: list[Part] = []
        self._task: asyncio.Task[object] | None = None
        self._doing = ""
        self._removal: asyncio.Task[list[str]] | None = None
        self._over = False
        self.outcome = FleetOutcome()

    def stop(self) -> None:
        """End it: properly when asked once, at once when asked again."""
        if self._over:
            return
        if self._stop.is_set() and self._task is not None:
            self.outcome.interrupted = True
            self._task.cancel()
        self._stop.set()

    async def run(self) -> FleetOutcome:
        """Everything, in order. What goes wrong is raised when everything is taken away again."""
        self._task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        world = await socket_world(self._target, Secrets())
        api = SetupApi(world, self._label)
        tenancy = Tenancy(self._target, api.request, self._rng, self._label, create_accounts=True)
        try:
            with suppress(asyncio.CancelledError):
                await self._live(world, api, tenancy)
        finally:
            await self._take_away(world, tenancy)
            self._over = True
        return self.outcome

    async def _take_away(self, world: World, tenancy: Tenancy) -> None:
        """End the phones and remove the devices, whoever is told to stop meanwhile; removing may be told to stop."""
        taking = asyncio.ensure_future(self._clear(world, tenancy))
        while not taking.done():
            try:
                await asyncio.wait([taking])
            except asyncio.CancelledError:
                if self._removal is not None:
                    self._removal.cancel()
        await taking

    async def _clear(self, world: World, tenancy: Tenancy) -> None:
        for part in self._parts:
            await part.close()
        self._say("removing devices")
        self._removal = asyncio.ensure_future(tenancy.remove(whole_accounts=True))
        try:
            self.outcome.left = await self._removal
        except asyncio.CancelledError:
            self.outcome.left = [f"what is called `ringproof {self._label} ...` on {self._target.name}"]
        finally:
            await world.close()

    async def _live(self, world: World, api: SetupApi, tenancy: Tenancy) -> None:
        options = self._options
        identities, presentities, devices = await self._who(tenancy)
        if self._stop.is_set():
            self.outcome.interrupted = True
            return
        plans = self._plans(world, identities, presentities)
        folders = self._folders(len(plans))
        self._parts = (
            [LocalPart(plans[0], folders[0])]
            if len(plans) == 1
            else [RemotePart(plan, folder) for plan, folder in zip(plans, folders, strict=True)]
        )
        started = time.monotonic()
        for part in self._parts:
            await part.start()
        self._say("registering")
        await self._until(lambda figures: figures.pending == 0 and figures.phones == len(identities))
        for part in self._parts:
            part.settled()
        if options.exercise and not self._stop.is_set():
            await self._exercise(api, devices)
        if self._stop.is_set():
            # before everything was there: what is missing is not lost
            self.outcome.interrupted = True
        else:
            self._say("all there")
        end = None if options.duration_s is None else started + options.duration_s
        await self._until(lambda _: end is not None and time.monotonic() >= end, patient=True)
        self.outcome.figures = figures = self._figures()
        if not self.outcome.interrupted:
            # whoever was never begun counts, too
            figures.lost = max(figures.lost, len(identities) - figures.registered)
        self.outcome.duration_s = time.monotonic() - started
        self._say("unregistering")
        still = await asyncio.gather(*(part.stop(options.leave_s) for part in self._parts))
        self.outcome.still_registered = sum(still)

    async def _exercise(self, api: SetupApi, devices: Sequence[Device]) -> None:
        """A check-sync for each, and a lamp that goes and comes back; waited for as long as something comes."""
        self._say("exercising")
        self.outcome.exercised = True
        for part in self._parts:
            part.exercise()
        syncs = asyncio.ensure_future(sync_devices(api, devices, self._target.limits.jobs, lambda _: None))
        try:
            await self._until(lambda figures: not figures.unsynced and not figures.unchanged and syncs.done())
        finally:
            if not syncs.done():
                syncs.cancel()
        with suppress(asyncio.CancelledError):
            self.outcome.refused = await syncs

    async def _who(self, tenancy: Tenancy) -> tuple[list[Identity], list[str], list[Device]]:
        """The phones, what their lamps are called, and the devices made for them, if they were."""
        options = self._options
        if options.credentials is not None:
            found = read_credentials(options.credentials, self._target.account.realm, options.count)
            return found, [identity.aor for identity in found], []
        self._say("creating devices")
        names = [f"phone{number}" for number in range(options.count)]
        making = asyncio.ensure_future(
            create_devices(
                tenancy, names, self._target.limits.jobs, lambda done: self._say(f"creating devices: {done}")
            )
        )
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([making, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            if not making.done():
                making.cancel()
        if self._stop.is_set() and not making.done():
            with suppress(asyncio.CancelledError, RingproofError):
                await making
            return [], [], []
        devices = await making
        return [each.identity for each in devices], [each.presentity for each in devices], devices

    def _plans(self, world: World, identities: Sequence[Identity], presentities: Sequence[str]) -> list[Plan]:
        """Equal parts. Each phone watches the next; in an exercise every other one calls the next."""
        options, count = self._options, len(identities)
        members = [
            Member(
                f"p{number}",
                identity,
                presentities[(number + 1) % count] if options.watch else "",
                identities[(number + 1) % count].aor if options.exercise and options.watch and number % 2 == 0 else "",
            )
            for number, identity in enumerate(identities)
        ]
        size = -(-count // options.processes)
        return [
            Plan(
                members=tuple(members[first : first + size]),
                edge=world.edge(Transport.UDP),
                other_edges=world.other_edges.get(Transport.UDP, ()),
                bind=world.bind,
                rate=options.rate * len(members[first : first + size]) / count,
                expires=options.expires,
                shared=options.shared,
                prefix=f"{self._label}-",
                seed=self._rng.getrandbits(64),
                answer=options.answer,
                first=first,
            )
            for first in range(0, count, size)
        ]

    def _folders(self, count: int) -> list[Path | None]:
        folder = self._options.record
        if folder is None or count == 1:
            return [folder] * count
        return [folder / str(number) for number in range(1, count + 1)]

    def _figures(self) -> Figures:
        return total(part.figures() for part in self._parts)

    async def _until(self, reached: Callable[[Figures], bool], *, patient: bool = False) -> None:
        """Wait for something, for a stop, or, unless `patient`, until nothing has come for a long time."""
        last, since = -1, time.monotonic()
        while not self._stop.is_set():
            figures = self._figures()
            self._show(self._doing, figures)
            if reached(figures):
                return
            progress = figures.arrivals + figures.registered
            if progress != last:
                last, since = progress, time.monotonic()
            elif not patient and time.monotonic() - since > _GIVEN_UP_S:
                if not figures.arrivals:
                    raise TargetUnavailable(f"nobody answers at {self._target.sip.udp}")
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._stop.wait()

    def _say(self, what: str) -> None:
        self._doing = what
        self._show(what, None)
