"""Replies: envelope and headers, as the release lays them out."""

from __future__ import annotations

import json
from dataclasses import replace
from email.utils import formatdate
from hashlib import md5
from time import gmtime, strftime
from typing import Any

from reference_server.api.errors import Refused
from reference_server.api.exchange import Exchange, Result
from reference_server.behaviour_api import Detail, ErrorType, NoToken, Release, Throttle
from reference_server.directory import Document
from reference_server.effects import ApiReply
from reference_server.rules import Version
from reference_server.runtime import Runtime

Headers = list[tuple[str, str]]

CROSS_ORIGIN: Headers = [
    (
        "access-control-allow-headers",
        "content-type, depth, user-agent, x-http-method-override, x-file-size, x-requested-with, "
        "if-modified-since, x-file-name, cache-control, x-auth-token, x-kazoo-cluster-id, if-match",
    ),
    ("access-control-allow-origin", "*"),
    (
        "access-control-expose-headers",
        "content-type, x-auth-token, x-request-id, x-kazoo-cluster-id, location, etag, etag",
    ),
    ("access-control-max-age", "86400"),
]
"""On every error and every OPTIONS, with or without an Origin (recorded)."""

NEGOTIATED: Headers = [("content-language", "en"), ("vary", "accept-language, accept")]
"""On every reply that is made after content negotiation (recorded)."""

JSON: Headers = [("content-type", "application/json")]

GREETING = b"Kazoo API, played by the ringproof reference server\n"
"""For requests without an API version."""


class Replies:
    """Makes replies. `node_id` is 32 hex digits that are this server's own."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.api
        self._counted = runtime.behaviour.rate.throttle is Throttle.COUNTED
        self._node = runtime.hex(22)
        self.node_id = md5(self._node.encode(), usedforsecurity=False).hexdigest()

    def greeting(self, exchange: Exchange) -> ApiReply:
        """For a path without an API version."""
        reply = self._reply(exchange, 200, [("content-type", "text/plain; charset=UTF-8")], GREETING)
        return replace(reply, headers=tuple(pair for pair in reply.headers if pair[0] != "x-request-id"))

    def options(self, exchange: Exchange) -> ApiReply:
        """For OPTIONS."""
        return self._reply(exchange, 200, self._cross_origin(exchange), b"")

    def unacceptable(self, exchange: Exchange) -> ApiReply:
        """For a client that takes no JSON."""
        return self._reply(exchange, 406, [], b"")

    def success(self, exchange: Exchange, result: Result) -> ApiReply:
        """For a request that a handler has carried out."""
        headers: Headers = [*JSON, *NEGOTIATED]
        if exchange.method == "GET":
            headers.append(("expires", "Fri, 01 Jan 1999 00:00:00 GMT"))
            if result.etag is not None:
                etag = f'"{result.etag}"'
                headers.append(("etag", etag))
                if exchange.header("if-none-match") == etag:
                    return self._reply(exchange, 304, headers[1:], b"")
        if result.created is not None:
            headers.append(("location", result.created))
        envelope: Document = {}
        paginated = exchange.value("paginate") != "false" and exchange.version is not Version.V1
        if result.page_size is not None and paginated:
            envelope["page_size"] = result.page_size
        envelope["data"] = result.data
        if result.etag is not None:
            envelope["revision"] = result.etag
        envelope |= self._stamp(exchange, "success")
        token = result.token or exchange.token_text
        if token is not None:
            envelope["auth_token"] = token
        status = self._rules.created_status if exchange.method == "PUT" else self._rules.success_status
        return self._reply(exchange, status, headers, _json(envelope))

    def failure(self, exchange: Exchange, refused: Refused) -> ApiReply:
        """For a request that is refused."""
        if refused.bare:
            return self._reply(exchange, refused.status, [], b"")
        envelope: Document = {}
        if refused.page_size is not None:
            envelope["page_size"] = refused.page_size
        if refused.detail is not None:
            envelope["data"] = self._detail(exchange, refused)
        message = self._rules.invalid if refused.validation else refused.message
        envelope |= {"error": str(refused.status), "message": message}
        envelope |= self._stamp(exchange, "error")
        if exchange.token_text is not None:
            envelope["auth_token"] = exchange.token_text
        elif self._rules.no_token is NoToken.UNDEFINED:
            envelope["auth_token"] = "undefined"
        headers = self._cross_origin(exchange)
        if exchange.negotiated:
            headers += [*JSON, *NEGOTIATED]
        elif self._rules.early_error_type is ErrorType.NAMED:
            headers += JSON
        return self._reply(exchange, refused.status, headers, _json(envelope))

    def _detail(self, exchange: Exchange, refused: Refused) -> Any:
        if exchange.version is not Version.V1 or not isinstance(refused.detail, dict):
            return refused.detail
        if not refused.validation:
            text = self._rules.v1_error_detail is Detail.TEXT
            return refused.detail.get("message", refused.detail) if text else refused.detail
        if self._rules.v1_validation_detail is Detail.OBJECT:
            return refused.detail
        return {
            field: {rule: detail["message"] for rule, detail in rules.items()}
            for field, rules in refused.detail.items()
        }

    def _stamp(self, exchange: Exchange, status: str) -> Document:
        when = gmtime(self._runtime.epoch + exchange.now)
        stamp: Document = {}
        if self._rules.release_shown is not Release.NOBODY:
            stamp["timestamp"] = strftime("%Y-%m-%dT%H:%M:%SZ", when)
            if exchange.known or self._rules.release_shown is Release.EVERYBODY:
                stamp["version"] = self._rules.release
            stamp["node"] = self._node
        if self._counted:
            stamp["tokens"] = {"consumed": 1, "remaining": exchange.remaining()}
        return {**stamp, "request_id": exchange.request_id, "status": status}

    def _cross_origin(self, exchange: Exchange) -> Headers:
        return [*CROSS_ORIGIN, ("access-control-allow-methods", exchange.allowed)]

    def _reply(self, exchange: Exchange, status: int, headers: Headers, body: bytes) -> ApiReply:
        common = [
            ("content-length", str(len(body))),
            ("date", formatdate(self._runtime.epoch + exchange.now, usegmt=True)),
            ("server", "Cowboy"),
            ("x-request-id", exchange.request_id),
        ]
        shown = b"" if exchange.request.method.upper() == "HEAD" else body
        return ApiReply(exchange.request.handle, status, tuple(sorted([*headers, *common])), shown)


def accepts_json(accept: str | None) -> bool:
    """Whether a client that says Accept: `accept` takes JSON."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in (accept or "*/*").split(",")]
    return any(kind in ("*/*", "application/*", "application/json", "") for kind in kinds)


def _json(value: Document) -> bytes:
    return json.dumps(value).encode("ascii")
