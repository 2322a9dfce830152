"""One small check per clause about calls: True when the server keeps it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.reference_server.calling import MEDIA, Caller, cellphone, desk, log_of, media_of, office, trunk
from tests.reference_server.playbook import Bench, Reply

Check = Callable[[Bench], bool]


def quickcall(bench: Bench, number: str = "1002", query: str = "", **details: Any) -> Reply:
    """A quickcall of the first desk, and half a second."""
    reply = bench.api("GET", f"{bench.url()}/quickcall/{number}{query}", **details)
    bench.run(0.5)
    return reply


def sender(phone: Caller) -> str:
    """What the phone shows of the first call that it got."""
    return (phone.invites[0].get("from") or "").partition(";tag=")[0] if phone.invites else ""


def hear_each_other(a: Caller, b: Caller) -> bool:
    a.say(b"from a")
    b.say(b"from b")
    return (a.heard, b.heard) == ([b"from b"], [b"from a"])


def call_01(bench: Bench) -> bool:
    old, b = office(bench)
    new = desk(bench, port=6001)
    quickcall(bench)
    return (len(old.invites), len(new.invites)) == (0, 1) and new.invites[0].uri == new.contact and bool(b.invites)


def call_02(bench: Bench) -> bool:
    a, b = office(bench)
    quickcall(bench)
    return b.methods == ["INVITE", "ACK"] and hear_each_other(a, b)


def not_before(answers: tuple[int, ...]) -> Check:
    def check(bench: Bench) -> bool:
        a, b = office(bench)
        a.picks_up = answers
        quickcall(bench)
        return b.methods == []

    return check


def with_token(choose: Callable[[Bench], str | None], *, rings: bool, in_query: bool = False) -> Check:
    def check(bench: Bench) -> bool:
        a, _ = office(bench)
        token = choose(bench)
        query = f"?auth_token={token}" if in_query else ""
        reply = quickcall(bench, query=query, token=None if in_query else token)
        return (reply.status == 200, bool(a.invites)) == (rings, rings)

    return check


def refused_to_others(bench: Bench) -> bool:
    a, _ = office(bench)
    tokens = (None, "f" * 32, bench.server.seed.other_account.auth_token)
    statuses = [quickcall(bench, token=token).status for token in tokens]
    return statuses == [401, 401, 403] and a.invites == []


def call_07(bench: Bench) -> bool:
    a, b = office(bench)
    return quickcall(bench, version="v1").status == 200 and bool(a.invites) and bool(b.invites)


def shows(query: str, expected: str) -> Check:
    def check(bench: Bench) -> bool:
        _, b = office(bench)
        quickcall(bench, query=query)
        return sender(b).partition("@")[0] == expected

    return check


def call_11(bench: Bench) -> bool:
    a, _ = office(bench)
    quickcall(bench)
    return sender(a) == f'"Device QuickCall" <sip:1002@{a.realm}>'


def call_14(bench: Bench) -> bool:
    for timeout, seconds in (("", 30.0), ("5", 5.0), ("3", 30.0), ("0", 30.0), ("-1", 30.0), ("abc", 30.0)):
        scene = Bench(bench.behaviour)
        a, b = office(scene)
        a.picks_up = (180,)
        asked = scene.now
        quickcall(scene, query=f"?timeout={timeout}" if timeout else "")
        scene.run(40.0)
        cancels = [sent.time - asked for sent in scene.sent if sent.message.method == "CANCEL"]
        if not cancels or abs(cancels[0] - seconds) > 0.1 or b.invites:
            return False
    return True


def call_15(bench: Bench) -> bool:
    a, b = office(bench)
    quickcall(bench)
    quickcall(bench, query="?auto_answer=false")
    if any(invite.get("call-info") for invite in b.invites):
        return False
    return ["answer-after=0" in (invite.get("call-info") or "") for invite in a.invites] == [True, False]


def call_16(bench: Bench) -> bool:
    for first, second in ((0, 1), (1, 0)):
        scene = Bench(bench.behaviour)
        phones = office(scene)
        quickcall(scene)
        phones[first].hang_up(phones[first].invites[0])
        scene.run(0.2)
        if phones[second].methods != ["INVITE", "ACK", "BYE"]:
            return False
    return True


def call_17(bench: Bench) -> bool:
    status = quickcall(bench).status
    a = desk(bench)
    bench.run(40.0)
    return status == 200 and a.invites == []


def call_18(bench: Bench) -> bool:
    a, b = office(bench)
    bench.api("PATCH", bench.url(), {"enabled": False})
    return quickcall(bench).status == 500 and not a.invites and not b.invites


def call_19(bench: Bench) -> bool:
    a, b = office(bench)
    reply = bench.api("GET", f"/devices/{'0' * 32}/quickcall/1002")
    bench.run(1.0)
    return reply.status == 404 and not a.invites and not b.invites


def call_20(bench: Bench) -> bool:
    a, b = office(bench)
    quickcall(bench)
    quickcall(bench)
    return len({invite.call_id for invite in a.invites}) == len({invite.call_id for invite in b.invites}) == 2


def call_22(bench: Bench) -> bool:
    a, b = office(bench)
    quickcall(bench, "10-02")
    bench.run(1.0)
    return sender(a) == f'"Device QuickCall" <sip:1002@{a.realm}>' and not b.invites


def reaches(number: str) -> Check:
    def check(bench: Bench) -> bool:
        a, b = office(bench)
        carrier = trunk(bench)
        quickcall(bench, b.user if number == "username" else number)
        called = carrier if number.startswith("555") else b
        return called.methods == ["INVITE", "ACK"] and hear_each_other(a, called)

    return check


def call_26(bench: Bench) -> bool:
    a, b = office(bench)
    quickcall(bench, query="?media=bypass")
    quickcall(bench, query="?media=process")
    met = (media_of(b.invites[0]), media_of(a.invites[1])) == (a.media, b.media)
    return met and media_of(b.invites[-1]) == media_of(a.invites[-1]) == MEDIA


def call_27(bench: Bench) -> bool:
    a, _ = office(bench)
    told = courses(bench)
    quickcall(bench)
    a.hang_up(a.invites[0])
    bench.run(1.0)
    return told("1001") == told("1002") == COURSE


def call_28(bench: Bench) -> bool:
    a, b = office(bench)
    b.picks_up = (486,)
    quickcall(bench)
    bench.run(1.0)
    return a.methods == ["INVITE", "ACK", "BYE"]


COURSE = ["early", "confirmed", "terminated"]


def courses(bench: Bench) -> Callable[[str], list[str]]:
    """What the lamps of a user go through from now on."""
    told = log_of(bench)
    return lambda user: [str(channel.state) for channel in told if channel.presentity.user == user]


def pid_04(bench: Bench) -> bool:
    a, _ = office(bench)
    carrier = trunk(bench)
    cellphone(bench)
    told = courses(bench)
    call = a.call("1044")
    bench.run(0.5)
    a.hang_up(call)
    bench.run(0.5)
    return carrier.methods == ["INVITE", "ACK", "BYE"] and told("1044") == COURSE


def pid_05(bench: Bench) -> bool:
    a, _ = office(bench)
    carrier = trunk(bench)
    cellphone(bench)
    told = courses(bench)
    call = carrier.call("1001", sender="<sip:5550199@carrier.example>;tag=caller")
    bench.run(0.5)
    carrier.hang_up(call)
    bench.run(0.5)
    return a.methods == ["INVITE", "ACK", "BYE"] and told("1044") == COURSE


def pid_13(bench: Bench) -> bool:
    a, _ = office(bench)
    told = courses(bench)
    call = a.call("1002")
    bench.run(0.5)
    bench.api("PATCH", bench.url(), {"presence_id": "1099"})
    a.hang_up(call)
    bench.run(0.5)
    return told("1001") == COURSE and told("1099") == []


def sip_21(bench: Bench) -> bool:
    a, b = office(bench)
    a.call("1002")
    bench.run(0.5)
    return hear_each_other(a, b)


def sip_22(bench: Bench) -> bool:
    _, b = office(bench)
    seed = bench.server.seed.devices[0]
    for port, password, statuses in ((8000, seed.password, [100, 183, 200]), (8001, "wrong", [407])):
        stranger = Caller(bench, port, seed.username, b.realm)
        first, second = stranger.authenticated("1002", password)
        bench.run(0.5)
        if (stranger.statuses(first), stranger.statuses(second)) != ([407], statuses):
            return False
    return True


CALL_CHECKS: dict[str, Check] = {
    "CALL-01": call_01,
    "CALL-02": call_02,
    "CALL-03": not_before((180,)),
    "CALL-04": with_token(lambda bench: bench.server.seed.auth_token, rings=True, in_query=True),
    "CALL-05": with_token(lambda bench: bench.server.seed.api_key, rings=True, in_query=True),
    "CALL-07": call_07,
    "CALL-08": shows("?cid-number=5551234&cid-name=Ann", '"Ann" <sip:5551234'),
    "CALL-09": shows("?cid-name=Ann", '"Ann" <sip:1001'),
    "CALL-10": shows("?cid-number=5551234", '"unknown" <sip:5551234'),
    "CALL-11": call_11,
    "CALL-12": shows("?cid-name=%22A%5C%22%20B", '"\\"A\\\\\\" B" <sip:1001'),
    "CALL-13": not_before((180, 486)),
    "CALL-14": call_14,
    "CALL-15": call_15,
    "CALL-16": call_16,
    "CALL-17": call_17,
    "CALL-18": call_18,
    "CALL-19": call_19,
    "CALL-20": call_20,
    "CALL-21": refused_to_others,
    "CALL-22": call_22,
    "CALL-23": reaches("1002"),
    "CALL-24": reaches("5551234"),
    "CALL-25": reaches("username"),
    "CALL-26": call_26,
    "CALL-27": call_27,
    "CALL-28": call_28,
    "PID-04": pid_04,
    "PID-05": pid_05,
    "PID-13": pid_13,
    "SIP-21": sip_21,
    "SIP-22": sip_22,
}
