"""What a scenario may demand of a value: plain data in, a reason out. The judge replays these from the Record."""

from __future__ import annotations

import json
import re
from typing import Any

ABSENT = object()
"""Stands for a value that is not there: a header that was not sent, a JSON key that does not exist."""

OPERATORS = ("is", "not", "starts", "ends", "contains", "lacks", "matches", "in", "type", "absent", "above", "below")
WORDS = ("absent", "present", "empty")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "list": (list,),
    "null": (type(None),),
}
_MASKED = re.compile(r"\*{5,}\Z")
MATCH_LIMIT = 100_000
"""Characters of a value that a regular expression is tried on."""


def problem(matcher: Any) -> str:
    """Why `matcher` cannot be used, '' when it can. Found when a scenario is loaded."""
    if not isinstance(matcher, dict):
        return ""
    for name, argument in matcher.items():
        if name not in OPERATORS:
            return f"{name!r} is no matcher; there are {', '.join(OPERATORS)}"
        if name == "matches":
            try:
                re.compile(str(argument))
            except re.error as error:
                return f"the regular expression {argument!r} is broken: {error}"
        if name == "type" and argument not in _TYPES:
            return f"{argument!r} is no type; there are {', '.join(_TYPES)}"
        if name == "in" and not isinstance(argument, list):
            return "`in` wants a list"
    return "" if matcher else "a matcher must say something"


def mismatch(matcher: Any, value: Any) -> str:
    """Why `value` does not fit `matcher`; '' when it does."""
    if isinstance(matcher, dict) and matcher and set(matcher) <= set(OPERATORS):
        for name, argument in matcher.items():
            if reason := _operator(name, argument, value):
                return reason
        return ""
    if isinstance(matcher, str) and matcher in WORDS:
        return _word(matcher, value)
    if _same(matcher, value):
        return ""
    return f"is {show(value)}, not {show(matcher)}"


def _same(wanted: Any, value: Any) -> bool:
    if value is ABSENT:
        return False
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    if isinstance(wanted, str) and isinstance(value, str) and _MASKED.match(wanted) and _MASKED.match(value):
        # both secrets; an escaped one is longer than as it is
        return True
    if isinstance(value, str) and isinstance(wanted, int | float):
        return str(wanted) == value
    return bool(wanted == value)


def _word(word: str, value: Any) -> str:
    if word == "absent":
        return "" if value is ABSENT else f"is there: {show(value)}"
    if value is ABSENT:
        return "is absent"
    if word == "empty" and value not in ("", [], {}, None):
        return f"is not empty: {show(value)}"
    return ""


def _operator(name: str, argument: Any, value: Any) -> str:
    if name == "absent":
        return _word("absent" if argument else "present", value)
    if value is ABSENT:
        return "" if name in ("not", "lacks") else "is absent"
    if name == "is":
        return "" if _same(argument, value) else f"is {show(value)}, not {show(argument)}"
    if name == "not":
        return f"is {show(value)}" if _same(argument, value) else ""
    if name == "in":
        return "" if any(_same(wanted, value) for wanted in argument) else f"is {show(value)}, none of {show(argument)}"
    if name == "type":
        good = isinstance(value, _TYPES[argument]) and (argument != "number" or not isinstance(value, bool))
        return "" if good else f"is {show(value)}, which is no {argument}"
    if name in ("above", "below"):
        return _compare(name, argument, value)
    return _textual(name, str(argument), value)


def _compare(name: str, argument: Any, value: Any) -> str:
    try:
        good = float(value) > float(argument) if name == "above" else float(value) < float(argument)
    except (TypeError, ValueError):
        return f"is {show(value)}, which is no number"
    return "" if good else f"is {show(value)}, not {name} {argument}"


def _textual(name: str, argument: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    good = {
        "starts": text.startswith(argument),
        "ends": text.endswith(argument),
        "contains": argument in text,
        "lacks": argument not in text,
    }.get(name)
    if good is None:
        good = re.search(argument, text[:MATCH_LIMIT]) is not None
    verb = {"starts": "start with", "ends": "end in", "contains": "contain", "matches": "match"}.get(name)
    if good:
        return ""
    return f"is {show(value)}, which does not {verb} {argument!r}" if verb else f"contains {argument!r}"


def show(value: Any, limit: int = 200) -> str:
    """`value` as a person reads it, cut at `limit` characters, without control characters."""
    if value is ABSENT:
        return "absent"
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def look_up(document: Any, path: str) -> Any:
    """The value at a dotted path (`data.sip.username`, list items by number), or ABSENT."""
    for part in path.split(".") if path else []:
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        else:
            return ABSENT
    return document
