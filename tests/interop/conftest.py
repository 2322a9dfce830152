"""Peers: software that we did not write. A missing one is a skip that names it, and a failure under CI."""

import os
import shutil

import pytest

from tests.end_to_end.conftest import cli as cli


@pytest.fixture
def tshark() -> str:
    return peer("tshark")


def peer(program: str) -> str:
    """Return the path of `program`; without it skip the test, or fail it under CI."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed (make test-deps)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
