"""pysipp 0.1.0, its only release, made to be imported beside current libraries; and what of it we use.

It calls pluggy.PluginManager with `implprefix`, which pluggy 1 removed, and imports `imp` and `distutils`, which
Python 3.12 removed. While it is imported these three are what it expects; afterwards they are what they were, for
pytest in the same process lives on pluggy, too. Nothing of pysipp's plugins is used, so the prefix may be dropped.
"""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
import threading
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.errors import RingproofError

_IMPORTING = threading.Lock()

_MORE = ("-buff_size {buff_size} ", "-stf {stat_file} ", "-fd {stat_period} ")
_MORE_FLAGS = ("-trace_stat {trace_stat}", "-nostdin {nostdin}")
"""Options of SIPp that pysipp does not know."""


class SippMissing(RingproofError):
    """SIPp or pysipp is not installed."""

    kind = "sipp"


def program() -> str:
    """The path of SIPp. Raises SippMissing."""
    found = shutil.which("sipp")
    if found is None:
        raise SippMissing("sipp is not installed", "on Debian and Ubuntu: apt install sip-tester")
    return found


def check() -> None:
    """Raise SippMissing where SIPp cannot be driven."""
    program()
    if importlib.util.find_spec("pysipp") is None:
        raise SippMissing("pysipp, which drives SIPp, is not installed", "pip install 'ringproof[sipp]'")


def pysipp() -> types.ModuleType:
    """The module pysipp. Raises SippMissing when it is not installed, or cannot be imported all the same."""
    check()
    with _IMPORTING:
        if (known := sys.modules.get("pysipp")) is not None:
            return known
        with _as_it_expects():
            try:
                return importlib.import_module("pysipp")
            except Exception as error:
                for name in [name for name in sys.modules if name.partition(".")[0] == "pysipp"]:
                    del sys.modules[name]
                raise SippMissing(f"pysipp cannot be imported: {type(error).__name__}: {error}") from error


@contextmanager
def _as_it_expects() -> Iterator[None]:
    import pluggy

    true = pluggy.PluginManager

    def manager(project_name: str, implprefix: str = "") -> pluggy.PluginManager:
        return true(project_name)

    spawn = types.ModuleType("distutils.spawn")
    distutils = types.ModuleType("distutils")
    vars(spawn)["find_executable"] = shutil.which
    vars(distutils)["spawn"] = spawn
    shims = {"imp": types.ModuleType("imp"), "distutils": distutils, "distutils.spawn": spawn}
    before = {name: sys.modules.get(name) for name in shims}
    vars(pluggy)["PluginManager"] = manager
    sys.modules.update(shims)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        vars(pluggy)["PluginManager"] = true
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def command(**options: Any) -> str:
    """SIPp's command line with `options`, by pysipp's names for them and some more: buff_size, stat_file, …"""
    parts = pysipp().agent.command
    spec = [*parts.sipp_spec[:2], *_MORE, *((flag, parts.BoolField) for flag in _MORE_FLAGS), *parts.sipp_spec[2:]]
    rendered: str = parts.cmdstrtype(spec)({"bin_path": program(), **options}).render()
    return rendered


class _Processes:
    """What pysipp's runner takes for the module subprocess: every process starts in `folder`, which keeps its words."""

    PIPE = subprocess.PIPE

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def Popen(self, arguments: list[str], **_: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )


def start(commands: list[str], folder: Path) -> Any:
    """Start SIPp processes in `folder` and return pysipp's runner of them."""
    runner = _runner_type()(subprocmod=_Processes(folder))
    with warnings.catch_warnings():
        # it forgets to close its null device
        warnings.simplefilter("ignore", ResourceWarning)
        runner(commands, block=False)
    return runner


def _runner_type() -> Any:
    """pysipp's runner, which signals without the logging call that Python has deprecated."""

    def signal_all(runner: Any, number: int) -> dict[str, subprocess.Popen[bytes]]:
        signalled = dict(runner.iterprocs())
        for process in signalled.values():
            process.send_signal(number)
        return signalled

    return type("Runner", (pysipp().launch.PopenRunner,), {"_signalall": signal_all})
