"""The life of one registration as a table (RFC 3261 10.2, 22; Kazoo's refusals by `same nonce again`)."""

from __future__ import annotations

from phones.sip.machine import Rule, Table

_ANSWERS = ("again", "interval", "accepted", "removed", "elsewhere", "refused", "rejected", "timeout")

REGISTRATION = Table(
    "registration",
    counts=False,
    initial="idle",
    final="(none)",
    events=(
        "register",
        "move",
        "unregister",
        *_ANSWERS,
        "timer refresh",
        "timer expiry",
    ),
    rules={
        ("idle", "register"): Rule("trying", ("send",)),
        ("idle", "move"): Rule("trying", ("send",)),
        ("trying", "move"): Rule("trying", ("send",)),
        ("trying", "again"): Rule("trying", ("answer",)),
        ("trying", "interval"): Rule("trying", ("send",)),
        ("trying", "elsewhere"): Rule("trying", ("send",)),
        ("trying", "accepted"): Rule("registered", ("report registered",), start=("refresh", "expiry")),
        ("trying", "removed"): Rule("idle", ("report unregistered",)),
        ("trying", "refused"): Rule("idle", ("report refused",)),
        ("trying", "rejected"): Rule("idle", ("report refused",)),
        ("trying", "timeout"): Rule("idle", ("report unanswered",)),
        ("registered", "register"): Rule("refreshing", ("send",), stop=("refresh",)),
        ("registered", "move"): Rule("refreshing", ("send",), stop=("refresh",)),
        ("registered", "timer refresh"): Rule("refreshing", ("send",)),
        ("registered", "timer expiry"): Rule("idle", ("report expired",), stop=("refresh",)),
        ("registered", "unregister"): Rule("leaving", ("send zero",), stop=("refresh", "expiry")),
        ("refreshing", "move"): Rule("refreshing", ("send",)),
        ("refreshing", "again"): Rule("refreshing", ("answer",)),
        ("refreshing", "interval"): Rule("refreshing", ("send",)),
        ("refreshing", "elsewhere"): Rule("refreshing", ("send",)),
        ("refreshing", "accepted"): Rule("registered", ("report registered",), start=("refresh", "expiry")),
        ("refreshing", "removed"): Rule("idle", ("report unregistered",), stop=("expiry",)),
        ("refreshing", "refused"): Rule("idle", ("report refused",), stop=("expiry",)),
        ("refreshing", "rejected"): Rule("idle", ("report refused",), stop=("expiry",)),
        ("refreshing", "timeout"): Rule("idle", ("report unanswered",), stop=("expiry",)),
        ("refreshing", "timer expiry"): Rule("trying", ("report expired",)),
        ("refreshing", "unregister"): Rule("leaving", ("send zero",), stop=("expiry",)),
        ("trying", "unregister"): Rule("leaving", ("send zero",)),
        ("leaving", "move"): Rule("trying", ("send",)),
        ("leaving", "again"): Rule("leaving", ("answer",)),
        ("leaving", "accepted"): Rule("idle", ("report unregistered",)),
        ("leaving", "removed"): Rule("idle", ("report unregistered",)),
        ("leaving", "interval"): Rule("idle", ("report refused",)),
        ("leaving", "refused"): Rule("idle", ("report refused",)),
        ("leaving", "rejected"): Rule("idle", ("report refused",)),
        ("leaving", "timeout"): Rule("idle", ("report unanswered",)),
    },
    ignored=[
        *(("idle", event) for event in ("unregister", *_ANSWERS)),
        *((state, f"timer {name}") for state in ("idle", "trying", "leaving") for name in ("refresh", "expiry")),
        ("refreshing", "timer refresh"),
        ("leaving", "unregister"),
        ("leaving", "elsewhere"),
        *((state, "register") for state in ("trying", "refreshing", "leaving")),
        *(("registered", event) for event in _ANSWERS),
    ],
)
"""`accepted` is a 200, `removed` one that grants no second; `again` a 401 or 407 that may be answered, or a
3xx that may be followed; `refused` a challenge that must not be answered (same nonce again after credentials);
`interval` a 423 that asks for longer, or a 439: it is asked again on other terms; `rejected` any other final response.
`elsewhere`: the edge does not answer, or is not well, and there is another."""
