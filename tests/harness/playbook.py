"""A case told as events: what the engine would have written, by hand, for the judge."""

from __future__ import annotations

from typing import Any

from harness.judge import CaseJudge
from harness.verdicts import CaseVerdict, Verdict
from phones.rtp import RtpPacket, tone
from phones.sip.message import request, response

NEW, OLD = "127.0.0.1:5001", "127.0.0.1:5000"
"""Contacts of a phone: now, and before it moved."""

SERVER = "127.0.0.1:4000"
"""Where a server sends sound from."""

DESK = "sip:desk@r"
"""Whom a watcher watches, if nothing else is said."""

TONES = {"desk": 400, "lobby": 500, "watcher": 600}
_DIALOGS = {"off": "terminated", "ringing": "early", "busy": "confirmed"}


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


def lamp_notify(
    state: str,
    number: int,
    *,
    call_id: str = "sub-1",
    version: int | None = None,
    over: str = "",
    of: str = DESK,
    dialog: str = "d",
) -> bytes:
    """The NOTIFY number `number` of a subscription to `dialog`, full state; `over` is why the subscription ends."""
    shown = f'<dialog id="{dialog}" call-id="c"><state>{_DIALOGS[state]}</state></dialog>'
    said = f'version="{number if version is None else version}" state="full" entity="{of}"'
    body = f'<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" {said}>{shown}</dialog-info>'
    headers = [each for each in _common("NOTIFY", call_id) if each[0] != "CSeq"] + [
        ("CSeq", f"{number} NOTIFY"),
        ("Event", "dialog"),
        ("Subscription-State", f"terminated;reason={over}" if over else "active;expires=600"),
        ("Content-Type", "application/dialog-info+xml"),
    ]
    return request("NOTIFY", "sip:watcher@127.0.0.1:5001", headers, body.encode())


def subscribe_request(*, call_id: str = "sub-1", of: str = DESK, event: str = "dialog") -> bytes:
    """A SUBSCRIBE as a phone sends it."""
    headers = [each for each in _common("SUBSCRIBE", call_id) if each[0] != "To"]
    return request("SUBSCRIBE", of, [*headers, ("To", f"<{of}>"), ("Event", event)])


def in_call(method: str, call_id: str = "call-1", *, who: str = "lobby") -> bytes:
    """A request of a call."""
    return request(method, "sip:desk@127.0.0.1:5001", _common(method, call_id, f"<sip:{who}@r>;tag=1"))


def answered(to: bytes, status: int) -> bytes:
    """The response to a request."""
    from phones.sip.index import Message

    return response(Message.parse(to), status)


def sound(hertz: int, number: int = 0, *, payload_type: int = 0) -> bytes:
    """An RTP packet of a tone."""
    return bytes(RtpPacket(payload_type, number, 160 * number, 1, False, tone(hertz, 160 * number)))


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
        self._notifies: dict[str, int] = {}
        for phone in TONES:
            self.phone(phone)

    def _write(self, kind: str, data: bytes = b"", **fields: Any) -> int:
        n = len(self.events)
        self.events.append(({"n": n, "t": self.t, "kind": kind, "case": "a/one", **fields}, data))
        return n

    def phone(self, phone: str, *, presentity: str | None = None, contact: str = NEW) -> Play:
        """Who a phone is."""
        aor = f"sip:{phone}@r"
        said: dict[str, Any] = {"aor": aor, "contact": contact, "device": "d", "tone": TONES[phone]}
        self._write("phone", phone=phone, presentity=presentity or aor, **said)
        return self

    def wait(self, seconds: float) -> Play:
        """Let time pass."""
        self.t = round(self.t + seconds, 6)
        return self

    def message(
        self,
        data: bytes,
        *,
        phone: str = "desk",
        seen: str = "new",
        contact: str = "current",
        direction: str = "in",
        fault: str = "",
        after: float = 0.0,
    ) -> int:
        """A message at a phone; with `fault` its network did something to it, `after` seconds before it went on."""
        local = OLD if contact == "former" else NEW
        first = data.partition(b"\r\n")[0].decode("utf-8", "replace")
        said = {"phone": phone, "seen": seen, "contact": contact, "direction": direction, "local": local}
        more = {"fault": fault, "after": after} if fault else {}
        return self._write("message", data, **said, **more, remote="r", at=0, first=first)

    def step(self, *, stimulus: bool = True, name: str = "0", phase: str = "end") -> Play:
        """A step that acts has ended."""
        self._write("step", step=name, line=1, text="x", phase=phase, stimulus=stimulus)
        return self

    def mark(self) -> Play:
        """A new window."""
        self._write("mark", name="m")
        return self

    def lag(self, seconds: float) -> Play:
        """Our own loop was late."""
        self._write("lag", seconds=seconds)
        return self

    def control(
        self,
        *,
        phone: str = "desk",
        contact: str = NEW,
        arrives: bool = True,
        latency: float = 0.01,
        seen: str = "new",
        at: str = "current",
    ) -> Play:
        """A control, with its NOTIFY."""
        self._write("control", phone=phone, contact=contact, state="started", token="", of="")
        self.wait(latency)
        n = self.message(notify(call_id="control"), phone=phone, seen=seen, contact=at) if arrives else None
        state = "arrived" if arrives else "missed"
        said: dict[str, Any] = {"contact": contact, "state": state, "token": "", "of": ""}
        self._write("control", phone=phone, **said, message=n, latency=latency)
        return self

    def fence(
        self, *, phone: str = "desk", contact: str = NEW, arrives: bool = True, seen: str = "new", at: str = "current"
    ) -> Play:
        """A fence, with its INVITE."""
        self._tokens += 1
        token = f"90000{self._tokens}"
        self._write("fence", phone=phone, contact=contact, state="started", token=token, of="")
        self.wait(0.01)
        n = self.message(invite(token), phone=phone, seen=seen, contact=at) if arrives else None
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
            "subscription": {
                "phones": ["watcher"],
                "presentity": DESK,
                "event": "dialog",
                "outcome": "active",
                "status": None,
            },
            "lamp": {
                "phone": "watcher",
                "presentity": DESK,
                "of": "desk",
                "event": "dialog",
                "how": "goes",
                "closes": spec.get("how") != "becomes",
                "truth": None,
                "within": 2.0,
                "lag": None,
            },
            "laws": {"phone": "watcher", "closes": True, "within": 2.0, "lag": None},
            "state": {"phone": "desk", "closes": False, "within": 2.0, "lag": None},
            "hear": {"phone": "lobby", "other": "desk", "closes": False, "within": 2.0, "lag": None},
            "order": {"closes": False, "within": 2.0, "lag": None},
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

    def goes(self, *states: str, name: str = "1", **spec: Any) -> Play:
        """Claim that the lamp shows this and no more."""
        return self.claim(name, "lamp", goes=list(states), **spec)

    def stays(self, state: str, name: str = "1", **spec: Any) -> Play:
        """Claim that the lamp shows this alone."""
        return self.claim(name, "lamp", how="stays", goes=[state], **spec)

    def becomes(self, state: str, name: str = "1", **spec: Any) -> Play:
        """Claim that the lamp shows this at last."""
        return self.claim(name, "lamp", how="becomes", goes=[state], **spec)

    def order(self, *lines: str | tuple[str, dict[str, Any]], name: str = "1", **spec: Any) -> Play:
        """Claim that `desk receives INVITE` and so on pass in this order."""
        said = []
        for line in lines:
            text, where = (line, {}) if isinstance(line, str) else line
            phone, way, what = text.split()
            said.append({"phone": phone, "way": way, "what": what, "where": where})
        return self.claim(name, "order", order=said, **spec)

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

    # what watchers see

    def shows(
        self,
        state: str,
        *,
        phone: str = "watcher",
        call_id: str = "sub-1",
        number: int | None = None,
        version: int | None = None,
        over: str = "",
        seen: str = "new",
        contact: str = "current",
        answer: int = 200,
        fault: str = "",
        after: float = 0.0,
    ) -> int:
        """A NOTIFY in which the lamp is `state`, the next of its subscription, and the answer of the phone.

        With `seen` lost or held the phone's network keeps it, and there is no answer.
        """
        number = self._notifies.get(call_id, 0) + 1 if number is None else number
        self._notifies[call_id] = max(self._notifies.get(call_id, 0), number)
        data = lamp_notify(state, number, call_id=call_id, version=version, over=over)
        kept = seen in ("lost", "held")
        n = self.message(data, phone=phone, seen=seen, contact=contact, fault=seen if kept else fault, after=after)
        if answer and contact == "current" and not kept:
            kind = "retransmission" if seen == "retransmission" else "new"
            self.message(answered(data, answer), phone=phone, direction="out", seen=kind)
        return n

    def subscription(
        self,
        state: str,
        status: int = 0,
        *,
        phone: str = "watcher",
        call_id: str = "sub-1",
        of: str = DESK,
        event: str = "dialog",
        reason: str = "",
        message: int | None = None,
    ) -> Play:
        """A subscription went to another state; by a response, where it has a status."""
        if status:
            message = self.message(
                answered(subscribe_request(call_id=call_id, of=of, event=event), status), phone=phone
            )
        said: dict[str, Any] = {"state": state, "status": status, "reason": reason, "expires": 600, "message": message}
        self._write("subscription", phone=phone, call_id=call_id, presentity=of, event=event, **said)
        return self

    def subscribe(
        self,
        shows: str = "off",
        *,
        phone: str = "watcher",
        call_id: str = "sub-1",
        of: str = DESK,
        event: str = "dialog",
        status: int = 200,
        seen: str = "new",
        contact: str = "current",
        latency: float = 0.01,
    ) -> Play:
        """A phone subscribes, or refreshes that, and is sent a NOTIFY, unless `shows` is ''. A control rests on it."""
        self._write("control", phone=phone, contact=NEW, state="started", token="", of=of.lower())
        data = subscribe_request(call_id=call_id, of=of, event=event)
        self.message(data, phone=phone, direction="out")
        self.wait(latency)
        self.subscription("active" if status < 300 else "refused", status, phone=phone, call_id=call_id, of=of)
        n = None
        if shows:
            n = self.shows(shows, phone=phone, call_id=call_id, seen=seen, contact=contact)
        arrived = n is not None and (seen, contact) == ("new", "current")
        said: dict[str, Any] = {"contact": NEW, "token": call_id, "of": of.lower(), "latency": latency}
        self._write("control", phone=phone, state="arrived" if arrived else "missed", message=n, **said)
        return self

    # calls

    def call(
        self,
        state: str,
        *,
        phone: str = "desk",
        call_id: str = "call-1",
        status: int = 0,
        reason: str = "",
        data: bytes | None = None,
        alone: bool = False,
    ) -> Play:
        """A call of a phone went to another state, by a message, unless `alone`."""
        method, way = {
            "calling": ("INVITE", "out"),
            "ringing": ("INVITE", "in"),
            "talking": ("ACK", "in"),
            "ended": ("BYE", "in"),
        }[state]
        if not alone:
            self.message(data or in_call(method, call_id), phone=phone, direction=way)
        last = max((e["n"] for e, _ in self.events if e["kind"] == "message" and e["phone"] == phone), default=None)
        said: dict[str, Any] = {"state": state, "status": status, "reason": reason, "peer": "x", "message": last}
        self._write("call", phone=phone, call_id=call_id, way="in", **said)
        return self

    def media(self, data: bytes, *, phone: str = "lobby", direction: str = "in", remote: str = SERVER) -> int:
        """A datagram at the RTP address of a phone, which is NEW whoever it is."""
        return self._write("media", data, phone=phone, direction=direction, local=NEW, remote=remote, at=0)

    def hears(self, hertz: int, packets: int = 20, *, phone: str = "lobby", remote: str = SERVER) -> Play:
        """So many packets of a tone, 20 ms apart."""
        for number in range(packets):
            self.wait(0.02).media(sound(hertz, number), phone=phone, remote=remote)
        return self

    def says(self, packets: int = 20, *, phone: str = "lobby") -> Play:
        """A phone sends so many packets of its tone, 20 ms apart."""
        for number in range(packets):
            self.wait(0.02).media(sound(TONES[phone], number), phone=phone, direction="out")
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

    def rests(self) -> None:
        """See that it passes, and that it does not without any one event of those that decided it."""
        verdict = self.judged()
        assert verdict.verdict is Verdict.PASS, (verdict.reason, verdict.actual)
        assert verdict.decisive
        by_number = {event["n"]: event for event, _ in self.events}
        numbers = set(verdict.decisive)
        numbers |= {by_number[n]["message"] for n in numbers if by_number[n].get("message") is not None}
        for n in numbers:
            assert self.judged(without=n).verdict is not Verdict.PASS, by_number[n]

    @property
    def verdict(self) -> Verdict:
        """The case's verdict."""
        return self.judged().verdict
