"""What the calls of a capture allow a lamp to show.

A lamp is tied to a call when a document of its presentity names that call. What is named and not in the capture, or
began before it, is not visible, and a lamp that shows it is never wrong. Where a server may say one thing or another,
both are allowed: Kazoo lights the caller's lamp `busy` from the INVITE on; others wait for the 180.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.inspecting.calls import NO_ANSWER_S, Calls, Leg, LegState
from harness.inspecting.subscriptions import Notice, Shown, Watch
from phones.sip.dialog import user_of
from phones.sip.lamp import LampState

RINGING_S = 180.0
"""After so long without a final response proxies have given up (Timer C, RFC 3261 16.6): nobody knows what is true."""
NEAR_S = 2.0
"""How near a change of a lamp without Call-IDs (package presence, some servers) lies to the call that it shows."""

States = frozenset[LampState]

_OFF, _RINGING, _BUSY = LampState.OFF, LampState.RINGING, LampState.BUSY
STRENGTH = {_OFF: 0, _RINGING: 1, _BUSY: 2}
ANYTHING: States = frozenset(STRENGTH)

_CALLEE: dict[LegState, States] = {
    LegState.CALLING: frozenset((_OFF, _RINGING)),
    LegState.RINGING: frozenset((_RINGING,)),
    LegState.TALKING: frozenset((_BUSY,)),
    LegState.ENDED: frozenset((_OFF,)),
    LegState.OPEN: ANYTHING,
}
_CALLER: dict[LegState, States] = {
    **_CALLEE,
    LegState.CALLING: ANYTHING,
    LegState.RINGING: frozenset((_RINGING, _BUSY)),
}
_PRESENCE = {_RINGING: frozenset((_OFF, _RINGING))}
"""Package presence knows no ringing (RFC 4480 3.2): a server may tell it as busy, or not at all."""


@dataclass(frozen=True, slots=True)
class Tie:
    """A leg that shows at a presentity, there as the called one alone, or perhaps as the caller, too."""

    leg: Leg
    called: bool

    def is_open(self, t: float) -> bool:
        """Whether a change is on its way at `t` that the other side has not confirmed."""
        at = bisect_right(self.leg.changes, t, key=lambda change: change.t) - 1
        return at >= 0 and self.leg.changes[at].state is LegState.OPEN

    def allowed(self, t: float) -> States:
        """What a lamp may show of it at `t`; nothing at all before it began."""
        changes = self.leg.changes
        at = bisect_right(changes, t, key=lambda change: change.t) - 1
        if at < 0:
            return frozenset((_OFF,))
        change = changes[at]
        if at == len(changes) - 1 and self._is_stale(change.state, t):
            return ANYTHING
        return (_CALLEE if self.called else _CALLER)[change.state]

    def _is_stale(self, state: LegState, t: float) -> bool:
        """Whether nothing was heard for so long that it may be over."""
        silent = t - self.leg.alive_t
        patience = {LegState.CALLING: NO_ANSWER_S, LegState.RINGING: RINGING_S}.get(state)
        return patience is not None and silent > patience

    @property
    def ended_t(self) -> float | None:
        """When it ended; None when that was not seen."""
        last = self.leg.changes[-1] if self.leg.changes else None
        return last.t if last is not None and last.state is LegState.ENDED else None


class Truth:
    """Which calls show where, by what all documents of a capture say."""

    def __init__(self, calls: Calls, watches: Sequence[Watch]) -> None:
        self._calls = calls
        self._found: dict[str, list[Leg]] = {}
        self._directions: dict[tuple[str, str, str], set[str]] = {}
        self._ties: dict[str, dict[tuple[str, str], Tie]] = {}
        for watch in watches:
            for notice in watch.notices:
                for shown in notice.shown:
                    self._tie(watch.presentity.lower(), shown)
        self._by_user: dict[str, list[Leg]] = {}
        for leg in calls:
            if not leg.before:
                for user in {*leg.users, user_of(f"<{leg.caller}>")}:
                    self._by_user.setdefault(user.lower(), []).append(leg)
        for watch in watches:
            for notice in watch.notices:
                if notice.counts and STRENGTH.get(notice.lamp, 0) and (unnamed := self._unnamed(watch, notice)):
                    guesses = [Shown(leg.call_id, str(notice.lamp), "") for leg in self._guesses(watch, notice)]
                    if guesses:
                        notice.shown = (*(each for each in notice.shown if each not in unnamed), *guesses)
                        for shown in guesses:
                            self._tie(watch.presentity.lower(), shown)

    def _tie(self, presentity: str, shown: Shown) -> None:
        for leg in self.legs(shown.call_id):
            key = (presentity, leg.call_id, leg.tag)
            said = self._directions.setdefault(key, set())
            said.add(shown.direction)
            self._ties.setdefault(presentity, {})[key[1:]] = Tie(leg, said == {"recipient"})

    def _unnamed(self, watch: Watch, notice: Notice) -> list[Shown]:
        """What a lit lamp shows without a Call-ID. A state that was set by API has no direction and is no call."""
        if watch.package == "presence":
            return [Shown("", str(notice.lamp), "", named=False)]
        return [each for each in notice.shown if not each.named and each.direction and not self.legs(each.call_id)]

    def _guesses(self, watch: Watch, notice: Notice) -> Iterable[Leg]:
        """Which calls that may be: those that are tied to the presentity, or of that user and changed about then."""
        tied = {id(tie.leg): tie.leg for tie in self.ties(watch.presentity)}
        yield from (leg for leg in tied.values() if _alive(leg, notice.t))
        for leg in self._by_user.get(user_of(f"<{watch.presentity}>").lower(), ()):
            near = (-0.1 <= notice.t - change.t <= NEAR_S for change in leg.changes if _lights(change.state))
            if id(leg) not in tied and any(near):
                yield leg

    def legs(self, call_id: str) -> list[Leg]:
        """The legs in the capture that a document means by `call_id`; Kazoo puts a name of its own before an @."""
        if call_id not in self._found:
            found = self._calls.legs.get(call_id) or self._calls.legs.get(call_id.partition("@")[2]) or {}
            whole = [leg for leg in found.values() if not leg.before]
            self._found[call_id] = whole if len(whole) == len(found) else []
        return self._found[call_id]

    def ties(self, presentity: str) -> list[Tie]:
        """The calls in the capture that show at a presentity."""
        return list(self._ties.get(presentity.lower(), {}).values())

    def visible(self, notice: Notice) -> bool:
        """Whether every call that a NOTIFY shows is in the capture."""
        if STRENGTH.get(notice.lamp, 0) and not notice.shown:
            return False
        return all(self.legs(shown.call_id) for shown in notice.shown)


def _alive(leg: Leg, t: float) -> bool:
    """Whether a call goes on, or was over just before."""
    if not leg.changes or leg.changes[0].t > t + 0.1:
        return False
    return leg.state is not LegState.ENDED or t - leg.changes[-1].t <= NEAR_S


def _lights(state: LegState) -> bool:
    return state in (LegState.CALLING, LegState.RINGING, LegState.TALKING)


def strongest(sets: Iterable[States], package: str) -> States:
    """What a lamp may show of several calls, each of which allows a set: the strongest of each choice."""
    found: States = frozenset((_OFF,))
    for each in sets:
        found = frozenset(max(a, b, key=STRENGTH.__getitem__) for a in found for b in each)
    if package == "presence":
        found = found.union(*(_PRESENCE.get(state, ()) for state in found))
    return found
