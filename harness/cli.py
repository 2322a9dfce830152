"""`ringproof`: the command line. Imports next to nothing until a command runs, so that help is instant."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

COMMANDS = {
    "run": "Run scenarios and judge every promise on the wire.",
    "list": "Show clauses, scenarios and gaps.",
    "serve": "Run the reference server in the foreground.",
    "mutants": "Run the suite against servers with one thing wrong.",
    "hunt": "Search for an order of events that makes a lamp lie.",
    "replay": "Show a finding again, on any target.",
    "phones": "Keep a fleet of phones alive on a target.",
    "watch": "Show lamps live, without any right on the API.",
    "new": "Write a commented scenario that runs.",
    "report": "Judge a Record on disk again.",
    "show": "Show a case of a Record: its ladder and its lamps.",
    "inspect": "Lamps and broken laws in a capture from the field.",
    "diff": "What changed from one run to another.",
    "bench": "Measure our phones beside SIPp.",
    "schema": "Print a JSON Schema.",
}
"""Every command and its one line in the help."""

EPILOG = """\b
A first look:
  ringproof run                       everything, on sockets, against the embedded reference
  ringproof run SYNC --time virtual   one chapter, in virtual time
  ringproof list SYNC-02              what a clause says and which scenarios prove it
  ringproof new mine/first            a scenario of your own; ringproof run mine runs it

\b
Exit codes: 0 all passed, 1 failed, 2 interrupted, 3 our own error, 4 bad usage or a broken
file, 5 nothing ran, 7 nothing failed but it proves too little."""


class _Lazy(click.Group):
    """Imports a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"harness.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Lazy, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="ringproof", message="ringproof %(version)s")
def ringproof() -> None:
    """Prove on the wire that a Kazoo Devices API does what it says.

    Simulated phones register and record what reaches them, scenario files drive the REST API,
    and a verdict is given for every promise. Without a target an embedded reference server
    plays Kazoo.
    """


def main() -> None:
    """Entry point. Turns every error into one readable message and the right exit code."""
    from harness.output import ReaderGone

    arguments = sys.argv[1:]
    try:
        code = ringproof.main(args=arguments, prog_name="ringproof", standalone_mode=False)
    except click.UsageError as error:
        from harness.output import usage_error

        code = usage_error(error, arguments)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = 2
    except click.ClickException as error:
        error.show()
        code = 4
    except ReaderGone:
        # the reader of our output has gone: nothing more to say, and nowhere to say it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 3
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
