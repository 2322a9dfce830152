"""What phones tell, as fields of the Record's events: the same in the Record of a run and in that of a fleet."""

from __future__ import annotations

from typing import Any

from phones.effects import Called, Changed, Subscribed, Turned
from phones.phone import format_address
from phones.sip.message import Address


def of_registration(changed: Changed, contact: Address) -> dict[str, Any]:
    """Fields of a `registration` event; `expires` in seconds."""
    return {
        "state": changed.state,
        "status": changed.status,
        "reason": changed.reason,
        "expires": changed.expires,
        "contact": format_address(contact),
    }


def of_edge(turned: Turned) -> dict[str, Any]:
    """Fields of an `edge` event: where requests go from now on, and who did not answer."""
    return {
        "edge": format_address(turned.edge),
        "former": format_address(turned.former),
        "status": turned.status,
        "reason": turned.reason,
    }


def of_subscription(subscribed: Subscribed) -> dict[str, Any]:
    """Fields of a `subscription` event; `expires` in seconds."""
    return {
        "call_id": subscribed.call_id,
        "presentity": subscribed.presentity,
        "event": subscribed.event,
        "state": subscribed.state,
        "status": subscribed.status,
        "reason": subscribed.reason,
        "expires": subscribed.expires,
    }


def of_call(called: Called) -> dict[str, Any]:
    """Fields of a `call` event."""
    return {
        "call_id": called.call_id,
        "way": called.direction,
        "state": called.state,
        "status": called.status,
        "reason": called.reason,
        "peer": called.peer,
    }
