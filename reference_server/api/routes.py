"""The paths of the API, as data: what they look like, which methods each allows, who handles them."""

from __future__ import annotations

from dataclasses import dataclass

from reference_server.behaviour import Behaviour
from reference_server.behaviour_calls import Waiting
from reference_server.behaviour_devices import NotifyAction, RegistrationList, Replacement
from reference_server.behaviour_presence import Extensions
from reference_server.rules import Gate, Version

ORDER = ("PATCH", "POST", "PUT", "GET", "DELETE")
"""The order in which Kazoo lists methods, after OPTIONS."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path pattern, `{name}` standing for any one segment, and the handler of each method.

    `open` routes need no token, `login` routes hand one out; `quickcall` routes follow the access rule of quickcalls.
    """

    pattern: tuple[str, ...]
    handlers: dict[str, str]
    open: bool = False
    login: bool = False
    quickcall: bool = False

    @property
    def allowed(self) -> str:
        """The value of Access-Control-Allow-Methods."""
        return ", ".join(["OPTIONS", *(method for method in ORDER if method in self.handlers)])

    def allowing(self, method: str) -> str:
        """The same, with a method that another one came through (recorded)."""
        return ", ".join(["OPTIONS", *(name for name in ORDER if name in self.handlers or name == method)])

    def match(self, path: tuple[str, ...]) -> dict[str, str] | None:
        """The arguments that `path` carries, None when it is not this route's."""
        if len(path) != len(self.pattern):
            return None
        arguments: dict[str, str] = {}
        for wanted, segment in zip(self.pattern, path, strict=True):
            if wanted.startswith("{"):
                arguments[wanted.strip("{}")] = segment
            elif wanted != segment:
                return None
        return arguments


def routes(behaviour: Behaviour, version: Version) -> tuple[Route, ...]:
    """The routes of one API version; the first that matches a path is the one."""
    account = ("accounts", "{account}")
    table = [
        Route(("api_auth",), {"PUT": "api_auth"}, open=True, login=True),
        Route(("user_auth",), {"PUT": "user_auth"}, open=True, login=True),
        Route(account, {"PUT": "create_account", "GET": "show_account", "DELETE": "delete_account"}),
        Route((*account, "api_key"), {"GET": "show_api_key"}),
        Route((*account, "children"), {"GET": "list_children"}),
        *_devices(behaviour, version, (*account, "devices")),
        *_documents((*account, "callflows"), "callflow"),
        *_documents((*account, "resources"), "resource"),
        Route(("ringproof", "lose"), {"POST": "lose_event"}),
        Route(("ringproof", "restart"), {"POST": "restart"}),
    ]
    if version in behaviour.api.users:
        table += _users(behaviour, version, (*account, "users"))
    if version in behaviour.reset.path:
        table += _presence(behaviour, (*account, "presence"))
    if behaviour.devices.registrations is RegistrationList.SERVED:
        listed = {"GET": "list_registrations"}
        table.append(Route((*account, "registrations"), {**listed, "DELETE": "flush_registrations"}))
        table.append(Route((*account, "registrations", "{username}"), {"DELETE": "flush_registrations"}))
        table.append(Route((*account, "devices", "{device}", "registrations"), listed))
    return tuple(table)


def _devices(behaviour: Behaviour, version: Version, devices: tuple[str, ...]) -> list[Route]:
    device = (*devices, "{device}")
    on_device = {"GET": "show_device", "DELETE": "delete_device"}
    if behaviour.devices.post is not Replacement.ABSENT:
        on_device["POST"] = "post_device"
    if behaviour.devices.patch is not Replacement.ABSENT and version in behaviour.devices.patch_path:
        on_device["PATCH"] = "patch_device"
    if behaviour.devices.notify_action is NotifyAction.SENT:
        on_device["PUT"] = "act_on_device"
    table = [
        Route(devices, {"PUT": "create_device", "GET": "list_devices"}),
        Route((*devices, "status"), {"GET": "list_status"}),
        Route(device, on_device),
    ]
    if version in behaviour.sync.path:
        table.append(Route((*device, "sync"), {"POST": "sync_device"}))
    if version in behaviour.reset.path:
        handlers = {"GET": "show_presence"}
        if behaviour.reset.post is Gate.ACCEPTED:
            handlers["POST"] = "reset_presence"
        table.append(Route((*device, "presence"), handlers, open=behaviour.reset.stranger is Gate.ACCEPTED))
    if version in behaviour.quickcall.path:
        table.append(_quickcall(behaviour, device))
    return table


def _users(behaviour: Behaviour, version: Version, users: tuple[str, ...]) -> list[Route]:
    user = (*users, "{user}")
    table = [*_documents(users, "user"), Route((*user, "devices"), {"GET": "list_users_devices"})]
    for method, how in (("POST", behaviour.devices.post), ("PATCH", behaviour.devices.patch)):
        if how is not Replacement.ABSENT:
            table[1].handlers[method] = f"{method.lower()}_user"
    if version in behaviour.sync.users:
        table.append(Route((*user, "sync"), {"POST": "sync_user"}))
    if version in behaviour.reset.path:
        handlers = {"GET": "show_presence"}
        if behaviour.reset.post is Gate.ACCEPTED:
            handlers["POST"] = "reset_user"
        table.append(Route((*user, "presence"), handlers))
    if version in behaviour.quickcall.path:
        table.append(_quickcall(behaviour, user))
    return table


def _presence(behaviour: Behaviour, presence: tuple[str, ...]) -> list[Route]:
    one = (*presence, "{extension}")
    if behaviour.reset.extensions is Extensions.ADDRESS:
        return [Route(presence, {"GET": "show_presence"}), Route((*one, "reset"), {"POST": "reset_address"})]
    handlers = {"GET": "show_presence_of", "POST": "reset_extension"}
    return [Route(presence, {"GET": "show_presence"}), Route(one, handlers)]


def _quickcall(behaviour: Behaviour, whose: tuple[str, ...]) -> Route:
    handlers = {"GET": "quickcall"}
    if behaviour.quickcall.post is Waiting.SERVED:
        handlers["POST"] = "quickcall_and_wait"
    return Route((*whose, "quickcall", "{number}"), handlers, quickcall=True)


def _documents(noun: tuple[str, ...], name: str) -> list[Route]:
    return [
        Route(noun, {"PUT": f"create_{name}", "GET": f"list_{name}s"}),
        Route((*noun, "{document}"), {"GET": f"show_{name}", "DELETE": f"delete_{name}"}),
    ]
