"""A capture told on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from harness.inspecting.calls import Leg
from harness.inspecting.inspection import Finding, Inspection
from harness.inspecting.laws import LAWS
from harness.inspecting.subscriptions import Watch
from harness.inspecting.telling import chart_of, lamp_changes, seen_changes, short, state_of
from reports.lamp_chart import as_text
from reports.words import clean, plain

MOST = 40
"""Lines of a section; the rest is counted. The JSON document has all."""


def tell(found: Inspection, name: str, width: int) -> str:
    """Everything, in `width` columns. Inert."""
    begin = found.reading.begin
    parts = [[_head(found, name)], _registrations(found, begin), _calls(found, begin), _subscriptions(found, width)]
    parts += [_unseen(found, begin), _broken(found, begin), [summary(found)]]
    return "\n\n".join(plain("\n".join(part)) for part in parts if part)


def summary(found: Inspection) -> str:
    """The whole in one sentence."""
    count = len(found.findings)
    watched = sum(1 for watch in found.watches if watch.notices)
    lamps = f"{watched} subscription{'s' if watched != 1 else ''}"
    if count:
        return f"{count} broken law{'s' if count > 1 else ''} in {lamps}"
    return f"no law is broken in {lamps}" if watched else "no subscription is in this capture"


def _head(found: Inspection, name: str) -> str:
    reading = found.reading
    since = datetime.fromtimestamp(min(max(reading.begin, 0.0), 2.5e11), UTC).strftime("%Y-%m-%d %H:%M:%S")
    what = f"{reading.packets} packets, {reading.messages} SIP messages in {reading.end - reading.begin:.1f} s"
    cut = "; interrupted, this is what has been read" if found.interrupted else ""
    return f"{clean(name)}: {what} from {since} UTC{cut}"


def _section(title: str, lines: Sequence[str], left_out: int = 0) -> list[str]:
    if not lines:
        return []
    more = [f"  and {left_out} more; --format json has all"] if left_out else []
    return [title, *lines, *more]


def _registrations(found: Inspection, begin: float) -> list[str]:
    events = found.registrations.events
    lines = []
    for each in events[:MOST]:
        what = f"{each.state} ({each.status})" if each.state == "refused" else each.state
        where = f" at {each.contact}" if each.contact else ""
        left = f" for {each.expires} s" if each.expires else ""
        lines.append(f"  {each.t - begin:9.3f}  {clean(each.aor)} {what}{clean(where)}{left}, frame {each.frame}")
    return _section("registrations", lines, max(0, len(events) - MOST))


def _calls(found: Inspection, begin: float) -> list[str]:
    legs = [leg for leg in found.calls if leg.changes]
    lines = [line for leg in legs[:MOST] for line in _call(leg, begin)]
    return _section("calls", lines, max(0, len(legs) - MOST))


def _call(leg: Leg, begin: float) -> Iterator[str]:
    before = ", began before the capture" if leg.before else ""
    refused = f" ({leg.status})" if leg.status >= 300 else ""
    yield f"  {clean(leg.caller)} calls {clean(leg.callee)}{before}, Call-ID {clean(leg.call_id)}"
    states = ", ".join(f"{each.state} {each.t - begin:.3f} [{each.frame}]" for each in seen_changes(leg))
    yield f"    {states}{refused}"


def _subscriptions(found: Inspection, width: int) -> list[str]:
    broken = {id(each.watch) for each in found.findings}
    numbers = sorted(range(len(found.watches)), key=lambda number: id(found.watches[number]) not in broken)
    chosen = sorted(numbers[:MOST])
    lines: list[str] = []
    for number in chosen:
        lines += _subscription(found, number, width)
    return _section("subscriptions (each state with its time and [frame])", lines, len(numbers) - len(chosen))


def _subscription(found: Inspection, number: int, width: int) -> Iterator[str]:
    watch, begin = found.watches[number], found.reading.begin
    yield f"  {clean(watch.watcher)} watches {clean(watch.presentity)}, {clean(watch.package)}, {_fate(watch, found)}"
    changes = lamp_changes(watch)
    states = [f"{each.lamp} {each.t - begin:.3f} [{each.frame}]{_again(more)}" for each, more in changes[:MOST]]
    states += [f"and {len(changes) - MOST} more"] if len(changes) > MOST else []
    if states:
        yield f"    {', '.join(states)}"
    chart = chart_of(found, number)
    if chart is not None:
        yield ""
        yield from (f"    {line}" for line in as_text(chart, max(width - 4, 40)).splitlines())
        yield ""


def _again(more: int) -> str:
    return f" and {more} more" if more else ""


def _fate(watch: Watch, found: Inspection) -> str:
    state = state_of(watch, found.reading.end)
    status = f" ({watch.refused})" if state == "refused" else ""
    since = "since before the capture" if watch.before else f"from {watch.t - found.reading.begin:.3f} [{watch.frame}]"
    return f"{since}, {state}{status}"


def _unseen(found: Inspection, begin: float) -> list[str]:
    lines = [
        f"  {each.t - begin:9.3f}  lamp of {clean(short(each.watch.presentity))} on {clean(short(each.watch.watcher))}"
        f" ({clean(each.watch.package)}): {clean(each.reason)}, frame {each.frame}"
        for each in found.unseen[:MOST]
    ]
    return _section("not visible in this capture", lines, max(0, len(found.unseen) - MOST))


def _broken(found: Inspection, begin: float) -> list[str]:
    lines = [line for each in found.findings[:MOST] for line in _finding(each, begin)]
    return _section("broken", lines, max(0, len(found.findings) - MOST))


def _finding(each: Finding, begin: float) -> Iterator[str]:
    broken, watch = each.broken, each.watch
    yield f"  {broken.law}  {LAWS[broken.law]}"
    yield (
        f"    {broken.t - begin:.3f} s: lamp of {clean(watch.presentity)} on {clean(watch.watcher)}"
        f" ({clean(watch.package)}): {clean(broken.words)}"
    )
    yield f"    frames {', '.join(map(str, broken.frames))}; Call-ID {clean(watch.call_id)}"
