"""The embedded reference server in a process of its own, so that only the phones' stamps judge."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from harness.errors import HarnessError
from harness.pulse import Pulse
from harness.target import Target, load_target
from reference_server.behaviour import Behaviour

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.02


class ReferenceProcess:
    """`ringproof serve` on ports that the system picks; an async context manager."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._target: Target | None = None
        self._pulse: Pulse | None = None

    @property
    def target(self) -> Target:
        """The running server as a target."""
        assert self._target is not None
        return self._target

    def missed(self) -> float:
        """Seconds that the server has not been let run since this was last asked."""
        assert self._pulse is not None
        return self._pulse.missed(asyncio.get_running_loop().time())

    async def __aenter__(self) -> ReferenceProcess:
        self._folder = tempfile.TemporaryDirectory(prefix="ringproof-")
        folder = Path(self._folder.name)
        behaviour, target, ready = folder / "behaviour.json", folder / "target.yaml", folder / "ready.json"
        behaviour.write_text(self._behaviour.model_dump_json(), encoding="utf-8")
        command = [sys.executable, "-m", "harness.cli", "serve", "--behaviour", str(behaviour)]
        command += ["--http-port", "0", "--https-port", "0", "--sip-port", "0"]
        command += ["--ready-file", str(ready), "--write-target", str(target), "--until-eof", "--pulse"]
        self._process = start(command, folder / "stderr")
        try:
            await self._until_ready(ready)
            self._target = load_target(target)
            assert self._process.stdout is not None
            self._pulse = Pulse(self._process.stdout.fileno(), asyncio.get_running_loop().time())
        except BaseException:
            await self._stop()
            raise
        return self

    async def _until_ready(self, ready: Path) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while not _complete(ready):
                    if self._process.poll() is not None:
                        raise HarnessError(f"the reference server did not start: {self._complaint()}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise HarnessError(f"the reference server was not ready after {_START_TIMEOUT_S:g} s") from error

    def _complaint(self) -> str:
        assert self._process is not None
        assert self._folder is not None
        text = (Path(self._folder.name) / "stderr").read_text(encoding="utf-8", errors="replace").strip()
        return text.splitlines()[-1] if text else f"exit code {self._process.returncode}"

    async def _stop(self) -> None:
        """Stop the server and take its folder away, whoever is cancelled meanwhile."""
        stopping = asyncio.ensure_future(self._end())
        interrupted = False
        while not stopping.done():
            try:
                await asyncio.wait([stopping])
            except asyncio.CancelledError:
                interrupted = True
        await stopping
        if interrupted:
            raise asyncio.CancelledError

    async def _end(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, _STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._folder is not None:
            self._folder.cleanup()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        died = self._process is not None and self._process.poll() is not None
        complaint = self._complaint() if died else ""
        await self._stop()
        if died and error is None:
            raise HarnessError(f"the reference server died during the run: {complaint}")


def start(command: list[str], stderr: Path) -> subprocess.Popen[bytes]:
    """Start a program whose standard input and output we hold, and whose complaints go to a file."""
    with stderr.open("wb") as file:
        return subprocess.Popen(
            command,
            # never written to: when we are killed it ends, and with it the server
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            # a Ctrl-C at the terminal is for us: the server must outlive our cleaning up
            start_new_session=True,
        )


def _complete(ready: Path) -> bool:
    try:
        json.loads(ready.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
