"""The truth about presentities, from what phones report: scripts of calls, and what lamps have to show."""

from __future__ import annotations

import pytest

from harness.hunting.truth import Truth
from phones.effects import Called, Calling, Direction
from phones.sip.lamp import LampState

OFF, RINGING, BUSY = LampState.OFF, LampState.RINGING, LampState.BUSY
ALICE, BOB, CAROL = "sip:alice@x", "sip:bob@x", "sip:carol@x"
LIGHTS = {"alice": ALICE, "bob": BOB, "carol": CAROL}


class Script:
    """Calls between phones; every phone lights its own presentity."""

    def __init__(self) -> None:
        self.truth = Truth()
        self.now = 0.0

    def call(self, caller: str, *callees: str) -> None:
        self.now += 1
        self.truth.placed(caller, callees, {LIGHTS[name] for name in (caller, *callees)}, self.now)
        assert self.tell(caller, "calling", "out")

    def tell(
        self,
        phone: str,
        state: Calling,
        way: Direction = "in",
        reason: str = "",
        call: str = "1",
        unheard: bool = False,
    ) -> bool:
        self.now += 1
        called = Called(f"{call}-{phone}", way, state, reason=reason)
        return self.truth.called(phone, called, {LIGHTS[phone]}, self.now, unheard=unheard)

    def shows(self, *wanted: LampState | None) -> None:
        assert [self.truth.of(LIGHTS[name]) for name in ("alice", "bob", "carol")] == list(wanted)


@pytest.fixture
def script() -> Script:
    return Script()


def test_a_call_from_its_beginning_to_its_end(script: Script) -> None:
    script.shows(OFF, OFF, OFF)
    script.call("alice", "bob")
    script.shows(None, None, OFF)
    script.tell("bob", "ringing")
    script.shows(None, RINGING, OFF)
    script.tell("alice", "ringing", "out")
    script.shows(RINGING, RINGING, OFF)
    script.tell("bob", "talking")
    script.tell("alice", "talking", "out")
    script.shows(BUSY, BUSY, OFF)
    script.tell("alice", "ended", "out", "hung up")
    script.tell("bob", "ended", reason="hung up by the peer")
    script.shows(OFF, OFF, OFF)
    assert script.truth.ended == {ALICE: script.now, BOB: script.now}
    assert script.truth.reports == {ALICE: 3, BOB: 3}


def test_an_end_that_nobody_hears_of_is_none(script: Script) -> None:
    script.call("alice", "bob")
    script.tell("bob", "talking")
    script.tell("alice", "talking", "out")
    script.tell("alice", "ended", "out", "hung up", unheard=True)
    script.shows(None, None, OFF)
    assert script.truth.busy(ALICE)
    script.tell("bob", "ended", reason="hung up")
    script.shows(OFF, OFF, OFF)


def test_who_loses_a_fork_is_dark_while_the_winner_talks(script: Script) -> None:
    script.call("alice", "bob", "carol")
    for phone in ("bob", "carol"):
        script.tell(phone, "ringing")
    script.tell("carol", "talking")
    script.tell("bob", "ended", reason="cancelled")
    script.shows(None, OFF, BUSY)


def test_what_a_phone_lost_without_a_word_leaves_the_truth_open(script: Script) -> None:
    script.call("alice", "bob")
    script.tell("bob", "ringing")
    script.tell("bob", "talking")
    script.tell("alice", "talking", "out")
    script.tell("bob", "ended", reason="forgotten")
    script.shows(None, None, OFF)
    script.tell("alice", "ended", "out", "hung up")
    script.shows(OFF, OFF, OFF)


def test_a_call_that_both_ends_lost_stays_open_until_the_server_restarts(script: Script) -> None:
    script.call("alice", "bob")
    script.tell("bob", "ringing")
    script.tell("bob", "ended", reason="moved")
    script.tell("alice", "ended", "out", "forgotten")
    script.shows(None, None, OFF)
    script.truth.restarted(script.now)
    script.shows(OFF, OFF, OFF)


def test_the_loser_of_a_fork_does_not_end_the_call(script: Script) -> None:
    script.call("alice", "bob", "carol")
    for phone in ("bob", "carol"):
        script.tell(phone, "ringing")
    script.tell("carol", "talking")
    script.tell("bob", "ended", reason="cancelled")
    script.tell("alice", "talking", "out")
    script.tell("alice", "ended", "out", "forgotten")
    script.tell("carol", "ended", reason="forgotten")
    # the server was told by nobody
    script.shows(None, None, None)


def test_of_two_calls_the_stronger_counts(script: Script) -> None:
    script.call("alice", "bob")
    script.tell("bob", "ringing")
    script.tell("bob", "talking")
    script.call("carol", "bob")
    script.tell("bob", "ringing", call="2")
    assert script.truth.of(BOB) is BUSY
    script.tell("bob", "ended", reason="hung up")
    script.tell("alice", "ended", "out", "hung up by the peer")
    assert script.truth.of(BOB) is RINGING


def test_a_device_that_becomes_another_in_mid_call(script: Script) -> None:
    script.call("alice", "bob")
    script.tell("bob", "ringing")
    script.truth.doubt("bob", {BOB, "sip:2001@x"}, script.now)
    assert script.truth.of(BOB) is None
    assert script.truth.of("sip:2001@x") is None
    script.tell("bob", "ended", reason="rejected")
    script.tell("alice", "ended", "out")
    assert script.truth.of("sip:2001@x") is OFF


def test_a_call_that_reached_nobody_may_still_have_been_told(script: Script) -> None:
    script.call("alice", "bob")
    script.tell("alice", "ended", "out")
    script.shows(OFF, OFF, OFF)
    assert script.truth.refused == {ALICE: 2, BOB: 2}
    # its INVITE was on its way, and the CANCEL comes behind it
    assert script.tell("bob", "ringing")
    assert script.tell("bob", "ended", reason="cancelled")


def test_a_phone_that_nobody_has_called(script: Script) -> None:
    assert not script.tell("carol", "ringing")
    assert script.tell("carol", "ended")
