"""Captures made from the Record: pcapng for Wireshark, tshark, sngrep and whatever else reads it.

Every `message` and `media` event is one UDP datagram between the addresses that it had, on an interface that is named
after its phone. API calls are HTTP in synthetic TCP streams, https in the clear. A SIP message larger than a datagram
can be (only the network in memory carries such) becomes a TCP stream as well: IP fragments could not hold it either.
What the network of a phone lost or held on purpose is shown as it was on the wire.
Each packet has a comment that names its case and step. docs/captures.md says how to read them.
"""

from __future__ import annotations

import heapq
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from reports.capture_ends import HTTP_PORT, HTTPS_PORT, NOT_SENT, Ends
from reports.capture_file import INBOUND, OUTBOUND, interface, names, packet, section
from reports.http_text import reply_text, request_text, split
from reports.packets import End, IpWriter, Stream
from reports.record import Event, met_wire
from reports.view import CaseView, RunView
from reports.whereabouts import Whereabouts

_VIRTUAL_EPOCH_S = 1_420_070_400
"""Virtual time began on 2015-01-01: it is the date that the reference server then shows, too."""
_API = ""
"""In place of a phone's name: the interface of the API client."""

_Item = tuple[Event, bytes, "_Case"]


def case_capture(case: CaseView) -> bytes:
    """The capture of one case."""
    return b"".join(_blocks(case.header, [case], f", {case.address}: {case.verdict.get('verdict', 'not judged')}"))


def run_capture(view: RunView) -> bytes:
    """The capture of a whole run; `run_blocks` is kinder to memory."""
    return b"".join(run_blocks(view))


def run_blocks(view: RunView) -> Iterator[bytes]:
    """The capture of a whole run, block by block, to be written one after the other."""
    return _blocks(view.header, view.cases, f"; the Record is cut: {view.cut}" if view.cut else "")


def _blocks(header: Event, cases: list[CaseView], more: str) -> Iterator[bytes]:
    run = f"ringproof run {header.get('run', '?')} against {header.get('target', '?')}"
    mutant = f", mutant {header['mutant']}" if header.get("mutant") else ""
    world = f"profile {header.get('profile', '?')}{mutant}, {header.get('time', '?')} time, seed {header.get('seed')}"
    yield section(str(header.get("tool", "ringproof")), f"{run}, {world}{more}")
    yield from _Capture(run, began_at(header), cases).blocks()


def began_at(header: Event) -> int:
    """When the run began, in microseconds since 1970."""
    try:
        return int(datetime.fromisoformat(str(header.get("started"))).timestamp()) * 1_000_000
    except ValueError:
        return _VIRTUAL_EPOCH_S * 1_000_000


@dataclass(slots=True)
class _Case:
    """A case as it is told: where it is, what decided it."""

    view: CaseView
    deciding: frozenset[int]
    whereabouts: Whereabouts = field(default_factory=Whereabouts)
    interfaces: dict[str, int] = field(default_factory=dict)

    def comment(self, event: Event, *notes: str) -> str:
        """What a packet of `event` says about itself."""
        said = [self.view.address, self.whereabouts.of(event), *notes]
        if event["n"] in self.deciding:
            said.append(f"decided: {self.view.verdict.get('verdict', '?')}")
        return " | ".join(_clean(each) for each in said if each)


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


class _Capture:
    """One capture in the making."""

    def __init__(self, run: str, epoch: int, cases: list[CaseView]) -> None:
        self._run = run
        self._epoch = epoch
        self._cases = [_Case(case, _deciding(case)) for case in cases]
        self._writer = IpWriter()
        self._interfaces = 0
        self._ends = Ends([case.view for case in self._cases])
        self._streams: dict[frozenset[End], Stream] = {}

    def blocks(self) -> Iterator[bytes]:
        """Everything behind the section's header."""
        if self._ends.names:
            yield names(self._ends.names)
        for event, data, case in self._items():
            case.whereabouts.feed(event)
            match event["kind"]:
                case "message" | "media" if met_wire(event):
                    yield from self._message(event, data, case)
                case "request":
                    yield from self._request(event, case)
                case "reply":
                    yield from self._reply(event, case)

    def _items(self) -> Iterator[_Item]:
        """All events in the order in which they happened."""

        def of(case: _Case) -> Iterator[_Item]:
            return ((event, data, case) for event, data in case.view.events)

        return heapq.merge(*map(of, self._cases), key=lambda item: int(item[0]["n"]))

    def _message(self, event: Event, data: bytes, case: _Case) -> Iterator[bytes]:
        phone = str(event.get("phone", ""))
        local, remote = self._ends.of_message(event)
        out = event.get("direction") == "out"
        source, target = (local, remote) if out else (remote, local)
        seen = str(event.get("seen", "new"))
        notes = [f"{phone} {'sends' if out else 'receives'}" + (f", {seen}" if seen != "new" else "")]
        if "fault" in event:
            notes[0] += " on purpose by its own network"
        if len(data) != event["size"]:
            notes.append(f"only {len(data)} of {event['size']} bytes are in the Record")
        elif zlib.crc32(data) != event["crc"]:
            notes.append("altered since it was recorded")
        yield from self._interface(case, phone)
        if self._ends.is_datagram(event, data):
            comment = case.comment(event, *notes)
            yield self._packet(event, case, phone, self._writer.udp(source, target, data), out, comment)
            return
        notes.append(f"{len(data)} bytes, more than one datagram can carry: shown as TCP")
        said = ((source, data),) if data else ()
        yield from self._stream(event, case, phone, source, target, said, local, case.comment(event, *notes))

    def _request(self, event: Event, case: _Case) -> Iterator[bytes]:
        exchange = self._ends.by_request[event["n"]]
        notes = [_encryption(event, exchange.reply)]
        yield from self._interface(case, _API)
        error = (exchange.reply or {}).get("error")
        if error:
            notes.append(f"no reply: {error.get('message', error.get('kind'))}")
        client, server = exchange.client, exchange.server
        comment = case.comment(event, *notes)
        if error and error.get("kind") in NOT_SENT:
            unsent = f"{comment} | not sent: {event.get('method')} {event.get('url')}"
            stream = Stream(self._writer, client, server)
            how = stream.refuse() if error["kind"] == "unreachable" else _shaken(stream)
            for source, data in how:
                yield self._packet(event, case, _API, data, source == client, _clean(unsent))
            return
        said = ((client, request_text(event)),)
        yield from self._stream(event, case, _API, client, server, said, client, comment)

    def _reply(self, event: Event, case: _Case) -> Iterator[bytes]:
        exchange = self._ends.by_reply.get(event["n"])
        error = event.get("error") or {}
        if exchange is None or error.get("kind") in NOT_SENT:
            return
        client, server = exchange.client, exchange.server
        comment = case.comment(event, _encryption(exchange.request, event))
        if error:
            gone = client if error.get("kind") == "timeout" else server
            comment = case.comment(event, f"no reply: {error.get('message', error.get('kind'))}")
            for source, data in self._streams[frozenset((client, server))].reset(gone):
                yield self._packet(event, case, _API, data, source == client, comment)
            return
        said = ((server, reply_text(event, str(exchange.request.get("method", "")))),)
        yield from self._stream(event, case, _API, client, server, said, client, comment)

    def _stream(
        self,
        event: Event,
        case: _Case,
        phone: str,
        client: End,
        server: End,
        said: tuple[tuple[End, bytes], ...],
        ours: End,
        comment: str,
    ) -> Iterator[bytes]:
        """What is `said` on the stream between two ends, which is opened before its first and closed after its last."""
        key = frozenset((client, server))
        parts: list[Iterator[tuple[End, bytes]]] = []
        if key not in self._streams:
            self._streams[key] = Stream(self._writer, client, server)
            parts.append(self._streams[key].open())
        stream = self._streams[key]
        parts += [stream.say(source, data) for source, data in said]
        if self._ends.last_use(key):
            parts.append(stream.close())
        for part in parts:
            for source, data in part:
                yield self._packet(event, case, phone, data, source == ours, comment)

    def _packet(self, event: Event, case: _Case, phone: str, data: bytes, out: bool, comment: str) -> bytes:
        stamp = self._epoch + round(float(event["t"]) * 1_000_000)
        return packet(case.interfaces[phone], max(stamp, 0), data, OUTBOUND if out else INBOUND, comment)

    def _interface(self, case: _Case, phone: str) -> Iterator[bytes]:
        if phone in case.interfaces:
            return
        case.interfaces[phone] = self._interfaces
        self._interfaces += 1
        what = "API calls, https in the clear" if phone == _API else f"phone {phone}"
        yield interface(_clean(phone) or "api", _clean(f"{self._run}, {case.view.address}: {what}"))


def _shaken(stream: Stream) -> Iterator[tuple[End, bytes]]:
    """A connection that is opened and closed again."""
    yield from stream.open()
    yield from stream.close()


def _encryption(request: Event, reply: Event | None) -> str:
    url = str(request.get("url", ""))
    if not url.startswith("https:"):
        return ""
    tls = (reply or {}).get("tls") or {}
    port = split(url)[2]
    moved = f", moved from port {port} to {HTTP_PORT}" if port == HTTPS_PORT else ""
    return f"https {tls.get('version', 'without TLS')}, shown decrypted{moved}"


def _deciding(case: CaseView) -> frozenset[int]:
    """Numbers of the events that decided, and of the messages that those point to."""
    decisive = set(case.verdict.get("decisive", ()))
    decisive |= {_on_wire(case, e, data) for e, data in case.of_kind("message") if e["n"] in decisive}
    pointed = {e["message"] for e, _ in case.events if e["n"] in decisive and isinstance(e.get("message"), int)}
    return frozenset(decisive | pointed)


def _on_wire(case: CaseView, event: Event, data: bytes) -> int:
    """The number of the message that a decisive one was on the wire, where the phone's network held or doubled it."""
    if met_wire(event):
        return int(event["n"])
    same = (
        int(e["n"]) for e, d in case.of_kind("message") if d == data and e["phone"] == event["phone"] and met_wire(e)
    )
    return next(same, int(event["n"]))
