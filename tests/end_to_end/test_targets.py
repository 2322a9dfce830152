"""Targets that are dead, half dead, or whose certificate is somebody else's."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.end_to_end.conftest import Served
from tests.end_to_end.support import Done, ringproof


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def changed(served: Served, folder: Path, **fields: Any) -> Path:
    """The target file of the served reference with something else in it."""
    document = {**json.loads(served.target.read_text()), **fields}
    path = folder / "changed.yaml"
    path.write_text(json.dumps(document))
    return path


def clean(done: Done) -> None:
    assert "Traceback" not in done.out + done.err


@pytest.fixture
def bases(served: Served) -> dict[str, str]:
    found: dict[str, str] = json.loads(served.target.read_text())["api"]
    return found


def test_a_dead_target_proves_nothing(served: Served, tmp_path: Path) -> None:
    api = {"http": f"http://127.0.0.1:{closed_port()}", "https": f"https://127.0.0.1:{closed_port()}"}
    done = ringproof("run", "sync/path-registered", "--target", changed(served, tmp_path, api=api), cwd=tmp_path)
    clean(done)
    assert done.code == 7, done.out
    assert "4 inconclusive" in done.out
    assert "cannot connect to http" in done.out
    assert ringproof("report", "out/latest", cwd=tmp_path).code == 7


@pytest.mark.parametrize("dead", ["http", "https"])
def test_a_target_that_is_half_dead_breaks_a_promise(
    served: Served, bases: dict[str, str], tmp_path: Path, dead: str
) -> None:
    api = {**bases, dead: f"{dead}://127.0.0.1:{closed_port()}"}
    done = ringproof("run", "sync/path-registered", "--target", changed(served, tmp_path, api=api), cwd=tmp_path)
    clean(done)
    assert done.code == 1, done.out
    alive = "https" if dead == "http" else "http"
    assert f"{dead.upper()} is dead (cannot connect to {dead}://127.0.0.1:" in done.out
    assert f"while {alive} answers" in done.out
    assert "2 fail, 2 pass" in done.out


def test_a_target_without_https(served: Served, bases: dict[str, str], tmp_path: Path) -> None:
    target = changed(served, tmp_path, api={"http": bases["http"]})
    done = ringproof("run", "sync/path-registered", "--target", target, cwd=tmp_path)
    assert done.code == 0, done.out
    assert "2 pass, 2 skipped" in done.out


def test_somebody_elses_ca(served: Served, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "else.pem"))
    target = changed(served, tmp_path, ca_file=str(tmp_path / "else.pem"))
    done = ringproof("run", "sync/path-registered[v2-https]", "--target", target, cwd=tmp_path)
    clean(done)
    assert done.code in (1, 7), done.out
    assert "certificate verify failed" in done.out
    assert "ca_file" in done.out


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_ca_file_that_cannot_be_used(served: Served, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "broken.pem"
    if content is not None:
        path.write_text(content)
    target = changed(served, tmp_path, ca_file=str(path))
    done = ringproof("run", "sync/path-registered", "--target", target, cwd=tmp_path)
    clean(done)
    assert done.code == 4, done.out
    assert f"CA file {path}" in done.out + done.err
    assert "give a PEM file" in done.out + done.err


def test_a_wrong_token(served: Served, tmp_path: Path) -> None:
    account = {**json.loads(served.target.read_text())["account"], "auth_token": "f" * 32}
    done = ringproof("run", "sync/path-on-v1", "--target", changed(served, tmp_path, account=account), cwd=tmp_path)
    clean(done)
    assert done.code == 7, done.out
    assert "was refused before the case began: 401" in done.out


@pytest.mark.prove  # 64*T1
def test_a_dead_sip_edge(served: Served, tmp_path: Path) -> None:
    """Nobody answers a REGISTER: the API is there, so this is no proof of anything about check-sync."""
    target = changed(served, tmp_path, sip={"udp": f"127.0.0.1:{closed_port()}"})
    done = ringproof("run", "sync/path-on-v1", "--target", target, cwd=tmp_path)
    clean(done)
    assert done.code == 7, done.out
    assert "unanswered" in done.out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("no.yaml", None, "no such file"),
        (
            "typo.yaml",
            "api: {htp: 'http://x', https: 'https://x'}\naccount: {account_id: a, api_key: b}\nsip: {udp: 'h:1'}\n",
            "typo.yaml:1:7: unknown key 'htp'\n  hint: did you mean 'http'?",
        ),
        ("bad.yaml", "api: [\n", "bad.yaml:2:1: is not YAML"),
        ("empty.yaml", "", "empty.yaml:1:1: "),
    ],
)
def test_a_target_file_that_cannot_be_read(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = ringproof("run", "sync/path-on-v1", "--target", name, cwd=tmp_path)
    clean(done)
    assert (done.code, done.out) == (4, "")
    assert said in done.err
    assert not (tmp_path / "out").exists()
