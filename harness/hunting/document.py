"""What `hunt` and `replay` print with `--format json`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.documents import ErrorDocument, Head


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Happened(_Part):
    """One event of a history: `do` says what, `who` and `whom` are staff of the office, `seconds` are of a wait."""

    do: str
    who: str = ""
    whom: str = ""
    how: str = ""
    what: str = ""
    seconds: float = 0.0


class HuntFinding(_Part):
    """A law that was broken. `law` says how, `clause` is its id; `steps` are its events, `shrunk_from` those before.

    `scenario` is the text of the scenario file; `hunted` and `sound` are its verdicts on the server that was hunted and
    on a sound one, '' where that was not tried. `known` says why the expected Kazoo is known to break the law, `cause`
    is the rule of the reference that is to blame. `seen` counts histories.
    """

    law: str
    clause: str
    watcher: str
    presentity: str
    steps: int
    shrunk_from: int
    seconds: float
    scenario: str
    events: list[Happened]
    hunted: str
    sound: str
    known: str
    cause: str
    seen: int


class HuntDocument(Head):
    """`ringproof hunt --format json`. `coverage` is the share of histories that hold a kind of event."""

    seed: int
    events: int
    events_per_s: float
    histories: int
    coverage: dict[str, float] = Field(description="loss, reorder, restart, move, fork, presence_id, and others")
    findings: list[HuntFinding]


class ReplayDocument(Head):
    """`ringproof replay --format json`. `why` says what was seen again, or what there is instead."""

    case: str
    reproduced: bool
    why: str
    verdict: str
    clauses: list[str]
    record: str
    seed: int


PRINTED: dict[str, Any] = {"hunt": HuntDocument | ErrorDocument, "replay": ReplayDocument | ErrorDocument}
"""By command."""
