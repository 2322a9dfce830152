"""What a step is about, whatever its kind: its phones, its clauses, and whom a count of it must be closed for."""

from __future__ import annotations

from harness.claiming import Expect, Laws, Lit, Never, Order, parse_hears, parse_is, parse_passes, parse_receives
from harness.model import Step
from harness.steps import (
    Answering,
    Call,
    Hold,
    Holding,
    Load,
    Misses,
    Network,
    OnCall,
    Redirect,
    Register,
    Registering,
    Reject,
    Reset,
    Responds,
    Resume,
    Send,
    Subscribe,
    Sync,
    Unsubscribe,
)


def closing_claim(step: Step) -> list[str]:
    """The phones of a claim that nothing more comes, none for other steps (design: counts are closed, not slept)."""
    if isinstance(step, Never):
        return [parse_receives(step.never)[0]]
    if isinstance(step, Expect) and (step.exactly is not None or step.at_most is not None):
        return [parse_receives(step.expect)[0]]
    if isinstance(step, Expect) and (hearing := parse_hears(step.expect)) and hearing.only:
        return [hearing.phone]
    if isinstance(step, Lit) and step.becomes is None:
        return step.lamp
    if isinstance(step, Laws):
        return step.laws
    return []


def phones_of(step: Step) -> list[str]:
    """The phones that a step names outside its templates."""
    if isinstance(step, Register):
        register = step.register_
        return register.phone if isinstance(register, Registering) else register
    if isinstance(step, Expect):
        if is_ := parse_is(step.expect):
            return [is_[0]]
        hearing = parse_hears(step.expect)
        return [hearing.phone, hearing.other] if hearing else [parse_receives(step.expect)[0]]
    if isinstance(step, Never):
        return [parse_receives(step.never)[0]]
    if isinstance(step, Lit):
        return [*step.lamp, *(step.truth or [])]
    if isinstance(step, Order):
        return [parse_passes(line.that)[0] for line in step.lines]
    if isinstance(step, Call):
        return [step.calling.from_]
    if isinstance(step, Load):
        return [step.load.from_]
    if isinstance(step, Sync):
        return [step.sync]
    if isinstance(step, Reset):
        return [step.reset]
    if isinstance(step, Reject):
        return step.reject.phone if isinstance(step.reject, Answering) else step.reject
    if isinstance(step, Hold | Resume):
        return holding_of(step).phone
    if isinstance(step, Misses):
        return step.missing.phone
    value = getattr(step, step.VERB, None)
    if isinstance(step, Send | Subscribe | Unsubscribe | OnCall | Redirect | Responds | Network):
        phone = getattr(value, "phone", [])
        return [phone] if isinstance(phone, str) else list(phone)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def holding_of(step: Hold | Resume) -> Holding:
    """Who holds a call or takes it up again, and how, however that was written."""
    said = step.hold if isinstance(step, Hold) else step.resume
    return said if isinstance(said, Holding) else Holding.model_validate({"phone": said})


def dialled_by(step: Step) -> list[str]:
    """What a step dials or has others dial: phones, numbers, URIs."""
    if isinstance(step, Call):
        return [step.calling.to]
    if isinstance(step, Load):
        return [step.load.to]
    if isinstance(step, Redirect):
        return step.redirect.to
    return step.on_call.to if isinstance(step, OnCall) else []


def clauses_of(step: Step) -> list[str]:
    """The clauses that a step names."""
    if isinstance(step, Register) and isinstance(step.register_, Registering):
        return step.register_.clauses
    if isinstance(step, Subscribe):
        return step.subscribe.clauses
    if isinstance(step, Unsubscribe):
        return step.unsubscribe.clauses
    return list(getattr(step, "clauses", []))
