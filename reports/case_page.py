"""What the page of one case shows, as plain data: the browser builds the page from it when the case is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from phones.sip.index import COMPACT, Message, SipSyntaxError
from reports import ladder_svg, lamp_chart
from reports.ladder import SIGNS, Row, ladder_of
from reports.record import Event
from reports.view import CaseView
from reports.words import clean, harmless

_LAMP_HEADERS = frozenset({"event", "subscription-state", "cseq", "content-type"})

_encoded = json.JSONEncoder(ensure_ascii=False).encode

Line = list[Any]
"""A line of a message: its text, and 1 where the case checked it."""


def page_of(case: CaseView, again: str) -> dict[str, Any]:
    """Everything on the page of `case`, every text clean; `again` is the line that runs it again."""
    charts = lamp_chart.charts_of(case)
    ladder = ladder_of(case, charts)
    shown = _Messages(case)
    verdict = case.verdict
    told = {
        "again": again,
        "why": case.start.get("why", ""),
        "label": verdict.get("label", ""),
        "trace": verdict.get("trace", [])[-1:],
        "findings": [[name, str(verdict.get(name) or "")] for name in ("rule", "expected", "actual", "why")],
        "clauses": [
            [
                clause["id"],
                clause["statement"],
                clause["source"],
                clause["level"],
                verdict.get("clause_verdicts", {}).get(clause["id"], ""),
                _unless(verdict.get("clause_reasons", {}).get(clause["id"], ""), verdict.get("why")),
            ]
            for clause in case.start["clauses"]
        ],
        "lamps": [
            {
                "title": chart.lamp.title,
                "says": lamp_chart.summary(chart),
                "laws": [[round(t, 3), words] for t, words in chart.lamp.notes],
                "presentity": chart.presentity,
                "event": chart.package,
            }
            for chart in charts
        ],
        "signs": [[*SIGNS[name], name] for name in SIGNS if any(name in row.signs for row in ladder.rows)],
        "closings": _closings(case),
    }
    # drawings and messages are clean, and many
    return {
        **harmless(told),
        "charts": [lamp_chart.as_drawing(chart).as_json() for chart in charts],
        "heads": ladder_svg.heads(ladder).as_json(),
        "ladder": ladder_svg.as_drawing(ladder).as_json(),
        "rows": [_row(row, shown) for row in ladder.rows],
    }


def _unless(text: str, said: Any) -> str:
    """`text`, but not what has been said already."""
    return "" if text == said else text


def _row(row: Row, shown: _Messages) -> dict[str, Any]:
    """One row of the ladder: its head, and what is shown when it is opened."""
    between = " → ".join(column for column in (row.source or "ringproof", row.target or "ringproof"))
    parts = [part for n in row.numbers for part in shown.of(n)] if row.kind != "media" else []
    told = {
        "n": row.n,
        "t": round(row.t, 6),
        "text": row.text,
        "between": between if row.source or row.target else "",
        "signs": [SIGNS[sign][1] for sign in row.signs],
        "notes": [f"lamp {note.state}" if note.kind == "lamp" else note.state for note in row.notes],
        "phone": row.phone,
        "more": shown.media(row) if row.kind == "media" else [],
    }
    return {**harmless(told), "parts": parts}


def _closings(case: CaseView) -> list[dict[str, Any]]:
    """What closed each count: the claim, when control and fence arrived, and how long was listened after both."""
    events = {event["n"]: event for event, _ in case.events}
    claims = {event["claim"]: event for event, _ in case.of_kind("claim")}
    closed = case.of_kind("closed")
    found = []
    for closing in case.verdict.get("closings", []):
        control, fence = events.get(closing["control"]), events.get(closing["fence"])
        if control is None or fence is None:
            continue
        end = max(control["t"], fence["t"]) + closing["lag_s"]
        claim = next(
            (
                claims[event["claim"]]
                for event, _ in closed
                if abs(event["t"] - end) < 2e-6 and claims[event["claim"]]["spec"].get("phone") == control["phone"]
            ),
            None,
        )
        found.append(
            {
                "claim": f"{claim['step']}  {claim['text']}" if claim else f"a count at {control['phone']}",
                "control": _arrival(control, case.begun),
                "fence": _arrival(fence, case.begun),
                "lag": closing["lag_s"],
            }
        )
    return found


def _arrival(event: Event, begun: float) -> list[Any]:
    """When a control or fence arrived, after how long, and as which message."""
    return [round(event["t"] - begun, 3), event.get("latency"), event.get("message")]


class _Messages:
    """The messages and API calls of a case, line by line, with what was checked in them."""

    def __init__(self, case: CaseView) -> None:
        self._case = case
        self._events = {event["n"]: (event, data) for event, data in case.events}
        self._claims = [event for event, _ in case.of_kind("claim")]
        self._decisive = set(case.verdict.get("decisive", ()))
        self._watched = {
            event["call_id"]: (event["presentity"].lower(), event["event"]) for event, _ in case.of_kind("subscription")
        }
        self._calls = {exchange.request["n"]: exchange for exchange in case.exchanges}

    def of(self, n: int) -> Iterator[dict[str, Any]]:
        """What is shown of the event `n`: its message, and of a request the reply, too."""
        event, data = self._events[n]
        if event["kind"] == "message":
            yield self._message(event, data)
        elif event["kind"] == "request":
            yield self._request(event)
            reply = self._calls[n].reply
            if reply is not None:
                yield self._reply(reply)
        elif event["kind"] == "reply":
            yield self._reply(event)

    def media(self, row: Row) -> list[list[str]]:
        """What is said of a stream of RTP, whose packets are in the capture only."""
        event, _ = self._events[row.n]
        sizes = sorted({len(self._events[n][1]) for n in row.numbers})
        return [
            ["packets", f"{len(row.numbers)}, {' or '.join(map(str, sizes))} octets each"],
            ["from", f"{row.t:.3f} s to {row.until:.3f} s"],
            ["between", self._ends(event)],
        ]

    def _ends(self, event: Event) -> str:
        ends = (event["local"], event["remote"])
        return " → ".join(ends if event["direction"] == "out" else ends[::-1])

    def _message(self, event: Event, data: bytes) -> dict[str, Any]:
        checks = self._checks(event, data)
        names = {name.lower() for names, _ in checks for name in names}
        head, _, body = data.partition(b"\r\n\r\n")
        lines: list[Line] = []
        for number, line in enumerate(_decoded(head).split("\r\n")):
            if number and line[:1] in (" ", "\t") and lines:
                lit = len(lines[-1]) > 1
            elif number:
                name = line.partition(":")[0].strip().lower()
                lit = COMPACT.get(name, name) in names
            else:
                lit = bool(names & {"first", "uri"}) or (event["n"] in self._decisive and not names)
            lines.append(_line(line, lit))
        return {
            "title": "",
            "ends": clean(self._ends(event)),
            "size": len(data),
            "head": lines,
            "body": [_line(line, "body" in names) for line in _lines(_decoded(body))],
            "checks": [clean(text) for _, text in checks],
        }

    def _checks(self, event: Event, data: bytes) -> list[tuple[frozenset[str], str]]:
        """What the claims of the case look at in a message: names of headers, and the claim."""
        found: list[tuple[frozenset[str], str]] = []
        if event["direction"] != "in":
            return found
        word = event["first"].split(" ")
        what = word[1] if event["first"].startswith("SIP/") and len(word) > 1 else word[0]
        watched = self._watched.get(_call_id(data))
        for claim in self._claims:
            spec = claim["spec"]
            if spec.get("phone") != event["phone"]:
                continue
            if claim["type"] == "wire" and spec["what"] == what:
                looked = frozenset([*spec["where"], *([spec["distinct"]] if spec.get("distinct") else [])])
                found.append((looked, f"{claim['step']}  {claim['text']}{_where(spec['where'])}"))
            elif what == "NOTIFY" and (
                (claim["type"] == "lamp" and watched == (spec["presentity"].lower(), spec["event"]))
                or (claim["type"] == "laws" and watched is not None)
            ):
                found.append((_LAMP_HEADERS | {"body"}, f"{claim['step']}  {claim['text']}"))
        return found

    def _request(self, event: Event) -> dict[str, Any]:
        head = [_line(f"{event['method']} {event['url']}", False)]
        head += [_line(f"{name}: {value}", False) for name, value in event["headers"]]
        return {
            "title": "request",
            "ends": clean(event["id"]),
            "size": None,
            "head": head,
            "body": _json_lines(event.get("body"), frozenset()),
            "checks": [],
        }

    def _reply(self, event: Event) -> dict[str, Any]:
        specs = [c for c in self._claims if c["type"] == "reply" and c["spec"]["id"] == event["id"]]
        names = {name.lower() for claim in specs for name in claim["spec"]["headers"]}
        paths = frozenset(path for claim in specs for path in claim["spec"]["json"])
        status = any(claim["spec"]["status"] for claim in specs)
        whole = any(claim["spec"]["body"] is not None for claim in specs)
        error = event.get("error")
        first = error["message"] if error else f"HTTP {event['status']}"
        head = [_line(first, status)]
        head += [_line(f"{name}: {value}", name.lower() in names) for name, value in event.get("headers") or []]
        latency = f" after {event['latency'] * 1000:.1f} ms" if event.get("latency") is not None else ""
        return {
            "title": f"reply{latency}",
            "ends": clean(event["id"]),
            "size": None,
            "head": head,
            "body": _json_lines(event.get("body"), paths, whole=whole),
            "checks": [clean(f"{claim['step']}  {claim['text']}{_asked(claim['spec'])}") for claim in specs],
        }


def _call_id(data: bytes) -> str:
    try:
        return Message.parse(data).call_id
    except SipSyntaxError:
        return ""


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").split("\n") if text else []


def _line(text: str, lit: bool) -> Line:
    return [clean(text), 1] if lit else [clean(text)]


def _where(where: dict[str, Any]) -> str:
    return f", where {', '.join(f'{name} {_said(matcher)}' for name, matcher in where.items())}" if where else ""


def _asked(spec: dict[str, Any]) -> str:
    parts = [f"status {' or '.join(map(str, spec['status']))}"] if spec["status"] else []
    parts += [f"{name} {_said(matcher)}" for name, matcher in (*spec["headers"].items(), *spec["json"].items())]
    parts += [f"body {_said(spec['body'])}"] if spec["body"] is not None else []
    return f": {', '.join(parts)}" if parts else ""


def _said(matcher: Any) -> str:
    """A matcher in words."""
    if isinstance(matcher, dict) and len(matcher) == 1:
        [(name, value)] = matcher.items()
        return f"{name} {_encoded(value)}"
    return matcher if isinstance(matcher, str) else _encoded(matcher)


def _json_lines(body: str | None, paths: frozenset[str], *, whole: bool = False) -> list[Line]:
    """A body for reading: JSON is spread over lines, those at `paths` are lit."""
    if not body:
        return []
    try:
        document = json.loads(body)
        if not isinstance(document, dict | list):
            raise ValueError("no document")
        return [_line(text, whole or path in paths) for path, text in _spread(document, "", "", "")]
    except (ValueError, RecursionError):
        return [_line(line, whole or "" in paths) for line in _lines(body)]


def _spread(value: Any, path: str, before: str, after: str) -> Iterator[tuple[str, str]]:
    """Pairs of path and line of a JSON value."""
    indent = " " * (len(before) - len(before.lstrip()))
    if not isinstance(value, dict | list) or not value:
        yield path, f"{before}{_encoded(value)}{after}"
        return
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield path, f"{before}{opening}"
    items = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for number, (key, item) in enumerate(items):
        name = f"{_encoded(key)}: " if isinstance(value, dict) else ""
        comma = "," if number < len(items) - 1 else ""
        yield from _spread(item, f"{path}.{key}" if path else str(key), f"{indent}  {name}", comma)
    yield path, f"{indent}{closing}{after}"
