"""What the fixtures of `ringproof_pytest` are made of. Imported when the first of them is used."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from harness import pytest_allure
from harness.background import BackgroundRun
from harness.pytest_run import command, is_live, is_virtual, left_behind, run_of, target_of
from harness.python_api import Conversing, Fleet, Phone, Target
from harness.python_case import Conversation, PythonCase, PythonRun, python_case
from harness.terminal import block
from harness.verdicts import CaseVerdict, Verdict
from reports.evidence import folder_of

_ENDED = pytest.StashKey[str]()
"""How the body of a test ended: '' well, else why not. Not there when it was interrupted."""


class Outcomes:
    """Notes how tests end, for the Record."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when != "teardown" and _ENDED not in item.stash and (call.when == "call" or not report.passed):
            said = call.excinfo.exconly() if call.excinfo is not None and not report.passed else ""
            item.stash[_ENDED] = said.partition("\n")[0]
        return report


def conversing(request: pytest.FixtureRequest) -> Iterator[Conversing]:
    """A case for one test: begun with the first fixture, ended, cleaned up and judged with the last."""
    node, config = request.node, request.config
    if not config.pluginmanager.has_plugin("ringproof-outcomes"):
        config.pluginmanager.register(Outcomes(), "ringproof-outcomes")
    run = run_of(request.session, [])
    case = _case_of(node, run)
    conversation = Conversation(virtual=is_virtual(config))
    run.add(case, functools.partial(PythonRun, conversation))
    evidence = folder_of(run.folder, case.address)
    talk = Conversing(lambda act: conversation.do(act, lambda: run.error if run.over else ""), evidence)
    yield talk
    failed = node.stash.get(_ENDED, "interrupted")
    conversation.end(f"the test stopped: {failed}" if failed else "")
    verdict = run.wait(case)
    node.user_properties += [("verdict", verdict.verdict.value)]
    left = run.left(case)
    if verdict.verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE):
        evidence = run.evidence(case)
    if pytest_allure.is_wanted(config):
        pytest_allure.keep(node, run.view(case))
    run.forget(case)
    if left:
        pytest.fail(left_behind(left), pytrace=False)
    if not failed and _is_news(verdict, talk):
        # such as a forbidden message that came after its claim was closed
        pytest.fail(block(verdict, shlex.join(case.command), evidence), pytrace=False)


def _is_news(verdict: CaseVerdict, talk: Conversing) -> bool:
    """Whether the judge has something to say that a test which ended well does not know."""
    undone = talk.claimed and not talk.told and verdict.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE)
    return verdict.verdict is Verdict.ERROR or undone


def _case_of(node: pytest.Item, run: BackgroundRun) -> PythonCase:
    path, _, inner = node.nodeid.partition("::")
    chapter = path.removesuffix(".py").replace("/", ".")
    address = f"{chapter}/{inner.replace('::', '.').replace('/', '_')}"
    for number in range(2, 1_000_000):
        if not run.knows(address):
            break
        # the same test once more, by a plugin that repeats
        address = f"{address.partition('~')[0]}~{number}"
    docstring = getattr(getattr(node, "function", None), "__doc__", None) or ""
    again = command(node.config, node.nodeid, run.seed)
    return python_case(address, Path(node.path), docstring, again, target_of(node.config))


def fleet(talk: Conversing) -> Fleet:
    """The phones of the test."""
    return Fleet(talk)


def phone(talk: Conversing) -> Phone:
    """A phone called `phone`, with a device of its own."""
    return Fleet(talk).add("phone")


def target(talk: Conversing) -> Target:
    """What is tested."""
    return Target(talk)


def reference(talk: Conversing, config: pytest.Config) -> Target:
    """The embedded reference; a test that needs it is skipped where a deployment is tested."""
    if is_live(config):
        pytest.skip("it needs the embedded reference, and --ringproof-target names another target")
    return Target(talk)
