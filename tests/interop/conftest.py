"""Peers: software that we did not write. A missing one is a skip that names it, and a failure under CI."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.end_to_end.conftest import cli as cli
from tests.interop.kamailio.running import Kamailio, kamailio, users

REALM = "lab.example"


@pytest.fixture
def tshark() -> str:
    return peer("tshark")


@pytest.fixture(scope="session")
def plain_kamailio() -> Iterator[Kamailio]:
    """A SIP server that knows nothing of Kazoo, with the users 1001 to 1020 of `lab.example`."""
    program = peer("kamailio", "/usr/sbin")
    with kamailio(program, "server.cfg.j2", realm=REALM, users=users(20), min_expires=1) as running:
        yield running


def peer(program: str, *folders: str) -> str:
    """Return the path of `program`, looked for in `folders` too; without it skip the test, or fail it under CI."""
    path = shutil.which(program) or shutil.which(program, path=":".join(folders) or None)
    if path is None:
        reason = f"{program} is not installed (make test-deps)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
