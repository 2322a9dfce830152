"""`ringproof serve`: says how to reach it, can be tried at once, and stops cleanly."""

from __future__ import annotations

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from harness.documents import ServeDocument
from tests.end_to_end.support import Outside, in_shell, line_of, ringproof, started, wait_until

PORTS = ("--http-port", "0", "--https-port", "0", "--sip-port", "0")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_comes_and_goes(tmp_path: Path, number: signal.Signals) -> None:
    ready = tmp_path / "ready.json"
    with started("serve", *PORTS, "--format", "json", "--ready-file", ready, cwd=tmp_path) as process:
        document = json.loads(line_of(process.stdout))
        wait_until(ready.exists)
        assert json.loads(ready.read_text()) == document
        ServeDocument.model_validate(document)
        assert ready.stat().st_mode & 0o077 == 0
        assert Outside(document).get(f"/v2/accounts/{document['account_id']}").status == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert not ready.exists()
    assert not Path(document["ca_file"]).exists()


def test_the_printed_line_works_when_pasted(tmp_path: Path) -> None:
    with started("serve", *PORTS, "--write-target", "my target.yaml", cwd=tmp_path) as process:
        shown = ""
        while "Ctrl-C stops it." not in shown:
            line = line_of(process.stdout)
            assert line
            shown += line
        [curl] = re.findall(r"^  (curl .*)$", shown, re.MULTILINE)
        done = in_shell(curl.replace("curl ", "curl --silent --show-error --noproxy '*' ", 1), tmp_path)
        if done.code == 127:
            pytest.skip("curl is not installed")
        assert done.code == 0, done.err
        assert json.loads(done.out)["data"] == "sync request sent"
        [again] = re.findall(r"^  (ringproof run .*)$", shown, re.MULTILINE)
        assert again == f"ringproof run --target '{tmp_path / 'my target.yaml'}'"
        assert re.search(r"CA: (\S.*\.pem)", shown)


def test_one_seed_gives_one_server(tmp_path: Path) -> None:
    documents = []
    for _ in range(2):
        with started("serve", *PORTS, "--seed", "5", "--format", "json", cwd=tmp_path) as process:
            documents.append(json.loads(line_of(process.stdout)))
    first, again = ({key: document[key] for key in ("account_id", "auth_token", "devices")} for document in documents)
    assert first == again


@pytest.mark.parametrize("option", ["--http-port", "--https-port", "--sip-port"])
def test_a_port_that_is_taken(tmp_path: Path, option: str) -> None:
    kind = socket.SOCK_DGRAM if option == "--sip-port" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = str(holder.getsockname()[1])
        command = [port if before == option else each for before, each in zip(("", *PORTS), PORTS, strict=False)]
        done = ringproof("serve", *command, "--ready-file", "ready.json", cwd=tmp_path)
        document = ringproof("serve", *command, "--format", "json", cwd=tmp_path).document
    assert (done.code, done.out) == (3, "")
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.err
    assert f"choose another port with {option}; 0 lets the system pick" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "ready.json").exists()
    assert (document["exit_code"], document["error"]["kind"]) == (3, "harness")


@pytest.mark.parametrize("option", ["--ready-file", "--write-target"])
def test_a_file_that_cannot_be_written(tmp_path: Path, option: str) -> None:
    done = ringproof("serve", *PORTS, option, "no/such/folder/file", cwd=tmp_path)
    assert (done.code, done.out) == (3, "")
    assert re.search(r"cannot write .*no/such/folder/file.*: No such file or directory", done.err)
    assert "Traceback" not in done.err


def test_a_host_that_is_not_ours(tmp_path: Path) -> None:
    done = ringproof("serve", *PORTS, "--host", "192.0.2.1", cwd=tmp_path)
    assert done.code == 3
    assert "cannot listen on 192.0.2.1:0" in done.err
    assert "Traceback" not in done.err


def test_a_behaviour_of_ones_own(tmp_path: Path) -> None:
    printed = ringproof("serve", "--print-behaviour", cwd=tmp_path)
    assert printed.code == 0
    rules = printed.document
    rules["sync"]["request"] = "silent"
    (tmp_path / "mine.json").write_text(json.dumps(rules))
    done = ringproof("run", "sync/path-on-v1", "--time", "virtual", "--behaviour", "mine.json", cwd=tmp_path)
    assert done.code == 1
    assert "desk received none" in done.out
    rules["sync"]["request"] = "sometimes"
    (tmp_path / "mine.json").write_text(json.dumps(rules))
    done = ringproof("serve", *PORTS, "--behaviour", "mine.json", cwd=tmp_path)
    assert done.code == 4
    assert "--behaviour mine.json: sync.request: " in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mutant", "sync-forgoten"], "did you mean 'sync-forgotten'?"),
        (["--mutant", "zzz"], "`ringproof list --mutants` names them"),
        (["--profile", "9.9"], "there is documented"),
        (["--behaviour", "no.json"], "No such file"),
        (["--mutant", "sync-twice", "--behaviour", "no.json"], "not both"),
        (["--http-port", "70000"], "70000 is not in the range"),
    ],
)
def test_bad_usage(tmp_path: Path, arguments: list[str], said: str) -> None:
    for command in (["serve", *PORTS], ["run", "--time", "virtual"]):
        if command[0] == "run" and "--http-port" in arguments:
            continue
        done = ringproof(*command, *arguments, cwd=tmp_path)
        assert (done.code, done.out) == (4, "")
        assert said in done.err
        assert not (tmp_path / "out").exists()
