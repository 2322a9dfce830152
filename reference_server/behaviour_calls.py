"""The chapters of a behaviour about calls: who may call whom, what phones see of it, quickcall."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from reference_server.rules import Carrier, Demand, Gate, KnownSource, Recipient, Rules, Seconds, Span, Version


class OwnNumber(StrEnum):
    """What a device meets that dials a number of its own."""

    REFUSED = "refused"
    """486, nobody rings (recorded; `can_call_self` of the callflow is false)."""
    RUNG = "rung"


class CallerRinging(StrEnum):
    """The state of the caller's leg while the called side rings."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    """4.x: the server's side of that leg is answered already."""


class Keeping(StrEnum):
    """For how long a leg lights the lamp that it lit first."""

    KEPT = "kept"
    """To its end, whatever becomes of the device's `presence_id`."""
    LOOKED_UP = "looked_up"
    """Until the next change: then whatever the document says."""


class Losers(StrEnum):
    """What lamps show of the legs of a fork that did not win."""

    END_ALONE = "end_alone"
    """The end of each, at its own lamp."""
    END_WINNER = "end_winner"
    """The end of the leg that won as well."""
    STUCK = "stuck"
    """Nothing: they go on ringing."""


class Shown(StrEnum):
    """Whether a leg lights a lamp."""

    SHOWN = "shown"
    HIDDEN = "hidden"


class Repeats(StrEnum):
    """What a watcher is told when a leg is reported once more in the state that it has."""

    ONCE = "once"
    """Nothing."""
    TOLD = "told"
    """The same again (recorded on 4.3 and 5.0)."""


class Reliable(StrEnum):
    """What a caller meets that requires reliable provisional answers (RFC 3262)."""

    REFUSED = "refused"
    """420: FreeSWITCH says that it supports path and replaces (recorded)."""
    SPOKEN = "spoken"


class Redirect(StrEnum):
    """What becomes of a call to a phone that answers 3xx."""

    REFUSED = "refused"
    """The caller is told that nobody takes it: 480."""
    FOLLOWED = "followed"
    """The number of its Contact is rung instead (RFC 3261 8.1.3.4)."""


class Update(StrEnum):
    """The answer to an UPDATE with an offer (RFC 3311)."""

    ANSWERED = "answered"
    """As a re-INVITE is."""
    BARE = "bare"
    """200 with nothing in it."""


class Sound(StrEnum):
    """Where the sound of a phone goes in a call."""

    ACROSS = "across"
    """To the other side."""
    BACK_TOO = "back_too"
    """And back to the phone that it comes from."""


class CallRules(Rules):
    """Calls between phones, and through a trunk."""

    known_source: KnownSource = KnownSource.TRUSTED
    """An INVITE from where a device is registered (recorded: never challenged)."""
    wrong_password: Gate = Gate.REFUSED
    proof_inside: Demand = Demand.NEVER
    """Whether what a device sends within a call has to prove itself, too, by 407."""
    extensions: Gate = Gate.REFUSED
    """An INVITE that requires what is not spoken here (RFC 3261 8.2.2.3)."""
    reliable: Reliable = Reliable.REFUSED
    asks_reliable: Demand = Demand.NEVER
    """Whether an INVITE to a phone requires reliable provisional answers."""
    changes: Gate = Gate.ACCEPTED
    """A re-INVITE or UPDATE with an offer that fits."""
    update: Update = Update.ANSWERED
    redirect: Redirect = Redirect.REFUSED
    """Nobody has recorded what Kazoo does."""
    held_lamp: Shown = Shown.SHOWN
    """The leg of a phone that holds its call."""
    delay: Span = Span(low=0.03, high=0.06)
    """From the caller's INVITE to that of leg B."""
    refusal_delay: Span = Span(low=0.25, high=0.35)
    """From the INVITE to a refusal of ours. Recorded: 0.4 s for a device that is not there, 2.8 s for an unknown
    number."""
    progress: Literal[180, 183] = 183
    """What the caller gets when the called phone rings (recorded: never 180)."""
    ring_s: Annotated[float, Field(gt=0)] = 20.0
    """Ring time unless the callflow has a `timeout` of its own."""
    recipient: Recipient = Recipient.NEWEST
    """Which contacts of a device ring. A quickcall rings the newest of them."""
    losers: Losers = Losers.END_ALONE
    own_number: OwnNumber = OwnNumber.REFUSED
    caller_ringing: CallerRinging = CallerRinging.EARLY
    caller_ahead_s: Seconds = 0.0
    """How long before the INVITE of leg B the caller's leg is reported."""
    unknown_delay: Span | None = None
    """From the INVITE to the refusal of an unknown number; None: as any refusal."""
    unknown_lamp: Shown = Shown.HIDDEN
    """The leg of a caller whose number is unknown, or the caller's own, when it is refused."""
    repeats: Repeats = Repeats.ONCE
    again: Span = Span(low=0.016, high=0.022)
    """From the first report of the caller's leg to the second."""
    presentity: Keeping = Keeping.KEPT
    sound: Sound = Sound.ACROSS
    byes: int = Field(default=1, ge=1, le=9)
    """BYE requests to a phone that is hung up, each a transaction of its own."""
    cellphone_inbound: Shown = Shown.SHOWN
    """The leg through the trunk that rings a cellphone device."""
    cellphone_outbound: Shown = Shown.SHOWN
    """The leg of an inbound trunk call whose caller is the `call_forward.number` of a device."""


class AutoAnswer(StrEnum):
    """When a phone is asked to answer by itself (Call-Info with answer-after=0)."""

    CALL_INFO = "call_info"
    """Leg A is, unless `auto_answer` is false."""
    NONE = "none"
    ALWAYS = "always"
    BOTH_LEGS = "both_legs"
    """Leg B as well: whoever has the number is listened to unasked."""


class Access(StrEnum):
    """Who may start a quickcall."""

    ANYONE = "anyone"
    TOKEN = "token"
    TOKEN_OR_KEY = "token_or_key"
    """The page: `auth_token={API key or Auth Token}`."""


class CallerId(StrEnum):
    """What becomes of `cid-number` and `cid-name`."""

    AS_ASKED = "as_asked"
    SWAPPED = "swapped"
    NUMBER_ONLY = "number_only"
    NAME_ONLY = "name_only"


class LegB(StrEnum):
    """When the number is called."""

    AFTER_ANSWER = "after_answer"
    AT_ONCE = "at_once"
    """Together with the device."""
    NEVER = "never"
    EVEN_AFTER_REJECT = "even_after_reject"
    """Also when the device refuses the call."""


class Teardown(StrEnum):
    """What becomes of one leg when the other ends."""

    HUNG_UP = "hung_up"
    LEFT = "left"


class Timeout(StrEnum):
    """How `timeout` is read."""

    ABOVE_THREE = "above_three"
    """An integer above 3; everything else is the default."""
    LITERAL = "literal"
    """Any integer from 0."""
    IGNORED = "ignored"


class NumberFilter(StrEnum):
    """What `number_filter` works on."""

    SHOWN = "shown"
    """The number that the phone shows; the number that is dialled stays as it came."""
    ROUTE_TOO = "route_too"
    NOTHING = "nothing"


class Unregistered(StrEnum):
    """What a quickcall of a device does that is not registered."""

    FORGOTTEN = "forgotten"
    WAITED_FOR = "waited_for"
    """The device rings when it registers within the ring time."""


class Bypass(StrEnum):
    """What `media=bypass` does."""

    HONOURED = "honoured"
    """Each phone gets the other's own address."""
    IGNORED = "ignored"
    RELAYED = "relayed"
    """Each phone gets the other's description with the server's address put in, as by a proxy for RTP at the edge."""


class Quoting(StrEnum):
    """How a name becomes a quoted string (RFC 3261 25.1)."""

    ESCAPED = "escaped"
    RAW = "raw"


class CallIds(StrEnum):
    """The Call-ID of leg A."""

    FRESH = "fresh"
    REUSED = "reused"
    """The same for every quickcall of a device."""
    SHARED = "shared"
    """One for all devices of a user, so that only the first rings (3.20; before a1e4c31751)."""


class Waiting(StrEnum):
    """Whether POST starts a quickcall, and is answered when leg A has answered or will not (4.2 and later)."""

    SERVED = "served"
    ABSENT = "absent"


class DeviceFlag(StrEnum):
    """Which field of a device closes it to quickcalls without a token, when it is there and not true."""

    NONE = "none"
    """None does."""
    NAMED = "allow_anonymous_quickcalls"
    """3.22."""
    MISSPELT = "allow_anoymous_quickcalls"
    """3.20."""


class Retain(StrEnum):
    """Whether the reply says that leg B keeps the caller id that was asked for."""

    ALWAYS = "always"
    """3.x."""
    WITH_NUMBER = "with_number"
    """Only with `cid-number` (recorded on 4.3 and 5.0, where leg B shows the name alone all the same)."""


class QuickcallRules(Rules):
    """GET /devices/{id}/quickcall/{number}: ring the device, then call the number and join both."""

    path: tuple[Version, ...] = (Version.V1, Version.V2)
    post: Waiting = Waiting.ABSENT
    flag: DeviceFlag = DeviceFlag.NONE
    access: Access = Access.TOKEN_OR_KEY
    anonymous: Gate = Gate.REFUSED
    """A request without a token."""
    unknown_token: Gate = Gate.REFUSED
    stranger: Gate = Gate.REFUSED
    """The token of an account that is neither this one nor above it."""
    carriers: tuple[Carrier, ...] = (Carrier.HEADER, Carrier.PARAMETER)
    """Where the token may stand."""
    disabled: Gate = Gate.REFUSED
    """A device that is not enabled."""
    unregistered: Unregistered = Unregistered.FORGOTTEN
    copies: int = Field(default=1, ge=0, le=9)
    """Calls per request."""
    call_id: CallIds = CallIds.FRESH
    auto_answer: AutoAnswer = AutoAnswer.CALL_INFO
    number_filter: NumberFilter = NumberFilter.SHOWN
    caller_id: CallerId = CallerId.AS_ASKED
    unnamed: str = "unknown"
    """What leg B shows as the caller's name where no `cid-name` came, and the device has no owner (recorded)."""
    unnumbered: str = ""
    """What it shows as the number where no `cid-number` came and the device has no `presence_id`: "": the SIP username.
    4.3 and 5.0: anonymous."""
    broken_name: Gate = Gate.ACCEPTED
    """A `cid-name` with a line break in it; refused: the edge drops the INVITE of leg B (recorded on 4.3 and 5.0)."""
    quoting: Quoting = Quoting.ESCAPED
    leg_a_name: str = "Device QuickCall"
    """What the device shows as the caller's name (recorded)."""
    leg_a_lamp: Shown = Shown.SHOWN
    """Whether leg A lights the device's lamp."""
    leg_b_lamp: Shown = Shown.SHOWN
    """Whether leg B lights the lamp of the device that has the number."""
    delay: Span = Span(low=0.035, high=0.065)
    """From the API reply to the INVITE of leg A."""
    leg_b: LegB = LegB.AFTER_ANSWER
    leg_b_delay: Span = Span(low=0.07, high=0.11)
    """From the answer of leg A to the INVITE of leg B."""
    again_s: Seconds = 0.02
    """From the answer of leg A to the second report of it, where repeated ones are told."""
    timeout: Timeout = Timeout.ABOVE_THREE
    ring_s: Annotated[float, Field(gt=0)] = 30.0
    """Ring time without a valid `timeout`."""
    ring_early: Span = Span(low=0.0, high=0.0)
    """How much earlier than that leg A is cancelled, counted from the API reply (recorded: 0.2 to 0.8 s)."""
    outcome_delay: Span = Span(low=0.19, high=0.22)
    """From the outcome of leg A to the reply to POST."""
    absent: str = "SUBSCRIBER_ABSENT"
    """What the reply to POST calls a device that is not registered."""
    retain: Retain = Retain.ALWAYS
    shows_token: Shown = Shown.HIDDEN
    """Whether an `auth_token` of the query stands in the reply once more, among the parameters (recorded on 4.3)."""
    bypass: Bypass = Bypass.HONOURED
    a_hangs_up: Teardown = Teardown.HUNG_UP
    """Leg B when leg A ends."""
    b_hangs_up: Teardown = Teardown.HUNG_UP
    """Leg A when leg B ends."""
    b_refuses: Teardown = Teardown.HUNG_UP
    """Leg A when nobody takes leg B."""
