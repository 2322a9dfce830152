"""One case, run: its steps are carried out and recorded. Whether they prove anything is the judge's business."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from harness import templates
from harness.accounts import CannotPrepare, Device, NotOffered, Tenancy, Unsupported
from harness.api_session import ApiSession, parsed
from harness.claiming import Claiming
from harness.claims import Claim, State
from harness.crafting import craft
from harness.errors import RingproofError, TargetUnavailable
from harness.habits import HABITS, asked, lacking
from harness.load import Loads
from harness.loader import ACCOUNTS, Case, StepAt, claim_ids, selector_of, shown
from harness.matchers import ABSENT, look_up, show
from harness.meddling import meddle
from harness.model import Step
from harness.personality import personality_of
from harness.phone_steps import PhoneSteps
from harness.ports import ApiAnswer, ApiFailure
from harness.recorder import CaseRecorder, RunRecorder
from harness.request_parts import body_of, reply_spec
from harness.scenario import PhoneSpec, groups_of, set_up_order
from harness.step_facts import clauses_of
from harness.steps import (
    QUIET,
    Control,
    Create,
    Expire,
    Load,
    Lose,
    Mark,
    Move,
    Parallel,
    Register,
    Registering,
    Request,
    Reset,
    Restart,
    Send,
    Subscribe,
    Sync,
    Unregister,
    Unsubscribe,
    Wait,
)
from harness.together import together
from harness.watching import PhoneAtWork, Watch
from harness.world import World
from phones.fleet import Fleet, RunningPhone
from phones.phone import Identity, format_address
from phones.sip.transport import Transport

_REGISTRATION_TIMEOUT_S = 40.0
"""More than 64*T1: a phone itself gives up before."""
_LONGEST_EXPIRY_S = 400.0
"""Kazoo's edge grants 300 s at least as it is shipped."""
_EXPIRY_MARGIN_S = 1.0
_LOWEST_TONE_HZ, _TONE_STEP_HZ = 400, 100
"""Tones of the phones of a case: far enough apart to be told from each other in one RTP packet."""


class Abandoned(RingproofError):
    """Whoever gives the steps has given up."""


class CaseRun:
    """Runs one case in one world, expecting `profile`. What is known to wait longer than `patience_s` is left out.

    `keep`: what it has made on the target stays there, as far as no later run is harmed.
    """

    def __init__(
        self,
        case: Case,
        number: int,
        run_id: str,
        world: World,
        recorder: RunRecorder,
        seed: int,
        *,
        patience_s: float = math.inf,
        keep: bool = False,
        profile: str = "documented",
    ) -> None:
        self.case = case
        self._profile = profile
        self._habits = HABITS[profile]
        self._included = tuple(at for at in case.steps if self._has(at.step))
        self._patience_s = patience_s
        self._world = world
        self._run = recorder
        self._recorder = CaseRecorder(recorder, case.address)
        self._label = f"rp-{run_id}-{number}"
        self._run_id = run_id
        self._rng = random.Random(f"{seed} {run_id} {case.address}")
        self._fleet = Fleet(
            world.wire,
            world.clock,
            self._recorder,
            host=world.bind,
            advertised=world.target.advertise,
            only_from=world.only_from,
        )
        self._transport = case.transport or world.transport or world.target.sip.offered[0]
        self._phones: dict[str, PhoneAtWork] = {}
        self._saved: dict[str, Any] = {}
        self._api = ApiSession(world, self._recorder, case.over, self._label)
        own = case.scenario.isolation != "case"
        self._tenancy = Tenancy(world.target, self._api.prepare, self._rng, self._label, create_accounts=own, keep=keep)
        self._watching = Watch(
            self._recorder,
            self._api,
            self._phones,
            self._rng,
            self._habits,
            lag_of=self._declared_lag,
            variables=self._variables,
            presentity=self._presentity,
            claim=self._claim,
        )
        self._loads = Loads(self._recorder, world, self._phones)
        self._phone_steps = PhoneSteps(
            self._recorder,
            self._phones,
            self._watching,
            variables=self._variables,
            presentity=self._presentity,
            claim=self._claim,
        )

    async def run(self) -> None:
        """Run everything and clean up; what went wrong is in the Record. Cancelling cleans up, too."""
        self._open()
        error: dict[str, str] | None = None
        stopped: BaseException | None = None
        try:
            if self.case.scenario.profiles and self._profile not in self.case.scenario.profiles:
                raise NotOffered(f"it is about {', '.join(self.case.scenario.profiles)}, not about {self._profile}")
            if self.case.api in self._habits.gone and not self.case.scenario.profiles:
                raise NotOffered(f"{self._profile} has no API {self.case.api} any more")
            if missing := lacking(self.case.scenario.needs, self._profile, self.case.api):
                raise Unsupported(f"{self._profile} has no {', no '.join(missing)} under {self.case.api}")
            if self.case.scenario.takes > self._patience_s:
                raise NotOffered(f"it waits for {self.case.scenario.takes:g} s: --slow runs it, --time virtual too")
            await self._play()
        except asyncio.CancelledError as problem:
            stopped, error = problem, {"kind": "interrupted", "message": "interrupted"}
        except NotOffered as problem:
            error = {"kind": "skipped", "message": problem.message}
        except Unsupported as problem:
            error = {"kind": "unsupported", "message": problem.message}
        except (CannotPrepare, TargetUnavailable, ApiFailure) as problem:
            error = {"kind": "target", "message": problem.message}
        except Abandoned as problem:
            error = {"kind": "abandoned", "message": problem.message}
        except templates.TemplateProblem as problem:
            # every template was tried before the run: what does not fit now is what the target has answered
            error = {"kind": "target", "message": str(problem)}
        except RingproofError as problem:
            error = {"kind": "harness", "message": problem.message}
        except OSError as problem:
            error = {"kind": "harness", "message": f"{type(problem).__name__}: {problem}"}
        except Exception as problem:
            # the disk is full, or a bug of ours: take away what was made, then say so
            stopped, error = problem, {"kind": "harness", "message": f"{type(problem).__name__}: {problem}"}
        self._recorder.forgive()
        self._recorder.write("end", error=error)
        await self._clean_up()
        if stopped is not None:
            raise stopped
        self._recorder.complain()

    async def _play(self) -> None:
        """Prepare, and carry out all steps."""
        await self._set_up()
        await self._run_steps(tuple(at for at in self._included if "." not in at.number))
        await self._loads.finish()

    def _has(self, step: Step) -> bool:
        """Whether the expected Kazoo has what a step needs."""
        api = step.api if isinstance(step, Request) and step.api else self.case.api
        return not lacking(step.needs, self._profile, api)

    def _open(self) -> None:
        clauses = [
            {
                "id": name,
                "statement": clause.statement,
                "source": clause.source,
                "level": clause.level,
                "unclear": clause.unclear,
                "encrypted": clause.encrypted,
                "standing": clause.standing(self._profile, self.case.api),
                "known": clause.known(self._profile, self.case.api),
            }
            for name, clause in self.case.clauses().items()
        ]
        self._recorder.write(
            "case",
            label=self._label,
            file=shown(self.case.file),
            title=self.case.scenario.title,
            why=self.case.scenario.why,
            again=self._selector(),
            matrix=dict(self.case.matrix),
            clauses=clauses,
            plan=self._plan(),
            encrypted=self._world.encrypted if self.case.over == "https" or self._transport.encrypted else None,
        )

    def _selector(self) -> list[str]:
        """What `ringproof run` has to be told for this case alone."""
        return selector_of(self.case)

    def _plan(self) -> list[dict[str, Any]] | None:
        """The claims to come; None when only the test knows them."""
        return list(self._planned())

    def _planned(self) -> Iterator[dict[str, Any]]:
        for at in self._included:
            step = at.step
            claims = isinstance(step, Register | Unregister | Move | Subscribe | Unsubscribe | Claiming)
            if claims or isinstance(step, Reset | Sync) or (isinstance(step, Request) and step.reply is not None):
                for claim in claim_ids(at).values():
                    yield {"claim": claim, "step": at.number, "text": at.text, "clauses": self._clauses(step)}

    def _clauses(self, step: Step) -> list[str]:
        """What a claim speaks about. A registration or subscription that names no clause is a precondition of all."""
        applicable = list(self.case.clauses())
        if isinstance(step, Register | Unregister | Move | Subscribe | Unsubscribe | Reset | Sync) or (
            "clauses" in step.model_fields_set
        ):
            return [name for name in clauses_of(step) if name in applicable]
        return applicable

    def _declared_lag(self, at: StepAt) -> float | None:
        known = self.case.clauses()
        return max((lag for name in self._clauses(at.step) if (lag := known[name].lag) is not None), default=None)

    # preparation and cleaning up

    async def _set_up(self) -> None:
        for name, which in ACCOUNTS.items():
            if which == "own" or self.case.uses & {name, which}:
                await self._tenancy.account(which)
        if "user" in self.case.uses and self._world.target.user is None:
            raise NotOffered(f"target {self._world.target.name} names no user")
        if self.case.scenario.phones:
            # before anything is made on the target
            self._world.edge(self._transport)
        for name, spec in set_up_order(self.case.scenario.phones):
            await self._set_up_phone(name, spec)
        for number, members in groups_of(self.case.scenario.phones).items():
            devices = [(self._phones[name].device, spec.rings) for name, spec in members]
            await self._tenancy.create_ring_group(devices, str(templates.fill(number, self._variables())))

    async def _set_up_phone(self, name: str, spec: PhoneSpec) -> None:
        if spec.trunk is not None:
            account = await self._tenancy.account(spec.account)
            device = Device(account, "", Identity(name, "", self._world.target.advertise or self._world.bind), {}, {})
        elif spec.device_of:
            device = self._phones[spec.device_of].device
        else:
            fields = templates.fill(spec.device, self._variables())
            device = await self._tenancy.create_device(name, fields, spec.account)
        # carriers speak UDP, whatever the phones do
        transport = Transport.UDP if spec.trunk is not None else self._transport
        identity = device.identity
        if spec.password is not None:
            password = templates.fill(spec.password, self._variables())
            identity = Identity(identity.username, password, identity.realm)
        kind = personality_of(spec.personality, self.case.file)
        if spec.outbound is not None:
            kind = replace(kind, outbound=spec.outbound)
        running = self._fleet.add(
            name,
            identity,
            edge=self._world.edge(transport),
            other_edges=self._world.other_edges.get(transport, ()),
            rng=random.Random(f"{self._rng.getrandbits(64)}"),
            call_id_prefix=f"{self._label}-{name}-",
            refusals={method: None if s == "silence" else int(s) for method, s in spec.answers.items()},
            tone=_LOWEST_TONE_HZ + _TONE_STEP_HZ * len(self._phones),
            transport=transport,
            personality=kind,
        )
        at_work = PhoneAtWork(running, device, is_trunk=spec.trunk is not None)
        self._phones[name] = at_work
        self._introduce(name)
        if spec.on_call is not None:
            running.calls_policy = self._phone_steps.policy_of(name, spec.on_call)
        if spec.trunk is not None:
            await self._tenancy.create_trunk(device.account, running.phone.local, spec.trunk)
        elif spec.extension is not None:
            numbers = [str(templates.fill(number, self._variables())) for number in spec.extension]
            await self._tenancy.create_extension(device, numbers, spec.rings)
            at_work.extension = tuple(numbers)

    def _introduce(self, name: str) -> None:
        """Record who a phone is, again when its calls show elsewhere from now on."""
        at_work = self._phones[name]
        self._recorder.write(
            "phone",
            phone=name,
            aor=at_work.device.identity.aor,
            contact=format_address(at_work.running.phone.local),
            device=at_work.device.id,
            presentity=at_work.device.presentity,
            tone=at_work.running.tone,
        )

    async def _leave(self) -> list[str]:
        """End the calls of the phones, and take their devices away. Returns what could not be removed."""
        await self._phone_steps.leave()
        return await self._tenancy.remove()

    async def _clean_up(self) -> None:
        self._loads.close()
        removal = asyncio.ensure_future(self._leave())
        interrupted = False
        while not removal.done():
            try:
                await asyncio.wait([removal])
            except asyncio.CancelledError:
                # an interrupt while we clean up: nothing may stay behind
                interrupted = True
        # to the last somebody is there to answer: nothing is repeated into the void, where another phone may come to be
        self._fleet.close()
        for each in removal.result():
            self._recorder.write("left", what=each)
        for path in self._tenancy.kept:
            self._recorder.write("kept", what=self._api.url(path))
        if interrupted:
            raise asyncio.CancelledError

    # steps

    def _variables(self) -> dict[str, Any]:
        version = self.case.api
        variables: dict[str, Any] = {
            "api": version,
            "over": self.case.over,
            "transport": self._transport.value,
            "run": self._run_id,
            "saved": self._saved,
        }
        for name, at_work in self._phones.items():
            variables[name] = self._phone_variables(name, at_work, version)
        for name, which in ACCOUNTS.items():
            account = self._tenancy.known(which)
            if account is not None:
                parts = {"id": account.id, "realm": account.realm, "url": f"/{version}/accounts/{account.id}"}
                variables[name] = templates.Namespace(name, parts)
        if self._world.target.user is not None:
            variables["user"] = templates.Namespace("user", self._world.target.user.parts())
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
            "address": format_address(phone.local),
            "document": device.document,
            "presence": device.presentity,
            "extension": at_work.number,
        }
        return templates.Namespace(name, parts)

    async def _run_steps(self, steps: tuple[StepAt, ...]) -> None:
        waiting: list[StepAt] = []
        for at in steps:
            if isinstance(at.step, Claiming):
                waiting.append(at)
                continue
            await self._watching.watch(waiting)
            waiting = []
            await self._step(at)
        await self._watching.watch(waiting)

    async def _step(self, at: StepAt) -> ApiAnswer | None:
        """Carry out one step that is no claim; the reply to a request is returned."""
        step, answer = at.step, None
        said = {"step": at.number, "line": at.position.line, "text": at.text}
        said |= {"stimulus": not isinstance(step, QUIET)}
        self._recorder.write("step", **said, phase="start")
        self._recorder.waits(at.text, self._recorder.now + step.wait if isinstance(step, Wait) else None)
        if await self._phone_steps.run(at):
            pass
        elif isinstance(step, Register):
            await self._register(at, step)
        elif isinstance(step, Unregister):
            await self._registration(at, step.unregister, "unregistered", None, "unregister")
        elif isinstance(step, Move):
            await self._registration(at, step.move, "registered", None, "move")
        elif isinstance(step, Control):
            await together(self._watching.control(name) for name in step.control)
        elif isinstance(step, Request):
            answer = await self._request(at, step)
        elif isinstance(step, Sync | Reset):
            if (request := asked(step, self._profile, self.case.api)) is None:
                raise Unsupported(f"{self._profile} has no way to reset the presence of a device")
            answer = await self._request(at, request)
            self._succeeded(at)
        elif isinstance(step, Load):
            self._loads.start(at, step.load)
        elif isinstance(step, Wait):
            await asyncio.sleep(step.wait)
        elif isinstance(step, Expire):
            await together(self._expire(name) for name in step.expire)
        elif isinstance(step, Mark):
            self._recorder.write("mark", name=step.mark)
        elif isinstance(step, Send):
            data, remote = craft(step.send, self._variables())
            self._phones[step.send.phone].running.send(data, remote)
        elif isinstance(step, Lose | Restart):
            await meddle(step, self._world.target, self._api, self._tenancy, self._presentity)
        elif isinstance(step, Create):
            for name in step.create:
                await self._tenancy.create(self._phones[name].device)
        elif isinstance(step, Parallel):
            inner = [each for each in self._included if each.number.rpartition(".")[0] == at.number]
            await together(
                self._watching.watch([each]) if isinstance(each.step, Claiming) else self._step(each) for each in inner
            )
        self._recorder.write("step", **said, phase="end")
        return answer

    def _claim(self, at: StepAt, kind: str, spec: dict[str, Any], claim_id: str = "") -> Claim:
        """Record a claim of a step, under its number unless it has an id of its own, and return it."""
        claim_id = claim_id or at.number
        self._recorder.write(
            "claim",
            claim=claim_id,
            step=at.number,
            line=at.position.line,
            text=at.text,
            type=kind,
            clauses=self._clauses(at.step),
            spec=spec,
        )
        return self._recorder.judge.claim(claim_id)

    def _presentity(self, of: str) -> str:
        """The URI that a phone's name or a template stands for."""
        return self._phones[of].device.presentity if of in self._phones else str(templates.fill(of, self._variables()))

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
                await together(act(self._phones[name].running) for name in names)
        except TimeoutError:
            self._recorder.write("expired", claim=at.number)
        self._succeeded(at)

    def _succeeded(self, at: StepAt) -> None:
        """Go on behind a step that names no clause only where it did what it had to. Raises CannotPrepare."""
        claim = self._recorder.judge.claim(at.number)
        if not claim.clauses and claim.state is not State.MET:
            # a precondition: what would follow proves nothing about what the case is for
            raise CannotPrepare(f"step {at.number} ({at.text}) did not succeed: {claim.why}")

    async def _expire(self, name: str) -> None:
        running, now = self._phones[name].running, self._recorder.now
        watched = self._phone_steps.watched_until(name)
        left = running.seconds_registered() if watched is None else watched - now
        if left > self._patience_s:
            raise NotOffered(f"{name} was granted {left:.0f} s: --slow waits for their end, --time virtual too")
        if left > _LONGEST_EXPIRY_S:
            raise Unsupported(f"what {name} has was granted for {left:.0f} s: too long to wait for its end")
        what = "registration" if watched is None else "subscription"
        self._recorder.waits(f"the end of {name}'s {what}", now + left)
        if watched is None:
            await running.expired()
            left = 0.0
        # the server's clock began a little later than the phone's
        await asyncio.sleep(left + _EXPIRY_MARGIN_S)

    async def _request(self, at: StepAt, step: Request) -> ApiAnswer:
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
        identifier = self._api.identifier(at.number)
        variables["request_id"] = identifier
        if step.reply is not None:
            self._claim(at, "reply", reply_spec(step.reply, identifier, variables))
        url = self._api.url(path)
        body = body_of(step, variables)

        async def exchange() -> ApiAnswer:
            for _ in range(step.times - 1):
                again = self._api.identifier(at.number)
                sent = await self._api.exchange(method, url, list(headers), body, "repeated", at.number, again)
                if sent.status == step.until:
                    break
            answer = await self._api.exchange(method, url, headers, body, "stimulus", at.number, identifier)
            self._after(method, path, token, answer, parsed(answer.body))
            return answer

        answer = await self._tenancy.finish(exchange())
        reply = parsed(answer.body)
        for name, dotted in step.save.items():
            value = look_up(reply, dotted)
            if value is ABSENT:
                raise CannotPrepare(
                    f"step {at.number}: the reply has no {dotted} to save: {answer.status} {show(reply)}"
                )
            self._saved[name] = value
        return answer

    async def _token(self, step: Request, variables: dict[str, Any]) -> str | None:
        if step.token is None or step.token == "none":
            return None
        if step.token in ("own", "other", "parent", "child"):
            return (await self._tenancy.account(step.token)).token
        return str(templates.fill(step.token, variables))

    def _after(self, method: str, path: str, token: str | None, answer: ApiAnswer, reply: Any) -> None:
        """Follow what a step has done to our devices: their documents, and what has to be taken away again."""
        document = reply.get("data") if isinstance(reply, dict) else None
        if not 200 <= answer.status < 300 or not isinstance(document, dict):
            return
        for name, at_work in self._phones.items():
            if document.get("id") == at_work.device.id and method in ("POST", "PATCH", "GET"):
                before = at_work.device.presentity
                at_work.device.document = document
                if at_work.device.presentity != before:
                    self._introduce(name)
        own = self._tenancy.known("own")
        rest = path.partition("?")[0].strip("/").split("/")[1:]
        if method == "PUT" and rest[:1] == ["accounts"] and isinstance(document.get("id"), str):
            # PUT on an account makes one below it, PUT on a collection one of its items
            where = "accounts" if len(rest) == 2 else "/".join(rest)
            self._tenancy.adopt(f"/v2/{where}/{document['id']}", token or (own.token if own else ""))
