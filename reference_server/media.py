"""The media relay: one RTP address for all calls; legs are told apart by the address in their SDP."""

from __future__ import annotations

from phones.sip.message import Address
from reference_server.legs import Leg


class MediaRelay:
    """Passes RTP from each leg to its mate. `address` is where the server receives."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._legs: dict[Leg, None] = {}

    def add(self, leg: Leg) -> None:
        """A leg has begun."""
        self._legs[leg] = None

    def remove(self, leg: Leg) -> None:
        """A leg is over."""
        self._legs.pop(leg, None)

    def restart(self) -> None:
        """Every leg is gone."""
        self._legs.clear()

    def route(self, source: Address) -> tuple[Leg, Address] | None:
        """Which leg a packet from `source` belongs to, and where it goes; None: nowhere.

        A phone with several calls is in the newest one that is joined. Who holds a call hears nothing of it.
        """
        for leg in reversed(self._legs):
            mate = leg.mate
            if leg.over or mate is None or mate.over or mate.session is None or leg.session is None:
                continue
            if leg.session.address == source and mate.session.port:
                listens = mate.session.direction in ("sendrecv", "recvonly")
                return (leg, mate.session.address) if listens else None
        return None
