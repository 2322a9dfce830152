"""What every report says in the same words: what verdicts mean, the explanation of a case, the line to run it again.

A verdict here is the document of one case, as `run` and `report` print it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from reports.record import Event

MEANINGS = {
    "error": "ringproof itself failed",
    "fail": "the promise was broken",
    "inconclusive": "nothing can be said: what would prove it did not happen",
    "known": "a deviation that the profile or the baseline names",
    "non_strict": "a recommendation was not followed",
    "unclear": "the documentation contradicts itself; all readings were tested",
    "unsupported": "the target says that it has no such thing",
    "pass": "the promise was kept, seen on the wire",
    "skipped": "not run here",
}
"""Verdict to what it means, for legends; worst first. `pass` counts for more than `skipped`."""


def worst(verdicts: Sequence[str]) -> str:
    """The verdict that decides; nothing at all is inconclusive."""
    return min(verdicts, key=list(MEANINGS).index, default="inconclusive")


def plain(text: str) -> str:
    """`text` without anything that a terminal would obey: bytes from the wire stay inert."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def clean(text: str) -> str:
    """`plain` text whose line breaks are escaped, too."""
    return text if text.isprintable() else plain(text).replace("\n", "\\x0a")


def harmless(value: Any) -> Any:
    """`value`, a JSON document, with every text in it `clean`."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): harmless(item) for key, item in value.items()}
    return [harmless(item) for item in value] if isinstance(value, list | tuple) else value


def one_line(text: str, most: int = 0) -> str:
    """`text` as one inert line, cut to `most` characters unless that is 0."""
    line = " ".join(plain(text.replace("\t", " ").replace("\r", "")).split())
    return line if not most or len(line) <= most else line[: most - 1] + "…"


def decided(verdict: Mapping[str, Any]) -> list[str]:
    """The clauses that the verdict of a case rests on."""
    clauses: Mapping[str, str] = verdict["clause_verdicts"]
    return [name for name, each in clauses.items() if each == verdict["verdict"]] or list(clauses)


def explanation(verdict: Mapping[str, Any], again: str = "", evidence: str = "") -> str:
    """The explanation of a case, for a person who has not read the source. Inert, several lines."""
    head = f"{verdict['verdict'].upper()}  {', '.join(decided(verdict))}  {verdict['address']}"
    lines = [f"{head}   {verdict['duration_s']:.2f} s"]
    lines += [f"  {name:<9} {value}" for name, value in findings(verdict)]
    lines += [f"            {line}" for line in verdict["lamps"].splitlines()]
    traced = f"; Call-ID {verdict['trace'][-1]}" if verdict["trace"] else ""
    rows = [
        ("where", whereabouts(verdict)),
        ("logs", f"grep {verdict['label']} in kazoo.log{traced}" if verdict["label"] else ""),
        ("evidence", evidence),
        ("again", again),
    ]
    lines += [f"  {name:<9} {value}" for name, value in rows if value]
    return plain("\n".join(lines))


def whereabouts(verdict: Mapping[str, Any]) -> str:
    """The file of a case, and the line and step that decided, where one did."""
    line, step = verdict.get("line"), verdict.get("step")
    return f"{verdict['file']}:{line}, step {step}" if line and step else str(verdict["file"])


def findings(verdict: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rule, expected, actual and why of a case, those that there are."""
    rows = [(name, verdict[name]) for name in ("rule", "expected", "actual")]
    return [(name, value) for name, value in [*rows, ("why", verdict["why"] or verdict["reason"])] if value]


def again(header: Event, selector: Sequence[str]) -> str:
    """The command line that runs a case of the run with that `header` again; `selector` is its event's `again`.

    A selector that begins with `pytest` is a whole command line.
    """
    if selector[:1] == ["pytest"]:
        return shlex.join(selector)
    parts = ["ringproof", "run", *selector, "--seed", str(header["seed"]), *header.get("again", ())]
    return " ".join(shlex.quote(part) for part in parts)
