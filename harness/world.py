"""Where a case runs: clock, wire and api, virtual or real, around one target."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.accounts import NotOffered
from harness.errors import HarnessError
from harness.hosting import PORTS, VIRTUAL_EPOCH, MemoryApi, ReferenceHost
from harness.names import Resolver, locate
from harness.ports import Api
from harness.target import Bases, Edges, Limits, Target, TargetAccount, TargetUser
from phones.net import Clock, Wire
from phones.net_memory import MemoryWire
from phones.net_sockets import Encryption, SocketWire, local_towards
from phones.phone import format_address
from phones.sip.message import Address
from phones.sip.transport import Transport
from reference_server.behaviour import Behaviour
from reference_server.seed import Seed
from reports.secrets import Secrets

REFERENCE_JOBS = 64
"""How many cases at the same time the embedded reference is good for."""


@dataclass(slots=True)
class World:
    """The three ports and the target behind them. `encrypted`: whether HTTPS and TLS are really encrypted here.

    `edges` are where SIP is spoken, `other_edges` where else, in that order, while one does not answer; `bind` is where
    phones are. `transport` is what cases use that name none.
    `only_from`: who alone sends phones datagrams, where that is known: a deployment may have several machines.
    """

    clock: Clock
    wire: Wire
    api: Api
    target: Target
    secrets: Secrets
    encrypted: bool
    edges: Mapping[Transport, Address]
    other_edges: Mapping[Transport, tuple[Address, ...]] = field(default_factory=dict)
    bind: str = "127.0.0.1"
    transport: Transport | None = None
    only_from: Address | None = None
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

    def edge(self, transport: Transport) -> Address:
        """The SIP edge for a transport. Raises NotOffered when the target has none."""
        if transport not in self.edges:
            raise NotOffered(f"target {self.target.name} offers no SIP over {transport.value}")
        return self.edges[transport]

    @property
    def real(self) -> bool:
        """Whether other programs can reach it: it has sockets."""
        return self.encrypted

    async def close(self) -> None:
        """Leave the target in good order: what was closed is gone when this ends."""
        await self.api.close()
        await self.wire.gone()

    async def throttle(self) -> None:
        """Keep to the request rate that a live target allows."""
        if self.target.kind == "reference":
            return
        now = self.clock.time()
        slot = max(now, self._next_slot)
        self._next_slot = slot + 1 / self.target.limits.requests_per_s
        await asyncio.sleep(slot - now)


def reference_target(
    seed: Seed, *, http: str | None, https: str | None, sip: Mapping[str, str], ca_file: str | None = None
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
        sip=Edges(**sip),
        limits=Limits(jobs=REFERENCE_JOBS, requests_per_s=1_000_000),
    )


async def virtual_world(
    behaviour: Behaviour, secrets: Secrets, rng: random.Random, transport: Transport | None = None
) -> tuple[World, ReferenceHost]:
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
    for each, port in PORTS.items():
        await host.listen(each, port)
    sip = {each.value: format_address(where) for each, where in host.listening.items()}
    target = reference_target(host.server.seed, http="http://reference:8000", https="https://reference:8443", sip=sip)
    api = MemoryApi(host, random.Random(rng.getrandbits(64)))
    return World(loop, wire, api, target, secrets, encrypted=False, edges=host.listening, transport=transport), host


async def socket_world(
    target: Target, secrets: Secrets, transport: Transport | None = None, *, embedded: bool = False
) -> World:
    """The world of real sockets on the running event loop. Raises TargetUnavailable when an edge has no address.

    `embedded`: the target is a reference server that this run has started, so all SIP comes from its one edge.
    """
    loop = asyncio.get_running_loop()
    # virtual runs never need an HTTP client, and its import is felt
    from harness.http_api import HttpApi

    rng, resolver = random.SystemRandom(), Resolver(target.sip.name_service)
    places = {each: await locate(*target.sip.place(each), each, resolver, rng) for each in target.sip.offered}
    edges = {each: found[0] for each, found in places.items()}
    bind = target.bind or local_towards(next(iter(edges.values())))
    wire = SocketWire(loop, encryption_of(target.sip, target.ca_file, target.verify))
    ca_file = Path(target.ca_file) if target.ca_file else None
    api = HttpApi(ca_file=ca_file, verify=target.verify)
    return World(
        loop,
        wire,
        api,
        target,
        secrets,
        encrypted=True,
        edges=edges,
        other_edges={each: found[1:] for each, found in places.items()},
        bind=bind,
        transport=transport,
        only_from=edges.get(Transport.UDP) if embedded else None,
    )


def encryption_of(sip: Edges, ca_file: str | None = None, verify: bool = True) -> Encryption | None:
    """How phones make connections safe; None where there are none. `ca_file` and `verify` hold where `sip` is silent.

    Raises HarnessError for a certificate that cannot be used.
    """
    if not any(transport.reliable for transport in sip.offered):
        return None
    trust = None
    host = next((sip.place(each)[0] for each in (Transport.TLS, Transport.WSS) if each in sip.offered), None)
    if host is not None:
        from harness.http_api import tls_context

        trust = tls_context(sip.ca_file or ca_file, verify if sip.verify is None else sip.verify)
        if sip.certificate is not None:
            try:
                trust.load_cert_chain(sip.certificate, sip.private_key)
            except (OSError, ValueError) as error:
                raise HarnessError(f"the certificate {sip.certificate} cannot be used: {error}") from error
    return Encryption(trust, sip.server_name or host, None, sip.path)
