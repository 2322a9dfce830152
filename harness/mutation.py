"""Whether the suite bites: run against servers with one thing wrong, it must turn red by the right clause."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

from harness.clauses import catalogue, chapter_of
from harness.engine import Engine, Options
from harness.loader import Case, load_cases, shipped
from harness.verdicts import Verdict
from reference_server.behaviour import Behaviour

Fate = Literal["killed", "survived", "wrong_clause", "equivalent"]

_BROKEN = (Verdict.FAIL, Verdict.NON_STRICT)
_FINE = (Verdict.PASS, Verdict.UNCLEAR)
INTERRUPTED = "interrupted"
NOTHING_TO_TRY = "nothing could be tried"
"""Stands for a clause where no case could be decided at all."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One behaviour to try the suite on.

    Without `must_break` any broken clause kills it. `cases` are addresses; empty: all that are shipped. `equivalent`
    says why nobody can tell it from the sound server, where that is known.
    """

    name: str
    behaviour: Behaviour
    must_break: tuple[str, ...] = ()
    source: str = ""
    note: str = ""
    cases: tuple[str, ...] = ()
    profile: str = "documented"
    """The Kazoo that is expected."""
    equivalent: str = ""
    first: tuple[str, ...] = ()
    """Prefixes of clauses that are looked at first."""
    until_broken: bool = False
    """Stop at the first broken clause."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the suite made of a trial: clause to the cases that found it broken, and how long that took (seconds)."""

    trial: Trial
    broke: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""

    @property
    def killed_by(self) -> list[str]:
        """The cases that found a clause broken which had to break, each once."""
        wanted = self.trial.must_break or tuple(self.broke)
        return list(dict.fromkeys(case for clause in wanted for case in self.broke.get(clause, [])))

    @property
    def fate(self) -> Fate:
        """killed, survived, wrong_clause (red, but for another reason than it should), or equivalent."""
        if self.killed_by:
            return "killed"
        if self.broke:
            return "wrong_clause"
        return "equivalent" if self.trial.equivalent else "survived"


def about(clauses: Iterable[str], cases: Sequence[Case]) -> tuple[str, ...]:
    """The addresses of those `cases` that say something about any of `clauses`."""
    wanted = set(clauses)
    return tuple(case.address for case in cases if wanted & set(case.clauses()))


@lru_cache(maxsize=1)
def _suite() -> tuple[Case, ...]:
    return tuple(load_cases(shipped()))


def attempt(trial: Trial, *, virtual: bool = True, seed: int = 1) -> Outcome:
    """Run the suite against `trial`: first what must break; where that stays green, everything."""
    began = time.monotonic()
    real = not virtual or _needs_sockets(trial)
    chosen = [case for case in _suite() if not trial.cases or case.address in trial.cases]
    if trial.first:
        chosen.sort(key=lambda case: not any(chapter_of(name) in trial.first for name in case.clauses()))
    first = [case for case in chosen if set(case.clauses()) & set(trial.must_break)] if trial.must_break else chosen
    broke, error = _run(trial, first, real=real, seed=seed)
    if trial.must_break and not error and not set(broke) & set(trial.must_break):
        rest, error = _run(trial, [case for case in chosen if case not in first], real=real, seed=seed)
        broke = {**rest, **broke}
    return Outcome(trial, broke, round(time.monotonic() - began, 3), error)


def _needs_sockets(trial: Trial) -> bool:
    """What is wrong with encryption shows only where something is encrypted."""
    known = catalogue()
    return bool(trial.must_break) and all(known[name].encrypted for name in trial.must_break if name in known)


def _run(trial: Trial, cases: Sequence[Case], *, real: bool, seed: int) -> tuple[dict[str, list[str]], str]:
    if not cases:
        return {}, ""
    with tempfile.TemporaryDirectory(prefix="ringproof-") as folder:
        options = Options(
            out=Path(folder),
            behaviour=trial.behaviour,
            profile=trial.profile,
            virtual=not real,
            seed=seed,
            stop_at_first=trial.until_broken,
            stop_at=_BROKEN,
        )
        result = Engine(list(cases), options).run()
    broke: dict[str, list[str]] = {}
    for case in result.verdicts:
        for each in case.clauses:
            if each.verdict in _BROKEN:
                broke.setdefault(each.clause, []).append(case.address)
    if not broke and not any(case.verdict in _FINE for case in result.verdicts):
        # a server on which nothing can be tried is not a sound one either
        broke[NOTHING_TO_TRY] = [case.address for case in result.verdicts]
    return broke, result.error or (INTERRUPTED if result.interrupted else "")


def _leave_interrupts() -> None:
    """Ctrl-C at a terminal reaches all processes; ours is the one that acts upon it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def attempts(trials: Sequence[Trial], *, virtual: bool, seed: int, jobs: int) -> Iterator[Outcome]:
    """Try all, `jobs` at a time in processes of their own, and yield each outcome as it comes.

    Raises KeyboardInterrupt when somebody interrupts.
    """
    if jobs == 1:
        for trial in trials:
            outcome = attempt(trial, virtual=virtual, seed=seed)
            if outcome.error == INTERRUPTED:
                # the engine takes it to clean up
                raise KeyboardInterrupt
            yield outcome
        return
    with ProcessPoolExecutor(jobs, initializer=_leave_interrupts) as pool:
        pending: set[Future[Outcome]] = {pool.submit(attempt, trial, virtual=virtual, seed=seed) for trial in trials}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        finally:
            for each in pending:
                each.cancel()
