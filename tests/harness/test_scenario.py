"""The typed model: durations, what a step says of itself."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from harness.claiming import parse_receives
from harness.model import Duration
from harness.scenario import Scenario
from harness.steps import VERBS

DURATION: TypeAdapter[float] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2s", 2.0),
        ("150ms", 0.15),
        ("1h", 3600.0),
        ("5min", 300.0),
        ("5m", 300.0),
        ("1.5 s", 1.5),
        ("3", 3.0),
        (" 2s ", 2),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert DURATION.validate_python(text) == pytest.approx(seconds)


@pytest.mark.parametrize("number", [0, 2, 0.5])
def test_numbers_are_seconds(number: float) -> None:
    assert DURATION.validate_python(number) == number


@pytest.mark.parametrize("value", ["", "s", "2 days", "-1s", "1e3s", "2s3", True, None, [], -1, 10**9, "9999h"])
def test_no_durations(value: Any) -> None:
    with pytest.raises(ValidationError):
        DURATION.validate_python(value)


@pytest.mark.parametrize(
    ("text", "found"), [("desk receives NOTIFY", ("desk", "NOTIFY")), ("desk receives 401", ("desk", "401"))]
)
def test_receives(text: str, found: tuple[str, str]) -> None:
    assert parse_receives(text) == found


@pytest.mark.parametrize(
    "text", ["desk gets NOTIFY", "desk receives notify", "receives NOTIFY", "desk receives 701", ""]
)
def test_no_receives(text: str) -> None:
    with pytest.raises(ValueError, match="PHONE receives METHOD is wanted"):
        parse_receives(text)


def test_the_schema_knows_every_verb() -> None:
    schema = Scenario.model_json_schema(by_alias=True)
    known = {key for part in schema["$defs"].values() for key in part.get("properties", {})}
    assert known >= set(VERBS)
    assert schema["additionalProperties"] is False
