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
from harness.hunting.causes import cause_of
from harness.hunting.events import GROUP, OfficeEvent, contains
from harness.hunting.laws import Breach
from harness.hunting.machine import BRIEF_S, TimeIsUp, make_machine, run_machine
from harness.hunting.office import Office
from harness.hunting.shrinking import shrink
from harness.hunting.telling import Lit, Tale, day_text, scenario_text
from harness.loader import SUFFIX, load_cases
from harness.target import Target
from harness.verdicts import CaseVerdict, Verdict
from reference_server.behaviour import Behaviour
from reference_server.profiles import PROFILES

BATCH = 25
"""Histories that Hypothesis is asked for at a time."""
_SHRINK_S = 30.0
_SHRINK_REAL_S = 180.0
"""How long one history is shrunk at most, in the virtual world and where an hour takes an hour."""
_RED = (Verdict.FAIL, Verdict.NON_STRICT, Verdict.KNOWN)
_DAYS_AT_ONCE = 8
_REAL_LENGTH = 16
"""Histories that the embedded reference is played at the same time, and the events of one."""


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
        self._paused = 0.0
        self.chase = Chase()

    def over(self) -> bool:
        """Whether the time is up, or enough was found."""
        enough = self._until is not None and len(self._new()) >= self._until
        return enough or time.monotonic() >= self._end

    def _new(self) -> list[Finding]:
        return [finding for finding in self.chase.findings if not finding.known]

    def run(self) -> Chase:
        """Hunt to the end. Raises HarnessError when the reference itself fails."""
        batch = 0
        while not self.over():
            began = time.monotonic()
            try:
                self._live_some(self._seed + batch)
            except (TimeIsUp, Flaky):
                # a history that we have cut off looks to Hypothesis as if it could not be repeated
                if not self.over():
                    raise
            self.chase.busy_s += time.monotonic() - began - self._paused
            self._paused = 0.0
            batch += 1
        return self.chase

    def _live_some(self, number: int) -> None:
        run_machine(make_machine(self._open, self._close, self.over), number, BATCH)

    def _open(self, number: int) -> Office:
        office = Office(self._behaviour, number, self._profile)
        office.pass_time(1.0)
        return office

    def _close(self, office: Office) -> None:
        try:
            if not self.over():
                office.settle()
                self._note(office)
        finally:
            office.close()

    def _note(self, office: Office) -> None:
        self.chase.note(office.events)
        paused = time.monotonic()
        for breach in office.breaches:
            if not self.over():
                self._examine(breach, office)
        self._told(self.chase)
        self._paused += time.monotonic() - paused

    def _examine(self, breach: Breach, office: Office) -> None:
        if self._is_known(breach.law, office.events):
            return
        end = time.monotonic() + _SHRINK_S
        shortest = breach

        def breaks(events: Sequence[OfficeEvent]) -> bool:
            nonlocal shortest
            same = self._relive(events, office.seed, breach.law)
            shortest = same or shortest
            return same is not None

        events = shrink(office.events, breaks, lambda: time.monotonic() > end)
        last = self._relive(events, office.seed, breach.law)
        finding = Finding(
            last or shortest, tuple(events), len(office.events), office.seed, time.monotonic() - self._began
        )
        finding.known = catalogue()[breach.law].known(self._profile)
        if any(each.breach.law == breach.law and each.kinds == finding.kinds for each in self.chase.findings):
            return
        finding.cause = self._cause(finding)
        self._tell(finding)
        self.chase.findings.append(finding)
        self._told(self.chase)

    def _tell(self, finding: Finding) -> None:
        """Write its scenario, and try it on this server and on a sound one."""
        tale = Tale(finding.breach, finding.events, self._found, finding.shrunk_from, self._sound_notifies(finding))
        sound = PROFILES[self._profile]
        for slowly in (False, True):
            finding.scenario = scenario_text(replace(tale, slowly=slowly))
            finding.hunted = self._verdict(finding, self._behaviour)
            finding.sound = self._verdict(finding, sound) if self._behaviour != sound else ""
            if finding.hunted in _RED and finding.sound in ("", Verdict.PASS):
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

        expected = PROFILES[self._profile]
        beside = PROFILES["documented"] if self._behaviour == expected else expected
        return cause_of(self._behaviour, beside, breaks)

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
        office = Office(PROFILES[self._profile], finding.seed, self._profile)
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


class TargetHunt(Hunt):
    """The same hunt on sockets: histories that are lived in a sound virtual office are played to a real server.

    What its lamps have to show there is what they show here. `target` None is the embedded reference in a process of
    its own. Waits are short, and the steps of a history keep to the request rate that the target allows.
    """

    def __init__(self, behaviour: Behaviour, *, target: Target | None, **options: Any) -> None:
        super().__init__(behaviour, **options)
        self._target = target
        self._days: list[tuple[int, tuple[OfficeEvent, ...]]] = []
        self._at_once = 1 if target is not None else _DAYS_AT_ONCE

    def _live_some(self, number: int) -> None:
        machine = make_machine(self._open_sound, self._close, self.over, BRIEF_S)
        run_machine(machine, number, self._at_once, _REAL_LENGTH)

    def _open_sound(self, number: int) -> Office:
        office = Office(PROFILES[self._profile], number, self._profile)
        office.pass_time(1.0)
        return office

    def _note(self, office: Office) -> None:
        self.chase.note(office.events)
        self._days.append((office.seed, tuple(office.events)))
        if len(self._days) >= self._at_once:
            days, self._days = self._days, []
            for (seed, events), verdict in zip(days, self._play(days), strict=True):
                self._examine_day(seed, events, verdict)
            self._told(self.chase)

    def _close(self, office: Office) -> None:
        try:
            if not self.over():
                office.settle(briefly=True)
                self._note(office)
        finally:
            office.close()

    def _play(self, days: Sequence[tuple[int, Sequence[OfficeEvent]]]) -> list[CaseVerdict]:
        with tempfile.TemporaryDirectory(prefix="ringproof-") as name:
            folder = Path(name)
            for number, (seed, events) in enumerate(days):
                text = self._day(seed, events)
                (folder / f"day-{number:03}{SUFFIX}").write_text(text, encoding="utf-8")
            options = Options(
                out=folder / "out",
                behaviour=self._behaviour,
                profile=self._profile,
                target=self._target,
                seed=self._seed,
                slow=True,
            )
            result = Engine(load_cases(sorted(folder.glob(f"*{SUFFIX}"))), options).run()
        if result.interrupted:
            raise KeyboardInterrupt
        if result.error:
            raise HarnessError(f"the hunt cannot go on: {result.error}")
        return sorted(result.verdicts, key=lambda each: each.address)

    def _day(self, seed: int, events: Sequence[OfficeEvent]) -> str:
        office = self._open_sound(seed)
        try:
            office.live(events)
            lit = [Lit(watcher, presentity, truth) for watcher, presentity, truth in office.lamps()]
            return day_text(office.events, lit, self._found)
        finally:
            office.close()

    def _examine_day(self, seed: int, events: Sequence[OfficeEvent], verdict: CaseVerdict) -> None:
        law = _law_of(verdict)
        if law is None or self._is_known(law, events):
            return
        end = min(time.monotonic() + _SHRINK_REAL_S, self._end + _SHRINK_REAL_S)

        def breaks(shorter: Sequence[OfficeEvent]) -> bool:
            [found] = self._play([(seed, shorter)])
            return _law_of(found) == law

        shortest = shrink(events, breaks, lambda: time.monotonic() > end)
        [last] = self._play([(seed, shortest)])
        watcher, _, why = last.actual.partition(": ")
        breach = Breach(law, watcher.rpartition(" ")[2], "", why or last.reason, 0.0, "lamp")
        finding = Finding(breach, tuple(shortest), len(events), seed, time.monotonic() - self._began)
        finding.known = catalogue()[law].known(self._profile)
        finding.scenario = self._day(seed, shortest)
        finding.hunted = last.verdict
        self.chase.findings.append(finding)


def _law_of(verdict: CaseVerdict) -> str | None:
    """The law that a day has broken, the first of several."""
    return min((each.clause for each in verdict.clauses if each.verdict in _RED), default=None)


def play(file: Path, out: Path, behaviour: Behaviour, profile: str) -> RunResult:
    """Run a scenario file in the virtual world."""
    options = Options(out=out, behaviour=behaviour, profile=profile, virtual=True, seed=1)
    return Engine(load_cases([file]), options).run()
