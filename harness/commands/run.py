"""`ringproof run`."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.commands.behaviours import behaviour_options, chosen_behaviour, expected_profile
from harness.commands.exporting import export_options, print_problems, put, write_exports
from harness.errors import HarnessError, TargetUnavailable, UsageError
from harness.output import document, error_fields, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.engine import RunResult
    from harness.loader import Case


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("run", short_help="Run scenarios and judge every promise on the wire.")
@click.argument("selectors", nargs=-1, metavar="[SELECTOR|PATH]...")
@click.option("--target", "target_name", default="reference", show_default=True, help="reference, or a target file")
@behaviour_options
@click.option("--time", "time_", type=click.Choice(["real", "virtual"]), default="real", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("out"), show_default=True)
@click.option(
    "--transport", type=click.Choice(["udp", "tcp", "tls", "ws", "wss"]), help="of SIP, for cases that do not say it"
)
@click.option("--jobs", type=click.IntRange(1, 1000), help="cases at the same time; default what the target allows")
@click.option("-x", "stop_at_first", is_flag=True, help="begin no further case after the first failure")
@click.option("--last-failed", is_flag=True, help="only what was not fine in the last run below --out")
@click.option("-v", "--verbose", is_flag=True, help="show API calls and SIP messages as they happen")
@click.option("--repeat", type=click.IntRange(1, 1_000_000), help="so many rounds, each with the next seed")
@click.option("--until-fail", is_flag=True, help="begin no further round after one that is not fine; alone: for ever")
@click.option("--slow", is_flag=True, help="also what is known to wait over 10 s by the clock")
@click.option("--strict", is_flag=True, help="non_strict and inconclusive count as failures")
@click.option(
    "--evidence",
    type=click.Choice(["failed", "all", "none"]),
    default="failed",
    show_default=True,
    help="which cases get a folder below the run: explanation, ladder, API calls, capture",
)
@click.option("--keep", is_flag=True, help="leave devices and accounts on the target, and say which")
@click.option("--witness", metavar="INTERFACE", help="capture the run there as well, and compare; needs root")
@click.option("--baseline", "baseline_file", type=_FILE, metavar="FILE", help="known deviations; only a change is red")
@click.option("--write-baseline", type=_FILE, metavar="FILE", help="write what deviates in this run as such a file")
@export_options
@click.option("--seed", type=click.IntRange(0), help="repeat a run; default a new one, which is printed")
@format_option
@guarded("run")
def command(
    selectors: tuple[str, ...],
    target_name: str,
    profile: str,
    mutant: str | None,
    behaviour: Path | None,
    time_: str,
    out: Path,
    transport: str | None,
    jobs: int | None,
    stop_at_first: bool,
    last_failed: bool,
    verbose: bool,
    repeat: int | None,
    until_fail: bool,
    slow: bool,
    strict: bool,
    evidence: str,
    keep: bool,
    witness: str | None,
    baseline_file: Path | None,
    write_baseline: Path | None,
    seed: int | None,
    format_: str,
) -> int:
    """Run scenarios and judge every promise on the wire.

    A SELECTOR is a clause (SYNC-02), a prefix (SYNC), a chapter (sync), a case address
    (sync/flag-true[v2-https]) or a glob; a PATH is a scenario file or a folder of them.
    Without any, everything that comes with ringproof is run.
    """
    from harness import baseline
    from harness.engine import Engine, Options
    from harness.target import load_target
    from phones.sip.transport import Transport

    live = target_name != "reference"
    if live and (mutant or behaviour or time_ == "virtual"):
        raise UsageError("--mutant, --behaviour and --time virtual are for the embedded reference, not for --target")
    if keep and not live:
        raise UsageError("--keep is for --target FILE: the embedded reference ends with the run, and all in it")
    if witness and time_ == "virtual":
        raise UsageError("--witness needs a real wire: there is none in --time virtual")
    rules = chosen_behaviour(profile, mutant, behaviour)
    profile = expected_profile(profile, mutant)
    target = load_target(Path(target_name)) if live else None
    if target is not None and target.api.https is not None:
        from harness.http_api import tls_context

        tls_context(target.ca_file, target.verify)
    day = baseline.today()
    known = None
    if baseline_file is not None:
        name = target.name if target else "reference"
        known = baseline.load_baseline(baseline_file, target=name, profile=profile, day=day)
    cases = _last_failed(selectors, out) if last_failed else chosen_cases(selectors)
    chosen_seed = seed if seed is not None else random.SystemRandom().getrandbits(16)
    options: dict[str, Any] = {
        "out": out,
        "behaviour": rules,
        "profile": profile,
        "mutant": mutant,
        "target": target,
        "target_file": target_name if live else None,
        "behaviour_file": str(behaviour) if behaviour else None,
        "virtual": time_ == "virtual",
        "transport": Transport(transport) if transport else None,
        "jobs": jobs,
        "seed": chosen_seed,
        "stop_at_first": stop_at_first,
        "slow": slow,
        "baseline": known,
        "keep": keep,
    }
    from harness.evidence_folders import write_evidence
    from harness.exit_codes import INTERRUPTED, OUR_ERROR, exit_code, worst_code
    from harness.judged import read_run
    from harness.live_run import LiveRun
    from harness.summary import print_summary
    from harness.terminal import cases_of, count_words, make_console

    if witness:
        from harness.witness import run_witnessed

    console = make_console(stderr=format_ == "json")
    if verbose:
        from harness.wire_log import watcher

        options["watcher"] = watcher(console)
    world = "virtual time" if time_ == "virtual" else "real sockets"
    played = target.name if target else f"reference ({mutant or profile})"
    console.print(f"ringproof: {cases_of(len(cases))} against {played}, {world}, seed {chosen_seed}")
    many = until_fail or (repeat or 1) > 1
    rounds: list[dict[str, Any]] = []
    worst: tuple[RunResult, int, int] | None = None
    try:
        for number in _numbers(repeat, until_fail):
            options |= {"seed": chosen_seed + number}
            addresses = [case.address for case in cases]
            with LiveRun(console, addresses, quiet=many, heartbeat=not verbose) as live_run:
                options |= {"progress": live_run.progress, "waiting": live_run.waiting, "tick": live_run.tick}
                options |= {"notice": console.print}
                engine = Engine(cases, Options(**options))
                result = run_witnessed(engine, witness) if witness else engine.run()
            seen = result.witness
            code = exit_code(
                [each.verdict for each in result.verdicts],
                planned=result.planned,
                interrupted=result.interrupted,
                broken=bool(result.error and not result.unavailable)
                or (seen is not None and not seen.is_whole and not seen.saw_nothing),
                strict=strict,
                left=bool(result.left or _unproved(selectors, result) or (seen is not None and seen.saw_nothing)),
                changed=result.baseline is not None and result.baseline.red(result.judged),
            )
            if evidence != "none":
                problem = write_evidence(result, console.print, everything=evidence == "all")
                # what was judged stands; but a run that was fine is not, when it cannot show what it was asked for
                code = code or (OUR_ERROR if problem else code)
                result.error = result.error or problem
            if many:
                console.print(f"round {number + 1}, seed {options['seed']}: {count_words(result.verdicts)}")
            told = {"run": result.run_id, "seed": options["seed"], "exit_code": code, "verdicts": _counted(result)}
            rounds.append(told)
            if worst is None or worst_code([worst[2], code]) == code:
                # the others are in their Records: rounds may go on for days
                worst = (result, options["seed"], code)
            if result.interrupted or result.error or (until_fail and code):
                break
    except KeyboardInterrupt:
        # between two rounds: what was seen so far is shown
        if worst is None:
            raise
        worst[0].interrupted = True
        worst = (*worst[:2], INTERRUPTED)
    assert worst is not None
    result, options["seed"], code = worst
    if format_ == "text":
        print_summary(console, result, cases, virtual=options["virtual"], code=code)
    problems = write_exports(lambda: read_run(result.folder).view(), console)
    if write_baseline is not None:
        problems += _write_baseline(write_baseline, result, profile, day)
    if problems:
        code = worst_code([code, OUR_ERROR])
    if format_ == "json":
        print_document(_document(result, options, code, rounds if many else [], problems))
    else:
        print_problems(problems)
        if many:
            fine = sum(not each["exit_code"] for each in rounds)
            console.print(f"{fine} of {len(rounds)} rounds were fine; shown is seed {options['seed']}")
        for clause in _unproved(selectors, result):
            console.print(f"{clause} was asked for and could not be proved here: every verdict on it is skipped")
    return code


def _write_baseline(path: Path, result: RunResult, profile: str, day: date) -> list[str]:
    """Write what deviates as known; what could not be done is returned, in words."""
    from harness.baseline_file import baseline_text

    told = {"run": result.run_id, "target": result.target, "profile": profile}
    try:
        put(path, baseline_text(result.judged, **told, day=day, before=result.baseline))
    except OSError as error:
        return [f"cannot write the baseline into {path}: {error.strerror}"]
    return []


def _numbers(repeat: int | None, until_fail: bool) -> Iterable[int]:
    """The numbers of the rounds, from 0."""
    return itertools.count() if until_fail and repeat is None else range(repeat or 1)


def chosen_cases(selectors: tuple[str, ...]) -> list[Case]:
    """The cases that paths and selectors name, in the order of files."""
    from harness.loader import SUFFIX, load_cases, scenario_files, select, shipped

    paths = [Path(each) for each in selectors if Path(each).exists() or each.endswith(SUFFIX)]
    words = [each for each in selectors if Path(each) not in paths]
    try:
        return select(load_cases(scenario_files(paths) if paths else shipped()), words)
    except UsageError as error:
        beside = [f"{each.partition('[')[0]}{SUFFIX}" for each in words]
        there = next((file for file in beside if not paths and Path(file).is_file()), None)
        if there is None:
            raise
        raise UsageError(error.message, f"a file of your own is named by its path: {there}") from error


def _last_failed(selectors: tuple[str, ...], out: Path) -> list[Case]:
    """What was not fine in the last run; without `selectors` wherever its files are."""
    from harness.judged import read_run
    from harness.loader import load_cases, scenario_files, shipped
    from harness.verdicts import Verdict

    fine = (Verdict.PASS, Verdict.UNCLEAR, Verdict.KNOWN, Verdict.SKIPPED)
    try:
        reported = read_run(out / "latest")
    except UsageError as error:
        raise UsageError(f"--last-failed: {error.message}", "run once without it") from error
    verdicts = {each.address: each.verdict for each in reported.verdicts}
    wanted = {address for address in reported.record.header["cases"] if verdicts.get(address) not in fine}
    if not wanted:
        raise UsageError("--last-failed: everything was fine in the last run", "run without it")
    if selectors:
        cases = chosen_cases(selectors)
    else:
        files = [Path(each.file) for each in reported.verdicts if each.address in wanted]
        missing = wanted - verdicts.keys()
        cases = load_cases(dict.fromkeys([*scenario_files(files), *(shipped() if missing else ())]))
    chosen = [case for case in cases if case.address in wanted]
    if not chosen:
        raise UsageError(
            f"--last-failed: none of the {len(wanted)} cases that were not fine in the last run is selected",
            "run it without a selector",
        )
    return chosen


def _document(
    result: RunResult,
    options: dict[str, Any],
    code: int,
    rounds: list[dict[str, Any]],
    problems: list[str],
) -> dict[str, Any]:
    from reports.evidence import evidence_of

    errors = [each for each in (result.error, *problems) if each]
    error = TargetUnavailable if result.unavailable and not problems else HarnessError
    return document(
        "run",
        code,
        target=result.target,
        profile=options["profile"],
        mutant=options["mutant"],
        time="virtual" if options["virtual"] else "real",
        seed=options["seed"],
        run=result.run_id,
        started=result.started,
        duration_s=result.duration_s,
        interrupted=result.interrupted,
        verdicts=_counted(result),
        cases=[
            {**each.as_json(), "evidence": str(evidence_of(result.folder, each.address))} for each in result.verdicts
        ],
        left=result.left,
        kept=result.kept,
        witness=result.witness.as_json() if result.witness else None,
        baseline=result.baseline.as_json(result.judged) if result.baseline else None,
        rounds=rounds,
        **({"error": error_fields(error("; ".join(errors)))} if errors else {}),
    )


def _counted(result: RunResult) -> dict[str, int]:
    """Every verdict's name to how often it was given."""
    from harness.verdicts import Verdict

    return {name.value: sum(each.verdict is name for each in result.verdicts) for name in Verdict}


def _unproved(selectors: tuple[str, ...], result: RunResult) -> list[str]:
    """Clauses that were selected by name and have been skipped in every case."""
    from harness.verdicts import Verdict

    verdicts = [each for case in result.verdicts for each in case.clauses if each.clause in selectors]
    tested = {each.clause for each in verdicts if each.verdict is not Verdict.SKIPPED}
    return sorted({each.clause for each in verdicts} - tested)
