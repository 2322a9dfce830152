"""The hunt itself: histories until the time is up; what breaks a law is shrunk, told, and shown to be what it seems."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hypothesis.errors import Flaky

from harness.clauses import catalogue
from harness.engine import Engine, Options, RunResult
from harness.errors import HarnessError
from harness.habits import HABITS, lacking
from harness.hunting.causes import cause_of
from harness.hunting.events import GROUP, OfficeEvent, contains
from harness.hunting.laws import Breach
from harness.hunting.litter import office_by_office
from harness.hunting.machine import LENGTH, TimeIsUp, make_machine, run_machine
from harness.hunting.office import Office
from harness.hunting.shrinking import shrink
from harness.hunting.telling import Tale, scenario_text
from harness.loader import SUFFIX, load_cases
from harness.verdicts import Verdict
from reference_server.behaviour import Behaviour
from reference_server.profiles import PROFILES

BATCH = 25
"""Histories that Hypothesis is asked for at a time."""
RED = (Verdict.FAIL, Verdict.NON_STRICT, Verdict.KNOWN)
"""What a scenario says that shows a breach."""
_SHRINK_S = 30.0
"""How long one history is shrunk at most."""


@dataclass(frozen=True, slots=True)
class Day:
    """One history that was lived, and the laws that it broke."""

    seed: int
    events: tuple[OfficeEvent, ...]
    breaches: tuple[Breach, ...]


@dataclass(slots=True)
class Finding:
    """A law that a server breaks, and the shortest history that shows it.

    `cause` is the rule of the reference that is to blame, where one alone is. `hunted` and `sound` are the verdicts of
    its scenario on the server that was hunted and on a sound one, '' where
    that was not tried. `known` says how it is known that the expected Kazoo breaks this law.
    """

    breach: Breach
    events: tuple[OfficeEvent, ...]
    shrunk_from: int
    seed: int
    seconds: float
    scenario: str = ""
    hunted: str = ""
    sound: str = ""
    known: str = ""
    cause: str = ""
    seen: int = 1

    @property
    def name(self) -> str:
        """What its files are called: the law and what happens."""
        words = dict.fromkeys(kind.replace("_", "-") for kind in self.kinds if kind != "register")
        return "-".join([self.breach.law.lower(), *words])[:80]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What happens in it, without the waits."""
        return tuple(event.do for event in self.events if event.do != "wait")


@dataclass(slots=True)
class Chase:
    """What a hunt has done so far. `coverage` counts the histories that hold a kind of event."""

    findings: list[Finding] = field(default_factory=list)
    histories: int = 0
    events: int = 0
    busy_s: float = 0.0
    coverage: Counter[str] = field(default_factory=Counter)

    def note(self, events: Sequence[OfficeEvent]) -> None:
        """Count one more history."""
        self.histories += 1
        self.events += len(events)
        self.coverage.update({_named(event) for event in events})

    @property
    def events_per_s(self) -> float:
        """Office events per second of work, with everything that Hypothesis and the laws cost."""
        return self.events / self.busy_s if self.busy_s else 0.0


def _with_two_to_compare(tale: Tale) -> Tale:
    """The tale with a refresh behind the first subscription: an order is only proved where two things have one."""
    events = list(tale.events)
    at = next((n for n, event in enumerate(events) if event.do in ("subscribe", "refresh")), None)
    if at is None or tale.breach.proof != "order":
        return tale
    return replace(tale, events=[*events[: at + 1], replace(events[at], do="refresh"), *events[at + 1 :]])


def _named(event: OfficeEvent) -> str:
    """What an event counts as in the coverage."""
    if event.do == "network":
        return "loss" if event.how == "lose" else event.how
    return "fork" if event.do == "call" and event.whom == GROUP else event.do


class Hunt:
    """Hunts for what `behaviour` does to the lamps that `profile` expects, in the virtual world.

    `seconds` and `until` (findings) end it; `told` is called after each history and each finding, `found` is how a
    person would type it again, `known` are findings that are none again.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        profile: str = "documented",
        seed: int,
        seconds: float,
        until: int | None = None,
        found: str = "ringproof hunt",
        known: Sequence[Finding] = (),
        told: Callable[[Chase], None] = lambda _: None,
    ) -> None:
        self._behaviour = behaviour
        self._profile = profile
        self._seed = seed
        self._until = until
        self._found = found
        self._known = list(known)
        self._told = told
        self._began = time.monotonic()
        self._end = self._began + seconds
        self._days: list[Day] = []
        self._failure: HarnessError | None = None
        self.chase = Chase()

    def over(self) -> bool:
        """Whether the time is up, or enough was found."""
        enough = self._until is not None and len(self._new()) >= self._until
        return enough or time.monotonic() >= self._end

    def _new(self) -> list[Finding]:
        return [finding for finding in self.chase.findings if not finding.known]

    def run(self) -> Chase:
        """Hunt to the end. Raises HarnessError when the reference itself fails."""
        with office_by_office():
            batch = 0
            while not self.over():
                began = time.monotonic()
                self._live_some(self._seed + batch)
                self.chase.busy_s += time.monotonic() - began
                days, self._days = self._days, []
                self._look_into(days)
                batch += 1
        return self.chase

    # histories are lived under Hypothesis, which takes no exception for what it is, and looked into behind it

    def _live_some(self, number: int) -> None:
        self._live(make_machine(self._open, self._close, self.over, without=self._lacks()), number, BATCH, LENGTH)

    def _lacks(self) -> tuple[str, ...]:
        """What cannot happen at the Kazoo that is expected."""
        habits = HABITS[self._profile]
        lacks = [*(["reset"] if habits.reset is None else [])]
        return (*lacks, *(["set"] if lacking(["set presence"], self._profile, "v2") else []))

    def _live(self, machine: Any, number: int, histories: int, length: int) -> None:
        try:
            run_machine(machine, number, histories, length)
        except (TimeIsUp, Flaky):
            # a history that we have cut off looks to Hypothesis as if it could not be repeated
            if self._failure is not None:
                raise self._failure from None
            if not self.over():
                raise

    def _open(self, number: int) -> Office:
        office = Office(self._behaviour, number, self._profile)
        office.pass_time(1.0)
        return office

    def _close(self, office: Office) -> None:
        try:
            try:
                if not self.over():
                    self._settle(office)
                    self.chase.note(office.events)
                    self._days.append(Day(office.seed, tuple(office.events), tuple(office.breaches)))
            finally:
                office.close()
        except HarnessError as error:
            self._failure = error
            raise TimeIsUp from error

    def _settle(self, office: Office) -> None:
        office.settle()

    # what broke a law

    def _look_into(self, days: Sequence[Day]) -> None:
        for day in days:
            for breach in day.breaches:
                if not self.over():
                    self._examine(breach, day)
        self._told(self.chase)

    def _examine(self, breach: Breach, day: Day) -> None:
        if self._is_known(breach.law, day.events):
            return
        end = time.monotonic() + _SHRINK_S
        shortest = breach

        def breaks(events: Sequence[OfficeEvent]) -> bool:
            nonlocal shortest
            same = self._relive(events, day.seed, breach.law)
            shortest = same or shortest
            return same is not None

        events = shrink(day.events, breaks, lambda: time.monotonic() > end)
        last = self._relive(events, day.seed, breach.law) or shortest
        finding = Finding(last, tuple(events), len(day.events), day.seed, time.monotonic() - self._began)
        finding.known = catalogue()[breach.law].known(self._profile)
        finding.cause = self._cause(finding)
        for other in (*self.chase.findings, *self._known):
            same_way = other.kinds == finding.kinds or (finding.cause and other.cause == finding.cause)
            if other.breach.law == breach.law and same_way:
                other.seen += 1
                return
        self._tell(finding)
        self.chase.findings.append(finding)
        self._told(self.chase)

    def _tell(self, finding: Finding) -> None:
        """Write its scenario, and try it on this server and on a sound one."""
        tale = Tale(finding.breach, finding.events, self._found, finding.shrunk_from, self._sound_notifies(finding))
        sound = PROFILES[self._profile]
        for variant in (tale, replace(tale, slowly=True), _with_two_to_compare(tale)):
            finding.scenario = scenario_text(variant)
            finding.hunted = self._verdict(finding, self._behaviour)
            finding.sound = self._verdict(finding, sound) if self._behaviour != sound else ""
            if finding.hunted in RED and finding.sound in ("", Verdict.PASS):
                finding.events = tuple(variant.events)
                return

    def _is_known(self, law: str, events: Sequence[OfficeEvent]) -> bool:
        """Whether a finding of before explains that a history breaks a law. If so, it was seen once more."""
        for finding in (*self.chase.findings, *self._known):
            if finding.breach.law == law and contains(events, finding.kinds):
                finding.seen += 1
                return True
        return False

    def _cause(self, finding: Finding) -> str:
        """The rule without which this server keeps the law: beside the expected Kazoo, or beside the page."""

        def breaks(behaviour: Behaviour) -> bool:
            return self._relive(finding.events, finding.seed, finding.breach.law, behaviour) is not None

        return cause_of(self._behaviour, self._beside, breaks)

    @property
    def _beside(self) -> Behaviour:
        """What the server is held against: the expected Kazoo, or the page where it is that Kazoo."""
        expected = PROFILES[self._profile]
        return PROFILES["documented"] if self._behaviour == expected else expected

    def _relive(
        self, events: Sequence[OfficeEvent], seed: int, law: str, behaviour: Behaviour | None = None
    ) -> Breach | None:
        office = Office(behaviour or self._behaviour, seed, self._profile)
        try:
            office.pass_time(1.0)
            return next((each for each in office.live(events) if each.law == law), None)
        finally:
            office.close()

    def _sound_notifies(self, finding: Finding) -> int:
        """How many NOTIFYs a sound server sends the watcher from the last event on."""
        office = Office(self._beside, finding.seed, self._profile)
        try:
            office.pass_time(1.0)
            for event in finding.events:
                office.do(event)
            acting = [at for at, event in zip(office.began, office.events, strict=True) if event.do != "wait"]
            since = acting[-1] if acting else 0.0
            return sum(at >= since for at in office.notified[finding.breach.watcher])
        finally:
            office.close()

    def _verdict(self, finding: Finding, behaviour: Behaviour) -> str:
        """What the scenario of a finding says in the virtual world, run as any scenario."""
        with tempfile.TemporaryDirectory(prefix="ringproof-") as folder:
            file = Path(folder) / f"finding{SUFFIX}"
            file.write_text(finding.scenario, encoding="utf-8")
            result = play(file, Path(folder), behaviour, self._profile)
        if result.error or not result.verdicts:
            return Verdict.ERROR
        return result.verdicts[0].verdict


def play(file: Path, out: Path, behaviour: Behaviour, profile: str, **named: Any) -> RunResult:
    """Run a scenario file in the virtual world. `named`: the options of a run by which others name `behaviour`."""
    options = Options(out=out, behaviour=behaviour, profile=profile, virtual=True, seed=1, **named)
    return Engine(load_cases([file]), options).run()
