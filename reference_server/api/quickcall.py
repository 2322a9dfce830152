"""GET /devices/{device}/quickcall/{number}: the API side; the call itself is `reference_server.quickcall`."""

from __future__ import annotations

import re
from typing import Any

from reference_server.api.devices import Devices
from reference_server.api.errors import unspecified_fault
from reference_server.api.exchange import Exchange, Result
from reference_server.directory import Account, Document, realm_of
from reference_server.quickcall import Quickcalls
from reference_server.registrations import Aor

PUNCTUATION = str.maketrans("", "", " ,.-()")
"""What the number filter strips from the number that the phone shows."""

LEAST_TIMEOUT_S = 4
"""`timeout` must be an integer of at least this; anything else is the default."""


class QuickcallHandler:
    """Rings a device."""

    def __init__(self, devices: Devices, quickcalls: Quickcalls, ring_s: float) -> None:
        self._devices = devices
        self._quickcalls = quickcalls
        self._ring_s = ring_s

    def start(self, exchange: Exchange, account: Account, device_id: str, number: str) -> Result:
        """Answer with the originate request and ring the device; an unregistered one rings nowhere."""
        account, device = self._devices.find(account, device_id)
        if not device.enabled or device.username is None:
            raise unspecified_fault()
        raw = str(exchange.value("number_filter"))
        shown = number if raw == "false" else number.translate(PUNCTUATION)
        timeout = _integer(exchange.value("timeout"))
        ring_s = self._ring_s if timeout is None or timeout < LEAST_TIMEOUT_S else float(timeout)
        auto_answer = str(exchange.value("auto_answer")).lower() != "false"
        call_id = self._quickcalls.new_call_id()
        aor = Aor(device.username, realm_of(account, device))
        self._quickcalls.ring(aor, shown, call_id, auto_answer=auto_answer, ring_s=ring_s, now=exchange.now)
        owner = {"account_id": account.id, "authorizing_type": "device", "authorizing_id": device.id}
        presence_id = device.document.get("presence_id") or device.username
        data: Document = {
            "application_name": "transfer",
            "application_data": {"route": number},
            "continue_on_fail": False,
            "custom_channel_vars": {**owner, "inherit_codec": "false"},
            "dial_endpoint_method": "simultaneous",
            "endpoints": [
                {
                    "invite_format": device.sip.get("invite_format", "username"),
                    "to_user": device.username,
                    "to_username": device.username,
                    "to_realm": aor.realm,
                    "to_did": shown,
                    "endpoint_id": device.id,
                    "presence_id": f"{presence_id}@{aor.realm}",
                    "custom_channel_vars": {**owner, "auto_answer": auto_answer},
                    "outbound_call_id": call_id,
                }
            ],
            "ignore_early_media": True,
            "media": "process",
            "outbound_caller_id_name": "Device QuickCall",
            "outbound_caller_id_number": shown,
            "timeout": ring_s,
        }
        return Result(data, etag=device.etag)


def _integer(value: Any) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None
