"""No secret that a run has used is in anything that it wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from harness.loader import Case, select
from reference_server.server import ReferenceServer
from reports.secrets import Secrets
from tests.end_to_end.conftest import Served
from tests.end_to_end.support import ringproof, run

PASSWORD = 'pä"ss\\wo/rd +&%20ß'
FILE = """\
title: Credentials of all kinds of characters, in all kinds of places
clauses: [API-01, SIP-02]
phones:
  desk: {device: {name: Desk, sip: {username: rp-odd, password: 'PASSWORD'}}}
  thief: {device_of: desk, password: not-the-password}
steps:
  - register: {phone: thief, outcome: refused, clauses: [SIP-02]}
  - request: GET {{ desk.url }}
    reply: {status: 200, json: {data.sip.password: "{{ desk.password }}"}}
  - request: POST {{ desk.url }}
    data: "{{ desk.document }}"
    reply: {status: 200}
  - request: GET {{ desk.url }}
    query: {password: "{{ desk.password }}", raw: "{{ desk.password }}"}
    headers: {X-Odd: numbers only}
    token_in: query
    reply: {status: 200, json: {data.name: "{{ desk.password }}"}}
    clauses: [API-01]
  - send: {phone: desk, raw: "MESSAGE sip:x SIP/2.0\\r\\nX-Password: {{ desk.password }}\\r\\n\\r\\n"}
""".replace("PASSWORD", PASSWORD.replace("'", "''"))


def spellings(secret: str) -> Iterator[bytes]:
    for text in (
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(json.dumps(secret))[2:-2],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
    ):
        yield text.encode()


def leaks(secrets: set[str], *written: bytes) -> set[str]:
    """The secrets that stand in what was written."""
    return {secret for secret in secrets for spelling in spellings(secret) if any(spelling in each for each in written)}


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON document with the key that it stands under."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, key)
    elif isinstance(value, str):
        yield key, value


def of_the_target(served: Served) -> set[str]:
    """Every password, token and API key that the server was born with."""
    ready = served.outside.ready
    return {value for key, value in texts(ready) if key in ("auth_token", "api_key", "password")}


def test_the_targets_credentials_are_nowhere(served: Served, tmp_path: Path) -> None:
    command = [
        "run",
        "api/tokens",
        "api/logging-in",
        "sync/flag-true",
        "security",
        "-v",
        "--target",
        str(served.target),
    ]
    command.remove("api/logging-in")
    done = ringproof(*command, cwd=tmp_path)
    assert done.code == 0, done.out
    secrets = of_the_target(served)
    assert len(secrets) > 8
    assert leaks(secrets, done.out.encode(), done.err.encode(), *contents(tmp_path / "out")) == set()


def test_nothing_that_was_created_can_be_read(
    suite: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The servers of the run are asked, not the masking: whatever they know as a secret is searched for."""
    servers: list[ReferenceServer] = []
    seen: set[str] = set()
    make, remember = ReferenceServer.__init__, Secrets.add

    def made(self: ReferenceServer, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        servers.append(self)

    def remembered(self: Secrets, secret: str) -> None:
        seen.add(secret)
        remember(self, secret)

    answer = ReferenceServer.api
    given: set[str] = set()

    def answered(self: ReferenceServer, request: Any, now: float) -> None:
        for body in (request.body,):
            try:
                found = texts(json.loads(body))
            except ValueError:
                continue
            given.update(value for key, value in found if key in ("password", "api_key", "credentials"))
        given.update(value for name, value in request.headers if name == "X-Auth-Token")
        answer(self, request, now)

    monkeypatch.setattr(ReferenceServer, "__init__", made)
    monkeypatch.setattr(ReferenceServer, "api", answered)
    monkeypatch.setattr(Secrets, "add", remembered)
    cases = select(suite, ["api/tokens", "sync/flag-new-credentials", "injection-by-username", "path-two-contacts"])
    result = run(cases, tmp_path)
    assert result.error == ""
    secrets = {each for each in given | seen if len(each) >= Secrets.SHORTEST and set(each) != {"0"}}
    for server in servers:
        secrets |= {server.seed.auth_token, server.seed.api_key, server.seed.user.password}
    assert len(secrets) > 20
    shown = capsys.readouterr()
    literal = {each for each in secrets if each in "".join(str(case.scenario) for case in cases)}
    assert leaks(secrets - literal, shown.out.encode(), shown.err.encode(), *contents(tmp_path)) == set()


def test_odd_characters_are_masked_however_they_are_written(served: Served, tmp_path: Path) -> None:
    (tmp_path / "odd.scenario.yaml").write_text(FILE, encoding="utf-8")
    for where in (["--time", "virtual"], ["--target", str(served.target)]):
        done = ringproof("run", "odd.scenario.yaml", "-v", *where, cwd=tmp_path)
        assert done.code == 1, done.out  # the name is not the password, and that is said without saying it
        assert "data.name" in done.out
        assert leaks({PASSWORD}, done.out.encode(), done.err.encode(), *contents(tmp_path / "out")) == set()
        report = ringproof("report", "out/latest", cwd=tmp_path)
        assert leaks({PASSWORD}, report.out.encode()) == set()


@pytest.mark.parametrize("password", ["12345", "00000", "phone", "arrived", "NOTIFY1"])
def test_a_careless_password_spoils_nothing(tmp_path: Path, password: str) -> None:
    text = (
        FILE.replace(f"'{PASSWORD}'", f"'{password}'")
        .partition("  - send:")[0]
        .replace("data.name:", "data.sip.password:")
    )
    (tmp_path / "careless.scenario.yaml").write_text(text, encoding="utf-8")
    done = ringproof("run", "careless.scenario.yaml", "--time", "virtual", cwd=tmp_path)
    assert (done.code, done.err) == (0, ""), done.out
    assert ringproof("report", "out/latest", cwd=tmp_path).code == 0


def test_target_and_ready_files_are_for_us_alone(served: Served) -> None:
    assert served.target.stat().st_mode & 0o077 == 0
