"""Every rule set to every other value: what is tried, and what is known to be the same."""

from __future__ import annotations

from reference_server.behaviour import Behaviour
from reference_server.behaviour_presence import Told
from reference_server.equivalents import EQUIVALENT, LIKELY
from reference_server.flips import SAMPLES, flips
from reference_server.profiles import PROFILES

FLIPPED = dict(flips(PROFILES["documented"]))


def test_one_rule_is_changed_in_each() -> None:
    documented = PROFILES["documented"].model_dump(mode="json")
    for name, behaviour in FLIPPED.items():
        chapter, _, rest = name.partition(".")
        rule = rest.partition("=")[0]
        changed = behaviour.model_dump(mode="json")
        differing = [
            (each, key)
            for each in documented
            if each != "faults"
            for key in documented[each]
            if documented[each][key] != changed[each][key]
        ]
        assert differing == [(chapter, rule)], name


def test_every_value_of_an_enum_is_tried() -> None:
    told = {name for name in FLIPPED if name.startswith("presence.told=")}
    assert told == {f"presence.told={each}" for each in Told if each is not Told.ALL}
    assert {"calls.progress=180", "reset.completion=never", "registrar.default_expires=none"} <= FLIPPED.keys()


def test_no_rule_is_left_out() -> None:
    rules = {f"{chapter}.{name}" for chapter, value in Behaviour() if chapter != "faults" for name in dict(value)}
    assert {name.partition("=")[0] for name in FLIPPED} == rules


def test_members_are_put_in_and_left_out_and_neighbours_changed() -> None:
    carriers = {name.partition("=")[2] for name in FLIPPED if name.startswith("tokens.carriers=")}
    assert carriers == {"header", "parameter", "header+parameter+authorization"}
    orders = {name.partition("=")[2] for name in FLIPPED if name.startswith("reset.order=")}
    assert {"presence+dialog", "presence+message-summary+dialog", "message-summary+dialog+presence"} <= orders
    assert {"sync.users=v1", "sync.users=v2", "api.users=v2"} <= FLIPPED.keys()


def test_samples_and_reasons_are_about_rules_that_there_are() -> None:
    rules = {f"{chapter}.{name}" for chapter, value in Behaviour() if chapter != "faults" for name in dict(value)}
    assert SAMPLES.keys() <= rules
    assert EQUIVALENT.keys() <= FLIPPED.keys()
    assert LIKELY.keys() == {each.partition(".")[0] for each in rules}
    assert all(reason for reason in EQUIVALENT.values())
