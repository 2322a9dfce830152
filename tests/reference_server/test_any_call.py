"""Whatever phones send in whatever order: the server does not fail, and forgets what is over."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.index import Message
from phones.sip.message import response
from reference_server.profiles import PROFILES
from tests.reference_server.calling import Caller, cellphone, office, trunk
from tests.reference_server.playbook import Bench, changed

PHONES = st.integers(0, 2)
NUMBERS = st.sampled_from(["1001", "1002", "1044", "7777", "5551234", "", "%00", "no_match", "a%20b%0d%0aX:1"])
STATUSES = st.sampled_from([100, 180, 183, 200, 202, 302, 401, 407, 481, 486, 487, 500, 603])
TAGS = st.sampled_from(["callee", "other", "", "caller"])
BODIES = st.sampled_from(
    [
        b"",
        b"v=0\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",
        b"v=0\r\nc=IN IP4 10.0.0.1\r\nm=audio 0 RTP/AVP 0\r\n",
        b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
        b"\xff\x00",
    ]
)
STEPS = st.one_of(
    st.tuples(st.just("call"), PHONES, NUMBERS, BODIES),
    st.tuples(st.just("quickcall"), NUMBERS, st.sampled_from(["", "?media=bypass", "?timeout=5", "?cid-name=%22"])),
    st.tuples(st.just("respond"), PHONES, st.integers(0, 3), STATUSES, TAGS, BODIES),
    st.tuples(
        st.just("request"),
        PHONES,
        st.integers(0, 3),
        st.sampled_from(["BYE", "CANCEL", "ACK", "INVITE", "INFO", "REFER", "PRACK", "FROB"]),
        TAGS,
        BODIES,
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.1, 1.0, 35.0])),
    st.tuples(st.just("say"), PHONES, st.binary(max_size=20)),
    st.tuples(st.just("forget"), st.sampled_from(["enabled", "presence_id"])),
)


def perform(bench: Bench, phones: list[Caller], step: tuple[object, ...]) -> None:
    match step:
        case ("call", int(who), str(number), bytes(body)):
            phones[who].call(number, body=body)
        case ("quickcall", str(number), str(query)):
            bench.api("GET", f"{bench.url()}/quickcall/{number or '-'}{query}")
        case ("respond", int(who), int(which), int(status), str(tag), bytes(body)):
            requests = [message for message in phones[who].taken if message.is_request][-4:]
            if requests:
                target = requests[which % len(requests)]
                headers = [("Contact", f"<{phones[who].contact}>")] if which else [("Contact", "<")]
                phones[who].receive(response(target, status, headers=headers, to_tag=tag or None, body=body))
        case ("request", int(who), int(which), str(method), str(tag), bytes(body)):
            known: list[Message] = phones[who].taken[-4:]
            if known:
                like = known[which % len(known)]
                ours, theirs = like.get("to") or "", like.get("from") or ""
                sender, to = (ours, theirs) if like.is_request else (theirs, ours)
                sender = f"{sender};tag={tag}" if "tag=" not in sender else sender
                data = phones[who].message(
                    method, "sip:1002@127.0.0.1", like.call_id, like.cseq, to, sender=sender, body=body
                )
                phones[who].receive(data)
        case ("wait", float(seconds)):
            bench.run(seconds)
        case ("say", int(who), bytes(packet)):
            phones[who].say(packet)
        case ("forget", "enabled"):
            bench.api("PATCH", bench.url(1), {"enabled": False})
        case ("forget", str(name)):
            bench.api("PATCH", bench.url(), {name: "1077"})


@settings(max_examples=60)
@given(
    st.lists(STEPS, max_size=25),
    st.sampled_from([(), (180,), (180, 200), (486,)]),
    st.booleans(),
    st.sampled_from(sorted(PROFILES)),
)
def test_nothing_fails_and_nothing_is_left(
    steps: list[tuple[object, ...]], picks_up: tuple[int, ...], broken: bool, profile: str
) -> None:
    played = PROFILES[profile]
    bench = Bench(changed(played, registrar__line_breaks="passed") if broken else played)
    phones = [*office(bench), trunk(bench, rules=[r"^(\d{7,})$"])]
    cellphone(bench)
    for phone in phones:
        phone.picks_up = picks_up
    for step in steps:
        perform(bench, phones, step)
    for phone in phones:
        phone.picks_up = (486,)
    assert bench.server.errors == []
    # every call that goes on is hung up from its phone's side
    for phone in phones:
        for invite in phone.invites:
            phone.hang_up(invite)
        for final in [m for m in phone.taken if not m.is_request and m.method == "INVITE" and 200 <= m.status < 300]:
            bye = phone.message(
                "BYE", "sip:x@127.0.0.1", final.call_id, 99, final.get("to") or "", sender=final.get("from") or ""
            )
            phone.receive(bye)
    bench.run(300.0)
    assert bench.server.errors == []
    assert bench.server.calls.legs == []


@given(st.binary(max_size=200), st.sampled_from([b"INVITE", b"BYE", b"CANCEL", b"ACK"]), st.integers(0, 12))
def test_bytes_within_a_message(noise: bytes, method: bytes, line: int) -> None:
    bench = Bench()
    a, _ = office(bench)
    call = a.call("1002")
    lines = call.raw.replace(b"INVITE", method).split(b"\r\n")
    lines[line % len(lines)] += noise
    a.receive(b"\r\n".join(lines))
    bench.run(60.0)
    assert bench.server.errors == []
