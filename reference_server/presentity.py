"""Whose lamp a device's calls light."""

from __future__ import annotations

from reference_server.behaviour import Behaviour
from reference_server.behaviour_presence import Completion, Fallback, PresenceId
from reference_server.directory import Account, Device, realm_of
from reference_server.registrations import Aor


def presentity_of(account: Account, device: Device, behaviour: Behaviour) -> Aor:
    """The presentity of `device`: its `presence_id`, else its SIP username.

    A `presence_id` without `@` is completed by the realm in which the device registers; one with `@` is taken as
    it is. One that is no string, or says no user, counts as none; a device without a username shows as its id.
    """
    realm = realm_of(account, device)
    rules = behaviour.presence
    username = None if rules.fallback is Fallback.DEVICE_ID else device.username
    fallback = Aor(username or device.id, realm)
    value = _presence_id(device, rules.presence_id)
    user, at, host = value.rpartition("@")
    if not at:
        user, host = value, "" if rules.completion is Completion.NEVER else realm
    elif rules.completion is Completion.ALWAYS:
        user, host = value, realm
    return Aor(user, host if host or not at else realm) if user else fallback


def has_presence_id(device: Device, behaviour: Behaviour) -> bool:
    """Whether `device` has a `presence_id` that counts."""
    return bool(_presence_id(device, behaviour.presence.presence_id))


def _presence_id(device: Device, rule: PresenceId) -> str:
    current, registered = device.document.get("presence_id"), device.registered_presence_id
    value = {
        PresenceId.CURRENT: current,
        PresenceId.REGISTERED: registered,
        PresenceId.REMEMBERED: current or registered,
        PresenceId.IGNORED: None,
    }[rule]
    return value.strip() if isinstance(value, str) else ""
