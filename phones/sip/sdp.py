"""What two phones say about their audio: one SDP session each, offer and answer (RFC 4566, RFC 3264).

Only audio over RTP/AVP is understood. Other media of an offer are kept just well enough to be refused in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from phones.sip.message import Address
from phones.sip.value import value

PCMU = 0
"""The one codec that our phones speak (RFC 3551 table 4)."""

MOST_OCTETS = 65_536
MOST_MEDIA = 32
MOST_FORMATS = 128

_MIRRORED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
_HELD = {"sendrecv": "sendonly", "recvonly": "inactive"}
_CODECS = {0: "PCMU/8000", 3: "GSM/8000", 8: "PCMA/8000", 9: "G722/8000", 18: "G729/8000"}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.:_-]{0,253}[A-Za-z0-9:])?|::[A-Fa-f0-9:.]{0,43}")
_MEDIA = re.compile(r"([!-.0-~]{1,20}) ([0-9]{1,5})(?:/[0-9]{1,3})? ([!-~]{1,40})((?: [!-~]{1,40})+)")
_EVENTS = re.compile(r"rtpmap:([0-9]{1,3}) +telephone-event/8000", re.IGNORECASE)


class SdpError(ValueError):
    """A body that describes no audio that we can follow."""


@value
class Session:
    """The audio of one side.

    `host` and `port` are where it wants to receive; port 0 means that it refuses audio. `formats` are RTP payload
    types in its order of preference, `events` the one of them that is telephone-event (RFC 4733), None without.
    `before` and `after` are the media lines (`m=` left out) around the audio.
    """

    host: str
    port: int
    formats: tuple[int, ...]
    direction: str = "sendrecv"
    events: int | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def address(self) -> Address:
        """Where this side receives RTP."""
        return self.host, self.port


def parse(body: bytes) -> Session:
    """The first audio over RTP/AVP in `body`, what a session says in general filled in. Raises SdpError.

    Reads lines that end in a bare LF too. What a phone does not need (o=, s=, t=, unknown attributes) is not checked.
    """
    if len(body) > MOST_OCTETS:
        raise SdpError(f"{len(body)} octets of SDP, at most {MOST_OCTETS}")
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n").split("\n")
    if lines[0].rstrip() != "v=0":
        raise SdpError("no v=0 begins the session")
    media = [number for number, line in enumerate(lines) if line[:2] == "m="]
    if len(media) > MOST_MEDIA:
        raise SdpError(f"{len(media)} media, at most {MOST_MEDIA}")
    sections = [lines[start:end] for start, end in pairwise([*media, len(lines)])]
    described = [_media(section[0]) for section in sections]
    for number, match in enumerate(described):
        if match[1] == "audio" and match[3] in ("RTP/AVP", "RTP/AVPF"):
            others = [tuple(found[0] for found in part) for part in (described[:number], described[number + 1 :])]
            return _audio(match, lines[: media[0]], sections[number], *others)
    raise SdpError("no audio over RTP/AVP")


def _media(line: str) -> re.Match[str]:
    match = _MEDIA.fullmatch(line[2:].rstrip())
    if match is None:
        raise SdpError(f"no valid media line: {line[:60]!r}")
    return match


def _audio(
    media: re.Match[str], general: list[str], own: list[str], before: tuple[str, ...], after: tuple[str, ...]
) -> Session:
    port, formats = int(media[2]), media[4].split()
    if port > 65535:
        raise SdpError(f"port {port}")
    if len(formats) > MOST_FORMATS or not all(text.isdigit() and int(text) < 128 for text in formats):
        raise SdpError(f"no valid payload types: {media[4][:60]!r}")
    numbers = tuple(map(int, formats))
    host = _host(own) or _host(general)
    if host is None:
        raise SdpError("no connection line (c=)")
    direction, events = "sendrecv", None
    for line in (*general, *own):
        if line[:2] != "a=":
            continue
        attribute = line[2:].strip()
        if attribute in _MIRRORED:
            direction = attribute
        elif (mapped := _EVENTS.match(attribute)) and int(mapped[1]) in numbers:
            events = int(mapped[1])
    return Session(host, port, numbers, direction, events, before, after)


def _host(lines: Iterable[str]) -> str | None:
    """The host of the first connection line among `lines`; TTL and count of a multicast address are left out."""
    for line in lines:
        if line[:2] == "c=":
            words = line[2:].split()
            host = words[2].partition("/")[0] if len(words) == 3 else ""
            if words[:2] not in (["IN", "IP4"], ["IN", "IP6"]) or not _HOST.fullmatch(host):
                raise SdpError(f"no valid connection line: {line[:60]!r}")
            return host
    return None


def offer(
    host: str,
    port: int,
    *,
    session_id: int,
    version: int = 1,
    formats: tuple[int, ...] = (0, 8, 101),
    owner: str = "ringproof",
    direction: str = "sendrecv",
) -> bytes:
    """A session that offers audio at `host`, `port`. A dynamic payload type (96 and above) is telephone-event.

    `owner` is a word without spaces; `version` must rise with every change that the same session sends (RFC 3264 8).
    """
    events = next((number for number in formats if number >= 96), None)
    return _write(Session(host, port, formats, direction, events), session_id, version, owner)


def answer(
    theirs: Session,
    host: str,
    port: int,
    *,
    session_id: int,
    version: int = 1,
    owner: str = "ringproof",
    held: bool = False,
) -> bytes | None:
    """The answer to `theirs` with audio at `host`, `port`; None when no codec is common or they want no audio.

    The direction is turned round (RFC 3264 6.1); who is `held` is not heard (8.4). The other media are refused, each in
    its place (RFC 3264 6).
    """
    if PCMU not in theirs.formats or theirs.port == 0:
        return None
    formats = (PCMU,) if theirs.events is None else (PCMU, theirs.events)
    refused = [tuple(_refused(line) for line in lines) for lines in (theirs.before, theirs.after)]
    direction = _MIRRORED[theirs.direction]
    direction = _HELD.get(direction, direction) if held else direction
    ours = Session(host, port, formats, direction, theirs.events, refused[0], refused[1])
    return _write(ours, session_id, version, owner)


def _refused(line: str) -> str:
    kind, _, *rest = line.split(" ")
    return " ".join([kind, "0", *rest])


def _write(session: Session, session_id: int, version: int, owner: str) -> bytes:
    network = f"IN {'IP6' if ':' in session.host else 'IP4'} {session.host}"
    lines = ["v=0", f"o={owner} {session_id} {version} {network}", "s=-", f"c={network}", "t=0 0"]
    lines += [f"m={line}" for line in session.before]
    lines.append(f"m=audio {session.port} RTP/AVP {' '.join(map(str, session.formats))}")
    for number in session.formats:
        if number == session.events:
            lines += [f"a=rtpmap:{number} telephone-event/8000", f"a=fmtp:{number} 0-15"]
        elif number in _CODECS:
            lines.append(f"a=rtpmap:{number} {_CODECS[number]}")
    lines += ["a=ptime:20", f"a={session.direction}"]
    lines += [f"m={line}" for line in session.after]
    return "".join(f"{line}\r\n" for line in lines).encode()
