"""Phones behind proxies are reached by way of these: Path of their registration, Record-Route of their dialogs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from phones.sip.index import Message
from phones.sip.message import Address, request
from reference_server.call_wire import tag_of
from reference_server.runtime import Route
from reference_server.ways import MOST_PROXIES, along, answered, recorded, way
from tests.reference_server.calling import Caller, callflow, desk
from tests.reference_server.playbook import Bench, Phone, notifies

EDGE: Address = ("127.0.0.1", 7000)
PATH = "<sip:127.0.0.1:7000;lr>"
FAR = "<sip:192.0.2.9:5060;lr>"
OURS = "<sip:127.0.0.1:5060;lr=on;ftag=x>"


class Behind(Phone):
    """A phone whose requests come from the edge, and which is reached there."""

    @property
    def address(self) -> Address:
        return EDGE

    def request(self, method: str, headers: Sequence[tuple[str, str]] = (), uri: str = "") -> bytes:
        recorded_in = "Path" if method == "REGISTER" else "Record-Route"
        return super().request(method, [(recorded_in, PATH), (recorded_in, FAR), *headers], uri)


def behind(bench: Bench, index: int = 0) -> Behind:
    device = bench.server.seed.devices[index]
    phone = Behind(bench, device.username, device.password, bench.server.seed.realm, 6000 + index)
    bench.phones[EDGE] = phone
    assert phone.register() == 200
    bench.run(0.2)
    return phone


def message(*headers: tuple[str, str]) -> Message:
    common = [("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"), ("Call-ID", "1"), ("CSeq", "1 INVITE")]
    return Message.parse(request("INVITE", "sip:x@192.0.2.1", [*common, *headers]))


def test_what_is_remembered_of_a_way() -> None:
    both = message(("Path", f"{PATH}, {FAR}"))
    assert way(both, ("192.0.2.1", 9), "udp", "path") == Route(EDGE, "udp", (PATH, FAR))
    assert way(both, ("192.0.2.1", 9), "udp") == Route(("192.0.2.1", 9), "udp")
    # a name leads nowhere without asking: back to where it came from
    named = message(("Record-Route", "<sip:edge.example;lr>"))
    assert way(named, ("192.0.2.1", 9), "udp") == Route(("192.0.2.1", 9), "udp", ("<sip:edge.example;lr>",))
    assert recorded(message(("Path", ",, ;lr")), "path") == ()
    assert len(recorded(message(*[("Path", PATH)] * 99), "path")) == MOST_PROXIES


def test_the_way_of_an_answer_is_turned_round() -> None:
    ok = message(("Record-Route", PATH), ("Record-Route", FAR), ("Record-Route", OURS))
    assert answered(Route(EDGE, "udp", ("<sip:old;lr>",)), ok) == Route(("192.0.2.9", 5060), "udp", (FAR, PATH))
    assert answered(Route(EDGE, "udp", (PATH,)), message()) == Route(EDGE, "udp")


def test_routes_stand_in_front() -> None:
    data = along(b"BYE sip:x SIP/2.0\r\nVia: y\r\n\r\n", (PATH, FAR))
    assert data == f"BYE sip:x SIP/2.0\r\nRoute: {PATH}\r\nRoute: {FAR}\r\nVia: y\r\n\r\n".encode()


def test_a_registration_with_a_path() -> None:
    bench = Bench()
    phone = behind(bench)
    registered = next(each for each in phone.taken if each.status == 200)
    assert registered.all("path") == [PATH, FAR]
    bench.api("POST", f"{bench.url()}/sync")
    [found] = notifies(bench.run(1.0))
    assert found.remote == EDGE
    assert found.message.uri == phone.contact
    assert found.message.all("route") == [PATH, FAR]


def test_an_address_that_others_share_proves_nothing() -> None:
    bench = Bench()
    phone = behind(bench)
    again = phone.send("REGISTER", [("Contact", "<sip:thief@127.0.0.1:7777>"), ("Expires", "600")])
    assert again is not None
    assert again.status == 401
    invited = phone.send("INVITE", [("Contact", f"<{phone.contact}>")])
    assert invited is not None
    assert invited.status == 407


def test_a_subscription_by_way_of_a_proxy() -> None:
    bench = Bench()
    phone = behind(bench)
    granted = phone.send("SUBSCRIBE", [("Event", "dialog"), ("Contact", f"<{phone.contact}>"), ("Expires", "60")])
    assert granted is not None
    assert (granted.status, granted.all("record-route")) == (200, [PATH, FAR])
    [first] = notifies(bench.sent, "dialog")
    assert (first.remote, first.message.all("route")) == (EDGE, [PATH, FAR])
    # inside the dialog nothing new is recorded, and the way stays
    data = Phone.request(phone, "SUBSCRIBE", [("Event", "dialog"), ("Contact", f"<{phone.contact}>")])
    bench.receive(data.replace(b"\r\nCall-ID", b";tag=" + tag(granted) + b"\r\nCall-ID"), EDGE)
    [_, second] = notifies([*bench.sent, *bench.run(0.1)], "dialog")[:2]
    assert (second.remote, second.message.all("route")) == (EDGE, [PATH, FAR])


def tag(granted: Message) -> bytes:
    return (granted.get("to") or "").rpartition("tag=")[2].encode()


class FrontedCaller(Caller):
    """One that calls and is called behind the proxies: they record themselves in what passes."""

    def take(self, message: Message) -> None:
        if message.is_request and message.method == "INVITE" and not tag_of(message.get("to")):
            recorded_too = f"\r\nRecord-Route: {FAR}\r\nRecord-Route: {PATH}\r\nRecord-Route: <sip:127".encode()
            message = Message.parse(message.raw.replace(b"\r\nRecord-Route: <sip:127", recorded_too, 1))
        super().take(message)

    def call(self, number: str, *, headers: Sequence[tuple[str, str]] = (), **more: Any) -> Message:
        return super().call(number, headers=[("Record-Route", PATH), ("Record-Route", FAR), *headers], **more)


def test_a_call_from_behind_a_proxy() -> None:
    bench = Bench()
    registered = behind(bench)
    desk(bench, 1, port=6001)
    callflow(bench, "1002", 1)
    caller = FrontedCaller(bench, EDGE[1], registered.username, registered.realm)
    first, call = caller.authenticated("1002", registered.password)
    bench.run(1.0)
    assert (caller.statuses(first), caller.statuses(call)[-1]) == ([407], 200)
    # the edge is nearest to whoever answers
    ours, *others = caller.final(call).all("record-route")
    assert ("127.0.0.1:5060" in ours, others) == (True, [PATH, FAR])
    callee = bench.phones["127.0.0.1", 6001]
    assert isinstance(callee, Caller)
    callee.hang_up(callee.invites[0])
    bench.run(0.1)
    [bye] = caller.requests("BYE")
    assert bye.all("route") == [PATH, FAR]


def test_a_call_to_behind_a_proxy() -> None:
    bench = Bench()
    registered = behind(bench)
    callflow(bench, "1001", 0)
    caller = desk(bench, 1, port=6001)
    callee = FrontedCaller(bench, EDGE[1], registered.username, registered.realm)
    call = caller.call("1001")
    bench.run(1.0)
    [invite] = callee.invites
    assert (invite.uri, invite.all("route")) == (registered.contact, [PATH, FAR])
    [ack] = callee.requests("ACK")
    assert ack.all("route") == [PATH, FAR]
    caller.hang_up(call)
    bench.run(0.1)
    [bye] = callee.requests("BYE")
    assert bye.all("route") == [PATH, FAR]


def test_a_call_that_is_given_up() -> None:
    bench = Bench()
    registered = behind(bench)
    callflow(bench, "1001", 0)
    caller = desk(bench, 1, port=6001)
    callee = FrontedCaller(bench, EDGE[1], registered.username, registered.realm, picks_up=(100, 180))
    call = caller.call("1001")
    bench.run(1.0)
    caller.cancel(call)
    bench.run(0.1)
    [invite], [cancel] = callee.invites, callee.requests("CANCEL")
    # RFC 3261 9.1: the Route of what it cancels
    assert cancel.all("route") == invite.all("route") == [PATH, FAR]
