"""The hunt on sockets: histories of a sound virtual office are played to a real server, the embedded or a live one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.clauses import catalogue
from harness.engine import Engine, Options
from harness.errors import HarnessError
from harness.hunting.events import OfficeEvent
from harness.hunting.hunt import RED, Day, Finding, Hunt
from harness.hunting.laws import Breach
from harness.hunting.machine import BRIEF_S, make_machine
from harness.hunting.office import Office
from harness.hunting.shrinking import shrink
from harness.hunting.telling import Lit, day_text
from harness.loader import SUFFIX, load_cases
from harness.target import Target
from harness.verdicts import CaseVerdict
from reference_server.behaviour import Behaviour
from reference_server.profiles import PROFILES

_AT_ONCE = 16
"""Histories that the embedded reference is played at the same time; a live target gets one after the other."""
_LENGTH = 16
"""Events of one."""
_SHRINK_S = 180.0
"""How long one history is shrunk at most."""


class TargetHunt(Hunt):
    """What its lamps have to show at the target is what they show in the virtual office, which keeps every law.

    `target` None is the embedded reference, with `behaviour`, in a process of its own. Waits are short, and requests
    keep to the rate that the target allows.
    """

    def __init__(self, behaviour: Behaviour, *, target: Target | None, **options: Any) -> None:
        super().__init__(behaviour, **options)
        self._target = target

    def _live_some(self, number: int) -> None:
        # what is not ours is not restarted
        without = (*self._lacks(), *(["restart"] if self._target else []))
        machine = make_machine(self._open, self._close, self.over, BRIEF_S, without)
        self._live(machine, number, 1 if self._target else _AT_ONCE, _LENGTH)

    def _open(self, number: int) -> Office:
        office = Office(PROFILES[self._profile], number, self._profile)
        office.pass_time(1.0)
        return office

    def _settle(self, office: Office) -> None:
        office.settle(briefly=True)

    def _look_into(self, days: Sequence[Day]) -> None:
        told = {f"day-{number:03}": (day, self._told_day(day.seed, day.events)) for number, day in enumerate(days)}
        verdicts = self._play({name: text for name, (_, text) in told.items() if text})
        for name, verdict in verdicts.items():
            if not self.over():
                self._examine_day(told[name][0], verdict)
        self._told(self.chase)

    def _told_day(self, seed: int, events: Sequence[OfficeEvent]) -> str:
        """The scenario of a day, '' when there is nothing to see in it."""
        office = self._open(seed)
        try:
            office.live(events)
            lit = [Lit(watcher, presentity, truth) for watcher, presentity, truth in office.lamps()]
            return day_text(office.events, lit, self._found) if lit else ""
        finally:
            office.close()

    def _play(self, texts: dict[str, str]) -> dict[str, CaseVerdict]:
        if not texts:
            return {}
        with tempfile.TemporaryDirectory(prefix="ringproof-") as name:
            folder = Path(name)
            for title, text in texts.items():
                (folder / f"{title}{SUFFIX}").write_text(text, encoding="utf-8")
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
        return {each.address.rpartition("/")[2]: each for each in result.verdicts}

    def _examine_day(self, day: Day, verdict: CaseVerdict) -> None:
        law = _law_of(verdict)
        if law is None or self._is_known(law, day.events):
            return
        end = time.monotonic() + _SHRINK_S
        last, told = verdict, self._told_day(day.seed, day.events)

        def breaks(shorter: Sequence[OfficeEvent]) -> bool:
            nonlocal last, told
            text = self._told_day(day.seed, shorter)
            found = self._play({"day": text} if text else {})
            if not found or _law_of(found["day"]) != law:
                return False
            last, told = found["day"], text
            return True

        shortest = shrink(day.events, breaks, lambda: time.monotonic() > end)
        # "lamp of bob on carol: ringing, ..."; of other claims the phone comes first
        words = last.actual.partition(":")[0].split()
        whose, watcher = (words[2], words[-1]) if words[:2] == ["lamp", "of"] else ("", next(iter(words), ""))
        breach = Breach(law, watcher, whose, last.why or last.reason, 0.0, "lamp")
        finding = Finding(breach, tuple(shortest), len(day.events), day.seed, time.monotonic() - self._began)
        finding.known = catalogue()[law].known(self._profile)
        finding.scenario, finding.hunted = told, last.verdict
        self.chase.findings.append(finding)
        self._told(self.chase)


def _law_of(verdict: CaseVerdict) -> str | None:
    """The law that a day has broken, the first of several."""
    return min((each.clause for each in verdict.clauses if each.verdict in RED), default=None)
