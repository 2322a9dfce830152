"""What watchers are told, as documents: dialog-info, PIDF, message-summary, laid out as recorded on 4.3 and 5.0."""

from __future__ import annotations

import re
from hashlib import md5
from xml.sax.saxutils import escape

from reference_server.behaviour_presence import Package
from reference_server.channels import Channel
from reference_server.registrations import Aor
from reference_server.states import ChannelState, Direction
from reference_server.wire import encode, user_part

CONTENT_TYPES = {
    Package.DIALOG: "application/dialog-info+xml",
    Package.PRESENCE: "application/pidf+xml",
    Package.MESSAGE_SUMMARY: "application/simple-message-summary",
}
"""What the NOTIFY of a package carries, unless it has no body: then it has no Content-Type either."""

IDLE = "615293b33c62dec073e05d9421e9f48b"
"""The id of the dialog and the tuple that stand for no call, in every Kazoo."""

_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\ud800-\udfff\ufffe\uffff]")
_PIDF = "urn:ietf:params:xml:ns:pidf"
_SPACES = (
    f'xmlns:dm="{_PIDF}:data-model" xmlns:rpid="{_PIDF}:rpid"',
    f'xmlns="{_PIDF}" xmlns:dm="{_PIDF}:data-model" xmlns:rpid="{_PIDF}:rpid" xmlns:c="{_PIDF}:cipid"',
)


def dialog_id(channel: Channel) -> str:
    """The dialog id, which is the call-id too: a pickup cookie of the account's realm, then the leg's Call-ID.

    A state that was set by hand has no leg, hence no cookie.
    """
    if channel.direction is Direction.NONE:
        return channel.call_id
    cookie = md5(encode(channel.presentity.realm.lower()), usedforsecurity=False).hexdigest()
    return f"kfp+{len(cookie)}{cookie}@{channel.call_id}"


def document(package: Package, entity: Aor, uri: str, channel: Channel | None, version: int) -> bytes:
    """The full state of `entity`, whose URI is `uri`: `channel` is the call that counts, None when there is none."""
    if package is Package.DIALOG:
        return _dialog_info(uri, entity, channel, version)
    return _pidf(entity, channel) if package is Package.PRESENCE else b""


def _dialog_info(uri: str, entity: Aor, channel: Channel | None, version: int) -> bytes:
    """RFC 4235. One dialog; the target of both sides is the presentity."""
    lines = [
        '<?xml version="1.0"?>',
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{version}" state="full" '
        f"entity={_quoted(uri)}>",
    ]
    if channel is None:
        lines.append(f'  <dialog id="{IDLE}" direction="recipient">\t<state>terminated</state>\t</dialog>')
    else:
        identifier = _quoted(dialog_id(channel))
        remote = _with_realm(uri, channel.peer)
        lines += [
            f"  <dialog id={identifier} call-id={identifier}{_tags(channel)} direction={_quoted(channel.direction)}>",
            f"    <state>{channel.state}</state>",
            "    <local>",
            *_party(entity.user, uri, uri),
            "    </local>",
            "    <remote>",
            *_party(channel.peer_name or channel.peer, remote, uri),
            "    </remote>",
            "  </dialog>",
        ]
    return encode("\n".join([*lines, "</dialog-info>", ""]))


def _tags(channel: Channel) -> str:
    """A called phone's dialog shows no tag before it has both."""
    if channel.direction is Direction.RECIPIENT and not channel.remote_tag:
        return ""
    pairs = (("local-tag", channel.local_tag), ("remote-tag", channel.remote_tag))
    return "".join(f" {name}={_quoted(tag)}" for name, tag in pairs if tag)


def _party(display: str, uri: str, target: str) -> list[str]:
    return [
        f"      <identity display={_quoted(display)}>{_text(uri)}</identity>",
        f"      <target uri={_quoted(target)}/>",
    ]


def _with_realm(uri: str, user: str) -> str:
    """The other side at the presentity's realm, wherever it really is (recorded)."""
    return f"sip:{user_part(user)}@{uri.rpartition('@')[2]}"


def _pidf(entity: Aor, channel: Channel | None) -> bytes:
    """RFC 3863 with the person of RFC 4479: always open, the note says it."""
    note, activity = {
        ChannelState.EARLY: ("Busy", "busy"),
        ChannelState.CONFIRMED: ("On the Phone", "on-the-phone"),
        ChannelState.TERMINATED: ("Available", ""),
    }[channel.state if channel is not None else ChannelState.TERMINATED]
    activities = f"<rpid:activities><rpid:{activity}/></rpid:activities>" if activity else "<rpid:activities/>"
    identifier = dialog_id(channel) if channel is not None else IDLE
    # indented when there is no call, else on one line after a space
    start, between, second, third, end = ("\n  ", "\n  ", "\n    ", "\n      ", "\n")
    if channel is not None:
        start, between, second, third, end = (" ", "", "", "", "")
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<presence {_SPACES[1]} entity={_quoted(entity.user)}>'
        f'{start}<tuple xmlns="{_PIDF}" id={_quoted(identifier)}>'
        f"{second}<status>{third}<basic>open</basic>{second}</status>{between}</tuple>"
        f'{between}<note xmlns="{_PIDF}">{note}</note>'
        f'{between}<dm:person {_SPACES[0]} id="1">{second}{activities}{second}<dm:note>{note}</dm:note>'
        f"{between}</dm:person>{end}</presence>\n"
    )
    return encode(body)


def _quoted(value: str) -> str:
    """An attribute value in double quotes."""
    return '"' + escape(_printable(value), {'"': "&quot;", "\t": "&#9;"}) + '"'


def _text(value: str) -> str:
    return escape(_printable(value))


def _printable(value: str) -> str:
    """`value` without the characters that XML 1.0 forbids (section 2.2)."""
    return value if value.isprintable() and value.isascii() else _FORBIDDEN.sub("", value)
