"""Peers: software that we did not write. A missing one is a skip that names it, and a failure under CI."""

import importlib.util
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from phones.line import format_address
from phones.sip.transport import Transport
from tests.end_to_end.conftest import Served
from tests.end_to_end.conftest import cli as cli
from tests.end_to_end.conftest import served as served
from tests.interop.kamailio.running import Kamailio, kamailio, users

REALM = "lab.example"

FROM_NPM = Path(__file__).resolve().parents[2] / ".venv" / "npm" / "node_modules" / ".bin"


@pytest.fixture
def tshark() -> str:
    return peer("tshark")


@pytest.fixture
def sipp() -> str:
    """SIPp and what drives it."""
    program = peer("sipp")
    if importlib.util.find_spec("pysipp") is None:
        missing("pysipp is not installed (make test-deps)")
    return program


@pytest.fixture
def allure() -> str:
    return peer("allure", str(FROM_NPM))


@pytest.fixture
def plain_kamailio() -> Iterator[Kamailio]:
    """A SIP server that knows nothing of Kazoo, with the users 1001 to 1020 of `lab.example`, none registered."""
    with server() as running:
        yield running


@contextmanager
def server(*, certificates: bool = False, algorithm: str = "MD5") -> Iterator[Kamailio]:
    """Such a server; `certificates`: over TLS it talks only to who shows one of its CA. `algorithm`: of its digests."""
    program, known = peer("kamailio", "/usr/sbin"), {"realm": REALM, "users": users(20), "min_expires": 1}
    known |= {"algorithm": algorithm}
    with kamailio(program, "server.cfg.j2", certificates=certificates, **known) as running:
        yield running


@dataclass(frozen=True)
class Fronted:
    """The reference server with a Kamailio before it: all that phones see of it. `target` is a target file."""

    target: Path
    edge: Kamailio


@pytest.fixture(scope="session")
def fronted(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    """A stand-in for a deployment: the API is the reference's own, SIP goes through a real edge."""
    program = peer("kamailio", "/usr/sbin")
    document = json.loads(served.target.read_text(encoding="utf-8"))
    host, _, port = document["sip"]["udp"].rpartition(":")
    with kamailio(program, "edge.cfg.j2", behind={"host": host, "port": int(port)}) as edge:
        spoken = (Transport.UDP, Transport.TCP, Transport.TLS)
        document["sip"] = {each.value: format_address(edge.place(each)) for each in spoken}
        document["sip"]["ca_file"] = str(edge.ca_file)
        target = tmp_path_factory.mktemp("fronted") / "target.yaml"
        target.write_text(json.dumps(document), encoding="utf-8")
        yield Fronted(target, edge)


def peer(program: str, *folders: str) -> str:
    """Return the path of `program`, looked for in `folders` too; without it skip the test, or fail it under CI."""
    path = shutil.which(program) or shutil.which(program, path=":".join(folders) or None)
    if path is None:
        missing(f"{program} is not installed (make test-deps)")
    return path


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it under CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
