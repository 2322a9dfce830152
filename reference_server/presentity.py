"""Whose lamp a device's calls light."""

from __future__ import annotations

from reference_server.behaviour import Behaviour
from reference_server.behaviour_presence import PresenceId
from reference_server.directory import Account, Device, realm_of
from reference_server.registrations import Aor


def presentity_of(account: Account, device: Device, behaviour: Behaviour) -> Aor:
    """The presentity of `device`: its `presence_id`, else its SIP username.

    A `presence_id` without `@` is completed by the realm in which the device registers; one with `@` is taken as
    it is. One that is no string, or says no user, counts as none; a device without a username shows as its id.
    """
    realm = realm_of(account, device)
    fallback = Aor(device.username or device.id, realm)
    rule = behaviour.presence.presence_id
    if rule is PresenceId.IGNORED:
        return fallback
    value = device.registered_presence_id if rule is PresenceId.REGISTERED else device.document.get("presence_id")
    if not isinstance(value, str):
        return fallback
    user, at, host = value.strip().rpartition("@")
    if not at:
        user, host = host, realm
    return Aor(user, host or realm) if user else fallback
