"""`ringproof replay`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.behaviours import behaviour_options, chosen_behaviour, expected_profile
from harness.errors import HarnessError, UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.loader import Case
    from harness.verdicts import CaseVerdict


@dataclass(frozen=True, slots=True)
class _Sought:
    """What is to be shown again: a case, its `verdict` ('' for any that is red), the clauses that it broke.

    `profile`, `mutant` and `seed` are those of the Record that it is from.
    """

    case: Case
    clauses: frozenset[str]
    verdict: str = ""
    profile: str = "documented"
    mutant: str | None = None
    seed: int = 1


@click.command("replay", short_help="Show a finding again, on any target.")
@click.argument("place", metavar="RUN:CASE|FILE")
@click.option("--target", "target_name", default="reference", show_default=True, help="reference, or a target file")
@behaviour_options
@click.option("--time", "time_", type=click.Choice(["real", "virtual"]), default="real", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), show_default=True,
    help="where the Record goes",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), help="default that of the Record, or 1")
@format_option
@guarded("replay")
def command(
    place: str,
    target_name: str,
    profile: str,
    mutant: str | None,
    behaviour: Path | None,
    time_: str,
    out: Path,
    seed: int | None,
    format_: str,
) -> int:
    """Show a finding again: on sockets, in virtual time, or on a deployment.

    FILE is what `ringproof hunt` has written (.events.json or .scenario.yaml), or any scenario with one
    case. RUN:CASE is a case of a Record; it is run against the same mutant or profile unless others are
    named.

    Exit code 1 when the same clause is broken again, 0 when it is not, and 7 when nothing is proved;
    either way it is said why.
    """
    from harness.engine import Engine, Options
    from harness.target import load_target
    from harness.terminal import make_console

    live = target_name != "reference"
    if live and (mutant or behaviour or time_ == "virtual"):
        raise UsageError("--mutant, --behaviour and --time virtual are for the embedded reference, not for --target")
    sought = _sought(place)
    if not live and not mutant and behaviour is None and profile == "documented":
        profile, mutant = sought.profile, sought.mutant
    rules = chosen_behaviour(profile, mutant, behaviour)
    profile = expected_profile(profile, mutant)
    chosen_seed = sought.seed if seed is None else seed
    console = make_console(stderr=format_ == "json")
    played = target_name if live else f"reference ({mutant or behaviour or profile})"
    world = "virtual time" if time_ == "virtual" else "real sockets"
    console.print(f"ringproof: {sought.case.address} against {played}, {world}, seed {chosen_seed}")
    options = Options(
        out=out,
        behaviour=rules,
        profile=profile,
        mutant=mutant,
        target=load_target(Path(target_name)) if live else None,
        target_file=target_name if live else None,
        behaviour_file=str(behaviour) if behaviour else None,
        virtual=time_ == "virtual",
        seed=chosen_seed,
        slow=True,
    )
    with console.status(f"{sought.case.address} is played"):
        result = Engine([sought.case], options).run()
    if result.error:
        raise HarnessError(result.error)
    if result.interrupted or not result.verdicts:
        return 2
    verdict = result.verdicts[0]
    reproduced, why = _compared(sought, verdict)
    undecided = verdict.verdict.value in ("inconclusive", "skipped", "unsupported", "error")
    code = 1 if reproduced else 7 if undecided else 0
    if format_ == "json":
        print_document(
            document(
                "replay",
                code,
                case=verdict.address,
                reproduced=reproduced,
                why=why,
                verdict=verdict.verdict.value,
                clauses=sorted(sought.clauses),
                record=str(result.folder),
                seed=chosen_seed,
            )
        )
        return code
    click.echo(f"{'REPRODUCED' if reproduced else 'NOT REPRODUCED'}  {why}")
    click.echo(f"  look      ringproof show '{result.folder}:{verdict.address}'")
    return code


def _sought(place: str) -> _Sought:
    from harness.hunting.saving import is_finding, read_finding
    from harness.loader import SUFFIX, load_cases

    path = Path(place)
    if path.is_file() and is_finding(path):
        finding, scenario = read_finding(path)
        return _Sought(_only(load_cases([scenario]), scenario), frozenset({finding.breach.law}))
    if path.is_file():
        case = _only(load_cases([path]), path)
        return _Sought(case, frozenset(case.clauses()))
    if place.endswith((SUFFIX, ".json")) or ":" not in place:
        raise UsageError(f"{place}: no such file", "RUN:CASE names a case of a Record, as `ringproof show` takes it")
    return _of_record(place)


def _only(cases: list[Case], path: Path) -> Case:
    if len(cases) != 1:
        raise UsageError(
            f"{path} has {len(cases)} cases", "replay one of them as RUN:CASE, or run it with `ringproof run`"
        )
    return cases[0]


def _of_record(place: str) -> _Sought:
    from harness.commands.show import parted
    from harness.judged import read_run
    from harness.loader import load_cases

    run, address = parted(place)
    judged = read_run(run)
    verdict = next((each for each in judged.verdicts if each.address == address), None)
    if verdict is None:
        raise UsageError(f"{run}: no case {address!r} in this Record", "`ringproof report RUN` lists the cases")
    file = Path(verdict.file)
    if not file.is_file():
        raise UsageError(f"{file}, which {address} was run from, is not there any more")
    case = next((each for each in load_cases([file.resolve()]) if each.address == address), None)
    if case is None:
        raise UsageError(f"{file} has no case {address} any more")
    header = judged.record.header
    broken = frozenset(each.clause for each in verdict.clauses if each.verdict is verdict.verdict)
    return _Sought(case, broken, verdict.verdict.value, header["profile"], header.get("mutant"), int(header["seed"]))


def _compared(sought: _Sought, verdict: CaseVerdict) -> tuple[bool, str]:
    """Whether it is the same again, and what there is instead."""
    red = ("fail", "non_strict", "known")
    wanted = (sought.verdict,) if sought.verdict else red
    same = [each for each in verdict.clauses if each.clause in sought.clauses and each.verdict.value in wanted]
    if same:
        names = ", ".join(each.clause for each in same)
        return True, f"{names} {same[0].verdict.value}: {verdict.why or verdict.reason or verdict.actual}"
    said = verdict.why or verdict.reason or "every claim was met"
    return False, f"here it is {verdict.verdict.value}: {said}"
