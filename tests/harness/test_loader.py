"""From files to cases: everything wrong is found before a run, with its place; the matrix; selectors."""

from pathlib import Path

import pytest

from harness.clauses import SCENARIOS, catalogue, chapter_of
from harness.errors import ScenarioError, ScenarioErrors, UsageError
from harness.loader import Case, load_cases, load_file, scenario_files, select, shipped
from tests.harness.files import HEAD, cases, write

REGISTERED = "  - register: desk\n  - control: desk\n"

WRONG: list[tuple[str, str, tuple[int, int], str, str]] = [
    ("no map", "- a\n", (1, 1), "holds no scenario", "ringproof new NAME"),
    ("empty", "", (1, 1), "holds no scenario", "ringproof new NAME"),
    ("no title", "clauses: [SYNC-01]\nsteps: [{wait: 1}]\n", (1, 1), "the key 'title' is missing", ""),
    ("no steps", "title: x\nclauses: [SYNC-01]\n", (1, 1), "the key 'steps' is missing", ""),
    ("empty steps", "title: x\nclauses: [SYNC-01]\nsteps: []\n", (3, 8), "steps: list should have at least 1", ""),
    (
        "unknown key",
        "title: x\nwy: y\nclauses: [SYNC-01]\nsteps: [{wait: 1}]\n",
        (2, 1),
        "unknown key 'wy'",
        "did you mean 'why'?",
    ),
    ("title no text", "title: 5\nclauses: [SYNC-01]\nsteps: [{wait: 1}]\n", (1, 8), "title: a text is wanted", ""),
    ("clauses no list", "title: x\nclauses: SYNC-01\nsteps: [{wait: 1}]\n", (2, 10), "clauses: input should be", ""),
    (
        "unknown clause",
        "title: x\nclauses: [SYNC-01, SINC-02]\nsteps: [{wait: 1}]\n",
        (2, 20),
        "unknown clause 'SINC-02'",
        "did you mean 'SYNC-02'?",
    ),
    ("unknown verb", HEAD + "  - reqest: GET /x\n", (7, 5), "a step has exactly one of", "did you mean 'request'?"),
    ("two verbs", HEAD + "  - wait: 1\n    mark: x\n", (7, 5), "a step has exactly one of", ""),
    ("a step is a word", HEAD + "  - register\n", (7, 5), "a step has exactly one of", ""),
    ("an empty step", HEAD + "  -\n", (7, 4), "a step has exactly one of", ""),
    (
        "unknown key of a step",
        HEAD + REGISTERED + "  - expect: desk receives NOTIFY\n    exactl: 1\n",
        (10, 5),
        "unknown key 'exactl'",
        "did you mean 'exactly'?",
    ),
    ("wrong type", HEAD + "  - request: GET /\n    reply: {status: ok}\n", (8, 21), "valid integer", ""),
    ("no duration", HEAD + "  - wait: soon\n", (7, 11), "a duration such as 2s, 150ms or 1h is wanted", ""),
    ("negative", HEAD + "  - register: {phone: desk, expires: -1}\n", (7, 38), "greater than or equal to 0", ""),
    ("typo inside", HEAD + "  - register: {phon: desk}\n", (7, 16), "unknown key 'phon'", "did you mean 'phone'?"),
    (
        "typo of what is needed",
        "titel: x\nclauses: [SYNC-01]\nsteps: [{wait: 1}]\n",
        (1, 1),
        "unknown key 'titel'",
        "did you mean 'title'?",
    ),
    ("in parallel", HEAD + "  - parallel:\n      - wait: 1\n      - wait: x\n", (9, 15), "a duration such as", ""),
    (
        "verb in parallel",
        HEAD + "  - parallel:\n      - wait: 1\n      - waite: 1\n",
        (9, 9),
        "a step has exactly one of",
        "did you mean 'wait'?",
    ),
    (
        "matcher",
        HEAD + "  - request: GET /\n    reply: {json: {a: {starst: b}}}\n",
        (8, 19),
        "'starst' is no matcher",
        "",
    ),
    (
        "regular expression",
        HEAD + "  - expect: desk receives NOTIFY\n    where: {A: {matches: '('}}\n",
        (8, 12),
        "",
        "",
    ),
    ("receives", HEAD + "  - expect: desk gets NOTIFY\n", (7, 13), "PHONE receives METHOD or STATUS; PHONE is", ""),
    (
        "both counts",
        HEAD + REGISTERED + "  - {expect: desk receives NOTIFY, exactly: 1, at_most: 2}\n",
        (9, 5),
        "not both",
        "",
    ),
    ("two bodies", HEAD + "  - {request: POST /, data: {}, body: x}\n", (7, 5), "say only one of data, body", ""),
    ("no method", HEAD + "  - request: /v2\n", (7, 5), "METHOD PATH is wanted", ""),
    ("small method", HEAD + "  - request: get /v2\n", (7, 5), "METHOD PATH is wanted", ""),
    ("send nothing", HEAD + "  - send: {phone: desk}\n", (7, 11), "exactly one of sip, layers, raw, hex", ""),
    ("send two", HEAD + "  - send: {phone: desk, raw: a, hex: ff}\n", (7, 11), "exactly one of sip, layers, raw", ""),
    ("kind of message", HEAD + "  - send: {phone: desk, sip: {uri: x}}\n", (7, 30), "say either `method`", ""),
    ("unknown phone", HEAD + "  - register: desc\n", (7, 5), "unknown phone 'desc'", "did you mean 'desk'?"),
    ("far phone", HEAD + "  - register: zz\n", (7, 5), "unknown phone 'zz'", "known: desk, other_desk"),
    ("phone that receives", HEAD + "  - expect: desc receives NOTIFY\n", (7, 5), "unknown phone 'desc'", "'desk'"),
    ("phone that sends", HEAD + "  - send: {phone: desc, raw: x}\n", (7, 5), "unknown phone 'desc'", "'desk'"),
    (
        "phone in parallel",
        HEAD + "  - parallel:\n      - register: desc\n",
        (8, 9),
        "unknown phone 'desc'",
        "did you mean 'desk'?",
    ),
    (
        "device of nobody",
        "title: x\nclauses: [SYNC-01]\nphones:\n  desk:\n  home: {device_of: desc}\nsteps: [{wait: 1}]\n",
        (5, 21),
        "unknown phone 'desc'",
        "did you mean 'desk'?",
    ),
    (
        "device of itself",
        "title: x\nclauses: [SYNC-01]\nphones:\n  desk: {device_of: desk}\nsteps: [{wait: 1}]\n",
        (4, 21),
        "unknown phone 'desk'",
        "",
    ),
    (
        "device of a device",
        "title: x\nclauses: [SYNC-01]\nphones:\n  a:\n  b: {device_of: a}\n  c: {device_of: b}\nsteps: [{wait: 1}]\n",
        (6, 18),
        "has no device of its own",
        "",
    ),
    ("phone name", "title: x\nclauses: [SYNC-01]\nphones: {Desk: }\nsteps: [{wait: 1}]\n", (3, 9), "small letters", ""),
    (
        "reserved name",
        "title: x\nclauses: [SYNC-01]\nphones: {api: }\nsteps: [{wait: 1}]\n",
        (3, 9),
        "a meaning of",
        "",
    ),
    (
        "answers",
        HEAD.replace("desk:\n", "desk: {answers: {NOTIFY: 99}}\n", 1) + "  - wait: 1\n",
        (4, 19),
        "final SIP",
        "",
    ),
    (
        "clause of a step",
        HEAD + "  - expect: desk receives NOTIFY\n    clauses: [SYNC-02]\n",
        (7, 5),
        "clause 'SYNC-02' is not among the clauses of this scenario",
        "did you mean 'SYNC-01'?",
    ),
    ("matrix", "title: x\nclauses: [SYNC-01]\nmatrix: {api: [v3]}\nsteps: [{wait: 1}]\n", (3, 16), "'v1' or 'v2'", ""),
    (
        "matrix twice",
        "title: x\nclauses: [SYNC-01]\nmatrix: {api: [v1, v1]}\nsteps: [{wait: 1}]\n",
        (3, 15),
        "once",
        "",
    ),
    ("template syntax", HEAD + "  - request: GET /{{ desk.url\n", (7, 5), "Jinja2: ", ""),
    ("template filter", HEAD + "  - request: GET /{{ desk.url | uper }}\n", (7, 5), "No filter named 'uper'", ""),
    (
        "template name",
        HEAD + "  - request: GET /{{ desc.url }}\n",
        (7, 5),
        "unknown name 'desc'",
        "did you mean 'desk'?",
    ),
    (
        "template part",
        HEAD + "  - request: GET /{{ desk.ulr }}\n",
        (7, 5),
        "desk has no 'ulr'; it has address, aor,",
        "",
    ),
    ("template phone", HEAD + "  - request: GET /{{ desk }}\n", (7, 5), "desk is no text; say desk.", ""),
    ("template in data", HEAD + "  - request: GET /\n    data: {a: ['{{ x }}']}\n", (7, 5), "unknown name 'x'", ""),
    ("template in where", HEAD + "  - expect: desk receives NOTIFY\n    where: {A: '{{ x }}'}\n", (7, 5), "'x'", ""),
    ("template in send", HEAD + "  - send: {phone: desk, raw: '{{ x }}'}\n", (7, 5), "unknown name 'x'", ""),
    ("account part", HEAD + "  - request: GET /{{ account.token }}\n", (7, 5), "account has no 'token'", ""),
    (
        "template of a phone",
        HEAD.replace("desk:\n", "desk: {device: {name: '{{ x }}'}}\n", 1) + "  - wait: 1\n",
        (4, 9),
        "unknown name 'x'",
        "",
    ),
    (
        "template of a later phone",
        HEAD.replace("desk:\n", "desk: {device: {name: '{{ other_desk.id }}'}}\n", 1) + "  - wait: 1\n",
        (4, 9),
        "unknown name 'other_desk'",
        "",
    ),
    (
        "never saved",
        HEAD + "  - request: GET /x\n    save: {key: data.id}\n  - request: GET /{{ saved.kez }}\n",
        (9, 5),
        "nothing has been saved as 'kez' before",
        "did you mean 'key'?",
    ),
    (
        "never without control",
        HEAD + "  - register: desk\n  - never: desk receives NOTIFY\n",
        (8, 5),
        "can never be closed",
        "put `- control: desk` after its registration",
    ),
    (
        "exactly with another's control",
        HEAD + REGISTERED + "  - expect: other_desk receives NOTIFY\n    exactly: 1\n",
        (9, 5),
        "this count about other_desk can never be closed",
        "put `- control: other_desk`",
    ),
    ("at_most", HEAD + "  - {expect: desk receives NOTIFY, at_most: 1}\n", (7, 5), "can never be closed", ""),
    (
        "a count in parallel",
        HEAD + REGISTERED + "  - parallel:\n      - never: desk receives NOTIFY\n",
        (10, 9),
        "a count cannot stand inside `parallel`",
        "put it behind",
    ),
    (
        "rounds in parallel",
        HEAD + "  - parallel:\n      - {repeat: 2, steps: [{wait: 1}]}\n",
        (8, 9),
        "`repeat` cannot stand inside `parallel`",
        "",
    ),
    ("one round", HEAD + "  - {repeat: 1, steps: [{wait: 1}]}\n", (7, 14), "greater than or equal to 2", ""),
    ("rounds of nothing", HEAD + "  - {repeat: 2, steps: []}\n", (7, 24), "at least 1 item", ""),
    ("rounds that need", HEAD + "  - {repeat: 2, needs: patch, steps: [{wait: 1}]}\n", (7, 5), "steps inside", ""),
    ("a typo in a round", HEAD + "  - {repeat: 2, steps: [{register: desc}]}\n", (7, 25), "unknown phone", "'desk'"),
]


@pytest.mark.parametrize(("text", "place", "said", "hint"), [each[1:] for each in WRONG], ids=[e[0] for e in WRONG])
def test_what_is_wrong_has_its_place(tmp_path: Path, text: str, place: tuple[int, int], said: str, hint: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        cases(tmp_path, text)
    error = caught.value
    assert said in error.message
    assert hint in error.hint
    assert (error.position.line, error.position.column) == place
    assert "\n" not in error.message


def test_one_error_of_every_file(tmp_path: Path) -> None:
    files = [
        write(tmp_path, "", "mine/a"),
        write(tmp_path, HEAD + "  - wait: 1\n", "mine/b"),
        write(tmp_path, HEAD + "  - wait: x\n  - wait: y\n", "mine/c"),
    ]
    with pytest.raises(ScenarioErrors, match="2 errors in scenario files; nothing was run") as caught:
        load_cases(files)
    assert [error.position.line for error in caught.value.errors] == [1, 7]
    assert caught.value.exit_code == 4


def test_one_address_twice(tmp_path: Path) -> None:
    files = [write(tmp_path / name, HEAD + "  - wait: 1\n", "mine/a") for name in ("x", "y")]
    with pytest.raises(ScenarioErrors) as caught:
        load_cases(files)
    assert "case mine/a is also in" in caught.value.errors[0].message


def test_the_matrix_is_expanded(tmp_path: Path) -> None:
    text = HEAD.replace("phones:", "matrix: {over: [http, https], api: [v1, v2]}\nphones:") + "  - wait: 1\n"
    found = cases(tmp_path, text)
    assert [case.address for case in found] == [
        "mine/one[v1-http]",
        "mine/one[v1-https]",
        "mine/one[v2-http]",
        "mine/one[v2-https]",
    ]
    assert [(case.api, case.over) for case in found][1] == ("v1", "https")
    [alone] = cases(tmp_path, HEAD + "  - wait: 1\n")
    assert (alone.address, alone.api, alone.over, alone.matrix) == ("mine/one", "v2", "http", {})


def test_clauses_that_do_not_apply_are_left_out(tmp_path: Path) -> None:
    text = "title: x\nclauses: [SYNC-01, API-02, SYNC-17]\nmatrix: {over: [http, https], api: [v1, v2]}\n"
    text += "steps: [{wait: 1}]\n"
    assert {case.address: list(case.clauses()) for case in cases(tmp_path, text)} == {
        "mine/one[v1-http]": ["SYNC-01", "SYNC-17"],
        "mine/one[v1-https]": ["SYNC-01", "API-02", "SYNC-17"],
        "mine/one[v2-http]": ["SYNC-01"],
        "mine/one[v2-https]": ["SYNC-01", "API-02"],
    }


def test_steps_have_numbers_lines_and_texts(tmp_path: Path) -> None:
    text = HEAD + REGISTERED + "  - parallel:\n      - wait: 1\n      - name: Patience\n        wait: 2\n"
    text += "  - {expect: desk receives NOTIFY, exactly: 2}\n"
    [case] = cases(tmp_path, text)
    assert [(at.number, at.position.line, at.text) for at in case.steps] == [
        ("1", 7, "register desk"),
        ("2", 8, "control desk"),
        ("3", 9, "parallel …"),
        ("3.1", 10, "wait 1"),
        ("3.2", 11, "Patience"),
        ("4", 13, "expect desk receives NOTIFY exactly 2"),
    ]


def test_rounds_are_steps_one_after_the_other(tmp_path: Path) -> None:
    text = HEAD + REGISTERED + "  - repeat: 2\n    steps:\n      - wait: 1\n      - parallel:\n          - wait: 2\n"
    text += "      - repeat: 2\n        steps: [expect: desk receives NOTIFY]\n"
    [case] = cases(tmp_path, text)
    assert [(at.number, at.position.line, at.text) for at in case.steps[2:]] == [
        found
        for turn in (1, 2)
        for found in (
            (f"3-{turn}-1", 11, "wait 1"),
            (f"3-{turn}-2", 12, "parallel …"),
            (f"3-{turn}-2.1", 13, "wait 2"),
            (f"3-{turn}-3-1-1", 15, "expect desk receives NOTIFY"),
            (f"3-{turn}-3-2-1", 15, "expect desk receives NOTIFY"),
        )
    ]


def test_accounts_in_use_are_known(tmp_path: Path) -> None:
    text = "title: x\nclauses: [SYNC-01]\nphones: {a: {account: other}}\nsteps:\n  - {request: 'GET /', token: child}\n"
    [case] = cases(tmp_path, text + "  - request: GET {{ parent_account.url }}\n")
    assert case.uses >= {"other", "child", "parent_account"}


def test_what_only_the_run_knows_of_a_document_is_let_pass(tmp_path: Path) -> None:
    text = HEAD.replace("desk:\n", "desk: {device: {presence_id: '1001'}}\n", 1)
    [case] = cases(tmp_path, text + "  - request: GET /{{ desk.document.presence_id }}/{{ desk.document.a.b }}\n")
    assert len(case.steps) == 1


def test_shipped_scenarios_load() -> None:
    found = load_cases(shipped())
    assert len({case.file for case in found}) >= 20
    tested = {clause for case in found for clause in case.scenario.clauses}
    assert tested == set(catalogue())
    assert all(case.file.is_relative_to(SCENARIOS) for case in found)


@pytest.mark.parametrize(
    ("selector", "addresses"),
    [
        ("SYNC-02", ["a/one[v1]", "a/one[v2]"]),
        ("SYNC", ["a/one[v1]", "a/one[v2]", "a/two"]),
        ("SYNC-", ["a/one[v1]", "a/one[v2]", "a/two"]),
        ("SEC", ["b/three"]),
        ("a", ["a/one[v1]", "a/one[v2]", "a/two"]),
        ("a/one", ["a/one[v1]", "a/one[v2]"]),
        ("one", ["a/one[v1]", "a/one[v2]"]),
        ("a/one[v2]", ["a/one[v2]"]),
        ("a/*", ["a/one[v1]", "a/one[v2]", "a/two"]),
        ("*[v1]", ["a/one[v1]"]),
        ("*/t*", ["a/two", "b/three"]),
        ("SEC-*", ["b/three"]),
    ],
)
def test_selectors(tmp_path: Path, selector: str, addresses: list[str]) -> None:
    found = select(_three(tmp_path), [selector])
    assert [case.address for case in found] == addresses


def test_selectors_add_up_in_the_order_of_the_files(tmp_path: Path) -> None:
    every = _three(tmp_path)
    assert select(every, []) == every
    assert [case.address for case in select(every, ["three", "two", "a/t*"])] == ["a/two", "b/three"]


@pytest.mark.parametrize(
    ("selector", "hint"),
    [("SYNK-02", "did you mean 'SYNC-02'?"), ("a/on", "did you mean 'a/one'?"), ("zzzzzz", "`ringproof list` shows")],
)
def test_nothing_is_selected(tmp_path: Path, selector: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(_three(tmp_path), ["a/two", selector])
    assert caught.value.message == f"nothing is selected by {selector!r}"
    assert hint in caught.value.hint


def _three(folder: Path) -> list[Case]:
    head = "title: x\nclauses: [{}]\n{}steps: [{{wait: 1}}]\n"
    return [
        *cases(folder, head.format("SYNC-02, API-01", "matrix: {api: [v1, v2]}\n"), "a/one"),
        *cases(folder, head.format("SYNC-01", ""), "a/two"),
        *cases(folder, head.format("SEC-01", ""), "b/three"),
    ]


def test_files_are_found(tmp_path: Path) -> None:
    one, two = write(tmp_path, "", "m/b/one"), write(tmp_path, "", "m/a")
    assert scenario_files([tmp_path / "m", one]) == [two.resolve(), one.resolve()]
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.yaml").write_text("")
    for path, said in ((tmp_path / "empty", "no *.scenario.yaml below"), (tmp_path / "no", "no such file")):
        with pytest.raises(UsageError, match=said.replace("*", r"\*")):
            scenario_files([path])
    with pytest.raises(UsageError) as caught:
        scenario_files([tmp_path / "x.yaml"])
    assert caught.value.hint == "rename it to x.scenario.yaml"


def test_the_catalogue() -> None:
    assert {chapter_of(name) for name in catalogue()} == {"PID", "CALL", "SYNC", "PRES", "API", "SEC", "SIP", "LAW"}
    assert catalogue()["API-02"].encrypted
    assert catalogue()["SYNC-16"].unclear


def test_a_file_that_is_a_link_is_loaded_once(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "  - wait: 1\n")
    link = path.with_name("two.scenario.yaml")
    link.symlink_to(path)
    assert len(load_cases(scenario_files([path.parent]))) == 1
    assert load_file(path)[0].address == "mine/one"
