"""Small Records for tests of reports."""

from __future__ import annotations

import zlib
from typing import Any

from reports.record import Event
from reports.view import CaseView, RunView

HEADER: Event = {
    "n": 0, "t": 0.0, "kind": "header", "schema": 1, "tool": "ringproof", "run": "12ab34", "target": "reference",
    "profile": "documented", "mutant": None, "time": "real", "seed": 7, "started": "2026-03-01T12:00:00+00:00",
    "cases": [],
}  # fmt: skip


class Script:
    """Writes the events of one run, case by case."""

    def __init__(self, **header: Any) -> None:
        self.header = {**HEADER, **header}
        self._number = 0
        self._events: dict[str, list[tuple[Event, bytes]]] = {}

    def event(self, kind: str, t: float = 0.0, *, case: str = "a/one", data: bytes = b"", **fields: Any) -> int:
        """Append an event and return its number."""
        self._number += 1
        event = {"n": self._number, "t": t, "kind": kind, "case": case, **fields}
        self._events.setdefault(case, []).append((event, data))
        return self._number

    def message(
        self, data: bytes, t: float = 0.0, *, local: str, remote: str, direction: str = "out", **fields: Any
    ) -> int:
        """Append a message of the phone `desk`."""
        said = {
            "phone": "desk",
            "seen": "new",
            "contact": "current",
            "size": len(data),
            "crc": zlib.crc32(data),
            "at": 0,
        }
        said |= {"direction": direction, "local": local, "remote": remote, **fields}
        kind, case = str(said.pop("kind", "message")), str(said.pop("case", "a/one"))
        return self.event(kind, t, case=case, data=data, **said)

    def exchange(
        self, method: str, url: str, body: str = "", answer: str = "", *, t: float = 0.0, **fields: Any
    ) -> tuple[int, int]:
        """Append an API call and its reply."""
        said: dict[str, Any] = {"role": "stimulus", "step": "1"} | {
            key: fields.pop(key) for key in ("role", "step") if key in fields
        }
        case = fields.pop("case", "a/one")
        identifier = f"id-{self._number}"
        asked = self.event(
            "request", t, case=case, id=identifier, method=method, url=url, headers=[["X-A", "b"]], body=body, **said
        )
        reply: dict[str, Any] = {
            "status": 200,
            "headers": [["content-type", "application/json"]],
            "body": answer,
            "tls": None,
        }
        reply |= {"tls": None, "error": None, "local": "", "remote": "", **fields}
        return asked, self.event("reply", t + 0.5, case=case, id=identifier, **said, **reply)

    def view(self, **verdict: Any) -> RunView:
        """What was written."""
        cases = []
        for address, events in self._events.items():
            start = {"n": events[0][0]["n"], "t": 0.0, "kind": "case", "case": address}
            cases.append(CaseView(start, {"verdict": "pass", "decisive": [], **verdict}, events, self.header))
        return RunView(self.header, None, "", cases)

    def case(self, **verdict: Any) -> CaseView:
        """The first case of it."""
        return self.view(**verdict).cases[0]
