"""Requests of ours in the dialogs of one call: challenges answered, 2xx to an INVITE acknowledged, outcomes told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from phones.effects import Transmit
from phones.line import Line
from phones.negotiation import Keys, Negotiation
from phones.sip.dialog import Dialog
from phones.sip.index import Message
from phones.sip.message import Address
from phones.sip.transactions import AckFor, Answer, TimedOut

Told = Callable[[Message | None, float], None]
"""Who is told of the final answer to a request, None for none at all, and when (seconds)."""

Header = tuple[str, str]


def nobody(answer: Message | None, now: float) -> None:
    """Whatever the answer is, nothing depends on it."""


@dataclass(slots=True, eq=False)
class _Asking:
    """One request, tried as often as its challenges want."""

    method: str
    dialog: Dialog
    headers: Sequence[Header]
    body: bytes
    told: Told
    negotiation: Negotiation
    key: str = ""
    remote: Address = ("", 0)
    credentials: list[Header] = field(default_factory=list)
    cseq: int = 0
    ack: bytes = b""


class Inside:
    """The requests of one call within its dialogs. They share what their challenges have taught."""

    __slots__ = ("_line", "_sent", "keys")

    def __init__(self, line: Line) -> None:
        self._line = line
        self.keys = Keys()
        self._sent: set[str] = set()

    def ask(
        self, method: str, dialog: Dialog, now: float, told: Told, headers: Sequence[Header] = (), body: bytes = b""
    ) -> None:
        """Send a request in `dialog`, with `headers` beside User-Agent."""
        negotiation = Negotiation(self._line.identity, self._line.token, self.keys)
        self._send(_Asking(method, dialog, headers, body, told, negotiation), now)

    def release(self) -> None:
        """Listen to none of them any more."""
        self._line.release(*self._sent)
        self._sent.clear()

    def _send(self, asking: _Asking, now: float) -> None:
        line, dialog = self._line, asking.dialog
        asking.credentials = asking.negotiation.credentials(asking.method, dialog.target, asking.body)
        headers = [("User-Agent", line.personality.agent), *asking.credentials, *asking.headers]
        data = dialog.request(asking.method, line.via(), headers, asking.body)
        asking.cseq, asking.remote = dialog.local_cseq, line.hop(dialog)
        asking.key = line.request(data, now, lambda output, then: self._heard(asking, output, then), asking.remote)
        self._sent.add(asking.key)

    def _heard(self, asking: _Asking, output: Answer | TimedOut | AckFor, now: float) -> None:
        if not isinstance(output, Answer):
            asking.told(None, now)
            return
        answer = output.message
        if answer.status < 200:
            return
        if asking.method == "INVITE" and answer.status < 300:
            self._acknowledge(asking, answer, now)
            if output.repeated:
                return
        if answer.status in (401, 407) and asking.negotiation.judge_challenge(answer) == "again":
            self._send(asking, now)
            return
        asking.told(answer, now)

    def _acknowledge(self, asking: _Asking, answer: Message, now: float) -> None:
        """The ACK of a 2xx, with the credentials of its INVITE (RFC 3261 22.1); the same again for one repeated."""
        line, dialog = self._line, asking.dialog
        if asking.ack:
            line.effects.append(Transmit(asking.ack, asking.remote, "retransmission", line.transport))
            return
        dialog.retarget(answer)
        headers = [("User-Agent", line.personality.agent), *asking.credentials]
        asking.ack = dialog.request("ACK", line.via(), headers, cseq=asking.cseq)
        asking.remote = line.hop(dialog)
        line.acknowledge(asking.ack, asking.remote, now)
