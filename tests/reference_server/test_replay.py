"""Every exchange that was recorded from real systems of 4.3 and 5.0, held against the profile of the release."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.reference_server.data.differences import DIFFERENCES
from tests.reference_server.replay import RELEASES, differences, recording

EXCHANGES = [(release, exchange) for release in RELEASES for exchange in recording(release)[1]]


def names(value: Any) -> str:
    return f"{value['id']}-{value['note']}" if isinstance(value, dict) else str(value)


@pytest.mark.parametrize(("release", "exchange"), EXCHANGES, ids=names)
def test_exchange(release: str, exchange: dict[str, Any]) -> None:
    found = differences(release, exchange)
    allowed, _ = DIFFERENCES.get((release, exchange["id"]), ("", ""))
    unexplained = [item for item in found if item[0].partition(".")[0] != allowed]
    assert not unexplained
    assert bool(found) == bool(allowed), "it stands in the table, and does not differ"


def test_the_table_names_recordings() -> None:
    assert set(DIFFERENCES) <= {(release, exchange["id"]) for release, exchange in EXCHANGES}
    assert all(why for _, why in DIFFERENCES.values())


@pytest.mark.parametrize("where", ["code", "message", "keys", "data", "headers"])
def test_a_wrong_recording_is_noticed(where: str) -> None:
    """The comparison is not empty: with one thing changed in a recording, it fails."""
    release, exchange = next(item for item in EXCHANGES if item[1]["id"] == "4045")
    wrong = copy.deepcopy(exchange)
    old = wrong["response"][where]
    wrong["response"][where] = 418 if where == "code" else "other" if where == "message" else old and type(old)()
    assert differences(release, wrong)


def test_profiles_are_told_apart() -> None:
    """What 5.0 said is not what 4.3 says."""
    wrong = [item for item in recording("5.0")[1] if item["id"] in ("m013", "m061", "m115", "m120", "m328", "m350")]
    assert all(differences("4.3", exchange) for exchange in wrong)
