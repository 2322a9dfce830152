"""What a control and a fence look like on the wire: the harness waits for them, the judge checks that they came."""

from __future__ import annotations

from phones.sip.index import Message


def is_check_sync(message: Message) -> bool:
    """A NOTIFY with Event check-sync, whatever parameters the event has."""
    event = (message.get("event") or "").partition(";")[0].strip()
    return message.is_request and message.method == "NOTIFY" and event == "check-sync"


def is_call_from(message: Message, number: str) -> bool:
    """An INVITE whose From shows `number`."""
    return message.is_request and message.method == "INVITE" and f":{number}@" in (message.get("from") or "")
