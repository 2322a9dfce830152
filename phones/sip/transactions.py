"""SIP transactions (RFC 3261 17, RFC 6026 for INVITE answered 2xx), sans-IO.

One `TransactionLayer` serves one phone or one server. Messages and `now` go in, outputs come out; who owns the
sockets sends what `Send` says and calls `handle_timer` at `next_deadline`.
"""

from __future__ import annotations

import functools
import heapq
from contextlib import suppress
from dataclasses import dataclass

from phones.sip.index import Message, SipSyntaxError
from phones.sip.machine import Duration, Machine, Rule, Table
from phones.sip.message import Address, request, response_target
from phones.sip.value import value

MAGIC = "z9hG4bK"
"""What a branch of RFC 3261 begins with (8.1.1.7)."""

_RESPONSES = ("1xx", "2xx", "3xx-6xx")

_NEVER = float("inf")

LINGERS_S = 2.0
"""So much later than its timer says may a transaction be forgotten that only waits for repetitions.

Many are forgotten together then. To know a repetition for one for longer does no harm (RFC 3261 17.1.2.2, 17.2.2).
"""

_MOST_FORKS = 64
"""How many dialogs of one INVITE are told apart."""

CLIENT = Table(
    "non-INVITE client",
    initial="trying",
    final="terminated",
    begin=("E", "F"),
    events=("timer E", "timer E2", "timer F", "timer K", *_RESPONSES),
    rules={
        ("trying", "timer E"): Rule("trying", ("resend",), start=("E",)),
        ("trying", "timer F"): Rule("terminated", ("time out",)),
        ("trying", "1xx"): Rule("proceeding", ("pass up",)),
        ("trying", "2xx"): Rule("completed", ("pass up",), start=("K",), stop=("E", "F")),
        ("trying", "3xx-6xx"): Rule("completed", ("pass up",), start=("K",), stop=("E", "F")),
        ("proceeding", "timer E"): Rule("proceeding", ("resend",), start=("E2",)),
        ("proceeding", "timer E2"): Rule("proceeding", ("resend",), start=("E2",)),
        ("proceeding", "timer F"): Rule("terminated", ("time out",)),
        ("proceeding", "1xx"): Rule("proceeding", ("pass up",)),
        ("proceeding", "2xx"): Rule("completed", ("pass up",), start=("K",), stop=("E", "E2", "F")),
        ("proceeding", "3xx-6xx"): Rule("completed", ("pass up",), start=("K",), stop=("E", "E2", "F")),
        ("completed", "timer K"): Rule("terminated"),
    },
    ignored=[
        ("trying", "timer E2"),
        ("trying", "timer K"),
        ("proceeding", "timer K"),
        ("completed", "timer E"),
        ("completed", "timer E2"),
        ("completed", "timer F"),
        *(("completed", kind) for kind in _RESPONSES),
    ],
)
"""RFC 3261 17.1.2, figure 6. Timer E2 is timer E as it is set in proceeding: to T2 at once (17.1.2.2)."""

INVITE_CLIENT = Table(
    "INVITE client",
    initial="calling",
    final="terminated",
    begin=("A", "B"),
    events=("timer A", "timer B", "timer D", "timer M", *_RESPONSES),
    rules={
        ("calling", "timer A"): Rule("calling", ("resend",), start=("A",)),
        ("calling", "timer B"): Rule("terminated", ("time out",)),
        ("calling", "1xx"): Rule("proceeding", ("pass up",), stop=("A", "B")),
        ("calling", "2xx"): Rule("accepted", ("pass up",), start=("M",), stop=("A", "B")),
        ("calling", "3xx-6xx"): Rule("completed", ("acknowledge", "pass up"), start=("D",), stop=("A", "B")),
        ("proceeding", "1xx"): Rule("proceeding", ("pass up",)),
        ("proceeding", "2xx"): Rule("accepted", ("pass up",), start=("M",)),
        ("proceeding", "3xx-6xx"): Rule("completed", ("acknowledge", "pass up"), start=("D",)),
        ("completed", "3xx-6xx"): Rule("completed", ("acknowledge",)),
        ("completed", "timer D"): Rule("terminated"),
        ("accepted", "2xx"): Rule("accepted", ("pass up",)),
        ("accepted", "timer M"): Rule("terminated"),
    },
    ignored=[
        *((state, timer) for state in ("calling", "proceeding") for timer in ("timer D", "timer M")),
        *((state, timer) for state in ("proceeding", "completed", "accepted") for timer in ("timer A", "timer B")),
        ("completed", "timer M"),
        ("completed", "1xx"),
        ("completed", "2xx"),
        ("accepted", "timer D"),
        ("accepted", "1xx"),
        ("accepted", "3xx-6xx"),
    ],
)
"""RFC 3261 17.1.1, figure 5, with the accepted state of RFC 6026 8.4."""

_SENT = ("send 1xx", "send 2xx", "send 3xx-6xx")

SERVER = Table(
    "non-INVITE server",
    initial="trying",
    final="terminated",
    events=("request", "timer J", *_SENT),
    rules={
        ("trying", "send 1xx"): Rule("proceeding", ("send",)),
        ("trying", "send 2xx"): Rule("completed", ("send",), start=("J",)),
        ("trying", "send 3xx-6xx"): Rule("completed", ("send",), start=("J",)),
        ("proceeding", "request"): Rule("proceeding", ("resend",)),
        ("proceeding", "send 1xx"): Rule("proceeding", ("send",)),
        ("proceeding", "send 2xx"): Rule("completed", ("send",), start=("J",)),
        ("proceeding", "send 3xx-6xx"): Rule("completed", ("send",), start=("J",)),
        ("completed", "request"): Rule("completed", ("resend",)),
        ("completed", "timer J"): Rule("terminated"),
    },
    ignored=[
        ("trying", "request"),
        ("trying", "timer J"),
        ("proceeding", "timer J"),
        *(("completed", sent) for sent in _SENT),
    ],
)
"""RFC 3261 17.2.2, figure 8."""

INVITE_SERVER = Table(
    "INVITE server",
    initial="proceeding",
    final="terminated",
    events=("request", "ACK", "timer G", "timer G2", "timer H", "timer I", "timer L", *_SENT),
    rules={
        ("proceeding", "request"): Rule("proceeding", ("resend",)),
        ("proceeding", "send 1xx"): Rule("proceeding", ("send",)),
        ("proceeding", "send 2xx"): Rule("accepted", ("send",), start=("G2", "L")),
        ("proceeding", "send 3xx-6xx"): Rule("completed", ("send",), start=("G", "H")),
        ("completed", "request"): Rule("completed", ("resend",)),
        ("completed", "timer G"): Rule("completed", ("resend",), start=("G",)),
        ("completed", "timer H"): Rule("terminated", ("time out",)),
        ("completed", "ACK"): Rule("confirmed", ("acknowledged",), start=("I",), stop=("G", "H")),
        ("confirmed", "timer I"): Rule("terminated"),
        ("accepted", "timer G2"): Rule("accepted", ("resend",), start=("G2",)),
        ("accepted", "ACK"): Rule("confirmed", ("acknowledged",), start=("I",), stop=("G2", "L")),
        ("accepted", "timer L"): Rule("terminated", ("time out",)),
    },
    ignored=[
        ("proceeding", "ACK"),
        *(("proceeding", f"timer {timer}") for timer in ("G", "G2", "H", "I", "L")),
        *(("completed", f"timer {timer}") for timer in ("G2", "I", "L")),
        ("accepted", "request"),
        *(("accepted", f"timer {timer}") for timer in "GHI"),
        *((state, sent) for state in ("completed", "confirmed", "accepted") for sent in _SENT),
        ("confirmed", "request"),
        ("confirmed", "ACK"),
        *(("confirmed", f"timer {timer}") for timer in ("G", "G2", "H", "L")),
    ],
)
"""RFC 3261 17.2.1, figure 7, and RFC 6026 7.1. Timer G2 repeats the 2xx until its ACK, which is the core's work
(13.3.1.4) and done over every transport."""


@dataclass(frozen=True, slots=True)
class Timers:
    """The base values of RFC 3261 17.1.1.1, in seconds.

    `patience` is how long a request of ours waits for any answer (timers B and F), None: 64 * T1.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    patience: float | None = None

    def durations(self, *, reliable: bool = False) -> dict[str, Duration]:
        """Timer name to duration (RFC 3261 appendix A, RFC 6026 for L and M).

        Over a reliable transport nothing is repeated but the 2xx of an INVITE, and nobody waits for repetitions.
        """
        return _durations(self, reliable)


@functools.lru_cache
def _durations(timers: Timers, reliable: bool) -> dict[str, Duration]:
    # shared by all phones that have these timers
    t1, t2, t4 = timers.t1, timers.t2, timers.t4

    def doubling(count: int) -> float:
        return t1 * float(2**count)

    def capped(count: int) -> float:
        return min(doubling(count), t2)

    durations: dict[str, Duration] = {name: lambda _: 64 * t1 for name in "BDFHJLM"}
    if timers.patience is not None:
        patience = timers.patience
        durations |= {name: lambda _: patience for name in "BF"}
    durations |= {"A": doubling, "E": capped, "G": capped, "G2": capped}
    durations |= {"E2": lambda _: t2, "I": lambda _: t4, "K": lambda _: t4}
    if reliable:
        durations |= {name: lambda _: _NEVER for name in ("A", "E", "E2", "G")}
        durations |= {name: lambda _: 0.0 for name in "DIJK"}
    return durations


@value
class Send:
    """Put `data` on the wire towards `remote`. `retransmission` marks a repetition by a transaction."""

    data: bytes
    remote: Address
    retransmission: bool


@value
class Incoming:
    """A new request, passed up once; answer it with `respond(key, ...)`."""

    key: str
    message: Message
    source: Address


@value
class Answer:
    """A response to our request `key`: each provisional one, the first final one, each 2xx to an INVITE.

    `repeated` marks a 2xx whose To was there before: its ACK got lost (RFC 3261 13.2.2.4). Another To is another
    dialog of a forked INVITE.
    """

    key: str
    message: Message
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nobody answered our request `key` (RFC 3261 8.1.3.1), or no ACK came for our answer.

    `reason` says it where nobody can answer any more, for the connection is lost (17.1.4).
    """

    key: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retransmitted:
    """A request that the peer sent again; it was absorbed or answered as before."""

    message: Message
    source: Address


@value
class AckFor:
    """The ACK for the final answer of INVITE transaction `key`."""

    key: str
    message: Message


@dataclass(frozen=True, slots=True)
class Stray:
    """A response or ACK that belongs to no transaction."""

    message: Message
    source: Address


Output = Send | Incoming | Answer | TimedOut | Retransmitted | AckFor | Stray


class _Transaction:
    """`last` is what would be repeated: our request, or our newest answer to theirs."""

    __slots__ = ("_request", "accepted_by", "call_id", "due", "key", "last", "machine", "remote")

    def __init__(
        self, key: str, call_id: str, request: Message | None, last: bytes, remote: Address, machine: Machine
    ) -> None:
        self.key = key
        self.call_id = call_id
        self.remote = remote
        self.machine = machine
        self.last = last
        self.accepted_by: set[str] | None = None
        self.due = _NEVER
        self._request = request

    @property
    def request(self) -> Message:
        """What began it. One of ours is only read when somebody asks."""
        if self._request is None:
            self._request = Message.parse(self.last)
        return self._request


def _kind(status: int) -> str:
    return "1xx" if status < 200 else "2xx" if status < 300 else "3xx-6xx"


def _server_key(message: Message, method: str | None = None) -> str:
    """What tells the server transaction of `message`, or the one of `method` that it speaks of, from all others."""
    method = method or ("INVITE" if message.method == "ACK" else message.method)
    branch = message.branch
    if branch.startswith(MAGIC) and len(branch) > len(MAGIC):
        sent_by = message.top_via.partition(";")[0]
        return f"{branch} {sent_by} {method}"
    # RFC 2543 peers: 17.2.3 matches on these instead of the branch
    from_tag = (message.get("from") or "").rpartition("tag=")[2]
    return f"2543 {message.call_id} {message.cseq} {from_tag} {message.uri} {message.top_via} {method}"


def _names(data: bytes) -> tuple[str, str, str]:
    """Method, branch and Call-ID of a request of our own. What is not built as ours are is read as all others."""
    start = data.find(b"\r\n")
    while data.startswith(b"Record-Route: ", start + 2):
        # Kazoo's edge writes its own before the Via
        start = data.find(b"\r\n", start + 2)
    end = data.find(b"\r\n", start + 2)
    branch = data.find(b";branch=", start, end)
    call_id = data.find(b"\r\nCall-ID: ", end)
    if data[start + 2 : start + 7] != b"Via: " or branch < 0 or call_id < 0 or data.find(b",", start, end) >= 0:
        message = Message.parse(data)
        return message.method, message.branch, message.call_id
    method = data[: data.find(b" ")]
    named = data[branch + 8 : end].partition(b";")[0]
    called = data[call_id + 11 : data.find(b"\r\n", call_id + 11)]
    return method.decode(), named.decode(), called.decode("utf-8", "surrogateescape")


class TransactionLayer:
    """All transactions of one SIP element over one kind of transport.

    `reliable`: over connections (TCP, TLS, WebSocket), on which an answer goes back the way its request came.
    """

    __slots__ = ("_accepted", "_client", "_durations", "_heap", "_outputs", "_reliable", "_server", "_sweeps")

    def __init__(self, timers: Timers = Timers(), *, reliable: bool = False) -> None:
        self._durations = timers.durations(reliable=reliable)
        self._reliable = reliable
        self._client: dict[str, _Transaction] = {}
        self._server: dict[str, _Transaction] = {}
        self._accepted: dict[tuple[str, int], _Transaction] = {}
        self._heap: list[tuple[float, str, bool]] = []
        self._outputs: list[Output] = []
        self._sweeps = 0.0

    def request(self, data: bytes, remote: Address, now: float) -> str:
        """Send the request `data` in a new client transaction and return its key. An ACK has no transaction."""
        method, branch, call_id = _names(data)
        key = f"{branch} {method}"
        if method != "ACK":
            machine = Machine(INVITE_CLIENT if method == "INVITE" else CLIENT, self._durations, now)
            transaction = _Transaction(key, call_id, None, data, remote, machine)
            self._client[key] = transaction
            self._arm(transaction, now, client=True)
        self._outputs.append(Send(data, remote, retransmission=False))
        return key

    def abandon(self, key: str) -> None:
        """Repeat our request `key` no more, unless its final answer is there. What still comes is stray."""
        transaction = self._client.get(key)
        if transaction is not None and transaction.machine.state in ("calling", "trying", "proceeding"):
            del self._client[key]

    def invite_of(self, cancel: Message) -> str | None:
        """The key of the INVITE that a CANCEL means (RFC 3261 9.2), as long as its transaction lasts."""
        key = _server_key(cancel, "INVITE")
        return key if key in self._server else None

    def lost(self, remote: Address, reason: str) -> None:
        """The connection to `remote` is lost: what we have asked there is not answered any more (17.1.4)."""
        for transaction in list(self._client.values()):
            if transaction.remote == remote and transaction.machine.state in ("calling", "trying", "proceeding"):
                self._outputs.append(TimedOut(transaction.key, reason))
                self._forget(transaction, client=True)

    def drop(self, key: str) -> None:
        """Forget the server transaction `key`: its answer is repeated no more, and its ACK is stray."""
        transaction = self._server.get(key)
        if transaction is not None:
            self._forget(transaction, client=False)

    def respond(self, key: str, data: bytes, now: float) -> None:
        """Answer the server transaction `key`. Unknown or ended transactions are left alone."""
        transaction = self._server.get(key)
        if transaction is None:
            return
        status = int(data[8:11])
        if "send" in transaction.machine.fire(f"send {_kind(status)}", now):
            transaction.last = data
            if 200 <= status < 300 and transaction.request.method == "INVITE":
                self._accepted[transaction.request.call_id, transaction.request.cseq] = transaction
            self._outputs.append(Send(data, transaction.remote, retransmission=False))
        self._arm(transaction, now, client=False)

    def repeat(self, key: str) -> None:
        """Send the newest answer of the server transaction `key` again, as long as it is a provisional one."""
        transaction = self._server.get(key)
        if transaction is not None and transaction.last and transaction.machine.state == "proceeding":
            self._outputs.append(Send(transaction.last, transaction.remote, retransmission=True))

    def receive(self, message: Message, source: Address, now: float) -> None:
        """Take one message from the wire."""
        if message.is_request:
            self._receive_request(message, source, now)
        else:
            self._receive_response(message, source, now)

    def _receive_request(self, message: Message, source: Address, now: float) -> None:
        key = _server_key(message)
        transaction = self._server.get(key)
        if message.method == "ACK":
            transaction = transaction or self._accepted.get((message.call_id, message.cseq))
            if transaction is None:
                self._outputs.append(Stray(message, source))
                return
            if "acknowledged" in transaction.machine.fire("ACK", now):
                self._outputs.append(AckFor(transaction.key, message))
            self._arm(transaction, now, client=False)
            return
        if transaction is not None:
            self._outputs.append(Retransmitted(message, source))
            if "resend" in transaction.machine.fire("request", now) and transaction.last:
                self._outputs.append(Send(transaction.last, transaction.remote, retransmission=True))
            return
        remote = source
        if not self._reliable:
            with suppress(SipSyntaxError):
                remote = response_target(message)
        machine = Machine(INVITE_SERVER if message.method == "INVITE" else SERVER, self._durations, now)
        self._server[key] = _Transaction(key, message.call_id, message, b"", remote, machine)
        self._outputs.append(Incoming(key, message, source))

    def _receive_response(self, message: Message, source: Address, now: float) -> None:
        transaction = self._client.get(f"{message.branch} {message.method}")
        if transaction is None or transaction.call_id != message.call_id:
            self._outputs.append(Stray(message, source))
            return
        for action in transaction.machine.fire(_kind(message.status), now):
            if action == "pass up":
                self._outputs.append(Answer(transaction.key, message, self._is_repeated(transaction, message)))
            elif action == "acknowledge":
                self._outputs.append(Send(_ack(transaction.request, message), transaction.remote, retransmission=False))
        self._arm(transaction, now, client=True)

    @staticmethod
    def _is_repeated(transaction: _Transaction, message: Message) -> bool:
        if message.status < 200 or message.method != "INVITE":
            return False
        to = message.get("to") or ""
        if transaction.accepted_by is None:
            transaction.accepted_by = set()
        if to in transaction.accepted_by:
            return True
        if len(transaction.accepted_by) < _MOST_FORKS:
            transaction.accepted_by.add(to)
        return False

    def _arm(self, transaction: _Transaction, now: float, *, client: bool) -> None:
        machine = transaction.machine
        if self._reliable and (event := machine.due(now)) is not None:
            # D, I, J or K, which are 0 here: they end a transaction, and do nothing else
            machine.fire(event, now)
        if machine.ended:
            self._forget(transaction, client=client)
            return
        deadline = machine.next_deadline()
        if deadline is not None:
            if machine.lingers:
                # each layer at times of its own: not all phones of a fleet at once
                self._sweeps = self._sweeps or deadline
                deadline += (self._sweeps - deadline) % LINGERS_S
            transaction.due = deadline
            heapq.heappush(self._heap, (deadline, transaction.key, client))

    def _forget(self, transaction: _Transaction, *, client: bool) -> None:
        if client:
            self._client.pop(transaction.key, None)
            if not self._client:
                # an emptied dictionary keeps its room, and phones idle in great numbers
                self._client = {}
            return
        self._server.pop(transaction.key, None)
        if not self._server:
            self._server = {}
        if self._accepted:
            dialog = (transaction.call_id, transaction.request.cseq)
            if self._accepted.get(dialog) is transaction:
                del self._accepted[dialog]

    def next_deadline(self) -> float | None:
        """When `handle_timer` has to be called next, in seconds, or None."""
        heap = self._heap
        while heap:
            deadline, key, client = heap[0]
            transaction = (self._client if client else self._server).get(key)
            if transaction is not None and deadline == transaction.due:
                return deadline
            # of a timer that was stopped: nobody is woken for it
            heapq.heappop(heap)
        return None

    def handle_timer(self, now: float) -> None:
        """Fire every timer that is due at `now`."""
        while self._heap and self._heap[0][0] <= now:
            _, key, client = heapq.heappop(self._heap)
            transaction = (self._client if client else self._server).get(key)
            if transaction is None:
                continue
            event = transaction.machine.due(now)
            if event is None:
                continue
            for action in transaction.machine.fire(event, now):
                if action == "resend":
                    self._outputs.append(Send(transaction.last, transaction.remote, retransmission=True))
                elif action == "time out":
                    self._outputs.append(TimedOut(key))
            self._arm(transaction, now, client=client)

    def take(self) -> list[Output]:
        """Drain the outputs, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs


def _ack(invite: Message, answer: Message) -> bytes:
    """The ACK of a non-2xx answer: top Via, Routes and CSeq of the INVITE, To of the answer (RFC 3261 17.1.1.3)."""
    headers = [
        ("Via", invite.top_via),
        ("Max-Forwards", "70"),
        *(("Route", route) for route in invite.all("route")),
        ("From", invite.get("from") or ""),
        ("To", answer.get("to") or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq} ACK"),
    ]
    return request("ACK", invite.uri, headers)
