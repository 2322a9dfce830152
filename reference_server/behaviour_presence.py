"""The chapters of a behaviour about lamps: SUBSCRIBE, presentities, what their watchers are told."""

from __future__ import annotations

from enum import StrEnum

from reference_server.rules import Rules


class PresenceId(StrEnum):
    """Which `presence_id` of a device counts when a leg begins."""

    CURRENT = "current"
    """The one in its document."""
    REGISTERED = "registered"
    """The one that its document had at the last REGISTER: a change waits for the next one."""
    IGNORED = "ignored"
    """None: always the SIP username."""


class PresenceRules(Rules):
    """Whose lamp a call lights, and what its watchers are told."""

    presence_id: PresenceId = PresenceId.CURRENT
