"""The house rules, enforced: who imports whom, what stays free of input and output, what the papers promise.

Each rule is a function from a piece of repository to a list of complaints; each is shown to complain of a bad example.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Room -> what it may import of ours, itself left out.
ROOMS: dict[str, tuple[str, ...]] = {
    "phones": (),
    "scenarios": (),
    "reference_server": ("phones.sip",),
    "reports": ("phones.sip",),
    "harness": ("phones", "reference_server", "reports", "scenarios"),
}
MOST_LINES = 600

# Loading scapy costs a tenth of a second and more, so only these import it without being asked to.
SCAPY_AT_TOP = {"phones/sip/layers.py"}

# What the command line must not load before it knows which command is meant.
HEAVY = ("aiohttp", "allure", "hypothesis", "jinja2", "pydantic", "pytest", "scapy", "sipmessage", "trustme")

# Clocks, sockets, threads and randomness of one's own; the sans-IO rooms get all four from outside.
IMPURE_MODULES = {
    "aiohttp", "asyncio", "concurrent", "http", "multiprocessing", "requests", "secrets", "select", "selectors",
    "signal", "socket", "socketserver", "ssl", "subprocess", "threading", "time",
}  # fmt: skip
PURE_PARTS = {"http.HTTPStatus", "time.gmtime", "time.strftime"}  # they compute, and read nothing
IMPURE_CALLS = re.compile(
    r"(^|\.)(datetime|date)\.(now|utcnow|today)$|^os\.urandom$|^uuid\.uuid[14]$|^random\.(?!Random$)\w+$|^(open|input|print)$"
)
LATE_IMPORT = re.compile(r"(^|\.)(import_module|__import__)$")
WITH_IO = re.compile(r"^phones/(net\w*|fleet)(\.py$|/)")  # the fleet waits; its wire and clock are handed to it

# Places of the machine that somebody wrote this on, and addresses of package indexes.
SLASH = "/"
FORBIDDEN = re.compile(
    rf"(?<![\w.]){SLASH}(?:work|root|home{SLASH}\w+|opt{SLASH}(?:pypi|wheels)|tmp{SLASH}rp)\b(?:{SLASH}|$)"
    rf"|pypi\.org|files\.python" + "hosted",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Source:
    """One module of ours: its path below the root, with slashes, and its text."""

    path: str
    text: str

    @property
    def room(self) -> str:
        return self.path.partition("/")[0].removesuffix(".py")

    @property
    def package(self) -> str:
        return self.path.rpartition("/")[0].replace("/", ".")

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)


def tracked() -> list[str]:
    """Return the paths that belong to the repository: committed, or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(path for path in set(done.stdout.splitlines()) if (ROOT / path).is_file())


def sources() -> list[Source]:
    """Return every Python module of the repository, tests included."""
    return [Source(path, (ROOT / path).read_text(encoding="utf-8")) for path in tracked() if path.endswith(".py")]


def rooms() -> list[Source]:
    found = [source for source in sources() if source.room in ROOMS]
    assert {source.room for source in found} == set(ROOMS)
    return found


def imports(source: Source, *, top_level_only: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and full dotted name of all that a module imports, `from a import b` as a.b."""
    pending: list[ast.AST] = [source.tree]
    while pending:
        node = pending.pop()
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if top_level_only and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = source.package.split(".")[: len(source.package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and LATE_IMPORT.search(ast.unparse(node.func)):
            yield from ((node.lineno, str(arg.value)) for arg in node.args[:1] if isinstance(arg, ast.Constant))
        pending.extend(ast.iter_child_nodes(node))


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


# --- the rules -------------------------------------------------------------------------------------------------------


def foreign_imports(source: Source) -> list[str]:
    """A room imports of ours only what the table allows; nobody imports the tests."""
    allowed = (source.room, *ROOMS.get(source.room, ()))
    return [
        f"{source.path}:{line}: {source.room} must not import {name}"
        for line, name in imports(source)
        if within(name, *ROOMS, "tests", "ringproof_pytest") and not within(name, *allowed)
    ]


def cycles(edges: Sequence[tuple[str, str]]) -> list[str]:
    """Rooms do not import each other in a circle."""
    found = []
    for start in sorted({room for edge in edges for room in edge}):
        reached: set[str] = set()
        pending = [target for source, target in edges if source == start]
        while pending:
            room = pending.pop()
            if room not in reached:
                reached.add(room)
                pending += [target for source, target in edges if source == room]
        found += [f"{start} imports itself by way of others"] if start in reached else []
    return found


def scapy_imports(source: Source) -> list[str]:
    """scapy.all is never imported, and scapy at all only by the layers or inside a function."""
    found = [f"{source.path}:{line}: imports scapy.all" for line, name in imports(source) if within(name, "scapy.all")]
    if source.room in ROOMS and source.path not in SCAPY_AT_TOP:
        at_top = imports(source, top_level_only=True)
        found += [f"{source.path}:{line}: imports {name} at start" for line, name in at_top if within(name, "scapy")]
    return found


def impurities(source: Source) -> list[str]:
    """Phones and reference server read no clock, open nothing, pick nothing at random."""
    if source.room not in ("phones", "reference_server") or WITH_IO.match(source.path):
        return []
    found = [
        f"{source.path}:{line}: imports {name}"
        for line, name in imports(source)
        if name.partition(".")[0] in IMPURE_MODULES and name not in PURE_PARTS
    ]
    calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
    names = [(call.lineno, ast.unparse(call.func)) for call in calls]
    return found + [f"{source.path}:{line}: calls {name}" for line, name in names if IMPURE_CALLS.search(name)]


def sleeps(source: Source) -> list[str]:
    """Nobody sleeps by the wall clock."""
    return [
        f"{source.path}:{node.lineno}: sleeps"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"
    ]


def plugin_imports(source: Source) -> list[str]:
    """The plugin's thin end imports nothing of ours, nor anything heavy, when pytest loads it."""
    at_top = imports(source, top_level_only=True)
    return [f"{source.path}:{n}: {name}" for n, name in at_top if within(name, *ROOMS, *(set(HEAVY) - {"pytest"}))]


def overlong(source: Source) -> list[str]:
    """A module stays readable in one sitting."""
    lines = source.text.count("\n")
    return [f"{source.path}: {lines} lines, at most {MOST_LINES}"] if lines > MOST_LINES else []


def loose_pins(lock: str) -> list[str]:
    """The lock pins every package with hashes and names no address."""
    found = [f"line {n}: an address" for n, line in enumerate(lock.splitlines(), 1) if "://" in line or " @ " in line]
    found += [f"line {n}: an option" for n, line in enumerate(lock.splitlines(), 1) if re.match(r"-", line)]
    for block in re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"(?m)^\s*#.*\n", "", lock)):
        if not re.match(r"[A-Za-z0-9._-]+==\S+", block) or "--hash=sha256:" not in block:
            found.append(f"not pinned with hashes: {block.splitlines()[0] if block else 'nothing'}")
    return found


def forbidden_words(path: str, text: str) -> list[str]:
    """No file names a place on somebody's machine or the address of a package index."""
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}" for match in FORBIDDEN.finditer(text)
    ]


def unexplained(required: Sequence[str], contributing: str) -> list[str]:
    """Every direct dependency has its line in CONTRIBUTING.md, every line its dependency."""
    section = contributing.partition("\n## Dependencies\n")[2].partition("\n## ")[0]
    explained = {canonicalize_name(name) for name in re.findall(r"^- \*\*([\w.-]+)\*\*", section, re.MULTILINE)}
    needed = {canonicalize_name(Requirement(text).name) for text in required}
    return [f"not explained: {name}" for name in sorted(needed - explained)] + [
        f"explained, not required: {name}" for name in sorted(explained - needed)
    ]


def unknown_targets(text: str, makefile: str) -> list[str]:
    """Every `make X` that a text shows is a target."""
    targets = set(re.findall(r"^([a-z-]+):(?!=)", makefile, re.MULTILINE))
    shown = re.findall(r"(?:^|`|&& )make ([a-z-]+)", text, re.MULTILINE)
    return [f"make {name}" for name in sorted(set(shown) - targets)]


def readme_commands(readme: str) -> list[str]:
    """Return the commands of the README's first shell block, in order: what a newcomer types."""
    block = re.search(r"^```sh\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    return re.findall(r"^make [a-z-]+", block.group(1), re.MULTILINE) if block else []


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


# --- the repository keeps them ---------------------------------------------------------------------------------------


def test_rooms_import_only_whom_they_may() -> None:
    assert [complaint for source in rooms() for complaint in foreign_imports(source)] == []


def test_rooms_import_each_other_without_cycles() -> None:
    edges = [(s.room, n.partition(".")[0]) for s in rooms() for _, n in imports(s) if within(n, *ROOMS)]
    assert cycles([(source, target) for source, target in edges if source != target]) == []


def test_nobody_imports_all_of_scapy() -> None:
    assert [complaint for source in sources() for complaint in scapy_imports(source)] == []


def test_phones_and_reference_server_are_free_of_io() -> None:
    assert [complaint for source in rooms() for complaint in impurities(source)] == []


def test_nobody_sleeps() -> None:
    assert [complaint for source in sources() for complaint in sleeps(source)] == []


def test_the_plugin_is_thin() -> None:
    [plugin] = [source for source in sources() if source.path == "ringproof_pytest.py"]
    assert plugin_imports(plugin) == []


def test_modules_stay_short() -> None:
    assert [complaint for source in sources() for complaint in overlong(source)] == []


def test_the_lock_is_pinned_and_without_addresses() -> None:
    assert loose_pins((ROOT / "requirements.lock").read_text(encoding="utf-8")) == []


def test_the_lock_has_every_dependency() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", lock)}
    extras = PROJECT["project"]["optional-dependencies"]
    for text in (*PROJECT["project"]["dependencies"], *extras["dev"], *PROJECT["build-system"]["requires"]):
        requirement = Requirement(text)
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)]), text
    assert "pysipp" not in pinned


def test_no_file_names_somebodys_machine() -> None:
    complaints = []
    for path in tracked():
        data = (ROOT / path).read_bytes()
        if b"\0" not in data:
            complaints += forbidden_words(path, data.decode("utf-8"))
    assert complaints == []


def test_every_dependency_is_explained() -> None:
    extras = PROJECT["project"]["optional-dependencies"].values()
    required = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in extra)]
    assert unexplained(required, (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ".ci/run"])
def test_every_make_target_that_is_shown_exists(name: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert unknown_targets((ROOT / name).read_text(encoding="utf-8"), makefile) == []


def test_the_readme_shows_two_commands_first() -> None:
    # .ci/run takes its commands from this block.
    assert readme_commands((ROOT / "README.md").read_text(encoding="utf-8")) == ["make run", "make test"]


def test_the_command_line_starts_light() -> None:
    script = f"import sys, harness.cli; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = python("-c", script)
    assert (done.stderr, done.stdout.strip()) == ("", "")


@pytest.mark.lint
def test_ruff_has_no_complaint() -> None:
    done = python("-m", "ruff", "check", ".")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.lint
@pytest.mark.timeout(280)
def test_mypy_has_no_complaint() -> None:
    done = python("-m", "mypy")
    assert done.returncode == 0, done.stdout + done.stderr


# --- every rule can go red -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("phones/a.py", "import harness"),
        ("phones/a.py", "from reports.record import Record"),
        ("phones/sip/a.py", "from ...reports import record"),
        ("reference_server/a.py", "from phones import fleet"),
        ("reference_server/a.py", "import phones"),
        ("reference_server/a.py", "def late():\n    from phones.phone import Phone"),
        ("reference_server/a.py", "import importlib\nimportlib.import_module('harness.cli')"),
        ("reports/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from harness import judge"),
        ("harness/a.py", "from tests import support"),
    ],
)
def test_a_forbidden_import_is_seen(path: str, text: str) -> None:
    assert foreign_imports(Source(path, text)) != []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("phones/sip/a.py", "from . import index\nfrom .index import Message\nfrom .. import phone"),
        ("reports/a.py", "from phones.sip.index import Message\nfrom phones import sip"),
        ("harness/a.py", "import phones.net, reports.record\nfrom reference_server import server\nimport phonesque"),
    ],
)
def test_an_allowed_import_is_let_pass(path: str, text: str) -> None:
    assert foreign_imports(Source(path, text)) == []


def test_a_cycle_is_seen() -> None:
    assert cycles([("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]) != []
    assert cycles([("a", "b"), ("a", "c"), ("b", "c")]) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tests/a.py", "from scapy.all import IP"),
        ("phones/sip/layers.py", "from scapy import all"),
        ("harness/a.py", "def late():\n    import scapy.all"),
        ("harness/a.py", "try:\n    import scapy.packet\nexcept ImportError:\n    pass"),
        ("reports/a.py", "class Late:\n    from scapy.packet import Packet"),
    ],
)
def test_an_import_of_scapy_is_seen(path: str, text: str) -> None:
    assert scapy_imports(Source(path, text)) != []


def test_a_late_import_of_scapy_is_let_pass() -> None:
    assert scapy_imports(Source("harness/a.py", "def late():\n    from scapy.packet import Packet")) == []
    assert scapy_imports(Source("phones/sip/layers.py", "from scapy.packet import Packet")) == []


@pytest.mark.parametrize(
    "text",
    [
        "import time",
        "from time import monotonic",
        "import asyncio",
        "import datetime\ndatetime.datetime.now()",
        "import random\nrandom.random()",
        "import os\nos.urandom(8)",
        "import uuid\nuuid.uuid4()",
        "open('x')",
    ],
)
def test_an_impurity_is_seen(text: str) -> None:
    assert impurities(Source("reference_server/a.py", text)) != []
    assert impurities(Source("phones/sip/net.py", text)) != []
    assert impurities(Source("phones/net.py", text)) == []


def test_an_injected_generator_is_let_pass() -> None:
    assert impurities(Source("phones/a.py", "import random\nrandom.Random(7).random()\nself.random.choice(x)")) == []


def test_a_sleep_is_seen() -> None:
    nap = "time" + ".sleep"
    assert sleeps(Source("tests/a.py", f"import time\n{nap}(1)")) != []


def test_a_thick_plugin_is_seen() -> None:
    assert plugin_imports(Source("ringproof_pytest.py", "import pytest\nfrom harness import pytest_bridge")) != []


def test_a_long_module_is_seen() -> None:
    assert overlong(Source("phones/a.py", "\n" * (MOST_LINES + 1))) != []


@pytest.mark.parametrize(
    "lock",
    [
        "a==1 \\\n    --hash=sha256:00\nb==2\n",
        "a>=1 \\\n    --hash=sha256:00\n",
        "--index-url " + "https:" + "//example.org\na==1 \\\n    --hash=sha256:00\n",
        "a @ file:" + "///x.whl \\\n    --hash=sha256:00\n",
        "",
    ],
)
def test_a_loose_lock_is_seen(lock: str) -> None:
    assert loose_pins(lock) != []


@pytest.mark.parametrize("words", ["see {}work/x", "cd {}root/", "'{}home/me/x'", "from pypi.{}"])
def test_a_forbidden_word_is_seen(words: str) -> None:
    assert forbidden_words("a", words.format("org" if "pypi" in words else SLASH)) != []


def test_ordinary_words_are_let_pass() -> None:
    address = "https:" + SLASH * 2 + "x" + SLASH + "work" + SLASH + "1"
    assert forbidden_words("a", f"homework/x, {address}, /homes, the root/leaf") == []


def test_an_unexplained_dependency_is_seen() -> None:
    text = "\n## Dependencies\n\n- **click**: the command line\n- **gone**: was needed\n\n## Other\n\n- **rich**: no\n"
    assert unexplained(["click>=8", "rich"], text) == ["not explained: rich", "explained, not required: gone"]


def test_an_unknown_target_is_seen() -> None:
    assert unknown_targets("```sh\nmake run\nmake dinner\n```\nor `make tea`", "run: x\nmake := 1\n") == [
        "make dinner",
        "make tea",
    ]
