"""A project with packages named like ours, in whose environment ringproof happens to be installed.

The environment is a bare venv that borrows pytest (and nothing else) from the running one; ringproof comes as a wheel
built from this checkout, without its dependencies: a plugin that needed one of them to start would be found out.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("harness", "phones", "reference_server", "reports", "scenarios")

# For a Python that starts without site-packages, so that no installed ringproof takes part.
PATH_OF_PYTEST = f"import sys; sys.path.append({str(Path(pytest.__file__).parents[1])!r})\n"

FILES = {
    "conftest.py": "import harness.owner\n",
    "harness/__init__.py": "",
    "harness/owner.py": "OWNER = 'somebody else'\n\n\ndef check(name):\n    assert name.upper() == OWNER\n",
    "harness/cli.py": "def main():\n    return 7\n",
    "phones/__init__.py": "",
    "phones/models.py": "from harness.owner import OWNER\n\nMODELS = [OWNER]\n",
    "reports/__init__.py": "",
    "reports/html.py": "def render():\n    return '<p>'\n",
    "scenarios/__init__.py": "",
    "scenarios/first.py": "",
    "tests/__init__.py": "",
    "tests/test_own.py": """
import sys

import harness.cli
import phones.models
import reports.html
import scenarios.first
from harness.owner import check


def test_own_packages_are_meant():
    assert (harness.owner.OWNER, harness.cli.main(), phones.models.MODELS) == ("somebody else", 7, ["somebody else"])
    assert reports.html.render() == "<p>"


def test_nothing_else_was_imported():
    names = {name.partition(".")[0] for name in sys.modules}
    print(sorted(names & {"reference_server", "scapy", "aiohttp", "pydantic", "click", "rich"}))
    print(sys.path)


def test_fails_as_before():
    assert harness.owner.OWNER == "us"


def test_fails_as_before_in_a_package_whose_asserts_pytest_leaves_alone():
    check("us")
""",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """A venv with pytest alone; `project` is the foreign project's folder."""

    python: Path
    project: Path

    def pytest(self, *arguments: str, as_module: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), "-m", "pytest"] if as_module else [str(self.python.parent / "pytest")]
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "COV"))}
        return subprocess.run(
            [*command, *arguments], cwd=self.project, env=clean, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of this checkout, offline; building in place would leave its traces there."""
    source = tmp_path_factory.mktemp("source")
    for name in (*ROOMS, "pyproject.toml", "README.md", "LICENSE", "ringproof_pytest.py"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(source / "dist"), str(source))
    [built] = (source / "dist").glob("ringproof-*.whl")
    return built


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    [packages] = (tmp_path / "venv").glob("lib/python*/site-packages")
    for name in closure("pytest"):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (packages / top).symlink_to(Path(str(distribution.locate_file(top))))
    script = tmp_path / "venv" / "bin" / "pytest"
    script.write_text(f"#!{tmp_path}/venv/bin/python\nimport sys, pytest\nsys.exit(pytest.main())\n")
    script.chmod(0o755)
    for name, text in FILES.items():
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Environment(tmp_path / "venv" / "bin" / "python", tmp_path / "project")


def closure(name: str) -> set[str]:
    """Return the distributions that `name` needs here, itself included."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for text in metadata.requires(current) or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement.name)
    return seen


def drop_init_files(project: Path) -> None:
    """Turn the project's packages into folders without ``__init__.py``, which Python ranks below any other package."""
    for name in ROOMS:
        (project / name / "__init__.py").unlink(missing_ok=True)


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(
        command, env={**os.environ, "PIP_NO_INDEX": "1"}, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr


def install(environment: Environment, wheel: Path) -> None:
    pip("--python", str(environment.python), "install", "--no-deps", str(wheel))


def comparable(output: str) -> str:
    """Return pytest's output without its list of plugins and without durations."""
    lines = [line for line in output.splitlines() if not line.startswith("plugins: ")]
    return re.sub(r"\bin \d+\.\d+s\b( \([\d:]+\))?", "in TIME", "\n".join(lines)).replace("=", "")


@pytest.mark.parametrize("as_module", [True, False], ids=["python -m pytest", "pytest"])
@pytest.mark.parametrize("with_init", [True, False], ids=["packages", "folders"])
def test_a_project_of_the_same_names_is_tested_as_before(
    environment: Environment, wheel: Path, *, as_module: bool, with_init: bool
) -> None:
    if not with_init:
        drop_init_files(environment.project)
    arguments = ("-v", "-s", "-p", "no:cacheprovider")
    before = environment.pytest(*arguments, as_module=as_module)
    install(environment, wheel)
    after = environment.pytest(*arguments, as_module=as_module)
    assert "plugins: " not in before.stdout
    assert "plugins: ringproof-" in after.stdout  # it was there, and stood aside
    assert "2 failed, 2 passed" in before.stdout
    assert comparable(after.stdout) == comparable(before.stdout)
    assert (after.returncode, after.stderr) == (before.returncode, before.stderr) == (1, "")


def help_without_ours(output: str) -> str:
    """pytest's help without the group of our options, and however its columns are wide."""
    ours = r"^ringproof: .*?(?=^\S)"
    return re.sub(r"\s+", " ", re.sub(ours, "", output, flags=re.MULTILINE | re.DOTALL))


def test_its_help_differs_by_the_group_of_our_options_alone(environment: Environment, wheel: Path) -> None:
    before = environment.pytest("--help", "-p", "no:cacheprovider")
    install(environment, wheel)
    after = environment.pytest("--help", "-p", "no:cacheprovider")
    assert after.stdout.count("--ringproof-") == 6
    assert "--ringproof-" not in help_without_ours(after.stdout)
    assert help_without_ours(after.stdout) == help_without_ours(before.stdout)
    assert (after.returncode, after.stderr) == (before.returncode, before.stderr) == (0, "")


OWN_FIXTURES = """
import sys

import pytest

NAMES = ("fleet", "phone", "target", "reference")


@pytest.fixture(params=["0700", "0800"])
def phone(request):
    return request.param


@pytest.fixture
def target(phone):
    return f"dial {phone}"


def test_own_fixtures_are_meant(target, phone, fleet, reference):
    assert (target, fleet, reference) == (f"dial {phone}", ["ship"], "RFC 2549")
    assert not sys.modules.keys() & {"scapy", "pydantic", "reference_server"}
"""

OWN_CONFTEST = """
import pytest


@pytest.fixture(scope="session")
def fleet():
    return ["ship"]


@pytest.fixture(scope="module")
def reference():
    return "RFC 2549"
"""


def test_its_own_fixtures_of_our_names_are_meant(environment: Environment, wheel: Path) -> None:
    (environment.project / "tests" / "test_fixtures.py").write_text(OWN_FIXTURES)
    (environment.project / "tests" / "conftest.py").write_text(OWN_CONFTEST)
    arguments = ("-v", "-s", "--setup-show", "-p", "no:cacheprovider", "tests/test_fixtures.py")
    before = environment.pytest(*arguments)
    install(environment, wheel)
    after = environment.pytest(*arguments)
    assert "2 passed" in before.stdout
    assert comparable(after.stdout) == comparable(before.stdout)
    assert (after.returncode, after.stderr) == (before.returncode, before.stderr) == (0, "")


def test_our_fixtures_name_the_clash(environment: Environment, wheel: Path) -> None:
    install(environment, wheel)
    (environment.project / "tests" / "test_fixtures.py").write_text("def test_it(phone):\n    pass\n")
    done = environment.pytest("--color=no", "-p", "no:cacheprovider", "tests/test_fixtures.py")
    said = [line for line in done.stdout.splitlines() if line.startswith("E ") or "cannot be used" in line]
    assert f"'harness' ({environment.project / 'harness'})" in said[0]
    assert "ringproof's fixtures cannot be used here" in said[0]
    assert "1 error" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("folder", [".", "tests", "aaa"])
@pytest.mark.parametrize("with_init", [True, False], ids=["packages", "folders"])
def test_a_scenario_file_in_such_a_project_names_the_clash_in_one_sentence(
    environment: Environment, wheel: Path, folder: str, *, with_init: bool
) -> None:
    if not with_init:
        drop_init_files(environment.project)
    install(environment, wheel)
    for name in ("one", "two"):
        path = environment.project / folder / f"{name}.scenario.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text("title: x\nsteps: []\n")
    done = environment.pytest("--color=no")
    output = done.stdout + done.stderr
    said = [line for line in output.splitlines() if "ringproof cannot run" in line]
    [packages] = (environment.python.parents[1]).glob("lib/python*/site-packages")
    assert len(said) == 1, output
    assert f"'harness' ({environment.project / 'harness'})" in said[0]
    assert f"({packages / 'harness'})" in said[0]
    assert "Traceback" not in output
    assert "1 error" in output
    assert done.returncode == pytest.ExitCode.INTERRUPTED


def test_the_clash_is_seen_before_anything_of_ours_is_imported(environment: Environment, wheel: Path) -> None:
    # A package that only the scenario's own folder would bring onto the path, of a room that is imported late.
    install(environment, wheel)
    shutil.rmtree(environment.project)
    inner = environment.project / "inner"
    (inner / "reports").mkdir(parents=True)
    (inner / "reports" / "__init__.py").write_text("")
    (inner / "one.scenario.yaml").write_text("title: x\nsteps: []\n")
    done = environment.pytest("--color=no", "-c", os.devnull, "--rootdir", str(environment.project))
    assert f"'reports' ({inner / 'reports'})" in done.stdout
    assert done.returncode == pytest.ExitCode.INTERRUPTED


@pytest.mark.parametrize("on_path", [True, False], ids=["installed", "editable"])
def test_a_folder_of_output_is_no_clash(wheel: Path, tmp_path: Path, *, on_path: bool) -> None:
    # An editable install's packages are found by a finder behind the path, where a mere folder would hide them.
    ours = tmp_path / "ours"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(ours)
    for name in ROOMS:
        (tmp_path / "project" / name).mkdir(parents=True)
        (tmp_path / "project" / name / "junit.xml").write_text("<x/>")
    script = f"""
import importlib.machinery, pathlib, sys
sys.path.append({str(ours)!r})
import ringproof_pytest
if not {on_path}:
    sys.path.remove({str(ours)!r})
sys.meta_path.insert(sys.meta_path.index(importlib.machinery.PathFinder), ringproof_pytest.OursLast)
file = pathlib.Path.cwd() / "one.scenario.yaml"
print(*ringproof_pytest.clashes(file, file.parent))
import reports
print(reports.__file__)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PATH_OF_PYTEST + script],
        cwd=tmp_path / "project",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"\n{ours / 'reports' / '__init__.py'}\n"


def test_a_package_that_only_an_editable_install_finds_goes_first(environment: Environment, wheel: Path) -> None:
    outside = environment.project.parent / "outside" / "harness"
    outside.mkdir(parents=True)
    (outside / "__init__.py").write_text("OWNER = 'somebody else'\n")
    shutil.rmtree(environment.project)
    environment.project.mkdir()
    (environment.project / "test_one.py").write_text(
        "import harness\n\n\ndef test_one():\n    assert harness.OWNER == 'somebody else'\n"
    )
    [packages] = (environment.python.parents[1]).glob("lib/python*/site-packages")
    (packages / "editable_finder.py").write_text(
        "import sys\nfrom importlib.machinery import PathFinder\n\n\nclass Finder:\n    @staticmethod\n"
        "    def find_spec(name, path=None, target=None):\n"
        f"        return PathFinder.find_spec(name, [{str(outside.parent)!r}]) if name == 'harness' else None\n\n\n"
        "sys.meta_path.append(Finder)\n"
    )
    (packages / "editable.pth").write_text("import editable_finder\n")
    install(environment, wheel)
    done = environment.pytest("-q", as_module=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_the_wheel_has_every_file_of_the_rooms(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()} - packed == set()
    assert {name.partition("/")[0] for name in packed} == {*ROOMS, "ringproof_pytest.py"}


def test_the_plugin_imports_only_pytest_and_the_standard_library() -> None:
    script = "import sys; import ringproof_pytest; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not [name for name in (*ROOMS, "scapy", "aiohttp", "pydantic") if f"'{name}'" in done.stdout]
