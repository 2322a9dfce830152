"""Whose lamp a device's calls light."""

from __future__ import annotations

from typing import Any

import pytest

from reference_server.behaviour import Behaviour
from reference_server.directory import Account, Device
from reference_server.presentity import presentity_of
from reference_server.registrations import Aor
from tests.reference_server.playbook import DOCUMENTED, Bench, changed


def look_up(presence_id: Any, *, behaviour: Behaviour = DOCUMENTED, **sip: str) -> Aor:
    account = Account("a" * 32, "a", "acme.test", None, "k")
    document = {"name": "d", "presence_id": presence_id, "sip": {"username": "desk", **sip}}
    return presentity_of(account, Device("d" * 32, document), behaviour)


@pytest.mark.parametrize(
    ("presence_id", "expected"),
    [
        ("1001", Aor("1001", "acme.test")),
        ("1001@other.test", Aor("1001", "other.test")),
        ("1001@", Aor("1001", "acme.test")),
        ("a@b@other.test", Aor("a@b", "other.test")),
        ("@other.test", Aor("desk", "acme.test")),
        ("", Aor("desk", "acme.test")),
        (" ", Aor("desk", "acme.test")),
        (1001, Aor("desk", "acme.test")),
        (None, Aor("desk", "acme.test")),
        (["1001"], Aor("desk", "acme.test")),
    ],
)
def test_presence_id_else_username(presence_id: Any, expected: Aor) -> None:
    assert look_up(presence_id) == expected


def test_the_realm_is_the_one_in_which_the_device_registers() -> None:
    assert look_up("1001", realm="own.test") == Aor("1001", "own.test")
    assert look_up("", realm="own.test") == Aor("desk", "own.test")


def test_without_a_username_there_is_still_a_presentity() -> None:
    assert look_up("", username="") == Aor("d" * 32, "acme.test")


def test_an_ignored_presence_id() -> None:
    assert look_up("1001", behaviour=changed(presence__presence_id="ignored")) == Aor("desk", "acme.test")


def test_a_presence_id_that_counts_from_the_next_register() -> None:
    behaviour = changed(presence__presence_id="registered")
    bench = Bench(behaviour)
    seed = bench.server.seed
    account = bench.server.directory.accounts[seed.account_id]
    device = account.devices[seed.devices[0].id]
    assert presentity_of(account, device, behaviour).user == "1001"
    bench.api("PATCH", bench.url(), {"presence_id": "1077"})
    assert presentity_of(account, device, behaviour).user == "1001"
    bench.registered()
    assert presentity_of(account, device, behaviour).user == "1077"
    assert presentity_of(account, device, DOCUMENTED).user == "1077"
