"""Tenancy: what a case makes on the target is taken away, also where no reply said that it was made."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from harness.accounts import CannotPrepare, NotOffered, Tenancy
from harness.errors import TargetUnavailable
from harness.matchers import ABSENT
from harness.target import Bases, Edges, Target, TargetAccount


class Kazoo:
    """A target in memory that can lose or garble the reply to a PUT."""

    def __init__(self, trouble: str = "") -> None:
        self.devices: dict[str, dict[str, Any]] = {}
        self.trouble = trouble

    async def request(self, method: str, path: str, token: str, *, data: Any = ABSENT, role: str) -> tuple[int, Any]:
        """What ApiSession.prepare does."""
        if self.trouble == "dead":
            raise TargetUnavailable("cannot connect", sent=False)
        if method == "PUT":
            identifier = f"d{len(self.devices)}"
            self.devices[identifier] = {"id": identifier, "username": data["sip"]["username"], **data}
            if self.trouble == "lost":
                raise TargetUnavailable("no reply")
            return (201, None) if self.trouble == "garbled" else (201, {"data": self.devices[identifier]})
        if method == "GET":
            return (500, {}) if self.trouble == "blind" else (200, {"data": list(self.devices.values())})
        if self.trouble == "stuck":
            return 500, {"message": "no"}
        self.devices.pop(path.rpartition("/")[2])
        return 200, {}


def tenancy(kazoo: Kazoo) -> Tenancy:
    target = Target(
        api=Bases(http="http://h:1"),
        account=TargetAccount(account_id="a", realm="r", auth_token="t"),
        sip=Edges(udp="h:5060"),
    )
    return Tenancy(target, kazoo.request, random.Random(1), "rp-1", create_accounts=True)


def run(making: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(making)


def test_a_device_is_made_and_removed() -> None:
    kazoo = Kazoo()

    async def play() -> None:
        ours = tenancy(kazoo)
        device = await ours.create_device("desk", {"name": "Desk"}, "own")
        assert kazoo.devices[device.id]["name"] == "Desk"
        assert await ours.remove() == []

    run(play())
    assert kazoo.devices == {}


@pytest.mark.parametrize(("trouble", "error"), [("lost", TargetUnavailable), ("garbled", CannotPrepare)])
def test_a_device_whose_creation_was_never_confirmed_is_searched_for(trouble: str, error: type[Exception]) -> None:
    kazoo = Kazoo(trouble)
    kazoo.devices["theirs"] = {"id": "theirs", "username": "somebody"}

    async def play() -> None:
        ours = tenancy(kazoo)
        with pytest.raises(error):
            await ours.create_device("desk", {}, "own")
        assert len(kazoo.devices) == 2
        assert await ours.remove() == []

    run(play())
    assert list(kazoo.devices) == ["theirs"]


def test_what_cannot_be_found_or_removed_is_said() -> None:
    kazoo = Kazoo("lost")

    async def play() -> list[str]:
        ours = tenancy(kazoo)
        with pytest.raises(TargetUnavailable):
            await ours.create_device("desk", {}, "own")
        kazoo.trouble = "blind"
        return await ours.remove()

    [left] = run(play())
    assert left.startswith("perhaps something below /v2/accounts/a/devices whose username is rpdesk")

    async def stuck() -> list[str]:
        kazoo.trouble = ""
        ours = tenancy(kazoo)
        await ours.create_device("desk", {}, "own")
        kazoo.trouble = "stuck"
        return await ours.remove()

    assert "500" in run(stuck())[0]


def test_an_account_that_the_target_does_not_name_is_not_offered() -> None:
    with pytest.raises(NotOffered, match="other_account"):
        run(tenancy(Kazoo()).account("other"))


def test_what_was_never_sent_leaves_nothing_behind() -> None:
    kazoo = Kazoo("dead")

    async def play() -> list[str]:
        ours = tenancy(kazoo)
        with pytest.raises(TargetUnavailable):
            await ours.create_device("desk", {}, "own")
        return await ours.remove()

    assert run(play()) == []
