"""Calls and quickcalls of each release, beside what the recordings show (`test_replay`)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reference_server.effects import ApiRequest
from tests.reference_server.calling import Caller, callflow, desk, office
from tests.reference_server.playbook import Bench
from tests.reference_server.profiling import RELEASES, V3, V4, bench_of, later, new_user, scene_of
from tests.reference_server.watching import Scene, Watcher

QUICKCALL = "/quickcall/1002"


def watched_call(profile: str, number: str = "1002") -> tuple[Scene, Caller, Caller, Watcher, Watcher]:
    """A call from 1001 that has rung for two seconds, and watchers of both sides."""
    scene = scene_of(profile)
    a, b = office(scene)
    b.picks_up = (100, 180)
    watchers = scene.watching("1001"), scene.watching("1002", port=9100)
    a.call(number)
    scene.run(2.0)
    return scene, a, b, *watchers


def test_states_while_it_rings() -> None:
    for profile in RELEASES:
        _, _, _, caller, called = watched_call(profile)
        assert caller.states == (["early"] if profile in V3 else ["confirmed", "confirmed"])
        assert called.states == ["early"]


@pytest.mark.parametrize("profile", V4)
def test_the_caller_is_shown_before_the_called(profile: str) -> None:
    _, _, _, caller, called = watched_call(profile)
    assert caller.times[0] < called.times[0]


@pytest.mark.parametrize("profile", V4)
def test_states_of_an_answered_call(profile: str) -> None:
    scene, _, b, caller, called = watched_call(profile)
    caller.news(), called.news()
    b.respond(b.invites[0], 200)
    scene.run(1.0)
    assert (caller.news(), called.news()) == (["confirmed"], ["confirmed"])
    b.hang_up(b.invites[0])
    start = scene.now
    scene.run(3.0)
    assert (caller.states, called.states) == (["terminated"], ["terminated"])
    assert all(1.0 <= when - start <= 1.1 for when in (*caller.times, *called.times))


@pytest.mark.parametrize("profile", V4)
def test_the_end_of_a_call_holds_up_no_other(profile: str) -> None:
    """The lamp rings for the next call within the second in which the end of the last one is held back."""
    scene, _, b, caller, called = watched_call(profile)
    b.respond(b.invites[0], 486)
    scene.run(0.1)
    caller.news(), called.news()
    start = scene.now
    other = Caller(scene, 7100, "other", b.realm)
    document = {"name": "other", "sip": {"username": "other", "password": "secret"}}
    scene.api("PUT", "/devices", document)
    assert scene.phone(_seed(scene, "other"), port=7100).register() == 200
    scene.phones[other.address] = other
    other.call("1002")
    scene.run(3.0)
    assert called.states == ["early", "early"]
    assert called.times[0] - start < 0.9


def _seed(scene: Scene, name: str) -> Any:
    """A device as the seed describes its own."""
    device = next(device for _, device in scene.server.directory.devices() if device.username == name)
    return type(scene.server.seed.devices[0])(device.id, name, device.password or "", "")


@pytest.mark.parametrize(
    ("number", "status", "lamp"),
    [("7777", 604, ["confirmed", "terminated"]), ("1003", 486, ["confirmed", "confirmed", "terminated"])],
)
@pytest.mark.parametrize("profile", V4)
def test_a_number_that_nobody_answers(profile: str, number: str, status: int, lamp: list[str]) -> None:
    scene = scene_of(profile)
    a, _ = office(scene)
    created = scene.api("PUT", "/devices", {"name": "off", "sip": {"username": "off", "password": "secret"}})
    flow = {"module": "device", "data": {"id": created.data["id"]}}
    assert scene.api("PUT", "/callflows", {"numbers": ["1003"], "flow": flow}).status == 201
    watcher = scene.watching()
    start, invite = scene.now, a.call(number)
    scene.run(10.0)
    assert a.final(invite).status == status
    assert watcher.states == lamp
    assert watcher.times[-1] - start > (3.7 if status == 604 else 1.3)


# quickcall: who may


def test_quickcall_without_a_token() -> None:
    """(device field or none) -> the statuses of GET without token, with a wrong one, with that of a stranger."""
    for profile, field, value, status in (
        ("3.20", "", None, 200),
        ("3.20", "allow_anonymous_quickcalls", False, 200),
        ("3.20", "allow_anoymous_quickcalls", False, 401),
        ("3.22", "", None, 200),
        ("3.22", "allow_anonymous_quickcalls", False, 401),
        ("3.22", "allow_anonymous_quickcalls", True, 200),
        ("4.3", "allow_anonymous_quickcalls", False, 200),
        ("5.0", "allow_anonymous_quickcalls", True, 401),
    ):
        bench = bench_of(profile)
        document = bench.api("GET", bench.url()).data
        assert bench.api("POST", bench.url(), {**document, **({field: value} if field else {})}).status == 200
        phone = desk(bench)
        for token in (None, "wrong"):
            assert bench.api("GET", bench.url() + QUICKCALL, token=token).status == status, (profile, field, token)
        stranger = bench.server.seed.other_account.auth_token
        expected = 403 if profile == "5.0" else 200
        assert bench.api("GET", bench.url() + QUICKCALL, token=stranger).status == expected
        assert bench.api("GET", bench.url() + QUICKCALL).status == 200
        bench.run(1.0)
        assert len(phone.invites) == (4 if status == 200 else 2 if expected == 200 else 1)


@pytest.mark.parametrize("profile", V4)
def test_post_wants_a_token(profile: str) -> None:
    bench = bench_of(profile)
    desk(bench)
    stranger = bench.server.seed.other_account.auth_token
    assert bench.api("POST", bench.url() + QUICKCALL, token=None).status == 401
    assert bench.api("POST", bench.url() + QUICKCALL, token="wrong").status == 401
    assert bench.api("POST", bench.url() + QUICKCALL, token=stranger).status == 403


def test_a_token_of_the_query_in_the_reply() -> None:
    for profile, shown in (("documented", False), ("4.3", True)):
        bench = bench_of(profile)
        token = bench.server.seed.auth_token
        data = bench.api("GET", f"{bench.url()}{QUICKCALL}?auth_token={token}", token=None).data
        assert ("auth_token" in data["custom_application_vars"]) is shown


# quickcall: POST waits


def waited(profile: str, *answers: int, registered: bool = True, query: str = "") -> tuple[Bench, float, int, Any]:
    """POST quickcall to a phone that answers so; how long it took, status and data."""
    bench = bench_of(profile)
    if registered:
        phone, _ = office(bench)
        phone.picks_up = answers
    took, reply = later(bench, "POST", bench.url() + QUICKCALL + query)
    return bench, took, reply.status, reply.data


@pytest.mark.parametrize(
    ("answers", "status", "cause"),
    [
        ((180, 200), 200, ""),
        ((486,), 500, "USER_BUSY"),
        ((180, 603), 500, "CALL_REJECTED"),
        ((404,), 500, "UNALLOCATED_NUMBER"),
        ((480,), 500, "NORMAL_TEMPORARY_FAILURE"),
        ((), 500, "RECOVERY_ON_TIMER_EXPIRE"),
    ],
)
@pytest.mark.parametrize("profile", V4)
def test_post_tells_how_it_went(profile: str, answers: tuple[int, ...], status: int, cause: str) -> None:
    _, took, found, data = waited(profile, *answers)
    assert found == status
    if cause:
        assert data["error_message"] == cause
        assert data["request"]["application_data"] == {"route": "1002"}
    else:
        assert data["application_response"] == "SUCCESS"
    least = 3.4 if not answers else 0.2
    assert least <= took <= least + 1.0


@pytest.mark.parametrize(("profile", "cause"), [("4.3", "DESTINATION_OUT_OF_ORDER"), ("5.0", "SUBSCRIBER_ABSENT")])
def test_post_for_an_unregistered_device(profile: str, cause: str) -> None:
    _, took, status, data = waited(profile, registered=False)
    assert (status, data["error_message"]) == (500, cause)
    assert took < 0.5


@pytest.mark.parametrize("profile", V4)
def test_post_waits_for_the_ring_time(profile: str) -> None:
    bench, took, status, data = waited(profile, 180, query="?timeout=5")
    assert (status, data["error_message"]) == (500, "NO_ANSWER")
    assert 4.2 <= took <= 5.1
    assert not bench.server.errors


# quickcall: legs


def rung_devices(profile: str, method: str = "GET") -> tuple[Bench, Caller, Caller, Any]:
    """A quickcall to a user with two devices, of which the second answers; it calls a number of the first."""
    bench = bench_of(profile)
    user = new_user(bench)
    for index in (0, 1):
        bench.api("POST", bench.url(index), {**bench.api("GET", bench.url(index)).data, "owner_id": user})
    callflow(bench, "4711", 0)
    first, second = desk(bench), desk(bench, 1, port=7000)
    first.picks_up, second.picks_up = (180,), (180,)
    target = f"/v2/accounts/{bench.server.seed.account_id}/users/{user}/quickcall/4711"
    headers = (("X-Auth-Token", bench.server.seed.auth_token),)
    bench.server.api(ApiRequest(4711, method, target, headers), bench.now)
    bench.run(0.6)
    second.respond(second.invites[0], 200)
    bench.run(2.0)
    reply = bench.replies[4711][1]
    return bench, first, second, json.loads(reply.body)


def test_quickcall_of_a_user_in_3_20() -> None:
    """One Call-ID for both devices: only the first rings (before a1e4c31751)."""
    bench = bench_of("3.20")
    user = new_user(bench)
    for index in (0, 1):
        bench.api("POST", bench.url(index), {**bench.api("GET", bench.url(index)).data, "owner_id": user})
    first, second = desk(bench), desk(bench, 1, port=7000)
    endpoints = bench.api("GET", f"/users/{user}{QUICKCALL}").data["endpoints"]
    assert endpoints[0]["outbound_call_id"] == endpoints[1]["outbound_call_id"]
    bench.run(1.0)
    assert (len(first.invites), len(second.invites)) == (1, 0)


@pytest.mark.parametrize("profile", RELEASES)
def test_a_device_that_is_not_to_be_disturbed(profile: str) -> None:
    bench = bench_of(profile)
    a, b = office(bench)
    document = bench.api("GET", bench.url(1)).data
    bench.api("POST", bench.url(1), {**document, "do_not_disturb": {"enabled": True}})
    assert bench.api("GET", f"{bench.url(1)}/quickcall/1001").status == 500
    invite = a.call("1002")
    bench.run(3.0)
    assert a.final(invite).status == 486
    assert not b.invites


def test_the_number_filter() -> None:
    for profile, shown in (("3.20", "10-02"), ("3.22", "1002"), ("4.3", "1002")):
        bench = bench_of(profile)
        phone, _ = office(bench)
        bench.api("GET", f"{bench.url()}/quickcall/10-02")
        bench.run(1.0)
        assert f"<sip:{shown}@" in (phone.invites[0].get("from") or "")


@pytest.mark.parametrize("profile", ["3.22", *V4])
def test_quickcall_of_a_user(profile: str) -> None:
    bench, first, second, reply = rung_devices(profile)
    assert len(reply["data"]["endpoints"]) == 2
    assert first.methods[:2] == ["INVITE", "CANCEL"]
    assert first.requests("CANCEL")[0].get("reason") == 'SIP;cause=502;text="LOSE_RACE"'
    assert second.methods[:2] == ["INVITE", "ACK"]
    assert first.invites[0].call_id != second.invites[0].call_id
    assert first.invites[0].get("call-info") is None
    # the number is the first device's: it rings again, for the user
    name = first.invites[1].get("from") or ""
    assert name.startswith('"Ann Bee"')
    assert not bench.server.errors


def test_post_of_a_user_succeeds_once() -> None:
    bench, _, _, reply = rung_devices("4.3", "POST")
    assert (reply["status"], reply["data"]["application_response"]) == ("success", "SUCCESS")
    bench.run(60.0)
    assert len([handle for handle in bench.replies if handle == 4711]) == 1


@pytest.mark.parametrize("profile", V4)
def test_two_devices_that_answer_at_once(profile: str) -> None:
    """The loser has answered already: 200, then BYE (recorded)."""
    bench = bench_of(profile)
    user = new_user(bench)
    for index in (0, 1):
        bench.api("POST", bench.url(index), {**bench.api("GET", bench.url(index)).data, "owner_id": user})
    phones = [desk(bench, index, port=6000 + 1000 * index) for index in (0, 1)]
    for phone in phones:
        phone.picks_up = (180,)
    bench.api("GET", f"/users/{user}/quickcall/7777")
    bench.run(0.6)
    for phone in phones:
        phone.obeys_cancel = False
    phones[0].respond(phones[0].invites[0], 200)
    phones[1].respond(phones[1].invites[0], 200)
    bench.run(1.0)
    assert phones[1].methods == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert phones[1].requests("BYE")[0].get("reason") == 'SIP;cause=502;text="LOSE_RACE"'


def test_what_leg_b_shows_of_a_device_without_presence_id() -> None:
    for profile in ("documented", *V4):
        bench = bench_of(profile)
        a, b = office(bench)
        document = bench.api("GET", bench.url()).data
        del document["presence_id"]
        bench.api("POST", bench.url(), document)
        bench.api("GET", bench.url() + QUICKCALL)
        bench.run(2.0)
        sender = "anonymous" if profile in V4 else a.user
        assert (b.invites[0].get("from") or "").startswith(f'"unknown" <sip:{sender}@')


@pytest.mark.parametrize("profile", V4)
def test_a_cid_name_with_a_line_break(profile: str) -> None:
    bench = bench_of(profile)
    a, b = office(bench)
    assert bench.api("GET", f"{bench.url()}{QUICKCALL}?cid-name=A%0d%0aX-Evil:1").status == 200
    bench.run(2.0)
    assert a.methods == ["INVITE", "ACK"]
    assert not b.invites


@pytest.mark.parametrize("profile", V4)
def test_a_number_with_a_space_is_refused_at_once(profile: str) -> None:
    bench = bench_of(profile)
    a, _ = office(bench)
    bench.api("GET", f"{bench.url()}/quickcall/10%2002")
    bench.run(1.0)
    assert a.requests("BYE")[0].get("reason") == 'Q.850;cause=3;text="NO_ROUTE_DESTINATION"'


@pytest.mark.parametrize("profile", V4)
def test_the_ring_time_ends_early(profile: str) -> None:
    """Recorded: 0.1 to 0.8 s before its time, counted from the request."""
    bench = bench_of(profile)
    a, _ = office(bench)
    a.picks_up = (180,)
    bench.api("GET", f"{bench.url()}{QUICKCALL}?timeout=6")
    sent = [item for item in bench.run(8.0) if item.message.method == "CANCEL" and item.message.is_request]
    assert 5.2 <= sent[0].time - (bench.now - 8.0) <= 5.9
