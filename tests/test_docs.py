"""What the documents say is what the product does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.clauses import catalogue
from harness.cli import COMMANDS
from harness.commands.new import EXAMPLE
from harness.commands.schema import schema
from harness.loader import load_cases, load_file, shipped
from harness.python_api import Phone
from harness.scenario import Scenario

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_run_that_the_readme_shows_is_of_the_suite_that_is_shipped() -> None:
    cases = load_cases(shipped())
    shown = re.search(r"ringproof: (\d+) cases against", README)
    closing = re.search(r"^((?:\d+ [a-z_]+, )*\d+ [a-z_]+) in [\d.]+ s$", README, re.MULTILINE)
    assert shown is not None
    assert closing is not None
    assert int(shown[1]) == sum(map(int, re.findall(r"\d+", closing[1]))) == len(cases)


def test_the_failure_that_the_readme_shows_is_what_the_run_says(tmp_path: Path) -> None:
    command, shown = re.findall(r"^\$ \.venv/bin/ringproof (run .*)\n((?:.*\n)*?)```", README, re.MULTILINE)[0]
    arguments = [sys.executable, "-m", "harness.cli", *command.split(), "--out", str(tmp_path / "out")]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=100)
    said = [line.rstrip().replace(str(tmp_path / "out"), "out") for line in done.stdout.splitlines()]
    assert [line for line in shown.splitlines() if line not in said] == []


def test_the_statements_that_the_readme_shows_are_the_catalogues() -> None:
    lines = re.findall(r" [✓≈] ([A-Z]+-\d+) +(.+?)…?  \((\d+) cases?\)", README)
    assert len(lines) > 5
    cases = load_cases(shipped())
    for clause, statement, count in lines:
        assert catalogue()[clause].statement.startswith(statement), clause
        assert sum(clause in case.clauses() for case in cases) == int(count), clause


def test_figures_of_the_changelog() -> None:
    figures = re.search(r"(\d+) clauses on .*?with (\d+) scenario files", CHANGELOG, re.DOTALL)
    assert figures is not None
    assert int(figures[1]) == len(catalogue())
    assert int(figures[2]) == len(shipped())


def test_commands_that_the_readme_shows_exist() -> None:
    shown = set(re.findall(r"`ringproof ([a-z]+)", README))
    assert shown
    assert shown <= COMMANDS.keys()


def test_the_schema_for_editors_is_current() -> None:
    written = json.loads((ROOT / "scenarios" / "schema.json").read_text(encoding="utf-8"))
    assert written == schema("scenario"), "make schema"


def test_every_shipped_scenario_proves_a_clause_and_every_clause_has_a_scenario() -> None:
    proved = {name for case in load_cases(shipped()) for name in case.clauses()}
    assert proved == catalogue().keys()


def test_the_first_scenario_of_the_language_description_loads(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith(("title:", "#"))]
    whole = [block for block in blocks if "title:" in block]
    assert whole
    for number, block in enumerate(whole):
        path = tmp_path / f"example{number}.scenario.yaml"
        path.write_text(block, encoding="utf-8")
        assert load_file(path)


def test_the_steps_of_the_language_description_are_steps() -> None:
    text = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n(- .*?)```", text, re.DOTALL):
        Scenario.model_validate({"title": "t", "clauses": ["SYNC-01"], "steps": yaml.safe_load(block)})


@pytest.mark.parametrize("word", ["title", "clauses", "matrix", "phones", "steps"])
def test_the_example_of_new_explains_itself(word: str) -> None:
    assert f"\n{word}:" in EXAMPLE


def test_pictures_that_documents_show_are_there_and_every_picture_has_its_document() -> None:
    from tests.interop.screenshots import SCHEMES, SHOTS, WIDTHS

    shown = {
        (page.parent / name).resolve()
        for page in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"\]\(([^)]+\.png)\)", page.read_text(encoding="utf-8"))
    }
    taken = set((ROOT / "docs" / "screenshots").glob("*.png"))
    assert shown <= taken
    names = {f"{shot.name}-{width}-{scheme}.png" for shot in SHOTS for width in WIDTHS for scheme in SCHEMES}
    assert {path.name for path in taken} == names


def test_the_options_of_pytest_are_all_described_and_none_else() -> None:
    plugin = (ROOT / "ringproof_pytest.py").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(--ringproof-[a-z]+)", (ROOT / "docs" / "pytest.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(described) == sorted(re.findall(r'addoption\("(--ringproof-[a-z]+)"', plugin))


def test_the_python_of_the_documentation_runs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    (tmp_path / "test_documented.py").write_text("\n".join(blocks), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ringproof-time=virtual"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert f"{len(blocks)} passed" in done.stdout, done.stdout


def test_what_the_documentation_says_of_phones_exists() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    said = set(re.findall(r"`phone\.([a-z_]+)", text))
    assert len(said) >= 8
    assert [name for name in sorted(said) if not hasattr(Phone, name)] == []
    public = {name for name in vars(Phone) if not name.startswith("_")}
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", text)] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
