"""`run --witness`: a capture of the same run by a process of its own, which the Record must agree with."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from harness import sniffer
from harness.agreement import Agreement, agreement
from harness.datagrams import Datagram, datagrams
from harness.engine import Engine, RunResult
from harness.errors import HarnessError, UsageError
from reports.record import RecordError, read_record
from reports.view import run_view

_STOP_TIMEOUT_S = 60.0


def run_witnessed(engine: Engine, interface: str) -> RunResult:
    """Run with a witness; what it found is in the result. Raises UsageError before anything is run."""
    with Witness(interface) as witness:
        result = engine.run()
        try:
            result.witness = witness.agreement(result.folder, engine.mask)
        except HarnessError as error:
            result.error = result.error or error.message
    return result


class Witness:
    """A capture on one interface; a context manager. Raises UsageError when that is not possible here.

    What it captures has the secrets that the Record masks: it is kept in a private folder, and removed.
    """

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._folder = tempfile.TemporaryDirectory(prefix="ringproof-witness-")
        self._file = Path(self._folder.name) / "packets"
        self._process: subprocess.Popen[bytes] | None = None
        self.dropped = 0
        """Packets that the kernel had no room for; known once the capture has stopped."""

    def __enter__(self) -> Witness:
        self._process = subprocess.Popen(
            # by its file and isolated: it needs nothing of ours, and no project's modules may get in its way
            [sys.executable, "-I", sniffer.__file__, self._interface, str(self._file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # a Ctrl-C at the terminal is for the run: its end is to be captured, too
            start_new_session=True,
        )
        said = self._heard()
        if "ready" not in said:
            self.__exit__(None, None, None)
            reason = said.get("error") or f"the capture on {self._interface} did not start"
            raise UsageError(f"--witness: {reason}", "nothing was run")
        return self

    def _heard(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {}
        return said if isinstance(said, dict) else {}

    def stop(self) -> None:
        """Take what is still queued, and capture no more."""
        process = self._process
        if process is None:
            return
        try:
            out, _ = process.communicate(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise HarnessError(f"the capture on {self._interface} did not end") from error
        finally:
            self._process = None
        if process.returncode:
            raise HarnessError(f"the capture on {self._interface} broke off: exit code {process.returncode}")
        self.dropped = int(json.loads(out)["dropped"])

    def agreement(self, run: Path, mask: Callable[[bytes], bytes]) -> Agreement:
        """Stop, and hold the Record in the folder `run` against what was captured. Raises HarnessError."""
        self.stop()
        try:
            view = run_view(read_record(run), [])
        except RecordError as error:
            raise HarnessError(str(error)) from error
        return agreement(self._interface, view, self.datagrams(), mask, self.dropped)

    def datagrams(self) -> Iterator[Datagram]:
        """What was captured, once that has stopped."""
        return datagrams(self._packets())

    def _packets(self) -> Iterator[tuple[float, bytes]]:
        with self._file.open("rb") as file:
            while len(head := file.read(sniffer.FRAME.size)) == sniffer.FRAME.size:
                stamp, length = sniffer.FRAME.unpack(head)
                yield stamp, file.read(length)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        self._folder.cleanup()
