"""Quickcalls: the API side; the call itself is `reference_server.quickcall`."""

from __future__ import annotations

import re
from typing import Any

from reference_server import patterns
from reference_server.api.devices import Devices
from reference_server.api.errors import Refused, init_failed, invalid_credentials, unspecified_fault
from reference_server.api.exchange import Exchange, Pending, Result
from reference_server.api.originate import as_published, originate
from reference_server.api.users import Users
from reference_server.behaviour import Behaviour
from reference_server.behaviour_api import Listing
from reference_server.behaviour_calls import DeviceFlag, NumberFilter, Shown, Timeout
from reference_server.directory import Account, Device, Document
from reference_server.quickcall import Quickcalls, Wish
from reference_server.rules import Gate

PUNCTUATION = str.maketrans("", "", " ,.-()")
"""What the number filter strips from the number that the phone shows."""

LEAST_TIMEOUT_S = 4
"""`timeout` must be an integer of at least this; anything else is the default."""


class QuickcallHandler:
    """Rings a device, or the devices of a user."""

    def __init__(self, devices: Devices, users: Users, quickcalls: Quickcalls, behaviour: Behaviour) -> None:
        self._devices = devices
        self._users = users
        self._quickcalls = quickcalls
        self._behaviour = behaviour
        self._rules = behaviour.quickcall

    def start(self, exchange: Exchange, account: Account) -> Result:
        """GET: answer with the originate request and ring; what is not registered rings nowhere."""
        self._check_flag(exchange, account)
        rung, etag = self._rung(exchange, account)
        wish = self._wish(exchange, exchange.arguments["number"])
        call_ids = self._quickcalls.start(account, rung, wish, exchange.now)
        return Result(self._originate(exchange, account, rung, wish, call_ids), etag=etag)

    def start_and_wait(self, exchange: Exchange, account: Account) -> Pending:
        """POST: ring, and answer when a phone has answered or none will."""
        rung, etag = self._rung(exchange, account)
        wish = self._wish(exchange, exchange.arguments["number"])
        pending = Pending()

        def settle(cause: str, now: float) -> None:
            request = self._originate(exchange, account, rung, wish, call_ids)
            if cause:
                published = as_published(request, self._behaviour.api.originate, exchange.request_id)
                detail = {"request": published, "error_message": cause}
                pending.settle(Refused(500, "quickcall initiation failed", detail), now)
            else:
                pending.settle(Result({**request, "application_response": "SUCCESS"}, etag=etag), now)

        call_ids = self._quickcalls.start(account, rung, wish, exchange.now, settle)
        return pending

    def _check_flag(self, exchange: Exchange, account: Account) -> None:
        """A device may be closed to callers without a valid token."""
        flag = self._rules.flag
        device = account.devices.get(exchange.arguments.get("device", ""))
        if flag is DeviceFlag.NONE or device is None or exchange.known:
            return
        if device.document.get(flag.value, True) is not True:
            raise invalid_credentials()

    def _rung(self, exchange: Exchange, account: Account) -> tuple[list[Device], str]:
        """The devices to ring, and the revision of who was asked for."""
        if "user" in exchange.arguments:
            user = self._users.find(account, exchange.arguments["user"])
            wanted, etag = account.devices_of(user.id), user.etag
            if self._behaviour.api.lists is Listing.BY_ID:
                wanted.sort(key=lambda device: device.id)
        else:
            _, device = self._devices.find(account, exchange.arguments["device"])
            wanted, etag = [device], device.etag
        exchange.spend(self._behaviour.rate.quickcall)
        rung = [device for device in wanted if self._can_ring(device)]
        if not rung:
            raise unspecified_fault()
        return rung, etag

    def _can_ring(self, device: Device) -> bool:
        if device.undisturbed or (not device.enabled and self._rules.disabled is Gate.REFUSED):
            return False
        return device.username is not None or device.forward is not None

    def _originate(
        self, exchange: Exchange, account: Account, rung: list[Device], wish: Wish, call_ids: list[str]
    ) -> Document:
        hidden = () if self._rules.shows_token is Shown.SHOWN else ("auth_token",)
        said = {name.replace("-", "_"): value for name, value in exchange.query.items() if name not in hidden}
        shows = self._quickcalls.leg_b_shows(account, rung[0], wish)
        user = exchange.arguments.get("user")
        request = originate(self._behaviour, account, rung, user, wish, shows, call_ids)
        return {**request, "custom_application_vars": said}

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
        raise init_failed() from None
    match = patterns.find(pattern, number)
    return match[1] if match is not None and pattern.groups and match[1] is not None else number


def _text(value: Any) -> str | None:
    """A parameter that is shown to somebody, None where it says nothing."""
    return str(value) if isinstance(value, str | int) and value != "" else None
