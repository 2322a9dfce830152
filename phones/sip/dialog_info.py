"""The document of package `dialog`: which dialogs a presentity has (RFC 4235 4).

Kazoo 4.1 and newer (Kamailio) sends one dialog in each document, always full; when nothing goes on a `terminated` one
with a fixed id and no call-id. A plain Kamailio writes states with a capital and the sides in the other order.
"""

from __future__ import annotations

import re
from functools import lru_cache

from phones.sip.value import value
from phones.sip.xml import DocumentError, Element, one_of, parse, shown

NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
CONTENT_TYPE = "application/dialog-info+xml"
STATES = ("trying", "proceeding", "early", "confirmed", "terminated")
"""The states of a dialog, in the order in which it may go through them (RFC 4235 3.7.1)."""

_NUMBER = re.compile(r"0*([0-9]{1,10})")


@value
class Party:
    """One side of a dialog: the URI of its identity, the name shown with it, and the URI of its target."""

    identity: str = ""
    display: str = ""
    target: str = ""


@value
class DialogState:
    """One dialog. `direction` is initiator, recipient, or empty where none is said (as for a state set by API)."""

    id: str
    state: str
    call_id: str = ""
    direction: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    local: Party = Party()
    remote: Party = Party()


@value
class DialogInfo:
    """One document. `full`: it names all dialogs of `entity`, otherwise only those that changed."""

    entity: str
    version: int
    full: bool
    dialogs: tuple[DialogState, ...]


# the watchers of one change are often told the same
@lru_cache(maxsize=64)
def parse_dialog_info(body: bytes) -> DialogInfo:
    """Read a dialog-info document. Raises DocumentError."""
    root = parse(body, NAMESPACE, "dialog-info")
    version = _NUMBER.fullmatch(root.required("version"))
    if version is None:
        raise DocumentError(f"version {shown(root.required('version'))!r}")
    full = one_of(root.required("state"), ("full", "partial"), "dialog-info state") == "full"
    dialogs = tuple(_dialog(element) for element in root.all(NAMESPACE, "dialog"))
    return DialogInfo(root.required("entity"), int(version[1]), full, dialogs)


def _dialog(element: Element) -> DialogState:
    state = element.first(NAMESPACE, "state")
    if state is None:
        raise DocumentError("a dialog without a state")
    return DialogState(
        id=element.required("id"),
        state=one_of(state.text, STATES, "dialog state"),
        call_id=element.attributes.get("call-id", ""),
        direction=one_of(element.attributes.get("direction", ""), ("", "initiator", "recipient"), "direction"),
        local_tag=element.attributes.get("local-tag", ""),
        remote_tag=element.attributes.get("remote-tag", ""),
        local=_party(element.first(NAMESPACE, "local")),
        remote=_party(element.first(NAMESPACE, "remote")),
    )


def _party(element: Element | None) -> Party:
    identity = element and element.first(NAMESPACE, "identity")
    target = element and element.first(NAMESPACE, "target")
    return Party(
        identity=identity.text if identity else "",
        display=identity.attributes.get("display", "") if identity else "",
        target=target.attributes.get("uri", "") if target else "",
    )
