"""The documents, held against recorded ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phones.sip.dialog_info import parse_dialog_info
from phones.sip.index import Message
from reference_server.behaviour_presence import Package
from reference_server.channels import Channel
from reference_server.lamp_documents import dialog_id, document
from reference_server.registrations import Aor
from reference_server.states import ChannelState, Direction
from reference_server.wire import user_part
from tests.reference_server.watching import shown, version

RECORDED: dict[str, str] = json.loads((Path(__file__).parent / "data" / "notifies.json").read_text("utf-8"))
"""NOTIFYs that a 5.0 system sent, by what they say."""
CALLS = [name for name in RECORDED if "kfp+" in RECORDED[name]]
REALM = "cap.kazoo.test"


def with_our_cookie(text: str, realm: str) -> str:
    """Their system made its pickup cookie from something that we do not know."""
    ours = dialog_id(channel(realm=realm)).partition("@")[0]
    return re.sub(r"kfp\+[0-9a-f]{34}", ours, text)


def channel(realm: str = REALM, **fields: Any) -> Channel:
    values: dict[str, Any] = {
        "presentity": Aor("capb", realm),
        "call_id": "c",
        "direction": Direction.RECIPIENT,
        "state": ChannelState.EARLY,
        "peer": "1001",
        "peer_name": "",
        "local_tag": "ours",
        "remote_tag": "",
    }
    return Channel(**(values | fields))


def of(message: Message) -> Channel:
    """The call that a recorded document speaks of."""
    body = message.body.decode()

    def found(pattern: str) -> str:
        match = re.search(pattern, body)
        return match[1] if match is not None else ""

    return channel(
        presentity=Aor(found(r'entity="(?:sip:)?([^"@]+)'), REALM),
        call_id=found(r'id="kfp\+[0-9a-f]{34}@([^"]+)"'),
        direction=Direction(found(r'direction="(\w+)"') or "recipient"),
        state=ChannelState(shown(message)),
        peer=found(r"<remote>\s*<identity[^>]*>sip:([^@]+)@"),
        local_tag=found(r'local-tag="([^"]+)"'),
        remote_tag=found(r'remote-tag="([^"]+)"'),
    )


@pytest.mark.parametrize("name", CALLS)
def test_of_a_call(name: str) -> None:
    message = Message.parse(RECORDED[name].encode())
    spoken_of, package = of(message), Package(message.get("event") or "")
    number = version(message) if package is Package.DIALOG else 1
    made = document(package, spoken_of.presentity, str(spoken_of.presentity), spoken_of, number)
    assert made.decode() == with_our_cookie(message.body.decode(), REALM)


@pytest.mark.parametrize("name", ["dialog idle", "dialog unsubscribed", "presence idle", "message-summary"])
def test_of_no_call(name: str) -> None:
    message = Message.parse(RECORDED[name].encode())
    package = Package(message.get("event") or "")
    number = version(message) if package is Package.DIALOG else 1
    entity = Aor((message.get("from") or "").partition(":")[2].partition("@")[0], REALM)
    assert document(package, entity, str(entity), None, number) == message.body


def test_a_called_phone_shows_no_tag_before_it_answers() -> None:
    entity = Aor("1001", REALM)
    for direction, shows in ((Direction.RECIPIENT, False), (Direction.INITIATOR, True)):
        made = document(Package.DIALOG, entity, str(entity), channel(direction=direction), 1)
        assert (b"local-tag" in made) is shows


def test_the_cookie_belongs_to_the_realm() -> None:
    first, second, other = (dialog_id(channel(realm=realm, call_id="c")) for realm in ("a.test", "A.test", "b.test"))
    assert first == second != other
    assert re.fullmatch(r"kfp\+32[0-9a-f]{32}@c", first)


def test_the_other_sides_name() -> None:
    entity = Aor("1001", REALM)
    made = document(Package.DIALOG, entity, str(entity), channel(peer="+1 415", peer_name='Ann "B" <&>'), 1)
    remote = parse_dialog_info(made).dialogs[0].remote
    assert remote is not None
    assert b'display="Ann &quot;B&quot; &lt;&amp;&gt;">sip:+1%20415@cap.kazoo.test<' in made


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(Package), st.sampled_from(ChannelState))
def test_whatever_the_names_are_it_is_xml(user: str, peer: str, package: Package, state: ChannelState) -> None:
    entity = Aor(user, REALM)
    uri = f"sip:{user_part(user)}@{REALM}"
    made = document(package, entity, uri, channel(call_id=peer, peer=peer, peer_name=peer, state=state), 7)
    if package is Package.MESSAGE_SUMMARY:
        assert made == b""
        return
    root = ElementTree.fromstring(made)
    expected = uri if package is Package.DIALOG else user
    if all(mark.isprintable() for mark in user):
        assert root.get("entity") == expected
