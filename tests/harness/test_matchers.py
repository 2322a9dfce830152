"""Matchers: what holds, what does not, and what is said then."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.matchers import ABSENT, look_up, mismatch, problem, show

HOLDS: list[tuple[Any, Any]] = [
    ("check-sync", "check-sync"),
    (5, 5),
    (5, "5"),
    (1.5, "1.5"),
    (True, True),
    (None, None),
    ({"a": 1}, {"a": 1}),
    ([1, 2], [1, 2]),
    ("absent", ABSENT),
    ("present", ""),
    ("present", None),
    ("empty", ""),
    ("empty", []),
    ("empty", {}),
    ("empty", None),
    ({"is": 5}, "5"),
    ({"not": 5}, 6),
    ({"not": 5}, ABSENT),
    ({"starts": "check"}, "check-sync;reboot=true"),
    ({"ends": "NOTIFY"}, "1 NOTIFY"),
    ({"contains": "b"}, "abc"),
    ({"contains": '"b": 1'}, {"b": 1}),
    ({"lacks": "z"}, "abc"),
    ({"lacks": "z"}, ABSENT),
    ({"matches": "^[0-9]+$"}, "123"),
    ({"matches": "1"}, 123),
    ({"in": [1, "a"]}, "a"),
    ({"in": [1, "a"]}, "1"),
    ({"type": "string"}, ""),
    ({"type": "number"}, 1.5),
    ({"type": "boolean"}, False),
    ({"type": "object"}, {}),
    ({"type": "list"}, []),
    ({"type": "null"}, None),
    ({"above": 1}, 2),
    ({"above": 1}, "1.5"),
    ({"below": 9}, 8),
    ({"absent": True}, ABSENT),
    ({"absent": False}, 0),
    ({"contains": "sip:", "lacks": "tag="}, "<sip:a@b>"),
    ("*****", "********"),  # masked: as it is, and escaped
    ({"other": 1}, {"other": 1}),  # an object that is no matcher is a plain value
]
FAILS: list[tuple[Any, Any, str]] = [
    ("*****", "***** ", "is '***** '"),
    ("****", "*****", "is '*****'"),
    ("a", "b", "is 'b', not 'a'"),
    ("a", ABSENT, "is absent, not 'a'"),
    (True, 1, "is 1, not true"),
    (1, True, "is true, not 1"),
    (True, "True", "is 'True', not true"),
    (None, ABSENT, "is absent"),
    ("absent", None, "is there: null"),
    ("present", ABSENT, "is absent"),
    ("empty", ABSENT, "is absent"),
    ("empty", 0, "is not empty: 0"),
    ("empty", False, "is not empty: false"),
    ({"not": 5}, "5", "is '5'"),
    ({"starts": "x"}, "abc", "does not start with 'x'"),
    ({"ends": "x"}, "abc", "does not end in 'x'"),
    ({"contains": "x"}, "abc", "does not contain 'x'"),
    ({"lacks": "b"}, "abc", "contains 'b'"),
    ({"matches": "^x"}, "abc", "does not match '^x'"),
    ({"starts": "x"}, ABSENT, "is absent"),
    ({"in": [1]}, True, "none of [1]"),
    ({"type": "number"}, True, "which is no number"),
    ({"type": "boolean"}, 1, "which is no boolean"),
    ({"type": "string"}, None, "which is no string"),
    ({"above": 1}, 1, "not above 1"),
    ({"below": 1}, "x", "which is no number"),
    ({"above": 1}, None, "which is no number"),
    ({"absent": True}, "x", "is there"),
    ({"absent": False}, ABSENT, "is absent"),
    ({"contains": "sip:", "lacks": "tag="}, "<sip:a@b>;tag=1", "contains 'tag='"),
]


@pytest.mark.parametrize(("matcher", "value"), HOLDS)
def test_holds(matcher: Any, value: Any) -> None:
    assert mismatch(matcher, value) == ""


def test_an_object_in_a_file_is_a_matcher_or_a_mistake() -> None:
    assert {problem(matcher) for matcher, _ in HOLDS if not isinstance(matcher, dict)} == {""}
    assert "'a' is no matcher" in problem({"a": 1})
    assert problem({"is": {"a": 1}}) == ""


@pytest.mark.parametrize(("matcher", "value", "said"), FAILS)
def test_does_not_hold(matcher: Any, value: Any, said: str) -> None:
    assert said in mismatch(matcher, value)


@pytest.mark.parametrize(
    ("matcher", "said"),
    [
        ({"starst": "x"}, "'starst' is no matcher; there are is, not, starts"),
        ({"matches": "("}, "the regular expression '(' is broken"),
        ({"type": "integer"}, "'integer' is no type"),
        ({"in": "abc"}, "`in` wants a list"),
        ({}, "must say something"),
    ],
)
def test_unusable(matcher: Any, said: str) -> None:
    assert said in problem(matcher)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(_JSON, _JSON)
def test_never_raises(matcher: Any, value: Any) -> None:
    if not problem(matcher):
        assert isinstance(mismatch(matcher, value), str)
        assert isinstance(mismatch(matcher, ABSENT), str)


@given(_JSON)
def test_is_and_not_are_opposites(value: Any) -> None:
    assert mismatch({"is": value}, value) == ""
    assert mismatch({"not": value}, value) != ""


def test_a_long_text_is_shown_cut() -> None:
    assert show("x" * 500, 10) == "'xxxxxxxxx… (502 characters)"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", {"a": [{"b": 1}], "": 2}),
        ("a", [{"b": 1}]),
        ("a.0.b", 1),
        ("a.1", ABSENT),
        ("a.-1", ABSENT),
        ("a.b", ABSENT),
        ("x", ABSENT),
        ("a.0.b.c", ABSENT),
    ],
)
def test_look_up(path: str, value: Any) -> None:
    found = look_up({"a": [{"b": 1}], "": 2}, path)
    assert found is value if value is ABSENT else found == value
