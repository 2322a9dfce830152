"""Callflows and resources: created, shown, listed, deleted. What they make of calls is `reference_server.routing`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from reference_server.api.errors import bad_identifier, invalid
from reference_server.api.exchange import Exchange, Result
from reference_server.api.schema import CALLFLOW, RESOURCE, RESOURCE_DEFAULTS, Errors, validate, with_defaults
from reference_server.directory import Account, Directory, Document, Stored


def public_part(data: Document) -> Document:
    """What of a document may be written from outside."""
    return {key: value for key, value in data.items() if key != "id" and not key.startswith(("_", "pvt_"))}


class StoredDocuments(ABC):
    """The handlers of one kind of document, `noun` in the path."""

    noun: str

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    @abstractmethod
    def owned(self, account: Account) -> dict[str, Stored]:
        """The documents of `account` by id."""

    @abstractmethod
    def checked(self, account: Account, document: Document) -> Document:
        """The document to store. Raises Refused when it breaks a rule."""

    @abstractmethod
    def summary(self, document: Document) -> Document:
        """What the list shows beside the id."""

    def handlers(self) -> dict[str, Callable[[Exchange, Account], Result]]:
        """The handlers by name."""
        name = self.noun.removesuffix("s")
        return {
            f"create_{name}": self.create,
            f"list_{name}s": self.list_all,
            f"show_{name}": self.show,
            f"delete_{name}": self.delete,
        }

    def create(self, exchange: Exchange, account: Account) -> Result:
        """PUT."""
        stored = Stored(self._directory.new_id(), self.checked(account, public_part(exchange.data)))
        self.owned(account)[stored.id] = stored
        location = f"/{exchange.path[0]}/accounts/{account.id}/{self.noun}/{stored.id}"
        return Result(stored.public, created=location, etag=stored.etag)

    def list_all(self, _: Exchange, account: Account) -> Result:
        """GET the list: a summary of each."""
        items = [{"id": stored.id, **self.summary(stored.document)} for stored in self.owned(account).values()]
        return Result(items, page_size=len(items))

    def show(self, exchange: Exchange, account: Account) -> Result:
        """GET one."""
        stored = self._find(account, exchange.arguments["document"])
        return Result(stored.public, etag=stored.etag)

    def delete(self, exchange: Exchange, account: Account) -> Result:
        """DELETE: its last document, marked deleted."""
        stored = self._find(account, exchange.arguments["document"])
        del self.owned(account)[stored.id]
        return Result({**stored.public, "_read_only": {"deleted": True}}, etag=stored.etag)

    def _find(self, account: Account, document_id: str) -> Stored:
        stored = self.owned(account).get(document_id)
        if stored is None:
            raise bad_identifier(document_id)
        return stored


class Callflows(StoredDocuments):
    """/accounts/{account}/callflows: which numbers lead where."""

    noun = "callflows"

    def owned(self, account: Account) -> dict[str, Stored]:
        """The callflows of `account`."""
        return account.callflows

    def checked(self, account: Account, document: Document) -> Document:
        """A number may stand in one callflow only."""
        errors = validate(document, CALLFLOW)
        numbers = document.get("numbers")
        if not errors and isinstance(numbers, list):
            errors = _number_errors(account, numbers)
        if errors:
            raise invalid(errors)
        return with_defaults(document, {"patterns": []})

    def summary(self, document: Document) -> Document:
        """Numbers and modules."""
        shown: Document = {key: document[key] for key in ("name", "numbers", "patterns", "owner_id") if key in document}
        return {**shown, "modules": [document["flow"]["module"]], "featurecode": {}}


class Resources(StoredDocuments):
    """/accounts/{account}/resources: the trunks of the account."""

    noun = "resources"

    def owned(self, account: Account) -> dict[str, Stored]:
        """The resources of `account`."""
        return account.resources

    def checked(self, account: Account, document: Document) -> Document:
        """Name and gateways must be there."""
        errors = validate(document, RESOURCE)
        if errors:
            raise invalid(errors)
        return with_defaults(document, RESOURCE_DEFAULTS)

    def summary(self, document: Document) -> Document:
        """Name, weight, whether it is enabled."""
        return {key: document[key] for key in ("name", "weight_cost", "enabled")}


def _number_errors(account: Account, numbers: list[object]) -> Errors:
    errors: Errors = {}
    taken = {
        number: stored.id for stored in account.callflows.values() for number in stored.document.get("numbers", ())
    }
    for index, number in enumerate(numbers):
        if not isinstance(number, str) or not number:
            message = "Value did not match type(s): string"
            errors[f"numbers.{index}"] = {"type": {"message": message, "target": "string", "value": number}}
        elif number in taken:
            message = f"Number {number} exists in callflow {taken[number]}"
            errors[f"numbers.{index}"] = {"unique": {"message": message, "cause": number}}
    return errors
