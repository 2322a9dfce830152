"""The laws that can be seen without knowing any call: each kept by a sound server, and each broken once."""

from __future__ import annotations

import pytest

from harness.hunting.laws import Breach, Ears, Watched
from phones.sip.index import Message

HERE, ELSEWHERE = ("127.0.0.1", 5070), ("127.0.0.1", 5071)
BOB = "sip:bob@x"


def message(text: str, *headers: str, body: str = "") -> Message:
    lines = [text, *headers, f"Content-Length: {len(body)}", "", ""]
    return Message.parse(("\r\n".join(lines) + body).encode())


class Watching:
    """A phone, alice, that has watched bob since second 0."""

    def __init__(self) -> None:
        self.breaches: list[Breach] = []
        self.sound = True
        self.ears = Ears("alice", lambda _: self.sound, self.breaches.append)
        self._branch = 0
        self.subscribe(1, HERE, 0.0)

    def subscribe(self, cseq: int, place: tuple[str, int], now: float) -> None:
        headers = [f"To: <{BOB}>", "From: <sip:alice@x>;tag=1", "Call-ID: c", f"CSeq: {cseq} SUBSCRIBE"]
        via = "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1"
        self.ears.sent(message(f"SUBSCRIBE {BOB} SIP/2.0", via, *headers, "Event: dialog"), place, now)
        self.ears.answered(message("SIP/2.0 200 OK", via, *headers), now + 0.1)

    def notify(
        self,
        cseq: int,
        version: int,
        now: float,
        *,
        place: tuple[str, int] = HERE,
        state: str = "active",
        entity: str = BOB,
        call_id: str = "c",
        again: bool = False,
        tag: str = "2",
    ) -> Watched | None:
        self._branch += not again
        body = (
            '<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" '
            f'version="{version}" state="full" entity="{entity}"></dialog-info>'
        )
        notify = message(
            "NOTIFY sip:alice@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKn{self._branch}",
            "To: <sip:alice@x>;tag=1",
            f"From: <{BOB}>;tag={tag}",
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} NOTIFY",
            "Event: dialog",
            f"Subscription-State: {state}",
            "Content-Type: application/dialog-info+xml",
            body=body,
        )
        return self.ears.notified(notify, place, now)

    def refuse(self, now: float) -> None:
        to = ["Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKn1", "To: <sip:alice@x>;tag=1", f"From: <{BOB}>;tag=2"]
        self.ears.sent(message("SIP/2.0 481 Gone", *to, "Call-ID: c", "CSeq: 2 NOTIFY"), HERE, now)

    @property
    def broken(self) -> list[str]:
        return [each.law for each in self.breaches]


@pytest.fixture
def alice() -> Watching:
    return Watching()


def test_a_sound_life(alice: Watching) -> None:
    assert alice.notify(1, 1, 0.2)
    assert alice.notify(2, 2, 5.0)
    assert alice.notify(2, 2, 5.5, again=True) is None
    alice.subscribe(2, ELSEWHERE, 10.0)
    # it was on its way to the old place
    assert alice.notify(3, 3, 10.2)
    assert alice.notify(4, 4, 10.3, place=ELSEWHERE)
    assert alice.notify(5, 5, 20.0, place=ELSEWHERE, state="terminated;reason=timeout")
    assert alice.broken == []
    [dialog] = alice.ears.dialogs.values()
    assert (dialog.grants, dialog.notifies) == (2, 5)


def test_version(alice: Watching) -> None:
    alice.notify(1, 7, 1.0)
    alice.notify(2, 7, 2.0)
    assert alice.broken == ["LAW-03"]


def test_cseq(alice: Watching) -> None:
    alice.notify(5, 1, 1.0)
    alice.notify(4, 2, 2.0)
    assert alice.broken == ["LAW-04"]


def test_another_dialog_of_the_same_subscribe_has_an_order_of_its_own(alice: Watching) -> None:
    alice.notify(5, 5, 1.0)
    alice.notify(1, 1, 2.0, tag="3")
    assert alice.broken == []
    alice.notify(1, 2, 3.0, tag="3")
    assert alice.broken == ["LAW-04"]


def test_after_the_end(alice: Watching) -> None:
    alice.notify(1, 1, 1.0, state="terminated;reason=timeout")
    # one that crossed it is forgiven
    alice.notify(2, 2, 1.5)
    assert alice.broken == []
    alice.notify(3, 3, 9.0)
    assert alice.broken == ["LAW-05"]


@pytest.mark.parametrize(("sound", "broken"), [(True, ["LAW-05"]), (False, [])])
def test_after_a_481_which_a_bad_network_may_have_lost(alice: Watching, sound: bool, broken: list[str]) -> None:
    alice.notify(1, 1, 1.0)
    alice.sound = sound
    alice.refuse(2.0)
    alice.notify(3, 3, 9.0)
    assert alice.broken == broken


def test_where_it_was(alice: Watching) -> None:
    alice.notify(1, 1, 1.0)
    alice.subscribe(2, ELSEWHERE, 10.0)
    alice.notify(2, 2, 30.0)
    assert alice.broken == ["LAW-06"]
    assert alice.breaches[0].why == "a NOTIFY went to where alice was before it moved"


def test_about_somebody_else(alice: Watching) -> None:
    alice.notify(1, 1, 1.0, entity="sip:carol@x")
    alice.notify(1, 1, 2.0, call_id="another")
    assert alice.broken == ["LAW-06", "LAW-06"]
    assert alice.breaches[0].proof == "entity"
    assert "never watched" in alice.breaches[1].why
