"""Many devices: each costs what the first one cost, and no two have what has to be one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.phones.sip.cost import lines_run
from tests.reference_server.playbook import Bench


def made(bench: Bench, number: int, **document: Any) -> str:
    sip = {"username": f"user{number}", "password": "password"}
    created = bench.api("PUT", "/devices", {"name": f"d{number}", "sip": sip, **document})
    assert created.status == 201, created
    return str(created.data["id"])


def test_the_thousandth_device_costs_what_the_tenth_did() -> None:
    bench = Bench()

    def make(number: int) -> Callable[[], object]:
        return lambda: made(bench, number, mac_address=f"02:00:00:00:{number // 256:02x}:{number % 256:02x}")

    for number in range(10):
        make(number)()
    early = lines_run(".py", make(10))
    for number in range(11, 1000):
        make(number)()
    late = lines_run(".py", make(1000))
    assert late < early * 1.2, (early, late)


def test_what_a_device_has_is_free_when_it_has_it_no_more() -> None:
    bench = Bench()
    mac = "02:00:00:00:00:01"
    first = made(bench, 1, mac_address=mac)
    taken = {"name": "x", "sip": {"username": "USER1", "password": "password"}, "mac_address": mac}
    refused = bench.api("PUT", "/devices", taken)
    assert refused.status == 400
    assert set(refused.data) == {"sip.username", "mac_address"}
    # its own is not somebody else's
    assert bench.api("PATCH", f"/devices/{first}", {"mac_address": mac}).status == 200
    renamed = {"sip": {"username": "other", "password": "password"}, "mac_address": "02:00:00:00:00:02"}
    assert bench.api("PATCH", f"/devices/{first}", renamed).status == 200
    second = bench.api("PUT", "/devices", taken)
    assert second.status == 201
    assert bench.api("DELETE", f"/devices/{second.data['id']}").status == 200
    assert bench.api("PUT", "/devices", taken).status == 201
