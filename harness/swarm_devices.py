"""Who the phones of a live fleet are: existing devices from a file, or devices made by the API for the time of it."""

from __future__ import annotations

import asyncio
import csv
import itertools
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.accounts import Device, Tenancy
from harness.api_session import parsed
from harness.errors import TargetUnavailable, UsageError
from harness.matchers import ABSENT, show
from harness.ports import ApiCall, ApiFailure
from harness.world import World
from phones.line import Identity

Item = TypeVar("Item")
Made = TypeVar("Made")


def read_credentials(path: Path, realm: str | None, count: int) -> list[Identity]:
    """The first `count` lines of a CSV file username,password[,realm]; a first line that says so is a heading.

    Raises UsageError with the line that is wrong, or when there are too few.
    """
    found: list[Identity] = []
    seen: set[tuple[str, str]] = set()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file), 1):
                values = [value.strip() for value in row]
                if not any(values) or values[0].startswith("#") or (number == 1 and values[0].lower() == "username"):
                    continue
                where = values[2] if len(values) > 2 and values[2] else realm
                if len(values) not in (2, 3) or not values[0] or where is None:
                    wanted = "username,password" + (",realm" if realm is None else "[,realm]")
                    raise UsageError(f"{path}:{number}: {wanted} is wanted")
                if (values[0], where) in seen:
                    raise UsageError(f"{path}:{number}: {values[0]}@{where} is there twice")
                seen.add((values[0], where))
                found.append(Identity(values[0], values[1], where))
                if len(found) == count:
                    break
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--credentials {path}: {getattr(error, 'strerror', None) or error}") from error
    if len(found) < count:
        raise UsageError(f"{path} has {len(found)} devices, and {count} phones are wanted")
    return found


class SetupApi:
    """The API as the making of devices uses it: Kazoo's envelope, an X-Request-ID, the target's throttle."""

    def __init__(self, world: World, label: str) -> None:
        self._world = world
        self._label = label
        self._numbers = itertools.count(1)
        # what is only set up may go the cheap way on a server of our own
        bases = world.bases()
        first = "http" if world.target.kind == "reference" else "https"
        self._base = bases.get(first) or next(iter(bases.values()))

    async def request(
        self, method: str, path: str, token: str, *, data: Any = ABSENT, role: str = "setup"
    ) -> tuple[int, Any]:
        """Status and parsed reply. Raises TargetUnavailable."""
        body = None if data is ABSENT else json.dumps({"data": data}).encode()
        headers = [("X-Request-ID", f"{self._label}-{role}-{next(self._numbers)}")]
        headers += [("X-Auth-Token", token)] if token else []
        headers += [("Content-Type", "application/json")] if body is not None else []
        await self._world.throttle()
        try:
            answer = await self._world.api.call(ApiCall(method, self._base + path, tuple(headers), body))
        except ApiFailure as failure:
            raise TargetUnavailable(failure.message, sent=failure.kind in ("timeout", "protocol")) from failure
        return answer.status, parsed(answer.body)


async def side_by_side(
    items: Iterable[Item], work: Callable[[Item], Awaitable[Made]], jobs: int, done: Callable[[int], None]
) -> list[Made]:
    """`work` on every item, `jobs` at the same time, results in order. The first error ends it and is raised."""
    waiting = list(enumerate(items))[::-1]
    results: dict[int, Made] = {}

    async def worker() -> None:
        while waiting:
            number, item = waiting.pop()
            results[number] = await work(item)
            done(len(results))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(jobs, len(waiting))):
            group.create_task(worker())
    return [results[number] for number in sorted(results)]


async def create_devices(
    tenancy: Tenancy, names: Sequence[str], jobs: int, done: Callable[[int], None]
) -> list[Device]:
    """A device for each name, in the account called own. Raises what the API does not allow."""
    await tenancy.account("own")
    try:
        return await side_by_side(names, lambda name: tenancy.create_device(name, {}, "own"), jobs, done)
    except* Exception as group:
        raise _first(group) from None


async def sync_devices(
    api: SetupApi, devices: Sequence[Device], jobs: int, done: Callable[[int], None]
) -> dict[str, int]:
    """Ask for a check-sync of each device; what was refused, in words, and how often."""
    refused: dict[str, int] = {}

    async def sync(device: Device) -> None:
        account = device.account
        path = f"/v2/accounts/{account.id}/devices/{device.id}/sync"
        status, reply = await api.request("POST", path, account.token, data={}, role="sync")
        if not 200 <= status < 300:
            said = f"sync refused: {status} {show(reply)[:80]}"
            refused[said] = refused.get(said, 0) + 1

    try:
        await side_by_side(devices, sync, jobs, done)
    except* Exception as group:
        raise _first(group) from None
    return refused


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """The first error of a group, however deep."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
