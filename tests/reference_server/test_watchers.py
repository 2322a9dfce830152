"""SUBSCRIBE and the life of a subscription (RFC 6665)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.index import Message
from phones.sip.lamp import Lamp, LampState
from phones.sip.message import request, response
from reference_server import watchers
from tests.reference_server.playbook import Bench, changed
from tests.reference_server.watching import CONFIRMED, EARLY, TERMINATED, Scene, Watcher, version

RECORDED: dict[str, str] = json.loads((Path(__file__).parent / "data" / "notifies.json").read_text("utf-8"))
SHAPES = (
    (r"[0-9a-f]{32}-[0-9a-f]{8}", "TAG"),
    (r"z9hG4bK[0-9a-f]+\.[0-9a-f]{32}\.0", "BRANCH"),
    (r"127\.0\.0\.\d+:\d+", "PLACE"),
    (r"sip:\w+@[\w.]+", "ADDRESS"),
    (r"(?<=;tag=)[\w-]+$", "THEIRS"),
    (r"\d+", "N"),
)


def shape(name: str, value: str) -> tuple[str, str]:
    """A header with what differs from system to system taken out."""
    if name == "Call-ID":
        return name, ""
    for pattern, word in SHAPES:
        value = re.sub(pattern, word, value)
    return name, value


def layout(message: Message) -> list[tuple[str, str]]:
    return [shape(name, value) for name, value in message.headers]


@pytest.mark.parametrize(
    ("recorded", "event", "told"),
    [
        ("dialog idle", "dialog", "first"),
        ("dialog early, called", "dialog", "early"),
        ("dialog unsubscribed", "dialog", "last"),
        ("presence idle", "presence", "first"),
        ("presence confirmed", "presence", "confirmed"),
        ("message-summary", "message-summary", "first"),
    ],
)
def test_a_notify_is_laid_out_as_recorded(recorded: str, event: str, told: str) -> None:
    scene = Scene()
    watcher = scene.watch(event=event)
    watcher.subscribe()
    if told == "early":
        scene.leg().go(EARLY)
    elif told == "confirmed":
        scene.leg().go(EARLY).go(CONFIRMED)
    elif told == "last":
        watcher.subscribe(0)
    ours, theirs = watcher.notifies[-1], Message.parse(RECORDED[recorded].encode())
    assert layout(ours) == layout(theirs)
    assert ours.uri == watcher.contact


def test_the_answer_is_laid_out_as_recorded() -> None:
    scene = Scene()
    final = scene.watch().subscribe(600)
    assert [name for name, _ in final.headers] == [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Expires",
        "Contact",
        "Content-Length",
    ]
    assert final.start_line == "SIP/2.0 200 OK"
    assert final.get("contact") == "<sip:127.0.0.1:5060;transport=udp>"
    assert re.search(r";tag=[0-9a-f]{32}-[0-9a-f]{8}$", final.get("to") or "")


def test_the_notify_stands_in_the_dialog() -> None:
    scene = Scene()
    watcher = scene.watch()
    final = watcher.subscribe()
    notify = watcher.notifies[0]
    assert notify.call_id == watcher.call_id
    assert (notify.get("to"), notify.get("from")) == (final.get("from"), final.get("to"))
    assert watcher.times == [scene.now]


def test_our_own_lamp_reads_it() -> None:
    scene = Scene()
    for event in ("dialog", "presence"):
        watcher, lamp = scene.watch(event=event), Lamp()
        watcher.subscribe()
        leg = scene.leg(call_id=f"call-{event}").go(EARLY).go(CONFIRMED).go(TERMINATED)
        assert leg.channel.state is TERMINATED
        watcher.subscribe(0)
        seen = [lamp.notify(message) for message in watcher.notifies]
        assert [each.broken for each in seen] == [""] * 5
        assert [each.state for each in seen][:4] == [
            LampState.OFF,
            LampState.RINGING,
            LampState.BUSY,
            LampState.OFF,
        ]


def test_time_counts_down() -> None:
    scene = Scene()
    watcher = scene.watch()
    watcher.subscribe(600)
    scene.run(10.5)
    scene.leg().go(EARLY)
    scene.run(588.9)
    scene.leg("1001", "call-2").go(CONFIRMED)
    assert [message.get("subscription-state") for message in watcher.notifies] == [
        "active;expires=600",
        "active;expires=590",
        "active;expires=1",
    ]


@pytest.mark.parametrize(
    ("asked", "granted"), [(None, "3600"), (7200, "3600"), (2**40, "3600"), (1, "1"), (3599, "3599"), (0, "0")]
)
def test_granted(asked: int | None, granted: str) -> None:
    scene = Scene()
    watcher = scene.watch()
    final = watcher.subscribe(asked)
    assert (final.status, final.get("expires")) == (200, granted)
    assert len(watcher.notifies) == 1


def test_too_brief() -> None:
    scene = Scene(changed(subscribe__min_expires=300))
    watcher = scene.watch()
    final = watcher.subscribe(299)
    assert final.start_line == "SIP/2.0 423 Interval Too Brief"
    assert final.get("min-expires") == "300"
    assert watcher.subscribe(300).status == 200
    assert watcher.subscribe(60).status == 423
    assert watcher.subscribe(0).status == 200


@pytest.mark.parametrize("event", ["foo", "dialog;sla", "dialog;id=1", "Dialog", "check-sync", "reg", ""])
def test_events_that_are_not_served(event: str) -> None:
    scene = Scene()
    watcher = scene.watch(event=event)
    assert watcher.subscribe().start_line == "SIP/2.0 489 Bad Event"
    scene.run(1.0)
    assert watcher.notifies == []


def test_no_event_at_all() -> None:
    assert Scene().watch().subscribe(without=("Event",)).status == 489


def test_an_unknown_package_that_is_accepted_says_nothing() -> None:
    scene = Scene(changed(subscribe__unknown_package="accepted"))
    watcher = scene.watch(event="foo")
    assert watcher.subscribe().status == 200
    assert (watcher.notifies[0].get("event"), watcher.notifies[0].body) == ("foo", b"")


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        ("To", "<sip:acme.test>", "Missing TO username"),
        ("From", "<sip:acme.test>;tag=x", "Missing FROM username"),
        ("To", "<<", "Bad From or To"),
        ("From", "", "Bad From or To"),
        ("Contact", "*", "Bad Contact"),
        ("Contact", "<>", "Bad Contact"),
    ],
)
def test_bad_requests(header: str, value: str, reason: str) -> None:
    scene = Scene()
    watcher = scene.watch()
    assert watcher.subscribe(600, (header, value)).start_line == f"SIP/2.0 400 {reason}"
    assert watcher.notifies == []


def test_a_first_subscribe_needs_a_contact_and_a_refresh_does_not() -> None:
    scene = Scene()
    watcher = scene.watch()
    assert watcher.subscribe(without=("Contact",)).start_line == "SIP/2.0 400 Missing Contact"
    assert watcher.subscribe().status == 200
    assert watcher.subscribe(without=("Contact",)).status == 200
    assert [message.uri for message in watcher.notifies] == [watcher.contact] * 2


def test_anybody_may_watch_anything() -> None:
    scene = Scene()
    watcher = Watcher(scene, "sip:nobody@nowhere.test")
    assert watcher.subscribe().status == 200
    assert watcher.news() == ["terminated"]


def test_presentities_are_found_in_any_case() -> None:
    scene = Scene()
    watcher = Watcher(scene, f"sip:De%73K@{scene.server.seed.realm.upper()}")
    watcher.subscribe()
    scene.leg("dEsk").go(EARLY)
    assert watcher.news() == ["terminated", "early"]


def test_a_refresh_goes_on_in_the_dialog() -> None:
    scene = Scene()
    watcher = scene.watch()
    watcher.subscribe(600)
    scene.run(10.0)
    assert watcher.subscribe(60).get("expires") == "60"
    assert [message.cseq for message in watcher.notifies] == [1, 2]
    assert [version(message) for message in watcher.notifies] == [1, 2]
    scene.run(59.0)
    assert len(watcher.notifies) == 2
    scene.run(1.1)
    assert len(watcher.notifies) == 3
    scene.run(1000.0)
    assert len(watcher.notifies) == 3


def test_a_refresh_extends() -> None:
    scene = Scene()
    watcher = scene.watch()
    watcher.subscribe(5)
    scene.run(4.0)
    watcher.subscribe(100)
    scene.run(50.0)
    assert watcher.states == ["terminated", "terminated"]
    scene.leg().go(EARLY)
    assert watcher.states[2:] == ["early"]


def test_refreshes_set_no_more_alarms() -> None:
    scene = Scene()
    watcher = scene.watching()
    for expires in (100, 50, 3600, 40, 3600):
        watcher.subscribe(expires)
    scene.run(60.0)
    assert len(scene.server._agenda._heap) <= 3
    scene.run(3600.0)
    assert watcher.notifies[-1].get("subscription-state") == "terminated;reason=timeout"
    assert len(watcher.notifies) == 6


def test_after_the_end_the_subscription_does_not_exist() -> None:
    scene = Scene()
    left, expired = scene.watching(), scene.watch(port=9001)
    left.subscribe(0)
    expired.subscribe(2)
    scene.run(3.0)
    for watcher in (left, expired):
        watcher.news()
        assert watcher.subscribe().start_line == "SIP/2.0 481 Subscription does not exist"
    scene.run(1.0)
    assert left.notifies == expired.notifies == []


def test_the_last_notify_shows_the_state() -> None:
    scene = Scene()
    watcher = scene.watching()
    scene.leg().go(EARLY)
    watcher.subscribe(0)
    assert watcher.news() == ["early", "early"]


def test_a_fetch_makes_no_subscription() -> None:
    scene = Scene()
    watcher = scene.watch()
    assert watcher.subscribe(0).get("expires") == "0"
    assert [message.get("subscription-state") for message in watcher.notifies] == ["terminated;reason=timeout"]
    watcher.news()
    scene.leg().go(EARLY)
    assert watcher.news() == []
    assert watcher.subscribe().status == 481


def test_another_event_is_another_subscription() -> None:
    scene = Scene()
    watcher = scene.watching()
    assert watcher.subscribe(600, ("Event", "presence")).status == 481


def test_cseq_must_rise() -> None:
    scene = Scene()
    watcher = scene.watching()
    watcher.cseq = 0
    assert watcher.subscribe().status == 500
    assert watcher.notifies == []
    assert watcher.subscribe().status == 200
    watcher.cseq = 1
    assert watcher.subscribe().status == 500


def test_a_reboot_replaces_the_subscription() -> None:
    scene = Scene()
    before = scene.watching()
    after = scene.watching(name=before.name.upper(), contact=before.contact)
    scene.leg().go(EARLY)
    assert (before.news(), after.news()) == ([], ["early"])
    assert before.subscribe().status == 481


@pytest.mark.parametrize("name", ["watcher", "other"])
def test_the_same_user_at_two_places_is_two_watchers(name: str) -> None:
    scene = Scene()
    both = scene.watching(), scene.watching(port=9001, name=name)
    scene.leg().go(EARLY)
    assert [watcher.news() for watcher in both] == [["early"], ["early"]]


def test_both_are_kept_by_rule() -> None:
    scene = Scene(changed(subscribe__again="both"))
    both = scene.watching(), scene.watching()
    scene.leg().go(EARLY)
    assert [watcher.news() for watcher in both] == [["early"], ["early"]]


def test_a_moved_watcher_is_notified_where_it_is() -> None:
    scene = Scene()
    watcher = scene.watching()
    watcher.move(9500)
    watcher.subscribe()
    scene.leg().go(EARLY)
    assert watcher.seen_at[-2:] == [("127.0.0.1", 9500)] * 2
    assert [message.uri for message in watcher.notifies] == [watcher.contact] * 2


def test_whoever_comes_to_a_place_that_was_left_replaces_nobody() -> None:
    scene = Scene()
    moved = scene.watching()
    moved.move(9500)
    moved.subscribe()
    moved.news()
    come = scene.watching()
    scene.leg().go(EARLY)
    assert (moved.news(), come.news()) == (["early"], ["early"])


@pytest.mark.parametrize("status", [404, 405, 410, 416, 480, 481, 489, 501, 604])
def test_answers_that_end_a_subscription(status: int) -> None:
    scene = Scene()
    watcher = scene.watching()
    watcher.answers = (100, status)
    leg = scene.leg().go(EARLY)
    watcher.answers = (200,)
    leg.go(CONFIRMED)
    assert watcher.news() == ["early"]
    assert watcher.subscribe().status == 481


@pytest.mark.parametrize("status", [202, 302, 400, 486, 500, 503])
def test_answers_that_do_not(status: int) -> None:
    scene = Scene()
    watcher = scene.watching()
    watcher.answers = (status,)
    scene.leg().go(EARLY).go(CONFIRMED)
    assert watcher.news() == ["early", "confirmed"]


@pytest.mark.parametrize(("slowest", "told"), [(None, 2), (2.0, 2), (0.5, 1)])
def test_an_answer_that_comes_late(slowest: float | None, told: int) -> None:
    scene = Scene(changed(subscribe__slowest_answer_s=slowest))
    watcher = scene.watching()
    watcher.answers = ()
    leg = scene.leg().go(EARLY, run=1.0)
    scene.receive(response(watcher.notifies[-1], 200), watcher.address)
    watcher.answers = (200,)
    leg.go(CONFIRMED)
    assert len(watcher.notifies) == told


@pytest.mark.parametrize("silent", [(), (408,)])
def test_three_in_a_row_unanswered_end_it(silent: tuple[int, ...]) -> None:
    scene = Scene()
    watcher = scene.watching()
    for number, answers in enumerate([silent, silent, (200,), silent, silent, silent, silent]):
        watcher.answers = answers
        scene.leg(call_id=f"call-{number}").go(EARLY, run=40.0)
    assert len(watcher.notifies) == 6
    assert watcher.subscribe().status == 481


def test_notifies_go_out_in_order_without_waiting() -> None:
    scene = Scene()
    watcher = scene.watching()
    watcher.answers = ()
    scene.leg().go(EARLY).go(CONFIRMED).go(TERMINATED)
    assert [message.cseq for message in watcher.notifies] == [2, 3, 4]


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchers, "MOST", 1)
    scene = Scene()
    first, second = scene.watching(), scene.watch(port=9001)
    assert second.subscribe().status == 503
    first.subscribe(0)
    assert second.subscribe().status == 200


def test_a_counter_that_falls_stays_a_number() -> None:
    scene = Scene(changed(subscribe__cseq="falling"))
    watcher = scene.watch()
    watcher.subscribe()
    watcher.subscribe()
    assert [message.cseq for message in watcher.notifies] == [999, 998]


def test_over_tcp_it_stays_on_tcp() -> None:
    bench = Bench()
    headers = [
        ("Via", "SIP/2.0/TCP 127.0.0.1:9000;branch=z9hG4bKt"),
        ("From", "<sip:w@x.test>;tag=w"),
        ("To", "<sip:1001@x.test>"),
        ("Call-ID", "c"),
        ("CSeq", "1 SUBSCRIBE"),
        ("Contact", "<sip:w@127.0.0.1:9000;transport=tcp>"),
        ("Event", "dialog"),
    ]
    data = request("SUBSCRIBE", "sip:1001@x.test", headers)
    bench.server.receive(data, ("127.0.0.1", 9000), bench.now, "tcp")
    answer, notify = bench.server.take()
    assert getattr(answer, "transport", "") == getattr(notify, "transport", "") == "tcp"
    message = Message.parse(getattr(notify, "data", b""))
    assert message.top_via.startswith("SIP/2.0/TCP ")
    assert message.get("contact") == "<sip:127.0.0.1:5060;transport=tcp>"


ODD = st.sampled_from(
    ["", "<", "<sip:a@b>", "sip:a@b;tag=x", '"', "<sip:@b>", "<sip:a@[::1]>;tag=", "*", "dialog", "1"]
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["To", "From", "Contact", "Event", "Expires"]), ODD | st.text(max_size=20)))
def test_odd_headers_break_nothing(headers: dict[str, str]) -> None:
    scene = Scene()
    written = [(name, value.replace("\r", "").replace("\n", "")) for name, value in headers.items()]
    watcher = scene.watch()
    fields = [
        ("Via", f"SIP/2.0/UDP 127.0.0.1:{watcher.port};branch=z9hG4bKodd"),
        ("To", watcher.to),
        ("From", "<sip:w@x.test>;tag=w"),
        ("Call-ID", watcher.call_id),
        ("CSeq", "1 SUBSCRIBE"),
        ("Contact", f"<{watcher.contact}>"),
        ("Event", "dialog"),
    ]
    fields = [field for field in fields if field[0] not in headers] + written
    scene.receive(request("SUBSCRIBE", "sip:x.test", fields), watcher.address)
    scene.leg().go(EARLY)
    scene.run(10.0)
    assert scene.server.errors == []
    assert len(watcher.finals) == 1
