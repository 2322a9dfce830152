"""A summary for a merge request or a job page: GitHub's and GitLab's Markdown.

Text that came from the wire, a file or a target stands in `pre` and `code` elements or has every sign of its own
escaped: it is neither markup nor HTML, mentions nobody, links nothing and is no quick action.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from reports.tally import ClauseRow, chapters, clause_rows, counted, counts
from reports.view import CaseView, RunView
from reports.words import MEANINGS, decided, findings, one_line, plain

SIGNS = {
    "error": "💥",
    "fail": "❌",
    "inconclusive": "❓",
    "known": "📌",
    "non_strict": "🔸",
    "unclear": "🌫️",
    "unsupported": "🚫",
    "pass": "✅",
    "skipped": "⏭️",
}
_EXPLAINED = ("error", "fail", "inconclusive", "non_strict")
_MOST_EXPLAINED = 35_000
"""Characters of explanations, so that all fits into a comment of 65 536; what is left out is counted."""
_MOST_TEXT = 1200
_SIGN = re.compile(r"[\\`*_\[\](){}<>#!|~@&$^:=]")
_REFERENCE = re.compile(r"([@#!$%~&:/.^])(?=\w)")
"""What begins a mention, a reference to an issue or a link when a letter follows."""


def render(view: RunView) -> str:
    """The run as one Markdown document."""
    rows = clause_rows(view.cases)
    parts = [
        f"## ringproof: {_headline(view)}",
        _told(view),
        *_warnings(view),
        *_explanations(view),
        _chapter_table(view),
        _clause_tables(rows),
        _legend(view),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(view: RunView) -> str:
    found = counts(view.cases)
    first = next(iter(found), "skipped")
    changed = view.baseline is not None and any(each["red"] for each in view.baseline["findings"])
    sign = "❌" if changed else "❓" if view.cut or view.not_begun else SIGNS[first]
    return f"{sign} {counted(view.cases)}".replace("_", "\\_")


def _told(view: RunView) -> str:
    header = view.header
    told = [f"run {_code(header['run'])} against {_code(header['target'])}", f"profile {_code(header['profile'])}"]
    if header.get("mutant"):
        told.append(f"mutant {_code(header['mutant'])}")
    told += ["virtual time" if header["time"] == "virtual" else "real sockets", f"seed {header['seed']}"]
    if header.get("started"):
        told.append(f"started {_inert(header['started'])}")
    if view.footer is not None:
        told.append(f"{view.footer['t']:.1f} s")
    return ", ".join(told)


def _warnings(view: RunView) -> Iterator[str]:
    if view.cut:
        yield f"> **The Record is not whole**: {_inert(view.cut)}"
    if view.footer is not None and view.footer.get("interrupted"):
        yield "> **The run was interrupted.**"
    if view.not_begun:
        yield f"> {len(view.not_begun)} of {len(view.header['cases'])} cases were not begun."
    if view.baseline is not None and view.baseline["findings"]:
        yield "\n".join(
            f"- {'❌' if found['red'] else '⚠️'} {_inert(found['said'])}" for found in view.baseline["findings"]
        )


def _explanations(view: RunView) -> Iterator[str]:
    fallen = [(case, alike) for case, alike in _grouped(view.cases) if case.verdict["verdict"] in _EXPLAINED]
    fallen.sort(key=lambda each: list(MEANINGS).index(each[0].verdict["verdict"]))
    if fallen:
        yield "### What is not fine"
    told = 0
    for number, (case, alike) in enumerate(fallen):
        text = _explained(view, case, alike)
        told += len(text)
        if told > _MOST_EXPLAINED:
            yield f"{len(fallen) - number} more are in the other reports of this run."
            break
        yield text


def _explained(view: RunView, case: CaseView, alike: list[CaseView]) -> str:
    verdict = case.verdict
    head = f"{SIGNS[verdict['verdict']]} {verdict['verdict']} <code>{_html(', '.join(decided(verdict)))}</code>"
    also = f" and {len(alike)} like it" if alike else ""
    rows = findings(verdict)
    rows += [("also", ", ".join(each.address for each in alike))] if alike else []
    rows += [("logs", f"grep {verdict['label']} in kazoo.log")] if verdict["label"] else []
    lines = [f"{name:<9} {_cut(value)}" for name, value in rows]
    lines += [f"          {line}" for line in verdict["lamps"].splitlines()]
    return (
        f"<details><summary>{head} <code>{_html(case.address)}</code>{also}</summary>\n\n"
        f"{_pre(lines)}\n\nRun it again:\n\n{_pre([view.again(case)])}\n\n</details>"
    )


def _grouped(cases: Iterable[CaseView]) -> list[tuple[CaseView, list[CaseView]]]:
    """Points of a matrix that fell for the same reason, told once: the first, and those like it."""
    found: dict[tuple[object, ...], tuple[CaseView, list[CaseView]]] = {}
    for case in cases:
        verdict = case.verdict
        key = (verdict["verdict"], *decided(verdict), case.chapter, case.name, verdict["why"], verdict["expected"])
        if key in found:
            found[key][1].append(case)
        else:
            found[key] = (case, [])
    return list(found.values())


def _chapter_table(view: RunView) -> str:
    present = list(counts(view.cases))
    if not present:
        return ""
    lines = [_row(["chapter", *(f"{SIGNS[name]} {_inert(name)}" for name in present)])]
    lines.append(_row(["---", *("---:" for _ in present)]))
    for chapter, cases in chapters(view).items():
        found = counts(cases)
        lines.append(_row([_inert(chapter), *(str(found.get(name, "")) for name in present)]))
    return "\n".join(lines)


def _clause_tables(rows: list[ClauseRow]) -> str:
    """What is not kept stands open, the rest is folded."""
    fallen = [row for row in rows if row.verdict != "pass"]
    kept = [row for row in rows if row.verdict == "pass"]
    parts = [_clause_table(fallen)] if fallen else []
    if kept:
        head = f"<details><summary>{SIGNS['pass']} {len(kept)} kept</summary>"
        parts.append(f"{head}\n\n{_clause_table(kept)}\n\n</details>")
    return "\n\n".join(parts)


def _clause_table(rows: list[ClauseRow]) -> str:
    lines = [_row(["clause", "verdict", "cases", "promise"]), _row(["---", "---", "---:", "---"])]
    for row in rows:
        verdict = f"{SIGNS[row.verdict]} {_inert(row.verdict)}"
        lines.append(_row([_inert(row.id), verdict, str(row.cases), _inert(row.statement)]))
    return "\n".join(lines)


def _legend(view: RunView) -> str:
    present = [name for name in counts(view.cases) if name not in ("pass", "fail")]
    return "\n".join(f"- {SIGNS[name]} {_inert(name)}: {MEANINGS[name]}" for name in present)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _inert(text: object) -> str:
    """Text within a line: its signs are character references, and what could refer to something is broken up."""
    broken = _REFERENCE.sub("\\1\u200b", one_line(str(text), _MOST_TEXT))
    return _SIGN.sub(lambda match: f"&#{ord(match[0])};", broken)


def _code(text: object) -> str:
    return f"<code>{_inert(text)}</code>"


def _html(text: str) -> str:
    """Text within an HTML block."""
    return escape(one_line(text, _MOST_TEXT))


def _pre(lines: list[str]) -> str:
    """Lines that are shown as they are; none of them begins with a sign that a comment could obey."""
    shown = [escape(plain(line).replace("\n", " ")) for line in lines]
    return "<pre>\n" + "\n".join(f"  {line}" for line in shown) + "\n</pre>"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_TEXT else line[: _MOST_TEXT - 1] + "…"
