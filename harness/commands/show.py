"""`ringproof show`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import UsageError
from harness.output import document, format_option, guarded, print_document

if TYPE_CHECKING:
    from harness.verdicts import CaseVerdict
    from reports.ladder import Ladder
    from reports.lamp_chart import Chart

_LISTED = "`ringproof report RUN` lists the cases"


@click.command("show", short_help="Show a case of a Record: its ladder and its lamps.")
@click.argument("place", metavar="RUN:CASE")
@click.option("--width", type=click.IntRange(40, 1000), help="columns of text; default the terminal's")
@format_option
@guarded("show")
def command(place: str, width: int | None, format_: str) -> int:
    """Show one case of a Record: its verdict, who sent what to whom, and its lamps over the truth.

    RUN is the folder that `ringproof run` has written, out/latest for the last one; CASE is an
    address as every report shows it.
    """
    from harness.judged import damage_named, read_run
    from reports.ladder import as_text, ladder_of
    from reports.lamp_chart import as_text as chart_text
    from reports.lamp_chart import charts_of

    run, address = parted(place)
    judged = read_run(run)
    verdict = next((each for each in judged.verdicts if each.address == address), None)
    if verdict is None:
        known = [each.address for each in judged.verdicts]
        raise UsageError(f"{run}: no case {address!r} in this Record", _near(address, known))
    columns = width or shutil.get_terminal_size((100, 24)).columns
    with damage_named(run):
        view = judged.view()
        [case] = [each for each in view.cases if each.address == address]
        charts = charts_of(case)
        ladder = ladder_of(case, charts)
        parts = [as_text(ladder, columns), *(chart_text(chart, columns) for chart in charts)]
    if format_ == "json":
        print_document(_document(verdict, run, ladder, charts))
    else:
        from harness.terminal import block
        from reports.evidence import evidence_of

        click.echo("\n\n".join([block(verdict, view.again(case), evidence_of(run, address)), *parts]))
    return 0


def parted(place: str) -> tuple[Path, str]:
    run, colon, address = place.rpartition(":")
    if not colon or not run or not address:
        raise UsageError(f"{place!r} is not RUN:CASE", f"for example out/latest:sync/flag-true; {_LISTED}")
    return Path(run), address


def _near(address: str, known: list[str]) -> str:
    import difflib

    points = [each for each in known if each.partition("[")[0] == address]
    near = points or difflib.get_close_matches(address, known, n=3, cutoff=0.4)
    return f"there is {', '.join(near)}" if near else _LISTED


def _document(verdict: CaseVerdict, run: Path, ladder: Ladder, charts: list[Chart]) -> dict[str, Any]:
    from reports.evidence import evidence_of

    return document(
        "show",
        0,
        case={**verdict.as_json(), "evidence": str(evidence_of(run, verdict.address))},
        ladder={
            "columns": list(ladder.columns),
            "rows": [
                {
                    "n": row.n,
                    "t": round(row.t, 6),
                    "kind": row.kind,
                    "text": row.text,
                    "source": row.source,
                    "target": row.target,
                    "signs": list(row.signs),
                    "notes": [{"kind": note.kind, "state": note.state} for note in row.notes],
                }
                for row in ladder.rows
            ],
        },
        lamps=[
            {
                "watcher": chart.watcher,
                "presentity": chart.presentity,
                "event": chart.package,
                "truth": _points(chart.truth.points),
                "lamp": _points(chart.lamp.points),
                "differs": [{"start": round(start, 6), "end": round(end, 6)} for start, end in chart.desyncs],
            }
            for chart in charts
        ],
    )


def _points(points: Any) -> list[dict[str, Any]]:
    return [{"t": round(t, 6), "state": str(state)} for t, state in points]
