"""The whole of a capture: read once, then lamps held against calls."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.inspecting import laws
from harness.inspecting.calls import Calls
from harness.inspecting.decrypted import decrypted
from harness.inspecting.desync import Span, desync, disagreements, ghosts, settle_s, spans
from harness.inspecting.headers import End
from harness.inspecting.laws import Broken
from harness.inspecting.messages import Reading, Sight, sights
from harness.inspecting.registrations import Registrations
from harness.inspecting.subscriptions import Subscriptions, Watch
from harness.inspecting.truth import STRENGTH, Tie, Truth
from phones.sip.dialog import uri_of

MOST_DOMAINS = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken law and whose lamp it is."""

    watch: Watch
    broken: Broken


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something about a lamp that the capture cannot tell, from `frame` on."""

    watch: Watch
    t: float
    frame: int
    reason: str


class Domains:
    """Until when a capture shows anything of a domain: to its end, unless only others are heard of any more."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def take(self, sight: Sight) -> None:
        """One message."""
        domain = _domain(uri_of(sight.message.get("to") or ""))
        if domain in self._last or len(self._last) < MOST_DOMAINS:
            self._last[domain] = sight.t

    def ends(self, end: float) -> Callable[[str], float]:
        """Until when something can be said of a presentity, by its URI."""
        newest = max(self._last.values(), default=end)

        def until(uri: str) -> float:
            last = self._last.get(_domain(uri), newest)
            return end if last >= newest else last

        return until


def _domain(uri: str) -> str:
    return uri.rpartition("@")[2].partition(";")[0].partition(":")[0].lower()


@dataclass(slots=True)
class Inspection:
    """What was found in a capture. `interrupted`: it was not read to its end."""

    reading: Reading = field(default_factory=Reading)
    registrations: Registrations = field(default_factory=Registrations)
    subscriptions: Subscriptions = field(default_factory=Subscriptions)
    calls: Calls = field(default_factory=Calls)
    domains: Domains = field(default_factory=Domains)
    watches: list[Watch] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)
    truth: Truth | None = None
    settle_s: float = 0.0
    interrupted: bool = False

    def life(self, watch: Watch) -> list[Span]:
        """The lamp of a watch beside the truth."""
        if self.truth is None:
            return []
        return spans(watch, self.truth, self.domains.ends(self.reading.end)(watch.presentity))

    def ties(self, watch: Watch) -> list[Tie]:
        """The calls in the capture that show at the presentity of a watch."""
        return self.truth.ties(watch.presentity) if self.truth is not None else []


def inspect(path: Path, progress: Callable[[int], None] | None = None, keylog: Path | None = None) -> Inspection:
    """Inspect the capture at `path`, with a log of TLS secrets also what is encrypted in it.

    Ctrl-C ends the reading, and what was read is judged. Raises NoCapture, OSError, UsageError.
    """
    reading = Reading()
    return inspect_messages(all_sights(path, reading, progress, keylog), reading)


def all_sights(
    path: Path, reading: Reading, progress: Callable[[int], None] | None = None, keylog: Path | None = None
) -> Iterator[Sight]:
    """The messages of a capture in the order of their frames, those in TLS among them where there is a key log."""
    plain = sights(path, reading, progress)
    if keylog is None:
        return plain
    return heapq.merge(plain, decrypted(path, keylog, reading), key=lambda sight: sight.frame)


def inspect_messages(messages: Iterator[Sight], reading: Reading) -> Inspection:
    """The same for messages from elsewhere, of which `reading` knows."""
    found = Inspection(reading)
    try:
        for sight in messages:
            found.calls.take(sight)
            found.subscriptions.take(sight)
            found.registrations.take(sight)
            found.domains.take(sight)
    except KeyboardInterrupt:
        found.interrupted = True
    _judge(found)
    return found


def _judge(found: Inspection) -> None:
    reading = found.reading
    for what, count in (
        ("calls", found.calls.left_out),
        ("subscriptions and NOTIFYs", found.subscriptions.left_out),
        ("registrations", found.registrations.left_out),
    ):
        if count:
            reading.warn(f"{count} {what} beyond the limit are left out")
    found.watches = sorted(found.subscriptions, key=lambda watch: (watch.t, watch.frame))
    truth = found.truth = Truth(found.calls, found.watches)
    places = _places(found.watches)
    differing = []
    for watch in found.watches:
        differing += disagreements(watch, found.life(watch))
        found.unseen += _unseen(watch, truth)
    found.settle_s = settle_s(differing)
    broken: list[Finding] = []
    told: set[tuple[int, int]] = set()
    for each in differing:
        if (law := desync(each, truth, found.settle_s)) is not None:
            # a lamp that sleeps through a whole call is wrong once
            if (id(each.watch), law.frames[0]) not in told:
                told.add((id(each.watch), law.frames[0]))
                broken.append(Finding(each.watch, law))
        elif each.missing and each.lasts >= found.settle_s:
            numbers = ", ".join(map(str, each.missing))
            words = f"differs for {each.lasts:.1f} s, but NOTIFY CSeq {numbers} is not in the capture"
            found.unseen.append(Unseen(each.watch, each.start, each.first.notice.frame, words))
    for watch in found.watches:
        broken += [Finding(watch, each) for each in _stream_laws(watch, truth, places, found.settle_s)]
    found.findings = sorted(broken, key=lambda each: (each.broken.t, each.broken.law))
    found.unseen.sort(key=lambda each: each.t)


def _stream_laws(watch: Watch, truth: Truth, places: dict[End, str], settle: float) -> Iterator[Broken]:
    if watch.stranger:
        yield from laws.unknown(watch.notices)
        return
    yield from laws.order(watch.notices, watch.grants)
    yield from laws.misdirected(watch.notices, watch.grants, places, watch.watcher)
    if any(truth.legs(shown.call_id) for notice in watch.notices for shown in notice.shown):
        yield from laws.too_many(watch.notices, watch.grants)
    yield from ghosts(watch, truth, settle)


def _places(watches: list[Watch]) -> dict[End, str]:
    """Whose place is where; one that several have used is nobody's."""
    found: dict[End, str] = {}
    for watch in watches:
        for grant in watch.grants:
            for place in grant.places:
                if found.setdefault(place, watch.watcher) != watch.watcher:
                    found[place] = ""
    return {place: watcher for place, watcher in found.items() if watcher}


def _unseen(watch: Watch, truth: Truth) -> Iterator[Unseen]:
    """What of a lamp cannot be held against anything."""
    if watch.before:
        yield Unseen(watch, watch.t, watch.frame, "the subscription began before the capture")
    told: set[str] = set()
    for notice in watch.notices:
        if not notice.counts or not STRENGTH.get(notice.lamp, 0) or truth.visible(notice):
            continue
        names = [each.call_id for each in notice.shown if not truth.legs(each.call_id)]
        for name in names or [""]:
            if name not in told:
                told.add(name)
                words = f"shows {notice.lamp} for a call that is not in the capture" + (f": {name}" if name else "")
                yield Unseen(watch, notice.t, notice.frame, words)
