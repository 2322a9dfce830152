"""Lamps: what watchers are told of calls, and what a reset repairs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.dialog_info import parse_dialog_info
from reference_server.registrations import Aor
from reference_server.states import Cause, ChannelState
from tests.reference_server.playbook import changed, notifies
from tests.reference_server.watching import CONFIRMED, EARLY, SOON, TERMINATED, Scene, Watcher


def scene_with(**rules: Any) -> Scene:
    return Scene(changed(**rules))


# calls


def test_a_change_is_told_after_a_moment() -> None:
    scene = Scene()
    watcher = scene.watching()
    delays = []
    for number in range(20):
        started = scene.now
        scene.leg(call_id=f"call-{number}").go(EARLY)
        delays.append(watcher.times[-1] - started)
    assert 0.004 <= min(delays) < max(delays) <= 0.015


def test_reports_keep_their_order_however_quickly_they_come() -> None:
    for seed in range(20):
        scene = Scene(seed=seed)
        watcher = scene.watching()
        scene.leg().go(EARLY, run=0.0).go(CONFIRMED, run=0.0).go(TERMINATED)
        assert watcher.news() == ["early", "confirmed", "terminated"]


def test_what_is_no_change_is_not_told() -> None:
    scene = Scene()
    watcher = scene.watching()
    scene.leg().go(EARLY).go(EARLY).go(CONFIRMED).go(EARLY).go(CONFIRMED).go(TERMINATED).go(TERMINATED)
    assert watcher.news() == ["early", "confirmed", "terminated"]


def test_an_ended_call_lights_nothing_any_more() -> None:
    scene = Scene()
    watcher = scene.watching()
    leg = scene.leg().go(EARLY).go(TERMINATED, run=50.0)
    watcher.news()
    leg.go(EARLY).go(CONFIRMED)
    assert watcher.news() == []


def test_of_two_calls_the_more_important_is_shown() -> None:
    scene = Scene()
    watcher = scene.watching()
    first, second = scene.leg(call_id="first").go(EARLY), scene.leg(call_id="second")
    second.go(EARLY).go(CONFIRMED)
    bodies = [message.body for message in watcher.notifies]
    assert [b"@first" in body for body in bodies] == [True, True, False]
    first.go(TERMINATED)
    assert b"@second" in watcher.notifies[-1].body
    second.go(TERMINATED)
    assert watcher.states == ["early", "early", "confirmed", "confirmed", "terminated"]


def test_the_first_end_darkens_by_rule() -> None:
    scene = scene_with(presence__shared="first_end")
    watcher = scene.watching()
    first, second = scene.leg(call_id="first").go(EARLY), scene.leg(call_id="second").go(EARLY)
    first.go(TERMINATED)
    second.go(TERMINATED)
    assert watcher.news() == ["early", "early", "terminated"]


def test_two_calls_under_one_call_id_by_rule() -> None:
    scene = scene_with(presence__dialogs="shared")
    watcher = scene.watching()
    first = scene.leg(call_id="first").go(EARLY).go(CONFIRMED)
    second = scene.leg(call_id="second").go(EARLY).go(CONFIRMED)
    first.go(TERMINATED)
    assert watcher.news() == ["early", "confirmed", "terminated"]
    second.go(TERMINATED)
    assert watcher.news() == []
    scene.leg(call_id="third").go(EARLY).go(TERMINATED)
    assert watcher.news() == ["early", "terminated"]


def test_a_document_names_the_last_call_for_twenty_seconds() -> None:
    scene = Scene()
    scene.leg().go(EARLY).go(TERMINATED)
    fresh, stale = scene.watch(), scene.watch(port=9001)
    fresh.subscribe()
    scene.run(20.0)
    stale.subscribe()
    assert fresh.states == stale.states == ["terminated"]
    assert b"kfp+" in fresh.notifies[0].body
    assert b"kfp+" not in stale.notifies[0].body


def test_nothing_is_kept_of_what_is_over() -> None:
    scene = Scene()
    watcher = scene.watch()
    watcher.subscribe(30)
    for number in range(50):
        scene.leg(str(number), f"call-{number}").go(EARLY, run=0.01).go(TERMINATED, run=0.01)
    presence = scene.server.presence
    kept = (presence._lamps, presence._watchers._watching, presence._watchers._dialogs, presence._watchers._places)
    assert all(kept)
    scene.run(200.0)
    assert not any(kept)
    assert not presence._watchers._pending
    assert scene.server.next_deadline() is None


def test_a_reset_of_an_idle_presentity_keeps_nothing() -> None:
    scene = Scene()
    scene.reset()
    assert scene.server.presence._lamps == {}


def test_a_reset_lets_no_report_overtake_another() -> None:
    for seed in range(100):
        scene = Scene(seed=seed)
        watcher = scene.watching()
        scene.server.presence.truth = lambda _: ()
        scene.api("POST", f"{scene.url()}/presence")
        scene.run(0.011)
        scene.leg().go(EARLY, run=0.004).go(CONFIRMED)
        assert [state for state in watcher.news() if state != "terminated"] == ["early", "confirmed"]


@pytest.mark.parametrize(("rule", "distinct"), [("kept", [1, 1, 2]), ("fresh", [2, 2, 4]), ("shared", [1, 1, 1])])
def test_ids_of_calls(rule: str, distinct: list[int]) -> None:
    scene = scene_with(presence__dialog_ids=rule)
    watcher = scene.watching()
    for call in ("call-1", "call-2"):
        scene.leg(call_id=call).go(EARLY).go(CONFIRMED).go(TERMINATED)
    ids = [parse_dialog_info(each.body).dialogs[0].id for each in watcher.notifies]
    assert len(ids) == 6
    assert [len(set(each)) for each in (ids[:2], ids[3:5], [*ids[:2], *ids[3:5]])] == distinct


def test_message_summary_has_nothing_to_do_with_calls() -> None:
    scene = Scene()
    watcher = scene.watching(event="message-summary")
    scene.leg().go(EARLY).go(CONFIRMED).go(TERMINATED)
    assert watcher.news() == []


def test_the_owners_lamp_by_rule() -> None:
    scene = scene_with(presence__lit="owner_too")
    presentity, owner = scene.watching("1001"), scene.watching("desk")
    scene.leg("1001", owner="desk").go(EARLY)
    scene.leg("desk", "call-2", owner="DESK").go(EARLY)
    assert (presentity.news(), owner.news()) == (["early"], ["early", "early"])


def test_late_news_of_a_call_that_is_over_by_rule() -> None:
    scene = scene_with(presence__aftermath="late_early")
    watcher = scene.watching()
    scene.leg().go(EARLY).go(TERMINATED, run=1.0)
    assert watcher.news() == ["early", "terminated", "early"]
    assert scene.reset() == 200
    assert watcher.news() == ["terminated"]


@pytest.mark.parametrize("cause", [Cause.CANCELLED, Cause.REJECTED, Cause.UNANSWERED, Cause.HUNG_UP])
def test_only_one_way_of_ending_is_lost_by_rule(cause: Cause) -> None:
    scene = scene_with(presence__lost=[{"state": "terminated", "cause": "rejected"}])
    watcher = scene.watching()
    scene.leg().go(EARLY).go(TERMINATED, cause)
    assert (watcher.news() == ["early"]) is (cause is Cause.REJECTED)


# losing


def test_one_event_is_lost() -> None:
    scene = Scene()
    mine, other = scene.watching(), scene.watching("1002")
    scene.server.presence.lose(Aor("1001", scene.server.seed.realm.upper()), CONFIRMED)
    for number in range(2):
        for user in ("1001", "1002"):
            scene.leg(user, f"call-{user}-{number}").go(EARLY).go(CONFIRMED).go(TERMINATED)
    whole = ["early", "confirmed", "terminated"]
    assert (mine.news(), other.news()) == (["early", "terminated", *whole], whole * 2)


def test_each_loss_costs_one_event() -> None:
    scene = Scene()
    watcher = scene.watching()
    presentity = Aor("1001", scene.server.seed.realm)
    for state in (EARLY, EARLY, TERMINATED):
        scene.server.presence.lose(presentity, state)
    for number in range(3):
        scene.leg(call_id=f"call-{number}").go(EARLY).go(TERMINATED)
    assert watcher.news() == ["early", "terminated"]


def test_who_knows_nothing_of_a_call_is_not_told_its_end() -> None:
    scene = Scene()
    watcher = scene.watching()
    presentity = Aor("1001", scene.server.seed.realm)
    scene.server.presence.lose(presentity, EARLY)
    scene.leg().go(EARLY).go(TERMINATED)
    assert watcher.news() == []


def test_a_stuck_lamp_is_stuck_for_every_new_watcher_until_a_reset() -> None:
    scene = Scene()
    leg = scene.leg().go(EARLY).go(CONFIRMED)
    scene.server.presence.lose(leg.channel.presentity, TERMINATED)
    leg.go(TERMINATED)
    watcher = scene.watch()
    watcher.subscribe()
    scene.run(100.0)
    watcher.subscribe()
    assert watcher.news() == ["confirmed", "confirmed"]
    scene.reset()
    assert watcher.news() == ["terminated"]


def test_losing_over_the_api() -> None:
    scene = Scene()
    watcher = scene.watching()
    path, data = "/ringproof/lose", {"presentity": f"sip:1001@{scene.server.seed.realm}", "state": "early"}
    reply = scene.own(path, data)
    assert (reply.status, reply.data) == (200, data)
    scene.leg().go(EARLY).go(CONFIRMED)
    assert watcher.news() == ["confirmed"]


@pytest.mark.parametrize(
    ("data", "errors"),
    [
        ({}, {"presentity", "state"}),
        ({"presentity": "sip:1001@{realm}", "state": "busy"}, {"state"}),
        ({"presentity": "sip:1001@{realm}", "state": ["early"]}, {"state"}),
        ({"presentity": "1001", "state": "early"}, {"presentity"}),
        ({"presentity": "sip:{realm}", "state": "early"}, {"presentity"}),
        ({"presentity": "tel:1001", "state": "early"}, {"presentity"}),
        ({"presentity": 1001, "state": "early"}, {"presentity"}),
    ],
)
def test_losing_takes_a_presentity_and_a_state(data: dict[str, Any], errors: set[str]) -> None:
    scene = Scene()
    filled = {
        key: value.replace("{realm}", scene.server.seed.realm) if isinstance(value, str) else value
        for key, value in data.items()
    }
    reply = scene.own("/ringproof/lose", filled)
    assert (reply.status, set(reply.data)) == (400, errors)


def test_losing_only_of_ones_own() -> None:
    scene = Scene()
    seed = scene.server.seed
    for realm, mine, theirs in (
        (seed.realm, 200, 404),
        (seed.other_account.realm, 404, 200),
        (seed.child_account.realm, 200, 404),
        ("nowhere.test", 404, 404),
    ):
        data = {"presentity": f"sip:x@{realm}", "state": "early"}
        for token, status in ((seed.auth_token, mine), (seed.other_account.auth_token, theirs), ("f" * 32, 401)):
            assert scene.own("/ringproof/lose", data, token=token).status == status
    scene.api("PATCH", scene.url(), {"presence_id": "1001@nowhere.test"})
    data = {"presentity": "sip:1001@nowhere.test", "state": "early"}
    assert scene.own("/ringproof/lose", data).status == 200
    assert scene.own("/v2/ringproof/lose", data).status == 200


def test_nobody_in_particular_loses_nothing() -> None:
    scene = scene_with(tokens__absent="accepted")
    data = {"presentity": f"sip:x@{scene.server.seed.realm}", "state": "early"}
    assert scene.own("/ringproof/lose", data, token="").status == 401


# reset


def test_a_reset_is_told_in_the_recorded_order() -> None:
    scene = Scene()
    watchers = [scene.watching(event=event) for event in ("dialog", "presence", "message-summary")]
    started = scene.now
    scene.reset()
    events = [item.message.get("event") for item in scene.sent if item.time > started and item.message.is_request]
    assert events == ["message-summary", "presence", "dialog"]
    assert all(0.013 <= watcher.times[0] - started <= 0.025 for watcher in watchers)


def test_a_reset_replies_at_once() -> None:
    scene = Scene()
    reply = scene.api("POST", f"{scene.url()}/presence")
    assert (reply.status, reply.data) == (200, "reset request sent")
    assert reply.json["revision"] == scene.api("GET", scene.url()).json["revision"]
    assert scene.api("POST", f"{scene.url()}/presence", {"anything": 1}).status == 200


def test_a_reset_of_nothing() -> None:
    scene = Scene()
    assert scene.api("POST", "/devices/00000000000000000000000000000000/presence").status == 404
    assert scene.api("PUT", f"{scene.url()}/presence").status == 405
    scene.reset()
    assert notifies(scene.run(1.0), "dialog") == []


def test_get_counts_subscriptions() -> None:
    scene = Scene()
    scene.watching()
    scene.watching(port=9001)
    scene.watching(event="presence")
    scene.watching("1002")
    Watcher(scene, "sip:1001@other.test", port=9100).subscribe()
    reply = scene.api("GET", f"{scene.url()}/presence")
    assert reply.status == 200
    assert reply.data == {"Subscriptions": {"1001": {"presence": 1, "dialog": 2}, "1002": {"dialog": 1}}}


def test_reports_on_their_way_do_not_undo_a_reset() -> None:
    for seed in range(20):
        scene = Scene(seed=seed)
        watcher = scene.watching()
        leg = scene.leg().go(EARLY)
        watcher.news()
        scene.api("POST", f"{scene.url()}/presence")
        scene.run(0.012)
        leg.go(CONFIRMED)
        told = watcher.news()
        assert told[-1] == "confirmed"
        assert told in (["early", "confirmed"], ["confirmed", "confirmed"], ["confirmed"])


def test_a_reset_in_mid_call_changes_nothing_but_repeats() -> None:
    scene = Scene()
    watcher = scene.watching()
    leg = scene.leg().go(EARLY)
    scene.reset()
    leg.go(CONFIRMED)
    scene.reset()
    leg.go(TERMINATED)
    scene.reset()
    assert watcher.states == ["early", "early", "confirmed", "confirmed", "terminated", "terminated"]
    assert [b"kfp+" in message.body for message in watcher.notifies] == [True] * 5 + [False]


def test_a_reset_to_off_as_recorded() -> None:
    """Ringing, the answer brings it back; answered, it stays dark and no end is told (4.3, 5.0)."""
    scene = scene_with(reset__shows="off")
    watcher = scene.watching()
    leg = scene.leg().go(EARLY)
    scene.reset()
    leg.go(CONFIRMED)
    assert watcher.news() == ["early", "terminated", "confirmed"]
    scene.reset()
    assert b"kfp+" not in watcher.notifies[-1].body
    leg.go(TERMINATED)
    assert watcher.news() == ["terminated"]


def test_the_flag_of_3_22() -> None:
    scene = scene_with(reset__body="flag", reset__reply="reset commands sent")
    path = f"{scene.url()}/presence"
    for data in (None, {}, {"reset": False}, {"action": "reset"}):
        reply = scene.api("POST", path, data)
        assert (reply.status, reply.data) == (400, {"reset": {"required": {"message": "Field must be set to true"}}})
    for data, query in (({"reset": True}, ""), ({"reset": "true"}, ""), (None, "?reset=true")):
        reply = scene.api("POST", f"{path}{query}", data)
        assert (reply.status, reply.data) == (200, "reset commands sent")


def test_the_action_of_4_1() -> None:
    scene = scene_with(reset__body="action", reset__reply="command sent")
    path = f"{scene.url()}/presence"
    wrong = {"action": {"invalid": {"message": "Field must be set to a valid action", "target": "invalid"}}}
    for data, query in ((None, ""), ({}, ""), ({"reset": True}, ""), ({"action": "foo"}, ""), (None, "?action=reset")):
        reply = scene.api("POST", f"{path}{query}", data)
        assert (reply.status, reply.data) == (400, wrong)
    reply = scene.api("POST", path, {"action": "reset"})
    assert (reply.status, reply.data) == (200, "command sent")


def test_a_reset_on_one_version_only() -> None:
    scene = scene_with(reset__path=["v2"])
    assert [scene.reset(version=version) for version in ("v1", "v2")] == [404, 200]


def test_what_calls_really_are_is_told_to_presence_by_its_owner() -> None:
    scene = Scene()
    watcher = scene.watching()
    leg = scene.leg()
    leg.told = True
    scene.reset()
    assert watcher.news() == ["early"]
    leg.go(TERMINATED)
    assert watcher.news() == ["terminated"]


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(ChannelState), st.sampled_from([0.0, 0.005, SOON])), max_size=12
)


@settings(deadline=None, max_examples=60)
@given(STEPS, st.integers(0, 3))
def test_after_everything_has_arrived_the_lamp_shows_the_truth(
    steps: list[tuple[int, ChannelState, float]], reset_at: int
) -> None:
    scene = Scene()
    watcher = scene.watch()
    watcher.subscribe()
    legs = [scene.leg(call_id=f"call-{number}") for number in range(4)]
    order = list(ChannelState)
    for index, (number, state, wait) in enumerate(steps):
        leg = legs[number]
        if leg.told and order.index(state) <= order.index(leg.channel.state):
            continue
        leg.go(state, run=wait)
        if index == reset_at:
            scene.api("POST", f"{scene.url()}/presence")
    scene.run(1.0)
    told = [leg.channel.state for leg in legs if leg.told]
    truth = next((state for state in (CONFIRMED, EARLY) if state in told), TERMINATED)
    assert watcher.states[-1] == truth
    assert scene.server.errors == []
