"""The calls of a phone: which is meant by what arrives and by what the phone is told to do."""

from __future__ import annotations

import heapq
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from phones.call import Call
from phones.changing import By
from phones.effects import Called
from phones.line import SDP, Line
from phones.personality import ORDINARY, Hint
from phones.session import Voice, readable
from phones.sip import sdp
from phones.sip.dialog import Dialog, tag_of, user_of
from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import REASONS, Address
from phones.sip.transactions import Incoming

_MOST_CALLS = 100
_ANSWER_AFTER = re.compile(r";\s*answer-after\s*=\s*\"?([0-9]{1,4})", re.IGNORECASE)
_INTERCOM = re.compile(r";intercom=true(?![\w-])", re.IGNORECASE)

_UNANSWERED = ("ringing", "ignored")
_CALLING = ("calling", "proceeding", "ringing")


MOVED = 302


class NoSuchCall(Exception):
    """The phone has no call that this could be done to."""


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """What a phone does with an incoming call.

    reject: at once, with `status`; ring: 180, and wait for a decision; answer: after `after` seconds of ringing;
    ignore: nothing but 100; auto: answer where the INVITE hints at that, else ring; redirect: send the caller to the
    SIP URIs `to` instead, at once, with 302.
    """

    how: Literal["reject", "ring", "answer", "ignore", "auto", "redirect"] = "reject"
    status: int = 486
    after: float = 0.0
    to: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 300 <= self.status <= 699:
            raise ValueError(f"a call is not rejected with {self.status}")
        if (self.how == "redirect") != bool(self.to):
            raise ValueError("a call is redirected to somebody, and nothing else is")


def auto_answer(invite: Message, hints: frozenset[Hint] = ORDINARY.hints) -> float | None:
    """After how many seconds an INVITE wants to be answered without a person; None when no hint of `hints` says that.

    Call-Info `answer-after` is what Kazoo's FreeSWITCH sends (all releases seen), Alert-Info `intercom` (4.x) and a
    parameter `intercom=true` of the Request-URI what its sources name besides.
    """
    for value in invite.all("call-info") if Hint.CALL_INFO in hints else ():
        if match := _ANSWER_AFTER.search(value):
            return float(match[1])
    alerted = Hint.ALERT_INFO in hints and any("intercom" in value.lower() for value in invite.all("alert-info"))
    return 0.0 if alerted or (Hint.URI in hints and _INTERCOM.search(invite.uri)) else None


def _contacts(to: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(("Contact", f"<{uri}>") for uri in to)


class Calls:
    """All calls of one phone. `address` opens or tells its RTP address, and may raise OSError.

    Those that are left and only wait for late answers, of which a busy phone has many, are kept apart by their end.
    """

    def __init__(self, line: Line, address: Callable[[], Address], tone: int) -> None:
        self.policy = CallPolicy()
        self.fences: set[str] = set()
        self.tone = tone
        self._line = line
        self._address = address
        self._calls: list[Call] = []
        self._left: list[tuple[float, int, Call]] = []
        self._order = itertools.count()

    # what the phone is told to do

    def place(self, target: str, caller: str | None, now: float) -> str:
        """Call a SIP URI and return the Call-ID. `caller`: another From than ours, as URI or user of our realm.

        Raises SipSyntaxError when `target` fits into no request, OSError without an RTP address.
        """
        identity = self._line.identity
        if caller is None:
            caller = identity.aor
        elif ":" not in caller:
            caller = f"sip:{caller}@{identity.realm}"
        voice = Voice(self._address(), self.tone)
        call = Call(self._line, "out", voice, self._line.new_call_id(), user_of(f"<{target}>"), now)
        call.start(target, caller, now)
        self._calls.append(call)
        return call.call_id

    def ring(self, now: float) -> None:
        """Ring for a call that was ignored so far."""
        self._newest("in", _UNANSWERED, "to ring for").fire("ring", now)

    def answer(self, now: float) -> None:
        """Answer the newest call that waits for it."""
        self._newest("in", _UNANSWERED, "to answer").fire("answer", now)

    def reject(self, status: int, now: float) -> None:
        """Reject the newest call that waits for an answer."""
        CallPolicy(status=status)
        self._newest("in", _UNANSWERED, "to reject").reject(status, now)
        self._sweep()

    def redirect(self, to: Sequence[str], now: float) -> None:
        """Send the caller of the newest call that waits for an answer to the SIP URIs `to` instead."""
        policy = CallPolicy("redirect", to=tuple(to))
        self._newest("in", _UNANSWERED, "to redirect").reject(MOVED, now, _contacts(policy.to))
        self._sweep()

    def hold(self, now: float, *, held: bool = True, by: By = "INVITE") -> None:
        """Offer the newest call that is up another session: hear the other side no more, or again.

        With an UPDATE that may be a call that rings, where the offer of its INVITE was answered reliably.
        """
        if not any(call.change(by, now, held=held) for call in reversed(self._calls)):
            raise NoSuchCall("no call whose session can be changed now")

    def cancel(self, now: float) -> None:
        """Give up the newest call that nobody has answered yet."""
        self._newest("out", _CALLING, "to cancel").fire("hang up", now, "cancelled")

    def hang_up(self, now: float, call_id: str | None = None) -> None:
        """End the newest call that was answered, or that we have made; with `call_id` that one and no other."""
        fitting = [
            call
            for call in self._calls
            if call_id in (None, call.call_id)
            and (
                call.machine.state in ("accepted", "talking")
                or (call.direction == "out" and call.machine.state in _CALLING)
            )
        ]
        if not fitting:
            raise NoSuchCall("no call to hang up")
        answered = fitting[-1].machine.state in ("accepted", "talking")
        fitting[-1].fire("hang up", now, "hung up" if answered else "cancelled")

    def leave(self, now: float) -> None:
        """End every call, in whatever way it is to be ended, and take no more."""
        self.policy = CallPolicy()
        for call in self._calls:
            state = call.machine.state
            if call.direction == "in" and state in _UNANSWERED:
                call.reject(self.policy.status, now)
            elif state in ("accepted", "talking") or (call.direction == "out" and state in _CALLING):
                call.fire("hang up", now, "cancelled" if state in _CALLING else "hung up")
        self._sweep()

    def has_one(self, what: Literal["calling", "ringing", "talking"]) -> bool:
        """Whether a call of ours waits for an answer, one that came in waits for ours, or one is up."""
        states = {"calling": _CALLING, "ringing": _UNANSWERED, "talking": ("accepted", "talking")}[what]
        direction = {"calling": "out", "ringing": "in"}.get(what)
        return any(call.machine.state in states and direction in (None, call.direction) for call in self._calls)

    @property
    def changing(self) -> bool:
        """Whether a change of a session is on its way, or waits to be tried again."""
        return any(call.changing for call in self._calls)

    @property
    def idle(self) -> bool:
        """Whether there is no call any more of which the other side may not know that it is over."""
        self._sweep()
        return not self._calls

    def talk(self, packets: int, now: float) -> None:
        """Send more of our tone in the newest call that is up."""
        fitting = [call for call in self._calls if call.machine.state == "talking"]
        if not fitting:
            raise NoSuchCall("no call to talk in")
        fitting[-1].talk(packets, now)

    def lose(self, reason: str, now: float) -> None:
        """Lose all calls, without a word."""
        for call in (*self._calls, *self._lingering):
            call.lose(reason, now)
        self._calls.clear()
        self._left.clear()

    def _newest(self, direction: str, states: tuple[str, ...], purpose: str) -> Call:
        for call in reversed(self._calls):
            if call.direction == direction and call.machine.state in states:
                return call
        raise NoSuchCall(f"no call {purpose}")

    # what arrives

    def invite(self, incoming: Incoming, now: float, *, forget: bool) -> None:
        """Answer an INVITE, in a call or for a new one. A new one that is forgotten goes without a report."""
        message = incoming.message
        if tag_of(message.get("to") or ""):
            self._in_dialog(incoming, now, forget)
        elif user_of(message.get("from") or "") in self.fences:
            self._line.respond(incoming, 486, now)
        elif any(call.is_of(message) for call in self._calls):
            self._line.respond(incoming, 482, now)
        elif self.policy.how == "reject":
            self._turn_away(incoming, self.policy.status, now, silent=forget)
        elif self.policy.how == "redirect":
            self._turn_away(incoming, MOVED, now, silent=forget, headers=_contacts(self.policy.to))
        elif sum(call.direction == "in" for call in self._calls) >= _MOST_CALLS:
            self._turn_away(incoming, 486, now, silent=forget)
        else:
            self._offer(incoming, now, forget)
        self._sweep()

    def _turn_away(
        self, incoming: Incoming, status: int, now: float, *, silent: bool, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._line.respond(incoming, status, now, headers=headers)
        if not silent:
            message = incoming.message
            peer = user_of(message.get("from") or "")
            self._line.effects.append(Called(message.call_id, "in", "ended", status, REASONS.get(status, ""), peer))

    def _offer(self, incoming: Incoming, now: float, forget: bool) -> None:
        message = incoming.message
        kind = (message.get("content-type") or SDP).partition(";")[0].strip().lower()
        if message.body and kind != SDP:
            self._turn_away(incoming, 415, now, silent=forget, headers=(("Accept", SDP),))
            return
        try:
            voice = Voice(self._address(), self.tone)
        except OSError:
            self._turn_away(incoming, 503, now, silent=forget)
            return
        theirs: sdp.Session | None = None
        if message.body:
            theirs = readable(message.body)
            if theirs is None or sdp.answer(theirs, *voice.address, session_id=0) is None:
                self._turn_away(incoming, 488, now, silent=forget)
                return
        call = Call(self._line, "in", voice, message.call_id, user_of(message.get("from") or ""), now)
        try:
            dialog = Dialog.of_request(message, call.tag)
        except SipSyntaxError:
            self._turn_away(incoming, 400, now, silent=forget)
            return
        call.silent = forget
        self._calls.append(call)
        call.offer(incoming, dialog, theirs, self._wish(call, message), now)
        if forget:
            call.lose("", now)

    def _wish(self, call: Call, message: Message) -> str:
        """What the policy wants for a new call, as an event of its table."""
        policy = self.policy
        after = auto_answer(message, self._line.personality.hints) if policy.how == "auto" else policy.after
        if policy.how == "ignore":
            return "ignore"
        if policy.how == "ring" or after is None:
            return "ring"
        call.answer_after = after
        return "ring a while"

    def _find(self, message: Message) -> Call | None:
        """The call that a request is in."""
        calls = itertools.chain(self._calls, self._lingering)
        return next((call for call in calls if call.dialog_of(message) is not None), None)

    def has(self, message: Message) -> bool:
        """Whether a request is in one of the calls."""
        return self._find(message) is not None

    def within(self, incoming: Incoming, now: float, *, forget: bool) -> None:
        """Answer a BYE, PRACK or UPDATE."""
        self._in_dialog(incoming, now, forget)
        self._sweep()

    def _in_dialog(self, incoming: Incoming, now: float, forget: bool) -> None:
        call = self._find(incoming.message)
        if call is None:
            self._line.respond(incoming, 481, now)
        else:
            call.request(incoming, now, forget=forget)

    def cancel_received(self, incoming: Incoming, now: float, *, forget: bool) -> None:
        """Answer a CANCEL, and the INVITE that it is for where that still waits (RFC 3261 9.2)."""
        key = self._line.transactions.invite_of(incoming.message)
        if key is None:
            self._line.respond(incoming, 481, now)
            return
        call = next((call for call in self._calls if call.incoming is not None and call.incoming.key == key), None)
        self._line.respond(incoming, 200, now, to_tag=call.tag if call else None)
        if call is not None and not forget:
            call.fire("CANCEL", now)
        self._sweep()

    # time

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called, in seconds, or None."""
        self._sweep()
        earliest = self._left[0][0] if self._left else None
        for call in self._calls:
            deadline = call.next_deadline()
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def handle_timer(self, now: float) -> None:
        """Fire what is due."""
        for call in self._calls:
            deadline = call.next_deadline()
            if deadline is not None and deadline <= now:
                call.handle_timer(now)
        while self._left and self._left[0][0] <= now:
            heapq.heappop(self._left)[2].handle_timer(now)
        self._sweep()

    @property
    def _lingering(self) -> Iterator[Call]:
        return (call for _, _, call in self._left)

    def _sweep(self) -> None:
        """Forget the calls that are over, and keep those apart that are left."""
        if not any(call.machine.ended or call.machine.state == "left" for call in self._calls):
            return
        for call in self._calls:
            end = call.machine.next_deadline() if call.machine.state == "left" else None
            if end is not None:
                heapq.heappush(self._left, (end, next(self._order), call))
        self._calls = [call for call in self._calls if not (call.machine.ended or call.machine.state == "left")]
