"""The API calls of one case: recorded, traceable in Kazoo's logs by their X-Request-ID, and kept free of secrets."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from harness.errors import TargetUnavailable
from harness.matchers import ABSENT
from harness.ports import ApiAnswer, ApiCall, ApiFailure
from harness.recorder import CaseRecorder
from harness.world import World
from reports.record import RecordError

_THROTTLED = 429
_PATIENCE = 40
_PAUSE_S = 1.0
"""A target that is asked too much is asked again, so often and so much later."""
_SECRET_KEYS = frozenset({"auth_token", "api_key", "password", "credentials"})


class ApiSession:
    """The API as one case uses it. `over` is http or https; `label` begins every X-Request-ID."""

    def __init__(self, world: World, recorder: CaseRecorder, over: str, label: str) -> None:
        self._world = world
        self._recorder = recorder
        self._over = over
        self._label = label
        self._numbers = itertools.count(1)

    def url(self, path: str) -> str:
        """`path` on the base that the case uses. Raises NotOffered when the target has none."""
        return self._world.base(self._over) + path

    async def prepare(
        self, method: str, path: str, token: str, *, data: Any = ABSENT, role: str = "setup"
    ) -> tuple[int, Any]:
        """A request of the harness itself, in Kazoo's envelope: status and parsed reply. Raises TargetUnavailable.

        One that is throttled is asked again, for a while.
        """
        body = None if data is ABSENT else json.dumps({"data": data}).encode()
        headers = [("X-Auth-Token", token)] if token else []
        url = self.url(path)
        for _ in range(_PATIENCE):
            answer = await self.exchange(method, url, headers, body, role, role, self.identifier(role))
            if answer.status != _THROTTLED:
                break
            await asyncio.sleep(_PAUSE_S)
        return answer.status, parsed(answer.body)

    async def exchange(
        self,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes | None,
        role: str,
        step: str,
        identifier: str,
    ) -> ApiAnswer:
        """One API call, recorded. Raises TargetUnavailable when there is no reply."""
        if not any(name.lower() == "x-request-id" for name, _ in headers):
            headers = [("X-Request-ID", identifier), *headers]
        if body is not None and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", "application/json"))
        self._learn_secrets(body)
        await self._world.throttle()
        shown_body = (body or b"").decode("utf-8", "backslashreplace")
        self._recorder.write(
            "request", id=identifier, role=role, step=step, method=method, url=url, headers=headers, body=shown_body
        )
        started = self._recorder.now
        try:
            answer = await self._world.api.call(ApiCall(method, url, tuple(headers), body))
        except ApiFailure as failure:
            alive = await self._alive(url)
            error = {"kind": failure.kind, "message": failure.message, "alive": alive}
            self._recorder.write("reply", id=identifier, role=role, step=step, error=error)
            raise TargetUnavailable(failure.message, sent=failure.kind in ("timeout", "protocol")) from failure
        self._learn_secrets(answer.body)
        # where the Record cannot be written the next event says so: what was created must be known first
        with suppress(RecordError):
            self._recorder.write(
                "reply",
                id=identifier,
                role=role,
                step=step,
                status=answer.status,
                headers=[list(header) for header in answer.headers],
                body=answer.body.decode("utf-8", "backslashreplace"),
                tls=answer.tls,
                local=answer.local,
                remote=answer.remote,
                latency=round(self._recorder.now - started, 6),
                error=None,
            )
        return answer

    def identifier(self, step: str) -> str:
        """An X-Request-ID that names run, case and step: Kazoo writes it into its logs."""
        return f"{self._label}-{step}-{next(self._numbers)}"

    def _learn_secrets(self, body: bytes | None) -> None:
        for secret in _secrets_in(parsed(body or b"")):
            self._world.secrets.add(secret)

    async def _alive(self, url: str) -> list[str]:
        """The other API bases that still answer where this one does not: one dead of two is a finding.

        None when all are dead, and none when only this one request got no reply.
        """
        alive = []
        for name, base in self._world.bases().items():
            try:
                await self._world.api.call(ApiCall("GET", f"{base}/v2/", (), None))
            except ApiFailure:
                continue
            if url.startswith(base + "/"):
                return []
            alive.append(name)
        return alive


def parsed(body: bytes) -> Any:
    """A JSON body as data, None when it is no JSON."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _SECRET_KEYS and isinstance(item, str) and item != "undefined":
                yield item
            else:
                yield from _secrets_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets_in(item)
