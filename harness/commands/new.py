"""`ringproof new`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import UsageError
from harness.output import document, format_option, guarded, print_document

EXAMPLE = """\
# A scenario of your own. Run it:  ringproof run {path}
# Your editor completes the keys with the schema that `ringproof schema scenario` prints.
title: A phone is told to fetch its configuration again
clauses: [SYNC-02, SYNC-07]          # what is proved here; `ringproof list` shows all clauses

matrix:                              # every combination is a case of its own
  api: [v1, v2]

phones:                              # each gets a device of its own, made before and removed after
  desk: {{device: {{name: Desk}}}}
  other: {{device: {{name: Other}}}}

steps:
  - register: [desk, other]

  # Prove that both can be reached. Without it a silence would prove nothing.
  - control: [desk, other]

  # POST replaces the document, so send what is stored, with one change.
  - request: POST {{{{ desk.url }}}}
    data: "{{{{ desk.document | merge(sync=true) }}}}"
    reply: {{status: 200, json: {{status: success}}}}

  - expect: desk receives NOTIFY
    where: {{Event: check-sync, body: empty}}
    exactly: 1
    within: 2s
  - never: other receives NOTIFY
    where: {{Event: {{starts: check-sync}}}}
"""


@click.command("new", short_help="Write a commented scenario that runs.")
@click.argument("name", type=click.Path(path_type=Path))
@format_option
@guarded("new")
def command(name: Path, format_: str) -> int:
    """Write a commented scenario that runs, as NAME.scenario.yaml. Folders are made; nothing is
    overwritten.
    """
    from harness.loader import SUFFIX, load_cases

    path = name if name.name.endswith(SUFFIX) else name.with_name(name.name + SUFFIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {path.parent} is no folder ({error.strerror})") from error
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(EXAMPLE.format(path=path))
    except FileExistsError as error:
        raise UsageError(f"{path} is there already", "choose another name") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    cases = [case.address for case in load_cases([path.resolve()])]
    if format_ == "json":
        print_document(document("new", 0, path=str(path), cases=cases))
    else:
        click.echo(f"{path} written: {len(cases)} cases. Run it:  ringproof run {path}")
    return 0
