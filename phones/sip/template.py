"""Requests built once, as bytes or as scapy layers, with holes that are filled for each message.

A scapy packet per message costs many times what the rest of a phone does; a template costs it once.
"""

from __future__ import annotations

import re
from typing import SupportsBytes

_HOLE = re.compile(r"\x00(\w+)\x00")


def hole(name: str) -> str:
    """Text to put into a header or URI of the packet where `Template.render` fills in `name`."""
    return f"\x00{name}\x00"


class Template:
    """The bytes of `packet` with its holes cut out. The body must have no holes: its length is compiled in."""

    __slots__ = ("_form",)

    def __init__(self, packet: SupportsBytes) -> None:
        text = bytes(packet).decode("utf-8", "surrogateescape").replace("%", "%%")
        self._form = _HOLE.sub(r"%(\1)s", text)

    def render(self, **values: str) -> bytes:
        """The request with every hole filled. Raises KeyError for a hole that has no value."""
        return (self._form % values).encode("utf-8", "surrogateescape")
