"""`run -v`: the wire as it happens, one line per API call and SIP message."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from reports.record import Event
from reports.words import plain

if TYPE_CHECKING:
    from rich.console import Console


def watcher(console: Console) -> Callable[[Event, bytes], None]:
    """A consumer of events that prints them."""

    def watch(event: Event, _: bytes) -> None:
        line = _line(event)
        if line:
            console.print(plain(f"{event['t']:10.3f}  {event.get('case', ''):<40} {line}"))

    return watch


def _line(event: Event) -> str:
    kind = event["kind"]
    if kind == "message":
        arrow = "<-" if event["direction"] == "in" else "->"
        fate = dict.fromkeys(each for each in (event["seen"], event.get("fault", "")) if each not in ("", "new"))
        note = f" ({', '.join(fate)})" if fate else ""
        return f"{event['phone']} {arrow} {event['remote']}  {event['first']}{note}"
    if kind == "call":
        why = f" ({event['status']} {event['reason']})" if event["status"] else ""
        return f"{event['phone']} is {event['state']}: call {event['way']}, {event['peer']}{why}"
    if kind == "subscription":
        why = f" ({event['status']} {event['reason']})" if event["status"] >= 300 else ""
        return f"{event['phone']} watches {event['presentity']} ({event['event']}): {event['state']}{why}"
    if kind == "request":
        return f"API -> {event['method']} {event['url']}"
    if kind == "reply":
        return f"API <- {event['error']['message'] if event['error'] else event['status']}"
    if kind == "step" and event["phase"] == "start":
        return f"step {event['step']}: {event['text']}"
    return ""
