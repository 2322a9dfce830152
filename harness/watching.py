"""Watching phones: the claims about what reaches them, and the controls and fences that close the counts."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from harness import templates
from harness.accounts import Device
from harness.api_session import ApiSession
from harness.call_claims import HearClaim
from harness.claiming import Expect, Laws, Lit, Never, Order, parse_hears, parse_is, parse_passes, parse_receives
from harness.claims import Claim, State
from harness.evidence import is_call_from, is_check_sync
from harness.habits import Asking, Habits
from harness.lamps import presentity_key
from harness.loader import StepAt, claim_ids
from harness.matchers import ABSENT
from harness.recorder import CaseRecorder
from harness.step_facts import closing_claim
from harness.together import together
from phones.calls import NoSuchCall
from phones.fleet import RunningPhone
from phones.phone import format_address
from phones.sip.index import Message
from reports.record import Event

PROBE_TIMEOUT_S = 5.0
"""How long a control or a fence may take to arrive."""
_ECHO_LATENCIES = 4
_SILENCE_S = 0.5
"""How long a phone that is to be heard waits before it says something again."""


@dataclass(slots=True)
class PhoneAtWork:
    """A phone of the case and the device that it stands for."""

    running: RunningPhone
    device: Device
    """Of a trunk: none that the API knows, only its account."""

    is_trunk: bool = False
    extension: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """What to dial to reach it: its extension, else its SIP username."""
        return self.extension[0] if self.extension else self.device.identity.user


class Watch:
    """Carries out `control` and the claims that are settled together, for the phones of one case.

    `habits` says how this Kazoo is asked. `lag_of` gives the lag that a step's clauses declare, `variables` what its
    templates may use, `presentity` the URI that a phone's name or a template stands for, and `claim` records a claim of
    the judge.
    """

    def __init__(
        self,
        recorder: CaseRecorder,
        api: ApiSession,
        phones: Mapping[str, PhoneAtWork],
        rng: random.Random,
        habits: Habits,
        *,
        lag_of: Callable[[StepAt], float | None],
        variables: Callable[[], dict[str, Any]],
        presentity: Callable[[str], str],
        claim: Callable[[StepAt, str, dict[str, Any], str], Claim],
    ) -> None:
        self._recorder = recorder
        self._api = api
        self._phones = phones
        self._rng = rng
        self._habits = habits
        self._lag_of = lag_of
        self._variables = variables
        self._presentity = presentity
        self._claim = claim

    async def control(self, name: str) -> None:
        started = self.started("control", name)
        status = await self._ask(self._habits.control, name, "control")
        await self._arrival("control", name, started, status, is_check_sync)

    async def _ask(self, asking: Asking, name: str, role: str, number: str = "") -> int:
        """Ask something about the device of a phone. Returns the status of the reply."""
        device = self._phones[name].device
        path = f"/v2/accounts/{device.account.id}/devices/{device.id}{asking.path.format(number=number)}"
        data = ABSENT if asking.data is None else asking.data
        status, _ = await self._api.prepare(asking.method, path, device.account.token, data=data, role=role)
        return status

    async def _fence(self, name: str) -> None:
        token = f"9{self._rng.randrange(10**9):09d}"
        self._phones[name].running.fences.add(token)
        started = self.started("fence", name, token=token)
        status = await self._ask(self._habits.fence, name, "fence", token)
        await self._arrival("fence", name, started, status, lambda message: is_call_from(message, token))

    def started(self, kind: str, name: str, *, token: str = "", of: str = "") -> Event:
        """Record that a control or a fence of a phone has been asked for."""
        contact = format_address(self._phones[name].running.phone.local)
        return self._recorder.write(kind, phone=name, contact=contact, state="started", token=token, of=of)

    async def _arrival(
        self, kind: str, name: str, started: Event, status: int, wanted: Callable[[Message], bool]
    ) -> None:
        """Wait until the message that `wanted` knows has come, and record that it has or has not."""
        judge = self._recorder.judge
        deadline = self._recorder.now + (PROBE_TIMEOUT_S if 200 <= status < 300 else 0.0)
        self._recorder.waits(f"the {kind} of {name}", deadline)
        await self._recorder.until(lambda: judge.arrived(name, started["n"], wanted) is not None, lambda: deadline)
        await self.settled(kind, name, started, status, wanted)

    async def settled(
        self, kind: str, name: str, started: Event, status: int, wanted: Callable[[Message], bool], token: str = ""
    ) -> None:
        """Record whether the message that `wanted` knows has come by now."""
        arrival = self._recorder.judge.arrived(name, started["n"], wanted)
        found = {"state": "missed", "message": None, "latency": None, "contact": started["contact"]}
        if arrival is not None:
            latency = round(arrival.t - started["t"], 6)
            # what a server sends twice belongs to the control, too, not to what is claimed next
            await self._recorder.until(lambda: False, lambda: arrival.t + _ECHO_LATENCIES * latency)
            found = {"state": "arrived", "message": arrival.n, "latency": latency, "contact": arrival.event["local"]}
        told = {"phone": name, "token": token or started["token"], "of": started["of"], "status": status}
        self._recorder.write(kind, **told, **found)

    async def watch(self, steps: list[StepAt]) -> None:
        """Open the claims of adjacent steps together, wait for what must come, then close the counts."""
        if not steps:
            return
        claims = [claim for at in steps for claim in self._open(at)]
        await together(self._await_enough(claim) for claim in claims)
        closing = [claim for claim in claims if claim.closes and claim.state is State.OPEN]
        while closing:
            now = self._undisturbed(closing)
            await together(self._fence(name) for name in dict.fromkeys(claim.listener for claim in now))
            await self._listen(now)
            for claim in now:
                self._recorder.write("closed", claim=claim.id)
            closing = [claim for claim in closing if claim not in now]

    def _undisturbed(self, claims: list[Claim]) -> list[Claim]:
        """Those of `claims` that can be closed first: their fences light no lamp that the others are still about."""
        lights = self._recorder.judge.lights
        listeners = {claim.listener for claim in claims}
        dark = {name for name in listeners if not any(lights(name, other) for other in listeners - {name})}
        return [claim for claim in claims if claim.listener in (dark or listeners)]

    def _open(self, at: StepAt) -> list[Claim]:
        """The claims of one step."""
        step = at.step
        within = getattr(step, "within", 0.0)
        common = {"within": within, "lag": self._lag(at), "closes": bool(closing_claim(step))}
        if isinstance(step, Lit):
            return [
                self._claim(at, "lamp", {**common, **self._lamp(step), "phone": name}, claim_id)
                for name, claim_id in claim_ids(at).items()
            ]
        if isinstance(step, Laws):
            return [
                self._claim(at, "laws", {**common, "phone": name}, claim_id) for name, claim_id in claim_ids(at).items()
            ]
        if isinstance(step, Order):
            variables = self._variables()
            lines = []
            for line in step.lines:
                phone, way, what = parse_passes(line.that)
                where = templates.fill(line.where, variables)
                lines.append({"phone": phone, "way": way, "what": what, "where": where})
            return [self._claim(at, "order", {**common, "order": lines}, at.number)]
        if isinstance(step, Expect) and (is_ := parse_is(step.expect)):
            return [self._claim(at, "state", {**common, "phone": is_[0], "state": is_[1]}, at.number)]
        if isinstance(step, Expect) and (hears := parse_hears(step.expect)):
            return [self._claim(at, "hear", {**common, **asdict(hears)}, at.number)]
        assert isinstance(step, Expect | Never)
        return [self._claim(at, "wire", {**common, **self._count(step)}, at.number)]

    def _lag(self, at: StepAt) -> float | None:
        lags = [lag for lag in (getattr(at.step, "lag", None), self._lag_of(at)) if lag is not None]
        return max(lags, default=None)

    def _lamp(self, step: Lit) -> dict[str, Any]:
        how = next(name for name in ("goes", "stays", "becomes") if getattr(step, name) is not None)
        shown = getattr(step, how)
        return {
            "presentity": presentity_key(self._presentity(step.of)),
            "of": step.of if step.of in self._phones else self._presentity(step.of),
            "event": step.event,
            "how": how,
            "goes": shown if isinstance(shown, list) else [shown],
            "truth": step.truth,
        }

    def _count(self, step: Expect | Never) -> dict[str, Any]:
        if isinstance(step, Expect):
            phone, what = parse_receives(step.expect)
            least, most = step.exactly or (0 if step.at_most else 2 if step.same else 1), step.exactly or step.at_most
        else:
            phone, what = parse_receives(step.never)
            least, most = 0, 0
        return {
            "phone": phone,
            "what": what,
            "where": templates.fill(step.where, self._variables()),
            "least": least,
            "most": most,
            "distinct": step.distinct if isinstance(step, Expect) else None,
            "same": step.same if isinstance(step, Expect) else None,
        }

    async def _await_enough(self, claim: Claim) -> None:
        if isinstance(claim, HearClaim):
            await self._speak_up(claim)
        if not claim.enough:
            self._recorder.waits(claim.expected or claim.text, claim.deadline)
        if not await self._recorder.until(lambda: claim.enough, lambda: claim.deadline):
            self._recorder.write("expired", claim=claim.id)

    async def _speak_up(self, claim: HearClaim) -> None:
        """Have a phone talk until it is heard: the other side may have come only after its first words.

        Who is to hear nothing of itself talks, too.
        """
        while not claim.enough and self._recorder.now < claim.deadline:
            for name in (claim.spec["other"], *[claim.listener] * claim.closes):
                with suppress(NoSuchCall):
                    self._phones[name].running.talk()
            wait_until = min(self._recorder.now + _SILENCE_S, claim.deadline)
            await self._recorder.until(lambda: claim.enough, partial(float, wait_until))

    async def _listen(self, claims: list[Claim]) -> None:
        """Stay quiet for the longest lag, unless every claim has been broken before."""
        judge = self._recorder.judge
        lags = [max(claim.spec["lag"] or 0.0, 4 * judge.control_latency(claim.listener)) for claim in claims]
        # a clock may wake us a little early
        until = self._recorder.now + max(lags) + 0.001
        listeners = dict.fromkeys(claim.listener for claim in claims)
        self._recorder.waits(f"whether more comes to {', '.join(listeners)}", until)
        await self._recorder.until(lambda: all(claim.state is not State.OPEN for claim in claims), lambda: until)
