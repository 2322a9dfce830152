"""Devices: the document, and what changing it sets off."""

from __future__ import annotations

import json
import re
from hashlib import md5
from typing import Any

from reference_server.api.errors import Refused, bad_identifier, invalid
from reference_server.api.exchange import Exchange, Result
from reference_server.api.schema import (
    DEVICE_DEFAULTS,
    NOTIFY_ACTION,
    NOTIFY_BODY,
    Errors,
    clean_mac,
    merge,
    validate,
    validate_device,
    with_defaults,
)
from reference_server.api.stored import public_part
from reference_server.behaviour_api import Listing
from reference_server.behaviour_devices import Aor as WhoseRegistration
from reference_server.behaviour_devices import (
    Attempt,
    Change,
    EventOf,
    Needs,
    Order,
    Owned,
    Realm,
    Replacement,
    Storing,
    Truth,
)
from reference_server.behaviour_presence import Stored
from reference_server.directory import Account, Device, Directory, Document, Unique, realm_of
from reference_server.notifier import Notifier
from reference_server.registrations import Aor, Registrations
from reference_server.rules import Gate
from reference_server.runtime import Runtime

_ID = re.compile(r"[0-9a-f]{32}\Z")
_ABSENT: Any = object()


def flush_device(registrations: Registrations, account: Account, document: Document) -> None:
    """End the registration of the device with that document."""
    device = Device("", document)
    if device.username is not None:
        registrations.flush(Aor(device.username, realm_of(account, device)))


class Devices:
    """The handlers of /accounts/{account}/devices."""

    def __init__(
        self, runtime: Runtime, directory: Directory, registrations: Registrations, notifier: Notifier
    ) -> None:
        self._rules = runtime.behaviour.devices
        self._lists = runtime.behaviour.api.lists
        self._sync = runtime.behaviour.sync
        self._runtime = runtime
        self._stored = runtime.behaviour.presence.stored
        self._directory = directory
        self._registrations = registrations
        self._notifier = notifier

    # reading

    def find(self, account: Account, device_id: str) -> tuple[Account, Device]:
        """The device and its owner. Raises Refused when `account` has no such device."""
        device = account.devices.get(device_id)
        if device is not None:
            return account, device
        user = account.users.get(device_id)
        if user is not None and self._rules.other_kind is Gate.ACCEPTED:
            return account, Device(user.id, user.document, user.revision)
        if self._rules.foreign is Gate.ACCEPTED:
            found = self._directory.device_anywhere(device_id)
            if found is not None:
                return found
        raise bad_identifier(device_id)

    def aor(self, account: Account, document: Document) -> Aor | None:
        """Where a check-sync for the device with that document looks: None without a username."""
        device = Device("", document)
        if device.username is None:
            return None
        own = self._sync.realm is Realm.DEVICE
        return Aor(device.username, realm_of(account, device) if own else account.realm)

    def list_all(self, account: Account) -> Result:
        """GET /devices: a summary of each."""
        return self._listed([_summary(device) for device in account.devices.values()])

    def list_owned(self, exchange: Exchange, account: Account) -> Result:
        """GET /users/{user}/devices: a summary of each of the user's, without its SIP username (recorded)."""
        owned = account.devices_of(exchange.arguments["user"])
        if self._rules.owned is Owned.EVERYTHING:
            owned = list(account.devices.values())
        left_out = ("username", "flags")
        summaries = [_summary(device) for device in owned]
        return self._listed(
            [
                {**{key: value for key, value in item.items() if key not in left_out}, "hotdesked": False}
                for item in summaries
            ]
        )

    def _listed(self, items: list[Document]) -> Result:
        if self._lists is Listing.BY_ID:
            items.sort(key=lambda item: str(item["id"]), reverse=True)
        text = json.dumps(items, sort_keys=True)
        etag = md5(text.encode(), usedforsecurity=False).hexdigest() if items else None
        return Result(items, etag=etag, page_size=len(items))

    def list_status(self, account: Account, now: float) -> Result:
        """GET /devices/status: the registered ones only."""
        registered = []
        for device in account.devices.values():
            if device.username is None:
                continue
            if self._registrations.current(Aor(device.username, realm_of(account, device)), now):
                registered.append({"device_id": device.id, "registered": True})
        return Result(registered)

    def show(self, exchange: Exchange, account: Account) -> Result:
        """GET /devices/{device}."""
        _, device = self.find(account, exchange.arguments["device"])
        return Result(device.public, etag=device.etag)

    # changing

    def create(self, exchange: Exchange, account: Account) -> Result:
        """PUT /devices: what is missing gets its default. Nobody can be registered yet: no check-sync."""
        document = public_part(exchange.data)
        if self._sync.created is Storing.TAKEN_OUT:
            document.pop("sync", None)
        document = self._checked(account, None, document)
        device = Device(self._new_id(exchange.data.get("id")), document)
        self._directory.store(account, device)
        location = f"/{exchange.path[0]}/accounts/{account.id}/devices/{device.id}"
        return Result(device.public, created=location, etag=device.etag)

    def update(self, exchange: Exchange, account: Account, how: Replacement) -> Result:
        """POST or PATCH /devices/{device}."""
        account, device = self.find(account, exchange.arguments["device"])
        old = device.document
        document = public_part(exchange.data)
        flag = document.get("sync", _ABSENT)
        if self._sync.updated is Storing.TAKEN_OUT:
            document.pop("sync", None)
        if how is Replacement.MERGE:
            document = merge(old, document)
        try:
            document = self._checked(account, device, document)
        except Refused:
            if self._is_true(flag):
                self._check_sync(account, old, self._sync.on_rejected, exchange.now)
            raise
        self._directory.store(account, device, document)
        self._after_change(account, old, document, flag, exchange.now)
        return Result(device.public, etag=device.etag)

    def delete(self, exchange: Exchange, account: Account) -> Result:
        """DELETE /devices/{device}: its last document, marked deleted."""
        account, device = self.find(account, exchange.arguments["device"])
        self._directory.remove(account, device)
        if Change.DELETED in self._rules.flush_on:
            if self._sync.with_flush is Order.RACE:
                self._race(account, device.document, self._sync.on_flush, exchange.now)
            else:
                self._flush(account, device.document, exchange.now)
        return Result({**device.public, "_read_only": {"deleted": True}}, etag=device.etag)

    def sync(self, exchange: Exchange, account: Account) -> Result:
        """POST /devices/{device}/sync: the reply says nothing about whether anybody was there to notify."""
        account, device = self.find(account, exchange.arguments["device"])
        event = self._event(device.document, exchange.value("reboot"))
        self._check_sync(account, device.document, self._sync.request, exchange.now, event)
        return Result("sync request sent", etag=device.etag)

    def sync_user(self, exchange: Exchange, account: Account) -> Result:
        """POST /users/{user}/sync: looks for the user's devices under their presence ids, a fault of 3.21 and later."""
        user = account.users.get(exchange.arguments["user"])
        if user is None:
            raise bad_identifier(exchange.arguments["user"])
        for device in account.devices_of(user.id):
            name = device.document.get("presence_id") or device.username
            if isinstance(name, str):
                self._notifier.check_sync(Aor(name, account.realm), self._sync.request, exchange.now, self._sync.event)
        return Result("sync request sent", etag=user.etag)

    def act(self, exchange: Exchange, account: Account) -> Result:
        """PUT /devices/{device}: `action: notify` sends a NOTIFY of any event (Kazoo 4.2 and later)."""
        account, device = self.find(account, exchange.arguments["device"])
        action = exchange.value("action")
        if action is None:
            raise Refused(400, "action required", {})
        if action != "notify":
            raise Refused(400, "invalid action", {})
        errors = validate(exchange.data, NOTIFY_ACTION)
        content = exchange.data.get("data")
        if not errors and isinstance(content, dict) and "body" in content:
            errors = validate(exchange.data, NOTIFY_BODY)
        if errors or not isinstance(content, dict):
            raise invalid(errors)
        body = content.get("body", {})
        aor = self.aor(account, device.document)
        if aor is not None:
            kind = body.get("content_type")
            self._notifier.notify(aor, content["event"], kind, body.get("data", ""), exchange.now)
        # recorded: the id stands there twice
        location = f"/{exchange.path[0]}/accounts/{account.id}/devices/{device.id}/{device.id}"
        return Result("NOTIFY sent", created=location, etag=device.etag)

    # what follows from a change

    def _after_change(self, account: Account, old: Document, new: Document, flag: Any, now: float) -> None:
        changes = _changes(old, new)
        credentials = {Change.USERNAME, Change.PASSWORD} & changes
        attempt = self._attempt(flag)
        if self._sync.needs is Needs.CHANGED_CREDENTIALS and not credentials:
            attempt = Attempt.SILENT
        looked_up = old if self._sync.aor is WhoseRegistration.OLD else new
        flushed = any(change in changes for change in self._rules.flush_on)
        if flushed and self._sync.with_flush is Order.RACE:
            asked = Attempt.ATTEMPTED if Attempt.ATTEMPTED in (attempt, self._sync.on_flush) else Attempt.SILENT
            self._race(account, old, asked, now)
            return
        if flushed and self._sync.with_flush is Order.FLUSH_FIRST:
            self._flush(account, old, now)
        self._check_sync(account, looked_up, attempt, now)
        if flushed and self._sync.with_flush is Order.SYNC_FIRST:
            self._flush(account, old, now)

    def _attempt(self, flag: Any) -> Attempt:
        if flag is _ABSENT:
            return self._sync.on_absent
        return self._sync.on_true if self._is_true(flag) else self._sync.on_false

    def _is_true(self, flag: Any) -> bool:
        if flag is _ABSENT:
            return False
        if self._sync.truth is Truth.TRUTHY:
            return bool(flag)
        return flag is True or (flag == "true" and self._sync.truth is Truth.TRUE_OR_WORD)

    def _check_sync(
        self, account: Account, document: Document, attempt: Attempt, now: float, event: str | None = None
    ) -> None:
        aor = self.aor(account, document)
        if aor is not None:
            self._notifier.check_sync(aor, attempt, now, event or self._event(document, None))

    def _event(self, document: Document, reboot: Any) -> str:
        """The Event of a check-sync for the device with that document; `reboot` is what the request says."""
        provision = document.get("provision")
        if self._sync.event_of is EventOf.RULE or not isinstance(provision, dict):
            return self._sync.event
        event = str(provision.get("check_sync_event") or self._sync.event)
        if reboot is None:
            return event
        suffix = provision.get("check_sync_reboot" if reboot in (True, "true") else "check_sync_reload")
        return f"{event};{suffix}" if suffix else event

    def _race(self, account: Account, document: Document, attempt: Attempt, now: float) -> None:
        """Send a check-sync and the end of the registration at once: if the end is faster, there is nobody left."""
        if attempt is Attempt.ATTEMPTED and self._runtime.rng.random() < self._sync.race_won:
            self._check_sync(account, document, attempt, now)
        flush_device(self._registrations, account, document)

    def _flush(self, account: Account, document: Document, now: float) -> None:
        self._check_sync(account, document, self._sync.on_flush, now)
        flush_device(self._registrations, account, document)

    # checking

    def _new_id(self, wanted: Any) -> str:
        if not isinstance(wanted, str) or _ID.match(wanted) is None:
            return self._directory.new_id()
        if self._directory.device_anywhere(wanted) is not None:
            raise Refused(409, "datastore_conflict", {"message": "datastore conflict"})
        return wanted

    def _checked(self, account: Account, device: Device | None, document: Document) -> Document:
        """The document to store. Raises Refused when it breaks a rule; `device` is what it replaces."""
        mac = document.get("mac_address")
        if isinstance(mac, str):
            document = {**document, "mac_address": clean_mac(mac)}
        errors: Errors = {}
        if self._rules.duplicate is Gate.REFUSED:
            errors |= self._duplicates(account, device, document)
        if self._rules.type_change is Gate.REFUSED and device is not None:
            errors |= _type_change(device.document, document)
        if self._rules.validation is Gate.REFUSED:
            errors |= validate_device(document, any_presence_id=self._rules.presence_id is Gate.ACCEPTED)
        if errors:
            raise invalid(errors)
        return with_defaults(self._with_presence_id(account, document), self._defaults())

    def _defaults(self) -> Document:
        expiry = {self._rules.expiry_field: DEVICE_DEFAULTS["sip"]["expire_seconds"]}
        sip = {**expiry, "invite_format": self._rules.invite_format, "method": DEVICE_DEFAULTS["sip"]["method"]}
        return {**DEVICE_DEFAULTS, "sip": sip}

    def _with_presence_id(self, account: Account, document: Document) -> Document:
        presence_id = document.get("presence_id")
        if self._stored is Stored.UNCHANGED or not isinstance(presence_id, str) or "@" in presence_id:
            return document
        return {**document, "presence_id": f"{presence_id}@{account.realm}"}

    def _duplicates(self, account: Account, device: Device | None, document: Document) -> Errors:
        errors: Errors = {}
        username, mac = Device("", document).username, document.get("mac_address")

        def taken(field: Unique, value: str) -> bool:
            return any(other is not device for other in self._directory.holders(account, field, value))

        if username and taken("username", username):
            detail = {"message": "SIP credentials already in use", "cause": username}
            errors["sip.username"] = {"unique": detail}
        if isinstance(mac, str) and mac and taken("mac_address", mac):
            errors["mac_address"] = {"unique": {"message": self._rules.mac_in_use, "cause": mac}}
        return errors


def _type_change(old: Document, new: Document) -> Errors:
    default = "sip_device"
    if old.get("device_type", default) == new.get("device_type", default):
        return {}
    message = "Not authorized to change type of device"
    return {"device_type": {"invalid": {"message": message, "cause": new.get("device_type", "")}}}


def _changes(old: Document, new: Document) -> set[Change]:
    """Which of the changes that matter to a registration happened; only ever asked for membership."""
    before, after = Device("", old), Device("", new)
    changes: set[Change] = set()
    if before.password != after.password:
        changes.add(Change.PASSWORD)
    if before.username != after.username or before.sip.get("realm") != after.sip.get("realm"):
        changes.add(Change.USERNAME)
    if old.get("owner_id") != new.get("owner_id"):
        changes.add(Change.OWNER)
    if before.enabled != after.enabled:
        changes.add(Change.ENABLED)
    return changes


def _summary(device: Device) -> Document:
    document = device.document
    item: Document = {"id": device.id, "name": document.get("name")}
    if device.username is not None:
        item["username"] = device.username
    item["mac_address"] = document.get("mac_address", "")
    if "owner_id" in document:
        item["owner_id"] = document["owner_id"]
    item["enabled"] = document.get("enabled", True)
    item["device_type"] = document.get("device_type", "sip_device")
    item["flags"] = document.get("flags", [])
    return item
