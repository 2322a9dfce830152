"""The API as a whole: versions, the checks in the order of the rules, handlers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from reference_server.api.accounts import Accounts
from reference_server.api.auth import Authentication
from reference_server.api.devices import Devices
from reference_server.api.errors import (
    Refused,
    bad_identifier,
    forbidden,
    init_failed,
    invalid_account,
    invalid_credentials,
    invalid_method,
    not_found,
    too_many_requests,
    unspecified_fault,
)
from reference_server.api.exchange import Exchange, Pending, Result, open_exchange, read_body
from reference_server.api.presence import PresenceHandler
from reference_server.api.quickcall import QuickcallHandler
from reference_server.api.rate import Buckets
from reference_server.api.registrations import RegistrationsHandler
from reference_server.api.replies import Replies, accepts_json
from reference_server.api.routes import Route, routes
from reference_server.api.stored import Callflows, Resources
from reference_server.api.users import Users
from reference_server.behaviour_api import Alias, Ancestor, Check, RequestId, Tunnel, VersionSupport
from reference_server.behaviour_calls import Access
from reference_server.directory import Account, Directory
from reference_server.effects import ApiReply, ApiRequest
from reference_server.notifier import Notifier
from reference_server.presence import Presence
from reference_server.quickcall import Quickcalls
from reference_server.registrations import Registrations
from reference_server.rules import Carrier, Gate, Version
from reference_server.runtime import Runtime

Handler = Callable[[Exchange, Account], Result | Pending]

Later = Callable[[ApiReply, float], None]
"""Takes a reply that comes later, and when (seconds)."""

OWN_PATH = ("ringproof",)
"""What stands here is ours alone, and belongs to no version of Kazoo's API."""

_VERSION = re.compile(r"v[0-9]+\Z")
_ACCOUNT_ID = re.compile(r"[0-9a-f]{32}\Z")
_UNPRINTABLE = re.compile(r"[^!-~]")
_SCHEME = re.compile(r"(?:basic|bearer) +", re.IGNORECASE)


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
        restart: Callable[[float], None],
    ) -> None:
        behaviour = runtime.behaviour
        self._runtime = runtime
        self._rules = behaviour.api
        self._tokens = behaviour.tokens
        self._directory = directory
        self._replies = Replies(runtime)
        self._routes = {version: routes(behaviour, version) for version in Version}
        self._buckets = Buckets(behaviour.rate)
        self._authentication = Authentication(directory, self._replies.node_id)
        devices = Devices(runtime, directory, registrations, notifier)
        users = Users(directory)
        accounts = Accounts(directory, registrations)
        callflows, resources = Callflows(directory), Resources(directory)
        lamps = PresenceHandler(behaviour, directory, devices, users, presence, notifier)
        quickcall = QuickcallHandler(devices, users, quickcalls, behaviour)
        listed = RegistrationsHandler(runtime, registrations, devices)
        self._lose = lamps.lose
        self._restart = restart
        self._handlers: dict[str, Handler] = {
            "create_account": accounts.create,
            "show_account": lambda _, account: accounts.show(account),
            "delete_account": lambda _, account: accounts.delete(account),
            "show_api_key": lambda _, account: accounts.show_api_key(account),
            "list_children": lambda _, account: accounts.list_children(account),
            "create_device": devices.create,
            "list_devices": lambda _, account: devices.list_all(account),
            "list_status": lambda exchange, account: devices.list_status(account, exchange.now),
            "show_device": devices.show,
            "post_device": partial(devices.update, how=behaviour.devices.post),
            "patch_device": partial(devices.update, how=behaviour.devices.patch),
            "delete_device": devices.delete,
            "act_on_device": devices.act,
            "sync_device": devices.sync,
            "list_users_devices": devices.list_owned,
            "sync_user": devices.sync_user,
            "reset_presence": lamps.reset,
            "reset_user": lamps.reset_user,
            "reset_extension": lamps.reset_extension,
            "reset_address": lamps.reset_address,
            "show_presence": lamps.show,
            "show_presence_of": lamps.show_one,
            "quickcall": quickcall.start,
            "quickcall_and_wait": quickcall.start_and_wait,
            "list_registrations": listed.list_all,
            "flush_registrations": listed.flush,
            **users.handlers(behaviour.devices.post, behaviour.devices.patch),
            **callflows.handlers(),
            **resources.handlers(),
        }

    def handle(self, request: ApiRequest, now: float, later: Later) -> ApiReply | None:
        """The reply to `request`, None when it comes `later`; what it sets off on the SIP side is on the agenda."""
        exchange = self._open(request, now)
        if exchange.path[:1] == OWN_PATH:
            exchange.path = (Version.V2, *exchange.path)
        if not exchange.path or not _VERSION.match(exchange.path[0]):
            return self._replies.greeting(exchange)
        try:
            route = self._check(exchange)
            if exchange.method == "OPTIONS":
                return self._replies.options(exchange)
            if not exchange.negotiated:
                return self._replies.unacceptable(exchange)
            result = self._run(exchange, route)
        except Refused as refused:
            return self._replies.failure(exchange, refused)
        if isinstance(result, Pending):
            result.settle = lambda outcome, then: later(self._settled(exchange, outcome, then), then)
            return None
        return self._replies.success(exchange, result)

    def fault(self, request: ApiRequest, now: float) -> ApiReply:
        """The reply to a request on which the server itself failed."""
        return self._replies.failure(self._open(request, now), unspecified_fault())

    def _open(self, request: ApiRequest, now: float) -> Exchange:
        exchange = open_exchange(request, self._request_id(request), now)
        client = self._buckets.client(request)

        def key() -> tuple[str, str]:
            return client, exchange.account.id if exchange.account is not None else ""

        def spend(cost: int) -> None:
            if not self._buckets.take(key(), cost, now):
                raise too_many_requests()

        exchange.spend, exchange.remaining = spend, lambda: self._buckets.remaining(key(), exchange.now)
        return exchange

    def _settled(self, exchange: Exchange, outcome: Result | Refused, now: float) -> ApiReply:
        exchange.now = now
        if isinstance(outcome, Refused):
            return self._replies.failure(exchange, outcome)
        return self._replies.success(exchange, outcome)

    # the checks

    def _check(self, exchange: Exchange) -> Route:
        support = {"v1": self._rules.v1, "v2": self._rules.v2}.get(exchange.path[0], self._rules.later)
        if support is VersionSupport.GONE:
            unsupported = f"API version {exchange.path[0][1:]} is not supported."
            raise Refused(410, "gone", f"{unsupported} Please upgrade your code to use version 2.")
        if support is VersionSupport.NOT_FOUND:
            exchange.token_text = self._token_text(exchange, None)
            exchange.allowed = "OPTIONS"
            raise not_found()
        exchange.version = Version.V1 if exchange.path[0] == "v1" else Version.V2
        self._resolve_alias(exchange)
        route = self._find_route(exchange)
        if exchange.method == "OPTIONS" and route is not None:
            exchange.allowed = route.allowed
            return route
        # whatever the order, the body is read first: a method may be tunnelled in it
        broken: Refused | None = None
        try:
            read_body(exchange, self._rules)
        except Refused as refused:
            broken = refused
        for check in self._rules.order:
            if check is Check.BODY:
                if broken is not None:
                    raise broken
            elif check is Check.ROUTE:
                self._check_route(exchange, route)
            elif route is not None:
                self._check_rights(check, exchange, route)
        if route is None:
            raise not_found()
        return route

    def _resolve_alias(self, exchange: Exchange) -> None:
        """`/v2/account` is the account of the token."""
        version, *rest = exchange.path
        if rest[:1] != ["account"] or self._rules.account_alias is Alias.ABSENT:
            return
        exchange.token_text = self._token_text(exchange, None)
        owner = self._owner(exchange)
        if owner is None:
            raise invalid_credentials()
        exchange.path = (version, "accounts", owner.id, *rest[1:])

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
        exchange.known = self._owner(exchange) is not None
        if route is None:
            exchange.allowed = "OPTIONS"
            raise not_found()
        exchange.allowed = route.allowed
        verb = exchange.value("verb")
        if isinstance(verb, str) and self._rules.verb_tunnel is Tunnel.HONOURED:
            exchange.method = verb.upper()
            exchange.allowed = route.allowing(exchange.request.method.upper())
        if exchange.method not in route.handlers:
            raise invalid_method()

    def _check_rights(self, check: Check, exchange: Exchange, route: Route) -> None:
        if check is Check.ACCOUNT and "account" in exchange.arguments:
            exchange.account = self._account(exchange.arguments["account"])
        elif check is Check.TOKEN:
            exchange.token_text = self._token_text(exchange, route)
            if self._is_open(exchange, route):
                exchange.spend(self._runtime.behaviour.rate.login if route.login else 0)
            else:
                self._authenticate(exchange, route)
        elif check is Check.ACCESS and not self._is_open(exchange, route):
            self._check_access(exchange, route)
        elif check is Check.MEDIA:
            exchange.negotiated = accepts_json(exchange.header("accept"))

    def _is_open(self, exchange: Exchange, route: Route) -> bool:
        anyone = self._runtime.behaviour.quickcall.access is Access.ANYONE
        return route.open or (route.quickcall and anyone and exchange.method == "GET")

    def _authenticate(self, exchange: Exchange, route: Route) -> None:
        rate = self._runtime.behaviour.rate
        try:
            exchange.caller = self._caller(exchange, route)
        except Refused:
            exchange.spend(0 if self._only_authorization(exchange, route) else rate.refused)
            raise
        exchange.spend(rate.request)

    def _account(self, account_id: str) -> Account:
        if not _ACCOUNT_ID.match(account_id):
            raise invalid_account(account_id)
        account = self._directory.accounts.get(account_id)
        if account is None:
            raise bad_identifier(account_id)
        return account

    def _carriers(self, route: Route | None) -> tuple[Carrier, ...]:
        return self._runtime.behaviour.quickcall.carriers if route and route.quickcall else self._tokens.carriers

    def _token_text(self, exchange: Exchange, route: Route | None) -> str | None:
        for carrier in self._carriers(route):
            value = self._carried(exchange, carrier)
            if value is not None:
                exchange.carrier = carrier
                return value
        return None

    def _carried(self, exchange: Exchange, carrier: Carrier) -> str | None:
        if carrier is Carrier.AUTHORIZATION:
            value = exchange.header("authorization")
            return _SCHEME.sub("", value, count=1) if value is not None else None
        value = exchange.header("x-auth-token") if carrier is Carrier.HEADER else exchange.value("auth_token")
        return value if isinstance(value, str) else None

    def _only_authorization(self, exchange: Exchange, route: Route) -> bool:
        return self._token_text(exchange, route) is not None and exchange.carrier is Carrier.AUTHORIZATION

    def _owner(self, exchange: Exchange) -> Account | None:
        """Whose valid token came, None without one."""
        if not exchange.token_text or exchange.carrier is Carrier.AUTHORIZATION:
            return None
        token = self._directory.token(exchange.token_text)
        lifetime = self._tokens.lifetime_s
        if token is None or (lifetime is not None and exchange.now >= token.issued + lifetime):
            return None
        return self._directory.accounts[token.account_id]

    def _caller(self, exchange: Exchange, route: Route) -> Account | None:
        """Whose token it is; None stands for a caller that the rules let in all the same."""
        quickcall = self._runtime.behaviour.quickcall
        if not exchange.token_text:
            absent = quickcall.anonymous if route.quickcall else self._tokens.absent
            if Gate.ACCEPTED not in (absent, self._tokens.absent):
                raise invalid_credentials()
            return None
        owner = self._owner(exchange)
        if owner is not None:
            return owner
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

    def _run(self, exchange: Exchange, route: Route) -> Result | Pending:
        if exchange.crashes:
            raise init_failed()
        name = route.handlers[exchange.method]
        if name == "api_auth":
            return self._authentication.api_auth(exchange)
        if name == "user_auth":
            return self._authentication.user_auth(exchange)
        if name == "lose_event":
            return self._lose(exchange)
        if name == "restart":
            return self._restarted(exchange)
        if exchange.account is None:
            raise not_found()
        return self._handlers[name](exchange, exchange.account)

    def _restarted(self, exchange: Exchange) -> Result:
        """POST /ringproof/restart, of which Kazoo has nothing: the SIP side restarts."""
        if exchange.caller is None:
            raise invalid_credentials()
        self._restart(exchange.now)
        return Result({})

    def _request_id(self, request: ApiRequest) -> str:
        own = self._runtime.hex(32)
        if self._rules.request_id is RequestId.OWN:
            return own
        given = next((value for name, value in request.headers if name.lower() == "x-request-id"), "")
        return _UNPRINTABLE.sub("", given)[:256] or own
