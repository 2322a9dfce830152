"""Templates: native values, strictness, and a sandbox in which nothing gets out or becomes huge."""

import re
from typing import Any

import pytest

from harness.templates import Namespace, TemplateProblem, Unknown, fill, is_template, merge, names, without

VARIABLES: dict[str, Any] = {
    "word": "text",
    "number": 5,
    "document": {"name": "Desk", "sip": {"username": "u", "password": "p"}},
    "desk": Namespace("desk", {"url": "/v2/x", "late": lambda: 7}),
}


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("plain", "plain"),
        (5, 5),
        (None, None),
        ("{{ number }}", 5),
        (" {{ number }} ", 5),
        ("{{ number }}{{ number }}", "55"),
        ("n={{ number }}", "n=5"),
        ("{{ document }}", VARIABLES["document"]),
        ("{{ document | merge(sync=true) }}", {**VARIABLES["document"], "sync": True}),
        ("{{ document | merge(sip={'password': 'x'}) }}", {"name": "Desk", "sip": {"username": "u", "password": "x"}}),
        ("{{ document | without('sip') }}", {"name": "Desk"}),
        ("{{ desk.url }}/sync", "/v2/x/sync"),
        ("{{ desk.late }}", 7),
        ("{{ '}}' }}", "}}"),
        ("{{ 'a@b'.split('@') | last }}", "b"),
        ("{% if number == 5 %}yes{% endif %}", "yes"),
        ("{{ 'n' * 129 }}", "n" * 129),
        ("{{ 3 * 7 }}", 21),
        ("{{ 7 % 4 }}", 3),
        ("{{ 'aXa' | replace('X', '-') }}", "a-a"),
        ("{{ ['a', 'b'] | join('.') }}", "a.b"),
        ({"a": ["{{ number }}", {"b": "{{ word }}"}]}, {"a": [5, {"b": "text"}]}),
        ("line\n", "line\n"),
        ("a\r\n{{ number }}\rb\n\r\n", "a\r\n5\rb\n\r\n"),
        ("{{ word }}\n", "text"),
    ],
)
def test_filled(value: Any, result: Any) -> None:
    assert fill(value, VARIABLES) == result


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ nobody }}", "'nobody' is undefined"),
        ("x{{ nobody }}", "'nobody' is undefined"),
        ("{{ document.nothing }}", "has no attribute 'nothing'"),
        ("{{ desk.contakt }}", "desk has no 'contakt'; it has late, url"),
        ("{{ desk }}", "desk is no text; say desk.url"),
        ("x{{ desk }}", "desk is no text"),
        ("{{ number / 0 }}", "division by zero"),
        ("{{ number + 'a' }}", "unsupported operand"),
        ("{{ range(5) }}", "`range` is not available"),
    ],
)
def test_not_filled(text: str, said: str) -> None:
    with pytest.raises(TemplateProblem, match=re.escape(said)):
        fill(text, VARIABLES)


@pytest.mark.parametrize(
    "text", ["{{ a", "{{ a b }}", "{% if %}", "{{ a | nofilter }}", "{{ }}", "{% end %}", "{{ ( }}"]
)
def test_syntax(text: str) -> None:
    with pytest.raises(TemplateProblem, match="Jinja2"):
        names(text)


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ word.__init__.__globals__ }}",
    "{{ document.__class__ }}",
    "{{ merge.__globals__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ ()|attr('__class__') }}",
    "{{ desk.__init__.__globals__ }}",
    "{{ desk._parts }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler }}",
    "{{ joiner }}",
    "{{ namespace(a=1) }}",
    "{{ dict(a=1) }}",
    "{{ '{0.__class__}'.format(5) }}",
    "{{ document.update(a=1) }}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_gets_out_of_the_sandbox(text: str) -> None:
    for value in (text, f"x{text}"):
        try:
            result = fill(value, VARIABLES)
        except TemplateProblem:
            continue
        # what Jinja2 answers for an unsafe attribute of its own is text, never the object
        assert "class" not in str(result)
        assert "function" not in str(result)
        assert "module" not in str(result)
    assert "a" not in VARIABLES["document"]


HUGE = [
    "{{ 'a' * 1000000000000 }}",
    "{{ 1000000000000 * 'a' }}",
    "{{ [1] * 1000000000 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ 'a'.ljust(1000000000) }}",
    "{{ 'a'.center(1000000000) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ 'a' | center(1000000000) }}",
    "{{ 'a' | indent(1000000000, true) }}",
    "{{ [1] | batch(1000000000, 'x') | list }}",
    "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
    "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "{{ ('a' * 100000) | list | join('b' * 100000) }}",
    "{{ ('b' * 100000).join(('a' * 100000) | list) }}",
    "{{ ('9' * 300000) * 1000 }}",
    "{% for a in 'x' * 100000 %}{% for b in 'x' * 100000 %}y{% endfor %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", HUGE, ids=lambda text: text[:50])
def test_nothing_becomes_huge(text: str) -> None:
    with pytest.raises(TemplateProblem):
        fill(text, {}) if names(text) is not None else None


def test_names_of_any_nesting() -> None:
    assert names({"a": ["{{ desk.url }}", {"b": "{% set x = 1 %}{{ x }}{{ over }}"}], "c": 5}) == {"desk", "over"}
    assert not is_template("a } b { c")


def test_merge_leaves_its_document_alone() -> None:
    document = {"sip": {"a": [1]}}
    merged = merge(document, {"sip": {"b": 2}})
    merged["sip"]["a"].append(2)
    assert document == {"sip": {"a": [1]}}
    assert without(document, "sip", "nothing") == {}


def test_what_only_the_run_knows_is_let_pass() -> None:
    sample = {"document": Unknown({"name": "x"})}
    assert fill("{{ document.name }}-{{ document.caller_id.internal.name }}", sample) == "x-{}"
    assert fill("{{ document | merge(a=document.b) }}", sample) == {"name": "x", "a": {}}
