"""One API request on its way through the server: what it says, and what has been found out about it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote

from reference_server.api.errors import Refused, invalid, required
from reference_server.behaviour_api import ApiRules, Malformed, TooLong
from reference_server.directory import Account, Document, Token
from reference_server.effects import ApiRequest
from reference_server.rules import Carrier, Gate, Version

JSON_TYPES = ("application/json", "application/x-json", "application/x-www-form-urlencoded", "")
"""Content types whose body is read as JSON; the body of any other type is ignored (recorded)."""

DEPTH = 100
"""Objects and arrays inside each other that a body may hold."""


def _nothing(_: int) -> None:
    """Nobody throttles."""


def _full() -> int:
    return 0


def _unsettled(_: Result | Refused, __: float) -> None:
    """Nobody waits yet."""


@dataclass(slots=True)
class Exchange:
    """A request taken apart. `method` is in upper case and already tunnelled; `negotiated` says that content
    negotiation has happened, after which replies carry Content-Language and Vary; `known` that its token is valid;
    `crashes` that its data is a list: that passes the check of the envelope, and crashes the handler (recorded).
    `spend` takes tokens from its bucket, raising Refused when that is empty; `remaining` says what is left there.
    """

    request: ApiRequest
    request_id: str
    now: float
    path: tuple[str, ...]
    query: dict[str, str]
    method: str
    version: Version | None = None
    envelope: Document = field(default_factory=dict)
    data: Document = field(default_factory=dict)
    token_text: str | None = None
    token: Token | None = None
    caller: Account | None = None
    account: Account | None = None
    arguments: dict[str, str] = field(default_factory=dict)
    known: bool = False
    crashes: bool = False
    carrier: Carrier = Carrier.HEADER
    spend: Callable[[int], None] = _nothing
    remaining: Callable[[], int] = _full
    allowed: str = "OPTIONS, GET, POST, PUT, DELETE, HEAD, PATCH, OPTIONS"
    negotiated: bool = False

    def header(self, name: str) -> str | None:
        """The first value of a request header, in any case."""
        return next((value for key, value in self.request.headers if key.lower() == name), None)

    def value(self, name: str) -> Any:
        """A parameter: from data, else the query, else the envelope (the order of Kazoo's `req_value`)."""
        for source in (self.data, self.query, self.envelope):
            if name in source:
                return source[name]
        return None


@dataclass(frozen=True, slots=True)
class Result:
    """What a handler answers. `etag` stands in header and `revision`; `page_size` only on lists."""

    data: Any
    created: str | None = None
    """Path of what was created: 201 with Location; None: 200."""
    etag: str | None = None
    page_size: int | None = None
    token: str | None = None
    """A token to hand out instead of the caller's."""


@dataclass(slots=True)
class Pending:
    """What a handler answers whose reply comes later: whoever has the outcome calls `settle` with it and the second."""

    settle: Callable[[Result | Refused, float], None] = _unsettled


def open_exchange(request: ApiRequest, request_id: str, now: float) -> Exchange:
    """Take a request apart, all but its body."""
    path, _, query = request.target.partition("?")
    return Exchange(
        request=request,
        request_id=request_id,
        now=now,
        path=tuple(unquote(segment, errors="replace") for segment in path.split("/") if segment),
        query=dict(parse_qsl(query, keep_blank_values=True, errors="replace", max_num_fields=None)),
        method=request.method.upper(),
    )


def read_body(exchange: Exchange, rules: ApiRules) -> None:
    """Fill `envelope` and `data` from the body. Raises Refused for a body that the rules do not accept."""
    body = exchange.request.body
    if len(body) > rules.body_limit:
        if rules.too_long is TooLong.TOO_LARGE:
            raise Refused(413, "", None, bare=True)
        message = f"Payload or Files must not be more than {rules.body_limit} bytes"
        raise invalid({"file": {"maxSize": {"message": message, "target": rules.body_limit}}})
    kind = (exchange.header("content-type") or "").partition(";")[0].strip().lower()
    if not body or kind not in JSON_TYPES:
        return
    try:
        envelope = parse_json(body)
    except ValueError:
        if rules.malformed_json is Gate.ACCEPTED:
            return
        if rules.malformed is Malformed.EMPTY:
            raise Refused(400, "", None, bare=True) from None
        raise invalid({"json": {"invalid": {"message": "decoder_exit around 0", "target": "body"}}}) from None
    if not isinstance(envelope, dict):
        if rules.malformed is Malformed.EMPTY:
            raise Refused(400, "", None, bare=True)
        raise invalid({"json": {"invalid": {"message": "All JSON must be valid", "target": "body"}}})
    exchange.envelope = envelope
    data = envelope.get("data")
    if data is None:
        if rules.missing_data is Gate.ACCEPTED:
            return
        if rules.malformed is Malformed.EMPTY:
            raise Refused(400, "", None, bare=True)
        # recorded: a null vanishes from the envelope that the error shows
        raise invalid(required("data", {key: value for key, value in envelope.items() if value is not None}))
    if isinstance(data, list):
        exchange.crashes = True
        return
    if not isinstance(data, dict):
        kinds = "object, array"
        detail = {"message": f"Value did not match type(s): {kinds}", "target": kinds, "value": data}
        raise invalid({"data": {"type": detail}})
    exchange.data = data


def parse_json(octets: bytes) -> Any:
    """The value of a JSON text (RFC 8259). Raises ValueError for anything else, and beyond DEPTH."""
    try:
        value = json.loads(octets.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if octets.count(b"[") + octets.count(b"{") > DEPTH and _is_deep(value):
        raise ValueError("nested too deeply")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("number out of range")
    return number
