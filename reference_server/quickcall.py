"""Quickcall, leg A: the device is rung, and the call ends when it answers, for there is no leg B yet."""

from __future__ import annotations

from dataclasses import dataclass

from phones.sip.index import Message
from phones.sip.machine import Machine, Rule, Table
from reference_server.behaviour import AutoAnswer
from reference_server.registrations import Aor, Contact, Registrations
from reference_server.rules import Recipient
from reference_server.runtime import Runtime
from reference_server.wire import METHODS, Relay, assemble, encode

Header = tuple[str, str]

HANG_UP: list[Header] = [
    ("User-Agent", "2600Hz"),
    ("Allow", METHODS),
    ("Supported", "path, replaces"),
    ("Reason", 'Q.850;cause=16;text="NORMAL_CLEARING"'),
]
"""Headers of a BYE, as recorded."""


LEG = Table(
    "quickcall leg A",
    initial="calling",
    final="ended",
    begin=("ring",),
    events=("1xx", "2xx", "3xx-6xx", "no answer", "BYE", "timer ring", "timer linger"),
    rules={
        ("calling", "1xx"): Rule("ringing"),
        ("calling", "2xx"): Rule("answered", ("acknowledge", "hang up"), start=("linger",), stop=("ring",)),
        ("calling", "3xx-6xx"): Rule("ended"),
        ("calling", "no answer"): Rule("ended"),
        # RFC 3261 9.1: a CANCEL must wait for a provisional answer
        ("calling", "timer ring"): Rule("overdue"),
        ("ringing", "2xx"): Rule("answered", ("acknowledge", "hang up"), start=("linger",), stop=("ring",)),
        ("ringing", "3xx-6xx"): Rule("ended"),
        ("ringing", "no answer"): Rule("ended"),
        ("ringing", "timer ring"): Rule("cancelled", ("cancel",), start=("linger",)),
        ("overdue", "1xx"): Rule("cancelled", ("cancel",), start=("linger",)),
        ("overdue", "2xx"): Rule("answered", ("acknowledge", "hang up"), start=("linger",)),
        ("overdue", "3xx-6xx"): Rule("ended"),
        ("overdue", "no answer"): Rule("ended"),
        # the 2xx crossed the CANCEL
        ("cancelled", "2xx"): Rule("answered", ("acknowledge", "hang up"), start=("linger",)),
        ("cancelled", "3xx-6xx"): Rule("ended"),
        ("cancelled", "no answer"): Rule("ended"),
        ("cancelled", "timer linger"): Rule("ended"),
        ("answered", "2xx"): Rule("answered", ("acknowledge",)),
        ("answered", "BYE"): Rule("ended"),
        ("answered", "timer linger"): Rule("ended"),
    },
    ignored=[
        *((state, "1xx") for state in ("ringing", "cancelled", "answered")),
        *((state, "BYE") for state in ("calling", "ringing", "overdue", "cancelled")),
        *((state, "timer linger") for state in ("calling", "ringing", "overdue")),
        *((state, "timer ring") for state in ("overdue", "cancelled", "answered")),
        ("answered", "3xx-6xx"),
        ("answered", "no answer"),
    ],
)
"""What becomes of leg A. There is no leg B yet: an answered call is hung up at once."""

LINGER_S = 32.0
"""How long repeated 2xx answers are still acknowledged, and a cancelled call is waited for: 64 * T1."""


@dataclass(slots=True)
class Leg:
    """One INVITE to a device. `to` gets the phone's tag and `target` its Contact when it answers."""

    aor: Aor
    contact: Contact
    number: str
    call_id: str
    tag: str
    cseq: int
    machine: Machine
    to: str
    target: str
    key: str = ""
    via: str = ""


class Quickcalls:
    """Rings devices and ends what they answer."""

    def __init__(self, runtime: Runtime, registrations: Registrations, relay: Relay) -> None:
        self._runtime = runtime
        self._registrations = registrations
        self._relay = relay
        self._legs: dict[str, Leg] = {}

    def new_call_id(self) -> str:
        """The Call-ID of a leg A: 36 hex digits and a suffix."""
        return f"{self._runtime.hex(36)}-quickcall"

    def ring(self, aor: Aor, number: str, call_id: str, *, auto_answer: bool, ring_s: float, now: float) -> None:
        """Ring the newest contact of `aor`, showing `number`, for at most `ring_s` seconds."""
        rules = self._runtime.behaviour.quickcall
        for contact in self._registrations.recipients(aor, Recipient.NEWEST, now):
            machine = Machine(LEG, {"ring": lambda _: ring_s, "linger": lambda _: LINGER_S}, now)
            leg = Leg(
                aor,
                contact,
                number,
                call_id,
                self._relay.tag(),
                self._relay.next_cseq(),
                machine,
                to=f"<{self._relay.address(aor)}>",
                target=contact.uri,
            )
            hint = auto_answer and rules.auto_answer is AutoAnswer.CALL_INFO

            def invite(then: float, leg: Leg = leg, hint: bool = hint) -> None:
                self._invite(leg, hint, then)

            self._runtime.agenda.at(now + self._runtime.draw(rules.delay), invite)
            self._arm(leg)

    def _arm(self, leg: Leg) -> None:
        deadline = leg.machine.next_deadline()
        if deadline is None:
            return

        def job(then: float) -> None:
            event = leg.machine.due(then)
            if event is not None:
                self._fire(leg, event, then)

        self._runtime.agenda.at(deadline, job)

    def _fire(self, leg: Leg, event: str, now: float) -> None:
        for action in leg.machine.fire(event, now):
            if action == "acknowledge":
                self._in_dialog(leg, "ACK", leg.cseq, [("Contact", self._relay.contact)], now)
            elif action == "hang up":
                self._in_dialog(leg, "BYE", self._relay.next_cseq(), HANG_UP, now)
            elif action == "cancel":
                self._cancel(leg, now)
        if leg.machine.ended:
            self._legs.pop(leg.key, None)
        else:
            self._arm(leg)

    def _caller(self, leg: Leg) -> str:
        return f'"Device QuickCall" <sip:{self._relay.user(leg.number)}@{self._relay.clean(leg.aor.realm)}>'

    def _sdp(self) -> bytes:
        host = self._runtime.sip_host
        session = self._runtime.rng.randrange(10**9, 2 * 10**9)
        port = 2 * self._runtime.rng.randrange(8_000, 16_000)
        lines = (
            "v=0",
            f"o=FreeSWITCH {session} {session + 1} IN IP4 {host}",
            "s=FreeSWITCH",
            f"c=IN IP4 {host}",
            "t=0 0",
            f"m=audio {port} RTP/AVP 0 8 101 13",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=rtpmap:13 CN/8000",
            f"a=rtcp:{port + 1} IN IP4 {host}",
            "a=ptime:20",
        )
        return encode("".join(f"{line}\r\n" for line in lines))

    def _invite(self, leg: Leg, auto_answer: bool, now: float) -> None:
        runtime = self._runtime
        transport = leg.contact.route.transport
        vias = self._relay.vias(transport)
        leg.via = vias[0][1]
        body = self._sdp()
        hint = [("Call-Info", f"<sip:{runtime.sip_host}>;answer-after=0")] if auto_answer else []
        headers: list[Header] = [
            ("Record-Route", f"<sip:{runtime.sip_host}:{runtime.sip_port};lr=on;ftag={leg.tag}>"),
            *vias,
            ("Max-Forwards", "50"),
            ("From", f"{self._caller(leg)};tag={leg.tag}"),
            ("To", leg.to),
            ("Call-ID", leg.call_id),
            ("CSeq", f"{leg.cseq} INVITE"),
            ("Contact", self._relay.contact),
            *hint,
            ("User-Agent", "2600Hz"),
            ("Allow", METHODS),
            ("Supported", "path, replaces"),
            ("Allow-Events", "talk, hold, conference, refer"),
            ("Content-Type", "application/sdp"),
            ("Content-Disposition", "session"),
            ("Content-Length", str(len(body))),
            ("Remote-Party-ID", f"{self._caller(leg)};party=calling;screen=yes;privacy=off"),
        ]
        data = assemble(f"INVITE {leg.contact.uri} SIP/2.0", headers, body)
        leg.key = runtime.wire.send_request(data, leg.contact.route, now)
        self._legs[leg.key] = leg

    def answer(self, key: str, message: Message, now: float) -> bool:
        """Take a response to one of our INVITEs; return whether it was one."""
        leg = self._legs.get(key)
        if leg is None:
            return False
        if 200 <= message.status < 300:
            leg.to = message.get("to") or leg.to
            leg.target = _target(message) or leg.target
        self._fire(leg, _kind(message.status), now)
        return True

    def timed_out(self, key: str, now: float) -> None:
        """Nobody answered the INVITE `key`."""
        if key in self._legs:
            self._fire(self._legs[key], "no answer", now)

    def hang_up(self, request: Message, now: float) -> bool:
        """Take a BYE; return whether it ends one of our calls."""
        for leg in list(self._legs.values()):
            if leg.call_id == request.call_id and leg.machine.state == "answered":
                self._fire(leg, "BYE", now)
                return True
        return False

    def _in_dialog(self, leg: Leg, method: str, cseq: int, extra: list[Header], now: float) -> None:
        headers: list[Header] = [
            *self._relay.vias(leg.contact.route.transport),
            ("Max-Forwards", "50"),
            ("From", f"{self._caller(leg)};tag={leg.tag}"),
            ("To", leg.to),
            ("Call-ID", leg.call_id),
            ("CSeq", f"{cseq} {method}"),
            *extra,
            ("Content-Length", "0"),
        ]
        data = assemble(f"{method} {leg.target} SIP/2.0", headers)
        self._runtime.wire.send_request(data, leg.contact.route, now)

    def _cancel(self, leg: Leg, now: float) -> None:
        headers: list[Header] = [
            ("Via", leg.via),
            ("Max-Forwards", "50"),
            ("From", f"{self._caller(leg)};tag={leg.tag}"),
            ("To", f"<{self._relay.address(leg.aor)}>"),
            ("Call-ID", leg.call_id),
            ("CSeq", f"{leg.cseq} CANCEL"),
            ("Content-Length", "0"),
            ("Reason", 'Q.850;cause=19;text="NO_ANSWER"'),
        ]
        data = assemble(f"CANCEL {leg.contact.uri} SIP/2.0", headers)
        self._runtime.wire.send_request(data, leg.contact.route, now)


def _kind(status: int) -> str:
    return "1xx" if status < 200 else "2xx" if status < 300 else "3xx-6xx"


def _target(message: Message) -> str | None:
    """The URI of the Contact, where it can stand in a request line."""
    contact = message.get("contact") or ""
    target = contact.partition("<")[2].partition(">")[0] or contact.partition(";")[0].strip()
    return target if target and not any(mark.isspace() for mark in target) else None
