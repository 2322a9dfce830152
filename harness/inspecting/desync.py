"""Where a lamp and the calls of a capture disagree, and when that is a broken law.

A disagreement that a later NOTIFY mends is the way of the message, unless it lasts longer than anything is sent again.
One that nothing mends is a desync once it has outlasted what NOTIFYs of this capture take otherwise. A lamp that shows
less than the truth is held against a call only as long as the capture shows that the call is alive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.inspecting.laws import Broken
from harness.inspecting.subscriptions import SENT_AGAIN_S, Notice, Watch
from harness.inspecting.truth import STRENGTH, States, Tie, Truth, strongest
from phones.sip.lamp import LampState
from reference_server.lamp_documents import IDLE

LEAST_SETTLE_S = 1.5
"""What a NOTIFY may take at least before its absence means something: Kazoo says the end of a call a second late."""
_TIMES_THE_LAG = 2

MOST_FRAMES = 20
"""NOTIFYs that are named for one desync."""

Point = tuple[float, str]


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end` the watcher's lamp, as of `notice`, and what is allowed: None where that is not visible."""

    start: float
    end: float
    notice: Notice
    allowed: States | None
    ties: tuple[Tie, ...]
    is_open: bool = False
    """Whether a change of a call is on its way, so that nobody knows what is true."""

    @property
    def lamp(self) -> LampState:
        """What the lamp shows."""
        return self.notice.lamp

    @property
    def differs(self) -> bool:
        """Whether the lamp shows what is not allowed."""
        return self.allowed is not None and self.lamp in STRENGTH and self.lamp not in self.allowed

    @property
    def less(self) -> bool:
        """Whether it shows less than the least that is allowed."""
        return STRENGTH[self.lamp] < min(STRENGTH[each] for each in self.allowed or ())

    @property
    def truth(self) -> str:
        """What to draw above the lamp: what it shows where that is allowed, else the nearest that is; '' unseen."""
        if self.allowed is None:
            return ""
        if self.lamp in self.allowed:
            return str(self.lamp)
        nearest = min if self.differs and self.less else max
        return str(nearest(self.allowed, key=STRENGTH.__getitem__))


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A stretch in which lamp and truth differ. `mended`: a NOTIFY put it right.

    `missing`: CSeq numbers of NOTIFYs that the watcher was sent in it and that the capture lacks.
    """

    watch: Watch
    start: float
    end: float
    mended: bool
    first: Span
    wrong: tuple[Notice, ...]
    """The NOTIFYs in it that say what is not true, or the one before it on which the lamp rests."""
    missing: tuple[int, ...]

    @property
    def lasts(self) -> float:
        """Seconds."""
        return self.end - self.start


def spans(watch: Watch, truth: Truth, end: float) -> list[Span]:
    """The whole life of a lamp, cut wherever it or a call at its presentity changes."""
    notices = [notice for notice in watch.notices if notice.counts]
    if not notices or watch.package not in ("dialog", "presence"):
        return []
    ties = sorted(
        (tie for tie in truth.ties(watch.presentity) if tie.leg.changes), key=lambda tie: tie.leg.changes[0].t
    )
    begin, close = notices[0].t, min(end, _end(watch, end))
    changes = [change.t for tie in ties for change in tie.leg.changes if begin < change.t < close]
    edges = sorted({*changes, *(notice.t for notice in notices if notice.t < close)})
    found: list[Span] = []
    active: list[Tie] = []
    waiting, showing, visible = 0, -1, False
    for number, start in enumerate(edges):
        until = edges[number + 1] if number + 1 < len(edges) else close
        while showing + 1 < len(notices) and notices[showing + 1].t <= start:
            showing += 1
            visible = truth.visible(notices[showing])
        while waiting < len(ties) and ties[waiting].leg.changes[0].t <= start:
            active.append(ties[waiting])
            waiting += 1
        active = [tie for tie in active if tie.ended_t is None or tie.ended_t > start]
        seen = bool(ties) and visible and _subscribed(watch, start)
        allowed = strongest((tie.allowed(start) for tie in active), watch.package) if seen else None
        is_open = any(tie.is_open(start) for tie in active)
        found.append(Span(start, until, notices[showing], allowed, tuple(active), is_open))
    return found


def _end(watch: Watch, end: float) -> float:
    """When nothing more can be said of a lamp: the watcher does not know it any more, and has perhaps another one."""
    gone = [notice.t for notice in watch.notices if notice.answered == 481]
    return min([end, *gone, *(t for t in (watch.over_t, watch.replaced_t) if t is not None)])


def _subscribed(watch: Watch, t: float) -> bool:
    """Whether the subscription has not run out; of one from before the capture nobody knows."""
    given = [grant for grant in watch.grants if grant.t <= t]
    return not given or t < given[-1].t + max(given[-1].expires, 0.0)


def disagreements(watch: Watch, life: Sequence[Span]) -> list[Disagreement]:
    """Where the lamp differs from what is allowed; another truth that it differs from, too, is another one."""
    found: list[Disagreement] = []
    first: Span | None = None
    last: Span | None = None
    common: States = frozenset()
    for span in life:
        if first is not None and last is not None:
            if span.is_open and span.notice is last.notice:
                # what comes after it tells
                continue
            if span.differs and span.allowed is not None and common & span.allowed:
                common &= span.allowed
                last = span
                continue
            found.append(_disagreement(watch, first, last, span))
            first = last = None
        if span.differs:
            first = last = span
            common = span.allowed or common
    if first is not None and last is not None:
        found.append(_disagreement(watch, first, last, None))
    return found


def _disagreement(watch: Watch, first: Span, last: Span, behind: Span | None) -> Disagreement:
    mended = behind is not None and behind.notice is not last.notice and behind.lamp in (last.allowed or ())
    end = last.end
    if last.less and not mended:
        end = min(end, max((tie.leg.alive_t for tie in last.ties), default=end))
    end = max(end, first.start)
    notices = [notice for notice in watch.notices if notice.counts]
    at = notices.index(first.notice)
    wrong = [notice for notice in notices[at:] if first.start <= notice.t < last.end and notice.lamp is last.lamp]
    missing = [
        number
        for before, notice in zip(notices[at:], notices[at + 1 :], strict=False)
        if before.t <= end
        for number in range(before.cseq + 1, min(notice.cseq, before.cseq + 100))
        if number not in watch.seen
    ]
    missing += [number for number, t in watch.lacking.items() if number > first.notice.cseq and t <= end]
    return Disagreement(
        watch,
        first.start,
        end,
        mended,
        first,
        tuple(wrong) or (first.notice,),
        tuple(sorted(set(missing))),
    )


def settle_s(found: Sequence[Disagreement]) -> float:
    """How long a lamp of this capture may lag: twice what nine of ten do, 1.5 s at least."""
    lags = sorted(each.lasts for each in found if each.mended and each.lasts < SENT_AGAIN_S)
    usual = lags[len(lags) * 9 // 10] if lags else 0.0
    return min(max(LEAST_SETTLE_S, _TIMES_THE_LAG * usual), SENT_AGAIN_S)


def desync(each: Disagreement, truth: Truth, settle: float) -> Broken | None:
    """The broken law, if it is one."""
    patience = SENT_AGAIN_S if each.mended or each.watch.repeated else settle
    if each.missing or each.lasts < patience:
        return None
    said = "/".join(state for state in STRENGTH if state in (each.first.allowed or ()))
    words = f"{each.first.lamp} where the calls say {said}, for {each.lasts:.1f} s"
    frames = [notice.frame for notice in each.wrong[:MOST_FRAMES]]
    return Broken("LAW-01", each.start, (*frames, *_proof(each, truth)), words)


def _proof(each: Disagreement, truth: Truth) -> tuple[int, ...]:
    """The frame that shows what is true: the last change of a call at that presentity before the disagreement."""
    changes = [
        change for tie in truth.ties(each.watch.presentity) for change in tie.leg.changes if change.t <= each.start
    ]
    return (max(changes, key=lambda change: change.t).frame,) if changes else ()


def ghosts(watch: Watch, truth: Truth, settle: float) -> Iterator[Broken]:
    """NOTIFYs that show a call of the capture which was over, or a talk that never was."""
    told: set[str] = set()
    patience = SENT_AGAIN_S if watch.repeated else settle
    for notice in watch.notices:
        if not notice.counts or watch.package != "dialog":
            continue
        told.update(notice.over)
        for shown in notice.shown:
            if shown.call_id == IDLE:
                yield Broken("LAW-08", notice.t, (notice.frame,), f"{shown.state}: the id that Kazoo gives to no call")
            legs = truth.legs(shown.call_id)
            ends = [leg.changes[-1] for leg in legs if leg.changes]
            if not ends or len(ends) < len(legs) or any(change.state != "ended" for change in ends):
                continue
            last = max(ends, key=lambda change: change.t)
            if notice.t > last.t and shown.call_id in told:
                words = f"{shown.state}: a call that was over, as the lamp had been told"
                yield Broken("LAW-08", notice.t, (notice.frame, last.frame), words)
            elif notice.t - last.t > patience:
                words = f"{shown.state}: a call that was over {notice.t - last.t:.1f} s before"
                yield Broken("LAW-08", notice.t, (notice.frame, last.frame), words)
            elif (
                shown.state == "confirmed"
                and shown.direction == "recipient"
                and all(leg.status >= 300 and leg.ended_by in ("refused", "cancel") for leg in legs)
            ):
                yield Broken("LAW-08", notice.t, (notice.frame, last.frame), "confirmed: a call that nobody answered")
