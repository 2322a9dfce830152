"""What commands print: one JSON document or text, and errors in the same form (design: section 6)."""

from __future__ import annotations

import functools
import itertools
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from harness.errors import RingproofError, ScenarioError, ScenarioErrors

format_option = click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: exactly one document on standard output, everything else on standard error",
)


def document(command: str, exit_code: int, **fields: Any) -> dict[str, Any]:
    """The head that every JSON document of ours has, and `fields`."""
    return {"schema": 1, "tool": "ringproof", "command": command, "exit_code": exit_code, **fields}


def print_document(content: dict[str, Any]) -> None:
    """Put one JSON document on standard output."""
    click.echo(json.dumps(content, ensure_ascii=False, indent=2))


def error_fields(error: RingproofError) -> dict[str, Any]:
    """The `error` object of a document."""
    fields: dict[str, Any] = {"kind": error.kind, "file": None, "line": None, "column": None}
    if isinstance(error, ScenarioErrors) and error.errors:
        return {**error_fields(error.errors[0]), "others": [error_fields(each) for each in error.errors[1:]]}
    if isinstance(error, ScenarioError):
        where = error.position
        fields |= {"file": where.file, "line": where.line, "column": where.column}
    return {**fields, "message": error.message, "hint": error.hint}


def print_error(error: RingproofError) -> None:
    """Say on standard error what happened, where, and what to do next."""
    if isinstance(error, ScenarioErrors):
        for each in error.errors:
            print_error(each)
        click.echo(f"ringproof: {error.message}", err=True)
        return
    where = f"{error.position}: " if isinstance(error, ScenarioError) else "ringproof: "
    click.echo(f"{where}{error.message}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)


class ReaderGone(Exception):
    """Whoever reads our output has gone; `main` ends it."""


def guarded(command: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Decorate a command function that takes `format_`: its RingproofErrors are shown, in the format asked for."""

    def decorate(function: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(function)
        def wrapper(*args: Any, format_: str = "text", **options: Any) -> int:
            try:
                return function(*args, format_=format_, **options)
            except RingproofError as error:
                if format_ == "json":
                    print_document(document(command, error.exit_code, error=error_fields(error)))
                else:
                    print_error(error)
                return error.exit_code
            except BrokenPipeError as error:
                # under its own name click would make 1 of it: a promise that failed
                raise ReaderGone from error
            except Exception as error:
                # a bug of ours: say so, and give what is needed to report it
                traceback.print_exc(file=sys.stderr)
                problem = RingproofError(f"internal error: {type(error).__name__}: {error}", "please report it")
                if format_ == "json":
                    print_document(document(command, 3, error=error_fields(problem)))
                else:
                    print_error(problem)
                return 3

        return wrapper

    return decorate


def usage_error(error: click.UsageError, arguments: list[str]) -> int:
    """A command line that click refuses: exit code 4."""
    as_json = "--format=json" in arguments or any(
        pair == ("--format", "json") for pair in itertools.pairwise(arguments)
    )
    hint = f"`{error.ctx.command_path} --help` shows what there is" if error.ctx else ""
    problem = RingproofError(error.format_message(), hint)
    problem.kind = "usage"
    if as_json:
        name = error.ctx.info_name if error.ctx and error.ctx.info_name else "ringproof"
        print_document(document(name, 4, error=error_fields(problem)))
    else:
        print_error(problem)
    return 4
