"""Which addresses the conversations of a capture are between, found before its first packet is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from reports.http_text import split
from reports.packets import LARGEST_UDP, End, Ip, parse_ip, split_address
from reports.record import Event, met_wire
from reports.view import CaseView

NOT_SENT = frozenset({"unreachable", "tls", "untrusted"})
"""Errors of an API call that never left: there was no connection to send it on."""

_NAMED = IPv4Address("198.18.0.0")
_CLIENTS = IPv4Address("198.19.0.0")
"""Addresses that nobody has (RFC 2544): for ends whose name alone is known, and for clients that nobody knows."""
_FIRST_PORT, _PORTS = 49_152, 16_384
HTTPS_PORT, HTTP_PORT = 443, 80


@dataclass(frozen=True, slots=True)
class Conversation:
    """An API call between its two ends."""

    request: Event
    reply: Event | None
    client: End
    server: End


class Ends:
    """The ends of everything that `cases` have said. Asked in the order of events it knows a stream's last use."""

    def __init__(self, cases: Iterable[CaseView]) -> None:
        self.names: list[tuple[Ip, str]] = []
        self.by_request: dict[int, Conversation] = {}
        self.by_reply: dict[int, Conversation] = {}
        self._hosts: dict[str, Ip] = {}
        self._known: dict[str, End] = {}
        self._unknown_clients = 0
        self._uses: Counter[frozenset[End]] = Counter()
        views = list(cases)
        for case in views:
            self._resolve(case)
        for case in views:
            self._find_exchanges(case)
            for event, data in case.of_kind("message", "media"):
                if met_wire(event) and not self.is_datagram(event, data):
                    self._uses[frozenset(self.of_message(event))] += 1

    def of_message(self, event: Event) -> tuple[End, End]:
        """Local and remote end of a `message` or `media` event."""
        return self._end(str(event.get("local", ""))), self._end(str(event.get("remote", "")))

    def is_datagram(self, event: Event, data: bytes) -> bool:
        """Whether a message travels as one UDP datagram."""
        version = max(end.ip.version for end in self.of_message(event))
        return event.get("transport", "udp") == "udp" and len(data) <= LARGEST_UDP[version]

    def last_use(self, key: frozenset[End]) -> bool:
        """To be asked at each use of the stream between two ends: whether it was the last."""
        self._uses[key] -= 1
        return self._uses[key] == 0

    def _resolve(self, case: CaseView) -> None:
        """A phone that sends to a name is answered from its address: same phone, same port."""
        asked: dict[tuple[str, int], str] = {}
        for event, _ in case.of_kind("message"):
            host, port = split_address(str(event.get("remote", "")))
            ip = parse_ip(host)
            if event.get("direction") == "out" and ip is None:
                asked[str(event.get("phone")), port] = host
            elif event.get("direction") == "in" and ip is not None:
                name = asked.get((str(event.get("phone")), port))
                if name is not None and name not in self._hosts:
                    self._hosts[name] = ip
                    self.names.append((ip, name))

    def _find_exchanges(self, case: CaseView) -> None:
        for exchange in case.exchanges:
            request, reply = exchange.request, exchange.reply
            scheme, host, port, _ = split(str(request.get("url", "")))
            answer = reply or {}
            known = bool(answer.get("local") and answer.get("remote"))
            server = self._end(str(answer["remote"])) if known else End(self._ip(host), port)
            if scheme == "https" and server.port == HTTPS_PORT:
                server = End(server.ip, HTTP_PORT)
            client = self._end(str(answer["local"])) if known else self._unknown_client()
            found = Conversation(request, reply, client, server)
            self.by_request[request["n"]] = found
            if reply is not None:
                self.by_reply[reply["n"]] = found
            if (answer.get("error") or {}).get("kind") not in NOT_SENT:
                # a request whose reply is not in the Record leaves its stream open
                self._uses[frozenset((client, server))] += 2

    def _end(self, address: str) -> End:
        if address not in self._known:
            host, port = split_address(address)
            self._known[address] = End(self._ip(host), port)
        return self._known[address]

    def _ip(self, host: str) -> Ip:
        ip = parse_ip(host) or self._hosts.get(host)
        if ip is None:
            ip = self._hosts[host] = _NAMED + 1 + len(self._hosts)
            self.names.append((ip, host or "unknown"))
        return ip

    def _unknown_client(self) -> End:
        number = self._unknown_clients
        self._unknown_clients += 1
        ip = _CLIENTS + 1 + number // _PORTS
        if number % _PORTS == 0:
            self.names.append((ip, "ringproof"))
        return End(ip, _FIRST_PORT + number % _PORTS)
