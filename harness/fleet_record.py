"""The Record of a live fleet: what its phones hear and say, without cases and verdicts."""

from __future__ import annotations

from pathlib import Path

from harness.judge import Judge
from harness.recorder import CaseRecorder, RunRecorder
from phones.net import Clock
from reports.record import SCHEMA, RecordWriter
from reports.secrets import Secrets


class FleetRecord(CaseRecorder):
    """A sink that writes everything into a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        run = RunRecorder(Judge())
        run.use_clock(clock)
        super().__init__(run, "fleet")
        self._writer = RecordWriter(folder, Secrets())
        run.start(self._writer)
        run.write("header", schema=SCHEMA)

    def close(self) -> None:
        """Write the footer."""
        self._run.write("footer", interrupted=False, error=None, verdicts={})
        self._writer.close()
