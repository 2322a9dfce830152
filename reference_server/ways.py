"""The way to a phone behind proxies: what they have recorded, and what is sent along it (RFC 3261 12, RFC 3327)."""

from __future__ import annotations

from phones.sip.dialog import address_of, elements, uri_of
from phones.sip.index import Message
from phones.sip.message import Address
from reference_server.runtime import Route
from reference_server.wire import encode, has_break

MOST_PROXIES = 16
"""Proxies on a way that are remembered; longer ways than that are no phone's."""


def way(message: Message, source: Address, transport: str, header: str = "record-route") -> Route:
    """How `source` is reached from now on: by the proxies that stand in `header`, record-route or path, if any."""
    path = recorded(message, header)
    return Route(_first(path) or source, transport, path)


def recorded(message: Message, header: str = "record-route") -> tuple[str, ...]:
    """The proxies that a message names, as they wrote themselves, the one next to us first."""
    return tuple(value for value in elements(message.all(header)) if uri_of(value) and not has_break(value))[
        :MOST_PROXIES
    ]


def answered(route: Route, answer: Message) -> Route:
    """The way inside the dialog of an INVITE or SUBSCRIBE of ours that `answer` has made (12.1.2).

    The last name in its Record-Route is the edge itself: nearer to us there is nobody.
    """
    path = recorded(answer)[:-1][::-1]
    return Route(_first(path) or route.remote, route.transport, path)


def along(data: bytes, path: tuple[str, ...]) -> bytes:
    """A request with the Route headers that take it along `path` (loose routing)."""
    line, _, rest = data.partition(b"\r\n")
    return b"".join([line, b"\r\n", *(b"Route: " + encode(proxy) + b"\r\n" for proxy in path), rest])


def _first(path: tuple[str, ...]) -> Address | None:
    return address_of(uri_of(path[0])) if path else None
