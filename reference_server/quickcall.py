"""Quickcall: ring a device as leg A; once it has answered, call the number for it as leg B."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from reference_server.behaviour_calls import AutoAnswer, Bypass, CallerId, CallIds, Shown, Unregistered
from reference_server.call_wire import CallWriter, Header
from reference_server.callers import Callers
from reference_server.calls import MOST_HOPS, Call, Calls
from reference_server.directory import Account, Device, realm_of
from reference_server.legs import Shows, Side
from reference_server.presentity import has_presence_id
from reference_server.routing import Refusal, Router, Target
from reference_server.rules import Gate
from reference_server.runtime import Runtime
from reference_server.wire import has_break

NAME = "Device QuickCall"
"""The caller's name on leg A, as the API shows it."""

APART_S = 0.01
"""From the INVITE to one device of a user to that of the next (recorded)."""

POLL_S = 0.5
"""How often a call that waits for a registration looks for one."""


OUT_OF_ORDER = "DESTINATION_OUT_OF_ORDER"
"""What the caller of the API is told when the SIP side restarts meanwhile."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a quickcall is to do: the number to call, and the one that the device shows meanwhile.

    `cid_name` and `cid_number` are what leg B shows, None for the device's own; `ring_s` is the ring time of leg A
    in seconds; `early_media` lets leg B begin as soon as leg A sends media.
    """

    number: str
    shown: str
    ring_s: float
    cid_name: str | None = None
    cid_number: str | None = None
    auto_answer: bool = True
    bypass: bool = False
    early_media: bool = False


Settle = Callable[[str, float], None]
"""Told how a quickcall went: "" when a phone has answered, else why none did; and when (seconds)."""


@dataclass(slots=True, eq=False)
class _Ringing:
    """One quickcall on its way to an answer: `left` devices have neither answered nor failed, `settle` waits.

    `until` is how long a device is waited for that is not registered, where the rules say so; `alone` that there is
    but one. `when` the last of them was or will be rung.
    """

    account: Account
    wish: Wish
    until: float
    alone: bool
    left: int
    settle: Settle | None
    when: float | None = None
    calls: list[Call] = field(default_factory=list)


class Quickcalls:
    """Starts quickcalls; `Calls` goes on with them."""

    def __init__(self, runtime: Runtime, router: Router, callers: Callers, calls: Calls, writer: CallWriter) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.quickcall
        self._router = router
        self._callers = callers
        self._calls = calls
        self._writer = writer
        self._call_ids: dict[str, str] = {}
        self._waiting: list[_Ringing] = []

    def restart(self, now: float) -> None:
        """No phone rings any more: whoever waits for one is told in a moment."""
        self._call_ids.clear()
        for ringing in list(self._waiting):
            ringing.left = 1
            self._conclude(ringing, OUT_OF_ORDER, now)

    def start(
        self, account: Account, rung: Sequence[Device], wish: Wish, now: float, settle: Settle | None = None
    ) -> list[str]:
        """Ring the devices, unless nothing leads to them; return the Call-IDs of their legs.

        The first to answer is the one, the others are hung up. `settle` is told later how it went.
        """
        ringing = _Ringing(account, wish, now + wish.ring_s, len(rung) == 1, len(rung), settle)
        if settle is not None:
            self._waiting.append(ringing)
        call_ids: list[str] = []
        for device in rung:
            if call_ids and self._rules.call_id is CallIds.SHARED:
                call_ids.append(call_ids[0])
                self._conclude(ringing, self._rules.absent, now)
                continue
            call_ids.append(self._call_id(device))
            self._reach(ringing, device, call_ids[-1], now)
        return call_ids

    def _reach(self, ringing: _Ringing, device: Device, call_id: str, now: float) -> None:
        reached = self._router.reach(ringing.account, device, ringing.wish.ring_s, now)
        if isinstance(reached, Refusal):
            if self._rules.unregistered is Unregistered.WAITED_FOR and now < ringing.until:
                self._runtime.agenda.at(now + POLL_S, partial(self._reach, ringing, device, call_id))
            else:
                self._conclude(ringing, self._rules.absent, now)
            return
        target = reached[-1]
        if self._rules.leg_a_lamp is Shown.HIDDEN:
            target = replace(target, party=replace(target.party, presentity=None))
        for copy in range(self._rules.copies):
            self._ring(ringing, device, target, self._call_id(device) if copy else call_id, now)

    def _conclude(self, ringing: _Ringing, cause: str, now: float) -> None:
        """One of the devices has answered ("") or will not."""
        ringing.left -= 1
        settle = ringing.settle
        if settle is None or (cause and ringing.left > 0):
            return
        ringing.settle = None
        self._waiting.remove(ringing)
        when = now + self._runtime.draw(self._rules.outcome_delay)
        self._runtime.agenda.at(when, lambda then: settle(cause, then), kept=True)

    def _ring(self, ringing: _Ringing, device: Device, target: Target, call_id: str, now: float) -> None:
        account, wish = ringing.account, ringing.wish
        peer = Shows(wish.shown, self._rules.leg_a_name)
        local = self._writer.name_address(peer, realm_of(account, device))
        leg = self._calls.outgoing(Side.A, self._shortened(target), peer, local, call_id, MOST_HOPS, now)
        bypass = wish.bypass and self._rules.bypass is not Bypass.IGNORED
        shows = self.leg_b_shows(account, device, wish)
        call = Call(account, device, wish.number, shows, leg, quickcall=True, bypass=bypass)
        call.early_media = wish.early_media
        call.mute = has_break(wish.cid_name or "") and self._rules.broken_name is Gate.REFUSED
        hinted = self._rules.auto_answer is AutoAnswer.ALWAYS or (
            self._rules.auto_answer is not AutoAnswer.NONE and wish.auto_answer and ringing.alone
        )
        extra: list[Header] = [("Call-Info", f"<sip:{self._runtime.sip_host}>;answer-after=0")] if hinted else []
        call.hints_b = extra if self._rules.auto_answer is AutoAnswer.BOTH_LEGS else []
        if ringing.when is None:
            ringing.when = now + self._runtime.draw(self._rules.delay)
        else:
            ringing.when += APART_S
        when = ringing.when
        call.outcome = partial(self._conclude, ringing)
        call.rivals = ringing.calls
        ringing.calls.append(call)
        self._runtime.agenda.at(when, lambda then: self._calls.ring_first(call, extra, then))

    def _shortened(self, target: Target) -> Target:
        early = self._rules.ring_early
        if early.high == 0:
            return target
        return replace(target, ring_s=max(0.1, target.ring_s - self._runtime.draw(early)))

    def leg_b_shows(self, account: Account, device: Device, wish: Wish) -> Shows:
        """What the number sees of the device: what was wished for, else what the device shows anyway."""
        owner = account.owner(device)
        own = self._callers.shows(account, device, owner.name if owner is not None else self._rules.unnamed)
        if self._rules.unnumbered and not has_presence_id(account, device, self._runtime.behaviour):
            own = replace(own, number=self._rules.unnumbered)
        name, number = wish.cid_name, wish.cid_number
        if self._rules.caller_id is CallerId.SWAPPED:
            name, number = number, name
        elif self._rules.caller_id is CallerId.NAME_ONLY:
            number = None
        elif self._rules.caller_id is CallerId.NUMBER_ONLY:
            name = None
        return Shows(number or own.number, name or own.name)

    def _call_id(self, device: Device) -> str:
        fresh = f"{self._runtime.hex(36)}-quickcall"
        if self._rules.call_id is not CallIds.REUSED:
            return fresh
        return self._call_ids.setdefault(device.id, fresh)
