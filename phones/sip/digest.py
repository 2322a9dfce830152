"""Digest access authentication for SIP: RFC 3261 22, RFC 2617 (MD5, with and without qop=auth)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import md5

from phones.sip.index import SipSyntaxError

_PAIR = re.compile(r'\s*([!%\'*+\-.0-9A-Za-z_`~]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)\s*(?:,|$)')

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
        """Whether `answer` speaks what is asked for: MD5, and qop=auth or none."""
        return self.algorithm.upper() == "MD5" and (not self.qop or "auth" in self.qop)

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


@dataclass(frozen=True, slots=True)
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


def _hash(text: str) -> str:
    return md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


def _response(c: Credentials, password: str, method: str) -> str:
    return _answer(c.username, c.realm, password, method, c.uri, c.nonce, c.qop, c.nc, c.cnonce)


def _answer(
    username: str, realm: str, password: str, method: str, uri: str, nonce: str, qop: str, nc: str, cnonce: str
) -> str:
    """RFC 2617 3.2.2.1."""
    ha1 = _hash(f"{username}:{realm}:{password}")
    ha2 = _hash(f"{method}:{uri}")
    if qop:
        return _hash(f"{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}")
    return _hash(f"{ha1}:{nonce}:{ha2}")


def answer(
    challenge: Challenge, *, username: str, password: str, method: str, uri: str, cnonce: str, nc: int = 1
) -> Credentials:
    """Credentials for `challenge`. qop=auth is used where it is offered, the RFC 2069 form where no qop is.

    Raises SipSyntaxError for an algorithm or qop that is not spoken here.
    """
    if not challenge.answerable:
        raise SipSyntaxError(f"digest {challenge.algorithm[:20]!r} with qop {challenge.qop!r:.40} is not supported")
    realm, nonce = challenge.realm, challenge.nonce
    qop, count = ("auth", f"{nc:08x}") if challenge.qop else ("", "")
    cnonce = cnonce if qop else ""
    response = _answer(username, realm, password, method, uri, nonce, qop, count, cnonce)
    return Credentials(username, realm, nonce, uri, response, qop, count, cnonce, opaque=challenge.opaque)


def verify(credentials: Credentials, *, password: str, method: str) -> bool:
    """Whether `credentials` were made with `password` for a request of `method`."""
    return credentials.response == _response(credentials, password, method)
