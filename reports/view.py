"""A Record as reports look at it: its cases, each with its events in order and the judgement on it.

Verdicts come from the judge, which is not of this room: whoever makes a report judges the Record first and hands the
verdicts in, as the documents of `run` and `report` have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reports.record import Event, Record
from reports.words import again


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a case: its number, text and line in the file, and when it began and ended (None: it did not)."""

    number: str
    text: str
    line: int
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One API call: the `request` event and its `reply` event, None when the Record ends before."""

    request: Event
    reply: Event | None


@dataclass(frozen=True, slots=True)
class CaseView:
    """One case: what it is, what happened, and what was judged. Times are seconds since the run began."""

    start: Event
    """The `case` event: file, title, why, matrix, clauses."""

    verdict: Mapping[str, Any]
    """The case as the `run` document has it: verdict, reason, rule, expected, actual, why, decisive, …"""

    events: list[tuple[Event, bytes]] = field(repr=False)
    """All events of the case in order, with the bytes of messages and media."""

    header: Event = field(default_factory=dict, repr=False)
    """The header of the run that it is of."""

    @property
    def address(self) -> str:
        """chapter/name[matrix point]."""
        return str(self.start["case"])

    @property
    def chapter(self) -> str:
        """The folder of its file."""
        return self.address.partition("/")[0]

    @property
    def name(self) -> str:
        """Its address without chapter and matrix."""
        return self.address.partition("[")[0].partition("/")[2]

    @property
    def begun(self) -> float:
        """When it began."""
        return float(self.start["t"])

    def of_kind(self, *kinds: str) -> list[tuple[Event, bytes]]:
        """Its events of some kinds."""
        return [pair for pair in self.events if pair[0]["kind"] in kinds]

    @property
    def steps(self) -> list[StepView]:
        """Its steps in the order in which they began; claims have no step of their own."""
        ends = {e["step"]: e["t"] for e, _ in self.of_kind("step") if e["phase"] == "end"}
        return [
            StepView(e["step"], e["text"], e["line"], e["t"], ends.get(e["step"]))
            for e, _ in self.of_kind("step")
            if e["phase"] == "start"
        ]

    @property
    def exchanges(self) -> list[Exchange]:
        """Its API calls in order."""
        replies = {e["id"]: e for e, _ in self.of_kind("reply")}
        return [Exchange(e, replies.get(e["id"])) for e, _ in self.of_kind("request")]

    @property
    def phones(self) -> list[Event]:
        """The first `phone` event of each of its phones."""
        found: dict[str, Event] = {}
        for event, _ in self.of_kind("phone"):
            found.setdefault(event["phone"], event)
        return list(found.values())


@dataclass(frozen=True, slots=True)
class RunView:
    """A whole run. `cut` says what is missing of its Record, '' when it is whole."""

    header: Event
    footer: Event | None
    cut: str
    cases: list[CaseView]
    baseline: Mapping[str, Any] | None = None
    """What a baseline makes of the verdicts: the `baseline` of the `run` document, None where there was none."""

    @property
    def not_begun(self) -> list[str]:
        """Cases that were to run and are not in the Record."""
        begun = {case.address for case in self.cases}
        return [address for address in self.header["cases"] if address not in begun]

    def again(self, case: CaseView) -> str:
        """The command line that runs one of its cases again."""
        return again(self.header, case.start.get("again", [case.address]))

    def case(self, address: str) -> CaseView | None:
        """The case of that address."""
        return next((case for case in self.cases if case.address == address), None)


def run_view(
    record: Record, verdicts: Iterable[Mapping[str, Any]], baseline: Mapping[str, Any] | None = None
) -> RunView:
    """`record` with the `verdicts` that were judged from it, matched by address, and what a `baseline` made of them."""
    judged = {verdict["address"]: verdict for verdict in verdicts}
    events: dict[str, list[tuple[Event, bytes]]] = {}
    starts: dict[str, Event] = {}
    for event, data in record:
        if event["kind"] == "case":
            starts[event["case"]] = event
        if "case" in event:
            events.setdefault(event["case"], []).append((event, data))
    cases = [CaseView(start, judged.get(name, {}), events[name], record.header) for name, start in starts.items()]
    return RunView(record.header, record.footer, record.cut, cases, baseline)
