"""The tables of calls and subscriptions, pair by pair, once more and by hand."""

from __future__ import annotations

import pytest

from phones.call_tables import INCOMING, OUTGOING
from phones.changing import CHANGE
from phones.sip.machine import Machine, Table
from phones.sip.reliable import ANNOUNCEMENT
from phones.subscription import SUBSCRIPTION
from tests.phones.walks import check_walk, fired

# state, event -> next state: actions [timers running]; what is not listed changes nothing
WALKS = {
    OUTGOING: """
        calling, trying -> proceeding: []
        calling, ringing -> ringing: report ringing []
        calling, again -> calling: send INVITE []
        calling, accepted -> talking: send ACK, report talking []
        calling, failed -> over: report ended []
        calling, timeout -> over: report ended []
        calling, hang up -> doomed: []
        calling, lose -> over: report ended []
        proceeding, ringing -> ringing: report ringing []
        proceeding, again -> calling: send INVITE []
        proceeding, accepted -> talking: send ACK, report talking []
        proceeding, failed -> over: report ended []
        proceeding, hang up -> cancelling: send CANCEL [cancel]
        proceeding, lose -> over: report ended []
        ringing, again -> calling: send INVITE []
        ringing, accepted -> talking: send ACK, report talking []
        ringing, failed -> over: report ended []
        ringing, hang up -> cancelling: send CANCEL [cancel]
        ringing, lose -> over: report ended []
        doomed, trying -> cancelling: send CANCEL [cancel]
        doomed, ringing -> cancelling: send CANCEL [cancel]
        doomed, again -> over: report ended []
        doomed, accepted -> leaving: send ACK, send BYE, report ended [linger]
        doomed, failed -> over: report ended []
        doomed, timeout -> over: report ended []
        doomed, lose -> over: report ended []
        cancelling, again -> over: report ended []
        cancelling, accepted -> leaving: send ACK, send BYE, report ended [linger]
        cancelling, failed -> over: report ended []
        cancelling, timer cancel -> over: report ended []
        cancelling, lose -> over: report ended []
        talking, accepted again -> talking: repeat ACK []
        talking, forked -> talking: refuse fork []
        talking, hang up -> leaving: send BYE, report ended [linger]
        talking, BYE -> left: accept BYE, report ended [linger]
        talking, INVITE -> talking: accept INVITE []
        talking, no ACK -> leaving: send BYE, report ended [linger]
        talking, lose -> over: report ended []
        leaving, accepted again -> leaving: repeat ACK [linger]
        leaving, forked -> leaving: refuse fork [linger]
        leaving, BYE -> leaving: accept BYE [linger]
        leaving, BYE done -> left: [linger]
        leaving, INVITE -> leaving: refuse [linger]
        leaving, timer linger -> over: []
        leaving, lose -> over: []
        left, accepted again -> left: repeat ACK [linger]
        left, forked -> left: refuse fork [linger]
        left, BYE -> left: refuse [linger]
        left, INVITE -> left: refuse [linger]
        left, timer linger -> over: []
        left, lose -> over: []
        ringing, UPDATE -> ringing: accept UPDATE []
        cancelling, UPDATE -> cancelling: accept UPDATE [cancel]
        talking, UPDATE -> talking: accept UPDATE []
        leaving, UPDATE -> leaving: refuse [linger]
        left, UPDATE -> left: refuse [linger]
    """,
    INCOMING: """
        offered, ring -> ringing: send 180, report ringing []
        offered, ring a while -> ringing: send 180, report ringing [answer]
        offered, ignore -> ignored: send 100, report ringing []
        offered, reject -> over: send rejection, report ended []
        offered, lose -> over: report ended []
        ringing, answer -> accepted: send 200 []
        ringing, timer answer -> accepted: send 200 []
        ringing, reject -> over: send rejection, report ended []
        ringing, CANCEL -> over: send 487, report ended []
        ringing, BYE -> over: accept BYE, send 487, report ended []
        ringing, INVITE -> ringing: delay [answer]
        ringing, lose -> over: report ended []
        ignored, ring -> ringing: send 180 []
        ignored, answer -> accepted: send 200 []
        ignored, reject -> over: send rejection, report ended []
        ignored, CANCEL -> over: send 487, report ended []
        ignored, BYE -> over: accept BYE, send 487, report ended []
        ignored, INVITE -> ignored: delay []
        ignored, lose -> over: report ended []
        accepted, ACK -> talking: report talking []
        accepted, hang up -> closing: []
        accepted, no ACK -> leaving: send BYE, report ended []
        accepted, BYE -> over: accept BYE, report ended []
        accepted, INVITE -> accepted: accept INVITE []
        accepted, lose -> over: report ended []
        closing, ACK -> leaving: send BYE, report ended []
        closing, no ACK -> leaving: send BYE, report ended []
        closing, BYE -> over: accept BYE, report ended []
        closing, INVITE -> closing: refuse []
        closing, lose -> over: report ended []
        talking, hang up -> leaving: send BYE, report ended []
        talking, BYE -> over: accept BYE, report ended []
        talking, INVITE -> talking: accept INVITE []
        talking, no ACK -> leaving: send BYE, report ended []
        talking, lose -> over: report ended []
        leaving, BYE -> leaving: accept BYE []
        leaving, BYE done -> over: []
        leaving, INVITE -> leaving: refuse []
        leaving, lose -> over: []
        ringing, UPDATE -> ringing: accept UPDATE [answer]
        ignored, UPDATE -> ignored: accept UPDATE []
        accepted, UPDATE -> accepted: accept UPDATE []
        closing, UPDATE -> closing: refuse []
        talking, UPDATE -> talking: accept UPDATE []
        leaving, UPDATE -> leaving: refuse []
    """,
    SUBSCRIPTION: """
        idle, subscribe -> subscribing: begin []
        subscribing, again -> subscribing: send []
        subscribing, interval -> subscribing: send []
        subscribing, granted -> accepted: report active [expiry refresh silence]
        subscribing, granted nothing -> left: report terminated [silence]
        subscribing, gone -> idle: report refused []
        subscribing, refused -> idle: report refused []
        subscribing, failed -> idle: report refused []
        subscribing, timeout -> idle: report unanswered []
        subscribing, NOTIFY active -> notified: []
        subscribing, NOTIFY shortened -> notified: []
        subscribing, NOTIFY terminated -> idle: report terminated []
        subscribing, NOTIFY deactivated -> subscribing: report terminated, begin []
        subscribing, NOTIFY probation -> waiting: report terminated [retry]
        subscribing, unsubscribe -> withdrawing: []
        subscribing, move -> subscribing: begin []
        subscribing, lose -> idle: report terminated []
        notified, again -> notified: send []
        notified, interval -> notified: send []
        notified, granted -> active: report active [expiry refresh]
        notified, granted nothing -> left: report terminated [silence]
        notified, gone -> idle: report refused []
        notified, refused -> idle: report refused []
        notified, failed -> idle: report refused []
        notified, timeout -> active: report active [expiry refresh]
        notified, NOTIFY terminated -> idle: report terminated []
        notified, NOTIFY deactivated -> subscribing: report terminated, begin []
        notified, NOTIFY probation -> waiting: report terminated [retry]
        notified, unsubscribe -> leaving: send zero []
        notified, move -> refreshing: send []
        notified, lose -> idle: report terminated []
        accepted, NOTIFY active -> active: [expiry refresh]
        accepted, NOTIFY shortened -> active: [expiry refresh]
        accepted, NOTIFY terminated -> idle: report terminated []
        accepted, NOTIFY deactivated -> subscribing: report terminated, begin []
        accepted, NOTIFY probation -> waiting: report terminated [retry]
        accepted, timer silence -> idle: report terminated []
        accepted, timer refresh -> refreshing: send [expiry]
        accepted, timer expiry -> left: report expired [silence]
        accepted, subscribe -> refreshing: send [expiry]
        accepted, move -> refreshing: send [expiry]
        accepted, unsubscribe -> leaving: send zero [expiry]
        accepted, lose -> idle: report terminated []
        active, NOTIFY shortened -> active: [expiry refresh]
        active, NOTIFY terminated -> idle: report terminated []
        active, NOTIFY deactivated -> subscribing: report terminated, begin []
        active, NOTIFY probation -> waiting: report terminated [retry]
        active, timer refresh -> refreshing: send [expiry]
        active, timer expiry -> left: report expired [silence]
        active, subscribe -> refreshing: send [expiry]
        active, gap -> refreshing: send [expiry]
        active, move -> refreshing: send [expiry]
        active, unsubscribe -> leaving: send zero [expiry]
        active, lose -> idle: report terminated []
        refreshing, again -> refreshing: send [expiry]
        refreshing, interval -> refreshing: send [expiry]
        refreshing, granted -> active: report active [expiry refresh]
        refreshing, granted nothing -> left: report terminated [silence]
        refreshing, gone -> subscribing: report terminated, begin []
        refreshing, refused -> idle: report refused []
        refreshing, failed -> active: report active [expiry refresh]
        refreshing, timeout -> idle: report unanswered []
        refreshing, NOTIFY shortened -> refreshing: [expiry]
        refreshing, NOTIFY terminated -> idle: report terminated []
        refreshing, NOTIFY deactivated -> subscribing: report terminated, begin []
        refreshing, NOTIFY probation -> waiting: report terminated [retry]
        refreshing, timer expiry -> refreshing: report expired []
        refreshing, move -> refreshing: send [expiry]
        refreshing, unsubscribe -> leaving: send zero [expiry]
        refreshing, lose -> idle: report terminated []
        withdrawing, again -> idle: report terminated []
        withdrawing, interval -> idle: report terminated []
        withdrawing, granted -> leaving: send zero []
        withdrawing, granted nothing -> left: report terminated [silence]
        withdrawing, gone -> idle: report terminated []
        withdrawing, refused -> idle: report terminated []
        withdrawing, failed -> idle: report terminated []
        withdrawing, timeout -> idle: report unanswered []
        withdrawing, NOTIFY active -> leaving: send zero []
        withdrawing, NOTIFY shortened -> leaving: send zero []
        withdrawing, NOTIFY terminated -> idle: report terminated []
        withdrawing, NOTIFY deactivated -> idle: report terminated []
        withdrawing, NOTIFY probation -> idle: report terminated []
        withdrawing, move -> idle: report terminated []
        withdrawing, lose -> idle: report terminated []
        leaving, again -> leaving: send zero [expiry]
        leaving, interval -> idle: report terminated []
        leaving, granted -> left: report terminated [silence]
        leaving, granted nothing -> left: report terminated [silence]
        leaving, gone -> idle: report terminated []
        leaving, refused -> idle: report terminated []
        leaving, failed -> idle: report terminated []
        leaving, timeout -> idle: report unanswered []
        leaving, NOTIFY terminated -> idle: report terminated []
        leaving, NOTIFY deactivated -> idle: report terminated []
        leaving, NOTIFY probation -> idle: report terminated []
        leaving, move -> leaving: send zero [expiry]
        leaving, lose -> idle: report terminated []
        left, subscribe -> subscribing: begin []
        left, NOTIFY terminated -> idle: []
        left, NOTIFY deactivated -> idle: []
        left, NOTIFY probation -> idle: []
        left, timer silence -> idle: []
        left, move -> idle: []
        left, lose -> idle: []
        waiting, timer retry -> subscribing: begin []
        waiting, subscribe -> subscribing: begin []
        waiting, unsubscribe -> idle: report terminated []
        waiting, lose -> idle: []
    """,
    CHANGE: """
        settled, change -> asking: send []
        settled, end -> over: []
        asking, accepted -> settled: take []
        asking, glare -> waiting: leave [again]
        asking, refused -> settled: leave []
        asking, gone -> over: hang up []
        asking, end -> over: []
        waiting, change -> asking: send []
        waiting, timer again -> asking: send []
        waiting, end -> over: []
    """,
    ANNOUNCEMENT: """
        announced, PRACK -> done: go on []
        announced, final -> overtaken: []
        announced, timer repeat -> announced: repeat [patience repeat]
        announced, timer patience -> done: give up []
        overtaken, PRACK -> done: []
    """,
}
WAYS: dict[Table, dict[str, list[str]]] = {
    OUTGOING: {
        "calling": [],
        "proceeding": ["trying"],
        "ringing": ["ringing"],
        "doomed": ["hang up"],
        "cancelling": ["trying", "hang up"],
        "talking": ["accepted"],
        "leaving": ["accepted", "hang up"],
        "left": ["accepted", "BYE"],
    },
    INCOMING: {
        "offered": [],
        "ringing": ["ring a while"],
        "ignored": ["ignore"],
        "accepted": ["ring", "answer"],
        "closing": ["ring", "answer", "hang up"],
        "talking": ["ring", "answer", "ACK"],
        "leaving": ["ring", "answer", "ACK", "hang up"],
    },
    SUBSCRIPTION: {
        "idle": [],
        "subscribing": ["subscribe"],
        "notified": ["subscribe", "NOTIFY active"],
        "accepted": ["subscribe", "granted"],
        "active": ["subscribe", "granted", "NOTIFY active"],
        "refreshing": ["subscribe", "granted", "NOTIFY active", "timer refresh"],
        "withdrawing": ["subscribe", "unsubscribe"],
        "leaving": ["subscribe", "granted", "NOTIFY active", "unsubscribe"],
        "left": ["subscribe", "granted nothing"],
        "waiting": ["subscribe", "NOTIFY probation"],
    },
    CHANGE: {"settled": [], "asking": ["change"], "waiting": ["change", "glare"]},
    ANNOUNCEMENT: {"announced": [], "overtaken": ["final"]},
}
TIMERS = ("again", "answer", "patience", "repeat", "cancel", "linger", "refresh", "expiry", "retry", "silence")


def machine_in(table: Table, state: str) -> Machine:
    machine = Machine(table, {name: lambda _: 8.0 for name in TIMERS}, 0.0)
    for event in WAYS[table][state]:
        fired(machine, event, 0.0)
    assert machine.state == state
    return machine


@pytest.mark.parametrize("table", WALKS, ids=lambda table: table.name)
def test_every_event_in_every_state(table: Table) -> None:
    assert set(WAYS[table]) == set(table.states) - {table.final}
    check_walk(WALKS[table], table, WAYS[table], lambda state: machine_in(table, state))


@pytest.mark.parametrize("table", [OUTGOING, INCOMING, SUBSCRIPTION], ids=lambda table: table.name)
def test_a_call_ends_and_a_subscription_can_always_begin_anew(table: Table) -> None:
    """Whatever happened, losing power leaves nothing that runs or waits."""
    for state in WAYS[table]:
        machine = machine_in(table, state)
        machine.fire("lose", 1.0)
        assert machine.deadlines == {}
        assert machine.state == ("idle" if table is SUBSCRIPTION else "over")
