"""What can happen in an office, as data. A list of events is a history, and all that is needed to live it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.errors import UsageError

STAFF = ("alice", "bob", "carol", "dave")
"""Who is in the office. Each has a phone and a device of its own, and may watch anybody."""

GROUP = "team"
"""Whom a call may be for besides: a number that rings the phones of `TEAM` at once."""
GROUP_NUMBER = "1009"
TEAM = ("bob", "carol")

NEGLECTED_S = 300
"""What a watcher asks for that will forget to refresh; 4.3 and 5.0 grant no less."""

SENTENCES: Mapping[str, str] = {
    "register": "{who} registers",
    "unregister": "{who} unregisters",
    "move": "{who} moves to another address",
    "reboot": "the power of {who} fails; it starts again",
    "forget": "{who} forgets its subscriptions and calls",
    "away": "{who} loses the network",
    "back": "{who} has the network again",
    "network": "the network will {how} the next {what} of {who}",
    "mend": "the network of {who} is sound again",
    "subscribe": "{who} watches {whom}",
    "neglect": "{who} watches {whom} and will forget to refresh that",
    "refresh": "{who} refreshes its subscription to {whom}",
    "unsubscribe": "{who} watches {whom} no more",
    "call": "{who} calls {whom}",
    "answer": "{who} answers",
    "reject": "{who} rejects",
    "cancel": "{who} gives up calling",
    "hang_up": "{who} hangs up",
    "presence_id": "the presence id of {who} becomes {how}",
    "username": "the SIP username of {who} is changed",
    "password": "the SIP password of {who} is changed",
    "disable": "the device of {who} is disabled",
    "enable": "the device of {who} is enabled",
    "delete": "the device of {who} is deleted",
    "reset": "the presence of {who} is reset",
    "set": "the presence of {who} is set to {how}",
    "restart": "the server restarts",
    "wait": "{seconds:g} s pass",
}
"""What each kind of event reads like."""


WAYS: Mapping[str, tuple[str, Literal["in", "out"]]] = {
    "NOTIFY": ("NOTIFY", "in"),
    "answer to a NOTIFY": ("NOTIFY", "out"),
    "INVITE": ("INVITE", "in"),
    "SUBSCRIBE": ("SUBSCRIBE", "out"),
    "BYE": ("BYE", "out"),
    "CANCEL": ("CANCEL", "out"),
}
"""What the network may treat badly: a method, and whether its messages are on their way to the phone or from it."""


@dataclass(frozen=True, slots=True)
class OfficeEvent:
    """One thing that happens: `do` is a key of SENTENCES, `who` and `whom` are staff, `seconds` are of a wait.

    Of a `network`, `how` is what it does (lose, delay, double, reorder) and `what` a method of WAYS.
    """

    do: str
    who: str = ""
    whom: str = ""
    how: str = ""
    seconds: float = 0.0
    what: str = ""

    def __str__(self) -> str:
        how = self.how or "nothing"
        return SENTENCES[self.do].format(who=self.who, whom=self.whom, how=how, seconds=self.seconds, what=self.what)

    def as_json(self) -> dict[str, Any]:
        """What is not empty of it."""
        return {key: value for key, value in asdict(self).items() if value}


def read_events(content: Any) -> tuple[OfficeEvent, ...]:
    """Events from what `as_json` has made. Raises UsageError for anything else."""
    if not isinstance(content, list):
        raise UsageError("a history is a list of events")
    events = []
    for number, item in enumerate(content, 1):
        try:
            event = OfficeEvent(**item)
            str(event)
            if event.do == "network" and event.what not in WAYS:
                raise ValueError(event.what)
            people = {event.who, event.whom} - {"", GROUP, *STAFF}
        except (TypeError, KeyError, ValueError) as error:
            raise UsageError(f"event {number} of the history is none: {item!r}") from error
        if people:
            raise UsageError(
                f"event {number} of the history is about {', '.join(sorted(people))}: nobody of the office"
            )
        events.append(event)
    return tuple(events)


def contains(history: Sequence[OfficeEvent], kinds: Sequence[str]) -> bool:
    """Whether events of these kinds happen in a history, in this order, with whatever between."""
    left = iter(event.do for event in history)
    return all(kind in left for kind in kinds)
