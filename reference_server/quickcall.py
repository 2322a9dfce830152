"""Quickcall: ring a device as leg A; once it has answered, call the number for it as leg B."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from reference_server.behaviour_calls import AutoAnswer, Bypass, CallerId, CallIds, Shown, Unregistered
from reference_server.call_wire import CallWriter, Header
from reference_server.callers import Callers
from reference_server.calls import Call, Calls
from reference_server.directory import Account, Device, realm_of
from reference_server.legs import Shows, Side
from reference_server.routing import Refusal, Router, Target
from reference_server.runtime import Runtime

NAME = "Device QuickCall"
"""The caller's name on leg A, as the API shows it."""

POLL_S = 0.5
"""How often a call that waits for a registration looks for one."""


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

    def start(self, account: Account, device: Device, wish: Wish, now: float) -> str:
        """Ring `device`, unless nothing leads to it; return the Call-ID of leg A."""
        call_id = self._call_id(device)
        self._reach(account, device, wish, call_id, now, now + wish.ring_s)
        return call_id

    def _reach(self, account: Account, device: Device, wish: Wish, call_id: str, now: float, until: float) -> None:
        target = self._router.reach(account, device, wish.ring_s, now)
        if isinstance(target, Refusal):
            if self._rules.unregistered is Unregistered.WAITED_FOR and now < until:
                again = partial(self._reach, account, device, wish, call_id, until=until)
                self._runtime.agenda.at(now + POLL_S, again)
            return
        if self._rules.leg_a_lamp is Shown.HIDDEN:
            target = replace(target, party=replace(target.party, presentity=None))
        for copy in range(self._rules.copies):
            self._ring(account, device, wish, target, self._call_id(device) if copy else call_id, now)

    def _ring(self, account: Account, device: Device, wish: Wish, target: Target, call_id: str, now: float) -> None:
        peer = Shows(wish.shown, self._rules.leg_a_name)
        local = self._writer.name_address(peer, realm_of(account, device))
        leg = self._calls.outgoing(Side.A, target, peer, local, call_id, now)
        bypass = wish.bypass and self._rules.bypass is Bypass.HONOURED
        shows = self.leg_b_shows(account, device, wish)
        call = Call(account, device, wish.number, shows, leg, quickcall=True, bypass=bypass)
        call.early_media = wish.early_media
        hinted = self._rules.auto_answer is AutoAnswer.ALWAYS or (
            self._rules.auto_answer is AutoAnswer.CALL_INFO and wish.auto_answer
        )
        extra: list[Header] = [("Call-Info", f"<sip:{self._runtime.sip_host}>;answer-after=0")] if hinted else []
        when = now + self._runtime.draw(self._rules.delay)
        self._runtime.agenda.at(when, lambda then: self._calls.ring_first(call, extra, then))

    def leg_b_shows(self, account: Account, device: Device, wish: Wish) -> Shows:
        """What the number sees of the device: what was wished for, else what the device shows anyway."""
        own = self._callers.shows(account, device, self._rules.unnamed)
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
        if self._rules.call_id is CallIds.FRESH:
            return fresh
        return self._call_ids.setdefault(device.id, fresh)
