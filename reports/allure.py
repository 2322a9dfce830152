"""Allure results of a run, by Allure's own model and writer (the extra `allure`), from the Record alone.

The same Record gives the same files. A case keeps its identity (`historyId`) over runs; profile, target and seed are
shown as parameters that do not count for it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from allure_commons.logger import AllureMemoryLogger
from allure_commons.model2 import (
    ATTACHMENT_PATTERN,
    Attachment,
    Label,
    Link,
    Parameter,
    Status,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import AttachmentType, LabelType, LinkType, Severity

from reports.allure_steps import Entry, entries_of
from reports.evidence import CAPTURE, calls
from reports.ladder import as_text, ladder_of
from reports.lamp_chart import as_text as chart_text
from reports.lamp_chart import charts_of
from reports.pcapng import began_at, case_capture
from reports.record import Event
from reports.sources import links_of
from reports.view import CaseView, RunView
from reports.words import again, clean, explanation, one_line

STATUSES = {
    "pass": Status.PASSED,
    "known": Status.PASSED,
    "non_strict": Status.PASSED,
    "unclear": Status.PASSED,
    "fail": Status.FAILED,
    "inconclusive": Status.BROKEN,
    "error": Status.BROKEN,
    "unsupported": Status.SKIPPED,
    "skipped": Status.SKIPPED,
}
"""Verdict to Allure's word."""

_WIDTH = 110
_MOST_MESSAGE = 300
_PCAP = AttachmentType.PCAP.mime_type


@dataclass(slots=True)
class Told:
    """A case as Allure has it: the result, and the files that it names."""

    result: TestResult
    files: dict[str, bytes] = field(default_factory=dict)


def write(view: RunView, folder: Path) -> None:
    """Write the results of a run into `folder`, beside what is there. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for told in (*(told_of(case) for case in view.cases), *_not_begun(view)):
        for name, data in told.files.items():
            (folder / name).write_bytes(data)
        logger = AllureMemoryLogger()
        logger.report_result(told.result)
        name = told.result.file_pattern.format(prefix=told.result.uuid)
        (folder / name).write_text(json.dumps(logger.test_cases[0], ensure_ascii=False), encoding="utf-8")


def told_of(case: CaseView) -> Told:
    """One case."""
    header, verdict = case.header, case.verdict
    decided = str(verdict["verdict"])
    told = Told(_identified(header, case.address, dict(case.start["matrix"])))
    result = told.result
    result.name = clean(case.address.partition("/")[2])
    result.status = STATUSES[decided]
    result.stage = "finished"
    result.statusDetails = _details(case, decided)
    result.description = _description(case)
    result.labels += [Label(name, value) for name, value in _labels(case, decided)]
    sources = [link for clause in case.start["clauses"] for link in links_of(clause["source"])]
    result.links = [Link(LinkType.LINK, url, name) for name, url in dict(sources).items()]
    result.start = _ms(header, case.begun)
    result.stop = _ms(header, max(float(event["t"]) for event, _ in case.events))
    add_evidence(told, case)
    return told


def add_evidence(told: Told, case: CaseView) -> None:
    """Add what the Record has of `case`: its steps with their times, and the files that show what happened."""
    told.result.steps += [_step(told, case, entry) for entry in entries_of(case)]
    text, as_json = AttachmentType.TEXT, AttachmentType.JSON
    if case.verdict["verdict"] != "pass":
        _attach(told, told.result, case, "failure", _explained(case), text.mime_type, "txt")
    pictures = [as_text(ladder_of(case), _WIDTH), *(chart_text(chart, _WIDTH) for chart in charts_of(case))]
    _attach(told, told.result, case, "ladder", "\n\n".join(pictures), text.mime_type, "txt")
    _attach(told, told.result, case, "HTTP", json.dumps(list(calls(case)), indent=1), as_json.mime_type, "json")
    _attach(told, told.result, case, CAPTURE, case_capture(case), _PCAP, "pcapng")


def _identified(header: Event, address: str, matrix: dict[str, str]) -> TestResult:
    """A result with everything by which Allure knows a case again."""
    scenario = address.partition("[")[0]
    result = TestResult(uuid=_uuid(header, address, "result"), fullName=clean(scenario))
    result.testCaseId = _digest(scenario)
    result.historyId = _digest(address)
    chapter, _, name = scenario.partition("/")
    result.titlePath = [clean(chapter), clean(name)]
    result.parameters = [Parameter(clean(name), clean(str(value))) for name, value in matrix.items()]
    told = [(name, header.get(name)) for name in ("target", "profile", "mutant", "time", "seed")]
    result.parameters += [
        Parameter(name, clean(str(value)), excluded=True) for name, value in told if value is not None
    ]
    result.labels = [
        Label(LabelType.PARENT_SUITE, "ringproof"),
        Label(LabelType.SUITE, clean(chapter)),
        Label(LabelType.SUB_SUITE, clean(name)),
        Label(LabelType.FRAMEWORK, "ringproof"),
    ]
    return result


def _labels(case: CaseView, decided: str) -> Iterator[tuple[str, str]]:
    """Chapter, clause and scenario as epic, feature and story; the level as severity."""
    yield LabelType.EPIC, clean(case.chapter)
    for clause in case.start["clauses"]:
        yield LabelType.FEATURE, one_line(f"{clause['id']} {clause['statement']}")
        yield LabelType.TAG, clean(clause["id"])
    yield LabelType.STORY, one_line(case.start["title"])
    musts = any(clause["level"] == "MUST" for clause in case.start["clauses"])
    yield LabelType.SEVERITY, (Severity.CRITICAL if musts else Severity.MINOR).value
    yield "verdict", decided


def _details(case: CaseView, decided: str) -> StatusDetails | None:
    if decided == "pass":
        return None
    verdict = case.verdict
    message = one_line(verdict["why"] or verdict["reason"] or decided, _MOST_MESSAGE)
    return StatusDetails(known=True if decided == "known" else None, message=message, trace=_explained(case))


def _explained(case: CaseView) -> str:
    return explanation(case.verdict, again(case.header, case.start.get("again", [case.address])))


def _description(case: CaseView) -> str:
    """What it is for; texts of scenario files and the catalogue only, for Allure reads it as Markdown."""
    lines = [one_line(case.start["title"]), "", one_line(case.start["why"]), ""]
    for clause in case.start["clauses"]:
        promise, source = one_line(clause["statement"]), one_line(clause["source"])
        lines.append(f"- **{clean(clause['id'])}** ({clause['level']}): {promise} ({source})")
    return "\n".join(lines).strip().replace("<", "&lt;")


def _step(told: Told, case: CaseView, entry: Entry) -> TestStepResult:
    step = TestStepResult(name=entry.name, status=entry.status, stage="finished")
    step.start, step.stop = _ms(case.header, entry.start), _ms(case.header, entry.stop)
    step.steps = [_step(told, case, part) for part in entry.parts]
    exchange = entry.exchange
    if exchange is not None and exchange.request["role"] == "stimulus":
        number = exchange.request["n"]
        [call] = [each for each in calls(case) if each["request"]["n"] == number]
        body = json.dumps(call, indent=1)
        _attach(told, step, case, "request and reply", body, AttachmentType.JSON.mime_type, "json", f"{number}")
    return step


def _attach(
    told: Told,
    to: TestResult | TestStepResult,
    case: CaseView,
    name: str,
    data: str | bytes,
    mime_type: str,
    suffix: str,
    which: str = "",
) -> None:
    file = ATTACHMENT_PATTERN.format(prefix=_uuid(case.header, case.address, f"{name} {which}"), ext=suffix)
    told.files[file] = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    to.attachments.append(Attachment(name=name, source=file, type=mime_type))


def _not_begun(view: RunView) -> Iterator[Told]:
    """Cases that were to run and did not: of a run that was cut off nobody knows what they would have shown."""
    for address in view.not_begun:
        result = _identified(view.header, address, {})
        result.name = clean(address.partition("/")[2])
        result.status, result.stage = (Status.BROKEN if view.cut else Status.SKIPPED), "finished"
        result.statusDetails = StatusDetails(message=f"not begun: {clean(view.cut) or 'the run ended before'}")
        result.start = result.stop = _ms(view.header, 0.0)
        yield Told(result)


def _ms(header: Event, seconds: float) -> int:
    """Seconds of the run as Allure's milliseconds since 1970."""
    return began_at(header) // 1000 + round(seconds * 1000)


def _digest(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "backslashreplace"), usedforsecurity=False).hexdigest()


def _uuid(header: Event, address: str, what: str) -> str:
    """A name that the same Record always gives."""
    text = f"{header['run']} {header.get('started')} {address} {what}"
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text.encode("utf-8", "backslashreplace").decode()))
