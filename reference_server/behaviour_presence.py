"""The chapters of a behaviour about lamps: whose lamp a call lights, who may watch it, what a reset does."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from reference_server.rules import Demand, Gate, Rules, Seconds, Span, Version
from reference_server.states import Cause, ChannelState


class PresenceId(StrEnum):
    """Which `presence_id` of a device counts when a leg begins."""

    CURRENT = "current"
    """The one in its document."""
    REGISTERED = "registered"
    """The one that its document had at the last REGISTER: a change waits for the next one."""
    REMEMBERED = "remembered"
    """The one in its document; where there is none, the one that it had at the last REGISTER."""
    IGNORED = "ignored"
    """None: always the SIP username."""


class Completion(StrEnum):
    """What becomes of a `presence_id` when it is made a presentity."""

    WHERE_MISSING = "where_missing"
    """The realm is added to one without `@`; one with `@` is taken as it is."""
    ALWAYS = "always"
    """The realm is added to one that has an `@`, too (the reset of 3.22 and 4.3 looks for user@realm@realm)."""
    NEVER = "never"
    """One without `@` stays without a realm, and nobody watches that (before e66268a310)."""


class Stored(StrEnum):
    """What the document says after a `presence_id` was written into it."""

    UNCHANGED = "unchanged"
    COMPLETED = "completed"
    """The realm has been added to one without `@`."""


class Fallback(StrEnum):
    """Whose lamp it is when a device has no `presence_id`."""

    USERNAME = "username"
    DEVICE_ID = "device_id"
    """Nobody's: a presentity that no phone watches."""


class OwnersId(StrEnum):
    """What the `presence_id` of a device's owner does."""

    BEATS = "beats"
    """It counts, whatever the device has (recorded on 5.0)."""
    BEHIND = "behind"
    """It counts where the device has none."""
    IGNORED = "ignored"


class CompletedBy(StrEnum):
    """The realm that completes a `presence_id` without `@`."""

    DEVICE = "device"
    """`sip.realm` of the device, else the account's (3.x)."""
    ACCOUNT = "account"


class Lit(StrEnum):
    """Which lamps a call lights."""

    PRESENTITY = "presentity"
    OWNER_TOO = "owner_too"
    """That of the device's SIP username as well, where it is another."""


class Shared(StrEnum):
    """When the lamp of a presentity goes dark that has several calls."""

    LAST_END = "last_end"
    FIRST_END = "first_end"


class Dialogs(StrEnum):
    """Under which Call-ID a presentity's calls are told."""

    OWN = "own"
    """Each under that of its leg."""
    SHARED = "shared"
    """All that go on at the same time under that of the first."""


class Aftermath(StrEnum):
    """What follows the end of a call."""

    NOTHING = "nothing"
    LATE_EARLY = "late_early"
    """Its early event, overtaken, is taken as news: the lamp rings for nobody."""


class Told(StrEnum):
    """Which watchers of a presentity are told a change."""

    ALL = "all"
    FIRST = "first"
    """Only the one that has watched longest."""
    NEWEST = "newest"
    NAMESAKES = "namesakes"
    """Also those who watch the same user in another realm."""


class Entity(StrEnum):
    """Whom a dialog-info document says that it is about."""

    PRESENTITY = "presentity"
    REALM = "realm"
    """The realm alone, whoever of it is meant."""


class Sides(StrEnum):
    """Which side of a call a document says that its presentity is."""

    TRUE = "true"
    SWAPPED = "swapped"
    """Who is called is said to call, and the other way round."""


class DialogIds(StrEnum):
    """The id of a call in the documents about it."""

    KEPT = "kept"
    """One from the first document to the last."""
    FRESH = "fresh"
    """Another in each, so that a watcher takes one call for several."""
    SHARED = "shared"
    """One for all calls."""


class Loss(Rules):
    """Events of calls that are lost inside. `cause` narrows terminated ones to one way of ending; None: any."""

    state: ChannelState
    cause: Cause | None = None


class PresenceRules(Rules):
    """Whose lamp a call lights, and what its watchers are told."""

    presence_id: PresenceId = PresenceId.CURRENT
    stored: Stored = Stored.UNCHANGED
    completion: Completion = Completion.WHERE_MISSING
    completed_by: CompletedBy = CompletedBy.DEVICE
    owners_id: OwnersId = OwnersId.BEHIND
    fallback: Fallback = Fallback.USERNAME
    lit: Lit = Lit.PRESENTITY
    shared: Shared = Shared.LAST_END
    dialogs: Dialogs = Dialogs.OWN
    aftermath: Aftermath = Aftermath.NOTHING
    lost: tuple[Loss, ...] = ()
    told: Told = Told.ALL
    entity: Entity = Entity.PRESENTITY
    sides: Sides = Sides.TRUE
    dialog_ids: DialogIds = DialogIds.KEPT
    copies: int = Field(default=1, ge=1)
    """NOTIFY requests per change and subscription, each a transaction of its own."""
    early: Span = Span(low=0.004, high=0.015)
    """From the event of a call to the NOTIFYs about it."""
    confirmed: Span = Span(low=0.004, high=0.015)
    terminated: Span = Span(low=0.004, high=0.015)
    held_s: Seconds = 0.0
    """How much later the end of a call is told; 4.3 and 5.0: one second."""
    late_s: Seconds = 0.1
    """How late a late early event is."""


class Package(StrEnum):
    """An event package that can be watched."""

    MESSAGE_SUMMARY = "message-summary"
    PRESENCE = "presence"
    DIALOG = "dialog"


class Notified(StrEnum):
    """What the NOTIFY that follows a SUBSCRIBE shows."""

    STATE = "state"
    OFF = "off"
    """An idle lamp, whatever is going on."""
    NOTHING = "nothing"
    """There is none."""


class Ending(StrEnum):
    """How a subscription ends."""

    ANNOUNCED = "announced"
    """A last NOTIFY says terminated, then there is silence."""
    SILENT = "silent"
    """No last NOTIFY."""
    IGNORED = "ignored"
    """A last NOTIFY says terminated, and the watcher is told all changes as before."""


class Counter(StrEnum):
    """How a number in successive NOTIFYs of one subscription moves; it begins at 1."""

    RISING = "rising"
    STUCK = "stuck"
    """It stays at 1."""
    FALLING = "falling"
    """It begins high and falls."""
    RESTARTED = "restarted"
    """It rises, but a reset makes it begin again at 1."""


class Target(StrEnum):
    """Where NOTIFYs go after a refresh from another place."""

    REFRESHED = "refreshed"
    FIRST = "first"
    """To where the subscription was made (issue 1528 of Kazoo)."""


class Again(StrEnum):
    """What a second subscription of the same watcher does to the first: same From, presentity, package, Contact."""

    REPLACES = "replaces"
    """The first ends without a word (recorded)."""
    BOTH = "both"


class Restarted(StrEnum):
    """What becomes of subscriptions when the SIP side restarts."""

    FORGOTTEN = "forgotten"
    """They are gone: a refresh is answered 481."""
    KEPT = "kept"
    """They go on (Kamailio's presence module with a database)."""
    RENUMBERED = "renumbered"
    """They go on, but CSeq and version begin again at 1."""


class SubscribeRules(Rules):
    """SUBSCRIBE, and the life of a subscription."""

    status: int = Field(default=200, ge=200, le=202)
    """Of the answer; older systems say 202."""
    unknown_event: int = Field(default=489, ge=400, le=699)
    """Status for an event package that is not served."""
    unknown_package: Gate = Gate.REFUSED
    proof: Demand = Demand.NEVER
    """Whether a SUBSCRIBE has to prove who sent it (recorded: never), by 401."""
    min_expires: int = Field(default=1, ge=1)
    """Seconds; below, the answer is 423. 5.0 and 4.3: 300."""
    max_expires: int = Field(default=3600, ge=1)
    default_expires: int = Field(default=3600, ge=1)
    on_subscribe: Notified = Notified.STATE
    on_refresh: Notified = Notified.STATE
    on_unsubscribe: Ending = Ending.ANNOUNCED
    on_expiry: Ending = Ending.ANNOUNCED
    version: Counter = Counter.RISING
    """Of dialog-info documents (RFC 4235 4.1)."""
    cseq: Counter = Counter.RISING
    target: Target = Target.REFRESHED
    again: Again = Again.REPLACES
    ends_on: tuple[int, ...] = (404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 502, 604)
    """Answers to a NOTIFY that end the subscription (RFC 5057 5.1); any other concerns only that NOTIFY."""
    silences: int = Field(default=3, ge=1)
    """So many NOTIFYs in a row that nobody answers, or 408, end it (recorded configuration of Kamailio)."""
    slowest_answer_s: Annotated[float, Field(gt=0)] | None = None
    """An answer to a NOTIFY that takes longer ends it; None: each counts that comes before the request is given up."""
    restart: Restarted = Restarted.FORGOTTEN


class ResetBody(StrEnum):
    """What a reset request must say."""

    NOTHING = "nothing"
    """The page: no data payload."""
    FLAG = "flag"
    """3.22 and 4.0: `reset` true."""
    ACTION = "action"
    """4.1 and later: `action` "reset", in the body and nowhere else."""


class ResetShows(StrEnum):
    """What the lamp shows after a reset."""

    TRUTH = "truth"
    """The page: the true state, computed afresh."""
    OFF = "off"
    """4.1 and later: idle. A call that rings lights it again when it is answered; one that goes on does not."""
    BEFORE = "before"
    """What it showed before: nothing is computed."""
    OLDEST = "oldest"
    """The true state of the oldest call; the others are no longer known."""


class ResetTold(StrEnum):
    """Whom a reset sends a NOTIFY."""

    ALL = "all"
    FIRST = "first"
    """Of each package the longest watcher only."""
    NOBODY = "nobody"
    REALM = "realm"
    """Also the watchers of all other presentities of the realm."""


class ResetOf(StrEnum):
    """Whose lamp a reset of a device resets."""

    PRESENTITY = "presentity"
    USERNAME = "username"
    """That of the SIP username, whatever `presence_id` says."""
    PRESENCE_ID_ONLY = "presence_id_only"
    """4.2 and later: nobody's where there is no `presence_id`."""


class ResetGet(StrEnum):
    """What GET on the path of a reset does."""

    LISTS = "lists"
    """Counts the account's subscriptions."""
    RESETS = "resets"


class Followed(StrEnum):
    """Whether the lamp follows calls that were there at a reset to their end."""

    FOLLOWED = "followed"
    FORGOTTEN = "forgotten"


class OwnPhone(StrEnum):
    """What a reset does to the phone of the device itself."""

    LEFT_ALONE = "left_alone"
    CHECK_SYNC = "check_sync"
    """It is sent a check-sync, and may reboot."""


class FlagMeans(StrEnum):
    """What `reset` true does where an `action` is wanted."""

    NOTHING = "nothing"
    """400."""
    SHOWS = "shows"
    """200 with the document, and nothing is reset; "true" as a word is 500 (recorded on 4.3 and 5.0)."""


class Setting(StrEnum):
    """`action` "set" with a `state` (4.1 and later)."""

    REFUSED = "refused"
    SHOWN = "shown"
    """The lamp shows that state until something else happens."""


class Extensions(StrEnum):
    """How the lamp of a number or name is reset that is no device's."""

    NUMBER = "number"
    """POST /presence/{number}: 3.22 and later."""
    ADDRESS = "address"
    """POST /presence/{user@realm}/reset: answered, and nothing is reset (3.20)."""


class ResetRules(Rules):
    """POST /devices/{id}/presence, /users/{id}/presence and /presence/{extension}."""

    path: tuple[Version, ...] = (Version.V1, Version.V2)
    post: Gate = Gate.ACCEPTED
    """Refused: 405, as 3.20."""
    extensions: Extensions = Extensions.NUMBER
    flag: FlagMeans = FlagMeans.NOTHING
    set: Setting = Setting.REFUSED
    completion: Completion | None = None
    """What a reset makes of the `presence_id`; None: the same as calls."""
    nothing: str = "nothing to reset"
    """The reply where a user has no devices."""
    list_name: str = "Subscriptions"
    """The name of the list of subscriptions in the reply to GET."""
    stranger: Gate = Gate.REFUSED
    """Somebody without a token, or with one of another account."""
    body: ResetBody = ResetBody.NOTHING
    reply: str = "reset request sent"
    get: ResetGet = ResetGet.LISTS
    of: ResetOf = ResetOf.PRESENTITY
    shows: ResetShows = ResetShows.TRUTH
    told: ResetTold = ResetTold.ALL
    calls: Followed = Followed.FOLLOWED
    copies: int = Field(default=1, ge=1)
    order: tuple[Package, ...] = (Package.MESSAGE_SUMMARY, Package.PRESENCE, Package.DIALOG)
    """The packages whose watchers are told, in that order (recorded)."""
    own_phone: OwnPhone = OwnPhone.LEFT_ALONE
    delay: Span = Span(low=0.013, high=0.025)
    """From the API reply to the NOTIFYs."""
    set_delay: Span = Span(low=0.017, high=0.036)
    """The same for a state that is set."""
