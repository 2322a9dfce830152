"""The one judge. It reads the events of a Record in order, live or from disk, and says what they prove.

Nothing else decides: the engine asks the same object only when it may go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.call_claims import HearClaim, OrderClaim, StateClaim
from harness.claims import Claim, RegistrationClaim, ReplyClaim, State, WindowClaim, WireClaim
from harness.evidence import is_call_from, is_check_sync
from harness.history import Arrival, PhoneHistory, read_message, traced
from harness.lamp_claims import LampClaim, LawClaim, SubscriptionClaim
from harness.lamps import presentity_key
from harness.starvation import Starvation
from harness.verdicts import CaseVerdict, ClauseVerdict, Verdict, worst
from phones.sip.index import Message
from reports.record import WITH_BYTES, Event, Record, met_phone

_ENDS_ALONE = frozenset({"unanswered", "cancelled", "forgotten", "moved"})
"""Why a call may end without a message."""

_OF_STATE = {State.MET: Verdict.PASS, State.BROKEN: Verdict.FAIL, State.UNPROVED: Verdict.INCONCLUSIVE}


class CaseJudge:
    """Judges one case from its events."""

    def __init__(self, event: Event) -> None:
        self.address: str = event["case"]
        self._start = event
        self._phones: dict[str, PhoneHistory] = {}
        self._claims: dict[str, Claim] = {}
        self._stimulus_t = float(event["t"])
        self._acted: int = event["n"]
        self._began: int = event["n"]
        self._end: Event | None = None
        self._lost = False
        self._failures: list[Event] = []
        self._exchanges: list[Event] = []
        self._trace: list[str] = []
        self._first_n = self._last_n = int(event["n"])
        self._messages: set[int] = set()
        self._damage = ""
        self._mark = -1
        self._story: list[tuple[Event, bytes]] = []
        self._last_t = float(event["t"])
        self._starvation = Starvation(self._last_t)
        self._lamp_floors: dict[tuple[str, str, str], int] = {}
        self._fence_floors: dict[str, int] = {}

    def feed(self, event: Event, data: bytes) -> None:
        """Take the next event of this case; `data` are the bytes of a message.

        Nothing behind a message whose bytes are lost is taken: who knows what it was.
        """
        self._last_n = event["n"]
        self._last_t = float(event["t"])
        if event["kind"] in WITH_BYTES:
            self._messages.add(event["n"])
        self._lost = self._lost or len(data) < event.get("size", 0)
        if self._lost or (self._end is not None and event["kind"] not in ("request", "reply")):
            # what comes behind the end is clearing up
            return
        if event["kind"] in ("phone", "call", "subscription", "message"):
            self._story.append((event, data))
        take = getattr(self, f"_on_{event['kind']}", None)
        if take is not None:
            take(event, data)

    def claim(self, claim_id: str) -> Claim:
        """A claim that has been opened."""
        return self._claims[claim_id]

    def arrived(self, phone: str, after: int, wanted: Callable[[Message], bool]) -> Arrival | None:
        """The first message behind record number `after` that is `wanted` and was taken by `phone` where it is."""
        for arrival in self._phone(phone).arrivals:
            if arrival.n > after and _reached(arrival) and arrival.message and wanted(arrival.message):
                return arrival
        return None

    def control_latency(self, phone: str) -> float:
        """Seconds that the slowest control of `phone` took, 0 when none arrived."""
        return max((c["latency"] for c in self._phone(phone).controls if c["state"] == "arrived"), default=0.0)

    def was(self, phone: str, state: str) -> bool:
        """Whether `phone` is calling, ringing or talking, or has been since the last step that acts began."""
        history = self._phone(phone)
        return history.call_state()[0] == state or history.was(state, self._began) is not None

    def phone_state(self, phone: str) -> str:
        """What `phone` does: calling, ringing, talking or idle."""
        return self._phone(phone).call_state()[0]

    def lights(self, phone: str, watcher: str) -> bool:
        """Whether a call to `phone` may show on a lamp of `watcher`."""
        presentity = self._phone(phone).presentity
        return any(each.presentity == presentity for each in self._phone(watcher).lamps.subscriptions)

    def _phone(self, name: str) -> PhoneHistory:
        return self._phones.setdefault(name, PhoneHistory(acted=self._acted))

    def _begin(self, event: Event) -> None:
        """Something acts from here on; what runs side by side begins together."""
        if "." not in str(event.get("step", "")):
            self._began = event["n"]

    def _act(self, event: Event) -> None:
        self._acted = event["n"]
        for phone in self._phones.values():
            phone.acted = event["n"]

    def _on_phone(self, event: Event, _: bytes) -> None:
        phone = self._phone(event["phone"])
        phone.contact = event["contact"]
        phone.presentity = presentity_key(event["presentity"])
        phone.tone = event["tone"]

    def _on_message(self, event: Event, data: bytes) -> None:
        if event["seen"] == "foreign":
            return
        phone = self._phone(event["phone"])
        arrival = Arrival(event, read_message(data))
        if not met_phone(event):
            if event["direction"] == "in":
                phone.kept.append(arrival)
                if arrival.message is not None:
                    phone.lamps.kept(arrival.message)
            return
        if arrival.message is not None:
            phone.messages[event["n"]] = arrival.message
        if event["direction"] == "out":
            phone.sent.append(arrival)
            if arrival.message is not None and event["seen"] == "new":
                self._sent(phone, arrival, arrival.message)
        else:
            self._arrived(phone, arrival)
        for claim in self._claims.values():
            if isinstance(claim, OrderClaim):
                claim.look()

    def _sent(self, phone: PhoneHistory, arrival: Arrival, message: Message) -> None:
        phone.lamps.sent(arrival.event, message)
        if message.method not in ("SUBSCRIBE", "NOTIFY"):
            return
        name = arrival.event["phone"]
        for claim in self._claims.values():
            if isinstance(claim, LampClaim | LawClaim) and claim.spec["phone"] == name:
                claim.look()
            elif isinstance(claim, SubscriptionClaim):
                claim.notified(name, phone)

    def _arrived(self, phone: PhoneHistory, arrival: Arrival) -> None:
        event, name = arrival.event, arrival.event["phone"]
        phone.arrivals.append(arrival)
        if arrival.message is not None and len(self._trace) < 20:
            call_id = arrival.message.call_id
            if call_id not in self._trace:
                self._trace.append(call_id)
        if arrival.message is not None and arrival.message.is_request and _reached(arrival):
            phone.lamps.received(event, arrival.message)
        for claim in self._claims.values():
            if isinstance(claim, WireClaim) and claim.spec["phone"] == name:
                claim.arrival(arrival)

    def _on_media(self, event: Event, data: bytes) -> None:
        if event["direction"] == "out":
            self._phone(event["phone"]).speaks_from.add(event["local"])
        for claim in self._claims.values():
            if isinstance(claim, HearClaim) and claim.spec["phone"] == event["phone"]:
                claim.media(event, data)

    def _on_call(self, event: Event, _: bytes) -> None:
        phone = self._phone(event["phone"])
        # a state rests on a message of its call; an end may come from time, or from a loss of power or address
        if not phone.bears(event) and (event["state"] != "ended" or event["reason"] not in _ENDS_ALONE):
            return
        phone.calls.setdefault(event["call_id"], []).append(event)
        for claim in self._claims.values():
            if isinstance(claim, StateClaim) and claim.spec["phone"] == event["phone"]:
                claim.look()

    def _on_subscription(self, event: Event, _: bytes) -> None:
        phone = self._phone(event["phone"])
        if event["status"] and not self._answered(phone, event):
            return
        phone.lamps.ended(event)
        for claim in self._claims.values():
            if isinstance(claim, SubscriptionClaim):
                claim.subscription(event, phone)
            elif isinstance(claim, LampClaim) and claim.spec["phone"] == event["phone"]:
                claim.look()

    def _answered(self, phone: PhoneHistory, event: Event) -> bool:
        """Whether the response that a `subscription` event rests on is in the Record."""
        message = phone.messages.get(event["message"])
        return phone.bears(event) and message is not None and message.status == event["status"]

    def _on_registration(self, event: Event, _: bytes) -> None:
        if event["status"] and not self._delivered(self._phone(event["phone"]), event):
            return
        self._phone(event["phone"]).contact = event["contact"]
        for claim in self._claims.values():
            if isinstance(claim, RegistrationClaim):
                claim.registration(event)

    def _on_step(self, event: Event, _: bytes) -> None:
        if event["phase"] == "start" and event["stimulus"]:
            self._seal()
            self._begin(event)
        elif event["phase"] == "end" and not event["stimulus"]:
            # what is claimed behind a wait is about what is behind it
            self._begin(event)
        claim = self._claims.get(event["step"])
        if event["phase"] == "end" and isinstance(claim, RegistrationClaim | SubscriptionClaim):
            claim.step_ended()
        if event["phase"] == "end" and event["stimulus"]:
            self._stimulus_t = event["t"]
            self._act(event)

    def _on_request(self, event: Event, _: bytes) -> None:
        if event["role"] == "stimulus":
            self._seal()
            self._begin(event)
            self._stimulus_t = event["t"]
            self._act(event)

    def _on_reply(self, event: Event, _: bytes) -> None:
        if event["role"] != "stimulus":
            if event.get("error"):
                self._failures.append(event)
            return
        self._stimulus_t = event["t"]
        self._act(event)
        self._exchanges.append(event)
        if event.get("error"):
            self._failures.append(event)
        for claim in self._claims.values():
            if isinstance(claim, ReplyClaim):
                claim.reply(event)

    def _on_claim(self, event: Event, _: bytes) -> None:
        self._claims[event["claim"]] = self._made(event)

    def _made(self, event: Event) -> Claim:
        kind, spec, since = event["type"], event["spec"], self._stimulus_t
        if kind == "reply":
            return ReplyClaim(event)
        if kind == "registration":
            return RegistrationClaim(event)
        if kind == "subscription":
            return SubscriptionClaim(event)
        if kind == "order":
            return OrderClaim(event, self._phones, since, self._mark)
        phone = self._phone(spec["phone"])
        if kind == "state":
            return StateClaim(event, phone, since, self._began)
        if kind == "hear":
            self._phone(spec["other"])
            return HearClaim(event, self._phones, since)
        if kind == "lamp":
            floors = (self._lamp_floors.get(_lamp_of(spec), -1), self._fence_floors.get(spec["presentity"], -1))
            return LampClaim(event, phone, since, max(*floors, self._mark), self._began)
        if kind == "laws":
            return LawClaim(event, phone)
        return WireClaim(event, phone, since, self._phones)

    def _on_expired(self, event: Event, _: bytes) -> None:
        self._claims[event["claim"]].expired(event)

    def _on_closed(self, event: Event, _: bytes) -> None:
        claim = self._claims[event["claim"]]
        claim.closed(event)
        if isinstance(claim, LampClaim):
            self._lamp_floors[_lamp_of(claim.spec)] = event["n"]
        # its fence was a call to the listener, which others may have seen
        self._fence_floors[self._phone(claim.listener).presentity] = event["n"]

    def _on_control(self, event: Event, _: bytes) -> None:
        self._seal()
        phone = self._phone(event["phone"])
        if event["state"] == "arrived" and not self._delivered(phone, event):
            return
        phone.controls.append(event)
        phone.window = max(phone.window, event["n"])

    def _on_fence(self, event: Event, _: bytes) -> None:
        phone = self._phone(event["phone"])
        if event["state"] == "arrived" and not self._delivered(phone, event):
            return
        phone.fences.append(event)
        if event["state"] == "started":
            # a call of our own: what has been closed before does not stand for what it brings
            self._seal()
            for claim in self._claims.values():
                if isinstance(claim, LampClaim):
                    claim.fenced(phone, event["phone"])

    def _delivered(self, phone: PhoneHistory, event: Event) -> bool:
        """Whether the message that a control, fence or registration rests on is in the Record, and is such a one."""
        arrival = next((arrival for arrival in phone.arrivals if arrival.n == event["message"]), None)
        message = arrival.message if arrival else None
        if arrival is None or message is None:
            return False
        if event["kind"] != "registration" and not _reached(arrival):
            return False
        if event["kind"] == "control" and event["of"]:
            return message.is_request and message.method == "NOTIFY" and message.call_id == event["token"]
        if event["kind"] == "control":
            return is_check_sync(message)
        if event["kind"] == "fence":
            return is_call_from(message, event["token"])
        return not message.is_request and message.method == "REGISTER" and message.status == event["status"]

    def _on_mark(self, event: Event, _: bytes) -> None:
        self._seal()
        self._mark = event["n"]
        for phone in self._phones.values():
            phone.window = max(phone.window, event["n"])

    def _on_lag(self, event: Event, _: bytes) -> None:
        self._starvation.add(event["seconds"])
        for claim in self._claims.values():
            if claim.state is State.OPEN:
                claim.deadline += event["seconds"]

    def _on_end(self, event: Event, _: bytes) -> None:
        self._end = event

    def _seal(self) -> None:
        for claim in self._claims.values():
            if isinstance(claim, WindowClaim):
                claim.seal()

    def doubt(self, record: Record) -> None:
        """Hold against this case what is missing of its part of the Record: damage must never become a verdict."""
        for first, last in record.missing:
            if self._first_n < first and min(first, last) <= self._last_n:
                self._damage = f"events {first} to {last} of the Record are missing"
        altered = [n for n in record.altered if n in self._messages]
        if altered:
            self._damage = f"the bytes of {len(altered)} of its messages are missing or altered"

    # what it all amounts to

    def verdict(self) -> CaseVerdict:
        """The judgement on everything fed so far."""
        clauses = tuple(self._clause(clause) for clause in self._start["clauses"])
        if self._damage:
            clauses = tuple(ClauseVerdict(each.clause, Verdict.INCONCLUSIVE, self._damage) for each in clauses)
        overall = worst(each.verdict for each in clauses)
        error = self._end["error"] if self._end else None
        if error and error["kind"] == "harness":
            overall = Verdict.ERROR
        elif error and error["kind"] in ("skipped", "unsupported") and overall is not Verdict.FAIL:
            overall = Verdict(error["kind"])
            clauses = tuple(ClauseVerdict(each.clause, overall, error["message"]) for each in clauses)
        decisive = self._decisive(overall)
        fallen = [each for each in clauses if each.verdict is overall] or list(clauses)
        if decisive is not None:
            # rule, expected, actual and why speak of one and the same thing
            fallen.sort(key=lambda each: each.clause not in decisive.clauses)
        reason = self._judged(decisive)[1] if decisive is not None else fallen[0].reason if fallen else ""
        reason = self._damage or reason
        if overall in (Verdict.ERROR, Verdict.SKIPPED, Verdict.UNSUPPORTED) and error:
            reason = error["message"]
        statements = {clause["id"]: clause["statement"] for clause in self._start["clauses"]}
        good = overall in (Verdict.PASS, Verdict.UNCLEAR)
        met = [n for claim in self._claims.values() for n in claim.decisive]
        return CaseVerdict(
            address=self.address,
            verdict=overall,
            reason="" if overall is Verdict.PASS else reason,
            rule=statements[fallen[0].clause] if fallen else "",
            expected=decisive.expected if decisive else "",
            actual=decisive.actual if decisive else "",
            why=reason,
            picture=self._picture(decisive) if isinstance(decisive, LampClaim) else "",
            clauses=clauses,
            decisive=tuple(sorted(set(met))) if good else tuple(decisive.decisive if decisive else ()),
            closed_by=tuple(claim.closing for claim in self._claims.values() if claim.closing),
            duration_s=round(self._end["t"] - self._start["t"], 6) if self._end else 0.0,
            file=self._start["file"],
            matrix=self._start["matrix"],
            encrypted=self._start["encrypted"],
            claims={claim.id: claim.state.value for claim in self._claims.values()},
            trace=traced(self._trace, self._phones, decisive.decisive if decisive else (), self._called(decisive)),
            label=self._start["label"],
            step=decisive.step if decisive else "",
            line=decisive.line if decisive else None,
        )

    def _picture(self, claim: LampClaim) -> str:
        """The lamp over time under the truth over time, in seconds since the watcher began to watch."""
        from reports.lamps import strip, tracks_of  # only failures need it

        spec = claim.spec
        tracks = tracks_of(
            self._story, spec["presentity"], spec["phone"], package=spec["event"], truth_of=spec["truth"]
        )
        watched = [event["t"] for event, _ in self._story if event["kind"] == "subscription"]
        start = min(watched, default=float(self._start["t"]))
        return strip([track.since(start) for track in tracks], 0.0, self._last_t - start)

    def _called(self, decisive: Claim | None) -> str:
        """The Call-ID of the newest call, where a lamp or nothing decided."""
        if not (decisive is None or isinstance(decisive, LampClaim)):
            return ""
        calls = [event for event, _ in self._story if event["kind"] == "call"]
        # there are two legs: of who called, where that was a phone of ours
        ours = [event for event in calls if event["way"] == "out"]
        return str((ours or calls)[-1]["call_id"]) if calls else ""

    def _decisive(self, overall: Verdict) -> Claim | None:
        if overall not in (Verdict.FAIL, Verdict.NON_STRICT, Verdict.INCONCLUSIVE):
            return None
        red = overall is not Verdict.INCONCLUSIVE
        fallen = [claim for claim in self._claims.values() if claim.state in (State.BROKEN, State.UNPROVED)]
        fitting = [claim for claim in fallen if (self._judged(claim)[0] is Verdict.FAIL) is red]
        fitting.sort(key=lambda claim: claim.state is State.BROKEN and not red)
        return fitting[0] if fitting else None

    def _judged(self, claim: Claim) -> tuple[Verdict, str]:
        """What a decided claim says. What did not come to pass in time says nothing where there was no time."""
        if claim.state is State.BROKEN and not claim.too_much and (starved := self._starved()):
            return Verdict.INCONCLUSIVE, claim.why + starved
        return _OF_STATE[claim.state], claim.why if claim.state is not State.MET else ""

    def _clause(self, clause: dict[str, Any]) -> ClauseVerdict:
        name = clause["id"]
        if clause["encrypted"]:
            return self._encryption(name)
        verdict, reason = self._claimed(name)
        if verdict is Verdict.PASS and clause["unclear"]:
            return ClauseVerdict(name, Verdict.UNCLEAR, clause["unclear"])
        if verdict is Verdict.FAIL and clause["standing"] == "broken":
            return ClauseVerdict(name, Verdict.KNOWN, f"{clause['known']} ({reason})")
        if verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE) and clause["standing"] == "absent":
            return ClauseVerdict(name, Verdict.UNSUPPORTED, f"this release has no such thing ({reason})")
        if verdict is Verdict.FAIL and clause["level"] == "SHOULD":
            return ClauseVerdict(name, Verdict.NON_STRICT, reason)
        return ClauseVerdict(name, verdict, reason)

    def _plan(self) -> list[dict[str, Any]]:
        """The claims that were announced; of a test that announces none those that it made."""
        if self._start["plan"] is not None:
            return list(self._start["plan"])
        return [
            {"claim": claim.id, "step": claim.step, "text": claim.text, "clauses": claim.clauses}
            for claim in self._claims.values()
        ]

    def _claimed(self, clause: str) -> tuple[Verdict, str]:
        """What the claims of the plan say about one clause: all of them have to be there."""
        found: list[tuple[Verdict, str]] = []
        plan = self._plan()
        for planned in plan:
            claim = self._claims.get(planned["claim"])
            precondition = not planned["clauses"]
            if not precondition and clause not in planned["clauses"]:
                continue
            if claim is None:
                found.append(
                    (Verdict.INCONCLUSIVE, f"{self._stopped()} before step {planned['step']}: {planned['text']}")
                )
            elif claim.state is State.OPEN:
                found.append(
                    (Verdict.INCONCLUSIVE, f"{self._stopped()} while step {claim.step} was open: {claim.text}")
                )
            elif claim.state is State.MET and (refused := self._refused_before(claim, clause)):
                found.append(refused)
            elif precondition and claim.state is State.BROKEN:
                why = f"step {claim.step} ({claim.text}) did not succeed: {claim.why}{self._starved()}"
                found.append((Verdict.INCONCLUSIVE, why))
            else:
                found.append(self._judged(claim))
        found += self._dead_base()
        if self._end is None or (self._end["error"] and not any(verdict is Verdict.FAIL for verdict, _ in found)):
            found.append((Verdict.INCONCLUSIVE, self._stopped()))
        proved = [each for each in found if each[0] is not Verdict.PASS or each[1]]
        if not any(planned["clauses"] and clause in planned["clauses"] for planned in plan):
            return Verdict.INCONCLUSIVE, "no step of this case claims anything about it"
        overall = worst(verdict for verdict, _ in found)
        return overall, next((reason for verdict, reason in proved if verdict is overall), "")

    def _refused_before(self, claim: Claim, clause: str) -> tuple[Verdict, str] | None:
        """Why a claim that is met proves nothing about `clause`: a request before it was not answered as it must be.

        Where that was about nothing but what the profile is known not to keep, there is nothing to find out here.
        """
        standings = {each["id"]: each["standing"] for each in self._start["clauses"]}
        for other in self._claims.values():
            unlike = isinstance(other, ReplyClaim) and other.state is State.BROKEN and clause not in other.clauses
            if unlike and other.n < claim.n:
                said = f"step {other.step} before it ({other.text}) did not do what it had to: {other.why}"
                missing = other.clauses and all(standings[each] != "kept" for each in other.clauses)
                return (Verdict.UNSUPPORTED if missing else Verdict.INCONCLUSIVE), said
        return None

    def _wrongly_answered(self, claim: ReplyClaim) -> bool:
        """Whether a reply was not what it had to be, in a way that is not known of this profile."""
        standings = {each["id"]: each["standing"] for each in self._start["clauses"]}
        known = claim.clauses and all(standings[each] != "kept" for each in claim.clauses)
        return claim.state is State.BROKEN and not known

    def _dead_base(self) -> list[tuple[Verdict, str]]:
        """Plain HTTP dead while HTTPS answers is the target's failure; the other way round is the TLS clause's."""
        if self._start["matrix"].get("over", "http") != "http":
            return []
        return [
            (
                Verdict.FAIL,
                f"HTTP is dead ({event['error']['message']}) while {', '.join(event['error']['alive'])} answers",
            )
            for event in self._failures
            if event["error"].get("alive")
        ]

    def _stopped(self) -> str:
        if self._end is None:
            return "the Record ends"
        error = self._end["error"]
        return f"the case stopped ({error['message']}{self._starved()})" if error else "the case ended"

    def _starved(self) -> str:
        """What is to be added to why something did not come to pass, '' where there was time enough for it."""
        said = self._starvation.complaint(self._last_t)
        return said and f"; but {said}"

    def _encryption(self, clause: str) -> ClauseVerdict:
        """Whether HTTPS was HTTPS: judged from what the client saw of TLS in every exchange."""
        if not self._start["encrypted"]:
            return ClauseVerdict(clause, Verdict.SKIPPED, "not encrypted: the virtual world proves nothing about TLS")
        for event in self._failures:
            error = event["error"]
            if error["kind"] == "untrusted":
                return ClauseVerdict(clause, Verdict.INCONCLUSIVE, f"{error['message']}; name its CA as ca_file")
            if error.get("alive"):
                return ClauseVerdict(
                    clause,
                    Verdict.FAIL,
                    f"HTTPS is dead ({error['message']}) while {', '.join(error['alive'])} answers",
                )
        plain = [event for event in self._exchanges if not event.get("tls") and not event.get("error")]
        if plain:
            return ClauseVerdict(clause, Verdict.FAIL, "a reply came over HTTPS without TLS")
        answered = [event for event in self._exchanges if event.get("tls")]
        if not answered or self._failures or self._end is None or self._end["error"]:
            return ClauseVerdict(clause, Verdict.INCONCLUSIVE, "not every request was answered")
        if any(isinstance(claim, ReplyClaim) and self._wrongly_answered(claim) for claim in self._claims.values()):
            return ClauseVerdict(
                clause, Verdict.INCONCLUSIVE, "over HTTPS the API did not do what this case asks of it"
            )
        return ClauseVerdict(clause, Verdict.PASS)


def _reached(arrival: Arrival) -> bool:
    """Whether the phone took a message, for the first time and at the Contact where it is."""
    return bool(arrival.event["seen"] == "new" and arrival.event["contact"] == "current")


def _lamp_of(spec: dict[str, Any]) -> tuple[str, str, str]:
    return spec["phone"], spec["presentity"], spec["event"]


class Judge:
    """Judges a whole Record: feeds each case its events."""

    def __init__(self) -> None:
        self.cases: dict[str, CaseJudge] = {}

    def feed(self, event: Event, data: bytes) -> None:
        """Take the next event of the Record."""
        if event["kind"] == "case":
            self.cases[event["case"]] = CaseJudge(event)
        elif (case := self.cases.get(event.get("case", ""))) is not None:
            case.feed(event, data)

    def verdicts(self) -> list[CaseVerdict]:
        """Every case's verdict, in the order in which the cases began."""
        return [case.verdict() for case in self.cases.values()]


def judge_record(record: Record) -> list[CaseVerdict]:
    """The verdicts that a Record on disk proves."""
    judge = Judge()
    for event, data in record:
        judge.feed(event, b"" if event["n"] in record.altered else data)
    for case in judge.cases.values():
        case.doubt(record)
    return judge.verdicts()
