"""`ringproof inspect` as a person uses it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from harness.inspecting.document import PRINTED
from tests.end_to_end.conftest import CommandLine
from tests.end_to_end.support import ROOT, started
from tests.harness.inspecting.making import edited, pcap, udp
from tests.harness.inspecting.test_field import DATA, lies, raw

PLAIN, SBC = DATA / "plain-sipp.pcap", DATA / "kazoo-sbc.pcap"


@pytest.fixture
def desync(tmp_path: Path) -> Path:
    """The plain capture, in which the last NOTIFY says that the call goes on."""
    path = tmp_path / "desync.pcap"
    path.write_bytes(edited(raw("plain-sipp.pcap"), {41: lies(b"confirmed")}))
    return path


def test_text_says_who_watched_whom_and_which_states_when(cli: CommandLine) -> None:
    done = cli("inspect", PLAIN, "--width", "90")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("plain-sipp.pcap: 46 packets, 46 SIP messages in 8.3 s from 2026-11-22 21:17:13 UTC\n")
    assert "sip:1002@lab.test registered at sip:1002@127.0.0.1:15072;transport=UDP for 600 s, frame 4" in done.out
    assert "sip:1003@lab.test calls sip:1002@lab.test" in done.out
    assert "  sip:1001@lab.test watches sip:1002@lab.test, dialog, from 0.109 [5], active\n" in done.out
    assert "off 0.110 [7], ringing 2.117 [23], busy 3.121 [32], off 5.126 [41]" in done.out
    bars = re.findall(r"^ +(calls of 1002|lamp on 1001) +([─▒█]+)$", done.out, re.MULTILINE)
    assert [re.sub(r"(.)\1*", r"\1", bar) for _, bar in bars] == ["─▒█─"] * 2
    assert done.out.endswith("no law is broken in 1 subscription\n")
    assert max(map(len, done.out.splitlines())) < 140


def test_text_of_a_desync(cli: CommandLine, desync: Path) -> None:
    done = cli("inspect", desync)
    assert done.code == 1
    assert "  LAW-01  settled lamps show the truth\n    5.126 s: lamp of sip:1002@lab.test on sip:1001@" in done.out
    assert "busy where the calls say off, for 3.2 s\n    frames 41, 42; Call-ID 1-5420@127.0.0.1" in done.out
    assert "^^^^" in done.out
    assert done.out.endswith("1 broken law in 1 subscription\n")


@pytest.mark.parametrize(("capture", "code"), [("plain", 0), ("sbc", 0), ("desync", 1)])
def test_the_document(cli: CommandLine, desync: Path, capture: str, code: int) -> None:
    done = cli("inspect", {"plain": PLAIN, "sbc": SBC, "desync": desync}[capture], "--format", "json")
    assert done.code == code
    document = done.document
    TypeAdapter(PRINTED).validate_python(document, strict=True)
    assert (document["command"], document["exit_code"], document["interrupted"]) == ("inspect", code, False)
    if capture == "sbc":
        [dialog] = [each for each in document["subscriptions"] if each["event"] == "dialog"]
        assert [(each["state"], each["frame"], each["version"]) for each in dialog["lamps"]] == [
            ("off", 8, 1), ("ringing", 18, 2), ("busy", 25, 3), ("off", 30, 4), ("busy", 35, 5), ("off", 44, 6)
        ]  # fmt: skip
        assert [each["frame"] for each in document["not_visible"]] == [18, 20, 35]
    if capture == "desync":
        [broken] = document["broken"]
        assert (broken["law"], broken["frames"], broken["watcher"]) == ("LAW-01", [41, 42], "sip:1001@lab.test")


def test_the_schema_is_printed(cli: CommandLine) -> None:
    done = cli("schema", "inspect")
    assert done.code == 0
    assert "broken" in json.loads(done.out)["$defs"]["InspectDocument"]["properties"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no capture at all", "neither pcap nor pcapng"), (b"", "an empty file"), (None, "cannot be read")],
)
def test_what_is_no_capture(cli: CommandLine, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "x.pcap"
    if content is not None:
        path.write_bytes(content)
    done = cli("inspect", path)
    assert (done.code, done.out) == (4, "")
    assert said in done.err
    assert cli("inspect", path, "--format", "json").document["error"]["kind"] == "usage"


def test_a_cut_file_gives_what_can_be_had_and_a_warning(cli: CommandLine, tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(PLAIN.read_bytes()[:-300])
    done = cli("inspect", path)
    assert done.code == 0
    assert done.err == "warning: cut in packet 46\n"
    assert "off 5.126 [41]" in done.out


def test_names_from_the_wire_stay_inert(cli: CommandLine, tmp_path: Path) -> None:
    evil = b"\x1b]0;owned\x07<script>alert(1)</script>"
    data = raw("plain-sipp.pcap").replace(b"sip:1001@lab.test>;tag=", b"sip:\x1b[31m<b>1@x>;tag=")
    path = tmp_path / "evil.pcap"
    path.write_bytes(data)
    done = cli("inspect", path, "--html", "evil.html", "--scenario", "evil.scenario.yaml")
    assert "\x1b" not in done.out + done.err
    assert evil not in done.out.encode()
    page = (tmp_path / "evil.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "\x1b" not in page + (tmp_path / "evil.scenario.yaml").read_text(encoding="utf-8")
    assert "<b>1" not in page


def test_the_page_needs_nothing_else(cli: CommandLine, tmp_path: Path, desync: Path) -> None:
    assert cli("inspect", desync, "--html", "deep/page.html").code == 1
    page = (tmp_path / "deep" / "page.html").read_text(encoding="utf-8")
    assert re.findall(r"(?:src|href)=|url\(|@import", page) == []
    assert "1 broken law in 1 subscription" in page
    assert page.count("<svg") == 3  # lamp and ladder of the broken law, and the lamp among all lamps
    assert "NOTIFY dialog [41]" in page
    assert 'class="row message decides"' in page
    sound = cli("inspect", PLAIN, "--html", "sound.html")
    assert sound.code == 0
    assert "No law is broken" in (tmp_path / "sound.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["plain-sipp.pcap", "kazoo-sbc.pcap", "kazoo-5.0.pcapng.xz"])
def test_the_scenario_runs_against_the_reference(cli: CommandLine, tmp_path: Path, name: str) -> None:
    (tmp_path / "field.pcap").write_bytes(raw(name))
    assert cli("inspect", "field.pcap", "--scenario", "mine/field.scenario.yaml").code in (0, 1)
    written = (tmp_path / "mine" / "field.scenario.yaml").read_text(encoding="utf-8")
    steps = yaml.safe_load(written)["steps"]
    words = [next(iter(step)) for step in steps]
    assert words[:2] == ["register", "subscribe"]
    assert {"call", "answer", "hang_up", "lamp"} <= set(words)
    done = cli("run", "mine/field.scenario.yaml", "--time", "virtual")
    assert done.code == 0, done.out


def test_a_lamp_that_got_stuck_does_so_again(cli: CommandLine, tmp_path: Path) -> None:
    """From a run on a server with one thing wrong to a capture, from there to a scenario that shows it."""
    mutant = ("--mutant", "stuck-after-cancel", "--time", "virtual")
    assert cli("run", "lamps/caller-gives-up", *mutant, "--pcapng", "run.pcapng").code == 1
    done = cli("inspect", "run.pcapng", "--scenario", "again.scenario.yaml", "--format", "json")
    assert done.code == 1
    assert {each["law"] for each in done.document["broken"]} == {"LAW-01"}
    assert cli("run", "again.scenario.yaml", "--time", "virtual").code == 0
    assert cli("run", "again.scenario.yaml", *mutant).code == 1


SOUND = (
    *(
        "answers-481",
        "call",
        "caller-gives-up",
        "caller-told-once",
        "first-watcher-late",
        "late-watchers",
        "nobody-there",
    ),
    *(
        "off-in-time",
        "presence-package",
        "refresh",
        "rejected",
        "server-restarts",
        "several-watchers",
        "stranger-calls",
    ),
    *("three-calls-in-a-row", "two-calls", "unanswered", "unsubscribe", "watcher-goes", "watcher-moves", "whose-lamp"),
)
"""Scenarios on lamps in which nothing is lost or forgotten on purpose."""


def test_what_the_reference_does_is_sound(cli: CommandLine) -> None:
    cases = [f"lamps/{name}" for name in SOUND]
    assert cli("run", *cases, "--time", "virtual", "--pcapng", "run.pcapng").code == 0
    document = cli("inspect", "run.pcapng", "--format", "json").document
    assert (document["broken"], document["warnings"]) == ([], [])
    assert len(document["calls"]) > 60


@pytest.mark.parametrize(
    ("mutant", "selector", "law"),
    [
        ("stuck-after-reject", "lamps/rejected", "LAW-08"),
        ("early-after-terminated", "lamps/call", "LAW-08"),
        ("second-watcher-forgotten", "lamps/several-watchers", "LAW-01"),
        ("version-stuck", "lamps/call", "LAW-03"),
        ("cseq-stuck", "lamps/call", "LAW-04"),
        ("cseq-falls", "lamps/call", "LAW-04"),
        ("unsubscribed-still-told", "lamps/unsubscribe", "LAW-05"),
        ("refresh-from-elsewhere-ignored", "lamps/watcher-moves", "LAW-06"),
    ],
)
def test_a_server_with_one_thing_wrong_is_seen(cli: CommandLine, mutant: str, selector: str, law: str) -> None:
    run = cli("run", selector, "--mutant", mutant, "--time", "virtual", "--pcapng", "run.pcapng")
    assert run.code == 1, run.out
    done = cli("inspect", "run.pcapng", "--format", "json")
    assert law in {each["law"] for each in done.document["broken"]}, done.document["broken"]


def test_a_key_log_without_tshark(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = cli("inspect", PLAIN, "--keylog", "keys.log")
    assert done.code == 4
    assert "--keylog needs tshark, which is not installed" in done.err


def test_ctrl_c_gives_what_has_been_read(tmp_path: Path) -> None:
    pipe = tmp_path / "endless.pcap"
    os.mkfifo(pipe)
    with started("inspect", pipe, "--format", "json", cwd=tmp_path) as process, pipe.open("wb") as file:
        file.write(PLAIN.read_bytes())
        noise = [(1.8e9, udp(("192.0.2.1", 9), ("192.0.2.2", 9), bytes(1000)))] * 2000
        file.write(pcap(noise)[24:])
        file.flush()  # more than fits into a pipe, so that what was first has been read
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    assert (process.returncode, document["exit_code"], document["interrupted"]) == (2, 2, True)
    assert document["subscriptions"][0]["watcher"] == "sip:1001@lab.test"


def test_what_the_documentation_shows(cli: CommandLine, desync: Path) -> None:
    text = (ROOT / "docs" / "captures.md").read_text(encoding="utf-8")
    block = text.partition("<!-- inspect:begin -->\n```text\n")[2].partition("\n```\n<!-- inspect:end -->")[0]
    command, *shown = block.splitlines()
    assert command == "$ ringproof inspect desync.pcap --width 100"
    printed = [line.rstrip() for line in cli("inspect", desync, "--width", "100").out.splitlines()]
    # each part between two ... is there as it stands
    parts = [part.strip("\n") for part in "\n".join(shown).split("...")]
    assert [part in "\n".join(printed) for part in parts] == [True] * 3
