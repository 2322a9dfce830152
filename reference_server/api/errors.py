"""Errors of the API, as Kazoo words them."""

from __future__ import annotations

from typing import Any

Detail = dict[str, Any] | list[Any] | str


class Refused(Exception):
    """The request is answered with an error.

    `message` is the machine word of the envelope and `detail` its `data` (None: the envelope has no `data`);
    `validation` marks details of the form {field: {rule: {...}}}; `page_size` stands in the envelope where it is not
    None; `bare` ones are answered without a body.
    """

    def __init__(
        self,
        status: int,
        message: str,
        detail: Detail | None,
        *,
        validation: bool = False,
        page_size: int | None = None,
        bare: bool = False,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.detail = detail
        self.validation = validation
        self.page_size = page_size
        self.bare = bare


def invalid(errors: dict[str, dict[str, Any]]) -> Refused:
    """400: the document breaks rules; `errors` is {field: {rule: detail}}."""
    return Refused(400, "validation error", errors, validation=True)


def required(field: str, value: Any = None) -> dict[str, dict[str, Any]]:
    """The error of a missing field."""
    name = field.rpartition(".")[2]
    return {
        field: {
            "required": {
                "message": "Field is required but missing",
                "value": name if value is None else value,
            }
        }
    }


def not_found() -> Refused:
    """404: no such path."""
    return Refused(404, "not_found", {"message": "not found"})


def bad_identifier(identifier: str) -> Refused:
    """404: no such account or device."""
    return Refused(404, "bad_identifier", {"cause": identifier, "message": "bad identifier"})


def invalid_account(identifier: str) -> Refused:
    """404: an account id that cannot be one."""
    return Refused(404, "bad identifier", {"message": f"invalid account_id '{identifier}'"})


def invalid_method() -> Refused:
    """405."""
    return Refused(405, "invalid_method", {"message": "method not allowed"})


def invalid_credentials() -> Refused:
    """401."""
    return Refused(401, "invalid_credentials", {"message": "invalid credentials"})


def forbidden() -> Refused:
    """403."""
    return Refused(403, "forbidden", {"message": "forbidden"})


def too_many_requests() -> Refused:
    """429."""
    return Refused(429, "too_many_requests", {"message": "too many requests"})


def init_failed() -> Refused:
    """500: Kazoo's validation has crashed; the envelope has no `data`."""
    return Refused(500, "init failed", None)


def unspecified_fault() -> Refused:
    """500."""
    return Refused(500, "unspecified_fault", {"message": "unspecified fault"})
