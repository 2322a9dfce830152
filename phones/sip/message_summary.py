"""The document of package `message-summary`: whether messages wait (RFC 3842 5.2).

Kazoo sends a NOTIFY without body and Content-Type when it has nothing to say; that is the NOTIFY's business, not this
document's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from phones.sip.xml import DocumentError, one_of, shown

CONTENT_TYPE = "application/simple-message-summary"
MOST_OCTETS = 65_536

_COUNT = "[ \t]*([0-9]{1,10})[ \t]*/[ \t]*([0-9]{1,10})[ \t]*"
_COUNTS = re.compile(rf"{_COUNT}(?:\({_COUNT}\)[ \t]*)?")
_KINDS = {f"{kind}-message" for kind in ("voice", "fax", "pager", "multimedia", "text")} | {"none"}


@dataclass(frozen=True, slots=True)
class Messages:
    """How many messages of one kind (`voice-message`, ...) there are; the urgent ones are counted in both."""

    kind: str
    new: int
    old: int
    urgent_new: int = 0
    urgent_old: int = 0


@dataclass(frozen=True, slots=True)
class MessageSummary:
    """One document. `account` is the URI of the mailbox, empty where it is not named."""

    waiting: bool
    account: str
    messages: tuple[Messages, ...]


def parse_message_summary(body: bytes) -> MessageSummary:
    """Read a message summary; header lines of single messages behind the first empty line are left out.

    Raises DocumentError.
    """
    if len(body) > MOST_OCTETS:
        raise DocumentError(f"{len(body)} octets of message summary, at most {MOST_OCTETS}")
    waiting, account, messages = "", "", []
    for line in body.decode("utf-8", "replace").lstrip("\r\n").replace("\r\n", "\n").split("\n"):
        if not line.strip():
            break
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon:
            raise DocumentError(f"a line without a colon: {shown(line)!r}")
        if name == "messages-waiting":
            waiting = one_of(value, ("yes", "no"), "Messages-Waiting")
        elif name == "message-account":
            account = value.strip()
        elif name in _KINDS:
            messages.append(_messages(name, value))
    if not waiting:
        raise DocumentError("no Messages-Waiting")
    return MessageSummary(waiting == "yes", account, tuple(messages))


def _messages(kind: str, value: str) -> Messages:
    match = _COUNTS.fullmatch(value)
    if match is None:
        raise DocumentError(f"{kind} {shown(value.strip())!r}")
    return Messages(kind, *(int(count or 0) for count in match.groups()))
