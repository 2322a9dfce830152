"""YAML with positions: every way to be wrong has its place and a hint."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ScenarioError
from harness.yaml_file import did_you_mean, load


def read(folder: Path, data: str | bytes) -> ScenarioError:
    path = folder / "x.yaml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(ScenarioError) as caught:
        load(path, "x.yaml")
    assert caught.value.position.file == "x.yaml"
    assert caught.value.exit_code == 4
    return caught.value


BAD: list[tuple[str, str | bytes, tuple[int, int], str, str]] = [
    ("tab", "a:\n\tb: 1\n", (2, 1), "is not YAML: found character", "spaces"),
    ("indentation", "a: 1\n  b: 2\n", (2, 4), "is not YAML: mapping values", "needs quotes"),
    ("list and map", "a:\n  - 1\n  b: 2\n", (3, 3), "is not YAML", "look at this line"),
    ("colon", "title: one: two\n", (1, 11), "is not YAML: mapping values", "needs quotes"),
    ("open quote", 'a: "x\nb: 1\n', (3, 1), "is not YAML", "look at this line"),
    ("open bracket", "a: [1, 2\nb: 1\n", (2, 2), "is not YAML", "look at this line"),
    ("duplicate key", "a: 1\nb: 2\na: 3\n", (3, 1), "the key 'a' stands here twice", ""),
    ("duplicate inside", "a:\n  b: {c: 1, c: 2}\n", (2, 13), "the key 'c' stands here twice", ""),
    ("latin-1", b"a: 1\nb: caf\xe9\n", (2, 7), "is not UTF-8", "save the file as UTF-8"),
    ("utf-16", "a: 1".encode("utf-16"), (1, 1), "is not UTF-8", "save the file as UTF-8"),
    ("control character", "a: 1\nb: x\x01\n", (2, 5), "is not YAML: a control character", "take it out"),
    ("two documents", "a: 1\n---\nb: 2\n", (2, 1), "is not YAML", "look at this line"),
    ("unknown alias", "a: *b\n", (1, 4), "is not YAML: found undefined alias", "quote the text"),
    ("star", "a: *\n", (1, 5), "is not YAML", "quote the text"),
    ("percent", "a: %x\n", (1, 4), "is not YAML", ""),
    ("object", "a: !!python/object:os.system x\n", (1, 4), "is not YAML: could not determine", ""),
    ("no int", "a: 1\nb: !!int abc\n", (2, 4), "'abc' is no int", "quote it"),
    ("half a number", "a: 0x_\n", (1, 4), "'0x_' is no int", "quote it"),
    ("no bool", "a: !!bool maybe\n", (1, 4), "'maybe' is no bool", "quote it"),
    ("endless number", "a: " + "9" * 5000, (1, 4), "is no int", "quote it"),
    ("key is a map", "? {a: 1}\n: 2\n", (1, 3), "a key must be a word", "quote a value"),
    ("key is a template", "a: {{ desk.url }}\n", (1, 5), "a key must be a word", "quote a value"),
    ("huge", b"a: " + b"x" * (1 << 20), (1, 1), "more than 1048576", "split it"),
    ("deep flow", "a: " + "[" * 100_000, (1, 63), "too deeply nested", ""),
    ("deep block", "- " * 1000 + "x", (1, 121), "too deeply nested", ""),
    ("deep keys", "? " * 1000 + "x", (1, 121), "too deeply nested", ""),
    ("recursion", "a: &x [*x]\n", (1, 4), "too deeply nested", "aliases"),
    (
        "alias bomb",
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in ("ab", "bc", "cd", "de", "ef", "fg", "gh")),
        (1, 20),
        "too large",
        "aliases that multiply are refused",
    ),
]


@pytest.mark.parametrize(("data", "place", "said", "hint"), [each[1:] for each in BAD], ids=[each[0] for each in BAD])
def test_what_is_wrong_has_its_place(
    tmp_path: Path, data: str | bytes, place: tuple[int, int], said: str, hint: str
) -> None:
    error = read(tmp_path, data)
    assert said in error.message
    assert hint in error.hint
    assert "\n" not in error.message + error.hint
    if said != "too large":
        assert (error.position.line, error.position.column) == place


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file"):
        load(tmp_path / "no.yaml")
    with pytest.raises(ScenarioError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_positions(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes("\ufeffa: 1\nb:\n  - c: x\n  - {d: [1, 2]}\n".encode())
    document = load(path, "x.yaml")
    assert document.data == {"a": 1, "b": [{"c": "x"}, {"d": [1, 2]}]}
    assert str(document.at(("b", 1, "d", 1))) == "x.yaml:4:13"
    assert str(document.at(("b", 0, "c"))) == "x.yaml:3:8"
    assert str(document.at(("b", 0, "nothing", "below"))) == "x.yaml:3:5"
    assert str(document.keys["b", 1, "d"]) == "x.yaml:4:6"
    assert str(document.at(())) == "x.yaml:1:1"


def test_values_stay_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("date: 2024-01-02\nyes: yes\n1: one\nnull: nothing\ntext: '5'\nempty:\n")
    assert load(path).data == {
        "date": "2024-01-02",
        "yes": True,
        "1": "one",
        "null": "nothing",
        "text": "5",
        "empty": None,
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_holds_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert load(path).data is None


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}&*!|>'\"%@`#\n \t?,.0x_", max_size=60).map(str.encode))
def test_any_bytes_are_data_or_one_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    with suppress(ScenarioError):
        load(path)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#\n \t?,.0x_\x01\u2028", max_size=40))
def test_a_place_is_in_the_file(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "place.yaml"
    path.write_bytes(text.encode())
    places = [(1, 1)]
    try:
        load(path)
    except ScenarioError as error:
        places.append((error.position.line, error.position.column))
    for line, column in places:
        assert 1 <= line <= len(text.splitlines()) + 2
        assert column >= 1


def test_did_you_mean() -> None:
    assert did_you_mean("exactl", ["exactly", "within"]) == "did you mean 'exactly'?"
    assert did_you_mean("zzz", ["exactly"]) == ""
