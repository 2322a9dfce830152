"""Who the phones of a fleet are: files of credentials, and what is done side by side."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from harness.descriptors import provide
from harness.errors import UsageError
from harness.swarm_devices import read_credentials, side_by_side
from phones.line import Identity


def written(folder: Path, text: str) -> Path:
    path = folder / "devices.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_credentials_with_and_without_realm(tmp_path: Path) -> None:
    text = 'username,password,realm\nanne,"a,1"\n# not now\n\nbob , b1 , b.example.com\ncarl,c1\n'
    found = read_credentials(written(tmp_path, text), "a.example.com", 2)
    assert found == [Identity("anne", "a,1", "a.example.com"), Identity("bob", "b1", "b.example.com")]


@pytest.mark.parametrize(
    ("text", "realm", "said"),
    [
        ("anne\n", "r", ":1: username,password[,realm] is wanted"),
        ("anne,a\nbob,b\n", None, ":1: username,password,realm is wanted"),
        (",a\n", "r", ":1: "),
        ("anne,a,r,more\n", "r", ":1: "),
        ("anne,a\nanne,b\n", "r", ":2: anne@r is there twice"),
        ("anne,a\n", "r", "has 1 devices, and 2 phones are wanted"),
        ("", "r", "has 0 devices"),
    ],
)
def test_credentials_that_will_not_do(tmp_path: Path, text: str, realm: str | None, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_credentials(written(tmp_path, text), realm, 2)
    assert said in error.value.message
    assert "bob,b" not in error.value.message


def test_credentials_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_credentials(tmp_path / "nowhere.csv", "r", 1)


def test_side_by_side_keeps_the_order_and_the_limit() -> None:
    running, most, told = 0, 0, list[int]()

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item * item

    assert asyncio.run(side_by_side(range(20), work, 3, told.append)) == [each * each for each in range(20)]
    assert most == 3
    assert sorted(told) == list(range(1, 21))


def test_too_few_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(256, 1000)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    provide(100)
    assert limits == [(256, 1000)]
    provide(500)
    assert limits[-1] == (564, 1000)
    with pytest.raises(UsageError) as error:
        provide(5000)
    assert "need 5064 open files each, and the limit is 1000" in error.value.message
    assert "ulimit -n 5064" in error.value.hint
    assert "--processes 6" in error.value.hint
    provide(5000, processes=6)
