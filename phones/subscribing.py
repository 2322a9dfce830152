"""The part of a phone that watches: subscriptions and their NOTIFYs (RFC 6665)."""

from __future__ import annotations

import re

from phones.effects import Subscribed, Watching
from phones.line import ALLOW, IN_TROUBLE, Line
from phones.negotiation import Negotiation, retry_after, seconds
from phones.redirecting import Redirection
from phones.sip.dialog import Dialog, tag_of
from phones.sip.index import Message
from phones.sip.lamp import CONTENT_TYPES, Lamp, LampState
from phones.sip.machine import Duration, Machine
from phones.sip.message import request
from phones.sip.transactions import AckFor, Answer, Incoming, TimedOut
from phones.subscription import SUBSCRIPTION

_EXPIRES = 600
_SILENCE_S = 32.0
"""Timer N: 64*T1 (RFC 6665 4.1.2.4)."""
_ENDING = frozenset({404, 405, 408, 410, 416, 480, 482, 483, 484, 485, 489, 501, 604})
"""What ends a subscription when a refresh is answered so (RFC 5057 5.1); other failures leave it."""
_LEAST_RETRY_S = 5.0
_PROBATION_S = 60
"""When a phone comes back that is told to, and not told when."""
_SETTLED_S = 10.0
_MOST_RESTARTS = 3
_PARAMETER = re.compile(r";\s*(expires|reason|retry-after)\s*=\s*\"?([^\s;,\"]+)", re.IGNORECASE)


def package_of(event: str) -> str:
    """The event package of an Event header, without parameters."""
    return event.partition(";")[0].strip().lower()


class Subscription:
    """One wish to know of one presentity, in one dialog after the other."""

    def __init__(self, line: Line, presentity: str, event: str) -> None:
        self.presentity = presentity
        self.event = event
        self.call_id = ""
        self._line = line
        self._package = package_of(event)
        self._expires = _EXPIRES
        self._refreshing = True
        self._granted = 0
        self._retry_after = 0
        self._later = 0
        self._tag = ""
        self._redirection: Redirection | None = None
        self._target: str | None = None
        self._cseq = 0
        self._dialog: Dialog | None = None
        self._asked: Message | None = None
        self.lamp = Lamp(self._package)
        self._repairing = False
        self._negotiation = Negotiation(line.identity, line.token)
        self._key = ""
        self._why = (0, "")
        self._began = 0.0
        self._restarts = 0
        self._kept = False
        self._anew = False
        self.lapsed = False
        """Whether it was lost, or may be, without anybody having wished that."""
        self.machine = Machine(SUBSCRIPTION, self, 0.0)

    def __repr__(self) -> str:
        return f"<Subscription {self.event} of {self.presentity} {self.machine.state}>"

    @property
    def settled(self) -> bool:
        """Whether nothing is on its way whose outcome will be reported."""
        return self.machine.state in ("idle", "accepted", "active", "left", "waiting")

    @property
    def wanted(self) -> bool:
        """Whether the phone watches or tries to."""
        return self.machine.state not in ("idle", "left")

    def __getitem__(self, timer: str) -> Duration:
        """The durations of the machine: they follow what was granted."""
        match timer:
            case "refresh":
                return lambda _: self._refresh_after()
            case "expiry":
                return lambda _: float(self._granted)
            case "retry":
                return lambda _: float(self._retry_after)
            case _:
                return lambda _: _SILENCE_S

    def _refresh_after(self) -> float:
        # as a registration; what is nearly over is not worth the attempt
        if not self._refreshing or self._granted < 1:
            return float("inf")
        later, self._later = self._later, 0
        return max(self._granted * 0.8, float(later))

    # wishes

    def subscribe(self, now: float, expires: int | None, refresh: bool) -> None:
        """Subscribe, or refresh. `expires` in seconds stays for the refreshes."""
        self._expires = self._expires if expires is None else expires
        self._refreshing = refresh
        self.wish("subscribe", now)

    def wish(self, event: str, now: float, reason: str = "") -> None:
        """Take a wish or a timer; `reason` is why, where that is reported."""
        if event in ("unsubscribe", "lose"):
            self._kept = self.lapsed = False
        self._negotiation.restart()
        self._why = (0, reason)
        self._fire(event, now)

    # what arrives

    def matches(self, notify: Message) -> bool:
        """Whether a NOTIFY is for this subscription (RFC 6665 4.1.3): dialog and Event."""
        if self.machine.state in ("idle", "waiting") or notify.call_id != self.call_id:
            return False
        same = tag_of(notify.get("to") or "") == self._tag and package_of(notify.get("event") or "") == self._package
        return same and (self._dialog is None or tag_of(self._dialog.remote) == tag_of(notify.get("from") or ""))

    def notify(self, incoming: Incoming, now: float, *, forget: bool) -> None:
        """Answer a NOTIFY that matches, and follow it unless it is to be forgotten."""
        notify = incoming.message
        if self._dialog is not None and not self._dialog.accept(notify):
            self._line.respond(incoming, 500, now)
            return
        self._line.respond(incoming, 200, now)
        if forget:
            return
        if self._dialog is None and self._asked is not None:
            self._dialog = Dialog.of_notify(self._asked, notify)
        self._negotiation.restart()
        seen = self.lamp.notify(notify)
        self._fire(self._read_state(notify, now), now)
        if seen.state is not LampState.UNKNOWN:
            self._repairing = False
        elif seen.refresh and not self._repairing:
            # once, until it helps: a notifier may answer with another gap
            self._repairing = True
            self._fire("gap", now)

    def _read_state(self, notify: Message, now: float) -> str:
        """The event that the Subscription-State of a NOTIFY is (RFC 6665 4.1.3)."""
        value = notify.get("subscription-state") or ""
        given = {name.lower(): text for name, text in _PARAMETER.findall(value)}
        if value.partition(";")[0].strip().lower() != "terminated":
            return self._read_expiry(seconds(given.get("expires")), now)
        reason = given.get("reason", "").lower()
        self._why = (0, reason)
        later = seconds(given.get("retry-after"))
        if not self._refreshing or reason in ("rejected", "noresource", "invariant"):
            return "NOTIFY terminated"
        if reason in ("deactivated", "timeout"):
            return "NOTIFY deactivated" if self._may_restart(now) else "NOTIFY terminated"
        if later is None and reason != "probation":
            return "NOTIFY terminated"
        self._retry_after = _PROBATION_S if later is None else max(later, int(_LEAST_RETRY_S))
        return "NOTIFY probation"

    def _read_expiry(self, left: int | None, now: float) -> str:
        """A notifier may shorten what it has granted, not lengthen it (RFC 6665 4.2.1.4)."""
        end = self.machine.deadlines.get("expiry")
        if left is None or (end is not None and now + left > end - 1):
            return "NOTIFY active"
        self._granted = left
        return "NOTIFY active" if end is None else "NOTIFY shortened"

    def _may_restart(self, now: float) -> bool:
        """Whether to subscribe anew at once. A notifier that ends every subscription is not asked for ever."""
        if now - self._began >= _SETTLED_S:
            self._restarts = 0
        self._restarts += 1
        return self._restarts <= _MOST_RESTARTS

    def _heard(self, output: Answer | TimedOut | AckFor, now: float) -> None:
        if isinstance(output, TimedOut):
            self._why = (0, output.reason)
            # a phone that registers leaves it to its registration where it is at home
            alone = self.machine.state == "subscribing" and not self._line.attached
            if self._follow(0):
                self._fire("again", now)
            else:
                self._fire("move" if alone and self._line.turn(0, output.reason) else "timeout", now)
        elif isinstance(output, Answer) and output.message.status >= 200:
            self._why = (output.message.status, output.message.reason)
            self._fire(self._read_answer(output.message, now), now)

    def _read_answer(self, answer: Message, now: float) -> str:
        if answer.status < 300:
            self._negotiation.accepted(answer)
            return self._read_grant(answer)
        if answer.status == 481:
            return "gone" if self._may_restart(now) else "refused"
        if answer.status in (401, 407) and self._negotiation.judge_challenge(answer) == "again":
            return "again"
        if answer.status == 423 and (wanted := self._negotiation.judge_interval(answer, self._expires)):
            self._expires = wanted
            return "interval"
        if self._follow(answer.status, answer):
            self._negotiation.restart()
            return "again"
        left = self.machine.deadlines.get("expiry", now) - now
        later = retry_after(answer) or 0 if answer.status == 503 else 0
        if later:
            self._line.not_before = now + later
        if answer.status in _ENDING or left < 1 or later >= left:
            return "refused"
        self._granted, self._later = int(left), later
        return "failed"

    def _follow(self, status: int, answer: Message | None = None) -> bool:
        """Go where an answer sends us before there is a dialog, if anywhere."""
        if self._dialog is None and answer is not None and 300 <= status < 400:
            self._redirection = self._redirection or Redirection(self.presentity)
        target = self._redirection.follow(status, answer) if self._redirection and self._dialog is None else None
        self._target = target or self._target
        return target is not None

    def _read_grant(self, answer: Message) -> str:
        if self._dialog is None and self._asked is not None and tag_of(answer.get("to") or ""):
            self._dialog = Dialog.of_answer(self._asked, answer)
        elif self._dialog is not None:
            self._dialog.retarget(answer)
        granted = seconds(answer.get("expires"))
        self._granted = self._expires if granted is None else granted
        return "granted" if self._granted else "granted nothing"

    # what comes of it

    def _fire(self, event: str, now: float) -> None:
        for action in self.machine.fire(event, now):
            if action == "begin":
                self._begin(now)
            elif action == "send":
                self._send(self._expires, now)
            elif action == "send zero":
                self._send(0, now)
            elif action == "report active":
                self._report("active")
            elif action == "report refused":
                self._report("refused")
            elif action == "report expired":
                self._report("expired")
            elif action == "report unanswered":
                self._report("unanswered")
            else:
                self._report("terminated")
        if event == "lose":
            self._line.release(self._key)

    def lapse(self, *, anew: bool) -> None:
        """What the notifier knows of us is lost, or leads nowhere. `anew`: its dialog leads by an edge that is gone."""
        self.lapsed = self._kept
        self._anew = self._anew or anew

    def recover(self, now: float) -> None:
        """Subscribe again, in the same dialog as long as it may be there."""
        if self._anew:
            self.wish("lose", now, "another edge")
        self.lapsed = self._anew = False
        self.wish("subscribe" if self.machine.state in ("idle", "left", "waiting") else "move", now)

    def _report(self, state: Watching) -> None:
        status, reason = self._why
        if state == "active":
            self._kept, self.lapsed = self._refreshing, False
        elif state == "unanswered" or (state == "refused" and status in IN_TROUBLE):
            self.lapsed = self._kept
        elif self.machine.state == "idle":
            self._kept = self.lapsed = False
        left = self._granted if state == "active" else 0
        self._line.effects.append(
            Subscribed(self.call_id, self.presentity, self.event, state, status, reason, expires=left)
        )

    def _begin(self, now: float) -> None:
        """Start from nothing, in a dialog to come."""
        self.call_id = self._line.new_call_id()
        self._tag = self._line.token()
        self._redirection = self._target = None
        self._cseq = 0
        self._dialog = None
        self._granted = self._expires
        self.lamp = Lamp(self._package)
        self._repairing = False
        self._began = now
        self._send(self._expires, now)

    def _send(self, expires: int, now: float) -> None:
        line = self._line
        uri = self._target or self.presentity if self._dialog is None else self._dialog.target
        headers = [
            ("User-Agent", self._line.personality.agent),
            ("Allow", ALLOW),
            ("Contact", line.contact_header),
            ("Event", self.event),
            *((("Accept", CONTENT_TYPES[self._package]),) if self._package in CONTENT_TYPES else ()),
            ("Expires", str(expires)),
            *self._negotiation.credentials("SUBSCRIBE", uri),
        ]
        remote = line.edge if self._target is None else line.towards(self._target)
        if self._dialog is None:
            self._cseq += 1
            common = [
                ("Via", line.via()),
                ("Max-Forwards", "70"),
                ("From", f"<{line.identity.aor}>;tag={self._tag}"),
                ("To", f"<{self.presentity}>"),
                ("Call-ID", self.call_id),
                ("CSeq", f"{self._cseq} SUBSCRIBE"),
            ]
            data = request("SUBSCRIBE", uri, [*common, *headers])
            self._asked = Message.parse(data)
        else:
            data = self._dialog.request("SUBSCRIBE", line.via(), headers)
            remote = line.hop(self._dialog)
        line.release(self._key)
        self._key = line.request(data, now, self._heard, remote)


class Subscriptions:
    """All that one phone watches, by presentity and event."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._all: dict[tuple[str, str], Subscription] = {}

    def subscribe(self, presentity: str, event: str, now: float, *, expires: int | None, refresh: bool) -> None:
        """Watch `presentity`, or refresh. Raises SipSyntaxError when it is no URI that fits into a request."""
        key = (presentity, event)
        if key not in self._all:
            # before anything is begun that could not be sent
            common = [("Call-ID", "1"), ("CSeq", "1 SUBSCRIBE"), ("Event", event)]
            Message.parse(request("SUBSCRIBE", presentity, common))
            self._all[key] = Subscription(self._line, presentity, event)
        self._all[key].subscribe(now, expires, refresh)

    def get(self, presentity: str, event: str) -> Subscription | None:
        """The subscription, whatever its state; None when there never was one."""
        return self._all.get((presentity, event))

    def unsubscribe(self, presentity: str, event: str, now: float) -> None:
        """Watch no more. Does nothing for what is not watched."""
        if subscription := self.get(presentity, event):
            subscription.wish("unsubscribe", now)

    def notify(self, incoming: Incoming, now: float, *, forget: bool) -> bool:
        """Let the subscription that a NOTIFY is for answer it. False, and no answer, when there is none."""
        for subscription in self._all.values():
            if subscription.matches(incoming.message):
                subscription.notify(incoming, now, forget=forget)
                return True
        return False

    @property
    def settled(self) -> bool:
        """Whether nothing is on its way."""
        return all(subscription.settled for subscription in self._all.values())

    @property
    def lapsed(self) -> bool:
        """Whether one that is not on its way was lost without anybody having wished that."""
        return any(subscription.lapsed and subscription.settled for subscription in self._all.values())

    def lapse(self, *, anew: bool = False) -> None:
        """What the notifier knows of us is lost, or leads nowhere. `anew`: dialogs lead by an edge that is gone."""
        for subscription in self._all.values():
            subscription.lapse(anew=anew)

    def recover(self, now: float) -> None:
        """Subscribe again to whatever was lost."""
        for subscription in self._all.values():
            if subscription.lapsed:
                subscription.recover(now)

    def wish(self, event: str, now: float, reason: str = "") -> None:
        """Let all of them `move` or `lose`."""
        for subscription in self._all.values():
            subscription.wish(event, now, reason)

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called, in seconds, or None."""
        earliest: float | None = None
        for subscription in self._all.values():
            deadline = subscription.machine.next_deadline()
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def handle_timer(self, now: float) -> None:
        """Fire what is due."""
        for subscription in self._all.values():
            while (event := subscription.machine.due(now)) is not None:
                subscription.wish(event, now, "no NOTIFY" if event == "timer silence" else "")
