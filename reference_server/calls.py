"""Calls: two legs joined, as FreeSWITCH joins them; who is rung, who is told, whose lamp is lit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import unquote

from phones.sip.dialog import elements, uri_of
from phones.sip.index import Message
from phones.sip.machine import Machine
from phones.sip.message import Address, response
from reference_server.behaviour_calls import (
    Bypass,
    CallerRinging,
    Keeping,
    LegB,
    Losers,
    Quoting,
    Redirect,
    Repeats,
    Shown,
    Teardown,
)
from reference_server.call_wire import LOSE_RACE, NO_ROUTE, CallWriter, Header, tag_of, target_of, user_of
from reference_server.callers import Caller, Callers
from reference_server.channels import Channel
from reference_server.digests import Digests, Doubted
from reference_server.directory import Account, Device
from reference_server.legs import INCOMING, LINGER_S, OUTGOING, Leg, Shows, Side
from reference_server.media import MediaRelay
from reference_server.presence import Presence
from reference_server.presentity import presentity_of
from reference_server.registrations import Aor
from reference_server.routing import OWN, Refusal, Router, Target
from reference_server.rules import Gate, Span
from reference_server.runtime import NOWHERE, Route, Runtime
from reference_server.states import Cause, ChannelState, Direction
from reference_server.switch import Switch
from reference_server.ways import way
from reference_server.wire import Relay

REFUSALS = {0: "RECOVERY_ON_TIMER_EXPIRE", 404: "UNALLOCATED_NUMBER", 486: "USER_BUSY", 603: "CALL_REJECTED"}
"""What FreeSWITCH calls the answers of a phone that does not take a call; 0: none."""

REFUSED = "NORMAL_TEMPORARY_FAILURE"

MOST_HOPS = 50
"""Max-Forwards of what begins here; more than that is cut to it (recorded)."""

HOPS_INSIDE = 2
"""What a call that passes through loses of its Max-Forwards (recorded: 70 becomes 48)."""

MOST_REDIRECTIONS = 5
"""How often a call is sent on."""

UNANSWERED = (603, "Endpoint Not Available")
"""What the caller is told when nobody answered in time (recorded)."""


@dataclass(slots=True, eq=False)
class Call:
    """Leg A, the number that it is for, and the legs B once they are rung: `branches`, of which the first that answers
    is `joined`. `awaited` are those that ring later, `refusals` the statuses of those that nobody takes, 0 for none;
    `sent_to` the numbers that phones have named which sent the call on.

    `shows` is what leg B is shown of leg A. With `early_media` the number of a quickcall is called as soon as leg A
    sends media, with `bypass` the phones send each other theirs. The edge swallows the INVITE of leg B of a `mute` one;
    `hints_b` are headers of that INVITE. `outcome` is told once whether leg A was answered ("") or why not; all other
    `rivals` are hung up when it is.
    """

    account: Account
    device: Device | None
    number: str
    shows: Shows
    a: Leg
    branches: list[Leg] = field(default_factory=list)
    joined: Leg | None = None
    awaited: int = 0
    refusals: list[int] = field(default_factory=list)
    sent_to: set[str] = field(default_factory=set)
    quickcall: bool = False
    bypass: bool = False
    early_media: bool = False
    dialled: bool = False
    mute: bool = False
    hints_b: Sequence[Header] = ()
    outcome: Callable[[str, float], None] | None = None
    rivals: Sequence[Call] = ()

    def conclude(self, cause: str, now: float) -> None:
        """Tell how leg A went, the first time only."""
        outcome, self.outcome = self.outcome, None
        if outcome is not None:
            outcome(cause, now)

    def others(self, leg: Leg) -> Sequence[Leg]:
        """The legs at the other side of `leg`."""
        return self.branches if leg is self.a else (self.a,)

    @property
    def rings_on(self) -> bool:
        """Whether somebody may still take it."""
        return self.awaited > 0 or any(not leg.over for leg in self.branches)


class Calls:
    """Every call of the server. INVITEs come in from the edge, quickcalls from the API."""

    def __init__(
        self,
        runtime: Runtime,
        relay: Relay,
        writer: CallWriter,
        router: Router,
        callers: Callers,
        presence: Presence,
        media: MediaRelay,
        digests: Digests,
    ) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.calls
        self._quick = runtime.behaviour.quickcall
        self._relay = relay
        self._router = router
        self._callers = callers
        self._presence = presence
        self._writer = writer
        self._switch = Switch(runtime, relay, writer, self, digests)
        self._media = media
        self._calls: dict[Leg, Call] = {}

    # what comes from the wire

    def receive(self, key: str, request: Message, source: Address, transport: str, now: float) -> None:
        """Take an INVITE that begins a call."""
        number = unquote(user_of(request.uri))
        try:
            caller = self._callers.identify(request, number, Route(source, transport), now)
        except Doubted as doubted:
            headers = [("Proxy-Authenticate", challenge) for challenge in doubted.challenges]
            data = response(request, 407, headers=headers, to_tag=self._relay.tag())
            self._runtime.wire.respond(key, data, transport, now)
            return
        if self._rules.extensions is Gate.REFUSED and (unknown := self._switch.unknown(request)):
            headers = [("Unsupported", ", ".join(unknown))]
            data = response(request, 420, headers=headers, to_tag=self._relay.tag())
            self._runtime.wire.respond(key, data, transport, now)
            return
        leg = self._incoming(request, number, caller, way(request, source, transport), now)
        self._switch.take(leg, request, key, now)
        call = Call(caller.party.account, caller.device, number, caller.shows, leg)
        self._calls[leg] = call
        if leg.hops <= HOPS_INSIDE:
            self._switch.refuse(leg, 483, "Too Many Hops", now)
            return
        if not self._switch.read_media(leg, request) or self._writer.answer(leg) is None:
            self._switch.refuse(leg, 488, "Not Acceptable Here", now)
            return
        self._dial_at(call, now, now + self._runtime.draw(self._rules.delay))

    def in_dialog(self, key: str, request: Message, transport: str, now: float) -> bool:
        """Take a request inside a dialog; return whether it is inside one of ours."""
        return self._switch.in_dialog(key, request, transport, now)

    def cancel(self, key: str, request: Message, transport: str, now: float) -> bool:
        """Take a CANCEL; return whether there is anything to cancel."""
        leg = self._switch.cancellable(request)
        if leg is None:
            return False
        data = response(request, 200, "canceling", to_tag=self._relay.tag())
        self._runtime.wire.respond(key, data, transport, now)
        self._switch.fire(leg, "CANCEL", now)
        return True

    def answer(self, key: str, message: Message, now: float) -> bool:
        """Take a response; return whether it is one to an INVITE of ours."""
        return self._switch.answer(key, message, now)

    def timed_out(self, key: str, now: float) -> None:
        """Nobody answered our request `key`, or acknowledged our answer to it."""
        self._switch.timed_out(key, now)

    def acknowledged(self, key: str, now: float) -> None:
        """The ACK for our answer to `key` came."""
        self._switch.acknowledged(key, now)

    # for the rest of the server

    def live(self, presentity: Aor) -> list[Channel]:
        """The legs that light the lamp of `presentity` now, the oldest first."""
        return [
            self._channel(leg, leg.shown)
            for leg in self._switch.legs
            if leg.party.presentity is not None
            and leg.party.presentity.key == presentity.key
            and leg.shown in (ChannelState.EARLY, ChannelState.CONFIRMED)
        ]

    @property
    def legs(self) -> list[Leg]:
        """The legs that are not forgotten yet."""
        return list(self._calls)

    def restart(self) -> None:
        """Forget every call, without a word to anybody."""
        self._calls.clear()
        self._switch.restart()
        self._media.restart()

    def ring_first(self, call: Call, extra: list[Header], now: float) -> None:
        """Begin a quickcall: ring its leg A, with `extra` headers."""
        leg = call.a
        if leg.over:
            # another device was faster
            return
        self._calls[leg] = call
        self._media.add(leg)
        self._switch.invite(leg, self._writer.offer(leg), extra, [], now)
        self._show(leg, ChannelState.EARLY, now)
        if self._quick.leg_b is LegB.AT_ONCE:
            self._dial(call, now)

    def outgoing(self, side: Side, target: Target, peer: Shows, local: str, call_id: str, hops: int, now: float) -> Leg:
        """A leg to a phone, its ring time running. `local` is the From that it shows, `peer` what lamps show."""
        durations = {"ring": lambda _: target.ring_s, "linger": lambda _: LINGER_S}
        machine = Machine(OUTGOING, durations, now)
        return Leg(
            side,
            target.party,
            Direction.RECIPIENT,
            peer,
            machine,
            target.route,
            call_id,
            self._relay.tag(),
            self._relay.next_cseq(),
            hops,
            local=local,
            remote=target.to,
            target=target.uri,
            uri=target.uri,
        )

    # legs

    def _incoming(self, request: Message, number: str, caller: Caller, route: Route, now: float) -> Leg:
        tag = self._relay.tag()
        sender = request.get("from") or ""
        host, port = route.remote
        leg = Leg(
            Side.A,
            caller.party,
            Direction.INITIATOR,
            Shows(number, number),
            Machine(INCOMING, {"linger": lambda _: LINGER_S}, now),
            route,
            request.call_id,
            tag,
            request.cseq,
            _hops(request),
            local=request.get("to") or "",
            remote=sender,
            target=target_of(request) or f"sip:{user_of(sender) or 'unknown'}@{host}:{port}",
        )
        leg.remote_tag = tag_of(sender)
        self._media.add(leg)
        return leg

    def _dial_at(self, call: Call, now: float, when: float) -> None:
        """Ring leg B at `when`, and report leg A a little before, where the rules say so."""
        if self._rules.caller_ahead_s:
            self._runtime.agenda.at(max(now, when - self._rules.caller_ahead_s), partial(self._announce, call))
        self._runtime.agenda.at(when, lambda then: self._dial(call, then))

    def _announce(self, call: Call, now: float) -> None:
        """Report leg A ahead of leg B, unless the number leads nowhere."""
        target = self._router.route(call.account, call.device, call.number, now)
        if call.a.over or (isinstance(target, Refusal) and target.at_once):
            return
        if call.quickcall:
            self._show_again(call.a, now)
        else:
            self._show(call.a, self._while_ringing(), now)
        if self._rules.repeats is Repeats.TOLD:
            again = now + self._runtime.draw(self._rules.again)
            self._runtime.agenda.at(again, partial(self._show_again, call.a))

    def _dial(self, call: Call, now: float) -> None:
        """Ring whoever has the number of `call`."""
        a = call.a
        revived = call.quickcall and self._quick.leg_b is LegB.EVEN_AFTER_REJECT
        if call.dialled or (a.over and not revived):
            return
        call.dialled = True
        targets = self._router.route(call.account, call.device, call.number, now)
        if isinstance(targets, Refusal):
            self._nobody(call, targets, now)
            return
        if not call.quickcall:
            self._show(a, self._while_ringing(), now)
        self._ring(call, targets, now)

    def _ring(self, call: Call, targets: Sequence[Target], now: float) -> None:
        """Ring legs B, at once or when it is their turn."""
        call.awaited += len(targets)
        for target in targets:
            if target.delay_s:
                self._runtime.agenda.at(now + target.delay_s, partial(self._branch_late, call, target))
            else:
                self._branch(call, target, now)

    def _branch_late(self, call: Call, target: Target, now: float) -> None:
        if call.joined is None and not call.a.over:
            self._branch(call, target, now)

    def _branch(self, call: Call, target: Target, now: float) -> None:
        """Ring one leg B."""
        a = call.a
        call.awaited -= 1
        shows = call.shows if target.keeps_caller or target.party.device is None else self._own(target)
        quoting = self._quick.quoting if call.quickcall else Quoting.ESCAPED
        local = self._writer.name_address(shows, call.account.realm, quoting)
        hops = a.hops if call.quickcall else a.hops - HOPS_INSIDE
        if call.quickcall and self._quick.leg_b_lamp is Shown.HIDDEN:
            target = replace(target, party=replace(target.party, presentity=None))
        b = self.outgoing(Side.B, target, shows, local, self._relay.call_id(), hops, now)
        call.branches.append(b)
        self._calls[b] = call
        self._media.add(b)
        if not call.bypass or self._quick.bypass is Bypass.RELAYED:
            a.mate, b.mate = a.mate or b, a
        if call.mute:
            b.route = NOWHERE
        body = self._bypassing(a) if call.bypass and a.body else self._writer.offer(b)
        self._switch.invite(b, body, [*call.hints_b], [("k-cid", self._relay.clean(a.call_id))], now)
        self._show(b, ChannelState.EARLY, now)

    def _bypassing(self, leg: Leg) -> bytes:
        """What the other phone gets of the media of `leg` where they are to send each other theirs."""
        return self._writer.relayed(leg.body) if self._quick.bypass is Bypass.RELAYED else leg.body

    def _own(self, target: Target) -> Shows:
        """What the trunk shows of a forwarding device that does not keep the caller's id."""
        device = target.party.device
        assert device is not None
        return self._callers.shows(target.party.account, device, str(device.document.get("name", "")))

    def _nobody(self, call: Call, refusal: Refusal, now: float) -> None:
        """There is nobody to ring: say so in a moment."""
        if refusal.known and not call.quickcall:
            self._show(call.a, self._while_ringing(), now)

        span = self._rules.refusal_delay
        if not refusal.known and self._rules.unknown_delay is not None:
            # recorded: a number with a space in it is refused at once
            span = Span(low=0.0, high=0.0) if " " in call.number else self._rules.unknown_delay

        def conclude(then: float) -> None:
            if not (call.quickcall or call.a.ringing):
                # the caller has given up meanwhile: nothing is there that a lamp could show
                return
            if refusal.at_once and self._rules.unknown_lamp is Shown.SHOWN:
                self._show(call.a, self._while_ringing(), then)
                if call.quickcall:
                    self._show_again(call.a, then)
            if call.quickcall:
                self._end(call.a, then, "" if refusal is OWN else NO_ROUTE)
            else:
                self._switch.refuse(call.a, refusal.status, refusal.reason, then)

        self._runtime.agenda.at(now + self._runtime.draw(span), conclude)

    # what becomes of them

    def described(self, leg: Leg) -> None:
        """Told by the switch: the phone of a leg listens somewhere else, or for the first time."""
        self._media.place(leg)

    def leg_changed(self, leg: Leg, event: str, now: float) -> None:
        """Told by the switch: progress, answered, refused, unanswered, gone, over."""
        call = self._calls.get(leg)
        if call is None:
            return
        if event == "progress":
            self._progress(call, leg, now)
        elif event in ("held", "resumed"):
            self._held(leg, event == "held", now)
        elif event == "answered":
            self._answered(call, leg, now)
        elif event == "over":
            if leg is call.a:
                call.conclude("ORIGINATOR_CANCEL", now)
            self._show_end(leg, now)
            self._media.remove(leg)
            del self._calls[leg]
        elif event == "gone":
            self._show_end(leg, now, Cause.HUNG_UP if leg.established else Cause.CANCELLED)
            keeps = self._quick.a_hangs_up if leg is call.a else self._quick.b_hangs_up
            if not (call.quickcall and keeps is Teardown.LEFT):
                self._end_all(call.others(leg), now)
        elif leg is call.a:
            call.conclude(REFUSALS.get(leg.status, REFUSED) if event == "refused" else "NO_ANSWER", now)
            self._show_end(leg, now, Cause.REJECTED if event == "refused" else Cause.UNANSWERED)
            if event == "refused" and self._quick.leg_b is LegB.EVEN_AFTER_REJECT:
                self._dial(call, now)
            else:
                self._end_all(call.others(leg), now)
        else:
            self._untaken(call, leg, event, now)

    def _progress(self, call: Call, leg: Leg, now: float) -> None:
        if leg.status <= 100:
            return
        if leg is not call.a and not call.quickcall:
            self._switch.fire(call.a, "progress", now)
        elif leg is call.a and call.early_media and leg.session is not None:
            self._dial(call, now)

    def _held(self, leg: Leg, held: bool, now: float) -> None:
        """A leg that is held is in its call all the same."""
        if self._rules.held_lamp is Shown.HIDDEN and leg.shown is not None:
            if held:
                self._show_end(leg, now)
            else:
                self._show(leg, ChannelState.CONFIRMED, now)

    def _answered(self, call: Call, leg: Leg, now: float) -> None:
        leg.established = True
        self._show(leg, ChannelState.CONFIRMED, now)
        if leg is call.a:
            call.conclude("", now)
            for rival in call.rivals:
                if rival is not call and rival.device is not call.device:
                    self._end(rival.a, now, LOSE_RACE)
            if self._rules.repeats is Repeats.TOLD:
                # recorded: with what leg B is shown as the other side
                again = partial(self._show_again, leg, peer=call.shows.number)
                self._runtime.agenda.at(now + self._quick.again_s, again)
            if self._quick.leg_b is not LegB.NEVER:
                self._dial_at(call, now, now + self._runtime.draw(self._quick.leg_b_delay))
            return
        call.joined = leg
        if not call.bypass:
            call.a.mate = leg
        for loser in call.branches:
            if not loser.over and loser is not leg:
                self._lose(loser, leg, now)
        if call.a.over:
            self._end(leg, now)
        elif not call.quickcall:
            call.a.established = True
            self._switch.fire(call.a, "answer", now)
            self._show_again(call.a, now)
            self._show(call.a, ChannelState.CONFIRMED, now)
        elif call.bypass and leg.body and call.a.confirmed:
            self._switch.reinvite(call.a, self._bypassing(leg), now)

    def _lose(self, loser: Leg, winner: Leg, now: float) -> None:
        """Stop ringing where nobody was fast enough."""
        if self._rules.losers is Losers.STUCK:
            loser.shown = ChannelState.TERMINATED
        self._end(loser, now, LOSE_RACE)
        if self._rules.losers is Losers.END_WINNER:
            self._show_end(winner, now, Cause.HUNG_UP)

    def _untaken(self, call: Call, leg: Leg, event: str, now: float) -> None:
        """Nobody took a leg B; tell leg A when it was the last one."""
        unanswered = event == "unanswered" or leg.status == 0
        self._show_end(leg, now, Cause.UNANSWERED if unanswered else Cause.REJECTED)
        call.refusals.append(0 if unanswered else leg.status)
        self._send_on(call, leg, now)
        if call.rings_on:
            return
        if call.quickcall:
            if self._quick.b_refuses is Teardown.HUNG_UP:
                self._end(call.a, now)
            return
        best = _best(call.refusals)
        cause = Cause.REJECTED if best else Cause.UNANSWERED
        status, reason = (_passed_on(best), "") if best else UNANSWERED
        if call.a.ringing:
            self._show_end(call.a, now, cause)
            self._switch.refuse(call.a, status, reason, now)

    def _send_on(self, call: Call, leg: Leg, now: float) -> None:
        """Ring whom a phone names that answers 3xx, each number once."""
        if self._rules.redirect is Redirect.REFUSED or leg.status not in (300, 301, 302) or leg.latest is None:
            return
        if call.joined is not None or call.a.over:
            return
        for contact in elements(leg.latest.all("contact")):
            number = unquote(user_of(f"<{uri_of(contact)}>"))
            if number in call.sent_to or number == call.number or len(call.sent_to) >= MOST_REDIRECTIONS:
                continue
            call.sent_to.add(number)
            targets = self._router.route(call.account, leg.party.device, number, now)
            if isinstance(targets, Refusal):
                continue
            self._ring(call, targets, now)
            return

    def _end_all(self, legs: Sequence[Leg], now: float) -> None:
        for leg in legs:
            self._end(leg, now)

    def _end(self, leg: Leg, now: float, cause: str = "") -> None:
        if leg.over:
            return
        self._show_end(leg, now, Cause.CANCELLED if leg.ringing else Cause.HUNG_UP)
        self._switch.hang_up(leg, now, cause)

    # lamps

    def _while_ringing(self) -> ChannelState:
        early = self._rules.caller_ringing is CallerRinging.EARLY
        return ChannelState.EARLY if early else ChannelState.CONFIRMED

    def _channel(self, leg: Leg, state: ChannelState, cause: Cause = Cause.NONE) -> Channel:
        presentity = leg.party.presentity
        assert presentity is not None
        device = leg.party.device
        if self._rules.presentity is Keeping.LOOKED_UP and device is not None:
            presentity = presentity_of(leg.party.account, device, self._runtime.behaviour)
        return Channel(
            presentity,
            leg.call_id,
            leg.direction,
            state,
            leg.peer.number,
            leg.peer.name,
            leg.tag,
            leg.remote_tag,
            leg.party.owner,
            cause,
        )

    def _show(self, leg: Leg, state: ChannelState, now: float) -> None:
        if leg.shown is state:
            return
        leg.shown = state
        if leg.party.presentity is not None:
            self._presence.channel(self._channel(leg, state), now)

    def _show_again(self, leg: Leg, now: float, peer: str = "") -> None:
        """Report a leg once more, with another `peer` where one is given."""
        told = self._rules.repeats is Repeats.TOLD
        if told and leg.shown is ChannelState.CONFIRMED and leg.party.presentity is not None:
            channel = replace(self._channel(leg, leg.shown), again=True)
            if peer:
                channel = replace(channel, peer=peer, peer_name=peer)
            self._presence.channel(channel, now)

    def _show_end(self, leg: Leg, now: float, cause: Cause = Cause.NONE) -> None:
        if leg.shown in (None, ChannelState.TERMINATED):
            return
        leg.shown = ChannelState.TERMINATED
        if leg.party.presentity is None:
            return
        self._presence.channel(self._channel(leg, ChannelState.TERMINATED, cause), now)


def _best(refusals: Sequence[int]) -> int:
    """The refusal that the caller gets (RFC 3261 16.7 step 6): a 6xx, else the first of the lowest class; 0: none."""
    said = [status for status in refusals if status]
    return next((status for status in said if status >= 600), min(said, key=lambda status: status // 100, default=0))


def _passed_on(status: int) -> int:
    """What the caller gets for the refusal of leg B: neither a redirection nor a challenge."""
    return 480 if status < 400 or status in (401, 407) else status


def _hops(request: Message) -> int:
    """The Max-Forwards of a request, at most ours."""
    text = (request.get("max-forwards") or "").strip()
    return min(int(text), MOST_HOPS) if text.isascii() and text.isdigit() and len(text) <= 3 else MOST_HOPS
