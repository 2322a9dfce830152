"""Where a clause's source can be read: the address behind `RFC 6665 4.2.2`, `Devices page`, `Kazoo 4.3` or a commit."""

from __future__ import annotations

import re

_KAZOO = "https://github.com/2600hz/kazoo"
_PAGE = f"{_KAZOO}/blob/3.22/applications/crossbar/doc/devices.md"
"""The page that promises it, in the last release whose copy says everything."""

_PATTERN = re.compile(
    r"RFC (?P<rfc>\d{3,5})(?: (?P<section>\d+(?:\.\d+)*))?"
    r"|(?P<page>Devices page)"
    r"|Kazoo (?P<release>\d+\.\d+)"
    r"|\b(?P<commit>[0-9a-f]{10})\b"
)


def links_of(source: str) -> list[tuple[str, str]]:
    """Name and address of everything in a clause's `source` that can be read, in order and once."""
    found: dict[str, str] = {}
    for match in _PATTERN.finditer(source):
        if match["rfc"]:
            section = f"#section-{match['section']}" if match["section"] else ""
            found[match[0]] = f"https://www.rfc-editor.org/rfc/rfc{match['rfc']}{section}"
        elif match["page"]:
            found[match[0]] = _PAGE
        elif match["release"]:
            found[match[0]] = f"{_KAZOO}/tree/{match['release']}"
        else:
            found[f"Kazoo {match['commit']}"] = f"{_KAZOO}/commit/{match['commit']}"
    return list(found.items())
