"""`ringproof phones`."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.numbers import Finite
from harness.errors import UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from rich.live import Live

    from harness.figures import Figures
    from harness.live_fleet import FleetOptions, FleetOutcome

_HEARTBEAT_S = 5.0


@click.command("phones", short_help="Keep a fleet of phones alive on a target.")
@click.argument("count", type=click.IntRange(1, 1_000_000), metavar="N")
@click.option("--target", "target_name", default="reference", show_default=True, help="reference, or a target file")
@click.option("--rate", type=Finite(0.1, 100_000), default=200.0, show_default=True, help="registrations per second")
@click.option("--expires", type=click.IntRange(1), default=600, show_default=True, help="seconds of a registration")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, dir_okay=False),
    help="existing devices, CSV: username,password[,realm]; without it devices are made and removed again",
)
@click.option("--watch", is_flag=True, help="each phone watches the lamp of the next")
@click.option(
    "--answer", is_flag=True, help="answer calls, by default rejected as busy; those of --exercise last a second"
)
@click.option(
    "--exercise", is_flag=True, help="once all are there: a check-sync and a call for each, and what got lost"
)
@click.option("--duration", type=Finite(0.1, 1e9), help="seconds; default until Ctrl-C")
@click.option("--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="when a core does not do")
@click.option("--shared-socket", is_flag=True, help="one socket for all phones of a process, not one each")
@click.option(
    "--leave-within", type=Finite(0.1, 1e9), help="seconds for goodbyes; default 30, and 1 more per 100 phones"
)
@click.option("--record", type=click.Path(path_type=Path, file_okay=False), help="write every message into this folder")
@click.option("--seed", type=click.IntRange(0), help="make names and tags repeatable")
@format_option
@guarded("phones")
def command(
    count: int,
    target_name: str,
    rate: float,
    expires: int,
    credentials: Path | None,
    watch: bool,
    answer: bool,
    exercise: bool,
    duration: float | None,
    processes: int,
    shared_socket: bool,
    leave_within: float | None,
    record: Path | None,
    seed: int | None,
    format_: str,
) -> int:
    """Register N phones and keep them registered: against a target, or against the embedded reference.

    Shows how many are registered, their lamps and calls, what arrives per second, and how long
    registrations, first NOTIFYs and calls take (p50, p95, p99). Ctrl-C unregisters everybody and
    removes the devices that were made; a second Ctrl-C ends at once.
    """
    from harness.live_fleet import FleetOptions

    if exercise and credentials is not None:
        raise UsageError("--exercise needs devices that it may ask check-syncs for: leave --credentials out")
    if exercise and count < 2:
        raise UsageError("--exercise needs two phones that call each other")
    if exercise and shared_socket:
        raise UsageError("--exercise needs a socket for each phone: Kazoo tells callers by their address")
    if processes > count:
        raise UsageError(f"{processes} processes for {count} phones")
    options = FleetOptions(
        count=count,
        rate=rate,
        expires=expires,
        duration_s=duration,
        processes=processes,
        shared=shared_socket,
        watch=watch or exercise,
        exercise=exercise,
        answer=answer,
        credentials=credentials,
        record=record,
        leave_s=leave_within or 30.0 + count / 100,
        seed=seed if seed is not None else random.SystemRandom().getrandbits(32),
    )
    _provide_descriptors(options)
    with _Screen(quiet=format_ == "json") as screen:
        outcome = asyncio.run(_run(target_name, options, screen))
    code = _code(outcome)
    if format_ == "json":
        print_document(document("phones", code, **_document(outcome, target_name, options)))
    else:
        _print(outcome)
    return code


def _provide_descriptors(options: FleetOptions) -> None:
    from harness.descriptors import provide

    # who calls needs an address for RTP; the other half rejects
    calls = -(-options.count // 2) if options.exercise else 0
    calls = options.count if options.answer else calls
    provide((0 if options.shared else options.count) + calls, processes=options.processes)


async def _run(target_name: str, options: FleetOptions, screen: _Screen) -> FleetOutcome:
    from harness.live_fleet import LiveFleet
    from harness.target import load_target

    if target_name != "reference":
        return await LiveFleet(load_target(Path(target_name)), options, screen.show).run()
    from harness.spawn import ReferenceProcess
    from reference_server.profiles import PROFILES

    screen.show("starting the reference server", None)
    async with ReferenceProcess(PROFILES["documented"]) as reference:
        return await LiveFleet(reference.target, options, screen.show).run()


def _code(outcome: FleetOutcome) -> int:
    from harness import exit_codes

    if outcome.interrupted:
        return exit_codes.INTERRUPTED
    if outcome.lost or outcome.wrong:
        return exit_codes.FAILED
    return exit_codes.PROVES_TOO_LITTLE if outcome.left or outcome.still_registered else exit_codes.PASSED


def _document(outcome: FleetOutcome, target: str, options: FleetOptions) -> dict[str, Any]:
    from harness.figures import LAMPS, latencies_of

    figures = outcome.figures
    grown = max(figures.memory_full - figures.memory_empty, 0)
    return {
        "target": target,
        "phones": options.count,
        "processes": options.processes,
        "seed": options.seed,
        "duration_s": round(outcome.duration_s, 3),
        "interrupted": outcome.interrupted,
        "registered": figures.registered,
        "watching": figures.watching,
        "lost": outcome.lost,
        "lost_parts": {
            "registrations": figures.lost,
            "subscriptions": figures.unwatched,
            "check_syncs": figures.unsynced if outcome.exercised else 0,
            "lamp_changes": figures.unchanged if outcome.exercised else 0,
        },
        "wrong": outcome.wrong,
        "wrong_parts": {**figures.wrong, **outcome.refused},
        "latencies": latencies_of(figures),
        "arrivals": figures.arrivals,
        "sent": figures.sent,
        "repeated": figures.repeated,
        "refreshes": figures.refreshes,
        "notifies": figures.notifies,
        "check_syncs": figures.check_syncs,
        "lamp_changes": figures.lamp_changes,
        "lamps": {name: figures.lamps[name] for name in LAMPS},
        "calls": figures.calls,
        "memory": {
            "empty": figures.memory_empty,
            "full": figures.memory_full,
            "rounds": figures.memory_rounds,
            "end": figures.memory,
            "per_phone": round(grown / options.count) if figures.memory_full else None,
        },
        "cpu_s": round(figures.cpu_s, 3),
        "still_registered": outcome.still_registered,
        "left": outcome.left,
    }


def _print(outcome: FleetOutcome) -> None:
    from reports.words import plain

    figures = outcome.figures
    click.echo("\n".join(_table(figures, None)))
    grown = figures.memory_full - figures.memory_empty
    if figures.memory_full and figures.phones:
        click.echo(
            f"memory       {figures.memory_full / 1e6:.1f} MB when all were there, {figures.memory / 1e6:.1f} MB at "
            f"the end; {grown / figures.phones / 1024:.1f} KB a phone beyond the process"
        )
    for what, number in {**figures.wrong, **outcome.refused}.items():
        click.echo(f"wrong        {number} × {plain(what)}")
    if outcome.exercised:
        click.echo(
            f"exercise     {figures.unsynced} got no check-sync, {figures.unchanged} saw no lamp light up and go out"
        )
    if outcome.still_registered:
        click.echo(f"{outcome.still_registered} could not be unregistered in time", err=True)
    for problem in outcome.left:
        click.echo(f"left on the target: {plain(problem)}", err=True)
    click.echo(f"{outcome.lost} lost, {outcome.wrong} wrong, in {outcome.duration_s:.1f} s")


def _table(figures: Figures, per_second: float | None) -> list[str]:
    """How things stand, line by line."""
    from harness.figures import LAMPS

    lamps = ", ".join(f"{figures.lamps[name]} {name}" for name in LAMPS if figures.lamps[name])
    arriving = f"{figures.arrivals}" + ("" if per_second is None else f", {per_second:.0f} per second")
    lines = [
        f"registered   {figures.registered} of {figures.phones}, {figures.refreshes} refreshes",
        f"lamps        {lamps or 'none'}",
        f"calls        {figures.calls} arrived, {figures.calls_up} answered",
        f"arrivals     {arriving}; {figures.notifies} NOTIFY, {figures.check_syncs} of them check-sync",
    ]
    for name, latencies in (("registration", figures.registration), ("notify", figures.notify), ("call", figures.call)):
        shown = latencies.shown()
        if shown["p50"] is not None:
            told = "  ".join(f"{key} {value * 1000:.1f} ms" for key, value in shown.items() if value is not None)
            lines.append(f"{name:<12} {told}")
    return lines


class _Screen:
    """What a person sees meanwhile: a table that changes on a terminal, elsewhere a line now and then."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live: Live | None = None
        self._told = ""
        self._printed = 0.0
        self._before = (time.monotonic(), 0)
        self._per_second = 0.0

    def __enter__(self) -> _Screen:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, what: str, figures: Figures | None) -> None:
        """Show what goes on."""
        now = time.monotonic()
        if figures is not None and now - self._before[0] >= 1.0:
            self._per_second = (figures.arrivals - self._before[1]) / (now - self._before[0])
            self._before = (now, figures.arrivals)
        if self._live is not None:
            from rich.text import Text

            lines = [what, *(_table(figures, self._per_second) if figures is not None else [])]
            self._live.update(Text("\n".join(lines)), refresh=True)
            return
        news = what.partition(":")[0] != self._told.partition(":")[0]
        if not self._quiet and (news or now - self._printed >= _HEARTBEAT_S):
            said = "" if figures is None else f": {figures.registered} registered, {self._per_second:.0f} arrivals/s"
            click.echo(f"{what}{said}", err=True)
            self._told, self._printed = what, now
