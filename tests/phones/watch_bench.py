"""A bench for subscriptions: the notifier of a phone that watches."""

from __future__ import annotations

from phones.sip.index import Message
from phones.sip.lamp import LampState
from phones.sip.message import request
from tests.phones.playbook import LAMP, Desk, Header

NOTIFIER = ("192.0.2.7", 5090)
CONTACT: Header = ("Contact", "<sip:192.0.2.7:5090>")
ELSEWHERE = ("192.0.2.11", 5064)


def the_subscribe(desk: Desk) -> Message:
    return desk.all_sent("SUBSCRIBE")[-1]


def grant(desk: Desk, seconds: int | None = 600, *, tag: str = "e1") -> None:
    """The notifier accepts the newest SUBSCRIBE."""
    expires = [] if seconds is None else [("Expires", str(seconds))]
    desk.answer(200, [*expires, CONTACT], to=the_subscribe(desk), tag=tag)


def document(version: int, *states: str, full: bool = True) -> bytes:
    dialogs = "".join(f'<dialog id="d{n}"><state>{state}</state></dialog>' for n, state in enumerate(states))
    return (
        f'<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{version}" '
        f'state="{"full" if full else "partial"}" entity="{LAMP}">{dialogs}</dialog-info>'
    ).encode()


def notify(
    desk: Desk, cseq: int, state: str = "active", *headers: str, event: str = "dialog", tag: str = "e1",
    body: bytes | None = None, of: Message | None = None,
) -> bytes:  # fmt: skip
    """A NOTIFY for the newest SUBSCRIBE, or `of`."""
    asked = of or the_subscribe(desk)
    pairs = [header.partition(": ") for header in headers]
    lines = [
        ("Via", f"SIP/2.0/UDP 192.0.2.7:5090;branch=z9hG4bKn{cseq}{tag}{asked.cseq}{state[:4]}"),
        ("From", f"<{LAMP}>;tag={tag}"),
        ("To", asked.get("from") or ""),
        ("Call-ID", asked.call_id),
        ("CSeq", f"{cseq} NOTIFY"),
        ("Contact", "<sip:192.0.2.7:5090>"),
        ("Event", event),
        ("Subscription-State", state),
        ("Content-Type", "application/dialog-info+xml"),
        *((name, value) for name, _, value in pairs),
    ]
    return request("NOTIFY", "sip:desk@192.0.2.10:5062", lines, document(cseq) if body is None else body)


def tell(
    desk: Desk, cseq: int, state: str = "active", *, event: str = "dialog", tag: str = "e1", body: bytes | None = None
) -> list[int]:
    """Let a NOTIFY arrive; what was answered to it."""
    desk.new()
    desk.receive(notify(desk, cseq, state, event=event, tag=tag, body=body), source=NOTIFIER)
    return [one.status for one in desk.sent() if not one.is_request]


def watching(expires: int = 600, *, refresh: bool = True) -> Desk:
    """A phone with a subscription that is active, its first NOTIFY taken."""
    desk = Desk()
    desk.subscribe(expires=expires, refresh=refresh)
    grant(desk, expires)
    assert tell(desk, 1) == [200]
    assert desk.watched() == [("active", 200, "OK", expires)]
    return desk


def lamp_of(desk: Desk) -> LampState:
    subscription = desk.phone.subscriptions.get(LAMP, "dialog")
    assert subscription is not None
    return subscription.lamp.state


def unsubscribe(desk: Desk) -> None:
    desk.do(lambda now: desk.phone.subscriptions.unsubscribe(LAMP, "dialog", now))


def states(desk: Desk) -> list[str]:
    return [state for state, *_ in desk.watched()]
