"""The media relay: one RTP address for all calls; legs are told apart by the address in their SDP."""

from __future__ import annotations

import itertools

from phones.sip.message import Address
from reference_server.legs import Leg


class MediaRelay:
    """Passes RTP from each leg to its mate. `address` is where the server receives."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._order = itertools.count()
        self._legs: dict[Leg, tuple[int, Address | None]] = {}
        """Each with its place in the order of their beginnings, and where its phone listens."""
        self._at: dict[Address, dict[Leg, None]] = {}

    def add(self, leg: Leg) -> None:
        """A leg has begun."""
        self._legs[leg] = next(self._order), None
        self.place(leg)

    def place(self, leg: Leg) -> None:
        """The phone of a leg has said where it listens."""
        known = self._legs.get(leg)
        if known is not None:
            address = leg.session.address if leg.session is not None else None
            self._leave(leg, known[1])
            self._legs[leg] = known[0], address
            if address is not None:
                self._at.setdefault(address, {})[leg] = None

    def remove(self, leg: Leg) -> None:
        """A leg is over."""
        if leg in self._legs:
            self._leave(leg, self._legs.pop(leg)[1])

    def _leave(self, leg: Leg, address: Address | None) -> None:
        if address is not None:
            del self._at[address][leg]
            if not self._at[address]:
                del self._at[address]

    def restart(self) -> None:
        """Every leg is gone."""
        self._legs.clear()
        self._at.clear()

    def route(self, source: Address) -> tuple[Leg, Address] | None:
        """Which leg a packet from `source` belongs to, and where it goes; None: nowhere.

        A phone with several calls is in the newest one that is joined. Who holds a call hears nothing of it.
        """
        for leg in sorted(self._at.get(source, ()), key=self._legs.__getitem__, reverse=True):
            mate = leg.mate
            if not leg.over and mate is not None and not mate.over and mate.session is not None and mate.session.port:
                listens = mate.session.direction in ("sendrecv", "recvonly")
                return (leg, mate.session.address) if listens else None
        return None
