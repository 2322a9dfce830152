"""Digest access authentication for SIP: RFC 3261 22, RFC 7616 and 8760.

MD5, SHA-256 and SHA-512-256; qop auth and auth-int, and none at all, as RFC 2069 had it.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from phones.sip.index import SipSyntaxError
from phones.sip.value import value

_PAIR = re.compile(r'\s*([!%\'*+\-.0-9A-Za-z_`~]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)\s*(?:,|$)')

_HASHES: dict[str, Callable[..., Any]] = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
"""From the weakest."""
if "sha512_256" in hashlib.algorithms_available:
    # not every build of OpenSSL has it
    _HASHES["SHA-512-256"] = functools.partial(hashlib.new, "sha512_256")
_STRENGTHS = {name: strength for strength, name in enumerate(_HASHES)}

_ESCAPED = re.compile(r"\\(.)")


def _pairs(value: str) -> dict[str, str]:
    scheme, rest = [*value.split(None, 1), "", ""][:2]
    if scheme.lower() != "digest":
        raise SipSyntaxError(f"authentication scheme {scheme[:20]!r} is not Digest")
    found: dict[str, str] = {}
    at = 0
    while at < len(rest):
        match = _PAIR.match(rest, at)
        if match is None:
            raise SipSyntaxError(f"unreadable digest parameter at {rest[at : at + 40]!r}")
        name, text = match.groups()
        if text[:1] == '"':
            text = text[1:-1]
            if "\\" in text:
                text = _ESCAPED.sub(r"\1", text)
        found[name.lower()] = text
        at = match.end()
    return found


def _quote(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@dataclass(frozen=True, slots=True)
class Challenge:
    """What WWW-Authenticate or Proxy-Authenticate asks for (RFC 2617 3.2.1)."""

    realm: str
    nonce: str
    qop: tuple[str, ...] = ()
    stale: bool = False
    opaque: str | None = None
    algorithm: str = "MD5"

    @classmethod
    def parse(cls, value: str) -> Challenge:
        """Read a header value. Raises SipSyntaxError when realm or nonce is missing or the scheme is not Digest."""
        pairs = _pairs(value)
        if "realm" not in pairs or "nonce" not in pairs:
            raise SipSyntaxError("digest challenge without realm or nonce")
        return cls(
            realm=pairs["realm"],
            nonce=pairs["nonce"],
            qop=tuple(word.strip().lower() for word in pairs.get("qop", "").split(",") if word.strip()),
            stale=pairs.get("stale", "").lower() == "true",
            opaque=pairs.get("opaque"),
            algorithm=pairs.get("algorithm", "MD5"),
        )

    @property
    def answerable(self) -> bool:
        """Whether `answer` speaks what is asked for."""
        spoken = not self.qop or "auth" in self.qop or "auth-int" in self.qop
        return spoken and self.algorithm.upper() in _STRENGTHS

    @property
    def strength(self) -> int:
        """Of its algorithm; the more the better, and -1 for one that is not spoken here."""
        return _STRENGTHS.get(self.algorithm.upper(), -1)

    def __str__(self) -> str:
        parts = [f"realm={_quote(self.realm)}", f"nonce={_quote(self.nonce)}"]
        if self.opaque is not None:
            parts.append(f"opaque={_quote(self.opaque)}")
        if self.stale:
            parts.append("stale=true")
        if self.qop:
            parts.append(f"qop={_quote(','.join(self.qop))}")
        if self.algorithm != "MD5":
            parts.append(f"algorithm={self.algorithm}")
        return "Digest " + ", ".join(parts)


@value
class Credentials:
    """What Authorization or Proxy-Authorization carries (RFC 2617 3.2.2). `qop` and `nc` are '' without qop."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    qop: str = ""
    nc: str = ""
    cnonce: str = ""
    algorithm: str = "MD5"
    opaque: str | None = None

    @classmethod
    def parse(cls, value: str) -> Credentials:
        """Read a header value. Raises SipSyntaxError when a mandatory parameter is missing."""
        pairs = _pairs(value)
        missing = [name for name in ("username", "realm", "nonce", "uri", "response") if name not in pairs]
        if missing:
            raise SipSyntaxError(f"digest credentials without {', '.join(missing)}")
        return cls(
            username=pairs["username"],
            realm=pairs["realm"],
            nonce=pairs["nonce"],
            uri=pairs["uri"],
            response=pairs["response"],
            qop=pairs.get("qop", "").lower(),
            nc=pairs.get("nc", ""),
            cnonce=pairs.get("cnonce", ""),
            algorithm=pairs.get("algorithm", "MD5"),
            opaque=pairs.get("opaque"),
        )

    def __str__(self) -> str:
        parts = [
            f"username={_quote(self.username)}",
            f"realm={_quote(self.realm)}",
            f"nonce={_quote(self.nonce)}",
            f"uri={_quote(self.uri)}",
            f"response={_quote(self.response)}",
            f"algorithm={self.algorithm}",
        ]
        if self.qop:
            parts += [f"qop={self.qop}", f"nc={self.nc}", f"cnonce={_quote(self.cnonce)}"]
        if self.opaque is not None:
            parts.append(f"opaque={_quote(self.opaque)}")
        return "Digest " + ", ".join(parts)


def _response(c: Credentials, password: str, method: str, body: bytes) -> str:
    """RFC 7616 3.4.1 to 3.4.3. Raises KeyError for an algorithm that is not spoken here."""
    made_by = _HASHES[c.algorithm.upper()]

    def digest(text: str) -> str:
        hashed: str = made_by(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        return hashed

    shared = digest(f"{c.username}:{c.realm}:{password}")
    entity = f":{made_by(body, usedforsecurity=False).hexdigest()}" if c.qop == "auth-int" else ""
    asked = digest(f"{method}:{c.uri}{entity}")
    if c.qop:
        return digest(f"{shared}:{c.nonce}:{c.nc}:{c.cnonce}:{c.qop}:{asked}")
    return digest(f"{shared}:{c.nonce}:{asked}")


def answer(
    challenge: Challenge,
    *,
    username: str,
    password: str,
    method: str,
    uri: str,
    cnonce: str,
    nc: int = 1,
    body: bytes = b"",
) -> Credentials:
    """Credentials for `challenge`, and for a request with `body`.

    qop=auth is used where it is offered, auth-int where that alone is, the RFC 2069 form where no qop is. Raises
    SipSyntaxError for an algorithm or qop that is not spoken here.
    """
    if not challenge.answerable:
        raise SipSyntaxError(f"digest {challenge.algorithm[:20]!r} with qop {challenge.qop!r:.40} is not supported")
    qop = "" if not challenge.qop else "auth" if "auth" in challenge.qop else "auth-int"
    nc_shown, cnonce = (f"{nc:08x}", cnonce) if qop else ("", "")

    def credentials(response: str) -> Credentials:
        return Credentials(
            username, challenge.realm, challenge.nonce, uri, response, qop, nc_shown, cnonce, challenge.algorithm,
            challenge.opaque,
        )  # fmt: skip

    return credentials(_response(credentials(""), password, method, body))


def verify(credentials: Credentials, *, password: str, method: str, body: bytes = b"") -> bool:
    """Whether `credentials` were made with `password` for a request of `method` with `body`."""
    spoken = credentials.algorithm.upper() in _STRENGTHS
    return spoken and credentials.response == _response(credentials, password, method, body)
