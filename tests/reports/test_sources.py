"""Addresses behind the sources of clauses."""

from __future__ import annotations

import re

import pytest

from harness.clauses import catalogue
from reports.sources import links_of


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("RFC 6665 4.2.2", "https://www.rfc-editor.org/rfc/rfc6665#section-4.2.2"),
        ("RFC 9110", "https://www.rfc-editor.org/rfc/rfc9110"),
        ("Kazoo 4.3 as recorded", "https://github.com/2600hz/kazoo/tree/4.3"),
        ("6bccdaf9a7: a second publish", "https://github.com/2600hz/kazoo/commit/6bccdaf9a7"),
        ("Devices page, Sync", "https://github.com/2600hz/kazoo/blob/3.22/applications/crossbar/doc/devices.md"),
    ],
)
def test_what_a_source_names_can_be_opened(source: str, address: str) -> None:
    [(name, link)] = links_of(source)
    assert link == address
    assert name.split()[0] in source or name.startswith("Kazoo")


def test_each_address_is_there_once_and_in_order() -> None:
    names = [name for name, _ in links_of("RFC 3261 22.3; Kazoo 3.22 and RFC 3261 22.3; Devices page")]
    assert names == ["RFC 3261 22.3", "Kazoo 3.22", "Devices page"]


def test_what_clauses_rest_on_can_be_opened() -> None:
    sources = [clause.source for clause in catalogue().values()]
    # the others rest on what was recorded, or on a table of our own
    assert sum(bool(links_of(source)) for source in sources) > 0.9 * len(sources)
    addresses = {link for source in sources for _, link in links_of(source)}
    assert all(re.fullmatch(r"https://[a-z.-]+/[\w./#-]+", each) for each in addresses)
