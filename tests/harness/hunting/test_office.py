"""Office days in the virtual world: what is sound breaks nothing, what is not is seen, a seed decides everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from harness.hunting.events import GROUP, SENTENCES, WAYS, OfficeEvent
from harness.hunting.laws import Breach
from harness.hunting.office import Office
from phones.sip.lamp import LampState
from reference_server.mutants import MUTANTS
from reference_server.profiles import PROFILES

E = OfficeEvent
WAIT = E("wait", seconds=4.0)
DAY = (
    E("subscribe", "carol", "bob"),
    E("subscribe", "dave", "bob"),
    E("call", "alice", "bob"),
    E("answer", "bob"),
    WAIT,
    E("hang_up", "alice"),
    WAIT,
    E("call", "alice", "bob"),
    E("reject", "bob"),
    WAIT,
    E("call", "bob", "alice"),
    E("cancel", "bob"),
    WAIT,
)


@contextmanager
def an_office(name: str = "documented", seed: int = 1) -> Iterator[Office]:
    behaviour = MUTANTS[name].behaviour if name in MUTANTS else PROFILES[name]
    office = Office(behaviour, seed, name if name in PROFILES else "documented")
    try:
        office.pass_time(1.0)
        yield office
    finally:
        office.close()


def broken(name: str, events: Sequence[OfficeEvent]) -> set[str]:
    with an_office(name) as office:
        office.live(events)
        office.settle()
        return {breach.law for breach in office.breaches}


def test_a_sound_day() -> None:
    with an_office() as office:
        office.live(DAY)
        office.settle()
        assert office.breaches == []
        assert office.lamps() == [(who, office.devices["bob"].presentity, LampState.OFF) for who in ("carol", "dave")]


@pytest.mark.parametrize(
    ("mutant", "law"),
    [
        ("stuck-after-reject", "LAW-01"),
        ("stuck-after-cancel", "LAW-01"),
        ("second-watcher-forgotten", "LAW-01"),
        ("version-stuck", "LAW-03"),
        ("cseq-falls", "LAW-04"),
        ("told-twice", "LAW-07"),
        ("early-after-terminated", "LAW-07"),
    ],
)
def test_a_day_at_a_server_with_one_thing_wrong(mutant: str, law: str) -> None:
    assert law in broken(mutant, [E("subscribe", "dave", "alice"), *DAY])


def test_resets() -> None:
    ring = [E("subscribe", "carol", "bob"), E("call", "alice", "bob"), WAIT, E("reset", "bob"), WAIT]
    assert broken("documented", ring) == set()
    assert "LAW-02" in broken("reset-darkens", ring)
    assert broken("reset-does-nothing", ring) == {"LAW-02"}


def test_a_watcher_that_moves_forgets_or_is_told_of_others() -> None:
    calls = [E("call", "alice", "bob"), WAIT, E("reject", "bob"), WAIT]
    moved = [E("subscribe", "carol", "bob"), E("move", "carol"), WAIT, *calls]
    assert broken("documented", moved) == set()
    assert "LAW-06" in broken("refresh-from-elsewhere-ignored", moved)
    forgot = [E("subscribe", "carol", "bob"), E("forget", "carol"), *calls]
    assert broken("documented", forgot) == set()
    assert "LAW-05" in broken("gone-watcher-kept", forgot)


def test_a_network_that_is_away_is_no_fault_of_the_server() -> None:
    day = [E("subscribe", "carol", "bob"), E("away", "carol"), E("call", "alice", "bob"), E("wait", seconds=40.0), WAIT]
    with an_office() as office:
        office.live(day)
        assert [name for name, phone in office.phones.items() if phone.impaired] == ["carol"]
        office.settle()
        assert [name for name, phone in office.phones.items() if phone.impaired] == []
        assert office.breaches == []


@pytest.mark.parametrize("seconds", [15.0, 40.0, 700.0])
@pytest.mark.parametrize(
    "call",
    [
        [E("away", "bob")],
        [E("answer", "dave"), E("away", "bob"), E("hang_up", "dave")],
        [E("answer", "dave"), E("away", "bob"), E("hang_up", "bob")],
        [E("answer", "dave"), E("forget", "bob"), E("away", "dave"), E("hang_up", "dave")],
        [E("away", "bob"), E("cancel", "bob")],
        [E("away", "bob"), E("reject", "dave")],
    ],
)
@pytest.mark.parametrize("profile", ["documented", "3.20", "3.22"])
def test_who_misses_the_end_of_a_call_knows_no_truth(profile: str, call: list[OfficeEvent], seconds: float) -> None:
    away = [each.who for each in call if each.do == "away"]
    day = [E("subscribe", "carol", "bob"), E("call", "bob", "dave"), WAIT, *call, E("wait", seconds=seconds)]
    assert broken(profile, [*day, *(E("back", who) for who in away), WAIT]) == set()


@pytest.mark.parametrize("how", ["delay", "double", "reorder"])
@pytest.mark.parametrize("what", sorted(WAYS))
def test_what_the_network_does_breaks_no_law_of_the_server(how: str, what: str) -> None:
    bad = [E("network", who, how=how, what=what) for who in ("alice", "bob", "carol")]
    assert broken("documented", [*DAY[:2], *bad, *DAY[2:], *bad, *DAY[2:]]) == set()


def an_event(do: str) -> OfficeEvent:
    """One of each kind that can happen to alice."""
    return E(
        do,
        "alice",
        "bob",
        how={"network": "lose", "presence_id": "2001", "set": "confirmed"}.get(do, ""),
        what="NOTIFY",
    )


@pytest.mark.parametrize("do", sorted(SENTENCES))
def test_everything_can_happen(do: str) -> None:
    before = {
        "answer": [E("call", "bob", "alice")],
        "reject": [E("call", "bob", "alice")],
        "cancel": [E("call", "alice", "bob")],
        "hang_up": [E("call", "alice", "bob"), E("answer", "bob")],
    }
    # the page knows of no presence that is set
    with an_office("4.3" if do == "set" else "documented") as office:
        office.live(before.get(do, []))
        assert office.do(an_event(do))
        assert office.events[-1].do == do
        office.settle()
        assert office.breaches == []


def test_a_caller_who_gives_up_before_a_number_is_found_unknown() -> None:
    day = [E("username", "bob"), E("call", "alice", "bob"), E("cancel", "alice"), E("wait", seconds=40.0)]
    with an_office("4.3") as office:
        office.live([*day, E("subscribe", "dave", "alice"), WAIT])
        assert office.lamps() == [("dave", office.devices["alice"].presentity, LampState.OFF)]
        assert office.breaches == []


def test_what_cannot_happen_is_left_out() -> None:
    with an_office() as office:
        assert not office.do(E("answer", "bob"))
        assert not office.do(E("hang_up", "bob"))
        assert office.do(E("delete", "bob"))
        assert not office.do(E("presence_id", "bob", how="2001"))
        assert [event.do for event in office.events] == ["delete"]


def test_equal_seeds_live_equal_days() -> None:
    def lived(seed: int) -> tuple[list[Breach], list[float]]:
        with an_office("stuck-after-reject", seed) as office:
            office.live(DAY)
            return office.breaches, office.notified["carol"]

    assert lived(5) == lived(5)
    assert lived(5)[1] != lived(6)[1]


def test_a_watcher_that_forgets_to_refresh() -> None:
    day = [E("neglect", "carol", "bob"), E("wait", seconds=700.0), E("call", "alice", "bob"), WAIT]
    assert broken("documented", day) == set()
    assert "LAW-05" in broken("expired-still-told", day)


FORK = (E("subscribe", "dave", "bob"), E("subscribe", "dave", "carol"), E("call", "alice", GROUP), WAIT)


def test_a_fork_has_one_winner() -> None:
    with an_office() as office:
        office.live([*FORK, E("answer", "carol"), WAIT])
        bob, carol = (office.devices[name].presentity for name in ("bob", "carol"))
        assert set(office.lamps()) == {("dave", bob, LampState.OFF), ("dave", carol, LampState.BUSY)}
        office.settle()
        assert office.breaches == []


@pytest.mark.parametrize("mutant", ["losing-fork-ends-winner", "fork-loser-stuck"])
def test_forks_at_a_server_with_one_thing_wrong(mutant: str) -> None:
    assert "LAW-01" in broken(mutant, [*FORK, E("answer", "carol"), WAIT])


def test_a_restart_ends_calls_and_people_hang_up() -> None:
    day = [E("subscribe", "dave", "bob"), E("call", "alice", "bob"), E("answer", "bob"), WAIT, E("restart")]
    with an_office() as office:
        office.live(day)
        assert {event.do for event in office.events[5:]} == {"hang_up"}
        office.settle()
        assert office.breaches == []
        # in a dialog of its own, as the old one is gone
        office.live([E("wait", seconds=700.0), E("call", "alice", "bob"), WAIT])
        assert [truth for _, _, truth in office.lamps()] == [LampState.RINGING]
        assert office.breaches == []


def test_a_restart_at_a_server_that_counts_from_the_beginning_again() -> None:
    day = [E("subscribe", "dave", "bob"), *DAY[2:8], E("restart"), E("wait", seconds=40.0), *DAY[2:8]]
    assert "LAW-04" in broken("cseq-backwards-after-restart", day)
