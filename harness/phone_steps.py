"""Steps in which phones do something by SIP: watch, call, answer, hang up. What comes of it is in the Record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

from harness import templates
from harness.accounts import CannotPrepare
from harness.claims import Claim, State
from harness.lamps import presentity_key
from harness.loader import StepAt
from harness.recorder import CaseRecorder
from harness.step_facts import holding_of
from harness.steps import (
    Answer,
    Answering,
    Call,
    Cancel,
    Forget,
    HangUp,
    Hold,
    Misses,
    Network,
    Networking,
    OnCall,
    Redirect,
    Reject,
    Responds,
    Resume,
    Subscribe,
    Unsubscribe,
)
from harness.together import together
from harness.watching import PhoneAtWork, Watch
from phones.calls import CallPolicy, NoSuchCall
from phones.fleet import RunningPhone
from phones.impairments import Impairment
from phones.phone import format_address
from phones.sip.index import Message, SipSyntaxError

_SUBSCRIPTION_TIMEOUT_S = 40.0
"""More than 64*T1: a phone itself gives up before."""
_NOTIFY_TIMEOUT_S = 5.0
_LAST_NOTIFY_S = 1.0
_GOODBYE_S = 1.0
"""How long the last hang-ups of a case are waited for."""
_CALL_TIMEOUT_S = 5.0
"""How long a call may take to ring, to be acknowledged, or to end, where a step waits for that."""


class PhoneSteps:
    """Carries out the steps of phones of one case.

    `presentity` gives the URI that a phone's name or a template stands for, `claim` records a claim of the judge.
    """

    def __init__(
        self,
        recorder: CaseRecorder,
        phones: Mapping[str, PhoneAtWork],
        watching: Watch,
        *,
        variables: Callable[[], dict[str, Any]],
        presentity: Callable[[str], str],
        claim: Callable[[StepAt, str, dict[str, Any], str], Claim],
    ) -> None:
        self._recorder = recorder
        self._phones = phones
        self._watching = watching
        self._variables = variables
        self._presentity = presentity
        self._claim = claim
        self._watched: dict[str, float] = {}

    def watched_until(self, name: str) -> float | None:
        """When the last subscription ends that a phone lets run out; None where there is none. Seconds of the run."""
        return self._watched.get(name)

    async def run(self, at: StepAt) -> bool:
        """Carry out a step; return whether it is one of a phone's. Raises CannotPrepare when the phone cannot do it."""
        step = at.step
        if isinstance(step, Subscribe | Unsubscribe):
            await self._subscribe(at, step)
        elif isinstance(step, Call):
            self._call(at, step)
        elif isinstance(step, Answer):
            await together(self._answer(at, name) for name in step.answer)
        elif isinstance(step, Reject):
            wanted = step.reject if isinstance(step.reject, Answering) else Answering(phone=step.reject, status=486)
            await together(self._reject(at, name, wanted.status) for name in wanted.phone)
        elif isinstance(step, Redirect):
            await together(self._redirect(at, name, step.redirect.to) for name in step.redirect.phone)
        elif isinstance(step, Hold | Resume):
            wished, held = holding_of(step), isinstance(step, Hold)
            await together(self._hold(at, name, held, wished.by) for name in wished.phone)
        elif isinstance(step, HangUp):
            await together(self._end(at, name, "hang_up") for name in step.hang_up)
        elif isinstance(step, Cancel):
            await together(self._end(at, name, "cancel") for name in step.cancel)
        elif isinstance(step, OnCall):
            for name in step.on_call.phone:
                self._phones[name].running.calls_policy = self.policy_of(name, step.on_call)
        elif isinstance(step, Misses):
            missing = step.missing
            for name in missing.phone:
                event = missing.event if missing.method == "NOTIFY" else ""
                self._phones[name].running.miss(missing.method, missing.count, event)
        elif isinstance(step, Responds):
            self._respond(step)
        elif isinstance(step, Network):
            for name in step.network.phone:
                _impair(self._phones[name].running, step.network)
        elif isinstance(step, Forget):
            for name in step.forget:
                self._phones[name].running.forget()
        else:
            return False
        return True

    async def leave(self) -> None:
        """End every call that is still there: the target would keep calls with nobody in them."""
        running = [each.running for each in self._phones.values()]
        for each in running:
            # a goodbye that is lost on purpose would be one that was never said
            each.mend()
        if not all(each.phone.calls.idle for each in running):
            for each in running:
                each.leave_calls()
        until = self._recorder.now + _GOODBYE_S
        await self._recorder.until(lambda: all(each.phone.calls.idle for each in running), lambda: until)

    # watching

    async def _subscribe(self, at: StepAt, step: Subscribe | Unsubscribe) -> None:
        ending = isinstance(step, Unsubscribe)
        wanted = step.unsubscribe if isinstance(step, Unsubscribe) else step.subscribe
        presentity = self._presentity(wanted.to)
        outcome = wanted.outcome or ("terminated" if ending else "active")
        key = presentity_key(presentity)
        spec = {
            "phones": wanted.phone,
            "presentity": key,
            "event": wanted.event,
            "outcome": outcome,
            "status": wanted.status,
        }
        claim = self._claim(at, "subscription", spec, at.number)

        async def act(name: str) -> None:
            running = self._phones[name].running
            if ending:
                begun = claim.n
                done = await running.unsubscribe(presentity, wanted.event)
                await self._last_notify(name, begun, done.call_id)
                return
            started = self._watching.started("control", name, of=key)
            done = await running.subscribe(presentity, wanted.event, expires=wanted.expires, refresh=wanted.refresh)
            if done.state == "active" and not wanted.refresh:
                self._watched[name] = max(self._watched.get(name, 0.0), self._recorder.now + done.expires)
            if done.state == "active":
                await self._first_notify(name, started, done.call_id)

        try:
            async with asyncio.timeout(_SUBSCRIPTION_TIMEOUT_S):
                await together(act(name) for name in wanted.phone)
        except TimeoutError:
            pass
        except SipSyntaxError as error:
            raise CannotPrepare(f"step {at.number}: {presentity!r} cannot be watched: {error}") from error
        if claim.state is State.OPEN:
            self._recorder.write("expired", claim=claim.id)
        if not claim.clauses and claim.state is not State.MET:
            # a precondition: what would follow proves nothing about what the case is for
            raise CannotPrepare(f"step {at.number} ({at.text}) did not succeed: {claim.why}")

    async def _first_notify(self, name: str, started: dict[str, Any], call_id: str) -> None:
        """Wait for the NOTIFY that a subscription brings: it proves that others can reach the phone, too."""

        def wanted(message: Message) -> bool:
            return message.is_request and message.method == "NOTIFY" and message.call_id == call_id

        judge = self._recorder.judge
        deadline = self._recorder.now + _NOTIFY_TIMEOUT_S
        await self._recorder.until(lambda: judge.arrived(name, started["n"], wanted) is not None, lambda: deadline)
        await self._watching.settled("control", name, started, 200, wanted, call_id)

    async def _last_notify(self, name: str, after: int, call_id: str) -> None:
        """Let the NOTIFY that ends a subscription come, or not: whether it must is for others to say."""

        def wanted(message: Message) -> bool:
            state = (message.get("subscription-state") or "").lower()
            return message.method == "NOTIFY" and message.call_id == call_id and state.startswith("terminated")

        judge = self._recorder.judge
        deadline = self._recorder.now + _LAST_NOTIFY_S
        await self._recorder.until(lambda: judge.arrived(name, after, wanted) is not None, lambda: deadline)

    # calls

    def _call(self, at: StepAt, step: Call) -> None:
        wanted = step.calling
        variables = self._variables()
        caller = self._phones[wanted.from_]
        target = self._target(wanted.from_, wanted.to)
        shown = None if wanted.as_ is None else str(templates.fill(wanted.as_, variables))
        try:
            caller.running.call(target, caller=shown)
        except SipSyntaxError as error:
            raise CannotPrepare(f"step {at.number}: {target!r} cannot be called: {error}") from error

    def _target(self, name: str, to: str) -> str:
        """The SIP URI that a phone dials: of a phone, a number, a URI, or a template of one of these."""
        caller = self._phones[name]
        target = self._phones[to].number if to in self._phones else str(templates.fill(to, self._variables()))
        if target.lower().startswith(("sip:", "sips:")):
            return target
        realm = format_address(caller.running.phone.edge) if caller.is_trunk else caller.device.identity.realm
        return f"sip:{target}@{realm}"

    def policy_of(self, name: str, wanted: Any) -> CallPolicy:
        """What a scenario says of the calls of a phone, as the phone takes it."""
        to = tuple(self._target(name, each) for each in wanted.to)
        return CallPolicy(how=wanted.how, status=wanted.status, after=wanted.after, to=to)

    async def _is(self, name: str, state: str) -> bool:
        judge = self._recorder.judge
        deadline = self._recorder.now + _CALL_TIMEOUT_S
        return await self._recorder.until(lambda: judge.phone_state(name) == state, lambda: deadline)

    @staticmethod
    def _silent(at: StepAt, name: str) -> str:
        return f"step {at.number}: no call rings at {name}; one without `on_call` rejects calls as busy"

    async def _answer(self, at: StepAt, name: str) -> None:
        if not await self._is(name, "ringing"):
            raise CannotPrepare(self._silent(at, name))
        self._phones[name].running.answer()
        judge = self._recorder.judge
        deadline = self._recorder.now + _CALL_TIMEOUT_S
        # the other side may hang up at once
        if not await self._recorder.until(lambda: judge.was(name, "talking"), lambda: deadline):
            raise CannotPrepare(f"step {at.number}: the answer of {name} was never acknowledged")

    async def _reject(self, at: StepAt, name: str, status: int) -> None:
        if not await self._is(name, "ringing"):
            raise CannotPrepare(self._silent(at, name))
        self._phones[name].running.reject(status)
        await self._is(name, "idle")

    async def _redirect(self, at: StepAt, name: str, to: list[str]) -> None:
        if not await self._is(name, "ringing"):
            raise CannotPrepare(self._silent(at, name))
        self._phones[name].running.redirect(*(self._target(name, each) for each in to))
        await self._is(name, "idle")

    async def _hold(self, at: StepAt, name: str, held: bool, by: Literal["INVITE", "UPDATE"]) -> None:
        running = self._phones[name].running
        try:
            running.hold(held=held, by=by)
        except NoSuchCall as error:
            raise CannotPrepare(f"step {at.number}: {name}: {error}") from error
        deadline = self._recorder.now + _CALL_TIMEOUT_S
        await self._recorder.until(lambda: not running.phone.calls.changing, lambda: deadline)

    async def _end(self, at: StepAt, name: str, how: str) -> None:
        running = self._phones[name].running
        try:
            (running.cancel if how == "cancel" else running.hang_up)()
        except NoSuchCall as error:
            raise CannotPrepare(f"step {at.number}: {name}: {error}") from error
        await self._is(name, "idle")

    def _respond(self, step: Responds) -> None:
        for name in step.responds.phone:
            refusals = self._phones[name].running.phone.refusals
            if step.responds.with_ == "usual":
                refusals.pop(step.responds.to, None)
            else:
                refusals[step.responds.to] = None if step.responds.with_ == "silence" else step.responds.with_


def _impair(running: RunningPhone, wanted: Networking) -> None:
    if wanted.does == "away":
        running.go_offline()
    elif wanted.does == "back":
        running.go_online()
    elif wanted.does == "mend":
        running.mend()
    else:
        what = (wanted.does, wanted.way, wanted.what or "", wanted.count, wanted.seconds, wanted.event)
        running.impair(Impairment(*what))
