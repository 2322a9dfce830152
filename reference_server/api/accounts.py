"""Accounts: created below a parent, shown, deleted."""

from __future__ import annotations

from reference_server.api.devices import flush_device
from reference_server.api.errors import Refused, invalid
from reference_server.api.exchange import Exchange, Result
from reference_server.api.schema import ACCOUNT, validate
from reference_server.directory import Account, Directory
from reference_server.registrations import Registrations


class Accounts:
    """The handlers of /accounts/{account}."""

    def __init__(self, directory: Directory, registrations: Registrations) -> None:
        self._directory = directory
        self._registrations = registrations

    def create(self, exchange: Exchange, parent: Account) -> Result:
        """PUT /accounts/{parent}: a child account; without `realm` one is made up."""
        data = exchange.data
        errors = validate(data, ACCOUNT)
        realm = data.get("realm")
        if not errors and realm is not None and self._directory.account_by_realm(realm) is not None:
            errors["realm"] = {"unique": {"message": "Account realm already in use", "cause": realm}}
        if errors:
            raise invalid(errors)
        document = {
            key: value
            for key, value in data.items()
            if key not in ("id", "name", "realm") and not key.startswith(("_", "pvt_"))
        }
        account = self._directory.add_account(
            data["name"], parent=parent.id, realm=realm.lower() if realm else None, document=document
        )
        return Result(account.public, created=f"/{exchange.path[0]}/accounts/{account.id}")

    def show(self, account: Account) -> Result:
        """GET /accounts/{account}."""
        return Result(account.public)

    def list_children(self, account: Account) -> Result:
        """GET /accounts/{account}/children."""
        fields = ("id", "name", "realm")
        return Result([{key: child.public[key] for key in fields} for child in self._directory.children(account)])

    def show_api_key(self, account: Account) -> Result:
        """GET /accounts/{account}/api_key."""
        return Result({"api_key": account.api_key})

    def delete(self, account: Account) -> Result:
        """DELETE /accounts/{account}: gone with its devices, their registrations and its tokens."""
        if self._directory.children(account):
            message = "account has descendants"
            raise Refused(500, "account_has_descendants", {"message": message})
        for device in account.devices.values():
            flush_device(self._registrations, account, device.document)
        self._directory.remove_account(account)
        return Result(account.public)
