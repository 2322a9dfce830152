"""Whose lamp a device's calls light."""

from __future__ import annotations

from reference_server.behaviour import Behaviour
from reference_server.behaviour_presence import CompletedBy, Completion, Fallback, OwnersId, PresenceId
from reference_server.directory import Account, Device, realm_of
from reference_server.registrations import Aor


def presentity_of(account: Account, device: Device, behaviour: Behaviour, completion: Completion | None = None) -> Aor:
    """The presentity of `device`: its `presence_id` or its owner's, else its SIP username.

    A `presence_id` without `@` is completed by a realm; one with `@` is taken as it is, unless `completion`, in place
    of the rule for calls, says otherwise. One that is no string, or says no user, counts as none; a device without a
    username shows as its id.
    """
    realm = realm_of(account, device)
    rules = behaviour.presence
    completion = completion or rules.completion
    username = None if rules.fallback is Fallback.DEVICE_ID else device.username
    fallback = Aor(username or device.id, realm)
    if rules.completed_by is CompletedBy.ACCOUNT:
        realm = account.realm
    value = presence_id_of(account, device, behaviour)
    user, at, host = value.rpartition("@")
    if not at:
        user, host = value, "" if completion is Completion.NEVER else realm
    elif completion is Completion.ALWAYS:
        user, host = value, realm
    return Aor(user, host if host or not at else realm) if user else fallback


def has_presence_id(account: Account, device: Device, behaviour: Behaviour) -> bool:
    """Whether `device` has a `presence_id` that counts, its own or its owner's."""
    return bool(presence_id_of(account, device, behaviour))


def presence_id_of(account: Account, device: Device, behaviour: Behaviour) -> str:
    """The `presence_id` that counts for `device`, its own or its owner's, "" without one."""
    rule = behaviour.presence.owners_id
    own = _own(device, behaviour.presence.presence_id)
    owner = account.owner(device)
    if owner is None or rule is OwnersId.IGNORED:
        return own
    owners = _text(owner.document.get("presence_id"))
    return (owners or own) if rule is OwnersId.BEATS else (own or owners)


def _own(device: Device, rule: PresenceId) -> str:
    current, registered = device.document.get("presence_id"), device.registered_presence_id
    return _text(
        {
            PresenceId.CURRENT: current,
            PresenceId.REGISTERED: registered,
            PresenceId.REMEMBERED: current or registered,
            PresenceId.IGNORED: None,
        }[rule]
    )


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
