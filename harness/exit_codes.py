"""The exit code of a run: pytest's numbers, and 7 for a run that proves too little."""

from __future__ import annotations

from collections.abc import Iterable

from harness.verdicts import Verdict

PASSED = 0
FAILED = 1
INTERRUPTED = 2
OUR_ERROR = 3
BAD_USAGE = 4
NOTHING_RAN = 5
PROVES_TOO_LITTLE = 7

_RAN = frozenset(Verdict) - {Verdict.SKIPPED}


_PRECEDENCE = (INTERRUPTED, OUR_ERROR, FAILED, PROVES_TOO_LITTLE, NOTHING_RAN, PASSED)


def worst_code(codes: Iterable[int]) -> int:
    """One exit code for several rounds, by the same precedence."""
    return min(codes, key=_PRECEDENCE.index, default=NOTHING_RAN)


def exit_code(
    verdicts: Iterable[Verdict],
    *,
    planned: int,
    interrupted: bool = False,
    broken: bool = False,
    strict: bool = False,
    left: bool = False,
    changed: bool = False,
) -> int:
    """One number for many verdicts; precedence 2, 3, 1, 7, 5, 0.

    `broken`: something of ours failed. `strict`: non_strict and inconclusive count as failures. Fewer verdicts than
    `planned` cases prove too little, and so does a run that has `left` something on the target. `changed`: what a
    baseline names deviates no longer, or otherwise.
    """
    found = list(verdicts)
    failing = {Verdict.FAIL} | ({Verdict.NON_STRICT, Verdict.INCONCLUSIVE} if strict else set())
    if interrupted:
        return INTERRUPTED
    if broken or Verdict.ERROR in found:
        return OUR_ERROR
    if changed or any(verdict in failing for verdict in found):
        return FAILED
    if left or Verdict.INCONCLUSIVE in found or len(found) < planned:
        return PROVES_TOO_LITTLE
    if not any(verdict in _RAN for verdict in found):
        return NOTHING_RAN
    return PASSED
