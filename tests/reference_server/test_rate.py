"""Token buckets: what is taken, what comes back, whose they are."""

from __future__ import annotations

import pytest

from reference_server.api import rate
from reference_server.api.rate import Buckets
from reference_server.behaviour_api import ForwardedFor, RateRules, Throttle
from reference_server.effects import ApiRequest

KEY, OTHER = ("127.0.0.1", "a"), ("127.0.0.1", "b")
ENFORCED = RateRules(throttle=Throttle.ENFORCED, capacity=5, per_second=2)


def test_a_bucket_empties_and_fills() -> None:
    buckets = Buckets(ENFORCED)
    assert [buckets.take(KEY, 2, 0.0) for _ in range(3)] == [True, True, False]
    assert buckets.remaining(KEY, 0.0) == 1
    assert buckets.take(OTHER, 5, 0.0)
    assert buckets.remaining(KEY, 0.4) == 1
    assert buckets.remaining(KEY, 0.5) == 2
    assert buckets.remaining(KEY, 100.0) == 5
    # a clock that goes back gives nothing away
    assert buckets.take(KEY, 5, 100.0)
    assert buckets.remaining(KEY, 90.0) == 0
    assert buckets.remaining(KEY, 101.0) == 2


@pytest.mark.parametrize("throttle", [Throttle.COUNTED, Throttle.NONE])
def test_nobody_is_throttled(throttle: Throttle) -> None:
    buckets = Buckets(RateRules(throttle=throttle, capacity=1))
    assert all(buckets.take(KEY, 1, 0.0) for _ in range(5))


def test_full_buckets_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "MOST", 3)
    buckets = Buckets(ENFORCED)
    assert buckets.take(KEY, 5, 0.0)
    for number in range(10):
        buckets.take((f"10.0.0.{number}", ""), 1, 0.0)
        buckets.remaining(("10.1.0.1", str(number)), 0.4)
    assert buckets.remaining(KEY, 0.5) == 1
    buckets.take(OTHER, 1, 100.0)
    assert len(buckets._buckets) < 5


def test_clients() -> None:
    def client(rule: ForwardedFor, address: str, *headers: tuple[str, str]) -> str:
        request = ApiRequest(1, "GET", "/", headers, client=address)
        return Buckets(RateRules(forwarded_for=rule)).client(request)

    said = ("X-Forwarded-For", " 10.0.0.1 , 10.0.0.2")
    assert client(ForwardedFor.IGNORED, "127.0.0.1", said) == "127.0.0.1"
    assert client(ForwardedFor.BELIEVED, "9.9.9.9", said) == "10.0.0.1"
    assert client(ForwardedFor.BELIEVED, "9.9.9.9") == "9.9.9.9"
    assert client(ForwardedFor.FROM_PROXIES, "127.0.0.1", said) == "10.0.0.1"
    assert client(ForwardedFor.FROM_PROXIES, "9.9.9.9", said) == "9.9.9.9"
