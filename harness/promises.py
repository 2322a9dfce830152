"""The table promise by release: kept, broken or absent, each linked to the scenario of a case that shows it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.clauses import PROFILES, SCENARIOS, Clause, Standing, catalogue, chapter_of
from harness.engine import Engine, Options
from harness.loader import Case, load_cases, shipped
from harness.verdicts import CaseVerdict, Verdict
from reference_server.profiles import PROFILES as PLAYED

Verdicts = Mapping[str, Sequence[CaseVerdict]]
"""By profile: what a run of everything against that profile found."""

_SHOWN_BY: Mapping[Standing, tuple[Verdict, ...]] = {
    "kept": (Verdict.PASS, Verdict.UNCLEAR),
    "broken": (Verdict.KNOWN,),
    "absent": (Verdict.UNSUPPORTED, Verdict.SKIPPED),
}
_CHAPTERS = {
    "SYNC": "Check-sync",
    "PID": "Static presence id",
    "CALL": "Quickcall",
    "PRES": "Presence reset",
    "API": "The API around it",
    "SEC": "Who may do what",
    "SIP": "SIP",
}
_HEAD = """\
# What each release keeps

Made by `ringproof list --table` from runs of every scenario against the reference server as it plays each release, in
virtual time; do not edit. A cell links to the scenario of a case that shows it. *kept*: the promise holds; *broken*: it
is known not to, see below the tables for how that is known; *absent*: this Kazoo has no such thing. Where an API
version differs, it is named. `documented` is the Devices page, literally.
"""


def run_profiles(seed: int = 1) -> Verdicts:
    """Run everything against every profile, in virtual time: some ten seconds each."""
    cases = load_cases(shipped())
    found: dict[str, Sequence[CaseVerdict]] = {}
    for profile in PROFILES:
        with tempfile.TemporaryDirectory(prefix="ringproof-") as folder:
            options = Options(out=Path(folder), behaviour=PLAYED[profile], profile=profile, virtual=True, seed=seed)
            found[profile] = Engine(cases, options).run().verdicts
    return found


def table(verdicts: Verdicts) -> str:
    """The whole page, in Markdown."""
    known, cases = catalogue(), load_cases(shipped())
    lines = [_HEAD]
    for chapter, title in _CHAPTERS.items():
        lines += [f"## {title}", "", f"| | promise | {' | '.join(PROFILES)} |", "|---" * (len(PROFILES) + 2) + "|"]
        for name, clause in known.items():
            if chapter_of(name) == chapter:
                cells = [_cell(name, clause, profile, verdicts[profile], cases) for profile in PROFILES]
                lines.append(f"| {name} | {_plain(clause.statement)} | {' | '.join(cells)} |")
        lines.append("")
    lines += ["## How a breakage is known", ""]
    for name, clause in known.items():
        for where, why in clause.broken.items():
            lines.append(f"- {name}, {where}: {_plain(why)}")
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _cell(name: str, clause: Clause, profile: str, found: Sequence[CaseVerdict], cases: Sequence[Case]) -> str:
    versions = (clause.api,) if clause.api else ("v2", "v1")
    standings = {api: clause.standing(profile, api) for api in versions}
    shown = [_link(name, standings[api], api, found, cases) for api in versions]
    if len(set(standings.values())) == 1:
        return shown[0]
    return "; ".join(text if api == "v2" else f"{api} {text}" for api, text in zip(versions, shown, strict=True))


def _link(name: str, standing: Standing, api: str, found: Sequence[CaseVerdict], cases: Sequence[Case]) -> str:
    """The standing, linked to the scenario of a case of that API version that shows it; at least to one about it."""
    about = {case.address: case for case in cases if name in case.clauses()}
    shows = [
        verdict.address
        for verdict in found
        for each in verdict.clauses
        if each.clause == name and each.verdict in _SHOWN_BY[standing]
    ]
    chosen = [address for address in shows if address in about] or list(about)
    best = min(chosen, key=lambda address: about[address].api != api)
    file = about[best].file.relative_to(SCENARIOS.parent)
    return f"[{standing}](../{file.as_posix()})"
