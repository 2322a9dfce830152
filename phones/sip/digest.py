"""Digest access authentication for SIP: RFC 3261 22, RFC 7616 and 8760.

MD5, SHA-256 and SHA-512-256; qop auth and auth-int, and none at all, as RFC 2069 had it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace

from phones.sip.index import SipSyntaxError

_PAIR = re.compile(r'\s*([!%\'*+\-.0-9A-Za-z_`~]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)\s*(?:,|$)')

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
"""From the weakest; what OpenSSL names them. Not every one of its builds has the last."""
_STRENGTHS = {
    name: (strength, called)
    for strength, (name, called) in enumerate(_HASHES.items())
    if called in hashlib.algorithms_available
}

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
        return _STRENGTHS.get(self.algorithm.upper(), (-1, ""))[0]

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


def _response(c: Credentials, password: str, method: str, body: bytes) -> str:
    """RFC 7616 3.4.1 to 3.4.3. Raises ValueError for an algorithm that is not spoken here."""
    _, called = _STRENGTHS.get(c.algorithm.upper(), (-1, ""))

    def digest(data: str | bytes) -> str:
        octets = data if isinstance(data, bytes) else data.encode("utf-8", "surrogateescape")
        return hashlib.new(called, octets, usedforsecurity=False).hexdigest()

    shared = digest(f"{c.username}:{c.realm}:{password}")
    asked = digest(f"{method}:{c.uri}:{digest(body)}" if c.qop == "auth-int" else f"{method}:{c.uri}")
    counted = f"{c.nc}:{c.cnonce}:{c.qop}:" if c.qop else ""
    return digest(f"{shared}:{c.nonce}:{counted}{asked}")


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
    made = Credentials(
        username, challenge.realm, challenge.nonce, uri, "", algorithm=challenge.algorithm, opaque=challenge.opaque
    )
    if challenge.qop:
        made = replace(made, qop="auth" if "auth" in challenge.qop else "auth-int", nc=f"{nc:08x}", cnonce=cnonce)
    return replace(made, response=_response(made, password, method, body))


def verify(credentials: Credentials, *, password: str, method: str, body: bytes = b"") -> bool:
    """Whether `credentials` were made with `password` for a request of `method` with `body`."""
    spoken = credentials.algorithm.upper() in _STRENGTHS
    return spoken and credentials.response == _response(credentials, password, method, body)
