"""Everything wrong about calls, watchers, lamps and trunks is found before a run, with its place and a hint."""

from pathlib import Path

import pytest

from harness.claiming import Lit
from harness.errors import ScenarioError
from harness.loader import claim_ids
from harness.step_facts import closing_claim, phones_of
from harness.steps import Call, Misses, Missing, OnCall, Reject, Responds
from tests.harness.files import cases

PHONES = 'desk: {extension: "1001"}\n  lobby:\n  watcher:\n  carrier: {trunk: "^9"}'
HEAD = "title: A title\nclauses: [SIP-16]\nphones:\n  {}\nsteps:\n"
FIRST = 9
"""The line of the first step."""

WATCHES = "subscribe: {phone: watcher, to: desk}\n  - "

WRONG: list[tuple[str, str, tuple[int, int], str, str]] = [
    # calls
    ("who calls", "call: dsk to lobby", (9, 5), "unknown phone 'dsk'", "did you mean 'desk'?"),
    ("who is called", "call: desk to lobbby", (9, 5), "unknown phone 'lobbby'", "did you mean 'lobby'?"),
    ("nobody like that", "call: desk to zzz", (9, 5), "unknown phone 'zzz'", "a phone, a number, or a sip: URI"),
    ("call whom", "call: desk", (9, 11), "PHONE to TARGET is wanted, not 'desk'", ""),
    ("call nobody", 'call: "desk to "', (9, 11), "PHONE to TARGET is wanted", ""),
    ("call from", "call: {to: desk}", (9, 11), "the key 'from' is missing", ""),
    ("call to", "call: {from: desk}", (9, 11), "the key 'to' is missing", ""),
    ("call typo", "call: {from: desk, too: lobby}", (9, 24), "unknown key 'too'", "did you mean 'to'?"),
    ("call as", "call: {from: desk, to: lobby, as: [1]}", (9, 39), "a text is wanted, not [1]", ""),
    ("call template", "call: desk to {{ x }}", (9, 5), "unknown name 'x'", ""),
    ("answer", "answer: [desk, lobyb]", (9, 5), "unknown phone 'lobyb'", "did you mean 'lobby'?"),
    ("reject", "reject: {phone: lobyb}", (9, 5), "unknown phone 'lobyb'", "did you mean 'lobby'?"),
    ("reject with 200", "reject: {phone: desk, status: 200}", (9, 35), "greater than or equal to 300", ""),
    ("hang_up", "hang_up: x", (9, 5), "unknown phone 'x'", "known: desk, lobby, watcher, carrier"),
    ("cancel", "cancel: x", (9, 5), "unknown phone 'x'", ""),
    ("on_call", "on_call: {phone: x, how: ring}", (9, 5), "unknown phone 'x'", ""),
    ("on_call how", "on_call: {phone: desk, how: maybe}", (9, 33), "'ignore', 'auto' or 'redirect'", ""),
    ("on_call where", "on_call: {phone: desk, how: redirect}", (9, 14), "redirected `to` somebody", ""),
    ("on_call else", "on_call: {phone: desk, how: ring, to: '1002'}", (9, 14), "redirected `to` somebody", ""),
    ("on_call to", "on_call: {phone: desk, how: redirect, to: loby}", (9, 5), "unknown phone 'loby'", "lobby"),
    ("redirect", "redirect: {phone: x, to: '1002'}", (9, 5), "unknown phone 'x'", ""),
    ("redirect to", "redirect: {phone: desk, to: loby}", (9, 5), "unknown phone 'loby'", "lobby"),
    ("hold", "hold: x", (9, 5), "unknown phone 'x'", ""),
    ("hold by", "hold: {phone: desk, by: BYE}", (9, 29), "'INVITE' or 'UPDATE'", ""),
    ("resume", "resume: {phone: [desk, x]}", (9, 5), "unknown phone 'x'", ""),
    ("on_call after", "on_call: {phone: desk, how: answer, after: soon}", (9, 48), "a duration such as 2s", ""),
    ("on_call status", "on_call: {phone: desk, how: reject, status: 180}", (9, 49), "equal to 300", ""),
    # watching
    ("watcher", "subscribe: {phone: watch, to: desk}", (9, 5), "unknown phone 'watch'", "did you mean 'watcher'?"),
    ("watched", "subscribe: {phone: watcher, to: dsk}", (9, 5), "unknown phone 'dsk'", "did you mean 'desk'?"),
    (
        "nobody watched",
        "subscribe: {phone: watcher, to: 1001}",
        (9, 37),
        'a text is wanted, not 1001: write "1001"',
        "",
    ),
    ("no URI", 'subscribe: {phone: watcher, to: "1001"}', (9, 5), "unknown phone '1001'", "a phone, or a sip: URI"),
    ("unsubscribe", "unsubscribe: {phone: watcher, to: dsk}", (9, 5), "unknown phone 'dsk'", "did you mean 'desk'?"),
    ("subscribe a word", "subscribe: watcher", (9, 16), "keys with values are wanted, not 'watcher'", ""),
    ("outcome", "subscribe: {phone: watcher, to: desk, outcome: x}", (9, 52), "'active', 'refused'", ""),
    (
        "subscribe clause",
        "subscribe: {phone: watcher, to: desk, clauses: [SIP-15]}",
        (9, 5),
        "clause 'SIP-15' is not among the clauses of this scenario",
        "did you mean 'SIP-16'?",
    ),
    (
        "unsubscribe clause",
        "unsubscribe: {phone: watcher, to: desk, clauses: [PID-01]}",
        (9, 5),
        "clause 'PID-01' is not among the clauses",
        "",
    ),
    ("misses", "misses: {phone: x}", (9, 5), "unknown phone 'x'", ""),
    ("misses nothing", "misses: {phone: desk, count: 0}", (9, 34), "greater than or equal to 1", ""),
    ("misses what", "misses: {phone: desk, method: notify}", (9, 35), "a SIP method such as NOTIFY is wanted", ""),
    ("responds", "responds: {phone: x, to: NOTIFY, with: 481}", (9, 5), "unknown phone 'x'", ""),
    ("responds to", "responds: {phone: desk, to: notify, with: 481}", (9, 33), "a SIP method such as NOTIFY", ""),
    ("responds with", "responds: {phone: desk, to: NOTIFY, with: 180}", (9, 47), "greater than or equal to 200", ""),
    ("responds how", "responds: {phone: desk, to: NOTIFY}", (9, 15), "the key 'with' is missing", ""),
    ("network", "network: {phone: x, does: away}", (9, 5), "unknown phone 'x'", ""),
    ("network what", "network: {phone: desk, does: lose, what: notify}", (9, 46), "a SIP method such as NOTIFY", ""),
    ("network how", "network: {phone: desk, does: eat}", (9, 34), "'lose', 'delay'", ""),
    ("network never", "network: {phone: desk, does: lose, count: 0}", (9, 47), "greater than or equal to 1", ""),
    ("network ever", "network: {phone: desk, does: delay, seconds: 2h}", (9, 50), "less than or equal to 3600", ""),
    ("network away", "network: {phone: desk, does: away, what: NOTIFY}", (9, 14), "has no what", ""),
    ("network lost", "network: {phone: desk, does: lose, seconds: 1s}", (9, 14), "`lose` has no seconds", ""),
    (
        "network event",
        "network: {phone: desk, does: lose, what: BYE, event: dialog}",
        (9, 14),
        "only NOTIFY and SUBSCRIBE have",
        "",
    ),
    ("lose", "lose: {of: dsk}", (9, 5), "unknown phone 'dsk'", "did you mean 'desk'?"),
    ("lose what", "lose: {of: desk, state: dead}", (9, 29), "'early', 'confirmed' or 'terminated'", ""),
    ("restart", "restart: desk", (9, 14), "'server'", ""),
    ("forget", "forget: [desk, x]", (9, 5), "unknown phone 'x'", ""),
    # lamps
    (
        "a lamp that is none",
        "{lamp: watcher, of: desk, stays: off}",
        (9, 5),
        "watcher watches nobody here, so it has no lamp",
        "put `- subscribe: {phone: watcher, to: …}` before it",
    ),
    (
        "a lamp before it is one",
        "{lamp: watcher, of: desk, becomes: off}\n  - " + WATCHES.removesuffix("\n  - "),
        (9, 5),
        "watcher watches nobody here",
        "",
    ),
    (
        "a refused subscription is no lamp",
        "subscribe: {phone: watcher, to: desk, outcome: refused}\n  - {lamp: watcher, of: desk, becomes: off}",
        (10, 5),
        "watcher watches nobody here",
        "",
    ),
    ("one of two", WATCHES + "{lamp: [watcher, lobby], of: desk, stays: off}", (10, 5), "lobby watches nobody", ""),
    (
        "lamp of",
        WATCHES + "{lamp: watcher, of: dsk, stays: off}",
        (10, 5),
        "unknown phone 'dsk'",
        "did you mean 'desk'",
    ),
    ("lamp below", WATCHES + "lamp: {watcher: watcher, of: desk, stays: off}", (10, 5), "stand beside `lamp`", ""),
    ("lamp on", WATCHES + "{lamp: wacher, of: desk, stays: off}", (10, 5), "unknown phone 'wacher'", "'watcher'?"),
    ("truth", WATCHES + "{lamp: watcher, of: desk, stays: off, truth: [x]}", (10, 5), "unknown phone 'x'", "known: "),
    ("no of", WATCHES + "{lamp: watcher, stays: off}", (10, 5), "the key 'of' is missing", ""),
    ("no claim", WATCHES + "{lamp: watcher, of: desk}", (10, 5), "say exactly one of goes, stays, becomes", ""),
    ("two claims", WATCHES + "{lamp: watcher, of: desk, stays: off, becomes: off}", (10, 5), "say exactly one of", ""),
    ("twice", WATCHES + "{lamp: watcher, of: desk, goes: [off, off]}", (10, 5), "no state twice in a row", ""),
    ("no course", WATCHES + "{lamp: watcher, of: desk, goes: []}", (10, 37), "at least 1 item", ""),
    ("no state", WATCHES + "{lamp: watcher, of: desk, goes: [off, red]}", (10, 43), "'off', 'ringing', 'busy' or", ""),
    ("true is no state", WATCHES + "{lamp: watcher, of: desk, stays: on}", (10, 38), "'off', 'ringing', 'busy' or", ""),
    ("package", WATCHES + "{lamp: watcher, of: desk, stays: off, event: reg}", (10, 50), "'message-summary'", ""),
    (
        "a lamp in parallel",
        WATCHES + "parallel:\n      - {lamp: watcher, of: desk, stays: off}",
        (11, 9),
        "a count cannot stand inside `parallel`",
        "put it behind `parallel`",
    ),
    (
        "its own lamp",
        "subscribe: {phone: watcher, to: watcher}\n  - {lamp: watcher, of: watcher, stays: off}",
        (10, 5),
        "no fence can close the lamp of watcher on itself",
        "say `becomes`",
    ),
    ("laws of", WATCHES + "laws: wacher", (10, 5), "unknown phone 'wacher'", "did you mean 'watcher'?"),
    ("laws of nobody", "laws: []", (9, 11), "at least 1 item", ""),
    ("laws of who watches nothing", "laws: watcher", (9, 5), "this count about watcher can never be closed", "control"),
    ("laws in parallel", WATCHES + "parallel:\n      - laws: watcher", (11, 9), "cannot stand inside `parallel`", ""),
    # order
    ("order of one", "order: [desk sends 200]", (9, 12), "at least 2 items", ""),
    ("order of whom", "order: [desk sends 200, lobyb sends 200]", (9, 5), "unknown phone 'lobyb'", "'lobby'?"),
    ("order of what", "order: [desk sends 200, desk says 200]", (9, 12), "receives or sends METHOD or STATUS", ""),
    (
        "order matcher",
        "order:\n      - desk sends 200\n      - {that: desk sends 200, where: {CSeq: {ens: x}}}",
        (11, 39),
        "CSeq: 'ens' is no matcher",
        "",
    ),
    (
        "order typo",
        "order:\n      - desk sends 200\n      - {tat: desk sends 200}",
        (11, 10),
        "unknown key 'tat'",
        "'that'?",
    ),
    # states and sound
    ("state of", "expect: dsk is ringing", (9, 5), "unknown phone 'dsk'", "did you mean 'desk'?"),
    ("which state", "expect: desk is asleep", (9, 13), "calling, ringing, talking or idle", ""),
    ("hears whom", "expect: lobby hears dsk", (9, 5), "unknown phone 'dsk'", "did you mean 'desk'?"),
    (
        "a state exactly",
        "{expect: desk is ringing, exactly: 1}",
        (9, 5),
        "are about messages: PHONE receives METHOD",
        "",
    ),
    ("hears how", "expect: lobby hears desk somehow", (9, 13), "PHONE hears PHONE", ""),
    ("hears only whom", "expect: lobby hears only dsk directly", (9, 5), "unknown phone 'dsk'", "'desk'?"),
    ("only, uncontrolled", "expect: lobby hears only desk", (9, 5), "can never be closed", "control: lobby"),
    ("the same one", "{expect: lobby receives INVITE, exactly: 1, same: From}", (9, 5), "`same` compares two", ""),
    ("the same at most", "{expect: lobby receives INVITE, at_most: 3, same: From}", (9, 5), "`same` compares", ""),
    ("sound where", "{expect: lobby hears desk, where: {a: b}}", (9, 5), "are about messages", ""),
    ("never a state", "never: desk is ringing", (9, 12), "PHONE receives METHOD is wanted", ""),
    # trunks
    ("a count about a trunk", "never: carrier receives INVITE", (9, 5), "nothing can fence a trunk", ""),
    ("so many", "{expect: carrier receives INVITE, exactly: 1}", (9, 5), "no count about carrier can be closed", ""),
    (
        "the lamp of a trunk",
        "subscribe: {phone: carrier, to: desk}\n  - {lamp: carrier, of: desk, stays: off}",
        (10, 5),
        "no count about carrier can be closed",
        "",
    ),
    *(
        (f"{verb} a trunk", f"{verb}: [desk, carrier]", (9, 5), f"it has no device to {verb}", "")
        for verb in ("register", "unregister", "move", "expire", "control", "create")
    ),
]


@pytest.mark.parametrize(("step", "place", "said", "hint"), [each[1:] for each in WRONG], ids=[e[0] for e in WRONG])
def test_what_is_wrong_has_its_place(tmp_path: Path, step: str, place: tuple[int, int], said: str, hint: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        cases(tmp_path, HEAD.format(PHONES) + f"  - {step}\n")
    error = caught.value
    assert said in error.message
    assert hint in error.hint
    assert (error.position.line, error.position.column) == place
    assert "\n" not in error.message


WRONG_PHONES: list[tuple[str, tuple[int, int], str]] = [
    *((f"{name}:", (4, 3), f"phone name '{name}' has a meaning of its own") for name in ("account", "user", "none")),
    *((f"{name}:", (4, 3), f"phone name '{name}' has a meaning of its own") for name in ("saved", "true", "api")),
    ("Desk:", (4, 3), "small letters, digits and _ only"),
    ("a b:", (4, 3), "small letters, digits and _ only"),
    ("x: {trunk: (}", (4, 14), "the regular expression '(' is broken"),
    ("x: {trunk: a, extension: '1'}", (4, 6), "a trunk is no device"),
    ("x: {trunk: a, device: {name: b}}", (4, 6), "a trunk is no device"),
    ("x: {trunk: a, device_of: y}\n  y:", (4, 6), "a trunk is no device"),
    ("x: {device_of: y}\n  y: {trunk: a}", (4, 18), "'y' has no device of its own"),
    ("x: {device_of: y, extension: '1'}\n  y:", (4, 6), "extension and group belong to the phone whose device"),
    ("x: {device_of: y, group: '1'}\n  y:", (4, 6), "extension and group belong to the phone whose device it is"),
    ("x: {trunk: a, group: '1'}", (4, 6), "a trunk is no device"),
    ("x: {rings: 5s}", (4, 6), "`rings` says how long the extension or group rings: there is none"),
    ("x: {on_call: maybe}", (4, 16), "'ignore', 'auto' or 'redirect'"),
    ("x: {on_call: {how: answer, after: soon}}", (4, 37), "a duration such as"),
    ("x: {extension: 1001}", (4, 18), 'a text is wanted, not 1001: write "1001"'),
    ("x: {extension: []}", (4, 18), "at least 1 item"),
    ("x: {extension: '{{ nope }}'}", (4, 6), "unknown name 'nope' in a template"),
    # a trunk is made last, wherever it stands
    ("x: {trunk: a}\n  y: {device: {name: '{{ x.address }}'}}", (5, 6), "unknown name 'x' in a template"),
    ("x: {answers: {NOTIFY: 99}}", (4, 16), "99 is no final SIP status"),
]


@pytest.mark.parametrize(("phones", "place", "said"), WRONG_PHONES, ids=[each[0] for each in WRONG_PHONES])
def test_what_is_wrong_about_phones(tmp_path: Path, phones: str, place: tuple[int, int], said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        cases(tmp_path, HEAD.format(phones) + "  - wait: 1\n")
    assert said in caught.value.message
    assert (caught.value.position.line, caught.value.position.column) == place


def test_every_name_of_templates_is_reserved(tmp_path: Path) -> None:
    from harness.loader import sample_variables

    [case] = cases(tmp_path, HEAD.format("desk:") + "  - wait: 1\n")
    for name in set(sample_variables(case.scenario)) - {"desk"}:
        with pytest.raises(ScenarioError, match="has a meaning of its own"):
            cases(tmp_path, HEAD.format(f"{name}:") + "  - wait: 1\n")


RIGHT = [
    ("call: desk to lobby", "call desk to lobby"),
    ("call: desk to 1001", "call desk to 1001"),
    ("call: desk to +1 415 555 0100", "call desk to +1 415 555 0100"),
    ("call: desk to *98", "call desk to *98"),
    ("call: desk to sip:x@example.com", "call desk to sip:x@example.com"),
    ("call: desk to {{ lobby.username }}", "call desk to {{ lobby.username }}"),
    ('call: {from: carrier, to: lobby, as: "+1415"}', "call carrier to lobby"),
    ("reject: {phone: [desk, lobby], status: 603}", "reject desk, lobby"),
    ("hang_up: desk", "hang_up desk"),
    ("on_call: {phone: desk, how: answer, after: 2s}", "on_call desk"),
    ("subscribe: {phone: [watcher, lobby], to: SIP:a@b, event: presence}", "subscribe watcher, lobby to SIP:a@b"),
    ('subscribe: {phone: watcher, to: "{{ desk.aor }}"}', "subscribe watcher to {{ desk.aor }}"),
    ("unsubscribe: {phone: watcher, to: desk}", "unsubscribe watcher to desk"),
    ("misses: {phone: watcher, count: 2}", "misses watcher"),
    ("misses: [watcher, lobby]", "misses watcher, lobby"),
    ("responds: {phone: watcher, to: NOTIFY, with: silence}", "responds watcher"),
    ("network: {phone: [watcher, lobby], does: away}", "network of watcher, lobby: away"),
    ("network: {phone: watcher, does: lose, what: NOTIFY}", "network of watcher: lose NOTIFY"),
    ("lose: {of: desk}", "lose desk"),
    ("forget: watcher", "forget watcher"),
    ("order: [desk sends 200, lobby receives INVITE]", "order desk sends 200, lobby receives INVITE"),
    (
        "order:\n      - {that: desk sends 200, where: {CSeq: {ends: INVITE}}}\n      - lobby receives INVITE",
        "order desk sends 200, lobby receives INVITE",
    ),
    ("expect: desk is ringing", "expect desk is ringing"),
    ("expect: lobby hears desk", "expect lobby hears desk"),
    ("expect: lobby hears desk relayed", "expect lobby hears desk relayed"),
    ("control: lobby\n  - expect: lobby hears only desk directly", "expect lobby hears only desk directly"),
    ("{expect: lobby receives INVITE, same: From}", "expect lobby receives INVITE"),
    ("expect: carrier receives INVITE", "expect carrier receives INVITE"),
    (WATCHES + "{lamp: watcher, of: desk, goes: [off, busy, off]}", "lamp of desk on watcher goes off, busy, off"),
    (WATCHES + "{lamp: watcher, of: desk, stays: off}", "lamp of desk on watcher stays off"),
    (WATCHES + "{lamp: watcher, of: desk, becomes: off}", "lamp of desk on watcher becomes off"),
    (WATCHES + '{lamp: watcher, of: "sip:2001@r", becomes: "off"}', "lamp of sip:2001@r on watcher becomes off"),
    (WATCHES + "laws: watcher", "laws watcher"),
    (
        "subscribe: {phone: watcher, to: watcher}\n  - {lamp: watcher, of: watcher, becomes: off}",
        "lamp of watcher on watcher becomes off",
    ),
]


@pytest.mark.parametrize(("step", "text"), RIGHT, ids=[each[0] for each in RIGHT])
def test_what_is_right_is_said_shortly(tmp_path: Path, step: str, text: str) -> None:
    [case] = cases(tmp_path, HEAD.format(PHONES) + f"  - {step}\n")
    assert case.steps[-1].text == text
    assert set(phones_of(case.steps[-1].step)) <= {"desk", "lobby", "watcher", "carrier"}


def test_a_restart_is_for_a_server_of_its_own(tmp_path: Path) -> None:
    text = HEAD.format(PHONES)
    for step in ("restart: server", "parallel:\n    - restart: server"):
        with pytest.raises(ScenarioError, match="say `isolation: server`"):
            cases(tmp_path, f"{text}  - {step}\n")
    [case] = cases(tmp_path, f"isolation: server\n{text}  - restart: server\n")
    assert case.steps[-1].text == "restart server"


def test_a_group_is_in_one_account(tmp_path: Path) -> None:
    phones = 'ann: {group: "1009"}\n  bob: {group: "1009", account: other}'
    with pytest.raises(ScenarioError, match="group 1009 are in several accounts"):
        cases(tmp_path, HEAD.format(phones) + "  - wait: 1\n")


def test_a_bare_off_is_a_state(tmp_path: Path) -> None:
    steps = (
        WATCHES + "{lamp: watcher, of: desk, goes: [off, ringing, off]}\n  - {lamp: watcher, of: desk, stays: off}\n"
    )
    [case] = cases(tmp_path, HEAD.format(PHONES) + f"  - {steps}")
    _, goes, stays = (at.step for at in case.steps)
    assert isinstance(goes, Lit)
    assert isinstance(stays, Lit)
    assert goes.goes == ["off", "ringing", "off"]
    assert stays.stays == "off"


def test_the_forms_of_a_call() -> None:
    calls = [Call.model_validate({"call": each}) for each in ("a to b", {"from": "a", "to": "b"}, "a to b to c")]
    assert [(each.calling.from_, each.calling.to, each.calling.as_) for each in calls] == [
        ("a", "b", None),
        ("a", "b", None),
        ("a", "b to c", None),
    ]
    assert Call.model_validate({"call": {"from": "a", "to": "b", "as": "1"}}).calling.as_ == "1"


def test_who_is_meant() -> None:
    assert phones_of(Reject.model_validate({"reject": ["a", "b"]})) == ["a", "b"]
    assert phones_of(Reject.model_validate({"reject": {"phone": "a"}})) == ["a"]
    assert phones_of(OnCall.model_validate({"on_call": {"phone": ["a", "b"], "how": "ring"}})) == ["a", "b"]
    assert phones_of(Responds.model_validate({"responds": {"phone": "a", "to": "BYE", "with": "usual"}})) == ["a"]


def test_what_is_missed_may_be_said_shortly() -> None:
    assert Misses.model_validate({"misses": "a"}).missing == Missing(phone=["a"])
    assert Misses.model_validate({"misses": {"phone": ["a"], "count": 2}}).missing == Missing(phone=["a"], count=2)
    assert phones_of(Misses.model_validate({"misses": ["a", "b"]})) == ["a", "b"]


def test_what_has_to_be_closed(tmp_path: Path) -> None:
    steps = WATCHES + "subscribe: {phone: lobby, to: desk}\n"
    steps += "  - {lamp: [watcher, lobby], of: desk, stays: off}\n  - {lamp: watcher, of: desk, becomes: off}\n"
    steps += "  - laws: [watcher, lobby]\n  - expect: desk is idle\n  - order: [desk sends 200, desk sends BYE]\n"
    [case] = cases(tmp_path, HEAD.format(PHONES) + f"  - {steps}")
    assert [closing_claim(at.step) for at in case.steps] == [
        [],
        [],
        ["watcher", "lobby"],
        [],
        ["watcher", "lobby"],
        [],
        [],
    ]
    assert claim_ids(case.steps[2]) == {"watcher": "3:watcher", "lobby": "3:lobby"}
    assert claim_ids(case.steps[3]) == {"watcher": "4"}
    assert claim_ids(case.steps[4]) == {"watcher": "5:watcher", "lobby": "5:lobby"}
    assert claim_ids(case.steps[5]) == {"": "6"}
