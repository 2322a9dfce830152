"""Masking of secrets, to equal length, before anything is written."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

_DIGEST_RESPONSE = re.compile(rb'(response=\\?")([0-9a-f]{32})')


class Secrets:
    """The secrets of a run. `mask` replaces each by asterisks, octet for octet, however it is written.

    Known spellings: as it is, percent-encoded, JSON-escaped. Digest responses are masked too: with the nonce beside
    them they would let a weak password be guessed.
    """

    def __init__(self) -> None:
        self._spellings: set[bytes] = set()
        self._pattern: re.Pattern[bytes] | None = None

    def add(self, secret: str) -> None:
        """Mask `secret` from now on. The empty string is no secret."""
        if not secret:
            return
        spellings = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
        spellings.add(json.dumps(secret, ensure_ascii=False)[1:-1])
        before = len(self._spellings)
        self._spellings |= {spelling.encode("utf-8", "surrogateescape") for spelling in spellings}
        if len(self._spellings) != before:
            self._pattern = None

    def mask(self, data: bytes) -> bytes:
        """`data` with every secret replaced by as many asterisks. The same object when there is none."""
        if self._pattern is None and self._spellings:
            longest_first = sorted(self._spellings, key=lambda spelling: (-len(spelling), spelling))
            self._pattern = re.compile(b"|".join(re.escape(spelling) for spelling in longest_first))
        masked = self._pattern.sub(lambda match: b"*" * len(match[0]), data) if self._pattern else data
        if b"response=" in masked:
            masked = _DIGEST_RESPONSE.sub(lambda match: match[1] + b"*" * 32, masked)
        return data if masked == data else masked
