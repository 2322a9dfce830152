"""The chapters of a behaviour about the API as such: versions, envelopes, errors, tokens, throttling."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from reference_server.rules import Carrier, Gate, Rules, Version


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


class NoToken(StrEnum):
    """What `auth_token` of an error says when none came."""

    UNDEFINED = "undefined"
    """The word."""
    OMITTED = "omitted"
    """Nothing: the field is left out, as in 5.0."""


class Release(StrEnum):
    """To whom the envelope names release, node and time."""

    EVERYBODY = "everybody"
    CALLERS = "callers"
    """The release only to callers with a valid token, as 5.0; node and time to everybody."""
    NOBODY = "nobody"
    """None of the three, as 3.x."""


class ErrorType(StrEnum):
    """Whether an error that comes before content negotiation says that it is JSON."""

    NAMED = "named"
    UNNAMED = "unnamed"
    """No Content-Type, as 5.0."""


class Malformed(StrEnum):
    """What a body that is no JSON, or has no `data`, meets."""

    EXPLAINED = "explained"
    """400 with a validation error."""
    EMPTY = "empty"
    """400 without a body, as 3.x."""


class TooLong(StrEnum):
    """What a body above the limit meets."""

    INVALID = "invalid"
    """400 with a validation error (recorded)."""
    TOO_LARGE = "too_large"
    """413, as 3.x."""


class Alias(StrEnum):
    """Whether `/v2/account` stands for the account of the token."""

    SERVED = "served"
    ABSENT = "absent"


class Listing(StrEnum):
    """The order of a list."""

    CREATED = "created"
    """The oldest first."""
    BY_ID = "by_id"
    """The highest id first (recorded on 4.3 and 5.0)."""


class Originate(StrEnum):
    """How the reply to a quickcall shows the endpoints that it rings."""

    CONTACTS = "contacts"
    """With their SIP addresses, as 4.3."""
    ENDPOINTS = "endpoints"
    """With the ids of their documents, as 5.0."""


class ApiRules(Rules):
    """Envelope, versions, order of the checks."""

    v1: VersionSupport = VersionSupport.SERVED
    v2: VersionSupport = VersionSupport.SERVED
    later: VersionSupport = VersionSupport.NOT_FOUND
    """v3 and above; 5.0 serves them like v2."""
    account_alias: Alias = Alias.ABSENT
    users: tuple[Version, ...] = (Version.V1, Version.V2)
    """API versions that route what stands under /users."""
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
    release_shown: Release = Release.EVERYBODY
    no_token: NoToken = NoToken.UNDEFINED
    early_error_type: ErrorType = ErrorType.NAMED
    malformed: Malformed = Malformed.EXPLAINED
    too_long: TooLong = TooLong.INVALID
    invalid: str = "validation error"
    """`message` of a validation error; 3.x: invalid data."""
    lists: Listing = Listing.CREATED
    originate: Originate = Originate.CONTACTS

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


class Throttle(StrEnum):
    """What an empty bucket does."""

    ENFORCED = "enforced"
    """429."""
    COUNTED = "counted"
    """Nothing, but the envelope has `tokens` (recorded on 5.0)."""
    NONE = "none"


class ForwardedFor(StrEnum):
    """Whether X-Forwarded-For names the client, so that its bucket counts."""

    IGNORED = "ignored"
    BELIEVED = "believed"
    """From anybody, as 3.x: whoever writes another address into each request is never throttled."""
    FROM_PROXIES = "from_proxies"
    """From 127.0.0.1 only, as 4.x."""


class RateRules(Rules):
    """The token bucket of each client at each account (the page is silent; Kazoo: kz_buckets)."""

    throttle: Throttle = Throttle.NONE
    capacity: int = Field(default=100, ge=1)
    per_second: int = Field(default=10, ge=0)
    request: int = Field(default=1, ge=0)
    """What a request costs whose token is valid."""
    refused: int = Field(default=1, ge=0)
    """What one costs that has none."""
    login: int = Field(default=2, ge=0)
    """What api_auth and user_auth cost."""
    quickcall: int = Field(default=1, ge=0)
    """What a quickcall costs beside."""
    forwarded_for: ForwardedFor = ForwardedFor.IGNORED


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
