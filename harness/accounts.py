"""Who a case is on the target: its accounts and devices, made before it and taken away after it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness.errors import RingproofError, TargetUnavailable
from harness.matchers import ABSENT, look_up, show
from harness.target import Target, TargetAccount
from harness.templates import merge, seeded_choice
from phones.phone import Identity
from phones.sip.message import Address

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ALPHABET = _LETTERS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ23456789"

_ACCOUNT_DEPTH = 3
"""Slashes in the path of an account: /v2/accounts/ID."""

_GROUP_RINGS_S = 20
"""How long an endpoint of a ring group rings by default (Kazoo's schema of the ring_group module)."""

Result = TypeVar("Result")
Request = Callable[..., Awaitable[tuple[int, Any]]]
"""`request(method, path, token, data=..., role=...)` to status and parsed reply."""


class CannotPrepare(RingproofError):
    """The target refuses what a case needs before it begins."""


class NotOffered(RingproofError):
    """The target file does not offer an account that the case needs."""


class Unsupported(RingproofError):
    """The target does not do what the case builds on, and says so."""


@dataclass(slots=True)
class Account:
    """An account as a case uses it."""

    id: str
    realm: str
    token: str = field(repr=False)


@dataclass(slots=True)
class Device:
    """A device that the case has created. `document` is what the API last said of it."""

    account: Account
    id: str
    identity: Identity
    wanted: dict[str, Any]
    document: dict[str, Any]

    @property
    def presentity(self) -> str:
        """The URI that its calls light: its presence_id, completed by the realm, else its AOR (Devices page)."""
        presence_id = self.document.get("presence_id")
        if not isinstance(presence_id, str) or not presence_id:
            return self.identity.aor
        user, _, realm = presence_id.partition("@")
        return Identity(user, "", realm or self.identity.realm).aor


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Something that may have been created although no reply said so: how to find it."""

    listing: str
    token: str
    key: str
    value: Any

    def is_it(self, item: Any) -> bool:
        return isinstance(item, dict) and look_up(item, self.key) == self.value and isinstance(item.get("id"), str)


class Tenancy:
    """The accounts and devices of one case. `remove` undoes everything, whatever happened.

    `create_accounts`: the case gets accounts of its own, if the target lets them be made. `keep`: what no later run can
    stumble over stays, and is in `kept` once `remove` is through.
    """

    def __init__(
        self,
        target: Target,
        request: Request,
        rng: random.Random,
        label: str,
        *,
        create_accounts: bool,
        keep: bool = False,
    ) -> None:
        self._target = target
        self._create_accounts = create_accounts and target.create_accounts
        self._request = request
        self._rng = rng
        self._label = label
        self._accounts: dict[str, Account] = {}
        self._undo: list[tuple[str, str]] = []
        self._attempts: list[_Attempt] = []
        self._unfinished: dict[asyncio.Task[Any], None] = {}
        self._keep = keep
        self._unique: dict[str, Device] = {}
        self.kept: list[str] = []

    async def finish(self, making: Coroutine[Any, Any, Result]) -> Result:
        """Run `making` to its end even when the case is interrupted, so that what it makes is known and removed."""
        task = asyncio.ensure_future(making)
        self._unfinished[task] = None
        task.add_done_callback(lambda done: self._unfinished.pop(done, None))
        return await asyncio.shield(task)

    async def account(self, which: str) -> Account:
        """The account called own, other, parent or child; created, or taken from the target file."""
        if which not in self._accounts:
            self._accounts[which] = await self._find(which)
        return self._accounts[which]

    def known(self, which: str) -> Account | None:
        """An account that has been asked for before."""
        return self._accounts.get(which)

    async def _find(self, which: str) -> Account:
        if not self._create_accounts:
            return await self._given("account" if which == "own" else f"{which}_account")
        if which == "parent":
            return await self._given("account")
        above = await self.account("own") if which == "child" else await self._given("account")
        return await self._create_account(above, which)

    async def _given(self, key: str) -> Account:
        if key not in self._accounts:
            given: TargetAccount | None = getattr(self._target, key)
            if given is None:
                raise NotOffered(f"target {self._target.name} names no {key}")
            token = given.auth_token or await self._log_in(given.api_key or "")
            realm = given.realm
            if realm is None:
                _, reply = await self._must("GET", f"/v2/accounts/{given.account_id}", token)
                realm = _text(reply, "data.realm")
            self._accounts[key] = Account(given.account_id, realm, token)
        return self._accounts[key]

    async def _log_in(self, api_key: str) -> str:
        _, reply = await self._must("PUT", "/v2/api_auth", "", {"api_key": api_key})
        return _text(reply, "auth_token")

    async def _create_account(self, above: Account, which: str) -> Account:
        identifier, realm = await self.finish(self._make_account(above, which))
        _, reply = await self._must("GET", f"/v2/accounts/{identifier}/api_key", above.token)
        return Account(identifier, realm, await self._log_in(_text(reply, "data.api_key")))

    async def _make_account(self, above: Account, which: str) -> tuple[str, str]:
        name = f"ringproof {self._label} {which}"
        attempt = _Attempt(f"/v2/accounts/{above.id}/children", above.token, "name", name)
        reply = await self._attempted(attempt, f"/v2/accounts/{above.id}", {"name": name})
        identifier, realm = _text(reply, "data.id"), _text(reply, "data.realm")
        self._undo.append((f"/v2/accounts/{identifier}", above.token))
        self._attempts.remove(attempt)
        return identifier, realm

    async def _attempted(self, attempt: _Attempt, path: str, data: dict[str, Any]) -> Any:
        """PUT something; until its id is known it counts as something that may be there."""
        self._attempts.append(attempt)
        try:
            status, reply = await self._request("PUT", path, attempt.token, data=data, role="setup")
        except NotOffered:
            # there is nowhere to send it to
            self._attempts.remove(attempt)
            raise
        except TargetUnavailable as error:
            if not error.sent:
                self._attempts.remove(attempt)
            raise
        if not 200 <= status < 300:
            self._attempts.remove(attempt)
            raise _refused("PUT", path, status, reply)
        return reply

    async def create_device(self, name: str, fields: dict[str, Any], which: str) -> Device:
        """A device with SIP credentials of its own; `fields` go over the generated document."""
        account = await self.account(which)
        username = f"rp{name.replace('_', '')[:12]}{seeded_choice(self._rng, _LETTERS, 8)}"
        password = seeded_choice(self._rng, _ALPHABET, 16)
        document = {
            "name": f"ringproof {self._label} {name}",
            "sip": {"username": username, "password": password},
        }
        wanted = merge(document, fields)
        sip = wanted["sip"]
        device = Device(
            account, "", Identity(sip["username"], sip["password"], sip.get("realm", account.realm)), wanted, {}
        )
        await self.create(device)
        if username == sip["username"]:
            self._unique[f"/v2/accounts/{account.id}/devices/{device.id}"] = device
        return device

    async def create(self, device: Device) -> None:
        """Create `device` on the target (again)."""
        await self.finish(self._make_device(device))

    async def _make_device(self, device: Device) -> None:
        account = device.account
        listing = f"/v2/accounts/{account.id}/devices"
        attempt = _Attempt(listing, account.token, "username", device.identity.username)
        reply = await self._attempted(attempt, listing, device.wanted)
        device.id, device.document = _text(reply, "data.id"), reply["data"]
        self._undo.append((f"{listing}/{device.id}", account.token))
        self._attempts.remove(attempt)

    async def create_extension(self, device: Device, numbers: list[str], ring_s: float | None = None) -> None:
        """A callflow that rings `device` for each of `numbers`, for `ring_s` seconds (whole ones) at most."""
        data: dict[str, Any] = {"id": device.id} | ({} if ring_s is None else {"timeout": round(ring_s)})
        flow = {"module": "device", "data": data, "children": {}}
        await self.finish(self._make_part(device.account, "callflows", "numbers", {"numbers": numbers, "flow": flow}))

    async def create_ring_group(self, members: list[tuple[Device, float | None]], number: str) -> None:
        """A callflow for `number` that rings all devices at the same time, each for its ring time, in seconds."""
        seconds = [round(ring_s or _GROUP_RINGS_S) for _, ring_s in members]
        endpoints = [
            {"id": device.id, "endpoint_type": "device", "delay": 0, "timeout": each}
            for (device, _), each in zip(members, seconds, strict=True)
        ]
        data = {
            "name": f"ringproof {self._label} group",
            "strategy": "simultaneous",
            "timeout": max(seconds),
            "endpoints": endpoints,
        }
        flow = {"module": "ring_group", "data": data, "children": {}}
        account = members[0][0].account
        await self.finish(self._make_part(account, "callflows", "numbers", {"numbers": [number], "flow": flow}))

    async def create_trunk(self, account: Account, gateway: Address, numbers: str) -> None:
        """A carrier at `gateway` for every number of nobody in the account that fits the expression `numbers`."""
        host, port = gateway
        resource = {
            "name": f"ringproof {self._label} trunk",
            "enabled": True,
            "rules": [numbers],
            "gateways": [{"server": host, "port": port, "enabled": True, "prefix": "", "suffix": ""}],
        }
        await self.finish(self._make_part(account, "resources", "name", resource))
        flow = {"module": "resources", "data": {"use_local_resources": True}, "children": {}}
        no_match = {"numbers": ["no_match"], "flow": flow}
        await self.finish(self._make_part(account, "callflows", "numbers", no_match))

    async def _make_part(self, account: Account, collection: str, key: str, data: dict[str, Any]) -> None:
        listing = f"/v2/accounts/{account.id}/{collection}"
        attempt = _Attempt(listing, account.token, key, data[key])
        reply = await self._attempted(attempt, listing, data)
        self._undo.append((f"{listing}/{_text(reply, 'data.id')}", account.token))
        self._attempts.remove(attempt)

    async def _must(self, method: str, path: str, token: str, data: Any = ABSENT) -> tuple[int, Any]:
        status, reply = await self._request(method, path, token, data=data, role="setup")
        if not 200 <= status < 300:
            raise _refused(method, path, status, reply)
        return status, reply

    def adopt(self, path: str, token: str) -> None:
        """Take away what a step has created at `path`, too."""
        if (path, token) not in self._undo:
            self._undo.append((path, token))

    async def remove(self, *, whole_accounts: bool = False) -> list[str]:
        """Delete everything that is not kept, the newest first. Returns what could not be deleted, with the reason.

        `whole_accounts`: what is in an account of the case goes with it, without a request of its own.
        """
        await asyncio.gather(*list(self._unfinished), return_exceptions=True)
        left = [problem for attempt in self._attempts if (problem := await self._search(attempt))]
        accounts = [path for path, _ in self._undo if path.count("/") == _ACCOUNT_DEPTH]
        for path, token in reversed(self._undo):
            if (self._keep or whole_accounts) and path.startswith(tuple(f"{account}/" for account in accounts)):
                # a part of an account that is kept, or goes as a whole
                continue
            if self._keep and (path in accounts or self._harmless(path)):
                if await self._is_there(path, token):
                    self.kept.append(path)
                continue
            try:
                status, reply = await self._request("DELETE", path, token, role="cleanup")
            except RingproofError as error:
                left.append(f"{path}: {error.message}")
                continue
            if status != 404 and not 200 <= status < 300:
                left.append(f"{path}: {status} {show(reply)}")
        self._undo.clear()
        self._attempts.clear()
        return left

    def _harmless(self, path: str) -> bool:
        """Whether a device in an account of others can stay: nothing in it, such as a number, may be wanted again."""
        device = self._unique.get(path)
        return device is not None and "mac_address" not in {**device.wanted, **device.document}

    async def _is_there(self, path: str, token: str) -> bool:
        """Whether something is still there, as far as the target says: a step may have deleted it."""
        try:
            status, _ = await self._request("GET", path, token, role="cleanup")
        except RingproofError:
            return True
        return status != 404

    async def _search(self, attempt: _Attempt) -> str:
        """Find what an attempt may have created, to be removed with the rest. Returns why that could not be done."""
        doubt = f"perhaps something below {attempt.listing} whose {attempt.key} is {attempt.value}"
        try:
            status, reply = await self._request("GET", attempt.listing, attempt.token, role="cleanup")
        except RingproofError as error:
            return f"{doubt}: {error.message}"
        items = look_up(reply, "data")
        if not 200 <= status < 300 or not isinstance(items, list):
            return f"{doubt}: {status} {show(reply)}"
        parent = attempt.listing.removesuffix("/children")
        base = "/v2/accounts" if parent != attempt.listing else attempt.listing
        if items and all(look_up(item, attempt.key) is ABSENT for item in items):
            return f"{doubt}: the list does not show it"
        self._undo += [(f"{base}/{item['id']}", attempt.token) for item in items if attempt.is_it(item)]
        return ""


def _refused(method: str, path: str, status: int, reply: Any) -> CannotPrepare:
    hint = "; look at the account's auth_token or api_key in the target file" if status in (401, 403) else ""
    return CannotPrepare(f"{method} {path} was refused before the case began: {status} {show(reply)}{hint}")


def _text(reply: Any, path: str) -> str:
    """A text of a reply that the case cannot do without. Raises CannotPrepare."""
    value = look_up(reply, path)
    if not isinstance(value, str) or not value:
        raise CannotPrepare(f"the reply has no {path}: {show(reply)}")
    return value
