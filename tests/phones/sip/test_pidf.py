"""PIDF: documents of Kazoo, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from phones.sip.pidf import Presence, parse_pidf
from phones.sip.xml import DocumentError
from tests.phones.sip.documents import HOSTILE, RECORDED, presence, recorded
from tests.phones.sip.strategies import some_bytes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("available", Presence("1001", "open", (), ("Available", "Available"))),
        ("busy", Presence("desk", "open", ("busy",), ("Busy", "Busy"))),
        ("on-the-phone", Presence("1001", "open", ("on-the-phone",), ("On the Phone", "On the Phone"))),
    ],
)
def test_kazoo(name: str, expected: Presence) -> None:
    assert parse_pidf(recorded(f"kazoo-{name}.pidf")) == expected


def test_others() -> None:
    assert parse_pidf(presence("<r:away/><r:meal/>", "gone", "closed")) == Presence(
        "sip:desk@a.example.com", "closed", ("away", "meal"), ("gone",)
    )
    two = presence(basic="closed").replace(
        b"</tuple>", b"</tuple><tuple id='u'><status><basic>Open</basic></status></tuple>"
    )
    assert parse_pidf(two).basic == "open"
    assert parse_pidf(presence().replace(b"<basic>open</basic>", b"")).basic == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"urn:ietf:params:xml:ns:pidf", b"urn:other"),
        (b' entity="sip:desk@a.example.com"', b""),
        (b">open<", b">ajar<"),
        (b"</presence>", b""),
    ],
)
def test_what_is_refused(old: bytes, new: bytes) -> None:
    assert old in presence()
    with pytest.raises(DocumentError):
        parse_pidf(presence().replace(old, new))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_documents_are_refused(name: str) -> None:
    with pytest.raises(DocumentError):
        parse_pidf(HOSTILE[name].replace(b"dialog-info", b"presence").replace(b"ns:presence", b"ns:pidf"))


@given(body=some_bytes(*RECORDED.values(), presence("<r:busy/>")))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        read = parse_pidf(body)
    except DocumentError:
        return
    assert read.entity
    assert read.basic in ("", "open", "closed")
