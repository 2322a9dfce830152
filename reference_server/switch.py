"""Runs the legs of calls: what their tables say is put on the wire, what concerns a call is told to its owner."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from phones.sip import sdp
from phones.sip.dialog import elements
from phones.sip.index import Message
from phones.sip.message import response
from phones.sip.reliable import MOST_NUMBER, RELIABLE, Announcement, requires_reliable, rseq_of
from reference_server.behaviour_calls import Reliable, Update
from reference_server.call_wire import (
    AGENT,
    LOSE_RACE,
    NO_ANSWER,
    NORMAL_CLEARING,
    ORIGINATOR_CANCEL,
    CallWriter,
    Header,
    tag_of,
    target_of,
)
from reference_server.digests import Digests, Doubted
from reference_server.legs import CONFIRMED, LINGER_S, Leg
from reference_server.rules import Demand, Gate
from reference_server.runtime import Runtime
from reference_server.ways import answered
from reference_server.wire import Relay

MOST_FORKS = 16
"""Dialogs of one INVITE that are hung up."""

INSIDE = ("OPTIONS", "MESSAGE", "INFO", "NOTIFY")
"""Requests inside a dialog that change nothing and get 200."""


SUPPORTED = ("path", "replaces")
"""The option tags that FreeSWITCH names (recorded)."""


class Owner(Protocol):
    """Who is told what becomes of a leg."""

    def leg_changed(self, leg: Leg, event: str, now: float) -> None:
        """`event` is one of progress, answered, refused, unanswered, held, resumed, gone, over.

        After over nothing follows.
        """

    def described(self, leg: Leg) -> None:
        """What the phone of a leg says of its media, `leg.session`, is another than before."""


class Switch:
    """All legs that are not over yet."""

    def __init__(self, runtime: Runtime, relay: Relay, writer: CallWriter, owner: Owner, digests: Digests) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.calls
        self._digests = digests
        self._relay = relay
        self._writer = writer
        self._owner = owner
        self._by_key: dict[str, Leg] = {}
        self._by_dialog: dict[tuple[str, str], Leg] = {}
        self._reinvites: dict[str, tuple[Leg, int]] = {}

    @property
    def legs(self) -> list[Leg]:
        """Every leg, the oldest first."""
        return list(self._by_dialog.values())

    def restart(self) -> None:
        """Every leg is gone, and nobody is told."""
        for known in (self._by_key, self._by_dialog, self._reinvites):
            known.clear()

    # legs begin

    def invite(self, leg: Leg, body: bytes, extra: list[Header], last: list[Header], now: float) -> None:
        """Ring: send the INVITE of `leg`, whose machine has just been made."""
        if self._rules.asks_reliable is Demand.ALWAYS:
            extra = [*extra, ("Require", RELIABLE)]
        data = self._writer.invite(leg, body, extra, last=last)
        self._by_dialog[leg.call_id, leg.tag] = leg
        leg.key = self._runtime.wire.send_request(data, leg.route, now)
        if leg.key:
            self._by_key[leg.key] = leg
        else:
            # no message that a transaction could follow went out: nobody will answer
            self._runtime.agenda.at(now + LINGER_S, lambda then: self.fire(leg, "no answer", then))
        self._arm(leg)

    def take(self, leg: Leg, request: Message, key: str, now: float) -> None:
        """Take a phone's INVITE and say that we try."""
        leg.key, leg.invite = key, request
        self._by_key[key] = leg
        self._by_dialog[leg.call_id, leg.tag] = leg
        trying = response(request, 100, "Attempting to connect your call")
        self._runtime.wire.respond(key, trying, leg.route.transport, now)

    def unknown(self, request: Message) -> list[str]:
        """The option tags that a request requires, and we do not know."""
        known = {*SUPPORTED, *([RELIABLE] if self._rules.reliable is Reliable.SPOKEN else [])}
        return [tag for tag in elements(request.all("require")) if tag.lower() not in known]

    # what happens to them

    def fire(self, leg: Leg, event: str, now: float) -> None:
        """Let `event` happen to `leg`."""
        if event == "timer ring":
            leg.cause = NO_ANSWER
        if event == "answer" and leg.announcement is not None and leg.announcement.holds_back:
            leg.held_back = True
            return
        for action in leg.machine.fire(event, now):
            self._act(leg, action, now)
        if leg.machine.ended:
            self._forget(leg, now)
        else:
            self._arm(leg)

    def hang_up(self, leg: Leg, now: float, cause: str = "") -> None:
        """End `leg` from our side, by CANCEL, BYE or refusal, whatever fits."""
        leg.cause = cause or leg.cause
        self.fire(leg, "hang up", now)

    def refuse(self, leg: Leg, status: int, reason: str, now: float) -> None:
        """Refuse the INVITE of a phone."""
        leg.status, leg.reason = status, reason
        self.fire(leg, "refuse", now)

    def reinvite(self, leg: Leg, body: bytes, now: float) -> None:
        """Give the phone of an answered leg other media."""
        cseq = self._relay.next_cseq()
        key = self._runtime.wire.send_request(self._writer.reinvite(leg, cseq, body), leg.route, now)
        self._reinvites[key] = (leg, cseq)

    # what comes from the wire

    def answer(self, key: str, message: Message, now: float) -> bool:
        """Take a response to one of our INVITEs; return whether it was one."""
        leg = self._by_key.get(key)
        if leg is None:
            return self._reinvited(key, message, now)
        if message.status < 200 and not self._acknowledge_reliable(leg, message, now):
            return True
        leg.status, leg.reason = message.status, message.reason
        if 100 < message.status < 300:
            self._read_answer(leg, message)
        elif 300 <= message.status < 400:
            leg.latest = message
        self.fire(leg, "1xx" if message.status < 200 else "2xx" if message.status < 300 else "3xx-6xx", now)
        return True

    def timed_out(self, key: str, now: float) -> None:
        """Nobody answered our INVITE `key`, or acknowledged our answer to it."""
        self._reinvites.pop(key, None)
        leg = self._by_key.get(key)
        if leg is not None:
            leg.status, leg.reason = 0, ""
            self.fire(leg, "no ACK" if leg.invite is not None else "no answer", now)

    def acknowledged(self, key: str, now: float) -> None:
        """The ACK of our answer to the INVITE `key` came."""
        leg = self._by_key.get(key)
        if leg is not None and leg.invite is not None:
            self.fire(leg, "ACK", now)

    def cancellable(self, request: Message) -> Leg | None:
        """The leg whose INVITE a CANCEL means (RFC 3261 9.2), None where there is none."""
        for leg in self._by_key.values():
            invite = leg.invite
            if invite is None or invite.call_id != request.call_id or invite.cseq != request.cseq:
                continue
            if invite.branch == request.branch:
                return leg
        return None

    def in_dialog(self, key: str, request: Message, transport: str, now: float) -> bool:
        """Take a request inside a dialog; return whether it is inside one of ours."""
        leg = self._by_dialog.get((request.call_id, tag_of(request.get("to"))))
        if leg is None or tag_of(request.get("from")) not in (leg.remote_tag, *leg.acknowledged):
            return False
        confirmed = leg.machine.state in CONFIRMED
        if not self._is_proved(key, request, leg, transport, now):
            return True
        if request.method == "BYE" and (confirmed or leg.invite is not None):
            self._ok(key, request, transport, now)
            self.fire(leg, "BYE", now)
        elif request.method == "INVITE" and confirmed:
            self._media_changed(key, request, leg, transport, now)
        elif request.method == "UPDATE":
            self._updated(key, request, leg, transport, now)
        elif request.method == "PRACK":
            self._take_prack(key, request, leg, transport, now)
        elif request.method in INSIDE:
            self._ok(key, request, transport, now)
        else:
            return False
        return True

    # inside

    def _is_proved(self, key: str, request: Message, leg: Leg, transport: str, now: float) -> bool:
        """Whether a request within a call shows who sent it, where it has to; it is answered where it does not."""
        device = leg.party.device
        if self._rules.proof_inside is Demand.NEVER or device is None or device.forward is not None:
            # nobody behind a trunk has a password of ours
            return True
        try:
            self._digests.device(request, "proxy-authorization", self._rules.wrong_password, now)
        except Doubted as doubted:
            headers = [("Proxy-Authenticate", challenge) for challenge in doubted.challenges]
            self._runtime.wire.respond(key, response(request, 407, headers=headers), transport, now)
            return False
        return True

    def _acknowledge_reliable(self, leg: Leg, message: Message, now: float) -> bool:
        """Send the PRACK of a reliable provisional answer; False for one that is to be passed over (RFC 3262 4)."""
        number, tag = rseq_of(message), tag_of(message.get("to"))
        if number is None or not tag:
            return True
        known = leg.acknowledged.get(tag)
        if (known is not None and number != known + 1) or (known is None and len(leg.acknowledged) >= MOST_FORKS):
            return False
        leg.acknowledged[tag] = number
        early = replace(leg, remote=message.get("to") or leg.remote, target=target_of(message) or leg.target)
        early.route = answered(leg.route, message)
        self._send(early, self._writer.prack(early, number), now)
        return True

    def _take_prack(self, key: str, request: Message, leg: Leg, transport: str, now: float) -> None:
        if leg.announcement is None or not leg.announcement.is_meant(request):
            self._runtime.wire.respond(key, response(request, 481, headers=AGENT), transport, now)
            return
        self._ok(key, request, transport, now)
        self._announced(leg, "PRACK", now)

    def _announced(self, leg: Leg, event: str, now: float) -> None:
        """What an event of our reliable provisional answer brings about."""
        actions = leg.announcement.machine.fire(event, now) if leg.announcement is not None else ()
        if "repeat" in actions:
            self._runtime.wire.repeat(leg.key, leg.route.transport, now)
        elif "give up" in actions:
            self._owner.leg_changed(leg, "gone", now)
            self.refuse(leg, 504, "Server Time-out", now)
        elif "go on" in actions and leg.held_back:
            self.fire(leg, "answer", now)
        self._arm_announcement(leg)

    def _arm_announcement(self, leg: Leg) -> None:
        announcement = leg.announcement
        deadline = announcement.machine.next_deadline() if announcement is not None else None
        if announcement is None or deadline is None:
            return

        def job(then: float) -> None:
            event = announcement.machine.due(then)
            if event is not None:
                self._announced(leg, event, then)

        self._runtime.agenda.at(deadline, job)

    def _updated(self, key: str, request: Message, leg: Leg, transport: str, now: float) -> None:
        """Answer an UPDATE. An offer has to wait for the answer to another one (RFC 3311 5.2)."""
        if not request.body or self._rules.update is Update.BARE:
            leg.target = target_of(request) or leg.target
            self._ok(key, request, transport, now)
        elif leg.machine.state in CONFIRMED or self._has_agreed(leg):
            self._media_changed(key, request, leg, transport, now)
        elif leg.invite is None:
            self._runtime.wire.respond(key, response(request, 491, headers=AGENT), transport, now)
        else:
            headers = [*AGENT, ("Retry-After", str(self._runtime.rng.randrange(11)))]
            self._runtime.wire.respond(key, response(request, 500, headers=headers), transport, now)

    def _has_agreed(self, leg: Leg) -> bool:
        """Whether the offer of an INVITE that is not answered yet was answered reliably."""
        if leg.invite is None:
            return bool(leg.acknowledged) and leg.session is not None
        return leg.announcement is not None and leg.announcement.machine.ended

    def _ok(self, key: str, request: Message, transport: str, now: float) -> None:
        self._runtime.wire.respond(key, response(request, 200, headers=AGENT), transport, now)

    def _read_answer(self, leg: Leg, message: Message) -> None:
        """Keep the dialog and the media that an answer names; a second dialog of the same INVITE is a fork."""
        leg.latest = message
        if leg.machine.state in ("answered", "hanging"):
            return
        leg.target = target_of(message) or leg.target
        if message.status >= 200:
            leg.remote, leg.remote_tag = message.get("to") or leg.remote, tag_of(message.get("to"))
            leg.route = answered(leg.route, message)
        self.read_media(leg, message)

    def read_media(self, leg: Leg, message: Message) -> bool:
        """Keep what a phone says about its media; return whether that could be understood."""
        if not message.body:
            return True
        try:
            leg.session, leg.body = sdp.parse(message.body), message.body
        except sdp.SdpError:
            return False
        self._owner.described(leg)
        return True

    def _media_changed(self, key: str, request: Message, leg: Leg, transport: str, now: float) -> None:
        """Answer the offer of a re-INVITE or UPDATE; one that does not fit leaves everything as it was."""
        if any(owner is leg for owner, _ in self._reinvites.values()):
            self._runtime.wire.respond(key, response(request, 491, headers=AGENT), transport, now)
            return
        before = leg.session, leg.body
        body = self._writer.answer(leg) if self.read_media(leg, request) else None
        if body is None or self._rules.changes is Gate.REFUSED:
            leg.session, leg.body = before
            self._owner.described(leg)
            self._runtime.wire.respond(key, response(request, 488, headers=AGENT), transport, now)
            return
        leg.target = target_of(request) or leg.target
        data = self._writer.with_media(leg, request, 200, "OK", body)
        self._runtime.wire.respond(key, data, transport, now)
        if leg.session is not None and leg.machine.state in CONFIRMED:
            held = leg.session.direction in ("sendonly", "inactive")
            self._owner.leg_changed(leg, "held" if held else "resumed", now)

    def _reinvited(self, key: str, message: Message, now: float) -> bool:
        leg, cseq = self._reinvites.get(key, (None, 0))
        if leg is None:
            return False
        if 200 <= message.status < 300:
            self._send(leg, self._writer.ack(leg, cseq), now)
        elif message.status >= 300:
            del self._reinvites[key]
        return True

    def _act(self, leg: Leg, action: str, now: float) -> None:
        if action == "acknowledge":
            self._send(leg, self._writer.ack(leg, leg.cseq), now)
        elif action == "acknowledge again":
            self._acknowledge_again(leg, now)
        elif action == "bye":
            for _ in range(self._runtime.behaviour.calls.byes):
                self._send(leg, self._writer.bye(leg, _bye_cause(leg)), now)
        elif action == "cancel":
            self._send(leg, self._writer.cancel(leg, leg.cause or ORIGINATOR_CANCEL), now)
        elif leg.invite is not None and action in ("ring back", "accept", "reject", "terminate"):
            self._respond(leg, leg.invite, action, now)
        else:
            self._owner.leg_changed(leg, action, now)

    def _acknowledge_again(self, leg: Leg, now: float) -> None:
        """ACK a 2xx that is not the first. One of another dialog is a fork, which is hung up (RFC 3261 13.2.2.4)."""
        message = leg.latest
        tag = tag_of(message.get("to")) if message is not None else leg.remote_tag
        if message is None or tag == leg.remote_tag:
            self._send(leg, self._writer.ack(leg, leg.cseq), now)
            return
        fork = replace(leg, remote=message.get("to") or leg.remote, target=target_of(message) or leg.target)
        fork.route = answered(leg.route, message)
        self._send(fork, self._writer.ack(fork, fork.cseq), now)
        if tag not in leg.forks and len(leg.forks) < MOST_FORKS:
            leg.forks.add(tag)
            self._send(fork, self._writer.bye(fork, NORMAL_CLEARING), now)

    def _respond(self, leg: Leg, invite: Message, action: str, now: float) -> None:
        if action == "reject":
            status = leg.status if leg.status >= 300 else 480
            data = response(
                invite, status, leg.reason or None, to_tag=leg.tag if leg.announcement else self._relay.tag()
            )
        elif action == "terminate":
            data = self._writer.terminated(leg, invite)
        else:
            progress = self._runtime.behaviour.calls.progress
            status, reason = (200, "OK") if action == "accept" else (progress, _PROGRESS[progress])
            said = status == 180 or (status == 200 and self._has_agreed(leg))
            body = b"" if said else self._writer.answer(leg) or b""
            reliably = status < 200 and requires_reliable(invite) and self._rules.reliable is Reliable.SPOKEN
            number = 1 + self._runtime.rng.randrange(MOST_NUMBER - 1) if reliably else 0
            extra = [("Require", RELIABLE), ("RSeq", str(number))] if reliably else []
            data = self._writer.with_media(leg, invite, status, reason, body, extra)
            if reliably:
                leg.announcement = Announcement(invite, number, now, described=bool(body))
                self._arm_announcement(leg)
        if action != "ring back":
            self._announced(leg, "final", now)
        self._runtime.wire.respond(leg.key, data, leg.route.transport, now)

    def _send(self, leg: Leg, data: bytes, now: float) -> None:
        self._runtime.wire.send_request(data, leg.route, now)

    def _arm(self, leg: Leg) -> None:
        deadline = leg.machine.next_deadline()
        if deadline is None or deadline == leg.armed:
            return
        leg.armed = deadline

        def job(then: float) -> None:
            event = leg.machine.due(then)
            if event is not None:
                self.fire(leg, event, then)

        self._runtime.agenda.at(deadline, job)

    def _forget(self, leg: Leg, now: float) -> None:
        if self._by_key.get(leg.key) is leg:
            del self._by_key[leg.key]
        if self._by_dialog.get((leg.call_id, leg.tag)) is leg:
            del self._by_dialog[leg.call_id, leg.tag]
        for key in [key for key, (owner, _) in self._reinvites.items() if owner is leg]:
            del self._reinvites[key]
        self._owner.leg_changed(leg, "over", now)


_PROGRESS = {180: "Ringing", 183: "Session Progress"}


def _bye_cause(leg: Leg) -> str:
    told = leg.cause == LOSE_RACE or (leg.cause.startswith("Q.850") and leg.cause != NO_ANSWER)
    return leg.cause if told else NORMAL_CLEARING
