"""Which histories the hunt tries: a Hypothesis state machine over the events of an office.

Hypothesis chooses the events; its rule only offers what the office allows just now, so that most choices lead
somewhere. It is never told of a broken law: what it would shrink are its own choices, while people keep events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from harness.hunting.events import GROUP, STAFF, TEAM, WAYS, OfficeEvent
from harness.hunting.office import Office

LENGTH = 40
"""Events that Hypothesis chooses in a history."""

_WATCHERS = ("carol", "dave", "alice")
_CALLED = ("bob", "bob", "carol", "alice", "dave")
_WAITS = (4.0, 4.0, 4.0, 12.0, 25.0, 40.0, 700.0)
_ALWAYS = (*["call"] * 4, *["call on"] * 8, *["wait"] * 5, *["watch"] * 2)
"""What happens in every office, as often as it stands here."""

DISTURBANCES = (
    *("lose", "delay", "double", "reorder", "away", "move", "reboot", "forget", "register", "unregister"),
    *("presence_id", "device", "reset", "set", "unsubscribe", "neglect", "restart", "fork"),
)
"""What happens in some: a history has a few of them, and those often."""
_TREATED = ("NOTIFY", "NOTIFY", "NOTIFY", *WAYS)
_MOST_DISTURBANCES = 8


class TimeIsUp(BaseException):
    """Ends a hunt in the midst of a history. Hypothesis would take an Exception for a failure to be looked into."""


BRIEF_S = (1.0, 1.0, 2.0, 5.0)
"""How long is waited where an hour takes an hour."""


def make_machine(
    open_office: Callable[[int], Office],
    done: Callable[[Office], None],
    over: Callable[[], bool],
    waits: tuple[float, ...] = _WAITS,
    without: tuple[str, ...] = (),
) -> Any:
    """A state machine class whose every run is one history: `open_office(seed)`, events, `done(office)`.

    `over`: whether the time of the hunt is up; then TimeIsUp is raised. `without`: disturbances that cannot be made.
    """
    possible = [each for each in DISTURBANCES if each not in without]

    def check() -> None:
        if over():
            raise TimeIsUp

    class Histories(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.office: Office | None = None
            self.mix: tuple[str, ...] = ()

        @initialize(
            number=st.integers(0, 2**32 - 1),
            watcher=st.sampled_from(_WATCHERS),
            whom=st.sampled_from(_CALLED),
            disturbances=st.lists(st.sampled_from(possible), unique=True, min_size=1, max_size=_MOST_DISTURBANCES),
        )
        def begin(self, number: int, watcher: str, whom: str, disturbances: list[str]) -> None:
            check()
            self.office = open_office(number)
            self.mix = (*_ALWAYS, *disturbances, *disturbances)
            self.office.do(OfficeEvent("subscribe", watcher, whom))

        @rule(data=st.data())
        def something(self, data: st.DataObject) -> None:
            check()
            if self.office is not None:
                event = _draw(data, data.draw(st.sampled_from(self.mix)), self.office, waits)
                if event is not None:
                    self.office.do(event)

        def teardown(self) -> None:
            if self.office is not None:
                done(self.office)

    return Histories


def _draw(data: st.DataObject, what: str, office: Office, waits: tuple[float, ...]) -> OfficeEvent | None:
    """An event of a kind; None where there is nothing to do about it."""

    def one(choices: tuple[Any, ...]) -> Any:
        return data.draw(st.sampled_from(choices))

    match what:
        case "call on":
            possible = office.next_of_calls()
            return OfficeEvent(*one(tuple(possible))) if possible else OfficeEvent("wait", seconds=waits[0])
        case "call":
            who, whom = one(STAFF), one(_CALLED)
            return OfficeEvent("call", who, whom) if who != whom else None
        case "wait":
            return OfficeEvent("wait", seconds=one(waits))
        case "watch":
            return OfficeEvent("subscribe", one(_WATCHERS), one(_CALLED))
        case "fork":
            return OfficeEvent("call", one(tuple(name for name in STAFF if name not in TEAM)), GROUP)
        case "restart":
            return OfficeEvent("restart")
        case "unsubscribe":
            return OfficeEvent("unsubscribe", one(_WATCHERS), one(_CALLED))
        case "neglect":
            return OfficeEvent("neglect", one(_WATCHERS), one(_CALLED))
        case "presence_id":
            return OfficeEvent("presence_id", one(_CALLED), how=one(("2001", "2002", "")))
        case "device":
            return OfficeEvent(one(("username", "password", "disable", "enable", "delete")), one(STAFF))
        case "lose" | "delay" | "double" | "reorder":
            return OfficeEvent("network", one(STAFF), how=what, what=one(_TREATED))
        case "away":
            gone = [name for name, phone in office.phones.items() if phone.impaired]
            return OfficeEvent("back", one(tuple(gone))) if gone else OfficeEvent("away", one(STAFF))
        case "set":
            return OfficeEvent("set", one(_CALLED), how=one(("early", "confirmed", "terminated")))
        case "reset":
            return OfficeEvent("reset", one(_CALLED))
        case _:
            return OfficeEvent(what, one(STAFF))


def run_machine(machine: Any, number: int, histories: int, length: int = LENGTH) -> None:
    """Let Hypothesis run so many histories of a machine, of so many events; equal numbers choose equally."""
    chosen = settings(
        max_examples=histories,
        stateful_step_count=length,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(seed(number)(machine), settings=chosen)
