"""Dialogs (RFC 3261 12): what two ends that have met remember of each other, and requests within that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from phones.sip.index import Message, SipSyntaxError
from phones.sip.message import Address, request

_QUOTED = re.compile(r'\s*"(?:[^"\\]|\\.)*"', re.DOTALL)
_TAG = re.compile(r";\s*tag\s*=\s*([^;,\s\"]+)", re.IGNORECASE)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}:[^\s<>\"]+")
_HOST_PORT = re.compile(r"sip:(?:[^@]*@)?(\[[0-9A-Fa-f:.]+\]|[0-9.]+)(?::([0-9]{1,5}))?(?=[;?]|$)", re.IGNORECASE)
_OTHER_TRANSPORT = re.compile(r";transport=(?!udp\b)", re.IGNORECASE)
_MARKS = re.compile(r'[",<>\\]')


def _parts(value: str) -> tuple[str, str]:
    """The URI of a From, To, Contact or Route, and the header parameters behind it (RFC 3261 20.10)."""
    name = _QUOTED.match(value) if '"' in value else None
    rest = value[name.end() :] if name else value
    before, opened, inside = rest.partition("<")
    if opened:
        uri, _, parameters = inside.partition(">")
        return uri.strip(), parameters
    uri, semicolon, parameters = before.partition(";")
    return uri.strip(), semicolon + parameters


def uri_of(value: str) -> str:
    """The URI in a header value such as `"Ann" <sip:ann@example.com>;tag=1`; '' when there is none."""
    return _parts(value)[0]


def parameters_of(value: str) -> str:
    """The header parameters behind the URI in a header value, with their semicolons; '' without any."""
    return _parts(value)[1]


def tag_of(value: str) -> str:
    """The tag parameter of a From or To, '' without one."""
    match = _TAG.search(_parts(value)[1])
    return match[1] if match else ""


def user_of(value: str) -> str:
    """The user part of the URI in a header value, escaped as it stands there; '' when it has none."""
    _, _, rest = uri_of(value).partition(":")
    user, at, _ = rest.rpartition("@")
    return user.partition(":")[0] if at else ""


def elements(lines: Iterable[str]) -> Iterator[str]:
    """The values of a header that may hold several in a line, in order (RFC 3261 7.3.1). Each octet is read once."""
    for line in lines:
        start, quoted, bracketed, escaped_at = 0, False, False, -1
        for mark in _MARKS.finditer(line):
            at = mark.start()
            if at == escaped_at:
                continue
            what = mark[0]
            if quoted and what == "\\":
                escaped_at = at + 1
            elif what == '"' and not bracketed:
                quoted = not quoted
            elif what in "<>" and not quoted:
                bracketed = what == "<"
            elif what == "," and not quoted and not bracketed:
                if value := line[start:at].strip():
                    yield value
                start = at + 1
        if value := line[start:].strip():
            yield value


def address_of(uri: str) -> Address | None:
    """Where a SIP URI can be reached by UDP without asking anybody: its numeric host and port, else None."""
    match = _HOST_PORT.match(uri)
    if match is None or _OTHER_TRANSPORT.search(uri):
        return None
    host, port = match[1].strip("[]"), int(match[2] or 5060)
    try:
        known = ip_address(host)
    except ValueError:
        return None
    return None if known.is_unspecified or not 0 < port < 65536 else (host, port)


@dataclass(slots=True)
class Dialog:
    """One dialog as one end sees it. `local` and `remote` are From and To of what this end sends, tags included.

    `target` is where the other end receives, `routes` the way there (12.1). `remote_cseq` is None until the other
    end has sent a request in it.
    """

    call_id: str
    local: str
    remote: str
    target: str
    routes: tuple[str, ...]
    local_cseq: int
    remote_cseq: int | None = None

    @classmethod
    def of_answer(cls, asked: Message, answer: Message) -> Dialog:
        """The dialog of our request `asked` by an answer to it (12.1.2). A missing tag is the empty one (12.1.2)."""
        routes = _routes(answer)[::-1]
        target = _target(answer) or asked.uri
        return cls(answer.call_id, asked.get("from") or "", answer.get("to") or "", target, routes, asked.cseq)

    @classmethod
    def of_request(cls, asked: Message, local_tag: str) -> Dialog:
        """The dialog that we agree to by answering `asked` (12.1.1). Raises SipSyntaxError without a Contact URI."""
        target = _target(asked)
        if target is None:
            raise SipSyntaxError("no Contact")
        routes = _routes(asked)
        local = f"{asked.get('to') or ''};tag={local_tag}"
        return cls(asked.call_id, local, asked.get("from") or "", target, routes, 0, asked.cseq)

    @classmethod
    def of_notify(cls, subscribe: Message, notify: Message) -> Dialog:
        """The dialog of our SUBSCRIBE by the first NOTIFY, which may come before any answer (RFC 6665 4.4.1)."""
        routes = _routes(notify)
        target = _target(notify) or subscribe.uri
        local, remote = subscribe.get("from") or "", notify.get("from") or ""
        return cls(notify.call_id, local, remote, target, routes, subscribe.cseq, notify.cseq)

    def matches(self, message: Message) -> bool:
        """Whether a request of the other end belongs to this dialog (12.2.2)."""
        return (
            message.call_id == self.call_id
            and tag_of(message.get("to") or "") == tag_of(self.local)
            and tag_of(message.get("from") or "") == tag_of(self.remote)
        )

    def accept(self, message: Message) -> bool:
        """Take note of a request of the other end: its CSeq, and where it receives from now on (12.2.2).

        False, and nothing noted, for a CSeq that is not above all before; such a request is answered 500.
        """
        if self.remote_cseq is not None and message.cseq <= self.remote_cseq:
            return False
        self.remote_cseq = message.cseq
        if message.method in ("INVITE", "NOTIFY", "SUBSCRIBE", "UPDATE"):
            self.retarget(message)
        return True

    def retarget(self, message: Message) -> None:
        """Take the Contact of a request or answer that may move the other end (12.2)."""
        self.target = _target(message) or self.target

    def request(
        self, method: str, via: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", *, cseq: int = 0
    ) -> bytes:
        """A request in this dialog (12.2.1.1) with the next CSeq, or with `cseq` where that is given (ACK)."""
        if not cseq:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = self.target, list(self.routes)
        if routes and ";lr" not in uri_of(routes[0]).lower():
            # a strict router wants itself as the Request-URI, and the target at the end of the way
            uri, routes = uri_of(routes[0]), [*routes[1:], f"<{uri}>"]
        common = [
            ("Via", via),
            ("Max-Forwards", "70"),
            *(("Route", route) for route in routes),
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        return request(method, uri, [*common, *headers], body)

    def next_hop(self, otherwise: Address) -> Address:
        """Where requests of this dialog go: its first route or its target; `otherwise` when that is only a name."""
        return address_of(uri_of(self.routes[0]) if self.routes else self.target) or otherwise


def _routes(message: Message) -> tuple[str, ...]:
    return tuple(route for route in elements(message.all("record-route")) if _URI.fullmatch(uri_of(route)))


def _target(message: Message) -> str | None:
    for contact in elements(message.all("contact")):
        uri = uri_of(contact)
        return uri if _URI.fullmatch(uri) else None
    return None
