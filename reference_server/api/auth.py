"""Logging in: API keys and user credentials become tokens."""

from __future__ import annotations

from hashlib import md5, sha1
from typing import Any

from reference_server.api.errors import Refused, invalid
from reference_server.api.exchange import Exchange, Result
from reference_server.api.schema import API_AUTH, USER_AUTH, validate
from reference_server.directory import Account, Directory


def _wire_bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


class Authentication:
    """The handlers of api_auth and user_auth."""

    def __init__(self, directory: Directory, cluster_id: str) -> None:
        self._directory = directory
        self._cluster_id = cluster_id

    def api_auth(self, exchange: Exchange) -> Result:
        """PUT /api_auth: a token for the account that has `api_key`."""
        errors = validate(exchange.data, API_AUTH)
        if errors:
            raise invalid(errors)
        key = exchange.data["api_key"]
        account = self._directory.account_by_key(key)
        if account is None:
            raise Refused(404, "bad identifier", [key], page_size=0)
        return self._issue(exchange, "api_auth", account, account.id, {})

    def user_auth(self, exchange: Exchange) -> Result:
        """PUT /user_auth: a token for the user whose `user:password` hashes to `credentials`."""
        errors = validate(exchange.data, USER_AUTH)
        if errors:
            raise invalid(errors)
        account = self._named_account(exchange)
        # recorded: with page_size, unlike a token that is refused
        wrong = Refused(401, "invalid_credentials", {"message": "invalid credentials"}, page_size=0)
        if account is None:
            raise wrong
        digest = sha1 if exchange.data.get("method") == "sha" else md5
        for user in account.users.values():
            secret = _wire_bytes(f"{user.username}:{user.password}")
            if digest(secret, usedforsecurity=False).hexdigest() == exchange.data["credentials"].lower():
                return self._issue(exchange, "user_auth", account, user.id, {"owner_id": user.id})
        raise wrong

    def _named_account(self, exchange: Exchange) -> Account | None:
        realm, name = exchange.data.get("account_realm"), exchange.data.get("account_name")
        if isinstance(realm, str):
            return self._directory.account_by_realm(realm)
        if not isinstance(name, str) or not _normal(name):
            return None
        return next((a for a in self._directory.accounts.values() if _normal(a.name) == _normal(name)), None)

    def _issue(self, exchange: Exchange, noun: str, account: Account, owner: str, extra: dict[str, Any]) -> Result:
        token = self._directory.issue_token(account, exchange.now)
        exchange.known = True
        data = {
            **extra,
            "account_id": account.id,
            "ui_config": {},
            "capabilities": {"voicemail": {"transcription": {"default": False, "available": False}}},
            "cluster_id": self._cluster_id,
            "is_master_account": False,
            "is_reseller": False,
            "reseller_id": account.parent or account.id,
            "account_name": account.name,
            "language": "en-US",
            "apps": [],
        }
        location = f"/{exchange.path[0]}/{noun}/{owner}"
        return Result(data, created=location, etag="automatic", page_size=1, token=token.value)


def _normal(name: str) -> str:
    """Account names are compared by their letters and digits."""
    return "".join(letter for letter in name.lower() if letter.isalnum())
