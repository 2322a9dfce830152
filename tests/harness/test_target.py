"""Target files: what is in them, what comes from the environment, what is wrong."""

import json
from pathlib import Path

import pytest

from harness.errors import ScenarioError, UsageError
from harness.target import load_target
from phones.sip.transport import Transport
from reports.secrets import Secrets

GOOD = """\
name: lab
api: {http: "http://127.0.0.1:8000", https: "https://kazoo.example:8443"}
account: {account_id: a1, auth_token: "${RP_TOKEN}"}
other_account: {account_id: a2, realm: other.example, api_key: "key-${RP_TOKEN}-${RP_TOKEN}"}
sip: {udp: "127.0.0.1:5060"}
limits: {requests_per_s: 2}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "target.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RP_TOKEN", "s3cret-token")
    target = load_target(write(tmp_path, GOOD))
    assert (target.name, target.kind, target.sip.place(Transport.UDP)) == ("lab", "live", ("127.0.0.1", 5060))
    assert target.account.auth_token == "s3cret-token"
    assert target.other_account is not None
    assert target.other_account.api_key == "key-s3cret-token-s3cret-token"
    assert (target.verify, target.create_accounts, target.limits.jobs, target.limits.requests_per_s) == (
        True,
        False,
        4,
        2,
    )
    secrets = Secrets()
    target.tell(secrets)
    masked = secrets.mask(b"s3cret-token key-s3cret-token-s3cret-token a1")
    assert masked == b"*" * 12 + b" " + b"*" * 29 + b" a1"


def test_json_is_yaml(tmp_path: Path) -> None:
    document = {
        "api": {"http": "http://[::1]:80"},
        "account": {"account_id": "a", "api_key": "k"},
        "sip": {"udp": "[::1]:5060"},
    }
    assert load_target(write(tmp_path, json.dumps(document, indent=2))).sip.place(Transport.UDP) == ("::1", 5060)


def test_an_environment_variable_that_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RP_TOKEN", raising=False)
    with pytest.raises(ScenarioError) as caught:
        load_target(write(tmp_path, GOOD))
    assert caught.value.message == "account.auth_token: the environment variable RP_TOKEN is not set"
    assert (caught.value.position.line, caught.value.position.column) == (3, 39)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("udp: ", "sctp: ", 5, "unknown key 'sctp'"),
        ('{udp: "127.0.0.1:5060"}', "{}", 5, "a SIP edge is needed"),
        ("127.0.0.1:5060", ":5060", 5, "sip.udp: host:port, or a name is wanted"),
        ("127.0.0.1:5060", "sip.example:port", 5, "sip.udp: host:port, or a name is wanted"),
        ("127.0.0.1:5060", "sip.example:99999", 5, "sip.udp: "),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", 2, "api.http: string should match pattern"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v2", 2, "api.http: string should match pattern"),
        ("http://127.0.0.1:8000", "https://127.0.0.1:8000", 2, "api.http: string should match pattern"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:80000", 2, "api.http: "),
        (', auth_token: "${RP_TOKEN}"', "", 3, "account: an account needs auth_token or api_key"),
        ("requests_per_s: 2", "requests_per_s: 0", 6, "limits.requests_per_s: input should be greater than 0"),
        ("requests_per_s: 2", "request_per_s: 2", 6, "unknown key 'request_per_s'"),
        ("account_id: a1", "account_id: ''", 3, "account.account_id: string should have at least 1"),
        (
            'api: {http: "http://127.0.0.1:8000", https: "https://kazoo.example:8443"}',
            "api: {}",
            2,
            "an API base is needed",
        ),
    ],
)
def test_what_is_wrong_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, line: int, said: str
) -> None:
    monkeypatch.setenv("RP_TOKEN", "t")
    assert old in GOOD
    with pytest.raises(ScenarioError) as caught:
        load_target(write(tmp_path, GOOD.replace(old, new)))
    assert said in caught.value.message
    assert caught.value.position.line == line


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_target(tmp_path / "no.yaml")
    assert "no such file" in caught.value.message
    assert "ringproof serve --write-target" in caught.value.hint


def test_credentials_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RP_TOKEN", "s3cret-token")
    assert "s3cret" not in repr(load_target(write(tmp_path, GOOD)))
