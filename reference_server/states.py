"""What a call leg can be, in words that rules and presence share."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Which side of its call a leg's device is (RFC 4235 4.1)."""

    INITIATOR = "initiator"
    RECIPIENT = "recipient"
    NONE = ""
    """Of a state that was set by hand (recorded)."""


class ChannelState(StrEnum):
    """How far a leg has come (RFC 4235 3.7.1)."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Cause(StrEnum):
    """Why a leg ended."""

    NONE = "none"
    """It has not, or nobody said why."""
    CANCELLED = "cancelled"
    """The caller hung up while it rang."""
    REJECTED = "rejected"
    """The called side refused."""
    UNANSWERED = "unanswered"
    """Nobody answered in time."""
    HUNG_UP = "hung_up"
    """A BYE, from either side."""
