"""The laws of lamps, and what can be held against them in a stream of NOTIFYs.

Pure functions of what was seen. They are careful: what loss on the way, or a capture that has not all, would explain,
is no broken law. LAW-02 needs to know when a reset was asked for, which is not SIP: a capture cannot show it broken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.inspecting.headers import End
from harness.inspecting.subscriptions import Grant, Notice

LAWS = {
    "LAW-01": "settled lamps show the truth",
    "LAW-03": "versions only rise",
    "LAW-04": "CSeq only rises",
    "LAW-05": "a terminated subscription is silent",
    "LAW-06": "nobody gets what is not theirs",
    "LAW-07": "no more NOTIFYs than changes allow",
    "LAW-08": "no lamp shows a call that never was",
}
"""The laws that a capture can show broken, by their clauses."""

MOST_ALIKE = 12
"""NOTIFYs in a row that say the same of a call. Kazoo 5.0 sends up to five while a quickcall is connected."""
ON_THE_WAY_S = 2.0
"""How long a NOTIFY may be on the way to the Contact that a watcher has just left."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One law that was broken at `t`, with the frames that show it, the decisive one first."""

    law: str
    t: float
    frames: tuple[int, ...]
    words: str


def order(notices: Sequence[Notice], grants: Sequence[Grant]) -> Iterator[Broken]:
    """CSeq, versions, and what comes behind the end."""
    last: Notice | None = None
    versioned: Notice | None = None
    ended: Notice | None = None
    refused: Notice | None = None
    by_cseq: dict[int, Notice] = {}
    for notice in notices:
        if notice.again or notice.backwards:
            first = by_cseq.get(notice.cseq, last)
            frames = (notice.frame, first.frame) if first is not None else (notice.frame,)
            highest = last.cseq if last is not None else notice.cseq
            words = f"CSeq {notice.cseq} a second time" if notice.again else f"CSeq {notice.cseq} after {highest}"
            yield Broken("LAW-04", notice.t, frames, words)
        by_cseq.setdefault(notice.cseq, notice)
        if not notice.counts:
            continue
        if ended is not None:
            if any(ended.t < grant.t <= notice.t and grant.expires for grant in grants):
                ended = versioned = None
            else:
                words = f"{notice.state or 'a NOTIFY'} after terminated"
                yield Broken("LAW-05", notice.t, (notice.frame, ended.frame), words)
        if refused is not None and notice.t - refused.t > ON_THE_WAY_S:
            if not any(refused.t < grant.t <= notice.t for grant in grants):
                words = f"{notice.state or 'a NOTIFY'} after the watcher had answered 481"
                yield Broken("LAW-05", notice.t, (notice.frame, refused.frame), words)
            else:
                refused = None
        if notice.version is not None:
            if versioned is not None and notice.version <= (versioned.version or 0):
                words = f"version {notice.version} after {versioned.version}"
                yield Broken("LAW-03", notice.t, (notice.frame, versioned.frame), words)
            else:
                versioned = notice
        if notice.state == "terminated":
            ended = ended or notice
        if notice.answered == 481:
            refused = refused or notice
        last = notice


def misdirected(
    notices: Sequence[Notice], grants: Sequence[Grant], others: Mapping[End, str], own: str
) -> Iterator[Broken]:
    """NOTIFYs that went to a Contact that the watcher has left, or to another watcher, as `others` has their places."""
    for notice in notices:
        given = [grant for grant in grants if grant.t <= notice.t]
        if not given or not notice.counts:
            continue
        valid = set(given[-1].places)
        for grant in given[:-1]:
            if notice.t - given[-1].t < ON_THE_WAY_S:
                valid |= grant.places
        if valid & set(notice.places):
            continue
        left = {place for grant in given[:-1] for place in grant.places}
        if left & set(notice.places):
            words = "to a Contact that the watcher has left"
            yield Broken("LAW-06", notice.t, (notice.frame, given[-1].frame), words)
        elif strangers := {others[place] for place in notice.places if others.get(place, own) != own}:
            words = f"to {', '.join(sorted(strangers))}, who did not subscribe to it"
            yield Broken("LAW-06", notice.t, (notice.frame, given[-1].frame), words)


def unknown(notices: Sequence[Notice]) -> Iterator[Broken]:
    """NOTIFYs with the Call-ID of a subscription and tags of none, which the watcher does not know either."""
    for notice in notices:
        if notice.answered == 481:
            yield Broken("LAW-06", notice.t, (notice.frame,), "in a dialog that does not exist, says the watcher (481)")


def too_many(notices: Sequence[Notice], grants: Sequence[Grant]) -> Iterator[Broken]:
    """NOTIFYs in a row that say nothing new of a call, although nobody asked."""
    alike: list[Notice] = []
    for notice in notices:
        if not notice.counts:
            continue
        asked = alike and any(alike[-1].t - 1 <= grant.t <= notice.t for grant in grants)
        if not alike or asked or not notice.shown or notice.shown != alike[-1].shown or notice.lamp != alike[-1].lamp:
            alike = [notice]
            continue
        alike.append(notice)
        if len(alike) == MOST_ALIKE + 1:
            words = f"{len(alike)} NOTIFYs in {notice.t - alike[0].t:.1f} s that say the same"
            yield Broken("LAW-07", notice.t, (notice.frame, *(each.frame for each in alike[:-1])), words)
