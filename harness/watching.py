"""Watching phones: the claims about what reaches them, and the controls and fences that close the counts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness import templates
from harness.accounts import Device
from harness.api_session import ApiSession
from harness.claims import State, WireClaim
from harness.evidence import is_call_from, is_check_sync
from harness.loader import StepAt, closing_claim
from harness.recorder import CaseRecorder
from harness.scenario import Expect, Never, parse_receives
from phones.fleet import RunningPhone
from phones.phone import format_address
from phones.sip.index import Message
from reports.record import Event

PROBE_TIMEOUT_S = 5.0
"""How long a control or a fence may take to arrive."""
_ECHO_LATENCIES = 4


@dataclass(slots=True)
class PhoneAtWork:
    """A phone of the case and the device that it stands for."""

    running: RunningPhone
    device: Device


class Watch:
    """Carries out `control`, `expect` and `never` for the phones of one case.

    `lag_of` gives the lag that a step's clauses declare, `variables` what its templates may use, and `claim` records
    a claim of the judge.
    """

    def __init__(
        self,
        recorder: CaseRecorder,
        api: ApiSession,
        phones: Mapping[str, PhoneAtWork],
        rng: random.Random,
        *,
        lag_of: Callable[[StepAt], float | None],
        variables: Callable[[], dict[str, Any]],
        claim: Callable[[StepAt, str, dict[str, Any]], None],
    ) -> None:
        self._recorder = recorder
        self._api = api
        self._phones = phones
        self._rng = rng
        self._lag_of = lag_of
        self._variables = variables
        self._claim = claim

    async def control(self, name: str) -> None:
        at_work = self._phones[name]
        device = at_work.device
        started = self._recorder.write(
            "control", phone=name, contact=format_address(at_work.running.phone.local), state="started", token=""
        )
        path = f"/v2/accounts/{device.account.id}/devices/{device.id}/sync"
        status, _ = await self._api.prepare("POST", path, device.account.token, role="control")
        await self._arrival("control", name, started, status, is_check_sync)

    async def _fence(self, name: str) -> None:
        at_work = self._phones[name]
        device = at_work.device
        token = f"9{self._rng.randrange(10**9):09d}"
        started = self._recorder.write(
            "fence", phone=name, contact=format_address(at_work.running.phone.local), state="started", token=token
        )
        path = f"/v2/accounts/{device.account.id}/devices/{device.id}/quickcall/{token}"
        status, _ = await self._api.prepare("GET", path, device.account.token, role="fence")
        await self._arrival("fence", name, started, status, lambda message: is_call_from(message, token))

    async def _arrival(
        self, kind: str, name: str, started: Event, status: int, wanted: Callable[[Message], bool]
    ) -> None:
        """Wait until the message that `wanted` knows has come, and record that it has or has not."""
        judge = self._recorder.judge
        deadline = self._recorder.now + (PROBE_TIMEOUT_S if 200 <= status < 300 else 0.0)
        await self._recorder.until(lambda: judge.arrived(name, started["n"], wanted) is not None, lambda: deadline)
        arrival = judge.arrived(name, started["n"], wanted)
        found = {"state": "missed", "message": None, "latency": None, "contact": started["contact"]}
        if arrival is not None:
            latency = round(arrival.t - started["t"], 6)
            # what a server sends twice belongs to the control, too, not to what is claimed next
            await self._recorder.until(lambda: False, lambda: arrival.t + _ECHO_LATENCIES * latency)
            found = {"state": "arrived", "message": arrival.n, "latency": latency, "contact": arrival.event["local"]}
        self._recorder.write(kind, phone=name, token=started["token"], status=status, **found)

    async def watch(self, steps: list[StepAt]) -> None:
        """Open the claims of adjacent steps together, wait for what must come, then close the counts."""
        if not steps:
            return
        claims = [self._open_wire_claim(at) for at in steps]
        await asyncio.gather(*(self._await_enough(claim) for claim in claims))
        closing = [claim for claim in claims if claim.closes and claim.state is State.OPEN]
        if closing:
            await asyncio.gather(
                *(self._fence(name) for name in dict.fromkeys(claim.spec["phone"] for claim in closing))
            )
            await self._listen(closing)
            for claim in closing:
                self._recorder.write("closed", claim=claim.id)

    def _open_wire_claim(self, at: StepAt) -> WireClaim:
        step = at.step
        variables = self._variables()
        if isinstance(step, Expect):
            phone, what = parse_receives(step.expect)
            least, most = step.exactly or (0 if step.at_most else 1), step.exactly or step.at_most
        else:
            assert isinstance(step, Never)
            phone, what = parse_receives(step.never)
            least, most = 0, 0
        lags = [lag for lag in (step.lag, self._lag_of(at)) if lag is not None]
        spec = {
            "phone": phone,
            "what": what,
            "where": templates.fill(step.where, variables),
            "least": least,
            "most": most,
            "distinct": step.distinct if isinstance(step, Expect) else None,
            "closes": closing_claim(step) is not None,
            "within": step.within,
            "lag": max(lags, default=None),
        }
        self._claim(at, "wire", spec)
        claim = self._recorder.judge.claim(at.number)
        assert isinstance(claim, WireClaim)
        return claim

    async def _await_enough(self, claim: WireClaim) -> None:
        def reached() -> bool:
            return claim.enough or claim.state is not State.OPEN

        if not await self._recorder.until(reached, lambda: claim.deadline):
            self._recorder.write("expired", claim=claim.id)

    async def _listen(self, claims: list[WireClaim]) -> None:
        """Stay quiet for the longest lag, unless every claim has been broken before."""
        judge = self._recorder.judge
        lags = [max(c.spec["lag"] or 0.0, 4 * judge.control_latency(c.spec["phone"])) for c in claims]
        # a clock may wake us a little early
        until = self._recorder.now + max(lags) + 0.001
        await self._recorder.until(lambda: all(c.state is not State.OPEN for c in claims), lambda: until)
