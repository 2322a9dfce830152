"""One small check per clause about lamps: True when the server keeps it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from phones.sip.index import Message
from reference_server.states import Cause, Direction
from tests.reference_server.playbook import notifies
from tests.reference_server.watching import CONFIRMED, EARLY, SOON, TERMINATED, Leg, Scene, Watcher, version

WHOLE = ["early", "confirmed", "terminated"]


def call(leg: Leg, cause: Cause = Cause.HUNG_UP) -> None:
    """Ring, answer, hang up."""
    leg.go(EARLY).go(CONFIRMED).go(TERMINATED, cause, run=1.0)


def rising(numbers: list[int]) -> bool:
    return all(later > earlier for earlier, later in pairwise(numbers))


def with_presence_id(scene: Scene, value: str | None, index: int = 0) -> None:
    assert scene.api("PATCH", scene.url(index), {"presence_id": value}).status == 200


def username(scene: Scene, index: int = 0) -> str:
    return scene.server.seed.devices[index].username


def pid_01(scene: Scene) -> bool:
    for value in ("1055", "1055@other.test"):
        with_presence_id(scene, value)
        if scene.api("GET", scene.url()).data["presence_id"] != value:
            return False
    created = scene.api("PUT", "/devices", {"name": "n", "presence_id": "1066"}).data["id"]
    return bool(scene.api("GET", f"/devices/{created}").data["presence_id"] == "1066")


def pid_02(scene: Scene) -> bool:
    watcher = scene.watching()
    call(scene.device_leg(direction=Direction.RECIPIENT))
    return watcher.news() == WHOLE


def pid_03(scene: Scene) -> bool:
    watcher = scene.watching()
    call(scene.device_leg(direction=Direction.INITIATOR))
    return watcher.news() == WHOLE


def pid_06(scene: Scene) -> bool:
    watcher = scene.watching(username(scene))
    call(scene.device_leg())
    return watcher.news() == []


def pid_07(scene: Scene) -> bool:
    with_presence_id(scene, None)
    watcher = scene.watching(username(scene))
    call(scene.device_leg())
    return watcher.news() == WHOLE


def pid_08(scene: Scene) -> bool:
    with_presence_id(scene, "1001", 1)
    watcher = scene.watching()
    first, second = scene.device_leg(0, "call-1"), scene.device_leg(1, "call-2")
    for leg in (first, second):
        leg.go(EARLY).go(CONFIRMED)
    first.go(TERMINATED)
    if watcher.news()[-1] != "confirmed":
        return False
    second.go(TERMINATED)
    return watcher.news() == ["terminated"]


def pid_09(scene: Scene) -> bool:
    scene.registered()
    with_presence_id(scene, "1055")
    old, new = scene.watching(), scene.watching("1055")
    call(scene.device_leg())
    return (old.news(), new.news()) == ([], WHOLE)


def pid_10(scene: Scene) -> bool:
    scene.registered()
    with_presence_id(scene, None)
    old, new = scene.watching(), scene.watching(username(scene))
    call(scene.device_leg())
    return (old.news(), new.news()) == ([], WHOLE)


def pid_11(scene: Scene) -> bool:
    for number, value in enumerate(("1055", f"1056@{scene.server.seed.realm}")):
        with_presence_id(scene, value)
        watcher = scene.watching(value.partition("@")[0])
        call(scene.device_leg(0, f"call-{number}"))
        if watcher.news() != WHOLE:
            return False
    return True


def sip_08(scene: Scene) -> bool:
    watcher = scene.watch()
    final = watcher.subscribe(600)
    if (final.status, final.get("expires")) != (200, "600") or len(watcher.notifies) != 1:
        return False
    first = watcher.notifies[0]
    return first.get("subscription-state") == "active;expires=600" and b'state="full"' in first.body


def says_goodbye(messages: list[Message]) -> bool:
    return [message.get("subscription-state") for message in messages] == ["terminated;reason=timeout"]


def sip_09(scene: Scene) -> bool:
    watcher = scene.watching()
    if watcher.subscribe(0).status != 200 or not says_goodbye(watcher.notifies):
        return False
    watcher.news()
    call(scene.device_leg())
    return watcher.news() == []


def sip_10(scene: Scene) -> bool:
    watcher = scene.watch()
    watcher.subscribe(5)
    scene.run(4.9)
    if watcher.news() != ["terminated"]:
        return False
    scene.run(0.2)
    if not says_goodbye(watcher.notifies):
        return False
    watcher.news()
    call(scene.device_leg())
    return watcher.news() == []


def sip_11(scene: Scene) -> bool:
    return all(scene.watch(event=event).subscribe().status == 489 for event in ("foo", "dialog;sla", "reg", ""))


def sip_12(scene: Scene) -> bool:
    watcher = scene.watch()
    watcher.subscribe()
    call(scene.device_leg())
    watcher.subscribe()
    if len(watcher.notifies) != 5:
        return False
    scene.server.restart(scene.now)
    call(scene.device_leg(0, "call-2"))
    numbers = [message.cseq for message in watcher.notifies]
    return rising(numbers) and rising([version(message) for message in watcher.notifies])


def sip_13(scene: Scene) -> bool:
    dialog, presence = scene.watching(), scene.watching(event="presence")
    call(scene.device_leg())
    return dialog.news() == presence.news() == WHOLE


def ends_dark(cause: Cause) -> Callable[[Scene], bool]:
    def check(scene: Scene) -> bool:
        watcher = scene.watching()
        scene.device_leg(0, f"call-{cause}").go(EARLY).go(TERMINATED, cause, run=1.0)
        return watcher.news() == ["early", "terminated"]

    return check


def sip_15(scene: Scene) -> bool:
    return ends_dark(Cause.REJECTED)(scene) and ends_dark(Cause.UNANSWERED)(scene)


def sip_16(scene: Scene) -> bool:
    watchers = [scene.watching(port=9000 + number, name=f"watcher{number}") for number in range(3)]
    call(scene.device_leg())
    return all(watcher.news() == WHOLE for watcher in watchers)


def sip_17(scene: Scene) -> bool:
    watcher = scene.watching()
    leg = scene.device_leg()
    found = []
    for state in (EARLY, CONFIRMED):
        leg.go(state)
        watcher.news()
        watcher.subscribe()
        found += watcher.news()
    watcher.move(9500)
    watcher.subscribe()
    return found == ["early", "confirmed"] and watcher.seen_at[-1] == watcher.address


def sip_18(scene: Scene) -> bool:
    watcher = scene.watching()
    watcher.answers = (481,)
    call(scene.device_leg())
    return watcher.news() == ["early"]


def sip_19(scene: Scene) -> bool:
    leg = scene.device_leg()
    found = []
    for number, state in enumerate((EARLY, CONFIRMED)):
        leg.go(state)
        watcher = scene.watch(port=9000 + number)
        watcher.subscribe()
        found += watcher.news()
    return found == ["early", "confirmed"]


def sip_20(scene: Scene) -> bool:
    watcher = scene.watching()
    call(scene.device_leg())
    return len(watcher.notifies) == 3


def everybody(scene: Scene) -> list[Watcher]:
    """Two watchers of the lamp, one of each other package."""
    return [
        scene.watching(),
        scene.watching(port=9001, name="another"),
        scene.watching(event="presence"),
        scene.watching(event="message-summary"),
    ]


def pres_01(scene: Scene) -> bool:
    return all(scene.reset(version=version) == 200 for version in ("v1", "v2"))


def pres_02(scene: Scene) -> bool:
    watchers = everybody(scene)
    scene.reset()
    return all(watcher.notifies for watcher in watchers)


def pres_03(scene: Scene) -> bool:
    watchers = everybody(scene)[:3]
    leg = scene.device_leg()
    for state in (TERMINATED, EARLY, CONFIRMED):
        if state is not TERMINATED:
            leg.go(state)
        scene.reset()
        if any(watcher.news()[-1:] != [state] for watcher in watchers):
            return False
    return True


def pres_04(scene: Scene) -> bool:
    watchers = everybody(scene)[:3]
    leg = scene.device_leg().go(EARLY).go(CONFIRMED)
    scene.server.presence.lose(leg.channel.presentity, TERMINATED)
    leg.go(TERMINATED)
    stuck = all(watcher.news() == ["early", "confirmed"] for watcher in watchers)
    scene.reset()
    return stuck and all(watcher.news() == ["terminated"] for watcher in watchers)


def pres_05(scene: Scene) -> bool:
    mine, usernames = scene.watching(), scene.watching(username(scene))
    scene.reset()
    return (mine.news(), usernames.news()) == (["terminated"], [])


def pres_06(scene: Scene) -> bool:
    with_presence_id(scene, None)
    watcher = scene.watching(username(scene))
    scene.reset()
    return watcher.news() == ["terminated"]


def pres_07(scene: Scene) -> bool:
    mine, other, busy = scene.watching(), scene.watching("1002"), scene.watching("1003")
    stranger = Watcher(scene, "sip:1001@other.test", port=9100)
    stranger.subscribe()
    scene.leg("1003").go(EARLY).go(CONFIRMED)
    for watcher in (mine, other, busy, stranger):
        watcher.news()
    scene.reset()
    return [len(watcher.news()) for watcher in (mine, other, busy, stranger)] == [1, 0, 0, 0]


def pres_08(scene: Scene) -> bool:
    watchers = everybody(scene)
    scene.reset()
    scene.run(1.0)
    return [len(watcher.notifies) for watcher in watchers] == [1, 1, 1, 1]


def pres_09(scene: Scene) -> bool:
    left, expired = scene.watching(), scene.watch(port=9001)
    left.subscribe(0)
    expired.subscribe(5)
    scene.run(6.0)
    for watcher in (left, expired):
        watcher.news()
    scene.reset()
    return left.news() == expired.news() == []


def pres_10(scene: Scene) -> bool:
    watcher = scene.watch()
    watcher.subscribe()
    scene.device_leg().go(EARLY)
    for _ in range(3):
        scene.reset()
    versions, numbers = [version(message) for message in watcher.notifies], [item.cseq for item in watcher.notifies]
    return len(versions) == 5 and rising(versions) and rising(numbers)


def pres_11(scene: Scene) -> bool:
    watcher = scene.watching()
    leg = scene.device_leg().go(EARLY).go(CONFIRMED)
    second = scene.device_leg(0, "call-2").go(EARLY)
    scene.reset()
    watcher.news()
    leg.go(TERMINATED)
    second.go(TERMINATED)
    return watcher.news() == ["early", "terminated"]


def pres_12(scene: Scene) -> bool:
    phone = scene.registered()
    scene.reset()
    return all(item.remote != phone.address for item in notifies(scene.run(1.0)) + notifies(scene.sent))


def pres_13(scene: Scene) -> bool:
    watcher = scene.watching()
    scene.api("GET", f"{scene.url()}/presence")
    scene.run(SOON)
    return watcher.news() == []


def pres_14(scene: Scene) -> bool:
    watcher = scene.watching()
    statuses = [scene.reset(token=token) for token in (None, "f" * 32, scene.server.seed.other_account.auth_token)]
    return statuses == [401, 401, 403] and watcher.news() == []


PRESENCE_CHECKS: dict[str, Callable[[Scene], bool]] = {
    "PID-01": pid_01,
    "PID-02": pid_02,
    "PID-03": pid_03,
    "PID-06": pid_06,
    "PID-07": pid_07,
    "PID-08": pid_08,
    "PID-09": pid_09,
    "PID-10": pid_10,
    "PID-11": pid_11,
    "SIP-08": sip_08,
    "SIP-09": sip_09,
    "SIP-10": sip_10,
    "SIP-11": sip_11,
    "SIP-12": sip_12,
    "SIP-13": sip_13,
    "SIP-14": ends_dark(Cause.CANCELLED),
    "SIP-15": sip_15,
    "SIP-16": sip_16,
    "SIP-17": sip_17,
    "SIP-18": sip_18,
    "SIP-19": sip_19,
    "SIP-20": sip_20,
    "PRES-01": pres_01,
    "PRES-02": pres_02,
    "PRES-03": pres_03,
    "PRES-04": pres_04,
    "PRES-05": pres_05,
    "PRES-06": pres_06,
    "PRES-07": pres_07,
    "PRES-08": pres_08,
    "PRES-09": pres_09,
    "PRES-10": pres_10,
    "PRES-11": pres_11,
    "PRES-12": pres_12,
    "PRES-13": pres_13,
    "PRES-14": pres_14,
}
