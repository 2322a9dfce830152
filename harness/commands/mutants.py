"""`ringproof mutants`."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.behaviours import load_behaviour
from harness.errors import UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.mutation import Outcome, Trial

_MARKS = {"killed": "✓", "survived": "✗", "wrong_clause": "✗", "equivalent": "="}


@click.command("mutants", short_help="Run the suite against servers with one thing wrong.")
@click.argument("selectors", nargs=-1, metavar="[SELECTOR]...")
@click.option("--flips", "flipped", is_flag=True, help="every rule set to every other value, one at a time, instead")
@click.option("--list", "list_", is_flag=True, help="only list them")
@click.option(
    "--behaviour", type=click.Path(path_type=Path), help="try this behaviour file instead (serve --print-behaviour)"
)
@click.option("--time", "time_", type=click.Choice(["real", "virtual"]), default="virtual", show_default=True)
@click.option("--jobs", type=click.IntRange(1, 64), default=os.cpu_count() or 1, show_default=True, help="processes")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@format_option
@guarded("mutants")
def command(
    selectors: tuple[str, ...],
    flipped: bool,
    list_: bool,
    behaviour: Path | None,
    time_: str,
    jobs: int,
    seed: int,
    format_: str,
) -> int:
    """Run the suite against mutants: reference servers with one thing wrong, each taken from a real
    mistake. A suite is worth what it finds: each mutant must turn red, by a clause that it must
    break. Exit code 1 when one survives or is red for another reason only.

    With --flips no mutant has a name: each rule of the reference is set to each other value. What
    survives is equivalent for a reason that is listed, or a promise is missing.

    A SELECTOR is a mutant, a glob of names, a clause that it must break, or a prefix of clauses;
    with --flips a glob of CHAPTER.RULE=VALUE. Ctrl-C shows what has been found until then.
    """
    if behaviour is not None:
        trials = [_of_file(behaviour)]
    else:
        trials = _flips(selectors) if flipped else _chosen(selectors)
    if behaviour is not None and selectors:
        raise UsageError("--behaviour tries that file alone: leave the selectors out")
    if list_:
        return _show_list(trials, format_)
    from harness.mutation import attempts
    from harness.terminal import make_console

    console = make_console(stderr=format_ == "json")
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        for outcome in attempts(trials, virtual=time_ == "virtual", seed=seed, jobs=min(jobs, len(trials))):
            outcomes.append(outcome)
            console.print(_line(outcome, len(outcomes), len(trials)))
    except KeyboardInterrupt:
        interrupted = True
    outcomes.sort(key=lambda each: trials.index(each.trial))
    code = 2 if interrupted else _exit_code(outcomes)
    if format_ == "json":
        print_document(_document(outcomes, code, len(trials), interrupted))
    else:
        _summary(outcomes)
        if interrupted:
            click.echo(f"interrupted: {len(trials) - len(outcomes)} of {len(trials)} were not tried")
    return code


def _chosen(selectors: tuple[str, ...]) -> list[Trial]:
    from harness.loader import is_clause_or_prefix
    from harness.mutation import Trial
    from harness.yaml_file import did_you_mean
    from reference_server.mutants import MUTANTS

    def fits(name: str, selector: str) -> bool:
        mutant = MUTANTS[name]
        by_clause = any(is_clause_or_prefix(selector, clause) for clause in mutant.must_break)
        return by_clause or fnmatch.fnmatchcase(name, selector)

    for selector in selectors:
        if not any(fits(name, selector) for name in MUTANTS):
            hint = did_you_mean(selector, MUTANTS) or "`ringproof mutants --list` shows all"
            raise UsageError(f"no mutant is selected by {selector!r}", hint)
    return [
        Trial(
            mutant.name, mutant.behaviour, tuple(mutant.must_break), mutant.source, mutant.note, profile=mutant.profile
        )
        for name, mutant in MUTANTS.items()
        if not selectors or any(fits(name, selector) for selector in selectors)
    ]


def _flips(selectors: tuple[str, ...]) -> list[Trial]:
    from harness.mutation import Trial
    from reference_server.equivalents import EQUIVALENT, LIKELY
    from reference_server.flips import flips
    from reference_server.mutants import MUTANTS
    from reference_server.profiles import PROFILES

    named = {mutant.behaviour.model_dump_json(): mutant for mutant in MUTANTS.values()}
    trials = []
    for name, behaviour in flips(PROFILES["documented"]):
        if selectors and not any(fnmatch.fnmatchcase(name, selector) for selector in selectors):
            continue
        if mutant := named.get(behaviour.model_dump_json()):
            # it has a name, and is known to break something
            trials.append(Trial(name, behaviour, tuple(mutant.must_break), mutant.source, mutant.note))
            continue
        likely = LIKELY[name.partition(".")[0]]
        same = EQUIVALENT.get(name, "")
        source = "a rule of the reference"
        trials.append(Trial(name, behaviour, (), source, equivalent=same, first=likely, until_broken=True))
    if not trials:
        raise UsageError(
            f"no rule is selected by {' '.join(selectors)}", "`ringproof mutants --flips --list` shows all"
        )
    return trials


def _of_file(path: Path) -> Trial:
    from harness.mutation import Trial

    return Trial(str(path), load_behaviour(path), source="a behaviour file")


def _exit_code(outcomes: list[Outcome]) -> int:
    if any(outcome.error for outcome in outcomes):
        return 3
    return 1 if any(outcome.fate in ("survived", "wrong_clause") for outcome in outcomes) else 0


def _line(outcome: Outcome, number: int, total: int) -> str:
    trial = outcome.trial
    said = ", ".join(trial.must_break) or "anything"
    found = ", ".join(outcome.broke) or "nothing"
    head = f" {_MARKS[outcome.fate]} {number:>3}/{total} {trial.name:<44} {outcome.seconds:6.1f} s  "
    if outcome.error:
        return f"{head}error: {outcome.error}"
    if outcome.fate == "equivalent":
        return f"{head}equivalent: {trial.equivalent}"
    if outcome.fate == "killed":
        return f"{head}broke {found}"
    return f"{head}{outcome.fate.upper().replace('_', ' ')}: must break {said}, broke {found}"


def _summary(outcomes: list[Outcome]) -> None:
    """The kill matrix by clause, and what is left to do."""
    by_clause: dict[str, list[str]] = {}
    for outcome in outcomes:
        for clause in outcome.broke:
            by_clause.setdefault(clause, []).append(outcome.trial.name)
    click.echo("\nclause    broken by")
    for clause in sorted(by_clause):
        click.echo(f"{clause:<9} {', '.join(by_clause[clause])}")
    killed = sum(outcome.fate == "killed" for outcome in outcomes)
    alive = [outcome for outcome in outcomes if outcome.fate in ("survived", "wrong_clause")]
    for outcome in alive:
        click.echo(f"\n{outcome.fate.upper().replace('_', ' ')}  {outcome.trial.name}: {outcome.trial.note}")
        click.echo(f"  source    {outcome.trial.source}")
        if outcome.trial.must_break:
            click.echo(f"  again     ringproof run {' '.join(outcome.trial.must_break)} --mutant {outcome.trial.name}")
    same = sum(outcome.fate == "equivalent" for outcome in outcomes)
    rest = [f"{same} equivalent"] * bool(same) + [f"{len(alive)} not"] * bool(alive)
    click.echo("\n" + ", ".join([f"{killed} of {len(outcomes)} killed", *rest]))


def _show_list(trials: list[Trial], format_: str) -> int:
    if format_ == "json":
        shown = [
            {"name": each.name, "source": each.source, "must_break": list(each.must_break), "note": each.note}
            for each in trials
        ]
        print_document(document("mutants", 0, total=len(trials), mutants=shown))
        return 0
    for each in trials:
        click.echo(f"{each.name:<44} {', '.join(each.must_break)}\n    {each.note}\n    source: {each.source}")
    click.echo(f"\n{len(trials)} mutants")
    return 0


def _document(outcomes: list[Outcome], code: int, total: int, interrupted: bool) -> dict[str, Any]:
    error = next((outcome.error for outcome in outcomes if outcome.error), "")
    failed = {"kind": "harness", "file": None, "line": None, "column": None, "message": error, "hint": ""}
    return document(
        "mutants",
        code,
        total=total,
        interrupted=interrupted,
        killed=sum(outcome.fate == "killed" for outcome in outcomes),
        survivors=[outcome.trial.name for outcome in outcomes if outcome.fate == "survived"],
        mutants=[
            {
                "name": outcome.trial.name,
                "source": outcome.trial.source,
                "must_break": list(outcome.trial.must_break),
                "broke": sorted(outcome.broke),
                "killed_by": outcome.killed_by,
                "verdict": outcome.fate,
                "seconds": outcome.seconds,
            }
            for outcome in outcomes
        ],
        **({"error": failed} if error else {}),
    )
