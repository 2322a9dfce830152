"""The way of a phone to its edge over connections: opened when it is needed, watched, and made again after a loss."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from phones.net import Alarm, Clock, Connection, Streams
from phones.sip.framing import PING
from phones.sip.message import Address
from phones.sip.transport import Transport

_PING_S = 95.0
"""Between keep-alives (RFC 5626 4.4.1 wants 95 to 120 s)."""
_PONG_S = 10.0


class Flow:
    """An endpoint that is a connection. `receive(data, source)` and `lost(reason)` are told.

    After a loss `local` is that of the next connection, which the next message opens: nobody listens at the old one.
    """

    def __init__(
        self,
        wire: Streams,
        clock: Clock,
        transport: Transport,
        receive: Callable[[bytes, Address], None],
        lost: Callable[[str], None],
        host: str,
    ) -> None:
        self._wire = wire
        self._clock = clock
        self._transport = transport
        self._receive = receive
        self._lost = lost
        self._host = host
        self._remote: Address | None = None
        self._closed = False
        self._away = ""
        self._connection: Connection | None = None
        self._orphan: Connection | None = None
        self._alarm = Alarm(clock, self._watch)
        self._octets = 0
        self._pinged = False
        self._answers = False
        self._ping_s = _PING_S
        self.local: Address
        self._renew()

    def send(self, data: bytes, remote: Address) -> None:
        """Send one message; the first one decides where the connection leads."""
        if self._closed:
            return
        if self._away:
            self._fail(self._away)
            return
        try:
            connection = self._connection or self._renew()
        except OSError as error:
            self._fail(str(error))
            return
        if self._remote is None:
            self._remote = remote
            connection.connect(remote)
            # a WebSocket has pings of its own
            if not self._transport.web:
                self._pinged = self._answers = False
                self._ping_s = _PING_S
                self._alarm.set(self._clock.time() + _PING_S)
        connection.send(data)

    def hang_up(self, reason: str) -> None:
        """Leave this connection for another, which may lead elsewhere. It is `lost`, a little later."""
        if self._connection is not None and self._remote is not None:
            self._connection.close()
            self._fail(reason)

    def keep_alive(self, seconds: float) -> None:
        """Ping so often: the other end has promised to answer. What a WebSocket does is its own affair."""
        if self._remote is None or self._transport.web:
            return
        self._ping_s, self._answers = seconds, True
        if not self._pinged:
            self._alarm.set(self._clock.time() + seconds)

    def _fail(self, reason: str) -> None:
        # not at once: whoever sends does not expect to be told of it meanwhile
        self._clock.call_at(self._clock.time(), self._tell if self._away else self.lost, reason)

    def _tell(self, reason: str) -> None:
        if not self._closed:
            self._lost(reason)

    def cut(self, reason: str) -> None:
        """Be without a network: the connection is lost, and no other can be made until `restore`.

        The other end is not told of it, as when a cable is pulled: what it says is still received.
        """
        self._away = reason
        self._alarm.set(None)
        if self._remote is not None:
            self._orphan, self._connection = self._connection, None
            with suppress(OSError):
                self._renew()
            self._fail(reason)

    def restore(self) -> None:
        """Have a network again: the next message opens another connection."""
        if self._orphan is not None:
            self._orphan.close()
        if self._away:
            self._orphan = self._remote = None
        self._away = ""

    def received(self, data: bytes) -> None:
        """A message has arrived."""
        if self._remote is not None:
            self._receive(data, self._remote)

    def lost(self, reason: str) -> None:
        """The connection is gone."""
        if self._away:
            self._orphan = None
            return
        self._alarm.set(None)
        self._connection = self._remote = None
        if not self._closed:
            # whoever is told of the loss is told where we are now; without an address the next message tries again
            with suppress(OSError):
                self._renew()
            self._tell(reason)

    def _renew(self) -> Connection:
        self._connection = connection = self._wire.connection(self._transport, self, self._host)
        self.local = connection.local
        return connection

    def _watch(self) -> None:
        """Ping, or look what came of the ping (RFC 5626 4.4.1). Who never answered one need not (RFC 3261 7.5)."""
        connection, now = self._connection, self._clock.time()
        if connection is None:
            return
        heard = connection.octets > self._octets
        if self._pinged and self._answers and not heard:
            connection.close()
            self.lost("no answer to a keep-alive")
            return
        self._octets = connection.octets
        if self._pinged:
            self._answers = self._answers or heard
            self._pinged = False
            self._alarm.set(now + self._ping_s)
        else:
            connection.send(PING)
            self._pinged = True
            self._alarm.set(now + _PONG_S)

    def close(self) -> None:
        """Close for good."""
        self._closed = True
        self._alarm.set(None)
        for connection in (self._connection, self._orphan):
            if connection is not None:
                connection.close()
