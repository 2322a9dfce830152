"""Masking of secrets, to equal length, before anything is written."""

from __future__ import annotations

import json
import re
import struct
from urllib.parse import quote, quote_plus

_DIGEST_RESPONSE = re.compile(rb'(response\s*=\s*\\?"?)([0-9a-f]{32,128})', re.IGNORECASE)


class Secrets:
    """The secrets of a run. `mask` replaces each by asterisks, octet for octet, however it is written.

    Known spellings: as it is, percent-encoded (a space as %20 or +), JSON-escaped. Digest responses are masked too:
    with the nonce beside them they would let a weak password be guessed. A secret shorter than `SHORTEST` cannot be
    told from other text.
    """

    SHORTEST = 5
    _BLOCKS = (8, 4, 3)
    """Block sizes. Wherever a secret of at least 2*size-1 octets stands, a block of it begins at a multiple of size."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._blocks: dict[int, dict[bytes, list[bytes]]] = {}

    def add(self, secret: str) -> None:
        """Mask `secret` from now on."""
        spellings = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        octets = _octets(secret)
        spellings |= {quote(octets), quote(octets, safe=""), quote_plus(octets)}
        for text in sorted(spellings):
            spelling = _octets(text)
            if len(spelling) < self.SHORTEST or spelling in self._known:
                continue
            self._known.add(spelling)
            size = next(size for size in self._BLOCKS if len(spelling) >= 2 * size - 1)
            blocks = self._blocks.setdefault(size, {})
            for at in range(size):
                blocks.setdefault(spelling[at : at + size], []).append(spelling)

    def mask(self, data: bytes) -> bytes:
        """`data` with every secret replaced by as many asterisks. The same object when there is none."""
        found: list[bytes] = []
        for size, blocks in self._blocks.items():
            whole = len(data) // size
            # unpacked at once and compared by the set: most messages hold no secret, and there are many
            cut = struct.unpack_from(f"{size}s" * whole, data)
            if not blocks.keys().isdisjoint(cut):
                for block in cut:
                    found += blocks.get(block, ())
        masked = data
        for spelling in sorted(set(found), key=lambda each: (-len(each), each)):
            masked = masked.replace(spelling, b"*" * len(spelling))
        lowered = masked.lower()
        at = lowered.find(b"response")
        while at >= 0:
            # only where the word stands: a search that minds no case is slow
            if match := _DIGEST_RESPONSE.match(masked, at):
                masked = masked[: match.start(2)] + b"*" * len(match[2]) + masked[match.end(2) :]
            at = lowered.find(b"response", at + 8)
        return masked

    def mask_text(self, text: str) -> str:
        """`text` masked, octet for octet of its UTF-8."""
        octets = _octets(text)
        masked = self.mask(octets)
        return text if masked is octets else masked.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
