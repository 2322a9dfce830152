"""The API as a whole: versions, the checks in the order of the rules, handlers, envelope, headers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.utils import formatdate
from time import gmtime, strftime
from typing import Any

from reference_server.api.accounts import Accounts
from reference_server.api.auth import Authentication
from reference_server.api.devices import Devices
from reference_server.api.errors import (
    Refused,
    bad_identifier,
    forbidden,
    invalid_account,
    invalid_credentials,
    invalid_method,
    not_found,
    unspecified_fault,
)
from reference_server.api.exchange import Exchange, Result, open_exchange, read_body
from reference_server.api.presence import PresenceHandler
from reference_server.api.quickcall import QuickcallHandler
from reference_server.api.routes import Route, routes
from reference_server.api.stored import Callflows, Resources
from reference_server.behaviour import (
    Ancestor,
    Check,
    Detail,
    RequestId,
    Tunnel,
    VersionSupport,
)
from reference_server.behaviour_calls import Access
from reference_server.directory import Account, Directory, Document
from reference_server.effects import ApiReply, ApiRequest
from reference_server.notifier import Notifier
from reference_server.presence import Presence
from reference_server.quickcall import Quickcalls
from reference_server.registrations import Registrations
from reference_server.rules import Carrier, Gate, Version
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

GREETING = b"Kazoo API, played by the ringproof reference server\n"
"""For requests without an API version."""

OWN_PATH = ("ringproof",)
"""What stands here is ours alone, and belongs to no version of Kazoo's API."""

_VERSION = re.compile(r"v[0-9]+\Z")
_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}\Z")
_UNPRINTABLE = re.compile(r"[^!-~]")


class Api:
    """Answers API requests."""

    def __init__(
        self,
        runtime: Runtime,
        directory: Directory,
        registrations: Registrations,
        notifier: Notifier,
        quickcalls: Quickcalls,
        presence: Presence,
    ) -> None:
        self._runtime = runtime
        self._rules = runtime.behaviour.api
        self._tokens = runtime.behaviour.tokens
        self._directory = directory
        self._node = runtime.hex(22)
        self._routes = {version: routes(runtime.behaviour, version) for version in Version}
        self._authentication = Authentication(directory)
        self._accounts = Accounts(directory, registrations)
        self._devices = Devices(runtime, directory, registrations, notifier)
        self._presence = PresenceHandler(runtime.behaviour, directory, self._devices, presence, notifier)
        self._callflows = Callflows(directory)
        self._resources = Resources(directory)
        self._quickcall = QuickcallHandler(self._devices, quickcalls, runtime.behaviour.quickcall)

    def handle(self, request: ApiRequest, now: float) -> ApiReply:
        """The reply to `request`; what it sets off on the SIP side is on the agenda."""
        exchange = open_exchange(request, self._request_id(request), now)
        if exchange.path[:1] == OWN_PATH:
            exchange.path = (Version.V2, *exchange.path)
        if not exchange.path or not _VERSION.match(exchange.path[0]):
            return self._reply(exchange, 200, [("content-type", "text/plain; charset=UTF-8")], GREETING)
        try:
            route = self._check(exchange)
            if exchange.method == "OPTIONS":
                return self._reply(exchange, 200, self._cross_origin(exchange), b"")
            if not exchange.negotiated:
                return self._reply(exchange, 406, [], b"")
            return self._success(exchange, self._run(exchange, route))
        except Refused as refused:
            return self._failure(exchange, refused)

    def fault(self, request: ApiRequest, now: float) -> ApiReply:
        """The reply to a request on which the server itself failed."""
        return self._failure(open_exchange(request, self._request_id(request), now), unspecified_fault())

    # the checks

    def _check(self, exchange: Exchange) -> Route:
        support = {"v1": self._rules.v1, "v2": self._rules.v2}.get(exchange.path[0], VersionSupport.NOT_FOUND)
        if support is VersionSupport.GONE:
            unsupported = f"API version {exchange.path[0][1:]} is not supported."
            raise Refused(410, "gone", f"{unsupported} Please upgrade your code to use version 2.")
        if support is VersionSupport.NOT_FOUND:
            exchange.allowed = "OPTIONS"
            raise not_found()
        exchange.version = Version(exchange.path[0])
        route = self._find_route(exchange)
        if exchange.method == "OPTIONS" and route is not None:
            exchange.allowed = route.allowed
            return route
        for check in self._rules.order:
            if check is Check.BODY:
                read_body(exchange, self._rules)
            elif check is Check.ROUTE:
                self._check_route(exchange, route)
            elif route is not None:
                self._check_rights(check, exchange, route)
        if route is None:
            raise not_found()
        return route

    def _find_route(self, exchange: Exchange) -> Route | None:
        if exchange.version is None:
            return None
        for route in self._routes[exchange.version]:
            arguments = route.match(exchange.path[1:])
            if arguments is not None:
                exchange.arguments = arguments
                return route
        return None

    def _check_route(self, exchange: Exchange, route: Route | None) -> None:
        exchange.token_text = self._token_text(exchange, route)
        if route is None:
            exchange.allowed = "OPTIONS"
            raise not_found()
        exchange.allowed = route.allowed
        verb = exchange.value("verb")
        if isinstance(verb, str) and self._rules.verb_tunnel is Tunnel.HONOURED:
            exchange.method = verb.upper()
        if exchange.method not in route.handlers:
            raise invalid_method()

    def _check_rights(self, check: Check, exchange: Exchange, route: Route) -> None:
        if check is Check.ACCOUNT and "account" in exchange.arguments:
            exchange.account = self._account(exchange.arguments["account"])
        elif check is Check.TOKEN and not self._is_open(route):
            exchange.token_text = self._token_text(exchange, route)
            exchange.caller = self._caller(exchange, route)
        elif check is Check.ACCESS and not self._is_open(route):
            self._check_access(exchange, route)
        elif check is Check.MEDIA:
            exchange.negotiated = _accepts_json(exchange.header("accept"))

    def _is_open(self, route: Route) -> bool:
        anyone = self._runtime.behaviour.quickcall.access is Access.ANYONE
        return route.open or (route.quickcall and anyone)

    def _account(self, account_id: str) -> Account:
        if not _ACCOUNT_ID.match(account_id):
            raise invalid_account(account_id)
        account = self._directory.accounts.get(account_id)
        if account is None:
            raise bad_identifier(account_id)
        return account

    def _token_text(self, exchange: Exchange, route: Route | None) -> str | None:
        carriers = self._tokens.carriers
        if route is not None and route.quickcall:
            carriers = self._runtime.behaviour.quickcall.carriers
        for carrier in carriers:
            value = exchange.header("x-auth-token") if carrier is Carrier.HEADER else exchange.value("auth_token")
            if isinstance(value, str):
                return value
        return None

    def _caller(self, exchange: Exchange, route: Route) -> Account | None:
        """Whose token it is; None stands for a caller that the rules let in all the same."""
        quickcall = self._runtime.behaviour.quickcall
        if not exchange.token_text:
            absent = quickcall.anonymous if route.quickcall else self._tokens.absent
            if Gate.ACCEPTED not in (absent, self._tokens.absent):
                raise invalid_credentials()
            return None
        token = self._directory.token(exchange.token_text)
        lifetime = self._tokens.lifetime_s
        if token is not None and (lifetime is None or exchange.now < token.issued + lifetime):
            return self._directory.accounts[token.account_id]
        if route.quickcall and quickcall.access is Access.TOKEN_OR_KEY:
            owner = self._directory.account_by_key(exchange.token_text)
            if owner is not None:
                return owner
        unknown = quickcall.unknown_token if route.quickcall else self._tokens.unknown
        if Gate.ACCEPTED not in (unknown, self._tokens.unknown):
            raise invalid_credentials()
        return None

    def _check_access(self, exchange: Exchange, route: Route) -> None:
        caller, account = exchange.caller, exchange.account
        if caller is None or account is None or caller is account:
            return
        if self._directory.is_above(caller, account):
            on_devices = "devices" in exchange.path
            limited = self._tokens.ancestor is Ancestor.ACCOUNT_ONLY and on_devices
            if limited or self._tokens.ancestor is Ancestor.NOTHING:
                raise forbidden()
        else:
            stranger = self._runtime.behaviour.quickcall.stranger if route.quickcall else self._tokens.stranger
            if Gate.ACCEPTED not in (stranger, self._tokens.stranger):
                raise forbidden()

    # the handlers

    def _run(self, exchange: Exchange, route: Route) -> Result:
        name = route.handlers[exchange.method]
        if name == "api_auth":
            return self._authentication.api_auth(exchange)
        if name == "user_auth":
            return self._authentication.user_auth(exchange)
        if name == "lose_event":
            return self._presence.lose(exchange)
        account = exchange.account
        if account is None:
            raise not_found()
        device = exchange.arguments.get("device", "")
        document = exchange.arguments.get("document", "")
        rules = self._runtime.behaviour.devices
        handlers: dict[str, Callable[[], Result]] = {
            "create_account": lambda: self._accounts.create(exchange, account),
            "show_account": lambda: self._accounts.show(account),
            "delete_account": lambda: self._accounts.delete(account),
            "show_api_key": lambda: self._accounts.show_api_key(account),
            "list_children": lambda: self._accounts.list_children(account),
            "create_device": lambda: self._devices.create(exchange, account),
            "list_devices": lambda: self._devices.list_all(account),
            "list_status": lambda: self._devices.list_status(account, exchange.now),
            "show_device": lambda: self._devices.show(account, device),
            "post_device": lambda: self._devices.update(exchange, account, device, rules.post),
            "patch_device": lambda: self._devices.update(exchange, account, device, rules.patch),
            "delete_device": lambda: self._devices.delete(account, device, exchange.now),
            "act_on_device": lambda: self._devices.act(exchange, account, device),
            "sync_device": lambda: self._devices.sync(account, device, exchange.now),
            "reset_presence": lambda: self._presence.reset(exchange, account, device),
            "show_presence": lambda: self._presence.show(exchange, account, device),
            "create_callflow": lambda: self._callflows.create(exchange, account),
            "list_callflows": lambda: self._callflows.list_all(account),
            "show_callflow": lambda: self._callflows.show(account, document),
            "delete_callflow": lambda: self._callflows.delete(account, document),
            "create_resource": lambda: self._resources.create(exchange, account),
            "list_resources": lambda: self._resources.list_all(account),
            "show_resource": lambda: self._resources.show(account, document),
            "delete_resource": lambda: self._resources.delete(account, document),
            "quickcall": lambda: self._quickcall.start(exchange, account, device, exchange.arguments.get("number", "")),
        }
        return handlers[name]()

    # the replies

    def _request_id(self, request: ApiRequest) -> str:
        own = self._runtime.hex(32)
        if self._rules.request_id is RequestId.OWN:
            return own
        given = next((value for name, value in request.headers if name.lower() == "x-request-id"), "")
        return _UNPRINTABLE.sub("", given)[:256] or own

    def _success(self, exchange: Exchange, result: Result) -> ApiReply:
        headers: Headers = [("content-type", "application/json"), *NEGOTIATED]
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

    def _failure(self, exchange: Exchange, refused: Refused) -> ApiReply:
        envelope: Document = {}
        if refused.detail is not None:
            envelope["data"] = self._detail(exchange, refused)
        envelope |= {"error": str(refused.status), "message": refused.message}
        envelope |= self._stamp(exchange, "error")
        envelope["auth_token"] = "undefined" if exchange.token_text is None else exchange.token_text
        headers = [*self._cross_origin(exchange), ("content-type", "application/json")]
        if exchange.negotiated:
            headers += NEGOTIATED
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
        return {
            "timestamp": strftime("%Y-%m-%dT%H:%M:%SZ", when),
            "version": self._rules.release,
            "node": self._node,
            "request_id": exchange.request_id,
            "status": status,
        }

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


def _accepts_json(accept: str | None) -> bool:
    kinds = [kind.partition(";")[0].strip().lower() for kind in (accept or "*/*").split(",")]
    return any(kind in ("*/*", "application/*", "application/json", "") for kind in kinds)


def _json(value: Document) -> bytes:
    return json.dumps(value).encode("ascii")
