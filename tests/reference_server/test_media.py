"""What is said of media, and where it goes."""

from __future__ import annotations

import pytest

from phones.sip.index import Message
from tests.reference_server.calling import MEDIA, forgotten, media_of, office, trunk
from tests.reference_server.playbook import Bench


@pytest.mark.parametrize("body", [b"garbage", b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 18\r\n"])
def test_media_that_we_do_not_speak(body: bytes) -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002", body=body)
    bench.run(1.0)
    assert a.statuses(call) == [100, 488]
    assert b.methods == []
    assert forgotten(bench)


def test_an_invite_without_an_offer_gets_one() -> None:
    bench = Bench()
    a, _ = office(bench)
    call = a.call("1002", body=b"")
    bench.run(0.1)
    assert media_of(a.final(call)) == MEDIA


def test_both_hear_each_other_and_nobody_else() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    a.say(b"too early")
    bench.run(0.1)
    a.say(b"from a")
    b.say(b"from b")
    bench.server.receive_media(b"from a stranger", ("127.0.0.1", 4), bench.now)
    bench.collect()
    assert (a.heard, b.heard) == ([b"from b"], [b"from a"])
    a.hang_up(call)
    a.say(b"too late")
    b.say(b"too late")
    bench.run(50.0)
    assert (a.heard, b.heard) == ([b"from b"], [b"from a"])


def test_media_may_move_within_a_call() -> None:
    bench = Bench()
    a, b = office(bench)
    call = a.call("1002")
    bench.run(0.1)
    final = a.final(call)
    moved = a.offer.replace(b"m=audio 16000", b"m=audio 16002")
    headers = [("Content-Type", "application/sdp")]
    target = (final.get("contact") or "").strip("<>")
    again = a.message("INVITE", target, call.call_id, 2, final.get("to") or "", headers=headers, body=moved)
    a.receive(again)
    assert a.final(Message.parse(again)).status == 200
    b.say(b"hello")
    assert bench.media[-1][1].remote == ("127.0.0.1", 16002)
    where_it_was, where_it_is, where_it_would_be = (("127.0.0.1", port) for port in (16000, 16002, 16004))
    strange = moved.replace(b"m=audio 16002 RTP/AVP", b"m=audio 16004 RTP/AVP 18\r\na=x:")
    refused = a.message("INVITE", target, call.call_id, 2, final.get("to") or "", headers=headers, body=strange)
    a.receive(refused)
    assert a.final(Message.parse(refused)).status == 488
    for source in (where_it_was, where_it_is, where_it_would_be):
        bench.server.receive_media(b"from %d" % source[1], source, bench.now)
    bench.collect()
    assert b.heard == [b"from 16002"]
    broken = a.message("INVITE", target, call.call_id, 3, final.get("to") or "", headers=headers, body=b"x")
    a.receive(broken)
    assert a.final(Message.parse(broken)).status == 488
    info = a.message("INFO", target, call.call_id, 4, final.get("to") or "")
    a.receive(info)
    assert a.final(Message.parse(info)).status == 200
    a.hang_up(call)
    assert forgotten(bench)


def test_a_phone_with_several_calls_is_in_the_newest_that_is_joined() -> None:
    bench = Bench()
    a, b = office(bench)
    carrier = trunk(bench)
    a.call("1002")
    bench.run(0.1)
    outside = a.call("5550199")
    a.say(b"the number outside is not rung yet")
    bench.run(0.5)
    a.say(b"now it has answered")
    assert (b.heard, carrier.heard) == ([b"the number outside is not rung yet"], [b"now it has answered"])
    a.hang_up(outside)
    a.say(b"back again")
    assert (b.heard[1:], carrier.heard[1:]) == ([b"back again"], [])
