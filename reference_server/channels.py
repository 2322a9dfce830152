"""Live calls as presence sees them: what calls tell and lamps show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phones.sip.value import value
from reference_server.states import Cause, ChannelState, Direction

if TYPE_CHECKING:
    from reference_server.registrations import Aor


@value
class Channel:
    """One live call leg as presence sees it, at one moment.

    `presentity` is whose lamp it lights; `call_id` is the leg's own Call-ID. `peer` is the user part of the other
    side's URI and `peer_name` its display name. `local_tag` is the tag of From and `remote_tag` that of To in the leg's
    INVITE, "" where there is none yet; so lamps show them (recorded).
    `owner` is the address-of-record of the device's SIP credentials. `cause` says why a terminated leg ended.
    `again` marks a report of what has been reported, that watchers are to be told all the same.
    """

    presentity: Aor
    call_id: str
    direction: Direction
    state: ChannelState
    peer: str
    peer_name: str
    local_tag: str
    remote_tag: str
    owner: Aor | None = None
    cause: Cause = Cause.NONE
    again: bool = False
