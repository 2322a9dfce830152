"""Who proves with a password who it is, and how it is asked to: digest at the edge (RFC 3261 22, RFC 8760)."""

from __future__ import annotations

import base64
from collections import OrderedDict
from hashlib import md5

from phones.sip.digest import Credentials, verify
from phones.sip.index import Message, SipSyntaxError
from reference_server.behaviour_registrar import Algorithm, Counting, Quality, Stale
from reference_server.directory import Account, Device, Directory
from reference_server.rules import Gate
from reference_server.runtime import Runtime

_MOST_COUNTED = 10_000
"""Nonces whose uses are counted at once."""

_QUALITIES = {
    Quality.NONE: (),
    Quality.AUTH: ("auth",),
    Quality.AUTH_INT: ("auth-int",),
    Quality.EITHER: ("auth", "auth-int"),
}


class Doubted(Exception):
    """A request has not proved who sent it: it is answered 401 or 407 with these challenges, the uppermost first."""

    def __init__(self, challenges: tuple[str, ...]) -> None:
        super().__init__(challenges)
        self.challenges = challenges


class Nonces:
    """Nonces that prove their own age: base64 of 8 octets of time and count, and 16 of a keyed digest."""

    def __init__(self, runtime: Runtime) -> None:
        self._secret = runtime.rng.randbytes(16)
        self._count = 0

    def _sign(self, head: bytes) -> bytes:
        return md5(self._secret + head, usedforsecurity=False).digest()

    def new(self, now: float) -> str:
        """A nonce issued at `now`."""
        self._count = (self._count + 1) % 2**24
        head = int(max(0.0, now) * 1000 % 2**40).to_bytes(5, "big") + self._count.to_bytes(3, "big")
        return base64.b64encode(head + self._sign(head)).decode("ascii")

    def age(self, nonce: str, now: float) -> float | None:
        """Seconds since `nonce` was issued, None when it is not one of ours."""
        try:
            octets = base64.b64decode(nonce, validate=True)
        except ValueError:
            return None
        if len(octets) != 24 or octets[8:] != self._sign(octets[:8]):
            return None
        return now - int.from_bytes(octets[:5], "big") / 1000


class Digests:
    """Asks for proofs and looks at them."""

    def __init__(self, runtime: Runtime, directory: Directory) -> None:
        self._rules = runtime.behaviour.registrar
        self._directory = directory
        self._nonces = Nonces(runtime)
        self._used: OrderedDict[str, int] = OrderedDict()

    def claimed(self, request: Message, header: str, realm: str, now: float) -> Credentials:
        """What a request shows for `realm`, with a nonce of ours that is still good. Raises Doubted without it."""
        credentials = self._shown(request, header, realm)
        if credentials is None:
            raise self._ask(realm, self._nonces.new(now))
        age = self._nonces.age(credentials.nonce, now)
        if age is None or not self._fits(credentials):
            raise self._ask(realm, self._nonces.new(now))
        if age > self._rules.nonce_lifetime_s or not self._counts(credentials):
            said = self._rules.stale is Stale.SAID
            raise self._ask(realm, self._nonces.new(now), ", stale=true" if said else "")
        return credentials

    def refused(self, credentials: Credentials, realm: str, *, wrong: bool = False) -> Doubted:
        """No: the same nonce again (recorded), with qop for a `wrong` password."""
        return self._ask(realm, credentials.nonce, wrong=wrong)

    def is_proved(self, credentials: Credentials, password: str | None, request: Message) -> bool:
        """Whether they were made with `password` for `request`; always where passwords do not matter."""
        if self._rules.wrong_password is Gate.ACCEPTED:
            return True
        return _matches(credentials, password, request)

    def device(self, request: Message, header: str, gate: Gate, now: float) -> tuple[Account, Device]:
        """Whose credentials for the realm of its From a request shows; `gate`: what a wrong password meets.

        Raises Doubted where it shows none, or wrong ones.
        """
        realm = (request.get("from") or "").rpartition("@")[2].partition(">")[0].partition(";")[0].partition(":")[0]
        credentials = self.claimed(request, header, realm, now)
        owner = self._directory.device_of(credentials.username, realm)
        if owner is None or not owner[1].enabled:
            raise self.refused(credentials, realm)
        if gate is Gate.REFUSED and not _matches(credentials, owner[1].password, request):
            raise self.refused(credentials, realm, wrong=True)
        return owner

    # inside

    def _shown(self, request: Message, header: str, realm: str) -> Credentials | None:
        """The credentials for `realm`: a request may show some for others beside them."""
        for value in request.all(header):
            try:
                credentials = Credentials.parse(value)
            except SipSyntaxError:
                continue
            if credentials.realm.lower() == realm.lower():
                return credentials
        return None

    def _fits(self, credentials: Credentials) -> bool:
        """Whether they are what was asked for: not a weaker algorithm, nor a body that is not proved."""
        offered = _QUALITIES[self._rules.quality]
        known = [algorithm.value for algorithm in self._rules.algorithms]
        return credentials.algorithm.upper() in known and (not offered or credentials.qop in offered)

    def _counts(self, credentials: Credentials) -> bool:
        """Whether the count of the nonce has risen (RFC 7616 3.4.6)."""
        if self._rules.counting is Counting.IGNORED or not credentials.qop:
            return True
        try:
            count = int(credentials.nc, 16)
        except ValueError:
            return False
        risen = count > self._used.get(credentials.nonce, 0)
        if risen:
            self._used[credentials.nonce] = count
            if len(self._used) > _MOST_COUNTED:
                self._used.popitem(last=False)
        return risen

    def _ask(self, realm: str, nonce: str, extra: str = "", *, wrong: bool = False) -> Doubted:
        safe = "".join(mark for mark in realm if mark not in '"\\' and mark.isprintable())
        offered = _QUALITIES[self._rules.quality] or (("auth",) if wrong else ())
        quality = f', qop="{",".join(offered)}"' if offered else ""
        algorithms = self._rules.algorithms
        # MD5 goes without saying, and is not said where it is alone (recorded)
        named = ["" if algorithms == (Algorithm.MD5,) else f", algorithm={algorithm.value}" for algorithm in algorithms]
        return Doubted(tuple(f'Digest realm="{safe}", nonce="{nonce}"{extra}{quality}{name}' for name in named))


def _matches(credentials: Credentials, password: str | None, request: Message) -> bool:
    if password is None:
        return False
    try:
        return verify(credentials, password=password, method=request.method, body=request.body)
    except UnicodeEncodeError:
        return False
