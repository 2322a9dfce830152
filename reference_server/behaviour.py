"""What the reference server decides, as data: one frozen model per chapter, and a list of faults.

`PROFILES` names the behaviours that we play. `documented` keeps what the Kazoo Devices page promises, on v1
and v2 alike; where the page is silent it does what Kazoo 3.22 does, and where a 4.3 system was recorded
(envelopes, error words, headers) it looks like that. A behaviour reads and writes JSON, so a mutant needs no
code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from reference_server.behaviour_calls import CallRules, QuickcallRules
from reference_server.behaviour_presence import PresenceRules, ResetRules, SubscribeRules
from reference_server.faults import Fault
from reference_server.rules import Carrier, Gate, KnownSource, Recipient, Rules, Seconds, Span, Version


class VersionSupport(StrEnum):
    """What a request to an API version meets."""

    SERVED = "served"
    GONE = "gone"
    """410, as 5.0 answers v1."""
    NOT_FOUND = "not_found"
    """404, as 4.3 answers v3."""


class Detail(StrEnum):
    """How v1 shows the detail of an error (v2 always shows an object)."""

    TEXT = "text"
    OBJECT = "object"


class Encryption(StrEnum):
    """What listens on the HTTPS port."""

    TLS = "tls"
    PLAINTEXT = "plaintext"


class Check(StrEnum):
    """One step between the arrival of a request and its handler."""

    BODY = "body"
    """400 for a body that is too long, no JSON, or without `data`."""
    ROUTE = "route"
    """404 for an unknown path, 405 for a wrong method."""
    ACCOUNT = "account"
    """404 for an account that does not exist."""
    TOKEN = "token"
    """401 without a token that we issued."""
    ACCESS = "access"
    """403 for the token of an account that is neither this one nor above it."""
    MEDIA = "media"
    """406 for a client that does not accept JSON."""


class RequestId(StrEnum):
    """Which request id a reply carries."""

    ECHOED = "echoed"
    OWN = "own"


class Tunnel(StrEnum):
    """Whether `verb` in query, data or envelope replaces the HTTP method."""

    HONOURED = "honoured"
    IGNORED = "ignored"


class ApiRules(Rules):
    """Envelope, versions, order of the checks."""

    v1: VersionSupport = VersionSupport.SERVED
    v2: VersionSupport = VersionSupport.SERVED
    https: Encryption = Encryption.TLS
    """Read by whoever owns the sockets: `plaintext` is HTTPS on paper only."""
    order: tuple[Check, ...] = (
        Check.BODY,
        Check.ROUTE,
        Check.ACCOUNT,
        Check.TOKEN,
        Check.ACCESS,
        Check.MEDIA,
    )
    """The checks in their order. Kazoo 4.3 reads the body first and looks the account up before the token."""
    success_status: int = Field(default=200, ge=200, le=299)
    created_status: int = Field(default=201, ge=200, le=299)
    malformed_json: Gate = Gate.REFUSED
    missing_data: Gate = Gate.REFUSED
    body_limit: int = Field(default=8_000_000, ge=0)
    """Octets."""
    v1_error_detail: Detail = Detail.TEXT
    v1_validation_detail: Detail = Detail.OBJECT
    """Recorded on 4.3: the detail of a validation error is the same object on v1."""
    request_id: RequestId = RequestId.ECHOED
    verb_tunnel: Tunnel = Tunnel.HONOURED
    release: str = "4.3.0"
    """`version` in the envelope."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if sorted(self.order) != sorted(Check):
            raise ValueError("order must name every check once")
        positions = [self.order.index(check) for check in (Check.ROUTE, Check.ACCOUNT, Check.ACCESS)]
        if positions != sorted(positions) or self.order.index(Check.TOKEN) > self.order.index(Check.ACCESS):
            raise ValueError("route, account, access and token, access must stand in this order")
        return self


class Ancestor(StrEnum):
    """What the token of an account may do in the accounts below it."""

    EVERYTHING = "everything"
    ACCOUNT_ONLY = "account_only"
    """Create, show and delete accounts and read their API keys, but not touch their devices."""
    NOTHING = "nothing"


class TokenRules(Rules):
    """Who may do what."""

    carriers: tuple[Carrier, ...] = (Carrier.HEADER, Carrier.PARAMETER)
    absent: Gate = Gate.REFUSED
    unknown: Gate = Gate.REFUSED
    stranger: Gate = Gate.REFUSED
    """The token of an account that is not this one and not above it: a sibling, a child."""
    ancestor: Ancestor = Ancestor.EVERYTHING
    lifetime_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds from issue to expiry; None: tokens do not expire."""


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


class DeviceRules(Rules):
    """The device document."""

    post: Replacement = Replacement.REPLACE
    patch: Replacement = Replacement.MERGE
    validation: Gate = Gate.REFUSED
    """What becomes of a document that breaks the schema."""
    duplicate: Gate = Gate.REFUSED
    """A second device with a SIP username or MAC address that is in use."""
    type_change: Gate = Gate.ACCEPTED
    """A changed `device_type`; 4.3 refuses it."""
    foreign: Gate = Gate.REFUSED
    """The id of another account's device under one's own account: 404, or served."""
    flush_on: tuple[Change, ...] = (Change.PASSWORD, Change.USERNAME, Change.ENABLED, Change.DELETED)
    """Changes that end the device's registration."""
    notify_action: NotifyAction = NotifyAction.ABSENT


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
    """Always the account's (a fault of 3.22 and later for devices with their own realm)."""


class Order(StrEnum):
    """Which is first when one update asks for a check-sync and ends the registration."""

    SYNC_FIRST = "sync_first"
    FLUSH_FIRST = "flush_first"


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


class Freshness(StrEnum):
    """Whether contacts end when their time is over."""

    ENFORCED = "enforced"
    IGNORED = "ignored"


class Removal(StrEnum):
    """What Expires 0 does."""

    REMOVES = "removes"
    IGNORED = "ignored"


class Capacity(StrEnum):
    """How many contacts an address-of-record keeps."""

    ONE = "one"
    """A new contact silently replaces the older one (recorded)."""
    MANY = "many"


class ShortExpires(StrEnum):
    """What an expiry below the minimum meets."""

    REFUSED = "refused"
    """423 with Min-Expires."""
    RAISED = "raised"
    """Granted the minimum."""


class AddressRealm(StrEnum):
    """What a REGISTER for a domain that is an IP address meets."""

    DROPPED = "dropped"
    CHALLENGED = "challenged"


class Unsolicited(StrEnum):
    """Whether a new contact is told its message waiting state unasked."""

    SENT = "sent"
    NEVER = "never"


class AorHeader(StrEnum):
    """What the edge does with X-KAZOO-AOR on a request to a phone."""

    KEPT = "kept"
    """It reaches the phone (recorded)."""
    STRIPPED = "stripped"


class LineBreaks(StrEnum):
    """What becomes of CR and LF in a SIP header value that comes from the API."""

    CUT = "cut"
    """The value ends there (recorded)."""
    PASSED = "passed"


class RegistrarRules(Rules):
    """The SIP edge: registration, and the headers that it lets through."""

    wrong_password: Gate = Gate.REFUSED
    known_source: KnownSource = KnownSource.CHALLENGED
    address_realm: AddressRealm = AddressRealm.DROPPED
    dropped_agents: tuple[str, ...] = ("friendly-scanner", "sundayddr", "pplsip")
    """User-Agents that get no answer at all."""
    min_expires: int = Field(default=1, ge=1)
    max_expires: int = Field(default=3600, ge=1)
    default_expires: int | None = Field(default=300, ge=1)
    """Seconds granted to a REGISTER that names no expiry; None: 400 Missing Expires."""
    short_expires: ShortExpires = ShortExpires.REFUSED
    expiry: Freshness = Freshness.ENFORCED
    unregister: Removal = Removal.REMOVES
    contacts: Capacity = Capacity.ONE
    nonce_lifetime_s: Annotated[float, Field(gt=0)] = 300.0
    delay: Span = Span(low=0.006, high=0.025)
    """From the credentials to the final answer."""
    message_waiting: Unsolicited = Unsolicited.SENT
    message_waiting_delay: Span = Span(low=0.005, high=0.060)
    """From the 200 of a new contact to the unsolicited NOTIFY."""
    aor_header: AorHeader = AorHeader.KEPT
    line_breaks: LineBreaks = LineBreaks.CUT


class Behaviour(Rules):
    """Everything that the reference server decides."""

    api: ApiRules = ApiRules()
    tokens: TokenRules = TokenRules()
    devices: DeviceRules = DeviceRules()
    sync: SyncRules = SyncRules()
    calls: CallRules = CallRules()
    quickcall: QuickcallRules = QuickcallRules()
    registrar: RegistrarRules = RegistrarRules()
    subscribe: SubscribeRules = SubscribeRules()
    presence: PresenceRules = PresenceRules()
    reset: ResetRules = ResetRules()
    faults: tuple[Fault, ...] = ()


PROFILES = {"documented": Behaviour()}
"""Behaviours by profile name."""
