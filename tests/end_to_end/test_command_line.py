"""The command line: one readable error a mistake, one JSON document, and nothing suggested that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from harness.cli import COMMANDS
from harness.commands.schema import NAMES, schema
from harness.documents import PRINTED, ErrorDocument
from tests.end_to_end.conftest import CommandLine, Run
from tests.end_to_end.support import ROOT, Done, ringproof

HEAD = "title: Mine\nclauses: [SYNC-01]\nphones:\n  desk:\nsteps:\n"

# --- mistakes in files: exit 4, one error with its place and a hint, nothing ran --------------------------------------

MISTAKES: dict[str, tuple[bytes, str, str, str]] = {
    "typo": (HEAD.encode() + b"  - reqest: GET /v2\n", "6:5", "a step has exactly one of", "did you mean 'request'?"),
    "wrong type": (HEAD.encode() + b"  - wait: soon\n", "6:11", "steps.0.wait: a duration such as 2s", ""),
    "unknown phone": (HEAD.encode() + b"  - register: desc\n", "6:5", "unknown phone 'desc'", "did you mean 'desk'?"),
    "bad YAML": (HEAD.encode() + b"  - mark: a: b\n", "6:12", "is not YAML: mapping values", "needs quotes"),
    "Jinja error": (HEAD.encode() + b"  - request: GET /{{ desk.ulr }}\n", "6:5", "has no 'ulr'; it has address", ""),
    "Jinja syntax": (HEAD.encode() + b"  - request: GET /{{ desk.url }\n", "6:5", "Jinja2: ", ""),
    "not UTF-8": (HEAD.encode() + b"  - mark: caf\xe9\n", "6:14", "is not UTF-8", "save the file as UTF-8"),
    "empty": (b"", "1:1", "holds no scenario", "ringproof new NAME writes an example"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_file(cli: CommandLine, tmp_path: Path, mistake: str) -> None:
    content, place, said, hint = MISTAKES[mistake]
    (tmp_path / "good.scenario.yaml").write_text(HEAD + "  - register: desk\n")
    (tmp_path / "mine.scenario.yaml").write_bytes(content)
    for selectors in (["mine.scenario.yaml"], ["."], ["good.scenario.yaml", "mine.scenario.yaml", "SYNC"]):
        done = cli("run", *selectors, "--time", "virtual")
        assert (done.code, done.out) == (4, "")
        first, *more = done.err.splitlines()
        assert first.startswith(f"mine.scenario.yaml:{place}: ")
        assert said in first
        assert [line for line in more if hint and hint in line] or not hint
        assert more[-1] == "ringproof: 1 error in scenario files; nothing was run"
        assert len(more) <= 2
        assert not (tmp_path / "out").exists()
    line, column = map(int, place.split(":"))
    for command in ("run", "list"):
        document = cli(command, "mine.scenario.yaml", "--format", "json").document
        error = document["error"]
        assert (error["kind"], error["file"]) == ("scenario", "mine.scenario.yaml")
        assert (error["line"], error["column"]) == (line, column)
        assert said in error["message"]
        assert hint in error["hint"]


def test_every_broken_file_has_its_error(cli: CommandLine, tmp_path: Path) -> None:
    for number, (content, *_) in enumerate(MISTAKES.values()):
        (tmp_path / f"m{number}.scenario.yaml").write_bytes(content)
    done = cli("run", ".", "--format", "json")
    assert done.code == 4
    error = done.document["error"]
    files = [each["file"] for each in (error, *error["others"])]
    assert files == [f"m{number}.scenario.yaml" for number in range(len(MISTAKES))]
    TypeAdapter(ErrorDocument).validate_python(done.document)


# --- mistakes on the command line -------------------------------------------------------------------------------------

USAGE: list[tuple[list[str], str]] = [
    (["rum"], "there is no command 'rum'. Did you mean 'run'?"),
    (["run", "--jbos", "3"], "No such option '--jbos'"),
    (["run", "--jobs", "0"], "0 is not in the range"),
    (["run", "--jobs", "many"], "'many' is not a valid integer"),
    (["run", "--time", "slow"], "'slow' is not one of"),
    (["run", "--seed", "-1"], "-1 is not in the range"),
    (["run", "SYNK-02"], "nothing is selected by 'SYNK-02'"),
    (["run", "sync/*[v3]"], "nothing is selected by"),
    (["run", "no.scenario.yaml"], "no.scenario.yaml: no such file or folder"),
    (["run", "empty"], "empty: no *.scenario.yaml below this folder"),
    (["run", "plain.yaml"], "plain.yaml: scenario files end in .scenario.yaml"),
    (["run", "--target", "no.yaml"], "no.yaml: no such file"),
    (["run", "--target", "no.yaml", "--time", "virtual"], "are for the embedded reference"),
    (["run", "--target", "no.yaml", "--mutant", "sync-twice"], "are for the embedded reference"),
    (["list", "NOPE"], "nothing is selected by 'NOPE'"),
    (["report"], "Missing argument"),
    (["report", "nowhere"], "nowhere/events.jsonl: No such file or directory"),
    (["report", "empty"], "empty/events.jsonl: No such file or directory"),
    (["schema", "nothing"], "'nothing' is not one of"),
    (["new"], "Missing argument"),
    (["serve", "--sip-port", "-1"], "-1 is not in the range"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE, ids=[" ".join(each[0]) for each in USAGE])
def test_a_mistake_on_the_command_line(cli: CommandLine, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "plain.yaml").write_text("")
    done = cli(*arguments)
    assert (done.code, done.out) == (4, "")
    assert said in done.err
    assert done.err.startswith("ringproof: ")
    assert "Traceback" not in done.err
    as_json = cli(*arguments, "--format", "json")
    assert (as_json.code, as_json.err) == (4, "")
    document = as_json.document
    assert said in document["error"]["message"]
    assert document["exit_code"] == 4
    TypeAdapter(ErrorDocument).validate_python(document)
    assert not (tmp_path / "out").exists()


# --- JSON documents ---------------------------------------------------------------------------------------------------


def valid(name: str, done: Done) -> Any:
    """The one document on standard output, which is what the schema of the command says."""
    document = done.document
    assert done.out.count('"tool"') == 1
    TypeAdapter(PRINTED[name]).validate_python(document, strict=True)
    assert (document["schema"], document["tool"], document["command"]) == (1, "ringproof", name)
    assert document["exit_code"] == done.code
    return document


def test_documents_of_run_and_report(cli: CommandLine, tmp_path: Path) -> None:
    for arguments, code in (
        (("sync/flag-true",), 0),
        (("sync/flag-false", "--mutant", "sync-ignores-flag"), 1),
        (("sync/path-on-v1",), 0),
        (("SYNK",), 4),
        (("sync/path-on-v1", "--out", "/dev/null/out"), 3),
    ):
        done = cli("run", *arguments, "--time", "virtual", "--format", "json")
        document = valid("run", done)
        assert done.code == code, done.err
        assert ("error" in document) == (code in (3, 4))
        if code in (0, 1):
            assert sum(document["verdicts"].values()) == len(document["cases"]) > 0
            report = valid("report", cli("report", "out/latest", "--format", "json"))
            for case in report["cases"]:
                # the same folder by its other name
                case["evidence"] = case["evidence"].replace("out/latest", f"out/{document['run']}")
            assert report["cases"] == document["cases"]
            assert (report["cut"], report["changed"], report["exit_code"]) == ("", [], code)
            assert all(Path(tmp_path, case["evidence"]).is_dir() for case in document["cases"])
    valid("report", cli("report", "nowhere", "--format", "json"))


def test_documents_of_list(cli: CommandLine, tmp_path: Path) -> None:
    every = valid("list", cli("list", "--format", "json"))
    assert all(clause["scenarios"] for clause in every["clauses"])
    assert len(every["scenarios"]) >= 20
    one = valid("list", cli("list", "SYNC-17", "--format", "json"))
    assert [each["title"] for each in one["scenarios"]]
    mutants = valid("list", cli("list", "--mutants", "--format", "json"))
    assert "sync-forgotten" in [each["name"] for each in mutants["mutants"]]
    valid("list", cli("list", "NOPE", "--format", "json"))


def test_documents_of_mutants(cli: CommandLine) -> None:
    tried = valid("mutants", cli("mutants", "SYNC-09", "--format", "json"))
    assert (tried["killed"], tried["total"], tried["interrupted"], tried["survivors"]) == (2, 2, False, [])
    flips = valid("mutants", cli("mutants", "--flips", "reset.flag=*", "--jobs", "1", "--format", "json"))
    assert [each["verdict"] for each in flips["mutants"]] == ["equivalent"]
    listed = valid("mutants", cli("mutants", "SYNC-09", "--list", "--format", "json"))
    assert [each["name"] for each in listed["mutants"]] == [each["name"] for each in tried["mutants"]]
    valid("mutants", cli("mutants", "nobody", "--format", "json"))


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_printed(cli: CommandLine, tmp_path: Path, name: str) -> None:
    done = cli("schema", name)
    assert done.code == 0
    assert done.document == schema(name)
    assert done.document["$schema"].endswith("2020-12/schema")


def test_a_record_that_was_tampered_with_is_damaged(virtual: Run, cli: CommandLine, tmp_path: Path) -> None:
    header, *lines = (virtual.result.folder / "events.jsonl").read_text().splitlines()[:400]
    for damage in ('"spec":{', '"clauses":[', '"status":', '"cases":['):
        text = "\n".join([header, *lines]).replace(damage, damage.replace(":", "x:", 1).replace('"', '"x', 1)) + "\n"
        (tmp_path / "events.jsonl").write_text(text.replace("x:", '":').replace('"x', '"x').replace('"":', '":'))
        done = cli("report", tmp_path)
        assert done.code in (4, 7), done.out + done.err
        assert "Traceback" not in done.err
        assert "CUT" in done.out or "damaged" in done.err or "no Record" in done.err


# --- help, and what is suggested --------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], *([name, "--help"] for name in COMMANDS)])
def test_help(cli: CommandLine, tmp_path: Path, arguments: list[str]) -> None:
    done = cli(*arguments)
    text = done.out + done.err
    assert done.code == (0 if arguments else 4) or "Usage" in text
    assert "Usage: ringproof" in text
    for name in COMMANDS:
        assert arguments[:1] == [name] or name in text or len(arguments) == 2


def test_the_version(tmp_path: Path) -> None:
    done = ringproof("--version", cwd=tmp_path)
    assert done.code == 0
    assert re.fullmatch(r"ringproof \d+\.\d+\.\d+\S*\n", done.out)


def suggestions() -> set[tuple[str, tuple[str, ...]]]:
    """Every `ringproof COMMAND --option …` in help, messages, and what is written for people."""
    texts = [path.read_text() for path in (*ROOT.glob("harness/**/*.py"), *ROOT.glob("reports/**/*.py"))]
    texts += [
        path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("scenarios/**/*.yaml"))
    ]
    found = set()
    for text in texts:
        shown = re.findall(r"ringproof ([a-z]+)\b([^`\n\"]*)", text)
        shown += re.findall(rf"`({'|'.join(COMMANDS)})\b([^`\n]*)`", text)
        found |= {(command, tuple(re.findall(r"--[a-z-]+", rest))) for command, rest in shown}
    return found


def test_every_command_and_option_that_is_suggested_exists(cli: CommandLine, tmp_path: Path) -> None:
    # what follows the name in a sentence
    words = {"a", "and", "as", "by", "can", "cannot", "command", "does", "failed", "for", "has", "in", "is", "it"}
    words |= {"itself", "may", "needs", "not", "on", "or", "plays", "prints", "proves", "reads", "to", "whole", "with"}
    found = suggestions()
    assert {command for command, _ in found} - words - COMMANDS.keys() == set()
    assert {command for command, _ in found} >= {"run", "list", "new", "report", "schema", "serve"}
    helps = {name: cli(name, "--help").out for name in COMMANDS}
    for command, options in found:
        if command in COMMANDS:
            for option in options:
                assert option in helps[command], (command, option)


def test_the_examples_of_the_help_run(cli: CommandLine, tmp_path: Path) -> None:
    text = cli("--help").out
    examples = re.findall(r"^ +ringproof ([a-z].*?)(?:   |; ringproof (.*?) runs it)", text, re.MULTILINE)
    assert ("list SYNC-02", "") in examples
    assert cli("list", "SYNC-02").code == 0
    assert cli("run", "SYNC-02", "--time", "virtual").code == 0


# --- new --------------------------------------------------------------------------------------------------------------


def test_a_new_scenario_runs_green(cli: CommandLine, tmp_path: Path) -> None:
    done = cli("new", "mine/first")
    assert done.code == 0
    [command] = re.findall(r"Run it:  ringproof (.*)$", done.out, re.MULTILINE)
    assert command == "run mine/first.scenario.yaml"
    assert f"Run it:  ringproof {command}" in (tmp_path / "mine" / "first.scenario.yaml").read_text()
    for arguments in (command.split(), ["run", "mine"], ["run", "mine/first.scenario.yaml", "first"]):
        run = cli(*arguments, "--time", "virtual")
        assert (run.code, run.err) == (0, ""), run.out
        assert "2 pass" in run.out
    on_sockets = ringproof(*command.split(), cwd=tmp_path)
    assert on_sockets.code == 0, on_sockets.out
    again = cli("new", "mine/first")
    assert (again.code, again.out) == (4, "")
    assert "is there already" in again.err
    document = json.loads(cli("new", "mine/second.scenario.yaml", "--format", "json").out)
    assert document["cases"] == ["mine/second[v1]", "mine/second[v2]"]


def test_a_new_scenario_where_none_can_be(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = cli("new", "file/first")
    assert (done.code, done.out) == (4, "")
    assert "Traceback" not in done.err
    assert "cannot be written" in done.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_in_one_sentence(cli: CommandLine, tmp_path: Path) -> None:
    """Also where only the output is full: no traceback."""
    for seed in ("1", "2"):
        cli("run", "sync/path-on-v1", "--time", "virtual", "--seed", seed)
    folder = (tmp_path / "out" / "latest").resolve()
    (folder / "events.jsonl").unlink()
    (folder / "events.jsonl").symlink_to("/dev/full")
    done = cli("run", "sync/path-on-v1", "--time", "virtual", "--seed", "2")
    assert done.code == 3
    assert re.search(
        r"^ringproof: cannot write the Record into out/\w+: No space left on device$", done.out, re.MULTILINE
    )
    assert "Traceback" not in done.out + done.err
