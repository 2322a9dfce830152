"""dialog-info: documents of real servers, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.dialog_info import STATES, DialogInfo, DialogState, Party, parse_dialog_info
from phones.sip.xml import DocumentError
from tests.phones.sip.documents import HOSTILE, RECORDED, dialog, dialog_info, recorded
from tests.phones.sip.strategies import some_bytes

LEG = "kfp+0123456789abcdef0123456789abcdef01@leg-b"
SOUND = dialog_info(7, dialog("early", "d1"), dialog("confirmed", "d2"), state="partial")


def test_kazoo_when_nothing_goes_on() -> None:
    idle = DialogState("615293b33c62dec073e05d9421e9f48b", "terminated", direction="recipient")
    assert parse_dialog_info(recorded("kazoo-idle.xml")) == DialogInfo("sip:desk@a.example.com", 1, True, (idle,))


def test_kazoo_in_a_call() -> None:
    info = parse_dialog_info(recorded("kazoo-confirmed.xml"))
    assert info.version == 3
    assert info.dialogs == (
        DialogState(
            LEG,
            "confirmed",
            call_id=LEG,
            direction="recipient",
            local_tag="eaj80H49FF6QD",
            remote_tag="fdf300c0",
            local=Party("sip:desk@a.example.com", "desk", "sip:desk@a.example.com"),
            remote=Party("sip:1001@a.example.com", "1001", "sip:desk@a.example.com"),
        ),
    )


def test_kazoo_states_that_were_set() -> None:
    [dialog] = parse_dialog_info(recorded("kazoo-set-early.xml")).dialogs
    assert (dialog.state, dialog.direction) == ("early", "")


def test_a_plain_kamailio() -> None:
    info = parse_dialog_info(recorded("kamailio-trying.xml"))
    assert (info.version, info.dialogs[0].state, info.dialogs[0].direction) == (0, "trying", "initiator")
    assert info.dialogs[0].remote.identity == "sip:desk@a.example.com"


def test_several_dialogs_of_a_partial_document() -> None:
    info = parse_dialog_info(SOUND)
    assert (info.full, [(d.id, d.state) for d in info.dialogs]) == (False, [("d1", "early"), ("d2", "confirmed")])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("urn:ietf:params:xml:ns:dialog-info", "urn:ietf:params:xml:ns:pidf"),
        ("<dialog-info", "<presence"),
        ('version="7"', ""),
        ('version="7"', 'version="-1"'),
        ('version="7"', 'version="٣"'),
        ('version="7"', f'version="{"9" * 5000}"'),
        ('state="partial"', 'state="some"'),
        ('state="partial"', ""),
        ('entity="sip:desk@a.example.com"', ""),
        ('id="d1"', 'id=""'),
        ("<state>early</state>", ""),
        (">early<", ">busy<"),
        (">early<", "><early/><"),
        ('"recipient"', '"both"'),
        ("</dialog-info>", ""),
    ],
)
def test_what_is_refused(old: str, new: str) -> None:
    text = SOUND.decode()
    assert old in text
    body = text.replace(old, new).replace("</presence", "</dialog-info").encode()
    with pytest.raises(DocumentError) as caught:
        parse_dialog_info(body)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_numbers_as_xml_allows_them() -> None:
    assert parse_dialog_info(SOUND.replace(b'"7"', b'" 0004294967295 "')).version == 2**32 - 1


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused(name: str) -> None:
    with pytest.raises(DocumentError):
        parse_dialog_info(HOSTILE[name])


@given(body=some_bytes(*RECORDED.values(), SOUND))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        info = parse_dialog_info(body)
    except DocumentError:
        return
    assert 0 <= info.version < 10**10
    assert all(dialog.id and dialog.state in STATES for dialog in info.dialogs)


@given(
    version=st.integers(0, 2**32 - 1),
    states=st.lists(st.sampled_from(STATES), max_size=20),
    kind=st.sampled_from(["full", "partial"]),
)
@settings(deadline=None)
def test_what_was_written_is_read(version: int, states: list[str], kind: str) -> None:
    body = dialog_info(version, *(dialog(state, f"d{n}") for n, state in enumerate(states)), state=kind)
    info = parse_dialog_info(body)
    assert (info.version, info.full) == (version, kind == "full")
    assert [(d.id, d.state) for d in info.dialogs] == [(f"d{n}", state) for n, state in enumerate(states)]
