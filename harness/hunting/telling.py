"""A history as a scenario file that a person would have written: names, what happened, and the law that it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.hunting.events import GROUP, GROUP_NUMBER, NEGLECTED_S, STAFF, TEAM, WAYS, OfficeEvent
from harness.hunting.laws import CSEQ_RISES, RESET_HELPS, VERSION_RISES, Breach

_LONG_WAIT_S = 10.0
"""Above, a run on sockets leaves a case out unless it is told otherwise."""

_RULES = {
    "LAW-01": "Once things have settled, every lamp shows the truth.",
    "LAW-02": "A presence reset brings every watcher's lamp to the truth.",
    "LAW-03": "The version of a watcher's documents only rises.",
    "LAW-04": "The CSeq of a watcher's NOTIFYs only rises.",
    "LAW-05": "A subscription that is over is silent.",
    "LAW-06": "Nobody is sent what belongs to somebody else, or to where he was before.",
    "LAW-07": "There are no more NOTIFYs than changes.",
    "LAW-08": "No lamp shows a call that there never was.",
}


@dataclass(frozen=True, slots=True)
class Tale:
    """What a scenario file is made of. `sound_notifies` is how many NOTIFYs the watcher gets behind the last event of a
    sound server; `found` is the line that found it.
    """

    breach: Breach
    events: Sequence[OfficeEvent]
    found: str
    shrunk_from: int
    sound_notifies: int = 0
    slowly: bool = False
    """Let a moment pass behind each event, as it did when it was found."""


@dataclass(frozen=True, slots=True)
class Lit:
    """What a lamp of a watcher has to show once things have settled."""

    watcher: str
    presentity: str
    truth: str


def day_text(events: Sequence[OfficeEvent], lit: Sequence[Lit], found: str) -> str:
    """A scenario that lives a history and then claims every law that can be seen from outside."""
    return _Day(events, lit, found).text()


def scenario_text(tale: Tale) -> str:
    """The scenario file."""
    return _Finding(tale).text()


class _Teller:
    """Tells what happens, step by step. `lit` are watcher and presentity of the lamps that will be looked at."""

    def __init__(
        self, events: Sequence[OfficeEvent], lit: Sequence[tuple[str, str]], *, counted: bool, slowly: bool = False
    ) -> None:
        self._events = list(events)
        self._watchers = sorted({watcher for watcher, _ in lit})
        self._watched = {_user(presentity).removesuffix("-again") for _, presentity in lit}
        self._counted = counted
        self._slowly = slowly
        self._presence: dict[str, str] = {}
        self._renamed: set[str] = set()
        self._lines: list[str] = []
        self._last = max((n for n, each in enumerate(self._events) if each.do != "wait"), default=0)

    def _file(self, head: Sequence[str], clauses: Sequence[str], claims: Sequence[str]) -> str:
        people = self._people()
        waits = sum(event.seconds for event in self._events if event.do == "wait")
        restarts = any(event.do == "restart" for event in self._events)
        lines = [
            *head,
            f"clauses: [{', '.join(clauses)}]",
            *([f"takes: {waits:g}s"] if waits > _LONG_WAIT_S else []),
            *(["isolation: server"] if restarts else []),
            *(["needs: [set presence]"] if any(event.do == "set" for event in self._events) else []),
            "phones:",
            *(self._phone(name) for name in people),
            "steps:",
            f"  - register: {_listed(people)}",
            # what a registrar sends unasked is not what the network shall treat
            *(["  - wait: 500ms"] if any(event.do == "network" for event in self._events) else []),
            *self._lines,
            *claims,
        ]
        return "\n".join(lines) + "\n"

    def _live(self) -> None:
        for number, event in enumerate(self._events):
            self._happen(number, event)

    # who

    def _people(self) -> list[str]:
        named = {name for event in self._events for name in (event.who, event.whom)}
        if GROUP in named:
            named |= set(TEAM)
        named |= {*self._watchers, *self._watched}
        return [name for name in STAFF if name in named]

    def _phone(self, name: str) -> str:
        parts = [f"device: {{name: {name.capitalize()}}}"]
        if any(event.do == "call" for event in self._events):
            parts.append("on_call: ring")
        if name in TEAM and any(event.whom == GROUP for event in self._events):
            parts.append(f'group: "{GROUP_NUMBER}"')
        return f"  {name}: {{{', '.join(parts)}}}"

    def _uri(self, presentity: str) -> str:
        """How a presentity is written: the name of a phone where that is it by now."""
        user = _user(presentity)
        for name in STAFF:
            if user == (self._presence.get(name) or ("" if name in self._renamed else name)):
                return name
            if user == f"{name}-again":
                return f'"sip:{{{{ {name}.username }}}}again@{{{{ {name}.realm }}}}"'
        if user in STAFF:
            return f'"{{{{ {user}.aor }}}}"'
        anybody = self._people()[0]
        return f'"sip:{user}@{{{{ {anybody}.realm }}}}"'

    # what happens

    def _happen(self, number: int, event: OfficeEvent) -> None:
        if number == self._last and self._counted:
            self._lines += ["  - wait: 500ms", "  - mark: from here on it counts"]
        getattr(self, f"_tell_{event.do}", self._tell)(event)
        following = self._events[number + 1] if number + 1 < len(self._events) else None
        if following is not None and following.do == "wait":
            return
        if event.do == "reset" and following is not None:
            # what the reply promises takes a moment
            self._lines.append("  - wait: 2s")
        elif event.do == "call" and (following is None or following.do not in ("answer", "reject")):
            self._lines.append("  - wait: 500ms")
        elif self._slowly and event.do != "wait":
            self._lines.append("  - wait: 200ms")

    def _tell(self, event: OfficeEvent) -> None:
        self._lines.append(f"  - {event.do}: {event.who}")

    def _tell_wait(self, event: OfficeEvent) -> None:
        self._lines.append(f"  - wait: {event.seconds:g}s")

    def _tell_reboot(self, event: OfficeEvent) -> None:
        self._lines += [f"  - forget: {event.who}", f"  - register: {event.who}"]

    def _tell_subscribe(self, event: OfficeEvent) -> None:
        renamed = event.whom in self._renamed and event.whom not in self._presence
        whom = self._uri(f"sip:{event.whom}-again@") if renamed else event.whom
        self._lines.append(f"  - {event.do}: {{phone: {event.who}, to: {whom}}}")

    _tell_unsubscribe = _tell_subscribe

    def _tell_neglect(self, event: OfficeEvent) -> None:
        self._tell_subscribe(replace(event, do="subscribe"))
        self._lines[-1] = f"{self._lines[-1].removesuffix('}')}, expires: {NEGLECTED_S}, refresh: false}}"

    def _tell_refresh(self, event: OfficeEvent) -> None:
        self._tell_subscribe(replace(event, do="subscribe"))

    def _tell_call(self, event: OfficeEvent) -> None:
        if event.whom == GROUP:
            self._lines.append(f'  - call: {{from: {event.who}, to: "{GROUP_NUMBER}"}}')
        else:
            self._lines.append(f"  - call: {event.who} to {event.whom}")

    def _tell_network(self, event: OfficeEvent) -> None:
        method, way = WAYS[event.what]
        out = ", way: out" if way == "out" else ", event: dialog" if method == "NOTIFY" else ""
        held = "" if event.how == "lose" else ", seconds: 2s"
        self._lines.append(f"  - network: {{phone: {event.who}, does: {event.how}, what: {method}{out}{held}}}")

    def _tell_away(self, event: OfficeEvent) -> None:
        self._lines.append(f"  - network: {{phone: {event.who}, does: {event.do}}}")

    _tell_back = _tell_mend = _tell_away

    def _tell_set(self, event: OfficeEvent) -> None:
        self._lines += [
            f"  - request: POST {{{{ {event.who}.url }}}}/presence",
            f"    data: {{action: set, state: {event.how or 'terminated'}}}",
            "    reply: {status: [200, 202]}",
        ]

    def _tell_restart(self, event: OfficeEvent) -> None:
        self._lines.append("  - restart: server")

    def _update(self, who: str, change: str) -> None:
        self._lines += [
            f"  - request: POST {{{{ {who}.url }}}}",
            f'    data: "{{{{ {who}.document | {change} }}}}"',
            "    reply: {status: [200, 202]}",
        ]

    def _tell_presence_id(self, event: OfficeEvent) -> None:
        if event.how:
            self._presence[event.who] = event.how
            self._update(event.who, f"merge(presence_id='{event.how}')")
        else:
            self._presence.pop(event.who, None)
            self._update(event.who, "without('presence_id')")

    def _tell_username(self, event: OfficeEvent) -> None:
        self._renamed.add(event.who)
        self._update(event.who, f"merge(sip={{'username': {event.who}.username ~ 'again'}})")

    def _tell_password(self, event: OfficeEvent) -> None:
        self._update(event.who, "merge(sip={'password': 'another-secret'})")

    def _tell_disable(self, event: OfficeEvent) -> None:
        self._update(event.who, "merge(enabled=false)")

    def _tell_enable(self, event: OfficeEvent) -> None:
        self._update(event.who, "merge(enabled=true)")

    def _tell_delete(self, event: OfficeEvent) -> None:
        self._lines += [f"  - request: DELETE {{{{ {event.who}.url }}}}", "    reply: {status: [200, 202]}"]

    def _passed(self) -> float:
        """How long nothing has been done when the claim is made: it counts from what was done last."""
        return sum(event.seconds for event in self._events[self._last + 1 :])


class _Finding(_Teller):
    """A finding: the shortest history, and the one law that it breaks."""

    def __init__(self, tale: Tale) -> None:
        counted = tale.breach.proof in ("count", "call", "told", "entity")
        lit = [(tale.breach.watcher, tale.breach.presentity)]
        super().__init__(tale.events, lit, counted=counted, slowly=tale.slowly)
        self._tale = tale

    def text(self) -> str:
        self._live()
        breach = self._tale.breach
        rule = _RULES[breach.law]
        head = [
            f"# Found by `{self._tale.found}`: {self._tale.shrunk_from} events, of which these were left.",
            f"title: {self._title()}",
            "why: >-",
            f"  {rule} The server on which this was found did not keep to that: {breach.why}.",
        ]
        return self._file(head, [breach.law], [f"  # {rule}", *self._claim()])

    def _title(self) -> str:
        breach, told = self._tale.breach, [each for each in self._events if each.do not in ("wait", "subscribe")]
        behind = f" after {told[-1]}" if told else ""
        owner = self._owner()
        if breach.law in (VERSION_RISES, CSEQ_RISES):
            return f"What {breach.watcher} is sent about {owner} keeps its order{behind}"
        if breach.truth:
            return f"The lamp of {owner} on the phone of {breach.watcher} is {breach.truth}{behind}"
        return f"{breach.watcher.capitalize()} is told about {owner} what there is to tell, and no more{behind}"

    def _owner(self) -> str:
        user = _user(self._tale.breach.presentity)
        owners = [name for name in STAFF if user in (name, f"{name}-again") or self._presence.get(name) == user]
        return owners[0] if owners else user

    def _claim(self) -> list[str]:
        breach, watcher = self._tale.breach, self._tale.breach.watcher
        within = f"    within: {2 if breach.law == RESET_HELPS else self._passed() + 5:g}s"
        notify = [f"  - expect: {watcher} receives NOTIFY", "    where: {Event: {starts: dialog}}"]
        match breach.proof:
            case "order":
                # to prove that no more comes it has to be reached
                again = any(event.do == "restart" for event in self._events)
                return [*([f"  - register: {watcher}"] if again else []), f"  - laws: {watcher}"]
            case "lamp":
                settles = [] if breach.law == RESET_HELPS or self._passed() else ["  - wait: 3s"]
                of = self._uri(breach.presentity)
                return [*settles, f"  - lamp: {watcher}", f"    of: {of}", f"    becomes: {breach.truth}", within]
            case "call":
                return [f"  - never: {watcher} receives INVITE"]
            case "entity":
                about = f"'entity=\"{{{{ {self._owner()}.presence }}}}\"'"
                return [notify[0], f"    where: {{Event: {{starts: dialog}}, body: {{contains: {about}}}}}"]
            case "told":
                return [*notify, within]
        if self._tale.sound_notifies == 0:
            return [f"  - never: {watcher} receives NOTIFY", notify[1]]
        return [*notify, f"    exactly: {self._tale.sound_notifies}", within]


class _Day(_Teller):
    """A whole history, and every law behind it."""

    def __init__(self, events: Sequence[OfficeEvent], lit: Sequence[Lit], found: str) -> None:
        super().__init__(events, [(each.watcher, each.presentity) for each in lit], counted=False)
        self._lit = lit
        self._found = found

    def text(self) -> str:
        self._live()
        head = [f"# A history of `{self._found}`.", "title: Whatever happens in an office, its lamps show the truth"]
        claims = []
        for each in self._lit:
            claims += [f"  - lamp: {each.watcher}", f"    of: {self._uri(each.presentity)}"]
            claims += [f"    becomes: {each.truth}", f"    within: {self._passed() + 5:g}s", "    clauses: [LAW-01]"]
        if self._watchers:
            claims += [f"  - laws: {_listed(self._watchers)}", "    clauses: [LAW-03, LAW-04, LAW-05]"]
        return self._file(head, ["LAW-01", "LAW-03", "LAW-04", "LAW-05"], claims)


def _user(presentity: str) -> str:
    return presentity.partition(":")[2].partition("@")[0]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"
