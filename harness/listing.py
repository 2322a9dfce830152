"""What `ringproof list` shows without a selector, kept from one time to the next.

Loading every scenario costs most of a second, and nearly always nothing has changed. What is kept is only used as long
as every file that it was made from is the same, by name, size and time of change.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent
_SOURCES = (("scenarios", (".yaml",)), ("reference_server", (".py",)), ("harness", (".py",)))


def _fingerprint() -> str:
    """Of everything that decides what is listed."""
    seen = sha256()
    pending = [(str(_ROOT / room), endings) for room, endings in _SOURCES]
    while pending:
        folder, endings = pending.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith(endings):
                    found = entry.stat()
                    seen.update(f"{entry.path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
                elif "." not in entry.name and entry.name != "__pycache__" and entry.is_dir():
                    pending.append((entry.path, endings))
    return seen.hexdigest()


def _file() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "ringproof" / "list.json"


def kept() -> dict[str, Any] | None:
    """The clauses and scenarios of last time; None when there are none, or they may be others by now."""
    try:
        content = json.loads(_file().read_bytes())
        if content["fingerprint"] == _fingerprint() and content["folder"] == str(Path.cwd()):
            listing: dict[str, Any] = content["listing"]
            return listing
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def keep(listing: dict[str, Any]) -> None:
    """Keep them, where the system lets us."""
    path = _file()
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    content = {"fingerprint": _fingerprint(), "folder": str(Path.cwd()), "listing": listing}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(content), encoding="utf-8")
        partial.replace(path)
    except OSError:
        return
