"""The suite through a real SIP edge before the reference server, as before a deployment: Path, Record-Route, relays."""

from __future__ import annotations

from pathlib import Path

import pytest

from phones.line import format_address
from phones.sip.index import Message
from phones.sip.transport import Transport
from reports.record import read_record
from tests.end_to_end.conftest import CommandLine
from tests.interop.conftest import Fronted

pytestmark = pytest.mark.interop

CHAPTERS = ("sync", "lamps", "presence", "presence-id", "quickcall", "registration")

NOT_RELAYED = {"presence-id/cellphone-outbound", "registration/unknown-extension"}
"""A carrier, or an INVITE made by hand, is known by the address that it comes from, and the edge's is its own."""


OVER_STREAMS = ("sync", "lamps", "presence")


@pytest.mark.parametrize(
    ("chapter", "transport"),
    [*((chapter, "udp") for chapter in CHAPTERS), *((chapter, "tcp") for chapter in OVER_STREAMS)]
    + [(chapter, "tls") for chapter in OVER_STREAMS],
)
def test_a_chapter_through_the_edge(chapter: str, transport: str, fronted: Fronted, cli: CommandLine) -> None:
    arguments = (f"{chapter}/*", "--target", fronted.target, "--transport", transport, "--format", "json")

    def attempt() -> None:
        cases = cli("run", *arguments).document["cases"]
        # skipped: what takes more than half a minute; unsupported: another transport, or what the page does not have
        bad = [case for case in cases if case["verdict"] not in ("pass", "unclear", "skipped", "unsupported")]
        told = [(case["address"], case["reason"]) for case in bad if case["address"] not in NOT_RELAYED]
        assert told == [], fronted.edge.log[-4000:]
        assert sum(case["verdict"] == "pass" for case in cases) > len(cases) // 2

    fronted.edge.sound(attempt)


@pytest.mark.parametrize("transport", [Transport.UDP, Transport.TCP, Transport.TLS])
def test_everything_goes_through_the_edge(
    transport: Transport, fronted: Fronted, cli: CommandLine, tmp_path: Path
) -> None:
    chosen = ("sync/path-registered", "lamps/call", "lamps/subscribe")
    arguments = (*chosen, "--target", fronted.target, "--transport", transport.value)
    fronted.edge.sound(lambda: passed(cli, *arguments))
    record = read_record(tmp_path / "out" / "latest")
    edge = format_address(fronted.edge.place(transport))
    heard: list[Message] = []
    for event, data in record:
        if event["kind"] == "message":
            assert (event["remote"], event["transport"]) == (edge, transport.value)
            heard += [Message.parse(data)] if event["direction"] == "in" else []
    # the registrar says what it has remembered, and what it sends comes along it
    registered = [each for each in heard if each.method == "REGISTER" and each.status == 200 and each.get("contact")]
    assert registered
    inside = format_address(fronted.edge.sip)
    assert all(inside in (each.get("path") or "") for each in registered)
    if transport.reliable:
        assert all(f"transport%3D{transport.value}" in (each.get("path") or "") for each in registered)
    for method in ("NOTIFY", "INVITE"):
        relayed = [each for each in heard if each.method == method and not each.status]
        assert relayed
        assert all(edge in each.all("via")[0] and len(each.all("via")) > 1 for each in relayed)
        assert all(edge in each.all("record-route")[0] for each in relayed)
    for method in ("SUBSCRIBE", "INVITE"):
        # whoever answers says who has recorded itself, or what follows would pass the edge by
        answers = [each for each in heard if each.method == method and 200 <= each.status < 300]
        assert answers
        assert all(any(edge in route for route in each.all("record-route")) for each in answers)


def passed(cli: CommandLine, *arguments: str | Path) -> None:
    """Run scenarios that have to pass."""
    assert cli("run", *arguments).code == 0


def test_flows_are_registered_and_kept_behind_an_edge_that_knows_them(
    fronted: Fronted, cli: CommandLine, tmp_path: Path
) -> None:
    chosen = ("registration/own-flow", "registration/flow-anew", "--target", fronted.target, "--format", "json")

    def attempt() -> None:
        verdicts = {case["address"]: case["verdict"] for case in cli("run", *chosen).document["cases"]}
        for name in ("own-flow", "flow-anew"):
            assert [verdicts[f"registration/{name}[{each}]"] for each in ("udp", "tcp", "tls")] == ["pass"] * 3

    fronted.edge.sound(attempt)
    heard = [
        Message.parse(data) for event, data in read_record(tmp_path / "out" / "latest") if event["kind"] == "message"
    ]
    registered = [each for each in heard if each.method == "REGISTER" and each.status == 200 and each.get("require")]
    # the edge says in its Path that it keeps to the flow (RFC 5626 5.1)
    assert registered
    assert all(";ob" in (each.get("path") or "") for each in registered)
