"""Whose fault it is. Our error is not their failure."""

from __future__ import annotations

from dataclasses import dataclass


class RingproofError(Exception):
    """Base of what the command line shows as one readable error. `hint` says what to do next."""

    kind = "error"
    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class HarnessError(RingproofError):
    """Something of ours failed: disk, ports, a bug. Says nothing about the target."""

    kind = "harness"


class UsageError(RingproofError):
    """The command line asks for what cannot be: an unknown selector, a file that is not there."""

    kind = "usage"
    exit_code = 4


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class ScenarioError(RingproofError):
    """A scenario file is wrong; `position` says where."""

    kind = "scenario"
    exit_code = 4

    def __init__(self, message: str, position: Position, hint: str = "") -> None:
        super().__init__(message, hint)
        self.position = position


class ScenarioErrors(UsageError):
    """Every error found in the files that were asked for. Nothing was run."""

    kind = "scenario"

    def __init__(self, errors: list[ScenarioError]) -> None:
        super().__init__(f"{len(errors)} error{'s' if len(errors) != 1 else ''} in scenario files; nothing was run")
        self.errors = errors


class TargetUnavailable(RingproofError):
    """The target cannot be reached or does not answer, so nothing can be said about its promises.

    `sent` is False where not even the request can have reached it.
    """

    kind = "target"
    exit_code = 7

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent
