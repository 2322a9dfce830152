"""A name service for tests: answers questions from a zone, over UDP on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from inspect import cleandoc

import dns.message
import dns.rcode
import dns.zonefile

from phones.net import Endpoint
from phones.net_sockets import SocketWire
from phones.sip.message import Address


class _Answers:
    endpoint: Endpoint

    def __init__(self, zone: str | None) -> None:
        self._refuses = zone is None
        known = dns.zonefile.read_rrsets(cleandoc(zone) + "\n", rdclass=None) if zone else []
        self._known = {(each.name, each.rdtype): each for each in known}

    def received(self, data: bytes, source: Address) -> None:
        question = dns.message.from_wire(data)
        answer = dns.message.make_response(question)
        [asked] = question.question
        if self._refuses:
            answer.set_rcode(dns.rcode.REFUSED)
        elif (asked.name, asked.rdtype) in self._known:
            answer.answer.append(self._known[asked.name, asked.rdtype])
        elif all(name != asked.name for name, _ in self._known):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.endpoint.send(answer.to_wire(), source)


@asynccontextmanager
async def name_service(zone: str | None) -> AsyncIterator[Address]:
    """Answer from `zone`, the text of a zone file, until the end of the block; None: refuse everything."""
    answers = _Answers(zone)
    answers.endpoint = SocketWire(asyncio.get_running_loop()).open(answers.received)
    try:
        yield answers.endpoint.local
    finally:
        answers.endpoint.close()
