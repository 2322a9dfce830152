"""`ringproof bench`."""

from __future__ import annotations

import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from harness.errors import HarnessError, UsageError
from harness.output import document, format_option, guarded, print_document

_WORKS = ("registration", "notify", "call", "memory", "simulation", "office", "suite", "help", "list")
_PROFILED = {"registration": "register", "notify": "answer", "call": "call"}


@click.command("bench", short_help="Measure our phones beside SIPp.")
@click.option("--work", "works", type=click.Choice(_WORKS), multiple=True, help="only this; may be repeated")
@click.option("--rounds", type=click.IntRange(1, 1000), help="default 5, with --quick 1")
@click.option("--quick", is_flag=True, help="small numbers: shows that it works, not what it costs")
@click.option("--alone", is_flag=True, help="only what needs no peer")
@click.option("--profile", "profiled", type=click.Choice(tuple(_PROFILED)), help="profile our side of one work instead")
@format_option
@guarded("bench")
def command(
    works: tuple[str, ...], rounds: int | None, quick: bool, alone: bool, profiled: str | None, format_: str
) -> int:
    """Measure what our phones cost beside what SIPp costs, in turns, against the same Kamailio, on
    loopback. CPU of whole processes, the start of the interpreter included. Registering, answering
    and calling are done with the Record on. Needs SIPp and Kamailio: `make test-deps`.
    """
    from harness.bench import peers
    from harness.bench.rounds import FULL, QUICK, Bench

    absent = [] if alone else peers.missing()
    if absent:
        raise HarnessError(
            f"a bench compares with what is not installed: {', '.join(absent)} (Debian packages)",
            f"`make test-deps`, or `apt-get install {' '.join(absent)}`; --alone measures only what needs no peer",
        )
    if profiled and (alone or format_ == "json"):
        raise UsageError("--profile prints a profile: neither --alone nor --format json go with it")
    size = QUICK if quick else FULL
    if rounds is not None:
        size = dataclasses.replace(size, rounds=rounds)
    with tempfile.TemporaryDirectory(prefix="ringproof-bench-") as name:
        if profiled:
            where = Path(name) / "profile"
            once = dataclasses.replace(size, rounds=1)
            with Bench(Path(name), once, peers=True, tell=_tell, profile=where) as bench:
                bench.works()[profiled]()
            _print_profile(where)
            return 0
        with Bench(Path(name), size, peers=not alone, tell=_tell) as bench:
            known = bench.works()
            unknown = [work for work in works if work not in known]
            if unknown:
                raise UsageError(f"--work {unknown[0]} needs a peer, and --alone asks for none")
            rows = [known[work]().document() for work in works or tuple(known)]
    peer = None if alone else "SIPp"
    if format_ == "json":
        print_document(document("bench", 0, peer=peer, rounds=size.rounds, quick=quick, rows=rows))
    else:
        _print(rows)
    return 0


def _tell(what: str) -> None:
    click.echo(what, err=True)


def _print(rows: list[dict[str, Any]]) -> None:
    click.echo(f"{'work':<14}{'unit':<6}{'ours':>12}{'peer':>12}{'ratio':>8}  {'range':<16}{'spread':>7}  target")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        peer = "" if row["peer"] is None else f"{row['peer']:.1f}"
        ranged = "" if row["ratio_range"] is None else "{:.2f} to {:.2f}".format(*row["ratio_range"])
        click.echo(
            f"{row['work']:<14}{row['unit']:<6}{row['ours']:>12.1f}{peer:>12}{ratio:>8}  {ranged:<16}"
            f"{row['spread']:>7.0%}  {row['target']}"
        )


def _print_profile(where: Path) -> None:
    import pstats

    pstats.Stats(str(where), stream=sys.stdout).sort_stats("tottime").print_stats(30)
