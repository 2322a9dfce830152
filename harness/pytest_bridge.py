"""Scenario files as pytest items. Imported by the plugin `ringproof_pytest` when a scenario file is collected.

The cases that are left after deselection run together on a background loop, as `ringproof run` runs them; each item
waits for its own. Under xdist a worker does the same with the items that have been dealt to it (`xdist_sharing`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness import pytest_allure, xdist_sharing
from harness.background import BackgroundRun
from harness.errors import RingproofError, ScenarioError
from harness.loader import Case, load_file, shown
from harness.pytest_run import command, in_options_of_pytest, left_behind, run_of
from harness.terminal import block
from harness.verdicts import Verdict

_FILES = pytest.StashKey[dict[str, Path]]()


def collect(parent: pytest.Collector, path: Path) -> pytest.File:
    """The collector of one scenario file."""
    return ScenarioFile.from_parent(parent, path=path)


class ScenarioFile(pytest.File):
    """One scenario file; its cases are its items."""

    def collect(self) -> Iterable[CaseItem]:
        """One item per case. Raises CollectError with the position of the first mistake."""
        try:
            cases = load_file(self.path)
        except ScenarioError as error:
            hint = f"\n  hint: {error.hint}" if error.hint else ""
            raise self.CollectError(f"{error.position}: {error.message}{hint}") from error
        files = self.config.stash.setdefault(_FILES, {})
        for case in cases:
            if files.setdefault(case.address, self.path) != self.path:
                where = f"{shown(self.path)}:1:1"
                raise self.CollectError(f"{where}: case {case.address} is also in {shown(files[case.address])}")
            name = case.address.rpartition("/")[2]
            # said in full: a pytest that takes ids apart (9.2) would take a name with brackets for another one in --lf
            yield CaseItem.from_parent(self, name=name, nodeid=f"{self.nodeid}::{name}", case=case)


class CaseFailed(AssertionError):
    """A promise was broken. The message is the whole explanation."""


class CaseUndecided(Exception):
    """Nothing can be said, or ringproof itself failed: an error for pytest, not a failure of the target."""


class CaseItem(pytest.Item):
    """One case."""

    def __init__(self, *, case: Case, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.case = case

    def setup(self) -> None:
        """Wait for the case: what cannot be decided is an error here, as pytest's errors are."""
        self.run = self._begun()
        self.verdict = self.run.wait(self.case)
        self.user_properties += [
            ("verdict", self.verdict.verdict.value),
            ("clauses", " ".join(each.clause for each in self.verdict.clauses)),
        ]
        if self.verdict.verdict in (Verdict.SKIPPED, Verdict.UNSUPPORTED):
            raise pytest.skip.Exception(in_options_of_pytest(self.verdict.reason), _use_item_location=True)
        if self.verdict.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR):
            raise CaseUndecided(self.explanation())

    def _begun(self) -> BackgroundRun:
        """The run, with this case and everything else in it that is known to be wanted."""
        items: list[pytest.Item] = self.session.items
        if xdist_sharing.is_worker(self.config):
            items = [self, *xdist_sharing.dealt(self.session)]
        cases = [item.case for item in items if isinstance(item, CaseItem)]
        run = run_of(self.session, cases)
        for case in cases:
            run.add(case)
        return run

    def runtest(self) -> None:
        """Fail when the promise was broken."""
        if self.verdict.verdict is Verdict.FAIL:
            raise CaseFailed(self.explanation())

    def teardown(self) -> None:
        """Say what could not be taken away from the target."""
        if (run := getattr(self, "run", None)) is None:
            return
        left = run.left(self.case)
        if pytest_allure.is_wanted(self.config):
            pytest_allure.keep(self, run.view(self.case))
        run.forget(self.case)
        if left:
            raise CaseUndecided(left_behind(left))

    def explanation(self) -> str:
        """The case for a person who has not read the source, with the line to run it again."""
        line = command(self.config, f"{shown(self.path)}::{self.name}", self.run.seed)
        return block(self.verdict, shlex.join(line), self.run.evidence(self.case))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The explanation alone: a traceback through the harness helps nobody."""
        if isinstance(excinfo.value, CaseFailed | CaseUndecided | RingproofError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the case is, for pytest's headings."""
        return self.path, 0, self.case.address
