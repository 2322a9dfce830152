"""What the harness itself asks of a Kazoo, in the way of each release: a control, a fence, a presence reset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.model import Feature
from harness.steps import Reply, Request, Reset, Sync


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

LACKS: Mapping[Feature, tuple[str, ...]] = {
    "patch": ("3.20", "3.22", "4.3 v1"),
    "sync path": ("3.20 v1", "3.22 v1"),
    "quickcall": ("4.3 v1",),
    "blocking quickcall": ("documented", "3.20", "3.22", "4.3 v1"),
    "reset": ("3.20",),
    "presence of extensions": ("3.20",),
    "set presence": ("documented", "3.20", "3.22"),
    "notify action": ("documented", "3.20", "3.22"),
    "check-sync event": ("documented", "3.20", "3.22", "5.0"),
    "throttle": ("documented", "5.0"),
    "minimum expiry": ("documented", "3.20", "3.22"),
    "tokens that expire": ("documented", "3.20", "3.22"),
    "outbound": ("3.20", "3.22"),
}
"""Feature to the profiles, or the API versions of them, that have no such thing. The page (`documented`) has what it
speaks of, and what all releases have."""


def lacking(needs: Iterable[Feature], profile: str, api: str) -> list[Feature]:
    """Those of `needs` that `profile` does not have at an API version."""
    return [each for each in needs if {profile, f"{profile} {api}"} & set(LACKS[each])]


def asked(step: Sync | Reset, profile: str, api: str) -> Request | None:
    """The request of a step that says what it wants and not how; None where there is no such request."""
    habits = HABITS[profile]
    asking = habits.control if isinstance(step, Sync) else habits.reset
    if asking is None:
        return None
    phone = step.sync if isinstance(step, Sync) else step.reset
    told: dict[str, Any] = {} if asking.data is None else {"data": dict(asking.data)}
    if isinstance(step, Sync):
        told |= {"token": step.token, "token_in": step.token_in}
        if lacking(["sync path"], profile, api):
            told["api"] = "v2"
    path = f"{asking.method} {{{{ {phone}.url }}}}{asking.path}"
    return Request(request=path, reply=Reply(status=[200, 201, 202]), **told)
