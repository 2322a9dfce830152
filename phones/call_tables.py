"""The life of one call as two tables, for who calls and for who is called (RFC 3261 9, 13, 14, 15)."""

from __future__ import annotations

from phones.sip.machine import Rule, Table

_HANG_UP = ("send BYE", "report ended")

OUTGOING = Table(
    "outgoing call",
    initial="calling",
    final="over",
    events=(
        "trying", "ringing", "again", "accepted", "accepted again", "forked", "failed", "timeout",
        "hang up", "BYE", "BYE done", "INVITE", "UPDATE", "ACK", "no ACK", "lose", "timer cancel", "timer linger",
    ),
    rules={
        ("calling", "trying"): Rule("proceeding"),
        ("calling", "ringing"): Rule("ringing", ("report ringing",)),
        ("calling", "again"): Rule("calling", ("send INVITE",)),
        ("calling", "accepted"): Rule("talking", ("send ACK", "report talking")),
        ("calling", "failed"): Rule("over", ("report ended",)),
        ("calling", "timeout"): Rule("over", ("report ended",)),
        # a CANCEL may overtake an INVITE that nobody has answered yet, so it waits (RFC 3261 9.1)
        ("calling", "hang up"): Rule("doomed"),
        ("proceeding", "ringing"): Rule("ringing", ("report ringing",)),
        ("proceeding", "again"): Rule("calling", ("send INVITE",)),
        ("proceeding", "accepted"): Rule("talking", ("send ACK", "report talking")),
        ("proceeding", "failed"): Rule("over", ("report ended",)),
        ("proceeding", "hang up"): Rule("cancelling", ("send CANCEL",), start=("cancel",)),
        ("ringing", "again"): Rule("calling", ("send INVITE",)),
        ("ringing", "accepted"): Rule("talking", ("send ACK", "report talking")),
        ("ringing", "failed"): Rule("over", ("report ended",)),
        ("ringing", "hang up"): Rule("cancelling", ("send CANCEL",), start=("cancel",)),
        ("doomed", "trying"): Rule("cancelling", ("send CANCEL",), start=("cancel",)),
        ("doomed", "ringing"): Rule("cancelling", ("send CANCEL",), start=("cancel",)),
        ("doomed", "again"): Rule("over", ("report ended",)),
        ("doomed", "accepted"): Rule("leaving", ("send ACK", *_HANG_UP), start=("linger",)),
        ("doomed", "failed"): Rule("over", ("report ended",)),
        ("doomed", "timeout"): Rule("over", ("report ended",)),
        ("cancelling", "again"): Rule("over", ("report ended",)),
        # the CANCEL came too late
        ("cancelling", "accepted"): Rule("leaving", ("send ACK", *_HANG_UP), start=("linger",), stop=("cancel",)),
        ("cancelling", "failed"): Rule("over", ("report ended",)),
        ("cancelling", "timer cancel"): Rule("over", ("report ended",)),
        ("talking", "accepted again"): Rule("talking", ("repeat ACK",)),
        ("talking", "forked"): Rule("talking", ("refuse fork",)),
        ("talking", "hang up"): Rule("leaving", _HANG_UP, start=("linger",)),
        ("talking", "BYE"): Rule("left", ("accept BYE", "report ended"), start=("linger",)),
        ("talking", "INVITE"): Rule("talking", ("accept INVITE",)),
        ("talking", "no ACK"): Rule("leaving", _HANG_UP, start=("linger",)),
        **{(state, "UPDATE"): Rule(state, ("accept UPDATE",)) for state in ("ringing", "cancelling", "talking")},
        **{(state, "UPDATE"): Rule(state, ("refuse",)) for state in ("leaving", "left")},
        ("leaving", "accepted again"): Rule("leaving", ("repeat ACK",)),
        ("leaving", "forked"): Rule("leaving", ("refuse fork",)),
        ("leaving", "BYE"): Rule("leaving", ("accept BYE",)),
        ("leaving", "BYE done"): Rule("left"),
        ("leaving", "INVITE"): Rule("leaving", ("refuse",)),
        # answers to the INVITE come as long as its transaction lasts (RFC 6026 timer M)
        ("leaving", "timer linger"): Rule("over"),
        ("left", "accepted again"): Rule("left", ("repeat ACK",)),
        ("left", "forked"): Rule("left", ("refuse fork",)),
        ("left", "BYE"): Rule("left", ("refuse",)),
        ("left", "INVITE"): Rule("left", ("refuse",)),
        ("left", "timer linger"): Rule("over"),
        **{
            (state, "lose"): Rule("over", ("report ended",))
            for state in ("calling", "proceeding", "ringing", "doomed", "cancelling", "talking")
        },
        **{(state, "lose"): Rule("over") for state in ("leaving", "left")},
    },
    ignored=[
        *(
            (state, event)
            for state in ("calling", "proceeding", "ringing", "doomed", "cancelling")
            for event in ("accepted again", "forked", "BYE", "BYE done", "INVITE", "ACK", "no ACK", "timer linger")
        ),
        # there is no early dialog yet that it could be in
        *((state, "UPDATE") for state in ("calling", "proceeding", "doomed")),
        *((state, "timer cancel") for state in ("calling", "proceeding", "ringing", "doomed")),
        ("proceeding", "trying"),
        ("ringing", "trying"),
        ("ringing", "ringing"),
        ("cancelling", "trying"),
        ("cancelling", "ringing"),
        # the INVITE transaction waits for ever once there was a provisional answer
        *((state, "timeout") for state in ("proceeding", "ringing", "cancelling")),
        ("doomed", "hang up"),
        ("cancelling", "hang up"),
        *(
            (state, event)
            for state in ("talking", "leaving", "left")
            for event in ("trying", "ringing", "again", "accepted", "failed", "timeout", "ACK", "timer cancel")
        ),
        ("talking", "BYE done"),
        ("talking", "timer linger"),
        ("leaving", "hang up"),
        ("leaving", "no ACK"),
        ("left", "hang up"),
        ("left", "BYE done"),
        ("left", "no ACK"),
    ],
)  # fmt: skip
"""`trying` is a 100, `ringing` any other provisional; `accepted` the first 2xx, `accepted again` a repetition of it,
`forked` a 2xx of another dialog; `again` a 401 or 407 that may be answered, or
one after which another target is tried; `failed` every other final answer. `INVITE` and `UPDATE` are within the call,
`ACK` and `no ACK` are about our answer to that; `lose` is a loss of power or address.
"""

INCOMING = Table(
    "incoming call",
    initial="offered",
    final="over",
    events=(
        "ring", "ring a while", "ignore", "answer", "reject", "hang up", "CANCEL", "BYE", "BYE done", "INVITE",
        "UPDATE", "ACK", "no ACK", "lose", "timer answer",
    ),
    rules={
        ("offered", "ring"): Rule("ringing", ("send 180", "report ringing")),
        ("offered", "ring a while"): Rule("ringing", ("send 180", "report ringing"), start=("answer",)),
        ("offered", "ignore"): Rule("ignored", ("send 100", "report ringing")),
        ("offered", "reject"): Rule("over", ("send rejection", "report ended")),
        ("ringing", "answer"): Rule("accepted", ("send 200",), stop=("answer",)),
        ("ringing", "timer answer"): Rule("accepted", ("send 200",)),
        ("ignored", "ring"): Rule("ringing", ("send 180",)),
        ("ignored", "answer"): Rule("accepted", ("send 200",)),
        # no BYE before the ACK (RFC 3261 15)
        ("accepted", "hang up"): Rule("closing"),
        # a CANCEL that meets a final answer changes nothing (RFC 3261 9.2); the caller has to send BYE
        ("accepted", "ACK"): Rule("talking", ("report talking",)),
        ("accepted", "BYE"): Rule("over", ("accept BYE", "report ended")),
        ("accepted", "no ACK"): Rule("leaving", _HANG_UP),
        ("accepted", "INVITE"): Rule("accepted", ("accept INVITE",)),
        ("closing", "ACK"): Rule("leaving", _HANG_UP),
        ("closing", "no ACK"): Rule("leaving", _HANG_UP),
        ("closing", "BYE"): Rule("over", ("accept BYE", "report ended")),
        ("closing", "INVITE"): Rule("closing", ("refuse",)),
        ("talking", "hang up"): Rule("leaving", _HANG_UP),
        ("talking", "BYE"): Rule("over", ("accept BYE", "report ended")),
        ("talking", "INVITE"): Rule("talking", ("accept INVITE",)),
        ("talking", "no ACK"): Rule("leaving", _HANG_UP),
        ("leaving", "BYE"): Rule("leaving", ("accept BYE",)),
        ("leaving", "BYE done"): Rule("over"),
        ("leaving", "INVITE"): Rule("leaving", ("refuse",)),
        ("leaving", "lose"): Rule("over"),
        **{
            key: rule
            for state in ("ringing", "ignored")
            for key, rule in {
                (state, "reject"): Rule("over", ("send rejection", "report ended")),
                (state, "CANCEL"): Rule("over", ("send 487", "report ended")),
                (state, "BYE"): Rule("over", ("accept BYE", "send 487", "report ended")),
                (state, "INVITE"): Rule(state, ("delay",)),
                (state, "UPDATE"): Rule(state, ("accept UPDATE",)),
            }.items()
        },
        **{(state, "UPDATE"): Rule(state, ("accept UPDATE",)) for state in ("accepted", "talking")},
        **{(state, "UPDATE"): Rule(state, ("refuse",)) for state in ("closing", "leaving")},
        **{
            (state, "lose"): Rule("over", ("report ended",))
            for state in ("offered", "ringing", "ignored", "accepted", "closing", "talking")
        },
    },
    ignored=[
        *(("offered", event) for event in ("answer", "hang up", "CANCEL", "BYE", "INVITE", "UPDATE")),
        *((state, event) for state in ("offered", "ringing", "ignored") for event in ("ACK", "no ACK", "BYE done")),
        *((state, "timer answer") for state in ("offered", "ignored", "accepted", "closing", "talking", "leaving")),
        ("ringing", "ring"),
        *((state, event) for state in ("ringing", "ignored") for event in ("ring a while", "ignore", "hang up")),
        *(
            (state, event)
            for state in ("accepted", "closing", "talking", "leaving")
            for event in ("ring", "ring a while", "ignore", "answer", "reject", "CANCEL")
        ),
        *((state, "BYE done") for state in ("accepted", "closing", "talking")),
        *((state, event) for state in ("closing", "leaving") for event in ("hang up",)),
        ("talking", "ACK"),
        ("leaving", "ACK"),
        ("leaving", "no ACK"),
    ],
)  # fmt: skip
"""`ring`, `ring a while` (and then answer), `ignore`, `answer` and `reject` are what the phone decides; the others are
as in the outgoing call. The 2xx is repeated by its transaction until the ACK (RFC 3261 13.3.1.4)."""
