"""What lamps of each release show otherwise than the page says, beside what the recordings show (`test_replay`)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference_server.playbook import Reply
from tests.reference_server.profiling import RELEASES, RESET, V3, V4, new_user, scene_of
from tests.reference_server.watching import CONFIRMED, EARLY, SOON, TERMINATED, Scene


def reset_by(scene: Scene, profile: str, path: str = "", data: Any = None) -> Reply:
    reply = scene.api("POST", path or f"{scene.url()}/presence", RESET[profile] if data is None else data)
    scene.run(SOON)
    return reply


@pytest.mark.parametrize("profile", ["3.22", *V4])
def test_a_reset_turns_the_lamp_off(profile: str) -> None:
    scene = scene_of(profile)
    watcher = scene.watching()
    leg = scene.leg().go(EARLY)
    assert watcher.news() == ["early"]
    assert reset_by(scene, profile).status == 200
    assert watcher.news() == ["terminated"]
    leg.go(CONFIRMED)
    assert watcher.news() == ["confirmed"]
    reset_by(scene, profile)
    assert watcher.news() == ["terminated"]
    late = scene.watch(name="late", port=9100)
    late.subscribe()
    assert late.states == ["terminated"]
    leg.go(TERMINATED, run=2.0)
    assert watcher.news() == []


@pytest.mark.parametrize(
    ("profile", "data", "status"),
    [
        ("3.22", {}, 400),
        ("3.22", {"reset": "true"}, 200),
        ("3.22", {"reset": False}, 400),
        ("3.22", {"action": "reset"}, 400),
        ("4.3", {}, 400),
        ("4.3", {"reset": True}, 200),
        ("4.3", {"reset": "true"}, 500),
        ("4.3", {"reset": False}, 400),
        ("4.3", {"action": "reset"}, 200),
        ("4.3", {"action": "set"}, 400),
        ("4.3", {"action": "set", "state": "busy"}, 400),
        ("4.3", {"action": ["reset"]}, 400),
    ],
)
def test_bodies_of_a_reset(profile: str, data: dict[str, Any], status: int) -> None:
    scene = scene_of(profile)
    watcher = scene.watching()
    assert reset_by(scene, profile, data=data).status == status
    no_op = data == {"reset": True} and profile == "4.3"
    assert watcher.news() == (["terminated"] if status == 200 and not no_op else [])


def test_a_flag_in_the_query() -> None:
    """3.22 takes it from there, 4.3 looks into the body only (recorded)."""
    for profile, query, status in (("3.22", "?reset=true", 200), ("4.3", "?action=reset", 400)):
        scene = scene_of(profile)
        assert scene.api("POST", f"{scene.url()}/presence{query}").status == status


@pytest.mark.parametrize("profile", V4)
def test_a_state_that_is_set(profile: str) -> None:
    scene = scene_of(profile)
    watcher, other = scene.watching(), scene.watching("1002", port=9100)
    for state in ("early", "confirmed", "terminated"):
        assert reset_by(scene, profile, data={"action": "set", "state": state}).data == "command sent"
        assert watcher.news() == [state]
    reset_by(scene, profile, data={"action": "set", "state": "terminated"})
    assert watcher.news() == []
    reset_by(scene, profile, data={"action": "set", "state": "early"})
    watcher.news()
    reset_by(scene, profile)
    assert watcher.news() == ["terminated"]
    assert other.news() == []


@pytest.mark.parametrize("profile", ["3.22", *V4])
def test_a_device_without_presence_id(profile: str) -> None:
    scene = scene_of(profile)
    device = scene.server.seed.devices[0]
    document = scene.api("GET", scene.url()).data
    del document["presence_id"]
    scene.api("POST", scene.url(), document)
    watcher = scene.watching(device.username)
    assert reset_by(scene, profile).status == 200
    assert watcher.news() == (["terminated"] if profile == "3.22" else [])


@pytest.mark.parametrize("profile", ["3.22", *V4])
def test_a_presence_id_with_a_realm(profile: str) -> None:
    """Calls light it; a reset looks for user@realm@realm and finds nobody."""
    scene = scene_of(profile)
    realm = scene.server.seed.realm
    document = scene.api("GET", scene.url()).data
    scene.api("POST", scene.url(), {**document, "presence_id": f"1066@{realm}"})
    watcher = scene.watching("1066")
    scene.device_leg().go(EARLY)
    assert watcher.news() == ["early"]
    assert reset_by(scene, profile).status == 200
    assert watcher.news() == []


def test_the_owners_presence_id() -> None:
    for profile, user in (*((name, "1077") for name in RELEASES), ("documented", "1001")):
        scene = scene_of(profile)
        owner = new_user(scene, presence_id="1077")
        document = scene.api("GET", scene.url()).data
        scene.api("POST", scene.url(), {**document, "owner_id": owner})
        assert scene.device_leg().channel.presentity.user == user
        del document["presence_id"]
        scene.api("POST", scene.url(), {**document, "owner_id": owner})
        assert scene.device_leg().channel.presentity.user == "1077"


def test_the_realm_of_a_presence_id() -> None:
    for profile in RELEASES:
        scene = scene_of(profile)
        document = scene.api("GET", scene.url()).data
        scene.api("POST", scene.url(), {**document, "sip": {**document["sip"], "realm": "own.example"}})
        realm = "own.example" if profile in V3 else scene.server.seed.realm
        assert scene.device_leg().channel.presentity.realm == realm


@pytest.mark.parametrize("profile", ["3.22", *V4])
def test_reset_of_a_user(profile: str) -> None:
    scene = scene_of(profile)
    user = new_user(scene)
    path = f"/users/{user}/presence"
    watchers = {name: scene.watching(name, port=9000 + int(name)) for name in ("1001", "1002", "1077")}
    nothing = "nothing to reset" if profile == "3.22" else "nothing to send command to"
    assert reset_by(scene, profile, path).data == nothing
    for index in (0, 1):
        scene.api("POST", scene.url(index), {**scene.api("GET", scene.url(index)).data, "owner_id": user})
    done = "reset commands sent" if profile == "3.22" else "command sent"
    assert reset_by(scene, profile, path).data == done
    assert [len(watcher.news()) for watcher in watchers.values()] == [1, 1, 0]
    body = {"first_name": "Ann", "last_name": "Bee", "presence_id": "1077"}
    scene.api("POST", f"/users/{user}", body)
    assert reset_by(scene, profile, path).data == done
    assert [len(watcher.news()) for watcher in watchers.values()] == [0, 0, 1]
    assert reset_by(scene, profile, f"/users/{'1' * 32}/presence").status == 404


@pytest.mark.parametrize("data", [None, {}, {"action": "reset"}, {"action": "set", "state": "early"}])
@pytest.mark.parametrize("profile", ["3.22", *V4])
def test_reset_of_an_extension(profile: str, data: Any) -> None:
    scene = scene_of(profile)
    watcher = scene.watching("4711")
    reply = scene.api("POST", "/presence/4711", data)
    scene.run(SOON)
    assert reply.data == "reset command sent for extension 4711"
    assert watcher.news() == ["terminated"]


def test_reset_of_an_address_in_3_20() -> None:
    scene = scene_of("3.20")
    watcher = scene.watching()
    assert scene.api("POST", f"/presence/1001@{scene.server.seed.realm}/reset").status == 200
    assert scene.api("POST", "/presence/1001").status == 404
    scene.run(SOON)
    assert watcher.news() == []


def test_lists_of_subscriptions() -> None:
    for profile, name in (("3.20", "subscriptions"), ("3.22", "subscriptions"), ("4.3", "Subscriptions")):
        scene = scene_of(profile)
        scene.watching()
        counts = {name: {"1001": {"dialog": 1}}}
        assert scene.api("GET", "/presence").data == counts
        assert scene.api("GET", f"{scene.url()}/presence").data == counts
    shown = scene.api("GET", "/presence/1001").data["Subscriptions"]["1001"]["dialog"]["watcher"]
    (told,) = next(iter(shown.values())).values()
    assert told["sent"].startswith("NOTIFY sip:watcher@127.0.0.1:9000 SIP/2.0\r\n")
    assert (told["result"], told["received"].split("\r\n")[0]) == (200, "SIP/2.0 200 OK")
    assert scene.api("GET", "/presence/4711").data == {}


@pytest.mark.parametrize("profile", V4)
def test_a_watcher_that_answers_481_stays(profile: str) -> None:
    scene = scene_of(profile)
    watcher = scene.watching()
    watcher.answers = (481,)
    for _ in range(3):
        reset_by(scene, profile)
    assert len(watcher.news()) == 3


@pytest.mark.parametrize("profile", V4)
def test_short_subscriptions_are_refused(profile: str) -> None:
    watcher = scene_of(profile).watch()
    refused = watcher.subscribe(60)
    assert (refused.status, refused.get("min-expires")) == (423, "300")
