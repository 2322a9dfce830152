"""A case whose steps come one by one from a test written in Python, instead of from a scenario file.

Everything else is a scenario's: steps and claims are the same models, carried out by the same code, recorded in the
same Record and judged by the same judge. The test runs on its own thread; `Conversation` is what it talks through.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from harness import templates
from harness.accounts import NotOffered
from harness.case_run import Abandoned, CaseRun
from harness.claiming import Claiming
from harness.claims import Claim
from harness.clauses import Clause
from harness.errors import Position, RingproofError
from harness.loader import Case, StepAt, claim_ids, text_of
from harness.model import Step
from harness.ports import ApiAnswer
from harness.scenario import Matrix, PhoneSpec, Scenario
from harness.target import Target
from harness.watching import PhoneAtWork

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}\Z")
_ALIVE_EVERY_S = 0.2
"""How often a waiting test looks whether there is still a run that could answer."""

Result = TypeVar("Result")
Act = Callable[["PythonRun"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class PythonCase(Case):
    """One Python test as a case. It promises one thing: what its docstring says."""

    promise: str = ""
    command: tuple[str, ...] = ()
    """What runs it again."""
    scheme: str = "http"

    @property
    def over(self) -> str:
        """http, or https where the target has nothing else."""
        return self.scheme

    def clauses(self) -> dict[str, Clause]:
        """The one promise, under the test's name."""
        [name] = self.scenario.clauses
        return {name: Clause(statement=self.promise, source=f"the test {self.address}")}


def python_case(address: str, file: Path, docstring: str, command: list[str], target: Target | None) -> PythonCase:
    """The case of a Python test. `target` None is the embedded reference."""
    name = address.partition("/")[2]
    said = " ".join(docstring.strip().partition("\n\n")[0].split())
    promise = said if len(said) >= 10 else f"what the test {name} expects comes to pass"
    # nothing of it is in a file, so there is nothing to validate
    scenario = Scenario.model_construct(
        title=promise,
        why="",
        clauses=[name],
        matrix=Matrix(),
        isolation="account",
        takes=0.0,
        profiles=[],
        phones={},
        steps=[],
    )
    scheme = "http" if target is None or target.api.http is not None else "https"
    return PythonCase(address, file, scenario, {}, (), frozenset(), promise, tuple(command), scheme)


class Conversation:
    """What a test says to its case, from another thread, and what it is answered.

    In virtual time the clock stands still while the test thinks.
    """

    def __init__(self, *, virtual: bool) -> None:
        self._virtual = virtual
        self._jobs: queue.SimpleQueue[tuple[Act, concurrent.futures.Future[Any]] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrived: asyncio.Event | None = None
        self._current: asyncio.Future[Any] | None = None
        self._over: BaseException | None = None
        self.abandoned = ""
        """Why the test gave up, '' when it did not."""

    # the test's side

    def do(self, act: Callable[[PythonRun], Awaitable[Result]], alive: Callable[[], str]) -> Result:
        """Have `act` carried out and return what it returns. Raises what it raises.

        `alive` says why nobody will ever answer, '' as long as somebody may.
        """
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        self._put((act, future))
        while True:
            done, _ = concurrent.futures.wait([future], timeout=_ALIVE_EVERY_S)
            if done:
                return future.result()
            if self._over is not None:
                raise self._over
            if reason := alive():
                raise Abandoned(reason)

    def end(self, abandoned: str = "") -> None:
        """The test is over, or has given up. What is under way is broken off."""
        self.abandoned = abandoned
        self._put(None)
        if self._loop is not None and self._current is not None:
            with suppress(RuntimeError):  # its loop is closed: nothing is under way any more
                self._loop.call_soon_threadsafe(self._current.cancel)

    def _put(self, job: tuple[Act, concurrent.futures.Future[Any]] | None) -> None:
        self._jobs.put(job)
        if self._loop is not None and self._arrived is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._arrived.set)

    # the case's side

    async def serve(self, run: PythonRun) -> None:
        """Carry out what the test says until it is over. Raises Abandoned when it gives up."""
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        while (job := await self._next()) is not None:
            act, future = job
            self._current = asyncio.ensure_future(act(run))
            try:
                future.set_result(await self._current)
            except asyncio.CancelledError:
                future.set_exception(Abandoned("interrupted"))
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise  # not only the job: the whole run is interrupted
            except Exception as error:
                # the test's to handle: its case goes on
                future.set_exception(error)
            finally:
                self._current = None
        if self.abandoned:
            raise Abandoned(self.abandoned)

    async def _next(self) -> tuple[Act, concurrent.futures.Future[Any]] | None:
        if self._virtual:
            # on purpose: the whole loop waits, and with it virtual time
            return self._jobs.get()
        assert self._arrived is not None
        while self._jobs.empty():
            self._arrived.clear()
            if self._jobs.empty():
                await self._arrived.wait()
        return self._jobs.get()

    def close(self, reason: BaseException) -> None:
        """Nothing will be carried out any more."""
        self._over = reason


class PythonRun(CaseRun):
    """Runs a PythonCase."""

    def __init__(self, conversation: Conversation, case: PythonCase, *arguments: Any, **options: Any) -> None:
        super().__init__(case, *arguments, **options)
        self._conversation = conversation
        self._command = list(case.command)
        self._steps = 0

    async def run(self) -> None:
        """As every case, and whoever waits for an answer in vain is told."""
        try:
            await super().run()
        finally:
            self._conversation.close(Abandoned("the case is over"))

    async def _play(self) -> None:
        try:
            await self._set_up()
        except RingproofError as error:
            self._conversation.close(error)
            raise
        await self._conversation.serve(self)

    def _selector(self) -> list[str]:
        return self._command

    def _plan(self) -> None:
        return None

    # what a test can ask for

    @property
    def label(self) -> str:
        """Begins every X-Request-ID and Call-ID of the case."""
        return self._label

    @property
    def target(self) -> Target:
        """What is tested."""
        return self._world.target

    def at_work(self, name: str) -> PhoneAtWork:
        """A phone of the case."""
        return self._phones[name]

    async def add_phone(self, name: str, wanted: dict[str, Any]) -> None:
        """Make a phone and its device. Raises ValueError for what makes no phone."""
        if not _NAME.match(name):
            raise ValueError(f"phone name {name!r}: small letters, digits and _ only, a letter first")
        if name in self._phones:
            raise ValueError(f"there is a phone {name!r} already")
        await self._set_up_phone(name, _made(PhoneSpec, templates.verbatim(wanted)))

    async def step(self, kind: type[Step], raw: dict[str, Any], file: str, line: int) -> ApiAnswer | None:
        """Carry out a step that is no claim."""
        return await self._step(self._at(kind, raw, file, line))

    async def claim(self, kind: type[Step], raw: dict[str, Any], file: str, line: int) -> list[Claim]:
        """Settle a claim and return how it stands, one for each phone that it is about."""
        at = self._at(kind, raw, file, line)
        if not isinstance(at.step, Claiming):
            raise TypeError(f"{kind.__name__} claims nothing")
        await self._watching.watch([at])
        return [self._recorder.judge.claim(claim_id) for claim_id in claim_ids(at).values()]

    async def talk(self, name: str, file: str, line: int) -> None:
        """Let a phone say its tone again; what is heard counts from here. Raises NoSuchCall."""
        self._steps += 1
        said = {"step": str(self._steps), "line": line, "text": f"{name} talks", "stimulus": True}
        self._recorder.write("step", **said, phase="start")
        self._phones[name].running.talk()
        self._recorder.write("step", **said, phase="end")

    def _at(self, kind: type[Step], raw: dict[str, Any], file: str, line: int) -> StepAt:
        step = _made(kind, templates.verbatim(raw))
        self._steps += 1
        return StepAt(str(self._steps), step, Position(file, line, 1), text_of(raw))

    async def account(self, which: str) -> dict[str, str]:
        """id, realm, token and url of the account called own, other, parent or child."""
        if which not in ("own", "other", "parent", "child"):
            raise ValueError(f"{which!r} is no account; there are own, other, parent, child")
        account = await self._tenancy.account(which)
        return {
            "id": account.id,
            "realm": account.realm,
            "token": account.token,
            "url": f"/{self.case.api}/accounts/{account.id}",
        }

    def url_of(self, name: str) -> str:
        """The path of a phone's device."""
        device = self._phones[name].device
        if not device.id:
            raise NotOffered(f"{name} is a trunk: it has no device")
        return f"/{self.case.api}/accounts/{device.account.id}/devices/{device.id}"


Model = TypeVar("Model", Step, PhoneSpec)


def _made(model: type[Model], raw: dict[str, Any]) -> Model:
    """`raw` as a model. Raises ValueError with one sentence about the first thing that does not fit."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
