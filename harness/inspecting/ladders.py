"""Who sent what to whom around a broken law, as the ladder of a run: the capture is read again for its messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from harness.inspecting.headers import End
from harness.inspecting.inspection import Finding, Inspection
from harness.inspecting.messages import Sight
from harness.inspecting.subscriptions import place_of
from harness.inspecting.telling import short
from phones.subscribing import package_of
from reports.ladder import EDGE, Ladder, Note, Row

MOST_ROWS = 200
MOST_COLUMNS = 8
AROUND_S = 60.0
"""How far from a broken law messages are shown."""


class Excerpt:
    """The messages of some dialogs in some stretch of time, to be told as one ladder."""

    def __init__(
        self, found: Inspection, call_ids: set[str], start: float, end: float, decisive: Iterable[int]
    ) -> None:
        self._found = found
        self._call_ids = call_ids
        self._start, self._end = start, end
        self._decisive = frozenset(decisive)
        self._taken: list[Sight] = []
        self.left_out = 0

    def take(self, sight: Sight) -> None:
        """One message of the capture."""
        if sight.message.call_id not in self._call_ids or not self._start <= sight.t <= self._end:
            return
        if len(self._taken) < MOST_ROWS or sight.frame in self._decisive:
            self._taken.append(sight)
        else:
            self.left_out += 1

    def ladder(self) -> Ladder:
        """The rows, times from the beginning of the capture."""
        used = Counter(end for sight in self._taken for end in (sight.source, sight.target))
        kept = {end for end, _ in used.most_common(MOST_COLUMNS)}
        # who speaks with most others is the server, and stands at the right
        partners: dict[End, set[End]] = {}
        for sight in self._taken:
            partners.setdefault(sight.source, set()).add(sight.target)
            partners.setdefault(sight.target, set()).add(sight.source)
        order = sorted(kept, key=lambda end: (len(partners[end]), list(used).index(end)))
        names = self._names()
        # a URI may have no user, and then whoever it is has no name
        columns = {end: names.get(end) or end[0] for end in order}
        if order and order[-1] not in names:
            columns[order[-1]] = EDGE
        doubled = {name for name, count in Counter(columns.values()).items() if count > 1}
        columns = {end: f"{end[1]} {name}" if name in doubled else name for end, name in columns.items()}
        lamps = self._lamps()
        rows = [
            self._row(sight, columns, lamps) for sight in self._taken if sight.source in kept and sight.target in kept
        ]
        return Ladder(tuple(columns.values()), tuple(rows))

    def _names(self) -> dict[End, str]:
        names = {watch.at: short(watch.watcher) for watch in self._found.watches}
        for event in self._found.registrations.events:
            if event.state in ("registered", "refreshed"):
                names.setdefault(event.by, short(event.aor))
                names.setdefault(place_of(event.contact), short(event.aor))
        called = {target for leg in self._found.calls for target in leg.targets}
        for leg in self._found.calls:
            if leg.origin not in called:
                names.setdefault(leg.origin, short(leg.caller))
        return names

    def _row(self, sight: Sight, columns: dict[End, str], lamps: dict[int, str]) -> Row:
        message = sight.message
        text = message.method if message.is_request else f"{message.status} {message.reason} ({message.method})"
        notes: tuple[Note, ...] = ()
        if message.is_request and message.method in ("NOTIFY", "SUBSCRIBE"):
            package = package_of(message.get("event") or "")
            text = f"{text} {package}"
            notes = (Note("lamp", lamps[sight.frame]),) if sight.frame in lamps else ()
        signs = ("decides",) if sight.frame in self._decisive else ()
        t = sight.t - self._found.reading.begin
        source, target = columns[sight.source], columns[sight.target]
        return Row(
            sight.frame,
            t,
            "message",
            f"{text} [{sight.frame}]",
            source,
            target,
            signs,
            notes,
            target,
            (sight.frame,),
            t,
        )

    def _lamps(self) -> dict[int, str]:
        return {
            notice.frame: str(notice.lamp)
            for watch in self._found.watches
            if watch.call_id in self._call_ids
            for notice in watch.notices
            if notice.counts
        }


def excerpt_of(found: Inspection, finding: Finding) -> Excerpt:
    """What to show of a broken law: the subscription, and the calls at its presentity around that time."""
    t = finding.broken.t
    legs = [tie.leg for tie in found.ties(finding.watch)]
    near = {
        leg.call_id for leg in legs if leg.changes and leg.changes[0].t <= t + AROUND_S and leg.alive_t >= t - AROUND_S
    }
    return Excerpt(found, {finding.watch.call_id, *near}, t - AROUND_S, t + AROUND_S, finding.broken.frames)


def excerpt_of_all(found: Inspection) -> Excerpt:
    """Where nothing is broken: the beginning of everything."""
    calls = {leg.call_id for leg in found.calls}
    return Excerpt(found, {*calls, *(watch.call_id for watch in found.watches)}, 0.0, float("inf"), ())
