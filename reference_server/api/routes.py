"""The paths of the API, as data: what they look like, which methods each allows, who handles them."""

from __future__ import annotations

from dataclasses import dataclass

from reference_server.behaviour import Behaviour, NotifyAction, Replacement
from reference_server.rules import Gate, Version

ORDER = ("PATCH", "POST", "PUT", "GET", "DELETE")
"""The order in which Kazoo lists methods, after OPTIONS."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path pattern, `{name}` standing for any one segment, and the handler of each method.

    `open` routes need no token; `quickcall` routes follow the access rule of quickcalls.
    """

    pattern: tuple[str, ...]
    handlers: dict[str, str]
    open: bool = False
    quickcall: bool = False

    @property
    def allowed(self) -> str:
        """The value of Access-Control-Allow-Methods."""
        return ", ".join(["OPTIONS", *(method for method in ORDER if method in self.handlers)])

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
    devices = (*account, "devices")
    device = (*devices, "{device}")
    on_device = {"GET": "show_device", "DELETE": "delete_device"}
    if behaviour.devices.post is not Replacement.ABSENT:
        on_device["POST"] = "post_device"
    if behaviour.devices.patch is not Replacement.ABSENT:
        on_device["PATCH"] = "patch_device"
    if behaviour.devices.notify_action is NotifyAction.SENT:
        on_device["PUT"] = "act_on_device"
    table = [
        Route(("api_auth",), {"PUT": "api_auth"}, open=True),
        Route(("user_auth",), {"PUT": "user_auth"}, open=True),
        Route(account, {"PUT": "create_account", "GET": "show_account", "DELETE": "delete_account"}),
        Route((*account, "api_key"), {"GET": "show_api_key"}),
        Route((*account, "children"), {"GET": "list_children"}),
        Route(devices, {"PUT": "create_device", "GET": "list_devices"}),
        Route((*devices, "status"), {"GET": "list_status"}),
        Route(device, on_device),
        Route((*account, "callflows"), {"PUT": "create_callflow", "GET": "list_callflows"}),
        Route((*account, "callflows", "{document}"), {"GET": "show_callflow", "DELETE": "delete_callflow"}),
        Route((*account, "resources"), {"PUT": "create_resource", "GET": "list_resources"}),
        Route((*account, "resources", "{document}"), {"GET": "show_resource", "DELETE": "delete_resource"}),
        Route(("ringproof", "lose"), {"POST": "lose_event"}),
    ]
    if version in behaviour.sync.path:
        table.append(Route((*device, "sync"), {"POST": "sync_device"}))
    if version in behaviour.reset.path:
        handlers = {"POST": "reset_presence", "GET": "show_presence"}
        table.append(Route((*device, "presence"), handlers, open=behaviour.reset.stranger is Gate.ACCEPTED))
    if version in behaviour.quickcall.path:
        table.append(Route((*device, "quickcall", "{number}"), {"GET": "quickcall"}, quickcall=True))
    return tuple(table)
