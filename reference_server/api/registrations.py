"""Registrations as the API shows and ends them (Kazoo 4.x)."""

from __future__ import annotations

from reference_server.api.devices import Devices
from reference_server.api.exchange import Exchange, Result
from reference_server.directory import Account, Device, Document, realm_of
from reference_server.presentity import presentity_of
from reference_server.registrations import Aor, Contact, Registrations
from reference_server.runtime import Runtime

GREGORIAN_S = 62_167_219_200
"""Erlang counts seconds from the year 0."""


class RegistrationsHandler:
    """The handlers of /accounts/{account}/registrations and /devices/{device}/registrations."""

    def __init__(self, runtime: Runtime, registrations: Registrations, devices: Devices) -> None:
        self._runtime = runtime
        self._registrations = registrations
        self._devices = devices

    def list_all(self, exchange: Exchange, account: Account) -> Result:
        """GET: all of the account, the newest first, also where a device stands in the path (recorded on 5.0)."""
        if "device" in exchange.arguments:
            self._devices.find(account, exchange.arguments["device"])
        found = [
            (contact, device, aor)
            for device, aor in self._aors(account)
            for contact in self._registrations.current(aor, exchange.now)
        ]
        found.sort(key=lambda item: item[0].since, reverse=True)
        return Result([self._shown(account, device, aor, contact, exchange.now) for contact, device, aor in found])

    def flush(self, exchange: Exchange, account: Account) -> Result:
        """DELETE: ends all registrations of the account, or those of one username."""
        wanted = exchange.arguments.get("username")
        for _, aor in self._aors(account):
            if wanted is None or aor.user.lower() == wanted.lower():
                self._registrations.flush(aor)
        return Result("ok")

    def _aors(self, account: Account) -> list[tuple[Device, Aor]]:
        return [
            (device, Aor(device.username, realm_of(account, device)))
            for device in account.devices.values()
            if device.username is not None
        ]

    def _shown(self, account: Account, device: Device, aor: Aor, contact: Contact, now: float) -> Document:
        runtime = self._runtime
        host, port = contact.route.remote
        presentity = presentity_of(account, device, runtime.behaviour)
        edge = f"sip:{runtime.sip_host}:{runtime.sip_port}"
        start = GREGORIAN_S + int(runtime.epoch)
        previous = {"previous_contact": contact.previous} if contact.previous else {}
        owner = {"owner_id": device.owner_id} if device.owner_id is not None else {}
        return {
            "username": aor.user,
            "realm": aor.realm,
            "user_agent": contact.agent,
            "call_id": contact.call_id,
            "from_user": aor.user,
            "from_host": aor.realm,
            "to_user": aor.user,
            "to_host": aor.realm,
            "event_timestamp": start + int(contact.since),
            "contact": contact.uri,
            "original_contact": f"<{contact.uri}>",
            **previous,
            "proxy_path": edge,
            "proxy_ip": runtime.sip_host,
            "proxy_port": runtime.sip_port,
            "proxy_protocol": contact.route.transport,
            "expires": max(0, round(contact.expires - now)),
            "account_realm": account.realm,
            "account_name": account.name,
            "authorizing_id": device.id,
            "authorizing_type": "device",
            **owner,
            "suppress_unregister_notify": bool(device.document.get("suppress_unregister_notifications")),
            "register_overwrite_notify": bool(device.document.get("register_overwrite_notify")),
            "presence_id": f"{presentity.user}@{presentity.realm}",
            "registrar_node": f"kamailio@{runtime.sip_host}",
            "bridge_ruri": f"sip:{aor.user}@{aor.realm};fs_path={edge}",
            "first_registration": False,
            "initial_registration": start + int(contact.first),
            "last_registration": start + int(contact.since),
            "source_ip": host,
            "source_port": str(port),
            "contact_ip": host,
            "contact_port": port,
        }
