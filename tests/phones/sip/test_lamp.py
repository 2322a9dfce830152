"""A lamp: real calls, the truth table, and every law that a notifier can break."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.index import Message
from phones.sip.lamp import CONTENT_TYPES, LIFE, MOST_BROKEN, MOST_DIALOGS, MOST_ENDED, Lamp, LampState, Seen
from tests.phones.playbook import a_request
from tests.phones.sip.documents import HOSTILE, RECORDED, dialog, dialog_info, presence, recorded
from tests.phones.sip.strategies import some_bytes

OFF, RINGING, BUSY, UNKNOWN = LampState
ACTIVE = "active;expires=600"


def notify(
    cseq: int, body: bytes = b"", event: str = "dialog", state: str = ACTIVE, content_type: str | None = None
) -> Message:
    """A NOTIFY as a watcher takes it; with a body it has the Content-Type of its package unless told otherwise."""
    headers = [f"Event: {event}"] if event else []
    headers += [f"Subscription-State: {state}"] if state else []
    if content_type is None and body:
        content_type = CONTENT_TYPES.get(event.partition(";")[0], "text/plain")
    headers += [f"Content-Type: {content_type}"] if content_type else []
    return Message.parse(a_request("NOTIFY", *headers, cseq=cseq, body=body))


def shown(lamp: Lamp, *bodies: bytes, event: str = "dialog", first: int = 1) -> list[str]:
    """What `lamp` shows behind each body, all of them sound."""
    seen = [lamp.notify(notify(cseq, body, event)) for cseq, body in enumerate(bodies, first)]
    assert [each.broken for each in seen] == [""] * len(seen)
    assert lamp.state == seen[-1].state
    return [each.state.value for each in seen]


# --- real calls ------------------------------------------------------------------------------------------------------


def test_a_call_at_kazoo() -> None:
    lamp = Lamp()
    assert lamp.state == UNKNOWN
    bodies = [recorded(f"kazoo-{state}.xml") for state in ("idle", "early", "confirmed", "terminated")]
    assert shown(lamp, *bodies) == ["off", "ringing", "busy", "off"]
    assert list(lamp.broken) == []


def test_a_call_at_kazoo_in_package_presence() -> None:
    bodies = [recorded(f"kazoo-{note}.pidf") for note in ("available", "busy", "on-the-phone", "available")]
    assert shown(Lamp(), *bodies, event="presence") == ["off", "ringing", "busy", "off"]


def test_a_plain_kamailio() -> None:
    assert shown(Lamp(), recorded("kamailio-trying.xml")) == ["ringing"]


def test_states_set_by_api_come_and_go_under_one_id() -> None:
    states = ["early", "terminated", "confirmed", "early"]
    bodies = [dialog_info(n, dialog(state, direction="")) for n, state in enumerate(states)]
    assert shown(Lamp(), *bodies) == ["ringing", "off", "busy", "ringing"]


def test_messages_wait() -> None:
    lamp = Lamp("message-summary")
    assert lamp.waiting is None
    for cseq, (body, waiting) in enumerate(
        [
            (b"", False),  # Kazoo, with nothing to say
            (recorded("kazoo-three-wait.txt"), True),
            (recorded("kazoo-nothing-waits.txt"), False),
        ]
    ):
        assert lamp.notify(notify(cseq, body, "message-summary")) == Seen(OFF, None)
        assert lamp.waiting is waiting
    assert lamp.notify(notify(9, b"rubbish", "message-summary")).state == UNKNOWN
    assert lamp.waiting is None


@pytest.mark.parametrize(
    ("activities", "note", "state"),
    [
        ("", "", OFF),
        ("", "On the phone", BUSY),
        ("", "busy", RINGING),
        ("<r:busy/><r:on-the-phone/>", "Available", BUSY),
        ("<r:away/>", "Gone fishing", OFF),
    ],
)
def test_words_of_package_presence(activities: str, note: str, state: LampState) -> None:
    assert Lamp().notify(notify(1, presence(activities, note), "presence")) == Seen(state, None)


# --- the truth table -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "state"),
    [
        ([], OFF),
        (["terminated"], OFF),
        (["trying"], RINGING),
        (["proceeding"], RINGING),
        (["early"], RINGING),
        (["confirmed"], BUSY),
        (["terminated", "early"], RINGING),
        (["confirmed", "early", "terminated"], BUSY),
        (["early", "confirmed"], BUSY),
    ],
)
def test_several_dialogs_show_the_strongest(states: list[str], state: LampState) -> None:
    body = dialog_info(4, *(dialog(each, f"d{n}") for n, each in enumerate(states)))
    assert Lamp().notify(notify(1, body)) == Seen(state, 4)


def test_a_full_document_replaces_all_dialogs_a_partial_one_changes_some() -> None:
    lamp = Lamp()
    assert shown(
        lamp,
        dialog_info(1, dialog("early", "a"), dialog("confirmed", "b")),
        dialog_info(2, dialog("terminated", "b"), state="partial"),
        dialog_info(3, dialog("confirmed", "a"), state="partial"),
        dialog_info(4, state="partial"),
        dialog_info(5, dialog("early", "c")),
        dialog_info(6, dialog("terminated", "c"), state="partial"),
    ) == ["busy", "ringing", "busy", "busy", "ringing", "off"]


def test_full_documents_may_skip_versions() -> None:
    assert shown(Lamp(), dialog_info(0), dialog_info(7, dialog("early"))) == ["off", "ringing"]


def test_a_gap_before_a_partial_document_asks_once_and_a_full_one_repairs() -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(1, dialog("early", "a"))))
    assert lamp.notify(notify(2, dialog_info(3, state="partial"))) == Seen(UNKNOWN, 3, refresh=True)
    assert lamp.notify(notify(3, dialog_info(4, dialog("early", "b"), state="partial"))) == Seen(UNKNOWN, 4)
    assert lamp.notify(notify(4, dialog_info(6, state="partial"))) == Seen(UNKNOWN, 6, refresh=True)
    assert lamp.notify(notify(5, dialog_info(7))) == Seen(OFF, 7)
    assert lamp.notify(notify(6, dialog_info(8, dialog("early", "b"), state="partial"))) == Seen(RINGING, 8)
    assert list(lamp.broken) == []


def test_a_partial_document_first_is_a_gap() -> None:
    assert Lamp().notify(notify(1, dialog_info(0, dialog("early"), state="partial"))) == Seen(UNKNOWN, 0, refresh=True)


def test_a_partial_document_behind_an_unreadable_one_is_a_gap() -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(1)))
    lamp.notify(notify(2, b"rubbish"))
    assert lamp.notify(notify(3, dialog_info(3, state="partial"))) == Seen(UNKNOWN, 3, refresh=True)


# --- laws ------------------------------------------------------------------------------------------------------------


def test_a_version_that_does_not_rise_is_ignored() -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(5, dialog("early"))))
    assert lamp.notify(notify(2, dialog_info(4))) == Seen(RINGING, 4, "version 4 after 5")
    assert lamp.notify(notify(3, dialog_info(5))) == Seen(RINGING, 5, "version 5 after 5")
    assert lamp.notify(notify(4, dialog_info(6))) == Seen(OFF, 6)
    assert list(lamp.broken) == [(2, "version 4 after 5"), (3, "version 5 after 5")]


def test_a_cseq_that_does_not_rise_is_ignored() -> None:
    lamp = Lamp()
    lamp.notify(notify(7, dialog_info(1, dialog("early"))))
    for cseq in (6, 7):
        assert lamp.notify(notify(cseq, dialog_info(2))) == Seen(RINGING, None, f"CSeq {cseq} after 7")
    assert lamp.notify(notify(8, dialog_info(2))) == Seen(OFF, 2)


@pytest.mark.parametrize("state", ["trying", "early", "confirmed"])
def test_a_dialog_that_rises_again_is_shown_and_noted_once(state: str) -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(4, dialog("terminated"))))
    seen = lamp.notify(notify(2, dialog_info(5, dialog(state))))
    assert seen.state == (BUSY if state == "confirmed" else RINGING)
    assert seen.broken == f"{state} (version 5) after terminated (version 4) of dialog d1"
    assert lamp.notify(notify(3, dialog_info(6, dialog(state)))).broken == ""


def test_another_call_under_the_same_dialog_id_is_no_rising() -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(4, dialog("terminated"))))
    assert lamp.notify(notify(2, dialog_info(5, dialog("early", call_id="c2")))).broken == ""


def test_early_after_confirmed_is_shown_and_noted() -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(1, dialog("confirmed"))))
    seen = lamp.notify(notify(2, dialog_info(2, dialog("early"), state="partial")))
    assert seen == Seen(RINGING, 2, "early (version 2) after confirmed of dialog d1")


def test_a_dialog_that_was_left_out_may_return() -> None:
    # a reset in a call: Kazoo sends the document of nothing, and the next event of the call brings it back
    lamp = Lamp()
    bodies = [dialog_info(1, dialog("early")), recorded("kazoo-early.xml").replace(b"leg-b", b"x")]
    assert shown(lamp, *bodies, dialog_info(3, dialog("confirmed"))) == ["ringing", "ringing", "busy"]


@pytest.mark.parametrize(
    ("message", "broken"),
    [
        (notify(2, b"<rubbish"), "no XML: unclosed token: line 1, column 0"),
        (notify(2, HOSTILE["entities"]), "a document type declaration"),
        (notify(2), "no document"),
        (notify(2, dialog_info(2), content_type=""), "Content-Type '', not application/dialog-info+xml"),
        (
            notify(2, dialog_info(2), content_type="text/xml"),
            "Content-Type 'text/xml', not application/dialog-info+xml",
        ),
    ],
)
def test_what_cannot_be_read_is_unknown(message: Message, broken: str) -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(1, dialog("early"))))
    assert lamp.notify(message) == Seen(UNKNOWN, None, broken)
    assert list(lamp.broken) == [(2, broken)]
    assert lamp.notify(notify(3, dialog_info(3))) == Seen(OFF, 3)


def test_words_are_compared_as_headers_are() -> None:
    message = notify(1, dialog_info(1), "Dialog;id=3", "ACTIVE ; expires=5", "Application/Dialog-Info+XML ;x=y")
    assert Lamp().notify(message) == Seen(OFF, 1)


def test_another_event_is_ignored() -> None:
    lamp = Lamp("dialog")
    lamp.notify(notify(1, dialog_info(1, dialog("early"))))
    seen = lamp.notify(notify(2, presence(), "presence"))
    assert seen == Seen(RINGING, None, "Event 'presence' in a subscription to 'dialog'")
    assert lamp.notify(notify(3, dialog_info(2), event="")).broken == "Event '' in a subscription to 'dialog'"


def test_a_package_without_a_lamp() -> None:
    assert Lamp().notify(notify(1, b"x", "check-sync")) == Seen(UNKNOWN, None, "Event 'check-sync' lights no lamp")


def test_a_notify_without_subscription_state_is_shown_and_noted() -> None:
    assert Lamp().notify(notify(1, dialog_info(1), state="")) == Seen(OFF, 1, "no Subscription-State")


# --- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", dialog_info(2, dialog("confirmed"))])
def test_terminated_is_unknown_and_the_last(body: bytes) -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(1, dialog("early"))))
    assert lamp.notify(notify(2, body, state="terminated;reason=timeout")) == Seen(UNKNOWN, 2 if body else None)
    law = "a NOTIFY after the subscription had been terminated"
    assert lamp.notify(notify(3, dialog_info(3))) == Seen(UNKNOWN, None, law)
    assert lamp.notify(notify(4, state="terminated")) == Seen(UNKNOWN, None, law)
    assert lamp.ended() == Seen(UNKNOWN, 2 if body else 1)


def test_the_last_document_must_be_sound_too() -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(5)))
    assert lamp.notify(notify(2, dialog_info(5), state="terminated")) == Seen(UNKNOWN, 5, "version 5 after 5")
    other = Lamp()
    assert other.notify(notify(1, dialog_info(1, state="partial"), state="terminated")) == Seen(UNKNOWN, 1)


def test_a_watcher_that_gave_up() -> None:
    lamp = Lamp()
    lamp.notify(notify(1, dialog_info(1, dialog("early"))))
    assert lamp.ended() == lamp.ended() == Seen(UNKNOWN, 1)
    late = lamp.notify(notify(2, dialog_info(2)))
    assert late == Seen(UNKNOWN, None, "a NOTIFY 'active' after the subscription was over")
    assert lamp.notify(notify(3, state="terminated;reason=timeout")) == Seen(UNKNOWN, None)
    assert lamp.notify(notify(4, state="terminated")).broken == "a NOTIFY after the subscription had been terminated"


def test_pending_without_a_document_is_unknown_and_sound() -> None:
    lamp = Lamp()
    assert lamp.notify(notify(1, state="pending")) == Seen(UNKNOWN, None)
    assert lamp.notify(notify(2, dialog_info(0))) == Seen(OFF, 0)


@pytest.mark.parametrize("state", [state for state in LIFE.states if state != LIFE.final])
@pytest.mark.parametrize("event", LIFE.events)
def test_every_event_in_every_state(state: str, event: str) -> None:
    rule = LIFE.rules[state, event]
    assert rule.to in LIFE.states
    assert set(rule.do) <= {"show", "late"}


# --- bad bytes, and many of them -------------------------------------------------------------------------------------


def test_a_lamp_remembers_a_bounded_number_of_everything() -> None:
    lamp = Lamp()
    number = count(1)
    lamp.notify(notify(next(number), dialog_info(0)))
    seen = Seen(OFF, 0)
    for version in range(1, 6):
        dialogs = [dialog("early", f"{version}-{n}") for n in range(MOST_DIALOGS // 4)]
        seen = lamp.notify(notify(next(number), dialog_info(version, *dialogs, state="partial")))
    assert (seen.state, seen.broken) == (UNKNOWN, f"more than {MOST_DIALOGS} dialogs")
    ended = [dialog("terminated", f"e{n}") for n in range(MOST_ENDED + 1)]
    lamp.notify(notify(next(number), dialog_info(6, *ended)))
    revived = [dialog("early", "e0"), dialog("early", "e1")]
    seen = lamp.notify(notify(next(number), dialog_info(7, *revived)))
    assert seen.broken == "early (version 7) after terminated (version 6) of dialog e1"
    for _ in range(MOST_BROKEN + 1):
        lamp.notify(notify(1))
    assert len(lamp.broken) == MOST_BROKEN


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            some_bytes(*RECORDED.values(), dialog_info(3, dialog("early"), state="partial")),
            st.sampled_from([*CONTENT_TYPES, "check-sync", "", "\x1b[2J"]),
            st.sampled_from([ACTIVE, "pending", "terminated", "", "\udcff\x1b"]),
        ),
        max_size=8,
    )
)
@settings(deadline=None)
def test_any_messages_are_folded(messages: list[tuple[int, bytes, str, str]]) -> None:
    lamp = Lamp()
    for step, (jump, body, event, state) in enumerate(messages):
        seen = lamp.notify(notify(step * jump, body, event, state))
        assert seen.state == lamp.state
        assert seen.broken.isprintable()


LEGAL = {"": ["early", "confirmed", "terminated"], "early": ["early", "confirmed", "terminated"],
         "confirmed": ["confirmed", "terminated"], "terminated": ["terminated"]}  # fmt: skip


@given(data=st.data(), lost=st.lists(st.booleans(), min_size=1, max_size=12))
@settings(deadline=None)
def test_a_lamp_agrees_with_the_truth_or_says_that_it_does_not_know(data: st.DataObject, lost: list[bool]) -> None:
    # an honest notifier, of which any NOTIFY but the first may be lost
    lamp, truth, sound = Lamp(), dict.fromkeys("abc", ""), True
    for version, gone in enumerate(lost):
        name = data.draw(st.sampled_from("abc"))
        truth[name] = data.draw(st.sampled_from(LEGAL[truth[name]]))
        full = version == 0 or data.draw(st.booleans())
        told = [n for n in truth if truth[n]] if full else [name]
        body = dialog_info(version, *(dialog(truth[n], n) for n in told), state="full" if full else "partial")
        if gone and version:
            sound = False
            continue
        seen = lamp.notify(notify(version + 1, body))
        sound = sound or full
        expected = BUSY if "confirmed" in truth.values() else RINGING if "early" in truth.values() else OFF
        assert seen.state == (expected if sound else UNKNOWN)
        assert seen.broken == ""
