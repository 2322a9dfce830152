"""A folder for one case below its run: what a support engineer opens first, made from the Record alone.

- `failure.txt`: the explanation, with the strip of the lamp where one decided; not for a case that passed
- `ladder.txt`: who sent what to whom, and the lamps over the truth
- `http.jsonl`: the API calls, one JSON object a line
- `case.pcapng`: all of it for Wireshark

Numbers and conversations of a live system are in them, so they are as private as the Record.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from reports.view import CaseView
from reports.words import again, explanation

FAILURE, LADDER, HTTP, CAPTURE = "failure.txt", "ladder.txt", "http.jsonl", "case.pcapng"
_WIDTH = 120
_UNFIT = re.compile(r'[/\\\0-\x1f\x7f<>:"|?*]|^\.+$')
_LONGEST_NAME = 200


def folder_of(run: Path, address: str) -> Path:
    """Where the evidence of a case belongs: RUN/chapter/name[matrix point]."""
    chapter, _, name = address.partition("/")
    return run / _fit(chapter) / _fit(name)


def evidence_of(run: Path, address: str) -> Path:
    """What an explanation points to: the folder of the case where there is one, else that of the run."""
    folder = folder_of(run, address)
    return folder if (folder / CAPTURE).exists() else run


def clear(run: Path) -> None:
    """Remove the evidence of an earlier run in the same folder: a virtual run of one seed always has the same."""
    for capture in run.glob(f"*/*/{CAPTURE}"):
        shutil.rmtree(capture.parent, ignore_errors=True)
        with suppress(OSError):
            capture.parent.parent.rmdir()


def write(case: CaseView, folder: Path) -> None:
    """Write the evidence of a case into `folder`, which is made. Raises OSError, and leaves nothing half done then."""
    # most runs look only for where evidence is, and these are felt
    from reports.ladder import as_text, ladder_of
    from reports.lamp_chart import as_text as chart_text
    from reports.lamp_chart import charts_of
    from reports.pcapng import case_capture

    try:
        folder.mkdir(parents=True, exist_ok=True)
        if case.verdict["verdict"] != "pass":
            line = again(case.header, case.start.get("again", [case.address]))
            _write(folder / FAILURE, _octets(explanation(case.verdict, line) + "\n"))
        pictures = [as_text(ladder_of(case), _WIDTH), *(chart_text(chart, _WIDTH) for chart in charts_of(case))]
        _write(folder / LADDER, _octets("\n\n".join(pictures) + "\n"))
        _write(folder / HTTP, "".join(json.dumps(call) + "\n" for call in calls(case)).encode())
        # the last one: a folder that has it is whole
        _write(folder / CAPTURE, case_capture(case))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def calls(case: CaseView) -> Iterator[dict[str, Any]]:
    """The API calls of a case, each with its reply, as JSON has them."""
    decisive = set(case.verdict["decisive"])
    for exchange in case.exchanges:
        request, reply = exchange.request, exchange.reply or {}
        said = {key: request.get(key) for key in ("n", "t", "step", "role", "id", "method", "url", "headers", "body")}
        told = {key: reply.get(key) for key in ("n", "t", "status", "headers", "body", "tls", "error")}
        decided = bool({request["n"], reply.get("n")} & decisive)
        yield {"request": said, "reply": told if reply else None, "decided": decided}


def _fit(name: str) -> str:
    """`name` as the name of one folder; what had to be changed is told apart by a checksum."""
    fit = _UNFIT.sub("_", name)[:_LONGEST_NAME]
    return fit if fit == name else f"{fit}-{zlib.crc32(_octets(name)):08x}"


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
