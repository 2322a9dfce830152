"""An office in the virtual world: a reference server, four phones, and whatever happens to them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

from harness.errors import HarnessError
from harness.habits import HABITS, lacking
from harness.hosting import VIRTUAL_EPOCH, ReferenceHost
from harness.hunting.events import GROUP, GROUP_NUMBER, NEGLECTED_S, STAFF, TEAM, WAYS, OfficeEvent
from harness.hunting.laws import (
    NO_MORE_THAN_CHANGES,
    NO_SUCH_CALL,
    NOT_YOURS,
    RESET_HELPS,
    SETTLING_S,
    SHOWS_TRUTH,
    Breach,
    Ears,
    Watched,
)
from harness.hunting.litter import clear_away
from harness.hunting.truth import Truth
from harness.virtual import VirtualLoop
from phones.calls import CallPolicy, NoSuchCall
from phones.effects import Called, Changed, Heard, Impaired, MediaIn, MediaOut, Subscribed, Transmit, Turned
from phones.fleet import Fleet, RunningPhone
from phones.impairments import Does, Impairment
from phones.net_memory import MemoryWire
from phones.phone import Identity
from phones.sip.index import Message
from phones.sip.lamp import LampState
from phones.sip.message import Address
from reference_server.behaviour import Behaviour

MOMENT_S = 0.2
"""What passes behind each event: more than a call takes to ring, less than a watcher needs to be told twice."""
STABLE_S = 3.0
"""How long the truth must have been the same before a lamp is blamed; 4.3 and 5.0 tell an end one second late."""
_HELD_S = 2.0
"""How late a delayed message is, and the second copy of a doubled one."""
MISSED_S = 20.0
"""Who is away no longer than this hears the end of a call when it comes back: it is repeated for 64*T1, every T2."""
RESET_WITHIN_S = 2.0
"""How soon after the reply a reset has to have reached every watcher."""


_PLAIN = frozenset(
    {"subscribe", "neglect", "refresh", "unsubscribe", "call", "answer", "reject", "cancel", "hang_up"}
) | {
    "reset",
    "wait",
}
"""Events behind which every change of a call is known to its phones."""


class Device:
    """The device of one of the staff, as the server knows it by now. `strange`: it fits its phone no longer."""

    def __init__(self, name: str, realm: str) -> None:
        self.name = name
        self.id = ""
        self.realm = realm
        self.document: dict[str, Any] = {}
        self.strange = False
        self.gone = False

    @property
    def username(self) -> str:
        """Its SIP username."""
        return str(self.document["sip"]["username"])

    @property
    def presentity(self) -> str:
        """The URI that its calls light (Devices page, Static Presence ID)."""
        user, _, realm = str(self.document.get("presence_id") or self.username).partition("@")
        return f"sip:{user}@{realm or self.realm}"


class Office:
    """One history, lived. `breaches` are the laws that it broke so far.

    `profile` says how a reset is asked for. Equal behaviour, seed and events give an equal history.
    """

    def __init__(self, behaviour: Behaviour, seed: int, profile: str = "documented") -> None:
        self.loop = VirtualLoop()
        self._profile = profile
        self._habits = HABITS[profile]
        self.seed = seed
        self._rng = random.Random(seed)
        wire = MemoryWire(self.loop, self._part())
        self._host = ReferenceHost(
            behaviour, wire=wire, clock=self.loop, rng=self._part(), epoch=VIRTUAL_EPOCH, sip_port=5060
        )
        planted = self._host.server.seed
        self._account, self._token = planted.account_id, planted.auth_token
        self._realm = planted.realm
        self.breaches: list[Breach] = []
        self.events: list[OfficeEvent] = []
        self.truth = Truth()
        self.devices = {name: Device(name, self._realm) for name in STAFF}
        self._faulty = self._lossy = -SETTLING_S
        """When the network last did anything wrong, and when something was last lost."""
        self._undisturbed = True
        """Whether every phone was there all the time, as itself: only then all changes are known to have been told."""
        self.notified: dict[str, list[float]] = {name: [] for name in STAFF}
        """When NOTIFYs about lamps reached a phone, at whatever address, repetitions left out."""
        self.began: list[float] = []
        """When each of `events` happened."""
        self._judged: set[tuple[str, str, str]] = set()
        self._resets: dict[str, int] = {}
        self._away: dict[str, float] = {}
        """Since when a phone has had no network."""
        self._ears = {name: Ears(name, self._sound, self._broken) for name in STAFF}
        self._fleet = Fleet(wire, self.loop, self)
        self.phones: dict[str, RunningPhone] = {}
        for name in STAFF:
            self._hire(name)
        self._open_group()

    def _part(self) -> random.Random:
        return random.Random(self._rng.getrandbits(64))

    def close(self) -> None:
        """Leave the office, and say so if the server itself has failed. Raises HarnessError."""
        errors = self._host.server.errors
        self._fleet.close()
        self.loop.run_until_complete(self._host.close())
        self.loop.close()
        clear_away()
        if errors:
            raise HarnessError(f"the reference server failed: {errors[0]}")

    # preparation

    def _hire(self, name: str) -> None:
        device = self.devices[name]
        password = f"secret-of-{name}"
        self._put(device, {"name": name, "sip": {"username": name, "password": password}})
        identity = Identity(name, password, self._realm)
        phone = self._fleet.add(name, identity, edge=self._host.sip, rng=self._part(), tone=0)
        phone.calls_policy = CallPolicy("ring")
        phone.begin_registration()
        self.phones[name] = phone

    def _open_group(self) -> None:
        endpoints = [
            {"id": self.devices[name].id, "endpoint_type": "device", "delay": 0, "timeout": 20} for name in TEAM
        ]
        data = {"name": GROUP, "strategy": "simultaneous", "timeout": 20, "endpoints": endpoints}
        flow = {"module": "ring_group", "data": data, "children": {}}
        status, reply = self._api("PUT", "callflows", {"data": {"numbers": [GROUP_NUMBER], "flow": flow}})
        if status // 100 != 2:
            raise HarnessError(f"the office cannot be set up: {status} {reply}")

    def _put(self, device: Device, document: dict[str, Any]) -> None:
        status, reply = self._api("PUT", "devices", {"data": document})
        if status // 100 != 2:
            raise HarnessError(f"the office cannot be set up: {status} {reply}")
        device.document, device.id = reply["data"], reply["data"]["id"]

    def _api(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        headers = (("X-Auth-Token", self._token), ("Content-Type", "application/json"))
        target = f"/v2/accounts/{self._account}/{path}"
        asking = self._host.request(method, target, headers, body, client="127.0.0.1", encrypted=False)
        reply = self.loop.run_until_complete(asking)
        return reply.status, json.loads(reply.body or b"{}")

    # what happens

    def now(self) -> float:
        """Virtual seconds."""
        return self.loop.time()

    def live(self, events: Sequence[OfficeEvent]) -> list[Breach]:
        """Let everything happen, and return what it broke. What cannot happen is left out."""
        for event in events:
            self.do(event)
        return self.breaches

    def do(self, event: OfficeEvent) -> bool:
        """Let one event happen, and a moment pass. False, and nothing, when it cannot happen now."""
        if not self._can(event):
            return False
        if event.do not in _PLAIN:
            self._undisturbed = False
        act: Callable[[OfficeEvent], None] = getattr(self, f"_do_{event.do}")
        began = self.now()
        try:
            act(event)
        except NoSuchCall:
            return False
        self.events.append(event)
        self.began.append(began)
        self.pass_time(MOMENT_S)
        if event.do == "restart":
            self._give_up_calls()
        return True

    def _give_up_calls(self) -> None:
        """People put down what is dead: these are events, too."""
        for do, who in self.next_of_calls():
            if do != "answer":
                self.do(OfficeEvent(do, who))

    def _can(self, event: OfficeEvent) -> bool:
        if event.do == "set" and lacking(["set presence"], self._profile, "v2"):
            return False
        if event.do in ("presence_id", "username", "password", "disable", "enable", "delete", "reset", "set"):
            return not self.devices[event.who].gone
        return True

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and look at every lamp behind it."""
        self.loop.call_at(self.now() + seconds, self.loop.stop)
        self.loop.run_forever()
        if any(phone.impaired for phone in self.phones.values()):
            self._faulty = self.now()
        self._miss()
        self._look()

    def _miss(self) -> None:
        """Whoever has no network loses what is said, and after a while the calls that it is in."""
        now = self.now()
        for name, phone in self.phones.items():
            if phone.offline:
                self._lossy = now
                if now - self._away.setdefault(name, now) >= MISSED_S:
                    self.truth.doubt(name, [self.devices[name].presentity], now)
            else:
                self._away.pop(name, None)

    def settle(self, *, briefly: bool = False) -> None:
        """End all faults and wait until nothing is under way, then have every watcher refresh, and look once more.

        All of it are events, too: whoever lives the history again need not settle behind it. `briefly`: where the
        network is sound nothing has to be waited for but what is on its way.
        """
        for name, phone in self.phones.items():
            if phone.impaired:
                self.do(OfficeEvent("mend", name))
        sound = briefly and self._sound(self.now())
        self.do(OfficeEvent("wait", seconds=STABLE_S if sound else SETTLING_S + STABLE_S))
        for name in STAFF:
            for whom, device in self.devices.items():
                if device.presentity in self._living(name):
                    self.do(OfficeEvent("refresh", name, whom))
        self.do(OfficeEvent("wait", seconds=STABLE_S + 1.0))

    # registration and the like

    def _do_register(self, event: OfficeEvent) -> None:
        self.phones[event.who].begin_registration()

    def _do_unregister(self, event: OfficeEvent) -> None:
        self.phones[event.who].begin_goodbye()

    def _do_move(self, event: OfficeEvent) -> None:
        self.phones[event.who].begin_move()

    def _do_reboot(self, event: OfficeEvent) -> None:
        self.phones[event.who].forget()
        self.phones[event.who].begin_registration()

    def _do_forget(self, event: OfficeEvent) -> None:
        self.phones[event.who].forget()

    # the network

    def _do_network(self, event: OfficeEvent) -> None:
        does = cast("Does", event.how)
        method, way = WAYS[event.what]
        package = "dialog" if (method, way) == ("NOTIFY", "in") else ""
        self.phones[event.who].impair(Impairment(does, way, method, seconds=_HELD_S, event=package))

    def _do_mend(self, event: OfficeEvent) -> None:
        self.phones[event.who].mend()

    def _do_away(self, event: OfficeEvent) -> None:
        self.phones[event.who].go_offline()

    def _do_back(self, event: OfficeEvent) -> None:
        self.phones[event.who].go_online()

    def _do_restart(self, _: OfficeEvent) -> None:
        self._host.restart()
        self._faulty = self._lossy = self.now()
        self.truth.restarted(self.now())

    def _do_wait(self, event: OfficeEvent) -> None:
        self.pass_time(event.seconds)

    # watching

    def _do_subscribe(self, event: OfficeEvent) -> None:
        self.phones[event.who].begin_subscription(self.devices[event.whom].presentity)

    _do_refresh = _do_subscribe

    def _do_neglect(self, event: OfficeEvent) -> None:
        presentity = self.devices[event.whom].presentity
        self.phones[event.who].begin_subscription(presentity, expires=NEGLECTED_S, refresh=False)

    def _do_unsubscribe(self, event: OfficeEvent) -> None:
        self.phones[event.who].end_subscription(self.devices[event.whom].presentity)

    # calls

    def _do_call(self, event: OfficeEvent) -> None:
        callees = TEAM if event.whom == GROUP else (event.whom,)
        number = GROUP_NUMBER if event.whom == GROUP else event.whom
        lights = {self.devices[name].presentity for name in (event.who, *callees)}
        conversation = self.truth.placed(event.who, callees, lights, self.now())
        conversation.doubtful = any(self.devices[name].strange for name in (event.who, *callees))
        self.phones[event.who].call(f"sip:{number}@{self._realm}")

    def _do_answer(self, event: OfficeEvent) -> None:
        self.phones[event.who].answer()

    def _do_reject(self, event: OfficeEvent) -> None:
        self.phones[event.who].reject()

    def _do_cancel(self, event: OfficeEvent) -> None:
        self.phones[event.who].cancel()

    def _do_hang_up(self, event: OfficeEvent) -> None:
        self.phones[event.who].hang_up()

    # devices

    def _update(self, name: str, **changes: Any) -> None:
        device = self.devices[name]
        before = device.presentity
        document = {**device.document, **changes}
        document = {key: value for key, value in document.items() if value is not None}
        status, reply = self._api("POST", f"devices/{device.id}", {"data": document})
        if status // 100 == 2:
            device.document = reply["data"]
            if device.presentity != before:
                self.truth.doubt(name, {before, device.presentity}, self.now())

    def _do_presence_id(self, event: OfficeEvent) -> None:
        self._update(event.who, presence_id=event.how or None)

    def _estrange(self, name: str) -> None:
        device = self.devices[name]
        device.strange = True
        self.truth.doubt(name, {device.presentity}, self.now())

    def _do_username(self, event: OfficeEvent) -> None:
        self._estrange(event.who)
        sip = self.devices[event.who].document["sip"]
        self._update(event.who, sip={**sip, "username": f"{event.who}-again"})
        self._estrange(event.who)

    def _do_password(self, event: OfficeEvent) -> None:
        self._estrange(event.who)
        sip = self.devices[event.who].document["sip"]
        self._update(event.who, sip={**sip, "password": "another-secret"})

    def _do_disable(self, event: OfficeEvent) -> None:
        self._estrange(event.who)
        self._update(event.who, enabled=False)

    def _do_enable(self, event: OfficeEvent) -> None:
        self._update(event.who, enabled=True)

    def _do_delete(self, event: OfficeEvent) -> None:
        self._estrange(event.who)
        device = self.devices[event.who]
        self._api("DELETE", f"devices/{device.id}")
        device.gone = True

    def _do_reset(self, event: OfficeEvent) -> None:
        asking, device = self._habits.reset, self.devices[event.who]
        if asking is not None:
            content = None if asking.data is None else {"data": dict(asking.data)}
            status, _ = self._api(asking.method, f"devices/{device.id}{asking.path}", content)
            if status // 100 == 2:
                self._after_reset(device.presentity)

    def _do_set(self, event: OfficeEvent) -> None:
        device = self.devices[event.who]
        content = {"data": {"action": "set", "state": event.how}}
        status, _ = self._api("POST", f"devices/{device.id}/presence", content)
        if status // 100 == 2:
            self.truth.declared(device.presentity, self.now())

    def _after_reset(self, presentity: str) -> None:
        """Every watcher whose subscription is sound has to be told the truth soon (Devices page, Presence)."""
        asked = self.now()
        self.truth.reset(presentity)
        self._resets[presentity] = self._resets.get(presentity, 0) + 1
        waiting = [
            (name, dialog, dialog.notifies)
            for name in STAFF
            for dialog in self._living(name).values()
            if dialog.presentity == presentity and self._refreshed(dialog)
        ]
        self.pass_time(RESET_WITHIN_S)
        truth = self.truth.of(presentity)
        if truth is None or self.truth.changed.get(presentity, 0.0) > asked - STABLE_S or not self._sound(asked):
            return
        for name, dialog, before in waiting:
            if dialog.notifies == before:
                why = f"no NOTIFY within {RESET_WITHIN_S:g} s of the reset's reply"
                self._broken(Breach(RESET_HELPS, name, presentity, why, self.now(), "told"))
            elif (shown := self._lamp(name, presentity)) is not truth:
                why = f"{shown} {RESET_WITHIN_S:g} s after a reset, and the truth is {truth}"
                self._broken(Breach(RESET_HELPS, name, presentity, why, self.now(), "lamp", truth))

    # what could happen next

    def phones_that(self, state: Literal["calling", "ringing", "talking"]) -> tuple[str, ...]:
        """Who has a call that is `calling` (placed, and not answered), `ringing` (coming in) or `talking`."""
        return tuple(name for name, phone in self.phones.items() if phone.phone.calls.has_one(state))

    def next_of_calls(self) -> list[tuple[str, str]]:
        """What may be done about calls: the kinds of events, and whose."""
        return [
            *((do, who) for who in self.phones_that("ringing") for do in ("answer", "reject")),
            *(("cancel", who) for who in self.phones_that("calling")),
            *(("hang_up", who) for who in self.phones_that("talking")),
        ]

    def lamps(self) -> list[tuple[str, str, LampState]]:
        """What every lamp has to show now, as far as anybody can say: watcher, presentity, state."""
        return [
            (name, presentity, truth)
            for name in STAFF
            if not self.devices[name].strange
            for presentity, dialog in self._living(name).items()
            if self._refreshed(dialog) and (truth := self.truth.of(presentity)) is not None
        ]

    # judging

    def _broken(self, breach: Breach) -> None:
        key = (breach.law, breach.watcher, breach.presentity)
        if key not in self._judged:
            # the first time tells it all: a stuck lamp stays stuck
            self._judged.add(key)
            self.breaches.append(breach)

    def _sound(self, now: float) -> bool:
        """Whether the network has been without fault for 64*T1."""
        return now - self._faulty >= SETTLING_S

    def _refreshed(self, dialog: Watched) -> bool:
        """Whether it was granted after the last loss had settled, and not a moment ago.

        What was only late, doubled or out of order has to be made good without a refresh.
        """
        granted = dialog.granted
        return granted is not None and granted - self._lossy >= SETTLING_S and self.now() - granted >= STABLE_S

    def _living(self, name: str) -> dict[str, Watched]:
        """The subscriptions of a phone that it believes in, by presentity."""
        found = {}
        subscriptions = self.phones[name].phone.subscriptions
        for dialog in self._ears[name].dialogs.values():
            subscription = subscriptions.get(dialog.presentity, "dialog")
            if subscription is None or subscription.machine.state != "active":
                continue
            if dialog is self._ears[name].dialogs.get(subscription.call_id):
                found[dialog.presentity] = dialog
        return found

    def _lamp(self, name: str, presentity: str) -> LampState | None:
        subscription = self.phones[name].phone.subscriptions.get(presentity, "dialog")
        return None if subscription is None else subscription.lamp.state

    def _look(self) -> None:
        """Blame every lamp that had its time and is wrong."""
        self._count()
        now = self.now()
        if not self._sound(now):
            return
        for name in STAFF:
            if self.devices[name].strange:
                # whether it may watch at all is not certain
                continue
            for presentity, dialog in self._living(name).items():
                if not self._refreshed(dialog) or now - self.truth.changed.get(presentity, 0.0) < STABLE_S:
                    continue
                truth, shown = self.truth.of(presentity), self._lamp(name, presentity)
                if truth is not None and shown is not truth:
                    why = f"the lamp shows {shown}, and the truth is {truth}"
                    self._broken(Breach(SHOWS_TRUTH, name, presentity, why, now, "lamp", truth))

    def _count(self) -> None:
        """Blame whoever is told more often than there are changes, where nothing can have been the reason."""
        if not self._undisturbed:
            return
        for name in STAFF:
            for dialog in self._ears[name].dialogs.values():
                presentity = dialog.presentity
                changes = self.truth.reports.get(presentity, 0) + self.truth.refused.get(presentity, 0)
                allowed = dialog.grants + self._resets.get(presentity, 0) + changes + 1
                if dialog.notifies > allowed:
                    why = f"{dialog.notifies} NOTIFYs, and no more than {allowed} things to tell"
                    self._broken(Breach(NO_MORE_THAN_CHANGES, name, presentity, why, self.now(), "count"))

    def _lit(self, name: str, dialog: Watched, now: float) -> None:
        """A lamp that is lit needs a call, now or a while ago."""
        presentity = dialog.presentity
        if self._living(name).get(presentity) is not dialog:
            # the phone has forgotten it, and shows nothing of it
            return
        lamp = self._lamp(name, presentity)
        if lamp not in (LampState.RINGING, LampState.BUSY) or self.truth.busy(presentity):
            return
        ended = self.truth.ended.get(presentity)
        if ended is None or now - ended > SETTLING_S:
            said = "there was none" if ended is None else f"the last one was over {now - ended:.0f} s before"
            why = f"the lamp shows {lamp} for a call, and {said}"
            self._broken(Breach(NO_SUCH_CALL, name, presentity, why, now, "lamp", LampState.OFF))

    # what the phones tell

    def heard(self, phone: str, heard: Heard, now: float) -> None:
        """Something has reached a phone."""
        message = heard.message
        if heard.fault:
            self._faulty = now
        if message is None:
            return
        if not message.is_request:
            self._ears[phone].answered(message, now)
        elif not heard.fault:
            # what was late or doubled has been judged when it came
            dialog = self._arrived(phone, message, heard.local, now, again=heard.kind == "retransmission")
            if dialog is not None and self._sound(now):
                # the lamp follows in a moment, when the phone has answered
                self.loop.call_soon(self._lit, phone, dialog, now)

    def impaired(self, phone: str, impaired: Impaired, now: float) -> None:
        """The network has treated a message badly: as far as the server is concerned, it has come."""
        self._faulty = now
        if impaired.does == "lost":
            self._lossy = now
        if impaired.way == "in" and impaired.message is not None and impaired.message.is_request:
            self._arrived(phone, impaired.message, impaired.local, now)

    def _arrived(
        self, phone: str, message: Message, local: Address, now: float, *, again: bool = False
    ) -> Watched | None:
        if message.method != "NOTIFY" or not (message.get("event") or "").startswith("dialog"):
            return None
        if not again:
            self.notified[phone].append(now)
        return self._ears[phone].notified(message, local, now)

    def sent(self, phone: str, sent: Transmit, local: Address, now: float) -> None:
        """A phone has sent something."""
        data = sent.data
        if data.startswith((b"SUBSCRIBE ", b"SIP/2.0 481 ")):
            self._ears[phone].sent(Message.parse(data), local, now)

    def called(self, phone: str, called: Called, now: float) -> None:
        """A call of a phone has changed."""
        device = self.devices[phone]
        lights, unheard = {device.presentity}, self.phones[phone].offline
        if not self.truth.called(phone, called, lights, now, unheard=unheard) and self._sound(now):
            why = f"a call from {called.peer} rings at {phone}, whom nobody has called"
            self._broken(Breach(NOT_YOURS, phone, device.presentity, why, now, "call"))

    def changed(self, phone: str, changed: Changed, contact: Address, now: float) -> None:
        """A registration has changed."""

    def subscribed(self, phone: str, subscribed: Subscribed, now: float) -> None:
        """A subscription has changed."""

    def turned(self, phone: str, turned: Turned, now: float) -> None:
        """There is one edge."""

    def media_heard(self, phone: str, media: MediaIn, now: float) -> None:
        """Nobody listens."""

    def media_sent(self, phone: str, media: MediaOut, local: Address, now: float) -> None:
        """Nobody listens."""
