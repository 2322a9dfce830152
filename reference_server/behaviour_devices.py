"""The chapters of a behaviour about devices: their documents, and when a check-sync is sent."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from reference_server.rules import Gate, Recipient, Rules, Seconds, Span, Version


class Replacement(StrEnum):
    """What an update does with the stored fields that it does not name."""

    REPLACE = "replace"
    MERGE = "merge"
    ABSENT = "absent"
    """The method is not routed: 405."""


class Change(StrEnum):
    """What may happen to a device."""

    PASSWORD = "password"
    USERNAME = "username"
    OWNER = "owner_id"
    ENABLED = "enabled"
    DELETED = "deleted"


class NotifyAction(StrEnum):
    """`PUT /devices/{id}` with `action: notify` (Kazoo 4.2 and later)."""

    ABSENT = "absent"
    SENT = "sent"


class Owned(StrEnum):
    """What /users/{id}/devices lists."""

    FILTERED = "filtered"
    """The user's devices."""
    EVERYTHING = "everything"
    """All of the account, as 3.20."""


class RegistrationList(StrEnum):
    """Whether registrations can be listed and ended by the API (Kazoo 4.x)."""

    SERVED = "served"
    ABSENT = "absent"


class DeviceRules(Rules):
    """The device document."""

    post: Replacement = Replacement.REPLACE
    patch: Replacement = Replacement.MERGE
    patch_path: tuple[Version, ...] = (Version.V1, Version.V2)
    """API versions that route PATCH /devices/{id}; 4.3: v2 (recorded)."""
    validation: Gate = Gate.REFUSED
    """What becomes of a document that breaks the schema."""
    duplicate: Gate = Gate.REFUSED
    """A second device with a SIP username or MAC address that is in use."""
    type_change: Gate = Gate.ACCEPTED
    """A changed `device_type`; 4.3 refuses it."""
    foreign: Gate = Gate.REFUSED
    """The id of another account's device under one's own account: 404, or served."""
    other_kind: Gate = Gate.REFUSED
    """The id of a user under /devices: 404, or served as 3.20 does."""
    presence_id: Gate = Gate.REFUSED
    """A `presence_id` that is no string; 3.x takes anything."""
    owned: Owned = Owned.FILTERED
    invite_format: Literal["contact", "username"] = "contact"
    """Default of `sip.invite_format`; 3.x: username."""
    expiry_field: str = "expire_seconds"
    """Where in `sip` the default expiry of 300 s stands; 3.20: registration_expiration."""
    mac_in_use: str = "MAC address already in use"
    registrations: RegistrationList = RegistrationList.ABSENT
    flush_on: tuple[Change, ...] = (Change.PASSWORD, Change.USERNAME, Change.ENABLED, Change.DELETED)
    """Changes that end the device's registration."""
    notify_action: NotifyAction = NotifyAction.ABSENT
    notify_delay: Span = Span(low=0.011, high=0.027)
    """From the API reply to the NOTIFY of the notify action."""


class Attempt(StrEnum):
    """Whether a check-sync is attempted."""

    ATTEMPTED = "attempted"
    SILENT = "silent"
    LATE = "late"
    """Attempted, but `late_s` later."""


class Truth(StrEnum):
    """Which values of `sync` count as true."""

    TRUE_OR_WORD = "true_or_word"
    """`true` and the string "true"."""
    TRUE_ONLY = "true_only"
    TRUTHY = "truthy"
    """Also 1, "yes", and whatever else is neither empty nor zero."""


class Needs(StrEnum):
    """What an update must also do before its `sync` counts."""

    NOTHING = "nothing"
    CHANGED_CREDENTIALS = "changed_credentials"
    """Kazoo 3.21 to 4.3: nothing is sent unless username or password changed."""


class Storing(StrEnum):
    """What becomes of the `sync` field of a document."""

    TAKEN_OUT = "taken_out"
    STORED = "stored"


class Aor(StrEnum):
    """Whose registration an update that changes the username looks up."""

    OLD = "old"
    NEW = "new"


class Realm(StrEnum):
    """The realm under which the registration is looked up."""

    DEVICE = "device"
    """`sip.realm` of the device, else the account's."""
    ACCOUNT = "account"
    """Always the account's (a fault of all releases for devices with their own realm)."""


class Order(StrEnum):
    """Which is first when one update asks for a check-sync and ends the registration."""

    SYNC_FIRST = "sync_first"
    FLUSH_FIRST = "flush_first"
    RACE = "race"
    """Both are sent at once, and whichever is faster wins: one check-sync or none (recorded on 4.3 and 5.0)."""


class EventOf(StrEnum):
    """Where the Event of a check-sync comes from."""

    RULE = "rule"
    """Always `event`."""
    DEVICE = "device"
    """`provision.check_sync_event` of the device, else `event`; then what `provision` says about the `reboot` of the
    request (4.3)."""


class SyncRules(Rules):
    """When a check-sync is sent, to whom, and what it says."""

    path: tuple[Version, ...] = (Version.V1, Version.V2)
    """API versions that route POST /devices/{id}/sync."""
    request: Attempt = Attempt.ATTEMPTED
    """POST /sync."""
    on_true: Attempt = Attempt.ATTEMPTED
    """An accepted update with `sync` true."""
    on_false: Attempt = Attempt.SILENT
    on_absent: Attempt = Attempt.SILENT
    on_rejected: Attempt = Attempt.SILENT
    """An update with `sync` true that validation refuses."""
    on_flush: Attempt = Attempt.SILENT
    """Whatever ends a registration; 4.0 and later attempt one."""
    truth: Truth = Truth.TRUE_OR_WORD
    needs: Needs = Needs.NOTHING
    updated: Storing = Storing.TAKEN_OUT
    created: Storing = Storing.TAKEN_OUT
    recipient: Recipient = Recipient.NEWEST
    aor: Aor = Aor.OLD
    realm: Realm = Realm.DEVICE
    with_flush: Order = Order.SYNC_FIRST
    copies: int = Field(default=1, ge=1)
    """NOTIFY requests per attempt, each a transaction of its own."""
    delay: Span = Span(low=0.015, high=0.025)
    """From the API reply to the NOTIFY."""
    late_s: Seconds = 1.0
    event: str = "check-sync"
    event_of: EventOf = EventOf.RULE
    race_won: Annotated[float, Field(ge=0, le=1)] = 0.5
    """How often the check-sync wins the race against the end of the registration."""
    users: tuple[Version, ...] = ()
    """API versions that route POST /users/{id}/sync."""
