"""Users: created, shown, changed, deleted. They own devices, and may have a `presence_id` of their own."""

from __future__ import annotations

from collections.abc import Callable

from reference_server.api.errors import bad_identifier, invalid
from reference_server.api.exchange import Exchange, Result
from reference_server.api.schema import USER, Errors, merge, validate, with_defaults
from reference_server.api.stored import public_part
from reference_server.behaviour_devices import Replacement
from reference_server.directory import Account, Directory, Document, User

DEFAULTS: Document = {"enabled": True, "priv_level": "user"}


class Users:
    """The handlers of /accounts/{account}/users."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def handlers(self, post: Replacement, patch: Replacement) -> dict[str, Callable[[Exchange, Account], Result]]:
        """The handlers by name."""
        return {
            "create_user": self.create,
            "list_users": self.list_all,
            "show_user": self.show,
            "delete_user": self.delete,
            "post_user": lambda exchange, account: self.update(exchange, account, post),
            "patch_user": lambda exchange, account: self.update(exchange, account, patch),
        }

    def find(self, account: Account, user_id: str) -> User:
        """The user. Raises Refused when `account` has no such user."""
        user = account.users.get(user_id)
        if user is None:
            raise bad_identifier(user_id)
        return user

    def create(self, exchange: Exchange, account: Account) -> Result:
        """PUT: needs first and last name; with `username` and `password` the user may log in."""
        document, password = self._checked(account, None, public_part(exchange.data))
        user = User(self._directory.new_id(), document, password=password)
        account.users[user.id] = user
        location = f"/{exchange.path[0]}/accounts/{account.id}/users/{user.id}"
        return Result(user.public, created=location, etag=user.etag)

    def list_all(self, _: Exchange, account: Account) -> Result:
        """GET the list: a summary of each."""
        fields = ("username", "email", "first_name", "last_name", "priv_level")
        items: list[Document] = []
        for user in account.users.values():
            shown = {field: user.document[field] for field in fields if field in user.document}
            items.append({"id": user.id, **shown, "features": []})
        return Result(items, page_size=len(items))

    def show(self, exchange: Exchange, account: Account) -> Result:
        """GET one."""
        user = self.find(account, exchange.arguments["document"])
        return Result(user.public, etag=user.etag)

    def update(self, exchange: Exchange, account: Account, how: Replacement) -> Result:
        """POST or PATCH."""
        user = self.find(account, exchange.arguments["document"])
        document = public_part(exchange.data)
        if how is Replacement.MERGE:
            document = merge(user.document, document)
        user.document, password = self._checked(account, user, document)
        user.password = password or user.password
        user.revision += 1
        return Result(user.public, etag=user.etag)

    def delete(self, exchange: Exchange, account: Account) -> Result:
        """DELETE: the last document, marked deleted."""
        user = self.find(account, exchange.arguments["document"])
        del account.users[user.id]
        return Result({**user.public, "_read_only": {"deleted": True}}, etag=user.etag)

    def _checked(self, account: Account, user: User | None, document: Document) -> tuple[Document, str]:
        """The document to store, and the password that stood in it."""
        errors: Errors = validate(document, USER)
        username = document.get("username")
        others = [other for other in account.users.values() if other is not user]
        if not errors and username and any(other.username.lower() == username.lower() for other in others):
            errors["username"] = {"unique": {"message": "Username must be unique", "cause": username}}
        if errors:
            raise invalid(errors)
        password = document.get("password", "")
        stored = {key: value for key, value in document.items() if key != "password"}
        return with_defaults(stored, DEFAULTS), password
