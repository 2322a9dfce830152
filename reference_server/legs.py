"""One leg of a call: the INVITE dialog between the server and one phone, as a table for each direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from phones.sip.index import Message
from phones.sip.machine import Machine, Rule, Table
from phones.sip.reliable import Announcement
from phones.sip.sdp import Session
from phones.sip.value import value
from reference_server.directory import Account, Device
from reference_server.registrations import Aor
from reference_server.runtime import Route
from reference_server.states import ChannelState, Direction

LINGER_S = 32.0
"""How long a leg that is over still answers what the phone repeats, and a cancelled one is waited for: 64 * T1."""

OUTGOING = Table(
    "leg to a phone",
    initial="calling",
    final="ended",
    begin=("ring",),
    events=("1xx", "2xx", "3xx-6xx", "no answer", "BYE", "hang up", "timer ring", "timer linger"),
    rules={
        **{
            (state, event): rule
            for state in ("calling", "proceeding")
            for event, rule in {
                "1xx": Rule("proceeding", ("progress",)),
                "2xx": Rule("answered", ("acknowledge", "answered"), stop=("ring",)),
                "3xx-6xx": Rule("ended", ("refused",)),
                "no answer": Rule("ended", ("refused",)),
            }.items()
        },
        # RFC 3261 9.1: a CANCEL must wait for a provisional answer
        ("calling", "timer ring"): Rule("overdue", ("unanswered",)),
        ("calling", "hang up"): Rule("overdue", stop=("ring",)),
        ("overdue", "1xx"): Rule("cancelled", ("cancel",), start=("linger",)),
        ("proceeding", "timer ring"): Rule("cancelled", ("cancel", "unanswered"), start=("linger",)),
        ("proceeding", "hang up"): Rule("cancelled", ("cancel",), start=("linger",), stop=("ring",)),
        ("cancelled", "timer linger"): Rule("ended"),
        **{
            (state, event): rule
            for state in ("overdue", "cancelled")
            for event, rule in {
                # the 2xx crossed the CANCEL
                "2xx": Rule("hanging", ("acknowledge", "bye"), start=("linger",)),
                "3xx-6xx": Rule("ended"),
                "no answer": Rule("ended"),
            }.items()
        },
        ("answered", "2xx"): Rule("answered", ("acknowledge again",)),
        ("answered", "BYE"): Rule("hanging", ("gone",), start=("linger",)),
        ("answered", "hang up"): Rule("hanging", ("bye",), start=("linger",)),
        ("hanging", "2xx"): Rule("hanging", ("acknowledge again",)),
        ("hanging", "timer linger"): Rule("ended"),
    },
    ignored=[
        *((state, "BYE") for state in ("calling", "proceeding", "overdue", "cancelled", "hanging")),
        *((state, "timer linger") for state in ("calling", "proceeding", "overdue", "answered")),
        *((state, "timer ring") for state in ("overdue", "cancelled", "answered", "hanging")),
        *((state, "hang up") for state in ("overdue", "cancelled", "hanging")),
        *((state, event) for state in ("answered", "hanging") for event in ("1xx", "3xx-6xx", "no answer")),
        ("cancelled", "1xx"),
    ],
)
"""We called (RFC 3261 13.2, 9.1, 15). `refused`, `answered`, `unanswered`, `progress` and `gone` are for the call."""

INCOMING = Table(
    "leg from a phone",
    initial="trying",
    final="ended",
    events=("progress", "answer", "refuse", "CANCEL", "ACK", "no ACK", "BYE", "hang up", "timer linger"),
    rules={
        ("trying", "progress"): Rule("early", ("ring back",)),
        **{
            (state, event): rule
            for state in ("trying", "early")
            for event, rule in {
                "answer": Rule("answered", ("accept",)),
                "refuse": Rule("ended", ("reject",)),
                "hang up": Rule("ended", ("reject",)),
                "CANCEL": Rule("ended", ("terminate", "gone")),
                "BYE": Rule("ended", ("terminate", "gone")),
            }.items()
        },
        ("answered", "ACK"): Rule("talking"),
        ("answered", "no ACK"): Rule("hanging", ("bye", "gone"), start=("linger",)),
        ("answered", "BYE"): Rule("ended", ("gone",)),
        # RFC 3261 15: no BYE before the ACK
        ("answered", "hang up"): Rule("closing"),
        ("closing", "ACK"): Rule("hanging", ("bye",), start=("linger",)),
        ("closing", "no ACK"): Rule("hanging", ("bye",), start=("linger",)),
        ("closing", "BYE"): Rule("ended"),
        ("talking", "BYE"): Rule("ended", ("gone",)),
        ("talking", "hang up"): Rule("hanging", ("bye",), start=("linger",)),
        ("hanging", "timer linger"): Rule("ended"),
    },
    ignored=[
        *((state, "timer linger") for state in ("trying", "early", "answered", "closing", "talking")),
        *((state, event) for state in ("trying", "early") for event in ("ACK", "no ACK")),
        *((state, "progress") for state in ("early", "answered", "closing", "talking", "hanging")),
        *((s, e) for s in ("answered", "closing", "talking", "hanging") for e in ("answer", "refuse", "CANCEL")),
        *((state, event) for state in ("talking", "hanging") for event in ("ACK", "no ACK")),
        ("closing", "hang up"),
        ("hanging", "BYE"),
        ("hanging", "hang up"),
    ],
)
"""The phone called (RFC 3261 13.3, 9.2, 15)."""

CONFIRMED = ("answered", "closing", "talking", "hanging")
"""States in which a dialog is there for requests from the phone."""


class Side(StrEnum):
    """Which leg of its call: the first or the second."""

    A = "a"
    B = "b"


@value
class Party:
    """Who is at the end of a leg: a device, or somebody behind a trunk. `numbers` are what it goes by.

    `presentity` is whose lamp the leg lights, None for nobody's.
    """

    account: Account
    device: Device | None
    presentity: Aor | None
    owner: Aor | None
    numbers: tuple[str, ...]


@value
class Shows:
    """What the phone of a leg shows of the other side: number and name."""

    number: str
    name: str


@dataclass(slots=True, eq=False)
class Leg:
    """One leg. `local` and `remote` are From and To of our requests, the phone's tag included once it is known.

    `target` is the Request-URI inside the dialog, `cseq` that of the INVITE, `key` its transaction. `session` is
    what the phone said about its media, `body` the same as it came. `tag` is ours, `hops` the Max-Forwards of the
    INVITE. `mate` is the leg that its media
    goes to. `announcement` is our reliable provisional answer, `held_back` whether our 2xx waits for its PRACK;
    `acknowledged` are the phone's, by its tag, and the newest RSeq of each.
    """

    side: Side
    party: Party
    direction: Direction
    peer: Shows
    machine: Machine
    route: Route
    call_id: str
    tag: str
    cseq: int
    hops: int
    local: str
    remote: str
    target: str
    uri: str = ""
    key: str = ""
    via: str = ""
    invite: Message | None = None
    session: Session | None = None
    body: bytes = b""
    remote_tag: str = ""
    sdp_id: int = 0
    sdp_version: int = 1
    status: int = 0
    reason: str = ""
    cause: str = ""
    mate: Leg | None = None
    armed: float | None = None
    latest: Message | None = None
    shown: ChannelState | None = None
    established: bool = False
    forks: set[str] = field(default_factory=set)
    announcement: Announcement | None = None
    held_back: bool = False
    acknowledged: dict[str, int] = field(default_factory=dict)

    @property
    def ringing(self) -> bool:
        """Whether it may still be answered."""
        return self.machine.state in ("calling", "proceeding", "trying", "early")

    @property
    def confirmed(self) -> bool:
        """Whether both sides are in the call."""
        return self.machine.state in ("answered", "talking")

    @property
    def over(self) -> bool:
        """Whether it has ended, or is about to."""
        return not self.ringing and not self.confirmed
