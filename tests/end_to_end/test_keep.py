"""`run --keep`: devices and accounts stay, are named with the way to remove them, and trouble no later run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from tests.end_to_end.conftest import CommandLine, Served

CASES = """\
title: Devices in the target's account
clauses: [SYNC-01]
isolation: case
matrix: {api: [v1, v2]}
phones:
  desk: {device: {name: Desk, presence_id: "2001"}, extension: "2001"}
  fixed: {device: {name: Fixed, sip: {username: always-the-same}}}
  unique: {device: {name: Unique, mac_address: "00:11:22:33:44:55"}}
  gone: {device: {name: Gone}}
steps:
  - register: desk
  - request: DELETE {{ gone.url }}
  - request: POST {{ desk.url }}/sync
    reply: {status: [200, 202]}
"""
OWN = """\
title: An account of its own
clauses: [SYNC-01]
isolation: account
phones:
  desk: {device: {name: Desk}, extension: "2001"}
  child: {device: {name: Child}, account: child}
steps:
  - register: desk
  - request: POST {{ desk.url }}/sync
    reply: {status: [200, 202]}
"""


def delete(url: str, token: str) -> int:
    """What the printed line does."""
    request = Request(url, method="DELETE", headers={"X-Auth-Token": token})
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=30) as response:
            return int(response.status)
    except HTTPError as error:
        with error:
            return error.code


@pytest.mark.parametrize("text", [CASES, OWN], ids=["devices", "accounts"])
def test_what_is_kept_is_named_and_troubles_no_later_run(
    cli: CommandLine, served: Served, tmp_path: Path, text: str
) -> None:
    before = served.outside.devices()
    (tmp_path / "kept.scenario.yaml").write_text(text)
    run = ("run", "kept.scenario.yaml", "--target", served.target, "--jobs", "1")
    document = cli(*run, "--keep", "--format", "json").document
    kept = document["kept"]
    paths = [re.sub(r"^https?://[^/]+", "", url) for url in kept]
    try:
        assert len(kept) == 2
        assert (document["exit_code"], document["left"]) == (0, [])
        for path in paths:
            assert served.outside.get(path).status == 200
        if text is CASES:
            assert all("/devices/" in path for path in paths)
            names = [served.outside.get(path).document["data"]["name"] for path in paths]
            assert names == ["Desk", "Desk"]
        else:
            assert all(path.count("/") == 3 for path in paths)
            devices = served.outside.get(f"{paths[-1]}/devices")
            assert [device["name"] for device in devices.document["data"]] == ["Desk"]
        again = cli(*run, "--format", "json").document
        assert (again["exit_code"], again["kept"], again["left"]) == (0, [], [])
        said = cli(*run, "--keep").out
        for url in re.findall(r"^  (http\S+)$", said, re.MULTILINE):
            assert served.outside.get(re.sub(r"^https?://[^/]+", "", url)).status == 200
            kept.append(url)
        assert len(kept) == 4
        assert re.search(r"^  curl -X DELETE -H \"X-Auth-Token: \$TOKEN\" 'http", said, re.MULTILINE)
    finally:
        codes = [delete(url, served.outside.ready["auth_token"]) for url in kept]
    assert codes == [200] * 4
    assert served.outside.devices() == before


def test_the_embedded_reference_keeps_nothing(cli: CommandLine) -> None:
    done = cli("run", "sync/path-on-v1", "--keep", "--format", "json")
    assert done.code == 4
    assert "ends with the run" in json.loads(done.out)["error"]["message"]
