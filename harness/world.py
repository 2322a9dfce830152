"""Where a case runs: clock, wire and api, virtual or real, around one target."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from harness.accounts import NotOffered
from harness.hosting import VIRTUAL_EPOCH, MemoryApi, ReferenceHost
from harness.ports import Api
from harness.target import Bases, Edges, Limits, Target, TargetAccount, TargetUser
from phones.net import Clock, MemoryWire, SocketWire, Wire
from reference_server.behaviour import Behaviour
from reference_server.seed import Seed
from reports.secrets import Secrets

REFERENCE_JOBS = 64
"""How many cases at the same time the embedded reference is good for."""


@dataclass(slots=True)
class World:
    """The three ports and the target behind them. `encrypted`: whether HTTPS is really HTTPS here."""

    clock: Clock
    wire: Wire
    api: Api
    target: Target
    secrets: Secrets
    encrypted: bool
    tokens: dict[str, str] = field(default_factory=dict)
    _next_slot: float = 0.0

    def bases(self) -> dict[str, str]:
        """The API bases by scheme."""
        return {name: base for name, base in self.target.api.model_dump().items() if base is not None}

    def base(self, over: str) -> str:
        """The API base for http or https. Raises NotOffered when the target has none."""
        bases = self.bases()
        if over not in bases:
            raise NotOffered(f"target {self.target.name} has no {over} base")
        return bases[over]

    async def throttle(self) -> None:
        """Keep to the request rate that a live target allows."""
        if self.target.kind == "reference":
            return
        now = self.clock.time()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.target.limits.requests_per_s
        await asyncio.sleep(slot - now)


def reference_target(
    seed: Seed, *, http: str | None, https: str | None, udp: str, ca_file: str | None = None
) -> Target:
    """The target that a reference server with `seed` is."""
    other, child = seed.other_account, seed.child_account
    return Target(
        name="reference",
        kind="reference",
        api=Bases(http=http, https=https),
        ca_file=ca_file,
        account=TargetAccount(
            account_id=seed.account_id, realm=seed.realm, auth_token=seed.auth_token, api_key=seed.api_key
        ),
        other_account=TargetAccount(
            account_id=other.account_id, realm=other.realm, auth_token=other.auth_token, api_key=other.api_key
        ),
        child_account=TargetAccount(
            account_id=child.account_id, realm=child.realm, auth_token=child.auth_token, api_key=child.api_key
        ),
        user=TargetUser(username=seed.user.username, password=seed.user.password, account_name=seed.user.account_name),
        create_accounts=True,
        sip=Edges(udp=udp),
        limits=Limits(jobs=REFERENCE_JOBS, requests_per_s=1_000_000),
    )


def virtual_world(behaviour: Behaviour, secrets: Secrets, rng: random.Random) -> tuple[World, ReferenceHost]:
    """A world of its own on the running (virtual) event loop, with a reference server in it."""
    loop = asyncio.get_running_loop()
    wire = MemoryWire(loop, random.Random(rng.getrandbits(64)))
    host = ReferenceHost(
        behaviour,
        wire=wire,
        clock=loop,
        rng=random.Random(rng.getrandbits(64)),
        epoch=VIRTUAL_EPOCH + loop.time(),
        sip_port=5060,
    )
    target = reference_target(
        host.server.seed, http="http://reference:8000", https="https://reference:8443", udp="127.0.0.1:5060"
    )
    api = MemoryApi(host, random.Random(rng.getrandbits(64)))
    return World(loop, wire, api, target, secrets, encrypted=False), host


def socket_world(target: Target, secrets: Secrets) -> World:
    """The world of real sockets on the running event loop."""
    loop = asyncio.get_running_loop()
    # virtual runs never need an HTTP client, and its import is felt
    from harness.http_api import HttpApi

    ca_file = Path(target.ca_file) if target.ca_file else None
    api = HttpApi(ca_file=ca_file, verify=target.verify)
    return World(loop, SocketWire(loop), api, target, secrets, encrypted=True)
