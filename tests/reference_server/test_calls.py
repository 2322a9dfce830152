"""Calls between phones: what each gets, in which order, whatever happens."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest

from phones.sip.index import Message
from phones.sip.machine import Machine
from reference_server.legs import INCOMING, OUTGOING
from reference_server.registrations import Aor
from reference_server.states import ChannelState, Direction
from tests.reference_server.calling import (
    MEDIA,
    Caller,
    callflow,
    cellphone,
    desk,
    forgotten,
    log_of,
    media_of,
    office,
    states,
    trunk,
)
from tests.reference_server.playbook import Bench, changed

LAYOUT = {
    "INVITE": [
        *("Record-Route", "Via", "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact", "User-Agent"),
        *("Allow", "Supported", "Allow-Events", "Content-Type", "Content-Disposition", "Content-Length", "k-cid"),
        "Remote-Party-ID",
    ],
    "ACK": ["Via", "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Contact", "Content-Length"],
    "BYE": [
        *("Via", "Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "User-Agent", "Allow", "Supported"),
        *("Reason", "Content-Length"),
    ],
    "CANCEL": ["Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq", "Content-Length", "Reason"],
    "100": ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"],
    "183": [
        *("Via", "Record-Route", "From", "To", "Call-ID", "CSeq", "Contact", "User-Agent", "Accept", "Allow"),
        *("Supported", "Allow-Events", "Content-Type", "Content-Disposition", "Content-Length", "Remote-Party-ID"),
    ],
    "200": [
        *("Via", "Record-Route", "From", "To", "Call-ID", "CSeq", "Contact", "User-Agent", "Allow"),
        *("Supported", "Allow-Events", "Content-Type", "Content-Disposition", "Content-Length", "Remote-Party-ID"),
    ],
    "487": [
        *("Via", "From", "To", "Call-ID", "CSeq", "User-Agent", "Allow", "Supported", "Allow-Events"),
        "Content-Length",
    ],
    "603": ["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"],
}
"""Headers as they stand in the recordings."""


def names(message: Message) -> list[str]:
    return [name for name, _ in message.headers]


def test_a_call_from_end_to_end() -> None:
    bench = Bench()
    a, b = office(bench)
    b.picks_up = (100, 180)
    call = a.call("1002")
    bench.run(0.1)
    assert a.statuses(call) == [100, 183]
    assert a.taken[0].reason == "Attempting to connect your call"
    invite = b.invites[0]
    assert invite.uri == b.contact
    assert media_of(invite) == MEDIA
    assert (invite.get("from") or "").startswith(f'"{a.user}" <sip:1001@{a.realm}>;tag=')
    assert invite.get("to") == f"<sip:{b.user}@{b.realm}>"
    assert invite.get("k-cid") == call.call_id
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", invite.call_id)
    b.respond(invite, 200)
    bench.run(0.1)
    assert a.statuses(call) == [100, 183, 200]
    assert media_of(a.final(call)) == MEDIA
    assert b.methods == ["INVITE", "ACK"]
    a.hang_up(call)
    bench.run(0.1)
    assert b.methods == ["INVITE", "ACK", "BYE"]
    assert b.requests("BYE")[0].get("reason") == 'Q.850;cause=16;text="NORMAL_CLEARING"'
    assert forgotten(bench)


@pytest.mark.parametrize(("hops", "seen"), [("70", "48"), ("50", "48"), ("10", "8"), ("x", "48"), ("2", None)])
def test_hops(hops: str, seen: str | None) -> None:
    bench = Bench()
    a, b = office(bench)
    uri = f"sip:1002@{a.realm}"
    data = a.message("INVITE", uri, "hops", 1, f"<{uri}>", body=a.offer)
    data = data.replace(b"Max-Forwards: 70", f"Max-Forwards: {hops}".encode())
    a.receive(data)
    bench.run(0.5)
    assert [invite.get("max-forwards") for invite in b.invites] == ([seen] if seen else [])
    assert a.final(Message.parse(data)).status == (200 if seen else 483)


def test_a_call_that_comes_back_for_ever_ends() -> None:
    bench = Bench()
    a, _ = office(bench)
    trunk(bench, port=9000)
    cellphone(bench)
    # whatever goes to the carrier comes back from there, as if the cellphone's number were the office's
    carrier = Caller(bench, 9000, "carrier", "carrier.example", picks_up=())
    returned: list[Message] = []

    def take(message: Message) -> None:
        carrier.taken.append(message)
        if message.is_request and message.method == "INVITE" and message.raw not in [m.raw for m in returned]:
            returned.append(message)
            hops = message.get("max-forwards")
            data = carrier.message("INVITE", f"sip:1044@{a.realm}", f"back-{len(returned)}", 1, "<sip:1044@x>")
            carrier.receive(data.replace(b"Max-Forwards: 70", f"Max-Forwards: {hops}".encode()))

    mock.patch.object(carrier, "take", take).start()
    a.call("1044")
    bench.run(10.0)
    assert 20 <= len({message.call_id for message in returned}) <= 25


def test_everything_looks_as_recorded() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    a.hang_up(call)
    bench.run(0.1)
    for method in ("INVITE", "ACK", "BYE"):
        assert names(b.requests(method)[0]) == LAYOUT[method], method
    for message in a.taken:
        if message.method == "INVITE":
            assert names(message) == LAYOUT[str(message.status)], message.status
    b.picks_up = (180,)
    cancelled = a.call("1002")
    bench.run(0.1)
    a.cancel(cancelled)
    bench.run(0.1)
    assert names(b.requests("CANCEL")[0]) == LAYOUT["CANCEL"]
    assert names(a.final(cancelled)) == LAYOUT["487"]
    b.picks_up = (603,)
    refused = a.call("1002")
    bench.run(0.1)
    assert names(a.final(refused)) == LAYOUT["603"]


def test_the_called_phone_hangs_up() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    b.hang_up(b.invites[0])
    bench.run(0.1)
    assert b.final_of("BYE").status == 200
    bye = a.requests("BYE")[0]
    assert bye.uri == a.contact
    assert bye.get("to") == call.get("from")
    assert forgotten(bench)


def test_both_hang_up_at_once() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    b.hang_up(b.invites[0])
    a.hang_up(call)
    assert a.final_of("BYE").status == 200
    assert forgotten(bench)


@pytest.mark.parametrize(
    ("answers", "status", "reason"),
    [
        ((180, 486), 486, "Busy Here"),
        ((603,), 603, "Decline"),
        ((404,), 404, "Not Found"),
        ((302,), 480, "Temporarily Unavailable"),
        ((407,), 480, "Temporarily Unavailable"),
    ],
)
def test_refused(answers: tuple[int, ...], status: int, reason: str) -> None:
    bench = Bench()
    a, b = office(bench)
    b.picks_up = answers
    call = a.call("1002")
    bench.run(0.1)
    assert (a.final(call).status, a.final(call).reason) == (status, reason)
    assert b.methods == ["INVITE", "ACK"]
    assert forgotten(bench)


def test_no_answer() -> None:
    bench = Bench()
    callflow(bench, "1003", 1, timeout=6)
    a, b = office(bench)
    b.picks_up = (180,)
    call = a.call("1003")
    bench.run(5.9)
    assert a.statuses(call) == [100, 183]
    bench.run(1.0)
    assert (a.final(call).status, a.final(call).reason) == (603, "Endpoint Not Available")
    assert b.requests("CANCEL")[0].get("reason") == 'Q.850;cause=19;text="NO_ANSWER"'
    assert forgotten(bench)


def test_a_silent_phone() -> None:
    bench = Bench(changed(calls__ring_s=60.0))
    a, b = office(bench)
    b.picks_up = ()
    call = a.call("1002")
    bench.run(40.0)
    assert a.statuses(call) == [100, 603]
    assert forgotten(bench)


def test_the_caller_gives_up() -> None:
    bench = Bench()
    a, b = office(bench)
    b.picks_up = (180,)
    call = a.call("1002")
    bench.run(0.1)
    a.cancel(call)
    bench.run(0.1)
    assert a.final(call).status == 487
    assert b.methods == ["INVITE", "CANCEL", "ACK"]
    assert b.requests("CANCEL")[0].get("reason") == 'SIP;cause=487;text="ORIGINATOR_CANCEL"'
    assert forgotten(bench)


def test_the_caller_gives_up_before_anybody_rings() -> None:
    bench = Bench()
    a, b = office(bench)
    a.cancel(a.call("1002"))
    bench.run(1.0)
    assert b.methods == []
    assert forgotten(bench)


def test_the_answer_crosses_the_cancel() -> None:
    bench = Bench()
    a, b = office(bench)
    b.picks_up, b.obeys_cancel = (180,), False
    call = a.call("1002")
    bench.run(0.1)
    a.cancel(call)
    b.respond(b.invites[0], 200)
    bench.run(0.1)
    assert b.methods == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert forgotten(bench)


def test_cancel_of_nothing_and_cancel_too_late() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    a.cancel(call)
    bench.run(0.1)
    assert a.final_of("CANCEL").status == 200
    assert b.methods == ["INVITE", "ACK"]
    a.hang_up(call)
    bench.run(40.0)
    a.cancel(call)
    assert a.final_of("CANCEL", -1).status == 481


def test_a_repeated_200_is_acknowledged_again_and_a_fork_is_hung_up() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    b.respond(b.invites[0], 200)
    assert [m.method for m in b.taken if m.is_request] == ["INVITE", "ACK", "ACK"]
    b.respond(b.invites[0], 200, tag="other")
    b.respond(b.invites[0], 200, tag="other")
    acks = [m for m in b.taken if m.method == "ACK" and m.is_request and "tag=other" in (m.get("to") or "")]
    byes = [m for m in b.taken if m.method == "BYE" and m.is_request]
    assert (len(acks), len(byes)) == (2, 1)
    assert "tag=other" in (byes[0].get("to") or "")
    assert a.methods == []
    a.hang_up(call)
    assert forgotten(bench)


def test_no_ack_ends_the_call() -> None:
    bench = Bench()
    a, b = office(bench)
    a.acknowledges = False
    a.call("1002")
    bench.run(40.0)
    assert "BYE" in a.methods
    assert "BYE" in b.methods
    assert forgotten(bench)


def test_no_bye_before_the_ack() -> None:
    bench = Bench()
    a, b = office(bench)
    a.acknowledges = False
    call = a.call("1002")
    bench.run(0.1)
    b.hang_up(b.invites[0])
    bench.run(0.1)
    assert a.methods == []
    a.acknowledge(a.final(call))
    bench.run(0.1)
    assert a.methods == ["BYE"]
    assert forgotten(bench)


@pytest.mark.parametrize(
    ("number", "status", "reason"),
    [
        ("7777", 604, "no available handlers"),
        ("", 604, "no available handlers"),
        ("no_match", 604, "no available handlers"),
        ("1001", 486, "Unable to Comply"),
        ("1009", 486, "Unable to Comply"),
    ],
)
def test_nobody_to_ring(number: str, status: int, reason: str) -> None:
    bench = Bench()
    a, b = office(bench)
    spare = bench.api("PUT", "/devices", {"name": "x", "sip": {"username": "spare", "password": "secret1"}}).data["id"]
    flow = {"module": "device", "data": {"id": spare}}
    bench.api("PUT", "/callflows", {"numbers": ["1009"], "flow": flow})
    call = a.call(number)
    bench.run(1.0)
    assert a.statuses(call) == [100, status]
    assert a.final(call).reason == reason
    assert (a.methods, b.methods) == ([], [])
    assert forgotten(bench)


def test_a_disabled_device_is_not_rung() -> None:
    bench = Bench()
    a, b = office(bench)
    bench.api("PATCH", bench.url(1), {"enabled": False})
    call = a.call("1002")
    bench.run(1.0)
    assert a.final(call).reason == "Unable to Comply"
    assert b.methods == []


def test_a_username_is_a_number_too() -> None:
    bench = Bench()
    a, b = office(bench)
    a.call(b.user.upper())
    bench.run(0.1)
    assert b.methods == ["INVITE", "ACK"]


def test_a_stranger_is_challenged() -> None:
    bench = Bench()
    _, b = office(bench)
    stranger = Caller(bench, 8000, bench.server.seed.devices[0].username, b.realm)
    first, second = stranger.authenticated("1002", bench.server.seed.devices[0].password)
    bench.run(0.1)
    assert stranger.statuses(first) == [407]
    assert stranger.statuses(second) == [100, 183, 200]


def test_a_wrong_password_is_refused() -> None:
    bench = Bench()
    _, b = office(bench)
    stranger = Caller(bench, 8000, bench.server.seed.devices[0].username, b.realm)
    first, second = stranger.authenticated("1002", "wrong")
    bench.run(0.1)
    assert stranger.statuses(second) == [407]
    challenges = [stranger.final(call).get("proxy-authenticate") or "" for call in (first, second)]
    assert challenges[1] == challenges[0] + ', qop="auth"'
    assert b.methods == []


def test_an_unknown_user_and_a_stale_nonce_are_refused() -> None:
    bench = Bench(changed(registrar__nonce_lifetime_s=1.0))
    _, b = office(bench)
    nobody = Caller(bench, 8000, "nobody", b.realm)
    assert nobody.statuses(nobody.authenticated("1002", "x")[1]) == [407]
    known = Caller(bench, 8001, bench.server.seed.devices[0].username, b.realm)
    first = known.call("1002")
    bench.run(2.0)
    late = known.authenticated("1002", bench.server.seed.devices[0].password)[1]
    assert first.call_id != late.call_id
    assert known.statuses(late)[0] == 100


def test_a_changed_password_ends_the_trust_in_a_source() -> None:
    bench = Bench()
    a, b = office(bench)
    bench.api("PATCH", bench.url(), {"sip": {"password": "another-one"}})
    assert a.statuses(a.call("1002")) == [407]
    assert b.methods == []


def test_requests_of_a_dialog_that_is_not_there() -> None:
    bench = Bench()
    a, _ = office(bench)
    for method in ("INVITE", "BYE"):
        data = a.message(method, f"sip:1002@{a.realm}", "unknown", 3, f"<sip:1002@{a.realm}>;tag=x")
        a.receive(data)
        assert a.final(Message.parse(data)).status == 481


EARLY, CONFIRMED, TERMINATED = ChannelState.EARLY, ChannelState.CONFIRMED, ChannelState.TERMINATED


@pytest.mark.parametrize("end", ["answered", "refused", "cancelled", "unanswered"])
@pytest.mark.parametrize("caller", ["early", "confirmed"])
def test_lamps(end: str, caller: str) -> None:
    bench = Bench(changed(calls__caller_ringing=caller))
    told = log_of(bench)
    a, b = office(bench)
    b.picks_up = {"answered": (180, 200), "refused": (180, 486)}.get(end, (180,))
    call = a.call("1002")
    bench.run(1.0)
    live = bench.server.calls.live(Aor("1001", a.realm))
    assert [channel.peer for channel in live] == ([] if end == "refused" else ["1002"])
    if end == "cancelled":
        a.cancel(call)
    elif end == "answered":
        a.hang_up(call)
    bench.run(60.0)
    middle = [CONFIRMED] if end == "answered" else []
    first = [EARLY] if caller == "early" else []
    again = middle if caller == "early" else [CONFIRMED]
    assert states(told, "1001") == [(Direction.INITIATOR, state) for state in (*first, *again, TERMINATED)]
    assert states(told, "1002") == [(Direction.RECIPIENT, state) for state in (EARLY, *middle, TERMINATED)]
    causes = {channel.cause for channel in told if channel.state is TERMINATED}
    expected = {"answered": {"hung_up"}, "refused": {"rejected"}, "cancelled": {"cancelled"}}
    assert causes == expected.get(end, {"unanswered"})
    assert bench.server.calls.live(Aor("1001", a.realm)) == []


@pytest.mark.parametrize(("rule", "seen"), [("kept", "1001"), ("looked_up", "1099")])
def test_a_leg_keeps_its_lamp(rule: str, seen: str) -> None:
    bench = Bench(changed(calls__presentity=rule))
    told = log_of(bench)
    a, _ = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    bench.api("PATCH", bench.url(), {"presence_id": "1099"})
    a.hang_up(call)
    bench.run(0.1)
    assert [c.presentity.user for c in told if c.direction is Direction.INITIATOR][-1] == seen


def test_caller_id_of_the_document() -> None:
    bench = Bench()
    a, b = office(bench)
    bench.api("PATCH", bench.url(), {"caller_id": {"internal": {"name": 'Ann "x"', "number": "42"}}})
    a.call("1002")
    bench.run(0.1)
    assert (b.invites[0].get("from") or "").startswith(f'"Ann \\"x\\"" <sip:42@{a.realm}>')


def test_the_name_that_a_phone_gives_itself() -> None:
    bench = Bench()
    a, b = office(bench)
    a.call("1002", sender=f'"Bob \\"<sip:x@y>\\"" <sip:{a.user}@{a.realm}>;tag=caller')
    bench.run(0.1)
    assert (b.invites[0].get("from") or "").startswith(f'"Bob \\"<sip:x@y>\\"" <sip:1001@{a.realm}>')


@pytest.mark.parametrize(("rule", "rings"), [("refused", 0), ("rung", 1)])
def test_ones_own_number(rule: str, rings: int) -> None:
    bench = Bench(changed(calls__own_number=rule))
    a, _ = office(bench)
    a.call("1001")
    bench.run(1.0)
    assert len(a.invites) == rings


@pytest.mark.parametrize(("rule", "ports"), [("newest", [7001]), ("previous", [7000]), ("all", [7000, 7001])])
def test_which_contact_rings(rule: str, ports: list[int]) -> None:
    bench = Bench(changed(calls__recipient=rule))
    a, old = office(bench)
    new = desk(bench, 1, port=7001)
    a.call("1002")
    bench.run(0.1)
    assert [phone.port for phone in (old, new) if phone.invites] == ports


@pytest.mark.parametrize(("rule", "own"), [("across", []), ("back_too", [b"from a"])])
def test_where_sound_goes(rule: str, own: list[bytes]) -> None:
    bench = Bench(changed(calls__sound=rule))
    a, b = office(bench)
    a.call("1002")
    bench.run(0.5)
    a.say(b"from a")
    assert (a.heard, b.heard) == (own, [b"from a"])


@pytest.mark.parametrize("count", [1, 2])
def test_how_often_the_end_is_told(count: int) -> None:
    bench = Bench(changed(calls__byes=count))
    a, b = office(bench)
    call = a.call("1002")
    bench.run(0.5)
    a.hang_up(call)
    bench.run(0.5)
    assert len(b.requests("BYE")) == len({each.branch for each in b.requests("BYE")}) == count
    assert len({each.cseq for each in b.requests("BYE")}) == count
    assert a.requests("BYE") == []
    assert forgotten(bench)


@pytest.mark.parametrize("progress", [180, 183])
def test_progress(progress: int) -> None:
    bench = Bench(changed(calls__progress=progress))
    a, _ = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    assert a.statuses(call) == [100, progress, 200]


DURATIONS: dict[str, Any] = {"ring": lambda _: 30.0, "linger": lambda _: 32.0}


@pytest.mark.parametrize("table", [INCOMING, OUTGOING], ids=lambda table: table.name)
def test_every_event_in_every_state(table: Any) -> None:
    for state in table.states:
        if state == table.final:
            continue
        for event in table.events:
            machine = Machine(table, DURATIONS, 0.0)
            machine.state = state
            machine.fire(event, 1.0)
            assert machine.state in table.states
            if machine.state in ("cancelled", "hanging") and state not in ("cancelled", "hanging"):
                assert "linger" in machine.deadlines, (state, event)
