"""The reference server: everything put together, with one agenda and one way out."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import Address, stamp_via
from phones.sip.transactions import AckFor, Answer, Incoming, Send, TimedOut, Timers, TransactionLayer
from phones.sip.transport import Transport
from reference_server.api.core import Api
from reference_server.behaviour import Behaviour
from reference_server.behaviour_calls import Sound
from reference_server.call_wire import CallWriter
from reference_server.callers import Callers
from reference_server.calls import Calls
from reference_server.digests import Digests
from reference_server.directory import Directory, realm_of
from reference_server.edge import Edge, refusal
from reference_server.effects import ApiRequest, CutConnections, Effect, SendMedia, SendSip
from reference_server.faults import Fault
from reference_server.injection import Injector
from reference_server.media import MediaRelay
from reference_server.notifier import Notifier
from reference_server.presence import Presence
from reference_server.quickcall import Quickcalls
from reference_server.registrar import Registrar
from reference_server.registrations import Aor, Contact, Registrations
from reference_server.routing import Router
from reference_server.runtime import NOWHERE, Agenda, Route, Runtime, bracketed
from reference_server.seed import Seed, plant
from reference_server.ways import along
from reference_server.wire import Relay

MAX_ERRORS = 100
"""Failures of our own that are kept."""


@dataclass(frozen=True, slots=True)
class ServerError:
    """A failure of the server itself: when (seconds), while doing what, and the traceback."""

    now: float
    doing: str
    traceback: str


class ReferenceServer:
    """Plays Kazoo. Requests and bytes go in with `now` (seconds on any monotonic clock), effects come out.

    `epoch` is POSIX seconds at now == 0. `faults` are added to those of the behaviour. `sip_host` and
    `sip_port` are what the server writes into its Vias and Contacts. The owner sends what `take` returns and
    calls `handle_timer` at `next_deadline`. RTP arrives at `media_host` and
    `media_port`. No input makes it raise: what goes wrong inside is in `errors`.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        *,
        rng: random.Random,
        epoch: float,
        faults: Sequence[Fault] = (),
        sip_host: str = "127.0.0.1",
        sip_port: int = 5060,
        media_host: str = "127.0.0.1",
        media_port: int = 16_384,
    ) -> None:
        self.behaviour = behaviour
        self.errors: list[ServerError] = []
        self._effects: list[Effect] = []
        self._agenda = Agenda()
        self._due: float | None = None
        self._layers: dict[str, TransactionLayer] = {}
        self._runtime = Runtime(behaviour, rng, self._agenda, self, epoch, bracketed(sip_host), sip_port)
        self.directory = Directory(rng)
        self._registrations = Registrations(behaviour.registrar)
        self._injector = Injector((*behaviour.faults, *faults), self._agenda, self._effects.append, self._other_contact)
        relay = Relay(self._runtime)
        notifier = Notifier(self._runtime, self._registrations, relay)
        self._media = MediaRelay((media_host, media_port))
        registrar = Registrar(self._runtime, self.directory, self._registrations, notifier)
        digests = Digests(self._runtime, self.directory)
        self.presence = Presence(self._runtime, relay, digests)
        router = Router(self._runtime, self.directory, self._registrations, relay)
        callers = Callers(self._runtime, self.directory, self._registrations, router, digests)
        writer = CallWriter(self._runtime, relay, self._media.address)
        self.calls = Calls(self._runtime, relay, writer, router, callers, self.presence, self._media, digests)
        self.presence.truth = self.calls.live
        self._quickcalls = quickcalls = Quickcalls(self._runtime, router, callers, self.calls, writer)
        self._edge = Edge(self._runtime, registrar, self.calls, self.presence)
        known = (self.directory, self._registrations)
        self._api = Api(self._runtime, *known, notifier, quickcalls, self.presence, self.restart)
        self.seed: Seed = plant(self.directory)

    # what comes in

    def api(self, request: ApiRequest, now: float) -> None:
        """Take an API request; exactly one ApiReply with its handle follows, unless a fault drops it."""
        try:
            reply = self._api.handle(request, now, lambda late, then: self._injector.reply(late, request, then))
        except Exception:
            self._failed(now, f"{request.method} {request.target}")
            reply = self._api.fault(request, now)
        if reply is not None:
            self._injector.reply(reply, request, now)
        self._run(now)

    def receive(self, data: bytes, source: Address, now: float, transport: str = "udp") -> None:
        """Take one SIP message from the wire, or whatever else somebody sent."""
        if not data.strip(b"\r\n\0 "):
            return
        self._guarded(now, "a SIP message", lambda: self._receive(data, source, now, transport))
        self._run(now)

    def listens(self, transport: str, place: Address) -> None:
        """It can be reached at `place`, host and port, over another transport than UDP."""
        self._runtime.places[transport] = place

    def disconnected(self, remote: Address, now: float, transport: str, reason: str = "the connection is lost") -> None:
        """The connection with `remote` is gone: nobody is reached by it, and what was asked on it has no answer."""
        self._registrations.disconnected(Route(remote, transport))
        layer = self._layers.get(transport)
        if layer is not None:
            layer.lost(remote, reason)
            self._guarded(now, "the loss of a connection", partial(self._pump, transport, now))
        self._run(now)

    def restart(self, now: float) -> None:
        """Restart the SIP side, without a word to anybody: what only its memory holds is gone.

        Accounts, devices, callflows and tokens stay; calls, transactions and connections do not; of registrations and
        subscriptions the behaviour says so (`registrar.restart`, `subscribe.restart`).
        """
        self._layers.clear()
        self._agenda.restart()
        self._registrations.restart()
        self.presence.restart()
        self.calls.restart()
        self._quickcalls.restart(now)
        self._effects.append(CutConnections())
        self._due = self._next_due()

    def receive_media(self, data: bytes, source: Address, now: float) -> None:
        """Take a packet at the media address and pass it on to the other leg of its call; else it is lost."""
        route = self._media.route(source)
        if route is not None:
            leg, remote = route
            self._injector.media(SendMedia(data, remote), leg.side, leg.party.numbers, now)
            if self._runtime.behaviour.calls.sound is Sound.BACK_TOO:
                self._injector.media(SendMedia(data, source), leg.side, leg.party.numbers, now)
        self._run(now)

    def handle_timer(self, now: float) -> None:
        """Do what is due at `now`."""
        self._run(now)

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called next, in seconds, or None."""
        return self._due

    def _next_due(self) -> float | None:
        earliest = self._agenda.next_deadline()
        for layer in self._layers.values():
            deadline = layer.next_deadline()
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def take(self) -> list[Effect]:
        """Drain the effects, in order."""
        if not self._effects:
            return []
        effects = list(self._effects)
        self._effects.clear()
        return effects

    # the wire, for the parts of the server

    def send_request(self, data: bytes, route: Route, now: float) -> str:
        """Send a request in a transaction of its own (an ACK: without one) and return its key."""
        data = along(data, route.path) if route.path else data
        try:
            key = self._layer(route.transport).request(data, route.remote, now)
        except SipSyntaxError:
            # line breaks that a rule lets through may leave no message that a transaction could follow
            self._injector.send(SendSip(data, route.remote, route.transport), now)
            return ""
        self._pump(route.transport, now)
        return key

    def respond(self, key: str, data: bytes, transport: str, now: float) -> None:
        """Answer the request `key`."""
        self._layer(transport).respond(key, data, now)
        self._pump(transport, now)

    def repeat(self, key: str, transport: str, now: float) -> None:
        """Send the newest provisional answer to the request `key` again."""
        self._layer(transport).repeat(key)
        self._pump(transport, now)

    # inside

    def _layer(self, transport: str) -> TransactionLayer:
        if transport not in self._layers:
            timers = Timers(patience=self.behaviour.registrar.patience_s)
            self._layers[transport] = TransactionLayer(timers, reliable=Transport(transport).reliable)
        return self._layers[transport]

    def _receive(self, data: bytes, source: Address, now: float, transport: str) -> None:
        try:
            message = Message.parse(stamp_via(data, source))
        except SipSyntaxError as error:
            answer = refusal(stamp_via(data, source), error)
            if answer is not None:
                self._injector.send(SendSip(answer, source, transport), now)
            return
        if message.is_request and self._edge.ignores(message):
            return
        self._layer(transport).receive(message, source, now)
        self._pump(transport, now)

    def _pump(self, transport: str, now: float) -> None:
        layer = self._layer(transport)
        while outputs := layer.take():
            for output in outputs:
                if isinstance(output, Send) and output.remote == NOWHERE.remote:
                    continue
                if isinstance(output, Send):
                    message = SendSip(output.data, output.remote, transport)
                    self._injector.send(message, now, retransmission=output.retransmission)
                elif isinstance(output, Incoming):
                    self._edge.receive(output.key, output.message, output.source, transport, now)
                elif isinstance(output, Answer):
                    if not self.presence.answer(output.key, output.message, now):
                        self.calls.answer(output.key, output.message, now)
                elif isinstance(output, TimedOut):
                    self.presence.timed_out(output.key, now)
                    self.calls.timed_out(output.key, now)
                elif isinstance(output, AckFor):
                    self.calls.acknowledged(output.key, now)

    def _run(self, now: float) -> None:
        """Jobs and timers that are due, in the order of their times."""
        while True:
            deadline = self._due = self._next_due()
            if deadline is None or deadline > now:
                return
            job = self._agenda.take_due(deadline)
            if job is not None:
                self._guarded(now, "a job on the agenda", partial(job, now))
                continue
            for transport, layer in list(self._layers.items()):
                layer_deadline = layer.next_deadline()
                if layer_deadline is not None and layer_deadline <= now:
                    layer.handle_timer(now)
                    self._guarded(now, "a SIP timer", partial(self._pump, transport, now))

    def _guarded(self, now: float, doing: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:
            self._failed(now, doing)

    def _failed(self, now: float, doing: str) -> None:
        self.errors.append(ServerError(now, doing, traceback.format_exc()))
        del self.errors[:-MAX_ERRORS]

    def _other_contact(self, aor: str, username: str | None, now: float) -> Contact | None:
        """The newest contact of another device of the account that `aor` belongs to."""
        user, _, realm = aor.partition(":")[2].rpartition("@")
        owner = self.directory.device_of(user, realm)
        if owner is None:
            return None
        account, device = owner
        for other in account.devices.values():
            if other is device or other.username is None or username not in (None, other.username):
                continue
            contacts = self._registrations.current(Aor(other.username, realm_of(account, other)), now)
            if contacts:
                return contacts[-1]
        return None
