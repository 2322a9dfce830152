"""The part of a phone that registers: sends REGISTER and reads its answers (RFC 3261 10, 22)."""

from __future__ import annotations

import functools
import re

from phones.effects import Changed, KeepAlive
from phones.line import ALLOW, IN_TROUBLE, Line
from phones.negotiation import Negotiation, retry_after, seconds
from phones.redirecting import Redirection
from phones.registration import REGISTRATION
from phones.sip.index import Message
from phones.sip.machine import Duration, Machine
from phones.sip.message import request
from phones.sip.template import Template, hole
from phones.sip.transactions import AckFor, Answer, TimedOut

_EXPIRES = re.compile(r";\s*expires\s*=\s*\"?([0-9]+)", re.IGNORECASE)


@functools.lru_cache
def _form(credentials: int, outbound: bool) -> Template:
    """A REGISTER with so many headers of credentials."""
    headers = [
        ("Via", hole("via")),
        ("Max-Forwards", "70"),
        ("From", f"<{hole('aor')}>;tag={hole('tag')}"),
        ("To", f"<{hole('aor')}>"),
        ("Call-ID", hole("call_id")),
        ("CSeq", f"{hole('cseq')} REGISTER"),
        ("User-Agent", hole("agent")),
        ("Allow", ALLOW),
        ("Contact", hole("contact")),
        ("Expires", hole("expires")),
    ]
    if outbound:
        headers.append(("Supported", "outbound, path"))
    headers += [(hole(f"header_{number}"), hole(f"credentials_{number}")) for number in range(credentials)]
    return Template(request("REGISTER", hole("registrar"), headers))


def _has(value: str, contact: str) -> bool:
    """Whether `contact` stands in a value, and is not only the beginning of one with a longer port."""
    at = value.find(contact)
    while at >= 0:
        if not "0" <= value[at + len(contact) :][:1] <= "9":
            return True
        at = value.find(contact, at + 1)
    return False


class Registering:
    """The registration of one phone, one after the other, all in the same Call-ID."""

    __slots__ = (
        "_answer", "_call_id", "_cseq", "_expires", "_granted", "_kept", "_key", "_line", "_moved", "_negotiation",
        "_redirection", "_refreshing", "_silence", "_tag", "_target", "_waits", "lapsed", "machine", "moved",
    )  # fmt: skip

    def __init__(self, line: Line) -> None:
        self._line = line
        self._call_id = line.new_call_id()
        self._tag = line.token()
        self._negotiation = Negotiation(line.identity, line.token)
        self._redirection: Redirection | None = None
        self._target: str | None = None
        self._moved: str | None = None
        self._cseq = 0
        self._expires = line.personality.expires
        self._granted = 0
        self._refreshing = True
        self._key = ""
        self._answer: tuple[int, str] | None = None
        self._silence = ""
        self._kept = False
        self._waits = False
        self.moved = False
        """Whether it is at another edge than before, which knows nothing of us."""
        self.lapsed = False
        """Whether the registration was lost, or may be, without anybody having wished that."""
        self.machine = Machine(REGISTRATION, self, 0.0)

    @property
    def state(self) -> str:
        """idle, trying, registered, refreshing or leaving."""
        return self.machine.state

    def __getitem__(self, timer: str) -> Duration:
        """The durations of the machine: they follow what was granted."""
        return lambda _: self._refresh_after() if timer == "refresh" else float(self._granted)

    def _refresh_after(self) -> float:
        # a fifth of the interval is left for the attempt and its retransmissions; without refresh it never comes
        return self._granted * 0.8 if self._refreshing else float("inf")

    def register(self, now: float, expires: int | None, refresh: bool) -> None:
        """Register, or refresh an existing registration. `expires` in seconds stays for the refreshes."""
        self._expires = self._expires if expires is None else expires
        self._refreshing = refresh
        self.fire("register", now)

    def begin_anew(self) -> None:
        """Go on in another Call-ID, as a phone does that has been switched on."""
        self._call_id, self._tag, self._cseq = self._line.new_call_id(), self._line.token(), 0
        self._negotiation = Negotiation(self._line.identity, self._line.token)

    def fire(self, wish: str, now: float) -> None:
        """Take a wish or a timer: whatever comes of it begins to count its tries anew."""
        if wish == "unregister":
            self._kept = self.lapsed = False
        self._negotiation.restart()
        self._target, self._redirection = self._moved, None
        self._fire(wish, now)

    def _heard(self, output: Answer | TimedOut | AckFor, now: float) -> None:
        if isinstance(output, TimedOut):
            self._answer, self._silence = None, output.reason
            if self._follow(0):
                self._fire("again", now)
            else:
                self._fire("elsewhere" if self._turns(0, output.reason) else "timeout", now)
        elif isinstance(output, Answer):
            self._on_response(output.message, now)

    def _on_response(self, message: Message, now: float) -> None:
        if message.status < 200:
            return
        self._answer = (message.status, message.reason)
        outbound = self._line.outbound
        if message.status == 503 and self._turns(503, message.reason):
            if self._line.transport.reliable:
                # what is asked next is asked on a connection that leads there
                self._waits = True
                return
            event = "elsewhere"
        elif outbound is not None and outbound.judge(message):
            event = "interval"
        elif message.status < 300:
            self._negotiation.accepted(message)
            self._granted = self._granted_by(message)
            event = "accepted" if self._granted else "removed"
        elif message.status in (401, 407):
            event = self._negotiation.judge_challenge(message)
        elif message.status == 423:
            event = self._judge_interval(message)
        elif self._follow(message.status, message):
            self._negotiation.restart()
            event = "again"
        else:
            if message.status == 503:
                self._line.not_before = now + (retry_after(message) or 0)
            event = "rejected"
        self._fire(event, now)

    def _turns(self, status: int, reason: str) -> bool:
        """Whether there is another edge to be asked (RFC 3263 4.3). Nobody takes leave of who did not know him."""
        if self.state not in ("trying", "refreshing") or not self._line.turn(status, reason):
            return False
        self.moved = True
        self._target = self._moved = None
        return True

    def reconnected(self, now: float) -> None:
        """The way to the next edge is there."""
        if self._waits:
            self._waits = False
            self._negotiation.restart()
            self._fire("elsewhere", now)

    def _follow(self, status: int, message: Message | None = None) -> bool:
        """Go where an answer sends us, if anywhere. What has moved for good is asked there from now on (21.3.2)."""
        if message is not None and 300 <= status < 400:
            self._redirection = self._redirection or Redirection(self._registrar)
        target = self._redirection.follow(status, message) if self._redirection else None
        if target is None:
            self._moved = None
            return False
        self._target = target
        self._moved = target if status == 301 else self._moved
        return True

    @property
    def _registrar(self) -> str:
        """The Request-URI of a REGISTER."""
        return self._target or f"sip:{self._line.identity.realm}"

    def _judge_interval(self, message: Message) -> str:
        """Ask for longer only where that is what the registrar wants, and not for ever (RFC 3261 10.2.8)."""
        wanted = self._negotiation.judge_interval(message, self._expires)
        if wanted is None:
            return "rejected"
        if self.state != "leaving":
            self._expires = wanted
        return "interval"

    def _granted_by(self, message: Message) -> int:
        """Seconds granted to our Contact: its expires parameter, else the Expires header (RFC 3261 10.3)."""
        ours = self._line.contact
        granted = None
        for line in message.all("contact"):
            for value in line.split(","):
                if _has(value, ours) and (match := _EXPIRES.search(value)):
                    granted = seconds(match[1])
        if granted is None:
            granted = seconds(message.get("expires"))
        return self._expires if granted is None else granted

    def _fire(self, event: str, now: float) -> None:
        self._waits = self._waits and event != "unregister"
        for action in self.machine.fire(event, now):
            if action == "send":
                self._send(now, self._expires)
            elif action == "send zero":
                self._send(now, 0)
            elif action == "answer":
                self._send(now, 0 if self.state == "leaving" else self._expires)
            else:
                self._report(action.removeprefix("report "))
        self._line.attached = self.state != "idle"

    def lapse(self) -> None:
        """What the registrar knows of us is lost, or leads nowhere."""
        self.lapsed = self._kept

    def _report(self, state: str) -> None:
        status, reason = self._answer or (0, "")
        expires = self._granted if state == "registered" else 0
        if state == "registered":
            self._kept, self.lapsed = self._refreshing, False
            self._line.edges.settle()
            self._keep_alive()
        elif state == "unanswered" or (state == "refused" and status in IN_TROUBLE):
            self.lapsed = self._kept
        elif state != "expired":
            self._kept = self.lapsed = False
        if self._answer is None or state == "expired":
            self._line.effects.append(Changed(state, reason=self._silence, expires=expires))
            self._silence = ""
        else:
            self._line.effects.append(Changed(state, status, reason, expires))

    def _keep_alive(self) -> None:
        line = self._line
        if line.outbound is not None and line.outbound.granted:
            line.effects.append(KeepAlive(line.outbound.keep_alive_s(line.number(16) / 2**16)))

    def _send(self, now: float, expires: int) -> None:
        self._cseq += 1
        line = self._line
        registrar = self._registrar
        values = {
            "via": line.via(),
            "aor": line.identity.aor,
            "tag": self._tag,
            "call_id": self._call_id,
            "cseq": str(self._cseq),
            "agent": line.personality.agent,
            "contact": f"<{line.contact}>{line.outbound.parameters if line.outbound is not None else ''}",
            "expires": str(expires),
            "registrar": registrar,
        }
        credentials = self._negotiation.credentials("REGISTER", registrar)
        for number, (name, value) in enumerate(credentials):
            values |= {f"header_{number}": name, f"credentials_{number}": value}
        remote = line.edge if self._target is None else line.towards(self._target)
        outbound = line.outbound is not None and line.outbound.offered
        # a forgotten REGISTER that is repeated after this one could undo it
        line.release(self._key)
        self._key = line.request(_form(len(credentials), outbound).render(**values), now, self._heard, remote)
