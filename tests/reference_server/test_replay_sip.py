"""What phones sent to a recorded edge of 5.0, REGISTER and SUBSCRIBE and what else there is, and what it answered.

The requests are sent again as they were, at the times at which they were; only credentials are computed for our
challenges, and tags of dialogs are ours. The edge of 4.3 was the same.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from phones.sip.digest import Challenge, answer
from phones.sip.index import Message
from phones.sip.message import Address, response
from reference_server.registrations import Aor, Contact
from reference_server.runtime import Route
from tests.reference_server.playbook import Bench
from tests.reference_server.replay import DATA, REALM, World

SECTIONS = ("reg", "subs", "reg2")
PHONE_HOST = "127.0.0.8"


@cache
def recording() -> dict[str, list[dict[str, Any]]]:
    """What happened in each section."""
    sections: dict[str, list[dict[str, Any]]] = {}
    section: list[dict[str, Any]] = []
    for line in (DATA / "sip-5.0.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "step" in entry:
            section = sections.setdefault(entry["section"], [])
        section.append(entry)
    return sections


@dataclass
class Player:
    """A phone that sends what it is given, and notes what it gets."""

    bench: Bench
    address: Address
    notes: dict[tuple[str, str], list[str]]
    step: str = ""
    name: str = ""
    challenges: dict[str, str] = field(default_factory=dict)
    dialogs: dict[str, str] = field(default_factory=dict)
    waiting: bool = False

    def take(self, message: Message) -> None:
        if message.is_request and message.get("event") == "check-sync":
            return
        self.notes.setdefault((self.step, self.name), []).append(said(message))
        if message.is_request:
            self.bench.receive(response(message, 200, to_tag="watcher"), self.address)
            return
        self.waiting = message.status < 200
        challenge = message.get("www-authenticate")
        if challenge is not None:
            self.challenges[message.call_id] = challenge
        if message.method == "SUBSCRIBE" and message.status < 300:
            self.dialogs[message.call_id] = message.get("to") or ""

    def send(self, lines: list[str]) -> None:
        if self.waiting:
            # the recorded edge had answered by now
            self.bench.run(0.03)
        text = "\r\n".join([*lines, "", ""])
        call_id = _header(text, "Call-ID")
        credentials = _header(text, "Authorization")
        if credentials and call_id in self.challenges:
            text = text.replace(credentials, self._credentials(credentials, self.challenges[call_id]))
        if ";tag=" in _header(text, "To"):
            text = text.replace(f"To: {_header(text, 'To')}", f"To: {self.dialogs[call_id]}")
        self.waiting = True
        self.bench.receive(text.encode(), self.address)

    def _credentials(self, recorded: str, challenge: str) -> str:
        username, uri = (re.findall(f'{name}="([^"]*)"', recorded)[0] for name in ("username", "uri"))
        password = "wrong" if "wrong password" in self.step else f"secret-{username}"
        return str(
            answer(
                Challenge.parse(challenge),
                username=username,
                password=password,
                method="REGISTER",
                uri=uri,
                cnonce="c",
            )
        )


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*)\r$", text, re.MULTILINE)
    return found[1] if found is not None else ""


def said(message: Message) -> str:
    """What a message says, as the recording tells it."""
    if message.is_request:
        state = re.sub(r"=[0-9]+\Z", "=", message.get("subscription-state") or "")
        told = [f"{message.method} {message.get('event')}", state, message.get("content-type") or "-"]
        document = re.search(rb' version="(\d+)" state.*<state>(\w+)', message.body, re.DOTALL)
        return " | ".join([*told, *([f"{document[2].decode()} version {document[1].decode()}"] if document else [])])
    told = [f"{message.status} {message.reason}"]
    told += [f"{name} {message.get(name)}" for name in ("Expires", "Min-Expires") if message.get(name)]
    told += [found[0] for found in (re.search(r"expires=\d+", text) for text in message.all("contact")) if found]
    challenge = message.get("www-authenticate")
    if challenge is not None:
        told.append("challenge with qop" if "qop" in challenge else "challenge")
    return " | ".join(told)


def played(section: str, profile: str = "5.0") -> tuple[dict[Any, list[str]], dict[Any, list[str]]]:
    """What was recorded and what we say, by step and phone."""
    bench = World("5.0", {"note": "", "online": False}, profile).bench
    # one phone had been registered before
    known = Aor("caps", REALM)
    place = Route((PHONE_HOST, 16_060), "udp")
    contact = Contact(f"sip:caps@{PHONE_HOST}:16060", place, bench.now + 600, "before", 1)
    bench.server._registrations.add(known, contact, bench.now)
    recorded: dict[Any, list[str]] = {}
    ours: dict[Any, list[str]] = {}
    players: dict[int, Player] = {}
    entries = recording()[section]
    start, step = bench.now - entries[0]["t"], ""
    for entry in entries:
        if "t" in entry:
            bench.run(max(0.0, start + entry["t"] - bench.now))
        if "step" in entry:
            step = f"{entry['t']} {entry['step']}"
            for player in players.values():
                player.step = step
        elif "got" in entry:
            recorded.setdefault((step, entry["phone"]), []).append(entry["got"])
        else:
            port = entry["port"]
            if port not in players:
                players[port] = Player(bench, (PHONE_HOST, port), ours, step)
                bench.phones[PHONE_HOST, port] = players[port]
            players[port].name = entry["phone"]
            players[port].send(entry["send"])
    bench.run(2.0)
    assert not bench.server.errors
    return recorded, ours


@pytest.mark.parametrize("section", SECTIONS)
def test_the_edge_answers_as_recorded(section: str) -> None:
    recorded, ours = played(section)
    assert len(recorded) > 15
    assert ours == recorded


@pytest.mark.parametrize("section", SECTIONS)
def test_an_edge_of_3_x_does_not(section: str) -> None:
    recorded, ours = played(section, "3.22")
    assert ours != recorded
