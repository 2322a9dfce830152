"""Findings on disk: the scenario file, the events, and the Record of its run with ladder and lamps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.evidence_folders import write_evidence
from harness.hunting.events import read_events
from harness.hunting.hunt import Finding, play
from harness.hunting.laws import Breach
from harness.loader import SUFFIX
from reference_server.behaviour import Behaviour
from reports.evidence import folder_of

_ENDING = ".events.json"


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a finding is. `evidence` is None where its scenario showed nothing in the virtual world."""

    scenario: Path
    events: Path
    evidence: Path | None


def save(finding: Finding, out: Path, behaviour: Behaviour, profile: str, words: Sequence[str]) -> Saved:
    """Write a finding below `out`; `words` are the options that say on what it was found. Raises OSError."""
    out.mkdir(parents=True, exist_ok=True)
    name = _free_name(out, finding.name)
    scenario, events = out / f"{name}{SUFFIX}", out / f"{name}{_ENDING}"
    scenario.write_text(finding.scenario, encoding="utf-8")
    events.write_text(json.dumps(_content(finding, words, scenario.name), indent=2) + "\n", encoding="utf-8")
    said = dict(zip(words[::2], words[1::2], strict=False))
    options = {"mutant": said.get("--mutant"), "behaviour_file": said.get("--behaviour")}
    result = play(scenario, out / "records" / name, behaviour, profile, **options)
    if result.error or not result.verdicts or write_evidence(result, lambda _: None):
        return Saved(scenario, events, None)
    evidence = folder_of(result.folder, result.verdicts[0].address)
    return Saved(scenario, events, evidence if evidence.is_dir() else None)


def _free_name(out: Path, name: str) -> str:
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(each for each in names if not (out / f"{each}{SUFFIX}").exists())


def _content(finding: Finding, words: Sequence[str], scenario: str) -> dict[str, Any]:
    breach = finding.breach
    return {
        "schema": 1,
        "clause": breach.law,
        "why": breach.why,
        "cause": finding.cause,
        "watcher": breach.watcher,
        "presentity": breach.presentity,
        "seed": finding.seed,
        "found_on": list(words),
        "scenario": scenario,
        "events": [event.as_json() for event in finding.events],
    }


def is_finding(path: Path) -> bool:
    """Whether a file is named as findings are."""
    return path.name.endswith(_ENDING)


def read_finding(path: Path) -> tuple[Finding, Path]:
    """A finding and its scenario file from the file of its events. Raises UsageError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        breach = Breach(content["clause"], content["watcher"], content["presentity"], content["why"], 0.0, "lamp")
        events = read_events(content["events"])
        scenario = path.parent / content["scenario"]
        cause = str(content["cause"])
        return Finding(breach, events, len(events), int(content["seed"]), 0.0, cause=cause), scenario
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no finding of a hunt: {error}") from error


def read_findings(folder: Path) -> list[Finding]:
    """All findings of a folder. Raises UsageError."""
    return [read_finding(path)[0] for path in sorted(folder.glob(f"*{_ENDING}"))]
