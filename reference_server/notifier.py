"""NOTIFYs outside any dialog: check-sync, the notify action, unsolicited message waiting."""

from __future__ import annotations

from reference_server.behaviour_devices import Attempt
from reference_server.behaviour_registrar import BrokenType
from reference_server.registrations import Aor, Contact, Registrations
from reference_server.rules import Recipient
from reference_server.runtime import Runtime
from reference_server.wire import Relay, encode, has_break


class Notifier:
    """Finds the contacts of an address-of-record and sends them NOTIFYs."""

    def __init__(self, runtime: Runtime, registrations: Registrations, relay: Relay) -> None:
        self._runtime = runtime
        self._registrations = registrations
        self._relay = relay

    def check_sync(self, aor: Aor, attempt: Attempt, now: float, event: str) -> None:
        """Attempt a check-sync. The contacts are those of this moment; with none, nothing is sent."""
        if attempt is Attempt.SILENT:
            return
        rules = self._runtime.behaviour.sync
        late = rules.late_s if attempt is Attempt.LATE else 0.0
        for contact in self._registrations.recipients(aor, rules.recipient, now):
            for _ in range(rules.copies):
                when = now + self._runtime.draw(rules.delay) + late
                self._send_at(when, aor, contact, event)

    def notify(self, aor: Aor, event: str, content_type: str | None, body: str, now: float) -> None:
        """Send the NOTIFY of the notify action to the newest contact, if there is one."""
        broken = content_type is not None and has_break(content_type)
        if broken and self._runtime.behaviour.registrar.broken_type is BrokenType.DROPPED:
            return
        for contact in self._registrations.recipients(aor, Recipient.NEWEST, now):
            when = now + self._runtime.draw(self._runtime.behaviour.devices.notify_delay)
            self._send_at(when, aor, contact, event, content_type, encode(body))

    def message_waiting(self, aor: Aor, contact: Contact, now: float) -> None:
        """Tell a new contact that there are no messages, unless it is gone by then."""
        account = self._relay.address(aor)
        body = f"Messages-Waiting: no\r\nMessage-Account: {account}\r\nVoice-Message: 0/0 (0/0)\r\n\r\n"

        def job(then: float) -> None:
            if contact in self._registrations.current(aor, then):
                data = self._relay.notify(contact, aor, "message-summary", None, encode(body))
                self._runtime.wire.send_request(data, contact.route, then)

        delay = self._runtime.draw(self._runtime.behaviour.registrar.message_waiting_delay)
        self._runtime.agenda.at(now + delay, job)

    def _send_at(
        self,
        when: float,
        aor: Aor,
        contact: Contact,
        event: str,
        content_type: str | None = None,
        body: bytes = b"",
    ) -> None:
        def job(then: float) -> None:
            data = self._relay.notify(contact, aor, event, content_type, body)
            self._runtime.wire.send_request(data, contact.route, then)

        self._runtime.agenda.at(when, job)
