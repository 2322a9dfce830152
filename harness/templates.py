"""Jinja2 in scenario values: sandboxed, strict, and native where a value is one single expression."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, UndefinedError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

_SINGLE = re.compile(r"\s*\{\{(?P<expression>(?:(?!\}\}|\{\{).)*)\}\}\s*\Z", re.DOTALL)
_LONGEST = 1 << 20
_RETURN = "\ufdd0"
"""Stands for CR while Jinja2 has the text: it would make LF of every CR LF. No text holds this noncharacter."""


class TemplateProblem(Exception):
    """A template cannot be parsed or filled in; the message is one sentence."""


def merge(document: Mapping[str, Any], changes: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """`document` with `changes`: objects are merged deeply, everything else is replaced."""
    result = copy.deepcopy(dict(document))
    for key, value in {**(changes or {}), **more}.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merge(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def without(document: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """`document` without the top-level `keys`."""
    return {key: value for key, value in document.items() if key not in keys}


def replace(text: str, old: str, new: str, count: int | None = None) -> str:
    """`text` with `new` for `old`, as far as the result stays short."""
    text, old, new = str(text), str(old), str(new)
    found = text.count(old) if count is None else min(count, text.count(old))
    _bounded(len(text) + found * len(new))
    return text.replace(old, new, found)


def join(items: Iterable[Any], between: str = "") -> str:
    """The texts of `items`, as far as the result stays short."""
    texts = [str(item) for item in items]
    _bounded(sum(map(len, texts)) + len(texts) * len(between))
    return between.join(texts)


def _bounded(length: int) -> None:
    if length > _LONGEST:
        raise TemplateProblem(f"Jinja2: the result has {length} characters, more than {_LONGEST}")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja2's sandbox, in which nothing can be made huge: a scenario may be somebody else's."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and not isinstance(left, str):
            return left % right
        if operator == "*" and isinstance(left, int | float) and isinstance(right, int | float):
            _bounded(sum(each.bit_length() for each in (left, right) if isinstance(each, int)))
            return left * right
        if operator == "*" and isinstance(left, str) and isinstance(right, int):
            _bounded(len(left) * right)
            return left * right
        if operator == "*" and isinstance(right, str) and isinstance(left, int):
            _bounded(len(right) * left)
            return left * right
        raise TemplateProblem(f"Jinja2: {type(left).__name__} {operator} {type(right).__name__} is not available")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        return super().is_safe_attribute(obj, attr, value) and not (isinstance(obj, str) and attr in _GROWING)

    def wrap_str_format(self, value: Any) -> None:
        """No `format` at all: a width is a length."""


_GROWING = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs", "format", "format_map", "replace", "join"})
_WIDE_FILTERS = ("center", "indent", "wordwrap", "batch", "slice", "format", "urlize", "xmlattr", "pprint")
_STATEMENTS = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


def _environment() -> _Sandbox:
    environment = _Sandbox(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters |= {"merge": merge, "without": without, "replace": replace, "join": join}
    for name in _WIDE_FILTERS:
        del environment.filters[name]
    environment.globals.clear()
    environment.globals["range"] = _no_range
    return environment


def _no_range(*_: int) -> list[int]:
    raise TemplateProblem("`range` is not available in scenario files")


_ENVIRONMENT = _environment()


def is_template(value: Any) -> bool:
    """Whether `value` holds anything for Jinja2."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


@lru_cache(maxsize=4096)
def _expression(text: str) -> Any:
    return _ENVIRONMENT.compile_expression(text, undefined_to_none=False)


@lru_cache(maxsize=4096)
def _template(text: str) -> Template:
    return _ENVIRONMENT.from_string(text.replace("\r", _RETURN))


@lru_cache(maxsize=4096)
def _names(text: str) -> frozenset[str]:
    try:
        tree = _ENVIRONMENT.parse(text)
        found = find_undeclared_variables(tree)
    except TemplateError as error:
        raise TemplateProblem(f"Jinja2: {error.message}") from error
    except RecursionError as error:
        raise TemplateProblem("Jinja2: nested too deeply") from error
    if any(True for _ in tree.find_all(_STATEMENTS)):
        raise TemplateProblem("Jinja2: of statements only `if` and `set` are available in scenario files")
    return frozenset(found)


def verbatim(value: Any) -> Any:
    """`value` (any nesting) so that `fill` gives it back as it is."""
    if isinstance(value, dict):
        return {key: verbatim(item) for key, item in value.items()}
    if isinstance(value, list):
        return [verbatim(item) for item in value]
    return value.replace("{", "{{ '{' }}") if is_template(value) else value


def names(value: Any) -> set[str]:
    """The variables that `value` (any nesting) uses. Raises TemplateProblem when a template cannot be parsed."""
    if isinstance(value, dict):
        return {name for item in value.values() for name in names(item)}
    if isinstance(value, list):
        return {name for item in value for name in names(item)}
    return set(_names(value)) if is_template(value) else set()


def fill(value: Any, variables: Mapping[str, Any]) -> Any:
    """`value` with every template filled in. A text that is one single expression becomes what it evaluates to."""
    if isinstance(value, dict):
        return {key: fill(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if not is_template(value):
        return value
    try:
        single = _SINGLE.match(value)
        if single:
            result = _expression(single["expression"])(**variables)
            if isinstance(result, StrictUndefined):
                str(result)  # raises, with its name
            if isinstance(result, Namespace):
                str(result)
            return _plain(result)
        text = _template(value).render(**variables).replace(_RETURN, "\r")
    except UndefinedError as error:
        raise TemplateProblem(f"Jinja2: {error.message}") from error
    except TemplateError as error:
        raise TemplateProblem(f"Jinja2: {error.message}") from error
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise TemplateProblem(f"Jinja2: {error}") from error
    _bounded(len(text))
    return text


def _plain(value: Any) -> Any:
    """`value` as plain JSON data, so that it can go into a request and the Record."""
    try:
        return json.loads(json.dumps(value, default=str))
    except (TypeError, ValueError) as error:
        raise TemplateProblem(f"Jinja2: the result is no plain value: {error}") from error


class Namespace(Mapping[str, Any]):
    """A template variable with known parts; a part that it lacks is named, with what there is."""

    def __init__(self, title: str, parts: Mapping[str, Any | Callable[[], Any]]) -> None:
        self._title = title
        self._parts = parts

    def __getitem__(self, key: str) -> Any:
        if key not in self._parts:
            raise TemplateProblem(f"{self._title} has no {key!r}; it has {', '.join(sorted(self._parts))}")
        part = self._parts[key]
        return part() if callable(part) else part

    def __iter__(self) -> Any:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __str__(self) -> str:
        raise TemplateProblem(f"{self._title} is no text; say {self._title}.{next(iter(self._parts))} or the like")


class Unknown(dict[str, Any]):
    """Stands for an object of which only the run will tell what is in it: whatever is asked for is there."""

    def __missing__(self, key: str) -> Unknown:
        return Unknown()


def seeded_choice(rng: random.Random, alphabet: str, length: int) -> str:
    """`length` characters of `alphabet`."""
    return "".join(rng.choice(alphabet) for _ in range(length))
