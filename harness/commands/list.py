"""`ringproof list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.loader import Case


@click.command("list", short_help="Show clauses, scenarios and gaps.")
@click.argument("selectors", nargs=-1, metavar="[SELECTOR|PATH]...")
@click.option("--mutants", "show_mutants", is_flag=True, help="the mutants of the reference server instead")
@click.option("--table", "show_table", is_flag=True, help="what each release keeps, as docs/promises.md has it")
@format_option
@guarded("list")
def command(selectors: tuple[str, ...], show_mutants: bool, show_table: bool, format_: str) -> int:
    """Show clauses with their source, the scenarios that test them, and the gaps: clauses that no
    scenario tests and clauses that no mutant breaks.
    """
    from harness import listing

    if show_table:
        return _table(selectors, format_)
    if show_mutants:
        return _mutants(selectors, format_)
    found = listing.kept() if not selectors else None
    if found is None:
        found = _listing(selectors)
        if not selectors:
            listing.keep(found)
    if format_ == "json":
        print_document(document("list", 0, **found))
    else:
        _print(found["clauses"], found["scenarios"])
    return 0


def _listing(selectors: tuple[str, ...]) -> dict[str, Any]:
    """The clauses and scenarios that are asked for."""
    from harness.clauses import catalogue
    from harness.commands.run import chosen_cases
    from harness.loader import is_clause_or_prefix
    from reference_server.mutants import MUTANTS

    cases = chosen_cases(selectors)
    known = catalogue()
    everything = chosen_cases(tuple(each for each in selectors if Path(each).exists()))
    asked = [name for name in known if any(is_clause_or_prefix(each, name) for each in selectors)]
    named = {name for case in cases for name in case.scenario.clauses}
    wanted = asked or [name for name in known if not selectors or name in named]
    clauses = [
        {
            "id": name,
            "statement": known[name].statement,
            "source": known[name].source,
            "level": known[name].level,
            "unclear": known[name].unclear,
            "profiles": known[name].profiles,
            "scenarios": sorted({_base(case) for case in everything if name in case.scenario.clauses}),
            "mutants": sorted(mutant.name for mutant in MUTANTS.values() if name in mutant.must_break),
        }
        for name in wanted
    ]
    return {"clauses": clauses, "scenarios": _scenarios(cases)}


def _table(selectors: tuple[str, ...], format_: str) -> int:
    """Run every profile against itself, and print the page that says what it keeps."""
    from harness.promises import run_profiles, table

    if selectors or format_ == "json":
        raise UsageError("--table is of everything, and Markdown", "`ringproof list --format json` has the standings")
    click.echo(table(run_profiles()), nl=False)
    return 0


def _base(case: Case) -> str:
    return case.address.partition("[")[0]


def _scenarios(cases: list[Case]) -> list[dict[str, Any]]:
    from harness.loader import shown

    found: dict[str, dict[str, Any]] = {}
    for case in cases:
        entry = found.setdefault(
            _base(case),
            {
                "path": shown(case.file),
                "title": case.scenario.title,
                "clauses": case.scenario.clauses,
                "cases": [],
            },
        )
        entry["cases"].append(case.address)
    return list(found.values())


def _cases(count: int) -> str:
    return f"{count} case{'s' if count != 1 else ''}"


def _print(clauses: list[dict[str, Any]], scenarios: list[dict[str, Any]]) -> None:
    for clause in clauses:
        click.echo(f"{clause['id']:<9} {clause['level']:<6} {clause['statement']}")
        click.echo(f"{'':<16} source: {clause['source']}")
        if clause["unclear"]:
            click.echo(f"{'':<16} unclear: {clause['unclear']}")
        click.echo(f"{'':<16} proved by: {', '.join(clause['scenarios']) or 'NO SCENARIO'}")
    click.echo()
    for scenario in scenarios:
        click.echo(f"{scenario['path']}  ({_cases(len(scenario['cases']))})  {scenario['title']}")
    click.echo()
    without = [clause["id"] for clause in clauses if not clause["scenarios"]]
    unbroken = [clause["id"] for clause in clauses if not clause["mutants"]]
    total = sum(len(scenario["cases"]) for scenario in scenarios)
    click.echo(f"{len(clauses)} clauses, {len(scenarios)} scenarios, {total} cases")
    click.echo(f"clauses without a scenario: {', '.join(without) or 'none'}")
    click.echo(f"clauses that no mutant breaks: {', '.join(unbroken) or 'none'}")


def _mutants(selectors: tuple[str, ...], format_: str) -> int:
    from reference_server.mutants import MUTANTS

    if selectors:
        raise UsageError("--mutants takes no selector", f"ringproof mutants --list {' '.join(selectors)}")
    if format_ == "json":
        mutants = [
            {"name": each.name, "note": each.note, "source": each.source, "must_break": list(each.must_break)}
            for each in MUTANTS.values()
        ]
        print_document(document("list", 0, mutants=mutants))
        return 0
    for mutant in MUTANTS.values():
        click.echo(f"{mutant.name:<34} breaks {', '.join(mutant.must_break)}")
        click.echo(f"{'':<34} {mutant.note}")
    return 0
