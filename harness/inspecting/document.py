"""The JSON document of `ringproof inspect`, as models. Times `t` are seconds since the first packet."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness.documents import ErrorDocument, Head


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SeenLamp(_Part):
    """What a lamp showed from `t` on, by the NOTIFY in `frame`; `version` is null where its document has none."""

    t: float
    frame: int
    state: Literal["off", "ringing", "busy", "unknown"]
    version: int | None


class SeenSubscription(_Part):
    """One subscription. `at` is the watcher's address, `lamps` has an entry for each NOTIFY that a phone takes.

    `before_capture`: it began before. `status` is the response that refused it, `expires` what was granted last, in
    seconds; null where neither was seen.
    """

    watcher: str
    at: str
    presentity: str
    event: str
    call_id: str
    t: float
    frame: int
    before_capture: bool
    state: Literal["active", "ended", "expired", "refused", "replaced", "unanswered"]
    status: int | None
    expires: float | None
    lamps: list[SeenLamp]


class SeenState(_Part):
    """What a leg was from `t` on, as `frame` shows."""

    t: float
    frame: int
    state: Literal["calling", "ringing", "talking", "ended"]


class SeenCall(_Part):
    """One leg of a call: URIs of From and To, the last final response to its INVITE, null without one."""

    call_id: str
    caller: str
    callee: str
    before_capture: bool
    status: int | None
    states: list[SeenState]


class SeenRegistration(_Part):
    """What one REGISTER came to, at `by`: address and port. `expires` in seconds, null where none is said."""

    t: float
    frame: int
    state: Literal["registered", "refreshed", "removed", "refused"]
    aor: str
    contact: str
    expires: int | None
    by: str
    status: int


class SeenBreach(_Part):
    """A broken law: its clause, the frames that show it, the decisive one first, and whose lamp it is."""

    law: str
    rule: str
    t: float
    frames: list[int]
    text: str
    watcher: str
    presentity: str
    event: str
    call_id: str


class NotVisible(_Part):
    """Something about a lamp that the capture cannot tell."""

    t: float
    frame: int
    text: str
    watcher: str
    presentity: str
    event: str
    call_id: str


class InspectDocument(Head):
    """`ringproof inspect --format json`.

    `begun` is when the first packet was captured, in seconds since 1970; `settle_s` how long a lamp may lag in this
    capture; `unasked` counts NOTIFYs outside of subscriptions by event.
    """

    packets: int
    messages: int
    begun: float
    duration_s: float
    interrupted: bool
    settle_s: float
    subscriptions: list[SeenSubscription]
    calls: list[SeenCall]
    registrations: list[SeenRegistration]
    broken: list[SeenBreach]
    not_visible: list[NotVisible]
    unasked: dict[str, int]
    warnings: list[str]


PRINTED = InspectDocument | ErrorDocument
"""What the command prints."""
