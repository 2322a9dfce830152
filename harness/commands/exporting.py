"""The options of `run` and `report` that write a run for other tools, all from the Record on disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.errors import RingproofError
from harness.terminal import working
from reports.words import plain

if TYPE_CHECKING:
    from rich.console import Console

    from reports.view import RunView

Command = TypeVar("Command", bound=Callable[..., Any])

_CHOSEN = "ringproof.exports"
_LONG_S = 1.0
"""What takes longer says how long it took."""


@dataclass(frozen=True, slots=True)
class Export:
    """One option: its name, what it is called, how it writes a run. It raises OSError when it cannot."""

    option: str
    what: str
    help: str
    write: Callable[[RunView, Path], None]
    suffixes: tuple[str, ...] = ()
    folder: bool = False
    needs: tuple[str, str] | None = None
    """A module that is not everywhere, and the extra that brings it."""


def put(path: Path, content: str | bytes) -> None:
    """Write a file, with the folders above it. Raises OSError."""
    _make_folder(path.parent)
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def _make_folder(folder: Path) -> None:
    # where a file is in the way, what is written next says so better
    with suppress(FileExistsError):
        folder.mkdir(parents=True, exist_ok=True)


def _html(view: RunView, path: Path) -> None:
    from reports import html, pcapng

    put(path, html.render(view, pcapng.case_capture))


def _junit(view: RunView, path: Path) -> None:
    from reports import junit

    put(path, junit.render(view))


def _markdown(view: RunView, path: Path) -> None:
    from reports import markdown

    put(path, markdown.render(view))


def _pcapng(view: RunView, path: Path) -> None:
    from reports import pcapng

    _make_folder(path.parent)
    with path.open("wb") as file:
        file.writelines(pcapng.run_blocks(view))


def _csv(view: RunView, path: Path) -> None:
    from reports import clause_table

    put(path, clause_table.render(view))


def _badge(view: RunView, path: Path) -> None:
    from reports import badge

    put(path, badge.as_svg(view) if path.suffix == ".svg" else badge.as_json(view))


def _allure(view: RunView, folder: Path) -> None:
    from reports import allure

    allure.write(view, folder)


EXPORTS = {
    export.option: export
    for export in (
        Export("html", "HTML report", "one page to look at: every case with its ladder and lamps", _html),
        Export("junit", "JUnit", "JUnit XML, for a CI system", _junit),
        Export("markdown", "Markdown", "a summary for a merge request or job page", _markdown),
        Export("csv", "clauses", "the clauses as CSV, for a spreadsheet", _csv),
        Export("pcapng", "capture", "what was on the wire, for Wireshark and tshark", _pcapng),
        Export("badge", "badge", ".json for shields.io, or an .svg of our own", _badge, (".json", ".svg")),
        Export("alluredir", "Allure", "Allure results", _allure, folder=True, needs=("allure_commons", "allure")),
    )
}
"""Option to what it writes."""


def export_options(command: Command) -> Command:
    """An option for each of EXPORTS; `chosen_exports` has what was given."""
    for export in reversed(EXPORTS.values()):
        option = click.option(
            f"--{export.option}",
            f"export_{export.option}",
            type=click.Path(path_type=Path, dir_okay=export.folder, file_okay=not export.folder),
            metavar="DIR" if export.folder else "FILE",
            help=export.help,
            expose_value=False,
            callback=_remember,
        )
        command = option(command)
    return command


def _remember(context: click.Context, option: click.Parameter, path: Path | None) -> None:
    if path is None:
        return
    export = EXPORTS[str(option.name).removeprefix("export_")]
    if export.suffixes and path.suffix not in export.suffixes:
        raise click.BadParameter(f"{path}: a name that ends in {' or '.join(export.suffixes)} is wanted")
    if export.needs is not None and find_spec(export.needs[0]) is None:
        extra = export.needs[1]
        raise click.UsageError(f"--{export.option} needs the extra `{extra}`: pip install 'ringproof[{extra}]'")
    context.meta.setdefault(_CHOSEN, {})[export.option] = path


def chosen_exports() -> dict[Export, Path]:
    """The exports that the command line asks for, and where to."""
    chosen: dict[str, Path] = click.get_current_context().meta.get(_CHOSEN, {})
    return {export: chosen[name] for name, export in EXPORTS.items() if name in chosen}


def print_problems(problems: list[str]) -> None:
    """Say on standard error what could not be written."""
    for problem in problems:
        click.echo(f"ringproof: {plain(problem)}", err=True)


def write_exports(view: Callable[[], RunView], console: Console) -> list[str]:
    """Write everything that was asked for and say so; what could not be written is returned, in words.

    `view` is asked only when there is something to write.
    """
    chosen = chosen_exports()
    if not chosen:
        return []
    try:
        run = view()
    except RingproofError as error:
        return [f"nothing was exported: {error.message}"]
    problems = []
    for export, path in chosen.items():
        began = time.monotonic()
        try:
            with working(console, f"writing {export.what} into {path}"):
                export.write(run, path)
        except OSError as error:
            problems.append(f"cannot write {export.what} into {path}: {error.strerror or error}")
            continue
        took = time.monotonic() - began
        console.print(plain(f"{export.what}: {path}") + (f" ({took:.1f} s)" if took > _LONG_S else ""))
    return problems
