"""Requests that are sent elsewhere: 3xx to a call, a registration, a subscription (RFC 3261 8.1.3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.effects import Transmit
from phones.redirecting import Redirection
from phones.sip.dialog import tag_of
from phones.sip.index import Message
from phones.sip.message import request, response
from tests.phones.calls_bench import SERVER, accept, calling, lines_of, the_invite
from tests.phones.playbook import EDGE, LAMP, REALM, Desk, Header, challenge, credentials, granted

ASKED = Message.parse(
    request("INVITE", "sip:x@h", [("Via", "SIP/2.0/UDP h;branch=z9hG4bK1"), ("Call-ID", "1"), ("CSeq", "1 INVITE")])
)


def moved(*contacts: str) -> list[Header]:
    return [("Contact", contact) for contact in contacts]


def targets(first: str, *answers: tuple[int, str]) -> list[str | None]:
    """Where a request for `first` goes that gets these answers: status and Contact, one after the other."""
    redirection = Redirection(first)
    return [
        redirection.follow(status, Message.parse(response(ASKED, status, headers=moved(contact) if contact else [])))
        for status, contact in answers
    ]


# --- where to ---


@pytest.mark.parametrize(
    ("contact", "tried"),
    [
        ("<sip:b@h>;q=0.2, <sip:c@h>;q=0.9, <sip:d@h>", ["sip:d@h", "sip:c@h", "sip:b@h", None]),
        ("<sip:b@h>, <sip:c@h>", ["sip:b@h", "sip:c@h", None]),
        ("sip:b@h;q=0.1, sip:c@h;q=1.000", ["sip:c@h", "sip:b@h", None]),
        ('"x;q=0.1, <sip:n@h>" <sip:b@h;user=phone>', ["sip:b@h;user=phone", None]),
        ("<sip:b@h?Subject=x&Route=y>, <sip:c@h;method=BYE;x=1>", ["sip:b@h", "sip:c@h;x=1", None]),
        ("<sip:h>, <sip:[2001:db8::1]:5070>", ["sip:h", "sip:[2001:db8::1]:5070", None]),
        ("<tel:+123>, <mailto:x@h>, <sips:b@h>, *", [None]),
        ("<sip:a@h>, <SIP:a@H:5060>", [None]),
        ("<sip:A@h>", ["sip:A@h", None]),
        ("<sip:b@h>, <sip:b@H>, <sip:b@h:5060>", ["sip:b@h", None]),
        ("", [None]),
    ],
)
def test_the_contacts_by_preference_each_once(contact: str, tried: list[str | None]) -> None:
    answers = [(302, contact), *[(404, "")] * (len(tried) - 1)]
    assert targets("sip:a@h", *answers) == tried


def test_no_circle() -> None:
    assert targets("sip:a@h", (302, "<sip:b@h>"), (302, "<sip:a@h>, <sip:b@h>, <sip:c@h>"), (301, "<sip:b@h>")) == [
        "sip:b@h", "sip:c@h", None,
    ]  # fmt: skip


def test_no_chain_without_an_end() -> None:
    found = targets("sip:a@h", *[(302, f"<sip:{number}@h>") for number in range(50)])
    assert sum(target is not None for target in found) == 10


@pytest.mark.parametrize("status", [305, 380, 404, 500, 600, 603])
def test_what_is_not_followed(status: int) -> None:
    assert targets("sip:a@h", (status, "<sip:b@h>")) == [None]


def test_the_rest_comes_after_what_was_found_on_the_way_and_not_after_a_6xx() -> None:
    assert targets("sip:a@h", (302, "<sip:b@h>, <sip:c@h>"), (302, "<sip:d@h>"), (486, ""), (486, "")) == [
        "sip:b@h", "sip:d@h", "sip:c@h", None,
    ]  # fmt: skip
    assert targets("sip:a@h", (302, "<sip:b@h>, <sip:c@h>"), (603, "")) == ["sip:b@h", None]


@given(
    contacts=st.lists(st.text(max_size=30) | st.from_regex(r"<sip:[a-z@:;?=&.\[\]]{0,20}>;q=[0-9.]{0,4}"), max_size=9)
)
@settings(deadline=None)
def test_any_contact_gives_a_request_uri_or_nothing(contacts: list[str]) -> None:
    lines = [contact.replace("\r", "").replace("\n", "") for contact in contacts]
    redirection = Redirection("sip:a@h")
    answer = Message.parse(response(ASKED, 302, headers=moved(*lines)))
    seen = []
    target = redirection.follow(302, answer)
    while target is not None:
        assert Message.parse(request("INVITE", target, [("Call-ID", "1"), ("CSeq", "1 INVITE")])).uri == target
        seen.append(target)
        target = redirection.follow(404)
    assert len(seen) == len(set(seen)) <= 10


@pytest.mark.timeout(20)
def test_countless_contacts_cost_no_square() -> None:
    line = ", ".join(f"<sip:{number}@h>;q=0.{number % 10}" for number in range(20_000))
    assert Redirection("sip:a@h").follow(302, Message.parse(response(ASKED, 302, headers=moved(line)))) is not None


# --- a call ---


def test_a_call_goes_where_it_is_sent() -> None:
    desk = calling()
    first = the_invite(desk)
    desk.answer(302, moved("<sip:1003@a.example.com>"), to=first)
    again = the_invite(desk)
    assert lines_of(desk.all_sent()) == ["INVITE", "ACK", "INVITE"]
    assert (again.uri, again.get("to"), again.call_id, again.cseq) == (
        "sip:1003@a.example.com", "<sip:1002@a.example.com>", first.call_id, 2,
    )  # fmt: skip
    assert tag_of(again.get("from") or "") == tag_of(first.get("from") or "")
    assert again.branch != first.branch
    assert [effect.remote for _, effect in desk.log if isinstance(effect, Transmit)] == [EDGE] * 3
    accept(desk)
    assert [state for state, _, _ in desk.called()] == ["calling", "talking"]
    assert desk.last_sent().cseq == 2


def test_a_number_of_a_host_is_asked_there() -> None:
    desk = calling()
    desk.answer(300, moved("<sip:1003@192.0.2.7:5090>;q=0.5", "<sip:1004@192.0.2.8>;q=0.4"))
    desk.answer(180, to=the_invite(desk))
    desk.answer(486, to=the_invite(desk))
    remotes = [effect.remote for _, effect in desk.log if isinstance(effect, Transmit)]
    assert remotes == [EDGE, EDGE, SERVER, SERVER, ("192.0.2.8", 5060)]
    desk.answer(180, to=the_invite(desk))
    desk.do(desk.phone.calls.cancel)
    cancel = desk.last_sent()
    assert (cancel.method, cancel.uri, cancel.branch) == ("CANCEL", "sip:1004@192.0.2.8", the_invite(desk).branch)
    assert desk.log[-1][1] == Transmit(cancel.raw, ("192.0.2.8", 5060))


def test_a_silent_target_is_followed_by_the_next() -> None:
    desk = calling()
    desk.answer(302, moved("<sip:1003@192.0.2.7:5090>, <sip:1004@192.0.2.8>"))
    desk.run(33.0)
    assert [one.uri for one in desk.all_sent("INVITE")][1:] == ["sip:1003@192.0.2.7:5090", "sip:1004@192.0.2.8"]
    desk.run(33.0)
    assert desk.called() == [("calling", 0, ""), ("ended", 0, "unanswered")]


def test_two_phones_that_forward_to_each_other() -> None:
    desk = calling()
    for number in range(40):
        desk.answer(302, moved(f"<sip:{1003 - number % 2}@a.example.com>"), to=the_invite(desk), reason="Away")
    assert len(desk.all_sent("INVITE")) == 2
    assert desk.called()[-1] == ("ended", 302, "Away")


def test_a_target_that_challenges() -> None:
    desk = calling()
    desk.answer(302, moved("<sip:1003@b.example.com>"))
    desk.answer(407, [("Proxy-Authenticate", challenge()[1])], to=the_invite(desk))
    again = the_invite(desk)
    assert (again.uri, again.cseq) == ("sip:1003@b.example.com", 3)
    assert 'uri="sip:1003@b.example.com"' in credentials(again, "proxy-authorization")


@pytest.mark.parametrize("ringing", [True, False])
def test_who_has_hung_up_goes_nowhere(ringing: bool) -> None:
    desk = calling()
    if ringing:
        desk.answer(180)
    desk.do(desk.phone.calls.cancel)
    desk.answer(302, moved("<sip:1003@a.example.com>"), to=the_invite(desk))
    assert (len(desk.all_sent("INVITE")), desk.called()[-1][:2]) == (1, ("ended", 302))


# --- a registration ---


@pytest.mark.parametrize(("status", "later"), [(301, "sip:192.0.2.7:5090"), (302, f"sip:{REALM}")])
def test_a_registrar_that_has_moved(status: int, later: str) -> None:
    desk = Desk()
    desk.register(expires=100)
    first = desk.last_sent()
    desk.answer(status, moved("<sip:192.0.2.7:5090>"))
    again = desk.last_sent()
    assert (again.uri, again.get("to"), again.call_id, again.cseq) == (
        "sip:192.0.2.7:5090", first.get("to"), first.call_id, 2,
    )  # fmt: skip
    assert desk.log[-1][1] == Transmit(again.raw, SERVER)
    desk.answer(401, [challenge()])
    assert 'uri="sip:192.0.2.7:5090"' in credentials(desk.last_sent())
    desk.accept()
    assert desk.changes() == ["registered"]
    desk.run(85.0)
    # what has moved for a while only is asked where it was (RFC 3261 21.3.3)
    assert desk.last_sent().uri == later


def test_a_registrar_that_moved_and_is_gone() -> None:
    desk = Desk()
    desk.register(expires=100)
    desk.answer(301, moved("<sip:192.0.2.7:5090>"))
    desk.accept()
    desk.run(85.0)
    desk.answer(503)
    assert desk.changes() == ["registered", "refused"]
    desk.register()
    assert desk.last_sent().uri == f"sip:{REALM}"


def test_unregistering_is_sent_elsewhere_too() -> None:
    desk = Desk().registered()
    desk.unregister()
    desk.answer(302, moved("<sip:192.0.2.7:5090>"))
    assert (desk.last_sent().uri, desk.last_sent().get("expires")) == ("sip:192.0.2.7:5090", "0")
    desk.answer(200)
    assert desk.changes() == ["registered", "unregistered"]


# --- a subscription ---


def test_a_presentity_that_has_moved() -> None:
    desk = Desk()
    desk.subscribe()
    first = desk.last_sent()
    desk.answer(301, moved("<sip:1001@192.0.2.7:5090>"))
    again = desk.last_sent()
    assert (again.uri, again.get("to"), again.call_id, again.cseq) == (
        "sip:1001@192.0.2.7:5090", f"<{LAMP}>", first.call_id, 2,
    )  # fmt: skip
    assert desk.log[-1][1] == Transmit(again.raw, SERVER)
    desk.answer(200, [("Expires", "600"), ("Contact", "<sip:192.0.2.7:5090>")])
    assert desk.watched()[-1][0] == "active"


def test_a_presentity_that_is_nowhere() -> None:
    desk = Desk()
    desk.subscribe()
    desk.answer(302, moved("<sip:1001@192.0.2.7:5090>"))
    desk.answer(404)
    assert desk.watched() == [("refused", 404, "Not Found", 0)]


def test_a_refresh_stays_in_its_dialog() -> None:
    desk = Desk()
    desk.subscribe(expires=100)
    desk.answer(200, [("Expires", "100"), ("Contact", "<sip:192.0.2.7:5090>")])
    desk.run(30.0)
    desk.subscribe()
    desk.answer(302, moved("<sip:1001@192.0.2.9>"))
    assert len(desk.all_sent("SUBSCRIBE")) == 2
    assert desk.watched()[-1][:2] == ("active", 302)


def test_granted_elsewhere_is_granted() -> None:
    desk = Desk()
    desk.register()
    desk.answer(302, moved("<sip:192.0.2.7:5090>"))
    desk.answer(200, granted(desk.last_sent(), 30))
    assert desk.last_change().expires == 30
