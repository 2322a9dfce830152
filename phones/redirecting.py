"""Where a request goes that is answered 3xx: the Contacts, the best first, each once (RFC 3261 8.1.3.4, 19.1.5)."""

from __future__ import annotations

import re

from phones.sip.dialog import elements, parameters_of, uri_of
from phones.sip.index import Message

_MOST = 10
"""How often one request is sent somewhere else."""

_FOLLOWED = (300, 301, 302)
"""305 wants a proxy, and 380 another service: neither is followed."""

_TARGET = re.compile(r"(sip:)((?:[^@\s<>\"]*@)?)([^\s<>\";?@]+)((?:;[^\s<>\"?]*)?)(?:\?[^\s<>\"]*)?", re.IGNORECASE)
_METHOD = re.compile(r";method=[^;]*", re.IGNORECASE)
_Q = re.compile(r";\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)(?![\d.])", re.IGNORECASE)


def _key(uri: str) -> str:
    """What tells one target from another, as far as that can be seen (RFC 3261 19.1.4)."""
    match = _TARGET.fullmatch(uri)
    if match is None:
        return uri
    host = match[3].lower()
    port = "" if ":" in host.rpartition("]")[2] else ":5060"
    return match[2] + host + port + match[4].lower()


def _contacts(answer: Message) -> list[str]:
    """The SIP URIs of its Contacts, fit to be a Request-URI, the best first. q is 1 where it is not said."""
    found: list[tuple[float, str]] = []
    for value in elements(answer.all("contact")):
        match = _TARGET.fullmatch(uri_of(value))
        if match is not None:
            preference = _Q.search(parameters_of(value))
            # headers in a URI could make another request of ours, and so could a method
            uri = match[1] + match[2] + match[3] + _METHOD.sub("", match[4])
            found.append((float(preference[1]) if preference else 1.0, uri))
    return [uri for _, uri in sorted(found, key=lambda each: -each[0])]


class Redirection:
    """The targets of one request. What was tried once is not tried again, so no circle is gone round."""

    __slots__ = ("_seen", "_waiting")

    def __init__(self, first: str) -> None:
        self._seen = {_key(first)}
        self._waiting: list[str] = []

    def follow(self, status: int, answer: Message | None = None) -> str | None:
        """Where to try next after a final answer of `status`, 0 for none at all; None: nowhere.

        Contacts of a 3xx come before those that are left from an earlier one. A 6xx is an answer for all of them.
        """
        if status >= 600:
            return None
        if status in _FOLLOWED and answer is not None:
            fresh = []
            for uri in _contacts(answer):
                if len(self._seen) <= _MOST and _key(uri) not in self._seen:
                    self._seen.add(_key(uri))
                    fresh.append(uri)
            self._waiting = fresh + self._waiting
        return self._waiting.pop(0) if self._waiting else None
