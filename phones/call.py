"""One call of a phone: what its table decides is sent, answered and reported here (RFC 3261 9, 13, 14, 15)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from phones.call_tables import INCOMING, OUTGOING
from phones.effects import Called, Calling, Direction, MediaOut, Transmit
from phones.line import ALLOW, SDP, Line, Listener
from phones.negotiation import Negotiation
from phones.rtp import Talker
from phones.sip import sdp
from phones.sip.dialog import Dialog, tag_of
from phones.sip.index import Message
from phones.sip.machine import Machine
from phones.sip.message import REASONS, Address, request
from phones.sip.transactions import AckFor, Answer, Incoming, TimedOut

SPURT = 20
"""How many packets of its tone a phone sends by itself when a call is answered."""

_WAIT_S = 32.0
"""64*T1: how long a cancelled call waits for its end (RFC 3261 9.1), and an ended one for late answers."""
_MOST_FORKS = 64


@dataclass(frozen=True, slots=True)
class Voice:
    """What a phone speaks with: where it listens for RTP, and its tone in Hz."""

    address: Address
    tone: int


class Call:
    """One call in either direction, from its INVITE to the last answer that still has to be given.

    `peer` is the user part of the other side. A `silent` call reports nothing.
    """

    def __init__(self, line: Line, direction: Direction, voice: Voice, call_id: str, peer: str, now: float) -> None:
        self.call_id = call_id
        self.direction = direction
        self.peer = peer
        self.silent = False
        self.tag = line.token(32 if direction == "in" else 64)
        self.answer_after = 0.0
        self.dialog: Dialog | None = None
        self.incoming: Incoming | None = None
        self._rejection = 486
        self._line = line
        self._voice = voice
        self._session_id = line.number()
        self._version = 0
        self._theirs: sdp.Session | None = None
        self._talker = Talker(voice.tone, ssrc=line.number(), sequence=line.number(16), timestamp=line.number())
        self._negotiation = Negotiation(line.identity, line.token)
        self._target = self._from = ""
        self._cseq = 0
        self._asked: Message | None = None
        self._answer: Message | None = None
        self._latest: Incoming | None = None
        self._ack = b""
        self._forks: set[str] = set()
        self._keys: set[str] = set()
        self._invite_key = self._bye_key = ""
        self._why = (0, "")
        self._parting = ""
        durations = {
            "answer": lambda _: self.answer_after,
            "cancel": lambda _: _WAIT_S,
            "linger": lambda _: _WAIT_S,
        }
        self.machine = Machine(OUTGOING if direction == "out" else INCOMING, durations, now)

    def __repr__(self) -> str:
        return f"<Call {self.call_id} {self.direction} {self.peer} {self.machine.state}>"

    # beginnings

    def start(self, target: str, caller: str, now: float) -> None:
        """Call `target` as `caller`, both URIs."""
        self._target = target
        self._from = f"<{caller}>;tag={self.tag}"
        self._send_invite(now)
        self._report("calling")

    def offer(self, incoming: Incoming, dialog: Dialog, theirs: sdp.Session | None, wish: str, now: float) -> None:
        """Take an INVITE with the session that it offers, if any, and treat it by `wish`: an event of the table."""
        self.incoming, self.dialog, self._theirs = incoming, dialog, theirs
        self._invite_key = incoming.key
        self._listen(incoming.key)
        self.fire(wish, now)

    def is_of(self, invite: Message) -> bool:
        """Whether an INVITE out of any dialog is the one of this call, come another way (RFC 3261 8.2.2.2)."""
        ours = self.incoming.message if self.incoming else None
        return (
            ours is not None
            and (ours.call_id, ours.cseq) == (invite.call_id, invite.cseq)
            and tag_of(ours.get("from") or "") == tag_of(invite.get("from") or "")
        )

    # what happens

    def reject(self, status: int, now: float) -> None:
        """Answer an incoming call with `status`."""
        self._rejection = status
        self.fire("reject", now)

    def lose(self, reason: str, now: float) -> None:
        """End without a word."""
        if self.machine.state in ("accepted", "closing", "talking"):
            # or a 200 without its ACK would be repeated
            for key in self._keys:
                self._line.transactions.drop(key)
        self.fire("lose", now, reason)

    def request(self, incoming: Incoming, now: float, *, forget: bool) -> None:
        """Take an INVITE or BYE of this dialog. A BYE that is forgotten is accepted, and changes nothing."""
        assert self.dialog is not None
        if not self.dialog.accept(incoming.message):
            self._line.respond(incoming, 500, now)
        elif forget and incoming.message.method == "BYE":
            self._line.respond(incoming, 200, now)
        else:
            self._latest = incoming
            self.fire(incoming.message.method, now, "hung up by the peer")

    def _heard(self, output: Answer | TimedOut | AckFor, now: float) -> None:
        if isinstance(output, AckFor):
            self._learn(output.message)
            self.fire("ACK", now, REASONS[200], 200)
        elif output.key == self._bye_key:
            if isinstance(output, TimedOut) or output.message.status >= 200:
                self.fire("BYE done", now)
        elif isinstance(output, Answer):
            self._on_answer(output.message, now)
        elif self.direction == "out" and output.key == self._invite_key:
            self.fire("timeout", now, "unanswered")
        else:
            self.fire("no ACK", now, "no ACK")

    def _on_answer(self, answer: Message, now: float) -> None:
        """An answer to our INVITE."""
        self._answer = answer
        event = "failed"
        if answer.status == 100:
            event = "trying"
        elif answer.status < 200:
            self._learn(answer)
            event = "ringing"
        elif answer.status < 300:
            event = self._read_acceptance(answer)
        elif answer.status in (401, 407) and self._negotiation.judge_challenge(answer) == "challenge":
            event = "challenge"
        self.fire(event, now, answer.reason, answer.status)

    def _read_acceptance(self, answer: Message) -> str:
        if self.dialog is None and self._asked is not None:
            self._learn(answer)
            self.dialog = Dialog.of_answer(self._asked, answer)
            return "accepted"
        same = self.dialog is not None and tag_of(self.dialog.remote) == tag_of(answer.get("to") or "")
        return "accepted again" if same else "forked"

    def _learn(self, message: Message) -> None:
        """Take the session of an answer or ACK, if it has a readable one."""
        if message.body:
            with suppress(sdp.SdpError):
                self._theirs = sdp.parse(message.body)

    # what comes of it

    def fire(self, event: str, now: float, reason: str = "", status: int = 0) -> None:
        """Take an event; `status` and `reason` are why, where that is reported."""
        self._why = (status, reason)
        if event == "hang up":
            self._parting = reason
        for action in self.machine.fire(event, now):
            self._do(action, now)
        if self.machine.ended:
            self._line.release(*self._keys)

    def _do(self, action: str, now: float) -> None:
        match action:
            case "send INVITE":
                self._send_invite(now)
            case "send ACK":
                self._send_ack(now)
            case "repeat ACK":
                self._line.effects.append(Transmit(self._ack, self._hop, "retransmission"))
            case "refuse fork":
                self._refuse_fork(now)
            case "send CANCEL":
                self._send_cancel(now)
            case "send BYE":
                self._send_bye(now)
            case "send 100":
                self._respond(100, now)
            case "send 180":
                self._respond(180, now)
            case "send 200":
                self._respond(200, now, self._description(self._theirs))
            case "send 487":
                self._respond(487, now)
            case "send rejection":
                self._respond(self._rejection, now)
            case "accept INVITE":
                self._accept_invite(now)
            case "accept BYE":
                self._respond_to_latest(200, now)
            case "refuse":
                self._respond_to_latest(481, now)
            case "delay":
                # a second INVITE before the first is answered (RFC 3261 14.2)
                self._respond_to_latest(500, now, [("Retry-After", "3")])
            case "report talking":
                self._report("talking")
                self.talk(SPURT, now)
            case "report ringing":
                self._report("ringing")
            case _:
                self._talker.stop()
                self._report("ended")

    def _report(self, state: Calling) -> None:
        if not self.silent:
            status, reason = self._why
            if state == "ended" and 200 <= status < 300:
                # what we wanted before it was accepted or acknowledged
                status, reason = 0, self._parting
            self._line.effects.append(Called(self.call_id, self.direction, state, status, reason, self.peer))

    @property
    def _hop(self) -> Address:
        return self._line.hop(self.dialog) if self.dialog else self._line.edge

    def _request(self, data: bytes, remote: Address, now: float, listener: Listener | None = None) -> str:
        key = self._line.request(data, now, listener or self._heard, remote)
        self._keys.add(key)
        return key

    def _send_invite(self, now: float) -> None:
        line = self._line
        self._cseq += 1
        headers = [
            ("Via", line.via()),
            ("Max-Forwards", "70"),
            ("From", self._from),
            ("To", f"<{self._target}>"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self._cseq} INVITE"),
            ("User-Agent", self._line.personality.agent),
            ("Allow", ALLOW),
            ("Contact", line.contact_header),
            *self._negotiation.credentials("INVITE", self._target),
            ("Content-Type", SDP),
        ]
        data = request("INVITE", self._target, headers, self._description(None))
        self._asked = Message.parse(data)
        self._invite_key = self._request(data, line.edge, now)

    def _shown(self) -> list[tuple[str, str]]:
        """The credentials of our INVITE, which its ACK has to show again (RFC 3261 22.1)."""
        names = ("Authorization", "Proxy-Authorization")
        return [(name, value) for name in names if self._asked and (value := self._asked.get(name))]

    def _send_ack(self, now: float) -> None:
        assert self.dialog is not None
        headers = [("User-Agent", self._line.personality.agent), *self._shown()]
        self._ack = self.dialog.request("ACK", self._line.via(), headers, cseq=self._cseq)
        self._line.acknowledge(self._ack, self._hop, now)

    def _refuse_fork(self, now: float) -> None:
        """End what another phone accepted, too (RFC 3261 13.2.2.4). A repetition only wants its ACK."""
        line = self._line
        if self._asked is None or self._answer is None:
            return
        tag = tag_of(self._answer.get("to") or "")
        dialog = Dialog.of_answer(self._asked, self._answer)
        remote = line.hop(dialog)
        agent = ("User-Agent", self._line.personality.agent)
        line.acknowledge(dialog.request("ACK", line.via(), [agent, *self._shown()], cseq=self._cseq), remote, now)
        if tag not in self._forks and len(self._forks) < _MOST_FORKS:
            self._forks.add(tag)
            self._request(dialog.request("BYE", line.via(), [agent]), remote, now, _unheard)

    def _send_cancel(self, now: float) -> None:
        """CANCEL has all of the INVITE that names its transaction (RFC 3261 9.1)."""
        assert self._asked is not None
        copied = [(name, self._asked.get(name) or "") for name in ("Via", "Max-Forwards", "From", "To", "Call-ID")]
        headers = [*copied, ("CSeq", f"{self._cseq} CANCEL"), ("User-Agent", self._line.personality.agent)]
        self._request(request("CANCEL", self._target, headers), self._line.edge, now, _unheard)

    def _send_bye(self, now: float) -> None:
        assert self.dialog is not None
        headers = [
            ("User-Agent", self._line.personality.agent),
            *self._negotiation.credentials("BYE", self.dialog.target),
        ]
        self._bye_key = self._request(self.dialog.request("BYE", self._line.via(), headers), self._hop, now)

    # answers to what the other side asks

    def _listen(self, key: str) -> None:
        self._line.listen(key, self._heard)
        self._keys.add(key)

    def _description(self, theirs: sdp.Session | None) -> bytes:
        """Our side of the audio: the answer to `theirs`, or an offer."""
        host, port = self._voice.address
        self._version += 1
        number, version = self._session_id, self._version
        answer = sdp.answer(theirs, host, port, session_id=number, version=version) if theirs else None
        formats = self._line.personality.codecs
        return answer or sdp.offer(host, port, session_id=number, version=version, formats=formats)

    def _respond(self, status: int, now: float, body: bytes = b"") -> None:
        """Answer the INVITE that began this call."""
        assert self.incoming is not None
        self._why = (status, REASONS.get(status, ""))
        self._line.respond(self.incoming, status, now, to_tag=self.tag if status > 100 else None, body=body)

    def _respond_to_latest(self, status: int, now: float, headers: list[tuple[str, str]] | None = None) -> None:
        if self._latest is not None:
            self._line.respond(self._latest, status, now, headers=headers or ())

    def _accept_invite(self, now: float) -> None:
        """Answer a re-INVITE with our side; one that we cannot follow leaves the call as it was (RFC 3261 14.2)."""
        incoming = self._latest
        if incoming is None:
            return
        theirs: sdp.Session | None = None
        if incoming.message.body:
            with suppress(sdp.SdpError):
                theirs = sdp.parse(incoming.message.body)
            if theirs is None or sdp.answer(theirs, *self._voice.address, session_id=0) is None:
                self._line.respond(incoming, 488, now)
                return
            self._theirs = theirs
        self._listen(incoming.key)
        self._line.respond(incoming, 200, now, body=self._description(theirs))

    # media

    def talk(self, packets: int, now: float) -> None:
        """Send `packets` of 20 ms of our tone to where the other side listens, if it wants to hear us."""
        theirs = self._theirs
        if theirs is not None and theirs.port and theirs.direction in ("sendrecv", "recvonly") and _is_ip(theirs.host):
            self._talker.start(packets, now)

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called, in seconds, or None."""
        deadlines = (self.machine.next_deadline(), self._talker.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timer(self, now: float) -> None:
        """Fire what is due."""
        while (event := self.machine.due(now)) is not None:
            self.fire(event, now, "cancelled" if event == "timer cancel" else "")
        if self._theirs is not None:
            remote = self._theirs.address
            self._line.effects.extend(MediaOut(data, remote) for data in self._talker.due(now))


def _unheard(output: Answer | TimedOut | AckFor, now: float) -> None:
    """Whatever the answer is, nothing depends on it."""


def _is_ip(host: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(host))
    return False
