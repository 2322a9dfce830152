"""A case told as events: what the engine would have written, by hand, for the judge."""

from __future__ import annotations

from typing import Any

from harness.judge import CaseJudge
from harness.verdicts import CaseVerdict, Verdict
from phones.sip.message import request, response

NEW, OLD = "127.0.0.1:5001", "127.0.0.1:5000"
"""Contacts of a phone: now, and before it moved."""


def notify(event: str = "check-sync", *, call_id: str = "call-1", headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """A NOTIFY as it reaches a phone."""
    return request("NOTIFY", "sip:desk@127.0.0.1:5001", [*_common("NOTIFY", call_id), ("Event", event), *headers])


def registered(status: int) -> bytes:
    """The response that decides a registration."""
    headers = [("Via", "SIP/2.0/UDP h;branch=z9hG4bKr"), ("From", "<sip:a@r>;tag=1"), ("To", "<sip:a@r>;tag=2")]
    lines = [f"SIP/2.0 {status} x", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "Call-ID: reg", "CSeq: 1 REGISTER", "Content-Length: 0", "", ""]).encode()


def invite(token: str) -> bytes:
    """The INVITE of a fence."""
    return request("INVITE", "sip:desk@127.0.0.1:5001", _common("INVITE", f"fence-{token}", f"<sip:{token}@r>;tag=1"))


def answer(status: int) -> bytes:
    """A response to a REGISTER."""
    from phones.sip.index import Message

    return response(Message.parse(request("REGISTER", "sip:r", _common("REGISTER", "reg"))), status)


def _common(method: str, call_id: str, source: str = "<sip:desk@r>;tag=1") -> list[tuple[str, str]]:
    return [
        ("Via", f"SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-{call_id}"),
        ("From", source),
        ("To", "<sip:desk@r>"),
        ("Call-ID", call_id),
        ("CSeq", f"1 {method}"),
    ]


class Play:
    """One case. `plan` maps claims to the clauses that they speak for; without it there is one claim, `1`, for C-1."""

    def __init__(
        self,
        plan: dict[str, list[str]] | None = None,
        *,
        clauses: tuple[str, ...] = ("C-1",),
        level: str = "MUST",
        standing: str = "kept",
        unclear: str = "",
        encrypted: bool | None = None,
        over: str = "http",
        tls_clause: bool = False,
    ) -> None:
        self.plan = {"1": ["C-1"]} if plan is None else plan
        common = {"level": level, "standing": standing, "known": "so it is"}
        known = [
            {"id": each, "statement": f"the promise {each}", "unclear": unclear, "encrypted": False, **common}
            for each in clauses
        ]
        if tls_clause:
            known.append({"id": "TLS-1", "statement": "tls", "unclear": "", "encrypted": True, **common})
        self.events: list[tuple[dict[str, Any], bytes]] = []
        self.t = 1.0
        self._tokens = 0
        self._write(
            "case",
            label="rp-1",
            file="a.yaml",
            title="a",
            matrix={"over": over},
            clauses=known,
            plan=[{"claim": c, "step": c, "text": f"step {c}", "clauses": about} for c, about in self.plan.items()],
            encrypted=encrypted,
        )
        for tone, phone in zip((400, 500, 600), ("desk", "lobby", "watcher"), strict=True):
            aor = f"sip:{phone}@r"
            self._write("phone", phone=phone, aor=aor, contact=NEW, device="d", presentity=aor, tone=tone)

    def _write(self, kind: str, data: bytes = b"", **fields: Any) -> int:
        n = len(self.events)
        self.events.append(({"n": n, "t": self.t, "kind": kind, "case": "a/one", **fields}, data))
        return n

    def wait(self, seconds: float) -> Play:
        """Let time pass."""
        self.t = round(self.t + seconds, 6)
        return self

    def message(
        self, data: bytes, *, phone: str = "desk", seen: str = "new", contact: str = "current", direction: str = "in"
    ) -> int:
        """A message at a phone."""
        local = OLD if contact == "former" else NEW
        first = data.partition(b"\r\n")[0].decode("utf-8", "replace")
        said = {"phone": phone, "seen": seen, "contact": contact, "direction": direction, "local": local}
        return self._write("message", data, **said, remote="r", at=0, first=first)

    def step(self, *, stimulus: bool = True, name: str = "0") -> Play:
        """A step that acts has ended."""
        self._write("step", step=name, line=1, text="x", phase="end", stimulus=stimulus)
        return self

    def mark(self) -> Play:
        """A new window."""
        self._write("mark", name="m")
        return self

    def lag(self, seconds: float) -> Play:
        """Our own loop was late."""
        self._write("lag", seconds=seconds)
        return self

    def control(self, *, phone: str = "desk", contact: str = NEW, arrives: bool = True, latency: float = 0.01) -> Play:
        """A control, with its NOTIFY."""
        self._write("control", phone=phone, contact=contact, state="started", token="", of="")
        self.wait(latency)
        n = self.message(notify(call_id="control"), phone=phone) if arrives else None
        state = "arrived" if arrives else "missed"
        said: dict[str, Any] = {"contact": contact, "state": state, "token": "", "of": ""}
        self._write("control", phone=phone, **said, message=n, latency=latency)
        return self

    def fence(self, *, phone: str = "desk", contact: str = NEW, arrives: bool = True) -> Play:
        """A fence, with its INVITE."""
        self._tokens += 1
        token = f"90000{self._tokens}"
        self._write("fence", phone=phone, contact=contact, state="started", token=token, of="")
        self.wait(0.01)
        n = self.message(invite(token), phone=phone) if arrives else None
        state = "arrived" if arrives else "missed"
        said: dict[str, Any] = {"contact": contact, "state": state, "token": token, "of": ""}
        self._write("fence", phone=phone, **said, message=n, latency=0.01)
        return self

    def request(self, role: str = "stimulus", *, identifier: str = "r-1") -> Play:
        """An API call goes out."""
        self._write("request", id=identifier, role=role, step="0", method="POST", url="u", headers=[], body="")
        return self.wait(0.01)

    def reply(
        self,
        status: int = 200,
        body: str = '{"data": {"id": "x"}}',
        *,
        role: str = "stimulus",
        identifier: str = "r-1",
        headers: tuple[tuple[str, str], ...] = (),
        tls: dict[str, Any] | None = None,
    ) -> Play:
        """Its reply."""
        self._write(
            "reply",
            id=identifier,
            role=role,
            step="0",
            status=status,
            headers=[list(each) for each in headers],
            body=body,
            tls=tls,
            error=None,
        )
        return self

    def failure(self, kind: str = "unreachable", *, alive: tuple[str, ...] = (), role: str = "stimulus") -> Play:
        """No reply."""
        error = {"kind": kind, "message": "cannot connect", "alive": list(alive)}
        self._write("reply", id="r-1", role=role, step="0", error=error)
        return self

    def stimulus(self) -> Play:
        """An API call and its reply."""
        return self.request().reply()

    def claim(self, name: str = "1", kind: str = "wire", **spec: Any) -> Play:
        """Open a claim; for `wire` the claim that one check-sync comes, if `spec` says nothing else."""
        defaults: dict[str, dict[str, Any]] = {
            "wire": {
                "phone": "desk",
                "what": "NOTIFY",
                "where": {"Event": {"starts": "check-sync"}},
                "least": 1,
                "most": None,
                "closes": spec.get("most") is not None,
                "within": 2.0,
                "lag": None,
                "distinct": None,
            },
            "reply": {"id": "r-1", "status": [200], "json": {}, "headers": {}, "body": None},
            "registration": {"phones": ["desk"], "outcome": "registered", "status": None},
        }
        said = {**defaults[kind], **spec}
        about = self.plan.get(name, [])
        self._write("claim", claim=name, step=name, line=1, text=f"step {name}", type=kind, clauses=about, spec=said)
        return self

    def never(self, name: str = "1", **spec: Any) -> Play:
        """Claim that no check-sync comes."""
        return self.claim(name, least=0, most=0, **spec)

    def exactly(self, count: int, name: str = "1", **spec: Any) -> Play:
        """Claim that so many check-syncs come."""
        return self.claim(name, least=count, most=count, **spec)

    def expired(self, name: str = "1") -> Play:
        """The time to arrive in is over."""
        self._write("expired", claim=name)
        return self

    def closed(self, name: str = "1") -> Play:
        """The engine thinks that the count can be closed."""
        self._write("closed", claim=name)
        return self

    def registration(self, state: str, status: int = 200, *, phone: str = "desk", contact: str = NEW) -> Play:
        """A phone's registration changed; by a response, unless `status` is 0."""
        n = self.message(answer(status), phone=phone) if status else None
        said: dict[str, Any] = {
            "state": state,
            "status": status,
            "reason": "x",
            "expires": 0,
            "contact": contact,
            "message": n,
        }
        self._write("registration", phone=phone, **said)
        return self

    def end(self, kind: str = "", message: str = "") -> Play:
        """The case ends."""
        self._write("end", error={"kind": kind, "message": message} if kind else None)
        return self

    def judged(self, *, without: int | None = None) -> CaseVerdict:
        """What the judge says, perhaps without one event."""
        judge = CaseJudge(self.events[0][0])
        for event, data in self.events[1:]:
            if event["n"] != without:
                judge.feed(event, data)
        return judge.verdict()

    @property
    def verdict(self) -> Verdict:
        """The case's verdict."""
        return self.judged().verdict
