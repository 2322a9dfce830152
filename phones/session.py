"""What both sides of a call say about its audio: offers and answers, and whose turn it is (RFC 3264, RFC 3311 5)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from phones.line import Line
from phones.sip import sdp
from phones.sip.message import Address


@dataclass(frozen=True, slots=True)
class Voice:
    """What a phone speaks with: where it listens for RTP, and its tone in Hz."""

    address: Address
    tone: int


def readable(body: bytes) -> sdp.Session | None:
    """The audio that `body` describes, None where it describes none."""
    with suppress(sdp.SdpError):
        return sdp.parse(body)
    return None


@dataclass(frozen=True, slots=True)
class Said:
    """How far two sides have come. `theirs` is what the other side said last, None as long as it has said nothing.

    `offering` is whether we have made an offer that nobody has answered, `agreed` whether one was ever answered.
    """

    theirs: sdp.Session | None = None
    offering: bool = False
    agreed: bool = False


INVITED = Said(offering=True)
"""Our INVITE has made an offer."""


class Session:
    """The audio of one call; `theirs`, `offering` and `agreed` as in `Said`."""

    __slots__ = ("_held", "_line", "_number", "_version", "_voice", "agreed", "offering", "theirs")

    def __init__(self, line: Line, voice: Voice) -> None:
        self._line = line
        self._voice = voice
        self._number = line.number()
        self._version = 0
        self._held = False
        self.theirs: sdp.Session | None = None
        self.offering = False
        self.agreed = False

    @property
    def said(self) -> Said:
        """How far we have come with the side that we speak with."""
        return Said(self.theirs, self.offering, self.agreed)

    @said.setter
    def said(self, said: Said) -> None:
        self.theirs, self.offering, self.agreed = said.theirs, said.offering, said.agreed

    def hold(self, held: bool) -> bool:
        """Want to hear the other side no more, or again, from the next offer on; return what it was before."""
        before, self._held = self._held, held
        return before

    def offer(self) -> bytes:
        """Our offer. Who holds a call may still be heard, unless the other side holds it as well (RFC 3264 8.4)."""
        self.offering = True
        theirs = self.theirs
        silenced = theirs is not None and theirs.direction in ("sendonly", "inactive")
        direction = "sendrecv" if not self._held else "inactive" if silenced else "sendonly"
        self._version += 1
        host, port = self._voice.address
        codecs = self._line.personality.codecs
        return sdp.offer(
            host, port, session_id=self._number, version=self._version, formats=codecs, direction=direction
        )

    def refused(self) -> None:
        """Our offer came to nothing; what was agreed before stays."""
        self.offering = False

    def fits(self, offer: bytes) -> bool:
        """Whether there is an answer to `offer`."""
        theirs = readable(offer)
        return theirs is not None and sdp.answer(theirs, *self._voice.address, session_id=0) is not None

    def answer(self) -> bytes:
        """Our answer to what they have offered; our offer where they have not."""
        if self.theirs is None:
            return self.offer()
        self._version += 1
        host, port = self._voice.address
        made = sdp.answer(self.theirs, host, port, session_id=self._number, version=self._version, held=self._held)
        if made is None:
            return self.offer()
        self.agreed, self.offering = True, False
        return made

    def learn(self, body: bytes, *, reliably: bool = True) -> None:
        """Take what they answer, if it is readable. What they do not say `reliably` they will say again."""
        if body:
            self.theirs = readable(body) or self.theirs
            if reliably:
                self.agreed, self.offering = True, False

    @property
    def listener(self) -> Address | None:
        """Where the other side wants to hear us, None where it does not."""
        theirs = self.theirs
        if theirs is None or not theirs.port or theirs.direction not in ("sendrecv", "recvonly"):
            return None
        try:
            ip_address(theirs.host)
        except ValueError:
            return None
        return theirs.address
