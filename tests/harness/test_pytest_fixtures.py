"""The fixtures for people who write Python: what they can say, how claims end, and whose fixture goes first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.judge import judge_record
from harness.verdicts import Verdict
from reports.record import read_record

ROOT = Path(__file__).resolve().parents[2]


def run_tests(folder: Path, text: str, *arguments: str, conftest: str = "") -> subprocess.CompletedProcess[str]:
    """One file of Python tests in a project of its own, in virtual time."""
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "test_mine.py").write_text(text, encoding="utf-8")
    if conftest:
        (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-q", "-rA"]
    command += ["--ringproof-time=virtual", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)


def verdicts(folder: Path, record: str = "out/latest") -> dict[str, Verdict]:
    """Test to what the judge says of it, from the Record on disk."""
    return {each.address.partition("/")[2]: each.verdict for each in judge_record(read_record(folder / record))}


CLAIMS = """
import pytest
from harness.python_api import BrokenPromise, Undecided


def ready(fleet):
    desk = fleet.add("desk")
    desk.register()
    desk.control()
    return desk


def test_kept(target, fleet):
    "What is promised comes to pass."
    desk = ready(fleet)
    assert target.api.post(f"{desk.url}/sync").status == 200
    [notify] = desk.expect("NOTIFY", event="check-sync", exactly=1)
    assert notify.get("event") == "check-sync"


def test_broken(target, fleet):
    desk = ready(fleet)
    target.api.get(desk.url)
    desk.expect("NOTIFY", event="check-sync")


def test_forbidden(target, fleet):
    desk = ready(fleet)
    target.api.post(f"{desk.url}/sync")
    desk.never("NOTIFY", event="check-sync")


def test_undecided(target, fleet):
    desk = fleet.add("desk")
    desk.register()
    target.api.get(desk.url)
    desk.never("NOTIFY", event="check-sync")


def test_own_assertion(target, fleet):
    ready(fleet).expect("NOTIFY", event="check-sync", at_most=1, within=0.1)
    assert target.name == "live"


def test_caught(target, fleet):
    desk = ready(fleet)
    target.api.get(desk.url)
    with pytest.raises(BrokenPromise, match="it did not come"):
        desk.expect("NOTIFY", event="check-sync")
    with pytest.raises(Undecided, match="no call rings at desk"):
        desk.answer()


def test_nothing_claimed(target):
    assert target.api.get(target.account.url).data["id"] == target.account.id
"""


def test_claims_become_outcomes_and_the_judge_agrees(tmp_path: Path) -> None:
    done = run_tests(tmp_path, CLAIMS, "--junitxml=junit.xml")
    outcome = {line.split("::")[1].split(" ")[0]: line.split()[0] for line in done.stdout.splitlines() if "::" in line}
    failing = {"test_broken", "test_forbidden", "test_undecided", "test_own_assertion"}
    assert {name for name, word in outcome.items() if word == "FAILED"} == failing, done.stdout
    assert {name for name, word in outcome.items() if word == "PASSED"} == {
        "test_kept",
        "test_caught",
        "test_nothing_claimed",
    }
    assert verdicts(tmp_path) == {
        "test_kept": Verdict.PASS,
        "test_broken": Verdict.FAIL,
        "test_forbidden": Verdict.FAIL,
        "test_undecided": Verdict.INCONCLUSIVE,
        "test_own_assertion": Verdict.INCONCLUSIVE,
        "test_caught": Verdict.FAIL,
        "test_nothing_claimed": Verdict.INCONCLUSIVE,
    }
    assert '<property name="verdict" value="pass"' in (tmp_path / "junit.xml").read_text("utf-8")


def test_a_broken_claim_is_explained_at_the_line_of_the_test(tmp_path: Path) -> None:
    done = run_tests(tmp_path, CLAIMS, "-k", "broken or undecided")
    assert "desk received none" in done.stdout
    assert "nothing proves that desk could be reached" in done.stdout
    assert '>       desk.expect("NOTIFY", event="check-sync")' in done.stdout
    assert "python_api.py" not in done.stdout
    # a CI is shown the whole explanation once more in the summary
    folders = {line.split("evidence")[1].strip() for line in done.stdout.splitlines() if "  evidence " in line}
    assert len(folders) == 2
    assert all((tmp_path / folder / "case.pcapng").exists() for folder in folders)


LATE = """
def test_late(target, fleet):
    desk = fleet.add("desk")
    desk.register()
    desk.control()
    target.api.get(desk.url)
    desk.never("NOTIFY", event="check-sync")
    fleet.wait(0.5)
    other(target, desk)


def other(target, desk):
    # behind the judge's back, as a server would do it that is late
    path = desk.url + "/sync"

    def act(run):
        return run._api.prepare("POST", path, run._tenancy.known("own").token)

    desk._conversing.ask(act)
    desk._conversing.ask(lambda run: __import__("asyncio").sleep(0.5))
"""


def test_what_comes_after_its_claim_was_closed_is_an_error_of_the_test(tmp_path: Path) -> None:
    done = run_tests(tmp_path, LATE)
    assert "1 passed, 1 error" in done.stdout, done.stdout
    assert "forbidden" in done.stdout
    assert verdicts(tmp_path) == {"test_late": Verdict.FAIL}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('fleet.add("Desk")', "small letters"),
        ('fleet.add("carrier", trunk="x", extension="1")', "a trunk is no device"),
        ('desk.expect("notify")', "expect"),
        ('desk.expect("NOTIFY", exactly=1, at_most=2)', "say `exactly` or `at_most`"),
        ('desk.lamp(desk, becomes="green")', "becomes"),
        ('desk.expect("NOTIFY", where={"Event": {"like": "x"}})', "'like' is no matcher"),
        ('target.account_of("uncle")', "'uncle' is no account"),
    ],
)
def test_misuse_is_a_value_error_in_words(tmp_path: Path, line: str, said: str) -> None:
    text = f"""
import pytest

def test_misuse(fleet, target):
    desk = fleet.add("desk")
    with pytest.raises(ValueError, match={said!r}):
        {line}
"""
    assert "1 passed" in run_tests(tmp_path, text).stdout


def test_braces_in_python_are_no_templates(tmp_path: Path) -> None:
    text = """
def test_odd(fleet, target):
    desk = fleet.add("desk", device={"name": "{{ 7 * 7 }} {% x"})
    assert desk.document["name"] == "{{ 7 * 7 }} {% x"
    reply = target.api.patch(desk.url, data={"name": "{{ desk.id }}"})
    assert reply.data["name"] == "{{ desk.id }}"
"""
    done = run_tests(tmp_path, text)
    assert "1 passed" in done.stdout, done.stdout


def test_a_projects_own_fixture_goes_first(tmp_path: Path) -> None:
    conftest = """
import pytest

@pytest.fixture
def fleet():
    return "ships"

@pytest.fixture
def target():
    return "bull's eye"
"""
    text = """
import sys
import pytest

@pytest.fixture
def phone():
    return "07700 900000"

def test_mine(phone, target, fleet):
    assert (phone, target, fleet) == ("07700 900000", "bull's eye", "ships")
    assert not [name for name in ("harness", "scapy", "pydantic") if name in sys.modules]
"""
    done = run_tests(tmp_path, text, conftest=conftest)
    assert "1 passed" in done.stdout, done.stdout
    assert not (tmp_path / "out").exists()


def test_ours_does_not_rest_on_a_fixture_of_the_project(tmp_path: Path) -> None:
    text = """
import pytest

@pytest.fixture
def fleet():
    return "ships"

def test_both(phone, fleet):
    assert (phone.name, fleet) == ("phone", "ships")
"""
    done = run_tests(tmp_path, text)
    assert "1 passed" in done.stdout, done.stdout


def test_the_reference_is_skipped_where_a_deployment_is_tested(tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text(
        "api: {http: 'http://127.0.0.1:1'}\nsip: {udp: '127.0.0.1:1'}\n"
        "account: {account_id: a, realm: r, auth_token: t}\n",
        encoding="utf-8",
    )
    text = "def test_it(reference):\n    pass\n\n\ndef test_dead(target):\n    target.api.get('/v2/accounts/a')\n"
    done = run_tests(tmp_path, text, "--ringproof-time=real", "--ringproof-target=live.yaml")
    assert "1 failed, 1 skipped" in done.stdout, done.stdout
    assert "--ringproof-target names another target" in done.stdout


def test_tests_under_xdist_share_nothing(tmp_path: Path) -> None:
    done = run_tests(tmp_path, CLAIMS, "-n2", "-k", "kept or caught or nothing")
    assert "3 passed" in done.stdout, done.stdout
    found = {name for worker in ("gw0", "gw1") for name in verdicts(tmp_path, f"out/{worker}/latest")}
    assert found == {"test_kept", "test_caught", "test_nothing_claimed"}


@pytest.mark.parametrize("time", ["virtual", "real"])
def test_the_examples_run(tmp_path: Path, time: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", f"--ringproof-time={time}"]
    command += [f"--ringproof-out={tmp_path}", "docs/examples"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout
    record = read_record(tmp_path / "latest")
    assert {each.verdict for each in judge_record(record)} == {Verdict.PASS}
    assert record.cut == ""
