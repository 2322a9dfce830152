"""The step `load`: calls or registrations by SIPp in the background, while the steps behind it run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.accounts import CannotPrepare, NotOffered
from harness.loader import StepAt
from harness.recorder import CaseRecorder
from harness.sipp import Outcome, Part, Sipp, SippMissing
from harness.sipp.running import credentials
from harness.steps import Loading
from harness.watching import PhoneAtWork
from harness.world import World
from phones.sip.transport import Transport

_GRACE_S = 15.0
"""How long calls may take to come to their end when no new ones begin any more."""
_TOLERATED = 0.05
"""The share of failed calls with which a load still was one."""


class Loads:
    """The background load of one case."""

    def __init__(self, recorder: CaseRecorder, world: World, phones: Mapping[str, PhoneAtWork]) -> None:
        self._recorder = recorder
        self._world = world
        self._phones = phones
        self._running: list[tuple[StepAt, Loading, Sipp]] = []

    def start(self, at: StepAt, wanted: Loading) -> None:
        """Begin, and go on at once.

        Raises NotOffered in virtual time, without SIPp, and where the target allows no such load.
        """
        if not self._world.real:
            raise NotOffered("background load comes from a program of its own, which no virtual time reaches")
        offered = self._world.target.limits.load_per_s
        if self._world.target.kind != "reference" and wanted.rate > offered:
            raise NotOffered(f"target {self._world.target.name} allows a load of {offered:g}/s (limits.load_per_s)")
        try:
            run = Sipp(self._part(wanted))
        except SippMissing as missing:
            raise NotOffered(f"{missing.message} ({missing.hint})") from missing
        self._running.append((at, wanted, run))
        run.start()

    def _part(self, wanted: Loading) -> Part:
        source = self._phones[wanted.from_]
        identity = source.device.identity
        row = [identity.user, identity.realm, credentials(identity.username, identity.password)]
        values: dict[str, Any] = {}
        if wanted.calls is not None:
            row.append(self._phones[wanted.to].number if wanted.to in self._phones else str(wanted.to))
            values["talk_ms"] = round(1000 * wanted.talk)
        return Part(
            "register" if wanted.calls is None else "call",
            values,
            [row],
            remote=self._world.edge(Transport.UDP),
            local=(self._world.bind, 0),
            calls=max(1, math.floor(wanted.rate * wanted.for_)),
            rate=wanted.rate,
        )

    async def finish(self) -> None:
        """Wait until every load has ended. Raises CannotPrepare when one was none: the case then proves too little."""
        while self._running:
            at, wanted, run = self._running[0]
            self._recorder.waits(f"the end of the load of step {at.number}")
            [outcome] = await run.ended(wanted.for_ + wanted.talk + _GRACE_S)
            self._running.pop(0)
            run.close()
            self._write(at, outcome)
            if not outcome.successful or outcome.failed > _TOLERATED * outcome.made:
                what = f"{outcome.failed} of {outcome.made} failed" if outcome.made else "nothing came of it"
                raise CannotPrepare(f"step {at.number} ({at.text}): {what}: {outcome.complaint}")

    def _write(self, at: StepAt, outcome: Outcome) -> None:
        said = {"made": outcome.made, "successful": outcome.successful, "failed": outcome.failed}
        self._recorder.write("load", step=at.number, **said, error=outcome.complaint if outcome.failed else "")

    def close(self) -> None:
        """End what still runs, at once."""
        for _, _, run in self._running:
            run.close()
        self._running.clear()
