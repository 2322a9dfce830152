"""sipmessage, which we did not write, reads every message of the suite, and agrees with our index on every header."""

from __future__ import annotations

import pytest
import sipmessage

from phones.sip.index import Message, SipSyntaxError
from tests.end_to_end.conftest import Run

ON_PURPOSE = {"registration/bad-requests"}
"""Cases that send what is no SIP."""


def test_they_agree_on_every_header(virtual: Run) -> None:
    seen: dict[str, int] = {}
    for event, data in virtual.record:
        if event["kind"] != "message" or event["case"].partition("[")[0] in ON_PURPOSE:
            continue
        try:
            ours = Message.parse(data)
        except SipSyntaxError:
            pytest.fail(f"{event['case']}: {data!r}")
        theirs = sipmessage.Message.parse(data)
        if isinstance(theirs, sipmessage.Request):
            assert (ours.method, ours.uri) == (theirs.method, str(theirs.uri)), data
        else:
            assert isinstance(theirs, sipmessage.Response)
            assert (ours.status, ours.reason) == (theirs.code, theirs.phrase), data
        assert ours.body == theirs.body, data
        names = theirs.headers.keys()
        for name in names:
            assert ours.all(name) == theirs.headers.getlist(name), (name, data)
        assert sum(len(theirs.headers.getlist(name)) for name in names) == len(ours.headers), data
        assert (ours.call_id, ours.cseq) == (theirs.call_id, theirs.cseq.sequence), data
        seen[event["direction"]] = seen.get(event["direction"], 0) + 1
    assert min(seen.values()) > 2000
