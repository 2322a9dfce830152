"""What is wrong with a request before anybody asks what it wants (RFC 3261 8.2.1 to 8.2.3, RFC 4475)."""

from __future__ import annotations

import re

from phones.sip.dialog import elements, uri_of
from phones.sip.index import Message

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_UNCLOSED = re.compile(r'\s*"(?:[^"\\]|\\.)*\Z', re.DOTALL)


def _is_address(value: str) -> bool:
    """Whether a From or To has a URI, and no quoted name without an end."""
    return _SCHEME.match(uri_of(value)) is not None and _UNCLOSED.match(value) is None


def objection(message: Message, extensions: frozenset[str]) -> tuple[int, list[tuple[str, str]]] | None:
    """The status that a request is refused with, and what the answer says besides; None for a request in order.

    `extensions` are the option tags that may be required of us.
    """
    if message.flaw or not all(_is_address(message.get(name) or "") for name in ("from", "to")):
        return 400, []
    scheme = _SCHEME.match(message.uri)
    if scheme is None or scheme[1].lower() not in ("sip", "sips", "tel"):
        return 416, []
    if message.method in ("ACK", "CANCEL"):
        # what they are about was judged already (8.2.2.3)
        return None
    unknown = [tag for tag in elements(message.all("require")) if tag.lower() not in extensions]
    return (420, [("Unsupported", ", ".join(unknown))]) if unknown else None
