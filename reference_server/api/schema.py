"""Validation of documents: Kazoo's JSON schemas as far as the API shows them, the rules as data."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from reference_server.directory import Document

Errors = dict[str, dict[str, Any]]
"""{field path: {rule: detail}}."""

DEVICE_DEFAULTS: Document = {
    "call_restriction": {},
    "contact_list": {},
    "enabled": True,
    "exclude_from_queues": False,
    "music_on_hold": {},
    "mwi_unsolicited_updates": True,
    "register_overwrite_notify": False,
    "ringtones": {},
    "sip": {"expire_seconds": 300, "invite_format": "contact", "method": "password"},
    "suppress_unregister_notifications": False,
}
"""What a created device gets where it says nothing (recorded)."""

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "object": dict,
    "array": list,
}


@dataclass(frozen=True, slots=True)
class Field:
    """What the schema says about one field. Lengths count characters of a string."""

    path: str
    type: str
    required: bool = False
    minimum: int | None = None
    maximum: int | None = None
    enum: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None


REALM = re.compile(r"[.\w-]+\Z", re.ASCII)

DEVICE = (
    Field("name", "string", required=True, minimum=1, maximum=128),
    Field("enabled", "boolean"),
    Field("device_type", "string"),
    Field("mac_address", "string"),
    Field("owner_id", "string", minimum=32, maximum=32),
    Field("presence_id", "string"),
    Field("mwi_unsolicited_updates", "boolean"),
    Field("call_restriction", "object"),
    Field("call_forward", "object"),
    Field("call_forward.enabled", "boolean"),
    Field("call_forward.number", "string", maximum=35),
    Field("call_forward.keep_caller_id", "boolean"),
    Field("call_forward.require_keypress", "boolean"),
    Field("caller_id", "object"),
    Field("ringtones", "object"),
    Field("sip", "object"),
    Field("sip.username", "string", minimum=2, maximum=32),
    Field("sip.password", "string", minimum=5, maximum=32),
    Field("sip.method", "string", enum=("password", "ip")),
    Field("sip.invite_format", "string", enum=("username", "npan", "1npan", "e164", "route", "contact")),
    Field("sip.expire_seconds", "integer"),
    Field("sip.realm", "string", minimum=4, maximum=253, pattern=REALM),
)

USER = (
    Field("first_name", "string", required=True, minimum=1, maximum=128),
    Field("last_name", "string", required=True, minimum=1, maximum=128),
    Field("username", "string", minimum=1, maximum=256),
    Field("password", "string", minimum=1),
    Field("presence_id", "string"),
    Field("enabled", "boolean"),
)

CALLFLOW = (
    Field("name", "string", maximum=128),
    Field("numbers", "array", required=True),
    Field("patterns", "array"),
    Field("flow", "object", required=True),
    Field("flow.module", "string", required=True, minimum=1, maximum=64),
    Field("flow.data", "object"),
)

RESOURCE = (
    Field("name", "string", required=True, minimum=1, maximum=128),
    Field("enabled", "boolean"),
    Field("gateways", "array", required=True),
    Field("rules", "array"),
    Field("weight_cost", "integer"),
)

RESOURCE_DEFAULTS: Document = {"enabled": True, "emergency": False, "rules": [], "weight_cost": 50}

ACCOUNT = (
    Field("name", "string", required=True, minimum=1, maximum=128),
    Field("realm", "string", minimum=4, maximum=253, pattern=REALM),
)

API_AUTH = (Field("api_key", "string", required=True, minimum=64),)

USER_AUTH = (
    Field("credentials", "string", required=True, minimum=1, maximum=64),
    Field("method", "string", enum=("md5", "sha")),
)

NOTIFY_ACTION = (
    Field("data", "object", required=True),
    Field("data.event", "string", required=True),
    Field("data.body", "object"),
)

NOTIFY_BODY = (
    Field("data.body.data", "string", required=True),
    Field("data.body.content_type", "string", required=True),
)

_MISSING: Any = object()


def validate(document: Document, fields: tuple[Field, ...]) -> Errors:
    """Everything in `document` that breaks the rules of `fields`."""
    errors: Errors = {}
    for field in fields:
        value = _find(document, field.path)
        if value is _MISSING:
            if field.required and _find(document, field.path.rpartition(".")[0]) is not _MISSING:
                name = field.path.rpartition(".")[2]
                errors[field.path] = {"required": {"message": "Field is required but missing", "value": name}}
            continue
        broken = _check(field, value)
        if broken:
            errors[field.path] = broken
    return errors


def validate_device(document: Document, *, any_presence_id: bool = False) -> Errors:
    """The device schema, and what Kazoo checks beside it."""
    fields = tuple(field for field in DEVICE if not any_presence_id or field.path != "presence_id")
    errors = validate(document, fields)
    sip = document.get("sip")
    if isinstance(sip, dict) and sip.get("method") == "ip":
        address = sip.get("ip", _MISSING)
        if not _is_ipv4(address):
            detail = {"message": "Must be a valid IPv4 RFC 791"}
            errors["sip.ip"] = {"type": detail if address is _MISSING else {**detail, "cause": address}}
    return errors


def with_defaults(document: Document, defaults: Document) -> Document:
    """`document` with what is missing filled in, the given fields first."""
    merged = dict(document)
    for key, value in defaults.items():
        if key not in merged:
            merged[key] = dict(value) if isinstance(value, dict) else value
        elif isinstance(value, dict) and isinstance(merged[key], dict):
            merged[key] = with_defaults(merged[key], value)
    return merged


def merge(stored: Document, changes: Document) -> Document:
    """`stored` changed as PATCH does it: objects merge, null takes a key out, everything else replaces."""
    merged = dict(stored)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            old = merged.get(key)
            merged[key] = merge(old if isinstance(old, dict) else {}, value)
        else:
            merged[key] = value
    return merged


def clean_mac(text: str) -> str:
    """A MAC address as Kazoo stores it: its hex digits, lower case (recorded: `zz:11` becomes `11`)."""
    return "".join(digit for digit in text.lower() if digit in "0123456789abcdef")


def _find(document: Document, path: str) -> Any:
    value: Any = document
    for key in path.split(".") if path else ():
        if not isinstance(value, dict) or key not in value:
            return _MISSING
        value = value[key]
    return value


def _check(field: Field, value: Any) -> dict[str, Any]:
    wanted = _TYPES[field.type]
    if not isinstance(value, wanted) or (field.type == "integer" and isinstance(value, bool)):
        message = f"Value did not match type(s): {field.type}"
        return {"type": {"message": message, "target": field.type, "value": value}}
    if not isinstance(value, str):
        return {}
    detail = {"cause": value, "value": value}
    if field.minimum is not None and len(value) < field.minimum:
        message = f"String must be at least {field.minimum} characters"
        return {"minLength": {"message": message, "target": field.minimum, **detail}}
    if field.maximum is not None and len(value) > field.maximum:
        message = f"String must not be more than {field.maximum} characters"
        return {"maxLength": {"message": message, "target": field.maximum, **detail}}
    if field.enum and value not in field.enum:
        message = "Value not found in enumerated list of values"
        return {"enum": {"message": message, "target": list(field.enum), "value": value}}
    if field.pattern is not None and field.pattern.match(value) is None:
        message = "Failed to match pattern '^[.\\w_-]+$'"
        return {"pattern": {"message": message, "target": "^[.\\w_-]+$", "value": value}}
    return {}


def _is_ipv4(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return False
    return True
