"""The pytest plugin's thin end: installed everywhere, silent until a ``*.scenario.yaml`` is collected.

Our packages have plain names (``harness``, ``phones``, ...), and a tested project may have its own. So none is imported
at module level, the project's own go before ours, and where a scenario file would need both the clash is named.
"""

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.python_api import Conversing, Fleet, Phone, Target

ROOMS = ("harness", "phones", "reference_server", "reports")
HOME = Path(__file__).resolve().parent  # installed or in a checkout, our packages lie beside this module


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options ``--ringproof-...``, and step back behind a project's own packages."""
    group = parser.getgroup("ringproof", "ringproof: scenario files (*.scenario.yaml)")
    group.addoption("--ringproof-target", metavar="FILE", help="target file (default: the embedded reference)")
    group.addoption("--ringproof-profile", metavar="NAME", help="which Kazoo is expected")
    group.addoption("--ringproof-time", choices=["virtual", "real"], help="in memory, or on sockets (default)")
    group.addoption("--ringproof-slow", action="store_true", help="also what is known to wait over 10 s by the clock")
    group.addoption("--ringproof-seed", type=int, metavar="N", help="seed of everything random")
    group.addoption("--ringproof-out", metavar="DIR", help="where the Records go")
    # pytest rewrites the asserts of a plugin's packages by their names, so it would those of the project's namesakes.
    getattr(pluginmanager.rewrite_hook, "_must_rewrite", set()).difference_update(ROOMS, ("scenarios",))
    if OursLast not in sys.meta_path:
        sys.meta_path.insert(sys.meta_path.index(PathFinder), OursLast)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a scenario file through ``harness.pytest_bridge``; in a clash the first one fails for all."""
    if not file_path.name.endswith(".scenario.yaml"):
        return None
    if next(clashes(file_path, parent.config.rootpath), None) is None:
        from harness import pytest_bridge

        return pytest_bridge.collect(parent, file_path)
    named = parent.config.stash.setdefault(ClashingFile.first, file_path)
    return ClashingFile.from_parent(parent, path=file_path) if named == file_path else None


@pytest.fixture
def _ringproof(request: pytest.FixtureRequest) -> "Iterator[Conversing]":
    """The case that a Python test is."""
    for room, place in clashes(request.path, request.config.rootpath):
        pytest.fail(
            f"ringproof's fixtures cannot be used here: {clash(room, place)}; give them names of your own.",
            pytrace=False,
        )
    from harness import pytest_fixtures

    yield from pytest_fixtures.conversing(request)


@pytest.fixture
def fleet(_ringproof: "Conversing") -> "Fleet":
    """ringproof: makes phones, `fleet.add("desk")`."""
    from harness import pytest_fixtures

    return pytest_fixtures.fleet(_ringproof)


@pytest.fixture
def phone(_ringproof: "Conversing") -> "Phone":
    """ringproof: a simulated phone with a device of its own, not yet registered."""
    from harness import pytest_fixtures

    return pytest_fixtures.phone(_ringproof)


@pytest.fixture
def target(_ringproof: "Conversing") -> "Target":
    """ringproof: the Kazoo that is tested, and its API."""
    from harness import pytest_fixtures

    return pytest_fixtures.target(_ringproof)


@pytest.fixture
def reference(_ringproof: "Conversing", pytestconfig: pytest.Config) -> "Target":
    """ringproof: the embedded reference server and its API; a skip where --ringproof-target names another."""
    from harness import pytest_fixtures

    return pytest_fixtures.reference(_ringproof, pytestconfig)


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_make_scheduler() -> Generator[None, Any, Any]:
    """Let ``--dist load`` deal scenario files out at once: their cases wait side by side, not in portions."""
    scheduler = yield
    if type(scheduler).__name__ == "LoadScheduling":
        schedule = scheduler.schedule

        def deal() -> None:
            is_first = scheduler.collection is None
            with in_one_portion(scheduler.nodes):
                schedule()
                if is_first and scheduler.collection:
                    deal_cases(scheduler)

        scheduler.schedule = deal
    return scheduler


@contextmanager
def in_one_portion(nodes: Iterable[Any]) -> Iterator[None]:
    """Send each node all that it is dealt at once: it begins with the first item, and has to know of the others."""
    held: list[tuple[Any, list[int], list[bool]]] = [(node, [], []) for node in nodes]
    for node, dealt, over in held:
        node.send_runtest_some, node.shutdown = dealt.extend, partial(over.append, True)
    try:
        yield
    finally:
        for node, dealt, over in held:
            del node.send_runtest_some, node.shutdown
            if dealt:
                node.send_runtest_some(dealt)
            if over:
                node.shutdown()


def deal_cases(scheduler: Any) -> None:
    """Give each of xdist's nodes its share of the pending scenario items now."""
    cases = [number for number in scheduler.pending if ".scenario.yaml::" in scheduler.collection[number]]
    for index, node in enumerate(scheduler.nodes):
        if share := cases[index :: len(scheduler.nodes)]:
            scheduler.node2pending[node].extend(share)
            node.send_runtest_some(share)
    if cases:
        scheduler.pending[:] = sorted(set(scheduler.pending).difference(cases))


class ClashingFile(pytest.File):
    """A scenario file that cannot run: its collection fails with one sentence that names both packages."""

    first = pytest.StashKey[Path]()

    def collect(self) -> list[pytest.Item]:
        room, place = next(clashes(self.path, self.config.rootpath))
        raise self.CollectError(
            f"ringproof cannot run {self.path.name}: {clash(room, place)}; run the file with 'ringproof run' instead."
        )


class OursLast:
    """A finder that takes a package of one of our names from anywhere else first, and from beside this module last."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Ask the path, then the finders behind it (editable installs have them), then come to our own package."""
        if name not in (*ROOMS, "scenarios"):
            return None
        behind = sys.meta_path[sys.meta_path.index(PathFinder) + 1 :]
        specs = (own_package(name, sys.path), *(finder.find_spec(name, None) for finder in behind))
        others = (spec for spec in specs if spec and Path(spec.origin or "").resolve().parent != HOME / name)
        return next(others, PathFinder.find_spec(name, [str(HOME)]))


def own_package(name: str, entries: Iterable[str]) -> ModuleSpec | None:
    """Find a package that is not ours; a folder without ``__init__.py`` counts when it has modules."""
    spec = PathFinder.find_spec(name, [entry for entry in entries if Path(entry).resolve() != HOME])
    folders = spec.submodule_search_locations if spec and not spec.has_location else None
    return spec if folders is None or any(any(Path(folder).glob("*.py")) for folder in folders) else None


def clash(room: str, place: Path) -> str:
    """Name both packages, in a part of a sentence."""
    return (
        f"the package '{room}' ({place}) and ringproof's of that name ({HOME / room}) cannot be imported side by side"
    )


def clashes(file_path: Path, rootpath: Path) -> Iterator[tuple[str, Path]]:
    """Yield each of our names that means another's package, or will once pytest has put its folder on the path."""
    folders = [str(folder) for folder in file_path.parents if folder.is_relative_to(rootpath)]
    for room in ROOMS:
        known = sys.modules[room].__spec__ if room in sys.modules else find_spec(room)
        for spec in (known, own_package(room, folders)):
            places = (spec.submodule_search_locations or [spec.origin or "built in"]) if spec else []
            yield from ((room, Path(place)) for place in places if Path(place).resolve() != HOME / room)
