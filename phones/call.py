"""One call of a phone: what its table decides is sent, answered and reported here (RFC 3261 9, 13, 14, 15)."""

from __future__ import annotations

from collections.abc import Iterable

from phones.call_tables import INCOMING, OUTGOING
from phones.changing import By, Changing
from phones.early import MOST, Early, EarlyDialogs, acknowledges
from phones.effects import Called, Calling, Direction, MediaOut, Transmit
from phones.inside import Inside, nobody
from phones.line import ALLOW, SDP, Line
from phones.negotiation import Negotiation
from phones.personality import Reliable
from phones.redirecting import Redirection
from phones.rtp import Talker
from phones.session import Session, Voice, readable
from phones.sip import sdp
from phones.sip.dialog import Dialog, tag_of
from phones.sip.index import Message
from phones.sip.machine import Machine
from phones.sip.message import REASONS, Address, request
from phones.sip.reliable import MOST_NUMBER, RELIABLE, Announcement, requires_reliable
from phones.sip.transactions import AckFor, Answer, Incoming, TimedOut

SPURT = 20
"""How many packets of its tone a phone sends by itself when a call is answered."""

_WAIT_S = 32.0
"""64*T1: how long a cancelled call waits for its end (RFC 3261 9.1), and an ended one for late answers."""
_OPEN = ("accepted", "talking")
"""States in which both sides have a dialog for good, and nobody has hung up."""


Headers = Iterable[tuple[str, str]]


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
        self._rejection: tuple[int, Headers] = (486, ())
        self._line = line
        self._session = Session(line, voice)
        self._talker = Talker(voice.tone, ssrc=line.number(), sequence=line.number(16), timestamp=line.number())
        self._inside = Inside(line)
        self._negotiation = Negotiation(line.identity, line.token, self._inside.keys)
        self._changing = Changing(line, self._inside, self._session, ours=direction == "out", owner=self)
        self._early = EarlyDialogs()
        self._spoken: Early | None = None
        self._announcement: Announcement | None = None
        self._answering = False
        self._redirection: Redirection | None = None
        self._elsewhere: Address | None = None
        self._remote = line.edge
        self._target = self._to = self._from = ""
        self._cseq = 0
        self._asked: Message | None = None
        self._answer: Message | None = None
        self._latest: Incoming | None = None
        self._ack = b""
        self._forks: set[str] = set()
        self._keys: set[str] = set()
        self._invite_key = ""
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
        """Call `target` as `caller`, both URIs. Raises SipSyntaxError where no request can be made of them."""
        self._target = self._to = target
        self._redirection = Redirection(target)
        self._from = f"<{caller}>;tag={self.tag}"
        self._send_invite(now)
        self._report("calling")

    def offer(self, incoming: Incoming, dialog: Dialog, theirs: sdp.Session | None, wish: str, now: float) -> None:
        """Take an INVITE with the session that it offers, if any, and treat it by `wish`: an event of the table."""
        self.incoming, self.dialog, self._session.theirs = incoming, dialog, theirs
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

    def reject(self, status: int, now: float, headers: Headers = ()) -> None:
        """Answer an incoming call with `status`, and `headers` that say more."""
        self._rejection = status, headers
        self.fire("reject", now)

    def change(self, by: By, now: float, *, held: bool) -> bool:
        """Offer the session anew, and whether that can be done now; `held`: do not hear the other side any more.

        Before the call is answered that takes an UPDATE, and an offer that was answered reliably (RFC 3311 5.1).
        """
        dialog = self.dialog if self.machine.state in _OPEN else None
        if dialog is None and by == "UPDATE" and self.machine.state == "ringing":
            early = self._early.newest
            if self.direction == "in" and self._session.agreed:
                dialog = self.dialog
            elif early is not None:
                self._speak_with(early)
                dialog = early.dialog if self._session.agreed else None
        if dialog is None or self._changing.asking or (self._session.offering and self.machine.state in _OPEN):
            return False
        self._changing.change(by, dialog, now, held=held)
        return True

    def lose(self, reason: str, now: float) -> None:
        """End without a word."""
        if self.machine.state in ("accepted", "closing", "talking"):
            # or a 200 without its ACK would be repeated
            for key in self._keys:
                self._line.transactions.drop(key)
        self.fire("lose", now, reason)

    @property
    def changing(self) -> bool:
        """Whether a change of its session is on its way, or waits to be tried again."""
        return self._changing.machine.state in ("asking", "waiting")

    def dialog_of(self, message: Message) -> Dialog | None:
        """The dialog of this call that a request is in. An early one ends with its INVITE, not by a BYE."""
        if self.machine.ended:
            return None
        if self.dialog is not None:
            return self.dialog if self.dialog.matches(message) else None
        early = self._early.find(message) if message.method not in ("BYE", "INVITE") else None
        return early.dialog if early is not None else None

    def _speak_with(self, early: Early | None) -> None:
        """Go on where we were with one of several phones that ring, each of which has a session of its own."""
        if early is not self._spoken and early is not None:
            if self._spoken is not None:
                self._spoken.said = self._session.said
            self._spoken, self._session.said = early, early.said

    def request(self, incoming: Incoming, now: float, *, forget: bool) -> None:
        """Take an INVITE, UPDATE, PRACK or BYE of a dialog of this call.

        Any but an INVITE that is to be forgotten is accepted, and changes nothing.
        """
        message = incoming.message
        dialog = self.dialog_of(message)
        if dialog is None or not dialog.accept(message):
            self._line.respond(incoming, 500, now)
        elif forget and message.method != "INVITE":
            self._line.respond(incoming, 200, now)
        elif message.method == "PRACK":
            self._take_prack(incoming, now)
        else:
            self._latest = incoming
            self.turn_to(dialog)
            self.fire(message.method, now, "hung up by the peer")

    def _take_prack(self, incoming: Incoming, now: float) -> None:
        """Answer a PRACK; one that is for nothing gets 481 (RFC 3262 3)."""
        announcement = self._announcement
        if announcement is None or not announcement.is_meant(incoming.message):
            self._line.respond(incoming, 481, now)
            return
        self._line.respond(incoming, 200, now)
        if announcement.described:
            self._session.learn(incoming.message.body)
        self._announced("PRACK", now)

    def _announced(self, event: str, now: float) -> None:
        """What an event of our reliable provisional answer brings about."""
        actions = self._announcement.machine.fire(event, now) if self._announcement is not None else ()
        if "repeat" in actions and self.incoming is not None:
            self._line.transactions.repeat(self.incoming.key)
            self._line.flush()
        elif "give up" in actions:
            self.reject(504, now)
        elif "go on" in actions and self._answering:
            self.fire("answer", now)

    def turn_to(self, dialog: Dialog) -> None:
        """What comes now is about the session of `dialog`."""
        self._speak_with(self._early.of(dialog))

    def gone(self, now: float) -> None:
        """The other side does not know this call any more."""
        self.fire("hang up", now, "gone")

    def _heard(self, output: Answer | TimedOut | AckFor, now: float) -> None:
        if isinstance(output, AckFor):
            self._session.learn(output.message.body)
            self._session.refused()
            self.fire("ACK", now, REASONS[200], 200)
        elif isinstance(output, Answer):
            self._on_answer(output.message, now)
        elif self.direction == "out" and output.key == self._invite_key:
            self.fire("again" if self._follow(0) else "timeout", now, "unanswered")
        else:
            self.fire("no ACK", now, "no ACK")

    def _on_answer(self, answer: Message, now: float) -> None:
        """An answer to our INVITE."""
        self._answer = answer
        event = "failed"
        if answer.status == 100:
            event = "trying"
        elif answer.status < 200:
            if not self._take_provisional(answer, now):
                return
            event = "ringing"
        elif answer.status < 300:
            self._negotiation.accepted(answer)
            event = self._read_acceptance(answer)
        elif answer.status in (401, 407):
            event = "again" if self._negotiation.judge_challenge(answer) == "again" else "failed"
        elif self._follow(answer.status, answer):
            event = "again"
        self.fire(event, now, answer.reason, answer.status)

    def _follow(self, status: int, answer: Message | None = None) -> bool:
        """Go to the next target that an answer, or an earlier one, has named, if any (RFC 3261 8.1.3.4)."""
        target = self._redirection.follow(status, answer) if self._redirection is not None else None
        if target is None:
            return False
        self._target, self._elsewhere = target, self._line.towards(target)
        self._negotiation.restart()
        return True

    def _take_provisional(self, answer: Message, now: float) -> bool:
        """Follow a 18x in its early dialog; False for one that is to be passed over."""
        early = self._early.take(self._asked, answer) if self._asked is not None else None
        wanted: bool | None = None
        if early is not None and self._line.personality.reliable is not Reliable.UNSUPPORTED:
            wanted = acknowledges(early, answer)
            if wanted:
                rack = ("RAck", f"{early.reliable} {answer.cseq} INVITE")
                self._inside.ask("PRACK", early.dialog, now, nobody, [rack])
        if wanted is not False:
            self._speak_with(early)
            self._session.learn(answer.body, reliably=bool(wanted))
        return wanted is not False

    def _read_acceptance(self, answer: Message) -> str:
        if self.dialog is None and self._asked is not None:
            self.dialog, early = self._early.confirm(self._asked, answer)
            self._speak_with(early)
            self._session.learn(answer.body)
            self._session.refused()
            return "accepted"
        same = self.dialog is not None and tag_of(self.dialog.remote) == tag_of(answer.get("to") or "")
        return "accepted again" if same else "forked"

    # what comes of it

    def fire(self, event: str, now: float, reason: str = "", status: int = 0) -> None:
        """Take an event; `status` and `reason` are why, where that is reported."""
        self._why = (status, reason)
        if event in ("answer", "timer answer") and self._announcement is not None and self._announcement.holds_back:
            # a 2xx has to wait until our offer in the 180 is answered (RFC 3262 3)
            self._answering = True
            return
        if event == "hang up":
            self._parting = reason
        for action in self.machine.fire(event, now):
            self._do(action, now)
        if self.machine.state not in (*_OPEN, "calling", "proceeding", "ringing", "offered", "ignored"):
            self._changing.fire("end", now)
        if self.machine.ended:
            self._announcement = None
            self._line.release(*self._keys)
            self._inside.release()

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
                self._announce(now)
            case "send 200":
                # an offer that was answered before is not answered again
                self._respond(200, now, b"" if self._session.agreed else self._session.answer())
            case "send 487":
                self._respond(487, now)
            case "send rejection":
                status, headers = self._rejection
                self._respond(status, now, headers=headers)
            case "accept INVITE" | "accept UPDATE":
                self._accept_offer(now)
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

    def _send_invite(self, now: float) -> None:
        line, reliable = self._line, self._line.personality.reliable
        self._cseq += 1
        self._early.end()
        self._spoken = None
        body = self._session.offer()
        wish = "Require" if reliable is Reliable.REQUIRED else "Supported"
        headers = [
            ("Via", line.via()),
            ("Max-Forwards", "70"),
            ("From", self._from),
            ("To", f"<{self._to}>"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self._cseq} INVITE"),
            ("User-Agent", self._line.personality.agent),
            ("Allow", ALLOW),
            ("Contact", line.contact_header),
            *([] if reliable is Reliable.UNSUPPORTED else [(wish, RELIABLE)]),
            *self._negotiation.credentials("INVITE", self._target, body),
            ("Content-Type", SDP),
        ]
        self._remote = self._elsewhere or line.edge
        data = request("INVITE", self._target, headers, body)
        self._asked = Message.parse(data)
        self._invite_key = self._line.request(data, now, self._heard, self._remote)
        self._keys.add(self._invite_key)

    def _shown(self) -> list[tuple[str, str]]:
        """The credentials of our INVITE, which its ACK has to show again (RFC 3261 22.1)."""
        names = ("Authorization", "Proxy-Authorization")
        return [(name, value) for name in names if self._asked for value in self._asked.all(name)]

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
        dialog, _ = self._early.confirm(self._asked, self._answer)
        remote = line.hop(dialog)
        agent = ("User-Agent", self._line.personality.agent)
        line.acknowledge(dialog.request("ACK", line.via(), [agent, *self._shown()], cseq=self._cseq), remote, now)
        if tag not in self._forks and len(self._forks) < MOST:
            self._forks.add(tag)
            self._inside.ask("BYE", dialog, now, nobody)

    def _send_cancel(self, now: float) -> None:
        """CANCEL has all of the INVITE that names its transaction (RFC 3261 9.1)."""
        assert self._asked is not None
        copied = [(name, self._asked.get(name) or "") for name in ("Via", "Max-Forwards", "From", "To", "Call-ID")]
        headers = [*copied, ("CSeq", f"{self._cseq} CANCEL"), ("User-Agent", self._line.personality.agent)]
        data = request("CANCEL", self._target, headers)
        self._keys.add(self._line.request(data, now, _unheard, self._remote))

    def _send_bye(self, now: float) -> None:
        assert self.dialog is not None
        self._inside.ask("BYE", self.dialog, now, lambda _, then: self.fire("BYE done", then))

    # answers to what the other side asks

    def _listen(self, key: str) -> None:
        self._line.listen(key, self._heard)
        self._keys.add(key)

    def _respond(self, status: int, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Answer the INVITE that began this call."""
        assert self.incoming is not None
        self._why = (status, REASONS.get(status, ""))
        if status >= 200:
            self._announced("final", now)
        to_tag = self.tag if status > 100 else None
        self._line.respond(self.incoming, status, now, headers=headers, to_tag=to_tag, body=body)

    def _announce(self, now: float) -> None:
        """Say that it rings, reliably where the caller demands that (RFC 3262 3).

        The first reliable answer to an INVITE without an offer has ours (RFC 3261 13.2.1).
        """
        assert self.incoming is not None
        if not requires_reliable(self.incoming.message):
            self._respond(180, now)
            return
        number = 1 + self._line.number() % (MOST_NUMBER - 1)
        body = b"" if self.incoming.message.body else self._session.offer()
        self._respond(180, now, body, [("Require", RELIABLE), ("RSeq", str(number))])
        self._announcement = Announcement(self.incoming.message, number, now, described=bool(body))

    def _respond_to_latest(self, status: int, now: float, headers: list[tuple[str, str]] | None = None) -> None:
        if self._latest is not None:
            self._line.respond(self._latest, status, now, headers=headers or ())

    def _accept_offer(self, now: float) -> None:
        """Answer a re-INVITE or UPDATE with our side; one that we cannot follow leaves the call as it was.

        RFC 3261 14.2, RFC 3311 5.2. An UPDATE without an offer only says where the other side is.
        """
        incoming, session = self._latest, self._session
        if incoming is None:
            return
        message = incoming.message
        if message.method == "UPDATE" and not message.body:
            self._line.respond(incoming, 200, now)
        elif self._changing.asking or session.offering:
            self._line.respond(incoming, 491, now)
        elif self.machine.state in ("ringing", "ignored"):
            # theirs is not answered yet: a second one has to wait
            wait = str(self._line.number(16) % 11)
            if session.agreed:
                self._take_offer(incoming, now)
            else:
                self._line.respond(incoming, 500, now, headers=[("Retry-After", wait)])
        else:
            self._take_offer(incoming, now)

    def _take_offer(self, incoming: Incoming, now: float) -> None:
        message, session = incoming.message, self._session
        if message.body and not session.fits(message.body):
            self._line.respond(incoming, 488, now)
            return
        session.theirs = readable(message.body) if message.body else session.theirs
        if message.method == "INVITE":
            self._listen(incoming.key)
        self._line.respond(incoming, 200, now, body=session.answer() if message.body else session.offer())

    # media

    def talk(self, packets: int, now: float) -> None:
        """Send `packets` of 20 ms of our tone to where the other side listens, if it wants to hear us."""
        if self._session.listener is not None:
            self._talker.start(packets, now)

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called, in seconds, or None."""
        earliest = self._talker.next_deadline()
        for machine in (self.machine, self._changing.machine, self._announcement and self._announcement.machine):
            if machine and machine.deadlines:
                deadline = min(machine.deadlines.values())
                if earliest is None or deadline < earliest:
                    earliest = deadline
        return earliest

    def handle_timer(self, now: float) -> None:
        """Fire what is due."""
        while (event := self.machine.due(now)) is not None:
            self.fire(event, now, "cancelled" if event == "timer cancel" else "")
        while (event := self._changing.machine.due(now)) is not None:
            self._changing.fire(event, now)
        while self._announcement is not None and (event := self._announcement.machine.due(now)) is not None:
            self._announced(event, now)
        theirs = self._session.theirs
        if theirs is not None:
            self._line.effects.extend(MediaOut(data, theirs.address) for data in self._talker.due(now))


def _unheard(output: Answer | TimedOut | AckFor, now: float) -> None:
    """Whatever the answer is, nothing depends on it."""
