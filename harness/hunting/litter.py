"""When the memory of offices that are closed is collected."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_WORTH_WHILE = 20_000
"""Objects: what a few offices leave. With much more they would lie in no cache any more."""


@contextmanager
def office_by_office() -> Iterator[None]:
    """Collect what offices leave when one of them is closed, and at no other time.

    An office is full of cycles and lives until it is closed: whoever looks for litter in its midst finds none.
    """
    was = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was:
            gc.enable()


def clear_away() -> None:
    """Collect what was left, where nobody else does and it is worth while."""
    if not gc.isenabled() and gc.get_count()[0] > _WORTH_WHILE:
        gc.collect()
