"""ringproof for people who write Python: phones and the API of the target, as the pytest fixtures give them.

Everything is said and judged as in a scenario file (docs/scenarios.md); the words are the same. A claim that is broken
raises BrokenPromise, one about which nothing can be said raises Undecided. Calls block until they are done.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from harness.accounts import NotOffered, Unsupported
from harness.claiming import Expect, Laws, Lit, Never
from harness.claims import Claim, State, WireClaim
from harness.errors import RingproofError
from harness.model import Step
from harness.python_case import PythonRun
from harness.steps import (
    Answer,
    Call,
    Cancel,
    Control,
    Forget,
    HangUp,
    Hold,
    Mark,
    Misses,
    Move,
    Network,
    OnCall,
    Redirect,
    Register,
    Reject,
    Request,
    Resume,
    Subscribe,
    Unregister,
    Unsubscribe,
    Wait,
)
from harness.verdicts import Verdict
from phones.calls import NoSuchCall
from phones.sip.index import Message
from reports.words import plain

Result = TypeVar("Result")
Do = Callable[[Callable[[PythonRun], Awaitable[Any]]], Any]
_HERE = Path(__file__).parent


class BrokenPromise(AssertionError):
    """A claim did not come true. The message says what was expected, what happened, and why that is not it."""


class Undecided(Exception):
    """Nothing can be said about a claim: what would prove it did not happen, or its precondition failed."""


class Conversing:
    """What every part of the API shares: how to have something done, and how claims become exceptions."""

    def __init__(self, do: Do, evidence: Path) -> None:
        self._do = do
        self._evidence = evidence
        self.claimed = False
        """Whether the test has claimed anything."""
        self.told = False
        """Whether it has been told of a claim that did not come true."""

    def ask(self, act: Callable[[PythonRun], Awaitable[Result]]) -> Result:
        """Have something done by the case. Skips the test for what the target does not offer.

        Raises Undecided when it cannot be done, ValueError for misuse.
        """
        __tracebackhide__ = True
        try:
            result: Result = self._do(act)
        except (NotOffered, Unsupported) as error:
            raise pytest.skip.Exception(plain(error.message), _use_item_location=True) from None
        except RingproofError as error:
            self.told = True
            raise Undecided(plain(error.message)) from None
        except NoSuchCall as error:
            self.told = True
            raise Undecided(plain(str(error))) from None
        return result

    def step(self, kind: type[Step], raw: dict[str, Any]) -> Any:
        """Carry out a step, seen from the line of the test."""
        __tracebackhide__ = True
        file, line = _caller()
        return self.ask(lambda run: run.step(kind, raw, file, line))

    def claim(self, kind: type[Step], raw: dict[str, Any]) -> list[Claim]:
        """Settle a claim. Raises BrokenPromise or Undecided."""
        __tracebackhide__ = True
        file, line = _caller()
        given = {key: value for key, value in raw.items() if value is not None}
        self.claimed = True
        claims = self.ask(lambda run: run.claim(kind, given, file, line))
        for claim in claims:
            if claim.state is not State.MET:
                self.told = True
                error = BrokenPromise if claim.state is State.BROKEN else Undecided
                raise error(self._explained(claim)) from None
        return claims

    def _explained(self, claim: Claim) -> str:
        verdict = Verdict.FAIL if claim.state is State.BROKEN else Verdict.INCONCLUSIVE
        rows = [("expected", claim.expected), ("actual", claim.actual), ("why", claim.why)]
        rows.append(("evidence", str(self._evidence)))
        lines = [f"{verdict.value.upper()}  {claim.text}", *(f"  {name:<9} {value}" for name, value in rows if value)]
        return plain("\n".join(lines))


def _caller() -> tuple[str, int]:
    """File and line of the test that has called us."""
    frame = inspect.currentframe()
    while frame is not None and Path(frame.f_code.co_filename).parent == _HERE:
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else ("", 0)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API replied."""

    status: int
    headers: dict[str, str]
    """By their names in small letters."""

    text: str

    @property
    def json(self) -> Any:
        """The body as data. Raises ValueError when it is no JSON."""
        return json.loads(self.text)

    @property
    def data(self) -> Any:
        """`data` of Kazoo's envelope. Raises ValueError or KeyError when there is none."""
        return self.json["data"]


class Api:
    """The API of the target, used by the test: what is expected next counts from the reply.

    A path begins with /v2 or /v1. `token` is own, other, parent, child, none, or a token.
    """

    def __init__(self, conversing: Conversing) -> None:
        self._conversing = conversing

    def request(
        self,
        method: str,
        path: str,
        *,
        data: Any = ...,
        json: Any = ...,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        token: str | None = "own",
    ) -> Reply:
        """Send a request. `data` is put into Kazoo's envelope, `json` is the whole body, `body` is text."""
        __tracebackhide__ = True
        raw: dict[str, Any] = {"request": f"{method} {path}", "token": token}
        raw |= {"headers": dict(headers or {}), "query": dict(query or {})}
        raw |= {"data": data} if data is not ... else {}
        raw |= {"envelope": json} if json is not ... else {}
        raw |= {"body": body} if body is not None else {}
        answer = self._conversing.step(Request, raw)
        text = answer.body.decode("utf-8", "backslashreplace")
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers}, text)

    def get(self, path: str, **more: Any) -> Reply:
        """GET; `more` as for `request`."""
        __tracebackhide__ = True
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Reply:
        """POST, which replaces a document; `more` as for `request`."""
        __tracebackhide__ = True
        return self.request("POST", path, **more)

    def put(self, path: str, **more: Any) -> Reply:
        """PUT, which creates; `more` as for `request`. What it creates is taken away after the test."""
        __tracebackhide__ = True
        return self.request("PUT", path, **more)

    def patch(self, path: str, **more: Any) -> Reply:
        """PATCH; `more` as for `request`."""
        __tracebackhide__ = True
        return self.request("PATCH", path, **more)

    def delete(self, path: str, **more: Any) -> Reply:
        """DELETE; `more` as for `request`."""
        __tracebackhide__ = True
        return self.request("DELETE", path, **more)


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the test."""

    id: str
    realm: str
    token: str
    url: str
    """/v2/accounts/ID"""


class Target:
    """What is tested: the embedded reference, or what --ringproof-target names."""

    def __init__(self, conversing: Conversing) -> None:
        self._conversing = conversing
        self.api = Api(conversing)

    @property
    def name(self) -> str:
        """`reference`, or the name in the target file."""
        return self._look(lambda run: run.target.name)

    @property
    def kind(self) -> str:
        """reference or live."""
        return self._look(lambda run: run.target.kind)

    @property
    def account(self) -> Account:
        """The account that the test has, its own wherever the target lets accounts be made."""
        return self.account_of("own")

    def account_of(self, which: str) -> Account:
        """The account called own, other, parent or child."""
        __tracebackhide__ = True
        return Account(**self._conversing.ask(lambda run: run.account(which)))

    def _look(self, what: Callable[[PythonRun], str]) -> str:
        async def look(run: PythonRun) -> str:
            return what(run)

        return self._conversing.ask(look)


class Phone:
    """A simulated phone with a device of its own. It answers on the wire from the start, registered or not."""

    def __init__(self, name: str, conversing: Conversing) -> None:
        self.name = name
        self._conversing = conversing

    def __repr__(self) -> str:
        return f"<Phone {self.name}>"

    # who it is

    @property
    def url(self) -> str:
        """The path of its device: /v2/accounts/ID/devices/ID."""
        return self._look(lambda run: run.url_of(self.name))

    @property
    def id(self) -> str:
        """The id of its device."""
        return self._look(lambda run: run.at_work(self.name).device.id)

    @property
    def document(self) -> dict[str, Any]:
        """The device document as the API last said it."""
        return self._look(lambda run: dict(run.at_work(self.name).device.document))

    @property
    def username(self) -> str:
        """Its SIP username."""
        return self._look(lambda run: run.at_work(self.name).device.identity.user)

    @property
    def realm(self) -> str:
        """Its SIP realm."""
        return self._look(lambda run: run.at_work(self.name).device.identity.realm)

    @property
    def presence(self) -> str:
        """The URI that its calls light."""
        return self._look(lambda run: run.at_work(self.name).device.presentity)

    @property
    def number(self) -> str:
        """What to dial to reach it: its extension, else its SIP username."""
        return self._look(lambda run: run.at_work(self.name).number)

    def _look(self, what: Callable[[PythonRun], Result]) -> Result:
        async def look(run: PythonRun) -> Result:
            return what(run)

        return self._conversing.ask(look)

    # what it does

    def register(self, *, expires: int | None = None, refresh: bool = True) -> None:
        """Register. Raises Undecided when that is refused: what follows would prove nothing."""
        __tracebackhide__ = True
        self._conversing.step(Register, {"register": {"phone": self.name, "expires": expires, "refresh": refresh}})

    def unregister(self) -> None:
        """Unregister."""
        __tracebackhide__ = True
        self._conversing.step(Unregister, {"unregister": self.name})

    def move(self) -> None:
        """Go to another Contact and register from there."""
        __tracebackhide__ = True
        self._conversing.step(Move, {"move": self.name})

    def forget(self) -> None:
        """Lose calls and subscriptions as at a power cut, without a message."""
        __tracebackhide__ = True
        self._conversing.step(Forget, {"forget": self.name})

    def control(self) -> None:
        """Prove that it can be reached: a check-sync must arrive. `never`, `exactly` and `at_most` rest on it."""
        __tracebackhide__ = True
        self._conversing.step(Control, {"control": self.name})

    def subscribe(self, to: Phone | str, event: str = "dialog", *, expires: int | None = None) -> None:
        """Watch a phone or a sip: URI. Raises Undecided when that is refused."""
        __tracebackhide__ = True
        raw = {"phone": self.name, "to": _named(to), "event": event, "expires": expires}
        self._conversing.step(Subscribe, {"subscribe": raw})

    def unsubscribe(self, to: Phone | str, event: str = "dialog") -> None:
        """Watch no more."""
        __tracebackhide__ = True
        self._conversing.step(Unsubscribe, {"unsubscribe": {"phone": self.name, "to": _named(to), "event": event}})

    def call(self, to: Phone | str) -> None:
        """Call a phone, a number or a sip: URI, and go on at once."""
        __tracebackhide__ = True
        self._conversing.step(Call, {"call": {"from": self.name, "to": _named(to)}})

    def answer(self) -> None:
        """Answer the call that rings, and wait until it is up."""
        __tracebackhide__ = True
        self._conversing.step(Answer, {"answer": self.name})

    def reject(self, status: int = 486) -> None:
        """Reject the call that rings."""
        __tracebackhide__ = True
        self._conversing.step(Reject, {"reject": {"phone": self.name, "status": status}})

    def hang_up(self) -> None:
        """End the call that it is in."""
        __tracebackhide__ = True
        self._conversing.step(HangUp, {"hang_up": self.name})

    def cancel(self) -> None:
        """Give up the call that it makes."""
        __tracebackhide__ = True
        self._conversing.step(Cancel, {"cancel": self.name})

    def redirect(self, *to: Phone | str) -> None:
        """Send the caller that rings to phones, numbers or sip: URIs."""
        __tracebackhide__ = True
        self._conversing.step(Redirect, {"redirect": {"phone": self.name, "to": [_named(each) for each in to]}})

    def hold(self, by: Literal["INVITE", "UPDATE"] = "INVITE") -> None:
        """Hold the call that it is in, and wait for what comes of that."""
        __tracebackhide__ = True
        self._conversing.step(Hold, {"hold": {"phone": self.name, "by": by}})

    def resume(self, by: Literal["INVITE", "UPDATE"] = "INVITE") -> None:
        """Take up the call again that it holds."""
        __tracebackhide__ = True
        self._conversing.step(Resume, {"resume": {"phone": self.name, "by": by}})

    def on_call(
        self,
        how: Literal["reject", "ring", "answer", "ignore", "auto", "redirect"],
        *,
        status: int = 486,
        after: float = 0.0,
        to: Phone | str | None = None,
    ) -> None:
        """What it does with calls from now on; `to`: where it redirects them."""
        __tracebackhide__ = True
        raw = {"phone": self.name, "how": how, "status": status, "after": after}
        raw |= {} if to is None else {"to": _named(to)}
        self._conversing.step(OnCall, {"on_call": raw})

    def miss(self, method: str = "NOTIFY", count: int = 1) -> None:
        """Acknowledge the next requests of a method and forget them."""
        __tracebackhide__ = True
        self._conversing.step(Misses, {"misses": {"phone": self.name, "method": method, "count": count}})

    def network(
        self,
        does: Literal["lose", "delay", "double", "reorder", "away", "back", "mend"],
        **how: Any,
    ) -> None:
        """What its network does from now on; `how` as in scenario files: what, event, way, count, seconds."""
        __tracebackhide__ = True
        self._conversing.step(Network, {"network": {"phone": self.name, "does": does, **how}})

    # what is expected of it

    def expect(
        self,
        what: str,
        *,
        exactly: int | None = None,
        at_most: int | None = None,
        within: float = 2.0,
        where: Mapping[str, Any] | None = None,
        **headers: Any,
    ) -> list[Message]:
        """A request of a method, or a response of a status, arrives. Returns the messages.

        `headers` are matchers on headers, `_` for `-`: `event="check-sync"`; `where` takes any name, `body` and `uri`
        too. `exactly` and `at_most` need a `control` (or a subscription) before. `within` seconds of the last reply or
        step that did something.
        """
        __tracebackhide__ = True
        raw = {"expect": f"{self.name} receives {what}", "exactly": exactly, "at_most": at_most}
        claims = self._conversing.claim(Expect, raw | {"within": within, "where": _where(where, headers)})
        return [
            each.message for claim in claims if isinstance(claim, WireClaim) for each in claim.found if each.message
        ]

    def never(self, what: str, *, within: float = 2.0, where: Mapping[str, Any] | None = None, **headers: Any) -> None:
        """Nothing of the kind arrives: proved by a control before, a fence behind and the lag after both."""
        __tracebackhide__ = True
        raw = {"never": f"{self.name} receives {what}", "within": within, "where": _where(where, headers)}
        self._conversing.claim(Never, raw)

    def becomes(self, state: Literal["calling", "ringing", "talking", "idle"], *, within: float = 2.0) -> None:
        """Its newest call gets it into a state."""
        __tracebackhide__ = True
        self._conversing.claim(Expect, {"expect": f"{self.name} is {state}", "within": within})

    def hears(self, other: Phone, *, within: float = 2.0) -> None:
        """The other phone says its tone once more, and this one hears it."""
        __tracebackhide__ = True
        file, line = _caller()
        self._conversing.ask(lambda run: run.talk(other.name, file, line))
        self._conversing.claim(Expect, {"expect": f"{self.name} hears {other.name}", "within": within})

    def lamp(
        self,
        of: Phone | str,
        *,
        goes: Sequence[str] | None = None,
        stays: str | None = None,
        becomes: str | None = None,
        event: str = "dialog",
        within: float = 2.0,
    ) -> None:
        """What its lamp shows of somebody that it watches: off, ringing, busy or unknown.

        `goes`: all that it shows since the last mark; `stays`: nothing else; `becomes`: this at last.
        """
        __tracebackhide__ = True
        raw = {"lamp": self.name, "of": _named(of), "event": event, "within": within}
        raw |= {"goes": list(goes) if goes is not None else None, "stays": stays, "becomes": becomes}
        self._conversing.claim(Lit, raw)

    def keeps_laws(self) -> None:
        """The NOTIFYs of its subscriptions are in order: CSeq and version rise, nothing comes after the end."""
        __tracebackhide__ = True
        self._conversing.claim(Laws, {"laws": self.name})


class Fleet:
    """The phones of a test."""

    def __init__(self, conversing: Conversing) -> None:
        self._conversing = conversing

    def add(
        self,
        name: str,
        *,
        device: Mapping[str, Any] | None = None,
        device_of: Phone | None = None,
        extension: str | Sequence[str] | None = None,
        trunk: str | None = None,
        on_call: str | None = None,
        account: Literal["own", "other", "child"] = "own",
        password: str | None = None,
    ) -> Phone:
        """A new phone and its device, as `phones:` of a scenario file makes them; not yet registered."""
        __tracebackhide__ = True
        wanted = {
            "device": dict(device) if device is not None else None,
            "device_of": device_of.name if device_of is not None else None,
            "extension": list(extension) if isinstance(extension, list | tuple) else extension,
            "trunk": trunk,
            "on_call": on_call,
            "account": account,
            "password": password,
        }
        given = {key: value for key, value in wanted.items() if value is not None}
        self._conversing.ask(lambda run: run.add_phone(name, given))
        return Phone(name, self._conversing)

    def mark(self, name: str = "mark") -> None:
        """What arrived before does not count for what is expected from now on."""
        __tracebackhide__ = True
        self._conversing.step(Mark, {"mark": name})

    def wait(self, seconds: float) -> None:
        """Let time pass, virtual or real."""
        __tracebackhide__ = True
        self._conversing.step(Wait, {"wait": seconds})


def _named(who: Phone | str) -> str:
    return who.name if isinstance(who, Phone) else who


def _where(where: Mapping[str, Any] | None, headers: Mapping[str, Any]) -> dict[str, Any]:
    return {**(where or {}), **{name.replace("_", "-"): matcher for name, matcher in headers.items()}}
