"""The entrance for XML: what is read, what is refused, and that nothing grows."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phones.sip.xml import (
    LONGEST,
    MOST_ATTRIBUTES,
    MOST_DEPTH,
    MOST_ELEMENTS,
    MOST_OCTETS,
    DocumentError,
    Element,
    parse,
)
from tests.phones.sip.cost import lines_run
from tests.phones.sip.documents import HOSTILE, LARGE, RECORDED
from tests.phones.sip.strategies import some_bytes


def test_a_document() -> None:
    root = parse(
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?><!-- x --><a xmlns="urn:a" xmlns:b="urn:b" c=" d ">'
        b"e&amp;&#233;<b:f b:g='h'/><![CDATA[ <i> ]]><j xmlns=''>k</j></a>",
        "urn:a",
        "a",
    )
    assert (root.name, root.namespace, root.text, root.required("c")) == ("a", "urn:a", "e&é <i>", "d")
    assert root.children == (
        Element("urn:b", "f", {"b:g": "h"}, (), ""),
        Element("", "j", {"xmlns": ""}, (), "k"),
    )
    assert root.all("urn:b", "f") == [root.children[0]]
    assert root.first("urn:a", "f") is None
    assert root.first("urn:x", "j") == root.children[1]  # without a namespace it is in any


def test_a_prefix_holds_below_its_element_and_not_beside_it() -> None:
    inner = parse(b'<x:a xmlns:x="urn:1"><x:b xmlns:x="urn:2"><x:c/></x:b><x:d/></x:a>', "urn:1", "a").children
    assert [(e.namespace, e.name) for e in inner] == [("urn:2", "b"), ("urn:1", "d")]
    assert inner[0].children[0].namespace == "urn:2"


def test_the_declared_encoding_is_not_believed() -> None:
    assert parse('<?xml version="1.0" encoding="rot13"?><a>é</a>'.encode(), "", "a").text == "é"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<a>",
        b"<a/><a/>",
        b"<a/>x",
        b"x<a/>",
        b"<b/>",
        b'<a xmlns="urn:other"/>',
        b"<x:a/>",
        b"<a><y:b/></a>",
        b"<a>&nbsp;</a>",
        b"<a b='1' b='2'/>",
        b"<a>\0</a>",
        b"<a>\xff</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>&#0;</a>",
        b"<a/><!DOCTYPE a>",
        "<a/>".encode("utf-16"),
        "<a/>".encode("utf-16-le"),
    ],
)
def test_what_is_refused(body: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        parse(body, "urn:a", "a")
    assert str(caught.value).isprintable()


def test_an_attribute_that_must_be_there() -> None:
    for body in (b"<a/>", b"<a b=' '/>"):
        with pytest.raises(DocumentError, match="<a> has no b"):
            parse(body, "", "a").required("b")


@pytest.mark.parametrize(
    ("most", "many"),
    [
        (MOST_DEPTH, lambda n: b"<a>" * n + b"</a>" * n),
        (MOST_ELEMENTS, lambda n: b"<a>" + b"<b/>" * (n - 1) + b"</a>"),
        (MOST_ATTRIBUTES, lambda n: b"<a" + b"".join(b" b%d=''" % i for i in range(n)) + b"/>"),
        (LONGEST, lambda n: b"<a b='" + b"x" * n + b"'/>"),
        (LONGEST, lambda n: b"<a " + b"x" * n + b"=''/>"),
        (LONGEST, lambda n: b"<a><" + b"x" * n + b"/></a>"),
        (MOST_OCTETS, lambda n: b"<a>" + b"x" * (n - 7) + b"</a>"),
    ],
)
def test_the_limits(most: int, many: Any) -> None:
    assert parse(many(most), "", "a").name == "a"
    with pytest.raises(DocumentError, match=r"\d"):
        parse(many(most + 1), "", "a")


# --- nothing grows ---------------------------------------------------------------------------------------------------


def _lines_run(body: bytes) -> int:
    """Of the entrance; expat itself looks at every octet once."""

    def work() -> None:
        with suppress(DocumentError):
            parse(body, "urn:a", "a")

    return lines_run("phones/sip/xml.py", work)


@pytest.mark.parametrize("name", HOSTILE | LARGE)
def test_the_work_is_bounded(name: str) -> None:
    assert _lines_run((HOSTILE | LARGE)[name]) < 40 * MOST_ELEMENTS


@pytest.mark.parametrize("piece", [b"<b/>", b"<b c='d'/>", b"x", b"&lt;", b"<x:b/>"])
def test_the_work_grows_with_the_document(piece: bytes) -> None:
    some, twice, many = (_lines_run(b"<a xmlns:x='urn:x'>" + piece * n + b"</a>") for n in (100, 200, 800))
    assert many - twice <= 6 * (twice - some) + 20


@pytest.mark.parametrize("name", HOSTILE | LARGE)
def test_the_memory_is_bounded(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DocumentError):
            parse((HOSTILE | LARGE)[name], "urn:a", "a")
        assert tracemalloc.get_traced_memory()[1] < 40 * MOST_OCTETS
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["entities", "external", "parameter entity", "external subset"])
def test_a_declaration_is_refused_before_it_is_read(name: str) -> None:
    with pytest.raises(DocumentError, match="a document type declaration"):
        parse((HOSTILE | LARGE)[name], "urn:a", "a")


def _read(body: bytes, namespace: str, name: str) -> Element | None:
    """What is read, None when it is refused in printable words."""
    try:
        return parse(body, namespace, name)
    except DocumentError as error:
        words = str(error)
    assert words.isprintable()
    return None


@given(body=some_bytes(*RECORDED.values(), *(body[:400] for body in HOSTILE.values())))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    root = _read(body, "urn:ietf:params:xml:ns:dialog-info", "dialog-info")
    assert root is None or root.name == "dialog-info"


MARKUP = ["<a", ">", "</a>", "/>", " b='", "'", "xmlns", "=", ":", "x", "<?", "?>", "<!--", "-->", "<![CDATA[", "]]>",
          "<!", "DOCTYPE", "[", "]>", "<!ENTITY e ", "&e;", "&#", "1", ";", "&lt;", "\n", "é", "\ufeff"]  # fmt: skip


@given(text=st.lists(st.sampled_from(MARKUP)).map("".join), encoding=st.sampled_from(["utf-8", "utf-16", "utf-16-le"]))
@settings(deadline=None)
def test_any_markup_is_read_or_refused(text: str, encoding: str) -> None:
    root = _read(text.encode(encoding), "", "a")
    assert root is None or (root.name == "a" and "<!DOCTYPE" not in text)
