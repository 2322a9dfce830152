"""Every exchange that was recorded from real systems of 4.3 and 5.0, held against the profile of the release."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.reference_server.data.differences import DIFFERENCES, SIP_DIFFERENCES
from tests.reference_server.replay import RELEASES, differences, heard, recording

EXCHANGES = [(release, exchange) for release in RELEASES for exchange in recording(release)[1]]


# without phones; or when the media server of the recorded system was not yet set up, and no call got to leg B
WITH_PHONES = [item for item in EXCHANGES if item[1].get("online", True) and not item[1].get("legless")]


def names(value: Any) -> str:
    return f"{value['id']}-{value['note']}" if isinstance(value, dict) else str(value)


@pytest.mark.parametrize(("release", "exchange"), EXCHANGES, ids=names)
def test_exchange(release: str, exchange: dict[str, Any]) -> None:
    found = differences(release, exchange)
    allowed, _ = DIFFERENCES.get((release, exchange["id"]), ("", ""))
    unexplained = [item for item in found if item[0].partition(".")[0] != allowed]
    assert not unexplained
    assert bool(found) == bool(allowed), "it stands in the table, and does not differ"


@pytest.mark.parametrize(("release", "exchange"), WITH_PHONES, ids=names)
def test_what_phones_are_sent(release: str, exchange: dict[str, Any]) -> None:
    recorded, ours = heard(release, exchange)
    assert (recorded != ours) == ((release, exchange["id"]) in SIP_DIFFERENCES), (recorded, ours)


def test_the_tables_name_recordings() -> None:
    known = {(release, exchange["id"]) for release, exchange in EXCHANGES}
    assert {*DIFFERENCES, *SIP_DIFFERENCES} <= known
    assert all(why for _, why in DIFFERENCES.values())


def test_something_is_sent() -> None:
    """The comparison is not empty: 5.0 sends what 4.3 did not."""
    assert sum(bool(exchange.get("sip")) for _, exchange in WITH_PHONES) > 90
    update = next(exchange for exchange in recording("5.0")[1] if exchange["id"] == "m203")
    recorded, ours = heard("4.3", update)
    assert recorded
    assert not ours


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
