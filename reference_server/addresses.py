"""Addresses in From and To, as sipmessage reads them."""

from __future__ import annotations

from functools import lru_cache

from sipmessage import Address

_ORDINARY = 200
"""Characters of an address that is worth remembering: a thousand of them must not fill the memory."""


def address_of(value: str) -> Address:
    """The address that a header has. Raises ValueError when it has none."""
    # phones name themselves and each other in the same words again and again
    return _remembered(value) if len(value) <= _ORDINARY else Address.parse(value)


@lru_cache(maxsize=1024)
def _remembered(value: str) -> Address:
    return Address.parse(value)
