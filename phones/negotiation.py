"""How a request comes through: challenges answered, intervals agreed to, and when to give up.

RFC 3261 22 and 10.2.8; RFC 8760 for several challenges at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from phones.line import Identity
from phones.sip.digest import Challenge, Credentials, answer
from phones.sip.index import Message, SipSyntaxError

_MAX_ATTEMPTS = 4
_MAX_SECONDS = 2**32 - 1
_MOST_REALMS = 4
_NEXT_NONCE = re.compile(r'(?:^|,)\s*nextnonce\s*=\s*"([^"\\]+)"', re.IGNORECASE)
_AUTHORIZATION = "Authorization"


def seconds(text: str | None) -> int | None:
    """A delta-seconds of RFC 3261 25.1, None when it is none or over 2**32-1."""
    if text is None or not re.fullmatch("[0-9]{1,10}", text):
        return None
    return int(text) if int(text) <= _MAX_SECONDS else None


def _readable_challenges(message: Message) -> list[Challenge]:
    """What a 401 or 407 asks for that we can answer: of each realm the strongest, the uppermost of equals.

    The order is the server's wish (RFC 8760 2.4), and ours goes before it: so nobody in between picks the weakest.
    """
    best: dict[str, Challenge] = {}
    for value in message.all("www-authenticate" if message.status == 401 else "proxy-authenticate"):
        try:
            challenge = Challenge.parse(value)
        except SipSyntaxError:
            continue
        known = best.get(challenge.realm)
        better = challenge.strength > known.strength if known else len(best) < _MOST_REALMS
        if challenge.answerable and better:
            best[challenge.realm] = challenge
    return list(best.values())


def retry_after(message: Message) -> int | None:
    """The seconds of a Retry-After, None without one; a comment and parameters may follow (RFC 3261 20.33)."""
    words = re.match(r"\s*([0-9]{1,10})(?![^\s;(])", message.get("retry-after") or "")
    return seconds(words[1]) if words is not None else None


@dataclass(slots=True)
class _Key:
    """What one realm has asked for, in which header it is answered, and how often its nonce was used."""

    header: str
    challenge: Challenge
    count: int = 0


class Keys:
    """The challenges that several requests answer, each nonce counted over all of them (RFC 7616 3.4)."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: tuple[_Key, ...] = ()

    def take(self, header: str, challenge: Challenge) -> None:
        """Answer `challenge` from now on, in `header`. The count of a nonce goes on."""
        for key in self._held:
            if (key.header, key.challenge.realm) == (header, challenge.realm):
                key.count = key.count if key.challenge.nonce == challenge.nonce else 0
                key.challenge = challenge
                return
        self._held = (*self._held[-2 * _MOST_REALMS + 1 :], _Key(header, challenge))

    def drop(self) -> None:
        """Answer nobody any more."""
        self._held = ()

    def renew(self, nonce: str) -> None:
        """Use `nonce` from now on, where there is one realm that may have said so (RFC 7616 3.5)."""
        ours = [key for key in self._held if key.header == _AUTHORIZATION]
        if len(ours) == 1 and ours[0].challenge.nonce != nonce:
            ours[0].challenge, ours[0].count = replace(ours[0].challenge, nonce=nonce, stale=False), 0

    def answers(
        self, identity: Identity, method: str, uri: str, body: bytes, token: Callable[[], str]
    ) -> list[tuple[str, Credentials]]:
        """The credentials for the next request, and the headers for them."""
        made = []
        for key in self._held:
            key.count += 1
            credentials = answer(
                key.challenge,
                username=identity.username,
                password=identity.password,
                method=method,
                uri=uri,
                cnonce=token(),
                nc=key.count,
                body=body,
            )
            made.append((key.header, credentials))
        return made


class Negotiation:
    """The tries of one request after the other. With `keys` it shares their challenges with other requests."""

    __slots__ = ("_answered", "_attempts", "_identity", "_keys", "_shown", "_token")

    def __init__(self, identity: Identity, token: Callable[[], str], keys: Keys | None = None) -> None:
        self._identity = identity
        self._token = token
        self._keys = keys
        # tuples, which are nothing where they are empty: phones idle in great numbers
        self._shown: tuple[str, ...] = ()
        self._answered: tuple[tuple[int, str], ...] = ()
        self._attempts = 0

    def restart(self) -> None:
        """A new wish: count its tries from the start."""
        self._attempts = 0
        self._answered = ()

    def judge_challenge(self, message: Message) -> Literal["again", "refused", "rejected"]:
        """Whether a 401 or 407 is to be answered.

        `refused`: a challenge again that we have just answered, and not for the age of its nonce (RFC 3261 22.1); or
        too often. `rejected`: nothing in it that we could answer.
        """
        self._attempts += 1
        challenges = _readable_challenges(message)
        if not challenges:
            return "rejected"
        asked = {(message.status, challenge.realm) for challenge in challenges if not challenge.stale}
        # Kazoo says no with the nonce that it has just been shown
        same = any(challenge.nonce in self._shown and not challenge.stale for challenge in challenges)
        again = same or not asked.isdisjoint(self._answered)
        self._keys = self._keys or Keys()
        if again or self._attempts > _MAX_ATTEMPTS:
            self._keys.drop()
            return "refused"
        self._answered += tuple((message.status, challenge.realm) for challenge in challenges)
        for challenge in challenges:
            self._keys.take(_AUTHORIZATION if message.status == 401 else "Proxy-Authorization", challenge)
        return "again"

    def judge_interval(self, message: Message, asked: int) -> int | None:
        """The seconds that a 423 wants instead of `asked`; None when that is not what it wants, or too often."""
        self._attempts += 1
        wanted = seconds(message.get("min-expires"))
        return None if wanted is None or wanted <= asked or self._attempts > _MAX_ATTEMPTS else wanted

    def accepted(self, message: Message) -> None:
        """A 2xx came: forget the tries, and take the nonce that its sender wants to see next (RFC 3261 20.6)."""
        self._shown, self._answered = (), ()
        found = _NEXT_NONCE.search(message.get("authentication-info") or "")
        if found is not None and self._keys is not None:
            self._keys.renew(found[1])

    def credentials(self, method: str, uri: str, body: bytes = b"") -> list[tuple[str, str]]:
        """The headers with the credentials for the next request; none as long as nobody has asked."""
        if self._keys is None:
            return []
        made = self._keys.answers(self._identity, method, uri, body, self._token)
        self._shown = tuple(credentials.nonce for _, credentials in made)
        return [(header, str(credentials)) for header, credentials in made]
