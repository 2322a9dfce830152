"""Patterns from outside: those that may be used, those that could take for ever."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.patterns import BadPattern, compile_pattern, find


@pytest.mark.parametrize(
    ("pattern", "subject", "group"),
    [
        (r"^\+?1?([2-9][0-9]{9})$", "+12125551234", "2125551234"),
        (r"^(?:00|\+)(\d+)$", "0049", "49"),
        (r"^9(.*)$", "91002", "1002"),
        (r"^(911|112)$", "112", "112"),
        (r"([+*]\d)", "*7", "*7"),
        (r"(\d{3,4})-(\d+)", "1234-5", "1234"),
        (r"(a+?)", "aa", "a"),
    ],
)
def test_what_people_write(pattern: str, subject: str, group: str) -> None:
    match = find(compile_pattern(pattern), subject)
    assert match is not None
    assert match[1] == group


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "(a+)+$",
        "(a*)*b",
        "((a)+b?)*c",
        "(a|aa)+$",
        "(a|b){9}",
        "a*a*a*a*b",
        "a?" * 30 + "a" * 30,
        r"(.)\1",
        "(?P<x>.)(?P=x)",
        "x" * 257,
        "a{99999999999999999999}",
        "[",
    ],
)
def test_what_is_not_used(pattern: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(pattern)


@given(st.text(alphabet="a|()*+?{}1,[]^\\.b", max_size=40))
def test_no_pattern_takes_long(text: str) -> None:
    try:
        pattern = compile_pattern(text)
    except BadPattern:
        return
    start = time.perf_counter()
    find(pattern, "a" * 64 + "!")
    find(pattern, "1" * 64)
    assert time.perf_counter() - start < 2.0
    assert isinstance(pattern, re.Pattern)
