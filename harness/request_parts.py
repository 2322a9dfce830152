"""A request step made ready: its body, and what its reply must be, every template filled in."""

from __future__ import annotations

import json
from typing import Any

from harness import templates
from harness.steps import Reply, Request


def reply_spec(wanted: Reply, identifier: str, variables: dict[str, Any]) -> dict[str, Any]:
    """What the reply to the request `identifier` must be, as the claim in the Record says it."""
    status = wanted.status if isinstance(wanted.status, list) else [wanted.status] if wanted.status else []
    return {
        "id": identifier,
        "status": status,
        "json": templates.fill(wanted.content, variables),
        "headers": templates.fill(wanted.headers, variables),
        "body": templates.fill(wanted.body, variables),
    }


def body_of(step: Request, variables: dict[str, Any]) -> bytes | None:
    """The body that a step sends, None for none at all."""
    given = step.model_fields_set
    if "body" in given and step.body is not None:
        return str(templates.fill(step.body, variables)).encode("utf-8", "surrogateescape")
    if "envelope" in given:
        return json.dumps(templates.fill(step.envelope, variables)).encode()
    if "data" in given:
        return json.dumps({"data": templates.fill(step.data, variables)}).encode()
    return None
