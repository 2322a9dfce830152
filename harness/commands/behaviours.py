"""The options that choose how the reference server behaves, shared by `run` and `serve`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness.errors import UsageError

if TYPE_CHECKING:
    from reference_server.behaviour import Behaviour

Command = TypeVar("Command", bound=Callable[..., Any])


def behaviour_options(command: Command) -> Command:
    """--profile, --mutant and --behaviour."""
    for option in (
        click.option(
            "--behaviour",
            type=click.Path(path_type=Path, dir_okay=False),
            help="JSON file that says how the reference behaves (`serve --print-behaviour` prints one)",
        ),
        click.option("--mutant", metavar="NAME", help="a reference with one thing wrong; `list --mutants` names them"),
        click.option("--profile", default="documented", show_default=True, help="which Kazoo is expected and played"),
    ):
        command = option(command)
    return command


def expected_profile(profile: str, mutant: str | None) -> str:
    """The Kazoo that is expected: as it is said, else the one that the mutant is made from. Raises UsageError."""
    from reference_server.mutants import MUTANTS

    return MUTANTS[mutant].profile if mutant in MUTANTS and profile == "documented" else profile


def chosen_behaviour(profile: str, mutant: str | None, file: Path | None) -> Behaviour:
    """The behaviour that the options name. Raises UsageError."""
    from harness.yaml_file import did_you_mean
    from reference_server.mutants import MUTANTS
    from reference_server.profiles import PROFILES

    if profile not in PROFILES:
        raise UsageError(f"unknown profile {profile!r}", f"there is {', '.join(PROFILES)}")
    if mutant is not None and file is not None:
        raise UsageError("say --mutant or --behaviour, not both")
    if mutant is not None:
        if mutant not in MUTANTS:
            hint = did_you_mean(mutant, MUTANTS) or "`ringproof list --mutants` names them"
            raise UsageError(f"unknown mutant {mutant!r}", hint)
        return MUTANTS[mutant].behaviour
    return PROFILES[profile] if file is None else load_behaviour(file)


def load_behaviour(file: Path) -> Behaviour:
    """A behaviour from its JSON file. Raises UsageError."""
    from pydantic import ValidationError

    from reference_server.behaviour import Behaviour

    try:
        return Behaviour.model_validate_json(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--behaviour {file}: {error.strerror}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else None
        where = ".".join(str(part) for part in first["loc"]) if first else ""
        said = first["msg"] if first else str(error)
        raise UsageError(
            f"--behaviour {file}: {where}: {said}", "`serve --print-behaviour` prints a valid one"
        ) from error
