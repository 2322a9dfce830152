"""Cases made up for reports: a short story of phones, messages and API calls, told event by event."""

from __future__ import annotations

from typing import Any

from phones.sip.message import request, response
from reports.record import Event
from reports.view import CaseView, RunView

EDGE = "192.0.2.9:5060"
REALM = "a.example.com"
CLAUSES = [{"id": "SIP-13", "statement": "A lamp tells the truth.", "source": "RFC 4235", "level": "MUST"}]
DOCUMENT = (
    '<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{}" state="full"'
    ' entity="sip:desk@a.example.com"><dialog id="d"><state>{}</state></dialog></dialog-info>'
)


class Story:
    """A case that is told. `now` is the time of what comes next, in seconds since the run began."""

    def __init__(self, address: str = "lamps/story", *, begun: float = 10.0, **start: Any) -> None:
        self.now = begun
        self.events: list[tuple[Event, bytes]] = []
        self._address = address
        self._cseq = 0
        fields: Event = {"label": "rp-1-1", "file": f"scenarios/{address.partition('[')[0]}.scenario.yaml", "why": ""}
        fields |= {"title": "A story", "matrix": {}, "clauses": CLAUSES, "plan": [], "encrypted": None}
        self.tell("case", **{**fields, **start})

    def tell(self, kind: str, data: bytes = b"", **fields: Any) -> int:
        """Append an event and return its number."""
        n = len(self.events)
        self.events.append(({"n": n, "t": round(self.now, 6), "kind": kind, "case": self._address, **fields}, data))
        return n

    def phone(self, name: str, **fields: Any) -> None:
        """A phone, named after the user of its presentity."""
        shows = {"aor": f"sip:{name}@{REALM}", "presentity": f"sip:{name}@{REALM}", "device": "d" * 31 + name[0]}
        self.tell("phone", phone=name, contact=self.address_of(name), tone=400, **{**shows, **fields})

    @staticmethod
    def address_of(phone: str) -> str:
        """Where a phone is."""
        return f"192.0.2.1:{5000 + sum(phone.encode())}"

    def message(self, phone: str, direction: str, data: bytes, *, seen: str = "new", **more: Any) -> int:
        """A message at a phone."""
        place: Event = {"local": self.address_of(phone), "remote": EDGE, "contact": "current"}
        first = data.partition(b"\r\n")[0].decode("utf-8", "replace")
        fields: Event = {"phone": phone, "direction": direction, "seen": seen, "first": first, **place, **more}
        return self.tell("message", data, **fields)

    def notify(self, phone: str, version: int, state: str, *, seen: str = "new", call_id: str = "sub-1") -> int:
        """A NOTIFY of dialog-info at a phone."""
        self._cseq += 1
        body = DOCUMENT.format(version, state).encode()
        headers = [("Event", "dialog"), ("Subscription-State", "active;expires=600")]
        headers += [("Content-Type", "application/dialog-info+xml")]
        return self.message(phone, "in", self.request("NOTIFY", call_id, headers, body), seen=seen)

    def request(
        self, method: str, call_id: str = "call-1", headers: list[tuple[str, str]] | None = None, body: bytes = b""
    ) -> bytes:
        """The bytes of a request."""
        dialog = [("Via", f"SIP/2.0/UDP {EDGE};branch=z9hG4bK-{self._cseq}"), ("From", "<sip:a@b>;tag=1")]
        dialog += [("To", "<sip:b@b>;tag=2"), ("Call-ID", call_id), ("CSeq", f"{self._cseq + 1} {method}")]
        return request(method, "sip:desk@192.0.2.1", [*dialog, *(headers or [])], body)

    def subscribed(self, phone: str, of: str, *, call_id: str = "sub-1", state: str = "active") -> int:
        """A phone watches the calls of another."""
        fields: Event = {"call_id": call_id, "presentity": f"sip:{of}@{REALM}", "event": "dialog", "state": state}
        return self.tell("subscription", phone=phone, status=200, reason="OK", expires=600, **fields)

    def call(self, phone: str, state: str, message: int, *, call_id: str = "call-1") -> int:
        """A call of a phone goes to another state."""
        fields: Event = {"call_id": call_id, "way": "in", "status": 0, "reason": "", "peer": "1", "message": message}
        return self.tell("call", phone=phone, state=state, **fields)

    def api(self, name: str, method: str, path: str, status: int = 200, *, role: str = "stimulus") -> int:
        """A call of the API and its reply, two milliseconds later."""
        fields: Event = {"id": name, "role": role, "step": "1"}
        n = self.tell("request", method=method, url=f"http://pbx:8000{path}", headers=[], body="", **fields)
        self.now += 0.002
        reply: Event = {"status": status, "headers": [["content-type", "application/json"]], "body": '{"data": {}}'}
        self.tell("reply", tls=None, error=None, latency=0.002, **fields, **reply)
        return n

    def case(self, **verdict: Any) -> CaseView:
        """The case, judged as is said."""
        start = self.events[0][0]
        judged: Event = {
            "address": self._address,
            "verdict": "pass",
            "reason": "",
            "rule": "",
            "expected": "",
            "actual": "",
        }
        judged |= {"why": "", "lamps": "", "duration_s": self.now - start["t"], "decisive": [], "closings": []}
        judged |= {
            "clauses": [each["id"] for each in start["clauses"]],
            "file": start["file"],
            "trace": [],
            "label": "",
        }
        judged |= {"matrix": start["matrix"], "encrypted": None, "closed_by": None, "clause_reasons": {}}
        judged |= {"clause_verdicts": {each["id"]: verdict.get("verdict", "pass") for each in start["clauses"]}}
        return CaseView(start, {**judged, **verdict}, self.events)


def ok(data: bytes, status: int = 200) -> bytes:
    """The response to a request."""
    from phones.sip.index import Message

    return response(Message.parse(data), status, to_tag="2")


def lit_lamp(address: str = "lamps/story", **start: Any) -> Story:
    """A watcher's lamp is lit late and goes out; a NOTIFY comes twice, one is missed."""
    story = Story(address, **start)
    story.api("setup-1", "PUT", "/v2/accounts/" + "a" * 32, 201, role="setup")
    story.api("setup-2", "PUT", "/v2/accounts/" + "a" * 32 + "/devices", 201, role="setup")
    story.phone("desk")
    story.phone("watcher")
    step: Event = {"step": "1", "line": 9, "text": "subscribe watcher to desk", "stimulus": True}
    story.tell("step", phase="start", **step)
    story.subscribed("watcher", "desk")
    story.notify("watcher", 1, "terminated")
    story.tell("step", phase="end", **step)
    story.now += 0.5
    invite = story.request("INVITE")
    story.message("desk", "in", invite)
    ringing = story.message("desk", "out", ok(invite, 180))
    story.call("desk", "ringing", ringing)
    story.now += 0.25
    story.notify("watcher", 2, "early", seen="missed")
    story.now += 0.25
    story.notify("watcher", 3, "early")
    story.notify("watcher", 3, "early", seen="retransmission")
    bye = story.message("desk", "in", story.request("CANCEL"))
    story.call("desk", "ended", bye)
    story.now += 0.5
    story.notify("watcher", 4, "terminated")
    story.api("reset", "POST", "/v2/accounts/" + "a" * 32 + "/devices/" + "d" * 32 + "/presence")
    story.tell("end", error=None)
    return story


def run_of(*cases: CaseView) -> RunView:
    """A run of cases."""
    header: Event = {"n": 0, "t": 0.0, "kind": "header", "schema": 1, "tool": "ringproof", "run": "abc123", "seed": 7}
    header |= {"target": "reference", "profile": "documented", "mutant": None, "time": "virtual", "started": None}
    header["cases"] = [case.address for case in cases]
    footer: Event = {"n": 9, "t": 9.0, "kind": "footer", "interrupted": False, "error": "", "verdicts": {}}
    return RunView(header, footer, "", list(cases))
