"""Regular expressions that come from outside: only such as cannot take long."""

from __future__ import annotations

import re
import warnings

MOST_CHARACTERS = 256
"""Of a pattern."""

MOST_REPEATS = 3
"""Repetitions (`*`, `+`, `{m,n}`) in one pattern."""

MOST_OPTIONS = 8
"""Question marks in one pattern."""

MOST_SUBJECT = 64
"""Characters that a pattern is tried on."""

_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[0-9]*(?:,[0-9]*)?\}|.", re.DOTALL)


class BadPattern(ValueError):
    """It is no regular expression, or one that could take very long."""


def compile_pattern(text: str) -> re.Pattern[str]:
    """Compile `text`. Raises BadPattern also where a repetition is repeated, or alternatives are, or for references."""
    if len(text) > MOST_CHARACTERS or _is_costly(text):
        raise BadPattern("too costly")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(str(error)) from None


def find(pattern: re.Pattern[str], subject: str) -> re.Match[str] | None:
    """The first place where `pattern` fits in the head of `subject`."""
    return pattern.search(subject[:MOST_SUBJECT])


def _is_costly(text: str) -> bool:
    groups = [False]
    repeats = options = 0
    last_was_costly = False
    for match in _PIECE.finditer(text):
        piece = match[0]
        costly = False
        if piece == "(":
            groups.append(False)
        elif piece == ")":
            costly = groups.pop() if len(groups) > 1 else False
            groups[-1] = groups[-1] or costly
        elif piece == "|":
            groups[-1] = True
        elif piece in "*+" or (piece.startswith("{") and len(piece) > 2):
            if last_was_costly:
                return True
            repeats += 1
            groups[-1] = True
        elif piece == "?":
            options += 1
            groups[-1] = True
        elif len(piece) == 2 and piece[1].isdigit():
            return True
        last_was_costly = costly
    return repeats > MOST_REPEATS or options > MOST_OPTIONS or "(?P=" in text
