"""What the harness itself asks of a Kazoo, in the way of each release: a control, a fence, a presence reset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Asking:
    """A request about a device: method, what follows the device in the path, and `data` of the body (None: no body).

    `{number}` in the path is the number that is to be shown.
    """

    method: str
    path: str
    data: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Habits:
    """How one Kazoo is asked. What comes of it on the wire is the same everywhere, and is what the judge looks at."""

    control: Asking = field(default=Asking("POST", "/sync"))
    """A check-sync to the device, at any time and whatever else happens."""
    fence: Asking = field(default=Asking("GET", "/quickcall/{number}"))
    """A call that shows a number of ours."""
    reset: Asking | None = field(default=Asking("POST", "/presence"))
    """Reset its presence; None where nothing does."""
    gone: tuple[str, ...] = ()
    """API versions that it has no more."""


_BY_FLAG = Asking("POST", "/presence", {"reset": True})
_BY_ACTION = Asking("POST", "/presence", {"action": "reset"})

HABITS: Mapping[str, Habits] = {
    "documented": Habits(),
    # POST on presence is 405; POST /presence/{user@realm}/reset is answered and nobody carries it out
    "3.20": Habits(reset=None),
    "3.22": Habits(reset=_BY_FLAG),
    "4.3": Habits(reset=_BY_ACTION),
    # the sync path never sends there (its branches are swapped)
    "5.0": Habits(
        control=Asking("PUT", "", {"action": "notify", "data": {"event": "check-sync"}}),
        reset=_BY_ACTION,
        gone=("v1",),
    ),
}
"""By profile."""
