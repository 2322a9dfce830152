"""GET /devices/{device}/quickcall/{number}: the API side; the call itself is `reference_server.quickcall`."""

from __future__ import annotations

import re
from typing import Any

from reference_server import patterns
from reference_server.api.devices import Devices
from reference_server.api.errors import Refused, unspecified_fault
from reference_server.api.exchange import Exchange, Result
from reference_server.behaviour_calls import NumberFilter, QuickcallRules, Timeout
from reference_server.directory import Account, Device, Document, realm_of
from reference_server.legs import Shows
from reference_server.quickcall import NAME, Quickcalls, Wish
from reference_server.rules import Gate

PUNCTUATION = str.maketrans("", "", " ,.-()")
"""What the number filter strips from the number that the phone shows."""

LEAST_TIMEOUT_S = 4
"""`timeout` must be an integer of at least this; anything else is the default."""


class QuickcallHandler:
    """Rings a device."""

    def __init__(self, devices: Devices, quickcalls: Quickcalls, rules: QuickcallRules) -> None:
        self._devices = devices
        self._quickcalls = quickcalls
        self._rules = rules

    def start(self, exchange: Exchange, account: Account, device_id: str, number: str) -> Result:
        """Answer with the originate request and ring the device; an unregistered one rings nowhere."""
        account, device = self._devices.find(account, device_id)
        if not device.enabled and self._rules.disabled is Gate.REFUSED:
            raise unspecified_fault()
        if device.username is None and device.forward is None:
            raise unspecified_fault()
        wish = self._wish(exchange, number)
        call_id = self._quickcalls.start(account, device, wish, exchange.now)
        data = _originate(account, device, wish, self._quickcalls.leg_b_shows(account, device, wish), call_id)
        said = {name.replace("-", "_"): value for name, value in exchange.query.items() if name != "auth_token"}
        return Result({**data, "custom_application_vars": said}, etag=device.etag)

    def _wish(self, exchange: Exchange, number: str) -> Wish:
        shown = number
        if self._rules.number_filter is not NumberFilter.NOTHING:
            shown = _filtered(number, exchange.value("number_filter"))
        return Wish(
            shown if self._rules.number_filter is NumberFilter.ROUTE_TOO else number,
            shown,
            self._ring_s(exchange.value("timeout")),
            _text(exchange.value("cid-name")),
            _text(exchange.value("cid-number")),
            auto_answer=str(exchange.value("auto_answer")).lower() != "false",
            bypass=exchange.value("media") == "bypass",
            early_media=str(exchange.value("ignore-early-media")).lower() == "false",
        )

    def _ring_s(self, value: Any) -> float:
        text = str(value)
        timeout = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None
        least = 0 if self._rules.timeout is Timeout.LITERAL else LEAST_TIMEOUT_S
        if timeout is None or timeout < least or self._rules.timeout is Timeout.IGNORED:
            return self._rules.ring_s
        return float(timeout)


def _filtered(number: str, number_filter: Any) -> str:
    """The number as leg A shows it: without punctuation, raw, or what the first group of a pattern takes of it."""
    if number_filter is None or str(number_filter).lower() == "true":
        return number.translate(PUNCTUATION)
    if str(number_filter).lower() == "false":
        return number
    try:
        pattern = patterns.compile_pattern(str(number_filter))
    except patterns.BadPattern:
        # recorded: a bad pattern crashes the handler
        raise Refused(500, "init failed", None) from None
    match = patterns.find(pattern, number)
    return match[1] if match is not None and pattern.groups and match[1] is not None else number


def _text(value: Any) -> str | None:
    """A parameter that is shown to somebody, None where it says nothing."""
    return str(value) if isinstance(value, str | int) and value != "" else None


def _originate(account: Account, device: Device, wish: Wish, leg_b: Shows, call_id: str) -> Document:
    """The originate request, as 4.3 shows it (recorded); `retain_cid` as 3.22 has it."""
    owner = {"account_id": account.id, "authorizing_type": "device", "authorizing_id": device.id}
    realm = realm_of(account, device)
    presence_id = str(device.document.get("presence_id") or device.username or device.id)
    invite_format = device.sip.get("invite_format", "contact")
    return {
        "application_name": "transfer",
        "application_data": {"route": wish.number},
        "continue_on_fail": False,
        "custom_channel_vars": {**owner, "retain_cid": "true", "inherit_codec": "false"},
        "dial_endpoint_method": "simultaneous",
        "endpoints": [
            {
                "invite_format": invite_format,
                "to_user": device.username,
                "to_username": device.username,
                "to_realm": realm,
                "to_did": wish.shown,
                "privacy_method": "kazoo",
                "endpoint_id": device.id,
                "presence_id": presence_id if "@" in presence_id else f"{presence_id}@{realm}",
                "custom_sip_headers": {
                    "x_kazoo_invite_format": invite_format,
                    "x_kazoo_aor": f"sip:{device.username}@{realm}",
                },
                "custom_channel_vars": {
                    **owner,
                    "sip_invite_domain": realm,
                    "media_encryption_enforce_security": True,
                    "auto_answer": wish.auto_answer,
                },
                "flags": {"dynamic": [], "static": []},
                "ignore_completed_elsewhere": True,
                "outbound_call_id": call_id,
            }
        ],
        "export_custom_channel_vars": [
            "Account-ID",
            "Authorizing-ID",
            "Authorizing-Type",
            "Outbound-Callee-ID-Name",
            "Outbound-Callee-ID-Number",
            "Retain-CID",
        ],
        "ignore_early_media": not wish.early_media,
        "media": "bypass" if wish.bypass else "process",
        "outbound_caller_id_name": NAME,
        "outbound_caller_id_number": wish.shown,
        "outbound_callee_id_name": leg_b.name,
        "outbound_callee_id_number": leg_b.number,
        "timeout": int(wish.ring_s) if wish.ring_s.is_integer() else wish.ring_s,
    }
