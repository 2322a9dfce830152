"""The originate request of a quickcall, as the reply shows it: names in lower case with underscores (recorded)."""

from __future__ import annotations

from collections.abc import Sequence

from reference_server.behaviour import Behaviour
from reference_server.behaviour_api import Originate
from reference_server.behaviour_calls import Retain
from reference_server.directory import Account, Device, Document, realm_of
from reference_server.legs import Shows
from reference_server.presentity import presence_id_of
from reference_server.quickcall import NAME, Wish

EXPORTED = [
    "Account-ID",
    "Authorizing-ID",
    "Authorizing-Type",
    "Outbound-Callee-ID-Name",
    "Outbound-Callee-ID-Number",
    "Retain-CID",
]
"""Channel variables that leg B gets from leg A."""


def originate(
    behaviour: Behaviour,
    account: Account,
    rung: Sequence[Device],
    user: str | None,
    wish: Wish,
    leg_b: Shows,
    call_ids: Sequence[str],
) -> Document:
    """The request that rings `rung`, the devices of `user` or (None) a single one, under `call_ids`."""
    kind, identifier = ("device", rung[0].id) if user is None else ("user", user)
    retains = behaviour.quickcall.retain is Retain.ALWAYS or wish.cid_number is not None
    endpoint = _by_id if behaviour.api.originate is Originate.ENDPOINTS else _by_contact
    answers = {"auto_answer": wish.auto_answer} if user is None else {}
    return {
        "application_name": "transfer",
        "application_data": {"route": wish.number},
        "continue_on_fail": False,
        "custom_channel_vars": {
            "account_id": account.id,
            "authorizing_type": kind,
            "authorizing_id": identifier,
            "retain_cid": "true" if retains else "false",
            "inherit_codec": "false",
        },
        "dial_endpoint_method": "simultaneous",
        "endpoints": [
            endpoint(behaviour, account, device, wish, call_id, answers)
            for device, call_id in zip(rung, call_ids, strict=True)
        ],
        "export_custom_channel_vars": EXPORTED,
        "ignore_early_media": not wish.early_media,
        "media": "bypass" if wish.bypass else "process",
        "outbound_caller_id_name": NAME,
        "outbound_caller_id_number": wish.shown,
        "outbound_callee_id_name": leg_b.name,
        "outbound_callee_id_number": leg_b.number,
        "timeout": int(wish.ring_s) if wish.ring_s.is_integer() else wish.ring_s,
    }


UNPUBLISHED = {Originate.CONTACTS: ("endpoint_id", "flags"), Originate.ENDPOINTS: ("flags", "metaflows")}
"""What of an endpoint is left out on the message bus."""


def as_published(request: Document, look: Originate, request_id: str) -> Document:
    """The same as it was put on the message bus: so the reply shows one that failed."""
    endpoints = [
        {key: value for key, value in endpoint.items() if key not in UNPUBLISHED[look]}
        for endpoint in request["endpoints"]
    ]
    return {
        **request,
        "endpoints": endpoints,
        "server_id": "ringproof@127.0.0.1",
        "node": "ringproof@127.0.0.1",
        "system_log_id": request_id,
        "msg_id": request_id,
        "event_name": "originate_req",
        "event_category": "resource",
        "app_version": "4.0.0",
        "app_name": "crossbar",
    }


def _presence_id(behaviour: Behaviour, account: Account, device: Device) -> str:
    presence_id = presence_id_of(account, device, behaviour) or device.username or device.id
    return presence_id if "@" in presence_id else f"{presence_id}@{realm_of(account, device)}"


def _by_contact(
    behaviour: Behaviour, account: Account, device: Device, wish: Wish, call_id: str, answers: Document
) -> Document:
    realm = realm_of(account, device)
    invite_format = device.sip.get("invite_format", "contact")
    owned = {"owner_id": device.owner_id} if device.owner_id is not None else {}
    return {
        "invite_format": invite_format,
        "to_user": device.username,
        "to_username": device.username,
        "to_realm": realm,
        "to_did": wish.shown,
        "privacy_method": "kazoo",
        "endpoint_id": device.id,
        "presence_id": _presence_id(behaviour, account, device),
        "custom_sip_headers": {
            "x_kazoo_invite_format": invite_format,
            "x_kazoo_aor": f"sip:{device.username}@{realm}",
        },
        "custom_channel_vars": {
            "account_id": account.id,
            "authorizing_type": "device",
            "authorizing_id": device.id,
            **owned,
            "sip_invite_domain": realm,
            "media_encryption_enforce_security": True,
            **answers,
        },
        "flags": {"dynamic": [], "static": []},
        "ignore_completed_elsewhere": True,
        "outbound_call_id": call_id,
    }


def _by_id(
    behaviour: Behaviour, account: Account, device: Device, _: Wish, call_id: str, answers: Document
) -> Document:
    return {
        "invite_format": "endpoint",
        "privacy_method": "kazoo",
        "account_id": account.id,
        "endpoint_id": device.id,
        "endpoint_uri": f"{device.id}@{account.id}",
        "presence_id": _presence_id(behaviour, account, device),
        "custom_channel_vars": answers,
        "flags": {"dynamic": [], "static": []},
        "metaflows": {},
        "endpoint_actions": {},
        "outbound_call_id": call_id,
    }
