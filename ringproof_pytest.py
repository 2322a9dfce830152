"""The pytest plugin's thin end: installed everywhere, silent until a ``*.scenario.yaml`` is collected.

The packages behind it have plain names (``harness``, ``phones``, ...) that a tested project may use for its own.
So nothing of ours is imported at module level, and before the first import the names are shown to be ours.
"""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = ("harness", "phones", "reference_server", "reports")
HOME = Path(__file__).resolve().parent  # installed or in a checkout, our packages lie beside this module

_CLASH_NAMED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of scenario files; every name starts with ``--ringproof-``."""
    group = parser.getgroup("ringproof", "ringproof: scenario files (*.scenario.yaml)")
    group.addoption("--ringproof-target", metavar="FILE", help="target file (default: the embedded reference)")
    group.addoption("--ringproof-profile", metavar="NAME", help="which Kazoo is expected")
    group.addoption("--ringproof-time", choices=["virtual", "real"], help="in memory, or on sockets (default)")
    group.addoption("--ringproof-seed", type=int, metavar="N", help="seed of everything random")
    group.addoption("--ringproof-out", metavar="DIR", help="where the Records go")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a scenario file through ``harness.pytest_bridge``, or name a clash of packages, once per session."""
    if not file_path.name.endswith(".scenario.yaml"):
        return None
    if next(clashes(file_path, parent.config.rootpath), None) is None:
        from harness import pytest_bridge

        return pytest_bridge.collect(parent, file_path)
    if parent.config.stash.get(_CLASH_NAMED, False):
        return None
    parent.config.stash[_CLASH_NAMED] = True
    return ClashingFile.from_parent(parent, path=file_path)


class ClashingFile(pytest.File):
    """A scenario file that cannot run because the project's own package hides one of ours."""

    def collect(self) -> list[pytest.Item]:
        """Fail the collection with the one sentence that names both packages."""
        room, place = next(clashes(self.path, self.config.rootpath))
        raise self.CollectError(
            f"ringproof cannot run {self.path.name}: this project's own '{room}' ({place}) and ringproof's package "
            f"of that name ({HOME / room}) cannot be imported side by side; keep scenario files in a folder of "
            f"their own and start pytest there, or run them with 'ringproof run'."
        )


def clashes(file_path: Path, rootpath: Path) -> Iterator[tuple[str, Path]]:
    """Yield each of our package names that means another's package, or will once pytest has come to it; and where."""
    roots = [folder for folder in file_path.parents if folder.is_relative_to(rootpath)]
    for room in ROOMS:
        spec = sys.modules[room].__spec__ if room in sys.modules else importlib.util.find_spec(room)
        places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or "built in"])
        for folder in roots:
            places += [str(folder / room)] if (folder / room / "__init__.py").is_file() else []
            places += [str(folder / f"{room}.py")] if (folder / f"{room}.py").is_file() else []
        yield from ((room, Path(place)) for place in places if Path(place).resolve() != HOME / room)
