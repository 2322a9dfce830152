"""How many files and sockets this process may have open."""

from __future__ import annotations

import resource

from harness.errors import UsageError

_OWN = 64
"""What a process needs besides the sockets of its phones."""


def provide(sockets: int, *, processes: int = 1) -> None:
    """Have room for `sockets` in each of `processes`: raises the soft limit where it is too low.

    Raises UsageError with the number that is needed where the hard limit is too low, too.
    """
    needed = -(-sockets // processes) + _OWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft in (resource.RLIM_INFINITY, -1) or soft >= needed:
        return
    if hard in (resource.RLIM_INFINITY, -1) or hard >= needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return
    enough = -(-sockets // max(hard - _OWN, 1))
    raise UsageError(
        f"{sockets} sockets in {processes} process{'es' if processes > 1 else ''} need {needed} open files each, "
        f"and the limit is {hard}",
        f"`ulimit -n {needed}` (as root also `ulimit -Hn {needed}`), or --processes {enough}, or --shared-socket",
    )
