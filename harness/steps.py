"""The steps of a scenario, typed: what can happen, and what can be claimed about it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from harness.claiming import Expect, Laws, Lit, Never, Order
from harness.crafted import Sending
from harness.model import Duration, OneOrMore, Step, Strict, check_matchers, plain_pattern

_CALL = re.compile(r"(?P<phone>\S+) to (?P<target>\S.*)\Z", re.DOTALL)
METHOD = re.compile(r"[A-Z]{3,12}\Z")
_METHOD = plain_pattern(METHOD, wanted="a SIP method such as NOTIFY")


class Registering(Strict):
    """`register` with conditions."""

    phone: OneOrMore = Field(description="phones, by name")
    expires: int | None = Field(None, ge=0, le=7 * 24 * 3600, description="seconds to ask for")
    refresh: bool = Field(True, description="refresh before it expires")
    outcome: Literal["registered", "refused", "unanswered"] = "registered"
    status: int | None = Field(None, description="the status of the deciding response")
    clauses: list[str] = Field(
        default_factory=list, description="clauses that this proves; without any it is a precondition of all"
    )


class Reply(Strict):
    """What the API's reply must be."""

    status: int | list[int] | None = None
    content: dict[str, Any] = Field(default_factory=dict, alias="json", description="dotted path to matcher")
    headers: dict[str, Any] = Field(default_factory=dict, description="header to matcher")
    body: Any = Field(None, description="matcher on the body as text")

    @field_validator("content", "headers")
    @classmethod
    def _matchers(cls, value: dict[str, Any]) -> dict[str, Any]:
        return check_matchers(value)


class Calling(Strict):
    """`call` with more to say."""

    from_: str = Field(alias="from", description="the phone that calls")
    to: str = Field(description="a phone (its extension, else its SIP username), a number, or a sip: URI")
    as_: str | None = Field(None, alias="as", description="the caller number that a carrier shows")


class Answering(Strict):
    """`reject` with a status."""

    phone: OneOrMore = Field(description="phones, by name")
    status: int = Field(486, ge=300, le=699)


class Redirecting(Strict):
    """`redirect`: 302."""

    phone: OneOrMore = Field(description="phones, by name")
    to: OneOrMore = Field(description="where the caller is sent: phones, numbers or sip: URIs")


class Holding(Strict):
    """`hold` and `resume` with more to say."""

    phone: OneOrMore = Field(description="phones, by name")
    by: Literal["INVITE", "UPDATE"] = Field("INVITE", description="the request that offers the session anew")


class CallPolicy(Strict):
    """What a phone does with calls by itself."""

    how: Literal["reject", "ring", "answer", "ignore", "auto", "redirect"] = Field(
        "ring",
        description="reject; ring and wait for a step; answer; ignore: not even ring; auto: answer where the call asks "
        "for it, ring otherwise; redirect: 302",
    )
    status: int = Field(486, ge=300, le=699, description="of `reject`")
    after: Duration = Field(0.0, description="how long `answer` rings before")
    to: OneOrMore = Field(default_factory=list, description="of `redirect`: phones, numbers or sip: URIs")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.how == "redirect") != bool(self.to):
            raise ValueError("a call is redirected `to` somebody, and no other is")
        return self


class Handling(CallPolicy):
    """`on_call`: the policy of phones from now on."""

    phone: OneOrMore = Field(description="phones, by name")


class Subscribing(Strict):
    """`subscribe` and `unsubscribe`."""

    phone: OneOrMore = Field(description="the watchers, by name")
    to: str = Field(description="whom they watch: a phone, or a sip: URI")
    event: str = Field("dialog", description="the event package: dialog, presence, message-summary, or what it takes")
    expires: int | None = Field(None, ge=0, le=7 * 24 * 3600, description="seconds to ask for")
    refresh: bool = Field(True, description="refresh before it expires")
    outcome: Literal["active", "refused", "unanswered", "terminated"] | None = Field(
        None, description="how it ends; default active for `subscribe`, terminated for `unsubscribe`"
    )
    status: int | None = Field(None, description="the status of the deciding response")
    clauses: list[str] = Field(
        default_factory=list, description="clauses that this proves; without any it is a precondition of all"
    )


class Missing(Strict):
    """`misses`: requests that a phone acknowledges and forgets."""

    phone: OneOrMore
    method: str = Field("NOTIFY", pattern=_METHOD)
    event: str = Field("dialog", description="of NOTIFYs only those of this event package")
    count: int = Field(1, ge=1, le=1000)


class Responding(Strict):
    """`responds`: how a phone answers a method from now on."""

    phone: OneOrMore
    to: str = Field(pattern=_METHOD)
    with_: Annotated[int, Field(ge=200, le=699)] | Literal["silence", "usual"] = Field(
        alias="with", description="a final status; silence: no answer; usual: as before"
    )


class Losing(Strict):
    """`lose`: an event inside the server. Reference only."""

    of: str = Field(description="whose: a phone, or a sip: URI")
    state: Literal["early", "confirmed", "terminated"] = "terminated"


class Networking(Strict):
    """`network`: what the network of a phone does to its messages, on any target: the harness does it on our side."""

    phone: OneOrMore = Field(description="phones, by name")
    does: Literal["lose", "delay", "double", "reorder", "away", "back", "mend"] = Field(
        description="to the next messages: lose; delay; double; reorder: hold until another has passed; to all, both "
        "ways: away, until back; mend: no faults any more, and what is held is delivered",
    )
    what: Annotated[str, Field(pattern=_METHOD)] | None = Field(
        None, description="a method, requests and their responses; default every SIP message"
    )
    event: str = Field("", description="only requests of this event package; default every message")
    way: Literal["in", "out"] = Field("in", description="to the phone, or from it")
    count: int = Field(1, ge=1, le=1000, description="the next so many that fit, repetitions included")
    seconds: Duration = Field(
        1.0, le=3600, description="how long a message is held, at most for `reorder`; how much later its copy comes"
    )

    @model_validator(mode="after")
    def _of_messages(self) -> Networking:
        told = self.model_fields_set - {"phone", "does"}
        if self.does in ("away", "back", "mend") and told:
            raise ValueError(f"`{self.does}` is about every message: it has no {', no '.join(sorted(told))}")
        if self.event and self.what not in (None, "NOTIFY", "SUBSCRIBE"):
            raise ValueError(f"a {self.what} has no Event: only NOTIFY and SUBSCRIBE have")
        if self.does == "lose" and "seconds" in told:
            raise ValueError("what is lost does not come later: `lose` has no seconds")
        return self


class Loading(Strict):
    """`load`: traffic of another program in the background."""

    from_: str = Field(alias="from", description="the phone whose device calls or registers")
    calls: float | None = Field(None, gt=0, le=1000, description="calls that begin per second")
    registrations: float | None = Field(None, gt=0, le=10_000, description="registrations per second")
    to: str = Field("", description="of calls: a phone, which must answer by itself, or a number")
    for_: Duration = Field(alias="for", gt=0, le=3600, description="how long new ones begin")
    talk: Duration = Field(0.2, le=60, description="how long each call lasts")

    @model_validator(mode="after")
    def _one(self) -> Loading:
        if (self.calls is None) == (self.registrations is None):
            raise ValueError("say either `calls` or `registrations`, per second")
        if (self.calls is None) != (not self.to):
            raise ValueError("calls go `to` somebody, registrations do not")
        return self

    @property
    def rate(self) -> float:
        """How many begin per second."""
        return self.calls or self.registrations or 0.0


class Register(Step):
    """Register phones, or refresh their registration."""

    VERB = "register"
    register_: OneOrMore | Registering = Field(alias="register")


class Unregister(Step):
    """Unregister phones."""

    VERB = "unregister"
    unregister: OneOrMore


class Move(Step):
    """Take phones to another Contact and register it in the same registration."""

    VERB = "move"
    move: OneOrMore


class Forget(Step):
    """Phones lose their calls and subscriptions as at a power cut, without a message."""

    VERB = "forget"
    forget: OneOrMore


class Control(Step):
    """Prove that phones can be reached: a check-sync by the sync path must arrive. Later counts rest on it."""

    VERB = "control"
    control: OneOrMore


class Subscribe(Step):
    """Phones watch somebody, or refresh that. The first NOTIFY is a control of later counts."""

    VERB = "subscribe"
    subscribe: Subscribing


class Unsubscribe(Step):
    """Phones stop watching."""

    VERB = "unsubscribe"
    unsubscribe: Subscribing


class Call(Step):
    """A phone calls: `desk to lobby`."""

    VERB = "call"
    call: Annotated[str, Field(pattern=plain_pattern(_CALL, wanted="PHONE to TARGET"))] | Calling

    @property
    def calling(self) -> Calling:
        """Who calls whom, however it was written."""
        if isinstance(self.call, Calling):
            return self.call
        match = _CALL.match(self.call)
        assert match is not None
        return Calling.model_validate({"from": match["phone"], "to": match["target"]})


class Answer(Step):
    """Phones answer the call that rings at them, and wait until it is up."""

    VERB = "answer"
    answer: OneOrMore


class Reject(Step):
    """Phones reject the call that rings at them."""

    VERB = "reject"
    reject: OneOrMore | Answering


class Redirect(Step):
    """Phones send the caller that rings at them somewhere else."""

    VERB = "redirect"
    redirect: Redirecting


class Hold(Step):
    """Phones hold the call that they are in: they do not hear the other side any more."""

    VERB = "hold"
    hold: OneOrMore | Holding


class Resume(Step):
    """Phones take up the call again that they hold."""

    VERB = "resume"
    resume: OneOrMore | Holding


class HangUp(Step):
    """Phones end the call that they are in."""

    VERB = "hang_up"
    hang_up: OneOrMore


class Cancel(Step):
    """Phones give up the call that they make before it is answered."""

    VERB = "cancel"
    cancel: OneOrMore


class OnCall(Step):
    """What phones do with calls from now on."""

    VERB = "on_call"
    on_call: Handling


class Misses(Step):
    """Phones acknowledge the next requests of a method and forget them: how a lamp gets stuck on any target."""

    VERB = "misses"
    misses: OneOrMore | Missing

    @property
    def missing(self) -> Missing:
        """What is missed, however it was written."""
        return self.misses if isinstance(self.misses, Missing) else Missing.model_validate({"phone": self.misses})


class Responds(Step):
    """How phones answer a method from now on."""

    VERB = "responds"
    responds: Responding


class Network(Step):
    """The network of phones loses, holds, doubles or swaps their messages, or is away."""

    VERB = "network"
    network: Networking


class Lose(Step):
    """The server loses the next event of a presentity inside. Only the reference server does that when asked."""

    VERB = "lose"
    lose: Losing


class Restart(Step):
    """The SIP side of the server restarts and forgets what it held in memory. Only the reference server does that."""

    VERB = "restart"
    restart: Literal["server"]


class Request(Step):
    """An API call. `data` is put into Kazoo's envelope; `body` is sent as it is."""

    VERB = "request"
    request: str = Field(description="METHOD PATH, a path such as {{ desk.url }}/sync")
    data: Any = Field(None, description="becomes {data: …}")
    envelope: Any = Field(None, description="the whole JSON body")
    body: str | None = Field(None, description="the body as text")
    headers: dict[str, str] = Field(default_factory=dict)
    query: dict[str, str] = Field(default_factory=dict)
    token: str | None = Field("own", description="own, other, parent, child, none, or a text to be sent as the token")
    token_in: Literal["header", "query"] = "header"
    api: Literal["v1", "v2"] | None = Field(None, description="instead of the matrix' version")
    times: int = Field(1, ge=1, le=1000, description="sent so often, one after the other; the last is what counts")
    until: int | None = Field(
        None, ge=100, le=599, description="of `times`: once one is answered with this status, the next is the last"
    )
    reply: Reply | None = None
    save: dict[str, str] = Field(default_factory=dict, description="name to dotted path of the reply")
    clauses: list[str] = Field(default_factory=list, description="clauses that the reply proves; default all")

    @model_validator(mode="after")
    def _one_body(self) -> Request:
        if self.until is not None and self.times == 1:
            raise ValueError("`until` ends what is sent several times: say `times`, too")
        given = [name for name in ("data", "envelope", "body") if name in self.model_fields_set]
        if len(given) > 1:
            raise ValueError(f"say only one of {', '.join(given)}")
        return self


class Sync(Step):
    """Ask for a check-sync in the way that the expected Kazoo has for it."""

    VERB = "sync"
    sync: str = Field(description="the phone whose device it is")
    token: str | None = Field("own", description="as in `request`")
    token_in: Literal["header", "query"] = "header"
    clauses: list[str] = Field(
        default_factory=list, description="clauses that the reply proves; without any it is a precondition of all"
    )


class Reset(Step):
    """Reset the presence of a phone's device, in the way that the expected Kazoo has for it."""

    VERB = "reset"
    reset: str = Field(description="the phone whose device it is")
    clauses: list[str] = Field(
        default_factory=list, description="clauses that the reply proves; without any it is a precondition of all"
    )


class Load(Step):
    """Calls or registrations by SIPp in the background, while the steps behind it run."""

    VERB = "load"
    load: Loading


class Wait(Step):
    """Let time pass."""

    VERB = "wait"
    wait: Duration


class Expire(Step):
    """Wait until the registrations of phones are over, after the time that was granted and a second more.

    Of a phone that watches without refreshing: until its subscriptions are.
    """

    VERB = "expire"
    expire: OneOrMore


class Mark(Step):
    """Open a new window: what arrived before does not count for what is claimed after."""

    VERB = "mark"
    mark: str


class Send(Step):
    """Put bytes on the wire from a phone."""

    VERB = "send"
    send: Sending


class Create(Step):
    """Create the device of a phone again, after it was deleted, with the same credentials."""

    VERB = "create"
    create: OneOrMore


class Parallel(Step):
    """Steps that run at the same time."""

    VERB = "parallel"
    parallel: list[AnyStep] = Field(min_length=1)


class Repeat(Step):
    """Steps that are done so often, one round after the other: what happens now and then happens in one of them."""

    VERB = "repeat"
    repeat: int = Field(ge=2, le=1000, description="how many rounds")
    steps: list[AnyStep] = Field(min_length=1)

    @model_validator(mode="after")
    def _plain(self) -> Repeat:
        if self.name is not None or self.needs:
            raise ValueError("`name` and `needs` belong to the steps inside `repeat`")
        return self


_STEPS: tuple[type[Step], ...] = (
    Register,
    Unregister,
    Move,
    Forget,
    Control,
    Subscribe,
    Unsubscribe,
    Call,
    Answer,
    Reject,
    Redirect,
    Hold,
    Resume,
    HangUp,
    Cancel,
    OnCall,
    Misses,
    Responds,
    Network,
    Lose,
    Restart,
    Request,
    Sync,
    Reset,
    Expect,
    Never,
    Lit,
    Laws,
    Order,
    Load,
    Wait,
    Expire,
    Mark,
    Send,
    Create,
    Parallel,
    Repeat,
)
QUIET = (Load, Wait, Mark, OnCall, Misses, Responds, Network, Lose)
"""Steps that put nothing on the wire: what is claimed next still counts from what was done before."""

VERBS = tuple(step.VERB for step in _STEPS)
"""What a step can begin with."""


def _verb(value: Any) -> str | None:
    if isinstance(value, Step):
        return value.VERB
    found = [verb for verb in VERBS if isinstance(value, dict) and verb in value]
    return found[0] if len(found) == 1 else None


AnyStep = Annotated[
    Annotated[Register, Tag("register")]
    | Annotated[Unregister, Tag("unregister")]
    | Annotated[Move, Tag("move")]
    | Annotated[Forget, Tag("forget")]
    | Annotated[Control, Tag("control")]
    | Annotated[Subscribe, Tag("subscribe")]
    | Annotated[Unsubscribe, Tag("unsubscribe")]
    | Annotated[Call, Tag("call")]
    | Annotated[Answer, Tag("answer")]
    | Annotated[Reject, Tag("reject")]
    | Annotated[Redirect, Tag("redirect")]
    | Annotated[Hold, Tag("hold")]
    | Annotated[Resume, Tag("resume")]
    | Annotated[HangUp, Tag("hang_up")]
    | Annotated[Cancel, Tag("cancel")]
    | Annotated[OnCall, Tag("on_call")]
    | Annotated[Misses, Tag("misses")]
    | Annotated[Responds, Tag("responds")]
    | Annotated[Network, Tag("network")]
    | Annotated[Lose, Tag("lose")]
    | Annotated[Restart, Tag("restart")]
    | Annotated[Request, Tag("request")]
    | Annotated[Sync, Tag("sync")]
    | Annotated[Reset, Tag("reset")]
    | Annotated[Expect, Tag("expect")]
    | Annotated[Never, Tag("never")]
    | Annotated[Lit, Tag("lamp")]
    | Annotated[Laws, Tag("laws")]
    | Annotated[Order, Tag("order")]
    | Annotated[Load, Tag("load")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[Expire, Tag("expire")]
    | Annotated[Mark, Tag("mark")]
    | Annotated[Send, Tag("send")]
    | Annotated[Create, Tag("create")]
    | Annotated[Parallel, Tag("parallel")]
    | Annotated[Repeat, Tag("repeat")],
    Discriminator(
        _verb,
        custom_error_type="step_verb",
        custom_error_message=f"a step has exactly one of {', '.join(VERBS)}",
    ),
]

Parallel.model_rebuild()
Repeat.model_rebuild()


def inner_steps(step: Step) -> list[AnyStep]:
    """The steps inside a step, if there are any."""
    return step.parallel if isinstance(step, Parallel) else step.steps if isinstance(step, Repeat) else []
