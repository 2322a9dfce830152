"""Masking of secrets, to equal length, before anything is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote

_DIGEST_RESPONSE = re.compile(rb'(response=\\?")([0-9a-f]{32})')


class Secrets:
    """The secrets of a run. `mask` replaces each by asterisks, octet for octet, however it is written.

    Known spellings: as it is, percent-encoded, JSON-escaped. Digest responses are masked too: with the nonce beside
    them they would let a weak password be guessed. A secret shorter than `SHORTEST` cannot be told from other text.
    """

    SHORTEST = 5

    def __init__(self) -> None:
        self._by_prefix: dict[bytes, set[bytes]] = {}
        self._spellings: list[bytes] = []

    def add(self, secret: str) -> None:
        """Mask `secret` from now on."""
        spellings = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
        for text in sorted(spellings):
            spelling = text.encode("utf-8", "surrogateescape")
            if len(spelling) < self.SHORTEST:
                continue
            known = self._by_prefix.setdefault(spelling[: self.SHORTEST], set())
            if spelling not in known:
                known.add(spelling)
                self._spellings.append(spelling)

    def mask(self, data: bytes) -> bytes:
        """`data` with every secret replaced by as many asterisks. The same object when there is none."""
        masked = data
        found = [spelling for spelling in self._candidates(data) if spelling in data]
        for spelling in sorted(found, key=lambda each: (-len(each), each)):
            masked = masked.replace(spelling, b"*" * len(spelling))
        if b"response=" in masked:
            masked = _DIGEST_RESPONSE.sub(lambda match: match[1] + b"*" * 32, masked)
        return masked

    def _candidates(self, data: bytes) -> Iterable[bytes]:
        """Spellings that may be in `data`: all while they are few, else those whose beginning is there."""
        if len(self._spellings) < len(data) // 3:
            return self._spellings
        size = self.SHORTEST
        windows = {data[at : at + size] for at in range(len(data) - size + 1)}
        return [spelling for prefix in windows & self._by_prefix.keys() for spelling in self._by_prefix[prefix]]
