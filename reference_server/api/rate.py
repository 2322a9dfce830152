"""Throttling: a token bucket for each client at each account (Kazoo's kz_buckets)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reference_server.behaviour_api import ForwardedFor, RateRules, Throttle
from reference_server.effects import ApiRequest

Key = tuple[str, str]
"""The client's address, and the account that it asks, "" before that is known."""

MOST = 10_000
"""Buckets that are kept; then those that are full again go."""

PROXY = "127.0.0.1"
"""Whose X-Forwarded-For 4.x believes by default."""


@dataclass(slots=True)
class _Bucket:
    """What is in a bucket, and when (seconds) that was counted."""

    level: float
    at: float


class Buckets:
    """All buckets of one server."""

    def __init__(self, rules: RateRules) -> None:
        self._rules = rules
        self._buckets: dict[Key, _Bucket] = {}

    def take(self, key: Key, cost: int, now: float) -> bool:
        """Take `cost` tokens; return whether the request may go on. What is not there is not taken."""
        if self._rules.throttle is Throttle.NONE:
            return True
        bucket = self._bucket(key, now)
        if bucket.level < cost:
            return self._rules.throttle is not Throttle.ENFORCED
        bucket.level -= cost
        return True

    def remaining(self, key: Key, now: float) -> int:
        """How many tokens are left."""
        return math.floor(self._bucket(key, now).level)

    def client(self, request: ApiRequest) -> str:
        """The address that a request counts for."""
        rule = self._rules.forwarded_for
        if rule is ForwardedFor.IGNORED or (rule is ForwardedFor.FROM_PROXIES and request.client != PROXY):
            return request.client
        said = next((value for name, value in request.headers if name.lower() == "x-forwarded-for"), "")
        return said.partition(",")[0].strip() or request.client

    def _bucket(self, key: Key, now: float) -> _Bucket:
        if len(self._buckets) > MOST:
            self._buckets = {k: b for k, b in self._buckets.items() if self._filled(b, now) < self._rules.capacity}
        bucket = self._buckets.setdefault(key, _Bucket(self._rules.capacity, now))
        bucket.level, bucket.at = self._filled(bucket, now), max(now, bucket.at)
        return bucket

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._rules.capacity, bucket.level + max(0.0, now - bucket.at) * self._rules.per_second)
