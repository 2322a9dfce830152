"""The JSON documents that commands print, as models: for `ringproof schema` and for the tests that hold us to them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

VerdictName = Literal[
    "pass", "fail", "non_strict", "known", "unsupported", "unclear", "inconclusive", "skipped", "error"
]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorObject(_Document):
    """What went wrong. `kind`: usage, scenario, harness or target; positions are null where there is no file."""

    kind: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    message: str
    hint: str
    others: list[ErrorObject] = []


class Head(_Document):
    """What every document begins with."""

    schema_: Literal[1]
    tool: Literal["ringproof"]
    command: str
    exit_code: int
    error: ErrorObject | None = None

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.rstrip("_"))


class ErrorDocument(Head):
    """What every command prints with `--format json` when it could not do what it was asked for."""

    error: ErrorObject


class Closed(_Document):
    """What closed one count: numbers of Record events, and seconds listened after both."""

    control: int
    fence: int
    lag_s: float


class JudgedCase(_Document):
    """One case. `decisive` are numbers of Record events; `encrypted` is null where the case is not over https.

    `closed_by` is the last of `closings`, null where no count had to be closed. `lamps` is a strip of a lamp over time
    under the truth over time, '' where no lamp decided. `claims` are steps that claim something and how they ended.
    `step` and `line` are of the one that decided, '' and null where none did. The last of `trace` is the Call-ID to
    look for first.
    """

    address: str
    file: str
    matrix: dict[str, str]
    verdict: VerdictName
    reason: str
    clauses: list[str]
    clause_verdicts: dict[str, VerdictName]
    clause_reasons: dict[str, str]
    rule: str
    expected: str
    actual: str
    why: str
    lamps: str
    claims: dict[str, Literal["met", "broken", "unproved", "open"]]
    label: str
    step: str
    line: int | None
    trace: list[str]
    duration_s: float
    encrypted: bool | None
    decisive: list[int]
    closed_by: Closed | None
    closings: list[Closed]
    evidence: str


class Witnessed(_Document):
    """What `--witness` found: `late` are datagrams for phones that had left, `dropped` what the capture has lost."""

    interface: str
    agrees: bool
    agreed: int
    only_on_wire: list[str]
    only_in_record: list[str]
    late: int
    dropped: int


class Round(_Document):
    """One round of `--repeat` or `--until-fail`."""

    run: str
    seed: int
    exit_code: int
    verdicts: dict[VerdictName, int]


class BaselineFinding(_Document):
    """What changed about one entry of a baseline. `red`: the run does not pass with it.

    kept_again: it deviates no longer; changed: it deviates otherwise; undecided: nobody can say; expired: its last day
    is over, so it excuses nothing.
    """

    kind: Literal["kept_again", "changed", "undecided", "expired"]
    red: bool
    clause: str | None
    case: str | None
    verdict: VerdictName
    until: str
    said: str


class BaselineOutcome(_Document):
    """What a baseline made of a run: cases that are known by it, entries about what was not run, what changed."""

    file: str
    known: int
    not_run: int
    findings: list[BaselineFinding]


class RunDocument(Head):
    """`ringproof run --format json`. Of several `rounds` the worst is shown, the last of those."""

    target: str
    profile: str
    mutant: str | None
    time: Literal["real", "virtual"]
    seed: int
    run: str
    started: str | None
    duration_s: float
    interrupted: bool
    verdicts: dict[VerdictName, int]
    cases: list[JudgedCase]
    left: list[str]
    kept: list[str]
    witness: Witnessed | None
    baseline: BaselineOutcome | None
    rounds: list[Round]


class ReportDocument(Head):
    """`ringproof report --format json`. `cut` says what is missing of the Record, '' when it is whole."""

    run: str
    target: str
    profile: str
    time: Literal["real", "virtual"]
    seed: int
    cut: str
    interrupted: bool
    verdicts: dict[VerdictName, int]
    cases: list[JudgedCase]
    baseline: BaselineOutcome | None
    changed: list[str]


ChangeName = Literal["worse", "better", "other", "added", "removed"]


class DiffSide(_Document):
    """One of two runs that are compared. `incomplete` says why cases may be missing, '' when it is whole."""

    name: str
    run: str
    target: str
    profile: str
    time: str
    seed: int
    incomplete: str
    cases: int


class DiffCase(_Document):
    """What changed in one case about one clause; null where the case is not there."""

    address: str
    change: ChangeName
    before: VerdictName | None
    after: VerdictName | None
    reason_before: str
    reason_after: str


class DiffClause(_Document):
    """What changed about one clause, over all its cases, and the cases that changed."""

    id: str
    statement: str
    change: ChangeName
    before: VerdictName | None
    after: VerdictName | None
    cases: list[DiffCase]


class DiffDocument(Head):
    """`ringproof diff --format json`. `notes` say what makes the two hard to compare; `counts` count clauses."""

    before: DiffSide
    after: DiffSide
    notes: list[str]
    common: int
    counts: dict[ChangeName, int]
    clauses: list[DiffClause]


class ListedClause(_Document):
    """One clause of the catalogue."""

    id: str
    statement: str
    source: str
    level: Literal["MUST", "SHOULD"]
    unclear: str
    profiles: dict[str, Literal["kept", "broken", "absent"]]
    scenarios: list[str]
    mutants: list[str]


class ListedScenario(_Document):
    """One scenario file."""

    path: str
    title: str
    clauses: list[str]
    cases: list[str]


class ListDocument(Head):
    """`ringproof list --format json`."""

    clauses: list[ListedClause]
    scenarios: list[ListedScenario]


class ListedMutant(_Document):
    """One mutant of the reference server."""

    name: str
    note: str
    source: str
    must_break: list[str]


class MutantsDocument(Head):
    """`ringproof list --mutants --format json`."""

    mutants: list[ListedMutant]


class Tried(_Document):
    """One mutant that was tried. `broke` are clauses, `killed_by` the cases that found one of `must_break` broken.

    wrong_clause: something broke, but not what must; equivalent: nobody can tell it from the sound server, for a reason
    that is listed.
    """

    name: str
    source: str
    must_break: list[str]
    broke: list[str]
    killed_by: list[str]
    verdict: Literal["killed", "survived", "wrong_clause", "equivalent"]
    seconds: float


class TrialsDocument(Head):
    """`ringproof mutants --format json`. `total` counts those that were to be tried."""

    total: int
    interrupted: bool
    killed: int
    survivors: list[str]
    mutants: list[Tried]


class ListedTrialsDocument(Head):
    """`ringproof mutants --list --format json`."""

    total: int
    mutants: list[ListedMutant]


class ServedDevice(_Document):
    """A device of the seeded account."""

    id: str
    username: str
    password: str
    presence_id: str


class ServedAccount(_Document):
    """A seeded account."""

    account_id: str
    realm: str
    auth_token: str
    api_key: str
    devices: list[ServedDevice]


class ServeDocument(_Document):
    """`ringproof serve --format json`, one line, and the ready file."""

    schema_: Literal[1]
    tool: Literal["ringproof"]
    command: Literal["serve"]
    http: str
    https: str
    ca_file: str
    sip: dict[str, str]
    realm: str
    account_id: str
    auth_token: str
    api_key: str
    other_account: ServedAccount
    child_account: ServedAccount
    user: dict[str, Any]
    devices: list[ServedDevice]
    profile: str
    mutant: str | None
    target_file: str | None

    model_config = ConfigDict(extra="forbid", alias_generator=lambda name: name.rstrip("_"))


class ShownNote(_Document):
    """What a phone is from a row on."""

    kind: Literal["lamp", "call", "registration"]
    state: str


class ShownRow(_Document):
    """One row of a ladder: number of its event, seconds since the case began, and between which columns."""

    n: int
    t: float
    kind: Literal["message", "media", "request", "reply", "calls", "step", "claim", "mark"]
    text: str
    source: str
    target: str
    signs: list[str]
    notes: list[ShownNote]


class ShownLadder(_Document):
    """Who sent what to whom."""

    columns: list[str]
    rows: list[ShownRow]


class ShownPoint(_Document):
    """From when on a state holds, in seconds since the case began."""

    t: float
    state: str


class ShownStretch(_Document):
    """Seconds since the case began."""

    start: float
    end: float


class ShownLamp(_Document):
    """One lamp of one watcher, the truth, and where the two differ."""

    watcher: str
    presentity: str
    event: str
    truth: list[ShownPoint]
    lamp: list[ShownPoint]
    differs: list[ShownStretch]


class ShowDocument(Head):
    """`ringproof show --format json`."""

    case: JudgedCase
    ladder: ShownLadder
    lamps: list[ShownLamp]


class Percentiles(_Document):
    """Seconds that so many percent took at most, to one percent; null where there were none."""

    p50: float | None
    p95: float | None
    p99: float | None


class FleetLatencies(Percentiles):
    """Of first registrations, which the three beside these are of, too; of first NOTIFYs; of first answers to calls."""

    registration: Percentiles
    notify: Percentiles
    call: Percentiles


class LostParts(_Document):
    """What `lost` is the sum of."""

    registrations: int
    subscriptions: int
    check_syncs: int
    lamp_changes: int


class FleetMemory(_Document):
    """Resident memory of the fleet's processes, in octets: before the first phone, when all were there, at the end.

    `rounds` are after as many refreshes as there are phones, twice as many, and so on. `per_phone` is the difference of
    the first two, divided; null when they never were all there.
    """

    empty: int
    full: int
    rounds: list[int]
    end: int
    per_phone: int | None


class PhonesDocument(Head):
    """`ringproof phones --format json`. `left` names what could not be removed from the target."""

    target: str
    phones: int
    processes: int
    seed: int
    duration_s: float
    interrupted: bool
    registered: int
    watching: int
    lost: int
    lost_parts: LostParts
    wrong: int
    wrong_parts: dict[str, int]
    latencies: FleetLatencies
    arrivals: int
    sent: int
    repeated: int
    refreshes: int
    notifies: int
    check_syncs: int
    lamp_changes: int
    lamps: dict[Literal["off", "ringing", "busy", "unknown"], int]
    calls: int
    memory: FleetMemory
    cpu_s: float
    still_registered: int
    left: list[str]


class WatchedChange(_Document):
    """Something that was seen, `t` seconds since the start. `presentity` is '' for the watcher itself."""

    t: float
    presentity: str
    kind: Literal["lamp", "subscription", "registration", "law", "edge"]
    text: str


class WatchDocument(Head):
    """`ringproof watch --format json`, printed when the watching ends."""

    presentities: list[str]
    event: Literal["dialog", "presence"]
    changes: list[WatchedChange]


class BenchRow(_Document):
    """What one work costs: medians over the rounds, ours and the peer's; null without a peer.

    `unit` us: CPU microseconds for each, the start of the process included; B: octets; 1/s: per second of CPU; s:
    seconds by the clock. `ratio` is the peer's over ours: from 1 on ours costs less. `spread` is how far our rounds are
    apart, as a share of their median; ranges are lowest and highest. `help` and `list` have a bare Python as peer.
    """

    work: str
    unit: Literal["us", "B", "1/s", "s"]
    ours: float
    peer: float | None
    ours_us: float | None
    peer_us: float | None
    ratio: float | None
    spread: float
    ours_range: list[float]
    peer_range: list[float] | None
    ratio_range: list[float] | None
    target: str


class BenchDocument(Head):
    """`ringproof bench --format json`. `peer` is null where nothing was compared with SIPp."""

    peer: str | None
    rounds: int
    quick: bool
    rows: list[BenchRow]


PRINTED: dict[str, Any] = {
    "run": RunDocument | ErrorDocument,
    "list": ListDocument | MutantsDocument | ErrorDocument,
    "mutants": TrialsDocument | ListedTrialsDocument | ErrorDocument,
    "report": ReportDocument | ErrorDocument,
    "diff": DiffDocument | ErrorDocument,
    "serve": ServeDocument | ErrorDocument,
    "show": ShowDocument | ErrorDocument,
    "phones": PhonesDocument | ErrorDocument,
    "watch": WatchDocument | ErrorDocument,
    "bench": BenchDocument | ErrorDocument,
}
"""What each command prints with `--format json`."""
