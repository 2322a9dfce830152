"""pytest-xdist, seen from a worker: which items it has been dealt. xdist itself is never imported.

xdist hands out items in portions and tells a worker only its next one. Cases that wait for something overlap only when
a worker begins all that it has, so we look into its queue, which xdist keeps open to inspection under a lock. Where an
xdist does not have it, nothing is known and the worker runs item by item.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest


def _input(config: pytest.Config) -> dict[str, Any] | None:
    return getattr(config, "workerinput", None)


def is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of xdist's workers."""
    return _input(config) is not None


def name_of(config: pytest.Config) -> str:
    """The worker's name, such as gw0."""
    return str((_input(config) or {}).get("workerid", "gw"))


def count_of(config: pytest.Config) -> int:
    """How many workers there are."""
    return max(1, int((_input(config) or {}).get("workercount", 1)))


def common_number(config: pytest.Config) -> int | None:
    """A number of 16 bits that all workers of a session share, None outside xdist."""
    uid = (_input(config) or {}).get("testrunuid")
    return int.from_bytes(hashlib.sha256(str(uid).encode()).digest()[:2], "big") if uid is not None else None


def dealt(session: pytest.Session) -> list[pytest.Item]:
    """The items that this worker has been dealt and has not begun, in order."""
    for plugin in session.config.pluginmanager.get_plugins():
        queue = getattr(plugin, "torun", None)
        if queue is None or not hasattr(queue, "lock"):
            continue
        with queue.lock() as numbers:
            ahead = [getattr(plugin, "nextitem_index", None), *numbers]
        return [session.items[number] for number in ahead if isinstance(number, int)]
    return []
