"""Dialogs: what is read out of headers, who belongs, in which order, and where to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phones.sip.dialog import Dialog, address_of, elements, tag_of, uri_of, user_of
from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import request, response
from tests.phones.playbook import EDGE, a_request
from tests.phones.sip.strategies import HOSTILE, PIECES, broken

# --- header values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "uri", "tag", "user"),
    [
        ("<sip:ann@example.com>;tag=1", "sip:ann@example.com", "1", "ann"),
        ('"Ann <sip:x@y>;tag=9" <sip:ann@example.com>; TAG = a.b-c ;x=y', "sip:ann@example.com", "a.b-c", "ann"),
        ('"Q \\" uote"<sip:ann@example.com;tag=no>', "sip:ann@example.com;tag=no", "", "ann"),
        ("sip:ann@example.com;tag=7", "sip:ann@example.com", "7", "ann"),
        ("Ann <sips:+1%20a;x@h:5>", "sips:+1%20a;x@h:5", "", "+1%20a;x"),
        ("<sip:ann:secret@h>", "sip:ann:secret@h", "", "ann"),
        ("<sip:example.com>;tag=", "sip:example.com", "", ""),
        ("<sip:a@b@c>", "sip:a@b@c", "", "a@b"),
        ("<sip:open", "sip:open", "", ""),
        ('"', '"', "", ""),
        ("", "", "", ""),
    ],
)
def test_parts_of_a_name_address(value: str, uri: str, tag: str, user: str) -> None:
    assert (uri_of(value), tag_of(value), user_of(value)) == (uri, tag, user)


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        (["<sip:a>, <sip:b>", "<sip:c>"], ["<sip:a>", "<sip:b>", "<sip:c>"]),
        (['"x, y" <sip:a,b;c=d>;e=f,g'], ['"x, y" <sip:a,b;c=d>;e=f', "g"]),
        (['"a\\",b\\\\",c'], ['"a\\",b\\\\"', "c"]),
        (["<\">,b\">,c"], ["<\">", 'b">,c']),
        ([",, ,a,"], ["a"]),
        (["<a,b"], ["<a,b"]),
        ([], []),
    ],
)  # fmt: skip
def test_values_in_a_line(lines: list[str], values: list[str]) -> None:
    assert list(elements(lines)) == values


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sip:192.0.2.1", ("192.0.2.1", 5060)),
        ("sip:a@192.0.2.1:5070;transport=udp", ("192.0.2.1", 5070)),
        ("SIP:a:b@[2001:db8::1]:7?x=y", ("2001:db8::1", 7)),
        ("sip:a@192.0.2.1;transport=TCP", None),
        ("sips:192.0.2.1", None),
        ("sip:example.com", None),
        ("sip:192.0.2.1:0", None),
        ("sip:192.0.2.1:65536", None),
        ("sip:192.0.2.1:5060x", None),
        ("sip:0.0.0.0", None),
        ("sip:[::]", None),
        ("sip:1.2.3", None),
        ("sip:999.1.1.1", None),
        ("tel:+1", None),
        ("", None),
    ],
)
def test_only_numbers_are_addresses(uri: str, address: tuple[str, int] | None) -> None:
    assert address_of(uri) == address


# --- dialogs ---------------------------------------------------------------------------------------------------------

ASKED = Message.parse(
    request(
        "INVITE",
        "sip:bob@example.com",
        [
            ("Via", "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1"),
            ("Record-Route", "<sip:192.0.2.31;lr>, <sip:192.0.2.32;lr>"),
            ("From", "<sip:ann@example.com>;tag=a"),
            ("To", "<sip:bob@example.com>"),
            ("Call-ID", "c"),
            ("CSeq", "41 INVITE"),
            ("Contact", "<sip:ann@192.0.2.10:5062>"),
        ],
    )
)
ANSWER = Message.parse(
    response(ASKED, 200, to_tag="b", headers=[("Contact", '"B, b" <sip:bob@192.0.2.20>;x=y, <sip:z@z>')])
)


def the_two_ends() -> tuple[Dialog, Dialog]:
    return Dialog.of_answer(ASKED, ANSWER), Dialog.of_request(ASKED, "b")


def test_the_two_ends_of_a_dialog_agree() -> None:
    caller, called = the_two_ends()
    assert (caller.local, caller.remote) == (called.remote, called.local)
    assert (caller.call_id, tag_of(caller.local), tag_of(caller.remote)) == ("c", "a", "b")
    assert caller.routes == tuple(reversed(called.routes)) == ("<sip:192.0.2.32;lr>", "<sip:192.0.2.31;lr>")
    assert (caller.target, called.target) == ("sip:bob@192.0.2.20", "sip:ann@192.0.2.10:5062")
    assert (caller.local_cseq, caller.remote_cseq, called.local_cseq, called.remote_cseq) == (41, None, 0, 41)
    assert (caller.next_hop(EDGE), called.next_hop(EDGE)) == (("192.0.2.32", 5060), ("192.0.2.31", 5060))


def test_requests_of_one_end_match_at_the_other() -> None:
    caller, called = the_two_ends()
    bye = Message.parse(caller.request("BYE", "SIP/2.0/UDP h;branch=z9hG4bK2"))
    assert [name for name, _ in bye.headers] == [
        "Via", "Max-Forwards", "Route", "Route", "From", "To", "Call-ID", "CSeq", "Content-Length",
    ]  # fmt: skip
    assert (bye.uri, bye.cseq, bye.flaw) == ("sip:bob@192.0.2.20", 42, "")
    assert called.matches(bye)
    assert not caller.matches(bye)
    assert called.accept(bye)
    assert not called.accept(bye)
    ack = Message.parse(caller.request("ACK", "SIP/2.0/UDP h;branch=z9hG4bK3", cseq=41))
    assert (ack.cseq, caller.local_cseq) == (41, 42)
    back = Message.parse(called.request("BYE", "SIP/2.0/UDP h;branch=z9hG4bK4", [("X", "y")], b"body"))
    assert (back.cseq, back.body, back.get("x")) == (1, b"body", "y")
    assert caller.matches(back)
    assert caller.accept(back)


@pytest.mark.parametrize("change", [(b"Call-ID: c", b"Call-ID: d"), (b"tag=a", b"tag=x"), (b";tag=b", b"")])
def test_strangers_do_not_match(change: tuple[bytes, bytes]) -> None:
    caller, called = the_two_ends()
    assert not called.matches(Message.parse(caller.request("BYE", "SIP/2.0/UDP h").replace(*change)))


def test_a_target_moves_with_what_may_move_it() -> None:
    _, called = the_two_ends()
    for method, cseq, contact, target in (
        ("BYE", 50, "<sip:no@192.0.2.1>", "sip:ann@192.0.2.10:5062"),
        ("INVITE", 51, "<sip:new@192.0.2.1>", "sip:new@192.0.2.1"),
        ("INVITE", 51, "<sip:late@192.0.2.1>", "sip:new@192.0.2.1"),
        ("INVITE", 52, "<sip:b ad>", "sip:new@192.0.2.1"),
    ):
        called.accept(Message.parse(a_request(method, f"Contact: {contact}", cseq=cseq)))
        assert called.target == target


def test_a_dialog_needs_somewhere_to_go() -> None:
    for contact in ([], ["Contact: *"], ["Contact: <sip:a b>"], ["Contact: <>"]):
        with pytest.raises(SipSyntaxError):
            Dialog.of_request(Message.parse(a_request("INVITE", *contact)), "t")
    # an answer without Contact leaves what was asked
    assert Dialog.of_answer(ASKED, Message.parse(response(ASKED, 200))).target == "sip:bob@example.com"


def test_a_notify_makes_a_dialog() -> None:
    notify = Message.parse(a_request("NOTIFY", "Record-Route: <sip:192.0.2.5;lr>", "Contact: <sip:192.0.2.6>", cseq=9))
    dialog = Dialog.of_notify(ASKED, notify)
    assert (tag_of(dialog.local), tag_of(dialog.remote), dialog.target) == ("a", "f1", "sip:192.0.2.6")
    assert (dialog.routes, dialog.local_cseq, dialog.remote_cseq) == (("<sip:192.0.2.5;lr>",), 41, 9)


PEER = a_request("INVITE", "Contact: <sip:a@192.0.2.1>", "Record-Route: <sip:192.0.2.2;lr>", body=b"x")


@given(data=broken(PEER, ANSWER.raw))
def test_whatever_a_peer_said_makes_a_request_that_can_be_read(data: bytes) -> None:
    try:
        message = Message.parse(data)
        dialog = Dialog.of_request(message, "t") if message.is_request else Dialog.of_answer(ASKED, message)
    except SipSyntaxError:
        return
    made = Message.parse(dialog.request("BYE", "SIP/2.0/UDP h;branch=z9hG4bK1"))
    assert (made.method, made.call_id, made.cseq) == ("BYE", message.call_id, dialog.local_cseq)
    host, port = dialog.next_hop(EDGE)
    assert host
    assert 0 < port < 65536


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))
def test_any_value_has_parts(value: bytes) -> None:
    text = value.decode("utf-8", "surrogateescape")
    assert isinstance(uri_of(text) + tag_of(text) + user_of(text), str)
    assert all(part.strip() for part in elements([text]))
    assert address_of(text) is None or text[:4].lower() == "sip:"


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_repetition_costs_no_square(piece: str) -> None:
    again = piece * (200_000 // len(piece))
    for text in (again, f"<sip:{again}", f'"{again}', f"<sip:a>{again}", f"sip:{again}"):
        uri_of(text), tag_of(text), user_of(text), address_of(text)
        assert len(list(elements([text]))) <= len(text)
