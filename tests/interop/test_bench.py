"""`ringproof bench` with its peers: every work is done to its end by both sides. Costs are not judged."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from harness.documents import PRINTED
from tests.end_to_end.conftest import CommandLine
from tests.interop.conftest import peer

pytestmark = pytest.mark.interop


def test_both_sides_do_every_work(cli: CommandLine) -> None:
    for program in ("sipp", "kamailio"):
        peer(program)
    works = ("registration", "notify", "call", "memory")
    chosen = [part for work in works for part in ("--work", work)]
    done = cli("bench", "--quick", "--format", "json", *chosen)
    assert done.code == 0, done.out + done.err
    TypeAdapter(PRINTED["bench"]).validate_python(done.document, strict=True)
    rows = {row["work"]: row for row in done.document["rows"]}
    assert tuple(rows) == works
    assert done.document["peer"] == "SIPp"
    assert all(rows[work]["ours_us"] > 0 and rows[work]["peer_us"] > 0 for work in works[:3])
    assert rows["memory"]["ours"] > 0


def test_a_profile_names_functions(cli: CommandLine) -> None:
    for program in ("sipp", "kamailio"):
        peer(program)
    done = cli("bench", "--quick", "--profile", "call")
    assert done.code == 0, done.err
    assert "tottime" in done.out
    assert "/phones/" in done.out
