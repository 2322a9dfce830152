"""`ringproof schema`."""

from __future__ import annotations

import json
from typing import Any

import click

from harness.output import format_option, guarded

NAMES = (
    "scenario",
    "target",
    "behaviour",
    "baseline",
    "run",
    "list",
    "mutants",
    "report",
    "diff",
    "serve",
    "show",
    "phones",
    "watch",
    "bench",
    "inspect",
    "hunt",
    "replay",
)


@click.command("schema", short_help="Print a JSON Schema.")
@click.argument("name", type=click.Choice(NAMES))
@format_option
@guarded("schema")
def command(name: str, format_: str) -> int:
    """Print the JSON Schema of a file that ringproof reads (scenario, target, behaviour, baseline) or of a
    document that it prints (run, list, mutants, report, diff, serve, show, phones, watch, bench, inspect, hunt,
    replay). An editor that knows the scenario schema completes keys and shows mistakes while you type.
    """
    click.echo(json.dumps(schema(name), indent=2, ensure_ascii=False))
    return 0


def schema(name: str) -> dict[str, Any]:
    """The schema called `name`, with its dialect and a title."""
    from pydantic import TypeAdapter

    from harness import documents
    from harness.baseline import BaselineFile
    from harness.hunting.document import PRINTED as hunted
    from harness.inspecting.document import PRINTED as inspected
    from harness.scenario import Scenario
    from harness.target import Target
    from reference_server.behaviour import Behaviour

    models: dict[str, Any] = {
        "scenario": Scenario,
        "target": Target,
        "behaviour": Behaviour,
        "baseline": BaselineFile,
        **documents.PRINTED,
        "inspect": inspected,
        **hunted,
    }
    body = TypeAdapter(models[name]).json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body, "title": f"ringproof {name}"}
