"""The document of package `presence`: whether somebody is there, and what they do (RFC 3863, RFC 4479, RFC 4480).

Kazoo says `open` always; what goes on is in the note and the activities: nothing with "Available", `busy` with "Busy"
while it rings, `on-the-phone` with "On the Phone" in a call. Its entity is the bare user name, no URI.
"""

from __future__ import annotations

from dataclasses import dataclass

from phones.sip.xml import Element, one_of, parse

NAMESPACE = "urn:ietf:params:xml:ns:pidf"
DATA_MODEL = "urn:ietf:params:xml:ns:pidf:data-model"
RPID = "urn:ietf:params:xml:ns:pidf:rpid"
CONTENT_TYPE = "application/pidf+xml"


@dataclass(frozen=True, slots=True)
class Presence:
    """One document. `basic` is open when any tuple is, closed when all that say something are, otherwise empty.

    `activities` are the names of RPID activities of all persons, `notes` all notes of document and persons.
    """

    entity: str
    basic: str
    activities: tuple[str, ...]
    notes: tuple[str, ...]


def parse_pidf(body: bytes) -> Presence:
    """Read a PIDF document. Raises DocumentError."""
    root = parse(body, NAMESPACE, "presence")
    words = [
        one_of(basic.text, ("open", "closed"), "basic status")
        for piece in root.all(NAMESPACE, "tuple")
        for status in piece.all(NAMESPACE, "status")
        for basic in status.all(NAMESPACE, "basic")
    ]
    persons = root.all(DATA_MODEL, "person")
    activities = [
        activity.name
        for person in persons
        for group in person.all(RPID, "activities")
        for activity in group.children
        if activity.namespace in ("", RPID)
    ]
    notes = [*root.all(NAMESPACE, "note"), *(note for person in persons for note in person.all(DATA_MODEL, "note"))]
    return Presence(root.required("entity"), _basic(words), tuple(activities), tuple(map(_text, notes)))


def _basic(words: list[str]) -> str:
    return "open" if "open" in words else "closed" if words else ""


def _text(note: Element) -> str:
    return note.text
