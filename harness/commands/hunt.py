"""`ringproof hunt`."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.behaviours import behaviour_options, chosen_behaviour, expected_profile
from harness.commands.numbers import Finite
from harness.errors import HarnessError, UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from rich.console import Console

    from harness.hunting.hunt import Chase, Finding

_TOLD_EVERY_S = 5.0


@click.command("hunt", short_help="Search for an order of events that makes a lamp lie.")
@click.option("--target", "target_name", default="reference", show_default=True, help="reference, or a target file")
@behaviour_options
@click.option(
    "--time",
    "time_",
    type=click.Choice(["real", "virtual"]),
    help="default virtual, where an hour takes a moment; with --target FILE real",
)
@click.option("--seconds", type=Finite(1, 7 * 86_400), default=60, show_default=True, help="how long")
@click.option("--until", type=click.IntRange(1), metavar="N", help="stop after so many findings")
@click.option("--seed", type=click.IntRange(0), help="repeat a hunt; default a new one, which is printed")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out/hunt"), show_default=True,
    help="where findings go",
)  # fmt: skip
@click.option(
    "--known", type=click.Path(path_type=Path, file_okay=False, exists=True), metavar="DIR",
    help="a folder of earlier findings: what they explain is no finding again",
)  # fmt: skip
@format_option
@guarded("hunt")
def command(
    target_name: str,
    profile: str,
    mutant: str | None,
    behaviour: Path | None,
    time_: str | None,
    seconds: float,
    until: int | None,
    seed: int | None,
    out: Path,
    known: Path | None,
    format_: str,
) -> int:
    """Search for an order of events that makes a lamp (BLF) lie.

    Four phones live through office days: they register, move, reboot, lose the network, watch each
    other, call, answer, reject; devices change; presence is reset; messages are lost, late, doubled;
    the server restarts. A model knows what every lamp has to show. What breaks a law (`ringproof list
    LAW`) is shrunk to the fewest events and written below --out: a scenario file to run, the events
    as JSON for `ringproof replay`, ladder and lamps.

    Exit code 1 when a law was broken that is not known to be broken by the expected profile.
    """
    from harness.hunting.hunt import Hunt
    from harness.hunting.on_target import TargetHunt
    from harness.hunting.saving import read_findings
    from harness.target import load_target
    from harness.terminal import make_console

    live = target_name != "reference"
    if live and (mutant or behaviour or time_ == "virtual"):
        raise UsageError("--mutant, --behaviour and --time virtual are for the embedded reference, not for --target")
    rules = chosen_behaviour(profile, mutant, behaviour)
    profile = expected_profile(profile, mutant)
    chosen_seed = seed if seed is not None else random.SystemRandom().getrandbits(16)
    console = make_console(stderr=format_ == "json")
    played = target_name if live else f"reference ({mutant or behaviour or profile})"
    real = live or time_ == "real"
    console.print(
        f"ringproof: hunting on {played}, {'real sockets' if real else 'virtual time'}, "
        f"{seconds:g} s, seed {chosen_seed}"
    )
    chosen = {
        "target": target_name if live else None,
        "profile": profile if profile != "documented" and not mutant else None,
        "mutant": mutant,
        "behaviour": str(behaviour) if behaviour else None,
        "time": "real" if real and not live else None,
    }
    words = [part for name, value in chosen.items() if value for part in (f"--{name}", value)]
    saver = _Saver(console, out, words, chosen_seed, rules, profile)
    options: dict[str, Any] = {
        "profile": profile,
        "seed": chosen_seed,
        "seconds": seconds,
        "until": until,
        "found": " ".join(["ringproof hunt", *words, f"--seed {chosen_seed}"]),
        "known": read_findings(known) if known else (),
        "told": saver.told,
    }
    target = load_target(Path(target_name)) if live else None
    hunt = TargetHunt(rules, target=target, **options) if real else Hunt(rules, **options)
    interrupted = False
    with saver.showing():
        try:
            hunt.run()
        except KeyboardInterrupt:
            interrupted = True
    chase = hunt.chase
    new = [finding for finding in chase.findings if not finding.known]
    code = 2 if interrupted else 1 if new else 0
    if format_ == "json":
        print_document(_document(chase, chosen_seed, code))
    else:
        _summary(chase, interrupted)
    return code


class _Saver:
    """Shows how the hunt goes, and keeps each finding as soon as there is one."""

    def __init__(self, console: Console, out: Path, words: list[str], seed: int, behaviour: Any, profile: str) -> None:
        self._console = console
        self._out = out
        self._words = words
        self._seed = seed
        self._behaviour = behaviour
        self._profile = profile
        self._status = console.status("the office opens")
        self._kept = 0
        self._next = _TOLD_EVERY_S

    def showing(self) -> Any:
        """The line that says what is going on, while the hunt does."""
        return self._status

    def told(self, chase: Chase) -> None:
        """A history is over, or a finding made."""
        for finding in chase.findings[self._kept :]:
            self._keep(finding)
        self._kept = len(chase.findings)
        line = f"{chase.histories} histories, {chase.events} events, {chase.events_per_s:.0f}/s, {_found(chase)}"
        self._status.update(line)
        if not self._console.is_terminal and chase.busy_s >= self._next:
            self._next = chase.busy_s + _TOLD_EVERY_S
            self._console.print(f"  {line}")

    def _keep(self, finding: Finding) -> None:
        from harness.hunting.saving import save

        try:
            saved = save(finding, self._out, self._behaviour, self._profile, self._words)
        except OSError as error:
            raise HarnessError(f"a finding cannot be kept: {error.filename or self._out}: {error.strerror}") from error
        breach = finding.breach
        word = "KNOWN" if finding.known else "FOUND"
        happened = "; ".join(str(event) for event in finding.events)
        lines = [
            f"\n{word}  {breach.law}  {breach.why}  ({finding.seconds:.1f} s)",
            f"  whose     {breach.watcher}" + (f", about {breach.presentity}" if breach.presentity else ""),
            f"  happened  {happened}",
            f"  shrunk    {len(finding.events)} events of {finding.shrunk_from}",
            f"  shown     {_proof(finding)}",
            *([f"  cause     {finding.cause}"] if finding.cause else []),
            *([f"  known     {finding.known}"] if finding.known else []),
            f"  scenario  {saved.scenario}",
            f"  evidence  {saved.evidence}" if saved.evidence else "  evidence  none: its scenario is not red",
            f"  again     ringproof replay {saved.events}{''.join(' ' + word for word in self._words)}",
        ]
        self._console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _proof(finding: Finding) -> str:
    red = "its scenario is red on this server"
    hunted = {"fail": red, "non_strict": red, "known": "its scenario shows it, and it is known"}
    said = hunted.get(finding.hunted, f"its scenario is not red here but {finding.hunted or 'was not tried'}")
    if not finding.sound:
        return said
    sound = {"pass": "green on a sound one"}
    return f"{said}, {sound.get(finding.sound, f'and on a sound one {finding.sound}')}"


def _found(chase: Chase) -> str:
    new = sum(not finding.known for finding in chase.findings)
    known = len(chase.findings) - new
    return f"{new} found" + (f", {known} known" if known else "")


def _coverage(chase: Chase) -> dict[str, float]:
    """Share of the histories that hold a kind of event."""
    return {name: round(count / chase.histories, 3) for name, count in sorted(chase.coverage.items())}


def _summary(chase: Chase, interrupted: bool) -> None:
    click.echo(f"\n{'interrupted: ' if interrupted else ''}{chase.histories} histories with {chase.events} events, "
               f"{chase.events_per_s:.0f} events/s: {_found(chase)}")  # fmt: skip
    shares = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in _coverage(chase).items())
    if shares:
        click.echo(f"histories that hold: {shares}")


def _document(chase: Chase, seed: int, code: int) -> dict[str, Any]:
    return document(
        "hunt",
        code,
        seed=seed,
        events=chase.events,
        events_per_s=round(chase.events_per_s, 1),
        histories=chase.histories,
        coverage=_coverage(chase),
        findings=[
            {
                "law": finding.breach.why,
                "clause": finding.breach.law,
                "watcher": finding.breach.watcher,
                "presentity": finding.breach.presentity,
                "steps": len(finding.events),
                "shrunk_from": finding.shrunk_from,
                "seconds": round(finding.seconds, 3),
                "scenario": finding.scenario,
                "events": [event.as_json() for event in finding.events],
                "hunted": finding.hunted,
                "sound": finding.sound,
                "known": finding.known,
                "cause": finding.cause,
                "seen": finding.seen,
            }
            for finding in chase.findings
        ],
    )
