"""Recorded exchanges, played against the profile of their release: the world that they imply, and what differs.

A fixture is a JSON object a line. `given` are documents that the world has beside, or instead of, its usual ones, with
their revisions; names in braces stand for the ids of the world. Recorded with tokens replaced by words.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from reference_server.api.schema import DEVICE_DEFAULTS
from reference_server.directory import Account, Device, Stored, Token, User
from reference_server.effects import ApiRequest
from reference_server.profiles import PROFILES
from reference_server.registrations import Aor, Contact
from reference_server.runtime import Route
from reference_server.states import ChannelState
from tests.reference_server.calling import Caller
from tests.reference_server.playbook import Bench, Sent, changed

DATA = Path(__file__).parent / "data"
RELEASES = ("4.3", "5.0")
REALM = "cap.kazoo.test"
API_KEY = "k" * 64
WATCHER_PORT = 16_100
PATIENCE_S = 40.0
ANSWERED_S = 0.4
"""How long phones ring before they are answered."""

Difference = tuple[str, Any, Any]
"""Where two replies differ, what was recorded, what we said."""

DEVICES = "abcdspw"
ONLINE = "abcds"
PORTS = {name: 16_010 + 10 * index for index, name in enumerate(ONLINE)}

ANYTHING = "*"
"""In a recording: whatever it was, it is another every time."""


@cache
def recording(release: str) -> tuple[dict[str, str], tuple[dict[str, Any], ...]]:
    """The ids of the system that was recorded, by name, and the exchanges."""
    lines = (DATA / f"http-{release}.jsonl").read_text(encoding="utf-8").splitlines()
    head, *rest = (json.loads(line) for line in lines)
    return head["ids"], tuple(rest)


class World:
    """The system that was recorded: three accounts, the devices a to d, s, p and w, two that never register."""

    def __init__(self, release: str, exchange: dict[str, Any], profile: str = "") -> None:
        # a race was won or lost, as was recorded
        won = any(phone == "ph_s" for _, phone, *_ in exchange.get("sip", ()))
        self.bench = Bench(changed(PROFILES[profile or release], sync__race_won=float(won)))
        self.exchange = exchange
        self.phones: dict[str, Caller] = {}
        self.never: set[str] = set()
        self.rung: dict[str, float] = {}
        self.answered: set[str] = set()
        self.ids = {"sibling": "5" * 32, **recording(release)[0]}
        self._accounts()
        self._devices()
        if exchange.get("online", True):
            self._register()
        if "watched" in exchange:
            self.watch(*((exchange["watched"], package) for package in ("dialog", "presence", "message-summary")))

    # what is there

    def _accounts(self) -> None:
        directory = self.bench.server.directory
        directory.accounts.clear()
        parent = Account(self.ids["parent"], "cap-parent", "parent.test", None, "p" * 64)
        self.account = Account(self.ids["account"], "cap-main", REALM, parent.id, API_KEY)
        sibling = Account(self.ids["sibling"], "cap-sibling", "sibling.test", parent.id, "s" * 64)
        child = Account(self.ids["child"], "cap-child", "child.test", self.account.id, "c" * 64)
        for account in (parent, self.account, sibling, child):
            directory.accounts[account.id] = account
        tokens = directory._tokens
        for word, account in (("ACCOUNT", self.account), ("SIBLING", sibling), ("CHILD", child), ("PARENT", parent)):
            tokens[f"TOKEN-{word}"] = Token(f"TOKEN-{word}", account.id, math.inf)
        person = {"first_name": "Cap", "last_name": "User", "username": "capuser"}
        self.user = User(self.ids["user"], person, password="secret")
        holder = User(self.ids["holder"], {**person, "username": "capholder", "presence_id": "1077"})
        self.account.users = {self.user.id: self.user, holder.id: holder}
        directory.store(sibling, Device(self.ids["foreign"], {"name": "foreign"}))

    def _devices(self) -> None:
        usual = (*DEVICES, "dis", "unreg")
        documents: dict[str, Any] = {self.ids[name]: [_usual(name, self.ids), 1] for name in usual}
        documents |= json.loads(self.fill(json.dumps(self.exchange.get("given", {}))))
        for device_id, (document, revision) in documents.items():
            self.bench.server.directory.store(self.account, Device(device_id, document, revision))
        for number, name in (("1001", "a"), ("1002", "b")):
            flow = {"module": "device", "data": {"id": self.ids[name]}}
            self.account.callflows[number] = Stored(number * 8, {"numbers": [number], "flow": flow})

    def _register(self) -> None:
        """The phones of a to d and s are registered, at the names that their devices have now."""
        for name in ONLINE:
            if name in self.exchange.get("gone", ()):
                continue
            device = self.account.devices[self.ids[name]]
            if device.username is None:
                continue
            phone = Caller(self.bench, PORTS[name], device.username, REALM)
            now, place = self.bench.now, Route(phone.address, "udp")
            # s has come last
            since, previous = (now, "") if name == "s" else (now - 1, phone.contact)
            contact = Contact(phone.contact, place, now + 600, f"reg-{name}", 1, "cap", since, since, previous)
            self.bench.server._registrations.add(Aor(device.username, REALM), contact, self.bench.now)
            self.phones[name] = phone
            phone.picks_up = (100, 180)
        note = self.exchange["note"]
        self.never = {"a"} if "never answers" in note else set()
        if "leg A" in note and "never" not in note:
            self.phones["a"].picks_up = (603,) if "603" in note else (486,)
        if "silent" in note:
            self.bench.phones.pop(("127.0.0.1", PORTS["s"]))
        if "leg B" in note:
            self.phones["b"].picks_up = (486,)

    def watch(self, *watched: tuple[str, str]) -> None:
        """The phone of w watches these users, each with a package."""
        phone = Caller(self.bench, WATCHER_PORT, "capw", REALM)
        for user, package in watched:
            headers = [("Event", package), ("Expires", "600")]
            uri = f"sip:{user}@{REALM}"
            phone.receive(phone.message("SUBSCRIBE", uri, f"{user}-{package}", 1, f"<{uri}>", headers=headers))

    # the exchange

    def fill(self, text: str) -> str:
        """`text` with ids in place of names."""
        for name, value in self.ids.items():
            text = text.replace("{" + name + "}", value)
        return text.replace("APIKEY-ACCOUNT", API_KEY).replace("CREDENTIALS", self.user.credentials())

    def play(self) -> tuple[int, dict[str, str], Any]:
        """Send the request; status, headers and body of the reply, whenever it comes."""
        asked = self.exchange["request"]
        body = asked.get("text", json.dumps(asked["body"]) if "body" in asked else "")
        if "filler" in asked:
            body = json.dumps({"data": {"name": "cap-big", "blob": "x" * asked["filler"]}})
        headers = tuple((name, self.fill(value)) for name, value in asked["headers"].items())
        bench = self.bench
        bucket = self.ids["account"] if "/accounts/" in asked["path"] else ""
        bench.server._api._buckets.take(("127.0.0.1", bucket), self.exchange.get("spent", 0), bench.now)
        request = ApiRequest(99, asked["method"], self.fill(asked["path"]), headers, self.fill(body).encode())
        bench.server.api(request, bench.now)
        bench.collect()
        end = bench.now + PATIENCE_S
        while 99 not in bench.replies and bench.now < end:
            self.run(0.01)
        reply = bench.replies[99][1]
        text = reply.body.decode()
        found = json.loads(text) if text.startswith("{") else text
        return reply.status, dict(reply.headers), found

    def run(self, seconds: float) -> None:
        """Let time pass; phones that ring are answered after a while."""
        end = self.bench.now + seconds
        while self.bench.now < end - 1e-9:
            self.bench.run(min(0.01, end - self.bench.now))
            for name, phone in self.phones.items():
                for invite in phone.invites if name not in self.never and 180 in phone.picks_up else ():
                    rung = self.rung.setdefault(invite.call_id, self.bench.now)
                    over = [call.call_id for call in phone.requests("CANCEL")]
                    if self.bench.now >= rung + ANSWERED_S and invite.call_id not in (*self.answered, *over):
                        self.answered.add(invite.call_id)
                        phone.respond(invite, 200)


def _usual(name: str, ids: dict[str, str]) -> dict[str, Any]:
    sip = {"username": f"cap{name}", "password": f"secret-cap{name}", **DEVICE_DEFAULTS["sip"]}
    document = {**DEVICE_DEFAULTS, "name": f"cap-{name}", "sip": sip}
    if name == "a":
        document["presence_id"] = "1001"
    if name in "cdp":
        document["owner_id"] = ids["holder" if name == "p" else "user"]
    if name == "dis":
        document["enabled"] = False
    return document


def differences(release: str, exchange: dict[str, Any]) -> list[Difference]:
    """Everything in which our reply is not the recorded one."""
    world = World(release, exchange)
    status, headers, body = world.play()
    wanted = json.loads(world.fill(json.dumps(exchange["response"])))
    found: list[Difference] = []

    def same(where: str, recorded: Any, ours: Any) -> None:
        if recorded != ours and recorded != ANYTHING:
            found.append((where, recorded, ours))

    same("status", wanted["code"], status)
    same("headers", wanted["headers"], sorted(headers))
    same("allowed", wanted.get("allowed"), headers.get("access-control-allow-methods"))
    if "keys" not in wanted:
        same("body", False, isinstance(body, dict))
        return found
    if not isinstance(body, dict):
        return [*found, ("body", "an envelope", body)]
    same("keys", wanted["keys"], sorted(body))
    if isinstance(body.get("revision"), str):
        body["revision"] = body["revision"].partition("-")[0]
    for key in ("message", "error", "status", "page_size", "version", "auth_token", "revision", "tokens"):
        if key in wanted and key in body:
            same(key, wanted[key], body[key])
    if "data" in wanted and "data" in body:
        for where, recorded, ours in _unlike("data", _sorted(wanted["data"]), _sorted(body["data"])):
            same(where, recorded, ours)
    return found


def heard(release: str, exchange: dict[str, Any]) -> tuple[list[str], list[str]]:
    """What phones and the watcher were sent when it was recorded, and what ours are sent.

    In order, phone by phone and presentity by presentity. Of NOTIFYs for presence nothing is said: they go with those
    for dialog.
    """
    world = World(release, exchange)
    recorded = exchange.get("sip", [])
    told = [" ".join(rest) for _, phone, *rest in recorded if phone == "ph_w"]
    watched = {re.search(r"Event: (\S+) <sip:(\w+)@", text) for text in told}
    world.watch(*sorted({(match[2], match[1]) for match in watched if match is not None}))
    if "lit" in exchange:
        world.bench.server.presence.set(Aor("1001", REALM), ChannelState.CONFIRMED, world.bench.now)
    world.bench.run(1.0)
    first, start = len(world.bench.sent), world.bench.now
    world.play()
    last = max((ms / 1000 for ms, *_ in recorded), default=2.0)
    world.run(last + 0.6 - (world.bench.now - start))
    return _in_order(map(_recorded, recorded)), _in_order(map(_sent, world.bench.sent[first:]))


def _in_order(told: Iterable[tuple[str, str] | None]) -> list[str]:
    lines = [f"{phone}: {text}" for phone, text in filter(None, told)]
    # sorting is stable
    return sorted(lines, key=lambda line: re.sub(r" \w+\Z", "", line) if "NOTIFY dialog" in line else line[:5])


def _recorded(entry: list[Any]) -> tuple[str, str] | None:
    _, phone, start, *rest = entry
    if start.startswith("SIP/2.0"):
        return None
    event = next((text[7:] for text in rest if text.startswith("Event: ")), "")
    sender = next((text for text in rest if text.endswith(f"@{REALM}>")), "")
    reason = next((text for text in rest if ";cause=" in text), "")
    hint = "hint" if any("answer-after" in text for text in rest) else ""
    state = rest[-1] if event == "dialog" else ""
    return phone, " ".join(filter(None, (start.split()[0], event, sender, reason, hint, state)))


def _sent(sent: Sent) -> tuple[str, str] | None:
    message = sent.message
    port = sent.remote[1]
    phone = "ph_w" if port == WATCHER_PORT else next((f"ph_{name}" for name, at in PORTS.items() if at == port), "")
    if not message.is_request or message.method == "ACK" or not phone or message.get("event") == "presence":
        return None
    event = message.get("event") or ""
    state = re.search(rb"<state>([a-z]+)", message.body) if event == "dialog" else None
    parts = (
        message.method,
        event,
        (message.get("from") or "").partition(";tag")[0],
        message.get("reason") or "",
        "hint" if message.get("call-info") else "",
        state[1].decode() if state is not None else "",
    )
    return phone, " ".join(filter(None, parts))


def _sorted(value: Any) -> Any:
    """The list of registered devices has no order."""
    if isinstance(value, list) and all(isinstance(item, dict) and "device_id" in item for item in value):
        return sorted(value, key=lambda item: str(item["device_id"]))
    return value


def _unlike(where: str, recorded: Any, ours: Any) -> Iterator[Difference]:
    """Where two values differ, as deep as they are alike."""
    if isinstance(recorded, dict) and isinstance(ours, dict) and ANYTHING in recorded and len(recorded) == len(ours):
        yield from _unlike(f"{where}.{ANYTHING}", *recorded.values(), *ours.values())
    elif isinstance(recorded, dict) and isinstance(ours, dict):
        for key in sorted({*recorded, *ours}):
            yield from _unlike(f"{where}.{key}", recorded.get(key, MISSING), ours.get(key, MISSING))
    elif isinstance(recorded, list) and isinstance(ours, list) and len(recorded) == len(ours):
        for index, pair in enumerate(zip(recorded, ours, strict=True)):
            yield from _unlike(f"{where}.{index}", *pair)
    elif recorded != ours:
        yield where, recorded, ours


MISSING = "(absent)"
