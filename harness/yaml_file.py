"""YAML with positions: plain data, and where each part of it stands in the file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.errors import Position, ScenarioError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_BYTES = 1 << 20
_MAX_NODES = 50_000
_MAX_DEPTH = 60

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: `data`, and the position of every value and every key by its path."""

    file: str
    data: Any
    values: dict[Path_, Position]
    keys: dict[Path_, Position]

    def at(self, path: Path_) -> Position:
        """The position of `path`, or of the nearest part of the file around it."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return Position(self.file, 1, 1)


def load(path: Path, shown: str = "") -> Document:
    """Read one YAML document. Raises ScenarioError for what is not readable, not UTF-8, or not YAML."""
    file = shown or str(path)
    top = Position(file, 1, 1)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror}", top) from error
    if len(raw) > _MAX_BYTES:
        raise ScenarioError(f"has {len(raw)} bytes, more than {_MAX_BYTES}", top, "split it into several files")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise ScenarioError("is not UTF-8", Position(file, line, column), "save the file as UTF-8") from error
    try:
        _check_depth(text, file)
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
            document = Document(file, None, {}, {})
            data = _Walker(document, loader).value(node, ()) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Position(file, mark.line + 1, mark.column + 1) if mark else top
        raise ScenarioError(
            f"is not YAML: {error.problem or error.context}", where, _yaml_hint(error, text, where)
        ) from error
    except yaml.reader.ReaderError as error:
        where = _place(text, file)
        raise ScenarioError("is not YAML: a control character", where, "take it out, or write it as \\x..") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"is not YAML: {' '.join(str(error).split())}", top) from error
    return Document(file, data, document.values, document.keys)


def _place(text: str, file: str) -> Position:
    """Where the first character stands that YAML does not allow."""
    match = yaml.reader.Reader.NON_PRINTABLE.search(text)
    start = match.start() if match else 0
    return Position(file, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))


def _check_depth(text: str, file: str) -> None:
    """Refuse what is nested too deeply before the composer, which recurses in C, comes to it."""
    if sum(text.count(opener) for opener in ("[", "{", "- ", "-\n", "? ")) <= _MAX_DEPTH:
        return
    depth = 0
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                mark = event.start_mark
                raise _too_much(Position(file, mark.line + 1, mark.column + 1) if mark else Position(file, 1, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_much(position: Position) -> ScenarioError:
    return ScenarioError("is too large or too deeply nested", position, "aliases that multiply are refused")


def _yaml_hint(error: yaml.MarkedYAMLError, text: str, where: Position) -> str:
    problem = str(error.problem)
    line = (text.split("\n") + [""] * where.line)[where.line - 1]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "YAML is indented with spaces"
    if "mapping values are not allowed" in problem:
        return "a text with a colon in it needs quotes"
    if any(said in problem for said in ("alias", "unknown escape", "cannot start any token", "alphabetic or numeric")):
        return "quote the text"
    return "look at this line and the one before it: indentation, quotes, a missing colon"


class _Walker:
    """Builds data from nodes and notes positions. Keys must be words and unique; what aliases unfold to is bounded."""

    def __init__(self, document: Document, loader: Any) -> None:
        self._document = document
        self._loader = loader
        self._count = 0

    def value(self, node: Any, path: Path_) -> Any:
        self._count += 1
        position = Position(self._document.file, node.start_mark.line + 1, node.start_mark.column + 1)
        if self._count > _MAX_NODES or len(path) > _MAX_DEPTH:
            raise _too_much(position)
        self._document.values[path] = position
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if node.tag.startswith("tag:yaml.org,2002:timestamp"):
            return node.value
        try:
            return self._loader.construct_object(node)
        except (ValueError, KeyError, OverflowError) as error:
            kind = node.tag.rpartition(":")[2]
            raise ScenarioError(f"{node.value[:40]!r} is no {kind}", position, "quote it if it is a text") from error

    def _mapping(self, node: Any, path: Path_) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = Position(self._document.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                raise ScenarioError("a key must be a word", where, "quote a value that begins with { or [")
            key = str(key_node.value)
            if key in result:
                raise ScenarioError(f"the key {key!r} stands here twice", where)
            self._document.keys[(*path, key)] = where
            result[key] = self.value(value_node, (*path, key))
        return result


def validated(document: Document, model: type[Model]) -> Model:
    """`document` as `model`. Raises ScenarioError for the first thing that does not fit, with its position."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        raise _translated(document, error, model) from error


def _translated(document: Document, error: ValidationError, model: type[BaseModel]) -> ScenarioError:
    found = error.errors()
    # of a union, the branch that does not fit the shape of what was written only adds noise
    shaped = [detail for detail in found if not any("[" in str(part) for part in detail["loc"])] or found
    shaped = [detail for detail in shaped if not _of_another_shape(document, detail, shaped)] or shaped
    details = min(shaped, key=lambda detail: _order(document, _path(document, detail["loc"])))
    path = _path(document, details["loc"])
    kind = details["type"]
    position = document.keys.get(path) if kind == "extra_forbidden" else None
    position = position or document.at(path)
    name = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        known = sorted(_known_keys(model))
        return ScenarioError(f"unknown key {name!r}", position, did_you_mean(name, known))
    if kind == "missing":
        # a typo is an unknown key and a missing one: the first says more
        for other in found:
            typed = _path(document, other["loc"])
            if other["type"] == "extra_forbidden" and typed[:-1] == path:
                hint = did_you_mean(str(typed[-1]), [details["loc"][-1]])
                if hint:
                    return ScenarioError(f"unknown key {typed[-1]!r}", document.keys.get(typed, position), hint)
        return ScenarioError(f"the key {details['loc'][-1]!r} is missing", position)
    if kind == "step_verb":
        given = details["input"]
        words = list(given) if isinstance(given, dict) else []
        from harness.steps import VERBS

        hints = [did_you_mean(word, VERBS) for word in words]
        return ScenarioError(details["msg"], position, next((hint for hint in hints if hint), ""))
    prefix = f"{'.'.join(str(part) for part in path)}: " if path else ""
    return ScenarioError(prefix + _message(details), position)


def _message(details: Any) -> str:
    """What is wrong, in words of ours where pydantic's would mean nothing to who has never seen it."""
    from harness.model import WANTED

    kind, message = details["type"], str(details["msg"])
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"keys with values are wanted, not {details['input']!r}"
    if kind == "string_type":
        quoted = f': write "{details["input"]}"' if type(details["input"]) in (int, float) else ""
        return f"a text is wanted, not {details['input']!r}{quoted}"
    if kind == "string_pattern_mismatch" and details["ctx"]["pattern"] in WANTED:
        return f"{WANTED[details['ctx']['pattern']]} is wanted, not {details['input']!r}"
    return message[0].lower() + message[1:]


_SHAPES = frozenset({"string_type", "list_type", "dict_type", "model_type", "model_attributes_type", "int_parsing"})
"""Kinds of errors that say that a value is of another kind altogether, as every other branch of a union does."""


def _of_another_shape(document: Document, detail: Any, found: list[Any]) -> bool:
    """Whether `detail` only says that a value is none of what one branch of a union takes; another says more."""
    path = _path(document, detail["loc"])
    below = ((other, _path(document, other["loc"])) for other in found)
    return detail["type"] in _SHAPES and any(
        deeper[: len(path)] == path and (other["type"] not in _SHAPES or len(deeper) > len(path))
        for other, deeper in below
    )


def _order(document: Document, path: Path_) -> tuple[int, int]:
    where = document.at(path)
    return (where.line, where.column)


def _path(document: Document, location: tuple[int | str, ...]) -> Path_:
    """A pydantic location without the tags of unions, as a path of the file."""
    path: Path_ = ()
    tagged = False
    for part in location:
        is_tag = not tagged and len(path) > 1 and isinstance(path[-1], int) and path[-2] in ("steps", "parallel")
        tagged = is_tag
        if not is_tag and ((*path, part) in document.values or (*path, part) in document.keys):
            path = (*path, part)
    return path


def _known_keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    return {key for part in [schema, *schema.get("$defs", {}).values()] for key in part.get("properties", {})}


def did_you_mean(word: str, known: Any) -> str:
    """A hint that names the nearest of `known`, '' when none is near."""
    near = difflib.get_close_matches(str(word), [str(each) for each in known], n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else ""
