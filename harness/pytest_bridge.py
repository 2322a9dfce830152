"""Scenario files as pytest items. Imported by the plugin `ringproof_pytest` when a scenario file is collected.

The cases that are left after deselection run together on a background loop, as `ringproof run` runs them; each item
waits for its own. Under xdist every worker runs only the items that it is given, one by one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.engine import Engine, Options, RunResult
from harness.errors import RingproofError, ScenarioError
from harness.loader import Case, load_file
from harness.target import load_target
from harness.terminal import block
from harness.verdicts import CaseVerdict, Verdict
from reference_server.profiles import PROFILES

_KEY = pytest.StashKey["BackgroundRun"]()


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
        for case in cases:
            yield CaseItem.from_parent(self, name=case.address.rpartition("/")[2], case=case)


class CaseFailed(Exception):
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
        self.verdict = _run_of(self).wait(self.case)
        self.user_properties += [
            ("verdict", self.verdict.verdict.value),
            ("clauses", " ".join(each.clause for each in self.verdict.clauses)),
        ]
        if self.verdict.verdict in (Verdict.SKIPPED, Verdict.UNSUPPORTED):
            pytest.skip(self.verdict.reason)
        if self.verdict.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR):
            raise CaseUndecided(self._explanation())

    def runtest(self) -> None:
        """Fail when the promise was broken."""
        if self.verdict.verdict is Verdict.FAIL:
            raise CaseFailed(self._explanation())

    def _explanation(self) -> str:
        return block(self.verdict, "", _run_of(self).folder)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The explanation alone: a traceback through the harness helps nobody."""
        if isinstance(excinfo.value, CaseFailed | CaseUndecided | RingproofError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the case is, for pytest's headings."""
        return self.path, 0, self.case.address


class BackgroundRun:
    """The engine on a thread of its own, started by the first item that needs a verdict."""

    def __init__(self, cases: list[Case], options: Options) -> None:
        self._options = Options(
            out=options.out,
            behaviour=options.behaviour,
            profile=options.profile,
            target=options.target,
            virtual=options.virtual,
            seed=options.seed,
            progress=self._progress,
        )
        self._engine = Engine(cases, self._options)
        self._result: RunResult | None = None
        self._verdicts: dict[str, CaseVerdict] = {}
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ringproof", daemon=True)
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where the Record is."""
        return self._engine.result.folder

    def _run(self) -> None:
        result = self._engine.run()
        with self._changed:
            self._result = result
            self._changed.notify_all()

    def _progress(self, verdict: CaseVerdict | None, address: str) -> None:
        if verdict is not None:
            with self._changed:
                self._verdicts[address] = verdict
                self._changed.notify_all()

    def wait(self, case: Case) -> CaseVerdict:
        """The verdict on `case`, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: case.address in self._verdicts or self._result is not None)
            if case.address in self._verdicts:
                return self._verdicts[case.address]
        error = self._result.error if self._result else ""
        return CaseVerdict(case.address, Verdict.ERROR, reason=error or "the run ended before this case")

    def stop(self) -> None:
        """Interrupt what is still running and wait until it has cleaned up."""
        self._engine.interrupt()
        self._thread.join()


def _run_of(item: CaseItem) -> BackgroundRun:
    stash = item.session.stash
    if hasattr(item.config, "workerinput"):
        # an xdist worker learns item by item what it has to run
        if _KEY in stash:
            stash[_KEY].stop()
        stash[_KEY] = BackgroundRun([item.case], _options(item.config))
    elif _KEY not in stash:
        cases = [each.case for each in item.session.items if isinstance(each, CaseItem)]
        stash[_KEY] = BackgroundRun(cases, _options(item.config))
        item.session.addfinalizer(stash[_KEY].stop)
    return stash[_KEY]


def _options(config: pytest.Config) -> Options:
    """The run that pytest's options ask for. Raises UsageError of pytest."""

    def given(name: str) -> Any:
        return config.getoption(f"ringproof_{name}", default=None)

    profile = given("profile") or "documented"
    if profile not in PROFILES:
        raise pytest.UsageError(f"--ringproof-profile {profile}: there is {', '.join(PROFILES)}")
    try:
        target = load_target(Path(given("target"))) if given("target") not in (None, "reference") else None
    except RingproofError as error:
        raise pytest.UsageError(error.message) from error
    seed = given("seed")
    return Options(
        out=Path(given("out") or "out"),
        behaviour=PROFILES[profile],
        profile=profile,
        target=target,
        virtual=given("time") == "virtual",
        seed=int(seed) if seed is not None else random.SystemRandom().getrandbits(16),
    )
