"""How a request comes through: challenges answered, intervals agreed to, and when to give up (RFC 3261 22, 10.2.8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from phones.line import Identity
from phones.sip.digest import Challenge, answer
from phones.sip.index import Message, SipSyntaxError

_MAX_ATTEMPTS = 4
_MAX_SECONDS = 2**32 - 1


def seconds(text: str | None) -> int | None:
    """A delta-seconds of RFC 3261 25.1, None when it is none or over 2**32-1."""
    if text is None or not re.fullmatch("[0-9]{1,10}", text):
        return None
    return int(text) if int(text) <= _MAX_SECONDS else None


def _readable_challenge(message: Message) -> Challenge | None:
    """The first challenge of a 401 or 407 that we can answer, None when there is none."""
    for value in message.all("www-authenticate" if message.status == 401 else "proxy-authenticate"):
        try:
            challenge = Challenge.parse(value)
        except SipSyntaxError:
            continue
        if challenge.answerable:
            return challenge
    return None


class Negotiation:
    """The tries of one request after the other, as long as they share a challenge."""

    __slots__ = ("_attempts", "_challenge", "_header", "_identity", "_nonce_count", "_token")

    def __init__(self, identity: Identity, token: Callable[[], str]) -> None:
        self._identity = identity
        self._token = token
        self._challenge: Challenge | None = None
        self._header = "Authorization"
        self._nonce_count = 0
        self._attempts = 0

    def restart(self) -> None:
        """A new wish: count its tries from the start."""
        self._attempts = 0

    def judge_challenge(self, message: Message) -> Literal["challenge", "refused", "rejected"]:
        """Whether a 401 or 407 is to be answered.

        `refused`: the same nonce again after credentials, without stale, which is how Kazoo says no; or too often.
        `rejected`: nothing in it that we could answer.
        """
        self._attempts += 1
        challenge = _readable_challenge(message)
        if challenge is None:
            return "rejected"
        previous, self._challenge = self._challenge, challenge
        same = previous is not None and previous.nonce == challenge.nonce and self._nonce_count > 0
        if (same and not challenge.stale) or self._attempts > _MAX_ATTEMPTS:
            self._challenge = None
            return "refused"
        if not same:
            self._nonce_count = 0
        self._header = "Authorization" if message.status == 401 else "Proxy-Authorization"
        return "challenge"

    def judge_interval(self, message: Message, asked: int) -> int | None:
        """The seconds that a 423 wants instead of `asked`; None when that is not what it wants, or too often."""
        self._attempts += 1
        wanted = seconds(message.get("min-expires"))
        return None if wanted is None or wanted <= asked or self._attempts > _MAX_ATTEMPTS else wanted

    def credentials(self, method: str, uri: str) -> list[tuple[str, str]]:
        """The header with the credentials for the next request; none as long as nobody has asked."""
        if self._challenge is None:
            return []
        self._nonce_count += 1
        credentials = answer(
            self._challenge,
            username=self._identity.username,
            password=self._identity.password,
            method=method,
            uri=uri,
            cnonce=self._token(),
            nc=self._nonce_count,
        )
        return [(self._header, str(credentials))]
