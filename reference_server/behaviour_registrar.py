"""The chapter of a behaviour about the SIP edge: registration, and what it lets through."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from reference_server.rules import Gate, KnownSource, Rules, Span


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


class Flows(StrEnum):
    """What a REGISTER with instance and reg-id means (RFC 5626)."""

    KNOWN = "known"
    """The flow is the binding, whatever its Contact is, and the answer requires outbound."""
    PILED = "piled"
    """It is told so, but the Contact is the binding: what is lost stays beside what has come."""
    IGNORED = "ignored"
    """The parameters mean nothing."""


class Location(StrEnum):
    """What becomes of registrations when the SIP side restarts."""

    FORGOTTEN = "forgotten"
    KEPT = "kept"
    """Kamailio's usrloc with a database (db_mode 1 to 3)."""


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
    EACH = "each"
    """And so is whoever is registered then, after each REGISTER that had to prove itself (recorded)."""
    NEVER = "never"


class Algorithm(StrEnum):
    """What a digest is made with (RFC 8760)."""

    MD5 = "MD5"
    SHA_256 = "SHA-256"
    SHA_512_256 = "SHA-512-256"


class Quality(StrEnum):
    """The qop that a challenge offers before anybody has tried a password."""

    NONE = "none"
    """As RFC 2069 had it (recorded)."""
    AUTH = "auth"
    AUTH_INT = "auth-int"
    """The body has to be proved, too."""
    EITHER = "auth,auth-int"


class Counting(StrEnum):
    """What becomes of a nonce count that was there before."""

    IGNORED = "ignored"
    CHECKED = "checked"
    """A new nonce is asked for."""


class Stale(StrEnum):
    """Whether a challenge says that nothing is wrong but the age of the nonce."""

    SAID = "said"
    UNSAID = "unsaid"


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


class BrokenType(StrEnum):
    """What becomes of a NOTIFY whose content type has a line break in it."""

    CUT = "cut"
    """As of any other header value."""
    DROPPED = "dropped"
    """Nothing is sent (recorded)."""


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
    known_expires: int = Field(default=600, ge=1)
    """Seconds granted to one from a trusted source where there is no default (recorded)."""
    short_expires: ShortExpires = ShortExpires.REFUSED
    expiry: Freshness = Freshness.ENFORCED
    unregister: Removal = Removal.REMOVES
    contacts: Capacity = Capacity.ONE
    flows: Flows = Flows.KNOWN
    flow_timer: int | None = Field(default=None, ge=1, le=3600)
    """Seconds after which a silent flow is taken for dead, as said to who registers one (RFC 5626 4.4); None: unsaid,
    as Kamailio does unless it is told otherwise."""
    restart: Location = Location.FORGOTTEN
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = (Algorithm.MD5,)
    """Of the challenges of one answer, the uppermost first."""
    quality: Quality = Quality.NONE
    counting: Counting = Counting.IGNORED
    stale: Stale = Stale.SAID
    nonce_lifetime_s: Annotated[float, Field(gt=0)] = 300.0
    trying: str = "checking your credentials"
    """Reason of the 100."""
    delay: Span = Span(low=0.006, high=0.025)
    """From the credentials to the final answer."""
    message_waiting: Unsolicited = Unsolicited.SENT
    message_waiting_delay: Span = Span(low=0.005, high=0.060)
    """From the 200 of a new contact to the unsolicited NOTIFY."""
    patience_s: Annotated[float, Field(gt=0)] = 32.0
    """How long a phone may be silent before a request to it is given up: 64 * T1 (RFC 3261 17.1.1.2). Recorded: 3.5,
    after two repetitions."""
    aor_header: AorHeader = AorHeader.KEPT
    line_breaks: LineBreaks = LineBreaks.CUT
    broken_type: BrokenType = BrokenType.CUT
