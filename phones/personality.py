"""What kind of phone a phone is: what makers do differently, as data. Nothing here is looked up by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

USER_AGENT = "ringproof (simulated phone)"
"""Never contains `SIPp`: Kazoo 4.3 exempts that from NAT pings."""


class Reboots(StrEnum):
    """When a check-sync makes a phone reboot."""

    NEVER = "never"
    ALWAYS = "always"
    ASKED = "when asked"
    """Event: check-sync;reboot=true."""
    UNLESS = "unless told not to"
    """Any but Event: check-sync;reboot=false."""

    def follows(self, event: str) -> bool:
        """Whether the Event header of a check-sync makes it reboot."""
        said = "".join(event.lower().split()).partition(";")[2].split(";")
        if self is Reboots.ASKED:
            return "reboot=true" in said
        return self is Reboots.ALWAYS or (self is Reboots.UNLESS and "reboot=false" not in said)


class Hint(StrEnum):
    """What in an INVITE makes a phone answer without a person, where it may do that at all."""

    CALL_INFO = "Call-Info answer-after"
    ALERT_INFO = "Alert-Info intercom"
    URI = "intercom=true in the URI"


class Reliable(StrEnum):
    """What a phone makes of reliable provisional answers (RFC 3262)."""

    SUPPORTED = "supported"
    REQUIRED = "required"
    """Of whom it calls. Who calls it and demands them gets them, too."""
    UNSUPPORTED = "unsupported"
    """Who demands them gets 420."""


@dataclass(frozen=True, slots=True)
class Personality:
    """One kind of phone.

    `check_sync` is the status with which it answers one, None for silence; `reboot_s` how long it is away then.
    `expires` is the registration that it asks for by itself, in seconds; `codecs` the RTP payload types of its offer.
    """

    check_sync: int | None = 200
    reboots: Reboots = Reboots.NEVER
    reboot_s: float = 1.0
    agent: str = USER_AGENT
    expires: int = 600
    hints: frozenset[Hint] = frozenset(Hint)
    codecs: tuple[int, ...] = (0, 8, 101)
    outbound: bool = False
    """Whether it asks the registrar to use the flow of its REGISTER (RFC 5626)."""
    reliable: Reliable = Reliable.SUPPORTED


ORDINARY = Personality()
"""What a phone is that is told nothing."""
