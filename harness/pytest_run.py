"""The one run of a pytest session: made from pytest's options when it is first needed, ended with the session."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest

from harness import xdist_sharing
from harness.background import BackgroundRun
from harness.engine import DEFAULT_PROFILE, Options
from harness.errors import RingproofError
from harness.loader import Case
from harness.target import Target, load_target
from harness.world import REFERENCE_JOBS
from reference_server.profiles import PROFILES
from reports.words import plain

_KEY = pytest.StashKey[BackgroundRun]()


def run_of(session: pytest.Session, cases: list[Case]) -> BackgroundRun:
    """The session's run, begun with `cases` when there is none yet. Raises UsageError of pytest."""
    if _KEY not in session.stash:
        session.stash[_KEY] = BackgroundRun(cases, _options(session.config))
        session.addfinalizer(session.stash[_KEY].stop)
    return session.stash[_KEY]


def _given(config: pytest.Config, name: str) -> Any:
    return config.getoption(f"ringproof_{name}", default=None)


def is_live(config: pytest.Config) -> bool:
    """Whether a deployment is tested, not the embedded reference."""
    return _given(config, "target") not in (None, "reference")


def is_virtual(config: pytest.Config) -> bool:
    """Whether everything happens in memory, on a virtual clock."""
    return bool(_given(config, "time") == "virtual")


def left_behind(left: list[str]) -> str:
    """What a case could not take away from the target, as a person reads it."""
    return plain("LEFT BEHIND on the target, please remove:\n" + "\n".join(f"  {each}" for each in left))


def command(config: pytest.Config, nodeid: str, seed: int) -> list[str]:
    """The command that runs an item again as it ran."""
    told = {name: _given(config, name) for name in ("target", "profile", "time")} | {"seed": seed}
    words = [f"--ringproof-{name}={value}" for name, value in told.items() if value is not None]
    return ["pytest", nodeid, *words, *(["--ringproof-slow"] if _given(config, "slow") else [])]


def in_options_of_pytest(text: str) -> str:
    """A hint at options of `ringproof run`, as pytest has them."""
    return re.sub(r"--(slow|time)\b", r"--ringproof-\1", text)


def target_of(config: pytest.Config) -> Target | None:
    """The target that is named, None for the embedded reference. Raises UsageError of pytest."""
    try:
        return load_target(Path(_given(config, "target"))) if is_live(config) else None
    except RingproofError as error:
        raise pytest.UsageError(error.message) from error


def _options(config: pytest.Config) -> Options:
    """The run that pytest's options ask for. Raises UsageError of pytest."""
    profile = _given(config, "profile") or DEFAULT_PROFILE
    if profile not in PROFILES:
        raise pytest.UsageError(f"--ringproof-profile {profile}: there is {', '.join(PROFILES)}")
    virtual = is_virtual(config)
    if virtual and is_live(config):
        raise pytest.UsageError("--ringproof-time virtual is for the embedded reference, not for --ringproof-target")
    target = target_of(config)
    out = Path(_given(config, "out") or "out")
    seed = _given(config, "seed")
    if seed is None:
        seed = xdist_sharing.common_number(config) or random.SystemRandom().getrandbits(16)
    jobs = None
    if xdist_sharing.is_worker(config):
        # each worker has a Record of its own, and a share of what the target and this machine bear
        out /= xdist_sharing.name_of(config)
        workers = xdist_sharing.count_of(config)
        target = _shared(target, workers) if target else None
        jobs = None if target else max(1, REFERENCE_JOBS // workers)
    return Options(
        out=out,
        behaviour=PROFILES[profile],
        profile=profile,
        target=target,
        target_file=_given(config, "target") if target else None,
        virtual=virtual,
        jobs=jobs,
        seed=int(seed),
        slow=bool(_given(config, "slow")),
    )


def _shared(target: Target, workers: int) -> Target:
    """`target` with the part of its limits that is one worker's."""
    limits = target.limits
    share = {"jobs": max(1, limits.jobs // workers), "requests_per_s": limits.requests_per_s / workers}
    return target.model_copy(update={"limits": limits.model_copy(update=share)})
