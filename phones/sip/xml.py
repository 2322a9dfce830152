"""The one entrance for XML that a peer sent: hardened, bounded, linear.

Stands on expat directly. Everything dangerous in XML (entities, external subsets, default attributes) needs a document
type declaration. Expat goes on reading after a handler has refused one, so the text is searched for its one spelling
before expat sees it; as it is UTF-8 without NUL, expat cannot take it for another encoding in which a declaration would
be spelled otherwise. Namespaces are resolved here: expat writes the whole name of a namespace before each attribute
in it, which lets a small document become a large one. What is left are elements, attributes and text, and they are
counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.parsers import expat

from phones.sip.value import value

MOST_OCTETS = 262_144
MOST_DEPTH = 64
MOST_ELEMENTS = 8192
MOST_ATTRIBUTES = 32
LONGEST = 4096
"""Characters of a name, and of the value of an attribute."""


class DocumentError(ValueError):
    """A body that is not the document that it should be. The message holds nothing unprintable."""


@value
class Element:
    """One element. `text` is all character data directly in it, stripped; attributes are named as written."""

    namespace: str
    name: str
    attributes: Mapping[str, str]
    children: tuple[Element, ...]
    text: str

    def is_a(self, namespace: str, name: str) -> bool:
        """Whether it is that element. One without any namespace counts: servers forget it, and phones take it."""
        return self.name == name and self.namespace in ("", namespace)

    def all(self, namespace: str, name: str) -> list[Element]:
        """The children that are that element, in document order."""
        return [child for child in self.children if child.is_a(namespace, name)]

    def first(self, namespace: str, name: str) -> Element | None:
        """The first child that is that element."""
        return next((child for child in self.children if child.is_a(namespace, name)), None)

    def required(self, attribute: str) -> str:
        """The value of `attribute`, stripped. Raises DocumentError when it is missing or empty."""
        value = self.attributes.get(attribute, "").strip()
        if not value:
            raise DocumentError(f"<{shown(self.name)}> has no {attribute}")
        return value


def shown(text: str) -> str:
    """`text` from a peer as an error message may carry it: cut, and without anything a terminal obeys."""
    return repr(text[:60])[1:-1]


@dataclass(slots=True)
class _Open:
    """An element whose end has not come yet. `prefixes` are the namespaces that it declares."""

    name: str
    attributes: Mapping[str, str]
    prefixes: Mapping[str, str]
    children: list[Element] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def _prefixes(attributes: Mapping[str, str]) -> Mapping[str, str]:
    return {key[6:]: value for key, value in attributes.items() if key[:5] == "xmlns" and key[5:6] in ("", ":")}


class _Builder:
    """Builds the tree from expat's events and counts."""

    def __init__(self) -> None:
        self.top = _Open("", {}, {"xml": "http://www.w3.org/XML/1998/namespace", "": ""})
        self._open = [self.top]
        self._elements = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise DocumentError(f"more than {MOST_ELEMENTS} elements")
        if len(self._open) > MOST_DEPTH:
            raise DocumentError(f"elements nested deeper than {MOST_DEPTH}")
        if len(attributes) > MOST_ATTRIBUTES:
            raise DocumentError(f"{len(attributes)} attributes in one element, at most {MOST_ATTRIBUTES}")
        if max(map(len, (name, *attributes, *attributes.values()))) > LONGEST:
            raise DocumentError(f"a name or an attribute of more than {LONGEST} characters")
        self._open.append(_Open(name, attributes, _prefixes(attributes) if attributes else attributes))

    def end(self, _: str) -> None:
        prefix, _, name = self._open[-1].name.rpartition(":")
        for element in reversed(self._open):
            if prefix in element.prefixes:
                namespace = element.prefixes[prefix]
                break
        else:
            raise DocumentError(f"prefix {shown(prefix)!r} is not declared")
        closed = self._open.pop()
        text = "".join(closed.text).strip()
        self._open[-1].children.append(Element(namespace, name, closed.attributes, tuple(closed.children), text))

    def text(self, data: str) -> None:
        self._open[-1].text.append(data)


def parse(body: bytes, namespace: str, name: str) -> Element:
    """The root of the document in `body`, which must be the element `name`. Raises DocumentError and nothing else."""
    if len(body) > MOST_OCTETS:
        raise DocumentError(f"{len(body)} octets of XML, at most {MOST_OCTETS}")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"octet {error.start} is no UTF-8") from error
    if "\0" in text:
        raise DocumentError("a NUL")
    if "<!DOCTYPE" in text:
        raise DocumentError("a document type declaration")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise DocumentError(f"no XML: {error}") from error
    [root] = builder.top.children
    if not root.is_a(namespace, name):
        raise DocumentError(f"<{shown(root.name)}> of namespace {shown(root.namespace)!r} is no <{name}>")
    return root


def one_of(value: str, choices: Sequence[str], what: str) -> str:
    """The choice that `value` is, in whatever case; blanks around it do not count. Raises DocumentError."""
    lowered = value.strip().lower()
    if lowered not in choices:
        raise DocumentError(f"{what} {shown(value.strip())!r}")
    return lowered
