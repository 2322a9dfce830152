"""Work side by side: all of it, or none that goes on behind a failure."""

import asyncio

import pytest

from harness.together import together
from harness.virtual import VirtualLoop


def test_all_of_it_is_done() -> None:
    done: list[int] = []

    async def work(number: int) -> None:
        await asyncio.sleep(number)
        done.append(number)

    async def all_of_it() -> float:
        await together(work(number) for number in (3, 1, 2))
        await together([])
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(all_of_it()) == 3
    assert done == [1, 2, 3]


@pytest.mark.parametrize("how", ["fails", "is cancelled"])
def test_nothing_goes_on_behind_a_failure(how: str) -> None:
    said: list[str] = []

    async def long(leaving: float = 1) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(leaving)
            said.append("left in peace")

    async def fail() -> None:
        await asyncio.sleep(2)
        raise ValueError("no")

    async def both() -> float:
        if how == "fails":
            with pytest.raises(ValueError, match="no"):
                await together([long(), fail(), long(3)])
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(2):
                    await together([long(), long(3)])
        assert said == ["left in peace"] * 2
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert runner.run(both()) == 5
