"""Messages of calls as they leave the edge: made by FreeSWITCH, relayed by Kamailio, laid out as recorded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from phones.sip import sdp
from phones.sip.index import Message
from phones.sip.message import Address, response
from reference_server.behaviour_calls import Quoting
from reference_server.legs import Leg, Shows
from reference_server.runtime import Runtime
from reference_server.wire import FREESWITCH_PORT, METHODS, Relay, assemble, encode

Header = tuple[str, str]

AGENT: list[Header] = [("User-Agent", "2600Hz"), ("Allow", METHODS), ("Supported", "path, replaces")]
"""What FreeSWITCH says about itself."""

EVENTS: Header = ("Allow-Events", "talk, hold, conference, refer")

NORMAL_CLEARING = 'Q.850;cause=16;text="NORMAL_CLEARING"'
NO_ROUTE = 'Q.850;cause=3;text="NO_ROUTE_DESTINATION"'
NO_ANSWER = 'Q.850;cause=19;text="NO_ANSWER"'
LOSE_RACE = 'SIP;cause=502;text="LOSE_RACE"'
ORIGINATOR_CANCEL = 'SIP;cause=487;text="ORIGINATOR_CANCEL"'

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_TAG = re.compile(r";\s*tag\s*=\s*([^;,\s>]+)", re.IGNORECASE)
_DISPLAY = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*))\s*<')
_TARGET = re.compile(r"sips?:[!#-;=?-~]+", re.IGNORECASE)
_USER = re.compile(r"\s*sips?:([^@;?>\s]*)@", re.IGNORECASE)


def tag_of(value: str | None) -> str:
    """The tag of a From or To value, "" where it has none."""
    match = _TAG.search((value or "").rpartition(">")[2])
    return match[1] if match else ""


def display_of(value: str | None) -> str:
    """The display name of a From value, without quotes and escapes; "" where it has none."""
    match = _DISPLAY.match(value or "")
    if match is None:
        return ""
    return re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2].strip()


def user_of(value: str | None) -> str:
    """The user part of the URI in a From or To value or in a Request-URI, as it is written; "" where there is none."""
    match = _USER.match((value or "").rpartition("<")[2])
    return match[1] if match else ""


def target_of(message: Message) -> str | None:
    """The SIP URI of the Contact, where it can stand in a request line."""
    contact = message.get("contact") or ""
    target = contact.partition("<")[2].partition(">")[0] or contact.partition(";")[0].strip()
    return target if _TARGET.fullmatch(target) else None


class CallWriter:
    """Writes requests and responses of calls. `media` is where the server receives RTP."""

    def __init__(self, runtime: Runtime, relay: Relay, media: Address) -> None:
        self._runtime = runtime
        self._relay = relay
        self._media = media

    # what stands in headers

    def name_address(self, shows: Shows, realm: str, quoting: Quoting = Quoting.ESCAPED) -> str:
        """A From value without its tag: the name as a quoted string (RFC 3261 25.1), the number at the realm."""
        name = self._relay.clean(shows.name)
        if quoting is Quoting.ESCAPED:
            name = name.replace("\\", "\\\\").replace('"', '\\"')
            name = _CONTROLS.sub("", name) if self._relay.cuts else name
        return f'"{name}" <sip:{self._relay.user(shows.number)}@{self._relay.clean(realm)}>'

    # media

    def offer(self, leg: Leg) -> bytes:
        """FreeSWITCH's offer; each one of a leg has the next version."""
        host, port = self._media
        network = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
        lines = (
            "v=0",
            f"o=FreeSWITCH {self._session_id(leg)} {leg.sdp_id + leg.sdp_version} {network}",
            "s=FreeSWITCH",
            f"c={network}",
            "t=0 0",
            f"m=audio {port} RTP/AVP 0 8 101 13",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:8 PCMA/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=rtpmap:13 CN/8000",
            f"a=rtcp:{min(port + 1, 65535)} {network}",
            "a=ptime:20",
        )
        leg.sdp_version += 1
        return encode("".join(f"{line}\r\n" for line in lines))

    def answer(self, leg: Leg) -> bytes | None:
        """The answer to what the phone offered; an offer where it offered nothing; None without a common codec."""
        if leg.session is None:
            return self.offer(leg)
        host, port = self._media
        session_id = self._session_id(leg)
        version = session_id + leg.sdp_version
        return sdp.answer(leg.session, host, port, session_id=session_id, version=version, owner="FreeSWITCH")

    def relayed(self, body: bytes) -> bytes:
        """A phone's description with our own address in place of its."""
        host, port = self._media
        body = re.sub(rb"(?m)^c=IN IP[46] \S+", encode(f"c=IN {'IP6' if ':' in host else 'IP4'} {host}"), body)
        return re.sub(rb"(?m)^(m=audio )\d+", encode(rf"\g<1>{port}"), body)

    def _session_id(self, leg: Leg) -> int:
        leg.sdp_id = leg.sdp_id or self._runtime.rng.randrange(10**9, 2 * 10**9)
        return leg.sdp_id

    # requests

    def _vias(self, leg: Leg) -> list[Header]:
        return self._relay.vias(leg.route.transport)

    def invite(self, leg: Leg, body: bytes, extra: list[Header], *, last: list[Header]) -> bytes:
        """The INVITE of a leg to a phone. `extra` stands before User-Agent, `last` before Remote-Party-ID."""
        vias = self._vias(leg)
        leg.via = vias[0][1]
        headers: list[Header] = [
            ("Record-Route", f"<{self._runtime.edge(leg.route.transport)};lr=on;ftag={leg.tag}>"),
            *vias,
            ("Max-Forwards", str(leg.hops)),
            ("From", f"{leg.local};tag={leg.tag}"),
            ("To", leg.remote),
            ("Call-ID", leg.call_id),
            ("CSeq", f"{leg.cseq} INVITE"),
            ("Contact", self._relay.contact),
            *extra,
            *AGENT,
            EVENTS,
            ("Content-Type", "application/sdp"),
            ("Content-Disposition", "session"),
            ("Content-Length", str(len(body))),
            *last,
            ("Remote-Party-ID", f"{leg.local};party=calling;screen=yes;privacy=off"),
        ]
        return assemble(f"INVITE {leg.uri} SIP/2.0", headers, body)

    def in_dialog(self, leg: Leg, method: str, cseq: int, extra: list[Header], body: bytes = b"") -> bytes:
        """A request inside the dialog of `leg`."""
        headers: list[Header] = [
            *self._vias(leg),
            ("Max-Forwards", "50"),
            ("From", f"{leg.local};tag={leg.tag}"),
            ("To", leg.remote),
            ("Call-ID", leg.call_id),
            ("CSeq", f"{cseq} {method}"),
            *extra,
            ("Content-Length", str(len(body))),
        ]
        return assemble(f"{method} {leg.target} SIP/2.0", headers, body)

    def ack(self, leg: Leg, cseq: int) -> bytes:
        """The ACK of a 2xx."""
        return self.in_dialog(leg, "ACK", cseq, [("Contact", self._relay.contact)])

    def bye(self, leg: Leg, reason: str) -> bytes:
        """A BYE, `reason` in Q.850."""
        return self.in_dialog(leg, "BYE", self._relay.next_cseq(), [*AGENT, ("Reason", reason)])

    def prack(self, leg: Leg, number: int) -> bytes:
        """The PRACK of a reliable provisional answer (RFC 3262 7.2)."""
        rack = ("RAck", f"{number} {leg.cseq} INVITE")
        return self.in_dialog(leg, "PRACK", self._relay.next_cseq(), [*AGENT, rack])

    def reinvite(self, leg: Leg, cseq: int, body: bytes) -> bytes:
        """An INVITE inside the dialog: the other phone's own media."""
        extra = [("Contact", self._relay.contact), *AGENT, EVENTS]
        extra += [("Content-Type", "application/sdp"), ("Content-Disposition", "session")]
        return self.in_dialog(leg, "INVITE", cseq, extra, body)

    def cancel(self, leg: Leg, reason: str) -> bytes:
        """The CANCEL of a leg's INVITE: its Via, its Request-URI, its To (RFC 3261 9.1)."""
        headers: list[Header] = [
            ("Via", leg.via),
            ("Max-Forwards", str(leg.hops)),
            ("From", f"{leg.local};tag={leg.tag}"),
            ("To", leg.remote),
            ("Call-ID", leg.call_id),
            ("CSeq", f"{leg.cseq} CANCEL"),
            ("Content-Length", "0"),
            ("Reason", reason),
        ]
        return assemble(f"CANCEL {leg.uri} SIP/2.0", headers)

    # responses to a phone that calls

    def with_media(
        self, leg: Leg, request: Message, status: int, reason: str, body: bytes, extra: Sequence[Header] = ()
    ) -> bytes:
        """A 18x or 200 to an INVITE or UPDATE, by way of the edge. `extra` stands before what the body is."""
        number = user_of(request.get("to"))
        realm = self._relay.clean(leg.party.account.realm)
        to = request.get("to") or ""
        accept = [("Accept", "application/sdp")] if status < 200 else []
        described = [("Content-Type", "application/sdp"), ("Content-Disposition", "session")] if body else []
        headers: list[Header] = [
            *(("Via", via) for via in request.all("via")),
            ("Record-Route", f"<{self._runtime.edge(leg.route.transport)};lr=on;ftag={tag_of(request.get('from'))}>"),
            *(("Record-Route", proxy) for proxy in request.all("record-route")),
            ("From", request.get("from") or ""),
            ("To", to if tag_of(to) else f"{to};tag={leg.tag}"),
            ("Call-ID", request.call_id),
            ("CSeq", f"{request.cseq} {request.method}"),
            ("Contact", f"<sip:{number}@{self._runtime.sip_host}:{FREESWITCH_PORT};transport=udp>"),
            AGENT[0],
            *accept,
            *AGENT[1:],
            EVENTS,
            *extra,
            *described,
            ("Content-Length", str(len(body))),
            ("Remote-Party-ID", f'"{number}" <sip:{number}@{realm}>;party=calling;privacy=off;screen=no'),
        ]
        return assemble(f"SIP/2.0 {status} {reason}", headers, body)

    def terminated(self, leg: Leg, request: Message) -> bytes:
        """The 487 that a CANCEL brings about."""
        return response(request, 487, "Request Terminated", headers=[*AGENT, EVENTS], to_tag=leg.tag)
