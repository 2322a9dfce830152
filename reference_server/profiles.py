"""The Kazoos that the reference server plays, by name.

`4.3` and `5.0` are two systems that were recorded. What was not recorded is taken from the source, as for `3.20` and
`3.22`, of which no system was there to ask.
"""

from __future__ import annotations

from typing import Any

from reference_server.behaviour import Behaviour
from reference_server.behaviour_api import (
    Alias,
    ErrorType,
    ForwardedFor,
    Listing,
    Malformed,
    NoToken,
    Originate,
    Release,
    Throttle,
    TooLong,
    VersionSupport,
)
from reference_server.behaviour_calls import (
    Access,
    CallerRinging,
    CallIds,
    DeviceFlag,
    NumberFilter,
    Repeats,
    Retain,
    Shown,
    Waiting,
)
from reference_server.behaviour_devices import (
    Attempt,
    Change,
    EventOf,
    Needs,
    NotifyAction,
    Order,
    Owned,
    Realm,
    RegistrationList,
    Replacement,
    Storing,
)
from reference_server.behaviour_presence import (
    CompletedBy,
    Completion,
    Extensions,
    FlagMeans,
    OwnersId,
    ResetBody,
    ResetOf,
    ResetShows,
    Setting,
)
from reference_server.behaviour_registrar import AddressRealm, BrokenType, Capacity, Flows, ShortExpires, Unsolicited
from reference_server.rules import Carrier, Gate, KnownSource, Rules, Span, Version

_TOKENS = (Carrier.HEADER, Carrier.PARAMETER)
_EVERYWHERE = (*_TOKENS, Carrier.AUTHORIZATION)
_V1_AND_V2 = (Version.V1, Version.V2)
_V2 = (Version.V2,)
_CREDENTIALS = (Change.PASSWORD, Change.USERNAME)
_ALL_CHANGES = (*_CREDENTIALS, Change.OWNER, Change.ENABLED, Change.DELETED)


def _changed(behaviour: Behaviour, **chapters: dict[str, Any]) -> Behaviour:
    """`behaviour` with rules set, chapter by chapter."""
    changed: dict[str, Rules] = {}
    for name, rules in chapters.items():
        chapter: Rules = getattr(behaviour, name)
        changed[name] = type(chapter).model_validate({**dict(chapter), **rules})
    return behaviour.model_copy(update=changed)


DOCUMENTED = Behaviour()

V3_22 = _changed(
    DOCUMENTED,
    api={
        "order": ("route", "body", "account", "token", "access", "media"),
        "malformed": Malformed.EMPTY,
        "too_long": TooLong.TOO_LARGE,
        "invalid": "invalid data",
        "v1_validation_detail": "text",
        "release_shown": Release.NOBODY,
    },
    rate={"throttle": Throttle.ENFORCED, "login": 1, "forwarded_for": ForwardedFor.BELIEVED},
    devices={
        "patch": Replacement.ABSENT,
        "presence_id": Gate.ACCEPTED,
        "invite_format": "username",
        "mac_in_use": "Mac address already in use",
        "flush_on": _CREDENTIALS,
    },
    sync={
        "path": _V2,
        "needs": Needs.CHANGED_CREDENTIALS,
        "created": Storing.STORED,
        "realm": Realm.ACCOUNT,
        "with_flush": Order.RACE,
        "users": _V2,
    },
    quickcall={
        "access": Access.ANYONE,
        "flag": DeviceFlag.NAMED,
        "anonymous": Gate.ACCEPTED,
        "unknown_token": Gate.ACCEPTED,
        "stranger": Gate.ACCEPTED,
        "shows_token": Shown.SHOWN,
    },
    registrar={
        "known_source": KnownSource.TRUSTED,
        "address_realm": AddressRealm.CHALLENGED,
        "min_expires": 300,
        "short_expires": ShortExpires.RAISED,
        "contacts": Capacity.MANY,
        "flows": Flows.IGNORED,
        "trying": "Attempting K query",
    },
    presence={"owners_id": OwnersId.BEATS},
    reset={
        "body": ResetBody.FLAG,
        "reply": "reset commands sent",
        "shows": ResetShows.OFF,
        "completion": Completion.ALWAYS,
        "list_name": "subscriptions",
    },
)
"""3.22 (2017): the code base of the page, from its source."""

V3_20 = _changed(
    V3_22,
    devices={
        "other_kind": Gate.ACCEPTED,
        "owned": Owned.EVERYTHING,
        "expiry_field": "registration_expiration",
    },
    sync={
        "on_true": Attempt.SILENT,
        "updated": Storing.STORED,
        "users": (),
    },
    quickcall={
        "flag": DeviceFlag.MISSPELT,
        "call_id": CallIds.SHARED,
        "number_filter": NumberFilter.NOTHING,
    },
    reset={"post": Gate.REFUSED, "extensions": Extensions.ADDRESS},
)
"""3.20 (2015): what the page calls itself, from its source."""

V4_3 = _changed(
    DOCUMENTED,
    api={"account_alias": Alias.SERVED, "lists": Listing.BY_ID},
    rate={"throttle": Throttle.ENFORCED, "login": 1, "forwarded_for": ForwardedFor.FROM_PROXIES},
    tokens={"carriers": _EVERYWHERE, "lifetime_s": 3600.0},
    devices={
        "patch_path": _V2,
        "type_change": Gate.REFUSED,
        "flush_on": _ALL_CHANGES,
        "notify_action": NotifyAction.SENT,
        "registrations": RegistrationList.SERVED,
    },
    sync={
        "needs": Needs.CHANGED_CREDENTIALS,
        "on_flush": Attempt.ATTEMPTED,
        "realm": Realm.ACCOUNT,
        "with_flush": Order.RACE,
        "race_won": 2 / 12,
        "delay": Span(low=0.017, high=0.024),
        "event_of": EventOf.DEVICE,
    },
    calls={
        "delay": Span(low=0.056, high=0.063),
        "caller_ringing": CallerRinging.CONFIRMED,
        "caller_ahead_s": 0.035,
        "refusal_delay": Span(low=0.33, high=0.42),
        "unknown_delay": Span(low=2.7, high=2.8),
        "unknown_lamp": Shown.SHOWN,
        "repeats": Repeats.TOLD,
        "again": Span(low=0.040, high=0.045),
    },
    quickcall={
        "path": _V2,
        "post": Waiting.SERVED,
        "access": Access.ANYONE,
        "carriers": _EVERYWHERE,
        "unnumbered": "anonymous",
        "broken_name": Gate.REFUSED,
        "again_s": 0.027,
        "ring_early": Span(low=0.1, high=0.8),
        "absent": "DESTINATION_OUT_OF_ORDER",
        "retain": Retain.WITH_NUMBER,
        "shows_token": Shown.SHOWN,
    },
    registrar={
        "known_source": KnownSource.TRUSTED,
        "min_expires": 60,
        "default_expires": None,
        "message_waiting": Unsolicited.EACH,
        "broken_type": BrokenType.DROPPED,
        "patience_s": 3.45,
    },
    subscribe={"min_expires": 300, "ends_on": ()},
    presence={
        "completed_by": CompletedBy.ACCOUNT,
        "owners_id": OwnersId.BEATS,
        "terminated": Span(low=0.003, high=0.010),
        "held_s": 1.0,
    },
    reset={
        "body": ResetBody.ACTION,
        "flag": FlagMeans.SHOWS,
        "set": Setting.SHOWN,
        "reply": "command sent",
        "nothing": "nothing to send command to",
        "of": ResetOf.PRESENCE_ID_ONLY,
        "shows": ResetShows.OFF,
        "completion": Completion.ALWAYS,
    },
)
"""4.3 (2023), as recorded. Its edge was told to accept 60 s of registration; as it comes, it wants 300."""

V5_0 = _changed(
    V4_3,
    api={
        "v1": VersionSupport.GONE,
        "later": VersionSupport.SERVED,
        "release": "5.0.0",
        "release_shown": Release.CALLERS,
        "no_token": NoToken.OMITTED,
        "early_error_type": ErrorType.UNNAMED,
        "originate": Originate.ENDPOINTS,
    },
    rate={"throttle": Throttle.COUNTED, "request": 0, "login": 2},
    sync={
        "request": Attempt.SILENT,
        "on_false": Attempt.ATTEMPTED,
        "on_absent": Attempt.ATTEMPTED,
        "needs": Needs.NOTHING,
        "created": Storing.STORED,
        "race_won": 7 / 12,
        "delay": Span(low=0.025, high=0.095),
        "event_of": EventOf.RULE,
    },
    calls={
        "delay": Span(low=0.46, high=0.64),
        "caller_ahead_s": 0.21,
        "refusal_delay": Span(low=0.01, high=0.03),
        "unknown_delay": Span(low=2.2, high=2.3),
        "again": Span(low=0.016, high=0.022),
    },
    quickcall={
        "access": Access.TOKEN,
        "again_s": 0.016,
        "delay": Span(low=0.217, high=0.275),
        "leg_b_delay": Span(low=0.410, high=0.420),
        "absent": "SUBSCRIBER_ABSENT",
    },
)
"""5.0 (2024), as recorded; the edge like that of 4.3."""

PROFILES = {"documented": DOCUMENTED, "3.20": V3_20, "3.22": V3_22, "4.3": V4_3, "5.0": V5_0}
"""Behaviours by profile name."""
