"""Scenario files for tests."""

from pathlib import Path

from harness.loader import Case, load_file

HEAD = "title: A title\nclauses: [SYNC-01]\nphones:\n  desk:\n  other_desk:\nsteps:\n"
"""Six lines; the steps follow from line 7 on."""


def write(folder: Path, text: str | bytes, name: str = "mine/one") -> Path:
    """A scenario file below `folder`."""
    path = folder / f"{name}.scenario.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def cases(folder: Path, text: str, name: str = "mine/one") -> list[Case]:
    """The cases of a scenario file with `text`."""
    return load_file(write(folder, text, name))
