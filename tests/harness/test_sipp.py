"""The room of SIPp without SIPp: our scenarios are whole, and the adapter leaves everything as it was."""

from __future__ import annotations

import socket
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pluggy
import pytest

from harness.errors import HarnessError
from harness.sipp import Part, Sipp, SippMissing, adapter, running
from harness.sipp.running import TEMPLATES, call_rate, credentials, render

VALUES: dict[str, dict[str, Any]] = {
    "registrar": {"realm": "r.example", "username": "u", "password": "p", "expires": 60, "more": 2},
    "watch": {"changes": 3},
    "elsewhere": {"uri": "sip:next@r.example"},
    "demanding": {"uri": "sip:u@192.0.2.1"},
    "notifier": {"states": ["terminated", "early"]},
}

LIKE_IT = """
    import imp
    from distutils import spawn
    import pluggy

    find = spawn.find_executable
    mng = pluggy.PluginManager("pysipp", implprefix="pysipp")
"""


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.xml.j2")), ids=lambda path: path.name.partition(".")[0])
def test_scenarios_are_whole(path: Path) -> None:
    name = path.name.removesuffix(".xml.j2")
    text = render(name, **VALUES.get(name, {}))
    steps = list(ElementTree.fromstring(text.encode()))
    assert {step.tag for step in steps} <= {"send", "recv", "pause", "label", "nop", "Reference"}
    for step in steps:
        if step.tag == "send":
            message = (step.text or "").strip("\n")
            # one empty line, between headers and body: a second one would end the headers early
            head, _, body = message.partition("\n\n")
            assert "Content-Length:" in head
            assert "\n\n" not in body.strip()
    labels = [step.get("id") for step in steps if step.tag == "label"]
    assert len(labels) == len(set(labels))
    assert {step.get("next") for step in steps} - {None} <= set(labels)


def test_what_is_left_open_is_said() -> None:
    with pytest.raises(HarnessError, match="SIPp scenario registrar: 'realm' is undefined"):
        render("registrar")
    with pytest.raises(HarnessError, match="nonsense"):
        render("nonsense")


@pytest.mark.parametrize(
    ("rate", "per_ms", "calls"), [(10, 1000, 10), (1, 1000, 1), (0.5, 2000, 1), (2.5, 10_000, 25), (1.1, 10_000, 11)]
)
def test_rates(rate: float, per_ms: int, calls: int) -> None:
    assert call_rate(rate) == (per_ms, calls)


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Somewhere to put a pysipp; a program that calls itself sipp is there."""
    program = tmp_path / "bin" / "sipp"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(
        sys, "path", [str(tmp_path), *(each for each in sys.path if not (Path(each) / "pysipp").exists())]
    )
    known = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "pysipp"}
    yield tmp_path
    sys.modules.pop("pysipp", None)
    sys.modules.update(known)


def test_it_is_imported_and_nothing_else_changes(library: Path) -> None:
    (library / "pysipp.py").write_text(textwrap.dedent(LIKE_IT), encoding="utf-8")
    before = {name: sys.modules.get(name) for name in ("imp", "distutils", "distutils.spawn")}
    manager = pluggy.PluginManager
    module = adapter.pysipp()
    assert isinstance(module.mng, manager)
    assert module.find("sipp") == str(library / "bin" / "sipp")
    assert pluggy.PluginManager is manager
    assert {name: sys.modules.get(name) for name in before} == before
    with pytest.raises(TypeError):
        vars(pluggy)["PluginManager"]("x", implprefix="x")
    assert adapter.pysipp() is module


def test_one_that_breaks_leaves_nothing_behind(library: Path) -> None:
    (library / "pysipp.py").write_text("import imp\nraise AttributeError('too new')\n", encoding="utf-8")
    manager, imp = pluggy.PluginManager, sys.modules.get("imp")
    with pytest.raises(SippMissing, match="pysipp cannot be imported: AttributeError: too new"):
        adapter.pysipp()
    assert pluggy.PluginManager is manager
    assert sys.modules.get("imp") is imp
    assert "pysipp" not in sys.modules


def test_what_is_missing_is_named(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SippMissing, match="pysipp, which drives SIPp, is not installed") as without:
        Sipp(Part("answer"))
    assert without.value.hint == "pip install 'ringproof[sipp]'"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SippMissing, match=r"^sipp is not installed$") as nothing:
        Sipp(Part("answer"))
    assert "sip-tester" in nothing.value.hint


def test_credentials_are_a_field_of_their_own() -> None:
    assert credentials("u", "p") == "[authentication username=u password=p]"


def test_ports_are_none_that_the_system_gives_away() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        assert other.getsockname()[1] not in running._PORTS
    for ports in (1, 4):
        first = running._free_port("127.0.0.1", ports)
        assert first % 2 == 0
        assert {*range(first, first + ports)} <= {*running._PORTS}


def test_a_port_that_somebody_has_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    first = running._free_port("127.0.0.1", 4)
    monkeypatch.setattr(running, "_PORTS", range(first, first + 4))
    assert running._free_port("127.0.0.1", 1) in (first, first + 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 3))
        # the video's RTCP of the one, the second of the other
        with pytest.raises(HarnessError, match=f"between {first} and {first + 4} is free"):
            running._free_port("127.0.0.1", 4)
