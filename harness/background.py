"""A run on a thread of its own, for callers that want one verdict after the other: pytest's items and fixtures."""

from __future__ import annotations

import dataclasses
import threading
from contextlib import suppress
from pathlib import Path

from harness.case_run import CaseRun
from harness.engine import Engine, MakeRun, Options, RunResult
from harness.evidence_folders import MOST
from harness.loader import Case
from harness.verdicts import CaseVerdict, Verdict
from reports.evidence import evidence_of, folder_of, write
from reports.record import Event
from reports.view import CaseView


class BackgroundRun:
    """The engine on a thread of its own. Cases may be added until `stop`; each address runs once."""

    def __init__(self, cases: list[Case], options: Options) -> None:
        known = {case.address: case for case in cases}
        self._options = dataclasses.replace(options, progress=self._progress, watcher=self._watch)
        self._engine = Engine(list(known.values()), self._options, growing=True)
        self._planned = set(known)
        self._result: RunResult | None = None
        self._verdicts: dict[str, CaseVerdict] = {}
        self._events: dict[str, list[tuple[Event, bytes]]] = {}
        self._evidences = 0
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ringproof", daemon=True)
        self._thread.start()

    @property
    def folder(self) -> Path:
        """Where the Record is."""
        return self._engine.result.folder

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self._options.seed

    @property
    def header(self) -> Event:
        """The Record's first event."""
        return self._engine.result.header

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

    def _watch(self, event: Event, data: bytes) -> None:
        if "case" in event:
            self._events.setdefault(event["case"], []).append((event, data))

    def knows(self, address: str) -> bool:
        """Whether a case of that address was added before."""
        return address in self._planned

    def add(self, case: Case, make: MakeRun = CaseRun) -> None:
        """Begin `case` as soon as there is room, unless it has been added before."""
        if case.address not in self._planned:
            self._planned.add(case.address)
            self._engine.add(case, make)

    def wait(self, case: Case) -> CaseVerdict:
        """The verdict on `case`, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: case.address in self._verdicts or self.over)
            if case.address in self._verdicts:
                return self._verdicts[case.address]
        return CaseVerdict(case.address, Verdict.ERROR, reason=self.error)

    @property
    def over(self) -> bool:
        """Whether the run has ended, by `stop` or by an error."""
        return self._result is not None

    @property
    def error(self) -> str:
        """Why nothing more comes of a run that is over."""
        return (self._result.error if self._result else "") or "the run ended before this case"

    def view(self, case: Case) -> CaseView | None:
        """A case that is over as reports look at it, None when it never began."""
        events = self._events.get(case.address)
        return CaseView(events[0][0], self.wait(case).as_json(), events, self.header) if events else None

    def evidence(self, case: Case) -> Path:
        """Write what somebody will want to look at after `case` and return where it is; the Record where that fails."""
        view = self.view(case)
        if view is not None and self._evidences < MOST:
            self._evidences += 1
            # a full disk, or a bug of ours, must not take the verdict away
            with suppress(Exception):
                write(view, folder_of(self.folder, case.address))
        return evidence_of(self.folder, case.address)

    def forget(self, case: Case) -> None:
        """Free what `view` needs."""
        self._events.pop(case.address, None)

    def left(self, case: Case) -> list[str]:
        """What could not be taken away from the target after `case`."""
        return [event["what"] for event, _ in self._events.get(case.address, ()) if event["kind"] == "left"]

    def stop(self) -> None:
        """End the run, and wait until what still runs has cleaned up; interrupts meanwhile change nothing of that."""
        if self._verdicts.keys() >= self._planned:
            self._engine.close()
        else:
            self._engine.interrupt()
        while self._thread.is_alive():
            with suppress(KeyboardInterrupt):
                self._thread.join()
