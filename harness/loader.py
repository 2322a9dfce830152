"""From scenario files to cases: reading, checking everything that can be checked before a run, expanding the matrix."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from harness import templates
from harness.claiming import Laws, Lit
from harness.clauses import SCENARIOS, Clause, catalogue, chapter_of
from harness.errors import Position, ScenarioError, ScenarioErrors, UsageError
from harness.model import Step
from harness.personality import personality_of
from harness.scenario import Scenario, set_up_order
from harness.step_facts import clauses_of, closing_claim, dialled_by, phones_of
from harness.steps import (
    VERBS,
    Control,
    Create,
    Expire,
    Lose,
    Move,
    Parallel,
    Register,
    Repeat,
    Request,
    Subscribe,
    Unregister,
    Unsubscribe,
)
from harness.yaml_file import Document, Path_, did_you_mean, load, validated
from phones.sip.transport import Transport

SUFFIX = ".scenario.yaml"
TOKENS = ("own", "other", "parent", "child", "none")


@dataclass(frozen=True, slots=True)
class StepAt:
    """A step, its number (`4`; `4.1` inside `parallel`, `4-2-1` in round 2 of `repeat`), and where it stands."""

    number: str
    step: Step
    position: Position
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario at one point of its matrix."""

    address: str
    file: Path
    scenario: Scenario
    matrix: Mapping[str, str]
    steps: tuple[StepAt, ...]
    uses: frozenset[str]

    @property
    def api(self) -> str:
        """The API version, v2 without that dimension."""
        return self.matrix.get("api", "v2")

    @property
    def over(self) -> str:
        """http or https, http without that dimension."""
        return self.matrix.get("over", "http")

    @property
    def transport(self) -> Transport | None:
        """What carries SIP; None without that dimension."""
        return Transport(self.matrix["transport"]) if "transport" in self.matrix else None

    def clauses(self) -> dict[str, Clause]:
        """The clauses that apply at this point of the matrix."""
        known = catalogue()
        return {
            name: known[name]
            for name in self.scenario.clauses
            if not (known[name].encrypted and self.over != "https")
            and (known[name].api is None or known[name].api == self.api)
        }


def scenario_files(paths: Iterable[Path]) -> list[Path]:
    """The scenario files among `paths` and below its folders, sorted. Raises UsageError for what is not there."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(path.rglob(f"*{SUFFIX}"))
            if not below:
                raise UsageError(f"{path}: no *{SUFFIX} below this folder", "ringproof new NAME writes one")
            found += below
        elif path.is_file():
            if not path.name.endswith(SUFFIX):
                raise UsageError(f"{path}: scenario files end in {SUFFIX}", f"rename it to {path.stem}{SUFFIX}")
            found.append(path)
        else:
            raise UsageError(f"{path}: no such file or folder")
    return list(dict.fromkeys(path.resolve() for path in found))


def shown(path: Path) -> str:
    """`path` as a person would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def load_cases(files: Iterable[Path]) -> list[Case]:
    """All cases of `files`. Raises ScenarioErrors with the first error of every file that has one."""
    cases: list[Case] = []
    errors: list[ScenarioError] = []
    seen: dict[str, Path] = {}
    for file in files:
        try:
            loaded = load_file(file)
        except ScenarioError as error:
            errors.append(error)
            continue
        for case in loaded:
            if case.address in seen:
                where = Position(shown(file), 1, 1)
                errors.append(ScenarioError(f"case {case.address} is also in {shown(seen[case.address])}", where))
                break
            seen[case.address] = file
        cases += loaded
    if errors:
        raise ScenarioErrors(errors)
    return cases


def load_file(file: Path) -> list[Case]:
    """The cases of one file. Raises ScenarioError."""
    document = load(file, shown(file))
    if not isinstance(document.data, dict):
        raise ScenarioError("holds no scenario", Position(document.file, 1, 1), "ringproof new NAME writes an example")
    scenario = validated(document, Scenario)
    steps = tuple(_steps(scenario.steps, document, ("steps",), ""))
    uses = _check(scenario, steps, document)
    _check_personalities(scenario, document, file)
    base = f"{file.parent.name}/{file.name.removesuffix(SUFFIX)}"
    dimensions = {name: values for name, values in scenario.matrix.model_dump().items() if values}
    return [
        Case(
            address=f"{base}[{'-'.join(point)}]" if point else base,
            file=file,
            scenario=scenario,
            matrix=dict(zip(dimensions, point, strict=True)),
            steps=steps,
            uses=frozenset(uses),
        )
        for point in product(*dimensions.values())
    ]


def _steps(steps: Iterable[Step], document: Document, path: Path_, prefix: str) -> Iterator[StepAt]:
    for index, step in enumerate(steps):
        number = f"{prefix}{index + 1}"
        if isinstance(step, Repeat):
            if "." in number:
                raise ScenarioError("`repeat` cannot stand inside `parallel`", document.at((*path, index)))
            for turn in range(step.repeat):
                yield from _steps(step.steps, document, (*path, index, "steps"), f"{number}-{turn + 1}-")
            continue
        raw = document.data
        for part in (*path, index):
            raw = raw[part]
        yield StepAt(number, step, document.at((*path, index)), step.name or text_of(raw))
        if isinstance(step, Parallel):
            yield from _steps(step.parallel, document, (*path, index, "parallel"), f"{number}.")


def text_of(raw: dict[str, Any]) -> str:
    """A step in a few words, from what was written."""
    verb = next(key for key in raw if key in VERBS)
    value = raw[verb]
    if isinstance(value, dict):
        value = _said(verb, value)
    if isinstance(value, list):
        said_ = (part["that"] if isinstance(part, dict) and "that" in part else str(part) for part in value)
        value = "…" if verb == "parallel" else ", ".join(said_)
    if verb == "lamp":
        how = next((key for key in ("goes", "stays", "becomes") if key in raw), "")
        # a bare `off` is false to YAML
        said = raw.get(how)
        states = ["off" if each is False else str(each) for each in (said if isinstance(said, list) else [said])]
        value = f"of {raw.get('of')} on {value} {how} {', '.join(states)}"
    extras = "".join(f" {key} {raw[key]}" for key in ("exactly", "at_most") if key in raw)
    return f"{verb} {value}{extras}"


def _said(verb: str, value: dict[str, Any]) -> str:
    """What a step with conditions is about, in a few words."""
    phones = value.get("phone", value.get("from"))
    if phones is None:
        return ", ".join(str(part) for part in value.values() if isinstance(part, str | int))
    who = ", ".join(str(name) for name in phones) if isinstance(phones, list) else str(phones)
    if verb == "network":
        return f"of {who}: {value.get('does')} {value.get('what', '')}".rstrip()
    return f"{who} to {value['to']}" if verb in ("subscribe", "unsubscribe", "call") and "to" in value else who


def _check(scenario: Scenario, steps: tuple[StepAt, ...], document: Document) -> set[str]:
    """Names, clauses, templates and closability. Returns the template names in use."""
    known = catalogue()
    for index, name in enumerate(scenario.clauses):
        if name not in known:
            hint = did_you_mean(name, known) or "`ringproof list` shows all clauses"
            raise ScenarioError(f"unknown clause {name!r}", document.at(("clauses", index)), hint)
    for name, spec in scenario.phones.items():
        if spec.device_of is not None and (spec.device_of not in scenario.phones or spec.device_of == name):
            hint = did_you_mean(spec.device_of, scenario.phones)
            raise ScenarioError(f"unknown phone {spec.device_of!r}", document.at(("phones", name, "device_of")), hint)
        other = scenario.phones[spec.device_of] if spec.device_of is not None else spec
        if spec.device_of is not None and (other.device_of is not None or other.trunk is not None):
            raise ScenarioError(
                f"{spec.device_of!r} has no device of its own", document.at(("phones", name, "device_of"))
            )
    controlled: set[str] = set()
    watched: set[str] = set()
    saved: set[str] = set()
    uses = _check_phone_templates(scenario, document)
    for at in steps:
        _check_names(at, scenario, document)
        uses |= _check_templates(at, scenario, saved)
        if isinstance(at.step, Control):
            controlled |= set(at.step.control)
        if isinstance(at.step, Subscribe) and at.step.subscribe.outcome in (None, "active"):
            watched |= set(at.step.subscribe.phone)
        if isinstance(at.step, Request):
            saved |= at.step.save.keys()
            if at.step.token in TOKENS:
                uses.add(at.step.token)
        if isinstance(at.step, Lit) and (blind := [name for name in at.step.lamp if name not in watched]):
            hint = f"put `- subscribe: {{phone: {blind[0]}, to: …}}` before it"
            raise ScenarioError(f"{blind[0]} watches nobody here, so it has no lamp", at.position, hint)
        closing = closing_claim(at.step)
        if closing and "." in at.number:
            raise ScenarioError(
                "a count cannot stand inside `parallel`: it is closed after everything that it counts",
                at.position,
                "put it behind `parallel`",
            )
        for name in closing:
            if scenario.phones[name].trunk is not None:
                raise ScenarioError(f"no count about {name} can be closed: nothing can fence a trunk", at.position)
            if name not in controlled | watched:
                raise ScenarioError(
                    f"this count about {name} can never be closed: nothing has proved before that it can be reached",
                    at.position,
                    f"put `- control: {name}` after its registration",
                )
    return uses | {spec.account for spec in scenario.phones.values()}


def claim_ids(at: StepAt) -> dict[str, str]:
    """Phone to claim of a step that claims the same about several, or of one ('' stands for no particular phone)."""
    step = at.step
    names = step.lamp if isinstance(step, Lit) else step.laws if isinstance(step, Laws) else [""]
    return {name: at.number if len(names) == 1 else f"{at.number}:{name}" for name in names}


def _presentity_of(step: Step) -> str:
    """Whom a step watches or speaks of, as it is written; '' for other steps."""
    if isinstance(step, Subscribe):
        return step.subscribe.to
    if isinstance(step, Unsubscribe):
        return step.unsubscribe.to
    return step.of if isinstance(step, Lit) else step.lose.of if isinstance(step, Lose) else ""


def _check_personalities(scenario: Scenario, document: Document, path: Path) -> None:
    for name, spec in scenario.phones.items():
        try:
            personality_of(spec.personality, path)
        except UsageError as error:
            raise ScenarioError(error.message, document.at(("phones", name)), error.hint) from error


def _check_names(at: StepAt, scenario: Scenario, document: Document) -> None:
    for phone in phones_of(at.step):
        if phone not in scenario.phones:
            hint = did_you_mean(phone, scenario.phones) or f"known: {', '.join(scenario.phones) or 'none'}"
            raise ScenarioError(f"unknown phone {phone!r}", at.position, hint)
    watched = _presentity_of(at.step)
    if watched and "{{" not in watched and not watched.lower().startswith("sip:") and watched not in scenario.phones:
        hint = did_you_mean(watched, scenario.phones) or "a phone, or a sip: URI"
        raise ScenarioError(f"unknown phone {watched!r}", at.position, hint)
    for name in clauses_of(at.step):
        if name not in scenario.clauses:
            hint = did_you_mean(name, scenario.clauses)
            raise ScenarioError(f"clause {name!r} is not among the clauses of this scenario", at.position, hint)
    if isinstance(at.step, Register | Unregister | Move | Expire | Control | Create):
        for phone in phones_of(at.step):
            if scenario.phones[phone].trunk is not None:
                raise ScenarioError(f"{phone} is a trunk: it has no device to {at.step.VERB}", at.position)
    if isinstance(at.step, Lit) and at.step.becomes is None and at.step.of in at.step.lamp:
        raise ScenarioError(
            f"no fence can close the lamp of {at.step.of} on itself: it would light it", at.position, "say `becomes`"
        )
    for target in dialled_by(at.step):
        if re.fullmatch(r"[a-z][a-z0-9_]*", target) and target not in scenario.phones:
            hint = did_you_mean(target, scenario.phones) or "a phone, a number, or a sip: URI"
            raise ScenarioError(f"unknown phone {target!r}", at.position, hint)
    if isinstance(at.step, Request):
        method, _, path = at.step.request.partition(" ")
        if not method.isalpha() or not method.isupper() or not path.strip():
            raise ScenarioError(f"request {at.step.request!r}: METHOD PATH is wanted", at.position)


def _check_templates(at: StepAt, scenario: Scenario, saved: set[str]) -> set[str]:
    """Parse every template of the step and fill it in with sample values."""
    raw = at.step.model_dump(by_alias=True, exclude={"parallel"})
    samples = sample_variables(scenario)
    try:
        used = _known_names(raw, samples, at.position)
        for value in _leaves(raw):
            if "saved" not in templates.names(value):
                templates.fill(value, samples)
            elif unknown := sorted(set(_saved_names(value)) - saved):
                raise ScenarioError(
                    f"nothing has been saved as {unknown[0]!r} before", at.position, did_you_mean(unknown[0], saved)
                )
    except templates.TemplateProblem as error:
        raise ScenarioError(str(error), at.position) from error
    return used


def _check_phone_templates(scenario: Scenario, document: Document) -> set[str]:
    """The same for what phones are made from: they may use accounts, and phones that are made before them."""
    samples = sample_variables(scenario)
    ready = {name: value for name, value in samples.items() if name not in scenario.phones and name != "saved"}
    uses: set[str] = set()
    for name, spec in set_up_order(scenario.phones):
        position = document.at(("phones", name))
        raw = [spec.device, spec.password, spec.extension, spec.group]
        try:
            uses |= _known_names(raw, ready, position)
            templates.fill(raw, ready)
        except templates.TemplateProblem as error:
            raise ScenarioError(str(error), position) from error
        ready[name] = samples[name]
    return uses


def _known_names(raw: Any, known: Mapping[str, Any], position: Position) -> set[str]:
    """The names that templates in `raw` use. Raises ScenarioError for one that is not `known`."""
    used = templates.names(raw)
    for name in sorted(used):
        if name not in known:
            raise ScenarioError(f"unknown name {name!r} in a template", position, did_you_mean(name, known))
    return used


def _saved_names(text: str) -> list[str]:

    return re.findall(r"\bsaved\.(\w+)", text)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif templates.is_template(value):
        yield value


PHONE_PARTS = (
    "url",
    "id",
    "username",
    "password",
    "realm",
    "aor",
    "contact",
    "address",
    "document",
    "presence",
    "extension",
)
USER_PARTS = ("username", "password", "account_name", "credentials")
ACCOUNTS = {"account": "own", "other_account": "other", "parent_account": "parent", "child_account": "child"}
"""Template names of accounts, and what steps and phones call them."""
ACCOUNT_PARTS = ("url", "id", "realm")


def sample_variables(scenario: Scenario) -> dict[str, Any]:
    """Made-up values for every name that templates may use, to find mistakes before anything runs."""
    word = "0" * 32
    sip = {"username": "user", "password": "password"}
    document = templates.Unknown({"id": word, "name": "sample", "enabled": True, "sip": templates.Unknown(sip)})
    phone: dict[str, Any] = dict.fromkeys(PHONE_PARTS, word) | {"document": document}
    account = dict.fromkeys(ACCOUNT_PARTS, word)
    variables: dict[str, Any] = {name: templates.Namespace(name, phone) for name in scenario.phones}
    variables |= {name: templates.Namespace(name, account) for name in ACCOUNTS}
    variables["user"] = templates.Namespace("user", dict.fromkeys(USER_PARTS, word))
    return variables | {"api": "v2", "over": "http", "transport": "udp", "run": "run", "request_id": word, "saved": {}}


def select(cases: list[Case], selectors: Iterable[str]) -> list[Case]:
    """The cases that any of `selectors` names: a clause, a prefix, a chapter, a case address, a glob.

    Raises UsageError for a selector that matches nothing.
    """
    wanted: dict[str, Case] = {}
    selectors = list(selectors)
    if not selectors:
        return cases
    for selector in selectors:
        found = [case for case in cases if _matches(case, selector)]
        if not found:
            names = {case.address.partition("[")[0] for case in cases} | catalogue().keys()
            names |= {case.address.partition("/")[0] for case in cases}
            hint = did_you_mean(selector, sorted(names)) or "`ringproof list` shows chapters, scenarios and clauses"
            raise UsageError(f"nothing is selected by {selector!r}", hint)
        wanted |= {case.address: case for case in found}
    return [case for case in cases if case.address in wanted]


def _matches(case: Case, selector: str) -> bool:
    base = case.address.partition("[")[0]
    chapter, _, name = base.partition("/")
    if selector in (case.address, base, chapter, name, *case.scenario.clauses):
        return True
    if any(is_clause_or_prefix(selector, clause) for clause in case.scenario.clauses):
        return True
    escaped = selector.replace("[", "[[]")
    return any(fnmatch.fnmatchcase(text, escaped) for text in (case.address, base, *case.scenario.clauses))


def selector_of(case: Case) -> list[str]:
    """What `ringproof run` has to be told for this case alone: its file unless it is shipped, and its address."""
    return [case.address] if SCENARIOS in case.file.parents else [shown(case.file), case.address]


def is_clause_or_prefix(selector: str, clause: str) -> bool:
    """Whether `selector` is the clause itself or its prefix, SYNC of SYNC-02."""
    return selector in (clause, chapter_of(clause), f"{chapter_of(clause)}-")


def shipped() -> list[Path]:
    """The scenario files that come with ringproof."""
    return scenario_files([SCENARIOS])
