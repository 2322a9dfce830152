"""Applies faults to what the server sends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from phones.sip.index import Message, SipSyntaxError, scan
from phones.sip.message import Address
from reference_server.effects import ApiReply, ApiRequest, Effect, SendMedia, SendSip
from reference_server.faults import (
    Action,
    Delay,
    Double,
    Drop,
    EditBody,
    EditHeader,
    Fault,
    Kind,
    Match,
    Misdirect,
    Once,
    Reorder,
)
from reference_server.registrations import Contact
from reference_server.runtime import Agenda
from reference_server.wire import assemble, encode

Other = Callable[[str, str | None, float], Contact | None]
"""Given an AOR, perhaps a username, and `now`: the newest contact of another device of that account."""

MEMORY = 4096
"""Messages whose retransmissions are still recognised."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a match looks at."""

    kind: Kind
    method: str
    event: str | None
    status: int | None
    user: str | None
    path: str | None
    aor: str
    leg: str | None = None
    users: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a message: effects with delays in seconds; `held` keeps it back so long at most.

    `repeats`: whether its retransmissions have the same fate, and not none.
    """

    sent: tuple[tuple[float, SendSip], ...]
    held: float | None = None
    repeats: bool = True


class Injector:
    """The send boundary: everything that leaves the server passes here once."""

    def __init__(self, faults: Sequence[Fault], agenda: Agenda, emit: Callable[[Effect], None], other: Other) -> None:
        self._faults = tuple(faults)
        self._agenda = agenda
        self._emit = emit
        self._other = other
        self._seen = [0] * len(self._faults)
        self._outcomes: dict[bytes, Outcome] = {}
        self._held: dict[tuple[Address, str], list[SendSip]] = {}

    def send(self, message: SendSip, now: float, *, retransmission: bool = False) -> None:
        """Send a SIP message, or do to it what the faults say."""
        if not self._faults:
            self._emit(message)
            return
        known = self._outcomes.get(message.data) if retransmission else None
        if known is not None:
            # the same fate as the message that it repeats, but neither doubled nor held back again
            for delay, copy in known.sent[: known.repeats]:
                self._emit_at(now + delay, now, copy)
            return
        outcome = self._outcome(message, now)
        self._remember(message.data, outcome)
        if outcome.held is not None:
            self._hold(message, outcome, now)
            return
        for delay, copy in outcome.sent:
            self._emit_at(now + delay, now, copy)
        for waiting in self._held.pop((message.remote, message.transport), ()):
            self._emit(waiting)

    def reply(self, reply: ApiReply, request: ApiRequest, now: float) -> None:
        """Answer an API request, or do to the answer what the faults say."""
        path = request.target.partition("?")[0]
        facts = Facts(Kind.API, request.method.upper(), None, reply.status, None, path, "")
        delay = 0.0
        copies = 1
        for action in self._actions(facts):
            if isinstance(action, Drop):
                copies = 0
            elif isinstance(action, Delay):
                delay += action.seconds
            elif isinstance(action, EditBody):
                reply = _with_reply_body(reply, action)
            elif isinstance(action, EditHeader):
                edit = action.model_copy(update={"name": action.name.lower()})
                reply = replace(reply, headers=tuple(_edited(list(reply.headers), edit)))
        if copies:
            self._emit_at(now + delay, now, reply)

    def media(self, packet: SendMedia, leg: str, users: tuple[str, ...], now: float) -> None:
        """Pass a packet on that came from `leg` (a or b), whose device goes by `users`, or do what the faults say."""
        facts = Facts(Kind.MEDIA, "", None, None, None, None, "", leg, users)
        delays = [0.0]
        for action in self._actions(facts):
            if isinstance(action, Drop):
                return
            if isinstance(action, Delay):
                delays = [delay + action.seconds for delay in delays]
            elif isinstance(action, Double):
                delays.append(delays[0] + action.after)
        for delay in delays:
            self._emit_at(now + delay, now, packet)

    def _emit_at(self, when: float, now: float, effect: Effect) -> None:
        if when <= now:
            self._emit(effect)
        else:
            self._agenda.at(when, lambda _: self._emit(effect), kept=True)

    def _remember(self, data: bytes, outcome: Outcome) -> None:
        self._outcomes[data] = outcome
        if len(self._outcomes) > MEMORY:
            del self._outcomes[next(iter(self._outcomes))]

    def _hold(self, message: SendSip, outcome: Outcome, now: float) -> None:
        place = (message.remote, message.transport)
        copies = [copy for _, copy in outcome.sent]
        self._held.setdefault(place, []).extend(copies)

        def release(_: float) -> None:
            waiting = self._held.get(place, [])
            for copy in copies:
                if any(copy is other for other in waiting):
                    waiting[:] = [other for other in waiting if other is not copy]
                    self._emit(copy)

        self._agenda.at(now + (outcome.held or 0.0), release, kept=True)

    def _actions(self, facts: Facts) -> list[Action]:
        actions: list[Action] = []
        for index, fault in enumerate(self._faults):
            if not _matches(fault.match, facts):
                continue
            self._seen[index] += 1
            if not fault.match.nth or self._seen[index] in fault.match.nth:
                actions += fault.actions
        return actions

    def _outcome(self, message: SendSip, now: float) -> Outcome:
        try:
            parsed = Message.parse(message.data)
        except SipSyntaxError:
            return Outcome(((0.0, message),))
        facts = _facts(parsed)
        delay, held, repeats = 0.0, None, True
        doubled: list[float] = []
        for action in self._actions(facts):
            if isinstance(action, Drop):
                return Outcome(())
            if isinstance(action, Delay):
                delay += action.seconds
            elif isinstance(action, Once):
                repeats = False
            elif isinstance(action, Double):
                doubled.append(action.after)
            elif isinstance(action, Reorder):
                held = action.at_most
            elif isinstance(action, Misdirect):
                contact = self._other(facts.aor, action.user, now)
                if contact is None:
                    return Outcome(())
                data = _with_uri(message.data, contact.uri) if parsed.is_request else message.data
                message = SendSip(data, contact.route.remote, contact.route.transport)
            else:
                message = replace(message, data=_rewritten(message.data, action))
        sent = [(delay, message), *((delay + after, message) for after in doubled)]
        return Outcome(tuple(sent), held, repeats)


def _facts(message: Message) -> Facts:
    event = message.get("event")
    to = (message.get("to") or "").partition(";tag=")[0].strip().strip("<>")
    return Facts(
        kind=Kind.REQUEST if message.is_request else Kind.RESPONSE,
        method=message.method,
        event=event.partition(";")[0].strip() if event is not None else None,
        status=message.status or None,
        user=to.partition(":")[2].partition("@")[0],
        path=None,
        aor=to,
    )


def _matches(match: Match, facts: Facts) -> bool:
    if match.kind is not facts.kind:
        return False
    if facts.kind is Kind.MEDIA:
        return match.leg in (None, facts.leg) and (match.user is None or match.user in facts.users)
    wanted = (match.method, match.event, match.status, match.user)
    found = (facts.method, facts.event, facts.status, facts.user)
    if any(want is not None and want != have for want, have in zip(wanted, found, strict=True)):
        return False
    return match.path is None or (facts.path or "").endswith(match.path)


def _edited(headers: list[tuple[str, str]], edit: EditHeader) -> list[tuple[str, str]]:
    for index, (name, _) in enumerate(headers):
        if name.lower() == edit.name.lower():
            replacement = [] if edit.value is None else [(name, edit.value)]
            return [*headers[:index], *replacement, *headers[index + 1 :]]
    return headers if edit.value is None else [*headers, (edit.name, edit.value)]


def _with_uri(data: bytes, uri: str) -> bytes:
    method, _, rest = data.partition(b" ")
    return method + b" " + encode(uri) + rest[rest.index(b" ") :]


def _rewritten(data: bytes, action: EditHeader | EditBody) -> bytes:
    start, fields, body = scan(data)
    headers = [(_text(name), _text(value)) for name, value in fields]
    if isinstance(action, EditHeader):
        headers = _edited(headers, action)
    else:
        body = encode(action.body)
        headers = _edited(headers, EditHeader(name="Content-Length", value=str(len(body))))
    return assemble(_text(start), headers, body)


def _with_reply_body(reply: ApiReply, action: EditBody) -> ApiReply:
    body = encode(action.body)
    headers = _edited(list(reply.headers), EditHeader(name="content-length", value=str(len(body))))
    return replace(reply, headers=tuple(headers), body=body)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
