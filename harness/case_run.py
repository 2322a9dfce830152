"""One case, run: its steps are carried out and recorded. Whether they prove anything is the judge's business."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from harness import templates
from harness.accounts import CannotPrepare, Device, NotOffered, Tenancy
from harness.claims import State, WireClaim
from harness.crafting import craft
from harness.errors import RingproofError, TargetUnavailable
from harness.loader import Case, StepAt, closing_claim, shown
from harness.matchers import ABSENT, look_up, show
from harness.ports import ApiAnswer, ApiCall, ApiFailure
from harness.recorder import CaseRecorder, RunRecorder
from harness.scenario import (
    Control,
    Create,
    Expect,
    Mark,
    Move,
    Never,
    Parallel,
    Register,
    Registering,
    Reply,
    Request,
    Send,
    Step,
    Unregister,
    Wait,
    Watching,
    parse_receives,
)
from harness.world import World
from phones.fleet import Fleet, RunningPhone
from phones.phone import Identity, format_address
from phones.sip.index import Message

PROBE_TIMEOUT_S = 5.0
"""How long a control or a fence may take to arrive, and a registration to be answered once refused service."""
_REGISTRATION_TIMEOUT_S = 40.0
_SECRET_KEYS = frozenset({"auth_token", "api_key", "password", "credentials"})


@dataclass(slots=True)
class PhoneAtWork:
    """A phone of the case and the device that it stands for."""

    running: RunningPhone
    device: Device
    identity: Identity


class CaseRun:
    """Runs one case in one world."""

    def __init__(self, case: Case, number: int, run_id: str, world: World, recorder: RunRecorder, seed: int) -> None:
        self.case = case
        self._world = world
        self._run = recorder
        self._recorder = CaseRecorder(recorder, case.address)
        self._label = f"rp-{run_id}-{number}"
        self._run_id = run_id
        self._rng = random.Random(f"{seed} {case.address}")
        self._fleet = Fleet(world.wire, world.clock, self._recorder, host=world.target.bind)
        self._phones: dict[str, PhoneAtWork] = {}
        self._saved: dict[str, Any] = {}
        self._numbers = itertools.count(1)
        own = case.scenario.isolation != "case"
        self._tenancy = Tenancy(world.target, self._prepare, self._rng, self._label, create_accounts=own)

    async def run(self) -> None:
        """Run everything and clean up; what went wrong is in the Record. Cancelling cleans up, too."""
        self._open()
        error: dict[str, str] | None = None
        try:
            await self._set_up()
            await self._run_steps(self.case.steps)
        except asyncio.CancelledError:
            self._recorder.write("end", error={"kind": "interrupted", "message": "interrupted"})
            await self._clean_up()
            raise
        except NotOffered as problem:
            error = {"kind": "skipped", "message": problem.message}
        except (CannotPrepare, TargetUnavailable, ApiFailure) as problem:
            error = {"kind": "target", "message": problem.message}
        except templates.TemplateProblem as problem:
            error = {"kind": "harness", "message": str(problem)}
        except RingproofError as problem:
            error = {"kind": "harness", "message": problem.message}
        except OSError as problem:
            error = {"kind": "harness", "message": f"{type(problem).__name__}: {problem}"}
        self._recorder.write("end", error=error)
        await self._clean_up()

    def _open(self) -> None:
        clauses = [
            {
                "id": name,
                "statement": clause.statement,
                "level": clause.level,
                "unclear": clause.unclear,
                "encrypted": clause.encrypted,
            }
            for name, clause in self.case.clauses().items()
        ]
        self._recorder.write(
            "case",
            label=self._label,
            file=shown(self.case.file),
            title=self.case.scenario.title,
            matrix=dict(self.case.matrix),
            clauses=clauses,
            plan=list(self._plan()),
            encrypted=self._world.encrypted if self.case.over == "https" else None,
        )

    def _plan(self) -> Iterator[dict[str, Any]]:
        for at in self.case.steps:
            step = at.step
            claims = isinstance(step, Register | Unregister | Move | Watching)
            if claims or (isinstance(step, Request) and step.reply is not None):
                yield {"claim": at.number, "step": at.number, "text": at.text, "clauses": self._clauses(step)}

    def _clauses(self, step: Step) -> list[str]:
        """What a claim speaks about. A registration that names no clause is a precondition of all of them."""
        applicable = list(self.case.clauses())
        if isinstance(step, Register):
            given = step.register_.clauses if isinstance(step.register_, Registering) else []
            return [name for name in given if name in applicable]
        if isinstance(step, Unregister | Move):
            return []
        return [name for name in getattr(step, "clauses", []) if name in applicable] or applicable

    # preparation and cleaning up

    async def _set_up(self) -> None:
        for which in ("own", "other", "parent", "child"):
            if which == "own" or which in self.case.uses:
                await self._tenancy.account(which)
        specs = self.case.scenario.phones
        for name in [*(n for n, s in specs.items() if not s.device_of), *(n for n, s in specs.items() if s.device_of)]:
            spec = specs[name]
            if spec.device_of:
                device = self._phones[spec.device_of].device
            else:
                fields = templates.fill(spec.device, self._variables())
                device = await self._tenancy.create_device(name, fields, spec.account)
            identity = device.identity
            if spec.password is not None:
                password = templates.fill(spec.password, self._variables())
                identity = Identity(identity.username, password, identity.realm)
            running = self._fleet.add(
                name,
                identity,
                edge=self._world.target.edge,
                rng=random.Random(f"{self._rng.getrandbits(64)}"),
                call_id_prefix=f"{self._label}-{name}-",
                refusals={method: None if s == "silence" else int(s) for method, s in spec.answers.items()},
            )
            self._phones[name] = PhoneAtWork(running, device, identity)
            self._recorder.write(
                "phone",
                phone=name,
                aor=identity.aor,
                contact=format_address(running.phone.local),
                device=device.id,
            )

    async def _clean_up(self) -> None:
        self._fleet.close()
        left = await asyncio.shield(self._tenancy.remove())
        for each in left:
            self._recorder.write("left", what=each)

    # the API

    async def _prepare(
        self, method: str, path: str, token: str, *, data: Any = ABSENT, role: str = "setup"
    ) -> tuple[int, Any]:
        body = None if data is ABSENT else json.dumps({"data": data}).encode()
        headers = [("X-Auth-Token", token)] if token else []
        url = self._world.base(self.case.over) + path
        answer = await self._exchange(method, url, headers, body, role, role, self._identifier(role))
        return answer.status, _parsed(answer.body)

    async def _exchange(
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
            raise TargetUnavailable(failure.message) from failure
        self._learn_secrets(answer.body)
        self._recorder.write(
            "reply",
            id=identifier,
            role=role,
            step=step,
            status=answer.status,
            headers=[list(header) for header in answer.headers],
            body=answer.body.decode("utf-8", "backslashreplace"),
            tls=answer.tls,
            latency=round(self._recorder.now - started, 6),
            error=None,
        )
        return answer

    def _identifier(self, step: str) -> str:
        """An X-Request-ID that names run, case and step: Kazoo writes it into its logs."""
        return f"{self._label}-{step}-{next(self._numbers)}"

    def _learn_secrets(self, body: bytes | None) -> None:
        for secret in _secrets_in(_parsed(body or b"")):
            self._world.secrets.add(secret)

    async def _alive(self, url: str) -> list[str]:
        """The other API bases that still answer: one dead of two is a finding, all dead is none."""
        alive = []
        for name, base in self._world.bases().items():
            if url.startswith(base + "/"):
                continue
            try:
                await self._world.api.call(ApiCall("GET", f"{base}/v2/", (), None))
            except ApiFailure:
                continue
            alive.append(name)
        return alive

    # steps

    def _variables(self) -> dict[str, Any]:
        version = self.case.api
        variables: dict[str, Any] = {"api": version, "over": self.case.over, "run": self._run_id, "saved": self._saved}
        for name, at_work in self._phones.items():
            variables[name] = self._phone_variables(name, at_work, version)
        for name, which in (("account", "own"), ("other", "other"), ("parent", "parent"), ("child", "child")):
            account = self._tenancy.known(which)
            if account is not None:
                parts = {"id": account.id, "realm": account.realm, "url": f"/{version}/accounts/{account.id}"}
                variables[name] = templates.Namespace(name, parts)
        return variables

    def _phone_variables(self, name: str, at_work: PhoneAtWork, version: str) -> templates.Namespace:
        device, phone = at_work.device, at_work.running.phone
        parts = {
            "url": f"/{version}/accounts/{device.account.id}/devices/{device.id}",
            "id": device.id,
            "username": device.identity.username,
            "password": device.identity.password,
            "realm": device.identity.realm,
            "aor": device.identity.aor,
            "contact": phone.contact,
            "document": device.document,
        }
        return templates.Namespace(name, parts)

    async def _run_steps(self, steps: tuple[StepAt, ...]) -> None:
        waiting: list[StepAt] = []
        for at in steps:
            if "." in at.number:
                continue
            if isinstance(at.step, Watching):
                waiting.append(at)
                continue
            await self._watch(waiting)
            waiting = []
            await self._step(at)
        await self._watch(waiting)

    async def _step(self, at: StepAt) -> None:
        step = at.step
        said = {"step": at.number, "line": at.position.line, "text": at.text}
        said |= {"stimulus": not isinstance(step, Wait | Mark)}
        self._recorder.write("step", **said, phase="start")
        if isinstance(step, Register):
            await self._register(at, step)
        elif isinstance(step, Unregister):
            await self._registration(at, step.unregister, "unregistered", None, "unregister")
        elif isinstance(step, Move):
            await self._registration(at, step.move, "registered", None, "move")
        elif isinstance(step, Control):
            await asyncio.gather(*(self._control(name) for name in step.control))
        elif isinstance(step, Request):
            await self._request(at, step)
        elif isinstance(step, Wait):
            await asyncio.sleep(step.wait)
        elif isinstance(step, Mark):
            self._recorder.write("mark", name=step.mark)
        elif isinstance(step, Send):
            data, remote = craft(step.send, self._variables())
            self._phones[step.send.phone].running.send(data, remote)
        elif isinstance(step, Create):
            for name in step.create:
                await self._tenancy.create(self._phones[name].device)
        elif isinstance(step, Parallel):
            inner = [each for each in self.case.steps if each.number.rpartition(".")[0] == at.number]
            await asyncio.gather(
                *(self._watch([each]) if isinstance(each.step, Watching) else self._step(each) for each in inner)
            )
        self._recorder.write("step", **said, phase="end")

    def _claim(self, at: StepAt, kind: str, spec: dict[str, Any]) -> None:
        self._recorder.write(
            "claim",
            claim=at.number,
            step=at.number,
            line=at.position.line,
            text=at.text,
            type=kind,
            clauses=self._clauses(at.step),
            spec=spec,
        )

    async def _register(self, at: StepAt, step: Register) -> None:
        wanted = step.register_
        if isinstance(wanted, Registering):
            await self._registration(
                at, wanted.phone, wanted.outcome, wanted.status, "register", wanted.expires, wanted.refresh
            )
        else:
            await self._registration(at, wanted, "registered", None, "register")

    async def _registration(
        self,
        at: StepAt,
        names: list[str],
        outcome: str,
        status: int | None,
        action: str,
        expires: int | None = None,
        refresh: bool = True,
    ) -> None:
        self._claim(at, "registration", {"phones": names, "outcome": outcome, "status": status})

        async def act(phone: RunningPhone) -> None:
            if action == "register":
                await phone.register(expires=expires, refresh=refresh)
            else:
                await (phone.move() if action == "move" else phone.unregister())

        try:
            async with asyncio.timeout(_REGISTRATION_TIMEOUT_S):
                await asyncio.gather(*(act(self._phones[name].running) for name in names))
        except TimeoutError:
            self._recorder.write("expired", claim=at.number)

    async def _request(self, at: StepAt, step: Request) -> None:
        variables = self._variables()
        method, _, path = templates.fill(step.request, variables).partition(" ")
        query = {name: templates.fill(value, variables) for name, value in step.query.items()}
        headers = [(name, templates.fill(value, variables)) for name, value in step.headers.items()]
        token = await self._token(step, variables)
        if token is not None and step.token_in == "query":
            query["auth_token"] = token
        elif token is not None:
            headers.append(("X-Auth-Token", token))
        path = path.strip()
        if step.api is not None:
            path = path.replace(f"/{self.case.api}/", f"/{step.api}/", 1)
        if query:
            path += ("&" if "?" in path else "?") + urlencode(query)
        identifier = self._identifier(at.number)
        if step.reply is not None:
            self._claim(at, "reply", _reply_spec(step.reply, identifier, variables))
        url = self._world.base(self.case.over) + path
        body = _body(step, variables)

        async def exchange() -> ApiAnswer:
            answer = await self._exchange(method, url, headers, body, "stimulus", at.number, identifier)
            self._after(method, path, answer, _parsed(answer.body))
            return answer

        answer = await self._tenancy.finish(exchange())
        reply = _parsed(answer.body)
        for name, dotted in step.save.items():
            value = look_up(reply, dotted)
            if value is ABSENT:
                raise CannotPrepare(
                    f"step {at.number}: the reply has no {dotted} to save: {answer.status} {show(reply)}"
                )
            self._saved[name] = value

    async def _token(self, step: Request, variables: dict[str, Any]) -> str | None:
        if step.token is None or step.token == "none":
            return None
        if step.token in ("own", "other", "parent", "child"):
            return (await self._tenancy.account(step.token)).token
        return str(templates.fill(step.token, variables))

    def _after(self, method: str, path: str, answer: ApiAnswer, reply: Any) -> None:
        """Follow what a step has done to our devices: their documents, and what has to be taken away again."""
        document = reply.get("data") if isinstance(reply, dict) else None
        if not 200 <= answer.status < 300 or not isinstance(document, dict):
            return
        for at_work in self._phones.values():
            if document.get("id") == at_work.device.id and method in ("POST", "PATCH", "GET"):
                at_work.device.document = document
        own = self._tenancy.known("own")
        if (
            method == "PUT"
            and own
            and path.partition("?")[0].endswith("/devices")
            and isinstance(document.get("id"), str)
        ):
            self._tenancy.adopt(f"/v2/accounts/{own.id}/devices/{document['id']}", own.token)

    # control, fence, and the claims that they close

    async def _control(self, name: str) -> None:
        at_work = self._phones[name]
        device = at_work.device
        started = self._recorder.write(
            "control", phone=name, contact=format_address(at_work.running.phone.local), state="started", token=""
        )
        path = f"/v2/accounts/{device.account.id}/devices/{device.id}/sync"
        await self._prepare("POST", path, device.account.token, role="control")
        await self._arrival("control", name, started, lambda m: m.method == "NOTIFY" and _event_of(m) == "check-sync")

    async def _fence(self, name: str) -> None:
        at_work = self._phones[name]
        device = at_work.device
        token = f"9{self._rng.randrange(10**9):09d}"
        started = self._recorder.write(
            "fence", phone=name, contact=format_address(at_work.running.phone.local), state="started", token=token
        )
        path = f"/v2/accounts/{device.account.id}/devices/{device.id}/quickcall/{token}"
        await self._prepare("GET", path, device.account.token, role="fence")
        marker = f":{token}@"
        await self._arrival("fence", name, started, lambda m: m.method == "INVITE" and marker in (m.get("from") or ""))

    async def _arrival(self, kind: str, name: str, started: dict[str, Any], wanted: Any) -> None:
        """Wait until the message that `wanted` knows has come, and record that it has or has not."""
        judge = self._recorder.judge
        deadline = self._recorder.now + PROBE_TIMEOUT_S
        await self._recorder.until(lambda: judge.arrived(name, started["n"], wanted) is not None, lambda: deadline)
        arrival = judge.arrived(name, started["n"], wanted)
        found = {"state": "missed", "message": None, "latency": None, "contact": started["contact"]}
        if arrival is not None:
            latency = round(arrival.t - started["t"], 6)
            found = {"state": "arrived", "message": arrival.n, "latency": latency, "contact": arrival.event["local"]}
        self._recorder.write(kind, phone=name, token=started["token"], **found)

    async def _watch(self, steps: list[StepAt]) -> None:
        """Open the claims of adjacent steps together, wait for what must come, then close the counts."""
        if not steps:
            return
        claims = [self._open_wire_claim(at) for at in steps]
        await asyncio.gather(*(self._await_enough(claim) for claim in claims))
        closing = [claim for claim in claims if claim.closes and claim.state is State.OPEN]
        if closing:
            await asyncio.gather(
                *(self._fence(name) for name in dict.fromkeys(claim.spec["phone"] for claim in closing))
            )
            await self._listen(closing)
            for claim in closing:
                self._recorder.write("closed", claim=claim.id)

    def _open_wire_claim(self, at: StepAt) -> WireClaim:
        step = at.step
        variables = self._variables()
        if isinstance(step, Expect):
            phone, what = parse_receives(step.expect)
            least, most = step.exactly or (0 if step.at_most else 1), step.exactly or step.at_most
        else:
            assert isinstance(step, Never)
            phone, what = parse_receives(step.never)
            least, most = 0, 0
        known = self.case.clauses()
        declared = [known[name].lag for name in self._clauses(step)]
        lags = [lag for lag in [getattr(step, "lag", None), *declared] if lag is not None]
        spec = {
            "phone": phone,
            "what": what,
            "where": templates.fill(step.where, variables),
            "least": least,
            "most": most,
            "closes": closing_claim(step) is not None,
            "within": step.within,
            "lag": max(lags, default=None),
        }
        self._claim(at, "wire", spec)
        claim = self._recorder.judge.claim(at.number)
        assert isinstance(claim, WireClaim)
        return claim

    async def _await_enough(self, claim: WireClaim) -> None:
        def reached() -> bool:
            return claim.enough or claim.state is not State.OPEN

        if not await self._recorder.until(reached, lambda: claim.deadline):
            self._recorder.write("expired", claim=claim.id)

    async def _listen(self, claims: list[WireClaim]) -> None:
        """Stay quiet for the longest lag, unless every claim has been broken before."""
        judge = self._recorder.judge
        lags = [max(c.spec["lag"] or 0.0, 4 * judge.control_latency(c.spec["phone"])) for c in claims]
        # a clock may wake us a little early
        until = self._recorder.now + max(lags) + 0.001
        await self._recorder.until(lambda: all(c.state is not State.OPEN for c in claims), lambda: until)


def _event_of(message: Message) -> str:
    return (message.get("event") or "").partition(";")[0].strip()


def _parsed(body: bytes) -> Any:
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


def _reply_spec(wanted: Reply, identifier: str, variables: dict[str, Any]) -> dict[str, Any]:
    status = wanted.status if isinstance(wanted.status, list) else [wanted.status] if wanted.status else []
    return {
        "id": identifier,
        "status": status,
        "json": templates.fill(wanted.content, variables),
        "headers": templates.fill(wanted.headers, variables),
        "body": templates.fill(wanted.body, variables),
    }


def _body(step: Request, variables: dict[str, Any]) -> bytes | None:
    given = step.model_fields_set
    if "body" in given and step.body is not None:
        return str(templates.fill(step.body, variables)).encode("utf-8", "surrogateescape")
    if "envelope" in given:
        return json.dumps(templates.fill(step.envelope, variables)).encode()
    if "data" in given:
        return json.dumps({"data": templates.fill(step.data, variables)}).encode()
    return None
